"""`emergency import holidays FILE`: an announcement as JSON, or the CSV that the export writes."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kernel.db import Database
from kernel.errors import N_, DomainError, Invalid
from scheduler import workdays

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
