"""The ticker: one process at a time, nothing twice, nothing lost, one bad job never stops the others."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from kernel.clock import ManualClock
from kernel.db import Database
from scheduler import lease
from scheduler.due import claim_due
from scheduler.models import ClockStep, JobRun, JobState, Lease, RunResult
from scheduler.ticker import Job, Ticker

DUE = sa.Table(
    "due_thing",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("due_at", sa.DateTime),
    sa.Column("done_at", sa.DateTime),
    sa.Column("claimed_at", sa.DateTime),
)


def counting(calls: list[datetime], result: int = 0) -> Callable[[Database, datetime], int]:
    def run(_database: Database, now: datetime) -> int:
        calls.append(now)
        return result

    return run


def test_each_job_runs_at_its_own_pace(database: Database, clock: ManualClock) -> None:
    often: list[datetime] = []
    seldom: list[datetime] = []
    ticker = Ticker(database, [Job("often", counting(often)), Job("seldom", counting(seldom), every_seconds=60)])
    for _ in range(13):
        ticker.tick()
        clock.advance(5)
    assert len(often) == 13
    assert len(seldom) == 2


def test_after_downtime_a_job_runs_at_once_and_once(database: Database, clock: ManualClock) -> None:
    calls: list[datetime] = []
    job = Job("daily", counting(calls), every_seconds=86400)
    Ticker(database, [job], "a").tick()
    clock.advance(timedelta(days=9))
    assert Ticker(database, [job], "b").tick() == {"daily": 0}
    clock.advance(5)
    assert Ticker(database, [job], "b").tick() == {}
    assert len(calls) == 2


def test_a_failing_job_is_recorded_without_its_message_and_stops_nobody(
    database: Database, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    personal = "张某" + "一 +86154" + "00000001"

    def fails(_database: Database, _now: datetime) -> int:
        raise RuntimeError(personal)

    calls: list[datetime] = []
    ticker = Ticker(database, [Job("bad", fails), Job("good", counting(calls, 7))])
    assert ticker.tick() == {"bad": 0, "good": 7}
    clock.advance(5)
    ticker.tick()
    with database.read() as session:
        runs = session.scalars(sa.select(JobRun).order_by(JobRun.id)).all()
        state = session.get(JobState, "bad")
    assert [(run.name, run.result, run.handled) for run in runs[:2]] == [
        ("bad", RunResult.FAILED, 0), ("good", RunResult.DONE, 7),
    ]  # fmt: skip
    assert state is not None and state.failures == 2 and state.failing_since is not None
    assert "RuntimeError" in (runs[0].error or "")
    assert personal[:3] not in caplog.text + (runs[0].error or "") and personal[-8:] not in caplog.text


def test_a_quiet_run_leaves_no_row(database: Database) -> None:
    Ticker(database, [Job("quiet", counting([]))]).tick()
    with database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(JobRun)) == 0
        state = session.get(JobState, "quiet")
        assert state is not None and state.runs == 1 and state.last_done_at is not None


def test_two_tickers_never_tick_together_and_the_second_takes_over(database: Database, clock: ManualClock) -> None:
    calls: list[datetime] = []
    job = Job("job", counting(calls))
    first, second = Ticker(database, [job], "first"), Ticker(database, [job], "second")
    first.tick()
    clock.advance(5)
    assert second.tick() == {}
    clock.advance(30)
    second.tick()
    assert first.tick() == {}
    assert len(calls) == 2


def test_a_ticker_that_stops_hands_over_at_once(database: Database, clock: ManualClock) -> None:
    calls: list[datetime] = []
    first, second = (Ticker(database, [Job("job", counting(calls))], name) for name in ("first", "second"))
    first.tick()
    first.stop()
    clock.advance(1)
    second.tick()
    assert len(calls) == 2
    with database.read() as session:
        held = session.get(Lease, "ticker")
        assert held is not None and held.holder == "second" and held.fence == 1


def test_a_clock_that_steps_is_noticed_and_alarmed(database: Database, clock: ManualClock) -> None:
    alarms: list[float] = []
    ticker = Ticker(database, [Job("job", counting([]))], on_clock_step=alarms.append)
    ticker.tick()
    clock.advance(5)
    ticker.tick()
    assert not alarms
    clock.set(clock.now() + timedelta(hours=1))
    clock.advance(5)
    ticker.tick()
    assert alarms == [pytest.approx(3600)]
    with database.read() as session:
        assert session.scalar(sa.select(ClockStep.seconds)) == pytest.approx(3600)


def test_a_clock_set_back_stops_neither_the_jobs_nor_the_next_process(database: Database, clock: ManualClock) -> None:
    calls: list[datetime] = []
    job = Job("hourly", counting(calls), every_seconds=3600)
    Ticker(database, [job], "first").tick()
    clock.set(clock.now() - timedelta(days=1))
    assert Ticker(database, [job], "second").tick() == {"hourly": 0}
    assert len(calls) == 2


def test_the_lease_is_taken_once_renewed_by_its_holder_and_taken_over_when_it_runs_out(
    write: Callable[[], Any], clock: ManualClock
) -> None:
    with write() as session:
        assert lease.take(session, "x", "a", clock.now(), 20)
        assert lease.take(session, "x", "a", clock.now(), 20)
        assert not lease.take(session, "x", "b", clock.now(), 20)
        assert lease.take(session, "x", "b", clock.now() + timedelta(seconds=21), 20)
        assert not lease.take(session, "x", "a", clock.now() + timedelta(seconds=22), 20)


def test_two_jobs_of_one_name_are_a_mistake(database: Database) -> None:
    with pytest.raises(ValueError, match="same name"):
        Ticker(database, [Job("a", counting([])), Job("a", counting([]))])


def test_what_is_due_is_claimed_once_earliest_first(database: Database, clock: ManualClock) -> None:
    now = clock.now().replace(tzinfo=None)
    DUE.create(database.engine, checkfirst=True)
    with database.write() as session:
        session.execute(DUE.delete())
        session.execute(
            DUE.insert(),
            [{"id": n, "due_at": now - timedelta(minutes=n), "done_at": None, "claimed_at": None} for n in range(1, 6)]
            + [{"id": 9, "due_at": now + timedelta(minutes=1), "done_at": None, "claimed_at": None}],
        )
        assert claim_due(session, DUE, now, 2) == [5, 4]
        assert claim_due(session, DUE, now, 10) == [3, 2, 1]
        assert claim_due(session, DUE, now, 10) == []
        session.execute(DUE.update().where(DUE.c.id == 5).values(done_at=now))
        later = now + timedelta(minutes=6)
        assert sorted(claim_due(session, DUE, later, 10)) == [1, 2, 3, 4, 9], "what a dead process claimed comes back"
