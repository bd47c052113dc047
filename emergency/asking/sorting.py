"""What people do with replies: read them with a purpose, say which question they answer, put them aside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.asking import answers, lookup, senders
from emergency.asking.models import Answer, Means, Question, QuestionState, Reply, ReplyState, ReplyWhy
from emergency.asking.replies import MEANS, settle
from emergency.asking.rules import TAKES_ANSWERS
from emergency.http.actor import Actor
from emergency.http.paging import Page, paginate
from emergency.http.permissions import Permission
from emergency.people.contacts import service as contacts
from emergency.privacy import journal, vault
from kernel.db import now
from kernel.errors import N_, Invalid, NotFound
from notify import receipts
from notify.ports import Ports

ASSIGNABLE = 50
AT_ONCE = 500
COURTESY_REASON = "仅回复收到或致谢"
QUIET = (ReplyWhy.COURTESY,)
"""Replies that nobody has to hurry for."""


@dataclass(frozen=True)
class Revealed:
    """A reply in clear: its words, and the number to ring back (empty once the stored message was destroyed)."""

    reply: Reply
    text: str
    number: str


def replies(
    session: Session,
    *,
    actor: Actor,
    state: ReplyState = ReplyState.WAITING,
    why: ReplyWhy | None = None,
    cursor: str | None = None,
) -> Page[Reply]:
    """Replies in scope that a person has to sort, oldest first; those that are done, the latest first."""
    statement = sa.select(Reply).where(Reply.state == state, _in_scope(actor))
    if why is not None:
        statement = statement.where(Reply.why == why)
    return paginate(session, statement, key=[Reply.id], cursor=cursor, descending=state is not ReplyState.WAITING)


def counts(session: Session, *, actor: Actor) -> dict[ReplyWhy, int]:
    """How many replies in scope wait, by why."""
    rows = session.execute(
        sa.select(Reply.why, sa.func.count())
        .where(Reply.state == ReplyState.WAITING, _in_scope(actor))
        .group_by(Reply.why)
    )
    found = dict.fromkeys(ReplyWhy, 0)
    for why, count in rows:
        found[why] = int(count)
    return found


def first_waiting(session: Session, *, actor: Actor) -> datetime | None:
    """Since when the oldest reply in scope waits that somebody has to look at."""
    return session.scalar(
        sa.select(sa.func.min(Reply.at)).where(
            Reply.state == ReplyState.WAITING, Reply.why.not_in(QUIET), _in_scope(actor)
        )
    )


def _in_scope(actor: Actor) -> sa.ColumnElement[bool]:
    return Reply.division_code.between(actor.division_prefix.ljust(12, "0"), actor.division_prefix.ljust(12, "9"))


def late_replies(session: Session, question_id: int) -> list[Reply]:
    """What came after a question had closed, oldest first; shown with the question."""
    rows = session.scalars(sa.select(Reply).where(Reply.why == ReplyWhy.LATE).order_by(Reply.id.desc()).limit(1000))
    return [reply for reply in reversed(rows.all()) if question_id in reply.question_ids]


def get_reply(session: Session, *, actor: Actor, reply_id: int) -> Reply:
    """One reply in the actor's scope."""
    reply = session.get(Reply, reply_id)
    if reply is None or not actor.covers(reply.division_code):
        raise NotFound(N_("There is no such reply, or it lies outside your area."))
    return reply


def reveal_reply(session: Session, *, actor: Actor, reply_id: int, purpose: journal.Purpose | str) -> Revealed:
    """What somebody wrote back, in clear; journalled before it is opened. Outside a writing transaction."""
    actor.require(Permission.PERSONAL_REVEAL)
    wanted = contacts.purpose_of(purpose)
    reply = get_reply(session, actor=actor, reply_id=reply_id)
    contacts.journal_now(
        session, journal.REVEALED, actor=actor, subject=("question_reply", reply_id), purpose=wanted,
        fields="text,phone", division=reply.division_code,
    )  # fmt: skip
    text = vault.of(session).open("question_reply", "text", reply_id, reply.text_sealed)
    ports: Ports | None = session.info.get("ports")
    number = receipts.number_of(session, ports, reply.raw_id) if ports is not None else ""
    return Revealed(reply, text, number)


def assignable(session: Session, *, actor: Actor, reply: Reply) -> Sequence[Question]:
    """Questions that a reply may be counted for: its own, those of the sender's posts, then what waits in scope."""
    posts: tuple[int, ...] = ()
    if reply.contact_id is not None:
        described = senders.describe(session, [reply.contact_id], "zh").get(reply.contact_id)
        posts = described.post_ids if described is not None else ()
    low, high = actor.division_prefix.ljust(12, "0"), actor.division_prefix.ljust(12, "9")
    near = sa.case((Question.id.in_(reply.question_ids), 0), (Question.post_id.in_(posts), 1), else_=2)
    return session.scalars(
        sa.select(Question)
        .where(
            Question.division_code.between(low, high),
            sa.or_(
                Question.state == QuestionState.OPEN,
                sa.and_(Question.state.in_(TAKES_ANSWERS), sa.or_(near == 0, near == 1)),
            ),
            Question.asked_at <= reply.at,
        )
        .order_by(near, Question.due_at, Question.id)
        .limit(ASSIGNABLE)
    ).all()


def use_reply(
    session: Session,
    *,
    actor: Actor,
    reply_id: int,
    question_id: int,
    answer: str,
    extra: Mapping[str, str] | None = None,
) -> Answer:
    """A person says which question the reply answers, and what it means. Its words stay with the answer, sealed.

    Any question in scope that takes answers will do, if it was asked before the reply came.
    """
    actor.require(Permission.QUESTIONS_ANSWER)
    reply = get_reply(session, actor=actor, reply_id=reply_id)
    question = lookup.get(session, actor=actor, question_id=question_id)
    if question.asked_at > reply.at:
        raise Invalid(N_("The question was asked after this reply had come."), code="asked_later")
    words = vault.of(session).open("question_reply", "text", reply_id, reply.text_sealed)
    record = answers.answer(
        session,
        actor=actor,
        question_id=question_id,
        answer=answer,
        means=MEANS.get(reply.channel, Means.SMS),
        at=min(reply.at, now(session)),
        note=words,
        extra=extra,
    )
    settle(session, reply, ReplyState.USED, actor, answer=record)
    return record


def dismiss_reply(session: Session, *, actor: Actor, reply_id: int, reason: str) -> Reply:
    """The reply is no answer to anything (thanks, a wrong number), or was dealt with otherwise; why is kept, sealed."""
    actor.require(Permission.QUESTIONS_ANSWER)
    if not reason.strip():
        raise Invalid(N_("Say what became of it."), code="reason_required", fields={"reason": "required"})
    reply = get_reply(session, actor=actor, reply_id=reply_id)
    settle(session, reply, ReplyState.DISMISSED, actor, reason=reason.strip()[:200])
    return reply


def dismiss_courtesies(session: Session, *, actor: Actor, reason: str) -> int:
    """Put aside every reply in scope that only says "received" or "thank you". Returns how many, at most 500."""
    actor.require(Permission.QUESTIONS_ANSWER)
    if not reason.strip():
        raise Invalid(N_("Say what became of it."), code="reason_required", fields={"reason": "required"})
    found = session.scalars(
        sa.select(Reply)
        .where(Reply.state == ReplyState.WAITING, Reply.why.in_(QUIET), _in_scope(actor))
        .order_by(Reply.id)
        .limit(AT_ONCE)
    ).all()
    for reply in found:
        settle(session, reply, ReplyState.DISMISSED, actor, reason=reason.strip()[:200])
    return len(found)
