"""`emergency import holidays FILE`: an announcement as JSON, or the CSV that the export writes; `terms` as CSV."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from kernel.db import Database
from kernel.errors import N_, DomainError, Invalid
from scheduler import terms, workdays
from scheduler.models import SchoolTerm

COLUMNS = ("year", "date", "kind", "name")


@dataclass(frozen=True)
class Report:
    """What an import did, in the shape of every import."""

    years: list[workdays.HolidayReport] = field(default_factory=list)
    errors: list[DomainError] = field(default_factory=list)

    def to_json(self, translate: Callable[[str], str] = lambda message: message) -> dict[str, Any]:
        """`{"rows", "created", "updated", "unchanged", "errors"}`."""
        return {
            "rows": sum(year.rows for year in self.years),
            "created": sum(year.created for year in self.years),
            "updated": sum(year.updated + year.removed for year in self.years),
            "unchanged": sum(year.unchanged for year in self.years),
            "errors": [
                {"row": e.params.get("number", 1), "column": "date", "code": e.code, "message": e.text(translate)}
                for e in self.errors
            ],
        }


class _DryRun(Exception):
    """Takes everything back at the end."""


def import_holidays(database: Database, path: Path, *, actor: Any, dry_run: bool = False) -> Report:
    """Take over announced holidays; all or nothing. `actor` is who asked."""
    report = Report()
    try:
        with database.write() as session:
            for document in _documents(path):
                report.years.append(workdays.import_holidays(session, document))
            if dry_run:
                raise _DryRun
    except _DryRun:
        pass
    except DomainError as error:
        return Report(errors=[error])
    return report


def _documents(path: Path) -> list[Mapping[str, Any] | Path]:
    if path.suffix.lower() != ".csv":
        return [path]
    try:
        with path.open(encoding="utf-8-sig", newline="") as source:
            rows = list(csv.DictReader(source))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise Invalid(N_("The holiday file cannot be read. Nothing was changed."), code="bad_holiday_file") from error
    years: dict[int, list[dict[str, Any]]] = {}
    for number, row in enumerate(rows, start=2):
        kind, year = row.get("kind"), row.get("year") or ""
        if kind not in ("off", "work") or not year.isascii() or not year.isdecimal():
            raise Invalid(
                N_("Entry %(number)s of the holiday file is not a day of %(year)s. Nothing was changed."),
                code="bad_holiday_entry",
                number=number,
                year=year or "?",
            )
        entry = {"date": row.get("date"), "name": row.get("name"), "isOffDay": kind == "off"}
        years.setdefault(int(year), []).append(entry)
    return [{"year": year, "days": days} for year, days in sorted(years.items())]


TERM_COLUMNS = ("school_year", "term", "begins_on", "ends_on", "announced")
_YES = {"", "1", "true", "yes", "是"}


@dataclass
class TermReport:
    """What an import of school terms did."""

    rows: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    errors: list[tuple[int, DomainError]] = field(default_factory=list)

    def to_json(self, translate: Callable[[str], str] = lambda message: message) -> dict[str, Any]:
        """`{"rows", "created", "updated", "unchanged", "errors"}`."""
        faults = [
            {"row": row, "column": next(iter(e.fields), "school_year"), "code": e.code, "message": e.text(translate)}
            for row, e in self.errors
        ]
        return {"rows": self.rows, "created": self.created, "updated": self.updated, "unchanged": self.unchanged,
                "errors": faults}  # fmt: skip


def import_terms(database: Database, path: Path, *, actor: Any, dry_run: bool = False) -> TermReport:
    """Take over school terms; faulty rows are reported and the rest is kept. `actor` is who asked."""
    report = TermReport()
    try:
        with path.open(encoding="utf-8-sig", newline="") as source:
            rows = list(csv.DictReader(source))[:400]
    except (OSError, UnicodeDecodeError, csv.Error):
        fault = Invalid(N_("The terms file cannot be read. Nothing was changed."), code="bad_term_file")
        return TermReport(errors=[(1, fault)])
    try:
        with database.write() as session:
            for number, row in enumerate(rows, start=2):
                report.rows += 1
                try:
                    _take_term(session, row, number, report)
                except DomainError as error:
                    report.errors.append((number, error))
            if dry_run:
                raise _DryRun
    except _DryRun:
        pass
    return report


def _take_term(session: Session, row: Mapping[str, str | None], number: int, report: TermReport) -> None:
    try:
        begins, ends = (date.fromisoformat((row.get(name) or "").strip()) for name in ("begins_on", "ends_on"))
        term = int((row.get("term") or "").strip())
    except ValueError as error:
        text = N_("Row %(row)s of the terms file: write the days like 2026-09-01.")
        raise Invalid(text, code="bad_term", row=number) from error
    year, announced = (row.get("school_year") or "").strip(), (row.get("announced") or "").strip().lower() in _YES
    stored = session.get(SchoolTerm, (year, term))
    if stored is None:
        report.created += 1
    elif (stored.begins_on, stored.ends_on, stored.announced) == (begins, ends, announced):
        report.unchanged += 1
        return
    else:
        report.updated += 1
    try:
        terms.set_term(session, year=year, term=term, begins_on=begins, ends_on=ends, announced=announced)
    except DomainError:
        if stored is None:
            report.created -= 1
        else:
            report.updated -= 1
        raise
