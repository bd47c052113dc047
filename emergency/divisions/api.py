"""Divisions and units in JSON: lists with cursor, and single records. Scope is the token's."""

from __future__ import annotations

from typing import Any

from emergency.divisions import rules, service
from emergency.divisions.models import Datum, Division, PointSource, RiskGrade, Unit, UnitKind
from emergency.http.api import Blueprint, CursorArgs, EnumValue, MethodView, Page, Schema, fields, page_of
from emergency.http.permissions import Permission, requires
from emergency.http.request import current_actor, session

blueprint = Blueprint("api_divisions", __name__, url_prefix="/api/v1", description="Divisions and units")


class DivisionOut(Schema):
    """One division. Points are WGS-84."""

    code = fields.String(required=True, metadata={"description": "12-digit statistical code"})
    name = fields.String(required=True)
    level = fields.Integer(required=True, metadata={"description": "1 province … 4 township, 5 village"})
    parent_code = fields.String(required=True, allow_none=True)
    kind = fields.String(required=True)
    lat = fields.Float(required=True, allow_none=True)
    lon = fields.Float(required=True, allow_none=True)
    point_source = EnumValue(PointSource, required=True, allow_none=True)
    population = fields.Integer(required=True, allow_none=True)


class DivisionRecord(DivisionOut):
    """One division with its boundary."""

    boundary = fields.Dict(required=True, allow_none=True, metadata={"description": "GeoJSON, WGS-84"})
    source_datum = EnumValue(Datum, required=True, allow_none=True)


class DivisionArgs(CursorArgs):
    """What to list."""

    parent = fields.String(load_default=None, metadata={"description": "directly below this code"})
    within = fields.String(load_default=None, metadata={"description": "in the subtree of this code, itself included"})
    q = fields.String(load_default=None, metadata={"description": "part of the name"})


class UnitOut(Schema):
    """One unit, without its address and contact."""

    id = fields.Integer(required=True)
    code = fields.String(required=True)
    name = fields.String(required=True)
    division_code = fields.String(required=True)
    kind = EnumValue(UnitKind, required=True)
    sectors = fields.List(fields.String(), required=True)
    risk_grade = EnumValue(RiskGrade, required=True, allow_none=True)
    crowded = fields.Boolean(required=True)
    key_fire = fields.Boolean(required=True)
    low_lying = fields.Boolean(required=True)
    people = fields.Integer(required=True, allow_none=True)
    lat = fields.Float(required=True, allow_none=True)
    lon = fields.Float(required=True, allow_none=True)
    point_source = EnumValue(PointSource, required=True, allow_none=True)


class UnitRecord(UnitOut):
    """One unit with all its tags and its contact, masked."""

    implied_sectors = fields.List(fields.String(), required=True)
    contact_name = fields.String(required=True, allow_none=True)
    contact_phone = fields.String(required=True, allow_none=True)


class UnitArgs(CursorArgs):
    """What to list."""

    within = fields.String(load_default=None, metadata={"description": "in the subtree of this division code"})
    kind = EnumValue(UnitKind, load_default=None)
    sector = fields.String(load_default=None, metadata={"description": "a tag, implied ones included"})
    grade = EnumValue(RiskGrade, load_default=None)
    q = fields.String(load_default=None, metadata={"description": "part of the name"})


@blueprint.route("/divisions")
class Divisions(MethodView):
    """The divisions of the scope."""

    @requires(Permission.DIVISIONS_VIEW)
    @blueprint.arguments(DivisionArgs, location="query")
    @blueprint.response(200, page_of(DivisionOut))
    def get(self, args: dict[str, Any]) -> Page[Division]:
        """List divisions by code"""
        return service.list_divisions(session(), actor=current_actor(), **args)


@blueprint.route("/divisions/<code>")
class OneDivision(MethodView):
    """One division."""

    @requires(Permission.DIVISIONS_VIEW)
    @blueprint.response(200, DivisionRecord)
    def get(self, code: str) -> Division:
        """One division of the scope, or one above it"""
        return service.seen(session(), actor=current_actor(), code=code)


@blueprint.route("/units")
class Units(MethodView):
    """The units of the scope."""

    @requires(Permission.UNITS_VIEW)
    @blueprint.arguments(UnitArgs, location="query")
    @blueprint.response(200, page_of(UnitOut))
    def get(self, args: dict[str, Any]) -> Page[Unit]:
        """List units by division"""
        return service.units(session(), current_actor(), **args)


@blueprint.route("/units/<int:unit_id>")
class OneUnit(MethodView):
    """One unit."""

    @requires(Permission.UNITS_VIEW)
    @blueprint.response(200, UnitRecord)
    def get(self, unit_id: int) -> dict[str, Any]:
        """One unit of the scope"""
        actor = current_actor()
        unit = service.get_unit(session(), actor=actor, unit_id=unit_id)
        contact = service.masked_contact(session(), actor=actor, unit=unit)
        tags = rules.widen(unit.sectors, crowded=unit.crowded, key_fire=unit.key_fire)
        shown = {name: getattr(unit, name) for name in UnitOut().fields}
        return {
            **shown,
            "implied_sectors": sorted(tags - set(unit.sectors)),
            "contact_name": contact.name if contact else None,
            "contact_phone": contact.phone if contact else None,
        }
