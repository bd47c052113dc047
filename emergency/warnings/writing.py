"""Pages up to the decision: list, wizard, approval."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import flask
from flask.typing import ResponseReturnValue

from emergency.http.forms import Form, enum_choices, flash_done
from emergency.http.i18n import _
from emergency.http.permissions import Permission, requires
from emergency.http.request import config, current_actor, session
from emergency.warnings import forms, listing, pages, picture, service
from emergency.warnings.counting import count_first, measure_next
from emergency.warnings.events import all_types
from emergency.warnings.models import Issue, MessageType, Warning, WarningLevel, WarningStatus
from emergency.warnings.pagebase import blueprint, member, refused, to, version
from kernel.db import now
from kernel.errors import N_, Conflict, DomainError, Invalid


def _urls(warning: Warning) -> dict[str, str]:
    return {
        step: flask.url_for(f"warnings.{step}", warning_id=warning.id)
        for step in ("content", "area", "audience", "preview")
    }


def _wizard(template: str, warning: Warning, current: int, status: int = 200, **values: Any) -> ResponseReturnValue:
    found = pages.sheet(session(), warning)
    return flask.render_template(
        f"warnings/{template}.html", s=found, warning=warning, steps=pages.steps(found, _urls(warning)),
        current=current, **values,
    ), status  # fmt: skip


@blueprint.get("")
@requires(Permission.WARNINGS_VIEW)
def index() -> ResponseReturnValue:
    """In force, waiting, drafts, ended."""
    args = flask.request.args
    actor = current_actor()
    group = args.get("group") if args.get("group") in listing.GROUPS else None
    page = service.list_warnings(
        session(),
        actor=actor,
        group=group,
        status=member(WarningStatus, args.get("status")),
        level=member(WarningLevel, args.get("level")),
        q=args.get("q"),
        cursor=args.get("cursor"),
    )
    shares = service.reached_shares(session(), page.items)
    return flask.render_template(
        "warnings/index.html",
        page=page,
        counts=service.count_by_group(session(), actor=actor),
        shares=shares,
        group=group or "",
        groups=[
            ("in_force", _("in force")), ("waiting", _("waiting for approval")), ("drafts", _("drafts")),
            ("ended", _("over")),
        ],
        statuses=enum_choices(WarningStatus),
        levels=enum_choices(WarningLevel),
        title_of=service.title,
        MessageType=MessageType,
        kind_of=pages.kind_words,
        may_write=actor.can(Permission.WARNINGS_DRAFT),
    )  # fmt: skip


# --- the wizard ---------------------------------------------------------------------------------------------------


def _content_form(warning: Warning | None, **start: Any) -> forms.ContentForm:
    form = forms.ContentForm.of(warning, **start)
    for name in ("effective", "expires"):
        form[name].flags.required = True
    types = all_types(session())
    form.event_code.choices = forms.offers((e.code, f"{e.name}（{e.code}）") for e in types)
    form.usual = sum(1 for e in types if e.common)
    if form.is_submitted() and not (form.headline.data or "").strip():
        name = next((e.name for e in types if e.code == form.event_code.data), "")
        form.headline.data = f"{name}{form.level.member.zh}预警" if name and form.level.member else ""
    return form


def _looked(form: forms.ContentForm, status: WarningStatus | None, before: Warning | None = None) -> Any:
    """The message as a phone shows it, where the form was sent only to look; None to go on, False where it may not."""
    if "look" not in flask.request.form:
        return None
    if not form.validate_on_submit() or status is None:
        return False
    try:
        return pages.look(session(), status=status, content=form.content(), before=before)
    except DomainError as error:
        refused(form, error)
        return False


@blueprint.route("/new", methods=["GET", "POST"])
@requires(Permission.WARNINGS_DRAFT)
def new() -> ResponseReturnValue:
    """Step 1 of a new warning."""
    moment = now(session())
    start = {
        "status": member(WarningStatus, flask.request.args.get("status")) or WarningStatus.ACTUAL,
        "effective": moment,
        "expires": moment + timedelta(hours=config().warnings.default_valid_hours),
    }
    form = _content_form(None, **start)
    seen = _looked(form, form.status.member)
    if seen is None and form.validate_on_submit():
        try:
            warning = service.create(session(), actor=current_actor(), status=form.status.member, **form.content())
            flash_done(_("The draft is kept. You can leave and come back at any step."))
            return to("area", warning.id)
        except DomainError as error:
            refused(form, error)
    drill = form.status.member not in (WarningStatus.ACTUAL, None)
    status = 422 if form.is_submitted() and not seen else 200
    return flask.render_template(
        "warnings/content.html", form=form, warning=None, s=None, drill=drill, seen=seen
    ), status


@blueprint.route("/<int:warning_id>/content", methods=["GET", "POST"])
@requires(Permission.WARNINGS_DRAFT)
def content(warning_id: int) -> ResponseReturnValue:
    """Step 1."""
    warning = service.get(session(), actor=current_actor(), warning_id=warning_id)
    form = _content_form(warning)
    del form.status
    seen = _looked(form, warning.status, warning)
    if seen is None and form.validate_on_submit():
        try:
            service.edit(session(), actor=current_actor(), warning_id=warning_id, version=version(), **form.content())
            return to("area", warning_id)
        except DomainError as error:
            refused(form, error)
            warning = service.get(session(), actor=current_actor(), warning_id=warning_id)
    return _wizard("content", warning, 1, 422 if form.is_submitted() and not seen else 200, form=form, seen=seen)


@blueprint.route("/<int:warning_id>/area", methods=["GET", "POST"])
@requires(Permission.WARNINGS_DRAFT)
def area(warning_id: int) -> ResponseReturnValue:
    """Step 2: whom it concerns; places without a point are decided here."""
    actor = current_actor()
    warning = service.get(session(), actor=actor, warning_id=warning_id)
    before = warning.area or {}
    form = forms.AreaForm(
        data={
            "divisions": before.get("divisions", []),
            "polygons": forms.write_polygons(before),
            "circles": forms.write_circles(before),
        }
    )
    if form.validate_on_submit():
        decisions = {
            name[7:]: value for name, value in flask.request.form.items() if name.startswith("decide-") and value
        }
        try:
            shape = form.shape(before, decisions)
            if not (shape["divisions"] or shape["polygons"] or shape["circles"]):
                raise Invalid(
                    N_("Choose at least one township, village or shape."), code="area_missing",
                    fields={"divisions": "required"},
                )  # fmt: skip
            service.edit(session(), actor=actor, warning_id=warning_id, version=version(), area=shape)
            figures = measure_next(warning_id, actor)
            return to("area" if figures["undecided"] else "audience", warning_id)
        except DomainError as error:
            refused(form, error)
            warning = service.get(session(), actor=actor, warning_id=warning_id)
    chosen = set(form.divisions.data or [])
    return _wizard(
        "area", warning, 2, 422 if form.is_submitted() else 200, form=form, chosen=chosen,
        choices=picture.choices(session(), actor.division_prefix, chosen),
        undecided=(warning.estimate or {}).get("undecided", []),
    )  # fmt: skip


@blueprint.route("/<int:warning_id>/audience", methods=["GET", "POST"])
@requires(Permission.WARNINGS_DRAFT)
def audience(warning_id: int) -> ResponseReturnValue:
    """Step 3: residents, posts, or both; then everything is counted."""
    actor = current_actor()
    warning = service.get(session(), actor=actor, warning_id=warning_id)
    data = {"audience": warning.audience.value, "channels": ",".join(warning.channels)}
    offered = config().notify.channels_for(exercise=warning.status is WarningStatus.EXERCISE)
    form = forms.AudienceForm(data=data).offer(warning.status, offered, warning.channels)
    if form.validate_on_submit():
        try:
            ways = form.channels.data.split(",") if form.channels.data else list(warning.channels)
            service.edit(
                session(), actor=actor, warning_id=warning_id, version=version(),
                audience=type(warning.audience)(form.audience.data), channels=ways,
            )  # fmt: skip
            measure_next(warning_id, actor)
            return to("preview", warning_id)
        except DomainError as error:
            refused(form, error)
            warning = service.get(session(), actor=actor, warning_id=warning_id)
    return _wizard("audience", warning, 3, 422 if form.is_submitted() else 200, form=form)


@blueprint.get("/<int:warning_id>/preview")
@requires(Permission.WARNINGS_DRAFT)
def preview(warning_id: int) -> ResponseReturnValue:
    """Step 4: as the phone shows it."""
    return _preview(warning_id)


def _preview(warning_id: int, form: Form | None = None, status: int = 200) -> ResponseReturnValue:
    warning = service.get(session(), actor=current_actor(), warning_id=warning_id)
    rows = (warning.estimate or {}).get("by_division", [])
    drawn = picture.draw(session(), warning, rows)
    return _wizard("preview", warning, 4, status, form=form or Form(), rows=rows, map=drawn)


@blueprint.post("/<int:warning_id>/submit")
@requires(Permission.WARNINGS_DRAFT)
@count_first
def submit(warning_id: int) -> ResponseReturnValue:
    """Hand it over; an exercise wants its own words typed. Nobody submits what was not counted."""
    actor = current_actor()
    form = Form()
    warning = service.get(session(), actor=actor, warning_id=warning_id)
    try:
        if not warning.estimate:
            raise Conflict(N_("Count the audience first: the button says to how many people it goes."))
        if warning.status is not WarningStatus.ACTUAL:
            service.require_confirmation(warning, flask.request.form.get("confirm", ""))
        service.submit(session(), actor=actor, warning_id=warning_id, version=version())
    except DomainError as error:
        refused(form, error)
        return _preview(warning_id, form, 422 if error.status == 422 else 409)
    flash_done(_("Submitted. The approvers on duty are told by message, and asked again while it waits."))
    return to("show", warning_id)


@blueprint.post("/<int:warning_id>/measure")
@requires(Permission.WARNINGS_DRAFT)
@count_first
def measure(warning_id: int) -> ResponseReturnValue:
    """Count the audience of a draft again."""
    service.measure(session(), actor=current_actor(), warning_id=warning_id)
    return to("preview", warning_id)


@blueprint.post("/<int:warning_id>/take-back")
@requires(Permission.WARNINGS_DRAFT)
def take_back(warning_id: int) -> ResponseReturnValue:
    """The author goes on writing."""
    service.take_back(session(), actor=current_actor(), warning_id=warning_id)
    return to("content", warning_id)


@blueprint.post("/<int:warning_id>/withdraw")
@requires(Permission.WARNINGS_DRAFT)
def withdraw(warning_id: int) -> ResponseReturnValue:
    """Give a draft up."""
    service.withdraw(session(), actor=current_actor(), warning_id=warning_id)
    flash_done(_("The draft was given up. It stays in the list of what is over."))
    return flask.redirect(flask.url_for("warnings.index"), 303)


# --- decision -----------------------------------------------------------------------------------------------------


@blueprint.get("/<int:warning_id>/approve")
@requires(Permission.WARNINGS_VIEW)
def approve(warning_id: int) -> ResponseReturnValue:
    """Should this be issued now?"""
    return _decide(warning_id)


def _decide(warning_id: int, form: Form | None = None, status: int = 200) -> ResponseReturnValue:
    warning = service.get(session(), actor=current_actor(), warning_id=warning_id)
    if warning.state.value != "submitted" and status == 200:
        return to("show", warning_id)
    found = pages.sheet(session(), warning)
    return flask.render_template(
        "warnings/approve.html", s=found, warning=warning, d=pages.decision(session(), current_actor(), found),
        form=form or Form(), typed=flask.request.form,
    ), status  # fmt: skip


@blueprint.post("/<int:warning_id>/approve")
@requires(Permission.WARNINGS_APPROVE)
@count_first
def do_approve(warning_id: int) -> ResponseReturnValue:
    """Issue it, once."""
    form = Form()
    try:
        issue = service.approve(
            session(), actor=current_actor(), warning_id=warning_id, version=version() or 0,
            confirmation=flask.request.form.get("confirm", ""),
        )  # fmt: skip
    except DomainError as error:
        return _undecided(warning_id, form, error)
    flash_done(
        _("Issued to %(people)s.", people=pages.people_words(_frozen(issue), issue.snapshot.get("channels", ("sms",))))
    )
    return to("show", warning_id)


def _frozen(issue: Issue) -> dict[str, Any]:
    """The figures of what lies in the ledger and of who is told at the door."""
    return {"people": issue.snapshot["people"], "unreachable": issue.snapshot["estimate"].get("unreachable", 0)}


def _undecided(warning_id: int, form: Form, error: DomainError) -> ResponseReturnValue:
    if error.status == 403:
        raise error
    refused(form, error)
    return _decide(warning_id, form, error.status)


@blueprint.post("/<int:warning_id>/refuse")
@requires(Permission.WARNINGS_APPROVE)
def refuse(warning_id: int) -> ResponseReturnValue:
    """Back to the author, or not at all; with a reason either way."""
    form = Form()
    given = flask.request.form
    reason = "：".join(part for part in (given.get("about", ""), given.get("reason", "").strip()) if part)
    decide = service.reject if given.get("decision") == "reject" else service.return_
    try:
        decide(
            session(), actor=current_actor(), warning_id=warning_id, version=version(),
            reason=reason if given.get("reason", "").strip() else "",
        )  # fmt: skip
    except DomainError as error:
        return _undecided(warning_id, form, error)
    flash_done(_("Decided. The author is told, with your reason."))
    return to("show", warning_id)


@blueprint.post("/<int:warning_id>/recount")
@requires(Permission.WARNINGS_APPROVE)
@count_first
def recount(warning_id: int) -> ResponseReturnValue:
    """Look at the audience as it is now."""
    service.recount(session(), actor=current_actor(), warning_id=warning_id, version=version() or 0)
    return to("approve", warning_id)


@blueprint.post("/<int:warning_id>/break-glass")
@requires(Permission.WARNINGS_BREAK_GLASS)
@count_first
def break_glass(warning_id: int) -> ResponseReturnValue:
    """One person alone, with a reason and an alarm."""
    form = Form()
    warning = service.get(session(), actor=current_actor(), warning_id=warning_id)
    try:
        service.require_confirmation(warning, flask.request.form.get("confirm", ""))
        service.break_glass(
            session(), actor=current_actor(), warning_id=warning_id, version=version() or 0,
            reason=flask.request.form.get("reason", ""),
        )  # fmt: skip
    except DomainError as error:
        return _undecided(warning_id, form, error)
    flash_done(_("Issued by you alone. Every approver is alarmed, and the journal keeps your reason."))
    return to("show", warning_id)
