"""One injected clock. Aware UTC inside; Asia/Shanghai only at the edge."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

BEIJING = ZoneInfo("Asia/Shanghai")


class Clock(Protocol):
    """What tells the time. Services take `now` from the session's clock, never from the system."""

    def now(self) -> datetime:
        """The present, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never step, for durations."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


class ManualClock:
    """A clock that moves only when told, for tests and rehearsals."""

    def __init__(self, start: datetime | None = None):
        self._now = start or datetime(2026, 11, 23, 0, 0, tzinfo=UTC)
        self._monotonic = 0.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, delta: timedelta | float) -> datetime:
        """Move forward by a timedelta or by seconds; wall and monotonic together."""
        step = delta if isinstance(delta, timedelta) else timedelta(seconds=delta)
        self._now += step
        self._monotonic += step.total_seconds()
        return self._now

    def set(self, moment: datetime) -> None:
        """Step the wall clock alone, as an administrator or NTP does."""
        self._now = moment
