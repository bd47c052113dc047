"""Pure rules of drills: states, which rule means which unit, and whether a rule is satisfied, due or overdue."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from dateutil.relativedelta import relativedelta

from emergency.divisions.rules import ANY_UNIT, REST
from emergency.drills.models import (
    ActionState,
    Basis,
    Binding,
    DrillKind,
    Evidence,
    FindingState,
    OccurrenceState,
    ProgrammeState,
)
from kernel.types import LabelledEnum

S, PS, FS, AS = OccurrenceState, ProgrammeState, FindingState, ActionState
OCCURRENCE_TRANSITIONS: dict[OccurrenceState, frozenset[OccurrenceState]] = {
    S.PLANNED: frozenset({S.INVITED, S.CONFIRMED, S.HELD, S.MISSED, S.CANCELLED}),
    S.INVITED: frozenset({S.CONFIRMED, S.HELD, S.MISSED, S.CANCELLED}),
    S.CONFIRMED: frozenset({S.INVITED, S.HELD, S.MISSED, S.CANCELLED}),
    S.MISSED: frozenset({S.HELD}),  # a record that arrives late still counts
    S.HELD: frozenset(),
    S.CANCELLED: frozenset(),
}
PROGRAMME_TRANSITIONS: dict[ProgrammeState, frozenset[ProgrammeState]] = {
    PS.ACTIVE: frozenset({PS.PAUSED, PS.ENDED}),
    PS.PAUSED: frozenset({PS.ACTIVE, PS.ENDED}),
    PS.ENDED: frozenset(),
}
FINDING_TRANSITIONS: dict[FindingState, frozenset[FindingState]] = {
    FS.OPEN: frozenset({FS.CLOSED}),
    FS.CLOSED: frozenset({FS.OPEN}),
}
ACTION_TRANSITIONS: dict[ActionState, frozenset[ActionState]] = {
    AS.OPEN: frozenset({AS.DONE, AS.DROPPED}),
    AS.DONE: frozenset({AS.OPEN}),
    AS.DROPPED: frozenset(),
}
COMING = (S.PLANNED, S.INVITED, S.CONFIRMED)
"""States of an occurrence that still lies ahead or waits for its record."""
WEAK_BINDING = frozenset({Binding.LOCAL_OTHER, Binding.SUGGESTION})
AHEAD_MONTHS = 13
RECORD_WITHIN = timedelta(days=7)
"""So long after a drill its record may be written before it counts as missed."""
SOON = timedelta(days=30)


def adopted_by_itself(binding: Binding, evidence: Evidence) -> bool:
    """Whether a rule binds without a decision of the bureau: not what binds elsewhere, is advised or was unread."""
    return binding not in WEAK_BINDING and evidence is not Evidence.MEMORY


def applies(groups: Iterable[frozenset[str]], tags: frozenset[str]) -> bool:
    """Whether a unit with these (widened) tags is meant by one of the groups."""
    for group in groups:
        if group == {ANY_UNIT} or (group == {REST} and "key_fire" not in tags) or (group and group <= tags):
            return True
    return False


class Standing(LabelledEnum):
    """How one unit stands with one rule."""

    SATISFIED = "satisfied", "达标", "Satisfied", "done"
    DUE = "due", "待开展", "Due", "wait"
    OVERDUE = "overdue", "逾期", "Overdue", "late"
    NO_NUMBER = "no_number", "无固定频次", "No fixed interval"
    NOT_ADOPTED = "not_adopted", "未采用", "Not adopted", "absent"


@dataclass(frozen=True)
class RuleFacts:
    """What compliance needs of a rule."""

    months: int | None
    basis: Basis
    adopted: bool
    skip_school_holidays: bool = False


@dataclass(frozen=True)
class Verdict:
    """The standing, what proves it, and the last day of the present window."""

    standing: Standing
    last_held: date | None = None
    next_due: date | None = None


def window(basis: Basis, day: date) -> tuple[date, date] | None:
    """The calendar window that contains the day; None where a rule has no windows of the calendar."""
    if basis is Basis.MONTH:
        start = day.replace(day=1)
        return start, start + relativedelta(months=1, days=-1)
    if basis is Basis.QUARTER:
        start = date(day.year, (day.month - 1) // 3 * 3 + 1, 1)
        return start, start + relativedelta(months=3, days=-1)
    if basis is Basis.HALF:
        start = date(day.year, 1 if day.month <= 6 else 7, 1)
        return start, start + relativedelta(months=6, days=-1)
    if basis is Basis.ACADEMIC:
        start = date(day.year if day.month >= 9 else day.year - 1, 9, 1)
        return start, start + relativedelta(years=1, days=-1)
    return None


SCHOOL_BREAK_MONTHS = frozenset({2, 7, 8})
"""Months in which schools are mostly closed; a monthly rule that skips them asks for nothing."""


def compliance(rule: RuleFacts, held: Sequence[date], since: date, today: date) -> Verdict:
    """How a unit stands with a rule today.

    `held` are the days on which a drill of a fitting kind was held; `since` is from when the unit is watched, before
    which nothing is asked. A calendar window is judged by itself: two drills in one half-year do not cover the other
    (生产安全事故应急条例 art. 8), and only the present window and the one before are looked at.
    """
    past = sorted(day for day in held if day <= today)
    last = past[-1] if past else None
    if not rule.adopted:
        return Verdict(Standing.NOT_ADOPTED, last)
    if rule.months is None or rule.basis is Basis.EVENT:
        return Verdict(Standing.NO_NUMBER, last)
    present = window(rule.basis, today)
    if present is None:
        due = (last or since) + relativedelta(months=rule.months)
        if due < today:
            return Verdict(Standing.OVERDUE, last, due)
        satisfied = last is not None and due > today + SOON
        return Verdict(Standing.SATISFIED if satisfied else Standing.DUE, last, due)
    before = window(rule.basis, present[0] - timedelta(days=1))
    assert before is not None  # noqa: S101 - the same basis has windows everywhere
    excused = rule.skip_school_holidays and rule.basis is Basis.MONTH
    asked_before = before[0] >= since and not (excused and before[0].month in SCHOOL_BREAK_MONTHS)
    if asked_before and not any(before[0] <= day <= before[1] for day in past):
        if any(present[0] <= day <= present[1] for day in past):
            return Verdict(Standing.SATISFIED, last, present[1])
        return Verdict(Standing.OVERDUE, last, before[1])
    if any(present[0] <= day <= present[1] for day in past):
        return Verdict(Standing.SATISFIED, last, present[1])
    if excused and present[0].month in SCHOOL_BREAK_MONTHS:
        return Verdict(Standing.SATISFIED, last, None)
    return Verdict(Standing.DUE, last, present[1])


def satisfying(kinds: Iterable[DrillKind], held: Iterable[tuple[DrillKind, date]]) -> list[date]:
    """The days of the drills whose kind satisfies a rule."""
    wanted = set(kinds)
    return [day for kind, day in held if kind in wanted]
