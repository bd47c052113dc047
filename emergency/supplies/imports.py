"""Stock from a spreadsheet: each row says how much of a lot lies in a depot. Importing again changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.http.sheets import Report, Row, RowError, open_sheet
from emergency.supplies import ledger, rules, service
from emergency.supplies.exports import COLUMNS
from emergency.supplies.models import Depot, Item, MovementKind, Ownership, PlaceKind
from emergency.supplies.queries import held, place_of
from kernel.db import Database
from kernel.errors import N_, DomainError

PIECE = 50


@dataclass(frozen=True)
class _Line:
    number: int
    item_code: str
    item_name: str
    unit: str
    depot: str
    ownership: Ownership
    lot: str
    quantity: int
    made_on: date | None
    expires_on: date | None


def import_supplies(
    database: Database,
    path: Path | str,
    *,
    actor: Actor,
    dry_run: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Report:
    """Take over a stock list. Bad rows are named and left out; the rest is kept, in small transactions."""
    actor.require(Permission.SUPPLIES_EDIT)
    report = Report()
    with open_sheet(path, COLUMNS) as sheet:
        report.ignored_columns = list(sheet.ignored_columns)
        piece: list[_Line] = []
        for row in sheet:
            report.rows += 1
            if row.faults:
                report.extend(row.faults)
                continue
            line = _read(row, report)
            if line is not None:
                piece.append(line)
            if len(piece) >= PIECE:
                _take(database, piece, actor, dry_run, report)
                piece = []
                if progress is not None:
                    progress(report.rows)
        if piece:
            _take(database, piece, actor, dry_run, report)
    if progress is not None:
        progress(report.rows)
    return report


def _read(row: Row, report: Report) -> _Line | None:
    faults: list[RowError] = []

    def day(column: str) -> date | None:
        text = row[column].strip().replace("/", "-").replace(".", "-")
        if not text:
            return None
        try:
            year, month, number = (int(part) for part in text.split(" ")[0].split("T")[0].split("-"))
            return date(year, month, number)
        except ValueError:
            faults.append(RowError(row.number, column, "bad_date", N_("This is not a date. Write it like 2026-11-23.")))
            return None

    made_on, expires_on = day("made_on"), day("expires_on")
    ownership = rules.choice_of(Ownership, row["ownership"])
    if ownership is None:
        faults.append(RowError(row.number, "ownership", "unknown_ownership", N_("This ownership is not known.")))
    try:
        quantity = int(row["quantity"].strip())
    except ValueError:
        quantity = -1
    if not 0 <= quantity <= rules.MAX_QUANTITY:
        faults.append(
            RowError(row.number, "quantity", "bad_quantity", N_("A quantity is a whole number, zero or more."))
        )
    for column in ("item_name", "unit", "depot"):
        if not row[column].strip():
            faults.append(RowError(row.number, column, "required", N_("Fill this in.")))
    code = row["item_code"].strip()
    if code and not rules.valid_code(code):
        faults.append(RowError(row.number, "item_code", "bad_item_code", N_("Not a GB/T 38565 code.")))
    report.extend(faults)
    if faults or not isinstance(ownership, Ownership):
        return None
    return _Line(
        row.number, code, row["item_name"].strip(), row["unit"].strip(), row["depot"].strip(), ownership,
        row["lot"].strip()[:40], quantity, made_on, expires_on,
    )  # fmt: skip


class _DryRun(Exception):
    """Leaves the unit of work without keeping it."""


def _take(database: Database, lines: list[_Line], actor: Actor, dry_run: bool, report: Report) -> None:
    try:
        with database.write() as session:
            for line in lines:
                try:
                    with session.begin_nested():
                        outcome = _line(session, line, actor)
                except DomainError as error:
                    report.add(RowError(line.number, "", error.code, error.message, error.params))
                    continue
                setattr(report, outcome, getattr(report, outcome) + 1)
            if dry_run:
                raise _DryRun
    except _DryRun:
        return


def _line(session: Session, line: _Line, actor: Actor) -> str:
    depot = session.scalar(sa.select(Depot).where(Depot.name == line.depot))
    if depot is None or not actor.covers(depot.division_code):
        raise service.get_depot_error(line.depot)
    item = session.scalar(sa.select(Item).where(Item.name == line.item_name))
    if item is None:
        item = service.add_item(session, actor=actor, name=line.item_name, unit=line.unit, code=line.item_code or None)
    elif item.unit != line.unit or (line.item_code and item.code and item.code != line.item_code):
        raise service.item_differs(line.item_name)
    elif line.item_code and item.code is None:
        item.code = line.item_code
    known = service.lot_exists(session, item_id=item.id, ownership=line.ownership, number=line.lot)
    lot = service.find_or_add_lot(
        session, item=item, ownership=line.ownership, number=line.lot, made_on=line.made_on, expires_on=line.expires_on
    )
    place = place_of(session, depot.id)
    before = held(session, place.id, [lot.id]).get(lot.id)
    present = before or 0
    if line.quantity == present:
        return "unchanged" if known and before is not None else "created"
    outside = ledger.outside(session, PlaceKind.COUNT if known else PlaceKind.SUPPLY)
    more = line.quantity > present
    ledger.post(
        session, actor=actor, lot_id=lot.id, source=outside if more else place, target=place if more else outside,
        quantity=abs(line.quantity - present), kind=MovementKind.IMPORT,
    )  # fmt: skip
    return "updated" if known and before is not None else "created"
