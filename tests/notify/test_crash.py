from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support import Gateway, counts, number, recipients, spec, wait_for

from kernel.db import Database
from notify import service

PEOPLE = 600


@contextmanager
def engine(url: str, gateway: Gateway) -> Iterator[subprocess.Popen[bytes]]:
    script = Path(__file__).parent / "engine_process.py"
    process = subprocess.Popen([sys.executable, str(script), url, gateway.url])
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)


def taken(gateway: Gateway, start: int) -> Counter[str]:
    mine = {number(key) for key in range(start, start + PEOPLE)}
    return Counter(to for to, _ in gateway.taken() if to in mine)


def test_kill_9_of_the_engine_loses_nobody_and_doubles_nobody(
    database: Database, database_url: str, gateway: Gateway, start: int
) -> None:
    gateway.faults(latency_ms=30, jitter_ms=60)
    with database.write() as session:
        record = service.broadcast(session, spec(database), recipients(session, start, PEOPLE))
    for kill in (1, 2, 3):
        with engine(database_url, gateway) as process:
            wait_for(lambda kill=kill: len(taken(gateway, start)) >= PEOPLE * kill // 5)
            process.send_signal(signal.SIGKILL)
            process.wait(10)
    assert len(taken(gateway, start)) < PEOPLE
    with engine(database_url, gateway):
        wait_for(lambda: counts(database, record.id) == {"submitted": PEOPLE}, 30)
    found = taken(gateway, start)
    assert len(found) == PEOPLE, "somebody was lost"
    assert set(found.values()) == {1}, "somebody was sent twice"


def test_an_engine_frozen_longer_than_its_lease_is_fenced_off(
    database: Database, database_url: str, gateway: Gateway, start: int
) -> None:
    gateway.faults(latency_ms=20, jitter_ms=20)
    with database.write() as session:
        record = service.broadcast(session, spec(database), recipients(session, start, PEOPLE))
    with engine(database_url, gateway) as frozen:
        wait_for(lambda: len(taken(gateway, start)) >= 50)
        os.kill(frozen.pid, signal.SIGSTOP)
        with engine(database_url, gateway):
            if database.is_sqlite:
                # Nobody can write while a frozen process may hold SQLite's lock; it is continued before the lease ends.
                os.kill(frozen.pid, signal.SIGCONT)
            wait_for(lambda: counts(database, record.id).get("submitted", 0) >= PEOPLE - 200, 60)
            os.kill(frozen.pid, signal.SIGCONT)
            wait_for(lambda: counts(database, record.id) == {"submitted": PEOPLE}, 60)
    assert set(taken(gateway, start).values()) == {1}
    assert len(taken(gateway, start)) == PEOPLE
