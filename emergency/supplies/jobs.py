"""What the ticker does for supplies: reservations that nobody used by their time are given back."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from emergency.http.actor import Actor
from emergency.supplies import ledger
from emergency.supplies.models import Reservation, ReservationState, WriteOff
from kernel.db import Database
from scheduler.ticker import Job

PIECE = 100
ACTOR = Actor.system("supplies")


def release_expired(database: Database, now: datetime) -> int:
    """What was promised until a time that has passed is free again."""
    released = 0
    while True:
        with database.write() as session:
            late = session.scalars(
                sa.select(Reservation)
                .where(
                    Reservation.state == ReservationState.HELD,
                    Reservation.due_at <= now,
                    Reservation.holder_kind != WriteOff.__tablename__,
                )
                .order_by(Reservation.id)
                .limit(PIECE)
            ).all()
            for reservation in late:
                ledger.end_reservation(session, actor=ACTOR, reservation=reservation, used=False)
        released += len(late)
        if len(late) < PIECE:
            return released


JOBS = [Job("supplies.reservations", release_expired, 300)]
