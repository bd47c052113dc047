"""Who is told first: responsible posts, then who needs help, then who lives nearest to the hazard; on the real villages."""

from __future__ import annotations

import csv
import math
from itertools import pairwise
from pathlib import Path

import pytest
import sqlalchemy as sa

from emergency.divisions import rules as divisions
from emergency.divisions.models import Division, PointSource
from emergency.people.posts.models import Duty
from emergency.warnings import area as areas
from emergency.warnings import audience, geometry
from emergency.warnings.models import Audience
from kernel.db import Database
from notify import service as notify
from notify.models import Delivery
from tests.notify.support import spec
from tests.warnings.support import DISTRICT, TOWN, World, add_post, settle

REAL = Path(audience.__file__).parents[1] / "divisions" / "data" / "jinghai.csv"
HAZARDS = [(116.93, 38.80), (117.05, 39.02)]
"""Two breaches of a dyke."""


def metres(lon: float, lat: float, to_lon: float, to_lat: float) -> float:
    """Haversine."""
    a, b = math.radians(lat), math.radians(to_lat)
    half = math.sin((b - a) / 2) ** 2 + math.cos(a) * math.cos(b) * math.sin(math.radians(to_lon - lon) / 2) ** 2
    return 2 * 6_371_000 * math.asin(math.sqrt(half))


def _division(row: dict[str, str], level: int, point: tuple[float, float] | None) -> Division:
    lon, lat = point or (None, None)
    return Division(
        code=row["code"], name=row["name"], level=level, parent_code=row["parent_code"],
        prefix=divisions.prefix(row["code"]), lon=lon, lat=lat, point_source=PointSource.SYNTHETIC if point else None,
    )  # fmt: skip


@pytest.fixture
def villages(database: Database, world: World) -> dict[str, tuple[float, float]]:
    """Every third real village, one resident each, who has no point of their own; where each is taken to be."""
    with REAL.open(encoding="utf-8") as file:
        rows = {row["code"]: row for row in csv.DictReader(file)}
    towns = {code: row for code, row in rows.items() if divisions.level(code) == 4 and row["lat"]}
    found = {}
    with database.write() as session:
        known = set(session.scalars(sa.select(Division.code)))
        for code, row in towns.items():
            point = (float(row["lon"]), float(row["lat"]))
            if code in known:
                session.execute(sa.update(Division).where(Division.code == code).values(lon=point[0], lat=point[1]))
            else:
                session.add(_division(row, 4, point))
        session.flush()
        villages = [row for code, row in rows.items() if row["parent_code"] in towns and code not in known]
        for n, row in enumerate(villages[::3]):
            town = towns[row["parent_code"]]
            point = (float(town["lon"]), float(town["lat"]))
            # The real file has points of townships; every fourth village was put on the map by hand.
            own = (point[0] + 0.02, point[1] - 0.01) if n % 4 == 0 else None
            session.add(_division(row, 5, own))
            session.flush()
            settle(session, f"v{row['code']}", world, row["code"], phone=f"1550{n:07d}")
            found[f"v{row['code']}"] = own or point
        weak = next(reversed(found))
        settle(session, "needs help", world, weak[1:], phone="15599999999", needs="透析")
        add_post(session, world, "far", TOWN, Duty.WARNING_RECEIVER, world.contacts[weak], True)
    return found


def test_the_ledger_holds_posts_then_who_needs_help_then_the_nearest(
    database: Database, world: World, villages: dict[str, tuple[float, float]]
) -> None:
    assert len(villages) > 100
    circles = [{"lon": lon, "lat": lat, "radius_m": 500} for lon, lat in HAZARDS]
    with database.write() as session:
        targets = areas.resolve(session, geometry.parse({"divisions": [DISTRICT], "circles": circles}))
        record = notify.broadcast(session, spec(database), audience.recipients(session, targets, Audience.ALL))
        told = list(
            session.scalars(
                sa.select(Delivery.recipient).where(Delivery.broadcast_id == record.id).order_by(Delivery.id)
            )
        )
    names = {f"resident:{i}": n for n, i in world.residents.items()} | {f"post:{i}": n for n, i in world.posts.items()}
    order = [names[one] for one in told]
    posts = [one for one in order if one in world.posts]
    assert order[: len(posts)] == posts and "far" in posts
    assert "needs help" in order[len(posts) : len(posts) + 3], "before everybody who needs none"
    reached = [one for one in order if one in villages]
    far = [min(metres(*villages[one], lon, lat) for lon, lat in HAZARDS) for one in reached]
    assert len(reached) == len(villages) - 1, "whoever holds a post got it there"
    # The rank counts in hundreds of metres on a flat map.
    assert all(later >= earlier - 300 for earlier, later in pairwise(far))


def test_of_two_shapes_the_nearer_one_counts(database: Database, world: World) -> None:
    points = geometry.hazard_points(
        geometry.parse(
            {
                "circles": [{"lon": 116.9, "lat": 38.9, "radius_m": 500}],
                "polygons": [[[117.0, 39.0], [117.1, 39.0], [117.1, 39.1], [117.0, 39.1], [117.0, 39.0]]],
            }
        )
    )
    assert points == [(pytest.approx(117.05), pytest.approx(39.05)), (116.9, 38.9)]
