"""Units from a file: they stand alone, so the good rows are taken and the others reported by row."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions import columns, rules, service
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
from emergency.divisions.models import Datum, PointSource, Unit
from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.http.sheets import Report, Row, RowError, open_sheet
from emergency.privacy import journal
from kernel.db import Database
from kernel.errors import N_

PIECE = 40
"""Rows a transaction: sealing and journalling keep each well under a quarter of a second."""


def import_units(
    database: Database,
    path: Path | str | BinaryIO,
    *,
    actor: Actor,
    dry_run: bool = False,
    datum: Datum | str = Datum.WGS84,
    purpose: journal.Purpose | str | None = journal.Purpose.MAINTENANCE,
    progress: Progress | None = None,
) -> Report:
    """Take units from a CSV or XLSX file by their code; good rows are kept, the others reported by row."""
    actor.require(Permission.UNITS_EDIT)
    chosen = read_datum(datum)
    report = Report()
    first: dict[str, int] = {}
    with open_sheet(path, columns.UNITS) as sheet:
        report.ignored_columns = list(sheet.ignored_columns)
        for piece in pieces(sheet, PIECE):
            report.rows += len(piece)
            good = [facts for row in piece if (facts := _unit_row(row, first, report, chosen)) is not None]
            with database.read() if dry_run else database.write() as session:
                _take_units(session, actor, good, report, dry_run=dry_run)
            if progress:
                progress(report.rows, sheet.fraction)
    if not dry_run and report.rows:
        with database.write() as session:
            journal.record(
                session, journal.IMPORTED, actor=actor, purpose=purpose or journal.Purpose.MAINTENANCE, list="units",
                rows=report.rows, created=report.created, updated=report.updated, errors=report.error_count,
            )  # fmt: skip
    return report


def _unit_row(row: Row, first: dict[str, int], report: Report, datum: Datum) -> tuple[Row, service.UnitFacts] | None:
    faults = list(row.faults)
    code = row["code"][:40]
    if not code:
        faults.append(fault(row, "code", "code_missing", N_("The unit's own code is missing.")))
    elif code in first:
        faults.append(fault(row, "code", "code_duplicate", TWICE, value=code, first=first[code]))
    else:
        first[code] = row.number
    if not row["name"]:
        faults.append(fault(row, "name", "name_missing", NO_NAME))
    wrong = read_code(row, "division_code")
    if wrong is not None:
        faults.append(wrong)
    tags, unknown = rules.parse(row["sectors"])
    if unknown:
        message = N_("“%(word)s” is not a sector of the vocabulary.")
        faults.append(fault(row, "sectors", "sector_unknown", message, word=unknown[0][:40]))
    point = read_point(row, datum)
    if isinstance(point, RowError):
        faults.append(point)
        point = None
    if faults:
        report.extend(faults)
        return None
    return row, service.UnitFacts(
        code=code,
        name=row["name"][:120],
        division_code=row["division_code"],
        sectors=tags or None,
        lon=point[0] if point else None,
        lat=point[1] if point else None,
        point_source=PointSource.IMPORTED,
        address=row["address"] or None,
        contact_name=row["contact_name"] or None,
        contact_phone=row["contact_phone"] or None,
    )


def _take_units(
    session: Session,
    actor: Actor,
    rows: Sequence[tuple[Row, service.UnitFacts]],
    report: Report,
    *,
    dry_run: bool,
) -> None:
    stored = {
        unit.code: unit
        for unit in session.scalars(sa.select(Unit).where(Unit.code.in_([facts.code for _row, facts in rows])))
    }
    places = service.names(session, [facts.division_code or "" for _row, facts in rows])
    contacts = {
        unit.contact_id: (facts.contact_name or "", facts.contact_phone or "")
        for _row, facts in rows
        if (unit := stored.get(facts.code or "")) is not None and unit.contact_id is not None
    }
    same = service.contact_book().same(session, contacts) if contacts else set()
    for row, facts in rows:
        unit = stored.get(facts.code or "")
        if facts.division_code not in places:
            message = N_("There is no division with the code %(division)s.")
            report.add(fault(row, "division_code", "division_unknown", message, division=facts.division_code))
        elif not actor.covers(facts.division_code or "") or (unit and not actor.covers(unit.division_code)):
            report.add(fault(row, "division_code", "out_of_scope", OUTSIDE))
        elif unit is None:
            report.created += 1
            if not dry_run:
                service.create_unit(session, actor=actor, facts=facts)
        elif _unit_is_same(session, unit, facts, same):
            report.unchanged += 1
        else:
            report.updated += 1
            if not dry_run:
                service.change_unit(session, actor=actor, unit_id=unit.id, facts=facts)


def _unit_is_same(session: Session, unit: Unit, facts: service.UnitFacts, same: set[int]) -> bool:
    if (facts.contact_name or facts.contact_phone) and unit.contact_id not in same:
        return False
    pairs: list[tuple[Any, Any]] = [
        (facts.name, unit.name),
        (facts.division_code, unit.division_code),
        (facts.sectors, unit.sectors),
    ]
    pairs += [(facts.lon, unit.lon), (facts.lat, unit.lat)]
    if any(wanted is not None and wanted != stored for wanted, stored in pairs):
        return False
    return facts.address is None or facts.address.strip()[:200] == service.address_of(session, unit)
