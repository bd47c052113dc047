"""The tree of plans: what is wrong is counted over everything in scope, the facts are read for the lines that are shown.

Thousands of plans are judged with a few hundred different sets of facts: each set is judged once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from emergency.http.actor import Actor
from emergency.http.paging import PAGE_SIZE
from emergency.http.permissions import Permission
from emergency.plans import rules
from emergency.plans.models import (
    Filing,
    FilingState,
    Hazard,
    Plan,
    PlanHazard,
    PlanKind,
    PlanState,
    PlanVersion,
    VersionState,
)
from emergency.plans.queries import evaluation_months, facts, readable, today

MOST_LINES = 400
"""So many lines are shown at once; whoever opens more is asked to filter."""
_WIDE = frozenset({rules.L.CITY.value, rules.L.DISTRICT.value})


@dataclass
class Line:
    """One row of the tree."""

    facts: rules.Facts
    depth: int
    faults: list[rules.Found]
    children: int = 0
    open: bool = False
    beneath: int = 0
    """Faults of the plans that are folded away under this one."""


@dataclass
class Tree:
    """The rows to show, and the counts of everything in scope."""

    lines: list[Line] = field(default_factory=list)
    plans: int = 0
    faulty: int = 0
    faults: int = 0
    cut: bool = False
    """There are more lines than are shown."""


@dataclass(frozen=True, slots=True)
class _Node:
    level: str
    faults: int


@dataclass
class _Shown:
    plan_id: int
    depth: int
    children: int = 0
    open: bool = False
    beneath: int = 0


def tree(
    session: Session,
    actor: Actor,
    *,
    hazard: Hazard | None = None,
    kind: PlanKind | None = None,
    q: str = "",
    open_ids: Iterable[int] = (),
    faulty_only: bool = False,
) -> Tree:
    """The hierarchy in scope, in order; folded below the township level unless opened or filtered."""
    actor.require(Permission.PLANS_VIEW)
    conditions: list[Any] = [readable(actor), Plan.state.in_(rules.LIVING)]
    if hazard is not None:
        conditions.append(
            sa.select(PlanHazard.plan_id).where(PlanHazard.plan_id == Plan.id, PlanHazard.hazard == hazard).exists()
        )
    if kind is not None:
        conditions.append(Plan.kind == kind)
    if q.strip():
        conditions.append(Plan.title.contains(q.strip(), autoescape=True))
    months, day = evaluation_months(session), today(session)
    result, nodes, above = Tree(), {}, {}
    judged: dict[tuple[Any, ...], int] = {}
    for plan_id, parent_id, code, level, *rest in _light(session, conditions):
        covered = actor.covers(code)
        key = tuple(rest)
        if key not in judged:
            judged[key] = len(_judge(key, months, day))
        count = judged[key] if covered else 0
        nodes[plan_id], above[plan_id] = _Node(level, count), parent_id
        result.plans += covered
        result.faulty += count > 0
        result.faults += count
    if q.strip() or faulty_only or kind is not None:
        shown = [_Shown(p, 0) for p, node in nodes.items() if node.faults or not faulty_only]
    else:
        below: dict[int | None, list[int]] = defaultdict(list)
        for plan_id, parent_id in above.items():
            below[parent_id if parent_id in nodes else None].append(plan_id)
        shown = []
        _walk(shown, None, 0, nodes, below, set(open_ids))
    most = PAGE_SIZE * 4 if not shown or shown[-1].depth == 0 else MOST_LINES
    result.cut = len(shown) > most
    _read(session, actor, result, shown[:most], months, day)
    return result


def _light(session: Session, conditions: Sequence[Any]) -> Any:
    """Of every plan what its faults depend on, as the database keeps it: nothing is made into objects."""
    held, parent, parent_held = aliased(PlanVersion), aliased(Plan), aliased(PlanVersion)

    def raw(column: Any) -> Any:
        return sa.type_coerce(column, sa.String).label(None)

    def current(version: Any, plan: Any) -> Any:
        return sa.and_(
            version.plan_id == plan.id, version.state == VersionState.ISSUED, version.replaced_at.is_(None)
        )  # fmt: skip

    return session.execute(
        sa.select(
            Plan.id, Plan.parent_id, Plan.division_code, raw(Plan.level),
            raw(Plan.kind), raw(Plan.state), Plan.evaluate_months, raw(held.issued_on), raw(held.evaluated_on),
            raw(parent.state), Plan.parent_id.is_(None).label(None),
            sa.and_(parent_held.id.is_not(None), sa.func.coalesce(held.parent_version_id, 0) != parent_held.id).label(None),
            raw(Filing.state), raw(Filing.due_on),
        )
        .join(held, current(held, Plan), isouter=True)
        .join(Filing, Filing.version_id == held.id, isouter=True)
        .join(parent, parent.id == Plan.parent_id, isouter=True)
        .join(parent_held, current(parent_held, parent), isouter=True)
        .where(*conditions)
        .order_by(Plan.level, Plan.division_code, Plan.kind, Plan.id)
    )  # fmt: skip


def _day(value: Any) -> date | None:
    return date.fromisoformat(value) if isinstance(value, str) else value


def _judge(key: tuple[Any, ...], months: Mapping[PlanKind, int], day: date) -> list[rules.Found]:
    kind, state, own, issued, evaluated, parent_state, rootless, superseded, filing, due = key
    made = rules.Facts(
        0, "", PlanKind(kind), rules.L.DISTRICT, PlanState(state), "", None if rootless else 1, None, None, own, day,
        1 if issued else None, 1, _day(issued), _day(evaluated), 1, None, None,
        FilingState(filing) if filing else None, _day(due), PlanState(parent_state) if parent_state else None,
        2 if superseded else 1,
    )  # fmt: skip
    return rules.faults(made, rule_months=months.get(made.kind), today=day)


def _walk(
    shown: list[_Shown],
    above: int | None,
    depth: int,
    nodes: Mapping[int, _Node],
    below: Mapping[int | None, Sequence[int]],
    opened: set[int],
) -> None:
    if depth > rules.MAX_DEPTH:
        return
    for plan_id in below.get(above, ()):
        if len(shown) > MOST_LINES:
            return
        children = below.get(plan_id, ())
        folded = len(children) > PAGE_SIZE or nodes[plan_id].level not in _WIDE
        line = _Shown(plan_id, depth, len(children), plan_id in opened or not folded)
        shown.append(line)
        if line.open:
            _walk(shown, plan_id, depth + 1, nodes, below, opened)
        else:
            line.beneath = sum(nodes[child].faults for child in children)


def _read(
    session: Session, actor: Actor, result: Tree, shown: Sequence[_Shown], months: Mapping[PlanKind, int], day: date
) -> None:
    known = {f.plan_id: f for f in facts(session, Plan.id.in_([line.plan_id for line in shown]))}
    for line in shown:
        found = known[line.plan_id]
        faults = (
            rules.faults(found, rule_months=months.get(found.kind), today=day)
            if actor.covers(found.division_code)
            else []
        )
        result.lines.append(Line(found, line.depth, faults, line.children, line.open, line.beneath))
