"""The shell's own pages: workbench, search, map, system, the places of a phone, the language."""

from __future__ import annotations

import flask
from werkzeug.wrappers import Response

from emergency.divisions.models import UnitKind
from emergency.http import intake
from emergency.http import request as unit
from emergency.http.i18n import COOKIE, LANGUAGES
from emergency.http.permissions import Permission, public, requires
from emergency.web import filters, health, mapping, search, shell, system, workbench
from emergency.web.templating import STATIC

blueprint = flask.Blueprint("web", __name__)
LANGUAGE_SECONDS = 365 * 86400


@blueprint.get("/static/<path:filename>", endpoint="static")
@public("style, scripts and pictures of the pages")
def static(filename: str) -> Response:
    """A file of the pages."""
    return flask.send_from_directory(STATIC, filename, conditional=True)


@blueprint.get("/favicon.ico")
@public("browsers ask for it by themselves")
def favicon() -> Response:
    """The mark."""
    return flask.send_from_directory(STATIC, "favicon.svg")


@blueprint.get("/")
@requires(Permission.WORKBENCH)
def home() -> str:
    """What waits for me, what the day holds, four numbers."""
    session, actor, now = unit.session(), unit.current_actor(), filters.now()
    board = workbench.gather(session, actor, now)
    return flask.render_template(
        "web/workbench.html", board=board, now_at=now, may_draft=actor.can(Permission.WARNINGS_DRAFT),
        alert=shell.guarded("alert", lambda reading: shell.delivery_alert(reading, now), None),
    )  # fmt: skip


@blueprint.get("/search")
@requires(Permission.SIGNED_IN)
def find() -> str:
    """Everything in scope that matches, people excepted."""
    text = flask.request.args.get("q", "").strip()[: search.MAX_LENGTH]
    groups, whole = search.find(unit.session(), unit.current_actor(), text)
    return flask.render_template(
        "web/search.html", q=text, groups=groups, whole=whole, sentence=search.sentence(text, groups)
    )


@blueprint.get("/map")
@requires(Permission.DIVISIONS_VIEW)
def one_map() -> str:
    """Divisions and units on a map without tiles, and the list beside it."""
    kind = flask.request.args.get("kind", "")
    seen = mapping.view(unit.session(), unit.current_actor(), flask.request.args.get("in") or None, kind)
    return flask.render_template("web/map.html", view=seen, kind=kind, UnitKind=UnitKind)


@blueprint.get("/system")
@requires(Permission.SYSTEM_VIEW)
def system_page() -> str:
    """Engine, jobs, versions, configuration."""
    view = system.view(unit.session(), unit.database(), unit.config())
    return flask.render_template(
        "web/system.html", view=view, job_words=system.job_words, silence=health.ENGINE_SILENT_AFTER
    )


@blueprint.get("/more")
@requires(Permission.SIGNED_IN)
def more() -> str:
    """Every place, for the bottom bar of a phone."""
    return flask.render_template("web/more.html")


@blueprint.post("/language")
@public("the sign-in page is in two languages too; sets one cookie")
def language() -> Response:
    """Remember the reader's language and go back."""
    answer = flask.redirect(intake.inside(flask.request.form.get("next", "/")), code=303)
    chosen = flask.request.form.get("language", "")
    if chosen in LANGUAGES:
        answer.set_cookie(
            COOKIE, chosen, max_age=LANGUAGE_SECONDS, httponly=True, samesite="Lax", secure=flask.request.is_secure
        )
    return answer
