from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Iterator

import pytest
from nursery import Nursery
from support import Gateway, counts, number, recipients, spec, wait_for

from kernel.db import Database
from notify import service

PEOPLE = 400
SETTINGS = {"request_timeout": 4.0, "absent_after_seconds": 2.5}
"""A loaded machine may keep the gateway waiting for a second or two; that must not look like an absent message."""


@pytest.fixture
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    found = Nursery(tmp_path_factory.mktemp("children"))
    yield found
    found.close()


def taken(gateway: Gateway, start: int) -> Counter[str]:
    mine = {number(key) for key in range(start, start + PEOPLE)}
    return Counter(to for to, _ in gateway.taken() if to in mine)


def enter(database: Database, start: int) -> int:
    with database.write() as session:
        return service.broadcast(session, spec(database), recipients(session, start, PEOPLE)).id


def test_kill_9_of_the_engine_loses_nobody_and_doubles_nobody(
    database: Database, database_url: str, gateway: Gateway, nursery: Nursery, start: int
) -> None:
    gateway.faults(latency_ms=30, jitter_ms=60)
    record = enter(database, start)
    values = {"database": database_url, "gateway": gateway.url, "settings": SETTINGS}
    for kill in (1, 2, 3):
        process = nursery.start("engine", rate=150.0, **values)
        wait_for(lambda kill=kill: len(taken(gateway, start)) >= PEOPLE * kill // 6, 60)
        process.signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    nursery.start("engine", **values)
    wait_for(lambda: counts(database, record) == {"submitted": PEOPLE}, 60)
    found = taken(gateway, start)
    assert len(found) == PEOPLE, "somebody was lost"
    assert set(found.values()) == {1}, "somebody was sent twice"


def test_an_engine_stopped_longer_than_its_lease_loses_nobody_and_doubles_nobody(
    database: Database, database_url: str, gateway: Gateway, nursery: Nursery, start: int
) -> None:
    """SIGSTOP wherever it happens to be; where it is frozen at will, see the failpoints."""
    gateway.faults(latency_ms=20, jitter_ms=20)
    record = enter(database, start)
    values = {"database": database_url, "gateway": gateway.url, "settings": {**SETTINGS, "lease_seconds": 2.0}}
    frozen = nursery.start("engine", rate=150.0, **values)
    wait_for(lambda: len(taken(gateway, start)) >= 40, 60)
    frozen.signal(signal.SIGSTOP)
    nursery.start("engine", **values)
    # On SQLite nobody writes while a frozen process may hold the lock; the other one waits, and goes on then.
    time.sleep(3.0)
    frozen.signal(signal.SIGCONT)
    wait_for(lambda: counts(database, record) == {"submitted": PEOPLE}, 60)
    assert set(taken(gateway, start).values()) == {1}
    assert len(taken(gateway, start)) == PEOPLE
    assert frozen.code() is None
