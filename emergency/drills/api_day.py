"""JSON of a drill's day: its clock, its injects, who came, notes. What may name people goes in and never comes out."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from emergency.drills import day_attendance, day_msel, day_notes, day_pages, day_rules, day_running
from emergency.drills.day_models import DayState, DrillInject, HeldBy, InjectState, InjectVia, Observed
from emergency.drills.day_msel import InjectFacts
from emergency.http.api import Blueprint, EnumValue, MethodView, Moment, Schema, fields, idempotent
from emergency.http.permissions import Permission, requires
from emergency.http.request import current_actor, session

blueprint = Blueprint("api_drill_day", __name__, url_prefix="/api/v1/drills", description="The day of a drill")
VIEW, EDIT, CONFIRM = Permission.DRILLS_VIEW, Permission.DRILLS_EDIT, Permission.DRILLS_CONFIRM


class DrillHoldOut(Schema):
    """A real thing for which the drill stands still."""

    source = EnumValue(HeldBy)
    source_id = fields.Integer()
    words = fields.String()
    at = Moment()


class DrillDayOut(Schema):
    """The clock of a drill: real times, the scenario's own time, its pace."""

    state = EnumValue(DayState)
    factor = fields.Integer()
    began_at = Moment(allow_none=True)
    ended_at = Moment(allow_none=True)
    scenario_seconds = fields.Integer()
    scenario_at = Moment()
    next_number = fields.Integer(allow_none=True)
    undecided = fields.List(fields.Integer())
    by_hand = fields.List(fields.Integer())
    held = fields.List(fields.Nested(DrillHoldOut))


class DrillDayIn(Schema):
    """What the director does with the clock."""

    factor = fields.Integer(load_default=None, validate=ma.validate.Range(1, day_rules.MAX_FACTOR))
    reason = fields.String(load_default="", validate=ma.validate.Length(max=500))


class DrillInjectOut(Schema):
    """One inject. Observations in words stay sealed."""

    id = fields.Integer()
    number = fields.Integer()
    offset_seconds = fields.Integer()
    postponed_seconds = fields.Integer()
    sender = fields.String()
    via = EnumValue(InjectVia)
    post_ids = fields.List(fields.Integer())
    message = fields.String()
    expected = fields.String()
    objective_id = fields.Integer(allow_none=True)
    controller = fields.String()
    tolerance_minutes = fields.Integer()
    state = EnumValue(InjectState)
    due_at = Moment(allow_none=True)
    done_at = Moment(allow_none=True)
    trouble = fields.String()
    observed = EnumValue(Observed, allow_none=True)
    observed_at = Moment(allow_none=True)
    version = fields.Integer()


class DrillInjectIn(Schema):
    """One inject to be put on the list."""

    number = fields.Integer(required=True, validate=ma.validate.Range(1, 9999))
    offset_seconds = fields.Integer(required=True, validate=ma.validate.Range(0, day_rules.MAX_OFFSET))
    sender = fields.String(required=True, validate=ma.validate.Length(1, 100))
    via = EnumValue(InjectVia, required=True)
    post_ids = fields.List(fields.Integer(), load_default=list, validate=ma.validate.Length(max=50))
    message = fields.String(required=True, validate=ma.validate.Length(1, 500))
    expected = fields.String(load_default="", validate=ma.validate.Length(max=500))
    objective_id = fields.Integer(load_default=None, allow_none=True)
    controller = fields.String(load_default="", validate=ma.validate.Length(max=100))
    tolerance_minutes = fields.Integer(load_default=10, validate=ma.validate.Range(0, 1440))


class DrillInjectsOut(Schema):
    """The list in the order of its scenario times; 200 injects at most."""

    items = fields.List(fields.Nested(DrillInjectOut))


class DrillReasonIn(Schema):
    """Why the director decides so; `minutes` of the scenario where it is postponed."""

    reason = fields.String(required=True, validate=ma.validate.Length(1, 500))
    minutes = fields.Integer(load_default=None, validate=ma.validate.Range(1, 1440))


class DrillSeenIn(Schema):
    """What the evaluator saw, at its own time; the words are sealed."""

    observed = EnumValue(Observed, required=True)
    at = Moment(required=True)
    words = fields.String(load_default="", validate=ma.validate.Length(max=1000))


class DrillHeadsRow(Schema):
    """One group."""

    id = fields.Integer()
    name = fields.String()
    expected = fields.Integer()
    at_the_door = fields.Integer()
    counted = fields.Integer(allow_none=True)
    present = fields.Integer()
    out_at = Moment(allow_none=True)


class DrillHeadsOut(Schema):
    """Heads against the list."""

    expected = fields.Integer()
    present = fields.Integer()
    elsewhere = fields.Integer()
    missing = fields.List(fields.String())
    evacuation_seconds = fields.Integer(allow_none=True)
    groups = fields.List(fields.Nested(DrillHeadsRow))


class DrillCountIn(Schema):
    """A count by hand; null takes it back."""

    people = fields.Integer(required=True, allow_none=True, validate=ma.validate.Range(0, 100_000))


class DrillNoteIn(Schema):
    """One note with its original time."""

    at = Moment(required=True)
    text = fields.String(required=True, validate=ma.validate.Length(1, 1000))
    who = fields.String(load_default="", validate=ma.validate.Length(max=40))


class DrillNoteOut(Schema):
    """That a note is kept; its words and its writer stay sealed."""

    id = fields.Integer()
    at = Moment()
    recorded_at = Moment()


def _day(occurrence_id: int) -> dict[str, Any]:
    page = day_pages.page(session(), actor=current_actor(), occurrence_id=occurrence_id, language="zh")
    return {
        "state": page.state, "factor": page.day.factor if page.day else 1,
        "began_at": page.day.began_at if page.day else None, "ended_at": page.day.ended_at if page.day else None,
        "scenario_seconds": page.scenario_seconds, "scenario_at": page.scenario_at,
        "next_number": page.next.inject.number if page.next else None,
        "undecided": [line.inject.number for line in page.undecided],
        "by_hand": [line.inject.number for line in page.by_hand], "held": page.held,
    }  # fmt: skip


def _inject(inject: DrillInject) -> dict[str, Any]:
    item = day_msel.with_posts(session(), [inject])[0]
    return _item(item)


def _item(item: day_msel.Item) -> dict[str, Any]:
    names = DrillInjectOut._declared_fields.keys() - {"post_ids"}
    return {name: getattr(item.inject, name) for name in names} | {"post_ids": item.post_ids}


@blueprint.route("/<int:occurrence_id>/day")
class DrillDays(MethodView):
    """The clock of a drill."""

    @requires(VIEW)
    @blueprint.response(200, DrillDayOut)
    def get(self, occurrence_id: int) -> Any:
        """Where the drill stands and what comes next."""
        return _day(occurrence_id)


@blueprint.route("/<int:occurrence_id>/day/<any(start,pause,resume,end):what>")
class DrillDayControl(MethodView):
    """The director's hand on the clock."""

    @requires(EDIT)
    @idempotent
    @blueprint.arguments(DrillDayIn)
    @blueprint.response(200, DrillDayOut)
    def post(self, data: dict[str, Any], occurrence_id: int, what: str) -> Any:
        """Start, pause, resume or end the drill; `factor` only where it starts or goes on, `reason` also where it does
        so although a red warning or a real response is in force there (409 `real_in_force`)."""
        given: dict[str, Any] = {"actor": current_actor(), "occurrence_id": occurrence_id}
        if what == "start":
            day_running.start(session(), **given, factor=data["factor"] or 1, reason=data["reason"])
        elif what == "pause":
            day_running.pause(session(), **given, reason=data["reason"])
        elif what == "resume":
            day_running.resume(session(), **given, factor=data["factor"], reason=data["reason"])
        else:
            day_running.end(session(), **given)
        return _day(occurrence_id)


@blueprint.route("/<int:occurrence_id>/injects")
class DrillInjects(MethodView):
    """The list of injects."""

    @requires(VIEW)
    @blueprint.response(200, DrillInjectsOut)
    def get(self, occurrence_id: int) -> Any:
        """Every inject of a drill with its state."""
        owner = day_msel.owner_of(session(), actor=current_actor(), occurrence_id=occurrence_id)
        return {"items": [_item(item) for item in day_msel.items(session(), owner)]}

    @requires(EDIT)
    @idempotent
    @blueprint.arguments(DrillInjectIn)
    @blueprint.response(201, DrillInjectOut)
    def post(self, data: dict[str, Any], occurrence_id: int) -> Any:
        """Put one inject on the list; words that claim to be real are refused."""
        owner = day_msel.owner_of(session(), actor=current_actor(), occurrence_id=occurrence_id)
        day_msel.require_editable(session(), actor=current_actor(), owner=owner)
        if owner.occurrence is not None:
            day_msel.ensure_day(session(), owner.occurrence)
        return _inject(day_msel.add(session(), actor=current_actor(), owner=owner, facts=InjectFacts(**data)))


@blueprint.route("/injects/<int:inject_id>/<any(send,skip,postpone):what>")
class DrillInjectDecision(MethodView):
    """What the director decides about one inject."""

    @requires(EDIT)
    @idempotent
    @blueprint.arguments(DrillReasonIn)
    @blueprint.response(200, DrillInjectOut)
    def post(self, data: dict[str, Any], inject_id: int, what: str) -> Any:
        """Send it now, leave it out or postpone it, with the reason."""
        given: dict[str, Any] = {"actor": current_actor(), "inject_id": inject_id, "reason": data["reason"]}
        if what == "send":
            return _inject(day_running.send_now(session(), **given))
        if what == "skip":
            return _inject(day_running.skip(session(), **given))
        return _inject(day_running.postpone(session(), **given, minutes=data["minutes"] or 0))


@blueprint.route("/injects/<int:inject_id>/delivered")
class DrillInjectDelivered(MethodView):
    """What goes by hand."""

    @requires(CONFIRM)
    @idempotent
    @blueprint.response(200, DrillInjectOut)
    def post(self, inject_id: int) -> Any:
        """A controller delivered it now."""
        return _inject(day_running.delivered(session(), actor=current_actor(), inject_id=inject_id))


@blueprint.route("/injects/<int:inject_id>/observation")
class DrillInjectSeen(MethodView):
    """What was seen of the expected action."""

    @requires(CONFIRM)
    @idempotent
    @blueprint.arguments(DrillSeenIn)
    @blueprint.response(200, DrillInjectOut)
    def post(self, data: dict[str, Any], inject_id: int) -> Any:
        """Done, partly or not, with its original time; the latest stands."""
        return _inject(day_running.observe(session(), actor=current_actor(), inject_id=inject_id, **data))


@blueprint.route("/<int:occurrence_id>/attendance")
class DrillAttendance(MethodView):
    """Who came."""

    @requires(VIEW)
    @blueprint.response(200, DrillHeadsOut)
    def get(self, occurrence_id: int) -> Any:
        """Heads by group against the list, and the seconds of the evacuation. Nobody by name."""
        occurrence = day_msel.occurrence_of(session(), actor=current_actor(), occurrence_id=occurrence_id)
        heads = day_attendance.attendance(session(), occurrence_id)
        watch = day_attendance.stopwatch(session(), occurrence, day_msel.day_of(session(), occurrence_id))
        return {
            "expected": heads.expected, "present": heads.present, "elsewhere": heads.elsewhere,
            "missing": [one.name for one in heads.missing], "evacuation_seconds": watch.whole,
            "groups": [
                {"id": row.group.id, "name": row.group.name, "expected": row.heads.expected, "out_at": row.group.out_at,
                 "at_the_door": row.heads.at_the_door, "counted": row.heads.counted, "present": row.heads.present}
                for row in heads.rows
            ],
        }  # fmt: skip


@blueprint.route("/groups/<int:group_id>/count")
class DrillGroupCount(MethodView):
    """A count by hand."""

    @requires(CONFIRM)
    @idempotent
    @blueprint.arguments(DrillCountIn)
    @blueprint.response(204)
    def post(self, data: dict[str, Any], group_id: int) -> None:
        """The count stands before what was said at the door."""
        day_attendance.count(session(), actor=current_actor(), group_id=group_id, people=data["people"])


@blueprint.route("/<int:occurrence_id>/notes")
class DrillNotes(MethodView):
    """Notes with original times."""

    @requires(CONFIRM)
    @idempotent
    @blueprint.arguments(DrillNoteIn)
    @blueprint.response(201, DrillNoteOut)
    def post(self, data: dict[str, Any], occurrence_id: int) -> Any:
        """Keep one note; the same drill, time and text once more is the same note."""
        return day_notes.add(session(), actor=current_actor(), occurrence_id=occurrence_id, **data)
