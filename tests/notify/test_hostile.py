"""Whatever a provider answers, or does to the connection, a send says what is known, in time, and never raises."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import TypeVar

import hostile
import pytest
import uvloop
from hostile import MEBIBYTE, SID, Behaviour, Exchange, always, answer, created, once, serving
from support import account, number

from notify import rules
from notify.channels import twilio_codes
from notify.channels.base import Answer, Message, Sent
from notify.channels.twilio_sms import TwilioSms
from notify.models import Kind

T = TypeVar("T")
TIMEOUT = 0.8
HANGS_AFTER = TIMEOUT + 5
ACCEPTED, REFUSED, NOT_TAKEN, UNKNOWN = Answer.ACCEPTED, Answer.REFUSED, Answer.NOT_TAKEN, Answer.UNKNOWN


def run(work: Coroutine[None, None, T]) -> T:
    """On the loop that an engine has."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def send(url: str, count: int = 1, *, pause: float = 0.0, timeout: float = TIMEOUT) -> list[Sent]:
    """What a channel says about `count` messages, one after the other over the same pool."""

    async def work() -> list[Sent]:
        channel = TwilioSms(account(url), timeout=timeout)
        await channel.open()
        try:
            said = []
            for key in range(count):
                one = Message(key + 1, Kind.ACTUAL, number(key), "【静海应急】请转移。", 600)
                said.append(await asyncio.wait_for(channel.send(one), HANGS_AFTER))
                await asyncio.sleep(pause)
            return said
        finally:
            await channel.close()

    return run(work())


def sound(sent: Sent) -> Sent:
    """Whatever is said can be stored, on every database, and blames the road where it does not blame the message."""
    for text in (sent.ref, sent.reason):
        assert text is None or (text.isascii() and text.isprintable() and len(text) <= 80)
    if sent.raw is not None:
        assert len(sent.raw.encode()) <= 4 * 4000 and "\0" not in sent.raw
    assert (sent.answer is ACCEPTED) == (sent.ref is not None)
    if sent.answer is not ACCEPTED:
        assert sent.reason
    if sent.answer is NOT_TAKEN or sent.answer is UNKNOWN:
        assert sent.account_fault
    if sent.retry_after is not None:
        assert 0 < sent.retry_after <= 3600
    return sent


def said_about(behave: Behaviour, count: int = 1, **options: float) -> list[Sent]:
    with serving(behave) as server:
        found = send(server.url, count, **options)
        assert server.written < 8 * MEBIBYTE
    return [sound(one) for one in found]


# -- answers ---------------------------------------------------------------------------------------------------------

PAGE = "<html><body>502 Bad Gateway</body></html>"
DEEP = "[" * 100_000 + "]" * 100_000
ANSWERS: dict[str, tuple[bytes, Answer, str | None]] = {
    "html and 200": (answer(PAGE, 200), UNKNOWN, "unreadable_answer"),
    "html and 201": (answer(PAGE, 201), UNKNOWN, "unreadable_answer"),
    "html and 400": (answer(PAGE, 400), UNKNOWN, "http_400"),
    "nothing": (answer("", 201), UNKNOWN, None),
    "204": (b"HTTP/1.1 204 No Content\r\n\r\n", UNKNOWN, None),
    "json null": (answer("null"), UNKNOWN, None),
    "json list": (answer("[1]"), UNKNOWN, None),
    "json text": (answer('"SM1"'), UNKNOWN, None),
    "no sid": (answer("{}", 200), UNKNOWN, "answer_without_sid"),
    "sid null": (created(None), UNKNOWN, "answer_without_sid"),
    "sid empty": (created(""), UNKNOWN, "answer_without_sid"),
    "sid a number": (created(12345), UNKNOWN, "answer_without_sid"),
    "sid a list": (created([SID]), UNKNOWN, "answer_without_sid"),
    "sid an object": (created({"a": 1}), UNKNOWN, "answer_without_sid"),
    "sid very long": (created("SM" + "0" * 100_000), UNKNOWN, "answer_without_sid"),
    "sid with nul": (created("SM\0\0"), UNKNOWN, "answer_without_sid"),
    "sid half a pair": (created("SM\ud800"), UNKNOWN, "answer_without_sid"),
    "good": (created(), ACCEPTED, None),
    "good as 200": (answer(json.dumps({"sid": SID}), 200), ACCEPTED, None),
    "invalid utf-8 beside the sid": (answer(b'{"sid": "%s", "body": "\xff\xfe"}' % SID.encode()), ACCEPTED, None),
    "invalid utf-8": (answer(b"\xff\xfe\xfd"), UNKNOWN, "unreadable_answer"),
    "odd dates": (answer(json.dumps({"sid": SID, "date_created": "neverday"})), ACCEPTED, None),
    "deep json": (answer(DEEP), UNKNOWN, "unreadable_answer"),
    "deep json and 400": (answer(DEEP, 400), UNKNOWN, "http_400"),
    "gzip unasked": (answer(gzip.compress(created()), 201, "Content-Encoding: gzip"), UNKNOWN, "unreadable_answer"),
    "500": (answer("{}", 500), UNKNOWN, "http_500"),
    "502": (answer(PAGE, 502), UNKNOWN, "http_502"),
    "503 with retry-after": (answer("", 503, "Retry-After: 3"), UNKNOWN, "http_503"),
    "504": (answer("", 504), UNKNOWN, "http_504"),
    "599": (answer("", 599), UNKNOWN, "http_599"),
    "418 without a code": (answer("{}", 418), UNKNOWN, "http_418"),
    "409 with html": (answer(PAGE, 409), UNKNOWN, "http_409"),
    "400 without a code": (answer('{"message": "no"}', 400), UNKNOWN, "http_400"),
    "400 with a status for a code": (answer('{"code": 400}', 400), UNKNOWN, "http_400"),
    "400 with an odd code": (answer(json.dumps({"code": "x" * 9999, "message": "\ud800\0"}), 400), UNKNOWN, "http_400"),
    "400 with true for a code": (answer('{"code": true}', 400), UNKNOWN, "http_400"),
    "400 with a code as text": (answer('{"code": "21211"}', 400), REFUSED, "21211"),
    "400 by the newer form": (
        answer(json.dumps({"type": "t", "title": "t", "status": 400, "code": 21614}), 400), REFUSED, "21614",
    ),
    "401": (answer('{"code": 20003}', 401), NOT_TAKEN, "http_401"),
    "403": (answer('{"code": 20006}', 403), NOT_TAKEN, "http_403"),
    "403 of a proxy": (answer(PAGE, 403), NOT_TAKEN, "http_403"),
    "403 about the number alone": (answer('{"code": 21408}', 403), REFUSED, "21408"),
    "404": (answer('{"code": 20404}', 404), NOT_TAKEN, "http_404"),
    "404 about the number alone": (answer('{"code": 21610}', 404), REFUSED, "21610"),
    "405": (answer("", 405), NOT_TAKEN, "http_405"),
    "http/1.0": (b'HTTP/1.0 201 Created\r\n\r\n{"sid": "%s"}' % SID.encode(), ACCEPTED, None),
    "until the end": (b'HTTP/1.1 201 Created\r\nConnection: close\r\n\r\n{"sid": "%s"}' % SID.encode(), ACCEPTED, None),
    "100 before": (b"HTTP/1.1 100 Continue\r\n\r\n" + created(), ACCEPTED, None),
    "103 before": (b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 3 + created(), ACCEPTED, None),
    "chunked with trailers": (
        b'HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n'
        b'9;x=y\r\n{"sid": "\r\n22\r\n%s\r\n2\r\n"}\r\n0\r\nX-Sum: 1\r\n\r\n' % SID.encode(), ACCEPTED, None,
    ),
    "chunked and broken": (
        b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n", UNKNOWN, None,
    ),
    "length too short": (answer(json.dumps({"sid": SID}), length=10), UNKNOWN, None),
    "length too long": (answer(json.dumps({"sid": SID}), length=4000), UNKNOWN, None),
    "length negative": (answer("{}", length=-1), UNKNOWN, None),
    "length huge": (answer("{}", length=10**30), UNKNOWN, None),
    "two lengths that disagree": (answer(json.dumps({"sid": SID}), 201, "Content-Length: 3"), UNKNOWN, None),
    "no http": (b"220 mail.example ESMTP\r\n", UNKNOWN, None),
    "status of words": (b"HTTP/1.1 abc OK\r\n\r\n", UNKNOWN, None),
    "status 101": (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", UNKNOWN, None),
    "header of a mebibyte": (answer("{}", 201, "X-Long: " + "x" * MEBIBYTE), UNKNOWN, None),
    "twenty thousand headers": (answer("{}", 201, *(f"X-{i}: y" for i in range(20_000))), UNKNOWN, None),
    "the same header twice": (answer(json.dumps({"sid": SID}), 201, "X-A: 1", "X-A: 2"), ACCEPTED, None),
    "only a line end": (b"\r\n\r\n", UNKNOWN, None),
}  # fmt: skip


@pytest.mark.parametrize(("data", "wanted", "reason"), ANSWERS.values(), ids=ANSWERS.keys())
def test_an_answer_is_judged_by_what_it_proves(data: bytes, wanted: Answer, reason: str | None) -> None:
    [sent] = said_about(once(data))
    assert sent.answer is wanted
    assert reason is None or sent.reason == reason
    if wanted is ACCEPTED:
        assert sent.ref == SID


@pytest.mark.parametrize(
    "name", ["html and 200", "no sid", "502", "401", "400 with an odd code", "deep json", "length too long"]
)
def test_an_odd_answer_is_handed_over_as_it_came(name: str) -> None:
    data = ANSWERS[name][0]
    [sent] = said_about(once(data))
    body = data.partition(b"\r\n\r\n")[2].decode()
    assert sent.raw == body[:4000]


@pytest.mark.parametrize(
    ("header", "low", "high"),
    [
        ("Retry-After: 7", 7, 7),
        ("Retry-After: 0.5", 0.5, 0.5),
        ("Retry-After: IN AN HOUR", 3500, 3600),
        ("Retry-After: Mon, 01 Jan 2001 00:00:00 GMT", 0.05, 1),
        ("X-Nothing: 1", 1, 1),
        ("Retry-After: -5", 0.05, 1),
        ("Retry-After: soon", 1, 1),
        ("Retry-After: nan", 0.05, 1),
        ("Retry-After: inf", 1, 3600),
        ("Retry-After: 1e9", 3600, 3600),
        ("Retry-After: " + "9" * 400, 1, 3600),
        ("Retry-After: 2\r\nRetry-After: 4", 2, 4),
    ],
)
def test_429_waits_as_long_as_it_was_told_within_reason(header: str, low: float, high: float) -> None:
    in_an_hour = format_datetime(datetime.now(UTC) + timedelta(seconds=3600), usegmt=True)
    [sent] = said_about(once(answer('{"code": 20429}', 429, header.replace("IN AN HOUR", in_an_hour))))
    assert (sent.answer, sent.reason) == (NOT_TAKEN, "http_429")
    assert sent.retry_after is not None and low <= sent.retry_after <= high


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_never_followed_with_our_password(status: int) -> None:
    with (
        serving(always(created())) as elsewhere,
        serving(once(answer("", status, f"Location: {elsewhere.url}/2010-04-01/"))) as server,
    ):
        [sent] = send(server.url)
        assert elsewhere.connections == 0
    assert (sound(sent).answer, sent.reason) == (UNKNOWN, f"http_{status}")


# -- documented codes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", sorted(twilio_codes.RATE_CODES))
def test_a_code_of_rates_means_later(code: int) -> None:
    [sent] = said_about(once(answer(json.dumps({"code": code, "message": "m", "status": 400}), 400)))
    assert (sent.answer, sent.reason, sent.retry_after) == (NOT_TAKEN, str(code), 1.0)


@pytest.mark.parametrize("code", sorted(twilio_codes.ACCOUNT_CODES))
def test_a_code_of_the_account_writes_no_message_off(code: int) -> None:
    [sent] = said_about(once(answer(json.dumps({"code": code, "message": "m", "status": 400}), 400)))
    assert (sent.answer, sent.reason) == (NOT_TAKEN, str(code))


@pytest.mark.parametrize("code", sorted(twilio_codes.SERVER_CODES))
def test_a_code_of_their_failure_proves_nothing(code: int) -> None:
    [sent] = said_about(once(answer(json.dumps({"code": code, "message": "m", "status": 400}), 400)))
    assert (sent.answer, sent.reason) == (UNKNOWN, str(code))


@pytest.mark.parametrize("code", [*sorted(twilio_codes.MESSAGE_CODES), 21999, 63049])
def test_a_code_of_the_message_fails_it_and_nothing_else(code: int) -> None:
    [sent] = said_about(once(answer(json.dumps({"code": code, "message": "m", "status": 400}), 400)))
    assert (sent.answer, sent.reason, sent.account_fault) == (REFUSED, str(code), False)


def test_no_code_is_read_in_two_ways_and_every_defect_is_a_code_of_the_message() -> None:
    sets = [twilio_codes.RATE_CODES, twilio_codes.ACCOUNT_CODES, twilio_codes.SERVER_CODES, twilio_codes.MESSAGE_CODES]
    assert sum(map(len, sets)) == len(frozenset().union(*sets))
    assert {int(code) for code in rules.PERMANENT_REASONS} <= twilio_codes.MESSAGE_CODES


# -- the connection --------------------------------------------------------------------------------------------------


async def _endless(exchange: Exchange, head: bytes, piece: bytes) -> None:
    await exchange.read()
    await exchange.write(head)
    while True:
        await exchange.write(piece)


async def hundred_megabytes(exchange: Exchange) -> None:
    await _endless(exchange, b"HTTP/1.1 201 Created\r\nContent-Length: 104857600\r\n\r\n", b"x" * 65536)


async def endless_chunks(exchange: Exchange) -> None:
    piece = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    await _endless(exchange, b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n", piece)


async def endless_until_close(exchange: Exchange) -> None:
    await _endless(exchange, b"HTTP/1.1 201 Created\r\n\r\n", b"x" * 65536)


async def endless_header(exchange: Exchange) -> None:
    await _endless(exchange, b"HTTP/1.1 201 Created\r\nX-A: ", b"x" * 65536)


async def endless_hints(exchange: Exchange) -> None:
    await _endless(exchange, b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 200)


async def _drips(exchange: Exchange, data: bytes, whole: int) -> None:
    await exchange.read()
    await exchange.write(data[:whole])
    for place in range(whole, len(data)):
        await exchange.write(data[place : place + 1])
        await asyncio.sleep(0.1)


async def header_drips(exchange: Exchange) -> None:
    await _drips(exchange, created(), 0)


async def body_drips(exchange: Exchange) -> None:
    data = created()
    await _drips(exchange, data, data.index(b"\r\n\r\n") + 4)


async def silence(exchange: Exchange) -> None:
    await exchange.read()
    await exchange.gone()


async def reads_nothing(exchange: Exchange) -> None:
    await asyncio.sleep(60)


async def reset_at_once(exchange: Exchange) -> None:
    exchange.reset()


async def reset_after_reading(exchange: Exchange) -> None:
    await exchange.read()
    exchange.reset()


async def reset_in_the_answer(exchange: Exchange) -> None:
    await exchange.read()
    await exchange.write(created()[:40])
    await asyncio.sleep(0.02)
    exchange.reset()


async def hangs_up(exchange: Exchange) -> None:
    await exchange.read()


async def hangs_up_in_the_answer(exchange: Exchange) -> None:
    await exchange.read()
    await exchange.write(created()[:-5])


async def closes_half_and_stays(exchange: Exchange) -> None:
    await exchange.read()
    exchange.writer.write_eof()
    await exchange.gone()


async def half_before_the_request(exchange: Exchange) -> None:
    exchange.writer.write_eof()
    await exchange.gone()


BREAKS: list[tuple[Behaviour, str | None]] = [
    (hundred_megabytes, "oversized_answer"),
    (endless_chunks, "oversized_answer"),
    (endless_until_close, "oversized_answer"),
    (endless_header, "oversized_answer"),
    (endless_hints, None),
    (header_drips, "timeout"),
    (body_drips, "timeout"),
    (silence, "timeout"),
    (reads_nothing, "timeout"),
    (reset_after_reading, "connection_reset"),
    (reset_in_the_answer, "connection_reset"),
    (hangs_up, "disconnected"),
    (hangs_up_in_the_answer, "broken_answer"),
    (closes_half_and_stays, "disconnected"),
]


@pytest.mark.parametrize(("behave", "reason"), BREAKS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_connection_that_breaks_leaves_the_message_unknown(behave: Behaviour, reason: str | None) -> None:
    [sent] = said_about(behave)
    assert sent.answer is UNKNOWN
    assert reason is None or sent.reason == reason


@pytest.mark.parametrize("behave", [reset_at_once, half_before_the_request], ids=lambda value: value.__name__)
def test_a_connection_that_breaks_at_once_is_never_a_success(behave: Behaviour) -> None:
    [sent] = said_about(behave)
    assert sent.answer in (UNKNOWN, NOT_TAKEN)


def test_a_connection_closed_while_idle_is_noticed_and_costs_nothing() -> None:
    said = said_about(once(created()), 3, pause=0.1)
    assert [sent.answer for sent in said] == [ACCEPTED] * 3


def test_a_connection_closed_on_the_next_request_leaves_that_one_unknown() -> None:
    async def behave(exchange: Exchange) -> None:
        await exchange.read()
        await exchange.write(created())
        await exchange.read()

    said = said_about(behave, 3)
    assert [sent.answer for sent in said] == [ACCEPTED, UNKNOWN, ACCEPTED]


@pytest.mark.parametrize("joined", [True, False], ids=["in one piece", "a moment later"])
def test_what_follows_an_answer_is_never_the_answer_to_the_next_request(joined: bool) -> None:
    forged = created("SM" + "f" * 32)

    async def behave(exchange: Exchange) -> None:
        while await exchange.read():
            if joined:
                await exchange.write(created() + forged)
            else:
                await exchange.write(created())
                await asyncio.sleep(0.05)
                await exchange.write(forged)

    said = said_about(behave, 3, pause=0.15)
    assert [sent.ref for sent in said] == [SID] * 3


def test_a_farewell_on_an_idle_connection_writes_nobody_off() -> None:
    async def behave(exchange: Exchange) -> None:
        await exchange.write(answer("", 408, "Connection: close"))
        await exchange.gone()

    [sent] = said_about(behave)
    assert sent.answer in (UNKNOWN, NOT_TAKEN)


def test_a_late_answer_to_one_message_is_not_taken_for_the_next() -> None:
    seen = 0

    async def behave(exchange: Exchange) -> None:
        nonlocal seen
        while await exchange.read():
            seen += 1
            if seen == 1:
                await asyncio.sleep(TIMEOUT + 0.3)
                await exchange.write(created("SM" + "1" * 32))
            else:
                await exchange.write(created("SM" + "2" * 32))

    first, second = said_about(behave, 2)
    assert (first.answer, first.reason) == (UNKNOWN, "timeout")
    assert second.ref == "SM" + "2" * 32


# -- no connection ---------------------------------------------------------------------------------------------------


def test_nobody_listens() -> None:
    [sent] = send(f"http://127.0.0.1:{hostile.closed_port()}")
    assert (sound(sent).answer, sent.reason) == (NOT_TAKEN, "connection_refused")


def test_a_name_that_nobody_knows() -> None:
    [sent] = send("http://no-such-host.invalid", timeout=4.0)
    assert sound(sent).answer is NOT_TAKEN
    assert sent.reason in ("name_not_found", "connect_timeout")


def test_a_connection_that_never_comes_about() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for one in fillers:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        [sent] = send(f"http://127.0.0.1:{full.getsockname()[1]}")
        for one in fillers:
            one.close()
    assert (sound(sent).answer, sent.reason) == (NOT_TAKEN, "connect_timeout")


def test_an_address_of_the_newer_kind_and_a_name_of_both() -> None:
    try:
        server = hostile.Hostile(always(created()), host="::1")
    except AssertionError:
        pytest.skip("this machine has no IPv6")
    try:
        [sent] = send(server.url)
        assert sent.ref == SID
    finally:
        server.stop()
    with serving(always(created())) as older:
        [sent] = send(f"http://localhost:{older.port}")
    assert sent.ref == SID


# -- TLS -------------------------------------------------------------------------------------------------------------


def test_tls_with_a_certificate_that_is_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context, trusted = hostile.certificate(tmp_path, "127.0.0.1", "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    with serving(always(created()), tls=context) as server:
        assert [sent.ref for sent in send(server.url, 2)] == [SID, SID]
        assert server.connections == 1


@pytest.mark.parametrize("names", [("127.0.0.1",), ("other.example",)], ids=["nobody vouches", "another name"])
def test_tls_with_a_certificate_that_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...]
) -> None:
    context, trusted = hostile.certificate(tmp_path, *names)
    if names != ("127.0.0.1",):
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    with serving(always(created()), tls=context) as server:
        [sent] = send(server.url)
        assert not server.requests, "our password went to a stranger"
    assert (sound(sent).answer, sent.reason) == (NOT_TAKEN, "certificate")


def test_tls_with_a_certificate_that_has_run_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context, trusted = hostile.certificate(tmp_path, "127.0.0.1", expired=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    with serving(always(created()), tls=context) as server:
        [sent] = send(server.url)
        assert not server.requests
    assert (sound(sent).answer, sent.reason) == (NOT_TAKEN, "certificate")


@pytest.mark.parametrize("behave", [always(created()), silence, reset_at_once], ids=["plain", "silent", "reset"])
def test_no_tls_where_there_should_be(behave: Behaviour) -> None:
    with serving(behave) as server:
        [sent] = send(server.url.replace("http://", "https://"))
    assert sound(sent).answer is NOT_TAKEN


def test_tls_that_breaks_in_the_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context, trusted = hostile.certificate(tmp_path, "127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    with serving(reset_after_reading, tls=context) as server:
        [sent] = send(server.url)
    assert sound(sent).answer is UNKNOWN


# -- their list ------------------------------------------------------------------------------------------------------

ROW = {"sid": SID, "to": number(0), "body": "x", "status": "sent", "direction": "outbound-api"}


@pytest.mark.parametrize(
    "data",
    [
        answer(PAGE, 200), answer("", 200), answer("{}", 200), answer("null", 200), answer("[]", 200),
        answer('{"messages": null}', 200), answer('{"messages": {"a": 1}}', 200), answer('{"messages": ["x"]}', 200),
        answer(DEEP, 200), answer("{}", 500), answer("{}", 429), answer('{"code": 20003}', 401),
        answer(json.dumps({"messages": [{**ROW, "date_created": 5}]}), 200),
        answer("", 301, "Location: http://127.0.0.1:1/"), b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{",
    ],
)  # fmt: skip
def test_a_list_that_cannot_be_read_proves_no_absence(data: bytes) -> None:
    async def ask(url: str) -> object:
        channel = TwilioSms(account(url), timeout=TIMEOUT)
        await channel.open()
        try:
            return await asyncio.wait_for(channel.find(number(0), datetime.now(UTC)), HANGS_AFTER)
        finally:
            await channel.close()

    with serving(once(data)) as server:
        assert run(ask(server.url)) is None
