"""What the pages of warnings share: the blueprint, reading a form's enum, going on, showing a refusal."""

from __future__ import annotations

from typing import Any

import flask
from flask.typing import ResponseReturnValue

from emergency.divisions.rules import place_name
from emergency.http.forms import Form
from emergency.http.request import session
from emergency.warnings import forms
from emergency.warnings.pages import people_words
from kernel.errors import DomainError

blueprint = flask.Blueprint("warnings", __name__, url_prefix="/warnings")
blueprint.add_app_template_filter(place_name, "short_name")
blueprint.add_app_template_filter(people_words, "people_words")


def member(members: Any, text: str | None) -> Any:
    """The member of an enum by its stored value, None for none."""
    return next((m for m in members if m.value == text), None)


def refused(form: Form, error: DomainError) -> None:
    """Nothing of the unit of work is kept; the sentence stands where the hand is."""
    session().rollback()
    forms.place(form, error)


def to(endpoint: str, warning_id: int, **values: Any) -> ResponseReturnValue:
    """Go on to a page of the warning."""
    return flask.redirect(flask.url_for(f"warnings.{endpoint}", warning_id=warning_id, **values), 303)


def version() -> int | None:
    """The version that the page was read at."""
    return flask.request.form.get("version", type=int)
