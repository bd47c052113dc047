"""JSON: what becomes of a plan beside its texts: entered, filed, confirmed, evaluated, repealed."""

from __future__ import annotations

from typing import Any

from emergency.http.api import Blueprint, EnumValue, MethodView, Schema, fields, idempotent
from emergency.http.permissions import Permission, requires
from emergency.http.request import current_actor, session
from emergency.plans import service
from emergency.plans.models import FilingState, Hazard, PlanKind, PlanLevel, PlanState
from kernel.errors import N_, Invalid

blueprint = Blueprint("api_plan_life", __name__, url_prefix="/api/v1/plans", description="The life of a plan")
EDIT, APPROVE = Permission.PLANS_EDIT, Permission.PLANS_APPROVE


class NewPlanIn(Schema):
    """A plan before it has a text."""

    kind = EnumValue(PlanKind, required=True)
    level = EnumValue(PlanLevel, required=True)
    title = fields.String(required=True)
    division_code = fields.String(required=True)
    issuer = fields.String(required=True)
    hazards = fields.List(EnumValue(Hazard), required=True)
    parent_id = fields.Integer(allow_none=True, load_default=None)
    evaluate_months = fields.Integer(allow_none=True, load_default=None)
    public = fields.Boolean(load_default=False)


class PlanMadeOut(Schema):
    """The plan, and its empty draft where it was entered."""

    id = fields.Integer()
    state = EnumValue(PlanState)
    draft_id = fields.Integer(allow_none=True)


@blueprint.route("/new")
class NewPlans(MethodView):
    """Plans that are entered."""

    @requires(EDIT)
    @idempotent
    @blueprint.arguments(NewPlanIn)
    @blueprint.response(201, PlanMadeOut)
    def post(self, given: dict[str, Any]) -> dict[str, Any]:
        """Enter a plan with an empty draft; 422 `bad_parent`, `wrong_level`, `needs_parent`."""
        work, actor = session(), current_actor()
        plan = service.create(work, actor=actor, facts=service.NewPlan(**given))
        draft = service.versions(work, actor=actor, plan_id=plan.id)[0]
        return {"id": plan.id, "state": plan.state, "draft_id": draft.id}


class EvaluationIn(Schema):
    """The text in force was evaluated and still fits."""

    evaluated_on = fields.Date(required=True)


class EvaluationOut(Schema):
    """The version that was evaluated."""

    version_id = fields.Integer(attribute="id")
    evaluated_on = fields.Date()


@blueprint.route("/<int:plan_id>/evaluation")
class Evaluation(MethodView):
    """The evaluation of the text in force."""

    @requires(EDIT)
    @blueprint.arguments(EvaluationIn)
    @blueprint.response(200, EvaluationOut)
    def put(self, given: dict[str, Any], plan_id: int) -> Any:
        """Note it; the next one counts from this day."""
        return service.evaluate(
            session(), actor=current_actor(), plan_id=plan_id, evaluated_on=given["evaluated_on"]
        )  # fmt: skip


class RepealIn(Schema):
    """Why."""

    reason = fields.String(required=True)


@blueprint.route("/<int:plan_id>/repeal")
class Repeal(MethodView):
    """The end of a plan."""

    @requires(APPROVE)
    @blueprint.arguments(RepealIn)
    @blueprint.response(200, PlanMadeOut)
    def post(self, given: dict[str, Any], plan_id: int) -> dict[str, Any]:
        """Repeal it; 409 `response_open` while a response runs by it. The plans below it fall due."""
        plan = service.repeal(session(), actor=current_actor(), plan_id=plan_id, reason=given["reason"])
        return {"id": plan.id, "state": plan.state, "draft_id": None}


class FilingIn(Schema):
    """`filed` and `receipted` with their day, `returned` with what was missing."""

    state = EnumValue(FilingState, required=True)
    day = fields.Date(allow_none=True, load_default=None)
    number = fields.String(load_default="")
    reason = fields.String(load_default="")


class FilingOut(Schema):
    """How far the filing has come."""

    state = EnumValue(FilingState)
    due_on = fields.Date(allow_none=True)
    filed_on = fields.Date(allow_none=True)
    receipt_on = fields.Date(allow_none=True)
    receipt_number = fields.String(allow_none=True)


@blueprint.route("/versions/<int:version_id>/filing")
class FilingOfVersion(MethodView):
    """The filing of an issued version."""

    @requires(EDIT)
    @blueprint.arguments(FilingIn)
    @blueprint.response(200, FilingOut)
    def put(self, given: dict[str, Any], version_id: int) -> Any:
        """Note that it was filed, confirmed or sent back; 409 where that is not the next step."""
        work, actor, day = session(), current_actor(), given["day"]
        if given["state"] is FilingState.RETURNED:
            return service.sent_back(work, actor=actor, version_id=version_id, reason=given["reason"])
        if day is None or given["state"] is FilingState.DUE:
            raise Invalid(N_("Give the day, like 2026-11-23."), code="bad_dates")
        if given["state"] is FilingState.FILED:
            return service.file_version(work, actor=actor, version_id=version_id, filed_on=day)
        return service.receipt(work, actor=actor, version_id=version_id, receipt_on=day, number=given["number"])
