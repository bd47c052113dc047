"""What engines wait for in PostgreSQL, by looking often: `pg_stat_activity` every 10 ms, its waits counted."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from kernel.db import Database

LOOK = sa.text(
    "SELECT coalesce(wait_event_type || ':' || wait_event, 'running'), left(query, 40) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid() AND state = 'active'"
)


@contextmanager
def sampled(database: Database | None) -> Iterator[dict[str, float]]:
    """Share of looks in which an active connection was running or waited for what; filled at the end."""
    seen: dict[str, float] = {}
    if database is None or database.is_sqlite:
        yield seen
        return
    counts: Counter[str] = Counter()
    looks = 0
    over = threading.Event()

    def look() -> None:
        nonlocal looks
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            while not over.wait(0.01):
                looks += 1
                for what, query in connection.execute(LOOK):
                    counts[f"{what} | {' '.join(query.split())}" if what.startswith("Lock:") else what] += 1

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()
        seen.update({what: round(count / max(1, looks), 3) for what, count in counts.most_common(12)})
