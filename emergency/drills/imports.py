"""`emergency import terms FILE`: school terms from a spreadsheet. Importing the same file again changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from sqlalchemy.orm import Session

from emergency.drills import school_terms
from emergency.drills.exports import TERM_COLUMNS
from emergency.http.actor import Actor
from emergency.http.sheets import Report, Row, RowError, open_sheet
from kernel.db import Database
from kernel.errors import N_, DomainError
from scheduler.models import SchoolTerm

_YES, _NO = frozenset({"", "1", "true", "yes", "是"}), frozenset({"0", "false", "no", "否"})


@dataclass(frozen=True)
class _Line:
    year: str
    term: int
    begins_on: date
    ends_on: date
    announced: bool


class _DryRun(Exception):
    """Takes everything back at the end."""


def import_terms(database: Database, path: Path | str, *, actor: Actor, dry_run: bool = False) -> Report:
    """Take over school terms; faulty rows are named and the rest is kept. What changed is journalled."""
    school_terms.require(actor)
    report = Report()
    try:
        with open_sheet(path, TERM_COLUMNS) as sheet, database.write() as session:
            report.ignored_columns = list(sheet.ignored_columns)
            for row in sheet:
                report.rows += 1
                line = _read(row, report)
                if line is not None:
                    _take(session, actor, line, row.number, report)
            if dry_run:
                raise _DryRun
    except _DryRun:
        pass
    return report


def _read(row: Row, report: Report) -> _Line | None:
    faults = list(row.faults)

    def day(column: str) -> date:
        try:
            year, month, number = row[column].strip().replace("/", "-").split(" ")[0].split("T")[0].split("-")
            return date(int(year), int(month), int(number))
        except ValueError:
            faults.append(RowError(row.number, column, "bad_date", N_("This is not a date. Write it like 2026-11-23.")))
            return date.min

    begins_on, ends_on = day("begins_on"), day("ends_on")
    term = row["term"].strip()
    if term not in ("1", "2"):
        text = N_("Write the school year like 2026-2027, and the term as 1 or 2.")
        faults.append(RowError(row.number, "term", "bad_term", text))
    announced = row["announced"].strip().lower()
    if announced not in _YES | _NO:
        faults.append(RowError(row.number, "announced", "bad_term", N_("Write 1 where it is announced, otherwise 0.")))
    report.extend(faults)
    if faults:
        return None
    return _Line(row["school_year"].strip(), int(term), begins_on, ends_on, announced in _YES)


def _take(session: Session, actor: Actor, line: _Line, number: int, report: Report) -> None:
    stored = session.get(SchoolTerm, (line.year, line.term))
    if stored is not None and (stored.begins_on, stored.ends_on, stored.announced) == (
        line.begins_on, line.ends_on, line.announced
    ):  # fmt: skip
        report.unchanged += 1
        return
    try:
        school_terms.enter(
            session, actor=actor, year=line.year, term=line.term, begins_on=line.begins_on, ends_on=line.ends_on,
            announced=line.announced,
        )  # fmt: skip
    except DomainError as error:
        column = next(iter(error.fields), "school_year")
        report.add(RowError(number, column, error.code, error.message, error.params))
        return
    if stored is None:
        report.created += 1
    else:
        report.updated += 1
