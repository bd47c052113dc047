"""Forms of the drill pages."""

from __future__ import annotations

from wtforms import SelectField

from emergency.asking.models import Means
from emergency.http.forms import (
    EnumField,
    Form,
    MomentField,
    Text,
    length,
    optional,
    required,
)
from emergency.http.i18n import _l


class AnswerForm(Form):
    """What a post said, when, and how it was heard."""

    answer = SelectField(_l("Answer"))
    means = EnumField(_l("How it was heard"), [Means.PHONE, Means.RADIO, Means.VISIT])
    at = MomentField(_l("When it was said"), [optional()])
    proposed_at = MomentField(_l("Proposed time"), [optional()])
    note = Text(_l("Remark"), [optional(), length(most=200)])


class RescheduleForm(Form):
    """Another date."""

    starts_at = MomentField(_l("New time"), [required()])
