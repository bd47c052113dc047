"""Pages of spot checks: the list, those of one drill, noting one, noting the correction."""

from __future__ import annotations

from typing import Any

import flask
from flask import redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from emergency.drills import day_msel, inspecting
from emergency.drills.compliance import today_of
from emergency.drills.forms_rules import CorrectionForm, InspectionForm
from emergency.http.forms import flash_done
from emergency.http.i18n import _
from emergency.http.permissions import Permission, requires
from emergency.http.request import current_actor, session
from kernel.errors import DomainError

blueprint = flask.Blueprint("drill_inspections", __name__, url_prefix="/drills")
Page = str | Response | tuple[str, int]
VIEW, EDIT = Permission.DRILLS_VIEW, Permission.DRILLS_EDIT


@blueprint.get("/inspections")
@requires(VIEW)
def index() -> Page:
    """Every spot check in the area, or what is still to be corrected."""
    work, only = session(), request.args.get("open") == "1"
    page = inspecting.inspections(work, actor=current_actor(), open_only=only, cursor=request.args.get("cursor"))
    return render_template("drills/inspections.html", page=page, only=only, today=today_of(work), drill=None)


def _one(occurrence_id: int, form: Any = None, status: int = 200) -> Page:
    work, actor = session(), current_actor()
    drill = day_msel.occurrence_of(work, actor=actor, occurrence_id=occurrence_id)
    page = inspecting.inspections(work, actor=actor, occurrence_id=occurrence_id)
    made = form or InspectionForm(formdata=None, data={"inspected_on": today_of(work)})
    body = render_template(
        "drills/inspections.html", page=page, only=False, today=today_of(work), drill=drill, form=made,
        may_edit=actor.can(EDIT) and drill.state in inspecting.CHECKED,
    )  # fmt: skip
    return body, status


@blueprint.get("/<int:occurrence_id>/inspections")
@requires(VIEW)
def of_drill(occurrence_id: int) -> Page:
    """The spot checks of one drill."""
    return _one(occurrence_id)


@blueprint.post("/<int:occurrence_id>/inspections")
@requires(EDIT)
def note(occurrence_id: int) -> Page:
    """Note one."""
    work, actor = session(), current_actor()
    day_msel.occurrence_of(work, actor=actor, occurrence_id=occurrence_id)
    form = InspectionForm()
    if form.validate():
        try:
            inspecting.inspect(
                work, actor=actor, occurrence_id=occurrence_id, inspected_on=form.inspected_on.data or today_of(work),
                result=form.result.data, ordered=form.ordered.data or "", due_on=form.due_on.data,
            )  # fmt: skip
        except DomainError as error:
            if error.status not in (409, 422):
                raise
            work.rollback()
            form.refuse(error)
        else:
            flash_done(_("The check is noted."))
            return redirect(url_for("drill_inspections.of_drill", occurrence_id=occurrence_id), 303)
    flask.g.refused = True
    return _one(occurrence_id, form, 422)


@blueprint.post("/inspections/<int:inspection_id>/correct")
@requires(EDIT)
def correct(inspection_id: int) -> Page:
    """The ordered correction was made."""
    work, actor = session(), current_actor()
    inspecting.get_inspection(work, actor=actor, inspection_id=inspection_id)
    form = CorrectionForm()
    row = inspecting.correct(
        work, actor=actor, inspection_id=inspection_id, version=request.form.get("version", type=int) or 0,
        corrected_on=(form.corrected_on.data if form.validate() else None) or today_of(work),
        proof=form.proof.data or "",
    )  # fmt: skip
    flash_done(_("The correction is noted."))
    return redirect(url_for("drill_inspections.of_drill", occurrence_id=row.occurrence_id), 303)
