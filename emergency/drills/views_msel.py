"""Pages of the list of injects: of one drill, of a programme's pattern; as a sheet; on paper."""

from __future__ import annotations

import io
from typing import Any

import flask
from flask import render_template, request

from emergency.drills import day_msel, day_pages, day_rules, day_sending, day_sheets
from emergency.drills.day_forms import CopyForm, InjectForm, SheetForm
from emergency.drills.day_models import DayState, DrillInject, InjectState, InjectVia
from emergency.drills.rules import COMING
from emergency.drills.views_day import Page, told
from emergency.http.i18n import _, language
from emergency.http.permissions import Permission, requires
from emergency.http.request import config, current_actor, database, own_transaction, session
from emergency.http.sheets import Report, write_csv, write_xlsx
from emergency.people.posts import service as posts
from kernel.errors import DomainError, Invalid

blueprint = flask.Blueprint("drill_msel", __name__, url_prefix="/drills")
VIEW, EDIT = Permission.DRILLS_VIEW, Permission.DRILLS_EDIT
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def _owner(occurrence_id: int | None, programme_id: int | None) -> day_msel.Owner:
    return day_msel.owner_of(session(), actor=current_actor(), occurrence_id=occurrence_id, programme_id=programme_id)


def _args(owner: day_msel.Owner) -> dict[str, int]:
    if owner.occurrence is not None:
        return {"occurrence_id": owner.occurrence.id}
    return {"programme_id": owner.programme.id}


def _editable(owner: day_msel.Owner) -> bool:
    if not current_actor().can(EDIT):
        return False
    if owner.occurrence is None:
        return True
    day = day_msel.day_of(session(), owner.occurrence.id)
    return owner.occurrence.state in COMING and (day is None or day.state is not DayState.ENDED)


def _fill(form: InjectForm, owner: day_msel.Owner, inject: DrillInject | None = None) -> InjectForm:
    work = session()
    form.posts.choices = day_pages.post_choices(work, owner, language())
    form.objective_id.choices = [
        (0, _("none")), *((goal.id, goal.words) for goal in day_msel.objectives(work, owner))
    ]  # fmt: skip
    if request.method == "POST" and form.is_submitted():
        return form
    items = day_msel.items(work, owner)
    if inject is None:
        form.number.data, form.tolerance_minutes.data = day_msel.next_number(items), 10
        form.via.data, form.objective_id.data = InjectVia.SMS, 0
        return form
    mine = next(item for item in items if item.inject.id == inject.id)
    known = {value for value, _title in form.posts.choices}
    more = [post_id for post_id in mine.post_ids if post_id not in known]
    if more:
        named = posts.titles(work, more, language=language())
        form.posts.choices += [(post_id, named.get(post_id, "")) for post_id in more]
    for name in ("number", "sender", "via", "message", "expected", "controller", "tolerance_minutes"):
        form[name].data = getattr(inject, name)
    form.offset.data = day_rules.clock_words(inject.offset_seconds).removeprefix("+")
    form.objective_id.data, form.posts.data = inject.objective_id or 0, mine.post_ids
    return form


def _facts(form: InjectForm) -> day_msel.InjectFacts:
    return day_msel.InjectFacts(
        form.number.data or 0, day_rules.read_offset(form.offset.data or ""), form.sender.data or "",
        form.via.data or InjectVia.SMS, form.message.data or "", form.posts.data or (), form.expected.data or "",
        form.objective_id.data or None, form.controller.data or "",
        10 if form.tolerance_minutes.data is None else form.tolerance_minutes.data,
    )  # fmt: skip


def _refuse(form: InjectForm, error: DomainError) -> None:
    if error.code == "bad_offset":
        form.refuse(error, at="offset")
    else:
        form.refuse(error)


def _preview(form: InjectForm) -> Any:
    try:
        return day_sending.preview(session(), form.message.data) if form.message.data else None
    except Invalid as error:
        form.refuse(error, at="message")
        return None


def _list(owner: day_msel.Owner, form: InjectForm | None = None, preview: Any = None, status: int = 200) -> Page:
    work, actor = session(), current_actor()
    copy = CopyForm(formdata=None)
    copy.source.choices = day_pages.copy_choices(work, actor=actor, owner=owner)
    offered = config().notify.channels_for(exercise=True)
    lines = day_pages.list_lines(work, owner, language())
    unsendable = sorted({line.inject.via for line in lines if line.inject.via.by_engine
                         and line.inject.via.value not in offered}, key=lambda via: via.value)  # fmt: skip
    day = day_msel.day_of(work, owner.occurrence.id) if owner.occurrence is not None else None
    body = render_template(
        "drills/day/msel.html", owner=owner, occurrence=owner.occurrence, programme=owner.programme, lines=lines,
        form=form or _fill(InjectForm(formdata=None), owner), copy=copy, editable=_editable(owner), args=_args(owner),
        preview=preview, sender=config().site.sms_signature or config().site.name, unsendable=unsendable, day=day,
        goals={goal.id: goal.words for goal in day_msel.objectives(work, owner)}, J=InjectState,
    )  # fmt: skip
    return body, status


@blueprint.route("/<int:occurrence_id>/day/msel", methods=["GET", "POST"])
@blueprint.route("/programmes/<int:programme_id>/injects", methods=["GET", "POST"])
@requires(VIEW)
def index(occurrence_id: int | None = None, programme_id: int | None = None) -> Page:
    """The list, and a form for one inject more."""
    owner = _owner(occurrence_id, programme_id)
    if request.method == "GET":
        return _list(owner)
    day_msel.require_editable(session(), actor=current_actor(), owner=owner)
    form = _fill(InjectForm(), owner)
    if form.validate_on_submit():
        preview = _preview(form)
        if "preview" in request.form and preview is not None:
            flask.g.refused = True
            return _list(owner, form, preview)
        try:
            if not form.errors:
                if owner.occurrence is not None:
                    day_msel.ensure_day(session(), owner.occurrence)
                made = day_msel.add(session(), actor=current_actor(), owner=owner, facts=_facts(form))
                return told(_("No. %(n)s is on the list.", n=made.number), "drill_msel.index", **_args(owner))
        except DomainError as error:
            _refuse(form, error)
    flask.g.refused = True
    return _list(owner, form, status=422)


@blueprint.route("/injects/<int:inject_id>", methods=["GET", "POST"])
@requires(VIEW)
def edit(inject_id: int) -> Page:
    """One inject: as the phone shows it, and the form that changes it."""
    work, actor = session(), current_actor()
    inject, owner = day_msel.inject_of(work, actor=actor, inject_id=inject_id)
    editable = _editable(owner) and inject.state is InjectState.PLANNED
    form, status = InjectForm(), 200
    if request.method == "POST":
        day_msel.require_editable(work, actor=actor, owner=owner)
    _fill(form, owner, inject)
    preview = _preview(form)
    if request.method == "POST":
        if form.validate_on_submit() and preview is not None and "preview" not in request.form:
            try:
                day_msel.change(
                    work, actor=actor, inject_id=inject_id, version=request.form.get("version", 0, type=int),
                    facts=_facts(form),
                )  # fmt: skip
                return told(_("Saved."), "drill_msel.index", **_args(owner))
            except DomainError as error:
                _refuse(form, error)
        flask.g.refused = True
        status = 200 if "preview" in request.form and preview is not None and not form.errors else 422
    body = render_template(
        "drills/day/inject_edit.html", inject=inject, owner=owner, occurrence=owner.occurrence,
        programme=owner.programme, form=form, preview=preview, editable=editable, args=_args(owner),
        sender=config().site.sms_signature or config().site.name,
        day=day_msel.day_of(work, owner.occurrence.id) if owner.occurrence is not None else None,
    )  # fmt: skip
    return body, status


@blueprint.post("/injects/<int:inject_id>/remove")
@requires(EDIT)
def remove(inject_id: int) -> Page:
    """Take one inject off the list."""
    owner = day_msel.remove(session(), actor=current_actor(), inject_id=inject_id)
    return told(_("Taken off the list."), "drill_msel.index", **_args(owner))


@blueprint.post("/<int:occurrence_id>/day/msel/copy")
@blueprint.post("/programmes/<int:programme_id>/injects/copy")
@requires(EDIT)
def copy(occurrence_id: int | None = None, programme_id: int | None = None) -> Page:
    """Replace the list by a copy of another."""
    owner = _owner(occurrence_id, programme_id)
    source = day_pages.chosen_source(session(), actor=current_actor(), text=request.form.get("source", ""))
    n = day_msel.take_over(session(), actor=current_actor(), owner=owner, source=source)
    return told(_("%(n)s injects were copied.", n=n), "drill_msel.index", **_args(owner))


@blueprint.get("/<int:occurrence_id>/day/msel.<any(csv,xlsx):ending>")
@blueprint.get("/programmes/<int:programme_id>/injects.<any(csv,xlsx):ending>")
@requires(VIEW)
def export(ending: str, occurrence_id: int | None = None, programme_id: int | None = None) -> Page:
    """The list as a sheet that the import takes back."""
    owner = _owner(occurrence_id, programme_id)
    rows = list(day_sheets.rows(session(), owner))
    if ending == "csv":
        text = io.StringIO()
        write_csv(rows, day_sheets.COLUMNS, text, keys_as_headings=False)
        response = flask.Response(text.getvalue(), mimetype="text/csv")
    else:
        book = io.BytesIO()
        write_xlsx(rows, day_sheets.COLUMNS, book, keys_as_headings=False)
        response = flask.Response(book.getvalue(), mimetype=XLSX)
    number = owner.occurrence.id if owner.occurrence is not None else owner.programme.id
    response.headers["Content-Disposition"] = f'attachment; filename="injects-{number}.{ending}"'
    return response


@blueprint.route("/<int:occurrence_id>/day/msel/import", methods=["GET", "POST"])
@blueprint.route("/programmes/<int:programme_id>/injects/import", methods=["GET", "POST"])
@requires(EDIT)
@own_transaction
def take(occurrence_id: int | None = None, programme_id: int | None = None) -> Page:
    """Check or take over a sheet; rows that are refused are shown with their reason."""
    actor = current_actor()
    with database().read() as reading:
        owner = day_msel.owner_of(reading, actor=actor, occurrence_id=occurrence_id, programme_id=programme_id)
        day_msel.require_editable(reading, actor=actor, owner=owner)
    form, report, status = SheetForm(), None, 200
    if request.method == "POST":
        if form.validate():
            try:
                if owner.occurrence is not None and not form.dry_run.data:
                    with database().write() as writing:
                        day_msel.ensure_day(writing, owner.occurrence)
                report = day_sheets.import_injects(
                    database(), io.BytesIO(form.file.data.read()), actor=actor, occurrence_id=occurrence_id,
                    programme_id=programme_id, dry_run=bool(form.dry_run.data),
                )  # fmt: skip
            except DomainError as error:
                form.refuse(error, at="file")
        status = 422 if form.errors or (report is not None and report.errors) else 200
    shown: Report | None = report
    body = render_template(
        "drills/day/msel_import.html", form=form, report=shown, columns=day_sheets.COLUMNS, owner=owner,
        args=_args(owner), programme=owner.programme, occurrence=owner.occurrence, day=None,
    )  # fmt: skip
    return body, status


@blueprint.get("/<int:occurrence_id>/day/print")
@requires(VIEW)
def paper(occurrence_id: int) -> Page:
    """The list on paper for when the network is gone, with empty columns to write in."""
    owner = _owner(occurrence_id, None)
    return render_template(
        "drills/day/paper.html", owner=owner, occurrence=owner.occurrence, programme=owner.programme,
        lines=day_pages.list_lines(session(), owner, language()), site=config().site.name,
        goals={goal.id: goal.words for goal in day_msel.objectives(session(), owner)},
        day=day_msel.day_of(session(), occurrence_id),
    )  # fmt: skip
