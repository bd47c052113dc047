"""JSON: versions with their whole text, redlines, the way to approval, review rounds, rules, the facts of a plan."""

from __future__ import annotations

from typing import Any

from emergency.http.api import Blueprint, EnumValue, MethodView, Moment, Schema, fields, idempotent
from emergency.http.permissions import Permission, requires
from emergency.http.request import current_actor, session
from emergency.plans import approval, editing, picking, reviewing, service
from emergency.plans.compare import RowChange, SectionChange, Sign, compare
from emergency.plans.drafting import ActionText, Draft, EvacuationText, LevelText, RelianceText, SectionText
from emergency.plans.models import Part, ResponseGrade, VersionState
from emergency.plans.queries import Text, today
from emergency.plans.review_models import ApprovalWay, CommentAnswer, RoundOutcome

blueprint = Blueprint("api_plan_versions", __name__, url_prefix="/api/v1/plans", description="Versions of plans")
VIEW, EDIT, APPROVE = Permission.PLANS_VIEW, Permission.PLANS_EDIT, Permission.PLANS_APPROVE


class SectionPart(Schema):
    """One section; `read` is the mark to give back when it is saved alone."""

    id = fields.Integer(dump_only=True)
    read = fields.Function(editing.digest, metadata={"type": "string"})
    number = fields.String(load_default="")
    heading = fields.String(required=True)
    body = fields.String(load_default="")
    depth = fields.Integer(load_default=1)
    part = EnumValue(Part, allow_none=True, load_default=None)


class ActionPart(Schema):
    """One act of a response level."""

    action = fields.String(required=True)
    post_id = fields.Integer(allow_none=True, load_default=None)
    actor_words = fields.String(load_default="")
    within_minutes = fields.Integer(allow_none=True, load_default=None)


class LevelPart(Schema):
    """One response level with its acts."""

    grade = EnumValue(ResponseGrade, required=True)
    trigger = fields.String(required=True)
    decided_by = fields.String(load_default="")
    actions = fields.List(fields.Nested(ActionPart), load_default=list)


class EvacuationPart(Schema):
    """One line of the evacuation list: exactly one of division, unit, household."""

    destination = fields.String(required=True)
    subject_code = fields.String(allow_none=True, load_default=None)
    unit_id = fields.Integer(allow_none=True, load_default=None)
    household_id = fields.Integer(allow_none=True, load_default=None)
    people = fields.Integer(load_default=0)
    route = fields.String(load_default="")
    means = fields.String(load_default="")
    post_id = fields.Integer(allow_none=True, load_default=None)
    grade = EnumValue(ResponseGrade, allow_none=True, load_default=None)
    within_hours = fields.Integer(allow_none=True, load_default=None)


class ReliancePart(Schema):
    """A post, item, depot, unit or agreement that the text counts on."""

    kind = fields.String(required=True)
    ref_id = fields.Integer(required=True)
    quantity = fields.Integer(allow_none=True, load_default=None)
    note = fields.String(load_default="")


class ApprovalOut(Schema):
    """The act of approval."""

    body = fields.String()
    way = EnumValue(ApprovalWay, allow_none=True)
    meeting = fields.String()
    decided_on = fields.Date()
    document_number = fields.String()


class VersionOut(Schema):
    """One version with its whole text, and who wrote, reviewed, approved it, when."""

    id = fields.Integer()
    plan_id = fields.Integer()
    number = fields.Integer()
    state = EnumValue(VersionState)
    version = fields.Integer(metadata={"description": "raised by every save and step; give back what was read"})
    parent_version_id = fields.Integer(allow_none=True)
    based_on_id = fields.Integer(allow_none=True)
    explanation = fields.String()
    author = fields.String()
    created_at = Moment()
    edited_at = Moment()
    submitted_at = Moment(allow_none=True)
    reviewed_by = fields.String(allow_none=True)
    reviewed_at = Moment(allow_none=True)
    approved_by = fields.String(allow_none=True)
    approved_at = Moment(allow_none=True)
    issued_on = fields.Date(allow_none=True)
    document_number = fields.String(allow_none=True)
    sections = fields.List(fields.Nested(SectionPart))
    levels = fields.List(fields.Nested(LevelPart))
    evacuation = fields.List(fields.Nested(EvacuationPart))
    reliances = fields.List(fields.Nested(ReliancePart))
    approval = fields.Nested(ApprovalOut, allow_none=True)


class DraftIn(Schema):
    """What is left out stays as it is; what is given replaces that part of the draft."""

    version = fields.Integer(required=True)
    sections = fields.List(fields.Nested(SectionPart), load_default=None)
    levels = fields.List(fields.Nested(LevelPart), load_default=None)
    evacuation = fields.List(fields.Nested(EvacuationPart), load_default=None)
    reliances = fields.List(fields.Nested(ReliancePart), load_default=None)
    explanation = fields.String(load_default=None)


def _whole(text: Text) -> dict[str, Any]:
    row = text.version
    own = ("id", "plan_id", "number", "state", "version", "parent_version_id", "based_on_id", "explanation", "author",
           "created_at", "edited_at", "submitted_at", "reviewed_by", "reviewed_at", "approved_by", "approved_at",
           "issued_on", "document_number")  # fmt: skip
    levels = [
        {"grade": level.grade, "trigger": level.trigger, "decided_by": level.decided_by,
         "actions": text.parts.actions[level.id]} for level in text.parts.levels
    ]  # fmt: skip
    return {name: getattr(row, name) for name in own} | {
        "sections": text.sections, "levels": levels, "evacuation": text.parts.evacuation,
        "reliances": text.parts.reliances, "approval": approval.approval_of(session(), row.id),
    }  # fmt: skip


def _read(version_id: int) -> dict[str, Any]:
    return _whole(service.version_text(session(), actor=current_actor(), version_id=version_id))


@blueprint.route("/versions/<int:version_id>")
class Version(MethodView):
    """One version."""

    @requires(VIEW)
    @blueprint.response(200, VersionOut)
    def get(self, version_id: int) -> dict[str, Any]:
        """The whole text."""
        return _read(version_id)

    @requires(EDIT)
    @blueprint.arguments(DraftIn)
    @blueprint.response(200, VersionOut)
    def put(self, given: dict[str, Any], version_id: int) -> dict[str, Any]:
        """Save a draft as it was read; 409 `version_conflict` where somebody saved since, 422 `phone_in_text`."""
        levels = given["levels"]
        draft = Draft(
            sections=None if given["sections"] is None else [SectionText(**s) for s in given["sections"]],
            levels=None if levels is None else [
                LevelText(one["grade"], one["trigger"], one["decided_by"], [ActionText(**a) for a in one["actions"]])
                for one in levels
            ],
            evacuation=None if given["evacuation"] is None else [EvacuationText(**e) for e in given["evacuation"]],
            reliances=None if given["reliances"] is None else [RelianceText(**r) for r in given["reliances"]],
            explanation=given["explanation"],
        )  # fmt: skip
        _check(draft)
        service.edit_draft(
            session(), actor=current_actor(), version_id=version_id, version=given["version"], draft=draft
        )
        session().expire_all()
        return _read(version_id)


def _check(draft: Draft) -> None:
    """What rows point at exists and lies in the actor's area."""
    for level in draft.levels or ():
        for action in level.actions:
            _points("post", action.post_id)
    for row in draft.evacuation or ():
        editing.one_subject(row)
        for kind, key in (("division", row.subject_code), ("unit", row.unit_id), ("household", row.household_id),
                          ("post", row.post_id)):  # fmt: skip
            _points(kind, key)
    for thing in draft.reliances or ():
        _points(thing.kind, thing.ref_id)


def _points(kind: str, key: Any) -> None:
    if key:
        picking.check(session(), actor=current_actor(), kind=kind, key=str(key))


class SectionIn(SectionPart):
    """One section to save; `read` is the mark that the version gave."""

    read = fields.String(required=True)  # type: ignore[assignment]  # given here, computed there


@blueprint.route("/versions/<int:version_id>/sections/<int:section_id>")
class OneSection(MethodView):
    """One section of a draft."""

    @requires(EDIT)
    @blueprint.arguments(SectionIn)
    @blueprint.response(200, SectionPart)
    def put(self, given: dict[str, Any], version_id: int, section_id: int) -> Any:
        """Save one section, if it still says what was read; others may write other sections meanwhile."""
        was = given.pop("read")
        return editing.save_section(
            session(), actor=current_actor(), version_id=version_id, section_id=section_id, was=was,
            text=SectionText(**given),
        )  # fmt: skip


class NewDraftIn(Schema):
    """Where the next draft starts from."""

    based_on_id = fields.Integer(load_default=None, metadata={"description": "an older version to restore"})


@blueprint.route("/<int:plan_id>/drafts")
class Drafts(MethodView):
    """Drafts of a plan."""

    @requires(EDIT)
    @idempotent
    @blueprint.arguments(NewDraftIn)
    @blueprint.response(201, VersionOut)
    def post(self, given: dict[str, Any], plan_id: int) -> dict[str, Any]:
        """Begin the next version from the text in force, or from an older one."""
        row = service.new_draft(session(), actor=current_actor(), plan_id=plan_id, based_on_id=given["based_on_id"])
        return _read(row.id)


class SpanOut(Schema):
    """`=` kept, `-` removed, `+` added."""

    op = fields.String()
    text = fields.String()


class RedlineLineOut(Schema):
    """One line: `=` as before, `-` removed, `+` added, `~` changed inside."""

    op = fields.String()
    spans = fields.List(fields.Nested(SpanOut))


class SectionChangeOut(Schema):
    """What became of one section."""

    sign = EnumValue(Sign)
    moved = fields.Boolean()
    old_position = fields.Integer(allow_none=True)
    new_position = fields.Integer(allow_none=True)
    title = fields.List(fields.Nested(SpanOut))
    body = fields.List(fields.Nested(RedlineLineOut))


class RedlineCellOut(Schema):
    """One cell of a row."""

    name = fields.String()
    spans = fields.List(fields.Nested(SpanOut))


class RowChangeOut(Schema):
    """What became of one row of a list."""

    sign = EnumValue(Sign)
    title = fields.String()
    cells = fields.List(fields.Nested(RedlineCellOut))


class RedlineOut(Schema):
    """Everything that differs between two versions."""

    old_id = fields.Integer()
    new_id = fields.Integer()
    counts = fields.Dict(keys=fields.String(), values=fields.Integer())
    sections = fields.List(fields.Nested(SectionChangeOut))
    lists = fields.Dict(keys=fields.String(), values=fields.List(fields.Nested(RowChangeOut)))
    explanation = fields.List(fields.Nested(RedlineLineOut))


class AgainstArgs(Schema):
    """Which older version to compare with."""

    against = fields.Integer(required=True)


def _section(change: SectionChange) -> dict[str, Any]:
    return {
        "sign": change.sign, "moved": change.moved, "title": change.title, "body": change.body,
        "old_position": change.old.position if change.old else None,
        "new_position": change.new.position if change.new else None,
    }  # fmt: skip


def _line(change: RowChange) -> dict[str, Any]:
    cells = [{"name": name, "spans": spans} for name, spans in change.cells]
    return {"sign": change.sign, "title": change.title, "cells": cells}


@blueprint.route("/versions/<int:version_id>/redline")
class Redline(MethodView):
    """The difference of two versions."""

    @requires(VIEW)
    @blueprint.arguments(AgainstArgs, location="query")
    @blueprint.response(200, RedlineOut)
    def get(self, given: dict[str, Any], version_id: int) -> dict[str, Any]:
        """What changed since `against`; the pieces that are not removed make the new text."""
        found = compare(session(), actor=current_actor(), old_id=given["against"], new_id=version_id)
        return {
            "old_id": given["against"], "new_id": version_id, "counts": found.counts,
            "sections": [_section(change) for change in found.sections],
            "lists": {name: [_line(row) for row in rows] for name, rows in found.lists.items()},
            "explanation": found.explanation,
        }  # fmt: skip


class StepIn(Schema):
    """One step on the way of a version, as it was read."""

    version = fields.Integer(required=True)
    reason = fields.String(load_default="", metadata={"description": "for return and reject"})
    issued_on = fields.Date(load_default=None, metadata={"description": "for issue"})
    document_number = fields.String(load_default="")
    body = fields.String(load_default="", metadata={"description": "for approve: the body that decided"})
    way = EnumValue(ApprovalWay, allow_none=True, load_default=None)
    meeting = fields.String(load_default="")
    decided_on = fields.Date(load_default=None)


def _step(what: str, version_id: int, given: dict[str, Any]) -> None:
    common: dict[str, Any] = {"actor": current_actor(), "version_id": version_id, "version": given["version"]}
    if what in ("return", "reject"):
        act = service.return_version if what == "return" else service.reject
        act(session(), reason=given["reason"], **common)
    elif what == "approve":
        decision = (
            approval.Decision(given["body"], given["decided_on"], given["way"], given["meeting"],
                              given["document_number"])
            if given["decided_on"] else None
        )  # fmt: skip
        service.approve(session(), decision=decision, **common)
    elif what == "issue":
        service.issue(
            session(), issued_on=given["issued_on"] or today(session()),
            document_number=given["document_number"], **common,
        )  # fmt: skip
    else:
        (service.submit if what == "submit" else service.pass_review)(session(), **common)


@blueprint.route("/versions/<int:version_id>/submit")
class Submit(MethodView):
    """To the review."""

    @requires(EDIT)
    @idempotent
    @blueprint.arguments(StepIn)
    @blueprint.response(200, VersionOut)
    def post(self, given: dict[str, Any], version_id: int) -> dict[str, Any]:
        """Submit the draft; 409 `unanswered_comments` while a comment has no answer."""
        _step("submit", version_id, given)
        return _read(version_id)


@blueprint.route("/versions/<int:version_id>/<any(pass,approve,return,reject,issue):what>")
class Decide(MethodView):
    """What another person decides about a text."""

    @requires(APPROVE)
    @idempotent
    @blueprint.arguments(StepIn)
    @blueprint.response(200, VersionOut)
    def post(self, given: dict[str, Any], version_id: int, what: str) -> dict[str, Any]:
        """Pass on, approve, return, reject (with a reason) or issue; 403 `four_eyes` for its author."""
        _step(what, version_id, given)
        return _read(version_id)


class CommentOut(Schema):
    """One comment and its answer."""

    id = fields.Integer(attribute="row.id")
    section_id = fields.Integer(attribute="row.section_id", allow_none=True)
    place = fields.String(attribute="row.place")
    text = fields.String()
    author = fields.String(attribute="row.author")
    at = Moment(attribute="row.at")
    answer = EnumValue(CommentAnswer, attribute="row.answer", allow_none=True)
    answer_text = fields.String()
    answered_by = fields.String(attribute="row.answered_by", allow_none=True)
    resolved_by = fields.String(attribute="row.resolved_by", allow_none=True)
    resolved_at = Moment(attribute="row.resolved_at", allow_none=True)


class RoundOut(Schema):
    """One round of review."""

    number = fields.Integer(attribute="row.number")
    opened_at = Moment(attribute="row.opened_at")
    closed_at = Moment(attribute="row.closed_at", allow_none=True)
    outcome = EnumValue(RoundOutcome, attribute="row.outcome", allow_none=True)
    comments = fields.List(fields.Nested(CommentOut))


class RoundsOut(Schema):
    """The rounds, the latest first."""

    items = fields.List(fields.Nested(RoundOut))


class CommentIn(Schema):
    """A comment on one section, or on the whole."""

    text = fields.String(required=True)
    section_id = fields.Integer(allow_none=True, load_default=None)


class AnswerIn(Schema):
    """The author's answer."""

    answer = EnumValue(CommentAnswer, required=True)
    text = fields.String(load_default="")


def _rounds(version_id: int) -> dict[str, Any]:
    return {"items": reviewing.rounds(session(), actor=current_actor(), version_id=version_id)}


@blueprint.route("/versions/<int:version_id>/comments")
class Comments(MethodView):
    """Comments on a text under review."""

    @requires(VIEW)
    @blueprint.response(200, RoundsOut)
    def get(self, version_id: int) -> dict[str, Any]:
        """Every round with its comments."""
        return _rounds(version_id)

    @requires(APPROVE)
    @idempotent
    @blueprint.arguments(CommentIn)
    @blueprint.response(201, RoundsOut)
    def post(self, given: dict[str, Any], version_id: int) -> dict[str, Any]:
        """Comment, by somebody who did not write the text."""
        reviewing.comment(session(), actor=current_actor(), version_id=version_id, **given)
        return _rounds(version_id)


@blueprint.route("/comments/<int:comment_id>/answer")
class Answer(MethodView):
    """The answer to a comment."""

    @requires(EDIT)
    @blueprint.arguments(AnswerIn)
    @blueprint.response(200, RoundsOut)
    def put(self, given: dict[str, Any], comment_id: int) -> dict[str, Any]:
        """Accepted and changed, or not accepted because of `text`."""
        row = reviewing.answer(
            session(), actor=current_actor(), comment_id=comment_id, said=given["answer"], text=given["text"]
        )
        return _rounds(row.version_id)


@blueprint.route("/comments/<int:comment_id>/resolve")
class Resolve(MethodView):
    """The end of a comment."""

    @requires(APPROVE)
    @blueprint.response(200, RoundsOut)
    def post(self, comment_id: int) -> dict[str, Any]:
        """The reviewer is content with the answer."""
        return _rounds(reviewing.resolve(session(), actor=current_actor(), comment_id=comment_id).version_id)
