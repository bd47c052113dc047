"""Programmes and the rows of their dates, 13 months ahead."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions.models import Unit
from emergency.divisions.rules import ancestors, in_scope
from emergency.drills import rules
from emergency.drills.materialising import (
    Calendars,
    check_past,
    check_yields,
    horizon,
    local_moment,
    materialise,
    today,
)
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
    Purpose,
)
from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.people.posts.models import Post, PostState
from emergency.plans.models import Plan
from emergency.privacy import journal
from kernel.clock import BEIJING
from kernel.db import now, touch
from kernel.errors import N_, Conflict, Invalid, NotFound
from kernel.ids import new_id
from kernel.states import transition
from notify import markers
from scheduler.recurrence import Freq, Planned, Recurrence

__all__ = [
    "NewProgramme", "add_dates", "cancel", "create_programme", "local_moment", "materialise", "plan_once", "reschedule",
]  # fmt: skip
CREATED = journal.kind(
    "drills.programme_created", "建立演练计划", "Drill programme entered", "kind", "division", "unit"
)
DATED = journal.kind("drills.dates_added", "增加演练日期", "Drill dates added", "division", "count")
MOST_MINUTES = 24 * 60


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
    purpose: Purpose = Purpose.TEST
    post_ids: Sequence[int] = ()
    rule_keys: Sequence[str] = ()
    rule_ids: Sequence[int] = ()
    backdated: bool = False
    """Whether the dates before today are written too, for drills whose records are entered afterwards."""


def check_facts(
    session: Session, *, actor: Actor, facts: NewProgramme, calendars: Calendars | None = None
) -> list[Planned]:
    """What every programme must keep to; gives its next five dates. Faults are 422 and stand at their field."""
    actor.require_covers(facts.division_code)
    if not facts.title.strip():
        raise Invalid(N_("A drill needs a title."), code="incomplete", fields={"title": N_("Fill this in.")})
    for name in ("title", "place"):
        # 防汛转移（演练） would make every invitation look like a message of another kind, and none could leave.
        if markers.drill_mark(getattr(facts, name)):
            text = N_("These words speak of the kind of message. Put it otherwise.")
            raise Invalid(text, code="kind_mismatch", fields={name: text})
    if not 0 < facts.duration_minutes <= MOST_MINUTES or (
        facts.target_seconds is not None and facts.target_seconds <= 0
    ):
        raise Invalid(N_("A drill lasts at least a minute."), code="bad_duration")
    if facts.unit_id is not None:
        unit = session.get(Unit, facts.unit_id)
        if unit is None or unit.closed_at is not None or unit.division_code != facts.division_code:
            text = N_("There is no such unit in your area, or it is closed.")
            raise Invalid(text, code="bad_unit", fields={"unit_id": text})
    if facts.plan_id is not None:
        plan_code = session.scalar(sa.select(Plan.division_code).where(Plan.id == facts.plan_id))
        if plan_code is None or not (actor.covers(plan_code) or plan_code in ancestors(facts.division_code)):
            text = N_("There is no such plan in your area.")
            raise Invalid(text, code="bad_plan", fields={"plan_id": text})
    _check_posts(session, actor, facts.post_ids)
    day = today(session)
    return check_yields(facts.recurrence, facts.ends_on, day, calendars or Calendars.load(session))


def _check_posts(session: Session, actor: Actor, post_ids: Sequence[int]) -> None:
    wanted = set(post_ids)
    known = session.scalars(
        sa.select(Post.id).where(
            Post.id.in_(wanted), in_scope(Post.division_code, actor), Post.state != PostState.ABOLISHED
        )
    )
    if wanted - set(known):
        text = N_("One of the posts does not exist any more, or lies outside your area.")
        raise Invalid(text, code="bad_post", fields={"post_ids": text})


def create_programme(session: Session, *, actor: Actor, facts: NewProgramme) -> Programme:
    """Enter a programme and the dates that it gives within 13 months, from today unless it is `backdated`.

    Raises `Invalid` (`dates_in_the_past`) where all of them lie before today.
    """
    actor.require(Permission.DRILLS_EDIT)
    calendars = Calendars.load(session)
    check_facts(session, actor=actor, facts=facts, calendars=calendars)
    day, columns = today(session), columns_of(facts)
    check_past(facts.recurrence, facts.ends_on, day, calendars, backdated=facts.backdated)
    if not facts.backdated:  # nobody was asked for what lies before: it is neither missed nor watched
        columns["starts_on"] = max(facts.recurrence.start, day)
    programme = Programme(
        id=new_id(), division_code=facts.division_code, unit_id=facts.unit_id, state=ProgrammeState.ACTIVE,
        created_by=str(actor), created_at=now(session), calendar_seen="", version=1, **columns,
    )  # fmt: skip
    session.add(programme)
    session.flush()
    name_posts_and_rules(session, programme, facts)
    journal.record(
        session, CREATED, actor=actor, subject=("drill_programme", programme.id), kind=programme.kind.value,
        division=programme.division_code, unit=programme.unit_id,
    )  # fmt: skip
    materialise(session, [programme], calendars)
    return programme


def plan_once(session: Session, *, actor: Actor, starts_at: datetime, facts: NewProgramme) -> Occurrence:
    """Enter one drill that does not come again. `starts_at` takes the place of the rule and the time of the facts."""
    local = starts_at.astimezone(BEIJING)
    if starts_at <= now(session):
        text = N_("The new time lies in the past.")
        raise Invalid(text, code="in_the_past", fields={"starts_at": text})
    if local.date() > horizon(today(session)):
        text = N_("Drills are planned at most 13 months ahead.")
        raise Invalid(text, code="too_far_ahead", fields={"starts_at": text})
    once = replace(facts, recurrence=Recurrence.listed([local.date()]), start_time=local.time().replace(tzinfo=None))
    programme = create_programme(session, actor=actor, facts=once)
    return session.scalars(sa.select(Occurrence).where(Occurrence.programme_id == programme.id)).one()


def columns_of(facts: NewProgramme) -> dict[str, Any]:
    """What the programme's row keeps of the facts, without whose it is."""
    return {
        "title": facts.title.strip()[:150], "kind": facts.kind, "form": facts.form, "content": facts.content,
        "purpose": facts.purpose, "plan_id": facts.plan_id, "recurrence": facts.recurrence.to_json(),
        "starts_on": facts.recurrence.start, "ends_on": facts.ends_on or facts.recurrence.until,
        "start_time": facts.start_time, "duration_minutes": facts.duration_minutes,
        "target_seconds": facts.target_seconds, "place": facts.place.strip()[:100],
    }  # fmt: skip


def name_posts_and_rules(session: Session, programme: Programme, facts: NewProgramme) -> None:
    """Write down who is asked and which rules the programme serves; what was there before is replaced."""
    rule_ids = set(facts.rule_ids)
    if facts.rule_keys:
        rule_ids |= set(session.scalars(sa.select(DrillRule.id).where(DrillRule.key.in_(facts.rule_keys))))
    elif rule_ids:
        rule_ids &= set(session.scalars(sa.select(DrillRule.id).where(DrillRule.id.in_(rule_ids))))
    for table in (ProgrammePost, ProgrammeRule):
        session.execute(sa.delete(table).where(table.programme_id == programme.id))
    if facts.post_ids:
        named = [{"programme_id": programme.id, "post_id": post_id} for post_id in dict.fromkeys(facts.post_ids)]
        session.execute(sa.insert(ProgrammePost), named)
    if rule_ids:
        served = [{"programme_id": programme.id, "rule_id": rule_id} for rule_id in sorted(rule_ids)]
        session.execute(sa.insert(ProgrammeRule), served)


def add_dates(session: Session, *, actor: Actor, programme_id: int, dates: Iterable[date]) -> Programme:
    """Add dates to a programme of named dates; those that it has stay, and nothing that stands is moved."""
    actor.require(Permission.DRILLS_EDIT)
    programme = session.scalar(
        sa.select(Programme)
        .where(Programme.id == programme_id, in_scope(Programme.division_code, actor))
        .with_for_update()
    )
    if programme is None:
        raise NotFound(N_("There is no such programme in your area."))
    rule = Recurrence.from_json(programme.recurrence)
    if rule.freq is not Freq.LISTED or programme.state is not ProgrammeState.ACTIVE:
        raise Conflict(N_("Dates can only be added to a running programme of named dates."), code="wrong_state")
    whole = Recurrence.listed([*rule.dates, *dates])
    added = min(set(whole.dates) - set(rule.dates), default=programme.starts_on)
    programme.recurrence = whole.to_json()
    programme.starts_on = min(programme.starts_on, added)  # somebody named each of them
    if programme.ends_on is not None:
        programme.ends_on = max(programme.ends_on, whole.dates[-1])
    programme.version += 1
    programme.materialised_until = None  # an added date may lie before the horizon
    session.flush()
    journal.record(
        session, DATED, actor=actor, subject=("drill_programme", programme.id), division=programme.division_code,
        count=len(whole.dates) - len(rule.dates),
    )  # fmt: skip
    materialise(session, [programme])
    return programme


def get_occurrence_for_change(session: Session, *, actor: Actor, occurrence_id: int) -> Occurrence:
    """An occurrence that the actor may change, as it stands now; whoever writes waits for who changes it first.

    Without the lock two movers on PostgreSQL read the same version, and the later one overwrites the earlier.
    """
    writes = bool(session.info["writer"])
    if writes:
        session.flush()
    occurrence = session.get(Occurrence, occurrence_id, with_for_update=writes, populate_existing=writes)
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
    farthest = horizon(max(today(session), occurrence.starts_at.astimezone(BEIJING).date()))
    if starts_at.astimezone(BEIJING).date() > farthest:
        text = N_("Drills are planned at most 13 months ahead.")
        raise Invalid(text, code="too_far_ahead", fields={"starts_at": text})
    if occurrence.version != version:
        raise Conflict(N_("Somebody else changed this first. Reload it, look at it again, then decide."))
    length = occurrence.ends_at - occurrence.starts_at
    occurrence.starts_at, occurrence.ends_at = starts_at, starts_at + length
    occurrence.due_at = occurrence.ends_at + rules.RECORD_WITHIN
    occurrence.provisional, occurrence.pinned = False, True  # chosen by somebody: no computing moves it back
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
