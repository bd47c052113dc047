"""What the queue hands out twice, leaves lying or counts twice must not show on a phone or in a figure."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa
from support import Gateway, counts, number, recipients, running, spec, wait_for

from kernel.clock import ManualClock
from kernel.db import Database
from notify import blocks, ledger, service
from notify.channels.base import Answer, Sent
from notify.engine import Engine
from notify.lanes import Lane, Result, settle
from notify.models import BlockState, Broadcast, BroadcastState, Delivery, DeliveryBlock, DeliveryState
from notify.ports import Ports

S = DeliveryState
PEOPLE = 10


def enter(database: Database, start: int, people: int = PEOPLE) -> Broadcast:
    with database.write() as session:
        return service.broadcast(session, spec(database), recipients(session, start, people))


def claimed(database: Database, ids: list[int]) -> None:
    """Record intents as an engine does."""
    with database.write() as session:
        change = ledger.TallyChange()
        ledger.intend(session, [(i, "sms", "main") for i in ids])
        for row in session.scalars(sa.select(Delivery).where(Delivery.id.in_(ids))):
            change.move(row.broadcast_id, row.division, row.channel, row.people, S.QUEUED, S.CLAIMED)
        change.write(session)


def test_a_queue_entry_handed_to_two_engines_sends_once(
    database: Database, gateway: Gateway, make_engine_for: Callable[..., Engine], start: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    gateway.faults(latency_ms=5, jitter_ms=20)
    record = enter(database, start, 200)
    with database.write() as session:
        [held] = blocks.claim(session, "both", 600, 500)
    seen: set[str] = set()

    def twice(_session: object, holder: str, *_: object, **__: object) -> list[blocks.Held]:
        if holder in seen:
            return []
        seen.add(holder)
        return [held]

    monkeypatch.setattr(blocks, "claim", twice)
    engines = [make_engine_for(database, holder=f"twin:{n}", intent_chunk=20) for n in range(2)]
    with running(*engines):
        wait_for(lambda: counts(database, record.id) == {"submitted": 200}, 30)
    assert seen == {"twin:0", "twin:1"}
    mine = {number(key) for key in range(start, start + 200)}
    found = Counter(to for to, _ in gateway.taken() if to in mine)
    assert len(found) == 200 and set(found.values()) == {1}


def test_two_attempts_of_one_message_in_one_batch_are_counted_once(
    database: Database, ports: Ports, start: int
) -> None:
    """An engine that was frozen took its own block over, and both answers come back together."""
    record = enter(database, start, 1)
    with database.write() as session:
        [held] = blocks.claim(session, "one", 60, 500)
        [first] = blocks.queued_rows(session, held)
    claimed(database, [first.id])
    with database.write() as session:
        assert blocks.take_over(session, holder="one") == 1
        assert blocks.requeue_absent(session, [(first.id, 1)], database.clock.now() + timedelta(seconds=1)) == 1
        [again] = blocks.claim(session, "one", 60, 500)
        [second] = blocks.queued_rows(session, again)
    claimed(database, [first.id])
    assert (first.attempt, second.attempt) == (0, 1)
    with database.write() as session:
        stored = session.get_one(Broadcast, record.id)
        lane = Lane(again, stored, deque(), {}, 0.0)
        change = ledger.TallyChange()
        results = [
            Result(lane, first, Sent(Answer.UNKNOWN, reason="timeout")),
            Result(lane, second, Sent(Answer.ACCEPTED, ref="SM2")),
        ]
        settle(session, ports, results, change)
        change.write(session)
    assert counts(database, record.id) == {"submitted": 1}


def test_an_intent_that_nobody_sends_is_found_out_when_its_block_is_given_back(
    timed: Database, clock: ManualClock, start: int
) -> None:
    """The commit of an intent whose answer was lost: the engine believes that nothing was intended."""
    record = enter(timed, start)
    with timed.write() as session:
        [held] = blocks.claim(session, "one", 60, 500)
        ids = [row.id for row in blocks.queued_rows(session, held)]
    claimed(timed, ids[:3])
    with timed.write() as session:
        assert blocks.release(session, held) is BlockState.READY
    assert counts(timed, record.id) == {"unknown": 3, "queued": PEOPLE - 3}


def test_a_block_given_back_while_a_message_of_it_is_queued_again_stays_in_the_queue(
    database: Database, start: int
) -> None:
    record = enter(database, start)
    with database.write() as session:
        [held] = blocks.claim(session, "one", 60, 500)
        rows = blocks.queued_rows(session, held)
    ids = [row.id for row in rows]
    claimed(database, ids)
    with database.write() as session:
        ledger.settle(session, [(i, 1, S.UNKNOWN if i == ids[0] else S.SUBMITTED, None, None) for i in ids])
    given_back = threading.Event()

    def give_back() -> None:
        with database.write() as session:
            blocks.release(session, held)
        given_back.set()

    other = threading.Thread(target=give_back)
    with database.write() as session:
        assert blocks.requeue_absent(session, [(ids[0], 1)], database.clock.now() + timedelta(seconds=1)) == 1
        other.start()
        assert not given_back.wait(0.4), "nobody waited for the other"
    other.join(20)
    with database.read() as session:
        assert session.scalars(sa.select(DeliveryBlock.state)).all() == [BlockState.READY]
        assert session.scalar(sa.select(Delivery.state).where(Delivery.id == ids[0])) is S.QUEUED
    assert record.messages == PEOPLE


def test_nothing_of_a_cancelled_broadcast_is_claimed_however_its_block_came_into_the_queue(
    database: Database, start: int
) -> None:
    record = enter(database, start)
    with database.write() as session:
        # As if a message had been queued again by an engine that had not seen the cancel yet.
        session.execute(sa.update(Broadcast).values(state=BroadcastState.CANCELLED))
        assert blocks.claim(session, "one", 60, 500) == []
        assert blocks.sweep(session) == 1
    assert counts(database, record.id) == {"cancelled": PEOPLE}
