"""How fast one account may be used: a token bucket that learns from 429. No I/O; time is handed in."""

from __future__ import annotations

import random

CATCH_UP = 0.25
"""Seconds of rate that a busy bucket keeps for a late wake-up, so that the mean holds; never more."""
STILL_BUSY = 0.5
"""A bucket that nobody asked for so long was idle: it starts with its small burst again."""
LONGEST_PAUSE = 30.0
LONGEST_ORDER = 3600.0
"""A longer Retry-After is obeyed so long and then asked about: a mistake of theirs must not silence us for days."""


class Limiter:
    """Grants messages at the configured rate, less after a 429, none while a Retry-After runs.

    All times are monotonic seconds given by the caller. In any `t` seconds it grants at most `rate * t` plus a quarter
    of a second's worth, plus one.
    """

    def __init__(self, rate: float, now: float, burst_seconds: float = 0.05):
        self.configured = max(0.01, rate)
        self.rate = self.configured
        self.paused_until = 0.0
        self._burst_seconds = burst_seconds
        self._tokens = max(1.0, self.rate * burst_seconds)
        self._filled = now
        self._cut = -1e9
        self._refused = 0

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
        room = 1.0 + self.rate * (CATCH_UP if gone < STILL_BUSY else self._burst_seconds)
        self._tokens = min(room, self._tokens + gone * self.rate)

    def available(self, now: float) -> int:
        """Whole messages that may leave now."""
        if now < self.paused_until:
            self._filled = now
            self._tokens = min(self._tokens, 1.0 + self.rate * self._burst_seconds)
            return 0
        self._fill(now)
        return max(0, int(self._tokens))

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
        """A message was taken."""
        self._refused = 0

    def throttled(self, now: float, retry_after: float | None) -> None:
        """A 429: obey its Retry-After, and go a third slower; several answers to one burst count once.

        Where none is ever taken in between, the pause grows, and is jittered so that engines do not return together.
        """
        if now - self._cut > 0.5 and now >= self.paused_until:
            self._cut = now
            self._refused += 1
            self.rate = max(min(1.0, self.configured), min(self.configured, self.rate * 2 / 3))
        grown = min(LONGEST_PAUSE, 0.25 * 2 ** min(self._refused, 10)) if self._refused > 1 else 0.0
        self.pause(now, max(min(LONGEST_ORDER, retry_after or 0.5), grown))

    def pause(self, now: float, seconds: float) -> None:
        """Grant nothing for so long, and up to a tenth more: engines should not return together."""
        pause = min(LONGEST_ORDER, max(0.0, seconds)) * random.uniform(1.0, 1.1)
        self.paused_until = max(self.paused_until, now + pause)
