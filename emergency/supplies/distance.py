"""Which store is nearest. Dozens of depots, so one by one on the ellipsoid is quick enough."""

from __future__ import annotations

import sqlalchemy as sa
from geopy.distance import geodesic
from sqlalchemy.orm import Session

from emergency.divisions.rules import in_scope
from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.supplies.models import Balance, Depot, DepotState, Lot, Place


def nearest(
    session: Session, *, actor: Actor, lat: float, lon: float, item_id: int | None = None, limit: int = 5
) -> list[tuple[Depot, float]]:
    """Open depots by distance in kilometres (WGS-84 ellipsoid), of those that hold the item when one is named."""
    actor.require(Permission.SUPPLIES_VIEW)
    statement = sa.select(Depot).where(
        in_scope(Depot.division_code, actor), Depot.state == DepotState.OPEN, Depot.lat.is_not(None)
    )
    if item_id is not None:
        statement = statement.where(
            sa.select(Place.id)
            .join(Balance, Balance.place_id == Place.id)
            .join(Lot, Lot.id == Balance.lot_id)
            .where(Place.depot_id == Depot.id, Lot.item_id == item_id, Balance.quantity > Balance.reserved)
            .exists()
        )
    found = [(depot, float(geodesic((lat, lon), (depot.lat, depot.lon)).km)) for depot in session.scalars(statement)]
    return sorted(found, key=lambda pair: (pair[1], pair[0].id))[:limit]


def near_depot(session: Session, *, actor: Actor, depot: Depot) -> list[tuple[Depot, float]]:
    """The other open depots nearest to this one; none where it has no point."""
    if depot.lat is None or depot.lon is None:
        return []
    found = nearest(session, actor=actor, lat=depot.lat, lon=depot.lon, limit=6)
    return [pair for pair in found if pair[0].id != depot.id][:5]
