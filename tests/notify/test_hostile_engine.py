"""A provider at its worst under a whole engine: nothing is lost, nothing doubled, and its odd answers are kept sealed."""

from __future__ import annotations

import asyncio
import gzip
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator

import pytest
import sqlalchemy as sa
from hostile import Exchange, Hostile, answer, created, serving
from support import Outcomes, Sealer, account, counts, number, recipients, running, spec, wait_for

from kernel.db import Database
from notify import service
from notify.engine import Engine
from notify.models import Delivery, DeliveryState, RawReceipt, ReceiptKind

Make = Callable[..., Engine]
Mood = Callable[[Exchange], Awaitable[None]]
PAGE = "<html><body>Bad Gateway</body></html>"


def says(data: bytes) -> Mood:
    async def mood(exchange: Exchange) -> None:
        await exchange.write(data)

    return mood


async def is_silent(exchange: Exchange) -> None:
    await exchange.gone()


async def resets(exchange: Exchange) -> None:
    exchange.reset()


async def stops_in_the_middle(exchange: Exchange) -> None:
    await exchange.write(created()[:-9])
    exchange.writer.close()


async def drips(exchange: Exchange) -> None:
    for byte in created():
        await exchange.write(bytes([byte]))
        await asyncio.sleep(0.05)


async def floods(exchange: Exchange) -> None:
    await exchange.write(b"HTTP/1.1 201 Created\r\nContent-Length: 104857600\r\n\r\n")
    while True:
        await exchange.write(b"x" * 65536)


LEAVES_OPEN: dict[str, Mood] = {
    "html": says(answer(PAGE, 200)),
    "no sid": says(answer('{"status": "queued"}', 201)),
    "odd sid": says(created({"a": ["\0"]})),
    "500": says(answer('{"odd": 500}', 500)),
    "503": says(answer(PAGE, 503, "Retry-After: 1")),
    "redirect": says(answer("moved", 307, "Location: http://127.0.0.1:9/")),
    "400 of a proxy": says(answer(PAGE, 400)),
    "deep": says(answer("[" * 30_000, 201)),
    "gzip": says(answer(gzip.compress(b"{}"), 201, "Content-Encoding: gzip")),
    "huge header": says(answer("{}", 201, "X-A: " + "x" * 300_000)),
    "silent": is_silent,
    "reset": resets,
    "half": stops_in_the_middle,
    "drip": drips,
    "flood": floods,
}
"""After any of these the message may have been taken or not."""
TURNS_AWAY: dict[str, Mood] = {
    "429": says(answer('{"code": 20429}', 429, "Retry-After: 0.1")),
    "429 with a date": says(answer('{"code": 20429}', 429, "Retry-After: Mon, 01 Jan 2001 00:00:00 GMT")),
    "queue full": says(answer('{"code": 21611, "message": "exceeded"}', 400)),
}
REFUSES: dict[str, Mood] = {
    "21211": says(answer('{"code": 21211, "message": "not valid"}', 400)),
    "21610": says(answer('{"code": 21610, "message": "unsubscribed"}', 400)),
    "21635": says(answer('{"code": 21635, "message": "a landline"}', 400)),
    "21408": says(answer('{"code": 21408, "message": "region"}', 403)),
    "21999": says(answer('{"code": 21999, "message": "new"}', 400)),
}


class Provider:
    """Meets the first request about each number in the mood that stands for it, and is good afterwards."""

    def __init__(self) -> None:
        self.moods: dict[str, tuple[Mood, bool]] = {}
        """By number: how it behaves, and whether it takes the message all the same."""

    async def behave(self, exchange: Exchange) -> None:
        while await exchange.read():
            if exchange.method == "GET":
                await exchange.write(exchange.server.listed(exchange.target))
                continue
            mood = self.moods.pop(exchange.form["To"], None)
            if mood is None:
                await exchange.write(created(exchange.server.take(exchange.form)))
                continue
            behaves, takes = mood
            if takes:
                exchange.server.take(exchange.form)
            await behaves(exchange)


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
def server(provider: Provider) -> Iterator[Hostile]:
    with serving(provider.behave) as server:
        yield server


def enter(database: Database, start: int, count: int) -> int:
    with database.write() as session:
        return service.broadcast(session, spec(database), recipients(session, start, count)).id


def test_every_bad_answer_ends_in_the_right_state_with_nobody_lost_or_doubled(
    database: Database, provider: Provider, server: Hostile, make_engine_for: Make, outcomes: Outcomes, start: int
) -> None:
    moods = [(name, mood, takes) for takes in (True, False) for name, mood in LEAVES_OPEN.items()]
    moods += [(name, mood, False) for name, mood in (TURNS_AWAY | REFUSES).items()]
    names = {}
    for place, (name, mood, takes) in enumerate(moods):
        provider.moods[number(start + place)] = (mood, takes)
        names[f"resident:{start + place}"] = name
    total = len(moods) + 30
    record = enter(database, start, total)
    engine = make_engine_for(
        database, accounts=[account(server.url)], absent_after_seconds=0.5, request_timeout=0.5, intent_chunk=20
    )
    wanted = {"submitted": total - len(REFUSES), "failed": len(REFUSES)}
    with running(engine):
        wait_for(lambda: counts(database, record) == wanted, 40)
    taken = Counter(to for _, to, _ in server.taken)
    refused = {number(start + place) for place, (name, _, _) in enumerate(moods) if name in REFUSES}
    assert taken == Counter(dict.fromkeys({number(key) for key in range(start, start + total)} - refused, 1))
    defects = dict(outcomes.defects)
    assert {names[recipient]: reason for recipient, reason in defects.items()} == {
        code: code for code in ("21211", "21610", "21635")
    }
    with database.read() as session:
        rows = {row.id: row for row in session.scalars(sa.select(Delivery))}
        kept = session.scalars(sa.select(RawReceipt).where(RawReceipt.kind == ReceiptKind.ERROR)).all()
    assert all(row.provider_ref for row in rows.values() if row.state is DeliveryState.SUBMITTED)
    raw: dict[str, str] = {}
    for receipt in kept:
        assert PAGE.encode() not in receipt.sealed and b"code" not in receipt.sealed
        raw[names[rows[receipt.delivery_id or 0].recipient]] = Sealer().open(receipt.sealed)
    assert raw["html"] == raw["503"] == raw["400 of a proxy"] == PAGE
    assert raw["no sid"] == '{"status": "queued"}' and raw["500"] == '{"odd": 500}'
    assert raw["half"].startswith('{"sid"') and raw["deep"].startswith("[[[") and raw["flood"].startswith("xxx")
    assert all(f'"code": {code}' in raw[code] for code in REFUSES)


@pytest.mark.parametrize(
    "data",
    [
        answer('{"code": 20003}', 401), answer(PAGE, 403), answer("", 404), answer("", 405),
        answer('{"code": 21606, "message": "sender"}', 400), answer('{"code": 30002, "message": "suspended"}', 400),
    ],
    ids=["401", "403", "404", "405", "21606", "30002"],
)  # fmt: skip
def test_a_fault_of_the_account_writes_nobody_off_and_is_shown(
    database: Database, make_engine_for: Make, outcomes: Outcomes, start: int, data: bytes
) -> None:
    async def behave(exchange: Exchange) -> None:
        while await exchange.read():
            await exchange.write(data)

    with serving(behave) as server:
        record = enter(database, start, 25)
        engine = make_engine_for(database, accounts=[account(server.url)])
        engine.run_once(0.6)
        asked = len(server.requests)
    assert 0 < asked <= 60, "a broken account is tried now and then, not hammered"
    assert counts(database, record) == {"queued": 25}
    assert not outcomes.defects and not outcomes.settlements
