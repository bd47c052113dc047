"""The demonstration: holidays, then what is wrong with the district as the other seeds left it."""

from __future__ import annotations

from typing import Any

from emergency.readiness import jobs, service
from kernel.db import Database


def seed(database: Database, *, scale: float = 1.0, **_more: Any) -> None:
    """Gather the faults of every registered room once, and keep the first score."""
    now = database.clock.now()
    jobs.import_calendar(database, now)
    service.gather(database, now)
    jobs.keep_score(database, now)
