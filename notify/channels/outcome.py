"""What an HTTP exchange tells of a message when it brings no usable answer."""

from __future__ import annotations

import math
from contextvars import ContextVar

LATE = "lease_ran_out"
"""The reason where a connection was ready, or this process thawed, only after `send_by`."""
send_by: ContextVar[float] = ContextVar("send_by", default=math.inf)
"""Monotonic seconds after which no byte of this task's request may leave: somebody else may be sending it by then."""


class NotTaken(Exception):
    """The request certainly was not accepted."""

    def __init__(self, reason: str, retry_after: float | None = None, raw: str | None = None):
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after
        self.raw = raw


class Uncertain(Exception):
    """The request may or may not have been accepted."""

    def __init__(self, reason: str, raw: str | None = None, retry_after: float | None = None):
        super().__init__(reason)
        self.reason = reason
        self.raw = raw
        self.retry_after = retry_after
