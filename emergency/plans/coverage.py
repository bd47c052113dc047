"""Whom an evacuation list would forget, and the act that puts them on one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions.models import Division, Unit, UnitKind
from emergency.divisions.rules import VILLAGE, ancestors, in_scope, within
from emergency.http.actor import Actor
from emergency.http.paging import PAGE_SIZE, Page, paginate
from emergency.http.permissions import Permission
from emergency.plans.drafting import Draft, EvacuationText, edit_draft, new_draft
from emergency.plans.dynamic_models import Shelter
from emergency.plans.models import (
    EvacuationRow,
    Hazard,
    Plan,
    PlanHazard,
    PlanKind,
    PlanState,
    PlanVersion,
    VersionState,
)
from emergency.plans.queries import get_plan, version_parts
from emergency.plans.rules import IN_WORK, LIVING
from emergency.privacy import journal
from kernel.db import touch
from kernel.errors import N_, Conflict, Invalid, NotFound
from kernel.ids import new_id

LISTED_KINDS = (UnitKind.CARE_HOME, UnitKind.HOSPITAL, UnitKind.SCHOOL, UnitKind.KINDERGARTEN)
"""Whom an evacuation list must name (密云太师屯 2025: 31 died in a care home that no list contained)."""
ACTING = (PlanState.IN_FORCE, PlanState.UNDER_REVISION)
SHELTER_NOTED = journal.kind("plans.shelter_noted", "安置点容量登记", "Shelter noted", "name", "capacity", "division")


def in_force() -> tuple[Any, ...]:
    """SQL: the version is the text in force of a plan that may be acted on."""
    return (
        PlanVersion.state == VersionState.ISSUED,
        PlanVersion.replaced_at.is_(None),
        Plan.state.in_(ACTING),
    )


def _listed(column: Any, value: Any) -> Any:
    """Named in the evacuation list of a text that is in force."""
    return (
        sa.select(EvacuationRow.id)
        .join(PlanVersion, PlanVersion.id == EvacuationRow.version_id)
        .join(Plan, Plan.id == PlanVersion.plan_id)
        .where(column == value, *in_force())
        .exists()
    )


def villages_off_list(*conditions: Any) -> sa.Select[Any]:
    """Villages and communities on no evacuation list in force."""
    return sa.select(Division).where(
        Division.level == VILLAGE, ~_listed(EvacuationRow.subject_code, Division.code), *conditions
    )


def units_off_list(*conditions: Any) -> sa.Select[Any]:
    """Care homes, hospitals, schools, kindergartens and low-lying units on no evacuation list in force."""
    return sa.select(Unit).where(
        sa.or_(Unit.kind.in_(LISTED_KINDS), Unit.low_lying),
        Unit.closed_at.is_(None),
        ~_listed(EvacuationRow.unit_id, Unit.id),
        *conditions,
    )


@dataclass(frozen=True)
class Gaps:
    """How many are forgotten, and one page of them."""

    villages: int
    units: int
    village_page: Page[Division]
    unit_page: Page[Unit]


def gaps(
    session: Session,
    actor: Actor,
    *,
    place: str = "",
    kind: UnitKind | None = None,
    villages_from: str | None = None,
    units_from: str | None = None,
    limit: int = PAGE_SIZE,
) -> Gaps:
    """Who in scope stands on no list, by township and kind of unit; two lists, each in pages."""
    actor.require(Permission.PLANS_VIEW)
    inside = [within(Division.code, place)] if place else []
    villages = villages_off_list(in_scope(Division.code, actor), *inside)
    units = units_off_list(
        in_scope(Unit.division_code, actor),
        *([within(Unit.division_code, place)] if place else []),
        *([Unit.kind == kind] if kind is not None else []),
    )
    return Gaps(
        _count(session, villages),
        _count(session, units),
        paginate(session, villages, key=[Division.code], cursor=villages_from, limit=limit),
        paginate(session, units, key=[Unit.division_code, Unit.id], cursor=units_from, limit=limit),
    )


def _count(session: Session, statement: sa.Select[Any]) -> int:
    return session.scalar(sa.select(sa.func.count()).select_from(statement.subquery())) or 0


def living(session: Session, actor: Actor, code: str | None = None) -> int:
    """How many plans in scope (of one place and what lies in it) are being written, in force or under revision."""
    return (
        session.scalar(
            sa.select(sa.func.count())
            .select_from(Plan)
            .where(
                Plan.state.in_(LIVING), in_scope(Plan.division_code, actor),
                *([within(Plan.division_code, code)] if code else []),
            )
        )
        or 0
    )  # fmt: skip


def count_gaps(session: Session, actor: Actor) -> int:
    """How many villages and units in scope stand on no list."""
    return _count(session, villages_off_list(in_scope(Division.code, actor))) + _count(
        session, units_off_list(in_scope(Unit.division_code, actor))
    )


def everybody_off_list(session: Session, actor: Actor, language: str) -> list[dict[str, Any]]:
    """Everybody in scope who is on no list, as rows for exports."""
    actor.require(Permission.PLANS_VIEW)
    places = session.scalars(villages_off_list(in_scope(Division.code, actor)).order_by(Division.code))
    rows: list[dict[str, Any]] = [
        {
            "kind": "村（社区）" if language == "zh" else "Village", "division_code": place.code, "name": place.name,
            "people": place.population or "",
        }
        for place in places
    ]  # fmt: skip
    units = session.scalars(units_off_list(in_scope(Unit.division_code, actor)).order_by(Unit.division_code, Unit.id))
    rows += [
        {
            "kind": unit.kind.label(language), "division_code": unit.division_code, "name": unit.name,
            "people": unit.people or "",
        }
        for unit in units
    ]  # fmt: skip
    return rows


@dataclass(frozen=True)
class Subject:
    """A village or unit that is to be put on a list."""

    name: str
    division_code: str
    people: int
    unit: Unit | None = None


def subject(session: Session, *, actor: Actor, unit_id: int | None = None, code: str | None = None) -> Subject:
    """The village or unit in scope."""
    actor.require(Permission.PLANS_VIEW)
    if unit_id is not None:
        unit = session.get(Unit, unit_id)
        if unit is not None and actor.covers(unit.division_code):
            return Subject(unit.name, unit.division_code, unit.people or 0, unit)
    else:
        division = session.get(Division, code or "")
        if division is not None and division.level == VILLAGE and actor.covers(division.code):
            return Subject(division.name, division.code, division.population or 0)
    raise NotFound(N_("There is no such village or unit in your area."))


def candidates(session: Session, *, actor: Actor, code: str) -> list[Plan]:
    """The plans in force of the place and of what lies above it, that the actor may revise; those with evacuation
    lists and for floods first, the nearest first."""
    listing = (
        sa.select(EvacuationRow.id)
        .join(PlanVersion, PlanVersion.id == EvacuationRow.version_id)
        .where(PlanVersion.plan_id == Plan.id, PlanVersion.replaced_at.is_(None))
        .exists()
    )
    flood = sa.select(PlanHazard.plan_id).where(PlanHazard.plan_id == Plan.id, PlanHazard.hazard == Hazard.FLOOD)
    return list(
        session.scalars(
            sa.select(Plan)
            .where(
                Plan.division_code.in_([code, *ancestors(code)]),
                in_scope(Plan.division_code, actor),
                Plan.state.in_(ACTING),
                Plan.kind.not_in([PlanKind.WORKBOOK, PlanKind.ACTION, PlanKind.UNIT]),
            )
            .order_by(
                sa.case((listing, 0), else_=1),
                sa.case((flood.exists(), 0), else_=1),
                Plan.division_code.desc(),
                Plan.id,
            )
            .limit(50)
        )
    )


def destinations(session: Session, *, actor: Actor, plan_ids: Sequence[int]) -> list[str]:
    """Where the lists of these plans send people, and the shelters in scope."""
    used = session.scalars(
        sa.select(EvacuationRow.destination)
        .join(PlanVersion, PlanVersion.id == EvacuationRow.version_id)
        .where(PlanVersion.plan_id.in_(plan_ids), PlanVersion.replaced_at.is_(None))
        .distinct()
        .limit(100)
    )
    known = session.scalars(
        sa.select(Shelter.name).where(in_scope(Shelter.division_code, actor)).order_by(Shelter.name).limit(200)
    )
    return sorted({*used, *known})


def add_to_list(session: Session, *, actor: Actor, plan_id: int, line: EvacuationText) -> PlanVersion:
    """Put a village or unit on the evacuation list of a plan: in its open draft, or in a new one from the text in force.

    The list that binds changes only when that draft is issued; nothing is overwritten (409 while it is in review).
    """
    actor.require(Permission.PLANS_EDIT)
    plan = get_plan(session, actor=actor, plan_id=plan_id)
    actor.require_covers(plan.division_code)
    found = subject(session, actor=actor, unit_id=line.unit_id, code=line.subject_code)
    if plan.division_code not in (found.division_code, *ancestors(found.division_code)):
        raise Invalid(N_("This plan is not one for that place."), code="bad_plan")
    if not line.destination.strip():
        message = N_("Say where they go.")
        raise Invalid(message, code="incomplete", fields={"destination": message})
    draft = session.scalar(sa.select(PlanVersion).where(PlanVersion.plan_id == plan.id, PlanVersion.state.in_(IN_WORK)))
    if draft is None:
        draft = new_draft(session, actor=actor, plan_id=plan.id)
    elif draft.state is not VersionState.DRAFT:
        raise Conflict(
            N_("The next text of this plan is being reviewed. Have it returned, or wait until it is issued."),
            code="in_review",
        )
    rows = [
        EvacuationText(
            row.destination, row.subject_code, row.unit_id, row.household_id, row.people, row.route, row.means,
            row.post_id, row.grade, row.within_hours,
        )
        for row in version_parts(session, draft.id).evacuation
        if (row.unit_id is None or row.unit_id != line.unit_id)
        and (row.subject_code is None or row.subject_code != line.subject_code)
    ]  # fmt: skip
    return edit_draft(
        session, actor=actor, version_id=draft.id, version=draft.version, draft=Draft(evacuation=[*rows, line])
    )


def note_shelter(
    session: Session, *, actor: Actor, name: str, division_code: str, capacity: int | None, source: str
) -> Shelter:
    """Say how many people a destination of evacuation lists takes, and how one knows."""
    actor.require(Permission.PLANS_EDIT)
    actor.require_covers(division_code)
    faults = {}
    if not name.strip():
        faults["name"] = N_("Fill this in.")
    if capacity is None or capacity < 1:
        faults["capacity"] = N_("A shelter takes at least one person.")
    if not source.strip():
        faults["source"] = N_("Say how one knows: who counted the beds, and when.")
    if faults:
        raise Invalid(next(iter(faults.values())), code="incomplete", fields=faults)
    shelter = session.scalar(sa.select(Shelter).where(Shelter.name == name.strip()))
    if shelter is None:
        shelter = Shelter(id=new_id(), name=name.strip()[:200])
        session.add(shelter)
    elif not actor.covers(shelter.division_code):
        raise Conflict(N_("Another area has entered a shelter of this name."), code="name_taken")
    shelter.division_code, shelter.capacity = division_code, capacity
    shelter.source, shelter.noted_by = source.strip()[:200], str(actor)
    session.flush()
    touch(session, "plan_shelter", shelter.id)
    journal.record(
        session, SHELTER_NOTED, actor=actor, subject=("plan_shelter", shelter.id), name=shelter.name,
        capacity=capacity or 0, division=division_code,
    )  # fmt: skip
    return shelter


@dataclass(frozen=True)
class Assigned:
    """A destination with what is known of it, and the most that one plan sends there."""

    name: str
    shelter: Shelter | None
    plans: int
    people: int


def assigned(session: Session, *, actor: Actor, plan_id: int | None = None, limit: int = 300) -> list[Assigned]:
    """The destinations that lists in force name, those without a capacity first."""
    actor.require(Permission.PLANS_VIEW)
    by_plan = (
        sa.select(Plan.id, EvacuationRow.destination, sa.func.sum(EvacuationRow.people).label("people"))
        .join(PlanVersion, PlanVersion.id == EvacuationRow.version_id)
        .join(Plan, Plan.id == PlanVersion.plan_id)
        .where(*in_force(), in_scope(Plan.division_code, actor), *([Plan.id == plan_id] if plan_id else []))
        .group_by(Plan.id, EvacuationRow.destination)
        .subquery()
    )
    rows = session.execute(
        sa.select(by_plan.c.destination, sa.func.count(), sa.func.max(by_plan.c.people))
        .group_by(by_plan.c.destination)
        .order_by(by_plan.c.destination)
    ).all()
    known = {s.name: s for s in session.scalars(sa.select(Shelter).where(in_scope(Shelter.division_code, actor)))}
    lines = [Assigned(name, known.pop(name, None), plans, int(people or 0)) for name, plans, people in rows]
    if plan_id is None:
        lines += [Assigned(name, shelter, 0, 0) for name, shelter in sorted(known.items())]
    return sorted(lines, key=lambda line: (line.shelter is not None and line.shelter.capacity is not None, line.name))[
        :limit
    ]
