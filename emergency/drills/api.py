"""JSON: drills and what is known about each."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from emergency.drills import (
    api_confirming,
    api_day,
    api_feeds,
    api_inspections,
    api_learning,
    api_learning_writing,
    api_programmes,
    api_rules,
    api_year,
    service,
)
from emergency.drills.models import Answered, Content, DrillKind, Form, OccurrenceState, Purpose
from emergency.drills.queries import Row
from emergency.http.api import (
    Blueprint,
    CursorArgs,
    EnumValue,
    MethodView,
    Moment,
    Page,
    Schema,
    fields,
    idempotent,
    page_of,
)
from emergency.http.permissions import Permission, requires
from emergency.http.request import current_actor, session
from kernel.clock import BEIJING
from scheduler.recurrence import Recurrence

blueprint = Blueprint("api_drills", __name__, url_prefix="/api/v1/drills", description="Drills")
BLUEPRINTS = [
    blueprint,
    api_feeds.blueprint,
    api_programmes.blueprint,
    api_confirming.blueprint,
    api_day.blueprint,
    *api_rules.BLUEPRINTS,
    api_inspections.blueprint,
    api_learning.blueprint,
    api_learning_writing.blueprint,
    api_year.blueprint,
]
RECORD_ID = ma.validate.Range(min=1, max=2**53)


class DrillOut(Schema):
    """One date of a drill."""

    id = fields.Integer()
    programme_id = fields.Integer()
    title = fields.String()
    kind = EnumValue(DrillKind)
    division_code = fields.String()
    unit_id = fields.Integer(allow_none=True)
    owner = fields.String()
    starts_at = Moment()
    ends_at = Moment()
    provisional = fields.Boolean()
    state = EnumValue(OccurrenceState)
    asked = fields.Integer()
    answered = fields.Integer()


class DrillInvitationOut(Schema):
    """One asked post and the answer that stands."""

    post_id = fields.Integer()
    invited_at = Moment()
    answer = EnumValue(Answered, allow_none=True)
    answered_at = Moment(allow_none=True)
    means = fields.String(allow_none=True)


class DrillRecordOut(Schema):
    """What happened."""

    started_at = Moment()
    ended_at = Moment()
    attendance = fields.Integer()
    expected = fields.Integer(allow_none=True)
    evacuation_seconds = fields.Integer(allow_none=True)


class DrillWholeOut(DrillOut):
    """One date with its invitations and its record."""

    form = EnumValue(Form)
    place = fields.String()
    invitations = fields.List(fields.Nested(DrillInvitationOut))
    record = fields.Nested(DrillRecordOut, allow_none=True)


class DrillIn(Schema):
    """One drill that does not come again; what does is a programme."""

    title = fields.String(required=True, validate=ma.validate.Length(min=1, max=150))
    kind = EnumValue(DrillKind, required=True)
    form = EnumValue(Form, required=True)
    content = EnumValue(Content)
    purpose = EnumValue(Purpose)
    division_code = fields.String(required=True, validate=ma.validate.Length(equal=12))
    unit_id = fields.Integer(allow_none=True, validate=RECORD_ID)
    starts_at = Moment(required=True)
    duration_minutes = fields.Integer(validate=ma.validate.Range(min=1, max=1440))
    target_seconds = fields.Integer(allow_none=True, validate=ma.validate.Range(min=1, max=86_400))
    place = fields.String(validate=ma.validate.Length(max=100))
    plan_id = fields.Integer(allow_none=True, validate=RECORD_ID)
    post_ids = fields.List(fields.Integer(validate=RECORD_ID), validate=ma.validate.Length(max=100))
    rule_ids = fields.List(fields.Integer(validate=RECORD_ID), validate=ma.validate.Length(max=100))


class DrillArgs(CursorArgs):
    """The query of the list."""

    state = EnumValue(OccurrenceState, load_default=None)
    kind = EnumValue(DrillKind, load_default=None)
    start = Moment(load_default=None, metadata={"description": "not before"})
    end = Moment(load_default=None, metadata={"description": "before"})


def _drill(row: Row) -> dict[str, Any]:
    o = row.occurrence
    return {
        "id": o.id, "programme_id": o.programme_id, "title": o.title, "kind": o.kind,
        "division_code": o.division_code, "unit_id": o.unit_id, "owner": row.owner, "starts_at": o.starts_at,
        "ends_at": o.ends_at, "provisional": o.provisional, "state": o.state, "asked": row.asked,
        "answered": row.answered,
    }  # fmt: skip


def _whole(occurrence_id: int) -> dict[str, Any]:
    whole = service.get(session(), actor=current_actor(), occurrence_id=occurrence_id)
    return _drill(whole.row) | {
        "form": whole.programme.form, "place": whole.programme.place, "invitations": whole.invitations,
        "record": whole.record,
    }  # fmt: skip


@blueprint.route("")
class Drills(MethodView):
    """Drills."""

    @requires(Permission.DRILLS_VIEW)
    @blueprint.arguments(DrillArgs, location="query")
    @blueprint.response(200, page_of(DrillOut))
    def get(self, args: dict[str, Any]) -> Page[dict[str, Any]]:
        """The dates of drills within the token's area."""
        return service.list_occurrences(session(), actor=current_actor(), **args).map(_drill)

    @requires(Permission.DRILLS_EDIT)
    @idempotent
    @blueprint.arguments(DrillIn)
    @blueprint.response(201, DrillWholeOut)
    def post(self, data: dict[str, Any]) -> dict[str, Any]:
        """Enter one drill at one time, within 13 months; nobody is asked by this."""
        starts_at = data.pop("starts_at")
        local = starts_at.astimezone(BEIJING)
        facts = service.NewProgramme(**data, recurrence=Recurrence.listed([local.date()]), start_time=local.time())
        made = service.plan_once(session(), actor=current_actor(), starts_at=starts_at, facts=facts)
        return _whole(made.id)


@blueprint.route("/<int:occurrence_id>")
class Drill(MethodView):
    """One drill."""

    @requires(Permission.DRILLS_VIEW)
    @blueprint.response(200, DrillWholeOut)
    def get(self, occurrence_id: int) -> dict[str, Any]:
        """One date with its invitations and its record."""
        return _whole(occurrence_id)
