"""Working days from the State Council's announcements, never from a guess.

The arrangement for a year is announced in the November before. Until then the year is unknown, and whoever asks is
refused (`not_announced`) instead of being told a date that may turn out to be a holiday or a make-up Saturday.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from kernel.errors import N_, DomainError, Invalid
from scheduler.models import CalendarYear, DayKind, HolidayDay

KNOWN = Path(__file__).parent / "data" / "holidays.json"
_DAY = timedelta(days=1)


class NotAnnounced(DomainError):
    """Nobody knows yet which days of that year are worked."""

    code = "not_announced"
    status = 409

    def __init__(self, year: int):
        super().__init__(
            N_("The holidays of %(year)s have not been announced or imported yet; working days cannot be counted."),
            year=year,
        )
        self.year = year


@dataclass(frozen=True)
class WorkCalendar:
    """Which days are worked: weekdays but for the days off, and the weekend days that make up for them."""

    years: frozenset[int] = frozenset()
    off: frozenset[date] = frozenset()
    work: frozenset[date] = frozenset()
    names: Mapping[date, str] = field(default_factory=dict)

    @classmethod
    def load(cls, session: Session) -> WorkCalendar:
        """The calendar as imported."""
        years = session.scalars(sa.select(CalendarYear.year).where(CalendarYear.announced.is_(True))).all()
        days = session.execute(sa.select(HolidayDay.date, HolidayDay.kind, HolidayDay.name)).all()
        return cls(
            frozenset(years),
            frozenset(row.date for row in days if row.kind is DayKind.OFF),
            frozenset(row.date for row in days if row.kind is DayKind.WORK),
            {row.date: row.name for row in days},
        )

    def knows(self, day: date) -> bool:
        """Whether the day's year has been announced, or the day itself is named by a neighbouring year."""
        return day.year in self.years or day in self.off or day in self.work

    def is_workday(self, day: date) -> bool:
        """Whether the day is worked; `NotAnnounced` where nobody knows."""
        if not self.knows(day):
            raise NotAnnounced(day.year)
        if day in self.off:
            return False
        return day in self.work or day.weekday() < 5

    def is_holiday(self, day: date) -> bool:
        """Whether the day is a statutory day off (an ordinary weekend is not one)."""
        if not self.knows(day):
            raise NotAnnounced(day.year)
        return day in self.off

    def add_workdays(self, day: date, count: int) -> date:
        """The day `count` working days after `day`, which itself does not count; negative goes back.

        0 gives `day` itself if it is worked, else the next day that is.
        """
        if count == 0:
            return self.next_workday(day)
        step = _DAY if count > 0 else -_DAY
        left = abs(count)
        while left:
            day += step
            if self.is_workday(day):
                left -= 1
        return day

    def workdays_between(self, start: date, end: date) -> int:
        """How many working days lie after `start` up to and including `end`; negative if `end` comes first."""
        if end < start:
            return -self.workdays_between(end, start)
        return sum(self.is_workday(start + timedelta(days=n)) for n in range(1, (end - start).days + 1))

    def next_workday(self, day: date) -> date:
        """The day itself if it is worked, else the first one after."""
        while not self.is_workday(day):
            day += _DAY
        return day

    def previous_workday(self, day: date) -> date:
        """The day itself if it is worked, else the last one before."""
        while not self.is_workday(day):
            day -= _DAY
        return day

    def provisional(self, *years: int) -> WorkCalendar:
        """The same, with the given years taken as ordinary weeks where they are not announced.

        For planning ahead only: what comes out must be shown as provisional and computed again once it is announced.
        """
        return WorkCalendar(self.years | set(years), self.off, self.work, self.names)


@dataclass(frozen=True)
class HolidayReport:
    """What an import changed."""

    year: int
    rows: int
    created: int
    updated: int
    removed: int
    unchanged: int


def import_holidays(session: Session, document: Mapping[str, Any] | Path | str) -> HolidayReport:
    """Take over one year's announcement: `{"year", "papers", "days": [{"name", "date", "isOffDay"}]}`, or its file.

    Importing again changes nothing; a corrected announcement replaces the year. An empty list of days means that the
    year is not announced yet. A fault is 422 and names the entry.
    """
    data = _read(document)
    year, days, source = _checked(data)
    record = session.get(CalendarYear, year)
    if record is None:
        record = CalendarYear(year=year, announced=bool(days), source=source)
        session.add(record)
    record.announced, record.source = bool(days), source or record.source
    session.flush()
    edge = (date(year - 1, 12, 1), date(year + 1, 1, 31))
    stored = {row.date: row for row in session.scalars(sa.select(HolidayDay).where(HolidayDay.date.between(*edge)))}
    created = updated = unchanged = 0
    for day, (kind, name) in days.items():
        row = stored.get(day)
        if row is None:
            session.add(HolidayDay(date=day, year=year, kind=kind, name=name))
            created += 1
        elif (row.kind, row.name, row.year) == (kind, name, year):
            unchanged += 1
        elif row.year > year:
            unchanged += 1  # the later announcement knows better
        else:
            row.kind, row.name, row.year = kind, name, year
            updated += 1
    gone = [day for day, row in stored.items() if row.year == year and day not in days]
    if gone:
        session.execute(sa.delete(HolidayDay).where(HolidayDay.date.in_(gone)))
    session.flush()
    return HolidayReport(year, len(days), created, updated, len(gone), unchanged)


def import_known(session: Session) -> list[HolidayReport]:
    """Take over the announcements that came with this release."""
    with KNOWN.open(encoding="utf-8") as source:
        years: dict[str, dict[str, Any]] = json.load(source)
    return [import_holidays(session, _expand(int(year), facts)) for year, facts in sorted(years.items())]


def _expand(year: int, facts: Mapping[str, Any]) -> dict[str, Any]:
    days = []
    for name, first, last in facts["off"]:
        start, end = date.fromisoformat(first), date.fromisoformat(last)
        days += [
            {"name": name, "date": (start + timedelta(days=n)).isoformat(), "isOffDay": True}
            for n in range((end - start).days + 1)
        ]
    days += [{"name": name, "date": day, "isOffDay": False} for name, day in facts["work"]]
    return {"year": year, "papers": [facts["source"]], "days": days}


def _read(document: Mapping[str, Any] | Path | str) -> Mapping[str, Any]:
    if isinstance(document, Mapping):
        return document
    try:
        data = json.loads(Path(document).read_text("utf-8-sig"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise Invalid(N_("The holiday file cannot be read. Nothing was changed."), code="bad_holiday_file") from error
    if not isinstance(data, Mapping):
        raise Invalid(N_("The holiday file cannot be read. Nothing was changed."), code="bad_holiday_file")
    return data


def _checked(data: Mapping[str, Any]) -> tuple[int, dict[date, tuple[DayKind, str]], str | None]:
    year = data.get("year")
    entries = data.get("days")
    if not isinstance(year, int) or isinstance(year, bool) or not 2000 <= year <= 2200 or not isinstance(entries, list):
        raise Invalid(
            N_("The holiday file needs a year and a list of days. Nothing was changed."), code="bad_holiday_file"
        )
    days: dict[date, tuple[DayKind, str]] = {}
    for number, entry in enumerate(entries, start=1):
        day, is_off, name = _entry(entry)
        if day is None or not isinstance(is_off, bool) or abs(day - date(year, 7, 1)) > timedelta(days=220):
            raise Invalid(
                N_("Entry %(number)s of the holiday file is not a day of %(year)s. Nothing was changed."),
                code="bad_holiday_entry",
                number=number,
                year=year,
            )
        days[day] = (DayKind.OFF if is_off else DayKind.WORK, name)
    papers = data.get("papers")
    source = str(papers[0]) if isinstance(papers, list) and papers else None
    return year, days, source


def _entry(entry: Any) -> tuple[date | None, Any, str]:
    if not isinstance(entry, Mapping):
        return None, None, ""
    try:
        return date.fromisoformat(str(entry.get("date"))), entry.get("isOffDay"), str(entry.get("name") or "")
    except ValueError:
        return None, None, ""


def unannounced_within(calendar: WorkCalendar, days: Iterable[date]) -> list[int]:
    """The years of the given days that are not announced, for a page that says so."""
    return sorted({day.year for day in days if not calendar.knows(day)})
