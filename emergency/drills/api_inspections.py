"""JSON: spot checks of drills. What was ordered and what proves the correction goes in and never comes out."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from emergency.drills import inspecting
from emergency.drills.inspection_models import Inspected, Inspection
from emergency.http.api import (
    Blueprint,
    CursorArgs,
    EnumValue,
    MethodView,
    Moment,
    Page,
    Schema,
    fields,
    idempotent,
    page_of,
)
from emergency.http.permissions import Permission, requires
from emergency.http.request import current_actor, session

blueprint = Blueprint("api_drill_inspections", __name__, url_prefix="/api/v1/drills", description="Spot checks")


class DrillInspectionOut(Schema):
    """One spot check; the order and the proof stay sealed."""

    id = fields.Integer()
    occurrence_id = fields.Integer()
    division_code = fields.String()
    inspected_on = fields.Date()
    result = EnumValue(Inspected)
    due_on = fields.Date(allow_none=True)
    corrected_on = fields.Date(allow_none=True)
    noted_at = Moment()
    version = fields.Integer()


class DrillInspectionArgs(CursorArgs):
    """Which checks; `open` for what is still to be corrected."""

    occurrence_id = fields.Integer(load_default=None)
    open = fields.Boolean(load_default=False)


class DrillInspectionIn(Schema):
    """One spot check; an order to correct needs its words and its day."""

    inspected_on = fields.Date(required=True)
    result = EnumValue(Inspected, required=True)
    ordered = fields.String(load_default="", validate=ma.validate.Length(max=1000))
    due_on = fields.Date(load_default=None, allow_none=True)


class DrillCorrectionIn(Schema):
    """That the ordered correction was made, and by what it is proved."""

    version = fields.Integer(required=True)
    corrected_on = fields.Date(required=True)
    proof = fields.String(required=True, validate=ma.validate.Length(1, 1000))


def _inspection(row: Inspection) -> dict[str, Any]:
    return {name: getattr(row, name) for name in DrillInspectionOut._declared_fields}


@blueprint.route("/inspections")
class DrillInspections(MethodView):
    """Spot checks."""

    @requires(Permission.DRILLS_VIEW)
    @blueprint.arguments(DrillInspectionArgs, location="query")
    @blueprint.response(200, page_of(DrillInspectionOut))
    def get(self, args: dict[str, Any]) -> Page[Any]:
        """The checks within the token's area, the latest first."""
        only = args.pop("open")
        found = inspecting.inspections(session(), actor=current_actor(), open_only=only, words=False, **args)
        return found.map(lambda shown: _inspection(shown.inspection))


@blueprint.route("/<int:occurrence_id>/inspections")
class DrillInspectionsOfOne(MethodView):
    """Spot checks of one drill."""

    @requires(Permission.DRILLS_EDIT)
    @idempotent
    @blueprint.arguments(DrillInspectionIn)
    @blueprint.response(201, DrillInspectionOut)
    def post(self, args: dict[str, Any], occurrence_id: int) -> dict[str, Any]:
        """Note a check of a drill that was held or should have been."""
        return _inspection(inspecting.inspect(session(), actor=current_actor(), occurrence_id=occurrence_id, **args))


@blueprint.route("/inspections/<int:inspection_id>/correct")
class DrillInspectionCorrected(MethodView):
    """The end of an order."""

    @requires(Permission.DRILLS_EDIT)
    @idempotent
    @blueprint.arguments(DrillCorrectionIn)
    @blueprint.response(200, DrillInspectionOut)
    def post(self, args: dict[str, Any], inspection_id: int) -> dict[str, Any]:
        """The ordered correction was made."""
        return _inspection(inspecting.correct(session(), actor=current_actor(), inspection_id=inspection_id, **args))
