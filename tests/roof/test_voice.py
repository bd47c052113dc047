"""Calls in the house: over which account they leave, and the door that hears the keys."""

from __future__ import annotations

import dataclasses

import flask
import pytest
import sqlalchemy as sa

from emergency import create_app, delivery, doctor
from emergency.config import Config, Notify, Site, TwilioAccounts, TwilioWithExercise, Voice
from emergency.runtime import Runtime
from notify import receipts
from notify.channels.twilio_voice import TwilioVoice
from notify.models import Kind, RawReceipt, ReceiptKind
from notify.settings import TwilioAccount
from notify.twiml import END_STEP, KEY_STEP, at_step

PUBLIC = "https://warn.example"
PHONE = "+8615400000001"
REAL = TwilioWithExercise(
    account_sid="AC" + "1" * 32, auth_token="real-token", from_number="+8610690000118", price="0.045",
    voice=Voice(from_number="+862228940000", calls_per_second=3, price="0.09"),
    exercise=TwilioAccounts(
        account_sid="AC" + "2" * 32, auth_token="exercise-token", from_number="+8610690000119",
        voice=Voice(from_number="+862228940001"),
    ),
)  # fmt: skip


def configured(runtime: Runtime, twilio: TwilioWithExercise, **changes: object) -> Config:
    notify = dataclasses.replace(Notify(), twilio=twilio, **changes)  # type: ignore[arg-type]
    return dataclasses.replace(runtime.config, site=Site(public_url=PUBLIC), notify=notify)


def calls_of(config: Config, runtime: Runtime) -> dict[str, TwilioVoice]:
    return {c.account: c for c in delivery.channels(config, runtime.vault) if isinstance(c, TwilioVoice)}


def test_calls_leave_over_the_same_accounts_and_exercises_over_their_own(runtime: Runtime) -> None:
    found = calls_of(configured(runtime, REAL), runtime)
    assert {name: road.kinds for name, road in found.items()} == {
        "twilio-voice": delivery.REAL, "twilio-exercise-voice": delivery.EXERCISE,
    }  # fmt: skip
    assert found["twilio-voice"].rate == 3
    cost = found["twilio-voice"].abilities.cost
    assert cost is not None and f"{cost.per_part} {cost.currency}" == "0.09 USD"
    assert found["twilio-exercise-voice"].abilities.cost is None


def test_an_account_without_a_number_that_may_call_makes_no_calls(runtime: Runtime) -> None:
    silent = dataclasses.replace(REAL, voice=Voice())
    config = configured(runtime, silent)
    assert list(calls_of(config, runtime)) == ["twilio-exercise-voice"]
    assert config.notify.channels_for(exercise=False) == ("sms",)
    assert config.notify.channels_for(exercise=True) == ("sms", "voice")


def test_without_accounts_only_the_local_phones_ring(runtime: Runtime) -> None:
    config = configured(runtime, TwilioWithExercise())
    assert sorted(calls_of(config, runtime)) == ["gateway-exercise-voice", "gateway-voice"]
    nothing = configured(runtime, TwilioWithExercise(), gateway=dataclasses.replace(Notify().gateway, enabled=False))
    assert calls_of(nothing, runtime) == {} and nothing.notify.channels_for(exercise=False) == ()


@pytest.mark.parametrize(
    ("twilio", "words", "state"),
    [
        (REAL, "Calls leave through the same account", "ok"),
        (dataclasses.replace(REAL, voice=Voice()), "No calls are made", "ok"),
        (dataclasses.replace(REAL, voice=Voice(from_number="+86", machine_detection=False)), "do not tell", "warn"),
        (TwilioWithExercise(), "local gateway only", "ok"),
    ],
)
def test_the_doctor_says_what_calls_leave_by(
    runtime: Runtime, twilio: TwilioWithExercise, words: str, state: str
) -> None:
    found = doctor._calls(dataclasses.replace(runtime, config=configured(runtime, twilio)))
    assert words in found.text and found.state == state


@pytest.fixture
def site(runtime: Runtime) -> flask.Flask:
    config = configured(runtime, REAL)
    runtime.database.attach("config", config)
    return create_app(dataclasses.replace(runtime, config=config))


def ask(site: flask.Flask, url: str, token: str = "", **fields: str) -> tuple[int, str]:
    accounts: list[TwilioAccount] = list(site.extensions["emergency.accounts"].values())
    account = next(a for a in accounts if Kind.ACTUAL in a.kinds)
    form = {"AccountSid": account.account_sid, "CallSid": "CA1", "To": PHONE, "Direction": "outbound-api", **fields}
    header = receipts.sign(token or account.auth_token, url, form)
    answer = site.test_client().post(
        url.removeprefix(PUBLIC), data=form, headers={"X-Twilio-Signature": header, "Host": "inside"}
    )
    return answer.status_code, answer.text


def door(site: flask.Flask, step: str) -> str:
    account = next(a for a in site.extensions["emergency.accounts"].values() if Kind.ACTUAL in a.kinds)
    return at_step(receipts.callback_url(f"{PUBLIC}/webhooks/twilio/voice", account.mac_secret, 4711), step)


def stored(runtime: Runtime) -> list[tuple[ReceiptKind, str, int | None]]:
    with runtime.database.read() as session:
        rows = session.scalars(sa.select(RawReceipt).order_by(RawReceipt.id))
        return [(raw.kind, raw.channel, raw.delivery_id) for raw in rows]


def test_a_key_is_stored_once_and_thanked_for(site: flask.Flask, runtime: Runtime) -> None:
    for _ in range(2):
        status, words = ask(site, door(site, KEY_STEP), Digits="1")
        assert status == 200 and "谢谢" in words and "<Hangup/>" in words
    assert stored(runtime) == [(ReceiptKind.INBOUND, "voice", 4711)]


def test_the_end_of_the_text_is_stored_and_the_call_ends(site: flask.Flask, runtime: Runtime) -> None:
    status, words = ask(site, door(site, END_STEP))
    assert status == 200 and "<Say" not in words and "<Hangup/>" in words
    assert stored(runtime) == [(ReceiptKind.STATUS, "voice", 4711)]


def test_who_calls_us_is_told_where_help_is(site: flask.Flask, runtime: Runtime) -> None:
    status, words = ask(site, f"{PUBLIC}/webhooks/twilio/voice", Direction="inbound", From=PHONE, To="+862228940000")
    assert status == 200 and "不接听来电" in words
    assert stored(runtime) == [(ReceiptKind.STATUS, "voice", None)]


def test_a_status_of_a_call_is_a_status_by_voice(site: flask.Flask, runtime: Runtime) -> None:
    account = next(a for a in site.extensions["emergency.accounts"].values() if Kind.ACTUAL in a.kinds)
    url = receipts.callback_url(account.status_callback, account.mac_secret, 4711)
    assert ask(site, url, CallStatus="completed")[0] == 204
    assert stored(runtime) == [(ReceiptKind.STATUS, "voice", 4711)]


def test_a_forged_key_is_turned_away(site: flask.Flask, runtime: Runtime) -> None:
    assert ask(site, door(site, KEY_STEP), token="exercise-token", Digits="1")[0] == 403
    assert stored(runtime) == []
