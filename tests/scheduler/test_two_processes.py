"""Two real processes on one file: nothing is fired twice, and what a killed one left is done by the next."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from kernel.db import Database, make_engine
from tests.scheduler.worker import FIRING

ROOT = Path(__file__).parents[2]


@pytest.fixture
def file(tmp_path: Path, _sqlite_template: Path) -> Path:
    path = tmp_path / "shared.db"
    shutil.copy(_sqlite_template, path)
    return path


def fill(path: Path, count: int) -> Database:
    database = Database(make_engine(f"sqlite:///{path}"))
    FIRING.create(database.engine, checkfirst=True)
    due = datetime.now(UTC).replace(tzinfo=None) - timedelta(minutes=1)
    with database.write() as session:
        session.execute(FIRING.insert(), [{"id": n, "due_at": due, "fired": 0} for n in range(count)])
    return database


def start(path: Path, seconds: float, mode: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.scheduler.worker", f"sqlite:///{path}", str(seconds), mode],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )


def fired(database: Database) -> list[tuple[int, str | None]]:
    with database.read() as session:
        return [(row.fired, row.by) for row in session.execute(sa.select(FIRING.c.fired, FIRING.c.by))]


def wait_until_done(database: Database, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and any(count == 0 for count, _by in fired(database)):
        time.sleep(0.05)


@pytest.mark.parametrize("mode", ["lease", "claims"])
def test_two_processes_fire_everything_exactly_once(file: Path, mode: str) -> None:
    database = fill(file, 300)
    workers = [start(file, 3, mode) for _ in range(2)]
    wait_until_done(database, 12)
    for worker in workers:
        assert worker.wait(20) == 0
    counts = fired(database)
    assert [count for count, _by in counts] == [1] * 300
    if mode == "lease":
        assert len({by for _count, by in counts}) == 1, "the lease lets one of them tick"


def test_a_process_killed_in_the_middle_leaves_the_rest_to_the_next(file: Path) -> None:
    database = fill(file, 600)
    first = start(file, 30, "lease")
    end = time.monotonic() + 15
    while time.monotonic() < end and not any(count for count, _by in fired(database)):
        time.sleep(0.01)
    os.kill(first.pid, signal.SIGKILL)
    first.wait(10)
    half = sum(count for count, _by in fired(database))
    assert 0 < half < 600, "it was killed in the middle"
    second = start(file, 4, "lease")
    wait_until_done(database, 15)
    assert second.wait(20) == 0
    counts = fired(database)
    assert [count for count, _by in counts] == [1] * 600
    assert {by for _count, by in counts} == {str(first.pid), str(second.pid)}
