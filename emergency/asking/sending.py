"""How a question leaves: whom a step reaches, the link minted for that one message, the words, the notice."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.asking.models import Link, Question, QuestionStep, StepKind
from emergency.asking.rules import AnswerOption
from emergency.config import Config
from emergency.http.i18n import catalogue
from emergency.people.accounts.models import Account
from emergency.people.contacts.models import Contact, PhoneState
from emergency.people.posts.models import PostHolder
from emergency.privacy import vault
from kernel.clock import BEIJING
from kernel.db import now
from kernel.errors import N_
from kernel.ids import new_id
from notify import service as notify
from notify.models import Broadcast

TOKEN_BYTES = 16
_DIGEST = "question-link"
_CAN_RECEIVE = (PhoneState.UNVERIFIED, PhoneState.VERIFIED)

OPENINGS = {
    StepKind.ASK: N_("%(text)s"),
    StepKind.REMIND: N_("Reminder: %(text)s"),
    StepKind.DEPUTY: N_("%(post)s has not answered. Please answer in their place: %(text)s"),
    StepKind.SUPERIOR: N_("%(post)s has not answered until now. Please see to it: %(text)s"),
}
CLOSING = N_("%(opening)s Before %(due)s reply %(choices)s, or open {link}")
CLOSING_BY_LINK = N_("%(opening)s Before %(due)s open {link} and answer there; this number takes no replies.")


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
) -> str:
    """The message with its one field `{link}`, in the site's language.

    It invites to a reply only where the account that carries it can receive one.
    """
    two_way = config_of(session).notify.takes_replies(exercise=exercise)
    language = config_of(session).site.language
    translate = catalogue(language).gettext
    opening = translate(OPENINGS[step]) % {"text": text, "post": post}
    between = ", " if language == "en" else "，"
    listed = between.join(f"{n} {option.label(language)}" for n, option in enumerate(choices, start=1))
    plain = opening.replace("{", "{{").replace("}", "}}")
    listed = listed.replace("{", "{{").replace("}", "}}")
    local = due_at.astimezone(BEIJING)
    due = f"{local:%d %b %H:%M}" if language == "en" else f"{local.month}月{local.day}日{local:%H:%M}"
    closing = CLOSING if two_way else CLOSING_BY_LINK
    return translate(closing) % {"opening": plain, "due": due, "choices": listed}


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
        ),
        recipients,
    )
    for _asked, step, target in pairs:
        step.recipient, step.contact_id, step.broadcast_id = target.recipient, target.contact_id, broadcast.id
    return broadcast
