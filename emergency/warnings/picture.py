"""A small map without tiles, drawn as SVG: outlines, shapes, numbered points. The list beside it says the same."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions import rules as divisions
from emergency.divisions.models import Division
from emergency.warnings.area import site_code
from emergency.warnings.models import Warning

WIDTH = 400.0
HEIGHT = 226.0
MARGIN = 14.0
MOST_POINTS = 60
_NICE_KM = (0.5, 1, 2, 4, 5, 10, 20, 50, 100)


@dataclass(frozen=True)
class Dot:
    """A place on the picture; `n` is its number in the list beside it, 0 for a neighbour."""

    x: float
    y: float
    n: int
    name: str
    people: int = 0


@dataclass(frozen=True)
class Picture:
    """Everything that the template draws."""

    outlines: list[str] = field(default_factory=list)
    rings: list[str] = field(default_factory=list)
    circles: list[tuple[float, float, float]] = field(default_factory=list)
    dots: list[Dot] = field(default_factory=list)
    labels: list[Dot] = field(default_factory=list)
    scale_px: float = 0
    scale_km: float = 0

    @property
    def empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not (self.rings or self.circles or self.dots)


class _Frame:
    def __init__(self, points: list[tuple[float, float]]):
        lons, lats = [p[0] for p in points], [p[1] for p in points]
        self.middle = sum((min(lats), max(lats))) / 2
        self.squeeze = math.cos(math.radians(self.middle))
        wide = max((max(lons) - min(lons)) * self.squeeze, 0.01)
        high = max(max(lats) - min(lats), 0.01)
        self.scale = min((WIDTH - 2 * MARGIN) / wide, (HEIGHT - 2 * MARGIN) / high)
        self.left = (WIDTH - wide * self.scale) / 2 - min(lons) * self.squeeze * self.scale
        self.top = (HEIGHT - high * self.scale) / 2 + max(lats) * self.scale

    def at(self, lon: float, lat: float) -> tuple[float, float]:
        return round(lon * self.squeeze * self.scale + self.left, 1), round(self.top - lat * self.scale, 1)

    def path(self, ring: list[Any]) -> str:
        corners = [self.at(point[0], point[1]) for point in ring]
        return "M" + "L".join(f"{x} {y}" for x, y in corners) + "Z"

    def metres(self, radius_m: float) -> float:
        return radius_m / 111_320 * self.scale


def draw(session: Session, warning: Warning, rows: list[dict[str, Any]]) -> Picture:
    """The picture of a warning's area; `rows` are the numbered places of the list, in its order."""
    shown = rows[:MOST_POINTS]
    towns = sorted({row["code"][:9] + "000" for row in rows})
    places = session.execute(
        sa.select(Division.code, Division.name, Division.level, Division.lon, Division.lat, Division.boundary).where(
            sa.or_(Division.code.in_([row["code"] for row in shown]), Division.code.in_(towns))
        )
    ).all()
    by_code = {place.code: place for place in places}
    area = warning.area or {}
    frame_points: list[tuple[float, float]] = [
        (p.lon, p.lat) for p in places if p.lon is not None and p.lat is not None
    ]
    for ring in area.get("polygons", []):
        frame_points.extend((lon, lat) for lon, lat in ring)
    for circle in area.get("circles", []):
        reach = circle["radius_m"] / 111_320
        frame_points.extend(
            [(circle["lon"] - reach, circle["lat"] - reach), (circle["lon"] + reach, circle["lat"] + reach)]
        )
    if not frame_points:
        return Picture()
    frame = _Frame(frame_points)
    dots = []
    for number, row in enumerate(shown, start=1):
        place = by_code.get(row["code"])
        if place is not None and place.lon is not None:
            x, y = frame.at(place.lon, place.lat)
            dots.append(Dot(x, y, number, row["name"], row["people"] + row["unreachable"]))
    labels = []
    outlines: list[str] = []
    for code in towns:
        town = by_code.get(code)
        if town is None:
            continue
        outlines.extend(frame.path(ring) for ring in _outer(town.boundary))
        if town.lon is not None and code not in {row["code"] for row in shown}:
            x, y = frame.at(town.lon, town.lat)
            labels.append(Dot(x, y, 0, town.name))
    km = next((k for k in reversed(_NICE_KM) if frame.metres(k * 1000) <= WIDTH / 4), _NICE_KM[0])
    return Picture(
        outlines=outlines,
        rings=[frame.path(ring) for ring in area.get("polygons", [])],
        circles=[
            (*frame.at(c["lon"], c["lat"]), round(frame.metres(c["radius_m"]), 1)) for c in area.get("circles", [])
        ],
        dots=dots,
        labels=labels,
        scale_px=round(frame.metres(km * 1000), 1),
        scale_km=km,
    )


def _outer(boundary: dict[str, Any] | None) -> list[list[Any]]:
    if not boundary:
        return []
    coordinates = boundary.get("coordinates") or []
    if boundary.get("type") == "Polygon":
        return coordinates[:1]
    return [polygon[0] for polygon in coordinates if polygon]


@dataclass(frozen=True)
class Choice:
    """One township with its villages, for the ticks of the area step."""

    code: str
    name: str
    villages: list[tuple[str, str]]
    open: bool


def choices(session: Session, prefix: str, chosen: set[str]) -> list[Choice]:
    """Townships and villages of a scope, as the area step offers them."""
    wanted = prefix or divisions.prefix(site_code(session))
    rows = session.execute(
        sa.select(Division.code, Division.name, Division.level)
        .where(divisions.within_prefix(Division.code, wanted), Division.level.in_((4, 5)))
        .order_by(Division.code)
    ).all()
    towns: dict[str, Choice] = {}
    for row in rows:
        if row.level == 4:
            towns[row.code[:9]] = Choice(row.code, row.name, [], False)
    for row in rows:
        if row.level == 5:
            town = towns.setdefault(row.code[:9], Choice("", row.name, [], False))
            town.villages.append((row.code, row.name))
    return [
        Choice(t.code, t.name, t.villages, any(code in chosen for code, _name in t.villages)) for t in towns.values()
    ]
