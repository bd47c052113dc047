"""A real process that ticks: fires each due row by writing its id and its own name to a file outside the database."""

from __future__ import annotations

import os
import sys
import time
from datetime import UTC, datetime

import sqlalchemy as sa

from kernel.db import Database, make_engine
from scheduler.due import claim_due
from scheduler.ticker import Job, Ticker

FIRING = sa.Table(
    "firing",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("due_at", sa.DateTime, nullable=False),
    sa.Column("done_at", sa.DateTime),
    sa.Column("claimed_at", sa.DateTime),
    sa.Column("by", sa.String(60)),
    sa.Column("fired", sa.Integer, nullable=False, default=0),
)


def fire(database: Database, now: datetime) -> int:
    naive, handled = now.astimezone(UTC).replace(tzinfo=None), 0
    while True:
        with database.write() as session:
            ids = claim_due(session, FIRING, naive, 5)
            session.execute(
                FIRING.update()
                .where(FIRING.c.id.in_(ids))
                .values(done_at=naive, by=str(os.getpid()), fired=FIRING.c.fired + 1)
            )
            time.sleep(0.004)
        handled += len(ids)
        if not ids:
            return handled


def main(url: str, seconds: float, with_lease: bool) -> None:
    database = Database(make_engine(url))
    ticker = Ticker(database, [Job("fire", fire)], lease_seconds=1)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if with_lease:
            ticker.tick()
        else:
            fire(database, datetime.now(UTC))
        with database.read() as session:
            if session.scalar(sa.select(sa.func.count()).where(FIRING.c.done_at.is_(None))) == 0:
                return
        time.sleep(0.02)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), sys.argv[3] == "lease")
