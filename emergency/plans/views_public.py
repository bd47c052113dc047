"""Public plans, for everybody: a list and the texts that were published. And the page where a plan is published.

Nothing here needs an account, sets a cookie or shows a person. What is secret and what does not exist look the same.
"""

from __future__ import annotations

import hashlib
from typing import Any

import flask
from flask.typing import ResponseReturnValue

from emergency.divisions import service as divisions
from emergency.divisions.rules import is_code
from emergency.http import patience
from emergency.http.actor import Actor
from emergency.http.i18n import _, language
from emergency.http.permissions import Permission, public, requires
from emergency.http.request import config, current_actor, session
from emergency.people.accounts import service as accounts
from emergency.plans import attachments, publication
from emergency.plans.models import Hazard
from emergency.plans.publication_models import Openness
from emergency.plans.queries import get_plan, in_force
from kernel.errors import DomainError

blueprint = flask.Blueprint("plans_public", __name__, url_prefix="/public/plans")
desk = flask.Blueprint("plan_publication", __name__, url_prefix="/plans")
SECONDS = 60
"""So long may others keep a page: what is withdrawn is gone everywhere a minute later."""
READER = Actor.system("public")
WHY = "plans that were published are for everybody (国办发〔2024〕5号)"
IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})


@blueprint.before_request
def _patience() -> None:
    patience.of("public", rate=2.0, burst=60).take(flask.request.remote_addr or "")


def _answer(body: str) -> ResponseReturnValue:
    response = flask.make_response(body)
    response.set_etag(hashlib.sha256(body.encode()).hexdigest()[:32])
    response.cache_control.public = True
    response.cache_control.max_age = SECONDS
    response.vary.update(("Cookie", "Accept-Language"))
    response.headers["Content-Language"] = "en" if language() == "en" else "zh-CN"
    response.headers["X-Robots-Tag"] = "index, noarchive"
    return response.make_conditional(flask.request)


@blueprint.get("")
@public(WHY)
def index() -> ResponseReturnValue:
    """What is published, by place and hazard."""
    args = flask.request.args
    place = args.get("place", "") if is_code(args.get("place", "")) else ""
    hazard = next((h for h in Hazard if h.value == args.get("hazard")), None)
    after = min(max(args.get("after", 0, type=int) or 0, 0), 100_000)
    rows, further = publication.public_plans(session(), place=place, hazard=hazard, after=after)
    names = divisions.names(session(), {row.division_code for row in rows})
    towns = [(town.code, town.name) for town in divisions.townships(session())]
    return _answer(flask.render_template(
        "plans/public_list.html", rows=rows, names=names, towns=towns, place=place, hazard=hazard, further=further,
        hazards=[h for h in Hazard if h is not Hazard.ALL], site=config().site.name, after=after,
    ))  # fmt: skip


@blueprint.get("/<int:plan_id>")
@public(WHY)
def show(plan_id: int) -> ResponseReturnValue:
    """One published text, made for reading and for paper."""
    row, plan, version = publication.public_plan(session(), plan_id)
    text = publication.public_text(
        session(), plan, version, files=row.files, language=language(),
        image_url=lambda found: flask.url_for("plans_public.file", plan_id=plan.id, file_id=found),
    )  # fmt: skip
    return _answer(
        flask.render_template("plans/public_plan.html", text=text, site=config().site.name, at=row.published_at)
    )


@blueprint.get("/<int:plan_id>/files/<int:file_id>")
@public(WHY)
def file(plan_id: int, file_id: int) -> ResponseReturnValue:
    """A picture of a published text that was marked public."""
    found = attachments.open_attachment(
        session(), actor=READER, plan_id=plan_id,
        attachment_id=publication.public_file(session(), plan_id, file_id),
    )  # fmt: skip
    shown = found.media_type in IMAGES
    response = flask.Response(found.data, content_type=found.media_type if shown else "application/octet-stream")
    response.headers["Content-Disposition"] = "inline" if shown else "attachment"
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response.headers["X-Robots-Tag"] = "noindex"
    response.cache_control.public = True
    response.cache_control.max_age = SECONDS
    return response


def _chosen(allowed: list[int], standing: Any) -> list[int]:
    if flask.request.values.get("picked"):
        wanted = {int(word) for word in flask.request.values.getlist("file") if word.isdigit()}
        return [found for found in allowed if found in wanted]
    return [found for found in allowed if standing is not None and found in standing.files]


@desk.get("/<int:plan_id>/publication")
@requires(Permission.PLANS_VIEW)
def desk_page(plan_id: int) -> ResponseReturnValue:
    """How open the plan is, what the public would read, and the act of publishing it."""
    return _desk(plan_id)


def _desk(plan_id: int, fault: str = "", status: int = 200) -> ResponseReturnValue:
    work, actor = session(), current_actor()
    plan = get_plan(work, actor=actor, plan_id=plan_id)
    version, row = in_force(work, plan.id), publication.standing(work, plan.id)
    pictures = publication.images(work, version) if version else []
    chosen = _chosen(pictures, row)
    text = None
    if version is not None:
        text = publication.public_text(
            work, plan, version, files=chosen, language=language(),
            image_url=lambda found: flask.url_for("plan_imports.file", plan_id=plan.id, attachment_id=found),
        )  # fmt: skip
    body = flask.render_template(
        "plans/publication.html", plan=plan, version=version, row=row, text=text, pictures=pictures, chosen=chosen,
        openness=publication.openness(work, plan), all_openness=Openness, fault=fault,
        may=actor.can(Permission.PLANS_APPROVE) and actor.covers(plan.division_code),
        current=bool(row and version and row.version_id == version.id),
        who=accounts.display_names(work, {row.published_by}) if row else {},
    )  # fmt: skip
    return body, status


def _act(plan_id: int, done: str, act: Any) -> ResponseReturnValue:
    try:
        act()
    except DomainError as error:
        if error.status not in (409, 422):
            raise
        flask.g.refused = True
        return _desk(plan_id, error.text(_), error.status)
    flask.flash(done, "done")
    return flask.redirect(flask.url_for("plan_publication.desk_page", plan_id=plan_id), 303)


@desk.post("/<int:plan_id>/publication")
@requires(Permission.PLANS_APPROVE)
def publish(plan_id: int) -> ResponseReturnValue:
    """Publish exactly what the preview showed."""
    form = flask.request.form
    return _act(plan_id, _("Published. Everybody can read it now."), lambda: publication.publish(
        session(), actor=current_actor(), plan_id=plan_id, version_id=form.get("version_id", 0, type=int) or 0,
        files=[int(word) for word in form.getlist("file") if word.isdigit()],
    ))  # fmt: skip


@desk.post("/<int:plan_id>/publication/withdraw")
@requires(Permission.PLANS_APPROVE)
def withdraw(plan_id: int) -> ResponseReturnValue:
    """Take it off the public page."""
    return _act(plan_id, _("Withdrawn. The public page does not show it any more."), lambda: publication.withdraw(
        session(), actor=current_actor(), plan_id=plan_id, reason=flask.request.form.get("reason", "")
    ))  # fmt: skip


@desk.post("/<int:plan_id>/publication/openness")
@requires(Permission.PLANS_APPROVE)
def openness(plan_id: int) -> ResponseReturnValue:
    """Decide how open the plan is."""
    given = flask.request.form.get("openness", "")
    value = next((member for member in Openness if member.value == given), Openness.CLOSED)
    return _act(plan_id, _("Noted."), lambda: publication.decide_openness(
        session(), actor=current_actor(), plan_id=plan_id, value=value, reason=flask.request.form.get("reason", "")
    ))  # fmt: skip
