"""What providers tell us over HTTP: verified by signature, stored raw and sealed, then answered. Nothing is concluded
here; the engine folds what was stored."""

from __future__ import annotations

import logging

import flask
from werkzeug.wrappers import Response

from emergency import delivery
from emergency.http import request as unit
from emergency.http.i18n import language
from emergency.http.permissions import Permission, public, requires
from emergency.privacy import journal
from emergency.web import health
from kernel.logs import kv
from notify import receipts
from notify.models import ReceiptKind
from notify.ports import Ports
from notify.settings import TwilioAccount

log = logging.getLogger(__name__)
gateway = flask.Blueprint("gateway", __name__)
blueprint = flask.Blueprint("webhooks", __name__, url_prefix="/webhooks/twilio")
MAX_BYTES = 64 * 1024
"""A message has 1,600 characters; whoever sends more is no provider."""
EMPTY_TWIML = '<?xml version="1.0" encoding="UTF-8"?><Response/>'


def install(app: flask.Flask) -> None:
    """Give the app the webhooks, with one grouping store for all its threads."""
    runtime = app.extensions["emergency.runtime"]
    app.extensions["emergency.accounts"] = {
        account.account_sid: account for account in delivery.accounts(runtime.config, runtime.vault)
    }
    app.extensions["emergency.taker"] = receipts.Taker(runtime.database)
    app.extensions[health.REFUSALS] = health.Refusals()
    app.register_blueprint(blueprint)
    if runtime.config.notify.gateway.enabled:
        app.register_blueprint(gateway)


def _signed_url(account: TwilioAccount) -> str:
    """The address as the provider was told it: the public one, not the one that a proxy passed on."""
    path = flask.request.path
    base = account.status_callback if path.endswith("/status") else unit.config().public_url + path
    base = base.partition("?")[0]  # what the configured address asked for is in the query already
    query = flask.request.query_string.decode("ascii", "replace")
    return f"{base}?{query}" if query else base


def _take(kind: ReceiptKind, channel: str = "sms") -> bool:
    form = flask.request.form.to_dict()
    account: TwilioAccount | None = flask.current_app.extensions["emergency.accounts"].get(form.get("AccountSid", ""))
    ports: Ports = unit.database().service("ports")
    taken = False
    try:
        taken = account is not None and receipts.take(
            unit.database(),
            ports,
            auth_token=account.auth_token,
            mac_secret=account.mac_secret,
            url=_signed_url(account),
            form=form,
            header=flask.request.headers.get("X-Twilio-Signature"),
            kind=kind,
            channel=channel,
            taker=flask.current_app.extensions["emergency.taker"],
        )
    finally:
        # A stranger without a signature is noise; what claims an account of ours, or breaks, is a receipt that we lose.
        if not taken and account is not None:
            flask.current_app.extensions[health.REFUSALS].note(unit.database().clock.now())
    if not taken:
        log.warning("webhook refused %s", kv(path=flask.request.path, known_account=account is not None))
    return taken


def _answer(taken: bool, twiml: bool) -> flask.Response:
    if not taken:
        return flask.Response("signature refused\n", 403, mimetype="text/plain")
    return flask.Response(EMPTY_TWIML, 200, mimetype="text/xml") if twiml else flask.Response("", 204)


@blueprint.post("/status")
@public("a provider's receipt; its signature is verified")
def status() -> flask.Response:
    """A delivery receipt."""
    return _answer(_take(ReceiptKind.STATUS), twiml=False)


@blueprint.post("/inbound")
@public("a provider's inbound message; its signature is verified")
def inbound() -> flask.Response:
    """A reply that somebody sent."""
    return _answer(_take(ReceiptKind.INBOUND), twiml=True)


@gateway.get("/gateway")
@requires(Permission.DELIVERY_VIEW)
def phones() -> Response:
    """The local gateway's phones, signed in: it shows every number, so it is for the whole area's people, journalled."""
    unit.current_actor().require_covers(unit.config().site.division_code)
    runtime = flask.current_app.extensions["emergency.runtime"]
    journal.record(unit.session(), journal.LISTED, actor=unit.current_actor(), list="gateway.phones")
    secret = delivery.gateway_secret(runtime.vault)
    return flask.redirect(f"{delivery.gateway_url(runtime.config)}/?secret={secret}&lang={language()}", 303)
