"""The page that answers what is wrong with our plans today, and its export."""

from __future__ import annotations

from typing import Any

import flask
from flask.typing import ResponseReturnValue

from emergency.divisions import service as divisions
from emergency.http.permissions import Permission, requires
from emergency.http.request import current_actor, session
from emergency.http.sheets import Column, csv_text
from emergency.plans.rules import Fault
from emergency.readiness import plans_today
from emergency.readiness.models import Severity

blueprint = flask.Blueprint("plan_faults", __name__, url_prefix="/plans")


@blueprint.app_template_global("plans_in_place")
def plans_in_place(code: str) -> plans_today.InPlace | None:
    """For the page of a division, which stands below this room: how its plans stand."""
    return plans_today.in_place(session(), current_actor(), code)


def _chosen() -> dict[str, Any]:
    args = flask.request.args
    owner = args.get("owner", "")
    return {
        "division": args.get("division") or None,
        "rule": next((fault for fault in Fault if fault.value == args.get("rule")), None),
        "owner": int(owner) if owner.lstrip("-").isdigit() and len(owner) < 19 else None,
        "severity": next((severity for severity in Severity if severity.value == args.get("severity")), None),
    }


@blueprint.get("/wrong")
@requires(Permission.READINESS_VIEW)
def index() -> ResponseReturnValue:
    """What is wrong with the plans today, the most urgent first, each with the act that mends it."""
    work, actor, chosen = session(), current_actor(), _chosen()
    counts = plans_today.counts(work, actor, division=chosen["division"])
    page = plans_today.wrong(work, actor, cursor=flask.request.args.get("cursor"), **chosen)
    towns = [town for town in divisions.townships(work) if actor.covers(town.code)]
    return flask.render_template(
        "readiness/plans.html", page=page, chosen=chosen,
        counts=counts,
        names=divisions.names(work, {item.defect.division_code for item in page.items}),
        towns=[(town.code, town.name) for town in towns], owners=plans_today.owner_choices(work, counts),
        severities=Severity, may_mend=actor.can(Permission.PLANS_EDIT),
    )  # fmt: skip


@blueprint.get("/wrong.csv")
@requires(Permission.READINESS_VIEW)
def export() -> ResponseReturnValue:
    """What is shown, as CSV."""
    rows = list(plans_today.every(session(), current_actor(), **_chosen()))
    return flask.Response(
        csv_text(rows, [Column(key) for key in plans_today.COLUMNS]), content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": "attachment; filename=plan-faults.csv"},
    )  # fmt: skip
