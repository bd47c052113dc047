"""Divisions and units as rows with the columns that import reads: export then import changes nothing.

A synthetic point is left out: imported elsewhere it would pass for a real one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from emergency.divisions import rules, service
from emergency.divisions.models import Division, PointSource, Unit
from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.privacy import journal
from kernel.db import Database
from kernel.errors import N_, Invalid

PAGE = 500


def export_divisions(
    database: Database, *, actor: Actor, purpose: str | None = None, within: str | None = None
) -> Iterator[dict[str, Any]]:
    """Every division of the scope and those above it, parents first."""
    actor.require(Permission.DIVISIONS_VIEW)
    scope = rules.in_scope(Division.code, actor)
    if actor.division_code:
        scope = sa.or_(scope, Division.code.in_(rules.ancestors(actor.division_code)))
    if within:
        scope = sa.and_(scope, rules.within(Division.code, within))
    return _divisions(database, scope)


def _divisions(database: Database, scope: sa.ColumnElement[bool]) -> Iterator[dict[str, Any]]:
    place: tuple[int, str] = (0, "")
    while True:
        with database.read() as session:
            key = sa.tuple_(Division.level, Division.code)
            rows = session.scalars(
                sa.select(Division)
                .where(scope, key > sa.tuple_(sa.literal(place[0]), sa.literal(place[1])))
                .order_by(Division.level, Division.code)
                .limit(PAGE)
            ).all()
        for row in rows:
            shown = row.point_source is not PointSource.SYNTHETIC
            yield {
                "code": row.code,
                "name": row.name,
                "parent_code": row.parent_code or "",
                "kind": row.kind,
                "lat": _degrees(row.lat) if shown else "",
                "lon": _degrees(row.lon) if shown else "",
            }
        if len(rows) < PAGE:
            return
        place = (rows[-1].level, rows[-1].code)


def export_units(
    database: Database,
    *,
    actor: Actor,
    purpose: str | None = None,
    personal: bool = True,
    **chosen: Any,
) -> Iterator[dict[str, Any]]:
    """The units of the scope. Addresses and contacts need a purpose, and the export is journalled before they are read.

    With `personal=False` those columns stay empty, which an import leaves as they are.
    """
    actor.require(Permission.UNITS_VIEW)
    if personal:
        actor.require(Permission.PERSONAL_EXPORT)
        try:
            wanted = journal.Purpose(str(purpose or ""))
        except ValueError as error:
            raise Invalid(
                N_("Say what you need it for: choose one of the purposes. Nothing was shown."), code="purpose_required"
            ) from error
        with database.write() as session:
            journal.record(
                session, journal.EXPORTED, actor=actor, purpose=wanted, list="units",
                count=service.count_units(session, actor, **chosen), division=actor.division_code or None,
            )  # fmt: skip
    return _units(database, actor, personal, chosen)


def _units(database: Database, actor: Actor, personal: bool, chosen: dict[str, Any]) -> Iterator[dict[str, Any]]:
    cursor: str | None = None
    while True:
        with database.read() as session:
            page = service.units(session, actor, cursor=cursor, limit=200, **chosen)
            ids = [unit.contact_id for unit in page.items if unit.contact_id is not None]
            opened = service.contact_book().opened(session, ids) if personal and ids else {}
            rows = [_unit(unit, *opened.get(unit.contact_id or 0, ("", ""))) for unit in page.items]
            if personal:
                for row, unit in zip(rows, page.items, strict=True):
                    row["address"] = service.address_of(session, unit)
        yield from rows
        if page.next_cursor is None:
            return
        cursor = page.next_cursor


def _unit(unit: Unit, name: str, phone: str) -> dict[str, Any]:
    shown = unit.point_source is not PointSource.SYNTHETIC
    return {
        "code": unit.code,
        "name": unit.name,
        "division_code": unit.division_code,
        "sectors": ";".join(rules.SECTORS[tag].zh if tag in rules.SECTORS else tag for tag in unit.sectors),
        "address": "",
        "lat": _degrees(unit.lat) if shown else "",
        "lon": _degrees(unit.lon) if shown else "",
        "contact_name": name,
        "contact_phone": phone,
    }


def _degrees(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}".rstrip("0").rstrip(".")
