"""Whether something waits while nothing leaves, judged right: alarmed when it is so, silent when it is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session
from support import Gateway, account, recipients, running, spec, wait_for

from kernel.clock import ManualClock
from kernel.db import Database
from notify import blocks, counters, ledger, service, watch
from notify.counters import TableMetrics
from notify.engine import Engine
from notify.models import ChannelState, Delivery, DeliveryBlock, DeliveryState, EngineBeat, Kind
from notify.ports import Ports
from notify.watch import Cause

Make = Callable[..., Engine]


def enter(database: Database, count: int = 10, **changes: Any) -> int:
    with database.write() as session:
        return service.broadcast(session, spec(database, **changes), recipients(session, 0, count)).id


def beat(session: Session, clock: ManualClock, holder: str = "e1", **changes: Any) -> EngineBeat:
    values: dict[str, Any] = {"holder": holder, "host": "h", "pid": 1, "started_at": clock.now(),
                              "beat_at": clock.now(), "last_handed_over_at": None}  # fmt: skip
    return session.merge(EngineBeat(**(values | changes)))


def road(session: Session, clock: ManualClock, name: str = "main", kinds: str = "", **changes: Any) -> None:
    values: dict[str, Any] = {"holder": "e1", "name": name, "channel": "sms", "kinds": kinds, "configured_rate": 100.0,
                              "rate": 100.0, "paused_until": None, "last_error": None, "last_error_at": None,
                              "updated_at": clock.now()}  # fmt: skip
    session.merge(ChannelState(**(values | changes)))


def handed_over(database: Database, kind: str = "actual") -> None:
    metrics = TableMetrics(database)
    metrics.count(counters.HANDED_OVER, 1, kind=kind, channel="sms")
    metrics.flush_now()


def alarm(database: Database) -> watch.Alarm | None:
    with database.read() as session:
        return watch.alarm(session)


def test_no_engine_lives(timed: Database, clock: ManualClock) -> None:
    enter(timed)
    assert alarm(timed) is None
    clock.advance(31)
    found = alarm(timed)
    assert found is not None
    assert (found.cause, found.kind, found.waiting) == (Cause.NO_ENGINE, Kind.ACTUAL, 10)
    assert found.heard_at is None


def test_nothing_waits_nothing_is_wrong(timed: Database, clock: ManualClock) -> None:
    clock.advance(3600)
    assert alarm(timed) is None


def test_every_account_is_paused_and_the_first_to_open_is_named(timed: Database, clock: ManualClock) -> None:
    enter(timed)
    clock.advance(31)
    until = clock.now() + timedelta(seconds=20)
    with timed.write() as session:
        beat(session, clock)
        road(session, clock, paused_until=until, last_error="http_401", last_error_at=clock.now())
        road(session, clock, "second", paused_until=until + timedelta(minutes=1))
    found = alarm(timed)
    assert found is not None
    assert (found.cause, found.until, found.error) == (Cause.PAUSED, until, "http_401")


def test_a_pause_of_the_exercise_account_is_no_matter_for_what_is_real(timed: Database, clock: ManualClock) -> None:
    enter(timed)
    clock.advance(31)
    with timed.write() as session:
        beat(session, clock)
        road(session, clock, "main", "actual,notice,test")
        road(session, clock, "exercise", "exercise", paused_until=clock.now() + timedelta(minutes=1))
    handed_over(timed)
    assert alarm(timed) is None


def test_an_exercise_that_flows_does_not_hide_a_real_warning_that_waits(timed: Database, clock: ManualClock) -> None:
    enter(timed)
    enter(timed, kind=Kind.EXERCISE, text="【演练】请注意防范大风。【演练】")
    clock.advance(31)
    with timed.write() as session:
        beat(session, clock, last_handed_over_at=clock.now())
        road(session, clock, "main", "actual", paused_until=clock.now() + timedelta(minutes=1))
        road(session, clock, "exercise", "exercise")
    handed_over(timed, "exercise")
    found = alarm(timed)
    assert found is not None
    assert (found.cause, found.kind, found.waiting) == (Cause.PAUSED, Kind.ACTUAL, 10)


def test_messages_that_leave_at_a_low_rate_are_no_alarm(timed: Database, clock: ManualClock) -> None:
    """0.02 a second: one in fifty seconds is what was configured."""
    enter(timed)
    with timed.write() as session:
        road(session, clock, configured_rate=0.02, rate=0.02)
    handed_over(timed)
    clock.advance(60)
    with timed.write() as session:
        beat(session, clock)
    assert alarm(timed) is None
    clock.advance(60)
    with timed.write() as session:
        beat(session, clock)
    assert alarm(timed) is not None


def test_what_is_due_later_is_no_alarm_while_a_road_is_open(timed: Database, clock: ManualClock) -> None:
    enter(timed)
    with timed.write() as session:
        [held] = blocks.claim(session, "e1", 10, 500)
        blocks.release(session, held, clock.now() + timedelta(minutes=5))
    clock.advance(120)
    with timed.write() as session:
        beat(session, clock)
        road(session, clock)
    assert alarm(timed) is None
    with timed.read() as session:
        [lane] = watch.status(session).lanes
    assert (lane.later, lane.messages) == (10, 10)
    with timed.write() as session:
        road(session, clock, paused_until=clock.now() + timedelta(minutes=1))
    found = alarm(timed)
    assert found is not None and found.cause is Cause.PAUSED


def test_a_message_that_is_tried_again_and_again_is_an_alarm(timed: Database, clock: ManualClock) -> None:
    """Each attempt moves its due time; how long it has waited must not start anew with each."""
    enter(timed)
    for _ in range(8):
        with timed.write() as session:
            [held] = blocks.claim(session, "e1", 30, 500)
            blocks.release(session, held, clock.now() + timedelta(seconds=4))
        clock.advance(5)
    with timed.write() as session:
        beat(session, clock)
        road(session, clock)
        blocks.claim(session, "e1", 30, 500)
    found = alarm(timed)
    assert found is not None and found.cause is Cause.STUCK


def test_a_block_that_comes_back_after_hours_starts_to_wait_then(timed: Database, clock: ManualClock) -> None:
    enter(timed, 1, valid_until=clock.now() + timedelta(hours=6))
    with timed.write() as session:
        [held] = blocks.claim(session, "e1", 10, 500)
        [row] = blocks.queued_rows(session, held)
        ledger.intend(session, [(row.id, "sms", None)])
        ledger.settle(session, [(row.id, 1, DeliveryState.UNKNOWN, None, "timeout")])
        change = ledger.TallyChange()
        change.move(row.broadcast_id, row.division, "sms", row.people, DeliveryState.QUEUED, DeliveryState.UNKNOWN)
        change.write(session)
        blocks.release(session, held)
    clock.advance(7200)
    with timed.write() as session:
        beat(session, clock)
        assert blocks.requeue_absent(session, [(row.id, 1)], clock.now()) == 1
    assert alarm(timed) is None


def test_a_drain_that_keeps_messages_waiting_says_so(timed: Database, clock: ManualClock) -> None:
    enter(timed)
    until = service.drain(timed, 10)
    clock.advance(31)
    with timed.write() as session:
        beat(session, clock)
        road(session, clock)
    found = alarm(timed)
    assert found is not None and (found.cause, found.until) == (Cause.DRAINING, until)


def test_what_was_cancelled_or_ran_out_does_not_wait(timed: Database, clock: ManualClock) -> None:
    first = enter(timed)
    enter(timed, valid_until=clock.now() + timedelta(seconds=20))
    with timed.write() as session:
        service.cancel(session, first)
    clock.advance(60)
    assert alarm(timed) is None


def test_an_engine_that_is_missing_is_told_by_its_number(timed: Database, clock: ManualClock) -> None:
    with timed.write() as session:
        beat(session, clock, "one")
        beat(session, clock, "two", beat_at=clock.now() - timedelta(minutes=2))
        found = watch.status(session, expected=2)
        assert (found.alive, found.missing) == (1, 1)
        assert watch.status(session, expected=1).missing == 0


def test_lanes_tell_how_long_until_the_last_has_left(timed: Database, clock: ManualClock) -> None:
    enter(timed, 10, priority=0)
    enter(timed, 30, priority=5)
    with timed.write() as session:
        beat(session, clock, per_second=10.0)
        found = watch.status(session)
    assert [(lane.priority, lane.messages, lane.seconds_left) for lane in found.lanes] == [(0, 10, 1.0), (5, 30, 4.0)]


@pytest.mark.parametrize("which", ["unknown", "by_hand", "queue"])
def test_looking_never_reads_the_whole_ledger(timed: Database, which: str) -> None:
    queries = {
        "unknown": sa.select(Delivery.id).where(watch._UNKNOWN).limit(10),
        "by_hand": sa.select(Delivery.changed_at)
        .where(watch._UNKNOWN, Delivery.reason == watch.BY_HAND)
        .order_by(Delivery.changed_at),
        "queue": sa.select(DeliveryBlock.broadcast_id).where(watch._WAITING),
    }
    with timed.read() as session:
        if not timed.is_sqlite:
            session.execute(sa.text("SET LOCAL enable_seqscan = off"))
        words = "EXPLAIN QUERY PLAN " if timed.is_sqlite else "EXPLAIN "
        compiled = queries[which].compile(session.get_bind(), compile_kwargs={"literal_binds": True})
        plan = "\n".join(str(tuple(row)) for row in session.execute(sa.text(words + str(compiled))))
    used = "ix_delivery_block_" if which == "queue" else "ix_delivery_unknown"
    assert used in plan, plan


def test_counters_of_several_processes_add_up_and_survive_them(timed: Database) -> None:
    one, two = TableMetrics(timed), TableMetrics(timed)
    one.count("notify_claims_total", 3)
    two.count("notify_claims_total", 4)
    one.count("notify_reconciled_total", verdict="absent")
    one.flush_now()
    two.flush_now()
    one.flush_now()
    one.count("notify_claims_total", 1)
    one.flush_now()
    with timed.read() as session:
        found = {(c.name, c.labels.get("verdict", "")): c.value for c in counters.read(session)}
    assert found == {("notify_claims_total", ""): 8, ("notify_reconciled_total", "absent"): 1}


def test_a_transaction_that_is_broken_off_counts_nothing_and_loses_nothing(timed: Database) -> None:
    metrics = TableMetrics(timed)
    metrics.count("notify_claims_total", 2)
    with pytest.raises(RuntimeError), timed.write() as session:
        counters.count_after(session, metrics, "notify_claims_total", 5)
        metrics.flush(session)
        raise RuntimeError
    metrics.flush_now()
    with timed.read() as session:
        assert [c.value for c in counters.read(session)] == [2]


def _counting(ports: Ports, database: Database) -> Ports:
    return replace(ports, metrics=TableMetrics(database))


def _engine(database: Database, ports: Ports, gateway: Gateway, make: Make, **changes: Any) -> Engine:
    engine = make(database, accounts=[account(gateway), account(gateway, exercise=True)], **changes)
    engine.ports = _counting(ports, database)
    return engine


def test_an_engine_counts_what_it_does(
    database: Database, gateway: Gateway, ports: Ports, make_engine_for: Make, start: int
) -> None:
    with database.write() as session:
        record = service.broadcast(session, spec(database), recipients(session, start, 700))
    assert _engine(database, ports, gateway, make_engine_for).run_once() == 700
    with database.read() as session:
        found = {(c.name, c.labels.get("state", c.labels.get("le", ""))): c.value for c in counters.read(session)}
        first = session.get_one(type(record), record.id).first_handed_over_at
    assert found[counters.HANDED_OVER, ""] == 700
    assert found["notify_settled_total", "submitted"] == 700
    assert found["notify_claims_total", ""] >= 2
    assert found["notify_first_message_seconds_bucket", "+Inf"] == 1
    assert first is not None and first >= record.created_at


def test_a_real_engine_that_stops_and_one_whose_provider_refuses_it(
    timed: Database, gateway: Gateway, ports: Ports, make_engine_for: Make, clock: ManualClock, start: int
) -> None:
    gateway.faults(share_429=1, retry_after=30)
    engine = _engine(timed, ports, gateway, make_engine_for)
    with running(engine):
        with timed.write() as session:
            service.broadcast(session, spec(timed), recipients(session, start, 20))

        def paused() -> bool:
            with timed.read() as session:
                states = session.scalars(sa.select(ChannelState).where(ChannelState.name == "main")).all()
                return any(s.paused_until and s.paused_until > clock.now() + timedelta(seconds=5) for s in states)

        wait_for(paused)
        assert alarm(timed) is None
        clock.advance(31)

        def said() -> bool:
            found = alarm(timed)
            return found is not None and found.cause is Cause.PAUSED and found.error == "http_429"

        wait_for(said)
    clock.advance(31)
    found = alarm(timed)
    assert found is not None and found.cause is Cause.NO_ENGINE
    gateway.faults()
    with running(_engine(timed, ports, gateway, make_engine_for, holder="test:2")):
        wait_for(lambda: alarm(timed) is None)
