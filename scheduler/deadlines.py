"""Deadlines and periods as statutes word them: 20 working days, P2Y, half a calendar year."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from dateutil.relativedelta import relativedelta

from kernel.clock import BEIJING
from kernel.errors import N_, Invalid
from kernel.types import LabelledEnum
from scheduler.workdays import WorkCalendar

_PERIOD = re.compile(r"P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?")


class Unit(LabelledEnum):
    """What a deadline counts in."""

    WORKING_DAY = "working_day", "个工作日", "working days"
    DAY = "day", "日", "days"
    MONTH = "month", "个月", "months"
    YEAR = "year", "年", "years"
    HOUR = "hour", "小时", "hours"
    MINUTE = "minute", "分钟", "minutes"


@dataclass(frozen=True)
class Deadline:
    """So much time after something happened. The day on which it happened does not count (民法典 art. 201)."""

    within: int
    unit: Unit

    def due(self, since: datetime, calendar: WorkCalendar | None = None) -> datetime:
        """The moment after which it is missed: the end of the last day in Beijing, or the exact hour or minute.

        Raises `NotAnnounced` where working days run into a year that nobody knows.
        """
        if self.unit is Unit.HOUR:
            return since + timedelta(hours=self.within)
        if self.unit is Unit.MINUTE:
            return since + timedelta(minutes=self.within)
        return end_of(self.last_day(since.astimezone(BEIJING).date(), calendar))

    def last_day(self, since: date, calendar: WorkCalendar | None = None) -> date:
        """The last day on which it is still in time."""
        if self.unit is Unit.WORKING_DAY:
            return (calendar or WorkCalendar()).add_workdays(since, self.within)
        if self.unit is Unit.DAY:
            return since + timedelta(days=self.within)
        if self.unit is Unit.MONTH:
            return since + relativedelta(months=self.within)
        if self.unit is Unit.YEAR:
            return since + relativedelta(years=self.within)
        raise ValueError(f"{self.unit} is no whole number of days")


def end_of(day: date) -> datetime:
    """The first moment after the day, by the clock of Beijing."""
    return datetime.combine(day + timedelta(days=1), time(0), BEIJING)


def start_of(day: date) -> datetime:
    """The first moment of the day, by the clock of Beijing."""
    return datetime.combine(day, time(0), BEIJING)


def period(text: str) -> relativedelta:
    """A length of calendar time from ISO 8601 (`P2Y`, `P6M`, `P10D`); refuses anything else."""
    found = _PERIOD.fullmatch(text)
    if found is None or not any(found.groups()):
        raise Invalid(N_("“%(text)s” is not a period like P6M or P2Y."), code="bad_period", text=text)
    years, months, weeks, days = (int(part or 0) for part in found.groups())
    return relativedelta(years=years, months=months, weeks=weeks, days=days)


def add_period(day: date, text: str) -> date:
    """The day so much later; the 31st of a short month is its last day."""
    return day + period(text)


def subtract_period(day: date, text: str) -> date:
    """The day so much earlier; the 31st of a short month is its last day."""
    return day - period(text)
