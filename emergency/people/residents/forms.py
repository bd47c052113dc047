"""The forms of residents."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flask_wtf.file import FileField, FileRequired
from wtforms import BooleanField, HiddenField, RadioField, SelectField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]

from emergency.divisions.models import Datum
from emergency.http.forms import Form, Text, enum_choices, length, optional, required
from emergency.http.i18n import _, _l
from emergency.people.residents.pages import Places
from emergency.privacy.journal import Purpose

KEEP_HINT = _l("Leave empty to keep what is stored.")


class PersonForm(Form):
    """What a new resident and a correction have in common."""

    version = HiddenField()
    division_code = SelectField(_l("Village or neighbourhood"), validate_choice=False)
    household = Text(_l("Household"), [optional(), length(most=64)])
    address = Text(_l("Address"), [optional(), length(most=200)])
    needs = Text(_l("Special need"), [optional(), length(most=200)])


class NewResidentForm(PersonForm):
    """A person who was in no file."""

    name = Text(_l("Full name"), [required(), length(most=60)])
    phone = Text(_l("Phone"), [optional(), length(most=40)])
    external_id = Text(_l("Number in the register"), [optional(), length(most=64)])


class CorrectForm(PersonForm):
    """A correction without showing what is stored: an empty field keeps it, a tick takes it away."""

    name = Text(_l("Full name"), [optional(), length(most=60)], description=KEEP_HINT)
    phone = Text(_l("Phone"), [optional(), length(most=40)], description=KEEP_HINT)
    no_phone = BooleanField(_l("The person has no phone"))
    no_needs = BooleanField(_l("The person has no special need any more"))


class SearchForm(Form):
    """By a whole name or a whole number; sent in the body, so that neither stands in an address or a log."""

    name = Text(_l("Whole name"), [optional(), length(most=60)])
    phone = Text(_l("Whole phone number"), [optional(), length(most=40)])


class ImportForm(Form):
    """A file of residents."""

    file = FileField(_l("CSV or XLSX file"), [FileRequired(_l("Choose a file."))])
    purpose = SelectField(_l("What do you need it for?"), [required()], choices=lambda: purposes())
    datum = SelectField(
        _l("Points of the file are in"), choices=lambda: choices_of(enum_choices(Datum)), default=Datum.WGS84.value
    )
    mode = RadioField(
        _l("What shall happen"),
        choices=[
            SelectChoice("check", _l("Check only, change nothing")),
            SelectChoice("import", _l("Check and import")),
        ],
        default="check",
    )


class ExportForm(Form):
    """A list that leaves the system."""

    purpose = SelectField(_l("What do you need it for?"), [required()], choices=lambda: purposes())
    division = SelectField(_l("Area"), validate_choice=False)
    format = RadioField(
        _l("Format"), choices=[SelectChoice("csv", _l("CSV")), SelectChoice("xlsx", _l("Excel (XLSX)"))], default="csv"
    )


def with_villages(form: Any, places: Places, *, keep: str = "") -> Any:
    """Fill the choice of villages, grouped by township."""
    choices = [SelectChoice("", keep or "—")] if keep or len(places.villages) != 1 else []
    for code, name in places.villages:
        choices.append(SelectChoice(code, name, optgroup=places.townships.get(code[:9])))
    form.division_code.choices = choices
    return form


def choices_of(pairs: Iterable[tuple[str, str]]) -> list[Any]:
    """Pairs as choices of a field."""
    return [SelectChoice(value, label) for value, label in pairs]


def purposes() -> list[Any]:
    """The purposes for which personal data may be touched, after the choice of none."""
    return choices_of([("", _("Choose the purpose")), *enum_choices(Purpose)])
