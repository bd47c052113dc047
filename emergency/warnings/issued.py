"""Pages after the issue: record, lifting, messages, doors, wall, print."""

from __future__ import annotations

import flask
from flask.typing import ResponseReturnValue

from emergency.http.forms import Form, enum_choices, flash_done
from emergency.http.i18n import _, language
from emergency.http.permissions import Permission, requires
from emergency.http.request import current_actor, database, own_transaction, session
from emergency.privacy.journal import Purpose
from emergency.warnings import forms, pages, service
from emergency.warnings.counting import measure_next
from emergency.warnings.models import WarningStatus
from emergency.warnings.pagebase import blueprint, member, refused, to
from kernel.db import now
from kernel.errors import DomainError
from notify import service as notify

DOOR_PURPOSES = (Purpose.EVACUATION, Purpose.WARNING)
"""What the list of doors of a real warning is taken for; that of an exercise is taken for the exercise."""


@blueprint.get("/<int:warning_id>")
@requires(Permission.WARNINGS_VIEW)
def show(warning_id: int) -> ResponseReturnValue:
    """The record."""
    return _show(warning_id)


def _show(warning_id: int, form: Form | None = None, status: int = 200) -> ResponseReturnValue:
    actor = current_actor()
    warning = service.get(session(), actor=actor, warning_id=warning_id)
    found = pages.sheet(session(), warning)
    return flask.render_template(
        "warnings/show.html", s=found, warning=warning, r=pages.record(session(), actor, found), form=form or Form(),
        may_see_deliveries=actor.can(Permission.DELIVERY_VIEW), may_acknowledge=actor.can(Permission.ACKNOWLEDGE),
        methods=enum_choices(service.AckMethod), typed=flask.request.form,
        posts=service.posts_of(session(), actor=actor, warning=warning, language=language()) if found.issue else [],
    ), status  # fmt: skip


@blueprint.post("/<int:warning_id>/update")
@requires(Permission.WARNINGS_DRAFT)
def update(warning_id: int) -> ResponseReturnValue:
    """A draft that changes what is in force."""
    warning = service.update(session(), actor=current_actor(), warning_id=warning_id)
    measure_next(warning.id, current_actor())  # the area is known: whoever changes only words sees how many it is for
    flash_done(_("This draft updates the warning in force. That one goes on until the update is approved."))
    return to("content", warning.id)


@blueprint.post("/<int:warning_id>/cancel")
@requires(Permission.WARNINGS_DRAFT)
def cancel(warning_id: int) -> ResponseReturnValue:
    """Take it back."""
    form = Form()
    try:
        service.cancel(
            session(), actor=current_actor(), warning_id=warning_id, reason=flask.request.form.get("reason", "")
        )
    except DomainError as error:
        return _unlifted(warning_id, form, error)
    flash_done(_("Cancelled. What had not left is stopped, and whoever was told is told so."))
    return to("show", warning_id)


@blueprint.post("/<int:warning_id>/all-clear")
@requires(Permission.WARNINGS_DRAFT)
def all_clear(warning_id: int) -> ResponseReturnValue:
    """The danger is over."""
    form = Form()
    try:
        service.all_clear(session(), actor=current_actor(), warning_id=warning_id, text=flask.request.form.get("text"))
    except DomainError as error:
        return _unlifted(warning_id, form, error)
    flash_done(_("Lifted. Whoever was told is told that it is over."))
    return to("show", warning_id)


def _unlifted(warning_id: int, form: Form, error: DomainError) -> ResponseReturnValue:
    if error.status == 403:
        raise error
    refused(form, error)
    return _show(warning_id, form, error.status)


@blueprint.post("/<int:warning_id>/acknowledgements")
@requires(Permission.ACKNOWLEDGE)
def acknowledge(warning_id: int) -> ResponseReturnValue:
    """Type in what was heard."""
    form = Form()
    given = flask.request.form
    at = forms.MomentReader(data={"at": None})
    try:
        service.acknowledge(
            session(), actor=current_actor(), warning_id=warning_id, post_id=given.get("post_id", type=int),
            method=member(service.AckMethod, given.get("method")) or service.AckMethod.PHONE, at=at.at.data,
            note=given.get("note"),
        )  # fmt: skip
    except DomainError as error:
        return _unlifted(warning_id, form, error)
    flash_done(_("Recorded."))
    return to("show", warning_id)


@blueprint.get("/<int:warning_id>/deliveries")
@requires(Permission.DELIVERY_VIEW)
def deliveries(warning_id: int) -> ResponseReturnValue:
    """The ledger, masked."""
    actor = current_actor()
    warning = service.get(session(), actor=actor, warning_id=warning_id)
    page = service.deliveries(
        session(), actor=actor, warning_id=warning_id, cursor=flask.request.args.get("cursor"),
        state=member(service.DeliveryState, flask.request.args.get("state")),
    )  # fmt: skip
    return flask.render_template(
        "warnings/deliveries.html", s=pages.sheet(session(), warning), warning=warning, page=page,
        states=enum_choices(service.DeliveryState),
    )  # fmt: skip


@blueprint.get("/<int:warning_id>/doors")
@requires(Permission.ACKNOWLEDGE)
def doors(warning_id: int) -> ResponseReturnValue:
    """Whom somebody has to tell at the door."""
    actor = current_actor()
    warning = service.get(session(), actor=actor, warning_id=warning_id)
    shown = member(service.DoorOutcome, flask.request.args.get("outcome")) or service.DoorOutcome.OPEN
    page, people, places = service.door_page(
        session(), actor=actor, warning=warning, outcome=shown, cursor=flask.request.args.get("cursor")
    )
    return flask.render_template(
        "warnings/doors.html", s=pages.sheet(session(), warning), warning=warning, page=page, people=people,
        places=places, counts=service.door_counts(session(), warning.id, actor), shown=shown,
        outcomes=[o for o in service.DoorOutcome if o is not service.DoorOutcome.OPEN],
        all_outcomes=enum_choices(service.DoorOutcome), purposes=enum_choices(
            DOOR_PURPOSES if warning.status is WarningStatus.ACTUAL else (Purpose.DRILL,)
        ),
        villages=service.villages(session(), actor=actor, warning_id=warning.id),
        may_reveal=actor.can(Permission.PERSONAL_REVEAL), may_open=actor.can(Permission.RESIDENTS_VIEW),
        ready=warning.doors_through in (None, -1) or not (warning.estimate or {}).get("unreachable"),
    )  # fmt: skip


@blueprint.post("/<int:warning_id>/doors/sheet")
@requires(Permission.PERSONAL_REVEAL)
@own_transaction
def door_sheet(warning_id: int) -> ResponseReturnValue:
    """The doors of one village in clear, to be printed and carried; journalled with its purpose first."""
    actor = current_actor()
    code = flask.request.form.get("division", "")
    with database().read() as reading:
        warning = service.get(reading, actor=actor, warning_id=warning_id)
        people = service.door_sheet(
            reading, actor=actor, warning_id=warning_id, division_code=code, purpose=flask.request.form.get("purpose")
        )
        known = service.villages(reading, actor=actor, warning_id=warning_id)
        values = {
            "warning": warning, "title": service.title(warning), "people": people, "moment": now(reading),
            "place": next((village.name for village in known if village.code == code), code),
            "drill": warning.status is not WarningStatus.ACTUAL,
        }  # fmt: skip
    response = flask.make_response(flask.render_template("warnings/door_sheet.html", **values))
    response.headers["Cache-Control"] = "no-store, private"
    return response


@blueprint.post("/<int:warning_id>/doors/<int:visit_id>")
@requires(Permission.ACKNOWLEDGE)
def visit(warning_id: int, visit_id: int) -> ResponseReturnValue:
    """Somebody was there."""
    outcome = member(service.DoorOutcome, flask.request.form.get("outcome")) or service.DoorOutcome.TOLD
    service.record_visit(
        session(), actor=current_actor(), visit_id=visit_id, outcome=outcome, note=flask.request.form.get("note")
    )
    flash_done(_("Recorded."))
    return to("doors", warning_id)


@blueprint.get("/<int:warning_id>/print")
@requires(Permission.WARNINGS_VIEW)
def printed(warning_id: int) -> ResponseReturnValue:
    """One sheet for the file: what was issued, by whom, to whom, how it went."""
    actor = current_actor()
    warning = service.get(session(), actor=actor, warning_id=warning_id)
    found = pages.sheet(session(), warning)
    return flask.render_template(
        "warnings/print.html", s=found, warning=warning, r=pages.record(session(), actor, found)
    )


@blueprint.get("/board")
@requires(Permission.WARNINGS_VIEW)
def wall() -> ResponseReturnValue:
    """The wall: the gravest warning in force."""
    items = service.in_force(session(), current_actor())
    if items:
        return to("board", items[0].id)
    return flask.render_template("warnings/board_empty.html", moment=now(session()))


@blueprint.get("/<int:warning_id>/board")
@requires(Permission.WARNINGS_VIEW)
def board(warning_id: int) -> ResponseReturnValue:
    """The wall for one warning."""
    actor = current_actor()
    warning = service.get(session(), actor=actor, warning_id=warning_id)
    found = pages.sheet(session(), warning)
    return flask.render_template(
        "warnings/board.html", s=found, warning=warning, r=pages.record(session(), actor, found),
        engine=notify.status(session()), moment=now(session()), items=service.in_force(session(), actor),
    )  # fmt: skip
