"""The tree of plans: kept faults are counted by the database, the facts are read for the lines that are shown.

The faults are those of the page of what is wrong, one row each: nothing is judged here a second time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions.rules import in_scope
from emergency.http.actor import Actor
from emergency.http.paging import PAGE_SIZE
from emergency.http.permissions import Permission
from emergency.plans import kept, rules
from emergency.plans.models import Hazard, Plan, PlanHazard, PlanKind, PlanLevel
from emergency.plans.queries import facts, readable

MOST_LINES = 400
"""So many lines are shown at once; whoever opens more is asked to filter."""
_WIDE = frozenset({PlanLevel.CITY, PlanLevel.DISTRICT})


@dataclass
class Line:
    """One row of the tree."""

    facts: rules.Facts
    depth: int
    faults: list[kept.Kept]
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
    result, beneath = _counted(session, actor, conditions)
    shown: list[_Shown] = []
    if q.strip() or faulty_only or kind is not None:
        most = PAGE_SIZE * 4
        faulty = kept.counted(session, actor).subquery()
        only = (Plan.id.in_(sa.select(faulty.c.plan_id)),) if faulty_only else ()
        ids = session.scalars(sa.select(Plan.id).where(*conditions, *only).order_by(*_ORDER).limit(most + 1))
        shown = [_Shown(plan_id, 0) for plan_id in ids]
    else:
        most = MOST_LINES
        _Walk(session, conditions, beneath, set(open_ids)).into(shown)
    result.cut = len(shown) > most
    _read(session, actor, result, shown[:most])
    return result


_ORDER = (Plan.level, Plan.division_code, Plan.kind, Plan.id)


_Beneath = dict[int | None, tuple[int, int]]


def _counted(session: Session, actor: Actor, conditions: Sequence[Any]) -> tuple[Tree, _Beneath]:
    """The plans that meet the conditions in the actor's own area and what is wrong with them, and the same under each
    plan: how many children, how many faults they have. One statement."""
    faults = kept.counted(session, actor).subquery()
    result, beneath = Tree(), {}
    for parent, children, own, faulty, number in session.execute(
        sa.select(
            Plan.parent_id, sa.func.count(), sa.func.sum(sa.case((in_scope(Plan.division_code, actor), 1), else_=0)),
            sa.func.count(faults.c.plan_id), sa.func.coalesce(sa.func.sum(faults.c.number), 0),
        )
        .select_from(Plan)
        .outerjoin(faults, faults.c.plan_id == Plan.id)
        .where(*conditions)
        .group_by(Plan.parent_id)
    ):  # fmt: skip
        beneath[parent] = (children, int(number))
        result.plans += int(own)
        result.faulty += faulty
        result.faults += int(number)
    return result, beneath


class _Walk:
    """The open part of the tree, level by level: whatever is folded away is counted and never read."""

    def __init__(self, session: Session, conditions: Sequence[Any], beneath: _Beneath, opened: set[int]) -> None:
        self._session, self._conditions, self._opened, self._beneath = session, conditions, opened, beneath
        inside = sa.select(Plan.id).where(*conditions).correlate(None)
        roots = self._rows(sa.or_(Plan.parent_id.is_(None), Plan.parent_id.not_in(inside)))
        self._children: dict[int, list[_Shown]] = {}
        self._roots = [self._line(plan_id, level, 0) for plan_id, level, _parent in roots]
        level = [line for line in self._roots if line.open and line.children]
        while level and level[0].depth < rules.MAX_DEPTH:
            level = self._down(level)

    def _rows(self, condition: Any) -> Sequence[Any]:
        return self._session.execute(
            sa.select(Plan.id, Plan.level, Plan.parent_id).where(*self._conditions, condition).order_by(*_ORDER)
        ).all()

    def _line(self, plan_id: int, level: PlanLevel, depth: int) -> _Shown:
        children, faults = self._beneath.get(plan_id, (0, 0))
        folded = children > PAGE_SIZE or level not in _WIDE
        is_open = plan_id in self._opened or not folded
        return _Shown(plan_id, depth, children, is_open, 0 if is_open else faults)

    def _down(self, above: Sequence[_Shown]) -> list[_Shown]:
        depth = above[0].depth + 1
        for plan_id, level, parent in self._rows(Plan.parent_id.in_([line.plan_id for line in above])):
            self._children.setdefault(parent, []).append(self._line(plan_id, level, depth))
        return [line for a in above for line in self._children.get(a.plan_id, []) if line.open and line.children]

    def into(self, shown: list[_Shown], lines: Sequence[_Shown] | None = None) -> None:
        """The lines in reading order, one more than is shown at most."""
        for line in self._roots if lines is None else lines:
            if len(shown) > MOST_LINES:
                return
            shown.append(line)
            if line.open:
                self.into(shown, self._children.get(line.plan_id, ()))


def _read(session: Session, actor: Actor, result: Tree, shown: Sequence[_Shown]) -> None:
    ids = [line.plan_id for line in shown]
    known = {f.plan_id: f for f in facts(session, Plan.id.in_(ids))}
    faults = kept.of_plans(session, actor, ids)
    for line in shown:
        result.lines.append(
            Line(known[line.plan_id], line.depth, faults.get(line.plan_id, []), line.children, line.open, line.beneath)
        )
