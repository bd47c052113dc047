"""How fast one account may be used: a token bucket that learns from 429, and a breaker. No I/O; time is handed in."""

from __future__ import annotations

import random

PROBES = 4
TROUBLE_LIMIT = 20
LONGEST_PAUSE = 30.0


class Limiter:
    """Grants messages at the configured rate, less after a 429, none while the road is broken.

    All times are monotonic seconds given by the caller.
    """

    def __init__(self, rate: float, now: float, burst_seconds: float = 0.05):
        self.configured = max(0.01, rate)
        self.rate = self.configured
        self.paused_until = 0.0
        self.last_error: str | None = None
        self._burst_seconds = burst_seconds
        self._tokens = max(1.0, self.rate * burst_seconds)
        self._filled = now
        self._cut = -1e9
        self._trouble = 0
        self._breaks = 0
        self._probing = False

    def share(self, engines: int, now: float, configured: float) -> None:
        """Use an equal part of the account's rate when several engines live."""
        part = max(0.01, configured / max(1, engines))
        if part != self.configured:
            self._fill(now)
            self.rate = min(part, self.rate * part / self.configured)
            self.configured = part

    def _fill(self, now: float) -> None:
        gone = max(0.0, now - self._filled)
        self._filled = now
        if self.rate < self.configured and now - self._cut > 1.0:
            self.rate = min(self.configured, self.rate + self.configured * 0.05 * gone)
        # What a late wake-up missed is caught up within a quarter of a second, so that the mean holds; never more.
        room = 1.0 + self.rate * max(self._burst_seconds, min(gone, 0.25))
        self._tokens = min(room, self._tokens + gone * self.rate)

    def available(self, now: float) -> int:
        """Whole messages that may leave now."""
        if now < self.paused_until:
            self._filled = now
            return 0
        self._fill(now)
        whole = int(self._tokens)
        return min(whole, PROBES) if self._probing else whole

    def take(self, count: int) -> None:
        """Use up `count` of what `available` granted."""
        self._tokens -= count

    def give_back(self, count: int) -> None:
        """Return what was taken and then not sent."""
        self._tokens += count

    def wait(self, now: float) -> float:
        """Seconds until at least one message may leave."""
        if now < self.paused_until:
            return self.paused_until - now
        self._fill(now)
        return 0.0 if self._tokens >= 1 else (1 - self._tokens) / self.rate

    def succeeded(self) -> None:
        """The road works."""
        self._trouble = self._breaks = 0
        self._probing = False

    def throttled(self, now: float, retry_after: float) -> None:
        """A 429: obey its Retry-After, and go a third slower; several answers to one burst count once."""
        self.last_error = "http_429"
        self.paused_until = max(self.paused_until, now + retry_after)
        if now - self._cut > 0.5:
            self._cut = now
            self.rate = max(1.0, min(self.configured, self.rate * 2 / 3))

    def refused(self, now: float, reason: str, pause: float | None = None) -> None:
        """The road itself failed before it took anything: wait, longer each time, then try a few."""
        self.last_error = reason
        if now < self.paused_until:
            return
        self._breaks += 1
        backoff = min(LONGEST_PAUSE, 0.25 * 2 ** min(self._breaks, 10)) * random.uniform(0.75, 1.25)
        self.paused_until = now + max(backoff, pause or 0.0)
        self._probing = True

    def troubled(self, now: float, reason: str) -> None:
        """An uncertain outcome; many in a row without a success open the breaker."""
        self.last_error = reason
        self._trouble += 1
        if self._trouble >= (PROBES if self._probing else TROUBLE_LIMIT):
            self._trouble = 0
            self.refused(now, reason, 2.0)
