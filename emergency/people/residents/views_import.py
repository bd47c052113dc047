"""Pages of imports: upload, progress, what came of it by row."""

from __future__ import annotations

from typing import Any, cast

import flask
from flask.typing import ResponseReturnValue

from emergency.http.i18n import _
from emergency.http.permissions import Permission, requires
from emergency.http.request import current_actor, database, own_transaction, session
from emergency.http.sheets import csv_text
from emergency.people.residents import pages, service
from emergency.people.residents.forms import ImportForm
from emergency.people.residents.rows import COLUMNS
from kernel.db import now
from kernel.errors import DomainError

blueprint = flask.Blueprint("resident_imports", __name__, url_prefix="/residents/imports")


@blueprint.get("")
@requires(Permission.RESIDENTS_IMPORT)
def index() -> ResponseReturnValue:
    """Upload a file, and the imports so far."""
    return _index(ImportForm())


def _index(form: ImportForm, status: int = 200) -> ResponseReturnValue:
    with database().read() as reading:
        page = pages.run_list(reading, actor=current_actor(), now=now(reading), cursor=flask.request.args.get("cursor"))
    return flask.render_template("residents/imports.html", form=form, page=page, columns=COLUMNS), status


@blueprint.post("")
@requires(Permission.RESIDENTS_IMPORT)
@own_transaction
def upload() -> ResponseReturnValue:
    """Take a file; the import runs beside, and its page shows how far it is."""
    form = ImportForm()
    if not form.validate_on_submit():
        return _index(form, 422)
    try:
        run_id = service.upload(
            database(),
            cast(Any, form.file.data.stream),
            actor=current_actor(),
            purpose=form.purpose.data,
            datum=form.datum.data,
            dry_run=form.mode.data != "import",
            file_name=form.file.data.filename or "",
        )
    except DomainError as error:
        form.refuse(error)
        return _index(form, 422)
    return flask.redirect(flask.url_for("resident_imports.show", run_id=run_id), 303)


@blueprint.get("/<int:run_id>")
@requires(Permission.RESIDENTS_IMPORT)
def show(run_id: int) -> ResponseReturnValue:
    """How far an import is, or what came of it, row by row."""
    run = pages.run_view(session(), actor=current_actor(), run_id=run_id, now=now(session()))
    cursor = flask.request.args.get("cursor", "")
    found, more = pages.faults(session(), run_id=run_id, after=int(cursor) if cursor.isdigit() else -1)
    template = "residents/_run.html" if flask.request.headers.get("HX-Request") else "residents/run.html"
    return flask.render_template(template, run=run, page=pages.page_of_faults(found, more))


@blueprint.get("/<int:run_id>/errors.csv")
@requires(Permission.RESIDENTS_IMPORT)
def errors(run_id: int) -> ResponseReturnValue:
    """The faults as a file, to be worked through beside the original."""
    pages.run_view(session(), actor=current_actor(), run_id=run_id, now=now(session()))
    found, _more = pages.faults(session(), run_id=run_id, limit=20_000)
    rows = [{"row": e.row, "column": pages.column_words(e.column), "code": e.code, "message": e.text()} for e in found]
    text = "".join(csv_text(rows, pages.ERROR_COLUMNS, keys_as_headings=False))
    name = _("import-errors") + f"-{run_id}.csv"
    response = flask.Response(text, content_type="text/csv; charset=utf-8")
    response.headers.set("Content-Disposition", "attachment", filename=name)
    return response
