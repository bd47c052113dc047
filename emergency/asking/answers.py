"""Answers: by whatever road and whoever typed them, all kept; the one given last stands."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from emergency.asking import lookup, subjects
from emergency.asking.models import Answer, Link, Means, Question, QuestionState, QuestionStep, StepOutcome
from emergency.asking.rules import LINK_TAKES_ANSWERS, PERSON, TAKES_ANSWERS, TIME, TRANSITIONS, AnswerOption, stands
from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.people.contacts import service as contacts
from emergency.privacy import journal, vault
from emergency.privacy.vault import normalise_phone
from kernel.db import now
from kernel.errors import N_, Conflict, DomainError, Invalid, NotFound
from kernel.ids import new_id
from kernel.states import transition
from notify import service as notify
from notify.models import BlockState, DeliveryBlock

ANSWERED = journal.kind("question.answered", "登记答复", "Answer recorded", "answer", "means", "stands")
NOTE_LENGTH = 500
FURTHEST = timedelta(days=366)
"""No other date is proposed further ahead."""


class QuestionClosed(DomainError):
    """The question takes no answer any more."""

    code = "question_closed"
    status = 409


def answer(
    session: Session,
    *,
    actor: Actor,
    question_id: int,
    answer: str,
    means: Means,
    at: datetime | None = None,
    note: str | None = None,
    extra: Mapping[str, str] | None = None,
    link: Link | None = None,
    proposed_at: datetime | None = None,
) -> Answer:
    """Record one answer. All are kept; the one given last by its original time stands.

    `at` is when it was given, which may lie before now (heard by radio, typed in later) but not before the question
    or in the future. `extra` carries what the choice needs (`deputy_name`, `deputy_phone`, `reason`); `proposed_at` the
    other time where one is proposed. The ladder stops. The same answer by the same link again is the same answer.
    """
    question = lookup.get(session, actor=None if link is not None else actor, question_id=question_id, lock=True)
    moment = now(session)
    _check_takes(question, at or moment, by_link=link is not None, said_before=at is not None)
    option = _option(question, answer)
    given = _given_at(question, at, moment)
    remark = _remark(option, note, extra, demanded=link is not None)
    wanted = _proposed(option, proposed_at, moment, demanded=link is not None and means is Means.LINK)
    if link is not None and means is Means.LINK:
        same = _same(session, question, link, option.key, wanted, remark)
        if same is not None:
            return same
    record = Answer(
        id=new_id(),
        question_id=question.id,
        key=option.key,
        means=means,
        at=given,
        recorded_at=moment,
        recorded_by=str(actor),
        link_id=link.id if link is not None else None,
        proposed_at=wanted,
    )
    if remark:
        text = json.dumps(remark, ensure_ascii=False)
        record.note_sealed = vault.of(session).seal("answer", "note", record.id, text)
    session.add(record)
    session.flush()
    earlier = session.execute(sa.select(Answer.at, Answer.id).where(Answer.question_id == question.id)).all()
    latest = stands((row.at, row.id) for row in earlier) == record.id
    journal.record(
        session, ANSWERED, actor=actor, subject=("question", question.id), answer=option.key, means=str(means),
        stands=latest,
    )  # fmt: skip
    if latest:
        values = {"answer_key": option.key, "answer_id": record.id, "answered_at": given}
        transition(session, question, QuestionState.ANSWERED, allowed=TRANSITIONS, actor=actor, values=values)
        _stop_ladder(session, [question.id], moment)
        subjects.answered(session, question, record)
    return record


def answer_own(session: Session, *, actor: Actor, question_id: int, key: str) -> Answer:
    """Answer what was asked of the actor's own account."""
    question = lookup.get(session, actor=actor, question_id=question_id)
    if actor.kind != "account" or question.account_id != actor.id:
        raise NotFound(N_("There is no such question, or it lies outside your area."))
    return answer(session, actor=actor, question_id=question_id, answer=key, means=Means.PAGE)


def _proposed(
    option: AnswerOption, proposed_at: datetime | None, moment: datetime, *, demanded: bool
) -> datetime | None:
    if option.needs != TIME:
        return None
    if proposed_at is None and demanded:
        raise Invalid(
            N_("Please write the day and the time that would suit you."), code="time_missing",
            fields={"day": "required"},
        )  # fmt: skip
    if proposed_at is not None and not moment < proposed_at <= moment + FURTHEST:
        raise Invalid(
            N_("The proposed time must lie ahead, within a year."), code="bad_time", fields={"day": "out_of_range"}
        )
    return proposed_at


def _same(
    session: Session, question: Question, link: Link, key: str, wanted: datetime | None, remark: Mapping[str, str]
) -> Answer | None:
    """The standing answer, where this is its repetition: a button pressed twice, a page sent again."""
    if question.answer_key != key or question.answer_id is None:
        return None
    standing = session.get(Answer, question.answer_id)
    if standing is None or standing.link_id != link.id or standing.proposed_at != wanted:
        return None
    return standing if remark_of(session, standing) == remark else None


def _check_takes(question: Question, moment: datetime, *, by_link: bool, said_before: bool) -> None:
    # A reply that came in time and was folded after the end still counts; a link that is opened too late does not.
    allowed = LINK_TAKES_ANSWERS if by_link and not said_before else TAKES_ANSWERS
    if question.state not in allowed or (by_link and question.closes_at <= moment):
        raise QuestionClosed(N_("This question is closed. Nothing was changed; ring the duty officer if it matters."))


def _option(question: Question, key: str) -> AnswerOption:
    for data in question.answers:
        if data["key"] == key:
            return AnswerOption.from_json(data)
    raise Invalid(
        N_("“%(answer)s” is not one of the answers."), code="unknown_answer", fields={"answer": "unknown"}, answer=key
    )


def _given_at(question: Question, at: datetime | None, moment: datetime) -> datetime:
    if at is None:
        return moment
    given = at.astimezone(UTC)
    # People round to the minute: what was heard in the minute of asking counts as heard then.
    if given < question.asked_at <= given + timedelta(minutes=1):
        given = question.asked_at
    if not question.asked_at <= given <= moment:
        raise Invalid(
            N_("The time must lie between the question and now."), code="bad_time", fields={"at": "out_of_range"}
        )
    return given


def _remark(
    option: AnswerOption, note: str | None, extra: Mapping[str, str] | None, *, demanded: bool
) -> dict[str, str]:
    remark = {key: value.strip()[:NOTE_LENGTH] for key, value in (extra or {}).items() if value and value.strip()}
    if note and note.strip():
        remark["note"] = note.strip()[:NOTE_LENGTH]
    if not demanded:
        return remark
    if option.needs in PERSON:
        phone = normalise_phone(remark.get("deputy_phone", ""))
        if not remark.get("deputy_name") or phone is None:
            raise Invalid(
                N_("Please write the name and the mobile number of who comes instead.")
                if option.needs == "deputy"
                else N_("Please write the name and the mobile number of who holds the post now."),
                code="deputy_missing",
                fields={"deputy": "required"},
            )
        remark["deputy_phone"] = phone
    elif option.needs == "reason" and not remark.get("reason"):
        raise Invalid(N_("Please choose a reason."), code="reason_missing", fields={"reason": "required"})
    return remark


def remark_of(session: Session, record: Answer) -> dict[str, str]:
    """What was written with an answer, in clear. The caller has journalled the read."""
    if record.note_sealed is None:
        return {}
    opened: dict[str, str] = json.loads(vault.of(session).open("answer", "note", record.id, record.note_sealed))
    return opened


def _stop_ladder(session: Session, question_ids: Collection[int], moment: datetime) -> None:
    """What has not happened need not happen any more; what has not left yet is stopped."""
    session.execute(
        sa.update(QuestionStep)
        .where(QuestionStep.question_id.in_(question_ids), QuestionStep.done_at.is_(None))
        .values(done_at=moment, outcome=StepOutcome.NOT_NEEDED)
    )
    other = aliased(QuestionStep)
    # A broadcast that asked several posts goes on for the others.
    shared = sa.exists(
        sa.select(other.id).where(
            other.broadcast_id == QuestionStep.broadcast_id, other.question_id.not_in(question_ids)
        )
    )
    unsent = session.scalars(
        sa.select(QuestionStep.broadcast_id)
        .join(DeliveryBlock, DeliveryBlock.broadcast_id == QuestionStep.broadcast_id)
        .where(QuestionStep.question_id.in_(question_ids), DeliveryBlock.state == BlockState.READY)
        .where(QuestionStep.broadcast_id.is_not(None), ~shared)
        .distinct()
    ).all()
    for broadcast_id in unsent:
        if broadcast_id is not None:
            notify.cancel(session, broadcast_id)


def close(session: Session, subject: tuple[str, int], *, actor: Actor, reason: str | None = None) -> int:
    """Withdraw every question about a subject: links say kindly that it is over, ladders stop. Returns how many."""
    questions = session.scalars(
        sa.select(Question).where(
            Question.subject_kind == subject[0],
            Question.subject_id == subject[1],
            Question.state != QuestionState.CLOSED,
        )
    ).all()
    return _close(session, questions, actor, reason)


def withdraw(session: Session, *, actor: Actor, question_id: int, reason: str) -> Question:
    """Withdraw one question."""
    question = lookup.get(session, actor=actor, question_id=question_id)
    if question.state is QuestionState.CLOSED:
        raise Conflict(N_("This question is closed already."), code="question_closed")
    _close(session, [question], actor, reason)
    return question


def _close(session: Session, questions: Sequence[Question], actor: Actor, reason: str | None) -> int:
    for question in questions:
        transition(session, question, QuestionState.CLOSED, allowed=TRANSITIONS, actor=actor, reason=reason)
    if questions:
        _stop_ladder(session, [question.id for question in questions], now(session))
    return len(questions)


def close_these(session: Session, question_ids: Collection[int], *, actor: Actor, reason: str | None = None) -> int:
    """Withdraw the named questions, as `close` does for all about a subject. Returns how many were still alive."""
    questions = session.scalars(
        sa.select(Question).where(Question.id.in_(question_ids), Question.state != QuestionState.CLOSED)
    ).all()
    return _close(session, questions, actor, reason)


def reveal_remark(
    session: Session, *, actor: Actor, answer_id: int, purpose: journal.Purpose | str
) -> tuple[Question, Answer, dict[str, str]]:
    """What was written with an answer (a deputy's name and number, a reason), in clear.

    Who looked and why is committed before anything is decrypted; call it outside a writing transaction.
    """
    actor.require(Permission.PERSONAL_REVEAL)
    wanted = contacts.purpose_of(purpose)
    record = session.get(Answer, answer_id)
    if record is None:
        raise NotFound(N_("There is no such question, or it lies outside your area."))
    question = lookup.get(session, actor=actor, question_id=record.question_id)
    contacts.journal_now(
        session, journal.REVEALED, actor=actor, subject=("answer", answer_id), purpose=wanted, fields="note",
        division=question.division_code,
    )  # fmt: skip
    return question, record, remark_of(session, record)
