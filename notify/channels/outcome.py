"""What an HTTP exchange tells of a message when it brings no usable answer."""

from __future__ import annotations


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
