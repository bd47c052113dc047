"""JSON: a plan from a file, in three steps as on the page: upload, what was read (nothing is written yet), confirm."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

import marshmallow as ma
from flask_smorest.fields import Upload

from emergency.http.api import Blueprint, CursorArgs, EnumValue, MethodView, Moment, Schema, fields
from emergency.http.i18n import gettext
from emergency.http.permissions import Permission, requires
from emergency.http.request import config, current_actor, database, own_transaction, session
from emergency.people.posts.models import Duty
from emergency.plans.importing import confirm as confirming
from emergency.plans.importing import runs
from emergency.plans.importing.confirm import Choices, Decision, Places
from emergency.plans.importing.models import PlanImport, PlanImportState
from emergency.plans.importing.people import PLACEHOLDER, Person
from emergency.plans.models import Hazard, Part, PlanKind, PlanLevel
from emergency.plans.service import NewPlan
from emergency.privacy.vault import mask_name, mask_phone

blueprint = Blueprint(
    "api_plan_imports", __name__, url_prefix="/api/v1/plan-imports", description="Plans from Word files and texts"
)
EDIT = Permission.PLANS_EDIT
LONGEST = 200_000
ACTIONS = (confirming.POST, confirming.LEAVE_OUT, confirming.KEEP)


class PlanFileBody(Schema):
    """The file of a multipart upload."""

    class Meta:
        unknown = ma.EXCLUDE

    file = Upload(metadata={"description": ".docx, .txt, .md; .doc, .wps and .pdf are kept beside a typed outline"})


class PlanFileForm(Schema):
    """What stands beside the file."""

    class Meta:
        unknown = ma.EXCLUDE

    typed = fields.String(load_default="", validate=ma.validate.Length(max=LONGEST))
    plan_id = fields.Integer(
        load_default=None, allow_none=True, validate=ma.validate.Range(1, 2**63 - 1),
        metadata={"description": "the plan whose next version it is; left out for a new plan"},
    )  # fmt: skip


UPLOAD = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "properties": {
                    "file": {"type": "string", "format": "binary"},
                    "typed": {"type": "string", "maxLength": LONGEST},
                    "plan_id": {"type": "integer", "format": "int64", "minimum": 1},
                },
            }
        }
    },
}
"""File and fields travel in one body, which two schemas cannot describe together."""


class ImportFailureOut(Schema):
    """Why a file was not read."""

    code = fields.String()
    message = fields.String()


class ReadSectionOut(Schema):
    """One heading as it will stand."""

    number = fields.String()
    heading = fields.String()
    depth = fields.Integer()
    part = EnumValue(Part, allow_none=True)


class SuggestedOut(Schema):
    """What the file itself says should become of somebody."""

    action = fields.String()
    duty = EnumValue(Duty, allow_none=True)
    division_code = fields.String()


class ReadPersonOut(Schema):
    """Somebody named with a number; name and numbers masked."""

    key = fields.Integer()
    at = fields.Integer(metadata={"description": "paragraph"})
    name = fields.String()
    phones = fields.List(fields.String())
    mobile = fields.Boolean()
    suggested = fields.Nested(SuggestedOut)


class ReadRemarkOut(Schema):
    """Something that whoever imports should know; what the remark quotes is on the page only."""

    code = fields.String()
    at = fields.Integer()
    message = fields.String()


class ReadOut(Schema):
    """What was read."""

    kind = fields.String()
    title = fields.String()
    sections = fields.List(fields.Nested(ReadSectionOut))
    people = fields.List(fields.Nested(ReadPersonOut))
    levels = fields.Integer(metadata={"description": "response levels that can be taken over"})
    evacuation = fields.Integer(metadata={"description": "rows of evacuation tables"})
    evacuation_matched = fields.Integer(metadata={"description": "of them with a place of ours"})
    missing_parts = fields.List(EnumValue(Part))
    remarks = fields.List(fields.Nested(ReadRemarkOut))


class PlanImportOut(Schema):
    """How far an import is."""

    id = fields.Integer()
    state = EnumValue(PlanImportState)
    plan_id = fields.Integer(allow_none=True)
    version_id = fields.Integer(allow_none=True)
    size = fields.Integer()
    created_at = Moment()
    finished_at = Moment(allow_none=True)
    failure = fields.Nested(ImportFailureOut, allow_none=True)


class PlanImportWholeOut(PlanImportOut):
    """How far an import is, and while it waits to be confirmed what was read."""

    read = fields.Nested(ReadOut, allow_none=True)


class PlanImportsOut(Schema):
    """One's own imports."""

    items = fields.List(fields.Nested(PlanImportOut))


class NewPlanBody(Schema):
    """The plan that the text becomes, where it is a new one."""

    kind = EnumValue(PlanKind, required=True)
    level = EnumValue(PlanLevel, required=True)
    title = fields.String(required=True, validate=ma.validate.Length(1, 200))
    division_code = fields.String(required=True, validate=ma.validate.Regexp(r"^\d{12}\Z"))
    issuer = fields.String(required=True, validate=ma.validate.Length(1, 200))
    hazards = fields.List(EnumValue(Hazard), required=True, validate=ma.validate.Length(1))
    parent_id = fields.Integer(load_default=None, allow_none=True, validate=ma.validate.Range(1, 2**63 - 1))
    public = fields.Boolean(load_default=False)
    evaluate_months = fields.Integer(load_default=None, allow_none=True, validate=ma.validate.Range(1, 120))


class DecisionBody(Schema):
    """What becomes of one entry of a list of telephones."""

    key = fields.Integer(required=True)
    action = fields.String(required=True, validate=ma.validate.OneOf(ACTIONS))
    duty = EnumValue(Duty, load_default=None, allow_none=True)
    division_code = fields.String(load_default="", validate=ma.validate.Regexp(r"^(\d{12})?\Z"))


class ConfirmImportBody(Schema):
    """What whoever confirms has decided. People who are not named are left out of the text."""

    new = fields.Nested(NewPlanBody, load_default=None, allow_none=True)
    people = fields.List(
        fields.Nested(DecisionBody), load_default=list, validate=ma.validate.Length(max=confirming.MOST_PEOPLE)
    )
    levels = fields.Boolean(load_default=False)
    evacuation = fields.Boolean(load_default=False)


class ConfirmedOut(Schema):
    """The draft that was made."""

    plan_id = fields.Integer()
    version_id = fields.Integer()


def _run(run: PlanImport) -> dict[str, Any]:
    failure = runs.failure_of(run)
    names = ("id", "state", "plan_id", "version_id", "size", "created_at", "finished_at")
    said = {"code": failure.code, "message": failure.text(gettext)} if failure else None
    return {name: getattr(run, name) for name in names} | {"failure": said}


def _read(run: PlanImport) -> dict[str, Any] | None:
    work, actor = session(), current_actor()
    result = runs.result_of(work, run) if run.state is PlanImportState.READY else None
    if result is None:
        return None
    places = Places.within(work, actor, None)
    suggested = confirming.suggested(result.people, places, actor.division_code or "")
    matched = confirming.matched(result.evacuation, places)
    return {
        "kind": result.kind, "title": PLACEHOLDER.sub("", result.title), "levels": len(result.levels),
        "sections": [
            {"number": s.number, "heading": PLACEHOLDER.sub("", s.heading), "depth": s.depth, "part": s.part}
            for s in result.sections
        ],
        "people": [_person(person, suggested[person.key]) for person in result.people],
        "evacuation": len(matched), "evacuation_matched": sum(code is not None for _row, code in matched),
        "missing_parts": confirming.missing(PlanKind.SPECIAL, result),
        "remarks": [{"code": r.code, "at": r.at, "message": r.words(gettext)} for r in result.remarks],
    }  # fmt: skip


def _person(person: Person, suggested: Decision) -> dict[str, Any]:
    phones = [mask_phone(re.sub(r"\D", "", unicodedata.normalize("NFKC", phone))) for phone in person.phones]
    return {
        "key": person.key, "at": person.at, "name": mask_name(person.name) if person.name else "", "phones": phones,
        "mobile": person.mobile, "suggested": suggested,
    }  # fmt: skip


@blueprint.route("")
class PlanImports(MethodView):
    """Imports."""

    @requires(EDIT)
    @blueprint.arguments(CursorArgs, location="query")
    @blueprint.response(200, PlanImportsOut)
    def get(self, args: dict[str, Any]) -> dict[str, Any]:
        """One's own imports, the latest first."""
        found = runs.list_runs(session(), actor=current_actor(), limit=args["limit"])
        return {"items": [_run(run) for run in found]}

    @requires(EDIT)
    @own_transaction
    @blueprint.doc(requestBody=UPLOAD)
    @blueprint.arguments(PlanFileBody, location="files")
    @blueprint.arguments(PlanFileForm, location="form", content_type="multipart/form-data")
    @blueprint.response(202, PlanImportOut)
    def post(self, files: dict[str, Any], form: dict[str, Any]) -> dict[str, Any]:
        """Take a file; it is sealed, and read at the next tick. 422 `file_empty`, `file_too_large`."""
        file = files.get("file")
        limit = config().server.max_upload_mb * 1024 * 1024
        run_id = runs.upload(
            database(), file.stream.read(limit + 1) if file else b"", actor=current_actor(),
            name=(file.filename or "") if file else "", typed=form["typed"], plan_id=form["plan_id"], limit=limit,
        )  # fmt: skip
        with database().read() as reading:
            return _run(runs.seen(reading, actor=current_actor(), run_id=run_id))


@blueprint.route("/<int:run_id>")
class OnePlanImport(MethodView):
    """One import."""

    @requires(EDIT)
    @blueprint.response(200, PlanImportWholeOut)
    def get(self, run_id: int) -> dict[str, Any]:
        """How far it is; what was read while it waits to be confirmed. Nothing of a plan is written yet."""
        run = runs.seen(session(), actor=current_actor(), run_id=run_id)
        return _run(run) | {"read": _read(run)}

    @requires(EDIT)
    @blueprint.response(204)
    def delete(self, run_id: int) -> None:
        """Forget the file and what was read from it."""
        runs.discard(session(), actor=current_actor(), run_id=run_id)


@blueprint.route("/<int:run_id>/confirm")
class PlanImportConfirmed(MethodView):
    """The decision."""

    @requires(EDIT)
    @own_transaction
    @blueprint.arguments(ConfirmImportBody)
    @blueprint.response(201, ConfirmedOut)
    def post(self, given: dict[str, Any], run_id: int) -> dict[str, Any]:
        """Make the draft: all of it or nothing. 409 `wrong_state`, `in_work`; 422 `plan_required`, `duty_required`,
        `phone_in_text`."""
        people = {row.pop("key"): Decision(**row) for row in given["people"]}
        new = NewPlan(**given["new"]) if given["new"] else None
        plan_id, version_id = confirming.confirm(
            database(), actor=current_actor(), run_id=run_id,
            choices=Choices(None, new, people, given["levels"], given["evacuation"]),
        )  # fmt: skip
        return {"plan_id": plan_id, "version_id": version_id}
