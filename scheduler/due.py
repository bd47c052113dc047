"""Claiming what is due by compare-and-set: two processes never do the same row."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from kernel.db import Database, dialect_name

RECLAIM_AFTER = timedelta(minutes=5)
"""A claim whose work was not recorded for so long belonged to a process that died."""


def claim_due(
    session: Session, table: Any, now: datetime, limit: int, *, reclaim_after: timedelta = RECLAIM_AFTER
) -> list[int]:
    """Claim up to `limit` rows whose `due_at` has come and that are not done, earliest first; their ids.

    `table` has the columns `id`, `due_at`, `done_at` and `claimed_at`. Do the work and set `done_at` in the same
    transaction where that is possible: then a killed process leaves nothing half claimed. Work outside the
    transaction that is never recorded is claimable again after `reclaim_after`.
    """
    c = table.c
    claimable = sa.and_(
        c.done_at.is_(None),
        c.due_at <= now,
        # A claim from the future was made before the clock was set back.
        sa.or_(c.claimed_at.is_(None), c.claimed_at <= now - reclaim_after, c.claimed_at > now + reclaim_after),
    )
    chosen = sa.select(c.id).where(claimable).order_by(c.due_at, c.id).limit(limit)
    if dialect_name(session) == "postgresql":
        chosen = chosen.with_for_update(skip_locked=True)
    due = [row.id for row in session.execute(chosen)]
    if not due:
        return []
    won = session.execute(sa.update(table).where(c.id.in_(due), claimable).values(claimed_at=now).returning(c.id))
    mine = set(won.scalars())
    return [row for row in due if row in mine]


def do_due(
    database: Database, table: Any, now: datetime, piece: int, work: Callable[[Session, list[int]], None]
) -> int:
    """Do all that is due, `piece` rows a transaction: claimed, done and committed together. Returns how many."""
    handled = 0
    while True:
        with database.write() as session:
            ids = claim_due(session, table, now, piece)
            if ids:
                work(session, ids)
        handled += len(ids)
        if len(ids) < piece:
            return handled
