"""What is wrong with questions: doors that nobody went to, replies that nobody placed."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.asking import labels
from emergency.asking.models import Question, QuestionState, QuestionStep, Reply, ReplyState, ReplyWhy, StepOutcome
from kernel.errors import N_

REPLY_WAITS = timedelta(minutes=30)
AT_MOST = 1000
Subjects = Collection[tuple[str, int]]


def defects(session: Session, now: datetime, limit_to: Subjects | None = None) -> Iterator[dict[str, Any]]:
    """Open questions whose ladder has come to the door, and replies that have waited for half an hour."""
    fired = sa.select(QuestionStep.question_id).where(QuestionStep.outcome == StepOutcome.AT_DOOR)
    statement = sa.select(Question).where(Question.state == QuestionState.OPEN, Question.id.in_(fired))
    if limit_to is not None:
        wanted = [subject_id for kind, subject_id in limit_to if kind == "question"]
        statement = statement.where(Question.id.in_(wanted))
    doors = session.scalars(statement.order_by(Question.id).limit(AT_MOST)).all()
    asked = labels.asked_of(session, doors)
    for question in doors:
        yield {
            "rule": "nobody_answers", "subject_kind": "question", "subject_id": question.id,
            "division_code": question.division_code, "severity": "yellow" if question.drill else "red",
            "since": question.asked_at, "due_at": question.due_at, "owner_post_id": question.post_id,
            "reason": N_("%(who)s does not answer; somebody has to go there."), "params": {"who": asked[question.id]},
            "url": f"/questions/{question.id}",
        }  # fmt: skip
    waiting = sa.select(Reply).where(
        Reply.state == ReplyState.WAITING, Reply.why != ReplyWhy.COURTESY, Reply.at <= now - REPLY_WAITS
    )
    for reply in session.scalars(waiting.order_by(Reply.id).limit(AT_MOST)):
        yield {
            "rule": "reply_not_placed", "subject_kind": "question_reply", "subject_id": reply.id,
            "division_code": reply.division_code, "severity": "orange", "since": reply.at,
            "reason": N_("A text reply has waited for half an hour to be placed by a person."), "params": {},
            "url": "/questions/replies",
        }  # fmt: skip
