"""Pages of who came and when everybody was out: the list, the QR code of the door, the stopwatch."""

from __future__ import annotations

import flask
import segno
from flask import request
from markupsafe import Markup

from emergency.drills import day_attendance, day_msel, day_rules
from emergency.drills.day_forms import EvacuationForm, GroupsForm
from emergency.drills.views_day import CONFIRM, VIEW, Page, shown, told
from emergency.http.i18n import _
from emergency.http.permissions import Permission, requires
from emergency.http.request import config, current_actor, session
from emergency.privacy.journal import Purpose
from kernel.db import now
from kernel.errors import N_, DomainError, Invalid

blueprint = flask.Blueprint("drill_heads", __name__, url_prefix="/drills")


def _door_address(occurrence_id: int) -> str | None:
    if not current_actor().can(CONFIRM):
        return None
    token = day_attendance.door_token(session(), day_msel.day_of(session(), occurrence_id))
    return f"{config().public_url}/d/{token}" if token else None


def qr_svg(address: str) -> Markup:
    """A QR code as SVG for the page itself: nothing is asked of anybody else's server."""
    svg = segno.make(address, error="m").svg_inline(border=4, svgclass=None, lineclass=None, omitsize=True)
    return Markup(svg)  # noqa: S704 - made here of squares; the address is in their pattern only


def _attendance(occurrence_id: int, form: GroupsForm | None = None, status: int = 200, **more: object) -> Page:
    work = session()
    day_msel.occurrence_of(work, actor=current_actor(), occurrence_id=occurrence_id)
    address = _door_address(occurrence_id)
    body = shown(
        "drills/day/attendance.html", occurrence_id, lines=False, form=form or GroupsForm(formdata=None),
        heads=day_attendance.attendance(work, occurrence_id), address=address,
        qr=qr_svg(address) if address else None, **({"names": None, "faults": []} | more),
    )  # fmt: skip
    return body, status


@blueprint.get("/<int:occurrence_id>/day/attendance")
@requires(VIEW)
def attendance(occurrence_id: int) -> Page:
    """Heads against the list, the door, who is missing."""
    return _attendance(occurrence_id)


@blueprint.get("/<int:occurrence_id>/day/attendance/live")
@requires(VIEW)
def live(occurrence_id: int) -> Page:
    """The counts that renew themselves."""
    heads = day_attendance.attendance(session(), occurrence_id)
    return shown("drills/day/_heads.html", occurrence_id, lines=False, heads=heads)


@blueprint.get("/<int:occurrence_id>/day/door")
@requires(CONFIRM)
def door(occurrence_id: int) -> Page:
    """The QR code alone, to be printed and hung at the gate."""
    day_msel.occurrence_of(session(), actor=current_actor(), occurrence_id=occurrence_id)
    address = _door_address(occurrence_id)
    return shown(
        "drills/day/door.html", occurrence_id, lines=False, address=address,
        qr=qr_svg(address) if address else None, earliest=day_rules.EARLIEST, latest=day_rules.LATEST,
    )  # fmt: skip


@blueprint.post("/<int:occurrence_id>/day/door/<any(open,shut):what>")
@requires(CONFIRM)
def move_door(occurrence_id: int, what: str) -> Page:
    """Make the address of the door, or take it back."""
    work, actor = session(), current_actor()
    if what == "open":
        day_attendance.open_door(work, actor=actor, occurrence_id=occurrence_id)
        return told(_("The QR code is made; one made before is no longer good."), "drill_heads.attendance",
                    occurrence_id=occurrence_id)  # fmt: skip
    day_attendance.shut_door(work, actor=actor, occurrence_id=occurrence_id)
    return told(_("The check-in is shut."), "drill_heads.attendance", occurrence_id=occurrence_id)


@blueprint.post("/<int:occurrence_id>/day/groups")
@requires(CONFIRM)
def add_groups(occurrence_id: int) -> Page:
    """Groups from lines of text."""
    work, actor = session(), current_actor()
    day_msel.occurrence_of(work, actor=actor, occurrence_id=occurrence_id)
    form = GroupsForm()
    if form.validate_on_submit():
        try:
            taken, faults = day_attendance.add_groups(
                work, actor=actor, occurrence_id=occurrence_id, lines=form.lines.data or ""
            )
            if not faults:
                return told(_("%(n)s groups on the list.", n=taken), "drill_heads.attendance",
                            occurrence_id=occurrence_id)  # fmt: skip
            form.lines.errors = [
                _("Line %(n)s says no number at its end: %(text)s", n=number, text=text) for number, text in faults
            ]
        except DomainError as error:
            form.refuse(error)
    flask.g.refused = True
    return _attendance(occurrence_id, form, 422)


@blueprint.post("/groups/<int:group_id>/count")
@requires(CONFIRM)
def count(group_id: int) -> Page:
    """A count by hand of one group; empty takes it back."""
    typed = request.form.get("people", "").strip()
    number = int(typed) if typed.isdecimal() and len(typed) < 8 else -1  # what is no number is refused below
    group = day_attendance.count(session(), actor=current_actor(), group_id=group_id, people=number if typed else None)
    return told(_("%(group)s: noted.", group=group.name), "drill_heads.attendance", occurrence_id=group.occurrence_id)


@blueprint.post("/groups/<int:group_id>/remove")
@requires(CONFIRM)
def remove_group(group_id: int) -> Page:
    """Take a group off the list."""
    occurrence_id = day_attendance.remove_group(session(), actor=current_actor(), group_id=group_id)
    return told(_("Taken off the list."), "drill_heads.attendance", occurrence_id=occurrence_id)


@blueprint.post("/<int:occurrence_id>/day/names")
@requires(Permission.PERSONAL_REVEAL)
def names(occurrence_id: int) -> Page:
    """The names that people left at the door; journalled with the purpose."""
    work, actor = session(), current_actor()
    day_msel.occurrence_of(work, actor=actor, occurrence_id=occurrence_id)
    purpose = purpose_of(request.form.get("purpose"))
    found = day_attendance.names(work, actor=actor, occurrence_id=occurrence_id, purpose=purpose)
    return _attendance(occurrence_id, names=found)


def purpose_of(text: str | None) -> Purpose:
    """The purpose that was chosen; refused without one."""
    found = next((one for one in Purpose if one.value == text), None)
    if found is None:
        raise Invalid(N_("Say what you need it for."), code="purpose_required")
    return found


# --- evacuation ---------------------------------------------------------------------------------------------------


def _stopwatch(occurrence_id: int, form: EvacuationForm | None = None, status: int = 200, **more: object) -> Page:
    work = session()
    occurrence = day_msel.occurrence_of(work, actor=current_actor(), occurrence_id=occurrence_id)
    day = day_msel.day_of(work, occurrence_id)
    if form is None:
        form = EvacuationForm(formdata=None)
        form.signal_at.data = day.signal_at if day is not None and day.signal_at else occurrence.starts_at
    body = shown(
        "drills/day/evacuation.html", occurrence_id, lines=False, form=form,
        groups=day_attendance.groups(work, occurrence_id), watch=day_attendance.stopwatch(work, occurrence, day),
        typed=more.get("typed", {}), wrong=more.get("wrong", {}),
    )  # fmt: skip
    return body, status


@blueprint.get("/<int:occurrence_id>/day/evacuation")
@requires(VIEW)
def evacuation(occurrence_id: int) -> Page:
    """The stopwatch: signal, groups, target, slowest."""
    return _stopwatch(occurrence_id)


@blueprint.post("/<int:occurrence_id>/day/evacuation/<any(signal,reset):what>")
@requires(CONFIRM)
def signal(occurrence_id: int, what: str) -> Page:
    """The signal sounds now; or back to nothing."""
    if what == "signal":
        day_attendance.give_signal(session(), actor=current_actor(), occurrence_id=occurrence_id)
        return told(_("The stopwatch runs."), "drill_heads.evacuation", occurrence_id=occurrence_id)
    day_attendance.reset_stopwatch(session(), actor=current_actor(), occurrence_id=occurrence_id)
    return told(_("The stopwatch is set back."), "drill_heads.evacuation", occurrence_id=occurrence_id)


@blueprint.post("/groups/<int:group_id>/out")
@requires(CONFIRM)
def out(group_id: int) -> Page:
    """Everybody of one group is out, now."""
    group = day_attendance.everybody_out(session(), actor=current_actor(), group_id=group_id)
    return told(_("%(group)s: everybody is out.", group=group.name), "drill_heads.evacuation",
                occurrence_id=group.occurrence_id)  # fmt: skip


@blueprint.post("/<int:occurrence_id>/day/evacuation/typed")
@requires(CONFIRM)
def typed(occurrence_id: int) -> Page:
    """The times from a paper."""
    work, actor = session(), current_actor()
    day_msel.occurrence_of(work, actor=actor, occurrence_id=occurrence_id)
    form, seconds, given, wrong = EvacuationForm(), {}, {}, {}
    for group in day_attendance.groups(work, occurrence_id):
        text = request.form.get(f"group-{group.id}", "").strip()
        given[group.id] = text
        if text:
            try:
                seconds[group.id] = day_rules.read_seconds(text)
            except Invalid as error:
                wrong[group.id] = error.text(_)
    if form.validate_on_submit() and not wrong:
        try:
            day_attendance.type_times(
                work, actor=actor, occurrence_id=occurrence_id, signal_at=form.signal_at.data or now(work),
                seconds=seconds,
            )  # fmt: skip
            return told(_("The times are kept."), "drill_heads.evacuation", occurrence_id=occurrence_id)
        except DomainError as error:
            form.refuse(error)
    flask.g.refused = True
    return _stopwatch(occurrence_id, form, 422, typed=given, wrong=wrong)
