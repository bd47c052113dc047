"""`/d/<token>`: the page behind the QR code at the gate. No sign-in, no script; looking counts nobody, POST does.

It shows the drill's title, place and groups, nothing of any person. A device is known by a cookie or by a word in the
form, so that whoever presses twice is counted once.
"""

from __future__ import annotations

import secrets
from typing import Any

import flask
from flask.typing import ResponseReturnValue

from emergency.drills import day_attendance, day_rules
from emergency.drills.day_attendance import Door
from emergency.http import i18n, patience
from emergency.http.permissions import public
from emergency.http.request import config, session
from kernel.clock import BEIJING
from kernel.errors import DomainError

blueprint = flask.Blueprint("drill_door", __name__)
WHY = "the token in the QR code is the right to say who came to this one drill"
COOKIE = "drill_device"
COOKIE_SECONDS = 2 * 86_400
WEEKDAYS = "一二三四五六日"


@blueprint.before_request
def _patience() -> None:
    # A whole school stands behind one address: many may look, and a program that guesses is still slowed down.
    patience.of("drill-door", rate=4.0, burst=240).take(flask.request.remote_addr or "")


def _language() -> str:
    chosen = flask.request.args.get("lang", "")
    return chosen if chosen in i18n.LANGUAGES else i18n.language()


def _device() -> str:
    held = flask.request.cookies.get(COOKIE, "") or flask.request.form.get("once", "")
    return held if 16 <= len(held) <= 64 else secrets.token_urlsafe(18)


@blueprint.get("/d/<token>")
@public(WHY)
def show(token: str) -> ResponseReturnValue:
    """Which drill this is, and the form."""
    return _page(token, _device())


@blueprint.post("/d/<token>")
@public(WHY)
def check_in(token: str) -> ResponseReturnValue:
    """Count this device with the people who came with it."""
    device = _device()
    door = day_attendance.by_token(session(), token)
    if door is None or not door.is_open:
        return _page(token, device)
    form = flask.request.form
    group, people = form.get("group", ""), form.get("people", "").strip()
    try:
        day_attendance.check_in(
            session(), door=door, device=device, group_id=_group(group),
            people=int(people) if people.isdecimal() and len(people) < 6 else 0, name=form.get("name", ""),
        )  # fmt: skip
    except DomainError as error:
        flask.g.refused = True
        return _page(token, device, error)
    language = _language() if "lang" in flask.request.args else None
    return _keep(flask.redirect(flask.url_for("drill_door.show", token=token, lang=language), 303), device)


def _group(text: str) -> int | None:
    """The group that was chosen; `none` is an honest answer, anything else that is no number is refused."""
    if text == "none":
        return None
    return int(text) if text.isdecimal() and len(text) < 19 else -1


def _page(token: str, device: str, error: DomainError | None = None) -> ResponseReturnValue:
    language = _language()
    translate = i18n.catalogue(language).gettext
    door = day_attendance.by_token(session(), token)
    said = day_attendance.said_before(session(), door.occurrence.id, device) if door is not None else None
    status = 404 if door is None else 410 if not door.is_open else error.status if error is not None else 200
    page = flask.render_template(
        "drills/day/checkin.html", t=translate, lang=language, other="zh" if language == "en" else "en",
        site=config().site.name, question={"drill": True}, door=door, said=said, device=device,
        error=error.text(translate) if error is not None else "", form=flask.request.form,
        when=_when(door, language) if door is not None else "", most=day_attendance.MAX_PEOPLE,
        before=int(day_rules.EARLIEST.total_seconds() // 3600),
    )  # fmt: skip
    return _keep((page, status), device)


def _when(door: Door, language: str) -> str:
    local = door.occurrence.starts_at.astimezone(BEIJING)
    if language == "en":
        return f"{local:%a %d %b, %H:%M}"
    return f"{local.month}月{local.day}日（周{WEEKDAYS[local.weekday()]}）{local:%H:%M}"


def _keep(answer: Any, device: str) -> flask.Response:
    response = flask.make_response(answer)
    # The address is the right to check in: it must not travel in a Referer, nor lie in a cache.
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Robots-Tag"] = "noindex"
    response.set_cookie(
        COOKIE, device, max_age=COOKIE_SECONDS, path="/d/", httponly=True, samesite="Lax",
        secure=flask.request.is_secure,
    )  # fmt: skip
    return response
