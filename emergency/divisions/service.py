"""Use cases of divisions: finding, the tree, points and boundaries, which villages lie in an area.

Units are in `emergency.divisions.units`; their use cases are offered here too, under the room's one door.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from shapely.geometry.base import BaseGeometry
from sqlalchemy.orm import Session

from emergency.divisions import rules
from emergency.divisions.models import Datum, Division, PointSource, Unit
from emergency.divisions.units import (
    ContactBook,
    UnitFacts,
    address_of,
    change_unit,
    close_unit,
    contact_book,
    count_units,
    create_unit,
    get_unit,
    masked_contact,
    register_contact_book,
    reveal_unit,
    unit_names,
    units,
)
from emergency.http.actor import Actor
from emergency.http.paging import Page, paginate
from emergency.http.permissions import Permission
from emergency.privacy import journal
from kernel.db import touch
from kernel.errors import N_, Invalid, NotFound

__all__ = [
    "ContactBook", "TreeRow", "UnitFacts", "VillagesInArea", "address_of", "areas", "change_unit", "children", "close_unit",
    "contact_book", "count_units", "create_unit", "find", "get", "get_unit", "list_divisions", "masked_contact", "names", "path", "place",
    "points", "register_contact_book", "reveal_unit", "seen", "set_boundary", "set_point", "subtree", "townships",
    "tree", "unit_names", "units", "villages", "villages_in_area",
]  # fmt: skip

GEOMETRY_CHANGED = journal.kind(
    "division.geometry", "修改点位边界", "Point or boundary changed", "code", "what", "datum"
)
_CHUNK = 500


def get(session: Session, code: str) -> Division:
    """One division, or 404. What an actor may see of it is for the caller to ask (`seen`)."""
    division = session.get(Division, code) if rules.is_code(code) else None
    if division is None:
        raise NotFound(N_("There is no division with the code %(division)s."), code="division_not_found", division=code)
    return division


def seen(session: Session, *, actor: Actor, code: str) -> Division:
    """One division in the actor's scope, or one above it (its name is no secret); anything else is 404."""
    division = get(session, code)
    above = actor.division_prefix.startswith(division.prefix) and actor.kind != "nobody"
    if not (above or actor.covers(code)):
        raise NotFound(N_("There is no division with the code %(division)s."), code="division_not_found", division=code)
    return division


def find(session: Session, codes: Iterable[str]) -> dict[str, Division]:
    """Divisions by code; unknown codes are left out."""
    wanted = sorted(set(codes))
    found: dict[str, Division] = {}
    for start in range(0, len(wanted), _CHUNK):
        rows = session.scalars(sa.select(Division).where(Division.code.in_(wanted[start : start + _CHUNK])))
        found.update((row.code, row) for row in rows)
    return found


def names(session: Session, codes: Iterable[str]) -> dict[str, str]:
    """Names by code; unknown codes are left out."""
    wanted = sorted(set(codes))
    found: dict[str, str] = {}
    for start in range(0, len(wanted), _CHUNK):
        part = wanted[start : start + _CHUNK]
        rows = session.execute(sa.select(Division.code, Division.name).where(Division.code.in_(part)))
        found.update((row.code, row.name) for row in rows)
    return found


def path(session: Session, code: str) -> list[Division]:
    """The divisions above this one, the outermost first, and itself last."""
    chain = find(session, [*rules.ancestors(code), code])
    return [chain[key] for key in sorted(chain, key=lambda key: (len(chain[key].prefix), key))]


def children(session: Session, code: str) -> list[Division]:
    """What lies directly below, by code. At most a township's villages or a district's townships."""
    return list(session.scalars(sa.select(Division).where(Division.parent_code == code).order_by(Division.code)))


def subtree(code: str) -> sa.Select[Any]:
    """The division and everything in it, as a select by code."""
    return sa.select(Division).where(rules.within(Division.code, code)).order_by(Division.code)


def villages(session: Session, code: str) -> list[Division]:
    """Every village-level unit in a division, by code."""
    return list(session.scalars(subtree(code).where(Division.level == rules.VILLAGE)))


def townships(session: Session, within: str | None = None) -> list[Division]:
    """Every township-level unit, by code."""
    statement = sa.select(Division).where(Division.level == rules.TOWNSHIP).order_by(Division.code)
    return list(session.scalars(statement.where(rules.within(Division.code, within)) if within else statement))


def list_divisions(
    session: Session,
    *,
    actor: Actor,
    parent: str | None = None,
    within: str | None = None,
    q: str | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[Division]:
    """One page of the divisions in the actor's scope, by code; directly below `parent`, in `within`, named like `q`."""
    actor.require(Permission.DIVISIONS_VIEW)
    statement = sa.select(Division).where(rules.in_scope(Division.code, actor))
    if parent:
        statement = statement.where(Division.parent_code == get(session, parent).code)
    if within:
        statement = statement.where(rules.within(Division.code, get(session, within).code))
    if q:
        statement = statement.where(Division.name.contains(q.strip(), autoescape=True))
    return paginate(session, statement, key=[Division.code], cursor=cursor, limit=limit)


def areas(session: Session, *, actor: Actor, deepest: int = rules.VILLAGE) -> list[tuple[str, str]]:
    """`(code, name)` of the scope for a choice on a form, villages under their township; at most a thousand."""
    rows = session.execute(
        sa.select(Division.code, Division.name, Division.level)
        .where(rules.in_scope(Division.code, actor), Division.level.between(rules.DISTRICT, deepest))
        .order_by(Division.code)
        .limit(1000)
    )
    return [(row.code, "\u3000" * (row.level - rules.DISTRICT) + row.name) for row in rows]


@dataclass(frozen=True)
class TreeRow:
    """One township of the tree, with what lies in it."""

    division: Division
    villages: int
    units: int
    without_point: int


def tree(session: Session, *, actor: Actor) -> list[TreeRow]:
    """The townships of the actor's scope with the numbers of their villages and units; a village sees its own."""
    actor.require(Permission.DIVISIONS_VIEW)
    scope = rules.in_scope(Division.code, actor)
    if len(actor.division_prefix) == rules.LENGTHS[rules.VILLAGE - 1]:
        scope = Division.code.in_([*rules.ancestors(actor.division_code)[-1:]])
    rows = list(
        session.scalars(sa.select(Division).where(scope, Division.level == rules.TOWNSHIP).order_by(Division.code))
    )
    head = sa.func.substr(Division.code, 1, 9)
    below = session.execute(
        sa.select(head, sa.func.count(), sa.func.sum(sa.case((Division.lat.is_(None), 1), else_=0)))
        .where(rules.in_scope(Division.code, actor), Division.level == rules.VILLAGE)
        .group_by(head)
    )
    counted = {prefix: (int(n), int(bare or 0)) for prefix, n, bare in below}
    unit_head = sa.func.substr(Unit.division_code, 1, 9)
    held = session.execute(
        sa.select(unit_head, sa.func.count())
        .where(rules.in_scope(Unit.division_code, actor), Unit.closed_at.is_(None))
        .group_by(unit_head)
    )
    standing = {prefix: int(n) for prefix, n in held}
    found = []
    for row in rows:
        inside, bare = counted.get(row.prefix, (0, 0))
        found.append(TreeRow(row, villages=inside, units=standing.get(row.prefix, 0), without_point=bare))
    return found


@dataclass(frozen=True)
class VillagesInArea:
    """What an area touches: the codes inside, and those that cannot be decided because they have no point."""

    inside: list[str]
    without_point: list[str]


def villages_in_area(session: Session, area: BaseGeometry, *, within: str | None = None) -> VillagesInArea:
    """The villages of an area. A boundary that is touched counts, else the point; without either an officer decides.

    `area` is a shapely geometry in WGS-84 (see `rules.polygon_from_lonlat`, `rules.circle_to_polygon`, `rules.union`).
    """
    statement = sa.select(Division.code, Division.lon, Division.lat, Division.boundary).where(
        Division.level == rules.VILLAGE
    )
    if within:
        statement = statement.where(rules.within(Division.code, within))
    rows = session.execute(statement.order_by(Division.code)).all()
    with_boundary = [row for row in rows if row.boundary]
    inside = {row.code for row in with_boundary if rules.geometry(row.boundary).intersects(area)}
    pointed = [row for row in rows if not row.boundary and row.lat is not None]
    if pointed:
        hits = rules.contains(area, [row.lon for row in pointed], [row.lat for row in pointed])
        inside.update(row.code for row, hit in zip(pointed, hits, strict=True) if hit)
    bare = [row.code for row in rows if not row.boundary and row.lat is None]
    return VillagesInArea(sorted(inside), bare)


def points(session: Session, codes: Sequence[str]) -> dict[str, tuple[float, float]]:
    """`(lon, lat)` by code for those that have a point."""
    found = find(session, codes)
    return {
        code: (division.lon, division.lat)
        for code, division in found.items()
        if division.lon is not None and division.lat is not None
    }


def set_point(
    session: Session, *, actor: Actor, code: str, lon: float | None, lat: float | None, datum: Datum = Datum.WGS84
) -> Division:
    """Put a division's point where it is, by hand; None for both takes it away."""
    actor.require(Permission.DIVISIONS_EDIT)
    actor.require_covers(code)
    division = get(session, code)
    if lon is None or lat is None:
        division.lon = division.lat = division.point_source = None
    else:
        division.lon, division.lat = rules.to_wgs84(lon, lat, datum)
        division.point_source, division.source_datum = PointSource.ENTERED, datum
    _changed(session, actor, code, "point", datum)
    return division


def set_boundary(session: Session, *, actor: Actor, code: str, geojson: Any, datum: Datum = Datum.WGS84) -> Division:
    """Keep a division's boundary from GeoJSON, checked and in WGS-84; None takes it away."""
    actor.require(Permission.DIVISIONS_EDIT)
    actor.require_covers(code)
    division = get(session, code)
    division.boundary = rules.boundary_from_geojson(geojson, datum=datum) if geojson is not None else None
    if geojson is not None:
        division.source_datum = datum
    _changed(session, actor, code, "boundary", datum)
    return division


def place(
    session: Session,
    *,
    actor: Actor,
    code: str,
    lon: float | None,
    lat: float | None,
    geojson: Any,
    datum: Datum = Datum.WGS84,
) -> Division:
    """Point and boundary from one form: an unchanged point keeps its source, an empty boundary leaves the one there."""
    division = get(session, code)
    if (lon is None) != (lat is None):
        raise Invalid(N_("A point needs both latitude and longitude."), code="point_incomplete")
    if (lon, lat) != (division.lon, division.lat):
        set_point(session, actor=actor, code=code, lon=lon, lat=lat, datum=datum)
    if geojson is not None:
        set_boundary(session, actor=actor, code=code, geojson=geojson, datum=datum)
    return division


def _changed(session: Session, actor: Actor, code: str, what: str, datum: Datum) -> None:
    session.flush()
    journal.record(session, GEOMETRY_CHANGED, actor=actor, code=code, what=what, datum=datum.value)
    touch(session, "division", int(code))
