"""The page that searches the texts in force."""

from __future__ import annotations

from typing import Any

import flask

from emergency.divisions import service as divisions
from emergency.http.permissions import Permission, requires
from emergency.http.request import current_actor, session
from emergency.plans import finding
from emergency.plans.models import Hazard, PlanKind

blueprint = flask.Blueprint("plans_finding", __name__, url_prefix="/plans")
MAX_LENGTH = 100
DEEPEST = finding.CANDIDATES


def _enum(members: Any, name: str) -> Any:
    given = flask.request.args.get(name, "")
    return next((member for member in members if str(member.value) == given), None)


@blueprint.get("/search")
@requires(Permission.PLANS_VIEW)
def search() -> str:
    """Sections of the texts in force that have every word, with the passage."""
    work, actor, args = session(), current_actor(), flask.request.args
    text = args.get("q", "").strip()[:MAX_LENGTH]
    chosen = {"hazard": _enum(Hazard, "hazard"), "kind": _enum(PlanKind, "kind"), "place": args.get("place", "")[:12]}
    skip = min(max(args.get("skip", 0, type=int) or 0, 0), DEEPEST)
    found = finding.find(
        work, actor=actor, query=text, hazard=chosen["hazard"], kind=chosen["kind"], division_code=chosen["place"],
        skip=skip,
    )  # fmt: skip
    towns = divisions.townships(work, actor.division_code[:6].ljust(12, "0")) if actor.division_code else []
    names = divisions.names(work, {hit.division_code for hit in found.hits})
    return flask.render_template(
        "plans/search.html", q=text, found=found, skip=skip, chosen=chosen, kinds=PlanKind, names=names,
        hazards=[h for h in Hazard if h is not Hazard.ALL], towns=[(town.code, town.name) for town in towns],
        after=skip + len(found.hits), before=max(0, skip - finding.PAGE),
    )  # fmt: skip
