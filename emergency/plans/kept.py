"""What is known to be wrong with plans: the kept faults, as the roof hands them to this room.

Readiness keeps one row a fault and stands above plans; it is not looked up from here. The tree, the page of a plan and
the page of what is wrong all count these rows, so that no two of them can disagree.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.http.actor import Actor
from emergency.plans.rules import Fault


@dataclass(frozen=True)
class Kept:
    """One open fault of one plan that nobody put aside. `reason` is an English message id with its values."""

    plan_id: int
    fault: Fault
    reason: str
    params: Mapping[str, Any] = field(default_factory=dict)
    url: str = ""
    since: datetime | None = None
    due_at: datetime | None = None


class Ledger(Protocol):
    """Where the faults are kept; both ways of asking count the same rows, in one statement each."""

    def counted(self, session: Session, actor: Actor) -> sa.Select[int, int]:
        """SQL: `plan_id` and `number` of faults of each plan in scope that has any."""

    def of_plans(self, session: Session, actor: Actor, plan_ids: Collection[int]) -> Mapping[int, list[Kept]]:
        """The faults of some plans in scope, the most urgent first."""


_ledger: Ledger | None = None


def provide(ledger: Ledger) -> None:
    """Called once by the roof."""
    global _ledger
    _ledger = ledger


def counted(session: Session, actor: Actor) -> sa.Select[int, int]:
    """SQL: `plan_id` and `number` of faults of each plan in scope that has any."""
    if _ledger is not None:
        return _ledger.counted(session, actor)
    nothing = sa.select(sa.literal(0).label("plan_id"), sa.literal(0).label("number"))
    return nothing.where(sa.false())


def of_plans(session: Session, actor: Actor, plan_ids: Collection[int]) -> Mapping[int, list[Kept]]:
    """The faults of some plans in scope, the most urgent first."""
    return _ledger.of_plans(session, actor, plan_ids) if _ledger is not None and plan_ids else {}
