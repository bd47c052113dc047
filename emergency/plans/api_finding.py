"""JSON: search in the texts in force."""

from __future__ import annotations

from typing import Any

from marshmallow import EXCLUDE, validate

from emergency.http.api import Blueprint, EnumValue, MethodView, Schema, fields
from emergency.http.permissions import Permission, requires
from emergency.http.request import current_actor, session
from emergency.plans import finding
from emergency.plans.grams import Shown
from emergency.plans.models import Hazard, PlanKind

blueprint = Blueprint("api_plan_search", __name__, url_prefix="/api/v1/plans/search", description="Search in plans")


class FoundOut(Schema):
    """One section of a text in force."""

    plan_id = fields.Integer()
    version_id = fields.Integer()
    plan_title = fields.String()
    issuer = fields.String()
    division_code = fields.String()
    kind = EnumValue(PlanKind)
    version = fields.Integer()
    section = fields.Integer(metadata={"description": "position of the section; 0: the plan's title and issuer"})
    heading = fields.String()
    passage = fields.String()
    found = fields.List(
        fields.List(fields.Integer()), metadata={"description": "[start, end] of each place in the passage"}
    )
    url = fields.String()


class FoundPageOut(Schema):
    """A page of what was found."""

    items = fields.List(fields.Nested(FoundOut))
    next_skip = fields.Integer(allow_none=True, metadata={"description": "null on the last page"})


class FindArgs(Schema):
    """What to look for."""

    class Meta:
        unknown = EXCLUDE

    q = fields.String(
        required=True,
        validate=validate.Length(1, 100),
        metadata={"description": "words apart by spaces must all be there; quotes keep words together"},
    )
    hazard = EnumValue(Hazard, load_default=None)
    kind = EnumValue(PlanKind, load_default=None)
    division_code = fields.String(load_default="", validate=validate.Length(0, 12))
    skip = fields.Integer(load_default=0, validate=validate.Range(0, finding.CANDIDATES))
    limit = fields.Integer(load_default=finding.PAGE, validate=validate.Range(1, 50))


def _plain(parts: list[Shown]) -> tuple[str, list[list[int]]]:
    text, spots = "", []
    for part in parts:
        if part.found:
            spots.append([len(text), len(text) + len(part.text)])
        text += part.text
    return text, spots


def _hit(hit: finding.Found) -> dict[str, Any]:
    passage, spots = _plain(hit.passage)
    return {
        "plan_id": hit.plan_id, "version_id": hit.version_id, "plan_title": hit.title, "issuer": hit.issuer,
        "division_code": hit.division_code, "kind": hit.kind, "version": hit.number, "section": hit.position,
        "heading": _plain(hit.heading)[0], "passage": passage, "found": spots, "url": hit.url,
    }  # fmt: skip


@blueprint.route("")
class PlanSearchApi(MethodView):
    """Search in the texts in force."""

    @requires(Permission.PLANS_VIEW)
    @blueprint.arguments(FindArgs, location="query")
    @blueprint.response(200, FoundPageOut)
    def get(self, args: dict[str, Any]) -> dict[str, Any]:
        """Sections within the token's area that have every word, best first, with the passage."""
        results = finding.find(
            session(), actor=current_actor(), query=args["q"], hazard=args["hazard"], kind=args["kind"],
            division_code=args["division_code"], skip=args["skip"], limit=args["limit"],
        )  # fmt: skip
        return {
            "items": [_hit(hit) for hit in results.hits],
            "next_skip": args["skip"] + len(results.hits) if results.more else None,
        }
