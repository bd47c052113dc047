"""Text replies: `1` counts as an answer only where it can mean one thing; everything else waits for a person."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.asking import answers, lookup
from emergency.asking.models import Answer, Link, Means, Question, QuestionState, Reply, ReplyState
from emergency.asking.rules import PERSON, AnswerOption, reply_choice
from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.people.contacts import service as contacts
from emergency.people.contacts.models import Contact
from emergency.privacy import journal, vault
from kernel.db import now
from kernel.errors import N_, Conflict, NotFound
from kernel.ids import new_id
from kernel.states import transition

R = ReplyState
TRANSITIONS: dict[ReplyState, frozenset[ReplyState]] = {
    R.WAITING: frozenset({R.USED, R.DISMISSED}),
    R.USED: frozenset(),
    R.DISMISSED: frozenset(),
}
_REPLY_LENGTH = 500
_MEANS = {"voice": Means.KEY}


class ReplyDesk:
    """The port through which delivery hands us what people reply (`notify.ports.Answers`)."""

    def received(
        self,
        session: Session,
        number_key: bytes,
        text: str,
        at: datetime,
        channel: str,
        raw_id: int,
        *,
        delivery_id: int | None = None,
        account: str = "",
    ) -> str:
        """Take one reply. Returns `matched`, `ambiguous`, `unclear`, `no_question` or `unknown_number`."""
        rows = self._questions(session, number_key)
        if not rows:
            known = session.scalar(sa.select(Contact.id).where(Contact.phone_index == number_key).limit(1))
            return "no_question" if known is not None else "unknown_number"
        questions = {question.id: (question, link) for question, link in rows}
        if len(questions) == 1:
            question, link = next(iter(questions.values()))
            choice = reply_choice(text, [AnswerOption.from_json(data) for data in question.answers])
            # A deputy's name cannot be given by a digit: somebody has to ask who it is.
            if choice is not None and choice.needs not in PERSON:
                self._count(session, question, link, choice, channel, at)
                return "matched"
        why = "ambiguous" if len(questions) > 1 else "unclear"
        self._keep(session, list(questions.values()), text, at, channel, raw_id, why)
        return why

    @staticmethod
    def _questions(session: Session, number_key: bytes) -> list[tuple[Question, Link]]:
        """Open questions that were sent to this number; if none is open, those whose answer may still be changed."""
        rows = session.execute(
            sa.select(Question, Link)
            .join(Link, Link.question_id == Question.id)
            .join(Contact, Contact.id == Link.contact_id)
            .where(
                Contact.phone_index == number_key,
                Question.state.in_((QuestionState.OPEN, QuestionState.ANSWERED)),
                Question.closes_at > now(session),
            )
            .order_by(Question.id, Link.id)
        ).all()
        still_open = [(question, link) for question, link in rows if question.state is QuestionState.OPEN]
        return still_open or [(question, link) for question, link in rows]

    @staticmethod
    def _count(
        session: Session, question: Question, link: Link, choice: AnswerOption, channel: str, at: datetime
    ) -> Answer:
        # The provider's clock is not ours: an answer is never older than its question nor younger than now.
        given = min(max(at, question.asked_at), now(session))
        return answers.answer(
            session,
            actor=actor_of(link),
            question_id=question.id,
            answer=choice.key,
            means=_MEANS.get(channel, Means.SMS),
            at=given,
            extra={"reason": "other"} if choice.needs == "reason" else None,
            link=link,
        )

    @staticmethod
    def _keep(
        session: Session,
        pairs: Sequence[tuple[Question, Link]],
        text: str,
        at: datetime,
        channel: str,
        raw_id: int,
        why: str,
    ) -> None:
        if session.scalar(sa.select(Reply.id).where(Reply.raw_id == raw_id)) is not None:
            return
        question, link = pairs[0]
        reply_id = new_id()
        session.add(
            Reply(
                id=reply_id,
                contact_id=link.contact_id,
                division_code=question.division_code,
                text_sealed=vault.of(session).seal("question_reply", "text", reply_id, text[:_REPLY_LENGTH]),
                question_ids=[asked.id for asked, _link in pairs],
                at=at,
                channel=channel,
                raw_id=raw_id,
                state=ReplyState.WAITING,
                why=why,
            )
        )


def actor_of(link: Link) -> Actor:
    """The one who answers through a link or from a number: the post or account that was asked."""
    kind, _colon, number = link.recipient.partition(":")
    return Actor(kind=kind, id=int(number))


def _reply(session: Session, actor: Actor, reply_id: int) -> Reply:
    reply = session.get(Reply, reply_id)
    if reply is None or not actor.covers(reply.division_code):
        raise NotFound(N_("There is no such reply, or it lies outside your area."))
    return reply


def reveal_reply(session: Session, *, actor: Actor, reply_id: int, purpose: journal.Purpose | str) -> tuple[Reply, str]:
    """What somebody wrote back, in clear; journalled before it is opened. Outside a writing transaction."""
    actor.require(Permission.PERSONAL_REVEAL)
    wanted = contacts.purpose_of(purpose)
    reply = _reply(session, actor, reply_id)
    contacts.journal_now(
        session, journal.REVEALED, actor=actor, subject=("question_reply", reply_id), purpose=wanted, fields="text",
        division=reply.division_code,
    )  # fmt: skip
    return reply, vault.of(session).open("question_reply", "text", reply_id, reply.text_sealed)


def use_reply(session: Session, *, actor: Actor, reply_id: int, question_id: int, answer: str) -> Answer:
    """A person says which question the reply answers, and what it means."""
    reply = _reply(session, actor, reply_id)
    if question_id not in reply.question_ids:
        raise Conflict(N_("This reply cannot belong to that question."), code="other_question")
    question = lookup.get(session, actor=actor, question_id=question_id)
    _settle(session, reply, ReplyState.USED, actor)
    return answers.answer(
        session,
        actor=actor,
        question_id=question_id,
        answer=answer,
        means=_MEANS.get(reply.channel, Means.SMS),
        at=min(max(reply.at, question.asked_at), now(session)),
    )


def dismiss_reply(session: Session, *, actor: Actor, reply_id: int, reason: str) -> Reply:
    """The reply is no answer to anything (thanks, a wrong number)."""
    reply = _reply(session, actor, reply_id)
    _settle(session, reply, ReplyState.DISMISSED, actor, reason)
    return reply


def _settle(session: Session, reply: Reply, to: ReplyState, actor: Actor, reason: str | None = None) -> None:
    values = {"settled_by": str(actor), "settled_at": now(session)}
    transition(session, reply, to, allowed=TRANSITIONS, actor=actor, reason=reason, values=values)
