"""What happens while nobody answers: reminder, deputy, superior, the door; and the end of waiting."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.asking import asks, labels, sending, subjects
from emergency.asking.models import Link, Question, QuestionState, QuestionStep, StepKind, StepOutcome
from emergency.asking.rules import TRANSITIONS, AnswerOption
from emergency.asking.sending import Target
from emergency.http.actor import SYSTEM
from emergency.people.posts import service as posts
from emergency.people.posts.models import Post
from kernel.db import Database, touch
from kernel.errors import DomainError
from kernel.logs import kv
from kernel.states import transition
from notify.models import Kind
from scheduler.due import do_due

log = logging.getLogger(__name__)
PIECE = 20


@dataclass
class _Facts:
    """What a piece of steps needs to know, read at once."""

    questions: dict[int, Question]
    holders: dict[int, list[Target]]
    accounts: dict[int, Target]
    tried: dict[int, set[int]]
    linked: dict[int, set[int]]
    """Contacts that hold a living link; whose number proved wrong holds none and is not reminded."""
    words: dict[int, str]


def escalate(database: Database, now: datetime) -> int:
    """Do every step that is due and not done; each in exactly one process. Returns how many."""
    return do_due(database, QuestionStep.__table__, now, PIECE, lambda session, ids: _do(session, ids, now))


def _do(session: Session, ids: Sequence[int], now: datetime) -> None:
    steps = session.scalars(
        sa.select(QuestionStep).where(QuestionStep.id.in_(ids)).order_by(QuestionStep.due_at, QuestionStep.id)
    ).all()
    facts = _facts(session, steps)
    for step in steps:
        question = facts.questions[step.question_id]
        outcome = StepOutcome.NOT_NEEDED
        # After downtime what is too late is left out: reminders are never sent in a bunch.
        step.missed = step.good_until is not None and now > step.good_until
        if question.state is QuestionState.OPEN and not step.missed:
            try:
                with session.begin_nested():
                    outcome = _one(session, question, step, facts, now)
            except DomainError as error:
                # The text cannot be sent as it is: the ladder must not wait for that, the next step is a person.
                log.error("a step could not be sent %s", kv(step=step.id, code=error.code))
                outcome = StepOutcome.FAILED
        step.done_at, step.outcome = now, outcome
        session.flush()
        if outcome in (StepOutcome.NOBODY, StepOutcome.FAILED):
            asks.hasten(session, question.id, now)


def _facts(session: Session, steps: Sequence[QuestionStep]) -> _Facts:
    question_ids = {step.question_id for step in steps}
    # Locked, so that an answer that arrives now either stops the step or comes after it.
    locked = sa.select(Question).where(Question.id.in_(question_ids)).order_by(Question.id).with_for_update()
    questions = {question.id: question for question in session.scalars(locked)}
    tried: dict[int, set[int]] = {}
    for question_id, contact_id in session.execute(
        sa.select(QuestionStep.question_id, QuestionStep.contact_id).where(
            QuestionStep.question_id.in_(question_ids), QuestionStep.contact_id.is_not(None)
        )
    ):
        if contact_id is not None:
            tried.setdefault(question_id, set()).add(contact_id)
    linked: dict[int, set[int]] = {}
    for question_id, contact_id in session.execute(
        sa.select(Link.question_id, Link.contact_id).where(Link.question_id.in_(question_ids))
    ):
        linked.setdefault(question_id, set()).add(contact_id)
    asked = list(questions.values())
    return _Facts(
        questions=questions,
        holders=sending.holders(session, [q.post_id for q in asked if q.post_id is not None]),
        accounts=sending.account_targets(session, [q.account_id for q in asked if q.account_id is not None]),
        tried=tried,
        linked=linked,
        words=labels.asked_of(session, asked, sending.config_of(session).site.language),
    )


def _one(session: Session, question: Question, step: QuestionStep, facts: _Facts, now: datetime) -> StepOutcome:
    if step.kind is StepKind.DOOR:
        touch(session, "question", question.id)
        return StepOutcome.AT_DOOR
    target = _target(session, question, step.kind, facts)
    if target is None:
        return StepOutcome.NOBODY
    exercise = question.notice_kind is Kind.EXERCISE
    roads = sending.roads(session, step.channels, exercise=exercise)
    text = sending.words(
        session,
        step.kind,
        text=question.text,
        # What was due is past by now: the time that still counts is the one at which the link closes.
        due_at=question.due_at if question.due_at > now else question.closes_at,
        choices=[AnswerOption.from_json(data) for data in question.answers],
        post=facts.words.get(question.id, ""),
        exercise=exercise,
        channels=roads,
    )
    sending.send(session, text, [(question, step, target)], roads)
    facts.tried.setdefault(question.id, set()).add(target.contact_id)
    return StepOutcome.SENT


def _target(session: Session, question: Question, kind: StepKind, facts: _Facts) -> Target | None:
    tried = facts.tried.get(question.id, set())
    people = facts.holders.get(question.post_id or 0, [])
    if kind is StepKind.REMIND:
        if question.account_id is not None:
            return facts.accounts.get(question.account_id)
        linked = facts.linked.get(question.id, set())
        return next((person for person in people if person.contact_id in linked), None)
    if kind is StepKind.DEPUTY:
        return next((person for person in people if person.contact_id not in tried), None)
    if question.post_id is None:
        return None
    return _superior(session, question.post_id, tried)


def _superior(session: Session, post_id: int, tried: set[int]) -> Target | None:
    post = session.get(Post, post_id)
    superior = posts.superior_of(session, post) if post is not None else None
    if superior is None:
        return None
    people = sending.holders(session, [superior.id]).get(superior.id, [])
    return next((person for person in people if person.contact_id not in tried), None)


def expire(database: Database, now: datetime) -> int:
    """Open questions whose link has closed: nobody answered. Their subjects hear of it. Returns how many."""
    handled = 0
    while True:
        with database.write() as session:
            questions = session.scalars(
                sa.select(Question)
                .where(Question.state == QuestionState.OPEN, Question.closes_at <= now)
                .order_by(Question.closes_at, Question.id)
                .limit(PIECE)
            ).all()
            for question in questions:
                transition(session, question, QuestionState.EXPIRED, allowed=TRANSITIONS, actor=SYSTEM)
                subjects.unanswered(session, question)
                touch(session, "question", question.id)
        handled += len(questions)
        if len(questions) < PIECE:
            return handled
