"""Forms of dynamic management."""

from __future__ import annotations

from typing import Any

from wtforms import SelectField

from emergency.http.forms import Day, EnumField, Form, LongText, Number, Text, between, length, optional, required
from emergency.http.i18n import _, _l
from emergency.plans.dynamic_models import LegalChange, Reach
from emergency.plans.models import Hazard, ResponseGrade


class ListForm(Form):
    """Putting somebody on an evacuation list."""

    plan_id = SelectField(_l("On the list of"), coerce=int)
    destination = Text(_l("Where they go"), [required(), length(most=200)])
    people = Number(_l("How many people"), [optional(), between(0, 1_000_000)])
    means = Text(_l("By what means"), [optional(), length(most=100)])
    route = LongText(_l("By which way"), [optional(), length(most=500)])
    grade = EnumField(_l("From which response level"), ResponseGrade, empty=_l("any level"))
    within_hours = Number(_l("Within … hours"), [optional(), between(1, 240)])
    post_id = SelectField(_l("Led by"), coerce=int)


class ExposureForm(Form):
    """Whether a place is exposed to a hazard."""

    division_code = Text(_l("Code of the place"), [required(), length(12, 12)])
    hazard = EnumField(_l("Hazard"), Hazard)
    reach = EnumField(_l("It speaks for"), Reach)
    exposed = SelectField(_l("The place is"))
    source = Text(_l("How one knows"), [required(), length(most=200)])

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.exposed.choices = [("1", _("exposed")), ("0", _("not exposed"))]


class LawForm(Form):
    """A statute, and what became of it."""

    title = Text(_l("Title of the law or number of the standard"), [required(), length(most=200)])
    change = EnumField(_l("How it stands"), LegalChange)
    changed_on = Day(_l("In force since"), [optional()])
    number = Text(_l("Document number"), [optional(), length(most=100)])
    replaced_by = Text(_l("Replaced by"), [optional(), length(most=200)])
    source = Text(_l("Where this can be read"), [required(), length(most=200)])


class ShelterForm(Form):
    """How many people a destination takes."""

    name = Text(_l("Name, exactly as the lists write it"), [required(), length(most=200)])
    division_code = SelectField(_l("Where it stands"))
    capacity = Number(_l("Takes … people"), [required(), between(1, 1_000_000)])
    source = Text(_l("How one knows"), [required(), length(most=200)])


class OwnerForm(Form):
    """Which post keeps a plan."""

    post_id = SelectField(_l("Owner post"), coerce=int)
