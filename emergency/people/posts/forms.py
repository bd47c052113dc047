"""The forms of posts and of the duty roster."""

from __future__ import annotations

from flask_wtf.file import FileField, FileRequired
from wtforms import BooleanField, SelectField

from emergency.http.forms import EnumField, Form, LongText, MomentField, Text, length, optional, required
from emergency.http.i18n import _l
from emergency.people.posts.models import ActKind, Duty, Means, ShiftRole


class PostForm(Form):
    """A new post."""

    division_code = SelectField(_l("Division"), [required()], validate_choice=False)
    duty = EnumField(_l("Duty"), Duty, [required()])
    title = Text(_l("Office that holds it"), [optional(), length(most=60)], description=_l("An office, not a name."))
    responsible = BooleanField(_l("A warning calls this post first"))


class EditPostForm(Form):
    """What may be corrected on a post itself."""

    title = Text(_l("Office that holds it"), [optional(), length(most=60)], description=_l("An office, not a name."))
    responsible = BooleanField(_l("A warning calls this post first"))


class PersonForm(Form):
    """A new holder or deputy."""

    name = Text(_l("Person's name"), [required(), length(most=60)], render_kw={"autocomplete": "off"})
    phone = Text(_l("Phone"), [optional(), length(most=40)], render_kw={"autocomplete": "off", "inputmode": "tel"})
    reason = Text(_l("Why the change"), [optional(), length(most=200)])


class CorrectForm(Form):
    """Another number or spelling of the same person."""

    name = Text(_l("Person's name"), [optional(), length(most=60)], render_kw={"autocomplete": "off"})
    phone = Text(_l("Phone"), [optional(), length(most=40)], render_kw={"autocomplete": "off", "inputmode": "tel"})


class VerifyForm(Form):
    """What came of trying a number."""

    holder_id = SelectField(_l("Whose number"), [required()], validate_choice=False)
    result = EnumField(_l("What came of it"), (ActKind.VERIFIED, ActKind.NO_ANSWER, ActKind.WRONG_NUMBER), [required()])
    means = EnumField(_l("By which means"), Means, [required()])
    note = Text(_l("Note"), [optional(), length(most=500)])


class UploadForm(Form):
    """A file to import, or to check first."""

    file = FileField(_l("CSV or XLSX file"), [FileRequired(_l("Choose a file."))])
    dry_run = BooleanField(_l("Only check, change nothing"), default=True)


class ShiftForm(Form):
    """A shift to be planned."""

    account_id = SelectField(_l("Who stands watch"), [required()], validate_choice=False)
    role = EnumField(_l("As what"), ShiftRole, [required()])
    starts = MomentField(_l("Begins"), [required()])
    ends = MomentField(_l("Ends"), [required()])


class HandOverForm(Form):
    """What the next shift must know."""

    note = LongText(
        _l("What the next shift must know"),
        [required(), length(most=2000)],
        description=_l("Open matters, weather and water, who was called and did not answer."),
    )
    early = BooleanField(_l("The next shift takes over now, before its time"))
