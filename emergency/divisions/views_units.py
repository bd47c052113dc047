"""Pages of units: list, record, edit, reveal, close, import and export."""

from __future__ import annotations

from typing import Any

import flask
from werkzeug.wrappers import Response

from emergency.divisions import columns, exports, imports, rules, service
from emergency.divisions.forms import UnitForm
from emergency.divisions.models import Datum, RiskGrade, UnitKind
from emergency.divisions.uploading import Upload
from emergency.http.forms import flash_done
from emergency.http.i18n import _, language
from emergency.http.permissions import Permission, requires
from emergency.http.request import current_actor, database, own_transaction, session
from emergency.http.sheets import csv_text
from kernel.errors import DomainError

blueprint = flask.Blueprint("units", __name__)
UPLOAD = Upload("units", columns.UNITS, imports.import_units, "units.index")
FILTERS = ("within", "kind", "sector", "grade", "q")


def _chosen() -> dict[str, Any]:
    return {key: value for key in FILTERS if (value := flask.request.args.get(key, "").strip())}


@blueprint.get("/units")
@requires(Permission.UNITS_VIEW)
def index() -> str:
    """The units of the scope."""
    actor, chosen = current_actor(), _chosen()
    page = service.units(session(), actor, cursor=flask.request.args.get("cursor"), **chosen)
    return flask.render_template(
        "divisions/units.html",
        page=page,
        total=service.count_units(session(), actor, **chosen),
        names=service.names(session(), [unit.division_code for unit in page.items]),
        chosen=chosen,
        areas=service.areas(session(), actor=actor, deepest=rules.TOWNSHIP),
        sectors=[(code, sector.label(language())) for code, sector in rules.SECTORS.items()],
        UnitKind=UnitKind,
        RiskGrade=RiskGrade,
        may_edit=actor.can(Permission.UNITS_EDIT),
    )


@blueprint.get("/units.csv")
@requires(Permission.UNITS_VIEW)
def export() -> flask.Response:
    """What is shown, as CSV; addresses and contacts stay empty, which an import leaves as they are."""
    rows = exports.export_units(database(), actor=current_actor(), personal=False, **_chosen())
    return flask.Response(csv_text(rows, columns.UNITS), content_type="text/csv; charset=utf-8",
                          headers={"Content-Disposition": "attachment; filename=units.csv"})  # fmt: skip


def _record(unit_id: int, revealed: Any = None) -> str:
    actor = current_actor()
    unit = service.get_unit(session(), actor=actor, unit_id=unit_id)
    tags = rules.widen(unit.sectors, crowded=unit.crowded, key_fire=unit.key_fire)
    words = {code: rules.SECTORS[code].label(language()) for code in [*unit.sectors, *sorted(tags)] if code in tags}
    return flask.render_template(
        "divisions/unit.html",
        unit=unit,
        path=service.path(session(), unit.division_code),
        own=[words[code] for code in unit.sectors if code in words],
        implied=[words[code] for code in sorted(tags) if code not in unit.sectors],
        contact=service.masked_contact(session(), actor=actor, unit=unit),
        revealed=revealed,
        may_edit=actor.can(Permission.UNITS_EDIT),
        may_reveal=actor.can(Permission.PERSONAL_REVEAL),
    )


@blueprint.get("/units/<int:unit_id>")
@requires(Permission.UNITS_VIEW)
def show(unit_id: int) -> str:
    """One unit."""
    return _record(unit_id)


@blueprint.post("/units/<int:unit_id>/reveal")
@requires(Permission.PERSONAL_REVEAL)
@own_transaction
def reveal(unit_id: int) -> str:
    """Its address and contact in clear, once, for a purpose."""
    with database().read() as reading:
        revealed = service.reveal_unit(
            reading, actor=current_actor(), unit_id=unit_id, purpose=flask.request.form.get("purpose", "")
        )
    return _record(unit_id, revealed)


@blueprint.get("/units/new")
@requires(Permission.UNITS_EDIT)
def new() -> str:
    """A new unit."""
    form = _offered(UnitForm(data={"division_code": flask.request.args.get("within", ""), "datum": Datum.WGS84}))
    return flask.render_template("divisions/unit_edit.html", form=form, unit=None)


@blueprint.post("/units/new")
@requires(Permission.UNITS_EDIT)
def create() -> Response | tuple[str, int]:
    """Take it up."""
    form = _offered(UnitForm())
    if form.validate():
        try:
            unit = service.create_unit(session(), actor=current_actor(), facts=form.facts())
            flash_done(_("%(name)s is on the list.", name=unit.name))
            return flask.redirect(flask.url_for("units.show", unit_id=unit.id), 303)
        except DomainError as error:
            flask.g.refused = True
            form.refuse(error)
    return flask.render_template("divisions/unit_edit.html", form=form, unit=None), 422


@blueprint.get("/units/<int:unit_id>/edit")
@requires(Permission.UNITS_EDIT)
def edit(unit_id: int) -> str:
    """A unit to be corrected."""
    unit = service.get_unit(session(), actor=current_actor(), unit_id=unit_id)
    form = _offered(UnitForm(data={"datum": Datum.WGS84})).show(unit)
    return flask.render_template("divisions/unit_edit.html", form=form, unit=unit)


@blueprint.post("/units/<int:unit_id>/edit")
@requires(Permission.UNITS_EDIT)
def save(unit_id: int) -> Response | tuple[str, int]:
    """Keep it."""
    unit = service.get_unit(session(), actor=current_actor(), unit_id=unit_id)
    form = _offered(UnitForm())
    if form.validate():
        try:
            service.change_unit(session(), actor=current_actor(), unit_id=unit_id, facts=form.facts())
            flash_done(_("%(name)s was corrected.", name=unit.name))
            return flask.redirect(flask.url_for("units.show", unit_id=unit_id), 303)
        except DomainError as error:
            flask.g.refused = True
            form.refuse(error)
    return flask.render_template("divisions/unit_edit.html", form=form, unit=unit), 422


def _offered(form: UnitForm) -> UnitForm:
    return form.offer(service.areas(session(), actor=current_actor()))


@blueprint.post("/units/<int:unit_id>/close")
@requires(Permission.UNITS_EDIT)
def close(unit_id: int) -> Response:
    """The unit does not exist any more."""
    unit = service.close_unit(session(), actor=current_actor(), unit_id=unit_id)
    flash_done(_("%(name)s is closed; its history stays.", name=unit.name))
    return flask.redirect(flask.url_for("units.index"), 303)


@blueprint.get("/units/import")
@requires(Permission.UNITS_EDIT)
def import_page() -> str:
    """Choose a file of units."""
    return UPLOAD.show()


@blueprint.post("/units/import")
@requires(Permission.UNITS_EDIT)
@own_transaction
def import_file() -> str | tuple[str, int]:
    """Check or take a file of units."""
    return UPLOAD.post()
