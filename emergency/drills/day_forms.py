"""Forms of a drill's day."""

from __future__ import annotations

from flask_wtf.file import FileField, FileRequired
from wtforms import BooleanField, MultipleFileField, SelectField

from emergency.drills.day_models import InjectVia, Observed
from emergency.http.forms import (
    EnumField,
    Form,
    LongText,
    MomentField,
    Number,
    Text,
    Ticks,
    between,
    length,
    optional,
    required,
)
from emergency.http.i18n import _l

__all__ = [
    "CheckForm", "CopyForm", "DayRecordForm", "EvacuationForm", "GroupsForm", "InjectForm", "NoteForm", "ObserveForm",
    "PasteForm", "PhotosForm", "SheetForm", "StartForm",
]  # fmt: skip


class StartForm(Form):
    """How fast the scenario runs."""

    factor = Number(_l("Minutes of the scenario in one minute"), [required(), between(1, 120)], default=1)


class InjectForm(Form):
    """One line of the list."""

    number = Number(_l("Number"), [required(), between(1, 9999)])
    offset = Text(_l("Scenario time after the start"), [required(), length(most=20)])
    sender = Text(_l("From (who is played)"), [required(), length(most=100)])
    via = EnumField(_l("Channel"), InjectVia)
    posts = Ticks(_l("To these posts"), coerce=int)
    message = LongText(_l("Message"), [required(), length(most=500)])
    expected = LongText(_l("Expected action"), [optional(), length(most=500)])
    objective_id = SelectField(_l("Objective"), coerce=int)
    controller = Text(_l("Responsible controller"), [optional(), length(most=100)])
    tolerance_minutes = Number(
        _l("Missed when later than, minutes of the scenario"), [required(), between(0, 1440)], default=10
    )


class CopyForm(Form):
    """From where a list is copied."""

    source = SelectField(_l("Copy from"))


class SheetForm(Form):
    """A file to import, or to check first."""

    file = FileField(_l("CSV or XLSX file"), [FileRequired(_l("Choose a file."))])
    dry_run = BooleanField(_l("Only check, change nothing"), default=True)


class ObserveForm(Form):
    """What the evaluator saw."""

    observed = EnumField(_l("The expected action"), Observed)
    at = MomentField(_l("Seen at"), [required()])
    words = LongText(_l("What was seen"), [optional(), length(most=1000)])


class GroupsForm(Form):
    """Who is expected, a line a group."""

    lines = LongText(_l("Groups and numbers, a line each"), [required(), length(most=5000)])


class EvacuationForm(Form):
    """The times of the evacuation from a paper."""

    signal_at = MomentField(_l("Signal to leave"), [required()])


class CheckForm(Form):
    """Nothing but the protection of the form."""


class PhotosForm(Form):
    """Several pictures with one caption."""

    files = MultipleFileField(_l("Pictures (JPEG, PNG or WebP)"))
    caption = Text(_l("Caption"), [optional(), length(most=200)])


class NoteForm(Form):
    """One note with its original time."""

    at = MomentField(_l("When it was seen"), [required()])
    who = Text(_l("Who saw it"), [optional(), length(most=40)])
    text = LongText(_l("What was seen"), [required(), length(most=1000)])


class PasteForm(Form):
    """Many notes, a line each."""

    pasted = LongText(_l("Lines, each beginning with its time"), [required(), length(most=60_000)])
    who = Text(_l("Who saw it"), [optional(), length(most=40)])


class DayRecordForm(Form):
    """What happened: time, place, content, departments, people (消防档案)."""

    started_at = MomentField(_l("Began"), [required()])
    ended_at = MomentField(_l("Ended"), [required()])
    place = Text(_l("Place"), [optional(), length(most=100)])
    content = LongText(_l("What was rehearsed"), [optional(), length(most=2000)])
    departments = LongText(_l("Departments and units that took part"), [optional(), length(most=1000)])
    people = LongText(_l("People who took part, in words"), [optional(), length(most=2000)])
    attendance = Number(_l("People who took part"), [required(), between(1, 1_000_000)])
    expected = Number(_l("People expected"), [optional(), between(0, 1_000_000)])
    evacuation_seconds = Number(_l("Seconds until everybody was out"), [optional(), between(1, 86_400)])
    notes = LongText(_l("Notes"), [optional(), length(most=4000)])
    reason = Text(_l("Why it is corrected"), [optional(), length(most=500)])
