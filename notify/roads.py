"""Which account carries the next messages, and how many may leave now."""

from __future__ import annotations

from collections.abc import Sequence

from notify.channels.base import Answer, Channel, Sent
from notify.limiter import Limiter
from notify.models import Kind


class Roads:
    """The channels of an engine, with what was learnt about each. Times are monotonic seconds handed in."""

    def __init__(self, channels: Sequence[Channel], moment: float):
        self.channels = list(channels)
        self.limiters = {channel.account: Limiter(channel.rate, moment) for channel in channels}

    def road(self, name: str, kind: Kind) -> Channel | None:
        """The channel that carries `kind` under this name now; None when no credentials may."""
        return next((c for c in self.channels if c.name == name and kind in c.kinds), None)

    def take(self, name: str, kind: Kind, wanted: int, moment: float) -> tuple[Channel | None, int]:
        """A channel and how many of `wanted` may leave over it now; no channel at all: all of them, to be refused."""
        channel = self.road(name, kind)
        if channel is None:
            return None, wanted
        limiter = self.limiters[channel.account]
        count = min(wanted, limiter.available(moment))
        if count > 0:
            limiter.take(count)
        return channel, max(0, count)

    def give_back(self, channel: Channel, count: int) -> None:
        """Return what was taken and then not sent."""
        self.limiters[channel.account].give_back(count)

    def wait(self, name: str, kind: Kind, moment: float) -> float | None:
        """Seconds until something may leave under this name; None without a channel."""
        channel = self.road(name, kind)
        return None if channel is None else self.limiters[channel.account].wait(moment)

    def learn(self, channel: Channel, sent: Sent, moment: float) -> None:
        """Take an outcome into account."""
        limiter = self.limiters[channel.account]
        if sent.answer is Answer.ACCEPTED or sent.answer is Answer.REFUSED:
            limiter.succeeded()
        elif sent.answer is Answer.NOT_TAKEN:
            if sent.reason == "http_429" or (sent.retry_after and not (sent.reason or "").startswith("http_")):
                limiter.throttled(moment, sent.retry_after or 1.0)
            elif sent.account_fault:
                limiter.refused(moment, sent.reason or "", sent.retry_after)
        elif sent.account_fault:
            limiter.troubled(moment, sent.reason or "")
