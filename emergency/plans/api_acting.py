"""JSON: responses, their decisions, checklists, evacuation and log."""

from __future__ import annotations

from typing import Any

import flask
import marshmallow as ma

from emergency.http.api import (
    Blueprint,
    CursorArgs,
    EnumValue,
    MethodView,
    Moment,
    Schema,
    fields,
    idempotent,
    page_of,
)
from emergency.http.permissions import Permission, requires
from emergency.http.request import current_actor, session
from emergency.plans import acting, checklist, situation
from emergency.plans import activation_queries as queries
from emergency.plans.activation_models import Activation, ActivationKind, ActivationState, Heard, LineState, StepKind
from emergency.plans.models import ResponseGrade

blueprint = Blueprint(
    "api_responses", __name__, url_prefix="/api/v1/responses", description="Responses: plans that are acted on"
)
NUMBER = ma.validate.Range(0, 10_000_000)


class ResponseOut(Schema):
    """One response."""

    id = fields.Integer()
    plan_id = fields.Integer()
    version_id = fields.Integer()
    title = fields.String()
    kind = EnumValue(ActivationKind)
    state = EnumValue(ActivationState)
    grade = EnumValue(ResponseGrade)
    matter = fields.String()
    division_code = fields.String()
    started_at = Moment(allow_none=True)
    ended_at = Moment(allow_none=True)
    lines = fields.Integer()
    done = fields.Integer()
    late = fields.Integer()
    decision_waits = fields.Boolean()


class LineOut(Schema):
    """One line of the checklist; whoever holds its post stands in the posts, not here."""

    id = fields.Integer()
    grade = EnumValue(ResponseGrade)
    action = fields.String()
    post_id = fields.Integer(allow_none=True)
    actor_words = fields.String()
    due_at = Moment(allow_none=True)
    state = EnumValue(LineState)
    happened_at = Moment(allow_none=True)
    heard = EnumValue(Heard, allow_none=True)


class StepOut(Schema):
    """One decision."""

    id = fields.Integer()
    what = EnumValue(StepKind)
    state = fields.String(attribute="state.value")
    to_grade = EnumValue(ResponseGrade, allow_none=True)
    decided_by = fields.String()
    proposed_at = Moment()
    settled_at = Moment(allow_none=True)
    break_glass = fields.Boolean()


class EvacuationOut(Schema):
    """One row of the evacuation in heads."""

    id = fields.Integer()
    division_code = fields.String()
    people = fields.Integer()
    informed = fields.Integer()
    gone = fields.Integer()
    refused = fields.Integer()
    helped = fields.Integer()
    reported_at = Moment(allow_none=True)
    version = fields.Integer()


class WholeOut(ResponseOut):
    """One response with everything that hangs on it."""

    steps = fields.List(fields.Nested(StepOut))
    checklist = fields.List(fields.Nested(LineOut))
    evacuation = fields.List(fields.Nested(EvacuationOut))
    summary = fields.Dict()


class ListArgs(CursorArgs):
    """The query of the list."""

    group = fields.String(load_default=None, validate=ma.validate.OneOf(list(queries.GROUPS)))
    kind = EnumValue(ActivationKind, load_default=None)
    plan_id = fields.Integer(load_default=None)


class KindIn(Schema):
    """Which of the two the caller means; the other is refused."""

    kind = EnumValue(ActivationKind, required=True)


class ProposalIn(KindIn):
    """A response to be started, with what art. 72 asks to be stated."""

    plan_id = fields.Integer(required=True)
    grade = EnumValue(ResponseGrade, required=True)
    matter = fields.String(required=True, validate=ma.validate.Length(1, 200))
    reason = fields.String(required=True, validate=ma.validate.Length(1, 500))
    measures = fields.String(load_default="", validate=ma.validate.Length(max=2000))
    expected_until = Moment(load_default=None)
    with_lower = fields.Boolean(load_default=True)
    occurrence_id = fields.Integer(load_default=None)


class ChangeIn(KindIn):
    """Another level, or the end where `to` is null."""

    to = EnumValue(ResponseGrade, required=True, allow_none=True)
    reason = fields.String(required=True, validate=ma.validate.Length(1, 500))


class SettleIn(KindIn):
    """A decision: decide, refuse (or take back), alone."""

    outcome = fields.String(required=True, validate=ma.validate.OneOf(["decide", "refuse", "alone"]))
    reason = fields.String(load_default="")


class TickIn(KindIn):
    """What becomes of a line."""

    to = EnumValue(LineState, required=True)
    note = fields.String(load_default="", validate=ma.validate.Length(max=500))
    heard = EnumValue(Heard, load_default=Heard.PAGE)
    at = Moment(load_default=None)


class HeadsIn(KindIn):
    """Heads of one row of the evacuation."""

    informed = fields.Integer(required=True, validate=NUMBER)
    gone = fields.Integer(required=True, validate=NUMBER)
    refused = fields.Integer(required=True, validate=NUMBER)
    helped = fields.Integer(required=True, validate=NUMBER)
    version = fields.Integer(load_default=None)


class NoteIn(KindIn):
    """What happened."""

    text = fields.String(required=True, validate=ma.validate.Length(1, 500))
    at = Moment(load_default=None)


def _out(standing: queries.Standing) -> dict[str, Any]:
    a = standing.activation
    names = (
        "id",
        "plan_id",
        "version_id",
        "kind",
        "state",
        "grade",
        "matter",
        "division_code",
        "started_at",
        "ended_at",
    )
    return {name: getattr(a, name) for name in names} | {
        "title": standing.title, "lines": standing.lines, "done": standing.done, "late": standing.late,
        "decision_waits": standing.waiting,
    }  # fmt: skip


def _whole(activation: Activation) -> dict[str, Any]:
    work, facts = session(), situation.summary(session(), actor=current_actor(), activation_id=activation.id)
    return _out(queries.standings(work, [activation])[0]) | {
        "steps": queries.steps_of(work, activation.id), "checklist": queries.lines_of(work, activation.id),
        "evacuation": queries.evacuation_of(work, activation.id),
        "summary": {
            "minutes": facts.minutes, "done_in_time": facts.done_in_time, "done_late": facts.done_late,
            "never_done": facts.never_done, "evacuation": facts.evacuation, "occurrence_id": facts.occurrence_id,
        },
    }  # fmt: skip


@blueprint.route("")
class Responses(MethodView):
    """All responses of the scope, and new ones."""

    @requires(Permission.PLANS_VIEW)
    @blueprint.arguments(ListArgs, location="query")
    @blueprint.response(200, page_of(ResponseOut))
    def get(self, args: dict[str, Any]) -> Any:
        """List responses, newest first."""
        page = queries.list_activations(session(), actor=current_actor(), **args)
        known = {s.activation.id: s for s in queries.standings(session(), page.items)}
        return page.map(lambda row: _out(known[row.id]))

    @requires(Permission.PLANS_ACTIVATE)
    @idempotent
    @blueprint.arguments(ProposalIn)
    @blueprint.response(201, WholeOut)
    def post(self, data: dict[str, Any]) -> Any:
        """Propose a response; it runs at once where no second person is needed."""
        plan_id = data.pop("plan_id")
        made = acting.propose(session(), actor=current_actor(), plan_id=plan_id, proposal=acting.Proposal(**data))
        url = flask.url_for("api_responses.OneResponse", activation_id=made.id)
        return _whole(made), 201, {"Location": url}


@blueprint.route("/<int:activation_id>")
class OneResponse(MethodView):
    """One response."""

    @requires(Permission.PLANS_VIEW)
    @blueprint.response(200, WholeOut)
    def get(self, activation_id: int) -> Any:
        """One response with its checklist."""
        return _whole(queries.get_activation(session(), actor=current_actor(), activation_id=activation_id))


@blueprint.route("/<int:activation_id>/change")
class Change(MethodView):
    """Raise, lower, end."""

    @requires(Permission.PLANS_ACTIVATE)
    @idempotent
    @blueprint.arguments(ChangeIn)
    @blueprint.response(200, StepOut)
    def post(self, data: dict[str, Any], activation_id: int) -> Any:
        """Propose another level or the end."""
        return acting.change(session(), actor=current_actor(), activation_id=activation_id, **data)


@blueprint.route("/steps/<int:step_id>")
class Settle(MethodView):
    """A decision that waits."""

    @requires(Permission.PLANS_ACTIVATE)
    @idempotent
    @blueprint.arguments(SettleIn)
    @blueprint.response(200, WholeOut)
    def post(self, data: dict[str, Any], step_id: int) -> Any:
        """Decide, refuse or take back, or decide alone."""
        given: dict[str, Any] = {"actor": current_actor(), "step_id": step_id, "kind": data["kind"]}
        if data["outcome"] == "decide":
            return _whole(acting.decide(session(), **given))
        act = acting.refuse if data["outcome"] == "refuse" else acting.break_glass
        return _whole(act(session(), **given, reason=data["reason"]))


@blueprint.route("/lines/<int:line_id>")
class OneLine(MethodView):
    """One line of a checklist."""

    @requires(Permission.PLANS_ACT)
    @idempotent
    @blueprint.arguments(TickIn)
    @blueprint.response(200, LineOut)
    def post(self, data: dict[str, Any], line_id: int) -> Any:
        """Take, done, not applicable, put back."""
        return checklist.tick(session(), actor=current_actor(), line_id=line_id, **data)


@blueprint.route("/evacuation/<int:evacuation_id>")
class Evacuation(MethodView):
    """One row of the evacuation."""

    @requires(Permission.PLANS_ACT)
    @idempotent
    @blueprint.arguments(HeadsIn)
    @blueprint.response(200, EvacuationOut)
    def post(self, data: dict[str, Any], evacuation_id: int) -> Any:
        """Report heads."""
        kind, version = data.pop("kind"), data.pop("version")
        return situation.report(
            session(), actor=current_actor(), evacuation_id=evacuation_id, kind=kind, version=version,
            heads=situation.Heads(**data),
        )  # fmt: skip


@blueprint.route("/<int:activation_id>/notes")
class Notes(MethodView):
    """The situation log."""

    @requires(Permission.PLANS_ACT)
    @idempotent
    @blueprint.arguments(NoteIn)
    @blueprint.response(204)
    def post(self, data: dict[str, Any], activation_id: int) -> None:
        """Write down what happened."""
        situation.note(session(), actor=current_actor(), activation_id=activation_id, **data)
