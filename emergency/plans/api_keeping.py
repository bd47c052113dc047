"""JSON: the facts of a plan, who approves and who gets plans, and finding what a plan can name."""

from __future__ import annotations

from typing import Any

from emergency.http.api import Blueprint, EnumValue, MethodView, Schema, fields
from emergency.http.permissions import Permission, requires
from emergency.http.request import current_actor, session
from emergency.plans import approval, keeping, picking
from emergency.plans.models import Destination, Hazard, PlanKind, PlanLevel
from emergency.plans.review_models import ApprovalWay, Evidence

blueprint = Blueprint("api_plan_keeping", __name__, url_prefix="/api/v1/plans", description="Facts and rules of plans")
VIEW, EDIT = Permission.PLANS_VIEW, Permission.PLANS_EDIT


class PlanFactsBody(Schema):
    """What can be changed of a plan without a new version; `version` is the plan's own, as it was read."""

    version = fields.Integer(required=True)
    title = fields.String(required=True)
    issuer = fields.String(required=True)
    hazards = fields.List(EnumValue(Hazard), required=True)
    parent_id = fields.Integer(allow_none=True, load_default=None)
    owner_post_id = fields.Integer(allow_none=True, load_default=None)
    evaluate_months = fields.Integer(allow_none=True, load_default=None)
    public = fields.Boolean(load_default=False)


def _facts(plan_id: int) -> dict[str, Any]:
    from emergency.plans import service

    plan = service.get_plan(session(), actor=current_actor(), plan_id=plan_id)
    names = ("version", "title", "issuer", "parent_id", "owner_post_id", "evaluate_months", "public")
    return {name: getattr(plan, name) for name in names} | {
        "hazards": service.hazards(session(), [plan.id]).get(plan.id, [])
    }


@blueprint.route("/<int:plan_id>/facts")
class PlanFacts(MethodView):
    """The facts of a plan beside its text."""

    @requires(VIEW)
    @blueprint.response(200, PlanFactsBody)
    def get(self, plan_id: int) -> dict[str, Any]:
        """As they are."""
        return _facts(plan_id)

    @requires(EDIT)
    @blueprint.arguments(PlanFactsBody)
    @blueprint.response(200, PlanFactsBody)
    def put(self, given: dict[str, Any], plan_id: int) -> dict[str, Any]:
        """Change them; 422 `parent_cycle` or `bad_parent`, 409 where somebody was first."""
        version = given.pop("version")
        keeping.change(
            session(), actor=current_actor(), plan_id=plan_id, version=version, facts=keeping.PlanFacts(**given)
        )
        return _facts(plan_id)


class ApprovalRuleOut(Schema):
    """Who approves a kind of plan at a level."""

    id = fields.Integer()
    kind = EnumValue(PlanKind)
    level = EnumValue(PlanLevel)
    body = fields.String()
    body_en = fields.String()
    way = EnumValue(ApprovalWay)
    issued_by = fields.String()
    source = fields.String()
    evidence = fields.String()
    version = fields.Integer()


class ApprovalRulesOut(Schema):
    """Every rule of approval."""

    items = fields.List(fields.Nested(ApprovalRuleOut))


class RuleBody(Schema):
    """What a row says, and why it is changed."""

    body = fields.String(required=True)
    body_en = fields.String(load_default="")
    source = fields.String(load_default="")
    evidence = EnumValue(Evidence, load_default=Evidence.MEM)
    reason = fields.String(required=True)


class ApprovalRuleIn(RuleBody):
    """A change of a rule of approval."""

    way = EnumValue(ApprovalWay, required=True)
    issued_by = fields.String(load_default="")
    version = fields.Integer(required=True)


class NewApprovalRuleIn(ApprovalRuleIn):
    """A rule for a kind and level that has none."""

    kind = EnumValue(PlanKind, required=True)
    level = EnumValue(PlanLevel, required=True)
    version = fields.Integer(load_default=0)


def _text(given: dict[str, Any]) -> approval.RuleText:
    return approval.RuleText(
        given["body"], given["body_en"], given["way"], given["issued_by"], given["source"], given["evidence"].value
    )


@blueprint.route("/approval-rules")
class ApprovalRules(MethodView):
    """Rules of approval."""

    @requires(VIEW)
    @blueprint.response(200, ApprovalRulesOut)
    def get(self) -> dict[str, Any]:
        """Every rule, by kind and level."""
        return {"items": approval.rules(session())}

    @requires(EDIT)
    @blueprint.arguments(NewApprovalRuleIn)
    @blueprint.response(201, ApprovalRuleOut)
    def post(self, given: dict[str, Any]) -> Any:
        """Add one that is missing."""
        return approval.save_rule(
            session(), actor=current_actor(), kind=given["kind"], at=given["level"], text=_text(given),
            reason=given["reason"],
        )  # fmt: skip


@blueprint.route("/approval-rules/<int:rule_id>")
class ApprovalRule(MethodView):
    """One rule of approval."""

    @requires(EDIT)
    @blueprint.arguments(ApprovalRuleIn)
    @blueprint.response(200, ApprovalRuleOut)
    def put(self, given: dict[str, Any], rule_id: int) -> Any:
        """Change it, with the reason; the district's planner only."""
        return approval.change_rule(
            session(), actor=current_actor(), rule_id=rule_id, version=given["version"], text=_text(given),
            reason=given["reason"],
        )  # fmt: skip


class DestinationOut(Schema):
    """Which body gets a kind of plan, in which way."""

    id = fields.Integer()
    kind = EnumValue(PlanKind)
    way = EnumValue(Destination)
    body = fields.String()
    body_en = fields.String()
    source = fields.String()
    evidence = fields.String()


class DestinationsOut(Schema):
    """Every row."""

    items = fields.List(fields.Nested(DestinationOut))


class DestinationIn(RuleBody):
    """A change of a row; `was` is the body that was read."""

    was = fields.String(required=True)


class NewDestinationIn(RuleBody):
    """A row that is missing."""

    kind = EnumValue(PlanKind, required=True)
    way = EnumValue(Destination, required=True)


class RemoveArgs(Schema):
    """Which row was read, and why it goes."""

    was = fields.String(required=True)
    reason = fields.String(required=True)


@blueprint.route("/filing-destinations")
class Destinations(MethodView):
    """To whom plans are filed, delivered, copied."""

    @requires(VIEW)
    @blueprint.response(200, DestinationsOut)
    def get(self) -> dict[str, Any]:
        """Every row."""
        return {"items": approval.destinations(session())}

    @requires(EDIT)
    @blueprint.arguments(NewDestinationIn)
    @blueprint.response(201, DestinationOut)
    def post(self, given: dict[str, Any]) -> Any:
        """Add a body."""
        evidence = given.pop("evidence").value
        return approval.add_destination(session(), actor=current_actor(), evidence=evidence, **given)


@blueprint.route("/filing-destinations/<int:destination_id>")
class OneDestination(MethodView):
    """One body."""

    @requires(EDIT)
    @blueprint.arguments(DestinationIn)
    @blueprint.response(200, DestinationOut)
    def put(self, given: dict[str, Any], destination_id: int) -> Any:
        """Change it, with the reason."""
        evidence = given.pop("evidence").value
        return approval.change_destination(
            session(), actor=current_actor(), destination_id=destination_id, evidence=evidence, **given
        )

    @requires(EDIT)
    @blueprint.arguments(RemoveArgs, location="query")
    @blueprint.response(204)
    def delete(self, given: dict[str, Any], destination_id: int) -> None:
        """Remove it, with the reason."""
        approval.remove_destination(session(), actor=current_actor(), destination_id=destination_id, **given)


class PickArgs(Schema):
    """What is looked for."""

    kind = fields.String(required=True)
    q = fields.String(required=True)


class FoundThing(Schema):
    """One thing that a plan can name."""

    kind = fields.String()
    key = fields.String()
    title = fields.String()
    note = fields.String()


class PickOut(Schema):
    """At most 20."""

    items = fields.List(fields.Nested(FoundThing))


@blueprint.route("/pick")
class Pick(MethodView):
    """Finding what a plan can name."""

    @requires(VIEW)
    @blueprint.arguments(PickArgs, location="query")
    @blueprint.response(200, PickOut)
    def get(self, given: dict[str, Any]) -> dict[str, Any]:
        """Posts, units, villages, households, items, depots, agreements, plans in the token's area."""
        return {"items": picking.find(session(), actor=current_actor(), kind=given["kind"], q=given["q"][:60])}
