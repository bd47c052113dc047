"""Points and areas: datum, validity, and which points lie in an area. Degrees, WGS-84, longitude before latitude."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import MultiPolygon, Polygon, mapping, shape
from shapely.geometry.base import BaseGeometry
from shapely.ops import unary_union

from emergency.divisions.models import Datum
from kernel.errors import N_, Invalid

MAX_VERTICES = 10_000
"""A targeting of 800,000 points takes 0.2 s at this size; more is a mistake in the file."""
MAX_RADIUS_M = 200_000.0
CHINA = (73.0, 3.0, 136.0, 54.0)
"""West, south, east, north: what lies outside and inside when swapped was typed the wrong way round."""

_A = 6378137.0
_E2 = 0.00669437999014132
_GCJ_A = 6378245.0
_GCJ_EE = 0.00669342162296594


class BadGeometry(Invalid):
    """A point or an area that cannot be what was meant; `code` says which rule it breaks."""

    code = "bad_geometry"


def _in_china(lon: float, lat: float) -> bool:
    west, south, east, north = CHINA
    return west <= lon <= east and south <= lat <= north


def check_point(lon: float, lat: float) -> None:
    """Refuse what is not on earth (`point_out_of_range`) and what is only in China when swapped (`point_swapped`)."""
    if not (math.isfinite(lon) and math.isfinite(lat)):
        raise BadGeometry(N_("A coordinate is not a number."), code="point_not_a_number")
    if not _in_china(lon, lat) and _in_china(lat, lon):
        raise BadGeometry(
            N_("Longitude and latitude are the wrong way round: %(lon)s, %(lat)s."),
            code="point_swapped",
            lon=round(lon, 6),
            lat=round(lat, 6),
        )
    if not (-180 <= lon <= 180 and -90 <= lat <= 90):
        raise BadGeometry(
            N_("There is no place with longitude %(lon)s and latitude %(lat)s."),
            code="point_out_of_range",
            lon=round(lon, 6),
            lat=round(lat, 6),
        )


def _shift(lon: float, lat: float) -> tuple[float, float]:
    """How far GCJ-02 moves a WGS-84 point, in degrees."""
    x, y = lon - 105.0, lat - 35.0
    wave = (20 * math.sin(6 * x * math.pi) + 20 * math.sin(2 * x * math.pi)) * 2 / 3
    d_lat = -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * math.sqrt(abs(x)) + wave
    d_lat += (20 * math.sin(y * math.pi) + 40 * math.sin(y / 3 * math.pi)) * 2 / 3
    d_lat += (160 * math.sin(y / 12 * math.pi) + 320 * math.sin(y * math.pi / 30)) * 2 / 3
    d_lon = 300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * math.sqrt(abs(x)) + wave
    d_lon += (20 * math.sin(x * math.pi) + 40 * math.sin(x / 3 * math.pi)) * 2 / 3
    d_lon += (150 * math.sin(x / 12 * math.pi) + 300 * math.sin(x / 30 * math.pi)) * 2 / 3
    phi = math.radians(lat)
    magic = 1 - _GCJ_EE * math.sin(phi) ** 2
    root = math.sqrt(magic)
    d_lat = math.degrees(d_lat * magic * root / (_GCJ_A * (1 - _GCJ_EE)))
    return math.degrees(d_lon * root / (_GCJ_A * math.cos(phi))), d_lat


def wgs84_to_gcj02(lon: float, lat: float) -> tuple[float, float]:
    """What a Chinese consumer map shows for a WGS-84 point; unchanged outside China."""
    if not _in_china(lon, lat):
        return lon, lat
    d_lon, d_lat = _shift(lon, lat)
    return lon + d_lon, lat + d_lat


def gcj02_to_wgs84(lon: float, lat: float) -> tuple[float, float]:
    """The WGS-84 point behind a GCJ-02 one, by iteration, to within a centimetre."""
    if not _in_china(lon, lat):
        return lon, lat
    guess_lon, guess_lat = lon, lat
    for _ in range(8):
        shown_lon, shown_lat = wgs84_to_gcj02(guess_lon, guess_lat)
        guess_lon, guess_lat = guess_lon + lon - shown_lon, guess_lat + lat - shown_lat
    return guess_lon, guess_lat


def to_wgs84(lon: float, lat: float, datum: Datum) -> tuple[float, float]:
    """A checked point in WGS-84, rounded to a millionth of a degree (a decimetre)."""
    check_point(lon, lat)
    if datum is Datum.GCJ02:
        lon, lat = gcj02_to_wgs84(lon, lat)
    return round(lon, 6), round(lat, 6)


def metres_per_degree(lat: float) -> tuple[float, float]:
    """Metres in one degree of longitude and of latitude at this latitude (WGS-84 ellipsoid)."""
    phi = math.radians(lat)
    w = math.sqrt(1 - _E2 * math.sin(phi) ** 2)
    return math.radians(1) * _A * math.cos(phi) / w, math.radians(1) * _A * (1 - _E2) / w**3


def polygon_from_lonlat(ring: Sequence[Sequence[float]], *, datum: Datum = Datum.WGS84) -> Polygon:
    """A polygon from one closed ring of `[lon, lat]`, or `BadGeometry`.

    Refused: too few or too many corners, not closed, crossing itself, swapped coordinates, no area, not numbers. An
    area is never repaired by guess: a mended polygon would warn other people than those that were meant.
    """
    if not isinstance(ring, Sequence) or isinstance(ring, str) or len(ring) < 4:
        raise BadGeometry(
            N_("An area needs at least three corners, and the first again at the end."), code="polygon_too_few_points"
        )
    if len(ring) > MAX_VERTICES:
        raise BadGeometry(
            N_("The area has %(n)s corners; at most %(max)s are possible."),
            code="polygon_too_many_points",
            n=len(ring),
            max=MAX_VERTICES,
        )
    corners = [_corner(corner) for corner in ring]
    if corners[0] != corners[-1]:
        raise BadGeometry(
            N_("The area is not closed: the last corner must be the first one again."), code="polygon_not_closed"
        )
    polygon = Polygon([to_wgs84(lon, lat, datum) for lon, lat in corners])
    if not polygon.is_valid:
        why = shapely.is_valid_reason(polygon)
        where = why.partition("[")[2].rstrip("]").replace(" ", ", ")
        raise BadGeometry(
            N_("The outline of the area crosses itself near %(where)s. Draw it again without the crossing."),
            code="polygon_self_crossing",
            where=where or "—",
        )
    if polygon.area == 0:
        raise BadGeometry(N_("The outline encloses no area."), code="polygon_empty")
    return polygon


def _corner(corner: Any) -> tuple[float, float]:
    if not isinstance(corner, Sequence) or isinstance(corner, str) or len(corner) != 2:
        raise BadGeometry(
            N_("A corner of the area is not a pair of longitude and latitude."), code="polygon_bad_corner"
        )
    lon, lat = corner
    if isinstance(lon, bool) or isinstance(lat, bool) or not all(isinstance(v, (int, float)) for v in (lon, lat)):
        raise BadGeometry(
            N_("A corner of the area is not a pair of longitude and latitude."), code="polygon_bad_corner"
        )
    return float(lon), float(lat)


def circle_to_polygon(lon: float, lat: float, radius_m: float, *, corners: int = 64) -> Polygon:
    """The polygon around a circle: nobody inside the circle is left out, its corners stand 0.1 % further."""
    check_point(lon, lat)
    if not (math.isfinite(radius_m) and 0 < radius_m <= MAX_RADIUS_M):
        raise BadGeometry(
            N_("A circle needs a radius between 1 and %(max)s metres."), code="circle_bad_radius", max=int(MAX_RADIUS_M)
        )
    per_lon, per_lat = metres_per_degree(lat)
    reach = radius_m / math.cos(math.pi / corners)
    angles = [2 * math.pi * n / corners for n in range(corners)]
    return Polygon([(lon + reach * math.cos(a) / per_lon, lat + reach * math.sin(a) / per_lat) for a in angles])


def union(areas: Iterable[BaseGeometry]) -> BaseGeometry:
    """Several areas as one."""
    return unary_union(list(areas))


def contains(area: BaseGeometry, lons: Any, lats: Any) -> NDArray[np.bool_]:
    """For each point whether it lies in the area or on its border (who stands on the line is warned)."""
    shapely.prepare(area)
    found: NDArray[np.bool_] = shapely.intersects_xy(area, np.asarray(lons, float), np.asarray(lats, float))
    return found


def area_km2(area: BaseGeometry) -> float:
    """The size in square kilometres, good to a percent at the size of a district."""
    if area.is_empty:
        return 0.0
    per_lon, per_lat = metres_per_degree(area.centroid.y)
    return float(area.area) * per_lon * per_lat / 1e6


def boundary_from_geojson(value: Any, *, datum: Datum = Datum.WGS84) -> dict[str, Any]:
    """A checked boundary as it is stored, from a GeoJSON Polygon, MultiPolygon or Feature, or `BadGeometry`."""
    if isinstance(value, dict) and value.get("type") == "Feature":
        value = value.get("geometry")
    kind = value.get("type") if isinstance(value, dict) else None
    if kind not in ("Polygon", "MultiPolygon"):
        raise BadGeometry(N_("A boundary is a GeoJSON Polygon or MultiPolygon."), code="boundary_wrong_type")
    parts = value.get("coordinates") or []
    polygons = [_with_holes(rings, datum) for rings in (parts if kind == "MultiPolygon" else [parts])]
    if not polygons:
        raise BadGeometry(N_("A boundary is a GeoJSON Polygon or MultiPolygon."), code="boundary_wrong_type")
    whole: BaseGeometry = polygons[0] if len(polygons) == 1 else MultiPolygon(polygons)
    if not whole.is_valid:
        raise BadGeometry(N_("The parts of the boundary overlap."), code="boundary_overlaps")
    stored: dict[str, Any] = mapping(whole)
    return {"type": stored["type"], "coordinates": _lists(stored["coordinates"])}


def _with_holes(rings: Any, datum: Datum) -> Polygon:
    if not isinstance(rings, Sequence) or not rings:
        raise BadGeometry(N_("A boundary is a GeoJSON Polygon or MultiPolygon."), code="boundary_wrong_type")
    outer, *holes = [polygon_from_lonlat(ring, datum=datum) for ring in rings]
    polygon = Polygon(outer.exterior.coords, [hole.exterior.coords for hole in holes])
    if not polygon.is_valid:
        raise BadGeometry(N_("A hole of the boundary lies outside it or touches another."), code="boundary_bad_hole")
    return polygon


def _lists(value: Any) -> Any:
    return [_lists(part) for part in value] if isinstance(value, (tuple, list)) else value


def geometry(stored: dict[str, Any]) -> BaseGeometry:
    """The shape of a stored boundary."""
    return shape(stored)


def rings_of(stored: dict[str, Any] | None) -> list[list[list[float]]]:
    """The outer rings of a stored boundary, for the map."""
    if not stored:
        return []
    parts = stored["coordinates"] if stored["type"] == "MultiPolygon" else [stored["coordinates"]]
    return [part[0] for part in parts]
