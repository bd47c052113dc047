"""The gateway's calls: its own API as the stock client uses it, its record, its page."""

from __future__ import annotations

import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError

import pytest
from support import ACCOUNT, SECRET, TOKEN, Gateway, number, wait_for
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

from notify.twiml import Voice, announcement, farewell

TEXT = announcement("今夜有大风。", "http://127.0.0.1:9/voice?d=1&m=x", Voice(), repeat=2, key_seconds=1)


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Gateway]:
    gateway = Gateway(tmp_path / "record.jsonl")
    gateway.faults()
    yield gateway
    gateway.stop()


@pytest.fixture
def client(own: Gateway) -> Iterator[Client]:
    made = Client(ACCOUNT, TOKEN)
    made.api.base_url = own.url
    yield made
    made.http_client.session.close()


def ended(gateway: Gateway, to: str) -> str:
    wait_for(lambda: gateway.called(to)[0]["status"] not in ("queued", "initiated", "ringing", "in-progress"))
    return str(gateway.called(to)[0]["status"])


def open_page(gateway: Gateway, path: str, signed_in: bool = False, **form: str) -> str:
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    if signed_in:
        data = urllib.parse.urlencode({"secret": SECRET}).encode()
        opener.open(f"{gateway.url}/sign-in", data=data, timeout=5).close()
    with opener.open(gateway.url + path, data=urllib.parse.urlencode(form).encode() or None, timeout=5) as answer:
        return str(answer.read().decode())


def test_the_stock_client_calls_fetches_and_lists(own: Gateway, client: Client) -> None:
    one = client.calls.create(to=number(1), from_="+8602200001234", twiml=TEXT, machine_detection="Enable")
    two = client.calls.create(to=number(2), from_="+8602200001234", twiml=TEXT, timeout=20)
    assert one.sid.startswith("CA") and len(one.sid) == 34 and one.status in ("queued", "ringing")
    assert ended(own, number(1)) == ended(own, number(2)) == "completed"
    fetched = client.calls(one.sid).fetch()
    assert (fetched.status, fetched.answered_by, fetched.direction) == ("completed", "human", "outbound-api")
    assert [call.sid for call in client.calls.list()] == [two.sid, one.sid]
    assert [call.sid for call in client.calls.list(to=number(1))] == [one.sid]
    assert len(client.calls.list(page_size=1)) == 2
    with pytest.raises(TwilioRestException):
        client.calls("CA" + "0" * 32).fetch()


@pytest.mark.parametrize(
    ("ending", "status", "keys"),
    [("90", "completed", "1"), ("91", "busy", ""), ("92", "no-answer", ""), ("94", "completed", ""),
     ("95", "completed", ""), ("98", "failed", ""), ("99", "no-answer", "")],
)  # fmt: skip
def test_phones_do_what_their_ending_says(own: Gateway, client: Client, ending: str, status: str, keys: str) -> None:
    to = f"+861640000{ending}"
    client.calls.create(to=to, from_="+8602200001234", twiml=TEXT)
    assert ended(own, to) == status
    [call] = own.called(to)
    assert call["keys"] == keys
    assert bool(call["heard"]) is (ending == "95")


@pytest.mark.parametrize(
    ("fields", "code"),
    [({"to": "12"}, 21211), ({"from_": ""}, 21213), ({"twiml": ""}, 21205), ({"twiml": "x" * 4001}, 21235),
     ({"timeout": 0}, 20001)],
)  # fmt: skip
def test_a_call_that_cannot_be_made_is_refused_as_the_provider_does(
    client: Client, fields: dict[str, object], code: int
) -> None:
    values = {"to": number(3), "from_": "+8602200001234", "twiml": TEXT, **fields}
    with pytest.raises(TwilioRestException) as refused:
        client.calls.create(**values)
    assert (refused.value.status, refused.value.code) == (400, code)


@pytest.mark.parametrize(
    "words", ["<Response><Dial>1</Dial></Response>", "no xml", "<Other/>", "<!DOCTYPE x []><Response/>"]
)
def test_twiml_that_is_not_obeyed_ends_the_call_with_an_error(own: Gateway, client: Client, words: str) -> None:
    client.calls.create(to=number(4), from_="+8602200001234", twiml=words)
    assert ended(own, number(4)) == "completed"
    assert own.called(number(4))[0]["code"]


def test_the_calls_survive_kill_9_and_ring_again(own: Gateway, client: Client) -> None:
    own.faults(ring_ms=60_000)
    one = client.calls.create(to=number(5), from_="+8602200001234", twiml=farewell("你好", Voice()))
    own.kill()
    own.start()
    client.api.base_url = own.url
    own.faults()
    assert [call.sid for call in client.calls.list()] == [one.sid]
    wait_for(lambda: own.called(number(5))[0]["status"] in ("ringing", "completed"))


def test_keys_are_pressed_by_who_is_signed_in_and_by_control_and_by_nobody_else(own: Gateway, client: Client) -> None:
    own.faults(speech_ms=20_000)
    sid = client.calls.create(to=number(6), from_="+8602200001234", twiml=TEXT).sid
    wait_for(lambda: own.called(number(6))[0]["listening"])
    html = open_page(own, "/calls")
    assert number(6)[3:] not in html and "今夜有大风" in html and 'http-equiv="refresh"' in html
    assert "登录后可在此手机上按键" in html and 'name="key"' not in html
    open_page(own, f"/calls/{sid}/press", key="1")
    assert own.called(number(6))[0]["keys"] == ""
    with pytest.raises(HTTPError) as refused:
        own.control("/press", {"to": number(6), "key": "x"})
    refused.value.close()
    signed = open_page(own, "/calls?lang=en", signed_in=True)
    assert number(6) in signed and 'aria-label="Press 1"' in signed
    open_page(own, f"/calls/{sid}/press", signed_in=True, key="3")
    wait_for(lambda: own.called(number(6))[0]["keys"] == "3")
    with pytest.raises(HTTPError) as late:
        own.control("/press", {"to": number(99), "key": "1"})
    assert late.value.code == 409
    late.value.close()
    assert "按键 3" in open_page(own, "/calls?q=" + number(6)[-4:])
    assert "还没有电话打出" in open_page(own, "/calls?q=9999")
