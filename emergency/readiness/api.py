"""What is wrong today, as JSON."""

from __future__ import annotations

from typing import Any

from emergency.http.api import Blueprint, CursorArgs, EnumValue, MethodView, Moment, Schema, fields, page_of
from emergency.http.permissions import Permission, requires
from emergency.http.request import current_actor, session
from emergency.plans.rules import Fault
from emergency.readiness import plans_today, service
from emergency.readiness.models import Severity

plan_faults = Blueprint(
    "api_plan_faults", __name__, url_prefix="/api/v1/plan-faults", description="What is wrong with the plans today"
)
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


class PlanFaultArgs(CursorArgs):
    """The query of the list."""

    division = fields.String(load_default=None, metadata={"description": "12-digit code"})
    rule = EnumValue(Fault, load_default=None)
    owner = fields.Integer(load_default=None, metadata={"description": "post; -1 for what no post owns"})
    severity = EnumValue(Severity, load_default=None)


class PlanFaultOut(Schema):
    """One fault with its rule, age, owner and the page that mends it."""

    id = fields.Integer()
    rule = fields.String()
    fault = fields.String()
    severity = fields.String()
    reason = fields.String()
    source = fields.String()
    article = fields.String()
    division_code = fields.String()
    subject_kind = fields.String()
    subject_id = fields.Integer()
    since = fields.String()
    days = fields.Integer()
    due = fields.String()
    owner_post_id = fields.Integer(allow_none=True)
    owner = fields.String()
    mend = fields.String()
    url = fields.String()


class PlanFaultCounts(Schema):
    """How many of each rule and severity."""

    all = fields.Integer()
    rules = fields.Dict(keys=fields.String(), values=fields.Integer())
    severities = fields.Dict(keys=fields.String(), values=fields.Integer())


@plan_faults.route("")
class PlanFaults(MethodView):
    """The list."""

    @requires(Permission.READINESS_VIEW)
    @plan_faults.arguments(PlanFaultArgs, location="query")
    @plan_faults.response(200, page_of(PlanFaultOut))
    def get(self, args: dict[str, Any]) -> Any:
        """What is wrong with the plans in scope, the most urgent first."""
        return plans_today.wrong(session(), current_actor(), **args).map(plans_today.row)


class PlanFaultCountArgs(Schema):
    """The query of the counts."""

    division = fields.String(load_default=None, metadata={"description": "12-digit code"})


@plan_faults.route("/counts")
class PlanFaultsCounted(MethodView):
    """The counts."""

    @requires(Permission.READINESS_VIEW)
    @plan_faults.arguments(PlanFaultCountArgs, location="query")
    @plan_faults.response(200, PlanFaultCounts)
    def get(self, args: dict[str, Any]) -> Any:
        """How many faults there are in scope, by rule and by severity."""
        found = plans_today.counts(session(), current_actor(), division=args["division"])
        return {
            "all": found.all,
            "rules": {fault.value: n for fault, n in found.rules.items()},
            "severities": {severity.value: n for severity, n in found.severities.items()},
        }


BLUEPRINTS = (blueprint, plan_faults)
