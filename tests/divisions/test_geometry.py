"""An area is what was meant, or it is refused; never mended by guess."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emergency.divisions import rules
from emergency.divisions.models import Datum

LON, LAT = 116.81, 39.04
SQUARE = [[LON, LAT], [LON + 0.02, LAT], [LON + 0.02, LAT + 0.02], [LON, LAT + 0.02], [LON, LAT]]
BOW_TIE = [[LON, LAT], [LON + 0.02, LAT + 0.02], [LON + 0.02, LAT], [LON, LAT + 0.02], [LON, LAT]]


@pytest.mark.parametrize(
    ("ring", "code"),
    [
        (BOW_TIE, "polygon_self_crossing"),
        (SQUARE[:-1], "polygon_not_closed"),
        ([[b, a] for a, b in SQUARE], "point_swapped"),
        (SQUARE[:2] + SQUARE[:1], "polygon_too_few_points"),
        ([[LON, LAT], [LON + 1, LAT], [LON + 2, LAT], [LON, LAT]], "polygon_self_crossing"),
        ([["116", "39"]] * 4, "polygon_bad_corner"),
        ([[LON, LAT, 3.0]] * 5, "polygon_bad_corner"),
        ([[float("inf"), LAT]] * 5, "point_not_a_number"),
        ([[400.0, 95.0], *SQUARE[1:-1], [400.0, 95.0]], "point_out_of_range"),
        ("116,39", "polygon_too_few_points"),
        (None, "polygon_too_few_points"),
    ],
)
def test_a_bad_outline_is_refused_by_its_rule(ring: Any, code: str) -> None:
    with pytest.raises(rules.BadGeometry) as refused:
        rules.polygon_from_lonlat(ring)
    assert refused.value.code == code
    assert refused.value.text()


def test_a_good_outline_holds_who_is_inside_and_who_stands_on_the_line() -> None:
    area = rules.polygon_from_lonlat(SQUARE)
    inside = rules.contains(area, [LON + 0.01, LON, LON + 0.03], [LAT + 0.01, LAT + 0.01, LAT + 0.01])
    assert inside.tolist() == [True, True, False]
    assert rules.area_km2(area) == pytest.approx(1.732 * 2.22, rel=0.01)


@settings(max_examples=40, deadline=None)
@given(st.floats(115.5, 118.5), st.floats(38.0, 40.5), st.floats(50, 20_000))
def test_a_circle_leaves_nobody_inside_it_out(lon: float, lat: float, radius: float) -> None:
    area = rules.circle_to_polygon(lon, lat, radius)
    per_lon, per_lat = rules.metres_per_degree(lat)
    angles = np.linspace(0, 2 * math.pi, 97)
    edge = rules.contains(
        area, lon + 0.999 * radius * np.cos(angles) / per_lon, lat + 0.999 * radius * np.sin(angles) / per_lat
    )
    assert edge.all()
    assert rules.area_km2(area) == pytest.approx(math.pi * (radius / 1000) ** 2, rel=0.01)


@pytest.mark.parametrize("radius", [0, -5, float("inf"), float("nan"), 1e9])
def test_a_circle_needs_a_radius(radius: float) -> None:
    with pytest.raises(rules.BadGeometry):
        rules.circle_to_polygon(LON, LAT, radius)


@given(st.floats(74, 134), st.floats(18, 53))
def test_gcj02_and_back_is_the_same_place(lon: float, lat: float) -> None:
    there = rules.wgs84_to_gcj02(lon, lat)
    again = rules.gcj02_to_wgs84(*there)
    assert again == pytest.approx((lon, lat), abs=2e-7)


def test_gcj02_is_off_by_hundreds_of_metres_here() -> None:
    lon, lat = rules.wgs84_to_gcj02(116.925304, 38.935671)
    per_lon, per_lat = rules.metres_per_degree(lat)
    moved = math.hypot((lon - 116.925304) * per_lon, (lat - 38.935671) * per_lat)
    assert 300 < moved < 700
    assert rules.to_wgs84(lon, lat, Datum.GCJ02) == pytest.approx((116.925304, 38.935671), abs=2e-6)


def test_a_boundary_may_have_a_hole_but_not_one_that_leaves_it() -> None:
    hole = [[LON + 0.005, LAT + 0.005], [LON + 0.01, LAT + 0.005], [LON + 0.01, LAT + 0.01], [LON + 0.005, LAT + 0.005]]
    stored = rules.boundary_from_geojson(
        {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [SQUARE, hole]}}
    )
    assert rules.geometry(stored).area < rules.polygon_from_lonlat(SQUARE).area
    assert rules.rings_of(stored) == [[[round(x, 6), round(y, 6)] for x, y in SQUARE]]
    far = [[x + 1, y] for x, y in hole]
    with pytest.raises(rules.BadGeometry) as refused:
        rules.boundary_from_geojson({"type": "Polygon", "coordinates": [SQUARE, far]})
    assert refused.value.code == "boundary_bad_hole"


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {"type": "Point", "coordinates": [1, 2]},
        {"type": "Polygon"},
        {"type": "MultiPolygon", "coordinates": []},
    ],
)
def test_what_is_no_boundary_is_refused(value: Any) -> None:
    with pytest.raises(rules.BadGeometry):
        rules.boundary_from_geojson(value)
