"""Pure: what the adopted rules ask of one unit within a year, window by window, and what is met already.

A calendar window is judged by itself (生产安全事故应急条例 art. 8: a half-year is a window, not two a year); a rolling
rule runs from the last drill, so its next window begins where the one before may have been served at the earliest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from dateutil.relativedelta import relativedelta

from emergency.drills import rules
from emergency.drills.models import Basis, DrillKind
from emergency.drills.proposal_models import GapCode
from scheduler.terms import TermCalendar

FLOOD_SEASON = (6, 15)
"""Flood drills are held before this day of the year (汛前)."""
CATCH_UP = timedelta(days=91)
"""Within so long a rolling rule that is overdue already is made good."""
NOTICE = timedelta(days=14)
"""A drill that is due sooner than this cannot be prepared in time: it counts as overdue and is made good."""
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class YearRule:
    """What planning needs of an adopted rule."""

    id: int
    months: int | None
    basis: Basis
    kinds: frozenset[DrillKind]
    skip_school_holidays: bool = False


@dataclass(frozen=True)
class Earlier:
    """A date that an earlier computing proposed and nobody has decided about, with the rules that it was to serve."""

    kind: DrillKind
    on: date
    rule_ids: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Owner:
    """A unit or division with what it has done, what is planned for it, and what was decided before.

    `held` and `planned` are the days of its drills by kind; `refused` the windows `(rule, first day, last day)` that
    somebody decided not to drill in; `kept` the dates of an earlier computing that stay where they still serve;
    `barred` days on which something was decided already.
    """

    key: str
    township: str
    since: date
    rules: Sequence[YearRule] = ()
    school: bool = False
    held: Sequence[tuple[DrillKind, date]] = ()
    planned: Sequence[tuple[DrillKind, date]] = ()
    refused: frozenset[tuple[int, date, date]] = frozenset()
    kept: Sequence[Earlier] = ()
    barred: frozenset[date] = frozenset()
    closes_on: date | None = None

    def has_refused(self, rule: YearRule, start: date, end: date) -> bool:
        """Whether somebody decided that this window gets no drill."""
        return any(rule.id == one and first <= end and last >= start for one, first, last in self.refused)


@dataclass(frozen=True)
class Demand:
    """One window of one rule that asks for a drill: any of the kinds, from `earliest` to `latest`.

    `start` and `end` are the window in the rule's words. `optional` windows reach into the next year: a drill that is
    held anyway may serve them, none is made for them.
    """

    rule: YearRule
    start: date
    end: date
    earliest: date
    latest: date
    kinds: frozenset[DrillKind]
    optional: bool = False
    late: bool = False

    @property
    def length(self) -> int:
        """Days to choose from."""
        return (self.latest - self.earliest).days + 1


@dataclass(frozen=True)
class Gap:
    """Windows of one rule that stay open for one reason."""

    rule_id: int
    code: GapCode
    windows: tuple[tuple[date, date], ...] = ()


@dataclass
class Asked:
    """What the rules ask of one owner."""

    demands: list[Demand] = field(default_factory=list)
    met: int = 0
    open: list[tuple[int, GapCode, tuple[date, date] | None]] = field(default_factory=list)


def asked_of(owner: Owner, year: int, first: date, terms: TermCalendar) -> Asked:
    """Every window of the year with what became of it; `first` is the first day that may be proposed."""
    found = Asked()
    for rule in owner.rules:
        if rule.months is None or rule.basis is Basis.EVENT:
            found.open.append((rule.id, GapCode.NO_NUMBER, None))
        elif not rule.kinds:
            found.open.append((rule.id, GapCode.NO_KIND, None))
        elif rule.basis is Basis.ROLLING:
            _rolling(owner, rule, year, first, found)
        else:
            _calendar(owner, rule, year, first, terms, found)
    return found


def _days(owner: Owner, rule: YearRule) -> list[date]:
    return sorted(rules.satisfying(rule.kinds, [*owner.held, *owner.planned]))


def excused(rule: YearRule, start: date, end: date, terms: TermCalendar) -> bool:
    """Whether the rule asks for nothing in the window, because schools are in their holidays."""
    facts = rules.RuleFacts(rule.months, rule.basis, True, rule.skip_school_holidays)
    return not rules.asked(facts, (start, end), terms)


def _calendar(owner: Owner, rule: YearRule, year: int, first: date, terms: TermCalendar, found: Asked) -> None:
    days, last = _days(owner, rule), date(year, 12, 31)
    for start, end in rules.windows_of_year(rule.basis, year):
        if excused(rule, start, end, terms) or (owner.closes_on is not None and start >= owner.closes_on):
            continue
        if any(start <= day <= end for day in days):
            found.met += end <= last
        elif owner.has_refused(rule, start, end):
            found.open.append((rule.id, GapCode.REFUSED, (start, end)))
        elif end < first:
            # What was never asked of a unit is not missing: the rule counts from the day on which it was watched.
            if start >= owner.since:
                found.open.append((rule.id, GapCode.WINDOW_PAST, (start, end)))
        else:
            _demand(owner, rule, start, end, max(first, start), min(end, last), found, optional=end > last)


def _rolling(owner: Owner, rule: YearRule, year: int, first: date, found: Asked) -> None:
    """Windows that run from one drill to the next. Each ends no later than its due day, whatever day is chosen in the
    one before: the next is counted from that one's first day."""
    days, last = _days(owner, rule), date(year, 12, 31)
    interval = relativedelta(months=rule.months or 1)
    slack = _slack(rule)
    before = [day for day in days if day < first]
    current = before[-1] if before else None
    due = (current or owner.since) + interval
    while True:
        late = due < first + NOTICE
        limit = first + CATCH_UP if late else due
        coming = [day for day in days if first <= day <= limit and (current is None or day > current)]
        if coming:
            found.met += 1
            current, due = coming[-1], coming[-1] + interval
        elif due > last and current is not None:
            return
        else:
            # A unit without any drill on record gets one this year, even where the interval is longer.
            latest = min(limit, last)
            earliest = first if current is None else max(first, latest - slack)
            if owner.has_refused(rule, earliest, latest):
                found.open.append((rule.id, GapCode.REFUSED, (earliest, latest)))
            elif owner.closes_on is None or earliest < owner.closes_on:
                earliest = _reaching(owner, rule, max(first, current + _DAY) if current else first, earliest, latest)
                _demand(owner, rule, earliest, latest, earliest, latest, found, late=late)
            current, due = earliest, earliest + interval
        if due > last:
            return


def _reaching(owner: Owner, rule: YearRule, first: date, earliest: date, latest: date) -> date:
    """Where a rolling window begins: a drill accepted late in its window moves the next ones on, and a date that was
    proposed in one of those would come a few days too soon. It is not too late, so it stays and the window reaches it."""
    mine = [one.on for one in owner.kept if rule.id in one.rule_ids and one.kind in rule.kinds]
    if any(earliest <= day <= latest for day in mine):
        return earliest
    return max((day for day in mine if first <= day < earliest), default=earliest)


def _slack(rule: YearRule) -> timedelta:
    """How long before its due day a rolling rule may be served without coming round too soon."""
    months = rule.months or 1
    if months >= 12:
        # A flood drill that falls due after the season is held before it: the whole year counts.
        return timedelta(days=366 if rule.kinds == {DrillKind.FLOOD} else min(183, months * 15))
    return timedelta(days=max(7, months * 5))


def _demand(
    owner: Owner, rule: YearRule, start: date, end: date, earliest: date, latest: date, found: Asked, *,
    optional: bool = False, late: bool = False,
) -> None:  # fmt: skip
    """Enter a window, with what the flood season and the unit's closing leave of it."""
    if owner.closes_on is not None and latest >= owner.closes_on:
        latest = owner.closes_on - _DAY
        if latest < earliest:
            found.open.append((rule.id, GapCode.CLOSES, (start, end)))
            return
    kinds, season = rule.kinds, date(latest.year, *FLOOD_SEASON)
    if earliest >= season:
        kinds = kinds - {DrillKind.FLOOD}
    if not kinds:
        if not optional:
            found.open.append((rule.id, GapCode.SEASON, (start, end)))
        return
    if kinds == {DrillKind.FLOOD}:
        latest = min(latest, season - _DAY)
    found.demands.append(Demand(rule, start, end, earliest, latest, kinds, optional, late))


def gathered(rows: Sequence[tuple[int, GapCode, tuple[date, date] | None]]) -> list[Gap]:
    """The open windows, one gap for each rule and reason."""
    grouped: dict[tuple[int, GapCode], list[tuple[date, date]]] = {}
    for rule_id, code, span in rows:
        spans = grouped.setdefault((rule_id, code), [])
        if span is not None:
            spans.append(span)
    return [Gap(rule_id, code, tuple(sorted(spans))) for (rule_id, code), spans in grouped.items()]
