"""Which account carries the next messages, and how many may leave now.

Messages of a channel are shared among its healthy accounts by weight. An account that is cut off, or that asked to be
left alone for a while, is left out at once, and the lane goes on over another. Kinds never mix: an exercise sees only
the accounts whose credentials carry exercises, whatever else is broken.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from notify.breaker import Breaker
from notify.channels.base import Answer, Channel, Sent
from notify.limiter import Limiter
from notify.models import BreakerState, ChannelState, Kind

AGAIN_AFTER = 0.5
"""What was not taken goes again after about so many seconds where no other account is fit."""


@dataclass(frozen=True, slots=True)
class View:
    """What is known of one account, for those who watch."""

    breaker: BreakerState
    since: float
    wait: float
    """Seconds until it may be used, by breaker and by Retry-After together."""
    weight: float
    share: float
    rate: float
    reason: str | None
    taken: int
    troubles: int
    breaks: int


class _Road:
    def __init__(self, channel: Channel, moment: float):
        self.channel = channel
        self.weight = max(0.0, float(getattr(channel, "weight", 1.0)))
        self.limiter = Limiter(channel.rate, moment)
        self.breaker = Breaker(moment)
        self.mark = 0.0
        """Where it stands in the common measure of messages by weight; the lowest is next."""
        self.taken = self.troubles = 0
        self.reason: str | None = None

    def fit(self, moment: float) -> bool:
        return self.breaker.allowance(moment) != 0 and moment >= self.limiter.paused_until

    def force(self, moment: float) -> float:
        """Its weight as far as it is trusted. A reserve (weight 0) counts among reserves."""
        return (self.weight or 1.0) * self.breaker.fitness(moment)

    def wait(self, moment: float) -> float:
        return max(self.breaker.wait(moment), self.limiter.wait(moment))


class Roads:
    """The channels of an engine, with what was learnt about each. Times are monotonic seconds handed in."""

    def __init__(self, channels: Sequence[Channel], moment: float):
        self.channels = list(channels)
        self._by_account = {channel.account: _Road(channel, moment) for channel in channels}
        if len(self._by_account) != len(self.channels):
            raise ValueError("two channels have the same account name")
        self._of: dict[tuple[str, Kind], list[_Road]] = {}
        for road in self._by_account.values():
            for kind in road.channel.kinds:
                self._of.setdefault((road.channel.name, kind), []).append(road)
        self._clock: dict[tuple[str, Kind], float] = dict.fromkeys(self._of, 0.0)
        self.limiters = {account: road.limiter for account, road in self._by_account.items()}

    def road(self, name: str, kind: Kind) -> Channel | None:
        """A channel that may carry `kind` under this name; None when no credentials may."""
        found = self._of.get((name, kind))
        return found[0].channel if found else None

    def bearers(self, name: str, kind: Kind, account: str | None) -> list[Channel]:
        """Whom to ask about a message that left over `account`; every account that may have carried it where that is
        not known, nobody where the account is no longer there."""
        found = self._of.get((name, kind), [])
        return [r.channel for r in found if account is None or r.channel.account == account]

    def _usable(self, roads: Sequence[_Road], moment: float) -> list[_Road]:
        fit = [road for road in roads if road.fit(moment)]
        return [road for road in fit if road.weight > 0] or fit

    def take(self, name: str, kind: Kind, wanted: int, moment: float) -> tuple[Channel | None, int]:
        """A channel and how many of `wanted` may leave over it now; no channel at all: all of them, to be refused."""
        key = (name, kind)
        roads = self._of.get(key)
        if not roads:
            return None, wanted
        if len(roads) == 1:
            return roads[0].channel, self._grant(roads[0], wanted, moment)
        clock = self._clock[key]
        usable = self._usable(roads, moment)
        for road in sorted(usable, key=lambda road: max(road.mark, clock)):
            start = max(road.mark, clock)
            count = self._grant(road, wanted, moment)
            if count > 0:
                # Whoever was away or slower than its weight starts from now: nothing is made up for in one rush.
                road.mark = start + count / max(1e-6, road.force(moment))
                self._clock[key] = start
                return road.channel, count
        return (usable or roads)[0].channel, 0

    @staticmethod
    def _grant(road: _Road, wanted: int, moment: float) -> int:
        allowed = road.breaker.allowance(moment)
        count = min(wanted, road.limiter.available(moment))
        count = count if allowed is None else min(count, allowed)
        if count <= 0:
            return 0
        road.limiter.take(count)
        road.breaker.went(count, moment)
        return count

    def give_back(self, channel: Channel, count: int) -> None:
        """Return what was taken and then not sent."""
        road = self._by_account[channel.account]
        road.limiter.give_back(count)
        road.breaker.came(count)

    def wait(self, name: str, kind: Kind, moment: float) -> float | None:
        """Seconds until something may leave under this name; None without a channel."""
        roads = self._of.get((name, kind))
        if not roads:
            return None
        return min(road.wait(moment) for road in self._usable(roads, moment) or roads)

    def again_in(self, channel: Channel, sent: Sent, kind: Kind, moment: float) -> float:
        """Seconds until a message that was not taken goes again: at once where another account is fit."""
        roads = self._of.get((channel.name, kind), [])
        if any(road.channel is not channel for road in self._usable(roads, moment)):
            return 0.01
        wait = min((road.wait(moment) for road in roads), default=0.0)
        return max(wait, AGAIN_AFTER) * random.uniform(1.0, 1.1)

    def learn(self, channel: Channel, sent: Sent, moment: float) -> None:
        """Take an outcome into account."""
        road = self._by_account[channel.account]
        if sent.answer is Answer.ACCEPTED or sent.answer is Answer.REFUSED:
            road.taken += 1
            road.limiter.succeeded()
            road.breaker.succeeded(moment)
        elif sent.answer is Answer.NOT_TAKEN and _slow_down(sent):
            # It answers, only not now: what it owed as a probe is free again, and the pause is its Retry-After.
            road.troubles += 1
            road.reason = sent.reason
            road.breaker.came(1)
            road.limiter.throttled(moment, sent.retry_after)
        elif sent.account_fault:
            road.troubles += 1
            road.reason = sent.reason
            if sent.answer is Answer.NOT_TAKEN:
                road.breaker.refused(moment, sent.reason or "", sent.retry_after)
            else:
                road.breaker.troubled(moment, sent.reason or "")
                if sent.retry_after:
                    road.limiter.pause(moment, sent.retry_after)
        else:
            road.breaker.came(1)

    def view(self, channel: Channel, moment: float) -> View:
        """What is known of the account behind `channel`; its latest reason is told once."""
        road = self._by_account[channel.account]
        reason, road.reason = road.reason, None
        kind = min(channel.kinds, key=lambda kind: kind.value, default=None)
        usable = self._usable(self._of.get((channel.name, kind), []) if kind else [], moment)
        whole = sum(other.force(moment) for other in usable)
        return View(
            breaker=road.breaker.state,
            since=road.breaker.since,
            wait=max(road.breaker.wait(moment) if road.breaker.state is BreakerState.OPEN else 0.0,
                     road.limiter.paused_until - moment, 0.0),
            weight=road.weight,
            share=road.force(moment) / whole if road in usable and whole else 0.0,
            rate=road.limiter.rate,
            reason=reason,
            taken=road.taken,
            troubles=road.troubles,
            breaks=road.breaker.opened,
        )  # fmt: skip


def show(state: ChannelState, view: View, at: datetime, moment: float) -> None:
    """Write a view down for those who watch; `at` is the wall clock's word for the monotonic `moment`."""
    state.rate, state.weight, state.share = view.rate, view.weight, round(view.share, 4)
    state.breaker = view.breaker
    state.breaker_since = at + timedelta(seconds=min(0.0, view.since - moment))
    state.paused_until = at + timedelta(seconds=view.wait) if view.wait > 0 else None
    state.taken, state.troubles, state.breaks = view.taken, view.troubles, view.breaks
    if view.reason is not None:
        state.last_error, state.last_error_at = view.reason[:80], at


def _slow_down(sent: Sent) -> bool:
    """A 429 or what means the same; a Retry-After on another fault belongs to the breaker."""
    reason = sent.reason or ""
    return reason == "http_429" or bool(sent.retry_after and not reason.startswith("http_"))
