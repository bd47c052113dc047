"""Forms of the drill pages."""

from __future__ import annotations

from wtforms import SelectField, TimeField

from emergency.asking.models import Means
from emergency.drills.models import Answered, DrillKind, Rating
from emergency.drills.models import Form as DrillForm
from emergency.http.forms import (
    Day,
    EnumField,
    Form,
    LongText,
    MomentField,
    Number,
    Text,
    between,
    length,
    optional,
    required,
)
from emergency.http.i18n import _l
from scheduler.recurrence import Freq, OnHoliday


class RecordForm(Form):
    """What happened."""

    started_at = MomentField(_l("Began"), [required()])
    ended_at = MomentField(_l("Ended"), [required()])
    attendance = Number(_l("People who took part"), [required(), between(0, 1_000_000)])
    expected = Number(_l("People expected"), [optional(), between(0, 1_000_000)])
    evacuation_seconds = Number(_l("Seconds until everybody was out"), [optional(), between(1, 86_400)])
    notes = LongText(_l("Notes"), [optional(), length(most=4000)])


class AnswerForm(Form):
    """What a post said."""

    answer = EnumField(_l("Answer"), Answered)
    means = EnumField(_l("How it was heard"), [Means.PHONE, Means.RADIO, Means.VISIT])
    note = Text(_l("Remark"), [optional(), length(most=200)])


class RescheduleForm(Form):
    """Another date."""

    starts_at = MomentField(_l("New time"), [required()])


class EvaluationForm(Form):
    """One objective and how it was met."""

    objective = Text(_l("Objective"), [required(), length(most=200)])
    rating = EnumField(_l("Rating"), Rating)
    strengths = LongText(_l("What went well"), [optional(), length(most=2000)])


class FindingForm(Form):
    """Something that must get better, and who mends it."""

    text = LongText(_l("What was found"), [required(), length(most=2000)])
    root_cause = Text(_l("Root cause"), [optional(), length(most=500)])
    plan_id = SelectField(_l("Plan that must be revised"), coerce=int)
    action = Text(_l("Corrective action"), [optional(), length(most=500)])
    owner_words = Text(_l("Who does it"), [optional(), length(most=100)])
    due_on = Day(_l("Due by"), [optional()])


class ProgrammeForm(Form):
    """A drill that comes again."""

    title = Text(_l("Title"), [required(), length(most=150)])
    kind = EnumField(_l("Kind of drill"), DrillKind)
    form = EnumField(_l("How it is held"), DrillForm)
    division_code = SelectField(_l("Where"))
    unit_id = SelectField(_l("Unit"), coerce=int)
    starts_on = Day(_l("First date"), [required()])
    start_time = TimeField(_l("Time of day"), [required()])
    freq = EnumField(_l("Comes again every"), [Freq.WEEKLY, Freq.MONTHLY, Freq.YEARLY])
    interval = Number(_l("… how many of them"), [required(), between(1, 60)])
    on_holiday = EnumField(_l("On a holiday it is"), OnHoliday)
    duration_minutes = Number(_l("Minutes"), [required(), between(1, 1440)])
    place = Text(_l("Place"), [optional(), length(most=100)])
