"""The rules of divisions and units, in one place for other rooms: codes, geometry, sector tags."""

from __future__ import annotations

from emergency.divisions.codes import (
    CITY,
    DISTRICT,
    LENGTHS,
    PROVINCE,
    TOWNSHIP,
    VILLAGE,
    ancestors,
    covers,
    in_scope,
    is_code,
    level,
    nested_parent,
    outermost,
    prefix,
    prefix_range,
    subtree_range,
    within,
    within_any,
    within_prefix,
)
from emergency.divisions.geometry import (
    BadGeometry,
    area_km2,
    boundary_from_geojson,
    check_point,
    circle_to_polygon,
    contains,
    gcj02_to_wgs84,
    geometry,
    metres_per_degree,
    polygon_from_lonlat,
    rings_of,
    to_wgs84,
    union,
    wgs84_to_gcj02,
)
from emergency.divisions.sectors import (
    ANY_UNIT,
    APPLIES_TO,
    REST,
    SECTORS,
    Applies,
    Sector,
    applies,
    kind_of,
    parse,
    widen,
)

_COMMITTEES = (
    ("村村民委员会", "村"), ("村村委会", "村"), ("村民委员会", "村"), ("村委会", "村"), ("居民委员会", ""), ("居委会", ""),
)  # fmt: skip


def place_name(name: str) -> str:
    """The place, not its committee: `义和村委会` is 义和村, `民生村村委会` 民生村, `建设街居委会` 建设街."""
    for tail, kept in _COMMITTEES:
        if name.endswith(tail) and len(name) > len(tail):
            return name.removesuffix(tail) + kept
    return name


__all__ = [
    "ANY_UNIT", "APPLIES_TO", "CITY", "DISTRICT", "LENGTHS", "PROVINCE", "REST", "SECTORS", "TOWNSHIP", "VILLAGE",
    "Applies", "BadGeometry", "Sector", "ancestors", "applies", "area_km2", "boundary_from_geojson", "check_point",
    "circle_to_polygon", "contains", "covers", "gcj02_to_wgs84", "geometry", "in_scope", "is_code", "kind_of",
    "level", "metres_per_degree", "nested_parent", "outermost", "parse", "place_name", "polygon_from_lonlat", "prefix",
    "prefix_range", "rings_of", "subtree_range", "to_wgs84", "union", "wgs84_to_gcj02", "widen", "within",
    "within_any", "within_prefix",
]  # fmt: skip
