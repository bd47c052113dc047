"""The form of a programme: whose, what, when it comes again, who is asked."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

from wtforms import BooleanField, SelectField, TimeField

from emergency.drills.models import Content, DrillKind, Purpose
from emergency.drills.models import Form as DrillForm
from emergency.drills.planning import NewProgramme
from emergency.http.forms import (
    Day,
    EnumField,
    Form,
    LongText,
    Number,
    Text,
    Ticks,
    between,
    length,
    optional,
    required,
)
from emergency.http.i18n import _, _l
from kernel.errors import N_, Invalid
from kernel.types import LabelledEnum
from scheduler.recurrence import Freq, OnBreak, OnHoliday, Recurrence, month_and_day
from scheduler.recurrence_words import EN_DAYS, EN_MONTHS, ZH_DAYS

FREQS = [Freq.MONTHLY, Freq.YEARLY, Freq.WEEKLY, Freq.SEASON, Freq.TERM, Freq.LISTED]
_DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}")


class Way(LabelledEnum):
    """How a month or a term names its day."""

    START = "start", "与首次日期相同", "the day of the first date"
    DAY = "day", "指定日（没有这一天取月末）", "a day of the month (shorter months: the last)"
    LAST = "last", "最后一天", "the last day"
    NTH = "nth", "第几个星期几", "a weekday, counted"
    WORKDAY = "workday", "第几个工作日", "a working day, counted"
    WEEK = "week", "学期第几周", "a week of the term"


def _weekdays(language: str) -> list[tuple[int, str]]:
    words = EN_DAYS if language.startswith("en") else [f"星期{day}" for day in ZH_DAYS]
    return list(enumerate(words))


def _months(language: str) -> list[tuple[int, str]]:
    return [(n, EN_MONTHS[n - 1] if language.startswith("en") else f"{n}月") for n in range(1, 13)]


class ProgrammeForm(Form):
    """A drill that comes again."""

    title = Text(_l("Title"), [required(), length(most=150)])
    kind = EnumField(_l("Kind of drill"), DrillKind)
    form = EnumField(_l("How it is held"), DrillForm)
    content = EnumField(_l("How much it takes in"), Content, default=Content.SINGLE)
    purpose = EnumField(_l("What it is for"), Purpose, default=Purpose.TEST)
    division_code = SelectField(_l("Township or village"))
    starts_on = Day(_l("First date"), [required()])
    ends_on = Day(_l("Last date"), [optional()])
    start_time = TimeField(_l("Time of day"), [required()])
    freq = EnumField(_l("How it comes again"), FREQS, default=Freq.MONTHLY)
    interval = Number(_l("Every how many (weeks, months, years)"), [optional(), between(1, 120)], default=1)
    way = EnumField(_l("On which day"), Way, default=Way.START)
    nth = Number(_l("Which one (-1: the last)"), [optional(), between(-15, 30)])
    day = Number(_l("Day of the month"), [optional(), between(1, 31)])
    weekday = SelectField(_l("Weekday"), coerce=int, default=0)
    weekdays = Ticks(_l("On these weekdays"), coerce=int)
    months = Ticks(_l("In these months"), coerce=int)
    terms = SelectField(_l("In which terms"), default="")
    season = Text(_l("Before which day (month-day)"), [optional(), length(most=5)])
    before = Number(_l("How long before"), [optional(), between(0, 180)])
    before_unit = SelectField(_l("Counted in"), default="days")
    backdated = BooleanField(_l("Write the dates before today too: their drills were held and their records follow"))
    dates = LongText(_l("Dates, one a line"), [optional(), length(most=8000)])
    on_holiday = EnumField(_l("On a holiday it is"), OnHoliday, default=OnHoliday.NEXT)
    on_break = EnumField(_l("In school holidays it is"), OnBreak, default=OnBreak.KEEP)
    duration_minutes = Number(_l("Minutes"), [required(), between(1, 1440)], default=60)
    target_seconds = Number(_l("Everybody out within (seconds)"), [optional(), between(1, 86_400)])
    place = Text(_l("Where it is held"), [optional(), length(most=100)])
    plan_id = SelectField(_l("Plan that it rehearses"), coerce=int, default=0, validate_choice=False)

    def offer(self, places: list[tuple[str, str]], plans: list[tuple[int, str]], language: str) -> None:
        """Fill in what can be chosen."""
        self.division_code.choices = places
        self.plan_id.choices = [(0, _("none")), *plans]
        self.weekday.choices = _weekdays(language)
        self.weekdays.choices = _weekdays(language)
        self.months.choices = _months(language)
        self.terms.choices = [("", _("both terms")), ("1", _("the first term")), ("2", _("the second term"))]
        self.before_unit.choices = [("days", _("days")), ("workdays", _("working days"))]

    def recurrence(self) -> Recurrence:
        """The rule as typed; a fault is 422 and stands at its field."""
        freq, start = self.freq.data, self.starts_on.data
        wrong = next(
            (f.name for f in self if f.process_errors and any(str(raw).strip() for raw in f.raw_data or ())), None
        )
        if wrong is not None:
            raise Invalid(N_("Look at what you typed here again."), code="bad_value",
                          fields={wrong: str(self[wrong].process_errors[0])})  # fmt: skip
        if start is None:
            raise _missing("starts_on")
        common: dict[str, Any] = {"until": self.ends_on.data}
        if freq is Freq.LISTED:
            return Recurrence.listed(self._listed(start))
        common |= {"on_holiday": self.on_holiday.data, "on_break": self.on_break.data}
        if freq is Freq.WEEKLY:
            days = tuple(sorted(self.weekdays.data or ()))
            return Recurrence(freq, start, interval=self.interval.data or 1, weekdays=days, **common)
        if freq is Freq.SEASON:
            return Recurrence(freq, start, **common, **self._season())
        if freq is Freq.TERM:
            terms = (int(self.terms.data),) if self.terms.data else ()
            return Recurrence(freq, start, terms=terms, **common, **self._day(freq))
        months = tuple(sorted(self.months.data or ())) if freq is Freq.YEARLY else ()
        return Recurrence(freq, start, interval=self.interval.data or 1, months=months, **common, **self._day(freq))

    def _listed(self, start: date) -> list[date]:
        found, rest = [], self.dates.data or ""
        for text in re.split(r"[\s,，、;；]+", rest):
            if not text:
                continue
            try:
                if not _DATE.fullmatch(text):
                    raise ValueError
                found.append(date(*(int(part) for part in text.split("-"))))
            except ValueError as error:
                message = N_("“%(text)s” is not a date. Write one a line, like 2026-11-23.")
                raise Invalid(
                    message, code="bad_date", fields={"dates": _(message, text=text[:20])}, text=text[:20]
                ) from error
        return found or [start]

    def _season(self) -> dict[str, Any]:
        try:
            season = month_and_day(self.season.data or "")
        except ValueError as error:
            message = N_("Write the day like 06-15.")
            raise Invalid(message, code="bad_season", fields={"season": message}) from error
        return {
            "season": season,
            "before": self.before.data or 0,
            "before_workdays": self.before_unit.data == "workdays",
        }

    def _day(self, freq: Freq) -> dict[str, Any]:
        way, nth = self.way.data, 1 if self.nth.data is None else self.nth.data
        if way is Way.WEEK and freq is Freq.TERM:
            return {"week": nth, "weekdays": (self.weekday.data or 0,)}
        if way is Way.NTH:
            return {"nth": nth, "weekdays": (self.weekday.data or 0,)}
        if way is Way.WORKDAY:
            return {"workday": nth}
        if way in (Way.DAY, Way.LAST) and freq is not Freq.TERM:
            if way is Way.DAY and self.day.data is None:
                raise _missing("day")
            return {"day": -1 if way is Way.LAST else self.day.data}
        return {}

    def fill(self, facts: NewProgramme) -> None:
        """Show a programme as it stands."""
        rule = facts.recurrence
        for name in ("title", "kind", "form", "content", "purpose", "division_code", "start_time", "duration_minutes",
                     "target_seconds", "place"):  # fmt: skip
            self[name].data = getattr(facts, name)
        self.plan_id.data = facts.plan_id or 0
        self.starts_on.data, self.ends_on.data = rule.start, facts.ends_on or rule.until
        self.freq.data, self.interval.data = rule.freq, rule.interval
        self.on_holiday.data, self.on_break.data = rule.on_holiday, rule.on_break
        self.months.data, self.day.data = list(rule.months), rule.day if rule.day != -1 else None
        self.weekdays.data = list(rule.weekdays) if rule.freq is Freq.WEEKLY else []
        self.weekday.data = rule.weekdays[0] if rule.weekdays else 0
        self.nth.data = next((n for n in (rule.nth, rule.workday, rule.week) if n is not None), None)
        self.way.data = _way_of(rule)
        self.terms.data = str(rule.terms[0]) if len(rule.terms) == 1 else ""
        self.season.data = "{:02d}-{:02d}".format(*rule.season) if rule.season else None
        self.before.data, self.before_unit.data = rule.before, "workdays" if rule.before_workdays else "days"
        self.dates.data = "\n".join(day.isoformat() for day in rule.dates)


def _way_of(rule: Recurrence) -> Way:
    if rule.day is not None:
        return Way.LAST if rule.day == -1 else Way.DAY
    if rule.week is not None:
        return Way.WEEK
    if rule.workday is not None:
        return Way.WORKDAY
    return Way.NTH if rule.nth is not None else Way.START


def _missing(name: str) -> Invalid:
    return Invalid(N_("Fill this in."), code="incomplete", fields={name: N_("Fill this in.")})


class TermForm(Form):
    """One school term."""

    school_year = Text(_l("School year (2026-2027)"), [required(), length(most=9)])
    term = SelectField(_l("Term"), coerce=int)
    begins_on = Day(_l("First day of school"), [required()])
    ends_on = Day(_l("Last day of school"), [required()])

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.term.choices = [(1, _("the first term")), (2, _("the second term"))]
