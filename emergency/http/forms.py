"""What the pages' forms share: a base, the fields that speak our types, validators whose words are ours."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any

import flask
from flask_wtf import FlaskForm
from wtforms import DateField, Field, IntegerField, SelectField, SelectMultipleField, StringField, TextAreaField
from wtforms import validators as wtf_validators
from wtforms.fields.choices import Choice as Shown  # type: ignore[attr-defined]
from wtforms.widgets import CheckboxInput, DateTimeLocalInput, ListWidget

from emergency.http.i18n import _, _l, language
from kernel.clock import BEIJING
from kernel.errors import DomainError

Choice = tuple[str, Any]


class Form(FlaskForm):
    """The base of every form: CSRF, our language, and a way for a refusal to land at its field."""

    def refuse(self, error: DomainError, at: str | None = None) -> None:
        """Show a domain error where the hand is: at field `at`, at the fields that it names, or atop the form."""
        if at is not None:
            self[at].errors = [*self[at].errors, error.text(_)]
            return
        placed = False
        for name, message in error.fields.items():
            if name in self:
                self[name].errors = [*self[name].errors, _(message)]
                placed = True
        if not placed:
            self.form_errors.append(error.text(_))


def flash_done(text: str) -> None:
    """Tell on the next page what was just done (green)."""
    flask.flash(text, "done")


def stripped(value: str | None) -> str | None:
    """Typed text without the blanks around it (the full-width one too)."""
    return value.strip().strip("\u3000").strip() if isinstance(value, str) else value


def _filters() -> list[Callable[[str | None], str | None]]:
    return [stripped]


class Text(StringField):
    """One line of text, without the blanks around it."""

    def __init__(self, label: Any, validators: Iterable[Any] = (), **kwargs: Any):
        super().__init__(label, list(validators), filters=_filters(), **kwargs)


class LongText(TextAreaField):
    """Several lines of text."""

    def __init__(self, label: Any, validators: Iterable[Any] = (), **kwargs: Any):
        super().__init__(label, list(validators), filters=_filters(), **kwargs)


class Number(IntegerField):
    """A whole number."""

    def process_formdata(self, valuelist: list[Any]) -> None:
        try:
            super().process_formdata(valuelist)
        except ValueError as error:
            raise ValueError(_("This is not a whole number.")) from error


class Day(DateField):
    """A day, as the browser's own date field gives it."""

    def process_formdata(self, valuelist: list[Any]) -> None:
        try:
            super().process_formdata(valuelist)
        except ValueError as error:
            raise ValueError(_("This is not a date. Write it like 2026-11-23.")) from error


class MomentField(Field):
    """A moment: Beijing time on the page, aware in the code."""

    widget = DateTimeLocalInput()

    def _value(self) -> str:
        if self.raw_data:
            return str(self.raw_data[0])
        return self.data.astimezone(BEIJING).strftime("%Y-%m-%dT%H:%M") if self.data else ""

    def process_formdata(self, valuelist: list[Any]) -> None:
        self.data: datetime | None = None
        if valuelist and valuelist[0]:
            try:
                typed = datetime.fromisoformat(str(valuelist[0]))
            except ValueError as error:
                raise ValueError(_("This is not a time. Write it like 2026-11-23T08:00.")) from error
            self.data = typed if typed.tzinfo else typed.replace(tzinfo=BEIJING)


def enum_choices(members: Iterable[enum.Enum]) -> list[Choice]:
    """`(stored value, label in the reader's language)` of enum members."""
    words = language()
    return [(str(m.value), m.label(words) if hasattr(m, "label") else m.name) for m in members]


class EnumField(SelectField):
    """One member of an enum; `members` narrows or orders them, `empty` adds the choice of none."""

    def __init__(
        self, label: Any, members: Iterable[enum.Enum], validators: Iterable[Any] = (), empty: Any = None, **kwargs: Any
    ):
        self._members = {str(m.value): m for m in members}
        self._empty = empty
        super().__init__(label, list(validators), coerce=self._read, choices=None, validate_choice=False, **kwargs)
        self.type = "SelectField"  # by which the macro knows how to draw it

    def _options(self) -> list[Choice]:
        start: list[Choice] = [("", self._empty)] if self._empty is not None else []
        return start + enum_choices(self._members.values())

    def _read(self, value: Any) -> enum.Enum | None:
        if isinstance(value, enum.Enum) or value is None:
            return value
        if value == "":
            return None
        if value not in self._members:
            raise ValueError(_("This is not one of the choices."))
        return self._members[value]

    def iter_choices(self) -> Iterator[Shown]:
        chosen = str(self.data.value) if isinstance(self.data, enum.Enum) else ""
        for value, label in self._options():
            yield Shown(value, label, value == chosen, {})

    def has_groups(self) -> bool:
        return False

    def pre_validate(self, form: Any) -> None:
        if self.data is None and self._empty is None:
            raise wtf_validators.ValidationError(_("Choose one."))


class Ticks(SelectMultipleField):
    """Several choices as tick boxes, usable on a telephone."""

    widget = ListWidget(prefix_label=False)
    option_widget = CheckboxInput()

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.type = "SelectMultipleField"  # by which the macro knows how to draw it


def required() -> Any:
    """The field must be filled in."""
    return wtf_validators.InputRequired(_l("Fill this in."))


def optional() -> Any:
    """The field may stay empty; the other rules then do not apply."""
    return wtf_validators.Optional()


def length(least: int = -1, most: int = -1) -> Any:
    """The number of characters."""
    if least > 0 and most > 0:
        return wtf_validators.Length(least, most, _l("Write %(a)s to %(b)s characters.", a=least, b=most))
    if least > 0:
        return wtf_validators.Length(least, -1, _l("Write at least %(a)s characters.", a=least))
    return wtf_validators.Length(-1, most, _l("Write at most %(b)s characters.", b=most))


def between(least: float, most: float) -> Any:
    """The range of a number."""
    return wtf_validators.NumberRange(least, most, _l("Write a number from %(a)s to %(b)s.", a=least, b=most))
