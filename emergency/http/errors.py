"""Where a request that fails ends: a page or a problem document, in the reader's language, with nothing half done.

The unit of work is abandoned before anything is rendered: a refusal's journal entry needs the writer for itself, and
an error page must be readable while the writer is busy. Unexpected errors are logged by their place in the code and
a request id, never by their text, which may quote what somebody typed.
"""

from __future__ import annotations

import logging
import re
import secrets
import traceback
from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

import flask
import sqlalchemy as sa
from jinja2 import TemplateNotFound
from markupsafe import escape
from werkzeug.exceptions import HTTPException

from emergency.http.i18n import _
from emergency.http.request import PENDING_JOURNAL, current_actor, database
from kernel.errors import N_, DomainError, Unauthenticated
from kernel.logs import kv

log = logging.getLogger(__name__)
ROOT = Path(__file__).resolve().parents[2]
PROBLEM = "application/problem+json"
Listener = Callable[[str, str], None]
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
_LISTENERS = "emergency.refusals"

TITLES = {
    400: N_("This request cannot be understood"),
    401: N_("Please sign in"),
    403: N_("Not allowed"),
    404: N_("Not found"),
    405: N_("This cannot be done here"),
    409: N_("Not possible as things stand"),
    410: N_("No longer there"),
    413: N_("Too large"),
    415: N_("This kind of content is not taken"),
    422: N_("Some of it cannot be accepted"),
    429: N_("Too many attempts"),
    500: N_("Something went wrong here"),
    503: N_("Not available at the moment"),
}
DETAILS = {
    400: N_("Go back, reload the page and try again. Nothing was changed."),
    404: N_("There is nothing at this address, or it lies outside the area of your account."),
    405: N_("This address does not take this kind of request. Nothing was changed."),
    413: N_("The file or the text is larger than the system accepts. Nothing was kept."),
    415: N_("Send JSON with the header Content-Type: application/json."),
    422: N_("Look at the fields that are named. Nothing was changed."),
    500: N_(
        "It is our fault, not yours. Nothing was changed. Try again; if it stays, tell the administrator the number."
    ),
    503: N_("Try again in a moment. Nothing was changed."),
}
CODES = {400: "bad_request", 401: "unauthenticated", 403: "forbidden", 404: "not_found", 405: "method_not_allowed",
         409: "conflict", 413: "too_large", 415: "unsupported_media_type", 422: "invalid", 429: "too_many",
         500: "internal_error", 503: "unavailable"}  # fmt: skip
BUSY = N_("The database is busy with other work. Nothing was changed; try again in a few seconds.")
DATABASE_AWAY = N_(
    "The database does not answer. Nothing was changed; try again, and tell the administrator if it stays."
)
CLASHED = N_("Somebody else changed the same thing at this moment. Nothing of yours was saved; reload and look again.")
UNFIT = (sa.exc.DataError, OverflowError, UnicodeEncodeError)
_CSRF = N_("This page was open for too long, or in another sign-in. Reload it and send it again; nothing was changed.")
_LOCK_WORDS = ("locked", "busy", "lock timeout", "deadlock", "could not serialize", "could not obtain lock")


def on_refusal(app: flask.Flask, listener: Listener) -> None:
    """Call `listener(code, route)` for every refusal (403), outside the request's unit of work."""
    app.extensions.setdefault(_LISTENERS, []).append(listener)


def install(app: flask.Flask) -> None:
    """Catch everything."""
    app.before_request(_name_request)
    app.after_request(_tell_name)
    app.register_error_handler(DomainError, _domain)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(sa.exc.OperationalError, _database)
    app.register_error_handler(sa.exc.IntegrityError, _clash)
    for kind in UNFIT:
        app.register_error_handler(kind, _unfit)
    app.register_error_handler(Exception, _unexpected)


def _name_request() -> None:
    given = flask.request.headers.get("X-Request-Id", "")
    flask.g.request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)


def request_id() -> str:
    """The id of this request, for logs and for the person who reports a fault."""
    if "request_id" not in flask.g:
        _name_request()
    return str(flask.g.request_id)


def _tell_name(response: flask.Response) -> flask.Response:
    response.headers.setdefault("X-Request-Id", request_id())
    return response


# --- from exception to answer -----------------------------------------------------------------------------------


def _domain(error: DomainError) -> flask.Response:
    errors = [{"field": name, "message": _(text)} for name, text in error.fields.items()]
    return answer(error.status, error.code, error.text(_), errors)


def _http(error: HTTPException) -> flask.Response:
    original = getattr(error, "original_exception", None)
    if original is not None:
        return _any(original)
    status = error.code or 500
    if status < 400:
        return error.get_response()  # type: ignore[return-value]
    if type(error).__name__ == "CSRFError":
        return answer(400, "csrf", _(_CSRF))
    data: Mapping[str, Any] = getattr(error, "data", None) or {}
    errors = list(_flatten(data.get("messages") or data.get("errors") or {}))
    detail = DETAILS.get(status)
    response = answer(status, CODES.get(status, "refused"), _(detail) if detail else _title(status), errors)
    for name in ("Allow", "Retry-After", "WWW-Authenticate"):
        for key, value in error.get_headers(None, None) if status in (401, 405, 429, 503) else ():
            if key == name:
                response.headers[name] = value
    return response


def _any(error: BaseException) -> flask.Response:
    if isinstance(error, DomainError):
        return _domain(error)
    if isinstance(error, sa.exc.OperationalError):
        return _database(error)
    if isinstance(error, sa.exc.IntegrityError):
        return _clash(error)
    if isinstance(error, UNFIT):
        return _unfit(error)
    return _unexpected(error)


def _database(error: sa.exc.OperationalError) -> flask.Response:
    words = str(error.orig).lower()
    busy = any(word in words for word in _LOCK_WORDS)
    log.warning(
        "database refused %s", kv(request=request_id(), route=route(), busy=busy, error=type(error.orig).__name__)
    )
    response = answer(503, "database_busy" if busy else "database_unavailable", _(BUSY if busy else DATABASE_AWAY))
    response.headers["Retry-After"] = "2" if busy else "10"
    return response


def _clash(error: sa.exc.IntegrityError) -> flask.Response:
    _log(error, "a constraint refused")
    return answer(409, "conflict", _(CLASHED))


def _unfit(error: BaseException) -> flask.Response:
    """A number or a text that came from outside and that no column holds."""
    _log(error, "a value that the database cannot hold")
    return answer(422, "invalid", _(DETAILS[422]))


def _unexpected(error: BaseException) -> flask.Response:
    if isinstance(error, sa.exc.StatementError) and isinstance(error.orig, UNFIT):
        return _unfit(error)
    _log(error, "unexpected error")
    return answer(500, "internal_error", _(DETAILS[500]))


def _log(error: BaseException, what: str) -> None:
    """Where it happened, in our words. The exception's text and the statement's parameters may quote a person."""
    frames = []
    for frame in traceback.extract_tb(error.__traceback__):
        path = Path(frame.filename)
        name = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path.name
        frames.append(f"{name}:{frame.lineno}:{frame.name}")
    cause = getattr(error, "orig", None) or error.__cause__
    log.error(
        "%s %s",
        what,
        kv(
            request=request_id(),
            route=route(),
            actor=current_actor(),
            error=type(error).__name__,
            cause=type(cause).__name__ if cause is not None else "",
            at=" < ".join(reversed(frames[-12:])),
        ),
    )


def route() -> str:
    """The rule of the request's address, without the ids and tokens that were in it."""
    rule = flask.request.url_rule
    return f"{flask.request.method} {rule.rule if rule is not None else '?'}"


def answer(status: int, code: str, detail: str, errors: list[dict[str, str]] | None = None) -> flask.Response:
    """The refusal as a page or, under /api, as a problem document; the unit of work is abandoned first."""
    _abandon()
    flask.g.refused = True
    if status == 403:
        _tell_listeners(code)
    response = (
        _problem(status, code, detail, errors or []) if wants_json() else _page(status, code, detail, errors or [])
    )
    if status == 429:
        response.headers.setdefault("Retry-After", "60")
    return response


def wants_json() -> bool:
    """Whether a programme asks."""
    return flask.request.path.startswith("/api/")


def _abandon() -> None:
    session = flask.g.pop("db_session", None)
    if session is not None:
        session.info.pop(PENDING_JOURNAL, None)
        database().abandon(session)


def _tell_listeners(code: str) -> None:
    for listener in flask.current_app.extensions.get(_LISTENERS, ()):
        try:
            listener(code, route())
        except Exception as error:
            _log(error, "a refusal could not be journalled")


def _title(status: int) -> str:
    return _(TITLES[status]) if status in TITLES else HTTPStatus(status).phrase


def _problem(status: int, code: str, detail: str, errors: list[dict[str, str]]) -> flask.Response:
    body: dict[str, Any] = {
        "type": f"urn:emergency:problem:{code}",
        "title": _title(status),
        "status": status,
        "detail": detail,
        "code": code,
        "instance": flask.request.path,
        "request_id": request_id(),
        "errors": errors,
    }
    response = flask.Response(flask.json.dumps(body, ensure_ascii=False), status=status, content_type=PROBLEM)
    if status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="emergency"'
    return response


def _page(status: int, code: str, detail: str, errors: list[dict[str, str]]) -> flask.Response:
    if status == 401:
        return _to_sign_in()
    names: list[Any] = [f"errors/{status}.html", "errors/error.html", "error.html"]
    title = _title(status)
    try:
        text = flask.render_template(
            names, status=status, code=code, title=title, detail=detail, errors=errors, request_id=request_id()
        )
    except TemplateNotFound:
        text = _bare(title, detail)
    except Exception as error:
        _log(error, "the error page failed")
        text = _bare(title, detail)
    return flask.Response(text, status=status, content_type="text/html; charset=utf-8")


def _to_sign_in() -> flask.Response:
    if flask.request.method != "GET":
        flask.flash(Unauthenticated(N_("Please sign in, then do it again. Nothing was changed.")).text(_), "error")
        return flask.redirect("/sign-in", 303)  # type: ignore[return-value]
    here = flask.request.full_path.rstrip("?")
    target = "/sign-in" if here == "/" else "/sign-in?" + _query(next=here)
    return flask.redirect(target, 303)  # type: ignore[return-value]


def _query(**values: str) -> str:
    from urllib.parse import urlencode

    return urlencode(values)


def _bare(title: str, detail: str) -> str:
    """The page when not even the frame can be drawn."""
    return (
        '<!doctype html><html lang="zh-CN"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><h1>{escape(title)}</h1><p>{escape(detail)}</p>"
        f"<p>{escape(request_id())}</p></html>"
    )


def _flatten(messages: Any, path: str = "") -> list[dict[str, str]]:
    """webargs' nested messages as a flat list; the location (`json`, `query`) is not part of a field's name."""
    if isinstance(messages, Mapping):
        found: list[dict[str, str]] = []
        for key, value in messages.items():
            top = not path and key in ("json", "query", "form", "path", "headers", "files", "json_or_form")
            name = "" if top or key == "_schema" else str(key)
            found += _flatten(value, f"{path}.{name}".strip(".") if name else path)
        return found
    if isinstance(messages, (list, tuple)):
        return [item for message in messages for item in _flatten(message, path)]
    return [{"field": path, "message": _(str(messages))}]
