"""How a question leaves: whom a step reaches, the link minted for that one message, the words, the notice."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency import messages
from emergency.asking.models import Link, Question, QuestionStep, StepKind
from emergency.asking.rules import AnswerOption
from emergency.config import Config
from emergency.people.accounts.models import Account
from emergency.people.contacts.models import Contact, PhoneState
from emergency.people.posts.models import PostHolder
from emergency.privacy import vault
from kernel.clock import BEIJING
from kernel.db import now
from kernel.ids import new_id
from notify import service as notify
from notify.channels import catalogue
from notify.models import Broadcast, Kind

TOKEN_BYTES = 16
_DIGEST = "question-link"
_CAN_RECEIVE = (PhoneState.UNVERIFIED, PhoneState.VERIFIED)

URGENT = 1
"""Priorities up to this are never held back by a quota."""
OPENINGS = {StepKind.REMIND: "remind", StepKind.DEPUTY: "ask_deputy", StepKind.SUPERIOR: "ask_superior"}
"""What stands before the question when it is not asked for the first time."""


@dataclass(frozen=True)
class Target:
    """Somebody whom a message can reach: as whom they answer, their contact, their number's index."""

    recipient: str
    contact_id: int
    number_key: bytes


def digest(session: Session, token: str) -> bytes:
    """What is kept of a link's token."""
    return vault.of(session).digest(_DIGEST, token)


def config_of(session: Session) -> Config:
    """The configuration that the session carries."""
    config: Config = session.info["config"]
    return config


def roads(session: Session, wanted: Sequence[str] | None, *, exercise: bool) -> list[str]:
    """By what channels a question leaves: those that were asked for, as far as they are set up here, else the usual."""
    notify_config = config_of(session).notify
    offered = notify_config.channels_for(exercise=exercise)
    return [name for name in wanted or () if name in offered] or list(notify_config.default_channels)


def holders(session: Session, post_ids: Collection[int]) -> dict[int, list[Target]]:
    """Holder and deputies of each post, in the order in which they are asked; only who can receive a message."""
    rows = session.execute(
        sa.select(PostHolder.post_id, PostHolder.contact_id, Contact.phone_index)
        .join(Contact, Contact.id == PostHolder.contact_id)
        .where(PostHolder.post_id.in_(post_ids), Contact.phone_state.in_(_CAN_RECEIVE))
        .order_by(PostHolder.post_id, PostHolder.order)
    )
    found: dict[int, list[Target]] = {}
    for post_id, contact_id, index in rows:
        if index is not None:
            found.setdefault(post_id, []).append(Target(f"post:{post_id}", contact_id, index))
    return found


def first_holders(session: Session, post_ids: Collection[int]) -> dict[int, Target]:
    """The holder of each post; where the holder cannot be reached, nobody: the ladder goes on at once."""
    rows = session.execute(
        sa.select(PostHolder.post_id, PostHolder.contact_id, Contact.phone_index)
        .join(Contact, Contact.id == PostHolder.contact_id)
        .where(PostHolder.post_id.in_(post_ids), PostHolder.order == 0, Contact.phone_state.in_(_CAN_RECEIVE))
    )
    return {post_id: Target(f"post:{post_id}", contact, index) for post_id, contact, index in rows if index}


def account_targets(session: Session, account_ids: Collection[int]) -> dict[int, Target]:
    """Who can be reached behind each account."""
    rows = session.execute(
        sa.select(Account.id, Contact.id, Contact.phone_index)
        .join(Contact, Contact.id == Account.contact_id)
        .where(Account.id.in_(account_ids), Contact.phone_state.in_(_CAN_RECEIVE))
    )
    return {account: Target(f"account:{account}", contact, index) for account, contact, index in rows if index}


def words(
    session: Session,
    step: StepKind,
    *,
    text: str,
    due_at: datetime,
    choices: Sequence[AnswerOption],
    post: str = "",
    exercise: bool = False,
    channels: Sequence[str] = (),
) -> str:
    """The message with its one field `{link}`, in the site's language.

    It invites to a reply only where the account that carries it can receive one; where it is spoken, to a key.
    """
    spoken = bool(channels) and catalogue.abilities(channels[0]).voice
    two_way = config_of(session).notify.takes_replies(exercise=exercise)
    language = config_of(session).site.language
    if step in OPENINGS:
        wanted = {"text": text} if step is StepKind.REMIND else {"text": text, "post": post}
        text = messages.render(OPENINGS[step], language, **wanted)
    local = due_at.astimezone(BEIJING)
    fields = {
        "text": _literal(text),
        "due": f"{local:%d %b %H:%M}" if language == "en" else f"{local.month}月{local.day}日{local:%H:%M}",
        "link": "{link}",
    }
    if not two_way and not spoken:
        return messages.render("question_by_link", language, **fields)
    between = ", " if language == "en" else "，"
    offered = [(n, option) for n, option in enumerate(choices, start=1) if option.spoken or not spoken]
    listed = _literal(between.join(f"{n} {option.label(language)}" for n, option in offered))
    if spoken:
        del fields["link"]
        return messages.render("question_spoken", language, **fields, choices=listed)
    return messages.render("question", language, **fields, choices=listed)


def _literal(text: str) -> str:
    """`text` as it has to stand in what is a template itself: its braces are no fields."""
    return text.replace("{", "{{").replace("}", "}}")


def send(
    session: Session, text: str, pairs: Iterable[tuple[Question, QuestionStep, Target]], channels: Sequence[str]
) -> list[Broadcast]:
    """Give each target its message with a link of its own, and note on the step who got it.

    A number that stands behind two of the questions gets one message for each: they are different questions.
    """
    waiting = list(pairs)
    sent: list[Broadcast] = []
    while waiting:
        taken: dict[bytes, tuple[Question, QuestionStep, Target]] = {}
        rest = []
        for pair in waiting:
            if pair[2].number_key in taken:
                rest.append(pair)
            else:
                taken[pair[2].number_key] = pair
        sent.append(_send_round(session, text, list(taken.values()), channels))
        waiting = rest
    return sent


def _spared(question: Question) -> bool:
    """A call-out always goes, and whatever is as urgent (an approval that a warning waits for)."""
    return question.notice_kind is Kind.ACTUAL or question.priority <= URGENT


def _send_round(
    session: Session, text: str, pairs: Sequence[tuple[Question, QuestionStep, Target]], channels: Sequence[str]
) -> Broadcast:
    config = config_of(session)
    moment = now(session)
    question = pairs[0][0]
    recipients, links = [], []
    for asked, step, target in pairs:
        token = secrets.token_urlsafe(TOKEN_BYTES)
        links.append(
            {
                "id": new_id(),
                "question_id": asked.id,
                "token_digest": digest(session, token),
                "recipient": target.recipient,
                "contact_id": target.contact_id,
                "step_id": step.id,
                "created_at": moment,
            }
        )
        recipients.append(
            notify.Recipient(
                recipient=target.recipient,
                division=asked.division_code,
                address_key=target.contact_id,
                number_key=target.number_key,
                params={"link": f"{config.public_url}/c/{token}"},
            )
        )
    session.execute(sa.insert(Link), links)
    alone = len(pairs) == 1
    broadcast = notify.deliver(
        session,
        notify.BroadcastSpec(
            kind=question.notice_kind,
            priority=question.priority,
            text=text,
            valid_until=question.closes_at,
            channels=list(channels),
            subject_kind="question" if alone else question.subject_kind,
            subject_id=question.id if alone else question.subject_id,
            signature=config.site.sms_signature,
            daily_quota=0 if _spared(question) else config.notify.daily_quota_per_number,
        ),
        recipients,
    )
    for _asked, step, target in pairs:
        step.recipient, step.contact_id, step.broadcast_id = target.recipient, target.contact_id, broadcast.id
    return broadcast
