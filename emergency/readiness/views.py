"""Pages of readiness: what is wrong today, one fault, putting it aside."""

from __future__ import annotations

import flask
from flask.typing import ResponseReturnValue

from emergency.divisions import service as divisions
from emergency.http.forms import flash_done
from emergency.http.i18n import _, _l, language
from emergency.http.permissions import Permission, requires
from emergency.http.request import current_actor, session
from emergency.readiness import service, views_plans
from emergency.readiness.forms import MuteForm
from emergency.readiness.models import Severity
from kernel.errors import DomainError
from scheduler.deadlines import end_of

blueprint = flask.Blueprint("readiness", __name__, url_prefix="/readiness")
BLUEPRINTS = (blueprint, views_plans.blueprint)

ROOMS = {
    "divisions": _l("Divisions and units"),
    "contacts": _l("Contacts"),
    "residents": _l("Residents"),
    "posts": _l("Posts"),
    "accounts": _l("Accounts"),
    "asking": _l("Questions"),
    "supplies": _l("Supplies"),
    "plans": _l("Plans"),
    "warnings": _l("Warnings"),
    "drills": _l("Drills"),
    "oversight": _l("Audit"),
    "system": _l("System"),
}


def _severity(text: str | None) -> Severity | None:
    return next((severity for severity in Severity if severity.value == text), None)


@blueprint.get("")
@requires(Permission.READINESS_VIEW)
def index() -> ResponseReturnValue:
    """What is wrong today, the most urgent first."""
    args = flask.request.args
    actor = current_actor()
    division = args.get("division") or None
    page = service.open_defects(
        session(),
        actor,
        room=args.get("room") or None,
        division_code=division,
        severity=_severity(args.get("severity")),
        muted=args.get("muted") == "1",
        cursor=args.get("cursor"),
    )
    towns = [town for town in divisions.townships(session()) if actor.covers(town.code)]
    names = divisions.names(session(), {defect.division_code for defect in page.items})
    return flask.render_template(
        "readiness/index.html",
        page=page,
        score=service.score(session(), actor, division),
        counts=service.room_counts(session(), actor, division),
        rooms=ROOMS,
        reason=service.reason,
        names=names,
        owners=service.owners(session(), page.items, language()),
        towns=[(town.code, town.name) for town in towns],
        args=args,
        severities=Severity,
    )


@blueprint.get("/<int:defect_id>")
@requires(Permission.READINESS_VIEW)
def show(defect_id: int) -> ResponseReturnValue:
    """One fault."""
    return _show(defect_id, MuteForm())


def _show(defect_id: int, form: MuteForm, status: int = 200) -> ResponseReturnValue:
    defect = service.get(session(), actor=current_actor(), defect_id=defect_id)
    names = divisions.names(session(), [defect.division_code])
    return flask.render_template(
        "readiness/show.html",
        defect=defect,
        form=form,
        reason=service.reason(defect),
        rooms=ROOMS,
        division=names.get(defect.division_code, defect.division_code),
        owner=service.owners(session(), [defect], language()).get(defect.owner_post_id or 0),
        muted=service.is_muted(session(), defect),
    ), status


@blueprint.post("/<int:defect_id>/mute")
@requires(Permission.READINESS_MUTE)
def mute(defect_id: int) -> ResponseReturnValue:
    """Put it aside until a day, with a reason."""
    form = MuteForm()
    if not form.validate_on_submit() or form.until.data is None:
        return _show(defect_id, form, 422)
    try:
        service.mute(
            session(),
            actor=current_actor(),
            defect_id=defect_id,
            until=end_of(form.until.data),
            reason=form.reason.data or "",
        )
    except DomainError as error:
        if error.status != 422:
            raise
        flask.g.refused = True
        form.refuse(error)
        return _show(defect_id, form, 422)
    flash_done(_("It is put aside until then, and comes back by itself."))
    return flask.redirect(flask.url_for("readiness.index"), 303)


@blueprint.post("/<int:defect_id>/unmute")
@requires(Permission.READINESS_MUTE)
def unmute(defect_id: int) -> ResponseReturnValue:
    """Take it up again."""
    service.unmute(session(), actor=current_actor(), defect_id=defect_id)
    flash_done(_("It counts again."))
    return flask.redirect(flask.url_for("readiness.show", defect_id=defect_id), 303)
