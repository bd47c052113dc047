"""JSON: the stock by item."""

from __future__ import annotations

from typing import Any

from emergency.http.api import Blueprint, CursorArgs, EnumValue, MethodView, Page, Schema, fields, page_of
from emergency.http.permissions import Permission, requires
from emergency.http.request import current_actor, session
from emergency.supplies import rules, service
from emergency.supplies.models import LotState, Ownership
from emergency.supplies.queries import StockRow

blueprint = Blueprint("api_supplies", __name__, url_prefix="/api/v1/supplies", description="Supplies")


class HoldingOut(Schema):
    """One of the sums, which are never added together."""

    holding = EnumValue(rules.Holding)
    quantity = fields.Integer()
    reserved = fields.Integer()
    first_expiry = fields.Date(allow_none=True)


class SupplyOut(Schema):
    """One item of the stock."""

    id = fields.Integer()
    code = fields.String(allow_none=True)
    name = fields.String()
    unit = fields.String()
    safety_level = fields.Integer(allow_none=True)
    short = fields.Boolean()
    holdings = fields.List(fields.Nested(HoldingOut))


class SupplyLotOut(Schema):
    """One lot in one depot."""

    lot_id = fields.Integer()
    lot = fields.String()
    depot_id = fields.Integer()
    depot = fields.String()
    ownership = EnumValue(Ownership)
    state = EnumValue(LotState)
    quantity = fields.Integer()
    reserved = fields.Integer()
    made_on = fields.Date(allow_none=True)
    expires_on = fields.Date(allow_none=True)


class SupplyWholeOut(SupplyOut):
    """One item with its lots."""

    lots = fields.List(fields.Nested(SupplyLotOut))


class SupplyArgs(CursorArgs):
    """The query of the list."""

    q = fields.String(load_default="")
    ownership = EnumValue(Ownership, load_default=None)


def _item(row: StockRow) -> dict[str, Any]:
    return {
        "id": row.item.id,
        "code": row.item.code,
        "name": row.item.name,
        "unit": row.item.unit,
        "safety_level": row.safety,
        "short": row.short,
        "holdings": [
            {"holding": holding, "quantity": s.quantity, "reserved": s.reserved, "first_expiry": s.first_expiry}
            for holding, s in sorted(row.sums.items(), key=lambda pair: pair[0].value)
        ],
    }


@blueprint.route("")
class Supplies(MethodView):
    """The stock."""

    @requires(Permission.SUPPLIES_VIEW)
    @blueprint.arguments(SupplyArgs, location="query")
    @blueprint.response(200, page_of(SupplyOut))
    def get(self, args: dict[str, Any]) -> Page[dict[str, Any]]:
        """The items in stock within the token's area."""
        return service.stock(session(), current_actor(), **args).map(_item)


@blueprint.route("/<int:item_id>")
class Supply(MethodView):
    """One item."""

    @requires(Permission.SUPPLIES_VIEW)
    @blueprint.response(200, SupplyWholeOut)
    def get(self, item_id: int) -> dict[str, Any]:
        """One item with its lots within the token's area."""
        service.get_item(session(), item_id=item_id)
        row = service.stock(session(), current_actor(), item_ids=[item_id]).items[0]
        lots = service.item_lots(session(), actor=current_actor(), item_id=item_id)
        return _item(row) | {
            "lots": [
                {
                    "lot_id": held.lot.id, "lot": held.lot.number, "depot_id": held.depot.id,
                    "depot": held.depot.name, "ownership": held.lot.ownership, "state": held.lot.state,
                    "quantity": held.quantity, "reserved": held.reserved, "made_on": held.lot.made_on,
                    "expires_on": held.lot.expires_on,
                }
                for held in lots
            ]
        }  # fmt: skip
