"""The ledger: every movement takes from one place and gives to another, and the balances follow in the same step.

The UPDATE that takes carries its own condition, and the balance row carries CHECKs: two writers at once can neither
take what is not there nor what was promised to somebody else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from emergency.supplies import rules
from emergency.supplies.models import (
    Balance,
    Item,
    Lot,
    Movement,
    MovementKind,
    Place,
    PlaceKind,
    Reservation,
    ReservationState,
)
from kernel.db import dialect_name, now, touch
from kernel.errors import N_, Conflict, Invalid
from kernel.ids import new_id
from kernel.states import transition

Subject = tuple[str, int]


class NotEnough(Conflict):
    """The place does not hold that much that is not promised to somebody."""

    code = "not_enough_stock"


def _insert(session: Session, table: Any) -> Any:
    return (sqlite if dialect_name(session) == "sqlite" else postgresql).insert(table)


def outside(session: Session, kind: PlaceKind) -> Place:
    """The place of the outside world of this kind, made when first needed."""
    found = session.scalar(sa.select(Place).where(Place.kind == kind))
    if found is None:
        # Another writer may be making the same place now: let it win, then read what it made.
        session.execute(
            _insert(session, Place.__table__)
            .values(id=new_id(), kind=kind, depot_id=None, bounded=False)
            .on_conflict_do_nothing()
        )
        found = session.scalars(sa.select(Place).where(Place.kind == kind)).one()
    return found


def check_quantity(quantity: int) -> int:
    """Whole positive numbers only."""
    if isinstance(quantity, bool) or not isinstance(quantity, int) or not 0 < quantity <= rules.MAX_QUANTITY:
        raise Invalid(
            N_("A quantity is a whole number above zero."),
            code="bad_quantity",
            fields={"quantity": N_("A quantity is a whole number above zero.")},
        )
    return quantity


def _prepare(session: Session, lot_id: int, places: list[Place]) -> None:
    """Make the balance rows and lock them in one order, so that A to B and B to A do not wait for each other."""
    for place in places:
        session.execute(
            _insert(session, Balance.__table__)
            .values(lot_id=lot_id, place_id=place.id, bounded=place.bounded, quantity=0, reserved=0)
            .on_conflict_do_nothing(index_elements=["lot_id", "place_id"])
        )
    session.execute(
        sa.select(Balance.place_id)
        .where(Balance.lot_id == lot_id, Balance.place_id.in_([p.id for p in places]))
        .order_by(Balance.place_id)
        .with_for_update()
    ).all()


def post(
    session: Session,
    *,
    actor: Any,
    lot_id: int,
    source: Place,
    target: Place,
    quantity: int,
    kind: MovementKind,
    reason: str = "",
    subject: Subject | None = None,
) -> Movement:
    """Write one movement and its two balances. Raises `NotEnough` (409 `not_enough_stock`) and keeps nothing."""
    check_quantity(quantity)
    if source.id == target.id:
        raise Invalid(N_("Goods move between two different places."), code="same_place")
    session.flush()
    _prepare(session, lot_id, sorted([source, target], key=lambda place: place.id))
    free = sa.true() if not source.bounded else Balance.quantity - Balance.reserved >= quantity
    taken = session.execute(
        sa.update(Balance)
        .where(Balance.lot_id == lot_id, Balance.place_id == source.id, free)
        .values(quantity=Balance.quantity - quantity)
        .execution_options(synchronize_session=False)
    )
    if taken.rowcount != 1:  # type: ignore[attr-defined]
        raise NotEnough(
            N_("Only %(free)s are free there, %(asked)s were asked for. Nothing was moved."),
            free=available(session, lot_id, source.id),
            asked=quantity,
        )
    session.execute(
        sa.update(Balance)
        .where(Balance.lot_id == lot_id, Balance.place_id == target.id)
        .values(quantity=Balance.quantity + quantity)
        .execution_options(synchronize_session=False)
    )
    movement = Movement(
        id=new_id(),
        lot_id=lot_id,
        from_place_id=source.id,
        to_place_id=target.id,
        quantity=quantity,
        kind=kind,
        at=now(session),
        actor=str(actor),
        reason=reason.strip()[:200],
        subject_kind=subject[0] if subject else None,
        subject_id=subject[1] if subject else None,
    )
    session.add(movement)
    touch(session, "lot", lot_id)
    touch(session, Item.__tablename__, session.get_one(Lot, lot_id).item_id)
    return movement


def available(session: Session, lot_id: int, place_id: int) -> int:
    """What lies there and is promised to nobody."""
    found = session.scalar(
        sa.select(Balance.quantity - Balance.reserved).where(Balance.lot_id == lot_id, Balance.place_id == place_id)
    )
    return int(found or 0)


def reserve(
    session: Session, *, actor: Any, lot_id: int, place: Place, quantity: int, holder: Subject, due_at: Any = None
) -> Reservation:
    """Promise goods to one holder. What is promised cannot be promised or taken by anybody else."""
    check_quantity(quantity)
    session.flush()
    _prepare(session, lot_id, [place])
    done = session.execute(
        sa.update(Balance)
        .where(
            Balance.lot_id == lot_id,
            Balance.place_id == place.id,
            Balance.quantity - Balance.reserved >= quantity,
        )
        .values(reserved=Balance.reserved + quantity)
        .execution_options(synchronize_session=False)
    )
    if done.rowcount != 1:  # type: ignore[attr-defined]
        raise NotEnough(
            N_("Only %(free)s are free there, %(asked)s were asked for. Nothing was moved."),
            free=available(session, lot_id, place.id),
            asked=quantity,
        )
    reservation = Reservation(
        id=new_id(),
        lot_id=lot_id,
        place_id=place.id,
        quantity=quantity,
        holder_kind=holder[0],
        holder_id=holder[1],
        made_at=now(session),
        made_by=str(actor),
        due_at=due_at,
    )
    session.add(reservation)
    session.flush()
    return reservation


def end_reservation(session: Session, *, actor: Any, reservation: Reservation, used: bool) -> None:
    """Give a promise back, or mark it as used just before the goods leave."""
    transition(
        session,
        reservation,
        ReservationState.USED if used else ReservationState.RELEASED,
        allowed=rules.RESERVATION_TRANSITIONS,
        actor=actor,
        values={"done_at": now(session)},
    )
    session.execute(
        sa.update(Balance)
        .where(Balance.lot_id == reservation.lot_id, Balance.place_id == reservation.place_id)
        .values(reserved=Balance.reserved - reservation.quantity)
        .execution_options(synchronize_session=False)
    )


def imbalances(session: Session, limit: int = 20) -> list[Mapping[str, Any]]:
    """Balances that differ from the sum of their movements; empty as long as nobody wrote past this module."""
    into = sa.select(Movement.lot_id, Movement.to_place_id.label("place_id"), Movement.quantity.label("quantity"))
    out = sa.select(Movement.lot_id, Movement.from_place_id.label("place_id"), (-Movement.quantity).label("quantity"))
    lines = sa.union_all(into, out).subquery()
    booked = (
        sa.select(lines.c.lot_id, lines.c.place_id, sa.func.sum(lines.c.quantity).label("booked"))
        .group_by(lines.c.lot_id, lines.c.place_id)
        .subquery()
    )
    rows = session.execute(
        sa.select(Balance.lot_id, Balance.place_id, Balance.quantity, booked.c.booked)
        .join(
            booked,
            sa.and_(booked.c.lot_id == Balance.lot_id, booked.c.place_id == Balance.place_id),
            isouter=True,
        )
        .where(sa.func.coalesce(booked.c.booked, 0) != Balance.quantity)
        .limit(limit)
    )
    return [dict(row) for row in rows.mappings()]
