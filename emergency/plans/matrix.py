"""The picture of coverage: places down, hazards across; what stands there, and whether the place is exposed.

Two things that a cell keeps apart: the plan (held, by the general plan only, stale, none) and the exposure (exposed,
not exposed, not assessed). Only an exposed place without a plan is a gap.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions.models import Division
from emergency.divisions.rules import DISTRICT, TOWNSHIP, VILLAGE, in_scope, level
from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.plans import rules
from emergency.plans.exposures import Exposure, Exposures, places
from emergency.plans.models import (
    Hazard,
    Plan,
    PlanHazard,
    PlanKind,
    PlanLevel,
    PlanState,
    PlanVersion,
    VersionState,
)
from emergency.plans.queries import evaluation_months, facts, readable, today
from kernel.errors import N_, NotFound
from kernel.types import LabelledEnum

ALWAYS = (
    Hazard.ALL, Hazard.FLOOD, Hazard.HAZCHEM, Hazard.FIRE, Hazard.QUAKE, Hazard.WEATHER, Hazard.GAS, Hazard.HEALTH,
    Hazard.RELIEF,
)  # fmt: skip
KIND_AT = {DISTRICT: PlanKind.SPECIAL, TOWNSHIP: PlanKind.TOWNSHIP, VILLAGE: PlanKind.VILLAGE}
LEVEL_AT = {DISTRICT: PlanLevel.DISTRICT, TOWNSHIP: PlanLevel.TOWNSHIP, VILLAGE: PlanLevel.VILLAGE}
_OWN = (PlanLevel.DISTRICT, PlanLevel.TOWNSHIP, PlanLevel.VILLAGE)


class CellState(LabelledEnum):
    """What stands in a cell; the mark says it without colour."""

    HELD = "held", "有效", "In force", "v"
    GENERAL = "general", "由总体（综合）预案覆盖", "By the general plan", "g"
    REVISION = "revision", "修订中", "Under revision", "r"
    STALE = "stale", "未衔接上级预案", "Behind the plan above", "s"
    OVERDUE = "overdue", "评估逾期", "Evaluation overdue", "l"
    DRAFT = "draft", "编制中，尚无有效文本", "Being written, no text in force", "d"
    MISSING = "missing", "应编未编", "Missing", "z"
    NONE = "none", "不涉及", "Not exposed", "x"
    UNKNOWN = "unknown", "未评估风险", "Exposure not assessed", "u"


MARKS: Mapping[CellState, str] = {
    CellState.HELD: "✓", CellState.GENERAL: "总", CellState.REVISION: "修", CellState.STALE: "↑",
    CellState.OVERDUE: "逾", CellState.DRAFT: "稿", CellState.MISSING: "缺", CellState.NONE: "—", CellState.UNKNOWN: "?",
}  # fmt: skip


@dataclass(frozen=True)
class Cell:
    """One place and hazard."""

    state: CellState
    plan: rules.Facts | None = None
    due: date | None = None
    exposure: Exposure | None = None

    @property
    def mark(self) -> str:
        """One sign, so that it prints and reads without colour."""
        return MARKS[self.state]

    @property
    def exposed(self) -> bool | None:
        """Exposed, not exposed, or not assessed."""
        return None if self.exposure is None else self.exposure.exposed


@dataclass(frozen=True)
class Row:
    """One place with one cell a hazard."""

    code: str
    name: str
    level: int
    cells: list[Cell]
    villages: int = 0
    village_gaps: int = 0
    """Villages beneath for which an exposure asks for a plan that is not there."""


@dataclass
class Matrix:
    """Rows of places, and how many cells of each state."""

    hazards: Sequence[Hazard]
    rows: list[Row]
    counts: Counter[CellState] = field(default_factory=Counter)


class Held:
    """The living plans of places, by place and hazard; the one with a text in force first."""

    def __init__(self, session: Session, *conditions: sa.ColumnElement[bool]) -> None:
        self.months, self.today = evaluation_months(session), today(session)
        where = (*_own(), *conditions)
        known = {f.plan_id: f for f in facts(session, *where)}
        self._by_cell: dict[tuple[str, Hazard], rules.Facts] = {}
        for plan_id, hazard in session.execute(
            sa.select(PlanHazard.plan_id, PlanHazard.hazard)
            .join(Plan, Plan.id == PlanHazard.plan_id)
            .where(*where)
            .order_by(PlanHazard.plan_id)
        ):
            key = (known[plan_id].division_code, hazard)
            if key not in self._by_cell or self._by_cell[key].version_id is None:
                self._by_cell[key] = known[plan_id]

    @property
    def hazards(self) -> set[Hazard]:
        """Hazards that some plan is for."""
        return {hazard for _code, hazard in self._by_cell}

    def cell(self, code: str, hazard: Hazard, exposure: Exposure | None) -> Cell:
        """What stands there."""
        plan, general = self._by_cell.get((code, hazard)), self._by_cell.get((code, Hazard.ALL))
        if plan is None and general is not None and general.version_id is not None:
            return Cell(CellState.GENERAL, general, None, exposure)
        if plan is None:
            if exposure is None:
                return Cell(CellState.UNKNOWN)
            return Cell(CellState.MISSING if exposure.exposed else CellState.NONE, None, None, exposure)
        if plan.version_id is None or plan.issued_on is None:
            return Cell(CellState.DRAFT, plan, None, exposure)
        months = rules.shorter(self.months.get(plan.kind), plan.evaluate_months)
        due = rules.evaluation_due(plan.issued_on, plan.evaluated_on, months)
        found = {f.fault for f in rules.faults(plan, rule_months=self.months.get(plan.kind), today=self.today)}
        if rules.Fault.EVALUATION_OVERDUE in found:
            state = CellState.OVERDUE
        elif found & {rules.Fault.PARENT_SUPERSEDED, rules.Fault.PARENT_GONE}:
            state = CellState.STALE
        else:
            state = CellState.REVISION if plan.state is PlanState.UNDER_REVISION else CellState.HELD
        return Cell(state, plan, due, exposure)


def matrix(session: Session, actor: Actor, *, opened: str | None = None) -> Matrix:
    """The district's row, the townships', and the villages of the township that is opened; in the actor's scope."""
    actor.require(Permission.PLANS_VIEW)
    known = Exposures(session)
    scope = in_scope(Division.code, actor)
    shown = sa.and_(Division.level.in_([DISTRICT, TOWNSHIP]), scope)
    if opened:
        shown = sa.or_(shown, sa.and_(Division.level == VILLAGE, Division.parent_code == opened, scope))
    own = sa.select(Division.code, Division.name, Division.level).where(shown).order_by(Division.code)
    listed = list(session.execute(own))
    if not any(row.level != VILLAGE for row in listed):  # a village officer sees the own village
        listed = list(
            session.execute(
                sa.select(Division.code, Division.name, Division.level).where(scope).order_by(Division.code)
            )
        )
    held = Held(session, Plan.division_code.in_([row.code for row in listed]))
    hazards = [h for h in Hazard if h in ALWAYS or h in known.hazards or h in held.hazards]
    children: dict[str, int] = {
        str(code): n
        for code, n in session.execute(
            sa.select(Division.parent_code, sa.func.count())
            .where(Division.level == VILLAGE, scope)
            .group_by(Division.parent_code)
        )
    }
    gaps = _village_gaps(session, actor, known)
    made = Matrix(hazards, [])
    for code, name, deep in listed:
        cells = [held.cell(code, hazard, known.of(code, hazard)) for hazard in hazards]
        made.rows.append(Row(code, name, deep, cells, children.get(code, 0), gaps.get(code, 0)))
        made.counts.update(cell.state for cell in cells)
    return made


def _village_gaps(session: Session, actor: Actor, known: Exposures) -> Counter[str]:
    """By township, how many plans its villages lack; only villages that some exposure speaks for are looked at."""
    codes = [c for c, _name in places(session, None, known) if level(c) == VILLAGE and actor.covers(c)]
    return Counter(f"{code[:9]}000" for code, *_rest in missing(session, codes, known)) if codes else Counter()


def missing(
    session: Session, codes: Iterable[str] | None, known: Exposures | None = None
) -> list[tuple[str, Hazard, Exposure, str]]:
    """`(place, hazard, exposure, name)` of every plan that an exposure asks for and that does not exist.

    A cell is `MISSING` where it is exposed, no living plan is for it and no general plan with a text in force covers
    it. That needs no plan's facts: the database says which cells are covered, thousands of plans in one statement.
    """
    known = known or Exposures(session)
    wanted = None if codes is None else list(codes)
    covered = _covered(session, wanted)
    found = []
    hazards = sorted(known.hazards, key=list(Hazard).index)
    for code, name in places(session, wanted, known):
        if covered.get((code, Hazard.ALL)):
            continue
        for hazard in hazards:
            exposure = known.of(code, hazard) if (code, hazard) not in covered else None
            if exposure is not None and exposure.exposed:
                found.append((code, hazard, exposure, name))
    return found


def _covered(session: Session, codes: Sequence[str] | None) -> dict[tuple[str, Hazard], bool]:
    """The cells with a living plan of the place's own, and whether one of them has a text in force."""
    in_force = sa.and_(
        PlanVersion.plan_id == Plan.id, PlanVersion.state == VersionState.ISSUED, PlanVersion.replaced_at.is_(None)
    )
    rows = session.execute(
        sa.select(Plan.division_code, PlanHazard.hazard, sa.func.count(PlanVersion.id))
        .join(PlanHazard, PlanHazard.plan_id == Plan.id)
        .outerjoin(PlanVersion, in_force)
        .where(*_own(), *(() if codes is None else (Plan.division_code.in_(codes),)))
        .group_by(Plan.division_code, PlanHazard.hazard)
    )
    return {(code, hazard): texts > 0 for code, hazard, texts in rows}


def _own() -> tuple[sa.ColumnElement[bool], ...]:
    """SQL: living plans of a place itself; a workbook or an action scheme supports a plan and is none."""
    return (
        Plan.level.in_(_OWN), Plan.state.in_(rules.LIVING), Plan.unit_id.is_(None), Plan.kind.not_in(rules.SUPPORTING)
    )  # fmt: skip


@dataclass(frozen=True)
class Place:
    """One cell on its own page."""

    code: str
    name: str
    hazard: Hazard
    cell: Cell
    plans: list[rules.Facts]
    kind: PlanKind
    level: PlanLevel
    parent_id: int | None


def place(session: Session, *, actor: Actor, code: str, hazard: Hazard) -> Place:
    """What stands in one cell, every plan of the place for the hazard, and what a new one would be."""
    actor.require(Permission.PLANS_VIEW)
    division = session.scalar(sa.select(Division).where(Division.code == code, in_scope(Division.code, actor)))
    if division is None or division.level not in KIND_AT:
        raise NotFound(N_("There is no such place in your area."))
    here = sa.select(PlanHazard.plan_id).where(
        PlanHazard.plan_id == Plan.id, PlanHazard.hazard.in_([hazard, Hazard.ALL])
    )
    plans = facts(session, Plan.division_code == code, Plan.state.in_(rules.LIVING), here.exists(), readable(actor))
    cell = Held(session, Plan.division_code == code).cell(code, hazard, Exposures(session).of(code, hazard))
    kind = PlanKind.GENERAL if hazard is Hazard.ALL and division.level == DISTRICT else KIND_AT[division.level]
    return Place(
        code, division.name, hazard, cell, plans, kind, LEVEL_AT[division.level], _parent(session, division, hazard)
    )


def _parent(session: Session, division: Division, hazard: Hazard) -> int | None:
    """The plan above for the same hazard: what a new plan here would stand under."""
    if division.parent_code is None or division.level == DISTRICT:
        return None
    return session.scalar(
        sa.select(Plan.id)
        .join(PlanHazard, PlanHazard.plan_id == Plan.id)
        .where(
            Plan.division_code == division.parent_code, PlanHazard.hazard == hazard, Plan.unit_id.is_(None),
            Plan.state.in_([PlanState.IN_FORCE, PlanState.UNDER_REVISION]),
        )
        .order_by(Plan.id)
        .limit(1)
    )  # fmt: skip
