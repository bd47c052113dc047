"""Notices when the wall clock is set: leases, due times and ages in the ledger are wall time, this process is not."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from kernel.db import now
from notify.models import BlockState, Delivery, DeliveryBlock

NOTICED: Final = timedelta(seconds=5)
"""What NTP slews is less; what somebody sets by hand is more."""
FARTHEST_DUE: Final = timedelta(minutes=10)
"""No retry lies farther ahead; a block that is due later was dated by a clock that has been set back since."""


class ClockWatch:
    """Compares wall and monotonic time. `total` is by how much the wall clock was set since the start, either way."""

    def __init__(self, wall: datetime, monotonic: float):
        self._wall, self._monotonic = wall, monotonic
        self.total = timedelta(0)

    def step(self, wall: datetime, monotonic: float) -> timedelta | None:
        """By how much the clock was set since the last look; None when it merely ran."""
        gone = timedelta(seconds=monotonic - self._monotonic)
        moved = wall - self._wall - gone
        self._wall, self._monotonic = wall, monotonic
        if abs(moved) < NOTICED:
            return None
        self.total += abs(moved)
        return moved


def redate(session: Session, lease_seconds: float) -> None:
    """Bring the ledger's times in line with the present clock, after it was set or before an engine begins.

    What is unknown starts to age anew: a forward step must not make it look absent, a backward one must not freeze it.
    Blocks dated into the future become due, and leases run no longer than a lease.
    """
    moment = now(session)
    table = Delivery.__table__
    session.execute(
        sa.update(table)  # type: ignore[arg-type]
        .where(table.c.state == sa.literal_column("'unknown'"), table.c.changed_at != moment)
        .values(changed_at=moment)
    )
    pull_back(session, lease_seconds)


def pull_back(session: Session, lease_seconds: float) -> None:
    """Make due what a fast clock had dated into the future, and cut leases that reach far ahead."""
    moment = now(session)
    session.execute(
        sa.update(DeliveryBlock)
        .where(DeliveryBlock.state == BlockState.READY, DeliveryBlock.due_at > moment + FARTHEST_DUE)
        .values(due_at=moment)
        .execution_options(synchronize_session=False)
    )
    session.execute(
        sa.update(DeliveryBlock)
        .where(
            DeliveryBlock.state.in_([BlockState.HELD, BlockState.CLOSING]),
            DeliveryBlock.lease_until > moment + max(FARTHEST_DUE, timedelta(seconds=2 * lease_seconds)),
        )
        .values(lease_until=moment + timedelta(seconds=lease_seconds))
        .execution_options(synchronize_session=False)
    )
