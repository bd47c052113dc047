"""JSON: programmes of drills; a change is previewed, and done only as it was seen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import marshmallow as ma

from emergency.drills import programme_queries, programmes
from emergency.drills.changing import Kept, Outcome
from emergency.drills.models import Content, DrillKind, Form, Programme, ProgrammeState, Purpose
from emergency.drills.planning import NewProgramme, create_programme
from emergency.drills.programmes import Preview
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
from scheduler.recurrence import Recurrence
from scheduler.recurrence_words import is_night, words_at

blueprint = Blueprint(
    "api_drill_programmes", __name__, url_prefix="/api/v1/drills/programmes", description="Drills: programmes"
)
_ID = ma.validate.Range(min=1, max=2**53)


class ProgrammeFacts(Schema):
    """What a programme is made of. Leave out what shall stay as it is (or be the default)."""

    title = fields.String(validate=ma.validate.Length(min=1, max=150))
    kind = EnumValue(DrillKind)
    form = EnumValue(Form)
    content = EnumValue(Content)
    purpose = EnumValue(Purpose)
    recurrence = fields.Dict(metadata={"description": "as `recurrence` of the answer"})
    start_time = fields.Time(format="%H:%M", metadata={"description": "of the day in Beijing"})
    ends_on = fields.Date(allow_none=True)
    duration_minutes = fields.Integer(validate=ma.validate.Range(min=1, max=1440))
    target_seconds = fields.Integer(allow_none=True, validate=ma.validate.Range(min=1, max=86_400))
    place = fields.String(validate=ma.validate.Length(max=100))
    plan_id = fields.Integer(allow_none=True, validate=_ID)
    post_ids = fields.List(fields.Integer(validate=_ID), validate=ma.validate.Length(max=100))
    rule_ids = fields.List(fields.Integer(validate=_ID), validate=ma.validate.Length(max=100))


class ProgrammeIn(ProgrammeFacts):
    """A new programme: of a division, or of a unit in it."""

    title = fields.String(required=True, validate=ma.validate.Length(min=1, max=150))
    kind = EnumValue(DrillKind, required=True)
    form = EnumValue(Form, required=True)
    recurrence = fields.Dict(required=True)
    start_time = fields.Time(format="%H:%M", required=True)
    division_code = fields.String(required=True, validate=ma.validate.Length(equal=12))
    unit_id = fields.Integer(allow_none=True, load_default=None, validate=_ID)
    backdated = fields.Boolean(
        load_default=False, metadata={"description": "write the dates before today too; their records follow"}
    )


class ProgrammeChangeIn(ProgrammeFacts):
    """A change, and the digest of the preview that was seen."""

    seen = fields.String(required=True, validate=ma.validate.Length(max=64))


class ProgrammeOut(Schema):
    """One programme."""

    id = fields.Integer()
    title = fields.String()
    kind = EnumValue(DrillKind)
    form = EnumValue(Form)
    content = EnumValue(Content)
    purpose = EnumValue(Purpose)
    division_code = fields.String()
    unit_id = fields.Integer(allow_none=True)
    owner = fields.String()
    plan_id = fields.Integer(allow_none=True)
    recurrence = fields.Dict()
    words = fields.String(metadata={"description": "the rule with its time of day in words"})
    start_time = fields.Time(format="%H:%M")
    night = fields.Boolean()
    ends_on = fields.Date(allow_none=True)
    duration_minutes = fields.Integer()
    target_seconds = fields.Integer(allow_none=True)
    place = fields.String()
    state = EnumValue(ProgrammeState)
    version = fields.Integer()


class ProgrammeLineOut(ProgrammeOut):
    """One programme in the list, with its next date."""

    next_at = Moment(allow_none=True)
    provisional = fields.Boolean(metadata={"description": "the next date may still move: holidays not announced"})


class ProgrammeDateOut(Schema):
    """One coming date."""

    id = fields.Integer()
    starts_at = Moment()
    provisional = fields.Boolean()


class ProgrammeWholeOut(ProgrammeOut):
    """One programme with who is asked, which rules it serves, and its coming dates."""

    post_ids = fields.List(fields.Integer())
    rule_ids = fields.List(fields.Integer())
    dates = fields.List(fields.Nested(ProgrammeDateOut))


class ProgrammeStepOut(Schema):
    """What becomes of one date."""

    id = fields.Integer(allow_none=True)
    before = Moment(allow_none=True)
    after = Moment(allow_none=True)
    provisional = fields.Boolean()
    asked = fields.Integer()
    why = EnumValue(Kept, allow_none=True)


class ProgrammePreviewOut(Schema):
    """What a change does: kept with the reason, moved, added, removed; `digest` seals it."""

    digest = fields.String()
    words = fields.String()
    next_dates = fields.List(fields.Date())
    kept = fields.List(fields.Nested(ProgrammeStepOut))
    moved = fields.List(fields.Nested(ProgrammeStepOut))
    added = fields.List(fields.Nested(ProgrammeStepOut))
    removed = fields.List(fields.Nested(ProgrammeStepOut))


class ProgrammeReasonIn(Schema):
    """Why."""

    reason = fields.String(required=True, validate=ma.validate.Length(min=1, max=500))


class ProgrammeRestOut(Schema):
    """What resting, ending or going on did."""

    id = fields.Integer()
    state = EnumValue(ProgrammeState)
    changed = fields.Integer(metadata={"description": "dates called off; on going on: written anew"})
    stayed = fields.Integer(metadata={"description": "dates that stay as posts have promised them; else: came back"})


class ProgrammeArgs(CursorArgs):
    """The query of the list."""

    state = EnumValue(ProgrammeState, load_default=None)
    kind = EnumValue(DrillKind, load_default=None)
    q = fields.String(load_default="", validate=ma.validate.Length(max=60))


def _out(programme: Programme, owner: str) -> dict[str, Any]:
    rule = Recurrence.from_json(programme.recurrence)
    names = ("id", "title", "kind", "form", "content", "purpose", "division_code", "unit_id", "plan_id", "recurrence",
             "start_time", "ends_on", "duration_minutes", "target_seconds", "place", "state", "version")  # fmt: skip
    return {name: getattr(programme, name) for name in names} | {
        "owner": owner, "words": words_at(rule, programme.start_time), "night": is_night(programme.start_time),
    }  # fmt: skip


def _whole(programme_id: int) -> dict[str, Any]:
    work = session()
    found = programme_queries.whole(work, actor=current_actor(), programme_id=programme_id)
    return _out(found.programme, found.owner) | {
        "post_ids": list(found.posts), "rule_ids": [rule.id for rule in found.rules], "dates": found.coming,
    }  # fmt: skip


def _given(data: dict[str, Any]) -> dict[str, Any]:
    """The facts that were sent, as a programme takes them."""
    facts = {name: value for name, value in data.items() if name != "seen"}
    if "recurrence" in facts:
        facts["recurrence"] = Recurrence.from_json(facts["recurrence"])
    for name in ("post_ids", "rule_ids"):
        if name in facts:
            facts[name] = tuple(dict.fromkeys(facts[name]))
    return facts


def _steps(result: Outcome) -> dict[str, list[dict[str, Any]]]:
    def row(before: Any, after: Any, why: Kept | None = None) -> dict[str, Any]:
        return {
            "id": before.id if before else None, "before": before.starts_at if before else None,
            "after": after.starts_at if after else None, "asked": before.asked if before else 0, "why": why,
            "provisional": bool(after and after.planned.provisional),
        }  # fmt: skip

    return {
        "kept": [row(s.before, s.after, s.why) for s in result.kept],
        "moved": [row(s.before, s.after) for s in result.moved],
        "added": [row(None, w) for w in result.added],
        "removed": [row(r, None) for r in result.removed],
    }


def _preview(seen: Preview) -> dict[str, Any]:
    return _steps(seen.outcome) | {
        "digest": seen.digest, "words": words_at(seen.facts.recurrence, seen.facts.start_time),
        "next_dates": [planned.on for planned in seen.next_dates],
    }  # fmt: skip


@blueprint.route("")
class Programmes(MethodView):
    """Programmes."""

    @requires(Permission.DRILLS_VIEW)
    @blueprint.arguments(ProgrammeArgs, location="query")
    @blueprint.response(200, page_of(ProgrammeLineOut))
    def get(self, args: dict[str, Any]) -> Page[dict[str, Any]]:
        """The programmes within the token's area, the newest first, each with its next date."""
        page = programme_queries.list_programmes(session(), actor=current_actor(), **args)
        return page.map(
            lambda line: _out(line.programme, line.owner) | {"next_at": line.next_at, "provisional": line.provisional}
        )

    @requires(Permission.DRILLS_EDIT)
    @idempotent
    @blueprint.arguments(ProgrammeIn)
    @blueprint.response(201, ProgrammeWholeOut)
    def post(self, data: dict[str, Any]) -> dict[str, Any]:
        """Enter a programme; its dates are written 13 months ahead."""
        facts = NewProgramme(**_given(data))
        return _whole(create_programme(session(), actor=current_actor(), facts=facts).id)


@blueprint.route("/<int:programme_id>")
class OneProgramme(MethodView):
    """One programme."""

    @requires(Permission.DRILLS_VIEW)
    @blueprint.response(200, ProgrammeWholeOut)
    def get(self, programme_id: int) -> dict[str, Any]:
        """One programme with its coming dates."""
        return _whole(programme_id)

    @requires(Permission.DRILLS_EDIT)
    @idempotent
    @blueprint.arguments(ProgrammeChangeIn)
    @blueprint.response(200, ProgrammeWholeOut)
    def patch(self, data: dict[str, Any], programme_id: int) -> dict[str, Any]:
        """Change it as the preview with this digest said; 409 `preview_changed` where that is no longer what happens."""
        facts = _changed(programme_id, data)
        programmes.change(session(), actor=current_actor(), programme_id=programme_id, facts=facts, seen=data["seen"])
        return _whole(programme_id)


def _changed(programme_id: int, data: dict[str, Any]) -> NewProgramme:
    work = session()
    programme = programmes.get_programme(work, actor=current_actor(), programme_id=programme_id)
    return replace(programmes.facts_of(work, programme), **_given(data))


@blueprint.route("/<int:programme_id>/preview")
class ProgrammePreview(MethodView):
    """What a change would do."""

    @requires(Permission.DRILLS_EDIT)
    @blueprint.arguments(ProgrammeFacts)
    @blueprint.response(200, ProgrammePreviewOut)
    def post(self, data: dict[str, Any], programme_id: int) -> dict[str, Any]:
        """What the change would do to each coming date; nothing is changed."""
        facts = _changed(programme_id, data)
        return _preview(programmes.preview(session(), actor=current_actor(), programme_id=programme_id, facts=facts))


def _rest(done: programmes.Rest) -> dict[str, Any]:
    return {
        "id": done.programme.id, "state": done.programme.state, "changed": done.changed, "stayed": done.stayed,
    }  # fmt: skip


@blueprint.route("/<int:programme_id>/pause")
class ProgrammePause(MethodView):
    """Rest."""

    @requires(Permission.DRILLS_EDIT)
    @idempotent
    @blueprint.arguments(ProgrammeReasonIn)
    @blueprint.response(200, ProgrammeRestOut)
    def post(self, data: dict[str, Any], programme_id: int) -> dict[str, Any]:
        """Let it rest: coming dates that nobody promised are called off."""
        return _rest(programmes.pause(session(), actor=current_actor(), programme_id=programme_id, **data))


@blueprint.route("/<int:programme_id>/resume")
class ProgrammeResume(MethodView):
    """Go on."""

    @requires(Permission.DRILLS_EDIT)
    @idempotent
    @blueprint.response(200, ProgrammeRestOut)
    def post(self, programme_id: int) -> dict[str, Any]:
        """Go on from today."""
        return _rest(programmes.resume(session(), actor=current_actor(), programme_id=programme_id))


@blueprint.route("/<int:programme_id>/end")
class ProgrammeEnd(MethodView):
    """End."""

    @requires(Permission.DRILLS_EDIT)
    @idempotent
    @blueprint.arguments(ProgrammeReasonIn)
    @blueprint.response(200, ProgrammeRestOut)
    def post(self, data: dict[str, Any], programme_id: int) -> dict[str, Any]:
        """End it for good, with the reason."""
        return _rest(programmes.end(session(), actor=current_actor(), programme_id=programme_id, **data))
