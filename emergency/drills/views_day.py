"""The director's pages: the running drill, its wall, and what is decided about each inject."""

from __future__ import annotations

from typing import Any

import flask
from flask import redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from emergency.drills import day_holding, day_msel, day_pages, day_rules, day_running
from emergency.drills.day_forms import ObserveForm, StartForm
from emergency.drills.day_models import DayState, DrillInject, InjectState, Observed
from emergency.http.i18n import _, language
from emergency.http.permissions import Permission, requires
from emergency.http.request import current_actor, session
from emergency.people.accounts import service as accounts
from kernel.db import now
from kernel.errors import N_, DomainError, Invalid, NotFound
from kernel.states import timeline

blueprint = flask.Blueprint("drill_day", __name__, url_prefix="/drills")
Page = str | Response | tuple[str, int]
VIEW, EDIT, CONFIRM = Permission.DRILLS_VIEW, Permission.DRILLS_EDIT, Permission.DRILLS_CONFIRM


def told(text: str, endpoint: str, **args: Any) -> Response:
    """Say what was done on the page that comes next."""
    flask.flash(text, "done")
    return redirect(url_for(endpoint, **args), 303)


def shown(template: str, occurrence_id: int, *, lines: bool = True, **values: Any) -> str:
    """A page of the day with what all of them need."""
    page = day_pages.page(
        session(), actor=current_actor(), occurrence_id=occurrence_id, language=language(), lines=lines
    )
    actor = current_actor()
    return render_template(
        template, page=page, occurrence=page.occurrence, programme=page.programme, day=page.day,
        may_direct=actor.can(EDIT), may_note=actor.can(CONFIRM), may_reveal=actor.can(Permission.PERSONAL_REVEAL),
        S=DayState, J=InjectState, hold_url=day_holding.address, **values,
    )  # fmt: skip


@blueprint.get("/<int:occurrence_id>/day")
@requires(VIEW)
def director(occurrence_id: int) -> Page:
    """Where the drill stands, what comes next, every inject with its state."""
    return shown("drills/day/director.html", occurrence_id, start=StartForm(formdata=None))


@blueprint.get("/<int:occurrence_id>/day/live")
@requires(VIEW)
def live(occurrence_id: int) -> Page:
    """The part of the page that renews itself."""
    return shown("drills/day/_live.html", occurrence_id, start=StartForm(formdata=None))


@blueprint.get("/<int:occurrence_id>/day/board")
@requires(VIEW)
def board(occurrence_id: int) -> Page:
    """The same for a wall: time, next, list."""
    return shown("drills/day/board.html", occurrence_id)


@blueprint.post("/<int:occurrence_id>/day/<any(start,pause,resume,end):what>")
@requires(EDIT)
def control(occurrence_id: int, what: str) -> Page:
    """The director starts, pauses, resumes or ends the drill."""
    work, actor = session(), current_actor()
    day_msel.occurrence_of(work, actor=actor, occurrence_id=occurrence_id)
    factor, reason = request.form.get("factor", type=int), request.form.get("reason", "")[:500]
    if what == "start":
        pace = 1 if factor is None else factor
        day_running.start(work, actor=actor, occurrence_id=occurrence_id, factor=pace, reason=reason)
        text = _("The drill runs.")
    elif what == "pause":
        day_running.pause(work, actor=actor, occurrence_id=occurrence_id, reason=reason)
        text = _("The drill pauses; nothing is sent.")
    elif what == "resume":
        day_running.resume(work, actor=actor, occurrence_id=occurrence_id, factor=factor, reason=reason)
        text = _("The drill goes on.")
    else:
        day_running.end(work, actor=actor, occurrence_id=occurrence_id)
        text = _("The drill has ended. Write the record next.")
    return told(text, "drill_day.director", occurrence_id=occurrence_id)


def _inject(inject_id: int) -> tuple[DrillInject, int]:
    inject, owner = day_msel.inject_of(session(), actor=current_actor(), inject_id=inject_id)
    if owner.occurrence is None:
        raise NotFound(N_("There is no such inject in your area."))
    return inject, owner.occurrence.id


@blueprint.post("/injects/<int:inject_id>/<any(send,skip,postpone):what>")
@requires(EDIT)
def decide(inject_id: int, what: str) -> Page:
    """The director sends one inject now, leaves it out or postpones it, with the reason."""
    work, actor = session(), current_actor()
    inject, occurrence_id = _inject(inject_id)
    reason = request.form.get("reason", "")
    if what == "send":
        day_running.send_now(work, actor=actor, inject_id=inject_id, reason=reason)
        told_words = (
            _("No. %(n)s could not be sent; look at it.", n=inject.number)
            if inject.state is InjectState.FAILED
            else _("No. %(n)s was released.", n=inject.number)
        )
    elif what == "skip":
        day_running.skip(work, actor=actor, inject_id=inject_id, reason=reason)
        told_words = _("No. %(n)s is left out.", n=inject.number)
    else:
        minutes = request.form.get("minutes", type=int)
        if minutes is None:
            raise Invalid(N_("This is not a whole number."), code="bad_minutes")
        day_running.postpone(work, actor=actor, inject_id=inject_id, minutes=minutes, reason=reason)
        told_words = _("No. %(n)s is postponed.", n=inject.number)
    return told(told_words, "drill_day.director", occurrence_id=occurrence_id)


@blueprint.post("/injects/<int:inject_id>/delivered")
@requires(CONFIRM)
def delivered(inject_id: int) -> Page:
    """A controller delivered it by hand, now."""
    inject, occurrence_id = _inject(inject_id)
    day_running.delivered(session(), actor=current_actor(), inject_id=inject_id)
    return told(_("No. %(n)s noted as delivered.", n=inject.number), "drill_day.director", occurrence_id=occurrence_id)


@blueprint.route("/injects/<int:inject_id>/day", methods=["GET", "POST"])
@requires(VIEW)
def inject(inject_id: int) -> Page:
    """One inject on its day: the decision about it, and what the evaluator saw."""
    work, actor = session(), current_actor()
    row, occurrence_id = _inject(inject_id)
    form, status = ObserveForm(), 200
    if request.method == "POST":
        actor.require(CONFIRM)
        if form.validate_on_submit() and form.at.data is not None:
            try:
                day_running.observe(
                    work, actor=actor, inject_id=inject_id, observed=form.observed.data or Observed.DONE,
                    at=form.at.data, words=form.words.data or "",
                )  # fmt: skip
                return told(_("Noted."), "drill_day.director", occurrence_id=occurrence_id)
            except DomainError as error:
                form.refuse(error)
        flask.g.refused, status = True, 422
    elif form.at.data is None:
        form.at.data = row.observed_at or now(work)
        form.observed.data = row.observed
    changes = timeline(work, DrillInject.__tablename__, row.id)
    page = day_pages.page(work, actor=actor, occurrence_id=occurrence_id, language=language())
    line = next(line for line in page.lines if line.inject.id == row.id)
    observable = page.day is not None and page.day.began_at is not None
    body = shown(
        "drills/day/inject.html", occurrence_id, form=form, line=line, inject=row, changes=changes,
        names=accounts.display_names(work, {change.actor for change in changes}),
        decidable=actor.can(EDIT) and page.state in (DayState.RUNNING, DayState.PAUSED)
        and row.state in (InjectState.PLANNED, InjectState.MISSED, InjectState.FAILED),
        observable=observable and row.state in (*day_rules.LEFT, InjectState.MISSED),
    )  # fmt: skip
    return body, status
