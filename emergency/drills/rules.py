"""Pure rules of drills: states, which rule means which unit, and whether a rule is satisfied, due or overdue."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from dateutil.relativedelta import relativedelta

from emergency.divisions.rules import ANY_UNIT, REST
from emergency.drills.models import (
    Basis,
    Binding,
    DrillKind,
    Evidence,
    OccurrenceState,
    ProgrammeState,
)
from kernel.types import LabelledEnum
from scheduler.terms import TermCalendar

S, PS = OccurrenceState, ProgrammeState
OCCURRENCE_TRANSITIONS: dict[OccurrenceState, frozenset[OccurrenceState]] = {
    S.PLANNED: frozenset({S.INVITED, S.CONFIRMED, S.HELD, S.MISSED, S.CANCELLED}),
    S.INVITED: frozenset({S.CONFIRMED, S.HELD, S.MISSED, S.CANCELLED}),
    S.CONFIRMED: frozenset({S.INVITED, S.HELD, S.MISSED, S.CANCELLED}),
    S.MISSED: frozenset({S.HELD}),  # a record that arrives late still counts
    S.HELD: frozenset(),
    S.CANCELLED: frozenset({S.PLANNED}),  # only what a change of its programme had withdrawn comes back with it
}
PROGRAMME_TRANSITIONS: dict[ProgrammeState, frozenset[ProgrammeState]] = {
    PS.ACTIVE: frozenset({PS.PAUSED, PS.ENDED}),
    PS.PAUSED: frozenset({PS.ACTIVE, PS.ENDED}),
    PS.ENDED: frozenset(),
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


Window = tuple[date, date]
"""First and last day of a window of the calendar, both included."""


@dataclass(frozen=True)
class Verdict:
    """The standing, the latest drill that proves it, the day by which one is due, and the present window.

    `provisional` says that the answer rests on school terms nobody announced yet.
    """

    standing: Standing
    last_held: date | None = None
    next_due: date | None = None
    window: Window | None = None
    provisional: bool = False


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


WINDOW_MONTHS = {Basis.MONTH: 1, Basis.QUARTER: 3, Basis.HALF: 6, Basis.ACADEMIC: 12}
"""How long a window of the calendar is; a rule that has one cannot name another interval."""
USUAL_TERMS = TermCalendar()


def windows(basis: Basis, start: date, end: date) -> list[Window]:
    """Every window that shares a day with the span, in order; none where a rule has no windows of the calendar."""
    found: list[Window] = []
    present = window(basis, start)
    while present is not None and present[0] <= end:
        found.append(present)
        present = window(basis, present[1] + timedelta(days=1))
    return found


def windows_of_year(basis: Basis, year: int) -> list[Window]:
    """The windows of one calendar year; of a school year's, both that touch it."""
    return windows(basis, date(year, 1, 1), date(year, 12, 31))


def asked(rule: RuleFacts, span: Window, terms: TermCalendar = USUAL_TERMS) -> bool:
    """Whether a rule asks for a drill in this window.

    A rule that skips the school holidays asks in a month of which at least half lies in a term
    (教基一厅〔2014〕2号 counts months of schooling; a term's last five days in July are no month).
    """
    if not rule.skip_school_holidays or rule.basis is not Basis.MONTH:
        return True
    taught = sum(
        (min(term.ends_on, span[1]) - max(term.begins_on, span[0])).days + 1
        for term in terms.terms_between(span[0], span[1])
    )
    return taught * 2 >= (span[1] - span[0]).days + 1


def _guessed(rule: RuleFacts, spans: Iterable[Window], terms: TermCalendar) -> bool:
    """Whether the terms that decide about these windows are only the usual ones."""
    if not rule.skip_school_holidays or rule.basis is not Basis.MONTH:
        return False
    return any(not (terms.knows(start) and terms.knows(end)) for start, end in spans)


def compliance(
    rule: RuleFacts, held: Sequence[date], since: date, today: date, terms: TermCalendar = USUAL_TERMS
) -> Verdict:
    """How a subject stands with a rule today.

    `held` are the days on which a drill of a fitting kind was held; `since` is from when the subject is watched: only
    windows that lie wholly after it are asked for, so nothing is overdue that was never asked. A calendar window is
    judged by itself: two drills in one half-year do not cover the other (生产安全事故应急条例 art. 8), and only the
    present window and the one before are looked at.
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
    guessed = _guessed(rule, (before, present), terms)
    if any(present[0] <= day <= present[1] for day in past):
        return Verdict(Standing.SATISFIED, last, present[1], present, guessed)
    asked_before = before[0] >= since and asked(rule, before, terms)
    if asked_before and not any(before[0] <= day <= before[1] for day in past):
        return Verdict(Standing.OVERDUE, last, before[1], present, guessed)
    if not asked(rule, present, terms):
        return Verdict(Standing.SATISFIED, last, None, present, guessed)
    return Verdict(Standing.DUE, last, present[1], present, guessed)


def next_planned(verdict: Verdict, planned: Iterable[date], today: date) -> date | None:
    """The next planned day that would satisfy the rule: in the present window while that lacks a drill, else after it.

    What lies in a window that is satisfied already proves nothing more.
    """
    ahead = sorted(day for day in planned if day >= today)
    if verdict.standing is Standing.SATISFIED and verdict.window is not None and verdict.next_due is not None:
        ahead = [day for day in ahead if day > verdict.window[1]]
    return ahead[0] if ahead else None


def satisfying(kinds: Iterable[DrillKind], held: Iterable[tuple[DrillKind, date]]) -> list[date]:
    """The days of the drills whose kind satisfies a rule."""
    wanted = set(kinds)
    return [day for kind, day in held if kind in wanted]
