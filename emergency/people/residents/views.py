"""Pages of residents: the list, one person, search, export; imports stand in `views_import`."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import flask
from flask.typing import ResponseReturnValue

from emergency.http.forms import Form, flash_done
from emergency.http.i18n import _
from emergency.http.permissions import Permission, requires
from emergency.http.request import current_actor, database, own_transaction, session
from emergency.http.sheets import csv_text, write_xlsx
from emergency.people.contacts import service as contacts
from emergency.people.contacts.models import PhoneState
from emergency.people.residents import pages, service
from emergency.people.residents.forms import (
    CorrectForm,
    ExportForm,
    NewResidentForm,
    SearchForm,
    choices_of,
    with_villages,
)
from emergency.people.residents.records import Record
from emergency.people.residents.rows import COLUMNS
from kernel.errors import DomainError, Invalid

blueprint = flask.Blueprint("residents", __name__, url_prefix="/residents")
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def private(response: ResponseReturnValue) -> flask.Response:
    """A page with personal data in clear: no copy of it stays in a browser or a proxy."""
    made = flask.make_response(response)
    made.headers["Cache-Control"] = "no-store"
    return made


@blueprint.get("")
@requires(Permission.RESIDENTS_VIEW)
def index() -> ResponseReturnValue:
    """People by village, masked."""
    args, actor = flask.request.args, current_actor()
    division = args.get("division") or ""
    level = args.get("priority") or ""
    page = service.list_residents(
        session(),
        actor=actor,
        division=division or None,
        phone_state=args.get("phone") or None,
        priority_class=int(level) if level in ("0", "1", "2", "3") else None,
        left=args.get("left") == "1",
        cursor=args.get("cursor"),
    )
    return flask.render_template(
        "residents/index.html",
        page=page,
        division=division,
        areas=pages.area_choices(session(), actor, division),
        tally=pages.tally(session(), actor, division or None),
        phone=args.get("phone") or "",
        phone_states=pages.phone_choices(),
        priority=level,
        priorities=pages.priority_choices(),
        priority_label=pages.priority_label,
        left=args.get("left") or "",
    )


@blueprint.get("/<int:resident_id>")
@requires(Permission.RESIDENTS_VIEW)
def show(resident_id: int) -> ResponseReturnValue:
    """One person, masked."""
    return _show(service.record(session(), actor=current_actor(), resident_id=resident_id))


def _show(record: Record) -> str:
    return flask.render_template(
        "residents/show.html",
        record=record,
        priority_label=pages.priority_label,
        invalid=PhoneState.INVALID,
        refusal=pages.refusal(session(), record.line.contact_id),
        objections=service.objections(session(), record.line.contact_id),
    )


@blueprint.post("/<int:resident_id>/reveal")
@requires(Permission.PERSONAL_REVEAL)
@own_transaction
def reveal(resident_id: int) -> ResponseReturnValue:
    """Everything about one person: journalled with its purpose before it is decrypted."""
    with database().read() as reading:
        person = service.reveal(
            reading, actor=current_actor(), resident_id=resident_id, purpose=flask.request.form.get("purpose")
        )
    return private(flask.render_template("residents/revealed.html", person=person, invalid=PhoneState.INVALID))


@blueprint.get("/new")
@requires(Permission.RESIDENTS_EDIT)
def new() -> ResponseReturnValue:
    """The form for a person who was in no file."""
    form = with_villages(NewResidentForm(), pages.places(session(), current_actor()))
    if flask.request.args.get("division"):
        form.division_code.data = flask.request.args["division"]
    return flask.render_template("residents/new.html", form=form)


@blueprint.post("/new")
@requires(Permission.RESIDENTS_EDIT)
def create() -> ResponseReturnValue:
    """Add a person."""
    form = with_villages(NewResidentForm(), pages.places(session(), current_actor()))
    if form.validate_on_submit():
        names = ("name", "phone", "external_id", "division_code", "household", "address", "needs")
        try:
            resident_id = service.register(
                session(), actor=current_actor(), **{name: form[name].data or "" for name in names}
            )
        except DomainError as error:
            form.refuse(error)
        else:
            flash_done(_("The person is registered and will be warned from now on."))
            return flask.redirect(flask.url_for("residents.show", resident_id=resident_id), 303)
    return _refused(flask.render_template("residents/new.html", form=form))


@blueprint.get("/<int:resident_id>/edit")
@requires(Permission.RESIDENTS_EDIT)
def edit(resident_id: int) -> ResponseReturnValue:
    """The form of a correction."""
    record = service.record(session(), actor=current_actor(), resident_id=resident_id)
    return flask.render_template("residents/edit.html", record=record, form=_correct_form(record))


def _correct_form(record: Record) -> CorrectForm:
    form = CorrectForm()
    kept = _("stays: %(name)s", name=record.line.division_name)
    with_villages(form, pages.places(session(), current_actor()), keep=kept)
    if not form.is_submitted():
        form.version.data = record.version
    hints = {"phone": record.line.phone, "name": record.line.name, "address": record.address}
    for name, masked in hints.items():
        form[name].description = (
            _("Stored: %(masked)s. Leave empty to keep it.", masked=masked) if masked else _("Nothing is stored yet.")
        )
    form.household.description = form.needs.description = _("Leave empty to keep what is stored.")
    return form


@blueprint.post("/<int:resident_id>/edit")
@requires(Permission.RESIDENTS_EDIT)
def correct(resident_id: int) -> ResponseReturnValue:
    """Correct a person. Empty fields keep what is stored."""
    record = service.record(session(), actor=current_actor(), resident_id=resident_id)
    form = _correct_form(record)
    if form.validate_on_submit():
        names = ("name", "phone", "household", "address", "needs", "division_code")
        changes: dict[str, Any] = {name: form[name].data for name in names if form[name].data}
        if form.no_phone.data:
            changes["phone"] = ""
        if form.no_needs.data:
            changes["needs"] = ""
        try:
            service.correct(
                session(),
                actor=current_actor(),
                resident_id=resident_id,
                version=form.version.data or None,
                **changes,
            )
        except DomainError as error:
            form.refuse(error)
        else:
            flash_done(_("Corrected. Every list and every warning uses it from now on."))
            return flask.redirect(flask.url_for("residents.show", resident_id=resident_id), 303)
    return _refused(flask.render_template("residents/edit.html", record=record, form=form))


def _refused(page: str) -> ResponseReturnValue:
    flask.g.refused = True  # nothing of this unit of work is kept
    return private((page, 422))


@blueprint.post("/<int:resident_id>/leave")
@requires(Permission.RESIDENTS_EDIT)
def leave(resident_id: int) -> ResponseReturnValue:
    """The person does not live here any more, or does again."""
    left = flask.request.form.get("back") != "1"
    service.leave(session(), actor=current_actor(), resident_id=resident_id, left=left)
    flash_done(
        _("No warning goes to this person any more.") if left else _("The person is back and will be warned again.")
    )
    return flask.redirect(flask.url_for("residents.show", resident_id=resident_id), 303)


@blueprint.post("/<int:resident_id>/verify")
@requires(Permission.RESIDENTS_EDIT)
def verify(resident_id: int) -> ResponseReturnValue:
    """Somebody spoke to the person at this number."""
    record = service.record(session(), actor=current_actor(), resident_id=resident_id)
    contacts.verify_number(session(), actor=current_actor(), contact_id=record.line.contact_id)
    flash_done(_("The number is marked as verified today."))
    return flask.redirect(flask.url_for("residents.show", resident_id=resident_id), 303)


@blueprint.post("/<int:resident_id>/messages")
@requires(Permission.RESIDENTS_EDIT)
def messages(resident_id: int) -> ResponseReturnValue:
    """The person told a clerk that they want no everyday messages, or want them again."""
    wanted = flask.request.form.get("wanted") == "1"
    service.set_messages(
        session(), actor=current_actor(), resident_id=resident_id, wanted=wanted,
        reason=flask.request.form.get("reason", ""),
    )  # fmt: skip
    flash_done(
        _("Everyday messages go to this number again.")
        if wanted
        else _("No everyday message goes to this number any more. Real warnings still do.")
    )
    return flask.redirect(flask.url_for("residents.show", resident_id=resident_id), 303)


@blueprint.get("/search")
@requires(Permission.RESIDENTS_VIEW)
def search() -> ResponseReturnValue:
    """The form of a search."""
    return flask.render_template("residents/search.html", form=SearchForm(), found=None)


@blueprint.post("/search")
@requires(Permission.RESIDENTS_VIEW)
def find() -> ResponseReturnValue:
    """People with exactly this name or number; the search is journalled."""
    form = SearchForm()
    found = None
    status = 422
    if form.validate_on_submit():
        try:
            found = service.search(
                session(), actor=current_actor(), name=form.name.data or "", phone=form.phone.data or ""
            )
            status = 200
        except DomainError as error:
            form.refuse(error)
    page = flask.render_template("residents/search.html", form=form, found=found, priority_label=pages.priority_label)
    return private((page, status))


@blueprint.get("/export")
@requires(Permission.PERSONAL_EXPORT)
def export() -> ResponseReturnValue:
    """The form of an export: what for, which area."""
    return flask.render_template("residents/export.html", form=_export_form())


def _export_form() -> ExportForm:
    form = ExportForm()
    with database().read() as reading:
        areas = pages.area_choices(reading, current_actor(), form.division.data or "")
    form.division.choices = choices_of([("", _("the whole area of my account")), *areas])
    return form


@blueprint.post("/export")
@requires(Permission.PERSONAL_EXPORT)
@own_transaction
def download() -> ResponseReturnValue:
    """The list in clear, as a file. Purpose and number of people are journalled before the first row is read."""
    form = _export_form()
    if not form.validate_on_submit():
        return private((flask.render_template("residents/export.html", form=form), 422))
    db = database()
    reading = db.open_session(writer=False)
    try:
        rows = service.export_residents(
            reading, actor=current_actor(), purpose=form.purpose.data, division=form.division.data or None
        )
        if form.format.data == "xlsx":
            target = io.BytesIO()
            write_xlsx(rows, COLUMNS, target)
            db.abandon(reading)
            return private(_file(target.getvalue(), XLSX, "residents.xlsx"))
    except Invalid as error:
        db.abandon(reading)
        form.refuse(error)
        return private((flask.render_template("residents/export.html", form=form), 422))
    except BaseException:
        db.abandon(reading)
        raise

    def stream() -> Iterator[str]:
        try:
            yield from csv_text(rows, COLUMNS)
        finally:
            db.abandon(reading)

    return private(_file(stream(), "text/csv; charset=utf-8", "residents.csv"))


def _file(body: Any, content_type: str, name: str) -> flask.Response:
    disposition = {"Content-Disposition": f'attachment; filename="{name}"'}
    return flask.Response(body, content_type=content_type, headers=disposition)


def refuse(form: Form, error: DomainError) -> None:
    """Show a refusal at its field."""
    form.refuse(error)


from emergency.people.residents import views_import  # noqa: E402

BLUEPRINTS = (blueprint, views_import.blueprint)
