"""Each unit with each rule that applies to it: by what evidence it is satisfied, or since when it is not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions.models import Unit
from emergency.divisions.rules import in_scope, widen
from emergency.drills import rules
from emergency.drills.models import (
    DrillKind,
    DrillRule,
    DrillRuleKind,
    DrillRuleSector,
    Occurrence,
    OccurrenceState,
    Programme,
    Record,
)
from emergency.drills.rules import RuleFacts, Standing, Verdict
from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from kernel.clock import BEIJING
from kernel.db import now

UNITS_AT_ONCE = 2000


@dataclass(frozen=True)
class Book:
    """The rules with whom they mean and what satisfies them, read once."""

    rules: Sequence[DrillRule]
    groups: Mapping[int, list[frozenset[str]]]
    kinds: Mapping[int, frozenset[DrillKind]]

    def for_unit(self, unit: Unit) -> list[DrillRule]:
        """The rules that apply to a unit, by its sector tags."""
        tags = widen(unit.sectors, crowded=unit.crowded, key_fire=unit.key_fire)
        return [rule for rule in self.rules if rules.applies(self.groups.get(rule.id, ()), tags)]


def book(session: Session, *, adopted_only: bool = False) -> Book:
    """Read the rules; three statements."""
    statement = sa.select(DrillRule).order_by(DrillRule.id)
    if adopted_only:
        statement = statement.where(DrillRule.adopted)
    members: dict[tuple[int, int], set[str]] = defaultdict(set)
    for row in session.scalars(sa.select(DrillRuleSector)):
        members[(row.rule_id, row.group_number)].add(row.sector)
    groups: dict[int, list[frozenset[str]]] = defaultdict(list)
    for (rule_id, _number), sectors in members.items():
        groups[rule_id].append(frozenset(sectors))
    kinds: dict[int, set[DrillKind]] = defaultdict(set)
    for kind in session.scalars(sa.select(DrillRuleKind)):
        kinds[kind.rule_id].add(kind.kind)
    return Book(list(session.scalars(statement)), groups, {k: frozenset(v) for k, v in kinds.items()})


@dataclass(frozen=True)
class Case:
    """One unit and one rule."""

    unit: Unit
    rule: DrillRule
    verdict: Verdict


def cases(
    session: Session,
    *,
    actor: Actor,
    unit_id: int | None = None,
    limit_to: Sequence[int] | None = None,
    adopted_only: bool = False,
    limit: int = UNITS_AT_ONCE,
) -> list[Case]:
    """The compliance of the units in scope. Only units that take part in any programme, or the one named, are judged.

    A unit is watched from the day on which its first programme began: nothing is overdue that was never asked.
    """
    actor.require(Permission.DRILLS_VIEW)
    watched = dict(
        session.execute(
            sa.select(Programme.unit_id, sa.func.min(Programme.starts_on))
            .where(Programme.unit_id.is_not(None), in_scope(Programme.division_code, actor))
            .group_by(Programme.unit_id)
        ).all()
    )
    units = sa.select(Unit).where(Unit.closed_at.is_(None), in_scope(Unit.division_code, actor)).order_by(Unit.id)
    if unit_id is not None:
        units = units.where(Unit.id == unit_id)
    elif limit_to is not None:
        units = units.where(Unit.id.in_(limit_to))
    else:
        units = units.where(sa.select(Programme.id).where(Programme.unit_id == Unit.id).exists())
    chosen = list(session.scalars(units.limit(limit)))
    held = _held(session, [unit.id for unit in chosen])
    rulebook, day = book(session, adopted_only=adopted_only), now(session).astimezone(BEIJING).date()
    found = []
    for unit in chosen:
        since: date = watched.get(unit.id) or day
        for rule in rulebook.for_unit(unit):
            days = rules.satisfying(rulebook.kinds.get(rule.id, frozenset()), held.get(unit.id, ()))
            facts = RuleFacts(rule.months, rule.basis, rule.adopted, rule.skip_school_holidays)
            found.append(Case(unit, rule, rules.compliance(facts, days, since, day)))
    return found


def _held(session: Session, unit_ids: Sequence[int]) -> dict[int, list[tuple[DrillKind, date]]]:
    found: dict[int, list[tuple[DrillKind, date]]] = defaultdict(list)
    for start in range(0, len(unit_ids), 500):
        rows: Any = session.execute(
            sa.select(Occurrence.unit_id, Occurrence.kind, Record.started_at)
            .join(Record, Record.occurrence_id == Occurrence.id)
            .where(Occurrence.unit_id.in_(unit_ids[start : start + 500]), Occurrence.state == OccurrenceState.HELD)
        )
        for unit_id, kind, started_at in rows:
            found[unit_id].append((kind, started_at.astimezone(BEIJING).date()))
    return found


def counts(found: Sequence[Case]) -> dict[Standing, int]:
    """How many cases stand how."""
    result = dict.fromkeys(Standing, 0)
    for case in found:
        result[case.verdict.standing] += 1
    return result
