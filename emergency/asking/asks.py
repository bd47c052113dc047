"""Asking: questions, their steps and the first message, in one transaction."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.asking import sending
from emergency.asking.models import Question, QuestionState, QuestionStep, StepKind, StepOutcome
from emergency.asking.rules import CLOSES_AFTER, UNHURRIED, AnswerOption, Ladder, options
from emergency.http.actor import Actor
from emergency.people.accounts.models import Account
from emergency.people.posts.models import Post
from emergency.privacy import journal
from kernel.db import now
from kernel.errors import N_, Invalid, NotFound
from kernel.ids import new_id
from notify.models import Kind

ASKED = journal.kind("question.asked", "发出询问", "Question asked", "kind", "count", "due")


def ask(
    session: Session,
    *,
    actor: Actor,
    subject: tuple[str, int],
    kind: str,
    text: str,
    answers: Sequence[AnswerOption | tuple[str, str, str]],
    due_at: datetime,
    post_id: int | None = None,
    account_id: int | None = None,
    ladder: Ladder | None = None,
    notice_kind: Kind = Kind.NOTICE,
    details: Sequence[tuple[str, str]] = (),
    drill: bool = False,
    priority: int = 4,
    closes_at: datetime | None = None,
    division_code: str | None = None,
    channels: Sequence[str] | None = None,
) -> Question:
    """Ask one post or one account, and send the first message.

    `due_at` is until when we would like to know; the link takes answers until `closes_at` (a day later unless given).
    Without a `ladder` the unhurried one for days is used. `details` are pairs of label and value for the link's page.
    Where nobody can be reached the question stands all the same and its ladder begins at once.
    """
    if (post_id is None) == (account_id is None):
        raise Invalid(N_("A question is asked of one post or of one account."), code="bad_recipient")
    return ask_many(
        session,
        actor=actor,
        subject=subject,
        kind=kind,
        text=text,
        answers=answers,
        due_at=due_at,
        post_ids=[post_id] if post_id is not None else (),
        account_ids=[account_id] if account_id is not None else (),
        ladder=ladder,
        notice_kind=notice_kind,
        details=details,
        drill=drill,
        priority=priority,
        closes_at=closes_at,
        division_code=division_code,
        channels=channels,
    )[0]


def ask_many(
    session: Session,
    *,
    actor: Actor,
    subject: tuple[str, int],
    kind: str,
    text: str,
    answers: Sequence[AnswerOption | tuple[str, str, str]],
    due_at: datetime,
    post_ids: Collection[int] = (),
    account_ids: Collection[int] = (),
    ladder: Ladder | None = None,
    notice_kind: Kind = Kind.NOTICE,
    details: Sequence[tuple[str, str]] = (),
    drill: bool = False,
    priority: int = 4,
    closes_at: datetime | None = None,
    division_code: str | None = None,
    channels: Sequence[str] | None = None,
) -> list[Question]:
    """Ask the same of many posts or accounts: one question each, one broadcast, a link each."""
    moment = now(session)
    choices = options(answers)
    closes = closes_at or due_at + CLOSES_AFTER
    if due_at <= moment or closes < due_at:
        raise Invalid(N_("The answer would be due before it is asked."), code="already_due", fields={"due_at": "past"})
    if not text.strip():
        raise Invalid(N_("The question has no text."), code="empty_text", fields={"text": "required"})
    places = _places(session, actor, post_ids, account_ids, division_code)
    shared: dict[str, Any] = {
        "kind": kind, "subject_kind": subject[0], "subject_id": subject[1], "text": text.strip(),
        "details": [list(pair) for pair in details], "answers": [option.to_json() for option in choices],
        "notice_kind": notice_kind, "drill": drill or notice_kind is Kind.EXERCISE, "priority": priority,
        "state": QuestionState.OPEN, "asked_at": moment, "asked_by": str(actor), "due_at": due_at, "closes_at": closes,
        "version": 1,
    }  # fmt: skip
    questions = [Question(id=new_id(), post_id=p, account_id=a, division_code=d, **shared) for p, a, d in places]
    steps = [_first_step(question, moment, channels) for question in questions]
    session.add_all(questions)
    session.flush()
    session.add_all(steps)
    for question in questions:
        session.add_all(_later_steps(question, UNHURRIED if ladder is None else ladder, channels))
    session.flush()
    _send_first(session, questions, steps, choices, channels)
    session.flush()
    due = due_at.isoformat()
    journal.record(session, ASKED, actor=actor, subject=subject, kind=kind, count=len(questions), due=due)
    return questions


def _places(
    session: Session,
    actor: Actor,
    post_ids: Collection[int],
    account_ids: Collection[int],
    division_code: str | None,
) -> list[tuple[int | None, int | None, str]]:
    posts = {r.id: r.division_code for r in session.execute(
        sa.select(Post.id, Post.division_code).where(Post.id.in_(post_ids))
    )}  # fmt: skip
    accounts = {r.id: r.division_code for r in session.execute(
        sa.select(Account.id, Account.division_code).where(Account.id.in_(account_ids))
    )}  # fmt: skip
    if len(posts) != len(set(post_ids)) or len(accounts) != len(set(account_ids)):
        raise NotFound(N_("There is no such post or account."))
    places: list[tuple[int | None, int | None, str]] = [
        *((post_id, None, division_code or posts[post_id]) for post_id in dict.fromkeys(post_ids)),
        *((None, account_id, division_code or accounts[account_id]) for account_id in dict.fromkeys(account_ids)),
    ]
    for post_id, _account, code in places:
        # An approver's account belongs to the whole district; whoever waits for approval may still ask it.
        if post_id is not None:
            actor.require_covers(code)
    return places


def _first_step(question: Question, moment: datetime, channels: Sequence[str] | None) -> QuestionStep:
    return QuestionStep(
        id=new_id(), question_id=question.id, position=0, kind=StepKind.ASK, due_at=moment, channels=_list(channels)
    )


def _later_steps(question: Question, ladder: Ladder, channels: Sequence[str] | None) -> list[QuestionStep]:
    return [
        QuestionStep(
            id=new_id(), question_id=question.id, position=position, kind=rung.step, due_at=at,
            channels=_list(rung.channels or channels), good_until=at + rung.good_for if rung.good_for else None,
        )
        for position, (rung, at) in enumerate(ladder.due(question.asked_at, question.due_at), start=1)
        if at < question.closes_at
    ]  # fmt: skip


def _list(channels: Sequence[str] | None) -> list[str] | None:
    return list(channels) if channels else None


def _send_first(
    session: Session,
    questions: Sequence[Question],
    steps: Sequence[QuestionStep],
    choices: Sequence[AnswerOption],
    channels: Sequence[str] | None,
) -> None:
    holders = sending.first_holders(session, [q.post_id for q in questions if q.post_id is not None])
    people = sending.account_targets(session, [q.account_id for q in questions if q.account_id is not None])
    moment = now(session)
    pairs = []
    for question, step in zip(questions, steps, strict=True):
        target = holders.get(question.post_id or 0) or people.get(question.account_id or 0)
        step.done_at, step.outcome = moment, StepOutcome.SENT if target else StepOutcome.NOBODY
        if target:
            pairs.append((question, step, target))
        else:
            hasten(session, question.id, moment)
    if pairs:
        exercise = questions[0].notice_kind is Kind.EXERCISE
        roads = sending.roads(session, channels, exercise=exercise)
        text = sending.words(
            session, StepKind.ASK, text=questions[0].text, due_at=questions[0].due_at, choices=choices,
            exercise=exercise, channels=roads,
        )  # fmt: skip
        sending.send(session, text, pairs, roads)


def ask_next(session: Session, question: Question, moment: datetime) -> None:
    """The next deputy is asked now, whatever the ladder says; where it knows no deputy, a rung is added."""
    pending = session.scalars(
        sa.select(QuestionStep)
        .where(
            QuestionStep.question_id == question.id,
            QuestionStep.done_at.is_(None),
            QuestionStep.kind == StepKind.DEPUTY,
        )
        .order_by(QuestionStep.position)
        .limit(1)
    ).first()
    if pending is not None:
        pending.due_at = min(pending.due_at, moment)
    else:
        last = session.scalar(
            sa.select(sa.func.max(QuestionStep.position)).where(QuestionStep.question_id == question.id)
        )
        session.add(
            QuestionStep(
                id=new_id(), question_id=question.id, position=(last or 0) + 1, kind=StepKind.DEPUTY, due_at=moment
            )
        )
    session.flush()


def hasten(session: Session, question_id: int, moment: datetime) -> None:
    """Nobody could be reached by this step: the next one that reaches somebody else is due now."""
    later = (
        sa.select(QuestionStep.id)
        .where(
            QuestionStep.question_id == question_id,
            QuestionStep.done_at.is_(None),
            QuestionStep.kind != StepKind.REMIND,
        )
        .order_by(QuestionStep.position)
        .limit(1)
    )
    session.execute(
        sa.update(QuestionStep)
        .where(QuestionStep.id == later.scalar_subquery(), QuestionStep.due_at > moment)
        .values(due_at=moment)
    )
