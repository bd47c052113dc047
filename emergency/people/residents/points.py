"""Where people are, as arrays: a polygon is tested against a whole district in a tenth of a second.

Loading the points costs more than testing them, so each process keeps them by township; a township whose residents
changed (its stamp says so) is loaded again. The table stays the only truth.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry
from sqlalchemy.orm import Session

from emergency.divisions import rules as divisions
from emergency.divisions.models import Division
from emergency.people.residents.audience import area
from emergency.people.residents.models import AudienceStamp, Resident
from kernel.db import Database, dialect_name

Ids = NDArray[np.int64]
Degrees = NDArray[np.float64]
_lock = threading.Lock()
_caches: WeakKeyDictionary[Database, dict[str, _Township]] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class _Township:
    revision: int
    ids: Ids
    codes: Ids
    lon: Degrees
    lat: Degrees


@dataclass(frozen=True, slots=True)
class Points:
    """Residents with a point (their own, else their village's), in arrays of one length."""

    ids: Ids
    lon: Degrees
    lat: Degrees
    unplaced: dict[str, int]
    """People by village for whom neither they nor their village have a point: the officer decides about them."""


@dataclass(frozen=True, slots=True)
class Inside:
    """Who lives inside an area, and who may or may not."""

    ids: Ids
    unplaced: dict[str, int]


def points(session: Session, codes: Sequence[str]) -> Points:
    """Every resident of the area (12-digit codes or nested prefixes) with a point. WGS-84 degrees."""
    townships = _fresh(session, codes)
    if not townships:
        empty = np.empty(0, np.float64)
        return Points(np.empty(0, np.int64), empty, empty, {})
    ids = np.concatenate([t.ids for t in townships])
    where = np.concatenate([t.codes for t in townships])
    lon = np.concatenate([t.lon for t in townships])
    lat = np.concatenate([t.lat for t in townships])
    chosen = _chosen(where, codes)
    ids, where, lon, lat = ids[chosen], where[chosen], lon[chosen], lat[chosen]
    missing = np.isnan(lat)
    if missing.any():
        _fill(session, where, lon, lat, missing)
        missing = np.isnan(lat)
    villages, counts = np.unique(where[missing], return_counts=True)
    unplaced = {f"{code:012d}": int(count) for code, count in zip(villages.tolist(), counts.tolist(), strict=True)}
    return Points(ids[~missing], lon[~missing], lat[~missing], unplaced)


def inside(session: Session, shape: BaseGeometry, *, codes: Sequence[str]) -> Inside:
    """Who of the divisions `codes` lives in `shape` (a shapely geometry in WGS-84, lon before lat)."""
    found = points(session, codes)
    within = divisions.contains(shape, found.lon, found.lat)
    return Inside(found.ids[within], found.unplaced)


def ids_select(session: Session, ids: Iterable[int] | Ids) -> sa.Select[Any]:
    """Any number of resident ids as a select, for `recipients(also=…)` and `resident_filter=…`. One parameter."""
    listed = ids.tolist() if isinstance(ids, np.ndarray) else list(ids)
    if dialect_name(session) == "sqlite":
        text = "[" + ",".join(map(str, listed)) + "]"
        return sa.select(sa.func.json_each(text).table_valued("value").c.value)
    from sqlalchemy.dialects.postgresql import ARRAY

    return sa.select(sa.func.unnest(sa.literal(listed, ARRAY(sa.BigInteger))).column_valued("id"))


def _fresh(session: Session, codes: Sequence[str]) -> list[_Township]:
    statement = sa.select(AudienceStamp.township, AudienceStamp.revision).order_by(AudienceStamp.township)
    wanted = [(t, r) for t, r in session.execute(statement) if any(_touches(t, code) for code in codes)]
    with _lock:
        cache = _caches.setdefault(session.info["database"], {})
    found = []
    for township, revision in wanted:
        kept = cache.get(township)
        if kept is None or kept.revision != revision:
            kept = cache[township] = _load(session, township, revision)
        found.append(kept)
    return found


def _touches(township: str, code: str) -> bool:
    prefix = divisions.prefix(code) if len(code) == 12 else code
    return township.startswith(prefix) or prefix.startswith(township)


def _load(session: Session, township: str, revision: int) -> _Township:
    rows = session.execute(
        sa.select(Resident.id, Resident.division_code, Resident.lon, Resident.lat).where(
            area(Resident.division_code, [township]), Resident.left_at.is_(None)
        )
    ).all()
    table = list(zip(*rows, strict=True)) if rows else [(), (), (), ()]
    return _Township(
        revision,
        np.array(table[0], np.int64),
        np.array([int(code) for code in table[1]], np.int64),
        np.array(table[2], np.float64),
        np.array(table[3], np.float64),
    )


def _chosen(where: Ids, codes: Sequence[str]) -> NDArray[np.bool_]:
    chosen = np.zeros(len(where), np.bool_)
    for code in codes:
        low, high = divisions.prefix_range(divisions.prefix(code) if len(code) == 12 else code)
        chosen |= (where >= int(low)) & (where <= int(high))
    return chosen


def _fill(session: Session, where: Ids, lon: Degrees, lat: Degrees, missing: NDArray[np.bool_]) -> None:
    placed = session.execute(
        sa.select(Division.code, Division.lon, Division.lat).where(Division.level == 5, Division.lat.is_not(None))
    ).all()
    known = {int(code): (x, y) for code, x, y in placed}
    for code in np.unique(where[missing]).tolist():
        if code in known:
            rows = missing & (where == code)
            lon[rows], lat[rows] = known[code]
