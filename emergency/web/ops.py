"""For machines that watch: alive, ready, numbers."""

from __future__ import annotations

import hmac
import ipaddress

import flask
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from emergency.http import request as unit
from emergency.http.permissions import public
from emergency.web import health
from emergency.web.metrics import TableCollector
from kernel.errors import N_, Forbidden

blueprint = flask.Blueprint("ops", __name__)


@blueprint.get("/healthz")
@public("a supervisor asks whether the process lives; says nothing else")
def healthz() -> flask.Response:
    """The process lives. Touches nothing."""
    return flask.jsonify(status="alive")


@blueprint.get("/readyz")
@public("a load balancer asks whether to send people here; reasons carry no data")
def readyz() -> tuple[flask.Response, int]:
    """Fit to warn people, or not and why."""
    found = health.checks(unit.database(), unit.config(), flask.current_app.extensions.get(health.REFUSALS))
    fit = all(check.fit or not check.grave for check in found)
    answer = {
        "status": "ready" if fit else "unfit",
        "checks": {c.name: "ok" if c.fit else "unfit" if c.grave else "doubtful" for c in found},
        "reasons": [{"check": check.name, "reason": check.text()} for check in found if not check.fit],
    }
    return flask.jsonify(answer), 200 if fit else 503


def _may_scrape() -> bool:
    token = unit.config().security.metrics_token
    if token:
        given = flask.request.headers.get("Authorization", "")
        return hmac.compare_digest(given.encode(), f"Bearer {token}".encode())
    # A proxy on this machine makes the whole world look like loopback; it says so in its header.
    if flask.request.headers.get("X-Forwarded-For") and not unit.config().server.trusted_proxies:
        return False
    try:
        return ipaddress.ip_address(flask.request.remote_addr or "").is_loopback
    except ValueError:
        return False


@blueprint.get("/metrics")
@public("Prometheus scrapes it from this machine, or with the configured token")
def metrics() -> flask.Response:
    """Numbers from the tables at this moment: the same whichever process answers."""
    if not _may_scrape():
        raise Forbidden(N_("Metrics are read from this machine, or with the token of security.metrics_token."))
    registry = CollectorRegistry()
    registry.register(TableCollector(unit.database()))
    return flask.Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
