"""Forms of learning: objectives, findings, actions, reports."""

from __future__ import annotations

from wtforms import FileField, SelectField

from emergency.drills.learning_models import Again, Cause, Severity
from emergency.http.forms import Day, EnumField, Form, LongText, Text, length, optional, required
from emergency.http.i18n import _l


class ObjectiveForm(Form):
    """What a drill should show."""

    words = Text(_l("Objective"), [required(), length(most=200)])
    capability = Text(_l("Capability that it proves"), [optional(), length(most=60)])
    target = Text(_l("Standard by which it is met"), [optional(), length(most=200)])
    tasks = LongText(_l("Critical tasks, one a line"), [optional(), length(most=2500)])


class NewFindingForm(Form):
    """Something that must get better."""

    text = LongText(_l("Problem that was found"), [required(), length(most=2000)])
    severity = EnumField(_l("How much it weighs"), Severity)
    cause = EnumField(_l("Where its root lies"), Cause, empty="—")
    root_cause = LongText(_l("Root cause in words"), [optional(), length(most=500)])
    objective_id = SelectField(_l("Objective"), coerce=int)
    recurs_id = SelectField(_l("Was found before as"), coerce=int)
    plan_id = SelectField(_l("Plan that must be revised"), coerce=int)
    plan_query = Text(_l("Search for a plan by its title"), [optional(), length(most=60)])


class ActionForm(Form):
    """Who mends it by when."""

    text = LongText(_l("Corrective action"), [required(), length(most=500)])
    owner_post_id = SelectField(_l("Post that does it"), coerce=int)
    owner_query = Text(_l("Search for a post by place and duty"), [optional(), length(most=60)])
    owner_words = Text(_l("Or who does it, in words"), [optional(), length(most=100)])
    starts_on = Day(_l("Begins"), [optional()])
    preset = SelectField(_l("Due by"))
    due_on = Day(_l("Or by this date"), [optional()])


class ProofForm(Form):
    """What proves that it was done."""

    proof = LongText(_l("What proves it"), [optional(), length(most=500)])
    file = FileField(_l("File: PDF, JPEG or PNG, at most 8 MB"))


class DateReasonForm(Form):
    """Another date and why."""

    due_on = Day(_l("New date"), [required()])
    reason = LongText(_l("Reason"), [required(), length(most=500)])


class EarlierForm(Form):
    """What this drill says of an earlier finding."""

    outcome = EnumField(_l("In this drill"), Again)
    again_id = SelectField(_l("Found again as"), coerce=int)


class FiledForm(Form):
    """The report went out."""

    filed_on = Day(_l("Day on which it was filed"), [required()])
    reference = Text(_l("Document number"), [optional(), length(most=60)])
    receipt = Text(_l("Receipt"), [optional(), length(most=200)])
