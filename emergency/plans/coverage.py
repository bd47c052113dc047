"""What no plan covers: the matrix of townships and hazards, villages and care homes on no evacuation list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions.models import Division, Unit, UnitKind
from emergency.divisions.rules import TOWNSHIP, VILLAGE, in_scope
from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.plans import rules
from emergency.plans.models import (
    EvacuationRow,
    Hazard,
    Plan,
    PlanHazard,
    PlanLevel,
    PlanState,
    PlanVersion,
    VersionState,
)
from emergency.plans.queries import evaluation_months, facts, today

MATRIX = (Hazard.FLOOD, Hazard.HAZCHEM, Hazard.FIRE, Hazard.QUAKE, Hazard.WEATHER, Hazard.GAS, Hazard.HEALTH)
LISTED_KINDS = (UnitKind.CARE_HOME, UnitKind.HOSPITAL, UnitKind.SCHOOL, UnitKind.KINDERGARTEN)
"""Whom an evacuation list must name (密云太师屯 2025: 31 died in a care home that no list contained)."""


@dataclass(frozen=True)
class Cell:
    """One township and hazard: `held`, `general` (only by the township's general plan), `revision`, `overdue`,
    `missing`, `not_needed`."""

    state: str
    plan_id: int | None = None
    due: date | None = None


@dataclass(frozen=True)
class Matrix:
    """Rows of townships with one cell a hazard, and how many of each state."""

    hazards: Sequence[Hazard]
    rows: list[tuple[str, str, list[Cell]]]
    counts: dict[str, int]


def coverage(session: Session, actor: Actor) -> Matrix:
    """Which township has a plan for which hazard, and when it has to be evaluated next."""
    actor.require(Permission.PLANS_VIEW)
    places = session.execute(
        sa.select(Division.code, Division.name)
        .where(Division.level == TOWNSHIP, in_scope(Division.code, actor))
        .order_by(Division.code)
    ).all()
    known = {
        f.plan_id: f
        for f in facts(session, Plan.level == PlanLevel.TOWNSHIP, in_scope(Plan.division_code, actor))
        if f.state in rules.LIVING
    }
    held: dict[tuple[str, Hazard], rules.Facts] = {}
    for row in session.execute(
        sa.select(PlanHazard.plan_id, PlanHazard.hazard)
        .join(Plan, Plan.id == PlanHazard.plan_id)
        .where(Plan.level == PlanLevel.TOWNSHIP, in_scope(Plan.division_code, actor))
    ):
        if row.plan_id in known:
            held[(known[row.plan_id].division_code, row.hazard)] = known[row.plan_id]
    exposed = _chemical_townships(session, actor)
    months, day = evaluation_months(session), today(session)
    counts: dict[str, int] = {}
    rows = []
    for code, name in places:
        cells = []
        for hazard in MATRIX:
            plan, general = held.get((code, hazard)), held.get((code, Hazard.ALL))
            needed = hazard is not Hazard.HAZCHEM or code[:9] in exposed
            cell = _cell(plan, general, needed, months, day)
            counts[cell.state] = counts.get(cell.state, 0) + 1
            cells.append(cell)
        rows.append((code, name, cells))
    return Matrix(MATRIX, rows, counts)


def _cell(plan: Any, general: Any, needed: bool, months: Any, day: date) -> Cell:
    if plan is None:
        if not needed:
            return Cell("not_needed")
        if general is not None and general.version_id is not None:
            return Cell("general", general.plan_id)
        return Cell("missing")
    if plan.state is PlanState.UNDER_REVISION:
        return Cell("revision", plan.plan_id)
    if plan.version_id is None or plan.issued_on is None:
        return Cell("revision", plan.plan_id)
    due = rules.evaluation_due(plan.issued_on, plan.evaluated_on, months.get(plan.kind) or plan.evaluate_months)
    return Cell("overdue" if due is not None and due < day else "held", plan.plan_id, due)


def _chemical_townships(session: Session, actor: Actor) -> set[str]:
    rows = session.scalars(
        sa.select(Unit.division_code).where(
            Unit.kind == UnitKind.HAZCHEM, Unit.closed_at.is_(None), in_scope(Unit.division_code, actor)
        )
    )
    return {code[:9] for code in rows}


def _listed(column: Any, value: Any) -> Any:
    """Named in the evacuation list of a text that is in force."""
    return (
        sa.select(EvacuationRow.id)
        .join(PlanVersion, PlanVersion.id == EvacuationRow.version_id)
        .join(Plan, Plan.id == PlanVersion.plan_id)
        .where(
            column == value,
            PlanVersion.state == VersionState.ISSUED,
            PlanVersion.replaced_at.is_(None),
            Plan.state.in_([PlanState.IN_FORCE, PlanState.UNDER_REVISION]),
        )
        .exists()
    )


def unlisted_villages(session: Session, scope: Any, limit: int = 1000) -> list[tuple[str, str]]:
    """Villages and communities on no evacuation list in force."""
    rows = session.execute(
        sa.select(Division.code, Division.name)
        .where(Division.level == VILLAGE, scope(Division.code), ~_listed(EvacuationRow.subject_code, Division.code))
        .order_by(Division.code)
        .limit(limit)
    )
    return [(row.code, row.name) for row in rows]


def unlisted_units(session: Session, scope: Any, limit: int = 1000) -> list[Unit]:
    """Care homes, hospitals, schools and low-lying units on no evacuation list in force."""
    return list(
        session.scalars(
            sa.select(Unit)
            .where(
                sa.or_(Unit.kind.in_(LISTED_KINDS), Unit.low_lying),
                Unit.closed_at.is_(None),
                scope(Unit.division_code),
                ~_listed(EvacuationRow.unit_id, Unit.id),
            )
            .order_by(Unit.division_code, Unit.id)
            .limit(limit)
        )
    )
