"""What is wrong today, as JSON."""

from __future__ import annotations

from typing import Any

from emergency.http.api import Blueprint, CursorArgs, EnumValue, MethodView, Moment, Schema, fields, page_of
from emergency.http.permissions import Permission, requires
from emergency.http.request import current_actor, session
from emergency.readiness import service
from emergency.readiness.models import Severity

blueprint = Blueprint("api_defects", __name__, url_prefix="/api/v1/defects", description="What is wrong today")


class DefectArgs(CursorArgs):
    room = fields.String(load_default=None)
    division = fields.String(load_default=None, metadata={"description": "12-digit code"})
    severity = EnumValue(Severity, load_default=None)
    muted = fields.Boolean(load_default=False)


class DefectOut(Schema):
    id = fields.Integer()
    room = fields.String()
    rule = fields.String()
    subject_kind = fields.String()
    subject_id = fields.Integer()
    division_code = fields.String()
    severity = EnumValue(Severity)
    reason = fields.Function(lambda defect: service.reason(defect))
    url = fields.String()
    owner_post_id = fields.Integer(allow_none=True)
    since = Moment()
    due_at = Moment(allow_none=True)
    muted_until = Moment(allow_none=True)
    muted_reason = fields.String(allow_none=True)


@blueprint.route("")
class Defects(MethodView):
    """The list."""

    @requires(Permission.READINESS_VIEW)
    @blueprint.arguments(DefectArgs, location="query")
    @blueprint.response(200, page_of(DefectOut))
    def get(self, args: dict[str, Any]) -> Any:
        """Open defects in scope, the most urgent first."""
        args["division_code"] = args.pop("division")
        return service.open_defects(session(), current_actor(), **args)
