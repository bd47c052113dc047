"""School terms: what the education bureau announced, and what is only the usual."""

from __future__ import annotations

import flask
from flask import redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from emergency.drills import school_terms
from emergency.drills.forms_programmes import TermForm
from emergency.drills.materialising import today
from emergency.http.i18n import _
from emergency.http.permissions import Permission, requires
from emergency.http.request import current_actor, session
from kernel.errors import DomainError

blueprint = flask.Blueprint("drill_terms", __name__, url_prefix="/drills/terms")
Page = str | Response | tuple[str, int]
VIEW, EDIT = Permission.DRILLS_VIEW, Permission.DRILLS_EDIT


def _page(form: TermForm, status: int = 200) -> Page:
    work = session()
    body = render_template(
        "drills/terms.html", form=form, rows=school_terms.around(work, today(work)),
        may_edit=school_terms.may_change(current_actor()), removable=school_terms.entered_keys(work),
    )  # fmt: skip
    return body, status


@blueprint.get("")
@requires(VIEW)
def index() -> Page:
    """The terms of these years."""
    return _page(TermForm(formdata=None))


@blueprint.post("")
@requires(EDIT)
def enter() -> Page:
    """Enter or correct a term; the dates that rest on it are computed again within minutes."""
    work, form = session(), TermForm()
    school_terms.require(current_actor())
    if form.validate_on_submit() and form.begins_on.data and form.ends_on.data:
        try:
            school_terms.enter(
                work, actor=current_actor(), year=form.school_year.data or "", term=form.term.data,
                begins_on=form.begins_on.data, ends_on=form.ends_on.data,
            )  # fmt: skip
        except DomainError as error:
            work.rollback()
            form.refuse(error)
        else:
            flask.flash(_("Saved. The dates of drills that rest on it are computed again within minutes."), "done")
            return redirect(url_for("drill_terms.index"), 303)
    flask.g.refused = True
    return _page(form, 422)


@blueprint.post("/remove")
@requires(EDIT)
def remove() -> Page:
    """Forget an entered term; the usual dates count again."""
    school_terms.remove(
        session(), actor=current_actor(), year=request.form.get("school_year", "")[:9],
        term=request.form.get("term", 0, type=int),
    )  # fmt: skip
    flask.flash(_("Removed. The usual dates of that term count again."), "done")
    return redirect(url_for("drill_terms.index"), 303)
