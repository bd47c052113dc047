"""What every road must do, over the gateway in a process of its own. See docs/channels.md."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest
import sqlalchemy as sa
from roads import Provider, Road, report_url
from support import (
    FAST,
    TOKEN,
    Answers,
    Book,
    Gateway,
    Index,
    Outcomes,
    account,
    counts,
    number,
    recipients,
    running,
    spec,
    wait_for,
)

from kernel.db import Database
from notify import receipts, service, text
from notify.channels import catalogue
from notify.channels.base import Answer, Channel, Message, Sent
from notify.engine import Engine
from notify.models import Delivery, DeliveryState, Kind, RawReceipt
from notify.ports import Ports
from notify.settings import EXERCISE_KINDS

T = TypeVar("T")
LATER = "http://127.0.0.1:9"
"""Nobody listens there."""
FLOOR = datetime(2020, 1, 1, tzinfo=UTC)
LINK = "https://e.cn/c/abc123"
BODY = f"【静海应急】今夜有大风，请于8:30前回家。{LINK}"


def message(to: str, **changes: Any) -> Message:
    values: dict[str, Any] = {"delivery_id": 7, "kind": Kind.ACTUAL, "to": to, "body": BODY, "valid_seconds": 600}
    return Message(**(values | changes))


def using(channel: Channel, work: Callable[[Channel], Awaitable[T]]) -> T:
    async def run() -> T:
        await channel.open()
        try:
            return await work(channel)
        finally:
            await channel.close()

    return asyncio.run(run())


def send(road: Road, to: str, url: Gateway | str, *, timeout: float = 2.0, **changes: Any) -> Sent:
    sent = {name: changes.pop(name) for name in ("kind", "body", "valid_seconds") if name in changes}
    channel = road.make(account(url, **changes), LATER, timeout)
    return using(channel, lambda open_channel: open_channel.send(message(to, **sent)))


# -- handing over ----------------------------------------------------------------------------------------------------


def test_a_message_is_accepted_with_a_reference_and_arrives_once(road: Road, gateway: Gateway, start: int) -> None:
    sent = send(road, number(start), gateway)
    assert (sent.answer, sent.account_fault) == (Answer.ACCEPTED, False)
    assert sent.ref and len(sent.ref) <= 64
    assert len(road.arrived(gateway, number(start))) == 1


def test_a_number_that_is_none_is_refused_and_nobody_else_suffers(road: Road, gateway: Gateway) -> None:
    sent = send(road, "+12", gateway)
    assert (sent.answer, sent.account_fault) == (Answer.REFUSED, False)
    assert sent.reason == "21211"


def test_a_fault_of_the_account_writes_no_message_off(road: Road, provider: Provider, start: int) -> None:
    provider.status, provider.body = 400, {"code": road.account_code, "message": "not yours", "status": 400}
    sent = send(road, number(start), provider.url)
    assert (sent.answer, sent.account_fault, sent.reason) == (Answer.NOT_TAKEN, True, str(road.account_code))


@pytest.mark.parametrize("retry_after", [0.7, None])
def test_too_many_requests_come_back_unsent(
    road: Road, gateway: Gateway, start: int, retry_after: float | None
) -> None:
    gateway.faults(share_429=1, retry_after=retry_after)
    sent = send(road, number(start), gateway)
    assert (sent.answer, sent.account_fault) == (Answer.NOT_TAKEN, True)
    assert sent.retry_after == (retry_after or 1.0)
    assert road.arrived(gateway, number(start)) == []


@pytest.mark.parametrize("wrong", [{"auth_token": "wrong"}, {"account_sid": "AC" + "9" * 32}])
def test_wrong_credentials_or_address_come_back_unsent(
    road: Road, gateway: Gateway, start: int, wrong: dict[str, str]
) -> None:
    values = {"account_sid": "AC" + "1" * 32, "auth_token": TOKEN, **wrong}
    template = account(gateway)
    known = type(template)(
        values["account_sid"], values["auth_token"], base_url=gateway.url, from_number=template.from_number
    )
    channel = road.make(known, LATER, 2.0)
    sent = using(channel, lambda c: c.send(message(number(start))))
    assert (sent.answer, sent.account_fault) == (Answer.NOT_TAKEN, True)
    assert road.arrived(gateway, number(start)) == []


@pytest.mark.parametrize("fault", ["500", "html", "silence", "reset"])
@pytest.mark.parametrize("accepted", [False, True])
def test_what_may_have_been_accepted_is_unknown(
    road: Road, gateway: Gateway, start: int, fault: str, accepted: bool
) -> None:
    gateway.faults(**{f"share_{fault}{'_after_accept' if accepted else ''}": 1})
    sent = send(road, number(start), gateway, timeout=0.4)
    assert (sent.answer, sent.account_fault) == (Answer.UNKNOWN, True)
    assert sent.reason and sent.ref is None
    assert len(road.arrived(gateway, number(start))) == int(accepted)


def test_an_answer_without_a_reference_is_unknown(road: Road, gateway: Gateway, start: int) -> None:
    gateway.faults(share_no_sid=1)
    assert send(road, number(start), gateway).answer is Answer.UNKNOWN


def test_a_closed_port_took_nothing(road: Road, start: int) -> None:
    sent = send(road, number(start), LATER)
    assert (sent.answer, sent.account_fault) == (Answer.NOT_TAKEN, True)


def test_a_channel_that_was_not_opened_took_nothing(road: Road, gateway: Gateway, start: int) -> None:
    sent = asyncio.run(road.make(account(gateway), LATER, 1.0).send(message(number(start))))
    assert sent.answer is Answer.NOT_TAKEN


@pytest.mark.parametrize("kind", list(Kind))
def test_credentials_carry_their_kinds_and_no_other(road: Road, gateway: Gateway, start: int, kind: Kind) -> None:
    for exercise in (False, True):
        sent = send(road, number(start), account(gateway, exercise=exercise).base_url, kind=kind,
                    body=text.mark(kind, "注意"), kinds=account(gateway, exercise=exercise).kinds)  # fmt: skip
        allowed = (kind in EXERCISE_KINDS) is exercise
        assert sent.answer is (Answer.ACCEPTED if allowed else Answer.REFUSED)
        assert allowed or sent.reason == "kind_not_allowed_by_credentials"
    assert len(road.arrived(gateway, number(start))) == 1


# -- abilities -------------------------------------------------------------------------------------------------------


def test_the_catalogue_knows_the_road(road: Road, gateway: Gateway) -> None:
    channel = road.make(account(gateway), LATER, 1.0)
    assert channel.name == road.name in catalogue.NAMES
    assert catalogue.abilities(road.name) == channel.abilities


def test_the_provider_is_told_how_long_it_is_good(road: Road, provider: Provider, start: int) -> None:
    able = catalogue.abilities(road.name)
    if not able.expires:
        pytest.skip("this road's provider cannot be told; nothing declares that it can")
    for seconds in (able.least_validity, 37, 10_000_000):
        send(road, number(start), provider.url, valid_seconds=seconds)
        told = road.validity(provider.asked[-1])
        assert 0 < told <= seconds
    assert road.validity(provider.asked[0]) == able.least_validity


def test_links_arrive_where_they_can_be_followed_and_nowhere_else(road: Road, gateway: Gateway, start: int) -> None:
    send(road, number(start), gateway)
    [arrived] = road.arrived(gateway, number(start))
    assert (LINK in arrived) is catalogue.abilities(road.name).links
    assert "c/abc123" not in arrived or catalogue.abilities(road.name).links


def test_a_voice_says_no_marks_and_a_text_keeps_them(road: Road, gateway: Gateway, start: int) -> None:
    send(road, number(start), gateway)
    [arrived] = road.arrived(gateway, number(start))
    assert ("【" in arrived) is not catalogue.abilities(road.name).voice
    assert ("8点30分" in arrived) is catalogue.abilities(road.name).voice


def test_parts_grow_with_the_text(road: Road) -> None:
    parts = catalogue.abilities(road.name).parts
    sizes = [parts("雨" * length) for length in (1, 50, 200, 600, 1500)]
    assert sizes[0] == 1 and sizes == sorted(sizes) and sizes[-1] > 1


def test_the_longest_text_is_taken(road: Road, gateway: Gateway, start: int) -> None:
    most = catalogue.abilities(road.name).max_units or 5000
    assert send(road, number(start), gateway, body="雨" * most).answer is Answer.ACCEPTED


def test_an_exercise_says_so_first(road: Road, gateway: Gateway, start: int) -> None:
    body = text.signed(text.mark(Kind.EXERCISE, "请转移。"), "" if catalogue.abilities(road.name).voice else "静海应急")
    send(road, number(start), gateway, kind=Kind.EXERCISE, body=body, kinds=EXERCISE_KINDS)
    [arrived] = road.arrived(gateway, number(start))
    assert arrived.removeprefix("【静海应急】").lstrip("【").startswith("演练")


def test_nothing_personal_reaches_a_log(
    road: Road, gateway: Gateway, start: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for faults in ({}, {"share_500": 1}, {"share_html": 1}, {"share_429": 1}, {"share_reset": 1}):
        gateway.faults(**faults)
        send(road, number(start), gateway)
    send(road, "+12", gateway)
    send(road, number(start), LATER)
    channel = road.make(account(gateway), LATER, 1.0)
    using(channel, lambda c: c.find(number(start), FLOOR))
    said = "\n".join(record.getMessage() for record in caplog.records)
    for secret in (number(start), number(start)[3:], "今夜有大风", TOKEN, LINK):
        assert secret not in said


# -- the provider's list ---------------------------------------------------------------------------------------------


def test_the_list_tells_what_is_there_and_what_is_not(road: Road, gateway: Gateway, start: int) -> None:
    if not catalogue.abilities(road.name).lists:
        pytest.skip("this road has no list; nothing declares that it has")
    channel = road.make(account(gateway), LATER, 2.0)

    async def work(c: Channel) -> None:
        sent = await c.send(message(number(start)))
        found = await c.find(number(start), FLOOR)
        assert found is not None and [one.ref for one in found] == [sent.ref]
        assert found[0].body in (BODY, None)
        assert await c.find(number(start + 1), FLOOR) == []
        assert await c.find(number(start), FLOOR + timedelta(days=40_000)) == []

    using(channel, work)
    closed = road.make(account(LATER), LATER, 1.0)
    assert using(closed, lambda c: c.find(number(start), FLOOR)) is None


def engine_of(road: Road, gateway: Gateway, database: Database, ports: Ports, webhooks: str) -> Engine:
    known = account(gateway, status_callback=f"{webhooks}/status")
    return Engine(database, [road.make(known, webhooks, FAST.request_timeout)], ports, FAST, "test:1")


@pytest.mark.parametrize("accepted", [True, False])
def test_an_unknown_outcome_is_settled_and_nobody_is_reached_twice(
    road: Road, database: Database, gateway: Gateway, ports: Ports, webhooks: str, start: int, accepted: bool
) -> None:
    gateway.faults(**{"share_500_after_accept" if accepted else "share_500": 1})
    with database.write() as session:
        record = service.broadcast(session, spec(database, channels=[road.name]), recipients(session, start, 3)).id

    def settled() -> bool:
        # The list says that it was handed over; a road whose people answer at once may know more already.
        return sum(counts(database, record).get(state, 0) for state in ("submitted", "delivered")) == 3

    with running(engine_of(road, gateway, database, ports, webhooks)):
        wait_for(lambda: counts(database, record).get("unknown") == 3 or settled())
        gateway.faults()
        wait_for(settled, 20)
    for key in range(start, start + 3):
        assert len(road.arrived(gateway, number(key))) == 1


# -- receipts and answers --------------------------------------------------------------------------------------------


def fold(database: Database, ports: Ports) -> None:
    with database.write() as session:
        receipts.fold(session, ports)


def test_receipts_bring_every_fate_to_its_state(
    road: Road, database: Database, gateway: Gateway, ports: Ports, book: Book, webhooks: str, start: int
) -> None:
    if not catalogue.abilities(road.name).receipts:
        pytest.skip("this road has no receipts; nothing declares that it has")
    gateway.faults(receipts="all")
    endings = list(road.fates)
    book.special = {start + i: f"+86164{start:06d}{ending}" for i, ending in enumerate(endings)}
    with database.write() as session:
        record = service.broadcast(
            session, spec(database, channels=[road.name]), recipients(session, start, len(endings))
        ).id
        for key, to in book.special.items():
            session.execute(
                sa.update(Delivery).where(Delivery.address_key == key).values(number_key=Index().key(to or ""))
            )
    engine_of(road, gateway, database, ports, webhooks).run_once()

    def states() -> dict[str, tuple[DeliveryState, str | None]]:
        fold(database, ports)
        with database.read() as session:
            rows = session.execute(
                sa.select(Delivery.address_key, Delivery.state, Delivery.reason).where(Delivery.broadcast_id == record)
            )
            return {endings[row.address_key - start]: (row.state, row.reason) for row in rows}

    wait_for(lambda: states() == road.fates, 10)
    with database.read() as session:
        for sealed in session.scalars(sa.select(RawReceipt.sealed)):
            assert b"+86164" not in sealed


def post(road: Road, database: Database, ports: Ports, delivery_id: int, key: int, good: bool, order: Any) -> None:
    base = report_url("https://e.cn", TOKEN, delivery_id)
    posts = (road.good if good else road.bad)(base, f"XX{delivery_id}")
    for index in order(len(posts)):
        kind, url, fields = posts[index]
        form = {"AccountSid": "AC" + "1" * 32, "To": number(key), "From": "+8602200001234", **fields}
        assert receipts.take(
            database, ports, auth_token=TOKEN, url=url, form=form, header=receipts.sign(TOKEN, url, form), kind=kind,
            channel=road.name,
        )  # fmt: skip


ORDERS: dict[str, Callable[[int], list[int]]] = {
    "as it happened": lambda n: list(range(n)),
    "backwards": lambda n: list(reversed(range(n))),
    "each twice": lambda n: [i for i in range(n) for _ in range(2)],
    "shuffled": lambda n: list(itertools.chain(range(1, n, 2), range(0, n, 2))),
}


def test_the_order_of_receipts_does_not_matter_and_the_end_sticks(
    road: Road, database: Database, gateway: Gateway, ports: Ports, outcomes: Outcomes, start: int
) -> None:
    cases = list(itertools.product(ORDERS.values(), (True, False)))
    with database.write() as session:
        spoken = service.broadcast(
            session, spec(database, channels=[road.name]), recipients(session, start, len(cases))
        )
        record = spoken.id
    engine_of(road, gateway, database, ports, LATER).run_once()
    with database.read() as session:
        rows = session.execute(
            sa.select(Delivery.id, Delivery.address_key).where(Delivery.broadcast_id == record)
        ).all()
    told = [(row.id, row.address_key, *case) for row, case in zip(rows, cases, strict=True)]
    for delivery_id, key, order, good in told:
        post(road, database, ports, delivery_id, key, good, order)
    fold(database, ports)
    final = {"delivered": len(ORDERS), "failed": len(ORDERS)}
    assert counts(database, record) == final
    for delivery_id, key, order, good in told:
        post(road, database, ports, delivery_id, key, not good, order)
    fold(database, ports)
    for delivery_id, key, _, good in told:
        post(road, database, ports, delivery_id, key, good, ORDERS["as it happened"])
    fold(database, ports)
    assert counts(database, record) == final
    with database.read() as session:
        for delivery_id, _, _, good in told:
            assert session.get_one(Delivery, delivery_id).state.value == ("delivered" if good else "failed")
    assert sorted(one.delivery_id for one in outcomes.settlements) == sorted(row.id for row in rows)


def test_an_answer_on_the_same_road_is_heard_once(
    road: Road, database: Database, gateway: Gateway, ports: Ports, answers: Answers, webhooks: str, start: int
) -> None:
    if not catalogue.abilities(road.name).two_way:
        pytest.skip("nobody can answer on this road; nothing declares that one can")
    gateway.faults(receipts="all", ring_ms=20, speech_ms=5000)
    with database.write() as session:
        service.broadcast(session, spec(database, channels=[road.name]), recipients(session, start, 1))
    engine_of(road, gateway, database, ports, webhooks).run_once()
    road.answer(gateway, number(start))

    def heard() -> bool:
        fold(database, ports)
        return bool(answers.heard)

    wait_for(heard)
    fold(database, ports)
    assert [(key, said) for key, said, *_ in answers.heard] == [(Index().key(number(start)), "1")]
