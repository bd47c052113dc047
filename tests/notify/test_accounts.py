"""Several accounts for one channel, each at a gateway of its own: shared by weight, left when broken, never confused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa
from support import Gateway, account, counts, few, number, recipients, running, spec, wait_for

from kernel.db import Database
from notify import service
from notify.engine import Engine
from notify.models import BreakerState, Broadcast, ChannelState, Delivery, Kind

Make = Callable[..., Engine]


@pytest.fixture(scope="module")
def second_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    gateway = Gateway(tmp_path_factory.mktemp("second") / "record.jsonl")
    yield gateway
    gateway.stop()


@pytest.fixture
def second(second_process: Gateway) -> Iterator[Gateway]:
    second_process.faults()
    yield second_process
    if second_process.process.poll() is not None:
        second_process.start()


def enter(database: Database, start: int, count: int, **changes: object) -> Broadcast:
    with database.write() as session:
        return service.broadcast(session, spec(database, **changes), recipients(session, start, count))


def taken(gateway: Gateway, start: int, count: int) -> Counter[str]:
    mine = {number(key) for key in range(start, start + count)}
    return Counter(to for to, _ in gateway.taken() if to in mine)


def states(database: Database) -> dict[str, ChannelState]:
    with database.read() as session:
        return {state.name: state for state in session.scalars(sa.select(ChannelState))}


def test_messages_are_shared_by_weight_and_each_remembers_its_account(
    database: Database, gateway: Gateway, second: Gateway, make_engine_for: Make, start: int
) -> None:
    accounts = [account(gateway, name="a", weight=3.0), account(second, name="b", weight=1.0)]
    record = enter(database, start, 1600)
    make_engine_for(database, accounts=accounts, intent_chunk=20).run_once()
    assert counts(database, record.id) == {"submitted": 1600}
    at_a, at_b = taken(gateway, start, 1600), taken(second, start, 1600)
    assert set((at_a + at_b).values()) == {1}
    assert len(at_a + at_b) == 1600
    assert len(at_a) == pytest.approx(1200, rel=0.05)
    with database.read() as session:
        by_account = dict(
            session.execute(sa.select(Delivery.account, sa.func.count()).group_by(Delivery.account)).all()
        )  # type: ignore[arg-type]
    assert by_account == {"a": len(at_a), "b": len(at_b)}
    shown = states(database)
    assert shown["a"].share == pytest.approx(0.75)
    assert (shown["a"].taken, shown["b"].taken) == (len(at_a), len(at_b))


def test_a_lane_goes_on_over_the_other_account_when_one_dies(
    database: Database, gateway: Gateway, second: Gateway, make_engine_for: Make, start: int
) -> None:
    accounts = [account(gateway, name="a"), account(second, name="b")]
    second.kill()
    record = enter(database, start, 900)
    make_engine_for(database, accounts=accounts).run_once(20)
    assert counts(database, record.id) == {"submitted": 900}
    assert taken(gateway, start, 900) == Counter({number(key): 1 for key in range(start, start + 900)})
    broken = states(database)["b"]
    assert broken.breaker is not BreakerState.CLOSED or broken.breaks > 0
    assert broken.last_error == "connection_refused"
    assert broken.troubles > 0


def test_an_account_that_is_mended_is_used_again(
    database: Database, gateway: Gateway, second: Gateway, make_engine_for: Make, start: int
) -> None:
    accounts = [account(gateway, name="a", messages_per_second=150.0), account(second, name="b")]
    second.faults(share_500=1.0)
    record = enter(database, start, 900)
    with running(make_engine_for(database, accounts=accounts)):
        wait_for(lambda: "b" in states(database) and states(database)["b"].breaks > 0)
        assert taken(second, start, 900) == Counter()
        second.faults()
        wait_for(lambda: counts(database, record.id) == {"submitted": 900}, 25)
        wait_for(lambda: states(database)["b"].breaker is BreakerState.CLOSED)
    both = taken(gateway, start, 900) + taken(second, start, 900)
    assert len(both) == 900 and set(both.values()) == {1}
    assert taken(second, start, 900)
    assert 0 < states(database)["b"].share < 0.5


def blind(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that dies before it could look into any list."""

    async def nothing(_dispatcher: object) -> int:
        return 0

    monkeypatch.setattr("notify.engine.reconcile", nothing)


def test_what_one_account_may_have_taken_never_goes_again_over_the_other(
    database: Database, gateway: Gateway, second: Gateway, make_engine_for: Make, start: int
) -> None:
    record = enter(database, start, 40)
    second.faults(share_reset_after_accept=1.0)
    with pytest.MonkeyPatch.context() as patch:
        blind(patch)
        make_engine_for(database, accounts=[account(second, name="b")]).run_once(1.5)
    unknown = counts(database, record.id).get("unknown", 0)
    assert unknown > 0
    second.kill()  # its list cannot be asked now
    both = [account(gateway, name="a"), account(second, name="b")]
    make_engine_for(database, accounts=both, absent_after_seconds=0.01).run_once(3.0)
    assert counts(database, record.id).get("unknown", 0) == unknown
    assert not set(taken(gateway, start, 40)) & set(taken(second, start, 40))
    second.start()
    second.faults()
    both = [account(gateway, name="a"), account(second, name="b")]
    make_engine_for(database, accounts=both, absent_after_seconds=0.01).run_once(5.0)
    assert counts(database, record.id) == {"submitted": 40}
    assert set((taken(gateway, start, 40) + taken(second, start, 40)).values()) == {1}


def test_what_an_account_that_is_gone_may_have_taken_is_left_to_a_person(
    database: Database, gateway: Gateway, second: Gateway, make_engine_for: Make, start: int
) -> None:
    enter(database, start, 3)
    second.faults(share_500_after_accept=1.0)
    with pytest.MonkeyPatch.context() as patch:
        blind(patch)
        make_engine_for(database, accounts=[account(second, name="b")]).run_once(1.0)
    make_engine_for(database, accounts=[account(gateway, name="a")], absent_after_seconds=0.01).run_once(2.0)
    with database.read() as session:
        rows = session.scalars(sa.select(Delivery)).all()
    assert {(row.state.value, row.reason) for row in rows} == {("unknown", "by_hand")}
    assert taken(gateway, start, 3) == Counter()


def test_an_unasked_account_does_not_keep_the_others_unknowns_waiting(
    database: Database,
    gateway: Gateway,
    second: Gateway,
    make_engine_for: Make,
    start: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("notify.reconcile.LIMIT", 5)
    second.faults(share_500=1.0)
    gateway.faults(share_500_after_accept=1.0)
    stuck = enter(database, start, 8)
    make_engine_for(database, accounts=[account(second, name="b")], absent_after_seconds=60).run_once(1.0)
    other = enter(database, start + 100, 4)
    with pytest.MonkeyPatch.context() as patch:
        blind(patch)
        make_engine_for(database, accounts=[account(gateway, name="a")]).run_once(1.0)
    gateway.faults()
    second.kill()
    both = [account(gateway, name="a"), account(second, name="b")]
    with running(make_engine_for(database, accounts=both, absent_after_seconds=60)):
        wait_for(lambda: counts(database, other.id) == {"submitted": 4})
    assert counts(database, stuck.id) == {"unknown": 8}


def test_an_exercise_waits_for_its_own_account_however_well_the_real_one_works(
    database: Database, gateway: Gateway, second: Gateway, make_engine_for: Make, start: int
) -> None:
    accounts = [account(gateway, name="real"), account(second, exercise=True, name="drill")]
    second.kill()
    with database.write() as session:
        drill = service.deliver(session, spec(database, kind=Kind.EXERCISE), few(start, 3))
        real = service.deliver(session, spec(database), few(start + 10, 3))
    make_engine_for(database, accounts=accounts).run_once(2.0)
    assert counts(database, real.id) == {"submitted": 3}
    assert counts(database, drill.id) == {"queued": 3}
    assert taken(gateway, start, 3) == Counter()
