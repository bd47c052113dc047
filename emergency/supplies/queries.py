"""Reading the stock: by item, depot and owner, within the actor's scope, in pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from emergency.divisions.rules import in_scope
from emergency.http.actor import Actor
from emergency.http.paging import PAGE_SIZE, Page, paginate
from emergency.http.permissions import Permission
from emergency.supplies import rules
from emergency.supplies.models import (
    Agreement,
    Balance,
    Depot,
    DepotKind,
    DepotState,
    Item,
    Lot,
    LotState,
    Movement,
    Ownership,
    Place,
    SafetyLevel,
    WriteOff,
    WriteOffState,
)
from emergency.supplies.rules import Holding, Shelf
from kernel.clock import BEIJING
from kernel.db import now
from kernel.errors import N_, NotFound


def today(session: Session) -> date:
    """The date in Beijing."""
    return now(session).astimezone(BEIJING).date()


def place_of(session: Session, depot_id: int) -> Place:
    """The ledger's place of a depot."""
    return session.execute(sa.select(Place).where(Place.depot_id == depot_id)).scalar_one()


def get_depot(session: Session, *, actor: Actor, depot_id: int) -> Depot:
    """A depot in the actor's scope; what lies outside does not exist."""
    actor.require(Permission.SUPPLIES_VIEW)
    depot = session.scalar(sa.select(Depot).where(Depot.id == depot_id, in_scope(Depot.division_code, actor)))
    if depot is None:
        raise NotFound(N_("There is no such depot in your area."))
    return depot


def get_item(session: Session, *, item_id: int) -> Item:
    """An item; the catalogue is the same for everybody."""
    item = session.get(Item, item_id)
    if item is None:
        raise NotFound(N_("There is no such item."))
    return item


def get_lot(session: Session, *, actor: Actor, lot_id: int) -> Lot:
    """A lot that lies, or lay, in a depot of the actor's scope."""
    actor.require(Permission.SUPPLIES_VIEW)
    lot = session.scalar(sa.select(Lot).where(Lot.id == lot_id, _lot_in_scope(actor)))
    if lot is None:
        raise NotFound(N_("There is no such lot in your area."))
    return lot


def _lot_in_scope(actor: Actor) -> Any:
    return (
        sa.select(Balance.lot_id)
        .join(Place, Place.id == Balance.place_id)
        .join(Depot, Depot.id == Place.depot_id)
        .where(Balance.lot_id == Lot.id, in_scope(Depot.division_code, actor))
        .exists()
    )


def held(session: Session, place_id: int, lot_ids: Sequence[int]) -> dict[int, int]:
    """What the books say of these lots at one place."""
    rows = session.execute(
        sa.select(Balance.lot_id, Balance.quantity).where(Balance.place_id == place_id, Balance.lot_id.in_(lot_ids))
    )
    return {row.lot_id: row.quantity for row in rows}


@dataclass
class Sum:
    """One holding of one item: how much, how much of it promised, when the first of it expires."""

    quantity: int = 0
    reserved: int = 0
    first_expiry: date | None = None


@dataclass
class StockRow:
    """One item with its four sums that are never added, and whether the government's is enough."""

    item: Item
    sums: dict[Holding, Sum] = field(default_factory=dict)
    safety: int | None = None
    places: int = 0

    @property
    def short(self) -> bool:
        """Government stock that is not promised lies below the safety level."""
        if self.safety is None:
            return False
        government = self.sums.get(Holding.GOVERNMENT, Sum())
        return government.quantity - government.reserved < self.safety


def stock(
    session: Session,
    actor: Actor,
    *,
    q: str = "",
    ownership: Ownership | None = None,
    depot_id: int | None = None,
    kind: DepotKind | None = None,
    family: str = "",
    item_ids: Sequence[int] | None = None,
    cursor: str | None = None,
    limit: int = PAGE_SIZE,
) -> Page[StockRow]:
    """The stock in scope by item; filters narrow both the items and the sums."""
    actor.require(Permission.SUPPLIES_VIEW)
    lots = (
        sa.select(
            Lot.item_id,
            Lot.ownership,
            sa.func.sum(Balance.quantity).label("quantity"),
            sa.func.sum(Balance.reserved).label("reserved"),
            sa.func.min(Lot.expires_on).label("first_expiry"),
            sa.func.count(sa.distinct(Depot.id)).label("places"),
        )
        .join(Balance, Balance.lot_id == Lot.id)
        .join(Place, Place.id == Balance.place_id)
        .join(Depot, Depot.id == Place.depot_id)
        .where(Balance.quantity > 0, in_scope(Depot.division_code, actor))
        .group_by(Lot.item_id, Lot.ownership)
    )
    narrowed = ownership is not None or depot_id is not None or kind is not None
    if ownership is not None:
        lots = lots.where(Lot.ownership == ownership)
    if depot_id is not None:
        lots = lots.where(Depot.id == depot_id)
    if kind is not None:
        lots = lots.where(Depot.kind == kind)
    items = sa.select(Item)
    if q.strip():
        items = items.where(Item.name.contains(q.strip(), autoescape=True))
    if family in rules.FAMILIES:
        items = items.where(Item.code.startswith(family))
    if item_ids is not None:
        items = items.where(Item.id.in_(item_ids))
    if narrowed:
        items = items.where(Item.id.in_(sa.select(lots.subquery().c.item_id)))
    page: Page[Item] = paginate(session, items, key=[Item.id], cursor=cursor, limit=limit)
    rows = {item.id: StockRow(item) for item in page.items}
    for found in session.execute(lots.where(Lot.item_id.in_(rows))):
        row = rows[found.item_id]
        total = row.sums.setdefault(rules.HOLDING_OF[found.ownership], Sum())
        total.quantity += int(found.quantity)
        total.reserved += int(found.reserved)
        expiries = [day for day in (total.first_expiry, found.first_expiry) if day is not None]
        total.first_expiry = min(expiries) if expiries else None
        row.places += found.places
    levels = session.execute(
        sa.select(SafetyLevel.item_id, SafetyLevel.quantity).where(
            SafetyLevel.item_id.in_(rows), SafetyLevel.division_code == actor.division_code
        )
        if actor.division_code
        else sa.select(SafetyLevel.item_id, sa.func.max(SafetyLevel.quantity).label("quantity"))
        .where(SafetyLevel.item_id.in_(rows))
        .group_by(SafetyLevel.item_id)
    )
    for level in levels:
        rows[level.item_id].safety = level.quantity
    return Page(list(rows.values()), page.next_cursor)


@dataclass(frozen=True)
class Held:
    """One lot at one depot."""

    item: Item
    lot: Lot
    depot: Depot
    quantity: int
    reserved: int
    shelf: Shelf

    @property
    def free(self) -> int:
        """What is promised to nobody."""
        return self.quantity - self.reserved


def _held(actor: Actor) -> Any:
    return (
        sa.select(Item, Lot, Depot, Balance.quantity, Balance.reserved)
        .join(Lot, Lot.item_id == Item.id)
        .join(Balance, Balance.lot_id == Lot.id)
        .join(Place, Place.id == Balance.place_id)
        .join(Depot, Depot.id == Place.depot_id)
        .where(in_scope(Depot.division_code, actor))
    )


def _as_held(session: Session, statement: Any) -> list[Held]:
    day = today(session)
    return [
        Held(item, lot, depot, quantity, reserved, rules.shelf(lot.expires_on, lot.rotate_by, day))
        for item, lot, depot, quantity, reserved in session.execute(statement)
    ]


LOTS_SHOWN = 200


def depot_lots(session: Session, *, actor: Actor, depot_id: int) -> list[Held]:
    """What lies in one depot, the soonest to expire first."""
    statement = _held(actor).where(Depot.id == depot_id, Balance.quantity > 0)
    return _as_held(session, statement.order_by(Item.name, Lot.expires_on, Lot.id).limit(LOTS_SHOWN))


def item_lots(session: Session, *, actor: Actor, item_id: int) -> list[Held]:
    """Every lot of one item and where it lies."""
    statement = _held(actor).where(Item.id == item_id, Balance.quantity > 0)
    return _as_held(session, statement.order_by(Lot.ownership, Lot.expires_on, Lot.id).limit(LOTS_SHOWN))


def lot_places(session: Session, *, actor: Actor, lot_id: int) -> list[Held]:
    """Where one lot lies."""
    statement = _held(actor).where(Lot.id == lot_id, Balance.quantity > 0)
    return _as_held(session, statement.order_by(Depot.name).limit(LOTS_SHOWN))


@dataclass(frozen=True)
class Line:
    """One movement with the names of its two places; None is the outside world of that kind."""

    movement: Movement
    source: Place
    target: Place
    source_name: str | None
    target_name: str | None


def movements(session: Session, *, lot_id: int, cursor: str | None = None) -> Page[Line]:
    """The ledger of one lot, latest first."""
    page: Page[Movement] = paginate(
        session,
        sa.select(Movement).where(Movement.lot_id == lot_id),
        key=[Movement.id],
        cursor=cursor,
        descending=True,
    )
    ids = {p for m in page.items for p in (m.from_place_id, m.to_place_id)}
    places = {
        place.id: (place, name)
        for place, name in session.execute(
            sa.select(Place, Depot.name).join(Depot, Depot.id == Place.depot_id, isouter=True).where(Place.id.in_(ids))
        )
    }
    return page.map(
        lambda m: Line(
            m,
            places[m.from_place_id][0],
            places[m.to_place_id][0],
            places[m.from_place_id][1],
            places[m.to_place_id][1],
        )
    )


def depots(
    session: Session, *, actor: Actor, kind: DepotKind | None = None, open_only: bool = False
) -> list[tuple[Depot, int]]:
    """Depots in scope with how many lots lie in each. A district has dozens, not thousands."""
    actor.require(Permission.SUPPLIES_VIEW)
    lots = (
        sa.select(Place.depot_id, sa.func.count().label("lots"))
        .join(Balance, Balance.place_id == Place.id)
        .where(Balance.quantity > 0, Place.depot_id.is_not(None))
        .group_by(Place.depot_id)
        .subquery()
    )
    statement = (
        sa.select(Depot, sa.func.coalesce(lots.c.lots, 0))
        .join(lots, lots.c.depot_id == Depot.id, isouter=True)
        .where(in_scope(Depot.division_code, actor))
        .order_by(Depot.kind, Depot.division_code, Depot.name)
        .limit(500)
    )
    if kind is not None:
        statement = statement.where(Depot.kind == kind)
    if open_only:
        statement = statement.where(Depot.state == DepotState.OPEN)
    return [(depot, int(lots)) for depot, lots in session.execute(statement)]


def agreements(session: Session, *, actor: Actor, item_id: int | None = None, depot_id: int | None = None) -> Any:
    """Agreements in scope with item and holder, the first to end first."""
    statement = (
        sa.select(Agreement, Item, Depot)
        .join(Item, Item.id == Agreement.item_id)
        .join(Depot, Depot.id == Agreement.depot_id)
        .where(in_scope(Agreement.division_code, actor))
        .order_by(Agreement.valid_to, Agreement.id)
        .limit(LOTS_SHOWN)
    )
    if item_id is not None:
        statement = statement.where(Agreement.item_id == item_id)
    if depot_id is not None:
        statement = statement.where(Agreement.depot_id == depot_id)
    return session.execute(statement).all()


def write_offs(session: Session, *, actor: Actor, state: WriteOffState | None = None) -> Any:
    """Write-offs in scope with item, lot and depot, latest first."""
    place = aliased(Place)
    statement = (
        sa.select(WriteOff, Item, Lot, Depot)
        .join(Lot, Lot.id == WriteOff.lot_id)
        .join(Item, Item.id == Lot.item_id)
        .join(place, place.id == WriteOff.place_id)
        .join(Depot, Depot.id == place.depot_id)
        .where(in_scope(Depot.division_code, actor))
        .order_by(WriteOff.id.desc())
        .limit(PAGE_SIZE)
    )
    if state is not None:
        statement = statement.where(WriteOff.state == state)
    return session.execute(statement).all()


ITEMS_SHOWN = 1000


def all_items(session: Session) -> list[Item]:
    """The catalogue by name, for choices."""
    return list(session.scalars(sa.select(Item).order_by(Item.name).limit(ITEMS_SHOWN)))


def health(session: Session, actor: Actor) -> dict[str, int]:
    """How many lots in scope are expired, expiring, due for rotation; how many items there are."""
    day = today(session)
    soon = day + timedelta(days=rules.EXPIRING_DAYS)
    lots = (
        sa.select(Lot.id, Lot.item_id, Lot.expires_on, Lot.rotate_by)
        .join(Balance, Balance.lot_id == Lot.id)
        .join(Place, Place.id == Balance.place_id)
        .join(Depot, Depot.id == Place.depot_id)
        .where(Balance.quantity > 0, in_scope(Depot.division_code, actor))
        .distinct()
        .subquery()
    )
    fresh = sa.or_(lots.c.expires_on.is_(None), lots.c.expires_on > soon)
    row = session.execute(
        sa.select(
            sa.func.count(sa.distinct(lots.c.item_id)),
            sa.func.count(),
            sa.func.sum(sa.case((lots.c.expires_on < day, 1), else_=0)),
            sa.func.sum(sa.case((sa.and_(lots.c.expires_on >= day, lots.c.expires_on <= soon), 1), else_=0)),
            sa.func.sum(sa.case((sa.and_(fresh, lots.c.rotate_by <= day), 1), else_=0)),
        )
    ).one()
    names = ("items", "lots", "expired", "expiring", "rotate")
    return {name: int(value or 0) for name, value in zip(names, row, strict=True)}


def usable(session: Session, item_ids: Sequence[int], day: date) -> list[tuple[str, int, rules.Holding, int]]:
    """What could be taken out on a day: `(place of the depot, item, holding, pieces)`, without what is promised to
    others, expired, quarantined or in a closed depot. The holdings stay apart: nothing may add them."""
    rows = session.execute(
        sa.select(Depot.division_code, Lot.item_id, Lot.ownership, sa.func.sum(Balance.quantity - Balance.reserved))
        .join(Balance, Balance.lot_id == Lot.id)
        .join(Place, Place.id == Balance.place_id)
        .join(Depot, Depot.id == Place.depot_id)
        .where(
            Lot.item_id.in_(item_ids),
            Lot.state == LotState.USABLE,
            Depot.state == DepotState.OPEN,
            sa.or_(Lot.expires_on.is_(None), Lot.expires_on >= day),
        )
        .group_by(Depot.division_code, Lot.item_id, Lot.ownership)
    )
    return [(code, item, rules.HOLDING_OF[owner], int(pieces or 0)) for code, item, owner, pieces in rows]
