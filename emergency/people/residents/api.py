"""Residents as JSON: masked lists and records. Nobody's number in clear leaves by this way."""

from __future__ import annotations

from typing import Any

from emergency.http.api import Blueprint, CursorArgs, EnumValue, MethodView, Moment, Schema, fields, page_of
from emergency.http.permissions import Permission, requires
from emergency.http.request import current_actor, session
from emergency.people.contacts.models import PhoneState
from emergency.people.residents import service

blueprint = Blueprint("api_residents", __name__, url_prefix="/api/v1/residents", description="Residents, masked")


class ResidentArgs(CursorArgs):
    division = fields.String(load_default=None, metadata={"description": "12-digit code; everything in it"})
    phone_state = EnumValue(PhoneState, load_default=None)
    priority_class = fields.Integer(load_default=None, metadata={"description": "0 is helped first, 3 has no need"})


class ResidentOut(Schema):
    id = fields.Integer()
    division_code = fields.String()
    division_name = fields.String()
    name = fields.String(metadata={"description": "masked"})
    phone = fields.String(metadata={"description": "masked"})
    phone_state = EnumValue(PhoneState)
    priority_class = fields.Integer()
    household_id = fields.Integer(allow_none=True)
    left_at = Moment(allow_none=True)


class ResidentRecordOut(ResidentOut):
    has_address = fields.Boolean()
    has_needs = fields.Boolean()
    lat = fields.Float(allow_none=True, metadata={"description": "rounded to about 100 m"})
    lon = fields.Float(allow_none=True)
    verified_at = Moment(allow_none=True)
    changed_at = Moment()
    shares_number_with = fields.Integer()
    household = fields.List(fields.Nested(ResidentOut))


@blueprint.route("")
class Residents(MethodView):
    @requires(Permission.RESIDENTS_VIEW)
    @blueprint.arguments(ResidentArgs, location="query")
    @blueprint.response(200, page_of(ResidentOut))
    def get(self, args: dict[str, Any]) -> Any:
        """People in scope, masked; journalled once a page."""
        return service.list_residents(session(), actor=current_actor(), **args)


@blueprint.route("/<int:resident_id>")
class OneResident(MethodView):
    @requires(Permission.RESIDENTS_VIEW)
    @blueprint.response(200, ResidentRecordOut)
    def get(self, resident_id: int) -> Any:
        """One person, masked, with the household; journalled."""
        record = service.record(session(), actor=current_actor(), resident_id=resident_id)
        line = {name: getattr(record.line, name) for name in ResidentOut().fields}
        return line | {
            "has_address": bool(record.address),
            "has_needs": record.has_needs,
            "lat": record.lat,
            "lon": record.lon,
            "verified_at": record.verified_at,
            "changed_at": record.changed_at,
            "shares_number_with": record.shares_number_with,
            "household": record.household,
        }
