"""Reading plans: the tree with its states and faults, one plan's versions, one version's text."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from emergency.divisions.models import Division, Unit
from emergency.divisions.rules import ancestors, in_scope
from emergency.http.actor import Actor
from emergency.http.paging import PAGE_SIZE, Page, paginate
from emergency.http.permissions import Permission
from emergency.plans import rules
from emergency.plans.models import (
    EvacuationRow,
    Filing,
    Hazard,
    Plan,
    PlanHazard,
    PlanKind,
    PlanRule,
    PlanSection,
    PlanState,
    PlanVersion,
    Reliance,
    ResponseAction,
    ResponseGrade,
    ResponseLevel,
    RuleSubject,
    TimeUnit,
    VersionState,
)
from kernel.clock import BEIJING
from kernel.db import now
from kernel.errors import N_, NotFound


def today(session: Session) -> date:
    """The date in Beijing."""
    return now(session).astimezone(BEIJING).date()


def readable(actor: Actor) -> Any:
    """SQL: plans of the actor's area, and the living plans above it, which bind it. Never a neighbour's."""
    if not actor.division_code or actor.is_system:
        return in_scope(Plan.division_code, actor)
    return sa.or_(
        in_scope(Plan.division_code, actor),
        sa.and_(
            Plan.division_code.in_(ancestors(actor.division_code)),
            Plan.state.in_([PlanState.IN_FORCE, PlanState.UNDER_REVISION]),
        ),
    )


def get_plan(session: Session, *, actor: Actor, plan_id: int) -> Plan:
    """A plan that the actor may read."""
    actor.require(Permission.PLANS_VIEW)
    plan = session.scalar(sa.select(Plan).where(Plan.id == plan_id, readable(actor)))
    if plan is None:
        raise NotFound(N_("There is no such plan in your area."))
    return plan


def get_version(session: Session, *, actor: Actor, version_id: int) -> tuple[PlanVersion, Plan]:
    """A version and its plan. Of plans above the actor's area only what was issued."""
    actor.require(Permission.PLANS_VIEW)
    found = session.execute(
        sa.select(PlanVersion, Plan)
        .join(Plan, Plan.id == PlanVersion.plan_id)
        .where(PlanVersion.id == version_id, readable(actor))
    ).one_or_none()
    if found is None or (found[0].state is not VersionState.ISSUED and not actor.covers(found[1].division_code)):
        raise NotFound(N_("There is no such version in your area."))
    return found[0], found[1]


def in_force(session: Session, plan_id: int) -> PlanVersion | None:
    """The version in force of a plan."""
    return session.scalar(
        sa.select(PlanVersion).where(
            PlanVersion.plan_id == plan_id,
            PlanVersion.state == VersionState.ISSUED,
            PlanVersion.replaced_at.is_(None),
        )
    )


def versions(session: Session, *, actor: Actor, plan_id: int) -> list[PlanVersion]:
    """Every version of a plan, latest first; of a plan above the actor's area only what was issued."""
    plan = get_plan(session, actor=actor, plan_id=plan_id)
    statement = sa.select(PlanVersion).where(PlanVersion.plan_id == plan.id)
    if not actor.covers(plan.division_code):
        statement = statement.where(PlanVersion.state == VersionState.ISSUED)
    return list(session.scalars(statement.order_by(PlanVersion.number.desc()).limit(100)))


_GRADES = list(ResponseGrade)


@dataclass(frozen=True)
class Parts:
    """What a version is made of."""

    sections: list[PlanSection]
    levels: list[ResponseLevel]
    actions: Mapping[int, list[ResponseAction]]
    evacuation: list[EvacuationRow]
    reliances: list[Reliance]


def version_parts(session: Session, version_id: int) -> Parts:
    """Sections, response levels with their acts, evacuation list, what it counts on; five statements."""

    def rows(model: Any, *order: Any) -> list[Any]:
        return list(session.scalars(sa.select(model).where(model.version_id == version_id).order_by(*order)))

    levels = sorted(rows(ResponseLevel), key=lambda level: _GRADES.index(level.grade))
    actions: dict[int, list[ResponseAction]] = defaultdict(list)
    for action in session.scalars(
        sa.select(ResponseAction)
        .where(ResponseAction.level_id.in_([level.id for level in levels]))
        .order_by(ResponseAction.level_id, ResponseAction.position)
    ):
        actions[action.level_id].append(action)
    return Parts(
        rows(PlanSection, PlanSection.position),
        levels,
        actions,
        rows(EvacuationRow, EvacuationRow.position),
        rows(Reliance, Reliance.kind, Reliance.id),
    )


@dataclass(frozen=True)
class Text:
    """One version with everything that a page shows."""

    plan: Plan
    version: PlanVersion
    parts: Parts
    filing: Filing | None
    cited: PlanVersion | None
    names: Mapping[str, str]
    units: Mapping[int, str]

    @property
    def sections(self) -> list[PlanSection]:
        """The sections in order."""
        return self.parts.sections


def version_text(session: Session, *, actor: Actor, version_id: int) -> Text:
    """A version's whole text, with the names of the places in its evacuation list."""
    version, plan = get_version(session, actor=actor, version_id=version_id)
    parts = version_parts(session, version.id)
    codes = {row.subject_code for row in parts.evacuation if row.subject_code} | {plan.division_code}
    unit_ids = {row.unit_id for row in parts.evacuation if row.unit_id}
    names = dict(session.execute(sa.select(Division.code, Division.name).where(Division.code.in_(codes))).all())
    units = dict(session.execute(sa.select(Unit.id, Unit.name).where(Unit.id.in_(unit_ids))).all())
    filing = session.scalar(sa.select(Filing).where(Filing.version_id == version.id))
    cited = session.get(PlanVersion, version.parent_version_id) if version.parent_version_id else None
    return Text(plan, version, parts, filing, cited, names, units)


def evaluation_months(session: Session) -> dict[PlanKind, int]:
    """The interval that adopted rules set for each kind of plan."""
    found: dict[PlanKind, int] = {}
    for rule in session.scalars(
        sa.select(PlanRule).where(
            PlanRule.subject == RuleSubject.EVALUATION, PlanRule.adopted, PlanRule.unit == TimeUnit.MONTH
        )
    ):
        for kind in rule.kinds:
            found[PlanKind(kind)] = min(rule.amount, found.get(PlanKind(kind), rule.amount))
    return found


def facts(session: Session, *conditions: Any) -> list[rules.Facts]:
    """What the rules need to know of the plans that meet the conditions, in one statement."""
    held, work, above, above_held = aliased(PlanVersion), aliased(PlanVersion), aliased(Plan), aliased(PlanVersion)
    statement = (
        sa.select(
            Plan.id, Plan.title, Plan.kind, Plan.level, Plan.state, Plan.division_code, Plan.parent_id, Plan.unit_id,
            Plan.owner_post_id, Plan.evaluate_months, Plan.created_at,
            held.id, held.number, held.issued_on, held.evaluated_on, held.parent_version_id,
            work.id, work.state, Filing.state, Filing.due_on,
            above.state, above_held.id, above_held.number, above_held.issued_on,
        )
        .join(
            held,
            sa.and_(held.plan_id == Plan.id, held.state == VersionState.ISSUED, held.replaced_at.is_(None)),
            isouter=True,
        )
        .join(work, sa.and_(work.plan_id == Plan.id, work.state.in_(rules.IN_WORK)), isouter=True)
        .join(Filing, Filing.version_id == held.id, isouter=True)
        .join(above, above.id == Plan.parent_id, isouter=True)
        .join(
            above_held,
            sa.and_(
                above_held.plan_id == above.id,
                above_held.state == VersionState.ISSUED,
                above_held.replaced_at.is_(None),
            ),
            isouter=True,
        )
        .where(*conditions)
        .order_by(Plan.level, Plan.division_code, Plan.kind, Plan.id)
    )  # fmt: skip
    made = []
    for row in session.execute(statement):
        values = list(row)
        values[10] = values[10].astimezone(BEIJING).date()
        made.append(rules.Facts(*values))
    return made


def children(session: Session, *, actor: Actor, plan_id: int) -> list[rules.Facts]:
    """The plans directly under one, as far as the actor may read them."""
    return facts(session, Plan.parent_id == plan_id, readable(actor), Plan.state.in_(rules.LIVING))[:PAGE_SIZE]


def list_plans(
    session: Session,
    *,
    actor: Actor,
    hazard: Hazard | None = None,
    kind: PlanKind | None = None,
    cursor: str | None = None,
    limit: int = PAGE_SIZE,
) -> Page[tuple[Plan, rules.Facts]]:
    """Plans in pages, for programmes."""
    actor.require(Permission.PLANS_VIEW)
    statement = sa.select(Plan).where(readable(actor))
    if hazard is not None:
        statement = statement.join(PlanHazard, PlanHazard.plan_id == Plan.id).where(PlanHazard.hazard == hazard)
    if kind is not None:
        statement = statement.where(Plan.kind == kind)
    page: Page[Plan] = paginate(session, statement, key=[Plan.id], cursor=cursor, limit=limit)
    known = {f.plan_id: f for f in facts(session, Plan.id.in_([plan.id for plan in page.items]))}
    return page.map(lambda plan: (plan, known[plan.id]))


def hazards(session: Session, plan_ids: Sequence[int]) -> dict[int, list[Hazard]]:
    """The hazards of some plans."""
    found: dict[int, list[Hazard]] = defaultdict(list)
    for row in session.scalars(sa.select(PlanHazard).where(PlanHazard.plan_id.in_(plan_ids))):
        found[row.plan_id].append(row.hazard)
    return found
