"""What comes in from outside without a sign-in: only what the right account signed is stored, sealed, and once."""

from __future__ import annotations

import dataclasses
from typing import Any

import flask
import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from emergency import create_app, delivery
from emergency.config import Config, Notify, Site, TwilioAccounts, TwilioWithExercise
from emergency.runtime import Runtime
from notify import receipts
from notify.models import RawReceipt, ReceiptKind
from notify.settings import TwilioAccount

PUBLIC = "https://warn.example"
PHONE = "+8615400000001"
REAL = TwilioWithExercise(
    account_sid="AC" + "1" * 32, auth_token="real-token", from_number="+8610690000118",
    exercise=TwilioAccounts(account_sid="AC" + "2" * 32, auth_token="exercise-token", from_number="+8610690000119"),
)  # fmt: skip


@pytest.fixture
def site(runtime: Runtime) -> flask.Flask:
    """An installation with an account for what is real and another for exercises."""
    config: Config = dataclasses.replace(
        runtime.config, site=Site(public_url=PUBLIC), notify=dataclasses.replace(Notify(), twilio=REAL)
    )
    runtime.database.attach("config", config)
    return create_app(dataclasses.replace(runtime, config=config))


@pytest.fixture
def visitor(site: flask.Flask) -> FlaskClient:
    return site.test_client()


def _account(site: flask.Flask, name: str) -> TwilioAccount:
    return next(found for found in site.extensions["emergency.accounts"].values() if found.name == name)


def _stored(runtime: Runtime) -> list[RawReceipt]:
    with runtime.database.read() as session:
        return list(session.scalars(sa.select(RawReceipt).order_by(RawReceipt.id)))


def _post(visitor: FlaskClient, account: TwilioAccount, url: str, form: dict[str, str], **changes: Any) -> int:
    """Send `form` as the provider would; `changes` replace the signature, the form or the address after signing."""
    full = {"AccountSid": account.account_sid, **form}
    header = receipts.sign(changes.get("token", account.auth_token), url, full)
    headers = {"X-Twilio-Signature": changes.get("header", header)}
    if headers["X-Twilio-Signature"] is None:
        headers = {}
    target = changes.get("target", url).removeprefix(PUBLIC)
    return visitor.post(target, data={**full, **changes.get("afterwards", {})}, headers=headers).status_code


STATUS = {"MessageSid": "SM1", "MessageStatus": "delivered", "To": PHONE}
REPLY = {"MessageSid": "SM2", "From": PHONE, "Body": "张某一说水已进院"}
INBOUND = f"{PUBLIC}/webhooks/twilio/inbound"


def test_a_good_receipt_is_stored_sealed_and_bound_to_its_delivery(
    site: flask.Flask, visitor: FlaskClient, runtime: Runtime
) -> None:
    account = _account(site, "twilio")
    url = receipts.callback_url(account.status_callback, account.mac_secret, 4711)
    assert _post(visitor, account, url, STATUS) == 204
    (raw,) = _stored(runtime)
    assert (raw.kind, raw.delivery_id) == (ReceiptKind.STATUS, 4711)
    assert PHONE.encode() not in raw.sealed and b"delivered" not in raw.sealed
    assert PHONE in delivery.VaultSealer(runtime.vault).open(raw.sealed)


def test_a_good_reply_is_stored_sealed_and_once(site: flask.Flask, visitor: FlaskClient, runtime: Runtime) -> None:
    account = _account(site, "twilio")
    for _again in range(3):
        assert _post(visitor, account, INBOUND, REPLY) == 200
    assert _post(visitor, account, INBOUND, {**REPLY, "MessageSid": "SM3"}) == 200
    first, second = _stored(runtime)
    assert first.once != second.once
    assert "张某一".encode() not in first.sealed and PHONE.encode() not in first.sealed


@pytest.mark.parametrize(
    ("changes", "form"),
    [
        ({"header": None}, STATUS),
        ({"header": ""}, STATUS),
        ({"header": "é" * 5000}, STATUS),
        ({"header": "AAAAAAAAAAAAAAAAAAAAAAAAAAA="}, STATUS),
        ({"token": "another-token"}, STATUS),
        ({"token": ""}, STATUS),
        ({"afterwards": {"MessageStatus": "failed"}}, STATUS),
        ({"afterwards": {"Extra": "x"}}, STATUS),
        ({"afterwards": {"AccountSid": "AC" + "9" * 32}}, STATUS),
        ({"afterwards": {"AccountSid": "AC" + "2" * 32}}, STATUS),
        ({"target": f"{PUBLIC}/webhooks/twilio/status?d=1&m=x"}, STATUS),
        ({"target": INBOUND}, STATUS),
        ({"target": f"{INBOUND}?x=1"}, REPLY),
    ],
    ids=str,
)
def test_what_is_forged_or_replayed_elsewhere_is_403_and_nothing_is_stored(
    site: flask.Flask, visitor: FlaskClient, runtime: Runtime, changes: dict[str, Any], form: dict[str, str]
) -> None:
    account = _account(site, "twilio")
    url = INBOUND if form is REPLY else receipts.callback_url(account.status_callback, account.mac_secret, 4711)
    assert _post(visitor, account, url, form, **changes) == 403
    assert _stored(runtime) == []


def test_the_account_of_exercises_cannot_vouch_for_a_real_message(
    site: flask.Flask, visitor: FlaskClient, runtime: Runtime
) -> None:
    real, exercise = _account(site, "twilio"), _account(site, "twilio-exercise")
    assert real.mac_secret != exercise.mac_secret
    own = receipts.callback_url(real.status_callback, exercise.auth_token, 4711)  # all that its holder could compute
    recorded = receipts.callback_url(real.status_callback, real.mac_secret, 4711)
    for url in (own, recorded):
        assert _post(visitor, exercise, url, STATUS) == 204  # signed by an account of ours: kept, as every raw receipt
        assert _post(visitor, exercise, url, STATUS, afterwards={"AccountSid": real.account_sid}) == 403
    assert [raw.delivery_id for raw in _stored(runtime)] == [None, None]


def test_an_address_with_a_query_of_its_own_is_verified_as_it_was_given(runtime: Runtime) -> None:
    twilio = dataclasses.replace(REAL, status_callback=f"{PUBLIC}/webhooks/twilio/status?site=1")
    config = dataclasses.replace(
        runtime.config, site=Site(public_url=PUBLIC), notify=dataclasses.replace(Notify(), twilio=twilio)
    )
    site = create_app(dataclasses.replace(runtime, config=config))
    account = _account(site, "twilio")
    url = receipts.callback_url(account.status_callback, account.mac_secret, 4711)
    assert _post(site.test_client(), account, url, STATUS) == 204


def test_a_reader_and_a_stranger_learn_nothing(visitor: FlaskClient, runtime: Runtime) -> None:
    for path in ("/webhooks/twilio/status", "/webhooks/twilio/inbound"):
        assert visitor.get(path).status_code == 405
        refused = visitor.post(path, data={"AccountSid": "x"})
        assert refused.status_code == 403 and refused.data == b"signature refused\n"
        assert visitor.post(path, data=b"\xff\xfe{", content_type="application/json").status_code == 403
        assert visitor.post(path, data={"Body": "x" * 100_000}).status_code == 413
    assert visitor.get("/gateway").status_code in (302, 303, 401)
    assert _stored(runtime) == []


def test_a_body_that_is_no_file_is_small_before_anybody_is_known(visitor: FlaskClient) -> None:
    for path, expected in (("/sign-in", (413,)), ("/api/v1/warnings", (401, 413))):
        assert visitor.post(path, data={"x": "x" * 5_000_000}).status_code in expected
        assert visitor.post(path, data=b"x" * 5_000_000, content_type="application/json").status_code in expected
