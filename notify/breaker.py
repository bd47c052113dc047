"""Whether one account is used at all: a breaker with a growing, jittered cool-down, probes, and a slow way back.

Pure: no I/O; all times are monotonic seconds handed in.
"""

from __future__ import annotations

import random

from notify.models import BreakerState

PROBES = 4
"""Messages that may be out at once over an account that is being tried."""
PROVEN = 2
"""Probes that must arrive before it is used again."""
TROUBLE_LIMIT = 20
"""Uncertain answers in a row that open the breaker."""
TROUBLE_SHARE = 0.75
"""The part of recent answers, in trouble, that opens it though now and then one arrives."""
MEMORY = 20
"""About so many answers make up what is recent."""
SHORTEST_PAUSE = 0.5
LONGEST_PAUSE = 30.0
LONGEST_ORDER = 3600.0
PATIENCE = 20.0
"""A probe without an answer for so long is given up: its place is free again, or nothing would ever be tried."""
DRIFT = 30.0
"""Seconds in which an account that was cut off comes back to its weight, and after which its past is forgotten."""
FIRST_SHARE = 0.1
LEAST_SHARE = 0.05


class Breaker:
    """Closed → open, with a cool-down that grows with every opening → half open, a few probes → closed, from a tenth of
    its share up to all of it."""

    def __init__(self, moment: float) -> None:
        self.state = BreakerState.CLOSED
        self.since = moment
        self.until = moment
        self.reason: str | None = None
        self.breaks = 0
        """How often it opened without having held for `DRIFT` seconds in between."""
        self.opened = 0
        self._run = 0
        self._trouble = 0.0
        self._out = 0
        self._good = 0
        self._tried_at = moment
        self._came_back = False

    def allowance(self, moment: float) -> int | None:
        """How many messages may leave now; None for as many as the rate allows."""
        if self.state is BreakerState.OPEN and moment >= self.until:
            self._enter(BreakerState.HALF_OPEN, moment)
            self._out = self._good = 0
        if self.state is BreakerState.CLOSED:
            return None
        if self.state is BreakerState.OPEN:
            return 0
        if self._out and moment - self._tried_at > PATIENCE:
            self._out = 0
        return max(0, PROBES - self._out)

    def wait(self, moment: float) -> float:
        """Seconds until something may leave, as far as the breaker goes."""
        if self.state is BreakerState.OPEN:
            return max(0.0, self.until - moment)
        return 0.0 if self.allowance(moment) != 0 else max(0.02, min(0.2, self._tried_at + PATIENCE - moment))

    def went(self, count: int, moment: float) -> None:
        """So many messages leave."""
        if self.state is BreakerState.HALF_OPEN:
            self._out += count
            self._tried_at = moment

    def came(self, count: int) -> None:
        """So many were not sent after all."""
        self._out = max(0, self._out - count)

    def succeeded(self, moment: float) -> None:
        """The provider looked at a message and answered."""
        self._run = 0
        self._trouble *= 1 - 1 / MEMORY
        if self.state is BreakerState.HALF_OPEN:
            self.came(1)
            self._good += 1
            if self._good >= PROVEN:
                self._trouble = 0.0
                self._came_back = True
                self._enter(BreakerState.CLOSED, moment)
        elif self.state is BreakerState.CLOSED and self.breaks and moment - self.since > DRIFT:
            self.breaks = 0

    def refused(self, moment: float, reason: str, retry_after: float | None = None) -> None:
        """The account or the road to it failed before it took anything (no connection, wrong password)."""
        if self.state is BreakerState.OPEN:
            self.until = max(self.until, moment + min(LONGEST_ORDER, retry_after or 0.0))
            return
        self._open(moment, reason, retry_after)

    def troubled(self, moment: float, reason: str) -> None:
        """An uncertain outcome (a time-out, a 500). Many together open the breaker; while it is tried, one does."""
        if self.state is BreakerState.OPEN:
            return
        self._run += 1
        self._trouble += (1 - self._trouble) / MEMORY
        if self.state is BreakerState.HALF_OPEN or self._run >= TROUBLE_LIMIT or (self._trouble >= TROUBLE_SHARE):
            self._open(moment, reason, None)

    def fitness(self, moment: float) -> float:
        """The part of its weight that the account is trusted with now, 0 to 1."""
        if self.state is BreakerState.OPEN:
            return 0.0
        if self.state is BreakerState.HALF_OPEN:
            return LEAST_SHARE
        warmth = 1.0
        if self._came_back:
            warmth = min(1.0, FIRST_SHARE + (1 - FIRST_SHARE) * max(0.0, moment - self.since) / DRIFT)
        return max(LEAST_SHARE, warmth * (1 - self._trouble))

    def _open(self, moment: float, reason: str, retry_after: float | None) -> None:
        self.breaks += 1
        self.opened += 1
        self.reason = reason
        self._run = 0
        pause = min(LONGEST_PAUSE, SHORTEST_PAUSE * 2 ** min(self.breaks - 1, 10)) * random.uniform(0.75, 1.25)
        self.until = moment + max(pause, min(LONGEST_ORDER, retry_after or 0.0))
        self._enter(BreakerState.OPEN, moment)

    def _enter(self, state: BreakerState, moment: float) -> None:
        self.state, self.since = state, moment
