"""What providers tell us over HTTP: verified by signature, stored raw and sealed, then answered. Nothing is concluded
here; the engine folds what was stored."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import flask
from werkzeug.wrappers import Response

from emergency import delivery
from emergency.http import request as unit
from emergency.http.i18n import language
from emergency.http.permissions import Permission, public, requires
from emergency.privacy import journal
from emergency.web import health
from kernel.db import Database
from kernel.logs import kv
from notify import callbacks, calls, receipts, speech
from notify import service as notify
from notify.models import ReceiptKind
from notify.ports import Ports
from notify.settings import TwilioAccount, VoiceSettings
from notify.twiml import ANNOUNCED, EMPTY, Voice, announcement, farewell

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from emergency.runtime import Runtime

log = logging.getLogger(__name__)
gateway = flask.Blueprint("gateway", __name__)
blueprint = flask.Blueprint("webhooks", __name__, url_prefix="/webhooks/twilio")
MAX_BYTES = 64 * 1024
"""A message has 1,600 characters; whoever sends more is no provider."""
MAX_FIELDS = 1000
STATUS_PATH = "/webhooks/twilio/status"
VOICE_PATH = "/webhooks/twilio/voice"
AGAIN = "9"
"""The key that lets a call's words be heard once more; no question has so many answers."""
FORM = "application/x-www-form-urlencoded"
REFUSED = "signature refused\n"


def bind(app: flask.Flask, runtime: Runtime) -> None:
    """Give the app this installation's accounts, and one grouping store for all its threads."""
    app.extensions["emergency.accounts"] = {
        account.account_sid: account for account in delivery.accounts(runtime.config, runtime.vault)
    }
    app.extensions["emergency.taker"] = receipts.Taker(runtime.database)
    app.extensions[health.REFUSALS] = health.Refusals()


def install(app: flask.Flask, *, gateway_too: bool) -> None:
    """Give the app the webhooks, and those of the built-in gateway where it is in use."""
    app.register_blueprint(blueprint)
    if gateway_too:
        app.register_blueprint(gateway)


def _signed_url(app: flask.Flask, account: TwilioAccount, path: str, query: str) -> str:
    """The address as the provider was told it: the public one, not the one that a proxy passed on."""
    base = account.status_callback if path.endswith("/status") else app.extensions["emergency.config"].public_url + path
    base = base.partition("?")[0]  # what the configured address asked for is in the query already
    return f"{base}?{query}" if query else base


def _take(
    app: flask.Flask,
    kind: ReceiptKind,
    form: Mapping[str, str],
    path: str,
    query: str,
    header: str | None,
) -> bool:
    """Verify and store; True when it was ours."""
    account: TwilioAccount | None = app.extensions["emergency.accounts"].get(form.get("AccountSid", ""))
    database: Database = app.extensions["emergency.database"]
    ports: Ports = database.service("ports")
    taken = False
    try:
        taken = account is not None and receipts.take(
            database,
            ports,
            auth_token=account.auth_token,
            mac_secret=account.mac_secret,
            url=_signed_url(app, account, path, query),
            form=form,
            header=header,
            kind=kind,
            channel="voice" if calls.is_call(form) else "sms",
            taker=app.extensions["emergency.taker"],
        )
    finally:
        # A stranger without a signature is noise; what claims an account of ours, or breaks, is a receipt that we lose.
        if not taken and account is not None:
            app.extensions[health.REFUSALS].note(database.clock.now())
    if not taken:
        log.warning("webhook refused %s", kv(path=path, known_account=account is not None))
    return taken


def _request(kind: ReceiptKind) -> bool:
    """The same for the request at hand."""
    request = flask.request
    return _take(
        flask.current_app._get_current_object(),  # type: ignore[attr-defined]
        kind,
        request.form.to_dict(),
        request.path,
        request.query_string.decode("ascii", "replace"),
        request.headers.get("X-Twilio-Signature"),
    )


class Door:
    """Receipts, met before the framework.

    Half a million of them come within minutes of a warning to everybody. They have no session, language, form token
    or unit of work, and those cost five times what a receipt itself does. Whatever is not a small form posted to that
    address goes on to the framework, which refuses it in its own words.
    """

    def __init__(self, app: flask.Flask, inner: WSGIApplication):
        self._app = app
        self._inner = inner

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """One request."""
        form = self._form(environ)
        if form is None:
            return self._inner(environ, start_response)
        try:
            taken = _take(
                self._app,
                ReceiptKind.STATUS,
                form,
                STATUS_PATH,
                environ.get("QUERY_STRING", ""),
                environ.get("HTTP_X_TWILIO_SIGNATURE"),
            )
        except Exception:
            log.exception("a receipt was not stored")
            start_response("503 Service Unavailable", [("Content-Type", "text/plain"), ("Retry-After", "5")])
            return [b"not stored\n"]
        if taken:
            start_response("204 No Content", [])
            return []
        start_response("403 Forbidden", [("Content-Type", "text/plain; charset=utf-8")])
        return [REFUSED.encode()]

    def _form(self, environ: WSGIEnvironment) -> dict[str, str] | None:
        if environ.get("PATH_INFO") != STATUS_PATH or environ.get("REQUEST_METHOD") != "POST":
            return None
        length = environ.get("CONTENT_LENGTH", "")
        if not environ.get("CONTENT_TYPE", "").lower().startswith(FORM) or not length.isdigit():
            return None
        if int(length) > MAX_BYTES:
            return None
        body = environ["wsgi.input"].read(int(length))
        form: dict[str, str] = {}
        try:
            for name, value in parse_qsl(body.decode("utf-8", "replace"), True, max_num_fields=MAX_FIELDS):
                form.setdefault(name, value)
        except ValueError:  # more fields than any receipt has
            return {}
        return form


def _answer(taken: bool, twiml: str) -> flask.Response:
    if not taken:
        return flask.Response(REFUSED, 403, mimetype="text/plain")
    return flask.Response(twiml, 200, mimetype="text/xml") if twiml else flask.Response("", 204)


@blueprint.post("/status")
@public("a provider's receipt; its signature is verified")
def status() -> flask.Response:
    """A delivery receipt."""
    return _answer(_request(ReceiptKind.STATUS), twiml="")


@blueprint.post("/inbound")
@public("a provider's inbound message; its signature is verified")
def inbound() -> flask.Response:
    """A reply that somebody sent."""
    return _answer(_request(ReceiptKind.INBOUND), twiml=EMPTY)


@blueprint.post("/voice")
@public("a provider's question in a call; its signature is verified")
def voice() -> flask.Response:
    """A key pressed in a call of ours, the end of its text, or somebody who calls us: stored, then answered in words."""
    form = flask.request.form
    settings = unit.config().notify.twilio.voice
    speaker = Voice(settings.voice, settings.language)
    if form.get("Direction", "").startswith("inbound"):
        return _answer(_request(ReceiptKind.STATUS), twiml=farewell(ANNOUNCED["no_calls"], speaker))
    pressed = calls.key_of(form)
    again = _once_more(form, speaker) if pressed == AGAIN else ""
    if again:
        return _answer(_request(ReceiptKind.STATUS), twiml=again)
    taken = _request(ReceiptKind.INBOUND if pressed else ReceiptKind.STATUS)
    return _answer(taken, twiml=farewell(ANNOUNCED["thanks"] if pressed else "", speaker))


def _once_more(form: Mapping[str, str], speaker: Voice) -> str:
    """The words of the call again, where it had offered that; whether the request is genuine is seen to by its taker."""
    account: TwilioAccount | None = flask.current_app.extensions["emergency.accounts"].get(form.get("AccountSid", ""))
    delivery_id = callbacks.delivery_of(flask.request.url, account.mac_secret) if account is not None else None
    if account is None or delivery_id is None:
        return ""
    with unit.database().read() as session:
        said = notify.spoken(session, delivery_id)
    if said is None or not speech.offers_again(said):
        return ""
    url = callbacks.callback_url(f"{unit.config().public_url}{VOICE_PATH}", account.mac_secret, delivery_id)
    return announcement(said, url, speaker, repeat=1, key_seconds=VoiceSettings().key_seconds)


@gateway.get("/gateway")
@requires(Permission.DELIVERY_VIEW)
def phones() -> Response:
    """The local gateway's phones, signed in: it shows every number, so it is for the whole area's people, journalled."""
    unit.current_actor().require_covers(unit.config().site.division_code)
    runtime = flask.current_app.extensions["emergency.runtime"]
    journal.record(unit.session(), journal.LISTED, actor=unit.current_actor(), list="gateway.phones")
    secret = delivery.gateway_secret(runtime.vault)
    return flask.redirect(f"{delivery.gateway_url(runtime.config)}/?secret={secret}&lang={language()}", 303)
