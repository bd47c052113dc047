"""Several channels in order: whom the first does not reach in its minutes, the next one tries, once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa
from support import ACCOUNT, TOKEN, Gateway, account, counts, few, number, running, spec, wait_for

from kernel.clock import ManualClock
from kernel.db import Database
from notify import failover, ledger, receipts, service
from notify.callbacks import callback_url, sign
from notify.channels.twilio_sms import TwilioSms
from notify.engine import Engine
from notify.models import Broadcast, ChannelState, Delivery, DeliveryLeg, DeliveryState, Kind
from notify.ports import Ports

S = DeliveryState
Make = Callable[..., Engine]


class Second(TwilioSms):
    """Another road that texts, under a name of its own."""

    name = "second"


@pytest.fixture
def engine(gateway: Gateway, ports: Ports) -> Callable[[Database], Engine]:
    def make(database: Database, holder: str = "test:1") -> Engine:
        from support import FAST

        roads = [TwilioSms(account(gateway, name="first")), Second(account(gateway, name="other"))]
        return Engine(database, roads, ports, FAST, holder)

    return make


def enter(database: Database, start: int, count: int, **changes: object) -> Broadcast:
    values = {"channels": ["sms", "second"]} | changes
    with database.write() as session:
        return service.deliver(session, spec(database, **values), few(start, count))


def alive(database: Database) -> None:
    """An engine has both channels."""
    with database.write() as session:
        for name, channel in (("first", "sms"), ("other", "second")):
            state = session.get(ChannelState, ("x", name)) or ChannelState(holder="x", name=name)
            state.channel, state.kinds, state.configured_rate, state.rate = channel, "actual,notice,test", 1.0, 1.0
            state.updated_at = database.clock.now()
            session.add(state)


def become(database: Database, record: Broadcast, states: list[tuple[S, str | None]]) -> None:
    """The first messages are now in these states."""
    with database.write() as session:
        change = ledger.TallyChange()
        for position, (state, reason) in enumerate(states, start=1):
            row = session.get_one(Delivery, record.first_id + position)
            change.move(record.id, row.division, row.channel, row.people, row.state, state)
            row.state, row.reason, row.attempt = state, reason, 1
            row.account, row.provider_ref = "first", f"SM{position}"
            row.changed_at = database.clock.now()
        change.write(session)


def row(database: Database, record: Broadcast, position: int) -> tuple[str, str]:
    with database.read() as session:
        found = session.get_one(Delivery, record.first_id + position)
        return found.channel, found.state.value


def go(database: Database, minutes: float = 10) -> int:
    alive(database)
    return failover.pass_on(database, database.clock.now(), minutes)


def by_channel(database: Database, record: Broadcast) -> dict[str, dict[str, int]]:
    with database.read() as session:
        tally = service.tallies(session, [record.id])
        left = failover.passed(session, [record.id])
    found = {
        channel: {state.value: m for state, (m, _) in states.items() if m}
        for channel, states in tally.by_channel.items()
    }
    for channel, states in left.items():
        found.setdefault(channel, {})["passed on"] = sum(m for m, _ in states.values())
    return found


def test_what_failed_goes_on_at_once_and_what_is_silent_after_its_minutes(
    timed: Database, clock: ManualClock, start: int
) -> None:
    record = enter(timed, start, 5)
    become(timed, record, [(S.FAILED, "30003"), (S.SUBMITTED, None), (S.UNKNOWN, None), (S.DELIVERED, None)])
    assert go(timed) == 1
    assert row(timed, record, 1) == ("second", "queued")
    clock.advance(601)
    assert go(timed) == 2
    assert [row(timed, record, n)[0] for n in range(1, 6)] == ["second", "second", "second", "sms", "sms"]
    assert go(timed) == 0
    assert counts(timed, record.id) == {"queued": 4, "delivered": 1}
    assert by_channel(timed, record) == {
        "sms": {"queued": 1, "delivered": 1, "passed on": 3},
        "second": {"queued": 3},
    }
    with timed.read() as session:
        tally = service.tallies(session, [record.id])
        assert tally.messages == 5  # five numbers, whatever the channels did
        assert session.scalar(sa.select(sa.func.count()).select_from(DeliveryLeg)) == 3


def test_a_number_is_passed_on_once_and_stays_with_the_last_channel(timed: Database, start: int) -> None:
    record = enter(timed, start, 1)
    become(timed, record, [(S.FAILED, "30003")])
    assert go(timed) == 1
    become(timed, record, [(S.FAILED, "30003")])
    assert go(timed) == 0
    assert row(timed, record, 1) == ("second", "failed")


@pytest.mark.parametrize("reason", ["daily_quota", "repeated_text", "no_address", "21610", "kind_mismatch"])
def test_what_no_channel_may_mend_stays(timed: Database, start: int, reason: str) -> None:
    record = enter(timed, start, 1)
    become(timed, record, [(S.FAILED, reason)])
    assert go(timed) == 0


def test_nothing_moves_after_a_cancel_or_its_time_or_without_a_road(
    timed: Database, clock: ManualClock, start: int
) -> None:
    cancelled, old = enter(timed, start, 1), enter(timed, start + 10, 1)
    drill = enter(timed, start + 20, 1, kind=Kind.EXERCISE)
    for record in (cancelled, old, drill):
        become(timed, record, [(S.FAILED, "30003")])
    with timed.write() as session:
        service.cancel(session, cancelled.id)
    clock.advance(timedelta(hours=2).total_seconds())
    assert go(timed) == 0


def test_what_waits_moves_only_where_its_channel_is_cut_off(timed: Database, clock: ManualClock, start: int) -> None:
    record = enter(timed, start, 2)
    clock.advance(700)
    assert go(timed) == 0  # slow is not broken
    alive(timed)
    with timed.write() as session:
        state = session.get_one(ChannelState, ("x", "first"))
        state.breaker, state.breaker_since = "open", timed.clock.now()
        state.breaks, state.last_error_at = 3, timed.clock.now()
    with timed.write() as session:
        session.execute(
            sa.update(ChannelState).where(ChannelState.name == "first").values(updated_at=timed.clock.now())
        )
    assert failover.pass_on(timed, timed.clock.now(), 10) == 2
    assert row(timed, record, 1) == ("second", "queued")


def test_two_tickers_pass_a_number_on_once(database: Database, start: int) -> None:
    record = enter(database, start, 300)
    become(database, record, [(S.FAILED, "30003")] * 300)
    alive(database)
    done: list[int] = []

    def tick() -> None:
        done.append(failover.pass_on(database, database.clock.now(), 10))

    threads = [threading.Thread(target=tick) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sum(done) == 300
    assert counts(database, record.id) == {"queued": 300}
    assert by_channel(database, record) == {"sms": {"passed on": 300}, "second": {"queued": 300}}


def test_a_death_in_the_middle_leaves_nothing_half_done(
    timed: Database, start: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = enter(timed, start, 3)
    become(timed, record, [(S.FAILED, "30003")] * 3)
    with monkeypatch.context() as patch:
        patch.setattr(failover.Passed, "write", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            go(timed)
    assert counts(timed, record.id) == {"failed": 3}
    assert go(timed) == 3


def receipt(database: Database, ports: Ports, record: Broadcast, position: int, key: int, sid: str, word: str) -> str:
    base = callback_url("http://us/webhooks/twilio/status", TOKEN, record.first_id + position)
    form = {"AccountSid": ACCOUNT, "MessageSid": sid, "MessageStatus": word, "To": number(key)}
    assert receipts.take(database, ports, auth_token=TOKEN, url=base, form=form, header=sign(TOKEN, base, form))
    with database.write() as session:
        receipts.fold(session, ports)
    return row(database, record, position)[1]


def test_a_late_failure_of_the_first_channel_does_not_stop_the_second(
    timed: Database, ports: Ports, start: int
) -> None:
    record = enter(timed, start, 1)
    become(timed, record, [(S.FAILED, "30003")])
    go(timed)
    assert receipt(timed, ports, record, 1, start, "SM1", "undelivered") == "queued"
    assert receipt(timed, ports, record, 1, start, "SM-unseen", "failed") == "queued"


def test_who_got_the_first_message_after_all_is_reached_and_hears_no_second(
    timed: Database,
    ports: Ports,
    clock: ManualClock,
    start: int,
    engine: Callable[[Database], Engine],
    gateway: Gateway,
) -> None:
    record = enter(timed, start, 1)
    become(timed, record, [(S.SUBMITTED, None)])
    clock.advance(601)
    assert go(timed) == 1
    assert receipt(timed, ports, record, 1, start, "SM1", "delivered") == "delivered"
    assert row(timed, record, 1) == ("sms", "delivered")
    assert counts(timed, record.id) == {"delivered": 1}
    assert by_channel(timed, record) == {"sms": {"delivered": 1}, "second": {}}
    engine(timed).run_once(2.0)
    assert number(start) not in {to for to, _ in gateway.taken()}


def test_a_late_arrival_counts_where_the_second_channel_failed(timed: Database, ports: Ports, start: int) -> None:
    record = enter(timed, start, 1)
    become(timed, record, [(S.FAILED, "30003")])
    go(timed)
    with timed.write() as session:
        change = ledger.TallyChange()
        found = session.get_one(Delivery, record.first_id + 1)
        change.move(record.id, found.division, found.channel, found.people, found.state, S.FAILED)
        found.state, found.account, found.provider_ref = S.FAILED, "other", "SM77"
        change.write(session)
    assert receipt(timed, ports, record, 1, start, "SM1", "delivered") == "delivered"
    assert by_channel(timed, record) == {"sms": {"delivered": 1}, "second": {"passed on": 1}}


def test_the_engine_carries_it_over_the_second_channel(
    database: Database, gateway: Gateway, engine: Callable[[Database], Engine], start: int
) -> None:
    record = enter(database, start, 20)
    with running(engine(database)):
        wait_for(lambda: counts(database, record.id) == {"submitted": 20})
        with database.write() as session:
            ledger.land(session, [(record.first_id + n, S.FAILED, None, "30003") for n in range(1, 6)])
        wait_for(lambda: failover.pass_on(database, database.clock.now(), 10) == 5)
        wait_for(lambda: counts(database, record.id) == {"submitted": 20})
    with database.read() as session:
        rows = session.scalars(sa.select(Delivery).order_by(Delivery.id)).all()
    assert [(r.channel, r.account) for r in rows[:6]] == [("second", "other")] * 5 + [("sms", "first")]
    mine = [to for to, _ in gateway.taken() if to in {number(k) for k in range(start, start + 20)}]
    assert len(mine) == 25
