"""Import runs: begun by a command or an upload, claimed by one process, kept up to date, brought to their end."""

from __future__ import annotations

import contextlib
import gc
import io
import secrets
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, BinaryIO

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.http.sheets import Report, RowError
from emergency.people.contacts.service import purpose_of
from emergency.people.residents import rules
from emergency.people.residents.models import ImportError_, ImportPiece, ImportRun, RunState, StagedResident
from emergency.privacy import journal, vault
from emergency.privacy.journal import Purpose
from kernel.db import Database, now
from kernel.errors import N_, Conflict, DomainError, Forbidden, Invalid
from kernel.ids import new_id
from kernel.states import transition

NOUN = "residents"
CLAIM_SECONDS = 60
PIECE_BYTES = 256 * 1024
_PIECES_A_TRANSACTION = 8
_TIDY_ROWS = 2000
INTERRUPTED = N_("The import was interrupted while the file was read. Nothing was changed; import the file again.")
BUSY = N_("Another import of residents is running. Wait until it is done, then import again; nothing was changed.")


@contextlib.contextmanager
def short_write(database: Database) -> Iterator[Session]:
    """A writing unit of work of an import, without Python's garbage collection in the middle of it.

    A full collection takes 80 ms of this process, a third of a second on a busy machine, and an import makes one due
    every few thousand rows: measured, it was the longest that a transaction held the writer.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        with database.write() as session:
            yield session
    finally:
        if enabled:
            gc.enable()


class Lost(RuntimeError):
    """Another process has taken the run over: this one stops without a trace."""


def require(actor: Actor, purpose: Purpose | str | None, datum: str) -> Purpose:
    """Who may import, and what for: personal data does not come in without a purpose either."""
    actor.require(Permission.RESIDENTS_IMPORT)
    if not actor.is_system and not actor.division_prefix:
        raise Forbidden(N_("This lies outside the area that your account is responsible for."), code="out_of_scope")
    if datum not in ("wgs84", "gcj02"):
        raise Invalid(N_("The datum of the points is wgs84 or gcj02. Nothing was changed."), code="datum_unknown")
    return purpose_of(purpose)


def create(
    session: Session,
    *,
    actor: Actor,
    purpose: Purpose | str | None,
    datum: str,
    dry_run: bool = False,
    file_name: str = "",
    state: RunState = RunState.WAITING,
) -> ImportRun:
    """A run for this actor and scope."""
    wanted = require(actor, purpose, datum)
    run_id = new_id()
    run = ImportRun(
        id=run_id,
        noun=NOUN,
        state=state,
        actor=str(actor),
        division_prefix=actor.division_prefix,
        purpose=wanted.value,
        datum=datum,
        dry_run=dry_run,
        uploaded=False,
        file_sealed=vault.of(session).seal("import_run", "file", run_id, file_name[-200:]) if file_name else None,
        created_at=now(session),
        ignored_columns=[],
    )
    session.add(run)
    session.flush()
    return run


def actor_of(run: ImportRun) -> Actor:
    """On whose behalf a run works, with no more than the right to import into that scope."""
    kind, _, name = run.actor.partition(":")
    if kind == "system":
        return Actor.system(name or "system")
    return Actor(
        kind=kind,
        id=int(name) if name.isdigit() else 0,
        division_prefix=run.division_prefix,
        permissions=frozenset({Permission.RESIDENTS_IMPORT}),
    )


def upload(
    database: Database,
    stream: BinaryIO,
    *,
    actor: Actor,
    purpose: Purpose | str | None,
    datum: str = "wgs84",
    dry_run: bool = False,
    file_name: str = "",
) -> int:
    """Take a file from a page: sealed in pieces into the database, where any process may go on with it."""
    with database.write() as session:
        run = create(session, actor=actor, purpose=purpose, datum=datum, dry_run=dry_run, file_name=file_name)
        run_id, store = run.id, vault.of(session)
    number = total = 0
    while True:
        rows: list[dict[str, Any]] = []
        while len(rows) < _PIECES_A_TRANSACTION and (data := stream.read(PIECE_BYTES)):
            sealed = store.seal_bytes("import_piece", "sealed", f"{run_id}:{number}", data)
            rows.append({"run_id": run_id, "number": number, "size": len(data), "sealed": sealed})
            number, total = number + 1, total + len(data)
        if not rows:
            break
        with short_write(database) as session:
            session.execute(sa.insert(ImportPiece), rows)
    with database.write() as session:
        if total == 0:
            fail(session, run_id, Invalid(N_("The file is empty. Nothing was changed."), code="sheet_empty"))
        session.execute(sa.update(ImportRun).where(ImportRun.id == run_id).values(uploaded=True))
    return run_id


class SealedUpload(io.RawIOBase):
    """An uploaded file, opened piece by piece as it is read: it never lies on a disk in clear."""

    def __init__(self, database: Database, run_id: int):
        self._database = database
        self._run_id = run_id
        with database.read() as session:
            self._vault = vault.of(session)
            sizes = sa.select(sa.func.coalesce(sa.func.sum(ImportPiece.size), 0)).where(ImportPiece.run_id == run_id)
            self._size = int(session.scalar(sizes) or 0)
        self._at = 0
        self._piece: tuple[int, bytes] = (-1, b"")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        number, start = divmod(self._at, PIECE_BYTES)
        data = self._load(number)[start : start + len(buffer)]
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def _load(self, number: int) -> bytes:
        if self._at >= self._size:
            return b""
        if self._piece[0] != number:
            with self._database.read() as session:
                sealed = session.scalar(
                    sa.select(ImportPiece.sealed).where(
                        ImportPiece.run_id == self._run_id, ImportPiece.number == number
                    )
                )
            if sealed is None:
                raise OSError("a piece of the uploaded file is gone")
            self._piece = number, self._vault.open_bytes("import_piece", "sealed", f"{self._run_id}:{number}", sealed)
        return self._piece[1]


def holder_name() -> str:
    """A name for one worker that no other has."""
    return secrets.token_hex(12)


def claim(session: Session, run_id: int, holder: str) -> ImportRun:
    """Make the run ours, unless another process is at work on it or on any other import (409 `import_running`)."""
    moment = now(session)
    busy = sa.select(ImportRun.id).where(
        ImportRun.claimed_until > moment, ImportRun.state.in_(rules.ACTIVE), ImportRun.claimed_by != holder
    )
    if session.scalar(busy.limit(1)) is not None:
        raise Conflict(BUSY, code="import_running")
    session.execute(
        sa.update(ImportRun)
        .where(ImportRun.id == run_id)
        .values(claimed_by=holder, claimed_until=moment + timedelta(seconds=CLAIM_SECONDS))
    )
    return session.get_one(ImportRun, run_id, populate_existing=True)


def release(session: Session, run_id: int, holder: str) -> None:
    """Let go of a run without having brought it to its end: the next process need not wait for the claim to run out."""
    session.execute(
        sa.update(ImportRun)
        .where(ImportRun.id == run_id, ImportRun.claimed_by == holder)
        .values(claimed_until=None, claimed_by=None)
    )


def keep(session: Session, run_id: int, holder: str, **values: Any) -> None:
    """Renew the claim and write down how far the run is; `Lost` when another process has it."""
    until = now(session) + timedelta(seconds=CLAIM_SECONDS)
    done = session.execute(
        sa.update(ImportRun)
        .where(ImportRun.id == run_id, ImportRun.claimed_by == holder)
        .values(claimed_until=until, **values)
    )
    if done.rowcount != 1:  # type: ignore[attr-defined]
        raise Lost


def move(session: Session, run: ImportRun, to: RunState, **values: Any) -> None:
    """One step of the run."""
    transition(session, run, to, allowed=rules.TRANSITIONS, actor=run.actor, values=values)


def fail(session: Session, run_id: int, error: DomainError) -> None:
    """Nothing was imported; the run remembers why, for whoever looks later and in their language."""
    run = session.get_one(ImportRun, run_id, populate_existing=True)
    params = {key: value if isinstance(value, (int, float)) else str(value) for key, value in error.params.items()}
    failure = {"code": error.code, "message": error.message, "params": params}
    move(session, run, RunState.FAILED, failure=failure, finished_at=now(session), claimed_until=None)


def finish(session: Session, run: ImportRun) -> None:
    """The end of a run that wrote: journalled once, with its counts."""
    move(session, run, RunState.DONE, finished_at=now(session), fraction=1.0, claimed_until=None)
    if not run.dry_run:
        journal.record(
            session,
            journal.IMPORTED,
            actor=run.actor,
            subject=("import_run", run.id),
            purpose=Purpose(run.purpose),
            list=run.noun,
            rows=run.rows,
            created=run.created,
            updated=run.updated,
            errors=run.error_count,
        )


def error_rows(run_id: int, start: int, errors: Sequence[RowError]) -> list[dict[str, Any]]:
    """Faults as rows of `import_error`."""
    return [
        {
            "run_id": run_id, "position": start + n, "row": e.row, "column": e.column, "code": e.code,
            "message": e.message, "params": dict(e.params),
        }
        for n, e in enumerate(errors)
    ]  # fmt: skip


def to_row_error(row: ImportError_) -> RowError:
    """A stored fault as it was."""
    return RowError(row.row, row.column, row.code, row.message, row.params)


def report_of(session: Session, run_id: int, *, with_errors: bool = True) -> Report:
    """The run as a report."""
    run = session.get_one(ImportRun, run_id, populate_existing=True)
    errors: Iterable[ImportError_] = ()
    if with_errors:
        errors = session.scalars(
            sa.select(ImportError_).where(ImportError_.run_id == run_id).order_by(ImportError_.position)
        )
    return Report(
        rows=run.rows,
        created=run.created,
        updated=run.updated,
        unchanged=run.unchanged,
        errors=[to_row_error(e) for e in errors],
        ignored_columns=list(run.ignored_columns),
        error_count=run.error_count,
    )


def tidy(database: Database, run_id: int) -> int:
    """Delete what a run that is over left on the staging ground, in pieces. Returns how many rows."""
    return tidy_staged(database, run_id) + _tidy(database, ImportPiece, run_id, 16)


def tidy_staged(database: Database, run_id: int) -> int:
    """Delete a run's staged rows, in pieces."""
    return _tidy(database, StagedResident, run_id, _TIDY_ROWS)


def _tidy(database: Database, table: Any, run_id: int, limit: int) -> int:
    gone = 0
    while True:
        with database.read() as session:  # mostly there is nothing, and then nobody's turn is taken
            if session.scalar(sa.select(table.number).where(table.run_id == run_id).limit(1)) is None:
                return gone
        with short_write(database) as session:
            numbers = session.scalars(
                sa.select(table.number).where(table.run_id == run_id).order_by(table.number).limit(limit)
            ).all()
            if numbers:
                session.execute(sa.delete(table).where(table.run_id == run_id, table.number <= numbers[-1]))
            gone += len(numbers)


def tidy_errors(database: Database, run_id: int) -> None:
    """Forget the faults of a reading that is begun anew, or that is too old to be of use."""
    while True:
        with database.write() as session:
            positions = session.scalars(
                sa.select(ImportError_.position)
                .where(ImportError_.run_id == run_id)
                .order_by(ImportError_.position)
                .limit(_TIDY_ROWS)
            ).all()
            if not positions:
                return
            session.execute(
                sa.delete(ImportError_).where(ImportError_.run_id == run_id, ImportError_.position <= positions[-1])
            )


def open_upload(database: Database, run_id: int) -> io.BufferedReader:
    """The uploaded file of a run, for `open_sheet`."""
    return io.BufferedReader(SealedUpload(database, run_id), PIECE_BYTES)


def stale(session: Session, moment: datetime) -> list[int]:
    """Runs whose process is gone: begun, and their claim has run out."""
    statement = sa.select(ImportRun.id).where(
        ImportRun.state.in_(rules.ACTIVE),
        sa.or_(ImportRun.claimed_until.is_(None), ImportRun.claimed_until <= moment),
    )
    return list(session.scalars(statement.order_by(ImportRun.id).limit(50)))


def file_name(session: Session, run: ImportRun) -> str:
    """The file's name for whoever imported it."""
    if run.file_sealed is None:
        return ""
    with contextlib.suppress(DomainError):
        return vault.of(session).open("import_run", "file", run.id, run.file_sealed)
    return ""
