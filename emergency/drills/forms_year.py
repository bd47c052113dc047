"""Forms of a year's calendar."""

from __future__ import annotations

from datetime import time

from wtforms import BooleanField, SelectField

from emergency.drills.proposing_settings import Settings, hours_of
from emergency.http.forms import Day, Form, LongText, Number, Text, Ticks, between, length, optional, required
from emergency.http.i18n import _l
from kernel.errors import N_, Invalid

WEEKDAYS = (
    ("0", _l("Monday")), ("1", _l("Tuesday")), ("2", _l("Wednesday")), ("3", _l("Thursday")), ("4", _l("Friday")),
    ("5", _l("Saturday")), ("6", _l("Sunday")),
)  # fmt: skip


class YearForm(Form):
    """A year, an area, and the limits."""

    year = SelectField(_l("Year"), coerce=int)
    division_code = SelectField(_l("Area"))
    max_per_day = Number(_l("Drills a day at most, in the whole area"), [required(), between(1, 1000)])
    max_per_township_week = Number(_l("Drills a week at most, in one township"), [required(), between(1, 1000)])
    min_distance = Number(_l("Days between two drills of one unit, at least"), [required(), between(1, 60)])
    weekdays = Ticks(_l("On these days of the week"), [required()])
    hours = Text(
        _l("At these times of day"), [required(), length(most=100)],
        description=_l("Several times with commas between them, like 09:30, 14:30."),
    )  # fmt: skip

    def begin(self, settings: Settings) -> None:
        """Show these limits."""
        self.max_per_day.data = settings.max_per_day
        self.max_per_township_week.data = settings.max_per_township_week
        self.min_distance.data = settings.min_distance
        self.weekdays.data = [str(day) for day in settings.weekdays]
        self.hours.data = ", ".join(hour.strftime("%H:%M") for hour in settings.hours)

    def settings(self) -> Settings:
        """The limits as typed; `bad_settings` where they make no sense."""
        return Settings(
            self.max_per_day.data or 0, self.max_per_township_week.data or 0,
            tuple(sorted(int(day) for day in self.weekdays.data or ())), _hours(self.hours.data or ""),
            self.min_distance.data or 0,
        )  # fmt: skip


def _hours(text: str) -> tuple[time, ...]:
    words = [word for word in text.replace("，", ",").replace("、", ",").replace("：", ":").split(",") if word.strip()]
    try:
        return hours_of(word.strip() for word in words)
    except ValueError as error:
        wrong = N_("Name between one and twelve times of day, like 09:30.")
        raise Invalid(wrong, code="bad_settings", fields={"hours": wrong}) from error


class MoveForm(Form):
    """Another day."""

    day = Day(_l("New day"), [required()])
    nevertheless = BooleanField(_l("Nevertheless, although it breaks the window or is no working day"))
    reason = LongText(_l("Reason"), [optional(), length(most=500)], description=_l("Needed for “nevertheless”."))


class RefuseForm(Form):
    """No drill, and why."""

    reason = LongText(_l("Why it is not wanted"), [required(), length(most=500)])
