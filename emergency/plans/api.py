"""JSON: plans and their texts."""

from __future__ import annotations

from typing import Any

from emergency.http.api import Blueprint, CursorArgs, EnumValue, MethodView, Page, Schema, fields, page_of
from emergency.http.permissions import Permission, requires
from emergency.http.request import current_actor, session
from emergency.plans import (
    api_acting,
    api_dynamic,
    api_finding,
    api_import,
    api_keeping,
    api_life,
    api_paper,
    api_versions,
    rules,
    service,
)
from emergency.plans.models import (
    FilingState,
    Hazard,
    Part,
    Plan,
    PlanKind,
    PlanLevel,
    PlanState,
    ResponseGrade,
    VersionState,
)
from emergency.plans.queries import evaluation_months, facts, today

blueprint = Blueprint("api_plans", __name__, url_prefix="/api/v1/plans", description="Plans")
BLUEPRINTS = (
    blueprint,
    api_paper.blueprint,
    api_finding.blueprint,
    api_dynamic.blueprint,
    api_acting.blueprint,
    api_versions.blueprint,
    api_keeping.blueprint,
    api_life.blueprint,
    api_import.blueprint,
)


class FaultOut(Schema):
    """One fault of a plan."""

    rule = EnumValue(rules.Fault)
    since = fields.Date()
    due = fields.Date(allow_none=True)


class PlanOut(Schema):
    """One plan with the three states that never mix."""

    id = fields.Integer()
    kind = EnumValue(PlanKind)
    level = EnumValue(PlanLevel)
    title = fields.String()
    division_code = fields.String()
    parent_id = fields.Integer(allow_none=True)
    state = EnumValue(PlanState)
    version = fields.Integer(allow_none=True, metadata={"description": "number of the version in force"})
    version_id = fields.Integer(allow_none=True)
    issued_on = fields.Date(allow_none=True)
    work_state = EnumValue(VersionState, allow_none=True)
    filing = EnumValue(FilingState, allow_none=True)
    filing_due = fields.Date(allow_none=True)
    faults = fields.List(fields.Nested(FaultOut))


class SectionOut(Schema):
    """One section."""

    number = fields.String()
    heading = fields.String()
    body = fields.String()
    part = EnumValue(Part, allow_none=True)


class ResponseLevelOut(Schema):
    """One response level."""

    grade = EnumValue(ResponseGrade)
    trigger = fields.String()
    decided_by = fields.String()


class PlanWholeOut(PlanOut):
    """One plan with the text in force."""

    hazards = fields.List(EnumValue(Hazard))
    sections = fields.List(fields.Nested(SectionOut))
    response_levels = fields.List(fields.Nested(ResponseLevelOut))


class PlanArgs(CursorArgs):
    """The query of the list."""

    kind = EnumValue(PlanKind, load_default=None)
    hazard = EnumValue(Hazard, load_default=None)


def _plan(f: rules.Facts, months: dict[PlanKind, int]) -> dict[str, Any]:
    found = rules.faults(f, rule_months=months.get(f.kind), today=today(session()))
    return {
        "id": f.plan_id, "kind": f.kind, "level": f.level, "title": f.title, "division_code": f.division_code,
        "parent_id": f.parent_id, "state": f.state, "version": f.number, "version_id": f.version_id,
        "issued_on": f.issued_on, "work_state": f.work_state, "filing": f.filing, "filing_due": f.filing_due,
        "faults": [{"rule": fault.fault, "since": fault.since, "due": fault.due} for fault in found],
    }  # fmt: skip


@blueprint.route("")
class Plans(MethodView):
    """Plans."""

    @requires(Permission.PLANS_VIEW)
    @blueprint.arguments(PlanArgs, location="query")
    @blueprint.response(200, page_of(PlanOut))
    def get(self, args: dict[str, Any]) -> Page[dict[str, Any]]:
        """The plans within the token's area, and those above that bind it."""
        months = evaluation_months(session())
        return service.list_plans(session(), actor=current_actor(), **args).map(lambda pair: _plan(pair[1], months))


@blueprint.route("/<int:plan_id>")
class OnePlan(MethodView):
    """One plan."""

    @requires(Permission.PLANS_VIEW)
    @blueprint.response(200, PlanWholeOut)
    def get(self, plan_id: int) -> dict[str, Any]:
        """One plan with the text in force."""
        work, actor = session(), current_actor()
        plan = service.get_plan(work, actor=actor, plan_id=plan_id)
        f = facts(work, Plan.id == plan.id)[0]
        text = service.version_text(work, actor=actor, version_id=f.version_id) if f.version_id else None
        return _plan(f, evaluation_months(work)) | {
            "hazards": service.hazards(work, [plan.id]).get(plan.id, []),
            "sections": text.sections if text else [],
            "response_levels": text.parts.levels if text else [],
        }
