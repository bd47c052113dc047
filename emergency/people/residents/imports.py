"""Residents from a spreadsheet: read into the staging ground in pieces, swapped in in pieces.

No transaction holds the writer for more than a quarter of a second: sealing and comparing happen before it begins,
and the size of a piece follows the time that the last one took. A process that dies while reading leaves everything
as it was; one that dies while swapping in leaves a run that the next process brings to its end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from emergency.divisions.models import Division
from emergency.http.actor import Actor
from emergency.http.sheets import Report, RowError, Sheet, open_sheet
from emergency.people.residents import rows as forms
from emergency.people.residents import runs, swap
from emergency.people.residents.models import ImportError_, ImportRun, RunState, StagedResident
from emergency.people.residents.rules import ResidentRow
from emergency.privacy import vault
from emergency.privacy.journal import Purpose
from emergency.privacy.vault import Vault
from kernel.db import Database, now
from kernel.errors import DomainError

Progress = Callable[[int, float | None], None]
"""Called with the rows done and the share of the whole (None where it cannot be told)."""
READ_PIECE = 500


def import_residents(
    database: Database,
    path: Path | str,
    *,
    actor: Actor,
    dry_run: bool = False,
    purpose: Purpose | str | None = Purpose.MAINTENANCE,
    datum: str = "wgs84",
    progress: Progress | None = None,
) -> Report:
    """Import a CSV or XLSX file of residents. The same file again changes nothing; a dry run writes nothing.

    Rows outside the actor's scope, without village or name, twice in the file, or with a formula are refused by row;
    a number that is no phone is kept and marked. People who are not in the file stay as they are.
    Raises `SheetError` when the file as a whole cannot be read, `Conflict` `import_running` while another import runs.
    """
    if dry_run:
        runs.require(actor, purpose, datum)
        with database.read() as session:
            store = vault.of(session)
        check = Check(database, actor, datum, store)
        with open_sheet(path, forms.COLUMNS) as sheet:
            for _piece in check.pieces(sheet):
                if progress:
                    progress(check.report.rows, sheet.fraction)
        return check.report
    finish_interrupted(database)
    holder = runs.holder_name()
    with database.write() as session:
        run = runs.create(
            session, actor=actor, purpose=purpose, datum=datum, file_name=Path(path).name, state=RunState.READING
        )
        runs.claim(session, run.id, holder)
        run_id = run.id
    return work(database, run_id, holder, lambda: open_sheet(path, forms.COLUMNS), progress)


def work(
    database: Database, run_id: int, holder: str, opened: Callable[[], Sheet], progress: Progress | None = None
) -> Report:
    """Bring a claimed run from wherever it stands to its end; whatever stops it, the claim is let go."""
    try:
        return _work(database, run_id, holder, opened, progress)
    except (DomainError, runs.Lost):
        raise
    except BaseException:
        with database.write() as session:
            runs.release(session, run_id, holder)
        raise


def _work(
    database: Database, run_id: int, holder: str, opened: Callable[[], Sheet], progress: Progress | None
) -> Report:
    with database.read() as session:
        run = session.get_one(ImportRun, run_id)
    if run.state is RunState.READING:
        try:
            _read(database, run, holder, opened, progress)
        except DomainError as error:
            with database.write() as session:
                runs.fail(session, run_id, error)
            runs.tidy(database, run_id)
            raise
    with database.read() as session:
        run = session.get_one(ImportRun, run_id)
    if run.state is RunState.APPLYING:
        swap.apply(database, run, holder, progress)
        with database.write() as session:
            runs.finish(session, session.get_one(ImportRun, run_id))
    runs.tidy(database, run_id)
    with database.read() as session:
        return runs.report_of(session, run_id)


def finish_interrupted(database: Database) -> int:
    """Bring to an end what a process that is gone left behind. Returns how many runs."""
    with database.read() as session:
        found = runs.stale(session, now(session))
    for run_id in found:
        holder = runs.holder_name()
        with database.write() as session:
            run = runs.claim(session, run_id, holder)
            if run.state is RunState.READING and not run.uploaded:
                runs.fail(session, run_id, DomainError(runs.INTERRUPTED, code="interrupted"))
        try:
            work(database, run_id, holder, lambda run_id=run_id: _opened_upload(database, run_id))  # type: ignore[misc]
        except DomainError:
            continue  # the run says why; the others are to be finished all the same
    return len(found)


def _opened_upload(database: Database, run_id: int) -> Sheet:
    return open_sheet(runs.open_upload(database, run_id), forms.COLUMNS)


def run_upload(database: Database, run_id: int) -> Report | None:
    """Do one uploaded run that waits; None when another process works on an import."""
    holder = runs.holder_name()
    try:
        with database.write() as session:
            run = runs.claim(session, run_id, holder)
            if run.state is RunState.WAITING:
                runs.move(session, run, RunState.READING)
        return work(database, run_id, holder, lambda: _opened_upload(database, run_id))
    except DomainError:
        return None


def _read(
    database: Database, run: ImportRun, holder: str, opened: Callable[[], Sheet], progress: Progress | None
) -> None:
    runs.tidy_staged(database, run.id)
    runs.tidy_errors(database, run.id)
    with database.read() as session:
        store = vault.of(session)
    check = Check(database, runs.actor_of(run), run.datum, store)
    report = check.report
    staged = written = 0
    with opened() as sheet:
        for piece in check.pieces(sheet):
            payload = [
                {
                    "run_id": run.id,
                    "number": number,
                    "sealed": store.seal("staged_resident", "sealed", f"{run.id}:{number}", forms.to_text(row)),
                }
                for number, row in piece
            ]
            faults = runs.error_rows(run.id, written, report.errors[written:])
            staged, written = staged + len(payload), written + len(faults)
            with runs.short_write(database) as session:
                if payload and not run.dry_run:
                    session.execute(sa.insert(StagedResident), payload)
                if faults:
                    session.execute(sa.insert(ImportError_), faults)
                values: dict[str, Any] = {
                    "rows": report.rows, "unchanged": report.unchanged, "error_count": report.error_count,
                    "fraction": (sheet.fraction or 0.0) * (1.0 if run.dry_run else 0.5),
                    "ignored_columns": report.ignored_columns,
                }  # fmt: skip
                if run.dry_run:
                    values |= {"created": report.created, "updated": report.updated}
                runs.keep(session, run.id, holder, **values)
            if progress:
                progress(report.rows, (sheet.fraction or 0.0) * 0.5)
    with database.write() as session:
        runs.keep(session, run.id, holder, to_apply=staged)
        current = session.get_one(ImportRun, run.id, populate_existing=True)
        if run.dry_run:
            runs.finish(session, current)
        else:
            runs.move(session, current, RunState.APPLYING)


class Check:
    """Reads a sheet in pieces, finds faults, and tells what is new, changed, and known already."""

    def __init__(self, database: Database, actor: Actor, datum: str, store: Vault):
        self._database = database
        self._actor = actor
        self._datum = datum
        self._vault = store
        self._seen: dict[bytes, int] = {}
        self.report = Report()
        with database.read() as session:
            codes = session.execute(sa.select(Division.code, Division.level)).all()
        self._places = forms.Places(
            {code for code, level in codes if level == 5}, {code for code, level in codes if level != 5}
        )

    def pieces(self, sheet: Sheet) -> Iterator[list[tuple[int, ResidentRow]]]:
        """What is to be written, in pieces, with row numbers. Counts and faults gather in `report`."""
        self.report.ignored_columns = list(sheet.ignored_columns)
        piece: list[tuple[int, bytes, ResidentRow]] = []
        for row in sheet:
            self.report.rows += 1
            parsed, errors = forms.parse(row, self._places, self._actor, self._datum)
            self.report.extend(errors)
            if parsed is not None:
                key = forms.external_index(self._vault, parsed.external_id)
                if self._first(row.number, key):
                    piece.append((row.number, key, parsed))
            if self.report.rows % READ_PIECE == 0:
                yield self._changed(piece)
                piece = []
        yield self._changed(piece)

    def _first(self, number: int, key: bytes) -> bool:
        first = self._seen.setdefault(key, number)
        if first != number:
            error = RowError(number, "external_id", "duplicate_external_id", forms.DUPLICATE, {"first": first})
            self.report.add(error)
        return first == number

    def _changed(self, piece: list[tuple[int, bytes, ResidentRow]]) -> list[tuple[int, ResidentRow]]:
        if not piece:
            return []
        with self._database.read() as session:
            known = swap.existing(session, [key for _number, key, _row in piece])
        kept = []
        for number, key, row in piece:
            before = known.get(key)
            if before is None:
                self.report.created += 1
            elif not self._actor.covers(before.division_code):
                self.report.add(RowError(number, "external_id", "out_of_scope", forms.ELSEWHERE))
                continue
            elif forms.digest(self._vault, row) in (before.row_digest, before.content_digest):
                self.report.unchanged += 1
                continue
            else:
                self.report.updated += 1
            kept.append((number, row))
        return kept
