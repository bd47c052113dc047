"""Finding questions: one, by link, in lists, by subject, and those that wait for a person."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.asking import sending
from emergency.asking.models import (
    Answer,
    Link,
    Question,
    QuestionState,
    QuestionStep,
    StepOutcome,
)
from emergency.asking.rules import LINK_TAKES_ANSWERS
from emergency.divisions import rules as divisions
from emergency.http.actor import Actor
from emergency.http.paging import PAGE_SIZE, Page, decode_cursor, encode_cursor
from emergency.people.posts.models import PostHolder
from kernel.db import now
from kernel.errors import N_, Invalid, NotFound

DOOR_LIMIT = 50


@dataclass(frozen=True)
class Opened:
    """What a link leads to: its question, as whom one answers, and whether it still takes answers."""

    question: Question
    link: Link
    takes_answers: bool
    left: bool = False
    """Whether whoever got the link answers for the post no more."""


def get(session: Session, *, actor: Actor | None, question_id: int, lock: bool = False) -> Question:
    """One question in the actor's scope, or asked of the actor's own account. No actor: a link was followed."""
    question = session.get(Question, question_id, with_for_update=lock, populate_existing=lock)
    if question is None or not (actor is None or actor.covers(question.division_code) or _own(actor, question)):
        raise NotFound(N_("There is no such question, or it lies outside your area."))
    return question


def _own(actor: Actor, question: Question) -> bool:
    return actor.kind == "account" and question.account_id == actor.id


def by_token(session: Session, token: str) -> Opened | None:
    """What a link leads to; None where there is no such link."""
    if not 16 <= len(token) <= 64:
        return None
    row = session.execute(
        sa.select(Link, Question)
        .join(Question, Question.id == Link.question_id)
        .where(Link.token_digest == sending.digest(session, token))
    ).one_or_none()
    if row is None:
        return None
    link, question = row
    left = not answers_for(session, link.recipient, link.contact_id)
    takes = not left and question.state in LINK_TAKES_ANSWERS and question.closes_at > now(session)
    return Opened(question, link, takes, left)


def answers_for(session: Session, recipient: str, contact_id: int) -> bool:
    """Whether this contact is still the post's holder or deputy; an account's own link is its own."""
    if not recipient.startswith("post:"):
        return True
    holds = sa.select(PostHolder.id).where(
        PostHolder.post_id == int(recipient.removeprefix("post:")), PostHolder.contact_id == contact_id
    )
    return session.scalar(holds) is not None


def open_questions(
    session: Session,
    *,
    actor: Actor,
    state: QuestionState | None = QuestionState.OPEN,
    kind: str | None = None,
    division_code: str | None = None,
    overdue: bool = False,
    cursor: str | None = None,
    limit: int = PAGE_SIZE,
) -> Page[Question]:
    """Questions in scope, the most urgent first; `state=None` for all."""
    statement = sa.select(Question).where(_in_scope(actor))
    if state is not None:
        statement = statement.where(Question.state == state)
    if kind:
        statement = statement.where(Question.kind == kind)
    if division_code:
        statement = statement.where(Question.division_code.between(*divisions.subtree_range(division_code)))
    if overdue:
        statement = statement.where(Question.due_at < now(session))
    if cursor:
        moment, last = _position(cursor)
        statement = statement.where(
            sa.or_(Question.due_at > moment, sa.and_(Question.due_at == moment, Question.id > last))
        )
    rows = list(session.scalars(statement.order_by(Question.due_at, Question.id).limit(limit + 1)))
    if len(rows) <= limit:
        return Page(rows, None)
    return Page(rows[:limit], encode_cursor([rows[limit - 1].due_at, rows[limit - 1].id]))


def count_open(session: Session, *, actor: Actor) -> tuple[int, int]:
    """How many questions in scope wait for an answer, and how many of them are past their time."""
    late = sa.func.sum(sa.case((Question.due_at < now(session), 1), else_=0))
    row = session.execute(
        sa.select(sa.func.count(), late).where(_in_scope(actor), Question.state == QuestionState.OPEN)
    ).one()
    return int(row[0]), int(row[1] or 0)


def _position(cursor: str) -> tuple[datetime, int]:
    at, last = decode_cursor(cursor, 2, (str, int))
    fault = Invalid(N_("This page address is not valid. Start again from the first page."), code="invalid_cursor")
    try:
        moment = datetime.fromisoformat(at)
    except ValueError as error:
        raise fault from error
    if moment.tzinfo is None:
        raise fault
    return moment, last


def _in_scope(actor: Actor) -> sa.ColumnElement[bool]:
    inside = Question.division_code.between(actor.division_prefix.ljust(12, "0"), actor.division_prefix.ljust(12, "9"))
    return sa.or_(inside, Question.account_id == actor.id) if actor.kind == "account" else inside


def questions_about(session: Session, kind: str, ids: Collection[int]) -> dict[int, list[Question]]:
    """The questions about many subjects of one kind, by subject id, oldest first."""
    found: dict[int, list[Question]] = {}
    for question in session.scalars(
        sa.select(Question)
        .where(Question.subject_kind == kind, Question.subject_id.in_(ids))
        .order_by(Question.subject_id, Question.id)
    ):
        found.setdefault(question.subject_id, []).append(question)
    return found


def answers_of(session: Session, question_id: int) -> list[Answer]:
    """Every answer to a question, by the time it was given."""
    return list(
        session.scalars(sa.select(Answer).where(Answer.question_id == question_id).order_by(Answer.at, Answer.id))
    )


def steps_of(session: Session, question_id: int) -> list[QuestionStep]:
    """Every step of a question's ladder."""
    return list(
        session.scalars(
            sa.select(QuestionStep).where(QuestionStep.question_id == question_id).order_by(QuestionStep.position)
        )
    )


def at_the_door(session: Session, *, actor: Actor, limit: int = DOOR_LIMIT) -> list[Question]:
    """Questions for which the ladder has come to its last step: somebody has to go there. The longest waiting first."""
    fired = sa.select(QuestionStep.question_id).where(QuestionStep.outcome == StepOutcome.AT_DOOR)
    waiting = Question.state.in_((QuestionState.OPEN, QuestionState.EXPIRED))
    return list(
        session.scalars(
            sa.select(Question)
            .where(_in_scope(actor), waiting, Question.id.in_(fired))
            .order_by(Question.asked_at, Question.id)
            .limit(limit)
        )
    )


def asked_of_me(session: Session, *, actor: Actor, limit: int = DOOR_LIMIT) -> list[Question]:
    """Open questions to the actor's own account (an approval that waits)."""
    if actor.kind != "account":
        return []
    return list(
        session.scalars(
            sa.select(Question)
            .where(Question.account_id == actor.id, Question.state == QuestionState.OPEN)
            .order_by(Question.due_at, Question.id)
            .limit(limit)
        )
    )
