"""How often one address may ask for a public page: enough for people, too little to copy the house or to slow it."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

import flask

from kernel.errors import N_, TooMany

MOST = 10_000


class Patience:
    """A bucket an address: `burst` requests at once, `rate` a second after that. In this process only."""

    def __init__(self, *, rate: float, burst: int, clock: Callable[[], float] = time.monotonic):
        self._rate, self._burst, self._clock = rate, float(burst), clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, address: str) -> None:
        """Count one request; 429 `too_fast` where there were too many."""
        with self._lock:
            moment = self._clock()
            left, since = self._left.pop(address, (self._burst, moment))
            left = min(self._burst, left + (moment - since) * self._rate)
            self._left[address] = (max(0.0, left - 1), moment)
            if len(self._left) > MOST:
                self._left.popitem(last=False)
        if left < 1:
            raise TooMany(N_("Too many pages were asked for. Wait a minute, then go on."), code="too_fast")


def of(name: str, *, rate: float, burst: int) -> Patience:
    """The application's own bucket of this name."""
    held: dict[str, Patience] = flask.current_app.extensions.setdefault("emergency.patience", {})
    return held.setdefault(name, Patience(rate=rate, burst=burst))
