"""Forms of the stock pages."""

from __future__ import annotations

from wtforms import SelectField

from emergency.http.forms import Day, EnumField, Form, LongText, Number, Text, between, length, optional, required
from emergency.http.i18n import _l
from emergency.supplies.models import LotState, Ownership
from emergency.supplies.rules import MAX_QUANTITY


def _whole() -> list[object]:
    return [required(), between(1, MAX_QUANTITY)]


class ReceiveForm(Form):
    """Goods come in."""

    depot_id = SelectField(_l("Depot"), coerce=int)
    item_id = SelectField(_l("Item"), coerce=int)
    ownership = EnumField(_l("Ownership"), Ownership)
    number = Text(_l("Lot number"), [required(), length(most=40)])
    quantity = Number(_l("Quantity"), _whole())
    made_on = Day(_l("Made on"), [optional()])
    expires_on = Day(_l("Expires on"), [optional()])
    maker = Text(_l("Maker"), [optional(), length(most=100)])
    reason = Text(_l("From whom, by which paper"), [optional(), length(most=200)])


class MoveForm(Form):
    """Goods go to another depot."""

    from_depot_id = SelectField(_l("From depot"), coerce=int)
    to_depot_id = SelectField(_l("To depot"), coerce=int)
    quantity = Number(_l("Quantity"), _whole())
    reason = Text(_l("What for"), [required(), length(most=200)])


class IssueForm(Form):
    """Goods go out to be used."""

    depot_id = SelectField(_l("From depot"), coerce=int)
    quantity = Number(_l("Quantity"), _whole())
    reason = Text(_l("For whom and what for"), [required(), length(most=200)])


class WriteOffForm(Form):
    """Goods are to be written off; another person decides."""

    depot_id = SelectField(_l("From depot"), coerce=int)
    quantity = Number(_l("Quantity"), _whole())
    reason = LongText(_l("Reason"), [required(), length(most=200)])


class LotStateForm(Form):
    """Hold, free or withdraw a lot."""

    state = EnumField(_l("State"), LotState)
    reason = Text(_l("Reason"), [required(), length(most=200)])
