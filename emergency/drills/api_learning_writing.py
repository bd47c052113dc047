"""JSON: an evaluator's sheet, corrective actions and the end of findings. Words about people go in and never come out."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from emergency.drills import learning, learning_actions, learning_lists, learning_sheets
from emergency.drills.api_learning import DrillActionOut, DrillFindingOut, shown_action, shown_finding
from emergency.drills.learning_models import CorrectiveAction, Mark, Rating, SheetState
from emergency.http.api import Blueprint, EnumValue, MethodView, Moment, Schema, fields, idempotent
from emergency.http.permissions import Permission, requires
from emergency.http.request import current_actor, session
from kernel.errors import N_, Invalid

blueprint = Blueprint("api_drill_learning_writing", __name__, url_prefix="/api/v1/drills", description="Learning")
EDIT = Permission.DRILLS_EDIT
_LONG = ma.validate.Length(max=2000)


class DrillSheetLineOut(Schema):
    """One objective of the draft."""

    id = fields.Integer()
    objective = fields.String()
    rating = EnumValue(Rating, allow_none=True)


class DrillOwnSheetOut(Schema):
    """The evaluator's own sheet; what it observes stays sealed."""

    id = fields.Integer()
    occurrence_id = fields.Integer()
    state = EnumValue(SheetState)
    version = fields.Integer()
    handed_in_at = Moment(allow_none=True)
    replaces_id = fields.Integer(allow_none=True)
    lines = fields.List(fields.Nested(DrillSheetLineOut))


class DrillSheetBeginIn(Schema):
    """`replaces_id` where it corrects the sheet that was handed in."""

    replaces_id = fields.Integer(load_default=None, allow_none=True)


class DrillSheetLineIn(Schema):
    """The judgement of one objective, by the id of its line."""

    id = fields.Integer(required=True)
    rating = EnumValue(Rating, load_default=None, allow_none=True)
    observation = fields.String(load_default="", validate=_LONG)


class DrillSheetIn(Schema):
    """The whole sheet as it stands now; with `hand_in` nobody changes it any more."""

    version = fields.Integer(required=True)
    lines = fields.List(fields.Nested(DrillSheetLineIn), required=True, validate=ma.validate.Length(max=60))
    tasks = fields.List(fields.Integer(), load_default=list, validate=ma.validate.Length(max=500))
    marks = fields.Dict(keys=fields.String(), values=EnumValue(Mark), load_default=dict)
    strengths = fields.String(load_default="", validate=_LONG)
    hand_in = fields.Boolean(load_default=False)


class DrillActionIn(Schema):
    """Who mends a finding by when: a post, or words for somebody without one."""

    text = fields.String(required=True, validate=ma.validate.Length(1, 2000))
    owner_words = fields.String(load_default="", validate=ma.validate.Length(max=100))
    owner_post_id = fields.Integer(load_default=None, allow_none=True)
    starts_on = fields.Date(load_default=None, allow_none=True)
    due_on = fields.Date(required=True)


class DrillProofIn(Schema):
    """What proves that it was done, in words; kept sealed. `by_post`: its post did it, not who writes."""

    proof = fields.String(required=True, validate=ma.validate.Length(1, 2000))
    by_post = fields.Boolean(load_default=False)


class DrillActionMoveIn(Schema):
    """The reason to reopen, drop or postpone; `due_on` where it gets another date."""

    reason = fields.String(load_default="", validate=_LONG)
    due_on = fields.Date(load_default=None, allow_none=True)


class DrillFindingEndIn(Schema):
    """Closed by proof or by the version that mends it; opened again with the reason."""

    proof = fields.String(load_default="", validate=_LONG)
    version_id = fields.Integer(load_default=None, allow_none=True)
    reason = fields.String(load_default="", validate=_LONG)


def _sheet(sheet_id: int) -> dict[str, Any]:
    whole = learning_sheets.own_sheet(session(), actor=current_actor(), sheet_id=sheet_id)
    row = whole.evaluation
    names = ("id", "occurrence_id", "state", "version", "handed_in_at", "replaces_id")
    return {name: getattr(row, name) for name in names} | {"lines": whole.ratings}


def _action(row: CorrectiveAction) -> dict[str, Any]:
    return shown_action(learning_lists.action_row(session(), actor=current_actor(), action_id=row.id))


@blueprint.route("/<int:occurrence_id>/sheets")
class DrillSheets(MethodView):
    """The evaluator's sheet of a drill."""

    @requires(EDIT)
    @idempotent
    @blueprint.arguments(DrillSheetBeginIn)
    @blueprint.response(201, DrillOwnSheetOut)
    def post(self, args: dict[str, Any], occurrence_id: int) -> dict[str, Any]:
        """Begin a sheet, or go on with the draft that is there."""
        return _sheet(learning.start_sheet(session(), actor=current_actor(), occurrence_id=occurrence_id, **args).id)


@blueprint.route("/sheets/<int:sheet_id>")
class DrillSheetOne(MethodView):
    """The evaluator's own sheet."""

    @requires(EDIT)
    @blueprint.response(200, DrillOwnSheetOut)
    def get(self, sheet_id: int) -> dict[str, Any]:
        """The lines to judge, and how they are judged so far."""
        return _sheet(sheet_id)

    @requires(EDIT)
    @blueprint.arguments(DrillSheetIn)
    @blueprint.response(200, DrillOwnSheetOut)
    def patch(self, args: dict[str, Any], sheet_id: int) -> dict[str, Any]:
        """Write the draft anew, or hand it in."""
        lines = {line["id"]: learning_sheets.Line(line["rating"], line["observation"]) for line in args.pop("lines")}
        ticks = args.pop("tasks")
        learning.save_sheet(session(), actor=current_actor(), sheet_id=sheet_id, lines=lines, ticks=ticks, **args)
        return _sheet(sheet_id)


@blueprint.route("/findings/<int:finding_id>/<any(close,reopen):what>")
class DrillFindingEnd(MethodView):
    """The end of a finding."""

    @requires(EDIT)
    @idempotent
    @blueprint.arguments(DrillFindingEndIn)
    @blueprint.response(200, DrillFindingOut)
    def post(self, args: dict[str, Any], finding_id: int, what: str) -> dict[str, Any]:
        """Close it by proof or by the version that mends it; open it again with the reason."""
        given: dict[str, Any] = {"actor": current_actor(), "finding_id": finding_id}
        if what == "reopen":
            return shown_finding(learning.reopen_finding(session(), **given, reason=args["reason"]))
        return shown_finding(
            learning.close_finding(session(), **given, proof=args["proof"], version_id=args["version_id"])
        )


@blueprint.route("/findings/<int:finding_id>/actions")
class DrillActionsOfOne(MethodView):
    """Who mends a finding."""

    @requires(EDIT)
    @idempotent
    @blueprint.arguments(DrillActionIn)
    @blueprint.response(201, DrillActionOut)
    def post(self, args: dict[str, Any], finding_id: int) -> dict[str, Any]:
        """Who mends it by when; the post is reminded before the date."""
        return _action(learning.add_action(session(), actor=current_actor(), finding_id=finding_id, **args))


@blueprint.route("/actions/<int:action_id>/finish")
class DrillActionFinish(MethodView):
    """Done."""

    @requires(EDIT)
    @idempotent
    @blueprint.arguments(DrillProofIn)
    @blueprint.response(200, DrillActionOut)
    def post(self, args: dict[str, Any], action_id: int) -> dict[str, Any]:
        """Done, with what proves it; somebody else verifies."""
        action, _finding = learning_actions.get_action(session(), actor=current_actor(), action_id=action_id)
        by_post = args["by_post"] and action.owner_post_id is not None
        return _action(
            learning.finish_action(
                session(), actor=current_actor(), action_id=action_id, proof=args["proof"],
                done_by=f"post:{action.owner_post_id}" if by_post else None,
            )
        )  # fmt: skip


@blueprint.route("/actions/<int:action_id>/<any(verify,reopen,drop,postpone):what>")
class DrillActionMove(MethodView):
    """What becomes of an action."""

    @requires(EDIT)
    @idempotent
    @blueprint.arguments(DrillActionMoveIn)
    @blueprint.response(200, DrillActionOut)
    def post(self, args: dict[str, Any], action_id: int, what: str) -> dict[str, Any]:
        """Verified by another than did it; reopened, dropped or postponed with the reason."""
        given: dict[str, Any] = {"actor": current_actor(), "action_id": action_id}
        if what == "verify":
            return _action(learning.verify_action(session(), **given))
        if what == "drop":
            return _action(learning.drop_action(session(), **given, reason=args["reason"]))
        if what == "reopen":
            return _action(learning.reopen_action(session(), **given, reason=args["reason"], due_on=args["due_on"]))
        learning_actions.get_action(session(), **given)
        if args["due_on"] is None:
            raise Invalid(N_("Say by when."), code="incomplete", fields={"due_on": N_("Fill this in.")})
        return _action(learning.postpone_action(session(), **given, reason=args["reason"], due_on=args["due_on"]))
