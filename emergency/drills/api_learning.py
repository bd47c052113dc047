"""JSON: objectives, sheets, findings, corrective actions, reports. Nothing sealed is in it."""

from __future__ import annotations

from typing import Any

from emergency.drills import learning, learning_lists, learning_reports
from emergency.drills.learning_lists import ActionRow, FindingRow
from emergency.drills.learning_models import (
    ActionState,
    Cause,
    CorrectiveAction,
    DrillReport,
    Finding,
    FindingState,
    Rating,
    Said,
    Severity,
    SheetState,
)
from emergency.drills.learning_whole import gather
from emergency.drills.models import DrillKind, DrillRule, Occurrence
from emergency.http.api import Blueprint, CursorArgs, EnumValue, MethodView, Moment, Page, Schema, fields, page_of
from emergency.http.permissions import Permission, requires
from emergency.http.request import current_actor, session

blueprint = Blueprint("api_drill_learning", __name__, url_prefix="/api/v1/drills", description="What drills taught")


class DrillObjectiveOut(Schema):
    """One objective and what the evaluators said of it together."""

    words = fields.String()
    capability = fields.String()
    target = fields.String()
    worst = EnumValue(Rating, allow_none=True)
    best = EnumValue(Rating, allow_none=True)
    sheets = fields.Integer()


class DrillRatingOut(Schema):
    """One line of a sheet; the observation stays sealed."""

    objective = fields.String()
    rating = EnumValue(Rating, allow_none=True)


class DrillSheetOut(Schema):
    """One evaluator's sheet as it was handed in."""

    id = fields.Integer()
    state = EnumValue(SheetState)
    handed_in_at = Moment(allow_none=True)
    replaces_id = fields.Integer(allow_none=True)
    ratings = fields.List(fields.Nested(DrillRatingOut))


class DrillFindingOut(Schema):
    """Something that must get better."""

    id = fields.Integer()
    occurrence_id = fields.Integer()
    text = fields.String()
    root_cause = fields.String()
    cause = EnumValue(Cause, allow_none=True)
    severity = EnumValue(Severity)
    plan_id = fields.Integer(allow_none=True)
    recurs_id = fields.Integer(allow_none=True)
    state = EnumValue(FindingState)
    closed_by_version_id = fields.Integer(allow_none=True)
    found_at = Moment()
    version = fields.Integer()


class DrillActionOut(Schema):
    """Who mends a finding by when."""

    id = fields.Integer()
    finding_id = fields.Integer()
    text = fields.String()
    owner = fields.String()
    owner_post_id = fields.Integer(allow_none=True)
    starts_on = fields.Date(allow_none=True)
    due_on = fields.Date()
    state = EnumValue(ActionState)
    overdue = fields.Boolean()
    said = EnumValue(Said, allow_none=True)
    said_until = fields.Date(allow_none=True)
    version = fields.Integer()


class DrillReportOut(Schema):
    """A report that a rule asks for."""

    id = fields.Integer()
    occurrence_id = fields.Integer()
    rule = fields.String()
    to_whom = fields.String()
    due_on = fields.Date()
    provisional = fields.Boolean()
    filed_on = fields.Date(allow_none=True)
    reference = fields.String()


class DrillLearningOut(Schema):
    """What one drill taught."""

    objectives = fields.List(fields.Nested(DrillObjectiveOut))
    sheets = fields.List(fields.Nested(DrillSheetOut))
    findings = fields.List(fields.Nested(DrillFindingOut))


class DrillFindingArgs(CursorArgs):
    """The query of the list of findings."""

    state = EnumValue(FindingState, load_default=None)
    cause = EnumValue(Cause, load_default=None)
    kind = EnumValue(DrillKind, load_default=None)


class DrillActionArgs(CursorArgs):
    """The query of the list of actions."""

    state = EnumValue(ActionState, load_default=None)
    kind = EnumValue(DrillKind, load_default=None)
    overdue = fields.Boolean(load_default=False)


class DrillFindingIn(Schema):
    """A new finding."""

    text = fields.String(required=True)
    root_cause = fields.String(load_default="")
    cause = EnumValue(Cause, load_default=None, allow_none=True)
    severity = EnumValue(Severity, load_default=Severity.MINOR)
    plan_id = fields.Integer(load_default=None, allow_none=True)
    recurs_id = fields.Integer(load_default=None, allow_none=True)


def shown_finding(finding: Finding) -> dict[str, Any]:
    return {name: getattr(finding, name) for name in (
        "id", "occurrence_id", "text", "root_cause", "cause", "severity", "plan_id", "recurs_id", "state",
        "closed_by_version_id", "found_at", "version",
    )}  # fmt: skip


def shown_action(row: ActionRow) -> dict[str, Any]:
    """An action as JSON; what proves it stays sealed."""
    action: CorrectiveAction = row.action
    return {name: getattr(action, name) for name in (
        "id", "finding_id", "text", "owner_post_id", "starts_on", "due_on", "state", "said", "said_until", "version",
    )} | {"owner": row.owner, "overdue": row.overdue}  # fmt: skip


def _report(row: tuple[DrillReport, Occurrence, DrillRule]) -> dict[str, Any]:
    report, _drill, rule = row
    return {name: getattr(report, name) for name in (
        "id", "occurrence_id", "to_whom", "due_on", "provisional", "filed_on", "reference"
    )} | {"rule": rule.key}  # fmt: skip


@blueprint.route("/<int:occurrence_id>/learning")
class DrillLearning(MethodView):
    """What one drill taught."""

    @requires(Permission.DRILLS_VIEW)
    @blueprint.response(200, DrillLearningOut)
    def get(self, occurrence_id: int) -> dict[str, Any]:
        """Objectives with their ratings, the sheets, the findings."""
        whole = gather(session(), actor=current_actor(), occurrence_id=occurrence_id)
        return {
            "objectives": [
                {"words": j.words, "capability": j.capability, "target": j.target,
                 "worst": j.summary.worst if j.summary else None, "best": j.summary.best if j.summary else None,
                 "sheets": j.summary.sheets if j.summary else 0}
                for j in whole.judged
            ],
            "sheets": [
                {"id": s.evaluation.id, "state": s.evaluation.state, "handed_in_at": s.evaluation.handed_in_at,
                 "replaces_id": s.evaluation.replaces_id, "ratings": s.ratings}
                for s in whole.sheets
                if s.evaluation.state is not SheetState.DRAFT
            ],
            "findings": [shown_finding(finding) for finding in whole.findings],
        }  # fmt: skip


@blueprint.route("/<int:occurrence_id>/findings")
class DrillFindingsOfOne(MethodView):
    """Findings of one drill."""

    @requires(Permission.DRILLS_EDIT)
    @blueprint.arguments(DrillFindingIn)
    @blueprint.response(201, DrillFindingOut)
    def post(self, args: dict[str, Any], occurrence_id: int) -> dict[str, Any]:
        """Write down a finding."""
        return shown_finding(
            learning.add_finding(session(), actor=current_actor(), occurrence_id=occurrence_id, **args)
        )


@blueprint.route("/findings")
class DrillFindings(MethodView):
    """Findings."""

    @requires(Permission.DRILLS_VIEW)
    @blueprint.arguments(DrillFindingArgs, location="query")
    @blueprint.response(200, page_of(DrillFindingOut))
    def get(self, args: dict[str, Any]) -> Page[dict[str, Any]]:
        """The findings within the token's area, the open ones first."""

        def row(found: FindingRow) -> dict[str, Any]:
            return shown_finding(found.finding)

        return learning_lists.list_findings(session(), actor=current_actor(), **args).map(row)


@blueprint.route("/actions")
class DrillActions(MethodView):
    """Corrective actions."""

    @requires(Permission.DRILLS_VIEW)
    @blueprint.arguments(DrillActionArgs, location="query")
    @blueprint.response(200, page_of(DrillActionOut))
    def get(self, args: dict[str, Any]) -> Page[dict[str, Any]]:
        """The actions within the token's area, the overdue first."""
        return learning_lists.list_actions(session(), actor=current_actor(), **args).map(shown_action)


@blueprint.route("/reports")
class DrillReports(MethodView):
    """Reports to supervising departments."""

    @requires(Permission.DRILLS_VIEW)
    @blueprint.arguments(CursorArgs, location="query")
    @blueprint.response(200, page_of(DrillReportOut))
    def get(self, args: dict[str, Any]) -> Page[dict[str, Any]]:
        """The reports within the token's area, those not filed first."""
        return learning_reports.list_reports(session(), actor=current_actor(), **args).map(_report)
