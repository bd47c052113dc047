"""A lease in the database: one process at a time, taken over when its holder falls silent."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from kernel.db import Database, dialect_name
from kernel.logs import kv
from scheduler.models import Lease

log = logging.getLogger(__name__)
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


def take(session: Session, name: str, holder: str, now: datetime, seconds: int) -> bool:
    """Take or renew the lease for `seconds`; False where somebody else holds it.

    A lease that runs further into the future than anybody would have asked for was written before the clock was set
    back: it counts as run out, or nobody would work until the old time came round again.
    """
    until = now + timedelta(seconds=seconds)
    insert = sqlite.insert if dialect_name(session) == "sqlite" else postgresql.insert
    session.execute(
        insert(Lease)
        .values(name=name, holder=holder, until=now, fence=0)
        .on_conflict_do_nothing(index_elements=["name"])
    )
    free = sa.or_(Lease.holder == holder, Lease.until <= now, Lease.until > now + timedelta(seconds=3 * seconds))
    taken = session.execute(
        sa.update(Lease)
        .where(Lease.name == name, free)
        .values(until=until, holder=holder, fence=Lease.fence + sa.case((Lease.holder == holder, 0), else_=1))
    )
    return taken.rowcount == 1  # type: ignore[attr-defined,no-any-return]


def give_back(session: Session, name: str, holder: str) -> None:
    """End the lease now, if it is still ours; the fence goes on counting."""
    session.execute(sa.update(Lease).where(Lease.name == name, Lease.holder == holder).values(until=_LONG_AGO))


@contextmanager
def kept(database: Database, name: str, holder: str, seconds: int) -> Iterator[None]:
    """Renew the lease in the background while long work goes on."""
    over = threading.Event()

    def renew() -> None:
        while not over.wait(seconds / 3):
            try:
                with database.write() as session:
                    take(session, name, holder, database.clock.now(), seconds)
            except SQLAlchemyError as error:
                log.warning("the lease could not be renewed %s", kv(name=name, error=type(error).__name__))

    thread = threading.Thread(target=renew, name=f"lease-{name}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
