"""A district with two depots, an item and two people."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from emergency.http.actor import Actor
from emergency.http.permissions import Role
from emergency.supplies import service
from emergency.supplies.models import DepotKind
from kernel.db import Database
from tests.plans.support import DISTRICT, TAITOU, person, places


@dataclass
class Store:
    """Ids of what stands in the small district."""

    database: Database
    keeper: Actor
    approver: Actor
    centre: int
    town: int
    bags: int


@pytest.fixture
def store(database: Database) -> Store:
    keeper, approver = person(Role.STOREKEEPER, id=1), person(Role.APPROVER, id=2)
    with database.write() as session:
        places(session)
        bags = service.add_item(session, actor=keeper, name="编织袋", unit="条", code="3010101", shelf_life_months=36)
        centre = service.add_depot(session, actor=keeper, name="中心库", kind=DepotKind.GOVERNMENT,
                                   division_code=DISTRICT, lat=38.93, lon=116.92)  # fmt: skip
        town = service.add_depot(session, actor=keeper, name="台头镇点", kind=DepotKind.TOWNSHIP,
                                 division_code=TAITOU, lat=39.04, lon=116.81)  # fmt: skip
    return Store(database, keeper, approver, centre.id, town.id, bags.id)
