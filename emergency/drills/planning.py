"""Programmes and the rows of their dates, 13 months ahead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import sqlalchemy as sa
from dateutil.relativedelta import relativedelta
from sqlalchemy.orm import Session

from emergency.drills import rules
from emergency.drills.models import (
    Content,
    DrillKind,
    DrillRule,
    Form,
    Occurrence,
    OccurrenceState,
    Programme,
    ProgrammePost,
    ProgrammeRule,
    ProgrammeState,
)
from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from kernel.clock import BEIJING
from kernel.db import now, touch
from kernel.errors import N_, Conflict, Invalid, NotFound
from kernel.ids import new_id
from kernel.states import transition
from scheduler.recurrence import Recurrence
from scheduler.workdays import WorkCalendar


@dataclass(frozen=True)
class NewProgramme:
    """A drill that comes again."""

    title: str
    kind: DrillKind
    form: Form
    division_code: str
    recurrence: Recurrence
    start_time: time
    content: Content = Content.SINGLE
    unit_id: int | None = None
    plan_id: int | None = None
    ends_on: date | None = None
    duration_minutes: int = 60
    target_seconds: int | None = None
    place: str = ""
    post_ids: Sequence[int] = ()
    rule_keys: Sequence[str] = ()


def create_programme(session: Session, *, actor: Actor, facts: NewProgramme) -> Programme:
    """Enter a programme and the dates that it gives within 13 months."""
    actor.require(Permission.DRILLS_EDIT)
    actor.require_covers(facts.division_code)
    if not facts.title.strip():
        raise Invalid(N_("A drill needs a title."), code="incomplete", fields={"title": N_("Fill this in.")})
    if facts.duration_minutes <= 0 or (facts.target_seconds is not None and facts.target_seconds <= 0):
        raise Invalid(N_("A drill lasts at least a minute."), code="bad_duration")
    programme = Programme(
        id=new_id(), title=facts.title.strip()[:150], kind=facts.kind, form=facts.form, content=facts.content,
        division_code=facts.division_code, unit_id=facts.unit_id, plan_id=facts.plan_id,
        recurrence=facts.recurrence.to_json(), starts_on=facts.recurrence.start,
        ends_on=facts.ends_on or facts.recurrence.until, start_time=facts.start_time,
        duration_minutes=facts.duration_minutes, target_seconds=facts.target_seconds, place=facts.place.strip(),
        state=ProgrammeState.ACTIVE, created_by=str(actor), created_at=now(session), version=1,
    )  # fmt: skip
    session.add(programme)
    session.flush()
    session.add_all(
        ProgrammePost(programme_id=programme.id, post_id=post_id) for post_id in dict.fromkeys(facts.post_ids)
    )
    if facts.rule_keys:
        rule_ids = session.scalars(sa.select(DrillRule.id).where(DrillRule.key.in_(facts.rule_keys)))
        session.add_all(ProgrammeRule(programme_id=programme.id, rule_id=rule_id) for rule_id in rule_ids)
    session.flush()
    materialise(session, [programme])
    return programme


def local_moment(day: date, clock: time) -> datetime:
    """A date and a time of day in Beijing, as a moment."""
    return datetime.combine(day, clock, BEIJING)


def materialise(session: Session, programmes: Sequence[Programme], calendar: WorkCalendar | None = None) -> int:
    """Write the dates that are missing up to 13 months ahead. Dates that exist stay as they are; runs twice safely."""
    today = now(session).astimezone(BEIJING).date()
    until = today + relativedelta(months=rules.AHEAD_MONTHS)
    known = calendar or WorkCalendar.load(session)
    held: dict[int, set[date]] = {}
    for row in session.execute(
        sa.select(Occurrence.programme_id, Occurrence.slot_on).where(
            Occurrence.programme_id.in_([p.id for p in programmes])
        )
    ):
        held.setdefault(row.programme_id, set()).add(row.slot_on)
    made = 0
    for programme in programmes:
        first = programme.starts_on
        if programme.materialised_until is not None:
            first = max(first, programme.materialised_until - timedelta(days=31))
        last = min(until, programme.ends_on) if programme.ends_on else until
        for planned in Recurrence.from_json(programme.recurrence).planned(first, last, known):
            if planned.nominal in held.get(programme.id, ()):
                continue
            starts_at = local_moment(planned.on, programme.start_time)
            ends_at = starts_at + timedelta(minutes=programme.duration_minutes)
            session.add(
                Occurrence(
                    id=new_id(), programme_id=programme.id, slot_on=planned.nominal, starts_at=starts_at,
                    ends_at=ends_at, title=programme.title, kind=programme.kind,
                    division_code=programme.division_code, unit_id=programme.unit_id, state=OccurrenceState.PLANNED,
                    provisional=planned.provisional, due_at=ends_at + rules.RECORD_WITHIN, sequence=0, version=1,
                )
            )  # fmt: skip
            made += 1
        programme.materialised_until = until
    session.flush()
    return made


def get_occurrence_for_change(session: Session, *, actor: Actor, occurrence_id: int) -> Occurrence:
    """An occurrence that the actor may change."""
    occurrence = session.get(Occurrence, occurrence_id)
    if occurrence is None or not actor.covers(occurrence.division_code):
        raise NotFound(N_("There is no such drill in your area."))
    return occurrence


def reschedule(session: Session, *, actor: Actor, occurrence_id: int, version: int, starts_at: datetime) -> Occurrence:
    """Move one date. Its slot stays what it was, so that the programme does not make it again."""
    actor.require(Permission.DRILLS_EDIT)
    occurrence = get_occurrence_for_change(session, actor=actor, occurrence_id=occurrence_id)
    if occurrence.state not in rules.COMING:
        raise Conflict(N_("Only a drill that still lies ahead can be moved."), code="wrong_state")
    if starts_at <= now(session):
        raise Invalid(
            N_("The new time lies in the past."),
            code="in_the_past",
            fields={"starts_at": N_("The new time lies in the past.")},
        )
    if occurrence.version != version:
        raise Conflict(N_("Somebody else changed this first. Reload it, look at it again, then decide."))
    length = occurrence.ends_at - occurrence.starts_at
    occurrence.starts_at, occurrence.ends_at = starts_at, starts_at + length
    occurrence.due_at = occurrence.ends_at + rules.RECORD_WITHIN
    occurrence.provisional = False
    occurrence.sequence += 1
    occurrence.version += 1
    session.flush()
    touch(session, "drill_occurrence", occurrence.id)
    return occurrence


def cancel(session: Session, *, actor: Actor, occurrence_id: int, reason: str) -> Occurrence:
    """Call one date off, with the reason."""
    actor.require(Permission.DRILLS_EDIT)
    occurrence = get_occurrence_for_change(session, actor=actor, occurrence_id=occurrence_id)
    if not reason.strip():
        raise Invalid(N_("Say why it is called off."), code="reason_required", fields={"reason": N_("Fill this in.")})
    transition(
        session, occurrence, OccurrenceState.CANCELLED, allowed=rules.OCCURRENCE_TRANSITIONS, actor=actor,
        reason=reason.strip(), values={"sequence": occurrence.sequence + 1},
    )  # fmt: skip
    touch(session, "drill_occurrence", occurrence.id)
    return occurrence
