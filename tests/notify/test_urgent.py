"""What is urgent goes first, however much routine is held, waits, or hangs; and what is late does not go at all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from support import FAST, Gateway, Outcomes, account, counts, number, recipients, running, spec, wait_for

from kernel.clock import ManualClock
from kernel.db import Database
from notify import service
from notify.channels.base import Abilities, Answer, Found, Message, Sent
from notify.channels.twilio_sms import TwilioSms
from notify.engine import Engine
from notify.models import BlockState, Broadcast, Delivery, DeliveryBlock, DeliveryState, Kind
from notify.ports import Ports
from notify.settings import REAL_KINDS

Make = Callable[..., Engine]


def enter(database: Database, start: int, count: int, **changes: object) -> Broadcast:
    with database.write() as session:
        return service.broadcast(session, spec(database, **changes), recipients(session, start, count))


class Stuck:
    """A provider that never answers what is routine."""

    name, account, kinds, rate = "sms", "stuck", REAL_KINDS, 1e6
    abilities = Abilities()

    def __init__(self) -> None:
        self.taken: list[Message] = []

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def send(self, message: Message) -> Sent:
        self.taken.append(message)
        if "红色" not in message.body:
            await asyncio.sleep(3600)
        return Sent(Answer.ACCEPTED, ref=f"SM{message.delivery_id}")

    async def find(self, to: str, since: datetime) -> list[Found] | None:
        return None


def test_places_in_flight_are_kept_for_what_is_urgent(database: Database, ports: Ports, start: int) -> None:
    stuck = Stuck()
    enter(database, start, 100, priority=6)
    engine = Engine(database, [stuck], ports, replace(FAST, concurrency=16, drain_seconds=0.1), "test:1")
    with running(engine):
        wait_for(lambda: len(stuck.taken) == 14)
        red = enter(database, start + 200, 20, text="洪水红色预警。", priority=0)
        wait_for(lambda: counts(database, red.id) == {"submitted": 20})
        assert len(stuck.taken) == 34, "routine takes none of the places that were kept"


def test_nothing_routine_slips_between_two_urgent_messages_but_what_was_under_way(
    database: Database, gateway: Gateway, make_engine_for: Make, start: int
) -> None:
    with database.write() as session:
        for part in range(5):
            service.broadcast(session, spec(database, priority=6), recipients(session, start + part * 350, 350))
    engine = make_engine_for(database, batch=60, intent_chunk=20, concurrency=40)
    with running(engine):
        wait_for(lambda: any(to == number(start) for to, _ in gateway.taken()) or taken_of(gateway, start, 1750))
        red = enter(database, start + 1800, 190, text="洪水红色预警，请立即转移。", priority=0)
        wait_for(lambda: counts(database, red.id) == {"submitted": 190})
    record = [to for to, _ in gateway.taken()]
    urgent = {number(key) for key in range(start + 1800, start + 1990)}
    routine = {number(key) for key in range(start, start + 1750)}
    places = [place for place, to in enumerate(record) if to in urgent]
    between = [to for to in record[places[0] : places[-1]] if to in routine]
    assert len(places) == 190
    assert len(between) <= 40, "no more than one engine has in flight"


def taken_of(gateway: Gateway, start: int, count: int) -> list[str]:
    mine = {number(key) for key in range(start, start + count)}
    return [to for to, _ in gateway.taken() if to in mine]


def test_a_message_that_could_arrive_after_its_time_is_not_handed_over(
    timed: Database, clock: ManualClock, gateway: Gateway, make_engine_for: Make, start: int
) -> None:
    late = enter(timed, start, 3, valid_until=clock.now() + timedelta(seconds=4))
    make_engine_for(timed).run_once(1.0)
    assert counts(timed, late.id) == {"queued": 3}
    assert not taken_of(gateway, start, 3)
    clock.advance(5)
    make_engine_for(timed).run_once(2.0)
    assert counts(timed, late.id) == {"expired": 3}
    assert not taken_of(gateway, start, 3)


@pytest.mark.parametrize(("valid", "asked"), [(timedelta(minutes=10), 600), (timedelta(hours=48), 36_000)])
def test_the_provider_is_told_until_when_a_message_is_worth_anything(
    timed: Database, clock: ManualClock, gateway: Gateway, ports: Ports, start: int,
    valid: timedelta, asked: int, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    told: list[int] = []
    channel = TwilioSms(account(gateway))
    create = channel._messages.create_async

    async def listen(**fields: object) -> object:
        told.append(int(str(fields["validity_period"])))
        return await create(**fields)

    monkeypatch.setattr(channel._messages, "create_async", listen)
    enter(timed, start, 2, valid_until=clock.now() + valid)
    Engine(timed, [channel], ports, FAST, "test:1").run_once()
    assert told == [asked, asked]


@pytest.mark.parametrize("step", [timedelta(hours=-6), timedelta(hours=6)])
def test_a_clock_that_is_set_by_hours_loses_and_doubles_nobody(
    timed: Database, clock: ManualClock, gateway: Gateway, make_engine_for: Make, start: int, step: timedelta
) -> None:
    record = enter(timed, start, 400, valid_until=clock.now() + timedelta(days=2))
    gateway.faults(share_500_after_accept=0.05, share_silence=0.02, seed=start)
    slow = account(gateway, messages_per_second=400.0)
    engine = make_engine_for(timed, accounts=[slow], absent_after_seconds=0.5, request_timeout=0.5)
    with running(engine):
        wait_for(lambda: len(taken_of(gateway, start, 400)) > 40)
        clock.set(clock.now() + step)
        after = enter(timed, start + 500, 30, valid_until=clock.now() + timedelta(days=1), text="另一条。")

        def done() -> bool:
            clock.advance(0.2)  # wall and monotonic run on together
            found = counts(timed, record.id), counts(timed, after.id)
            return found == ({"submitted": 400}, {"submitted": 30})

        wait_for(done, 30)
    assert len(taken_of(gateway, start, 400)) == len(set(taken_of(gateway, start, 400))) == 400
    assert sorted(taken_of(gateway, start + 500, 30)) == sorted(number(start + 500 + n) for n in range(30))


def test_what_a_fast_clock_entered_does_not_wait_until_it_is_right(
    timed: Database, clock: ManualClock, gateway: Gateway, make_engine_for: Make, start: int
) -> None:
    fresh = enter(timed, start, 2, valid_until=clock.now() + timedelta(days=1))
    tried = enter(timed, start + 10, 2, valid_until=clock.now() + timedelta(days=1))
    with timed.write() as session:
        block = session.scalars(sa.select(DeliveryBlock).where(DeliveryBlock.broadcast_id == tried.id)).one()
        block.fence, block.state = 3, BlockState.READY
    clock.set(clock.now() - timedelta(hours=8))
    make_engine_for(timed).run_once(3.0)
    assert counts(timed, fresh.id) == counts(timed, tried.id) == {"submitted": 2}


def test_after_a_cancel_has_returned_at_most_one_batch_leaves(
    database: Database, gateway: Gateway, make_engine_for: Make, start: int
) -> None:
    record = enter(database, start, 1500)
    with running(make_engine_for(database, intent_chunk=40, concurrency=40)):
        wait_for(lambda: taken_of(gateway, start, 1500))
        with database.write() as session:
            stopped = service.cancel(session, record.id)
        before = len(taken_of(gateway, start, 1500))
        wait_for(lambda: not {"queued", "claimed"} & set(counts(database, record.id)))
    found = counts(database, record.id)
    assert stopped > 0 and found["cancelled"] >= stopped - 40
    assert found["submitted"] == len(taken_of(gateway, start, 1500)) <= before + 40


def _row_kind(database: Database) -> None:
    with database.write() as session:
        session.execute(sa.update(Delivery).values(kind=Kind.EXERCISE))


def _broadcast_kind(database: Database) -> None:
    with database.write() as session:
        session.execute(sa.update(Broadcast).values(kind=Kind.EXERCISE))


def _both_kinds(database: Database) -> None:
    _row_kind(database)
    _broadcast_kind(database)


def _text_marked(database: Database) -> None:
    with database.write() as session:
        session.execute(sa.update(Broadcast).values(text="请转移。【 演 练 】"))


def _text_says_drill(database: Database) -> None:
    with database.write() as session:
        session.execute(sa.update(Broadcast).values(text="这是一次演练，请转移。"))


def _field_smuggled(database: Database) -> None:
    with database.write() as session:
        session.execute(sa.update(Broadcast).values(text="请{what}转移。"))
        session.execute(sa.update(Delivery).values(params={"what": "【演\u200b练】"}))


@pytest.mark.parametrize(
    ("tamper", "reason"),
    [
        (_row_kind, "kind_mismatch"),
        (_broadcast_kind, "kind_mismatch"),
        (_both_kinds, "exercise_without_marker"),
        (_text_marked, "actual_with_marker"),
        (_text_says_drill, "actual_says_drill"),
        (_field_smuggled, "actual_with_marker"),
    ],
)
def test_whichever_layer_was_tampered_with_nothing_leaves(
    database: Database, gateway: Gateway, make_engine_for: Make, outcomes: Outcomes, start: int,
    tamper: Callable[[Database], None], reason: str,
) -> None:  # fmt: skip
    record = enter(database, start, 2)
    tamper(database)
    make_engine_for(database).run_once()
    with database.read() as session:
        states = set(session.scalars(sa.select(Delivery.state).where(Delivery.broadcast_id == record.id)))
    assert states == {DeliveryState.FAILED}
    assert outcomes.refusals == [(reason, 2)]
    assert not taken_of(gateway, start, 2)


@pytest.mark.parametrize("text", ["【演练】请转移。这不是演练。【演练】", "请转移，實警。", "请 转 移 ，非 演 練"])
def test_an_exercise_that_claims_to_be_real_never_enters_the_ledger(database: Database, start: int, text: str) -> None:
    from kernel.errors import Invalid

    with pytest.raises(Invalid) as refused:
        enter(database, start, 2, text=text, kind=Kind.EXERCISE)
    assert refused.value.code == "exercise_claims_real"


def test_credentials_refuse_a_kind_that_is_not_theirs_even_when_asked_directly(gateway: Gateway) -> None:
    message = Message(1, Kind.EXERCISE, number(1), "【演练】请转移。【演练】", 600)
    sent = asyncio.run(TwilioSms(account(gateway)).send(message))
    assert (sent.answer, sent.reason) == (Answer.REFUSED, "kind_not_allowed_by_credentials")
