"""Use cases of the stock: receiving, moving, issuing, reserving, counting, writing off. Other rooms import this."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime

from sqlalchemy.orm import Session

from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.supplies import ledger, rules
from emergency.supplies.distance import near_depot, nearest
from emergency.supplies.ledger import NotEnough, Subject, imbalances
from emergency.supplies.models import (
    Depot,
    DepotState,
    Lot,
    LotState,
    Movement,
    MovementKind,
    Ownership,
    Place,
    PlaceKind,
    Reservation,
    StockCount,
    StockCountLine,
    WriteOff,
    WriteOffState,
)
from emergency.supplies.queries import (
    agreements,
    all_items,
    depot_lots,
    depots,
    get_depot,
    get_item,
    get_lot,
    health,
    held,
    item_lots,
    lot_places,
    movements,
    place_of,
    stock,
    today,
    usable,
    write_offs,
)
from emergency.supplies.registry import (
    add_agreement,
    add_depot,
    add_item,
    find_or_add_lot,
    get_depot_error,
    item_differs,
    lot_exists,
    request,
    set_safety_level,
    step_request,
    verify_agreement,
)
from kernel.db import now, touch
from kernel.errors import N_, Conflict, Forbidden, Invalid, NotFound
from kernel.ids import new_id
from kernel.states import transition

__all__ = [
    "NotEnough", "add_agreement", "add_depot", "add_item", "agreements", "all_items", "count", "decide_write_off",
    "depot_lots", "depots", "find_or_add_lot", "get_depot", "get_depot_error", "get_item", "get_lot", "health",
    "imbalances", "issue", "item_differs", "item_lots", "lot_exists", "lot_places", "move", "movements", "near_depot",
    "nearest", "receive", "release", "request", "request_write_off", "reserve", "set_lot_state", "set_safety_level",
    "step_request", "stock", "today", "usable", "verify_agreement", "write_offs",
]  # fmt: skip


def _writable(session: Session, actor: Actor, depot_id: int) -> tuple[Depot, Place]:
    actor.require(Permission.SUPPLIES_EDIT)
    depot = get_depot(session, actor=actor, depot_id=depot_id)
    if depot.state is DepotState.CLOSED:
        raise Conflict(N_("The depot “%(name)s” is closed."), code="depot_closed", name=depot.name)
    return depot, place_of(session, depot.id)


def receive(
    session: Session,
    *,
    actor: Actor,
    depot_id: int,
    item_id: int,
    ownership: Ownership,
    number: str,
    quantity: int,
    made_on: date | None = None,
    expires_on: date | None = None,
    maker: str = "",
    reason: str = "",
    subject: Subject | None = None,
) -> Movement:
    """Goods come in from outside, by purchase or as a gift."""
    _depot, place = _writable(session, actor, depot_id)
    item = get_item(session, item_id=item_id)
    lot = find_or_add_lot(
        session, item=item, ownership=ownership, number=number, made_on=made_on, expires_on=expires_on, maker=maker
    )
    source = ledger.outside(session, PlaceKind.GIFT if ownership is Ownership.DONATION else PlaceKind.SUPPLY)
    return ledger.post(
        session, actor=actor, lot_id=lot.id, source=source, target=place, quantity=quantity,
        kind=MovementKind.RECEIVE, reason=reason, subject=subject,
    )  # fmt: skip


def move(
    session: Session, *, actor: Actor, lot_id: int, from_depot_id: int, to_depot_id: int, quantity: int, reason: str
) -> Movement:
    """Goods go from one depot to another; the actor answers for both."""
    _source, source = _writable(session, actor, from_depot_id)
    _target, target = _writable(session, actor, to_depot_id)
    _need_reason(reason)
    return ledger.post(
        session, actor=actor, lot_id=lot_id, source=source, target=target, quantity=quantity,
        kind=MovementKind.MOVE, reason=reason,
    )  # fmt: skip


def issue(
    session: Session,
    *,
    actor: Actor,
    lot_id: int,
    depot_id: int,
    quantity: int,
    reason: str,
    subject: Subject | None = None,
    reservation_id: int | None = None,
) -> Movement:
    """Goods go out to be used; from a reservation when one is named. Withdrawn and expired lots stay."""
    _depot, place = _writable(session, actor, depot_id)
    _need_reason(reason)
    lot = session.get_one(Lot, lot_id)
    if lot.state is not LotState.USABLE:
        raise Conflict(N_("This lot may not be issued: it is held or withdrawn."), code="lot_not_usable")
    if rules.shelf(lot.expires_on, lot.rotate_by, today(session)) is rules.Shelf.EXPIRED:
        raise Conflict(N_("This lot expired. Write it off, or extend it after an inspection."), code="lot_expired")
    if reservation_id is not None:
        reservation = session.get(Reservation, reservation_id)
        if reservation is None or (reservation.lot_id, reservation.place_id) != (lot_id, place.id):
            raise NotFound(N_("There is no such reservation."))
        if quantity > reservation.quantity:
            raise NotEnough(
                N_("Only %(free)s are free there, %(asked)s were asked for. Nothing was moved."),
                free=reservation.quantity,
                asked=quantity,
            )
        ledger.end_reservation(session, actor=actor, reservation=reservation, used=True)
    return ledger.post(
        session, actor=actor, lot_id=lot_id, source=place, target=ledger.outside(session, PlaceKind.USE),
        quantity=quantity, kind=MovementKind.ISSUE, reason=reason, subject=subject,
    )  # fmt: skip


def _need_reason(reason: str) -> None:
    if not reason.strip():
        raise Invalid(N_("Say what it is for."), code="reason_required", fields={"reason": N_("Say what it is for.")})


def reserve(
    session: Session,
    *,
    actor: Actor,
    lot_id: int,
    depot_id: int,
    quantity: int,
    holder: Subject,
    due_at: datetime | None = None,
) -> Reservation:
    """Promise goods to one opaque holder; nobody else can be promised the same."""
    _depot, place = _writable(session, actor, depot_id)
    return ledger.reserve(
        session, actor=actor, lot_id=lot_id, place=place, quantity=quantity, holder=holder, due_at=due_at
    )


def release(session: Session, *, actor: Actor, reservation_id: int) -> None:
    """Give a promise back."""
    actor.require(Permission.SUPPLIES_EDIT)
    reservation = session.get(Reservation, reservation_id)
    if reservation is None or reservation.holder_kind == WriteOff.__tablename__:
        raise NotFound(N_("There is no such reservation."))
    place = session.get_one(Place, reservation.place_id)
    get_depot(session, actor=actor, depot_id=place.depot_id or 0)
    ledger.end_reservation(session, actor=actor, reservation=reservation, used=False)


def count(
    session: Session, *, actor: Actor, depot_id: int, counted: Mapping[int, int], note: str = ""
) -> tuple[StockCount, int]:
    """What lay there by hand, lot by lot; the differences become movements. Returns the count and how many differed."""
    depot, place = _writable(session, actor, depot_id)
    if not counted or any(n < 0 or isinstance(n, bool) for n in counted.values()):
        raise Invalid(N_("Count at least one lot, in whole numbers from zero."), code="bad_count")
    books = held(session, place.id, sorted(counted))
    missing = [lot_id for lot_id in counted if lot_id not in books]
    if missing:
        raise NotFound(N_("A counted lot has never lain in this depot. Receive it first."), code="lot_not_here")
    record = StockCount(
        id=new_id(), depot_id=depot.id, counted_by=str(actor), counted_at=now(session), note=note.strip()[:200]
    )
    session.add(record)
    session.flush()
    differences = ledger.outside(session, PlaceKind.COUNT)
    differing = 0
    for lot_id, found in sorted(counted.items()):
        expected = books[lot_id]
        session.add(StockCountLine(count_id=record.id, lot_id=lot_id, expected=expected, counted=found))
        if found != expected:
            differing += 1
            surplus = found > expected
            ledger.post(
                session, actor=actor, lot_id=lot_id, source=differences if surplus else place,
                target=place if surplus else differences, quantity=abs(found - expected),
                kind=MovementKind.COUNT, reason=note, subject=("stock_count", record.id),
            )  # fmt: skip
    return record, differing


def request_write_off(
    session: Session, *, actor: Actor, lot_id: int, depot_id: int, quantity: int, reason: str
) -> WriteOff:
    """Ask for goods to be written off; they are set aside until another person decides."""
    _depot, place = _writable(session, actor, depot_id)
    _need_reason(reason)
    asked_id = new_id()
    reservation = ledger.reserve(
        session, actor=actor, lot_id=lot_id, place=place, quantity=quantity, holder=(WriteOff.__tablename__, asked_id)
    )
    asked = WriteOff(
        id=asked_id, reservation_id=reservation.id, lot_id=lot_id, place_id=place.id, quantity=quantity,
        reason=reason.strip()[:200], requested_by=str(actor), requested_at=now(session),
        state=WriteOffState.REQUESTED, version=1,
    )  # fmt: skip
    session.add(asked)
    session.flush()
    return asked


def decide_write_off(
    session: Session, *, actor: Actor, write_off_id: int, approve: bool, reason: str | None = None
) -> WriteOff:
    """Another person than the requester approves or refuses (403 `four_eyes`)."""
    actor.require(Permission.SUPPLIES_APPROVE)
    asked = session.get(WriteOff, write_off_id)
    if asked is None:
        raise NotFound(N_("There is no such write-off."))
    place = session.get_one(Place, asked.place_id)
    get_depot(session, actor=actor, depot_id=place.depot_id or 0)
    if asked.requested_by == str(actor):
        raise Forbidden(N_("Who asked for a write-off does not decide it. Another person must."), code="four_eyes")
    if not approve:
        _need_reason(reason or "")
    transition(
        session,
        asked,
        WriteOffState.APPROVED if approve else WriteOffState.REJECTED,
        allowed=rules.WRITE_OFF_TRANSITIONS,
        actor=actor,
        reason=reason,
        values={"decided_by": str(actor)},
    )
    reservation = session.get_one(Reservation, asked.reservation_id)
    ledger.end_reservation(session, actor=actor, reservation=reservation, used=approve)
    if approve:
        ledger.post(
            session, actor=actor, lot_id=asked.lot_id, source=place, target=ledger.outside(session, PlaceKind.LOSS),
            quantity=asked.quantity, kind=MovementKind.WRITE_OFF, reason=asked.reason,
            subject=(WriteOff.__tablename__, asked.id),
        )  # fmt: skip
    return asked


def set_lot_state(session: Session, *, actor: Actor, lot_id: int, state: LotState, reason: str) -> Lot:
    """Hold a lot for inspection, free it, or withdraw it for good."""
    actor.require(Permission.SUPPLIES_EDIT)
    _need_reason(reason)
    lot = get_lot(session, actor=actor, lot_id=lot_id)
    transition(session, lot, state, allowed=rules.LOT_TRANSITIONS, actor=actor, reason=reason)
    touch(session, "lot", lot.id)
    return lot
