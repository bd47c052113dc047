"""What the ticker does for residents: uploaded files are imported, and what is left over is cleared away."""

from __future__ import annotations

import logging
import threading
from datetime import datetime, timedelta

import sqlalchemy as sa

from emergency.people.residents import imports, runs
from emergency.people.residents.models import ImportPiece, ImportRun, RunState, StagedResident
from kernel.db import Database
from kernel.errors import DomainError
from kernel.logs import kv
from scheduler.ticker import Job

log = logging.getLogger(__name__)
_OVER = (RunState.DONE, RunState.FAILED)
_HALF_UPLOADED = timedelta(hours=1)
_KEEP_FAULTS = timedelta(days=90)
_starting = threading.Lock()
_worker: threading.Thread | None = None


def waiting(database: Database, now: datetime) -> bool:
    """Whether there is an uploaded file to import, or a run whose process is gone."""
    with database.read() as session:
        if runs.stale(session, now):
            return True
        statement = sa.select(ImportRun.id).where(ImportRun.state == RunState.WAITING, ImportRun.uploaded)
        return session.scalar(statement.limit(1)) is not None


def run_waiting(database: Database) -> int:
    """Import everything that waits, one file after another. Returns how many."""
    done = imports.finish_interrupted(database)
    while True:
        with database.read() as session:
            run_id = session.scalar(
                sa.select(ImportRun.id)
                .where(ImportRun.state == RunState.WAITING, ImportRun.uploaded)
                .order_by(ImportRun.id)
                .limit(1)
            )
        if run_id is None or not imports.run_upload(database, run_id):
            return done
        done += 1


def start_waiting(database: Database, now: datetime) -> int:
    """The ticker's part: an import takes a minute and runs beside the ticks, never in one."""
    global _worker
    with _starting:
        if _worker is not None and _worker.is_alive():
            return 0
        if not waiting(database, now):
            return 0
        _worker = threading.Thread(target=_work, args=(database,), name="residents-import", daemon=True)
        _worker.start()
        return 1


def _work(database: Database) -> None:
    try:
        run_waiting(database)
    except runs.Lost:
        log.warning("import taken over by another process")
    except (DomainError, sa.exc.SQLAlchemyError, OSError) as error:
        # Only the kind of the error: its text could carry what the file said of a person.
        log.error("import stopped %s", kv(error=type(error).__name__))


def clear_leftovers(database: Database, now: datetime) -> int:
    """Delete staged rows and uploaded files of runs that are over, and give up half-finished uploads."""
    with database.read() as session:
        half = session.scalars(
            sa.select(ImportRun.id).where(
                ImportRun.state == RunState.WAITING,
                ~ImportRun.uploaded,
                ImportRun.created_at < now - _HALF_UPLOADED,
            )
        ).all()
        over = sa.select(ImportRun.id).where(ImportRun.state.in_(_OVER))
        left: set[int] = set()
        for table in (StagedResident, ImportPiece):
            left |= set(session.scalars(sa.select(table.run_id).where(table.run_id.in_(over)).distinct()))
        old = session.scalars(
            sa.select(ImportRun.id).where(
                ImportRun.state.in_(_OVER), ImportRun.error_count > 0, ImportRun.created_at < now - _KEEP_FAULTS
            )
        ).all()
    for run_id in half:
        with database.write() as session:
            runs.fail(session, run_id, DomainError(runs.INTERRUPTED, code="interrupted"))
    gone = sum(runs.tidy(database, run_id) for run_id in sorted(left | set(half)))
    for run_id in old:
        runs.tidy_errors(database, run_id)
    return gone + len(half)


JOBS = [
    Job("residents.imports", start_waiting),
    Job("residents.import_leftovers", clear_leftovers, every_seconds=3600),
]
