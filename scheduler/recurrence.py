"""Rules that repeat, as people mean them.

dateutil's rrule counts; this type says what to do where iCalendar and the office disagree: the 31st of a short month
is its last day (`BYMONTHDAY=31` would skip the month), the last working day needs the announced calendar, and a date
that falls on a statutory holiday moves by the rule's own policy.
"""

from __future__ import annotations

import calendar as month_calendar
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Self

from dateutil import rrule

from kernel.errors import N_, Invalid
from kernel.types import LabelledEnum
from scheduler.workdays import WorkCalendar

WEEKDAYS = (rrule.MO, rrule.TU, rrule.WE, rrule.TH, rrule.FR, rrule.SA, rrule.SU)
_ZH_DAYS = "一二三四五六日"
_EN_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_EN_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
              "November", "December")  # fmt: skip
_MOVED_AT_MOST = timedelta(days=31)


class Freq(LabelledEnum):
    """What a rule counts in."""

    DAILY = "daily", "天", "day"
    WEEKLY = "weekly", "周", "week"
    MONTHLY = "monthly", "个月", "month"
    YEARLY = "yearly", "年", "year"


class OnHoliday(LabelledEnum):
    """What happens to a date on which nobody works."""

    KEEP = "keep", "照常", "kept all the same"
    NEXT = "next", "顺延到下一个工作日", "moved to the next working day"
    PREVIOUS = "previous", "提前到上一个工作日", "moved to the working day before"
    SKIP = "skip", "取消这一次", "left out"


@dataclass(frozen=True)
class Planned:
    """One date of a rule. `nominal` names it for ever (moving it does not make another); `provisional` says that
    the year's holidays are not announced, so that `on` may still move."""

    on: date
    nominal: date
    provisional: bool = False


@dataclass(frozen=True)
class Recurrence:
    """A rule from `start` on, every `interval` of `freq`.

    Monthly and yearly rules name their day one way: `day` (1–31, clamped; -1 the last), `nth` with `weekday`
    (the second Friday; -1 the last), or `workday` (1 the first working day, -1 the last). Without any of them the day
    of `start` counts. Weekly rules may name several `weekdays` (0 Monday). Yearly rules may name several `months`.
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

    def __post_init__(self) -> None:
        fault = self._fault()
        if fault:
            raise Invalid(N_("This rule of repetition makes no sense: %(why)s."), code="bad_recurrence", why=fault)

    def _fault(self) -> str | None:
        by_month = self.freq in (Freq.MONTHLY, Freq.YEARLY)
        ways = sum(value is not None for value in (self.day, self.nth, self.workday))
        checks = (
            (not 1 <= self.interval <= 120, "interval"),
            (not by_month and ways > 0, "day"),
            (ways > 1, "day"),
            (self.day is not None and self.day != -1 and not 1 <= self.day <= 31, "day"),
            (self.nth is not None and (self.nth not in (1, 2, 3, 4, -1) or len(self.weekdays) != 1), "nth"),
            (self.workday is not None and (self.workday == 0 or not -15 <= self.workday <= 15), "workday"),
            (any(not 0 <= w <= 6 for w in self.weekdays) or len(set(self.weekdays)) != len(self.weekdays), "weekdays"),
            (bool(self.weekdays) and self.freq is not Freq.WEEKLY and self.nth is None, "weekdays"),
            (bool(self.months) and self.freq is not Freq.YEARLY, "months"),
            (any(not 1 <= m <= 12 for m in self.months) or len(set(self.months)) != len(self.months), "months"),
            (self.until is not None and self.until < self.start, "until"),
        )
        return next((name for wrong, name in checks if wrong), None)

    @property
    def needs_calendar(self) -> bool:
        """Whether the rule cannot be computed without the announced holidays."""
        return self.workday is not None or self.on_holiday is not OnHoliday.KEEP

    def between(self, start: date, end: date, calendar: WorkCalendar | None = None) -> list[date]:
        """The dates from `start` to `end`, both included, after holidays have moved them.

        Raises `NotAnnounced` where the rule depends on a year whose holidays nobody knows yet.
        """
        return [planned.on for planned in self._planned(start, end, calendar or WorkCalendar())]

    def planned(self, start: date, end: date, calendar: WorkCalendar | None = None) -> list[Planned]:
        """As `between`, for planning ahead: years not announced count as ordinary weeks and are marked provisional."""
        known = calendar or WorkCalendar()
        around = range((start - _MOVED_AT_MOST).year, (end + _MOVED_AT_MOST).year + 1)
        guessed = known.provisional(*around)
        return [
            Planned(p.on, p.nominal, self.needs_calendar and not (known.knows(p.on) and known.knows(p.nominal)))
            for p in self._planned(start, end, guessed)
        ]

    def _planned(self, start: date, end: date, calendar: WorkCalendar) -> list[Planned]:
        if end < start:
            return []
        moves = self.on_holiday in (OnHoliday.NEXT, OnHoliday.PREVIOUS)
        margin = _MOVED_AT_MOST if moves else timedelta(0)
        found: dict[date, Planned] = {}
        for day in self._days(start - margin, end + margin, calendar):
            # Dates that moving cannot bring into the window are not looked up: their year may be unknown.
            if moves and not self._may_reach(day, start, end):
                continue
            on = self._moved(day, calendar)
            # Two dates may be moved onto one working day; that day is one date.
            if on is not None and start <= on <= end and on not in found:
                found[on] = Planned(on, self._name_of(day))
        return [found[on] for on in sorted(found)]

    def _name_of(self, day: date) -> date:
        """What names the date for ever: for a working day the edge of its month, as the day itself may still move."""
        if self.workday is None:
            return day
        if self.workday > 0:
            return day.replace(day=1)
        return day.replace(day=month_calendar.monthrange(day.year, day.month)[1])

    def _may_reach(self, nominal: date, start: date, end: date) -> bool:
        if self.on_holiday is OnHoliday.NEXT:
            return nominal <= end
        return nominal >= start

    def _moved(self, day: date, calendar: WorkCalendar) -> date | None:
        if self.on_holiday is OnHoliday.KEEP or calendar.is_workday(day):
            return day
        if self.on_holiday is OnHoliday.NEXT:
            return calendar.next_workday(day)
        return calendar.previous_workday(day) if self.on_holiday is OnHoliday.PREVIOUS else None

    def _days(self, start: date, end: date, calendar: WorkCalendar) -> Iterator[date]:
        last = min(end, self.until) if self.until is not None else end
        if last < self.start:
            return
        if self.freq in (Freq.DAILY, Freq.WEEKLY):
            yield from self._short(max(start, self.start), last)
            return
        for month in self._months(start, last):
            day = self._day_of(month, calendar, max(start, self.start), last)
            if day is not None and max(start, self.start) <= day <= last:
                yield day

    def _short(self, start: date, end: date) -> Iterator[date]:
        weekly = self.freq is Freq.WEEKLY
        rule = rrule.rrule(
            rrule.WEEKLY if weekly else rrule.DAILY,
            dtstart=_midnight(self.start),
            interval=self.interval,
            byweekday=[WEEKDAYS[w] for w in self.weekdays] if self.weekdays else None,
            wkst=rrule.MO,
        )
        for moment in rule.between(_midnight(start), _midnight(end), inc=True):
            yield moment.date()

    def _months(self, start: date, end: date) -> Iterator[date]:
        """The first days of the months in which the rule has a date."""
        first = self.start.replace(day=1)
        yearly = self.freq is Freq.YEARLY
        rule = rrule.rrule(
            rrule.YEARLY if yearly else rrule.MONTHLY,
            dtstart=_midnight(first.replace(month=1) if yearly else first),
            interval=self.interval,
            bymonth=(self.months or (self.start.month,)) if yearly else None,
            bymonthday=1,
        )
        for moment in rule.between(_midnight(start.replace(day=1)), _midnight(end), inc=True):
            yield moment.date()

    def _day_of(self, month: date, calendar: WorkCalendar, start: date, end: date) -> date | None:
        length = month_calendar.monthrange(month.year, month.month)[1]
        if self.workday is not None:
            # A month outside the window is not computed: its year may not be announced.
            if month.replace(day=length) < start or month > end:
                return None
            if self.workday > 0:
                return calendar.add_workdays(month - timedelta(days=1), self.workday)
            return calendar.add_workdays(month.replace(day=length) + timedelta(days=1), self.workday)
        if self.nth is not None:
            rule = rrule.rrule(
                rrule.MONTHLY, dtstart=_midnight(month), byweekday=WEEKDAYS[self.weekdays[0]](self.nth), count=1
            )
            return rule[0].date()
        wanted = self.start.day if self.day is None else self.day
        return month.replace(day=length if wanted == -1 else min(wanted, length))

    def to_json(self) -> dict[str, Any]:
        """As a row keeps it; what is not said is left out."""
        data: dict[str, Any] = {"freq": self.freq.value, "start": self.start.isoformat()}
        if self.interval != 1:
            data["interval"] = self.interval
        for name in ("day", "nth", "workday"):
            if getattr(self, name) is not None:
                data[name] = getattr(self, name)
        for name in ("weekdays", "months"):
            if getattr(self, name):
                data[name] = list(getattr(self, name))
        if self.until is not None:
            data["until"] = self.until.isoformat()
        if self.on_holiday is not OnHoliday.KEEP:
            data["on_holiday"] = self.on_holiday.value
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """What `to_json` wrote; anything else is refused (`bad_recurrence`)."""
        names = {"freq", "start", "interval", "day", "weekdays", "nth", "workday", "months", "until", "on_holiday"}
        try:
            if set(data) - names:
                raise ValueError
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
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Invalid(
                N_("This rule of repetition makes no sense: %(why)s."), code="bad_recurrence", why=str(error)[:80]
            ) from error

    def words(self, lang: str = "zh") -> str:
        """The rule in words: `每 2 个月的最后一个工作日`."""
        if self.until == self.start:
            return "once only" if lang.startswith("en") else "仅一次"
        return _english(self) if lang.startswith("en") else _chinese(self)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day)  # noqa: DTZ001 - rrule counts calendar days, not moments


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("not a whole number")
    return value


def _maybe(value: Any) -> int | None:
    return None if value is None else _whole(value)


def _chinese(rule: Recurrence) -> str:
    every = "每" if rule.interval == 1 else f"每 {rule.interval} "
    unit = {
        Freq.DAILY: "天",
        Freq.WEEKLY: "周",
        Freq.MONTHLY: "月" if rule.interval == 1 else "个月",
        Freq.YEARLY: "年",
    }
    text = every + unit[rule.freq]
    if rule.freq is Freq.WEEKLY:
        days = rule.weekdays or (rule.start.weekday(),)
        text += "、".join(f"星期{_ZH_DAYS[w]}" for w in sorted(days))
    elif rule.freq in (Freq.MONTHLY, Freq.YEARLY):
        if rule.freq is Freq.YEARLY:
            text += "、".join(f"{m}月" for m in sorted(rule.months or (rule.start.month,)))
        text += ("的" if rule.nth is not None or rule.workday is not None else "") + _chinese_day(rule)
    if rule.on_holiday is not OnHoliday.KEEP:
        text += f"，遇休息日{rule.on_holiday.zh}"
    return text + (f"，到 {rule.until.isoformat()} 为止" if rule.until else "")


def _chinese_day(rule: Recurrence) -> str:
    if rule.workday is not None:
        return _chinese_nth(rule.workday) + "工作日"
    if rule.nth is not None:
        return _chinese_nth(rule.nth) + f"星期{_ZH_DAYS[rule.weekdays[0]]}"
    wanted = rule.start.day if rule.day is None else rule.day
    if wanted == -1:
        return "最后一天"
    return f"{wanted}日" + ("（没有这一天的月份取月末）" if wanted > 28 else "")


def _chinese_nth(n: int) -> str:
    if n > 0:
        return f"第 {n} 个"
    return "最后一个" if n == -1 else f"倒数第 {-n} 个"


def _english(rule: Recurrence) -> str:
    every = f"every {rule.freq.en}" if rule.interval == 1 else f"every {rule.interval} {rule.freq.en}s"
    text = every
    if rule.freq is Freq.WEEKLY:
        days = rule.weekdays or (rule.start.weekday(),)
        text += " on " + " and ".join(_EN_DAYS[w] for w in sorted(days))
    elif rule.freq in (Freq.MONTHLY, Freq.YEARLY):
        if rule.freq is Freq.YEARLY:
            text += " in " + " and ".join(_EN_MONTHS[m - 1] for m in sorted(rule.months or (rule.start.month,)))
        text += f" on {_english_day(rule)}"
    if rule.on_holiday is not OnHoliday.KEEP:
        text += f"; a day off is {rule.on_holiday.en}"
    return text + (f", until {rule.until.isoformat()}" if rule.until else "")


def _english_day(rule: Recurrence) -> str:
    if rule.workday is not None:
        return f"the {_english_nth(rule.workday)}working day"
    if rule.nth is not None:
        return f"the {_english_nth(rule.nth)}{_EN_DAYS[rule.weekdays[0]]}"
    wanted = rule.start.day if rule.day is None else rule.day
    if wanted == -1:
        return "the last day"
    return f"day {wanted}" + (" (the last day of shorter months)" if wanted > 28 else "")


def _english_nth(n: int) -> str:
    words = {1: "first", 2: "second", 3: "third", -1: "last"}
    if n in words:
        return f"{words[n]} "
    return f"{n}th " if n > 0 else f"{-n}th last "
