"""Pages of posts: list, record, import and export. What changes a post is in `views_holding`, shifts in `views_roster`."""

from __future__ import annotations

import io
from typing import Any

import flask
from werkzeug.wrappers import Response

from emergency.divisions import rules as division_rules
from emergency.divisions import service as divisions
from emergency.http.forms import flash_done
from emergency.http.i18n import _, language
from emergency.http.permissions import Permission, requires
from emergency.http.request import current_actor, database, own_transaction, session
from emergency.http.sheets import csv_text
from emergency.people.posts import exports, imports, rules, service
from emergency.people.posts.forms import PostForm, UploadForm
from emergency.people.posts.models import Duty
from emergency.people.posts.views_holding import blueprint as holding_blueprint
from emergency.people.posts.views_roster import blueprint as roster_blueprint
from kernel.errors import DomainError

blueprint = flask.Blueprint("posts", __name__)
BLUEPRINTS = (blueprint, holding_blueprint, roster_blueprint)
FILTERS = ("within", "duty", "fault")


@blueprint.get("/posts")
@requires(Permission.POSTS_VIEW)
def index() -> str:
    """The posts of the scope, names and numbers masked."""
    actor = current_actor()
    chosen: dict[str, Any] = {key: v for key in FILTERS if (v := flask.request.args.get(key, "").strip())}
    page = service.list_posts(session(), actor=actor, cursor=flask.request.args.get("cursor"), **chosen)
    return flask.render_template(
        "posts/index.html",
        page=page,
        total=service.count_posts(session(), actor=actor, **chosen),
        faults=service.count_faults(session(), actor=actor, within=chosen.get("within")),
        chosen=chosen,
        areas=divisions.areas(session(), actor=actor, deepest=division_rules.TOWNSHIP),
        Duty=Duty,
        fault_choices=[("any", _("something wrong")), *((f.value, f.label(language())) for f in rules.Fault)],
        may_edit=actor.can(Permission.POSTS_EDIT),
        may_export=actor.can(Permission.PERSONAL_EXPORT),
    )


@blueprint.post("/posts/export")
@requires(Permission.PERSONAL_EXPORT)
@own_transaction
def export() -> flask.Response:
    """Names and numbers of the scope's posts as CSV, for a purpose, journalled."""
    form = flask.request.form
    rows = exports.export_posts(
        database(), actor=current_actor(), purpose=form.get("purpose"), within=form.get("within") or None
    )
    return flask.Response(csv_text(rows, imports.COLUMNS), content_type="text/csv; charset=utf-8",
                          headers={"Content-Disposition": "attachment; filename=posts.csv"})  # fmt: skip


@blueprint.get("/posts/new")
@requires(Permission.POSTS_EDIT)
def new() -> str:
    """A new post."""
    form = PostForm(data={"division_code": flask.request.args.get("within", "")})
    return _new_page(form)


def _new_page(form: PostForm) -> str:
    form.division_code.choices = divisions.areas(session(), actor=current_actor())
    return flask.render_template("posts/new.html", form=form)


@blueprint.post("/posts/new")
@requires(Permission.POSTS_EDIT)
def create() -> Response | tuple[str, int]:
    """Found it, vacant."""
    form = PostForm()
    if form.validate():
        try:
            post = service.create_post(
                session(),
                actor=current_actor(),
                division_code=form.division_code.data,
                duty=form.duty.data,
                title=form.title.data or "",
                responsible=bool(form.responsible.data),
            )
            flash_done(_("The post exists. Write down who holds it."))
            return flask.redirect(flask.url_for("holding.holder", post_id=post.id), 303)
        except DomainError as error:
            flask.g.refused = True
            form.refuse(error)
    return _new_page(form), 422


@blueprint.get("/posts/import")
@requires(Permission.POSTS_EDIT)
def import_page() -> str:
    """Choose a file of posts."""
    return _import_page(UploadForm(), None)


@blueprint.post("/posts/import")
@requires(Permission.POSTS_EDIT)
@own_transaction
def import_file() -> str | tuple[str, int]:
    """Check or take a file of posts."""
    form = UploadForm()
    if not form.validate():
        return _import_page(form, None), 422
    try:
        content = io.BytesIO(form.file.data.read())
        report = imports.import_posts(database(), content, actor=current_actor(), dry_run=bool(form.dry_run.data))
    except DomainError as error:
        form.refuse(error, at="file")
        return _import_page(form, None), 422
    return _import_page(form, report), 200 if not report.errors else 422


def _import_page(form: UploadForm, report: Any) -> str:
    return flask.render_template("posts/import.html", form=form, report=report, columns=imports.COLUMNS)
