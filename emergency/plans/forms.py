"""Forms of the plan pages."""

from __future__ import annotations

from wtforms import BooleanField, SelectField, SelectMultipleField

from emergency.divisions.rules import DISTRICT, TOWNSHIP, VILLAGE, level
from emergency.http.forms import Day, EnumField, Form, LongText, Number, Text, between, length, optional, required
from emergency.http.i18n import _l
from emergency.plans.models import Hazard, PlanKind, PlanLevel

_LEVELS = {TOWNSHIP: PlanLevel.TOWNSHIP, VILLAGE: PlanLevel.VILLAGE}
_KINDS = {PlanLevel.TOWNSHIP: PlanKind.TOWNSHIP, PlanLevel.VILLAGE: PlanKind.VILLAGE}


class PlanForm(Form):
    """A new plan."""

    title = Text(_l("Title"), [required(), length(most=200)])
    kind = EnumField(_l("Kind"), PlanKind)
    level = EnumField(_l("Level"), PlanLevel)
    division_code = SelectField(_l("Whose plan"))
    issuer = Text(_l("Issued in the name of"), [required(), length(most=100)])
    hazards = SelectMultipleField(_l("Hazards"), [required()])
    parent_id = SelectField(_l("Plan above it"), coerce=int)
    evaluate_months = Number(_l("Evaluated every … months"), [optional(), between(1, 120)])
    public = BooleanField(_l("Shown to the public"))

    def expect(self, code: str, title: str = "") -> None:
        """Kind, level and place as most plans of that place have them; whoever fills the form in changes them."""
        place = level(code) if code else DISTRICT
        self.level.data = _LEVELS.get(place, PlanLevel.DISTRICT)
        district = PlanKind.GENERAL if "总体" in title else PlanKind.SPECIAL
        self.kind.data = _KINDS.get(self.level.data, district)
        if any(choice[0] == code for choice in self.division_code.choices or []):
            self.division_code.data = code

    def offer_hazards(self, choices: list[tuple[str, str]]) -> None:
        """The hazards in the reader's language."""
        self.hazards.choices = choices

    @property
    def chosen_hazards(self) -> list[Hazard]:
        """What was ticked."""
        return [Hazard(value) for value in self.hazards.data or []]


class IssueForm(Form):
    """Publishing an approved text."""

    issued_on = Day(_l("Date on the document"), [required()])
    document_number = Text(_l("Document number"), [optional(), length(most=60)])


class DayForm(Form):
    """One day: filed, confirmed, evaluated."""

    day = Day(_l("Day"), [required()])
    number = Text(_l("Number of the receipt"), [optional(), length(most=60)])


class ExplanationForm(Form):
    """The explanation that is filed with the text."""

    explanation = LongText(_l("Explanation (filed together with the text)"), [optional(), length(most=5000)])
