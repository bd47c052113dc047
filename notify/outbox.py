"""What is intended and waits for a place on the road, one box an account: few places while answers are slow.

A provider that cannot keep up would otherwise hold our requests until we give them up, and take some of them after
that: those are the messages that nobody can tell from lost ones. So the places follow the answers.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from notify.channels.base import Answer, Channel, Sent
from notify.lanes import Lane

LEAST, START = 16, 64
STEP = 0.1
"""Seconds of answers that one judgement rests on."""
KEPT = 8
"""Of so many places one more is there for what is urgent."""
Item = tuple[Lane, Any]


class Window:
    """How many messages of an account may be on the way at once. Times are monotonic seconds handed in.

    Answers within a quarter of the timeout double it, slower ones than a third shrink it, one that never came halves
    it: a request is on the way for a fraction of the time after which we would give it up.
    """

    def __init__(self, most: int, timeout: float, moment: float):
        self.size = min(START, most)
        self._most, self._timeout = most, timeout
        self._since, self._count, self._sum = moment, 0, 0.0
        self._cut = -1e9

    def answered(self, seconds: float, moment: float) -> None:
        """An answer came after so long."""
        self._count += 1
        self._sum += seconds
        if moment - self._since < STEP or self._count < 8:
            return
        mean = self._sum / self._count
        self._since, self._count, self._sum = moment, 0, 0.0
        if mean > self._timeout / 3:
            self.size = max(min(LEAST, self._most), self.size * 3 // 4)
        elif mean < self._timeout / 4 and moment - self._cut > 1.0:
            self.size = min(self._most, self.size * 2)

    def unanswered(self, moment: float) -> None:
        """None came in time; many of one moment count once."""
        if moment - self._cut > 1.0:
            self._cut = moment
            self.size = max(min(LEAST, self._most), self.size // 2)


class Outbox:
    """Sends what is put in, the urgent first, over as many workers as the window has places."""

    def __init__(
        self,
        channel: Channel | None,
        window: Window,
        send: Callable[[Lane, Channel | None, Any], Awaitable[Sent]],
        monotonic: Callable[[], float],
    ):
        self._channel = channel
        self._window = window
        self._send = send
        self._monotonic = monotonic
        self._urgent: deque[Item] = deque()
        self._routine: deque[Item] = deque()
        self._workers: set[asyncio.Task[None]] = set()
        self._busy = 0
        """Workers at work; the set of tasks forgets those that have ended only a turn of the loop later."""

    def __len__(self) -> int:
        return len(self._urgent) + len(self._routine)

    @property
    def urgent(self) -> int:
        """How much of it is urgent."""
        return len(self._urgent)

    def put(self, lane: Lane, rows: list[Any], urgent: bool) -> None:
        """Add rows of a lane, and set workers to work."""
        (self._urgent if urgent else self._routine).extend((lane, row) for row in rows)
        self._hire()

    def _hire(self) -> None:
        size, busy = self._window.size, self._busy
        wanted = min(size, busy + len(self._routine) + len(self._urgent))
        if self._urgent:
            wanted = max(wanted, min(size + size // KEPT + 1, busy + len(self._urgent)))
        loop = asyncio.get_running_loop()
        for _ in range(wanted - busy):
            self._busy += 1
            worker = loop.create_task(self._work())
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)

    def _next(self) -> Item | None:
        if self._urgent:
            return self._urgent.popleft()
        if self._routine and self._busy <= self._window.size:
            return self._routine.popleft()
        return None

    async def _work(self) -> None:
        try:
            while (item := self._next()) is not None:
                began = self._monotonic()
                sent = await self._send(item[0], self._channel, item[1])
                moment = self._monotonic()
                before = self._window.size
                if sent.answer is Answer.UNKNOWN and sent.account_fault:
                    self._window.unanswered(moment)
                else:
                    self._window.answered(moment - began, moment)
                if self._window.size > before and (self._routine or self._urgent):
                    self._hire()
        finally:
            self._busy -= 1

    def cancel(self) -> None:
        """Let everything go that is not on the way, and give up what is."""
        self._urgent.clear()
        self._routine.clear()
        for worker in list(self._workers):
            worker.cancel()
