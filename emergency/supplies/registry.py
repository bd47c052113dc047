"""What the stock is kept of: items, depots, lots, safety levels, agreements, requests."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.supplies import ledger, rules
from emergency.supplies.ledger import Subject
from emergency.supplies.models import (
    Agreement,
    Depot,
    DepotKind,
    DepotState,
    Item,
    Lot,
    LotState,
    Ownership,
    Place,
    PlaceKind,
    RequestState,
    SafetyLevel,
    SupplyRequest,
)
from emergency.supplies.queries import get_depot, get_item, today
from kernel.db import now, touch
from kernel.errors import N_, Conflict, Invalid, NotFound
from kernel.ids import new_id
from kernel.states import transition


def add_item(
    session: Session,
    *,
    actor: Actor,
    name: str,
    unit: str,
    code: str | None = None,
    specification: str = "",
    shelf_life_months: int | None = None,
    rotate_before_days: int = 90,
) -> Item:
    """Enter a kind of goods. The name is its key; the GB/T 38565 code may be blank, never wrong."""
    actor.require(Permission.SUPPLIES_EDIT)
    name, unit, code = name.strip(), unit.strip(), (code or "").strip() or None
    if not name or not unit:
        raise Invalid(N_("An item needs a name and a unit."), code="incomplete", fields={"name": N_("Fill this in.")})
    if code is not None and not rules.valid_code(code):
        raise Invalid(
            N_("“%(given)s” is not a GB/T 38565 code: seven digits, the first 1 to 3, each pair after it 01 to 99."),
            code="bad_item_code",
            fields={"item_code": N_("Not a GB/T 38565 code.")},
            given=code,
        )
    if session.scalar(sa.select(Item.id).where(Item.name == name)) is not None:
        raise Conflict(N_("There is an item “%(name)s” already."), code="duplicate", name=name)
    item = Item(
        id=new_id(), code=code, name=name, unit=unit, specification=specification.strip(),
        shelf_life_months=shelf_life_months, rotate_before_days=rotate_before_days,
    )  # fmt: skip
    session.add(item)
    session.flush()
    return item


def add_depot(
    session: Session,
    *,
    actor: Actor,
    name: str,
    kind: DepotKind,
    division_code: str,
    unit_id: int | None = None,
    address: str = "",
    lat: float | None = None,
    lon: float | None = None,
    keeper_post_id: int | None = None,
) -> Depot:
    """Enter a store. Its point is WGS-84."""
    actor.require(Permission.SUPPLIES_EDIT)
    actor.require_covers(division_code)
    name = name.strip()
    if not name:
        raise Invalid(N_("A depot needs a name."), code="incomplete", fields={"name": N_("Fill this in.")})
    if session.scalar(sa.select(Depot.id).where(Depot.name == name)) is not None:
        raise Conflict(N_("There is a depot “%(name)s” already."), code="duplicate", name=name)
    depot = Depot(
        id=new_id(), name=name, kind=kind, division_code=division_code, unit_id=unit_id, address=address.strip(),
        lat=lat, lon=lon, keeper_post_id=keeper_post_id, state=DepotState.OPEN,
    )  # fmt: skip
    session.add(depot)
    session.flush()
    session.add(Place(id=new_id(), kind=PlaceKind.DEPOT, depot_id=depot.id, bounded=True))
    session.flush()
    touch(session, "depot", depot.id)
    return depot


def find_or_add_lot(
    session: Session,
    *,
    item: Item,
    ownership: Ownership,
    number: str,
    made_on: date | None = None,
    expires_on: date | None = None,
    maker: str = "",
) -> Lot:
    """The lot of this item, owner and number; made when new, its dates completed from the item's shelf life."""
    number = number.strip()[:40]
    lot = session.scalar(sa.select(Lot).where(Lot.item_id == item.id, Lot.ownership == ownership, Lot.number == number))
    if expires_on is None and made_on is not None and item.shelf_life_months is not None:
        expires_on = rules.expiry(made_on, item.shelf_life_months)
    if made_on is not None and expires_on is not None and expires_on < made_on:
        raise Invalid(
            N_("The lot would expire before it was made."),
            code="bad_dates",
            fields={"expires_on": N_("This date does not fit the other.")},
        )
    if lot is None:
        lot = Lot(
            id=new_id(), item_id=item.id, ownership=ownership, number=number, maker=maker.strip(), made_on=made_on,
            expires_on=expires_on, rotate_by=rules.rotate_by(expires_on, item.rotate_before_days),
            state=LotState.USABLE,
        )  # fmt: skip
        session.add(lot)
        session.flush()
    elif (made_on and lot.made_on and made_on != lot.made_on) or (
        expires_on and lot.expires_on and expires_on != lot.expires_on
    ):
        raise Conflict(
            N_("Lot “%(number)s” is known with other dates. Give the new goods a lot number of their own."),
            code="lot_dates_differ",
            number=number,
        )
    return lot


def set_safety_level(session: Session, *, actor: Actor, item_id: int, division_code: str, quantity: int) -> None:
    """How much government stock of an item a division wants at least; 0 removes the wish."""
    actor.require(Permission.SUPPLIES_EDIT)
    actor.require_covers(division_code)
    level = session.get(SafetyLevel, (item_id, division_code))
    if quantity <= 0:
        if level is not None:
            session.delete(level)
        return
    if level is None:
        session.add(SafetyLevel(item_id=item_id, division_code=division_code, quantity=quantity, set_on=today(session)))
    else:
        level.quantity, level.set_on = quantity, today(session)
    session.flush()
    touch(session, "supply_item", item_id)


def add_agreement(session: Session, *, actor: Actor, **facts: Any) -> Agreement:
    """Enter what an enterprise has promised; the columns of `Agreement`."""
    actor.require(Permission.SUPPLIES_EDIT)
    actor.require_covers(facts["division_code"])
    get_depot(session, actor=actor, depot_id=facts["depot_id"])
    if facts["valid_to"] < facts["valid_from"]:
        raise Invalid(N_("The agreement would end before it begins."), code="bad_dates")
    agreement = Agreement(id=new_id(), **facts)
    session.add(agreement)
    session.flush()
    touch(session, "agreement", agreement.id)
    return agreement


def verify_agreement(session: Session, *, actor: Actor, agreement_id: int) -> Agreement:
    """Somebody asked the enterprise today and it stands by its promise."""
    actor.require(Permission.SUPPLIES_EDIT)
    agreement = session.get(Agreement, agreement_id)
    if agreement is None or not actor.covers(agreement.division_code):
        raise NotFound(N_("There is no such agreement."))
    agreement.last_verified_on = today(session)
    session.flush()
    touch(session, "agreement", agreement.id)
    return agreement


def request(
    session: Session,
    *,
    actor: Actor,
    division_code: str,
    item_id: int,
    quantity: int,
    needed_at: datetime,
    reason: str,
    subject: Subject | None = None,
) -> SupplyRequest:
    """Somebody needs goods by a time."""
    actor.require(Permission.SUPPLIES_VIEW)
    actor.require_covers(division_code)
    ledger.check_quantity(quantity)
    get_item(session, item_id=item_id)
    asked = SupplyRequest(
        id=new_id(), division_code=division_code, item_id=item_id, quantity=quantity, needed_at=needed_at,
        reason=reason.strip()[:200], subject_kind=subject[0] if subject else None,
        subject_id=subject[1] if subject else None, requested_by=str(actor), requested_at=now(session),
        state=RequestState.OPEN, version=1,
    )  # fmt: skip
    session.add(asked)
    session.flush()
    return asked


def step_request(
    session: Session, *, actor: Actor, request_id: int, to: RequestState, reason: str | None = None
) -> SupplyRequest:
    """Take a request one step further."""
    actor.require(Permission.SUPPLIES_EDIT)
    asked = session.get(SupplyRequest, request_id)
    if asked is None or not actor.covers(asked.division_code):
        raise NotFound(N_("There is no such request."))
    transition(session, asked, to, allowed=rules.REQUEST_TRANSITIONS, actor=actor, reason=reason)
    return asked


def lot_exists(session: Session, *, item_id: int, ownership: Ownership, number: str) -> bool:
    """Whether this lot is known."""
    found = session.scalar(
        sa.select(Lot.id).where(Lot.item_id == item_id, Lot.ownership == ownership, Lot.number == number)
    )
    return found is not None


def get_depot_error(name: str) -> NotFound:
    """What a file is told that names a store nobody knows."""
    return NotFound(N_("There is no depot “%(name)s” in your area. Enter it first."), code="unknown_depot", name=name)


def item_differs(name: str) -> Conflict:
    """What a file is told that writes a known item with another unit or code."""
    return Conflict(N_("“%(name)s” is known with another unit or code."), code="item_differs", name=name)
