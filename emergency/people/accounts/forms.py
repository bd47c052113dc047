"""The forms of sign-in, of one's own account, and of the administrator."""

from __future__ import annotations

from typing import Any

from wtforms import HiddenField, PasswordField
from wtforms.validators import DataRequired, EqualTo

from emergency.http.forms import EnumField, Form, Text, Ticks, enum_choices, length, optional, required
from emergency.http.i18n import _l
from emergency.http.permissions import Role
from emergency.people.accounts.models import AccountState


class SignInForm(Form):
    """Name and password."""

    username = Text(
        _l("User name"),
        [required(), length(most=64)],
        render_kw={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"},
    )
    password = PasswordField(
        _l("Password"), [required(), length(most=1024)], render_kw={"autocomplete": "current-password"}
    )
    next = HiddenField()


class CodeForm(Form):
    """The second step."""

    code = Text(
        _l("Verification code"),
        [required(), length(most=40)],
        description=_l("Six digits from the telephone, or one of the recovery codes."),
        render_kw={"autocomplete": "one-time-code", "inputmode": "text", "autocapitalize": "none"},
    )
    next = HiddenField()


class PasswordForm(Form):
    """A new password."""

    current = PasswordField(_l("Present password"), [optional()], render_kw={"autocomplete": "current-password"})
    password = PasswordField(
        _l("New password"), [required(), length(most=1024)], render_kw={"autocomplete": "new-password"}
    )
    again = PasswordField(
        _l("New password once more"),
        [required(), EqualTo("password", _l("The two do not agree."))],
        render_kw={"autocomplete": "new-password"},
    )


class TokenForm(Form):
    """A new API token."""

    name = Text(_l("What the token is for"), [required(), length(most=60)], render_kw={"autocomplete": "off"})


class AccountForm(Form):
    """Roles and area of an account."""

    roles = Ticks(
        _l("Roles"),
        [DataRequired(_l("Choose at least one role."))],
        description=_l("Administrator and auditor stand alone; the others may be combined."),
    )
    division_code = Text(
        _l("Area of the account"),
        [required()],
        description=_l(
            "The 12-digit code of the district, township or village. The account sees this area and what lies in it."
        ),
        render_kw={"inputmode": "numeric", "list": "areas", "maxlength": "12"},
    )

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.roles.choices = enum_choices(Role)

    def chosen_roles(self) -> list[Role]:
        """The ticked roles."""
        return [Role(value) for value in self.roles.data or []]


class NewAccountForm(AccountForm):
    """A new account: name, person, roles, area."""

    username = Text(
        _l("User name"),
        [required(), length(most=32)],
        description=_l("Latin letters and digits. Not the person's name or number: user names are not sealed."),
        render_kw={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"},
    )
    name = Text(_l("Person's name"), [optional(), length(most=60)], render_kw={"autocomplete": "off"})
    phone = Text(_l("Telephone"), [optional(), length(most=30)], render_kw={"autocomplete": "off", "inputmode": "tel"})


class EditAccountForm(AccountForm):
    """Change roles and area, and correct who it is."""

    name = Text(
        _l("New name"),
        [optional(), length(most=60)],
        description=_l("Leave it empty to keep the name that is stored."),
        render_kw={"autocomplete": "off"},
    )
    phone = Text(
        _l("New telephone"),
        [optional(), length(most=30)],
        description=_l("Leave it empty to keep the number that is stored."),
        render_kw={"autocomplete": "off", "inputmode": "tel"},
    )


class FilterForm(Form):
    """What the list shows."""

    class Meta:
        csrf = False

    role = EnumField(_l("Role"), Role, empty="")
    state = EnumField(_l("State"), AccountState, empty="")
