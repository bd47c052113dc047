"""Pages of the duty roster: this week, one shift, planning, confirming, handing over."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

import flask
from werkzeug.wrappers import Response

from emergency.http.forms import flash_done
from emergency.http.i18n import _
from emergency.http.permissions import Permission, requires
from emergency.http.request import current_actor, session
from emergency.people.posts import directory, service
from emergency.people.posts.forms import HandOverForm, ShiftForm
from emergency.people.posts.models import ShiftRole, ShiftState
from emergency.people.posts.roster import left_to_stand
from kernel.clock import BEIJING
from kernel.db import now
from kernel.errors import DomainError
from kernel.states import timeline

blueprint = flask.Blueprint("roster", __name__)


def _monday(text: str, today: date) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = today
    return day - timedelta(days=day.weekday())


@blueprint.get("/roster")
@requires(Permission.ROSTER_VIEW)
def index() -> str:
    """The week's shifts by day and role."""
    moment = now(session())
    monday = _monday(flask.request.args.get("week", ""), moment.astimezone(BEIJING).date())
    start = datetime.combine(monday, time(0), BEIJING)
    actor = current_actor()
    shifts = service.shifts(session(), actor=actor, start=start, end=start + timedelta(days=7))
    present = service.on_duty(session(), moment, actor.division_code or None)
    days = [monday + timedelta(days=n) for n in range(7)]
    return flask.render_template(
        "posts/roster.html",
        days=[(day, [s for s in shifts if s.starts.astimezone(BEIJING).date() == day]) for day in days],
        carried=[s for s in shifts if s.starts < start],
        present=present,
        names=directory.names(session(), [s.account_id for s in (*shifts, *present)]),
        monday=monday,
        before=(monday - timedelta(days=7)).isoformat(),
        after=(monday + timedelta(days=7)).isoformat(),
        today=moment.astimezone(BEIJING).date(),
        roles=list(ShiftRole),
        may_edit=actor.can(Permission.ROSTER_EDIT),
    )


@blueprint.get("/roster/new")
@requires(Permission.ROSTER_EDIT)
def new() -> str:
    """A shift to be planned; 24 hours from eight in the morning unless said otherwise."""
    tomorrow = now(session()).astimezone(BEIJING).date() + timedelta(days=1)
    starts = datetime.combine(tomorrow, time(8), BEIJING)
    form = ShiftForm(data={"starts": starts, "ends": starts + timedelta(hours=24), "role": ShiftRole.OFFICER})
    return _new_page(form)


def _new_page(form: ShiftForm) -> str:
    form.account_id.choices = [(str(key), words) for key, words in directory.choices(session(), current_actor())]
    return flask.render_template("posts/shift_new.html", form=form)


@blueprint.post("/roster/new")
@requires(Permission.ROSTER_EDIT)
def create() -> Response | tuple[str, int]:
    """Put it on the roster."""
    form = ShiftForm()
    if form.validate() and form.starts.data and form.ends.data:
        try:
            shift = service.plan_shift(
                session(),
                actor=current_actor(),
                division_code=current_actor().division_code,
                account_id=int(form.account_id.data),
                role=form.role.data,
                starts=form.starts.data,
                ends=form.ends.data,
            )
            flash_done(_("The shift is on the roster and waits for confirmation."))
            return flask.redirect(flask.url_for("roster.show", shift_id=shift.id), 303)
        except DomainError as error:
            flask.g.refused = True
            form.refuse(error)
    return _new_page(form), 422


def _record(shift_id: int, form: HandOverForm | None = None) -> str:
    actor = current_actor()
    shift = service.get_shift(session(), actor=actor, shift_id=shift_id)
    changes = timeline(session(), "duty_shift", shift_id)
    moment = now(session())
    mine = actor.kind == "account" and actor.id == shift.account_id
    return flask.render_template(
        "posts/shift.html",
        shift=shift,
        name=directory.names(session(), [shift.account_id]).get(shift.account_id, ""),
        note=service.note_of(session(), shift),
        changes=changes,
        names=directory.actor_names(session(), {change.actor for change in changes}),
        ShiftState=ShiftState,
        form=form or HandOverForm(),
        begun=shift.starts <= moment,
        left=left_to_stand(shift, moment),
        may_act=mine or actor.can(Permission.ROSTER_EDIT),
        may_edit=actor.can(Permission.ROSTER_EDIT),
        mine=mine,
    )


@blueprint.get("/roster/<int:shift_id>")
@requires(Permission.ROSTER_VIEW)
def show(shift_id: int) -> str:
    """One shift."""
    return _record(shift_id)


@blueprint.post("/roster/<int:shift_id>/confirm")
@requires(Permission.ROSTER_VIEW)
def confirm(shift_id: int) -> Response:
    """I will be there."""
    service.confirm(session(), actor=current_actor(), shift_id=shift_id)
    flash_done(_("The shift is confirmed."))
    return flask.redirect(flask.url_for("roster.show", shift_id=shift_id), 303)


@blueprint.post("/roster/<int:shift_id>/hand-over")
@requires(Permission.ROSTER_VIEW)
def hand_over(shift_id: int) -> Response | tuple[str, int]:
    """Pass the watch on with a note."""
    form = HandOverForm()
    if form.validate():
        try:
            service.hand_over(
                session(), actor=current_actor(), shift_id=shift_id, note=form.note.data or "", early=form.early.data
            )
            flash_done(_("The watch is handed over. Thank you."))
            return flask.redirect(flask.url_for("roster.show", shift_id=shift_id), 303)
        except DomainError as error:
            flask.g.refused = True
            form.refuse(error)
    return _record(shift_id, form), 422


@blueprint.post("/roster/<int:shift_id>/cancel")
@requires(Permission.ROSTER_EDIT)
def cancel(shift_id: int) -> Response:
    """Take it off the roster."""
    reason = flask.request.form.get("reason", "").strip()[:500]
    service.cancel_shift(session(), actor=current_actor(), shift_id=shift_id, reason=reason)
    flash_done(_("The shift is off the roster."))
    return flask.redirect(flask.url_for("roster.index"), 303)
