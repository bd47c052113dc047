"""What lies where: the divisions and units of a scope, for the map and for the list beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions import rules
from emergency.divisions.models import Division, Unit, UnitKind
from emergency.http.actor import Actor
from emergency.http.i18n import _
from emergency.http.permissions import Permission
from emergency.plans import activation_queries as queries
from emergency.web import nav
from emergency.web.filters import label
from kernel.errors import N_, NotFound

TOWNSHIP, VILLAGE = 4, 5
MAX_POINTS = 1500
MAX_LISTED = 200
MAX_RESPONSES = 30


@dataclass(frozen=True)
class Line:
    """One line of the list beside the map; `anchor` ties it to its point."""

    anchor: str
    name: str
    note: str
    url: str
    on_map: bool


@dataclass(frozen=True)
class ResponseLine:
    """One running response: what, which level, where; an exercise says so in words."""

    anchor: str
    title: str
    level: str
    place: str
    url: str
    is_exercise: bool
    on_map: bool


@dataclass(frozen=True)
class MapView:
    """The map of one scope."""

    code: str
    name: str
    inside: bool
    """Whether this is one township of a larger scope."""
    points: list[dict[str, Any]]
    areas: list[dict[str, Any]]
    lines: list[Line]
    units: list[Line]
    responses: list[ResponseLine]
    villages: int
    units_total: int
    without_point: int
    synthetic: bool


def _rings(boundary: dict[str, Any] | None) -> list[Any]:
    if not boundary:
        return []
    coordinates = boundary.get("coordinates") or []
    if boundary.get("type") == "Polygon":
        return [coordinates[0]] if coordinates else []
    return [polygon[0] for polygon in coordinates if polygon]


def _url(path: str) -> str:
    return path if nav.serves(path) else ""


def view(session: Session, actor: Actor, code: str | None = None, kind: str = "") -> MapView:
    """The divisions and units inside `code` (or the actor's whole scope). 404 outside the scope."""
    scope = code or actor.division_code
    if code is not None and not (rules.is_code(code) and actor.covers(code)):
        raise NotFound(N_("There is no such division in your scope."))
    inside = sa.true() if not scope else rules.within(Division.code, scope)
    rows = list(
        session.execute(
            sa.select(
                Division.code, Division.name, Division.level, Division.lat, Division.lon, Division.parent_code,
                Division.point_source, Division.population,
            )
            .where(inside, Division.level >= TOWNSHIP)
            .order_by(Division.code)
            .limit(MAX_POINTS)
        )
    )  # fmt: skip
    here = session.get(Division, scope) if scope else None
    if here is None and code is not None:
        raise NotFound(N_("There is no such division in your scope."))
    towns = [row for row in rows if row.level == TOWNSHIP]
    villages = [row for row in rows if row.level == VILLAGE]
    listed = towns if len(towns) > 1 else villages
    units, total = _units(session, actor, scope, kind)
    count_of = _village_counts(villages)
    points = [_point(row) for row in villages if row.lat is not None]
    lines = [
        Line(
            anchor=f"d{row.code}",
            name=row.name,
            note=_("%(n)s villages", n=count_of.get(row.code[:9], 0)) if row.level == TOWNSHIP else "",
            url=f"/map?in={row.code}" if row.level == TOWNSHIP and len(towns) > 1 else _url(f"/divisions/{row.code}"),
            on_map=row.lat is not None,
        )
        for row in listed[:MAX_LISTED]
    ]
    points += [
        {"id": f"u{unit.id}", "lat": unit.lat, "lon": unit.lon, "kind": "unit", "text": f"{unit.name} {label(unit.kind)}",
         "url": _url(f"/units/{unit.id}")}
        for unit in units
        if unit.lat is not None
    ]  # fmt: skip
    responses, grounds, marks = _responses(session, actor, scope)
    points += marks
    points += [_point(row) for row in towns if row.lat is not None]  # last, so that they lie on top
    return MapView(
        code=scope,
        name=here.name if here is not None else "",
        inside=bool(scope and scope != actor.division_code),
        points=points,
        areas=[*_areas(session, scope), *grounds],
        lines=lines,
        units=[
            Line(f"u{u.id}", u.name, label(u.kind), _url(f"/units/{u.id}"), u.lat is not None)
            for u in units[:MAX_LISTED]
        ],
        responses=responses,
        villages=len(villages),
        units_total=total,
        without_point=sum(1 for row in rows if row.lat is None),
        synthetic=any(getattr(row.point_source, "value", "") == "synthetic" for row in rows),
    )


_Drawn = list[dict[str, Any]]


def _responses(session: Session, actor: Actor, scope: str) -> tuple[list[ResponseLine], _Drawn, _Drawn]:
    """What runs in the scope or over it: lines for the list, shaded ground, and a mark where there is no boundary."""
    found = [
        s for s in queries.running(session, actor, limit=MAX_RESPONSES)
        if not scope or rules.covers(scope, s.activation.division_code) or rules.covers(s.activation.division_code, scope)
    ]  # fmt: skip
    codes = {s.activation.division_code for s in found}
    places = {
        row.code: row
        for row in session.execute(
            sa.select(Division.code, Division.name, Division.lat, Division.lon, Division.boundary).where(
                Division.code.in_(codes)
            )
        )
    }
    lines, areas, points = list[ResponseLine](), _Drawn(), _Drawn()
    for s in found:
        place = places.get(s.activation.division_code)
        words = f"{_('exercise') + ' ' if s.is_exercise else ''}{label(s.activation.grade)} {s.title}"
        url, anchor = _url(f"/plans/activations/{s.activation.id}"), f"r{s.activation.id}"
        rings = _rings(place.boundary) if place is not None else []
        areas += [{"ring": ring, "text": words, "tone": "drill" if s.is_exercise else "red"} for ring in rings]
        marked = place is not None and place.lat is not None
        if marked and place is not None:
            points.append({
                "id": anchor, "lat": place.lat, "lon": place.lon, "text": words, "url": url,
                "kind": "exercise" if s.is_exercise else "response",
            })  # fmt: skip
        lines.append(
            ResponseLine(anchor, s.title, label(s.activation.grade), place.name if place is not None else "", url,
                         s.is_exercise, marked or bool(rings))
        )  # fmt: skip
    return lines, areas, points


def _village_counts(villages: list[Any]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for row in villages:
        counts[row.code[:9]] = counts.get(row.code[:9], 0) + 1
    return counts


def _point(row: Any) -> dict[str, Any]:
    town = row.level == TOWNSHIP
    return {
        "id": f"d{row.code}",
        "lat": row.lat,
        "lon": row.lon,
        "kind": "town" if town else "village",
        "text": row.name,
        "url": f"/map?in={row.code}" if town else _url(f"/divisions/{row.code}"),
    }


def _areas(session: Session, scope: str) -> list[dict[str, Any]]:
    inside = sa.true() if not scope else rules.within(Division.code, scope)
    rows = session.execute(
        sa.select(Division.name, Division.boundary)
        .where(inside, Division.level <= TOWNSHIP, Division.boundary.is_not(None))
        .limit(60)
    )
    return [{"ring": ring, "text": name} for name, boundary in rows for ring in _rings(boundary)]


def _units(session: Session, actor: Actor, scope: str, kind: str) -> tuple[list[Any], int]:
    if not actor.can(Permission.UNITS_VIEW):
        return [], 0
    conditions: list[sa.ColumnElement[bool]] = [Unit.closed_at.is_(None)]
    if scope:
        conditions.append(rules.within(Unit.division_code, scope))
    if kind in {member.value for member in UnitKind}:
        conditions.append(Unit.kind == UnitKind(kind))
    total = session.scalar(sa.select(sa.func.count()).select_from(Unit).where(*conditions)) or 0
    rows = session.execute(
        sa.select(Unit.id, Unit.name, Unit.kind, Unit.lat, Unit.lon)
        .where(*conditions)
        .order_by(Unit.division_code, Unit.id)
        .limit(MAX_POINTS)
    )
    return list(rows), total
