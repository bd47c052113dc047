"""Rules that repeat, as people mean them.

iCalendar counts; this type says what to do where iCalendar and the office disagree: the 31st of a short month is its
last day (`BYMONTHDAY=31` would skip the month), the last working day needs the announced calendar, schools have terms,
and a date that falls on a statutory holiday or in a school break moves by the rule's own policy.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Self

from kernel.errors import N_, Invalid
from scheduler import recurrence_dates, recurrence_words
from scheduler.recurrence_dates import FIRST_DAY, LAST_DAY
from scheduler.recurrence_types import Freq, OnBreak, OnHoliday, Planned
from scheduler.terms import TermCalendar
from scheduler.workdays import WorkCalendar

__all__ = ["Freq", "OnBreak", "OnHoliday", "Planned", "Recurrence"]
MOST_DATES = 400
SATURDAY = 5
"""Named dates of one rule."""
_FAULTS = {
    "start": N_("The first date must lie between 2000 and 2199."),
    "until": N_("The end lies before the start, or after 2199."),
    "interval": N_("A rule repeats every 1 to 120 units; named dates, terms and seasons have no interval."),
    "day": N_("Name the day of the month one way: a day from 1 to 31 (-1 the last), a weekday, or a working day."),
    "nth": N_("Name one weekday, and which of them: 1 to 4 (up to 20 in a term), or -1 for the last."),
    "workday": N_("Count working days from 1 to 15, or from -1 to -15 from the end."),
    "weekdays": N_("Weekdays are numbers from 0 (Monday) to 6, each once, for rules that use them."),
    "months": N_("Months are numbers from 1 to 12, each once, for yearly rules only."),
    "season": N_("Name a day of the year that exists, and 0 to 180 days before it, for such rules only."),
    "week": N_("Name the week of the term from 1 to 30, or -1 for the last; for terms only."),
    "terms": N_("Terms are 1 and 2, each once, for rules of terms only."),
    "dates": N_("Named dates: 1 to 400, each once, none before the start; no other day, and no moving."),
}


@dataclass(frozen=True)
class Recurrence:
    """A rule from `start` on, every `interval` of `freq`.

    Monthly and yearly rules name their day one way: `day` (1–31, clamped; -1 the last), `nth` with `weekday`
    (the second Friday; -1 the last), or `workday` (1 the first working day, -1 the last). Without any of them the day
    of `start` counts. Weekly rules may name several `weekdays` (0 Monday). Yearly rules may name several `months`.
    `before_season`: `before` days (or working days) before `season` (month, day) of every year.
    `term`: in each term (or those of `terms`) the `week`-th week's weekday, the `nth` weekday or the `workday`-th
    working day; without any of them its first day. `listed`: exactly `dates`.
    """

    freq: Freq
    start: date
    interval: int = 1
    day: int | None = None
    weekdays: tuple[int, ...] = ()
    nth: int | None = None
    workday: int | None = None
    months: tuple[int, ...] = ()
    until: date | None = None
    on_holiday: OnHoliday = OnHoliday.KEEP
    on_break: OnBreak = OnBreak.KEEP
    season: tuple[int, int] | None = None
    before: int | None = None
    before_workdays: bool = False
    week: int | None = None
    terms: tuple[int, ...] = ()
    dates: tuple[date, ...] = ()

    def __post_init__(self) -> None:
        fault = self._fault()
        if fault:
            raise Invalid(_FAULTS[fault], code="bad_recurrence", fields={fault: _FAULTS[fault]})

    @classmethod
    def listed(cls, dates: Iterable[date]) -> Self:
        """Exactly the named dates; given twice they count once."""
        named = tuple(sorted(set(dates)))
        return cls(Freq.LISTED, named[0] if named else FIRST_DAY, dates=named)

    def _fault(self) -> str | None:
        termly, listed = self.freq is Freq.TERM, self.freq is Freq.LISTED
        by_month = self.freq in (Freq.MONTHLY, Freq.YEARLY)
        ways = sum(value is not None for value in (self.day, self.nth, self.workday, self.week))
        checks = (
            (not FIRST_DAY <= self.start <= LAST_DAY, "start"),
            (self.until is not None and not self.start <= self.until <= LAST_DAY, "until"),
            (not 1 <= self.interval <= 120, "interval"),
            (self.interval != 1 and self.freq in (Freq.SEASON, Freq.TERM, Freq.LISTED), "interval"),
            (not (by_month or termly) and ways > 0, "day"),
            (ways > 1 or (termly and self.day is not None), "day"),
            (self.day is not None and self.day != -1 and not 1 <= self.day <= 31, "day"),
            (self.nth is not None and not self._nth_fits(20 if termly else 4), "nth"),
            (self.workday is not None and (self.workday == 0 or not -15 <= self.workday <= 15), "workday"),
            (not _once(self.weekdays, 0, 6), "weekdays"),
            (bool(self.weekdays) and self.freq is not Freq.WEEKLY and self.nth is None and self.week is None,
             "weekdays"),
            ((bool(self.months) and self.freq is not Freq.YEARLY) or not _once(self.months, 1, 12), "months"),
            (not self._season_fits(), "season"),
            (self.week is not None and not (termly and (self.week == -1 or 1 <= self.week <= 30)), "week"),
            (self.week is not None and len(self.weekdays) > 1, "week"),
            ((bool(self.terms) and not termly) or not _once(self.terms, 1, 2), "terms"),
            (listed != bool(self.dates) or (listed and not self._dates_fit()), "dates"),
        )  # fmt: skip
        return next((name for wrong, name in checks if wrong), None)

    def _nth_fits(self, most: int) -> bool:
        return self.nth is not None and (1 <= self.nth <= most or self.nth == -1) and len(self.weekdays) == 1

    def _season_fits(self) -> bool:
        if self.freq is not Freq.SEASON:
            return self.season is None and self.before is None and not self.before_workdays
        if self.season is None or not 0 <= (self.before or 0) <= 180:
            return False
        try:
            date(2024, *self.season)  # a leap year: 29 February is a day of the year
        except ValueError:
            return False
        return True

    def _dates_fit(self) -> bool:
        return (
            len(self.dates) <= MOST_DATES
            and list(self.dates) == sorted(set(self.dates))
            and self.start <= self.dates[0]
            and self.dates[-1] <= LAST_DAY
            and self.on_holiday is OnHoliday.KEEP
            and self.on_break is OnBreak.KEEP
        )

    @property
    def needs_calendar(self) -> bool:
        """Whether the rule cannot be computed without the announced holidays."""
        return (
            self.workday is not None
            or self.on_holiday is not OnHoliday.KEEP
            or self.on_break is OnBreak.NEXT
            or self.before_workdays
        )

    @property
    def needs_terms(self) -> bool:
        """Whether its dates depend on school terms."""
        return self.freq is Freq.TERM or self.on_break is not OnBreak.KEEP

    def between(
        self, start: date, end: date, calendar: WorkCalendar | None = None, terms: TermCalendar | None = None
    ) -> list[date]:
        """The dates from `start` to `end`, both included, after holidays and breaks have moved them.

        Raises `NotAnnounced` where the rule depends on a year whose holidays nobody knows yet.
        """
        known = calendar or WorkCalendar()
        return [on for on, _name in recurrence_dates.planned(self, start, end, known, terms or TermCalendar())]

    def planned(
        self, start: date, end: date, calendar: WorkCalendar | None = None, terms: TermCalendar | None = None
    ) -> list[Planned]:
        """As `between`, for planning ahead: years not announced count as ordinary weeks, terms not announced as the
        usual ones, and what rests on either is marked provisional."""
        known, school = calendar or WorkCalendar(), terms or TermCalendar()
        guessed = known
        if self.needs_calendar:
            first, last = max(start, FIRST_DAY), min(end, LAST_DAY)
            guessed = known.provisional(*range(first.year - 1, last.year + 2))
        return [
            recurrence_dates.finished(self, on, name, known, school)
            for on, name in recurrence_dates.planned(self, start, end, guessed, school)
        ]

    def upcoming(
        self,
        after: date,
        count: int = 5,
        *,
        last: date | None = None,
        calendar: WorkCalendar | None = None,
        terms: TermCalendar | None = None,
    ) -> list[Planned]:
        """The first `count` dates from `after` on, none after `last`; fewer where the rule ends before."""
        after, last = max(after, FIRST_DAY), min(last or LAST_DAY, LAST_DAY)
        if self._weekends_left_out:  # only an announced year can make one of them a working day
            known = [*calendar.years, *(day.year for day in calendar.work)] if calendar is not None else []
            last = min(last, date(min(max([after.year, *known]), LAST_DAY.year), 12, 31))
        years = 2
        while True:
            end = min(last, after + timedelta(days=366 * years)) if after.year + years < LAST_DAY.year else last
            found = self.planned(after, end, calendar, terms)
            if len(found) >= count or end >= last or years > 64:
                return found[:count]
            years *= 2

    @property
    def _weekends_left_out(self) -> bool:
        """Whether every date lies on a weekend and what nobody works on is left out."""
        if self.on_holiday is not OnHoliday.SKIP or self.freq is Freq.LISTED or self.workday is not None:
            return False
        days = self.weekdays or ((self.start.weekday(),) if self.freq is Freq.WEEKLY else ())
        return bool(days) and min(days) >= SATURDAY

    def to_json(self) -> dict[str, Any]:
        """As a row keeps it; what is not said is left out."""
        data: dict[str, Any] = {"freq": self.freq.value, "start": self.start.isoformat()}
        if self.interval != 1:
            data["interval"] = self.interval
        for name in ("day", "nth", "workday", "week", "before"):
            if getattr(self, name) is not None:
                data[name] = getattr(self, name)
        for name in ("weekdays", "months", "terms"):
            if getattr(self, name):
                data[name] = list(getattr(self, name))
        if self.season is not None:
            data["season"] = "{:02d}-{:02d}".format(*self.season)
        if self.before_workdays:
            data["before_workdays"] = True
        if self.until is not None:
            data["until"] = self.until.isoformat()
        if self.on_holiday is not OnHoliday.KEEP:
            data["on_holiday"] = self.on_holiday.value
        if self.on_break is not OnBreak.KEEP:
            data["on_break"] = self.on_break.value
        if self.dates:
            data["dates"] = [day.isoformat() for day in self.dates]
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """What `to_json` wrote; anything else is refused (`bad_recurrence`)."""
        try:
            if set(data) - _NAMES:
                raise ValueError
            workdays = data.get("before_workdays", False)
            if not isinstance(workdays, bool):
                raise ValueError("before_workdays")
            return cls(
                freq=Freq(data["freq"]),
                start=date.fromisoformat(data["start"]),
                interval=_whole(data.get("interval", 1)),
                day=_maybe(data.get("day")),
                weekdays=tuple(_whole(w) for w in data.get("weekdays", ())),
                nth=_maybe(data.get("nth")),
                workday=_maybe(data.get("workday")),
                months=tuple(_whole(m) for m in data.get("months", ())),
                until=date.fromisoformat(data["until"]) if data.get("until") else None,
                on_holiday=OnHoliday(data.get("on_holiday", "keep")),
                on_break=OnBreak(data.get("on_break", "keep")),
                season=month_and_day(data["season"]) if data.get("season") else None,
                before=_maybe(data.get("before")),
                before_workdays=workdays,
                week=_maybe(data.get("week")),
                terms=tuple(_whole(n) for n in data.get("terms", ())),
                dates=tuple(date.fromisoformat(day) for day in data.get("dates", ())),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Invalid(
                N_("This rule of repetition makes no sense: %(why)s."), code="bad_recurrence", why=str(error)[:80]
            ) from error

    def words(self, lang: str = "zh") -> str:
        """The rule in words: `每 2 个月的最后一个工作日`."""
        return recurrence_words.english(self) if lang.startswith("en") else recurrence_words.chinese(self)


_NAMES = frozenset(Recurrence.__dataclass_fields__)


def month_and_day(text: str) -> tuple[int, int]:
    """`06-15` as month and day; ValueError where it is none."""
    month, _dash, day = text.partition("-")
    if not (month.isascii() and month.isdecimal() and day.isascii() and day.isdecimal() and len(text) <= 5):
        raise ValueError("season")
    return int(month), int(day)


def _once(values: tuple[int, ...], low: int, high: int) -> bool:
    return len(set(values)) == len(values) and all(low <= value <= high for value in values)


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("not a whole number")
    return value


def _maybe(value: Any) -> int | None:
    return None if value is None else _whole(value)
