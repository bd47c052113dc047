"""The dates that a rule gives, before and after holidays and school breaks have moved them.

dateutil's rrule counts days, weeks and months; what it does not know stands here: the 31st of a short month, working
days, terms, the season, and the policies that move a date.
"""

from __future__ import annotations

import calendar as month_calendar
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from dateutil import rrule

from scheduler.recurrence_types import Freq, OnBreak, OnHoliday, Planned
from scheduler.terms import Term, TermCalendar, usual
from scheduler.workdays import WorkCalendar

if TYPE_CHECKING:
    from scheduler.recurrence import Recurrence

FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2199, 12, 31)
"""Dates outside are refused or not looked for."""
MOVED_BY_HOLIDAYS = timedelta(days=31)
MOVED_BY_BREAKS = timedelta(days=120)
_DAY = timedelta(days=1)
WEEKDAYS = (rrule.MO, rrule.TU, rrule.WE, rrule.TH, rrule.FR, rrule.SA, rrule.SU)
_Named = tuple[date, date]  # the date, and what names it for ever


def planned(
    rule: Recurrence, start: date, end: date, calendar: WorkCalendar, terms: TermCalendar
) -> Iterator[tuple[date, date]]:
    """`(on, nominal)` of every date from `start` to `end`, in order, each `on` once and each `nominal` once."""
    start, end = max(start, FIRST_DAY), min(end, LAST_DAY)
    if end < start:
        return
    forward, backward = reach(rule)
    found: dict[date, date] = {}
    for day, name in sorted(named_days(rule, start - forward, end + backward, calendar, terms)):
        # Dates that moving cannot bring into the window are not looked up: their year may be unknown.
        if (not backward and day > end) or (not forward and day < start):
            continue
        on = moved(rule, day, calendar, terms)
        # Two dates may be moved onto one working day; that day is one date.
        if on is not None and start <= on <= end and on not in found:
            found[on] = name
    for on in sorted(found):
        yield on, found[on]


def reach(rule: Recurrence) -> tuple[timedelta, timedelta]:
    """How far a date may be moved: forward, back."""
    forward = backward = timedelta(0)
    if rule.on_holiday is OnHoliday.NEXT:
        forward = MOVED_BY_HOLIDAYS
    elif rule.on_holiday is OnHoliday.PREVIOUS:
        backward = MOVED_BY_HOLIDAYS
    if rule.on_break is OnBreak.NEXT:
        forward += MOVED_BY_BREAKS
    return forward, backward


def moved(rule: Recurrence, day: date, calendar: WorkCalendar, terms: TermCalendar) -> date | None:
    """Where the day goes by the policies of the rule; None where it is left out."""
    on: date | None = day
    if rule.on_holiday is not OnHoliday.KEEP and not calendar.is_workday(day):
        if rule.on_holiday is OnHoliday.NEXT:
            on = calendar.next_workday(day)
        else:
            on = calendar.previous_workday(day) if rule.on_holiday is OnHoliday.PREVIOUS else None
    if on is None or rule.on_break is OnBreak.KEEP or terms.in_term(on):
        return on
    if rule.on_break is OnBreak.SKIP:
        return None
    return next_school_day(on, calendar, terms)


def next_school_day(day: date, calendar: WorkCalendar, terms: TermCalendar) -> date | None:
    """The day itself or the first after it that is worked and lies in a term; None where none comes in four months."""
    last = day + MOVED_BY_BREAKS
    on = terms.next_day_in_term(day)
    while on <= last:
        on = calendar.next_workday(on)
        if terms.in_term(on):
            return on if on <= last else None
        on = terms.next_day_in_term(on)
    return None


def named_days(
    rule: Recurrence, start: date, end: date, calendar: WorkCalendar, terms: TermCalendar
) -> Iterator[_Named]:
    """The dates of the rule itself within the span, before anything moves them."""
    first = max(start, rule.start)
    last = min(end, rule.until) if rule.until is not None else end
    if last < first:
        return
    counted = {
        Freq.DAILY: _daily, Freq.WEEKLY: _weekly, Freq.MONTHLY: _monthly, Freq.YEARLY: _monthly, Freq.SEASON: _season,
        Freq.TERM: _termly, Freq.LISTED: _listed,
    }[rule.freq]  # fmt: skip
    for day, name in counted(rule, first, last, calendar, terms):
        if first <= day <= last:
            yield day, name


def _daily(rule: Recurrence, first: date, last: date, _c: WorkCalendar, _t: TermCalendar) -> Iterator[_Named]:
    counted = rrule.rrule(rrule.DAILY, dtstart=_midnight(rule.start), interval=rule.interval)
    for moment in counted.between(_midnight(first), _midnight(last), inc=True):
        yield moment.date(), moment.date()


def _weekly(rule: Recurrence, first: date, last: date, _c: WorkCalendar, _t: TermCalendar) -> Iterator[_Named]:
    counted = rrule.rrule(
        rrule.WEEKLY, dtstart=_midnight(rule.start), interval=rule.interval,
        byweekday=[WEEKDAYS[w] for w in rule.weekdays] or None, wkst=rrule.MO,
    )  # fmt: skip
    for moment in counted.between(_midnight(first), _midnight(last), inc=True):
        yield moment.date(), moment.date()


def _months(rule: Recurrence, first: date, last: date) -> Iterator[date]:
    """The first days of the months in which the rule has a date."""
    yearly = rule.freq is Freq.YEARLY
    begin = rule.start.replace(month=1, day=1) if yearly else rule.start.replace(day=1)
    counted = rrule.rrule(
        rrule.YEARLY if yearly else rrule.MONTHLY, dtstart=_midnight(begin), interval=rule.interval,
        bymonth=(rule.months or (rule.start.month,)) if yearly else None, bymonthday=1,
    )  # fmt: skip
    for moment in counted.between(_midnight(first.replace(day=1)), _midnight(last), inc=True):
        yield moment.date()


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day)  # noqa: DTZ001 - rrule counts calendar days, not moments


def _monthly(rule: Recurrence, first: date, last: date, calendar: WorkCalendar, _t: TermCalendar) -> Iterator[_Named]:
    for month in _months(rule, first, last):
        end_of_month = month.replace(day=month_calendar.monthrange(month.year, month.month)[1])
        # A month outside the window is not computed: its year may not be announced.
        if end_of_month < first or month > last:
            continue
        if rule.workday is not None:
            # The edge of the month names it, as the working day itself may still move.
            if rule.workday > 0:
                yield calendar.add_workdays(month - _DAY, rule.workday), month
            else:
                yield calendar.add_workdays(end_of_month + _DAY, rule.workday), end_of_month
            continue
        day = _nth_weekday(month, end_of_month, rule.nth, rule.weekdays[0]) if rule.nth else _clamped(rule, month)
        if day is not None:
            yield day, day


def _clamped(rule: Recurrence, month: date) -> date:
    length = month_calendar.monthrange(month.year, month.month)[1]
    wanted = rule.start.day if rule.day is None else rule.day
    return month.replace(day=length if wanted == -1 else min(wanted, length))


def _nth_weekday(first: date, last: date, nth: int | None, weekday: int) -> date | None:
    """The nth such weekday of a span, -1 the last; None where it has not so many."""
    if nth is None:
        return None
    if nth > 0:
        day = first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (nth - 1))
        return day if day <= last else None
    day = last - timedelta(days=(last.weekday() - weekday) % 7)
    return day if day >= first else None


def _season(rule: Recurrence, first: date, last: date, calendar: WorkCalendar, _t: TermCalendar) -> Iterator[_Named]:
    month, day = rule.season or (1, 1)
    before = rule.before or 0
    for year in range(first.year, last.year + 2):
        anchor = date(year, month, min(day, month_calendar.monthrange(year, month)[1]))
        furthest = anchor - timedelta(days=before * 2 + 20 if rule.before_workdays else before)
        if furthest > last or anchor < first:
            continue
        if not rule.before_workdays:
            yield anchor - timedelta(days=before), anchor
        elif before:
            yield calendar.add_workdays(anchor, -before), anchor
        else:
            yield calendar.previous_workday(anchor), anchor


def _termly(rule: Recurrence, first: date, last: date, calendar: WorkCalendar, terms: TermCalendar) -> Iterator[_Named]:
    for term in terms.terms_between(first, last):
        if rule.terms and term.term not in rule.terms:
            continue
        day = _day_of_term(rule, term, calendar)
        if day is not None and day in term:
            # The usual first day names it: the announced one may be corrected.
            yield day, usual(int(term.school_year[:4]), term.term).begins_on


def _day_of_term(rule: Recurrence, term: Term, calendar: WorkCalendar) -> date | None:
    if rule.workday is not None:
        if rule.workday > 0:
            return calendar.add_workdays(term.begins_on - _DAY, rule.workday)
        return calendar.add_workdays(term.ends_on + _DAY, rule.workday)
    if rule.nth is not None:
        return _nth_weekday(term.begins_on, term.ends_on, rule.nth, rule.weekdays[0])
    if rule.week is None:
        return term.begins_on
    near = term.begins_on + timedelta(days=7 * (rule.week - 1)) if rule.week > 0 else term.ends_on
    monday = near - timedelta(days=near.weekday())
    if monday > term.ends_on:
        return None  # the term has not so many weeks
    day = monday + timedelta(days=rule.weekdays[0] if rule.weekdays else 0)
    return min(max(day, term.begins_on), term.ends_on)


def _listed(rule: Recurrence, _f: date, _l: date, _c: WorkCalendar, _t: TermCalendar) -> Iterator[_Named]:
    for day in rule.dates:
        yield day, day


def finished(rule: Recurrence, on: date, name: date, calendar: WorkCalendar, terms: TermCalendar) -> Planned:
    """The date with whether it may still move."""
    open_year = rule.needs_calendar and not (calendar.knows(on) and calendar.knows(name))
    open_term = rule.needs_terms and not (terms.knows(on) and (rule.freq is Freq.TERM or terms.knows(name)))
    return Planned(on, name, open_year or open_term)
