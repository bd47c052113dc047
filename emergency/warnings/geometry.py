"""Polygons and circles: checked as CAP demands, then asked which points lie inside. Pure; WGS-84, [lon, lat].

A wrong area is the worst kind of wrong warning: every fault is refused by name instead of being repaired.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import shapely

from emergency.warnings.rules import RuleFault
from kernel.errors import N_

LON: Final = (73.0, 136.0)
LAT: Final = (3.0, 54.0)
LARGEST_RADIUS_M: Final = 200_000.0
MOST_VERTICES: Final = 10_000
MOST_SHAPES: Final = 50
EARTH_M: Final = 6_371_008.8
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Circle:
    """A place and the metres around it."""

    lon: float
    lat: float
    radius_m: float


@dataclass(frozen=True)
class Area:
    """Divisions by code, polygons, circles; and what the officer decided about places without a point."""

    divisions: list[str] = field(default_factory=list)
    polygons: list[list[tuple[float, float]]] = field(default_factory=list)
    circles: list[Circle] = field(default_factory=list)
    included: list[str] = field(default_factory=list)
    """Villages and units (`unit:12`) without a point that the officer counted in."""
    excluded: list[str] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        """Whether nothing is named at all."""
        return not (self.divisions or self.polygons or self.circles or self.included)

    @property
    def has_shapes(self) -> bool:
        """Whether points have to be looked at."""
        return bool(self.polygons or self.circles)

    def to_json(self) -> dict[str, Any]:
        """The shape of the JSON surface, and of the snapshot."""
        return {
            "divisions": list(self.divisions),
            "polygons": [[[lon, lat] for lon, lat in ring] for ring in self.polygons],
            "circles": [{"lon": c.lon, "lat": c.lat, "radius_m": c.radius_m} for c in self.circles],
            "included": list(self.included),
            "excluded": list(self.excluded),
        }


def parse(data: Mapping[str, Any]) -> Area:
    """The area that somebody sent; `RuleFault` names the rule and the value that is wrong."""
    divisions = []
    for value in _list(data.get("divisions"), "area.divisions"):
        code = str(value)
        if not (len(code) == 12 and code.isascii() and code.isdigit()):
            raise RuleFault(
                N_("A division is named by its 12-digit code, not “%(value)s”."),
                rule="division_code", value=value, field="area.divisions",
            )  # fmt: skip
        if code not in divisions:
            divisions.append(code)
    polygons = [_ring(value, i) for i, value in enumerate(_list(data.get("polygons"), "area.polygons"))]
    circles = [_circle(value, i) for i, value in enumerate(_list(data.get("circles"), "area.circles"))]
    if len(polygons) + len(circles) > MOST_SHAPES:
        raise RuleFault(
            N_("That are more shapes than one warning can carry."),
            rule="too_many_shapes", value=len(polygons) + len(circles), field="area",
        )  # fmt: skip
    return Area(
        divisions, polygons, circles,
        [str(v) for v in _list(data.get("included"), "area.included")],
        [str(v) for v in _list(data.get("excluded"), "area.excluded")],
    )  # fmt: skip


def _list(value: Any, name: str) -> Sequence[Any]:
    if value is None:
        return []
    if not isinstance(value, (list, tuple)):
        raise RuleFault(N_("This must be a list."), rule="not_a_list", value=value, field=name)
    return value


def _number(value: Any, rule: str, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise RuleFault(
            N_("This is not a number of degrees or metres."),
            rule=rule, value=value, field=name,
        )  # fmt: skip
    return float(value)


def _point(lon: float, lat: float, name: str) -> tuple[float, float]:
    if LAT[0] <= lon <= LAT[1] and LON[0] <= lat <= LON[1]:
        raise RuleFault(
            N_("Longitude comes first: latitude and longitude are swapped in %(value)s."),
            rule="coordinates_swapped", value=[lon, lat], field=name,
        )  # fmt: skip
    if not (LON[0] <= lon <= LON[1] and LAT[0] <= lat <= LAT[1]):
        raise RuleFault(
            N_("This point lies outside the country: %(value)s."),
            rule="coordinates_out_of_range", value=[lon, lat], field=name,
        )  # fmt: skip
    return lon, lat


def _ring(value: Any, index: int) -> list[tuple[float, float]]:
    name = f"area.polygons.{index}"
    points = _list(value, name)
    if len(points) > MOST_VERTICES:
        raise RuleFault(
            N_("The polygon has too many corners."),
            rule="polygon_too_large", value=len(points), field=name,
        )  # fmt: skip
    ring = []
    for point in points:
        if not isinstance(point, (list, tuple)) or len(point) != 2:
            raise RuleFault(
                N_("A corner is [longitude, latitude]."),
                rule="polygon_point", value=point, field=name,
            )  # fmt: skip
        lon, lat = (_number(part, "polygon_point", name) for part in point)
        ring.append(_point(lon, lat, name))
    if len(ring) < 4:
        raise RuleFault(
            N_("A polygon has at least three corners and returns to the first."),
            rule="polygon_too_short", value=len(ring), field=name,
        )  # fmt: skip
    if ring[0] != ring[-1]:
        raise RuleFault(
            N_("The polygon is not closed: its last point must be its first."),
            rule="polygon_not_closed", value=list(ring[-1]), field=name,
        )  # fmt: skip
    shape = shapely.Polygon(ring)
    if not shape.is_valid:
        why = shapely.is_valid_reason(shape)
        raise RuleFault(
            N_("The polygon crosses or touches itself."),
            rule="polygon_self_crossing", value=why, field=name,
        )  # fmt: skip
    if shape.area < 1e-10:
        raise RuleFault(
            N_("The polygon encloses nothing."),
            rule="polygon_empty", value=shape.area, field=name,
        )  # fmt: skip
    return ring


def _circle(value: Any, index: int) -> Circle:
    name = f"area.circles.{index}"
    if not isinstance(value, Mapping):
        raise RuleFault(
            N_("A circle has lon, lat and radius_m."),
            rule="circle_shape", value=value, field=name,
        )  # fmt: skip
    if value.get("radius_m") is None:
        raise RuleFault(
            N_("A circle needs a radius."),
            rule="circle_without_radius", value=dict(value), field=name,
        )  # fmt: skip
    lon, lat = _number(value.get("lon"), "circle_shape", name), _number(value.get("lat"), "circle_shape", name)
    radius = _number(value["radius_m"], "circle_radius", name)
    lon, lat = _point(lon, lat, name)
    if not 0 < radius <= LARGEST_RADIUS_M:
        raise RuleFault(
            N_("The radius must be more than nothing and at most 200 km."),
            rule="circle_radius", value=radius, field=name,
        )  # fmt: skip
    return Circle(lon, lat, radius)


def inside(area: Area, lon: Floats, lat: Floats) -> Bools:
    """Which of the points (NaN where there is none) lie in a polygon or a circle of the area; borders count in."""
    hit: Bools = np.zeros(len(lon), dtype=bool)
    if not len(lon):
        return hit
    known = np.isfinite(lon) & np.isfinite(lat)
    for ring in area.polygons:
        shape = shapely.Polygon(ring)
        shapely.prepare(shape)
        west, south, east, north = shape.bounds
        near = np.flatnonzero(known & ~hit & (lon >= west) & (lon <= east) & (lat >= south) & (lat <= north))
        if len(near):
            hit[near] = shapely.intersects_xy(shape, lon[near], lat[near])
    for circle in area.circles:
        near = np.flatnonzero(known & ~hit)
        if len(near):
            hit[near] = distance_m(circle.lon, circle.lat, lon[near], lat[near]) <= circle.radius_m
    return hit


def distance_m(lon: float, lat: float, lons: Floats, lats: Floats) -> Floats:
    """Great-circle metres from one point to many."""
    phi, phis = math.radians(lat), np.radians(lats)
    half = np.sin((phis - phi) / 2) ** 2 + math.cos(phi) * np.cos(phis) * np.sin(np.radians(lons - lon) / 2) ** 2
    metres: Floats = 2 * EARTH_M * np.arcsin(np.sqrt(half))
    return metres


def hazard_points(area: Area) -> list[tuple[float, float]]:
    """The middle of each shape, from which distance is counted; the largest first, none where none is drawn."""
    rings = [shapely.Polygon(ring) for ring in area.polygons]
    sized = [(shape.area, shape.representative_point()) for shape in rings]
    found = [(size, (point.x, point.y)) for size, point in sized]
    found += [(math.pi * (c.radius_m / 111_320) ** 2, (c.lon, c.lat)) for c in area.circles]
    return [point for _size, point in sorted(found, key=lambda one: -one[0])]
