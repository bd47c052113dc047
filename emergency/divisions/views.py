"""Pages of divisions: the tree, one division, where it is, import and export. Units are in `views_units`."""

from __future__ import annotations

import flask
from werkzeug.wrappers import Response

from emergency.divisions import columns, exports, imports, rules, service
from emergency.divisions.forms import PlaceForm
from emergency.divisions.models import Datum
from emergency.divisions.uploading import Upload
from emergency.divisions.views_units import blueprint as units_blueprint
from emergency.http.forms import flash_done
from emergency.http.i18n import _
from emergency.http.permissions import Permission, requires
from emergency.http.request import current_actor, database, own_transaction, session
from emergency.http.sheets import csv_text
from kernel.errors import DomainError

blueprint = flask.Blueprint("divisions", __name__)
UPLOAD = Upload("divisions", columns.DIVISIONS, imports.import_divisions, "divisions.index")
BLUEPRINTS = (blueprint, units_blueprint)


@blueprint.get("/divisions")
@requires(Permission.DIVISIONS_VIEW)
def index() -> str:
    """The tree of the scope with the numbers of what lies in it; or what a search finds."""
    actor = current_actor()
    q = flask.request.args.get("q", "").strip()
    found = service.list_divisions(session(), actor=actor, q=q, cursor=flask.request.args.get("cursor")) if q else None
    return flask.render_template(
        "divisions/index.html", rows=service.tree(session(), actor=actor), found=found, q=q, actor_=actor
    )


@blueprint.get("/divisions.csv")
@requires(Permission.DIVISIONS_VIEW)
def export() -> flask.Response:
    """The divisions of the scope as CSV."""
    rows = exports.export_divisions(database(), actor=current_actor())
    return flask.Response(csv_text(rows, columns.DIVISIONS), content_type="text/csv; charset=utf-8",
                          headers={"Content-Disposition": "attachment; filename=divisions.csv"})  # fmt: skip


@blueprint.get("/divisions/<code>")
@requires(Permission.DIVISIONS_VIEW)
def show(code: str) -> str:
    """One division: where it is, what lies in it."""
    actor = current_actor()
    division = service.seen(session(), actor=actor, code=code)
    page = service.list_divisions(session(), actor=actor, parent=code, cursor=flask.request.args.get("cursor"))
    held = service.units(session(), actor, within=code, limit=20) if actor.can(Permission.UNITS_VIEW) else None
    return flask.render_template(
        "divisions/show.html",
        division=division,
        path=service.path(session(), code)[:-1],
        page=page,
        units=held.items if held else [],
        units_total=service.count_units(session(), actor, within=code) if held else 0,
        rings=rules.rings_of(division.boundary),
        may_edit=actor.can(Permission.DIVISIONS_EDIT) and actor.covers(code),
    )


@blueprint.get("/divisions/<code>/edit")
@requires(Permission.DIVISIONS_EDIT)
def edit(code: str) -> str:
    """Where the division is, to be corrected."""
    division = service.seen(session(), actor=current_actor(), code=code)
    form = PlaceForm(data={"lon": division.lon, "lat": division.lat, "datum": Datum.WGS84})
    return flask.render_template("divisions/edit.html", form=form, division=division)


@blueprint.post("/divisions/<code>/edit")
@requires(Permission.DIVISIONS_EDIT)
def save(code: str) -> Response | tuple[str, int]:
    """Keep point and boundary."""
    division = service.seen(session(), actor=current_actor(), code=code)
    form = PlaceForm()
    if form.validate():
        try:
            datum = form.datum.data or Datum.WGS84
            service.place(
                session(), actor=current_actor(), code=code, lon=form.lon.data, lat=form.lat.data,
                geojson=form.geojson(), datum=datum,
            )  # fmt: skip
            flash_done(_("%(name)s has its new place.", name=division.name))
            return flask.redirect(flask.url_for("divisions.show", code=code), 303)
        except DomainError as error:
            flask.g.refused = True
            form.refuse(error)
    return flask.render_template("divisions/edit.html", form=form, division=division), 422


@blueprint.get("/divisions/import")
@requires(Permission.DIVISIONS_EDIT)
def import_page() -> str:
    """Choose a file of divisions."""
    return UPLOAD.show()


@blueprint.post("/divisions/import")
@requires(Permission.DIVISIONS_EDIT)
@own_transaction
def import_file() -> str | tuple[str, int]:
    """Check or take a file of divisions."""
    return UPLOAD.post()
