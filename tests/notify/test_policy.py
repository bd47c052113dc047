"""Where neither our record nor the provider's can tell: a real warning once more, a drill never, then a person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import pytest
import sqlalchemy as sa
from nursery import Nursery
from support import FAST, Book, Gateway, Index, Sealer, account, counts, number, recipients, running, spec, wait_for

from kernel.db import Database
from notify import service
from notify.channels.twilio_sms import TwilioSms
from notify.engine import Engine
from notify.models import Delivery, DeliveryState, Kind
from notify.ports import NoMetrics, Ports

PEOPLE = 12
S = DeliveryState


@dataclass
class Counting(NoMetrics):
    """Keeps counters by name and verdict."""

    kept: Counter[tuple[str, str]] = field(default_factory=Counter)

    def count(self, name: str, value: float = 1, **labels: str) -> None:
        self.kept[name, labels.get("verdict", "")] += int(value)


@pytest.fixture
def metrics() -> Counting:
    return Counting()


@pytest.fixture
def make(database: Database, gateway: Gateway, metrics: Counting) -> Callable[[], Engine]:
    """An engine whose road keeps no list that could be asked."""

    def listless(exercise: bool) -> TwilioSms:
        road = TwilioSms(account(gateway, exercise=exercise), timeout=3.0)
        road.abilities = replace(road.abilities, lists=False)
        return road

    def engine() -> Engine:
        ports = Ports(Book(), Sealer(), Index(), metrics=metrics)
        settings = replace(FAST, absent_after_seconds=0.3)
        return Engine(database, [listless(False), listless(True)], ports, settings)

    return engine


def enter(database: Database, start: int, kind: Kind) -> int:
    with database.write() as session:
        chosen = recipients(session, start, PEOPLE)
        return service.broadcast(session, spec(database, kind=kind), chosen).id


def times_taken(gateway: Gateway, start: int) -> dict[str, int]:
    mine = {number(key) for key in range(start, start + PEOPLE)}
    return dict(Counter(to for to, _ in gateway.taken() if to in mine))


def by_hand(database: Database, record: int) -> list[Delivery]:
    with database.read() as session:
        return list(
            session.scalars(
                sa.select(Delivery).where(
                    Delivery.broadcast_id == record, Delivery.state == S.UNKNOWN, Delivery.reason == "by_hand"
                )
            )
        )


@pytest.mark.parametrize(("kind", "times"), [(Kind.ACTUAL, 2), (Kind.EXERCISE, 1), (Kind.TEST, 1), (Kind.NOTICE, 1)])
def test_what_nobody_can_find_out_goes_by_policy_and_then_to_a_person(
    database: Database, gateway: Gateway, make: Callable[[], Engine], metrics: Counting, start: int,
    kind: Kind, times: int,
) -> None:  # fmt: skip
    gateway.faults(share_500_after_accept=1.0)
    text = "【测试】请勿理会。【测试】" if kind is Kind.TEST else "请注意防范大风。"
    with database.write() as session:
        chosen = recipients(session, start, PEOPLE)
        record = service.broadcast(session, spec(database, text=text, kind=kind), chosen).id
    with running(make()):
        wait_for(lambda: len(by_hand(database, record)) == PEOPLE, 30)
        assert counts(database, record) == {"unknown": PEOPLE}
    assert set(times_taken(gateway, start).values()) == {times}
    assert metrics.kept["notify_reconciled_total", "again"] == PEOPLE * (times - 1)
    assert metrics.kept["notify_reconciled_total", "by_hand"] == PEOPLE
    with database.write() as session:
        for row in by_hand(database, record):
            assert service.settle_by_hand(session, row.id, S.SUBMITTED, "confirmed")
    assert counts(database, record) == {"submitted": PEOPLE}


def test_a_429_before_does_not_use_up_the_one_time_more(
    database: Database, gateway: Gateway, make: Callable[[], Engine], start: int
) -> None:
    gateway.faults(share_429=1.0, retry_after=0.1)
    record = enter(database, start, Kind.ACTUAL)
    with running(make()):
        with_attempts = sa.select(sa.func.min(Delivery.attempt)).where(Delivery.broadcast_id == record)

        def tried_often() -> bool:
            with database.read() as session:
                return bool(session.scalar(with_attempts) >= 2)

        wait_for(tried_often, 30)
        gateway.faults(share_500_after_accept=1.0)
        wait_for(lambda: len(by_hand(database, record)) == PEOPLE, 30)
    assert set(times_taken(gateway, start).values()) == {2}


@pytest.fixture
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    found = Nursery(tmp_path_factory.mktemp("children"))
    yield found
    found.close()


@pytest.mark.parametrize("kind", [Kind.ACTUAL, Kind.EXERCISE])
def test_kill_9_where_the_provider_accepted_and_no_record_could_tell(
    database: Database, database_url: str, gateway: Gateway, make: Callable[[], Engine], nursery: Nursery,
    start: int, kind: Kind,
) -> None:  # fmt: skip
    record = enter(database, start, kind)
    values = {"database": database_url, "gateway": gateway.url, "lists": False}
    killed = nursery.start("engine", failpoints="answered=kill@5", settings={"intent_chunk": 8}, **values)
    assert killed.wait() == -9
    with running(make()):
        settled = {S.SUBMITTED.value, S.UNKNOWN.value}
        wait_for(lambda: set(counts(database, record)) <= settled, 30)
        if kind is Kind.ACTUAL:
            wait_for(lambda: counts(database, record) == {"submitted": PEOPLE}, 30)
        else:
            wait_for(lambda: counts(database, record).get("unknown") == len(by_hand(database, record)) > 0, 30)
    found = times_taken(gateway, start)
    with database.read() as session:
        rows = session.scalars(sa.select(Delivery).where(Delivery.broadcast_id == record)).all()
    again = {number(row.address_key) for row in rows if row.sent_again}
    assert all(row.sent_again <= 1 for row in rows)
    assert all(times == 1 for to, times in found.items() if to not in again)
    if kind is Kind.ACTUAL:
        assert len(found) == PEOPLE and again and max(found.values()) == 2
    else:
        assert not again and max(found.values()) == 1
