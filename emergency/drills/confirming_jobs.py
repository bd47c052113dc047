"""What the ticker does about asking: ask when the day comes, tell what is due, call whom the text did not reach."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency import messages
from emergency.asking import service as asking
from emergency.asking.models import Question, QuestionState, QuestionStep, StepKind, StepOutcome
from emergency.divisions.models import Unit
from emergency.drills import confirming, confirming_rules, rules, telling
from emergency.drills.confirming_models import AskingOutcome, DrillAsking, DrillNotice, NoticeKind, NoticeOutcome
from emergency.drills.models import (
    Answered,
    Invitation,
    Occurrence,
    OccurrenceState,
    Programme,
    ProgrammePost,
    ProgrammeState,
)
from emergency.http.actor import Actor
from kernel.db import Database, dialect_name, touch
from kernel.errors import DomainError
from kernel.ids import new_id
from kernel.logs import kv
from notify.models import Delivery, DeliveryState
from scheduler.due import do_due
from scheduler.ticker import Job

log = logging.getLogger(__name__)
ACTOR = Actor.system("drills")
PIECE, NOTICES, WIDE = 5, 50, 200
LOOK_BACK = timedelta(days=14)
"""So far back a date that was never asked about is recorded as missed; older ones are history."""
TRIED = (StepOutcome.SENT, StepOutcome.NOBODY, StepOutcome.FAILED)
"""A call that could reach nobody is not made again every minute: the ladder has gone on to somebody else."""
UNREACHED = (DeliveryState.FAILED, DeliveryState.EXPIRED)
CALL_WITHIN = timedelta(days=3)
ASKED_STATES = (OccurrenceState.INVITED, OccurrenceState.CONFIRMED)


def ask_by_itself(database: Database, now: datetime) -> int:
    """Ask the posts of every date whose day has come; each date once, and in one process. Returns how many dates.

    After downtime what still lies ahead is asked late; what does not is recorded as too late, and nobody is asked.
    Paused programmes ask nobody; when they go on in time, they do.
    """
    with database.read() as session:
        days = asking.config_of(session).drills.ask_days_before
    if days <= 0:
        return 0
    _enter(database, now, days)
    _take_up_again(database, now, days)

    def ask(session: Session, ids: list[int]) -> None:
        for row in session.scalars(sa.select(DrillAsking).where(DrillAsking.id.in_(ids))).all():
            _ask(session, row, now, days)

    return do_due(database, DrillAsking.__table__, now, PIECE, ask)


def _enter(database: Database, now: datetime, days: int) -> None:
    """A row for each date within the days that has none yet."""
    known = sa.exists(sa.select(DrillAsking.id).where(DrillAsking.occurrence_id == Occurrence.id))
    while True:
        with database.write() as session:
            found = session.execute(
                sa.select(Occurrence.id, Occurrence.starts_at)
                .join(Programme, Programme.id == Occurrence.programme_id)
                .where(
                    Occurrence.starts_at > now - LOOK_BACK,
                    Occurrence.starts_at <= now + timedelta(days=days + 1),
                    Occurrence.state == OccurrenceState.PLANNED,
                    Programme.state == ProgrammeState.ACTIVE,
                    # A date that was entered after it had passed was never to be asked about.
                    Programme.created_at < Occurrence.starts_at,
                    ~sa.exists().where(Unit.id == Occurrence.unit_id, Unit.closed_at <= now),
                    ~known,
                )
                .order_by(Occurrence.starts_at, Occurrence.id)
                .limit(WIDE)
            ).all()
            if found:
                rows = [
                    {
                        "id": new_id(), "occurrence_id": row.id, "asked": 0,
                        "due_at": confirming_rules.ask_at(row.starts_at, days),
                    }
                    for row in found
                ]  # fmt: skip
                session.execute(_insert_once(session), rows)
        if len(found) < WIDE:
            return


def _take_up_again(database: Database, now: datetime, days: int) -> None:
    """What was settled for another date or other posts: the drill was moved or came back, or more posts are named."""
    unasked = sa.exists().where(
        ProgrammePost.programme_id == Occurrence.programme_id,
        ProgrammePost.post_id.not_in(
            sa.select(Invitation.post_id).where(Invitation.occurrence_id == Occurrence.id)
        ),
    )  # fmt: skip
    with database.write() as session:
        rows = session.execute(
            sa.select(DrillAsking, Occurrence.starts_at)
            .join(Occurrence, Occurrence.id == DrillAsking.occurrence_id)
            .where(
                DrillAsking.done_at.is_not(None),
                ~sa.exists().where(Unit.id == Occurrence.unit_id, Unit.closed_at <= now),
                Occurrence.starts_at > now + confirming_rules.TOO_CLOSE,
                sa.or_(
                    Occurrence.state == OccurrenceState.PLANNED,
                    sa.and_(DrillAsking.asked > 0, Occurrence.state.in_(ASKED_STATES)),
                ),
                unasked,
            )
            .order_by(DrillAsking.id)
            .limit(WIDE)
        ).all()
        for row, starts_at in rows:
            due_at = confirming_rules.ask_at(starts_at, days)
            if row.outcome is AskingOutcome.FAILED and row.due_at == due_at:
                continue  # it would fail again; the page says so and a person asks
            row.due_at, row.done_at, row.outcome, row.claimed_at = due_at, None, None, None


def _insert_once(session: Session) -> sa.Insert:
    if dialect_name(session) == "postgresql":
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(DrillAsking).on_conflict_do_nothing(index_elements=["occurrence_id"])
    from sqlalchemy.dialects import sqlite

    return sqlite.insert(DrillAsking).on_conflict_do_nothing(index_elements=["occurrence_id"])


def _ask(session: Session, row: DrillAsking, now: datetime, days: int) -> None:
    occurrence = session.get_one(Occurrence, row.occurrence_id)
    programme = session.get_one(Programme, occurrence.programme_id)
    if programme.state is not ProgrammeState.ACTIVE and occurrence.state is OccurrenceState.PLANNED:
        session.delete(row)  # it is entered again when the programme goes on
        return
    unit = session.get(Unit, occurrence.unit_id) if occurrence.unit_id is not None else None
    if unit is not None and unit.closed_at is not None and unit.closed_at <= now:
        row.done_at, row.outcome = now, AskingOutcome.NOT_NEEDED
        return
    due_at = confirming_rules.ask_at(occurrence.starts_at, days)
    if due_at > now and occurrence.state is OccurrenceState.PLANNED:
        row.due_at, row.claimed_at = due_at, None  # the date was moved further away
        return
    outcome = AskingOutcome.ASKED
    # Asked by itself before, and more posts were named since: the rest is asked, nobody twice.
    rest = row.asked > 0 and occurrence.state in ASKED_STATES
    if occurrence.state is not OccurrenceState.PLANNED and not rest:
        missed = occurrence.state is OccurrenceState.MISSED
        outcome = AskingOutcome.TOO_LATE if missed else AskingOutcome.NOT_NEEDED
    elif occurrence.starts_at < now + confirming_rules.TOO_CLOSE:
        outcome = AskingOutcome.ASKED if rest else AskingOutcome.TOO_LATE
    elif not confirming.posts_asked(session, programme.id):
        outcome = AskingOutcome.ASKED if rest else AskingOutcome.NOBODY
    else:
        try:
            with session.begin_nested():
                asked = confirming.invite(session, actor=ACTOR, occurrence_id=occurrence.id)
                row.asked = asked + (row.asked if rest else 0)
        except DomainError as error:
            log.error("a drill could not be asked about %s", kv(occurrence=occurrence.id, code=error.code))
            outcome = AskingOutcome.FAILED
    row.done_at, row.outcome = now, outcome
    session.flush()
    touch(session, confirming.SUBJECT, occurrence.id)


def send_notices(database: Database, now: datetime) -> int:
    """Tell what is due to be told: each post once, one message a number. What is too late is recorded as missed."""
    return do_due(database, DrillNotice.__table__, now, NOTICES, lambda session, ids: _tell(session, ids, now))


def _tell(session: Session, ids: Sequence[int], now: datetime) -> None:
    notices = session.scalars(sa.select(DrillNotice).where(DrillNotice.id.in_(ids)).order_by(DrillNotice.id)).all()
    groups: dict[tuple[int, NoticeKind, str], list[DrillNotice]] = {}
    for notice in notices:
        notice.done_at, notice.outcome = now, NoticeOutcome.MISSED
        if now <= notice.good_until:
            groups.setdefault((notice.occurrence_id, notice.kind, notice.text), []).append(notice)
    occurrence_ids = {key[0] for key in groups}
    occurrences = {o.id: o for o in session.scalars(sa.select(Occurrence).where(Occurrence.id.in_(occurrence_ids)))}
    invited: dict[tuple[int, int], Invitation] = {
        (i.occurrence_id, i.post_id): i
        for i in session.scalars(sa.select(Invitation).where(Invitation.occurrence_id.in_(occurrence_ids)))
    }
    for (occurrence_id, kind, text), group in groups.items():
        asked = [invited[key] for notice in group if (key := (occurrence_id, notice.post_id)) in invited]
        try:
            with session.begin_nested():
                _tell_group(session, occurrences[occurrence_id], kind, text, group, asked)
        except DomainError as error:
            log.error("a notice about a drill was refused %s", kv(occurrence=occurrence_id, code=error.code))
            for notice in group:
                notice.outcome = NoticeOutcome.FAILED
    session.flush()


def _tell_group(
    session: Session,
    occurrence: Occurrence,
    kind: NoticeKind,
    text: str,
    group: Sequence[DrillNotice],
    asked: Sequence[Invitation],
) -> None:
    # Between the decision and the message it may have been called off, or have come back.
    stands = occurrence.state is OccurrenceState.CANCELLED if kind is NoticeKind.CANCELLED else ahead(occurrence)
    asked = asked if stands else []
    if kind is NoticeKind.REMIND:
        asked = [i for i in asked if i.answer is Answered.YES]
        text = _reminder(session, occurrence)
    people = telling.targets(session, asked, answered_only=kind is not NoticeKind.CANCELLED)
    wanted = {i.post_id for i in asked}
    everybody = [one for post_id in wanted for one in people.get(post_id, [])]
    broadcast_id = telling.deliver(session, occurrence, text, everybody) if everybody else None
    for notice in group:
        if notice.post_id not in wanted:
            notice.outcome = NoticeOutcome.NOT_NEEDED
        elif notice.post_id not in people:
            notice.outcome = NoticeOutcome.NOBODY
        else:
            notice.outcome, notice.broadcast_id = NoticeOutcome.SENT, broadcast_id


def ahead(occurrence: Occurrence) -> bool:
    """Whether the drill still stands and waits."""
    return occurrence.state in rules.COMING


def _reminder(session: Session, occurrence: Occurrence) -> str:
    place = session.get_one(Programme, occurrence.programme_id).place
    fields = {"title": occurrence.title, "when": confirming.when(occurrence.starts_at)}
    if place:
        return messages.render("drill_reminder_at", **fields, place=place)
    return messages.render("drill_reminder", **fields)


def call_unreached(database: Database, now: datetime) -> int:
    """By day, call the posts that a text about a drill did not reach; once a question. Returns how many calls."""
    with database.read() as session:
        wanted = asking.config_of(session).drills.call_unreached and confirming.can_call(session)
        if not wanted or not confirming_rules.by_day(now):
            return 0
        unreached = session.execute(
            sa.select(Question.id)
            .join(QuestionStep, QuestionStep.question_id == Question.id)
            .join(
                Delivery,
                sa.and_(
                    Delivery.broadcast_id == QuestionStep.broadcast_id,
                    Delivery.address_key == QuestionStep.contact_id,
                ),
            )
            .where(
                Question.kind == confirming.QUESTION_KIND,
                Question.state == QuestionState.OPEN,
                Question.closes_at > now,
                QuestionStep.done_at > now - CALL_WITHIN,
                QuestionStep.kind.in_((StepKind.ASK, StepKind.REMIND)),
                Delivery.state.in_(UNREACHED),
                Delivery.channel != "voice",
            )
            .distinct()
            .order_by(Question.id)
            .limit(WIDE)
        )
        ids = [row.id for row in unreached]
    called = 0
    for start in range(0, len(ids), NOTICES):
        with database.write() as session:
            called += _call(session, ids[start : start + NOTICES], now)
    return called


def _call(session: Session, question_ids: Sequence[int], now: datetime) -> int:
    """A step of the ladder that calls, for those that have none which was done or is due within the hour."""
    questions = session.scalars(
        sa.select(Question)
        .where(Question.id.in_(question_ids), Question.state == QuestionState.OPEN)
        .order_by(Question.id)
        .with_for_update()
    ).all()
    steps: dict[int, list[QuestionStep]] = {}
    for step in session.scalars(sa.select(QuestionStep).where(QuestionStep.question_id.in_([q.id for q in questions]))):
        steps.setdefault(step.question_id, []).append(step)
    called = 0
    for question in questions:
        own = steps.get(question.id, [])
        calls = [step for step in own if step.channels and "voice" in step.channels]
        if any(step.outcome in TRIED or (step.done_at is None and step.due_at <= now) for step in calls):
            continue
        session.add(
            QuestionStep(
                id=new_id(), question_id=question.id, position=1 + max(step.position for step in own),
                kind=StepKind.REMIND, channels=["voice"], due_at=now, good_until=now + timedelta(hours=2),
            )
        )  # fmt: skip
        called += 1
    return called


JOBS = [
    Job("drills.ask", ask_by_itself, 60),
    Job("drills.tell", send_notices, 15),
    Job("drills.call", call_unreached, 60),
]
