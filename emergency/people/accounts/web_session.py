"""Who asks: the session's key in a cookie for pages, a Bearer token for /api/v1, and never one for the other.

The cookie carries the key of a row in `sign_in`, the form token and messages of one page turn; it is signed, closed to
scripts, and worth nothing once the row has ended. flask-login keeps the key in it and asks us whose it is.
"""

from __future__ import annotations

import contextlib
from typing import Any

import flask
import flask_login
import sqlalchemy as sa
from flask.sessions import SecureCookieSessionInterface

from emergency.config import Security
from emergency.http import errors, i18n
from emergency.http.actor import NOBODY, Actor
from emergency.http.permissions import Permission
from emergency.http.request import config, current_actor, database
from emergency.people.accounts import door, links, lookups, passwords, sessions
from emergency.people.accounts.models import EndReason, LinkPurpose, SignInMethod
from emergency.people.accounts.sessions import Held, Origin
from emergency.people.accounts.throttle import Device
from emergency.privacy import journal, vault
from emergency.privacy.vault import Vault
from kernel.errors import N_, Unauthenticated

DEVICE_COOKIE = "known"
DEVICE_SECONDS = 365 * 24 * 3600
_PENDING = "pending"
WITHOUT_COOKIE = ("/api/", "/static/", "/webhooks/", "/cap/", "/healthz", "/readyz", "/metrics", "/calendar/")
WITHOUT_ANYBODY = (*WITHOUT_COOKIE[1:], "/c/")
"""Where nobody is signed in. A page behind `/c/` keeps the cookie all the same: it has a form token, and writing a
cookie of its own would sign out the officer who opens such a link."""
BEFORE_THE_FACTOR = frozenset(
    {
        "accounts.second_factor", "accounts.second_factor_begin", "accounts.second_factor_picture",
        "accounts.second_factor_confirm", "accounts.password", "accounts.password_change", "accounts.sign_out",
        "web.language", "web.static",
    }
)  # fmt: skip
"""Where an account without its demanded second factor may go."""


class Visitor:
    """flask-login's user: a live session."""

    is_authenticated = True
    is_active = True
    is_anonymous = False

    def __init__(self, key: str, held: Held):
        self.key = key
        self.held = held

    def get_id(self) -> str:
        """The session's key, never the account's number: ending the session ends the cookie."""
        return self.key


class SignInSessions(SecureCookieSessionInterface):
    """The browser's half of a session. Requests of programmes and for static files have none."""

    def open_session(self, app: flask.Flask, request: flask.Request) -> Any:
        """The cookie's content, or an empty one."""
        if request.path.startswith(WITHOUT_COOKIE):
            return self.session_class()
        return super().open_session(app, request)

    def save_session(self, app: flask.Flask, session: Any, response: flask.Response) -> None:
        """Send the cookie where it changed."""
        if not flask.request.path.startswith(WITHOUT_COOKIE):
            super().save_session(app, session, response)


def bind(app: flask.Flask, security: Security) -> None:
    """Give the app this installation's cookies, and a gate before its hasher."""
    app.config.update(
        SESSION_COOKIE_NAME="__Host-session" if security.secure_cookies else "session",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=security.secure_cookies,
        SESSION_COOKIE_PATH="/",
        SESSION_REFRESH_EACH_REQUEST=False,
    )
    app.extensions["emergency.gate"] = passwords.Gate()


def install(app: flask.Flask) -> None:
    """Give the app its sessions, its actor, and the journal of refusals."""
    app.session_interface = SignInSessions()
    manager = flask_login.LoginManager(app)
    manager.session_protection = None  # telephones change their address; the key itself is the proof
    manager.user_loader(_visitor)
    errors.on_refusal(app, _journal_refusal)
    app.before_request(load_actor)
    app.before_request(_factor_first)


def hasher() -> passwords.Hasher:
    """The hasher of this app: the product's, or the cheap one that a test put there."""
    found: passwords.Hasher = flask.current_app.extensions.get("emergency.hasher") or passwords.default()
    return found


def gate() -> passwords.Gate:
    """The gate before the hasher."""
    found: passwords.Gate = flask.current_app.extensions["emergency.gate"]
    return found


def _vault() -> Vault:
    with database().read() as session:
        return vault.of(session)


def origin() -> Origin:
    """Where this request comes from."""
    return Origin(flask.request.remote_addr or "", flask.request.user_agent.string)


def device() -> Device:
    """The browser, if it has signed in before."""
    return Device.read(_vault(), flask.request.cookies.get(DEVICE_COOKIE))


def _visitor(key: str) -> Visitor | None:
    held = sessions.hold(database(), key)
    return Visitor(key, held) if held is not None else None


def load_actor() -> None:
    """Find out who asks, before any view runs."""
    path = flask.request.path
    flask.g.actor = NOBODY
    if path.startswith("/api/"):
        flask.g.actor = _bearer()
    elif not path.startswith(WITHOUT_ANYBODY) and "_user_id" in flask.session:
        visitor = flask_login.current_user
        if not isinstance(getattr(visitor, "held", None), Held):
            flask.session.clear()  # ended elsewhere, idle, or run out
            return
        held: Held = visitor.held
        flask.g.sign_in_id = held.sign_in_id
        flask.g.must_set_factor = config().security.second_factor == "required" and not held.has_second_factor
        flask.g.actor = _until_factor(held.actor) if flask.g.must_set_factor else held.actor


def _until_factor(actor: Actor) -> Actor:
    """The same person, who may do nothing yet but set up the second factor."""
    return Actor(
        kind=actor.kind,
        id=actor.id,
        name=actor.name,
        division_prefix=actor.division_prefix,
        locale=actor.locale,
        permissions=frozenset({Permission.SIGNED_IN}),
        division_code=actor.division_code,
    )


def _factor_first() -> Any:
    if flask.g.get("must_set_factor") and flask.request.endpoint not in BEFORE_THE_FACTOR:
        return flask.redirect(flask.url_for("accounts.second_factor"), 303)
    return None


def _bearer() -> Actor:
    header = flask.request.headers.get("Authorization", "")
    if not header:
        return NOBODY
    scheme, _, raw = header.partition(" ")
    if scheme.lower() == "bearer":
        with database().read() as session:
            row = links.token_row(session, raw.strip())
            actor = lookups.actor_of(row[0]) if row is not None else None
            token_id = row[1].id if row is not None else 0
            stale = row is not None and links.unseen(session, row[1])
        if actor is not None:
            if stale:
                with contextlib.suppress(sa.exc.OperationalError), database().write() as session:
                    links.saw_token(session, token_id)  # a busy writer must not stop a reader
            return actor
    raise Unauthenticated(N_("The token is not valid, or was revoked. Create a new one."))


def _journal_refusal(code: str, route: str) -> None:
    with database().write() as session:
        journal.record(session, journal.REFUSED, actor=current_actor(), code=code, route=route)


# --- what the sign-in pages do with the cookie -------------------------------------------------------------------


def enter(entered: door.Entered) -> None:
    """Begin the browser's half: everything that the cookie held before is dropped, the form token too."""
    flask.session.clear()
    before = flask.g.get("sign_in_id")
    if before is not None:  # somebody else sits down at this browser
        with database().write() as session:
            sessions.end(session, actor=current_actor(), sign_in_id=before, reason=EndReason.SIGNED_OUT)
    held = sessions.hold(database(), entered.key)
    if held is None:
        raise Unauthenticated(N_("Please sign in."))
    flask_login.login_user(Visitor(entered.key, held))
    flask.g.actor = held.actor
    flask.g.known_device = device().with_account(entered.account_id)


def leave() -> None:
    """Drop everything that the browser holds."""
    flask_login.logout_user()
    flask.session.clear()
    flask.g.actor = NOBODY


def remember_device(response: flask.Response) -> flask.Response:
    """Let this browser be recognised at the door the next time."""
    known: Device | None = flask.g.get("known_device")
    if known is not None:
        response.set_cookie(
            DEVICE_COOKIE,
            known.seal(_vault()),
            max_age=DEVICE_SECONDS,
            path="/sign-in",
            httponly=True,
            samesite="Strict",
            secure=config().security.secure_cookies,
        )
        if i18n.COOKIE not in flask.request.cookies:
            set_language(response, current_actor().locale)
    return response


def set_language(response: flask.Response, language: str) -> None:
    """The language of this browser from now on."""
    response.set_cookie(
        i18n.COOKIE,
        language,
        max_age=DEVICE_SECONDS,
        httponly=True,
        samesite="Lax",
        secure=config().security.secure_cookies,
    )


def wait_for_code(pending: door.Pending) -> None:
    """Remember that the first factor was right. The cookie is signed; it opens nothing without a code."""
    flask.session.clear()
    flask.session[_PENDING] = [
        pending.account_id,
        pending.method.value,
        pending.at,
        pending.link_id,
        pending.purpose.value if pending.purpose else None,
    ]


def pending() -> door.Pending | None:
    """The first step that was done in this browser, if one was."""
    kept = flask.session.get(_PENDING)
    if not isinstance(kept, list) or len(kept) != 5:
        return None
    account_id, method, at, link_id, purpose = kept
    return door.Pending(account_id, SignInMethod(method), at, link_id, LinkPurpose(purpose) if purpose else None)
