"""Backup, verification and restore of the whole database, the same file format on SQLite and PostgreSQL.

A backup is an SQLite file with the product's own tables, taken from one consistent snapshot while the system runs.
It holds sealed values only; the key file is not in it and is kept apart. A restore checks the file first, keeps what
it replaces, and starts the journal's anchor again with an entry that says so.
"""

from __future__ import annotations

import hmac
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency import backup_file, backup_rows, versions
from emergency.backup_file import BadBackup
from emergency.backup_rows import Report
from emergency.http.actor import Actor
from emergency.privacy import journal, rotation
from emergency.privacy.vault import CannotOpen
from emergency.runtime import Runtime
from emergency.schema import metadata, ours
from kernel.db import make_engine
from kernel.errors import N_, DomainError, Unavailable

__all__ = ["JOURNAL_FAULTS", "BackupFacts", "BadBackup", "backup", "check_keys", "differences", "restore", "verify"]
_BEAT_SECONDS = 15
PAGES = 4096
"""Copied at once; between two such pieces others write."""
JOURNAL_FAULTS = {
    "altered": N_("An entry was changed or the chain was recomputed."),
    "gap": N_("Entries were removed or inserted."),
    "head_mismatch": N_("The last entries do not agree with the recorded head."),
    "truncated": N_("The newest entries were cut off."),
    "anchor_missing": N_("The anchor file beside the database is missing."),
    "anchor_forged": N_("The anchor file holds a line that this system did not write."),
}


class WrongKeys(DomainError):
    """The key file belongs to another installation."""

    code = "key_file"
    status = 503


@dataclass(frozen=True)
class BackupFacts:
    """What a backup file holds."""

    revision: str
    rows: int
    journal_entries: int
    journal_fault: str | None
    bytes: int


def check_keys(runtime: Runtime) -> None:
    """Refuse to work on a database that was written with other keys: what is sealed anew would never be read with it.

    The journal's first entry tells; if that was tampered with, a sealed value does.
    """
    with runtime.database.read() as session:
        if journal.begins_with_our_key(session) is not False or _opens_something(session, runtime):
            return
    raise WrongKeys(
        N_(
            "The key file %(path)s belongs to another installation than this database. "
            "Put the right one in place; nothing was changed."
        ),
        path=str(runtime.config.path(runtime.config.privacy.key_file)),
    )


def _opens_something(session: Session, runtime: Runtime) -> bool:
    for place in rotation.sealed_columns():
        row = session.execute(
            sa.select(place.table.c.id, place.column).where(place.column.is_not(None)).limit(1)
        ).first()
        if row is None:
            continue
        bound = (place.bound_table, place.bound_column, row[0] if place.bound_row is None else place.bound_row)
        try:
            runtime.vault.open_bytes(*bound, row[1])
        except CannotOpen:
            continue
        return True
    return False


@contextmanager
def _faults(message: str, path: Path) -> Iterator[None]:
    """What the disk or SQLite refuses is one sentence."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise BadBackup(message, path=str(path), why=why) from error


def backup(runtime: Runtime, target: Path, *, actor: Actor, report: Report | None = None) -> BackupFacts:
    """Write a backup to `target`; the file appears whole or not at all."""
    if target.exists():
        raise BadBackup(N_("%(path)s exists already. Choose another name; nothing was overwritten."), path=str(target))
    temporary = target.with_name(target.name + ".part")
    with _faults(N_("The backup %(path)s could not be written: %(why)s"), target):
        temporary.unlink(missing_ok=True)
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        try:
            if runtime.database.is_sqlite:
                _copy_sqlite(Path(str(runtime.database.engine.url.database)), temporary, report)
            else:
                backup_rows.save(runtime.database, temporary, report)
            backup_file.seal(temporary, runtime.vault.ring.signing)
            facts = verify(runtime, temporary)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
    with runtime.database.write() as session:
        journal.record(session, journal.MAINTAINED, actor=actor, what="db.backup", count=facts.rows)
    return facts


def _copy_sqlite(source: Path, target: Path, report: Report | None) -> None:
    def shown(_status: int, left: int, total: int) -> None:
        if report:
            report(total - left, total)

    with closing(sqlite3.connect(source)) as live, closing(sqlite3.connect(target)) as copy:
        # Within a reading transaction the pages are those of one moment; without it every commit of the running
        # system would start the copy again, and under load it would never end.
        live.execute("BEGIN")
        live.execute("SELECT count(*) FROM sqlite_master").fetchone()
        live.backup(copy, pages=PAGES, progress=shown)
        live.rollback()
        copy.execute("PRAGMA journal_mode=DELETE")


def verify(runtime: Runtime, file: Path) -> BackupFacts:
    """Check a backup from end to end: every byte, structure, version, references, and the journal's chain."""
    if not file.is_file():
        raise BadBackup(N_("There is no file %(path)s."), path=str(file))
    try:
        backup_file.check_seal(file, runtime.vault.ring.signing)
    except OSError as error:
        raise BadBackup(
            N_("%(path)s cannot be read: %(why)s"), path=str(file), why=error.strerror or str(error)
        ) from error
    revision, rows = backup_file.check_structure(file, [table.name for table in metadata.sorted_tables])
    if revision != versions.head():
        raise BadBackup(
            N_(
                "The backup has database version %(found)s, this program %(needed)s. Restore it with the program that made it."
            ),
            found=revision,
            needed=versions.head(),
        )
    engine = backup_file.engine(file)
    try:
        with Session(engine) as session:
            session.info["vault"] = runtime.vault
            verdict = journal.verify(session)
    except sa.exc.SQLAlchemyError as error:
        raise backup_file.damaged(file) from error
    finally:
        engine.dispose()
    return BackupFacts(revision, rows, verdict.entries, verdict.fault, file.stat().st_size)


def restore(
    runtime: Runtime, file: Path, *, actor: Actor, report: Report | None = None
) -> tuple[BackupFacts, Path | None]:
    """Replace the database by a verified backup. Returns its facts and where the replaced one was kept, if there was one.

    Nobody else may use the installation meanwhile: the caller holds `processes.alone`.
    """
    facts = verify(runtime, file)
    if facts.journal_fault is not None:
        raise BadBackup(
            N_("The journal in %(path)s is not whole. It was not restored; nothing was changed. %(why)s"),
            path=str(file),
            why=JOURNAL_FAULTS.get(facts.journal_fault, facts.journal_fault),
        )
    kept: Path | None
    with _faults(N_("%(path)s could not be restored: %(why)s. The database is as it was."), file):
        if runtime.database.is_sqlite:
            kept = _restore_sqlite(runtime, file)
        else:
            kept = _restore_rows(runtime, file, actor, report)
    _start_anchor_again(runtime, facts, actor)
    return facts, kept


def _stamp() -> str:
    return datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")


def _restore_sqlite(runtime: Runtime, file: Path) -> Path | None:
    live = Path(str(runtime.database.engine.url.database))
    runtime.database.engine.dispose()
    fresh = live.with_name(f"{live.name}.restoring")
    fresh.unlink(missing_ok=True)
    kept: Path | None = None
    try:
        os.close(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        with closing(backup_file.connect(file)) as source, closing(sqlite3.connect(fresh)) as copy:
            source.backup(copy)
        if live.exists():
            with closing(sqlite3.connect(live)) as checkpoint:  # the last to close it empties and removes the log
                checkpoint.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            kept = live.with_name(f"{live.name}.before-restore-{_stamp()}")
            try:
                kept.hardlink_to(live)  # at no moment is there no database
            except OSError:  # a file system without such links
                shutil.copy2(live, kept)
        for leftover in ("-wal", "-shm"):
            Path(f"{live}{leftover}").unlink(missing_ok=True)
        fresh.replace(live)
    finally:
        fresh.unlink(missing_ok=True)
    return kept


def _restore_rows(runtime: Runtime, file: Path, actor: Actor, report: Report | None) -> Path | None:
    _nobody_works(runtime)
    kept: Path | None = None
    if versions.current(runtime.database.engine) is None:
        versions.upgrade(runtime.database.engine)
    else:
        versions.check(runtime.database.engine)
        kept = runtime.config.path(f"instance/before-restore-{_stamp()}.backup")
        kept.parent.mkdir(parents=True, exist_ok=True)
        backup(runtime, kept, actor=actor, report=report)
    backup_rows.load(runtime.database, file, report)
    return kept


def _nobody_works(runtime: Runtime) -> None:
    """Other machines' engines do not hold this machine's lock; their heartbeat tells of them."""
    from notify.models import EngineBeat

    if versions.current(runtime.database.engine) is None:
        return
    with runtime.database.read() as session:
        fresh = runtime.database.clock.now() - timedelta(seconds=_BEAT_SECONDS)
        busy = session.scalar(sa.select(EngineBeat.host).where(EngineBeat.beat_at > fresh).limit(1))
    if busy is not None:
        raise Unavailable(
            N_("An engine is running on %(host)s. Stop it and wait a quarter of a minute; nothing was changed."),
            host=busy,
        )


def _start_anchor_again(runtime: Runtime, facts: BackupFacts, actor: Actor) -> None:
    with runtime.database.read() as session:
        head = session.execute(sa.select(journal.JournalHead.seq, journal.JournalHead.mac)).one_or_none()
        anchor: journal.Anchor = session.info["anchor"]
    seq, mac = (head.seq, head.mac) if head else (0, b"\x00" * 32)
    try:
        before = anchor.read()
    except ValueError:
        before, story = None, "the anchor before it was forged"
    else:
        story = "no anchor before it"
    if before is not None:
        same = before[0] == seq and hmac.compare_digest(before[1], mac)
        story = (
            "same head"
            if same
            else f"{max(0, before[0] - facts.journal_entries)} entries after the backup are not in it"
        )
    anchor.reset(seq, mac)
    with runtime.database.write() as session:
        journal.record(session, journal.MAINTAINED, actor=actor, what="db.restore", detail=story, count=facts.rows)


def differences() -> list[str]:
    """What the migrations build and the program's tables do not agree on; empty when they agree."""
    import tempfile

    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    with tempfile.TemporaryDirectory() as folder:
        engine = make_engine(f"sqlite:///{folder}/migrated.db")
        versions.upgrade(engine)
        with engine.connect() as connection:
            context = MigrationContext.configure(
                connection, opts={"compare_type": True, "render_as_batch": True, "include_object": ours}
            )
            found = compare_metadata(context, metadata)
        engine.dispose()
    return [str(difference) for difference in found]
