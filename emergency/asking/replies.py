"""Replies by text and by key: counted only where they can mean one thing; everything else waits for a person."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.asking import answers, asking_back, lookup, matching, moments, senders, sending
from emergency.asking.matching import Asked, Choice, Verdict
from emergency.asking.models import Answer, Link, Means, Question, QuestionStep, Reply, ReplyState, ReplyWhy
from emergency.asking.rules import TIME, AnswerOption
from emergency.http.actor import SYSTEM, Actor
from emergency.people.contacts import service as contacts
from emergency.people.contacts.models import Contact, OptMeans
from emergency.privacy import journal, vault
from kernel.db import now, touch
from kernel.errors import DomainError
from kernel.ids import new_id
from kernel.logs import kv
from kernel.states import transition
from notify.models import Delivery, Kind

log = logging.getLogger(__name__)
R = ReplyState
TRANSITIONS: dict[ReplyState, frozenset[ReplyState]] = {
    R.WAITING: frozenset({R.USED, R.DISMISSED}),
    R.USED: frozenset(),
    R.DISMISSED: frozenset(),
}
KEPT = journal.kind("question.reply_kept", "回复待人工处理", "Reply kept for a person", "why", "channel")
REPLY_LENGTH = 500
REMEMBERED = timedelta(days=60)
"""So long after it was made a link is still looked at; no question stays open longer."""
MEANS = {"voice": Means.KEY}


@dataclass(frozen=True)
class _Heard:
    """One reply as it came in."""

    number_key: bytes
    text: str
    at: datetime
    channel: str
    raw_id: int


class ReplyDesk:
    """The port through which delivery hands us what people reply (`notify.ports.Answers`).

    `kinds` are the kinds that each provider account carries: what comes in at the exercises' number answers exercises.
    """

    def __init__(self, kinds: Mapping[str, Collection[Kind]] | None = None):
        self._kinds = kinds or {}

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
        """Take one reply. Returns `matched`, `opted_out`, `opted_in`, or why a person has to look at it.

        Nothing that goes wrong with one reply keeps the others of its batch from being taken.
        """
        if session.scalar(sa.select(Reply.id).where(Reply.raw_id == raw_id)) is not None:
            return "taken"
        heard = _Heard(number_key, text, at, channel, raw_id)
        subscribed = _subscribed(session, heard) if channel != "voice" and delivery_id is None else None
        if subscribed is not None:
            return subscribed
        exact = _question_of(session, delivery_id) if delivery_id is not None else None
        if delivery_id is not None and exact is None:
            return "no_question"  # a key pressed in a call that asked nothing: the call's own record says so
        rows = _asked(session, number_key, at)
        before = asking_back.latest(session, number_key, at)
        verdict = matching.judge(
            [_facts(question, link) for question, link in rows.values()],
            text,
            at,
            letters=before.question_ids if before is not None else (),
            exact=exact,
            exercise_only=self._exercise_only(account),
        )
        if verdict.question_id is not None and not _still_asked(session, rows[verdict.question_id][1]):
            verdict = Verdict(why=ReplyWhy.NO_QUESTION, candidates=(verdict.question_id,))
        if verdict.choice is not None and verdict.question_id is not None:
            counted = _count(session, rows[verdict.question_id], verdict.choice, heard)
            if counted is not None:
                asking_back.settled(session, number_key, verdict.question_id, counted)
                return "matched"
            verdict = Verdict(why=ReplyWhy.LATE, candidates=(verdict.question_id,))
        return _keep(session, heard, verdict, rows)

    def _exercise_only(self, account: str) -> bool | None:
        kinds = self._kinds.get(account)
        if not kinds or (Kind.EXERCISE in kinds and len(kinds) > 1):
            return None
        return Kind.EXERCISE in kinds


def _subscribed(session: Session, heard: _Heard) -> str | None:
    word = matching.subscription(heard.text)
    if word is None:
        return None
    act = contacts.opt_out if word == "stop" else contacts.opt_in
    act(
        session, actor=SYSTEM, number_key=heard.number_key, reason="STOP" if word == "stop" else "START",
        means=OptMeans.REPLY, raw_id=heard.raw_id, at=heard.at,
    )  # fmt: skip
    return "opted_out" if word == "stop" else "opted_in"


def _question_of(session: Session, delivery_id: int) -> int | None:
    """The question that a message asked."""
    row = session.get(Delivery, delivery_id)
    if row is None:
        return None
    return session.scalar(
        sa.select(QuestionStep.question_id)
        .where(QuestionStep.broadcast_id == row.broadcast_id, QuestionStep.contact_id == row.address_key)
        .order_by(QuestionStep.id)
        .limit(1)
    )


def _asked(session: Session, number_key: bytes, at: datetime) -> dict[int, tuple[Question, Link]]:
    """What this number was asked before the reply, with the last link of each question: as whom it answers."""
    rows = session.execute(
        sa.select(Question, Link)
        .join(Link, Link.question_id == Question.id)
        .join(Contact, Contact.id == Link.contact_id)
        .where(
            Contact.phone_index == number_key,
            Link.created_at <= at,
            Link.created_at >= at - REMEMBERED,
            Question.closes_at > at - matching.LATE_WINDOW,
        )
        .order_by(Question.id, Link.created_at, Link.id)
    )
    return {question.id: (question, link) for question, link in rows}


def _still_asked(session: Session, link: Link) -> bool:
    """Whether the number's owner still answers for the post; who left it is not taken for it, a person decides."""
    return lookup.answers_for(session, link.recipient, link.contact_id)


def _facts(question: Question, link: Link) -> Asked:
    return Asked(
        question_id=question.id,
        options=tuple(AnswerOption.from_json(data) for data in question.answers),
        state=question.state,
        sent_at=link.created_at,
        closes_at=question.closes_at,
        exercise=question.notice_kind is Kind.EXERCISE,
        drill=question.drill,
        about=(question.subject_kind, question.subject_id),
    )


def _count(session: Session, row: tuple[Question, Link], choice: Choice, heard: _Heard) -> Answer | None:
    question, link = row
    extra = {"reason": "other"} if choice.option.needs == "reason" else {}
    # “改期 11月30日下午2点” names a moment; what is less plain stays as words for the planner.
    proposed_at = moments.parse(choice.rest, heard.at) if choice.option.needs == TIME and choice.rest else None
    if proposed_at is not None and proposed_at <= now(session):
        proposed_at = None
    try:
        with session.begin_nested():
            return answers.answer(
                session,
                actor=actor_of(link),
                question_id=question.id,
                answer=choice.option.key,
                means=MEANS.get(heard.channel, Means.SMS),
                # The provider's clock is not ours: an answer is never older than its question nor younger than now.
                at=min(max(heard.at, question.asked_at), now(session)),
                note=choice.rest or None,
                extra=extra,
                link=link,
                proposed_at=proposed_at,
            )
    except DomainError as error:
        # Somebody closed the question a moment ago: what was said is kept, a person decides.
        log.warning("a reply could not be counted %s", kv(raw=heard.raw_id, code=error.code))
        return None


def _keep(session: Session, heard: _Heard, verdict: Verdict, rows: Mapping[int, tuple[Question, Link]]) -> str:
    sender = senders.of_number(session, heard.number_key)
    why = verdict.why or ReplyWhy.UNCLEAR
    if sender is None and not verdict.candidates:
        why = ReplyWhy.UNKNOWN_NUMBER
    reply_id = new_id()
    linked = rows[verdict.candidates[0]][1].contact_id if verdict.candidates else None
    reply = Reply(
        id=reply_id,
        contact_id=linked or (sender.contact_id if sender is not None else None),
        number_key=heard.number_key,
        division_code=_division(session, [rows[one][0] for one in verdict.candidates], sender),
        text_sealed=vault.of(session).seal("question_reply", "text", reply_id, heard.text[:REPLY_LENGTH]),
        question_ids=list(verdict.candidates),
        at=heard.at,
        channel=heard.channel,
        raw_id=heard.raw_id,
        state=ReplyState.WAITING,
        why=why,
    )
    session.add(reply)
    session.flush()
    journal.record(
        session, KEPT, actor=SYSTEM, subject=("question_reply", reply_id), why=why.value, channel=heard.channel
    )
    touch(session, "question_reply", reply_id)
    if heard.channel == "sms":
        asking_back.ask(session, reply, verdict, rows)
    return str(why)


def _division(session: Session, questions: Sequence[Question], sender: senders.Sender | None) -> str:
    """Who may see it: the place of what it may answer, of whoever sent it, or else the whole district."""
    places = {question.division_code for question in questions}
    if len(places) == 1:
        return places.pop()
    if not places and sender is not None:
        return sender.division_code
    return sending.config_of(session).site.division_code


def actor_of(link: Link) -> Actor:
    """The one who answers through a link or from a number: the post or account that was asked."""
    kind, _colon, number = link.recipient.partition(":")
    return Actor(kind=kind, id=int(number))


def settle(
    session: Session,
    reply: Reply,
    to: ReplyState,
    actor: Actor,
    *,
    reason: str | None = None,
    answer: Answer | None = None,
) -> None:
    """Put a reply aside or mark it as counted."""
    values = {"settled_by": str(actor), "settled_at": now(session), "answer_id": answer.id if answer else None}
    transition(session, reply, to, allowed=TRANSITIONS, actor=actor, reason=reason, values=values)
    touch(session, "question_reply", reply.id)
