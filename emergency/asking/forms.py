"""Forms of the questions' pages."""

from __future__ import annotations

from collections.abc import Sequence

from wtforms import RadioField, SelectField

from emergency.asking.models import Means, Question
from emergency.asking.rules import AnswerOption
from emergency.http.forms import Form, LongText, MomentField, Text, enum_choices, length, optional, required
from emergency.http.i18n import _l, language

HEARD = (Means.PHONE, Means.RADIO, Means.VISIT)


class AnswerForm(Form):
    """What a person heard and types in for somebody else."""

    answer = RadioField(_l("What was answered"), validators=[required()])
    means = SelectField(_l("Heard by"), validators=[required()], default=Means.PHONE.value)
    at = MomentField(_l("When it was said"), [optional()], description=_l("Empty: just now. Not when you type it in."))
    deputy_name = Text(_l("Who comes instead"), [length(most=40)])
    deputy_phone = Text(_l("Their mobile number"), [length(most=30)])
    note = LongText(_l("Note"), [length(most=500)], description=_l("Kept sealed; whoever reads it is written down."))

    def offer(self, choices: Sequence[AnswerOption]) -> None:
        """The choices of this question."""
        self.answer.choices = [(option.key, option.label(language())) for option in choices]
        self.means.choices = enum_choices(HEARD)

    def extra(self) -> dict[str, str]:
        """What belongs to the choice."""
        found = {"deputy_name": self.deputy_name.data or "", "deputy_phone": self.deputy_phone.data or ""}
        return {key: value for key, value in found.items() if value}


def answer_form(question: Question) -> AnswerForm:
    """The form with the choices of one question."""
    form = AnswerForm()
    form.offer([AnswerOption.from_json(data) for data in question.answers])
    return form
