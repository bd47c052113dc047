"""What providers send: whose it claims to be decides whether a refusal is a receipt that we lose."""

from __future__ import annotations

import flask

from emergency.http.permissions import Role
from emergency.web import health
from tests.conftest import app as whole_app  # noqa: F401 - the fixture of the whole product, beside the shell's own


def test_a_refused_receipt_of_an_account_of_ours_is_counted_and_a_strangers_is_not(whole_app):  # noqa: F811
    client, refusals = whole_app.test_client(), whole_app.extensions[health.REFUSALS]
    stranger = client.post("/webhooks/twilio/status", data={"AccountSid": "AC" + "0" * 32})
    assert stranger.status_code == 403 and not refusals.moments
    ours = next(iter(whole_app.extensions["emergency.accounts"]))
    refused = client.post("/webhooks/twilio/status", data={"AccountSid": ours, "MessageStatus": "delivered"})
    assert refused.status_code == 403 and len(refusals.moments) == 1


def test_the_local_phones_open_in_the_readers_language(whole_app, person):  # noqa: F811
    client = whole_app.test_client()
    whole_app.before_request_funcs.setdefault(None, []).append(
        lambda: setattr(flask.g, "actor", person(Role.DUTY_OFFICER))
    )
    client.set_cookie("language", "en")
    assert client.get("/gateway").location.endswith("&lang=en")
