"""The ticker: one heartbeat that asks our own rows what is due.

Nothing due lives in APScheduler: it only calls `tick` every few seconds. A database lease lets one process tick; every
job claims its rows by compare-and-set besides, so that even a process that lost its lease in mid-job fires nothing
twice. A job that fails is recorded and never stops the others. What was missed while nobody ticked is still in its
rows and is done by the first tick after.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy.orm import Session

from kernel.db import Database
from kernel.errors import DomainError
from kernel.logs import kv
from scheduler import lease
from scheduler.models import ClockStep, JobRun, JobState, RunResult

log = logging.getLogger(__name__)
LEASE = "ticker"
LEASE_SECONDS = 20
STEP_SECONDS = 5.0
"""A difference between wall and monotonic time that is no longer drift."""
KEEP_RUNS = timedelta(days=30)
_PRUNE_EVERY = timedelta(hours=6)


@dataclass(frozen=True)
class Job:
    """Something to do every `every_seconds` (0: at every tick).

    `run(database, now)` works in pieces, each in a transaction of its own, and returns how many things it handled.
    """

    name: str
    run: Callable[[Database, datetime], int]
    every_seconds: int = 0


def holder_name() -> str:
    """A name for this process that no other has."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"


class Ticker:
    """Runs the jobs that are due, in one process at a time."""

    def __init__(
        self,
        database: Database,
        jobs: Sequence[Job],
        holder: str = "",
        *,
        lease_seconds: int = LEASE_SECONDS,
        on_clock_step: Callable[[float], None] | None = None,
    ):
        names = [job.name for job in jobs]
        if len(set(names)) != len(names):
            raise ValueError("two jobs have the same name")
        self.database = database
        self.jobs = list(jobs)
        self.holder = holder or holder_name()
        self._lease_seconds = lease_seconds
        self._on_clock_step = on_clock_step
        self._seen: tuple[datetime, float] | None = None
        self._pruned_at: datetime | None = None
        self._lock = threading.Lock()
        self._scheduler: BackgroundScheduler | None = None

    def tick(self, now: datetime | None = None) -> dict[str, int]:
        """Run every job that is due and say how many things each handled; empty where another process ticks."""
        with self._lock:
            moment = now or self.database.clock.now()
            self._watch_clock(moment)
            if not self._take_lease(moment):
                return {}
            with lease.kept(self.database, LEASE, self.holder, self._lease_seconds):
                handled = self._run_due(moment)
            self._prune(moment)
            return handled

    def _take_lease(self, moment: datetime) -> bool:
        with self.database.write() as session:
            return lease.take(session, LEASE, self.holder, moment, self._lease_seconds)

    def _run_due(self, moment: datetime) -> dict[str, int]:
        with self.database.read() as session:
            states = {state.name: state for state in session.scalars(sa.select(JobState))}
        handled: dict[str, int] = {}
        for job in self.jobs:
            if not _is_due(job, states.get(job.name), moment):
                continue
            if handled and not self._take_lease(self.database.clock.now()):
                log.warning("lost the lease in mid-tick %s", kv(holder=self.holder))
                break
            handled[job.name] = self._run(job, moment)
        return handled

    def _run(self, job: Job, moment: datetime) -> int:
        started = self.database.clock.now()
        count, error = 0, None
        try:
            count = job.run(self.database, moment)
        except Exception as caught:
            error = _describe(caught)
            log.error(
                "a job failed %s\n%s", kv(job=job.name, error=error), "".join(traceback.format_tb(caught.__traceback__))
            )
        finished = self.database.clock.now()
        with self.database.write() as session:
            self._note(session, job, moment, error, finished)
            if error or count:
                session.add(
                    JobRun(
                        name=job.name,
                        holder=self.holder,
                        started_at=started,
                        finished_at=finished,
                        result=RunResult.FAILED if error else RunResult.DONE,
                        handled=count,
                        error=error,
                    )
                )
        return count

    @staticmethod
    def _note(session: Session, job: Job, moment: datetime, error: str | None, finished: datetime) -> None:
        state = session.get(JobState, job.name)
        if state is None:
            state = JobState(name=job.name, next_at=moment, runs=0, failures=0)
            session.add(state)
        state.next_at = moment + timedelta(seconds=job.every_seconds)
        state.last_run_at = finished
        state.runs += 1
        if error:
            state.failures += 1
            state.failing_since = state.failing_since or finished
        else:
            state.failures, state.failing_since, state.last_done_at = 0, None, finished

    def _watch_clock(self, moment: datetime) -> None:
        monotonic = self.database.clock.monotonic()
        seen, self._seen = self._seen, (moment, monotonic)
        if seen is None:
            return
        seconds = (moment - seen[0]).total_seconds() - (monotonic - seen[1])
        if abs(seconds) < STEP_SECONDS:
            return
        log.error("the clock stepped %s", kv(seconds=round(seconds, 1), holder=self.holder))
        with self.database.write() as session:
            session.add(ClockStep(at=moment, seconds=seconds, holder=self.holder))
        if self._on_clock_step is not None:
            self._on_clock_step(seconds)

    def _prune(self, moment: datetime) -> None:
        if self._pruned_at is not None and timedelta(0) <= moment - self._pruned_at < _PRUNE_EVERY:
            return
        self._pruned_at = moment
        with self.database.write() as session:
            old = sa.select(JobRun.id).where(JobRun.started_at < moment - KEEP_RUNS).limit(2000)
            session.execute(sa.delete(JobRun).where(JobRun.id.in_(old)))

    def start(self, seconds: int = 5) -> None:
        """Tick every `seconds` in the background until `stop`."""
        scheduler = BackgroundScheduler(timezone=UTC)
        scheduler.add_job(
            self._beat, "interval", seconds=seconds, coalesce=True, max_instances=1, misfire_grace_time=None,
            next_run_time=datetime.now(UTC),
        )  # fmt: skip
        scheduler.start()
        self._scheduler = scheduler

    def _beat(self) -> None:
        try:
            self.tick()
        except Exception as error:  # the database may be away for a while: the next beat tries again
            log.error("a tick failed %s", kv(error=_describe(error)))

    def stop(self) -> None:
        """Let the running tick finish, then give the lease back so that another process goes on at once."""
        if self._scheduler is not None:
            self._scheduler.shutdown(wait=True)
            self._scheduler = None
        with self.database.write() as session:
            lease.give_back(session, LEASE, self.holder)


def _is_due(job: Job, state: JobState | None, moment: datetime) -> bool:
    if state is None or state.next_at <= moment:
        return True
    # A clock that was set back must not keep a job waiting until the old time comes round again.
    return state.next_at > moment + timedelta(seconds=job.every_seconds)


def _describe(error: BaseException) -> str:
    """The kind of an error and where it arose. Its message stays out: it may quote what is personal."""
    if isinstance(error, DomainError):
        return f"{type(error).__name__}: {error.code}"
    frames: list[Any] = traceback.extract_tb(error.__traceback__)
    where = f" at {os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""  # noqa: PTH119
    return f"{type(error).__name__}{where}"
