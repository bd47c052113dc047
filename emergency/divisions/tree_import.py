"""The tree from a file, taken whole or not at all: one orphan or one code that stands twice, and nothing is changed.

A tree with holes would warn too few.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import sqlalchemy as sa

from emergency.divisions import columns, rules
from emergency.divisions.cells import (
    NO_NAME,
    OUTSIDE,
    TWICE,
    Progress,
    fault,
    pieces,
    read_code,
    read_datum,
    read_point,
)
from emergency.divisions.models import Datum, Division, PointSource
from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.http.sheets import Report, Row, RowError, open_sheet
from emergency.privacy import journal
from kernel.db import Database, touch
from kernel.errors import N_

PIECE = 300
DIVISIONS_IMPORTED = journal.kind(
    "divisions.imported", "导入区划", "Divisions imported", "rows", "created", "updated", "datum"
)

_ORPHAN = N_("The parent %(value)s is neither in this file nor in the system.")
_NO_PARENT = N_("A township or village needs the code of its parent.")
_NOT_NESTED = N_("%(code)s cannot lie in %(value)s: the beginning of its code is another.")


@dataclass
class _Line:
    row: Row
    code: str
    parent: str | None
    point: tuple[float, float] | None


def import_divisions(
    database: Database,
    path: Path | str | BinaryIO,
    *,
    actor: Actor,
    dry_run: bool = False,
    datum: Datum | str = Datum.WGS84,
    progress: Progress | None = None,
) -> Report:
    """Take a tree of divisions from a CSV or XLSX file, wholly or not at all."""
    actor.require(Permission.DIVISIONS_EDIT)
    chosen = read_datum(datum)
    with open_sheet(path, columns.DIVISIONS) as sheet:
        rows = list(sheet)
        report = Report(ignored_columns=list(sheet.ignored_columns))
        has_parents = "parent_code" in sheet.present
    report.rows = len(rows)
    with database.read() as session:
        known = {division.code: division for division in session.scalars(sa.select(Division))}
        session.expunge_all()
    lines = _check(rows, known, report, chosen, has_parents)
    created, updated = [], []
    for line in lines:
        change = _difference(known.get(line.code), line, chosen)
        if change is None:
            report.unchanged += 1
        elif not actor.covers(line.code):
            report.add(fault(line.row, "code", "out_of_scope", OUTSIDE))
        elif line.code in known:
            updated.append(change)
        else:
            created.append(change)
    if report.errors:
        report.unchanged = 0
        return report
    report.created, report.updated = len(created), len(updated)
    if not dry_run:
        _write_tree(database, actor, created, updated, report, chosen, progress)
    return report


def _check(rows: list[Row], known: dict[str, Division], report: Report, datum: Datum, has_parents: bool) -> list[_Line]:
    first: dict[str, int] = {}
    lines: list[_Line] = []
    for row in rows:
        report.extend(row.faults)
        line = _line(row, first, report, datum)
        if line is not None and not row.faults:
            lines.append(line)
    there = {line.code for line in lines} | set(known)
    for line in lines:
        line.parent = line.row["parent_code"] or None
        wrong = _parent_fault(line, there, has_parents)
        if wrong is not None:
            report.add(wrong)
    return sorted(lines, key=lambda line: (rules.level(line.code), line.code))


def _line(row: Row, first: dict[str, int], report: Report, datum: Datum) -> _Line | None:
    code = row["code"]
    wrong = read_code(row, "code")
    if wrong is None and code in first:
        wrong = fault(row, "code", "code_duplicate", TWICE, value=code, first=first[code])
    if wrong is not None:
        report.add(wrong)
        return None
    first[code] = row.number
    if not row["name"]:
        report.add(fault(row, "name", "name_missing", NO_NAME))
        return None
    point = read_point(row, datum)
    if isinstance(point, RowError):
        report.add(point)
        point = None
    return _Line(row, code, None, point)


def _parent_fault(line: _Line, there: set[str], has_parents: bool) -> RowError | None:
    depth = rules.level(line.code)
    if line.parent is None:
        natural = rules.nested_parent(line.code)
        if not has_parents and natural in there:
            line.parent = natural
            return None
        # The top of what this installation covers has nothing above it; a township or village always has.
        if depth <= rules.DISTRICT and not any(above in there for above in rules.ancestors(line.code)):
            return None
        return fault(line.row, "parent_code", "parent_missing", _NO_PARENT)
    wrong = read_code(line.row, "parent_code")
    if wrong is not None:
        return wrong
    if line.parent == line.code or not rules.covers(line.parent, line.code) or rules.level(line.parent) >= depth:
        return fault(line.row, "parent_code", "parent_not_nested", _NOT_NESTED, code=line.code, value=line.parent)
    if line.parent not in there:
        return fault(line.row, "parent_code", "parent_unknown", _ORPHAN, value=line.parent)
    return None


def _difference(stored: Division | None, line: _Line, datum: Datum) -> dict[str, Any] | None:
    """The columns to write, or None where the file says what is stored."""
    wanted: dict[str, Any] = {"name": line.row["name"][:80], "kind": line.row["kind"][:20]}
    wanted["parent_code"] = line.parent
    if line.point is not None:
        wanted.update(lon=line.point[0], lat=line.point[1], point_source=PointSource.IMPORTED)
    if stored is None:
        blank = {"lon": None, "lat": None, "point_source": None, "source_datum": None}
        place = {"code": line.code, "level": rules.level(line.code), "prefix": rules.prefix(line.code)}
        return {**blank, **place, **wanted, **({"source_datum": datum} if line.point else {})}
    if not wanted["kind"]:
        del wanted["kind"]
    if all(getattr(stored, key) == value for key, value in wanted.items()):
        return None
    return {"code": line.code, **wanted, **({"source_datum": datum} if line.point else {})}


def _write_tree(
    database: Database,
    actor: Actor,
    created: list[dict[str, Any]],
    updated: list[dict[str, Any]],
    report: Report,
    datum: Datum,
    progress: Progress | None,
) -> None:
    """Parents come before children, so that a process that dies in the middle leaves a tree."""
    done = report.unchanged
    for piece in pieces(created, PIECE):
        with database.write() as session:
            session.execute(sa.insert(Division), piece)
        done += len(piece)
        if progress:
            progress(done, done / report.rows)
    for change in pieces(updated, PIECE // 3):
        with database.write() as session:
            for columns_ in change:
                values = {key: value for key, value in columns_.items() if key != "code"}
                session.execute(sa.update(Division).where(Division.code == columns_["code"]).values(**values))
                touch(session, "division", int(columns_["code"]))
        done += len(change)
        if progress:
            progress(done, done / report.rows)
    if created or updated:
        with database.write() as session:
            journal.record(
                session, DIVISIONS_IMPORTED, actor=actor, rows=report.rows, created=report.created,
                updated=report.updated, datum=datum.value,
            )  # fmt: skip
