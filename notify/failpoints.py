"""Places where a process can be told to die, freeze or fail, to prove what survives. Off unless the environment asks.

`EMERGENCY_FAILPOINTS="intended=kill@3,receipt_stored=freeze:2"`: at the third batch whose intent is stored the process
kills itself as `kill -9` would; once a receipt is stored it stands still for two seconds.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from kernel.logs import kv

log = logging.getLogger("notify.failpoints")
VARIABLE: Final = "EMERGENCY_FAILPOINTS"
POINTS: Final[Mapping[str, str]] = {
    "entered": "the ledger's rows are written, the caller has not committed",
    "claimed": "blocks are ours, nothing of them is intended",
    "addressed": "the address book has answered and journalled",
    "intended": "intent is committed, nothing of it has left",
    "answered": "the provider has answered, nothing of it is stored",
    "settling": "results are written, not committed",
    "settled": "results are committed",
    "released": "a finished block is given back",
    "receipt_verified": "a receipt is genuine, and not stored",
    "receipt_stored": "a receipt is stored, and its sender has no answer",
    "folding": "receipts are brought into the ledger, not committed",
    "folded": "they are committed",
    "reconciling": "the provider's list was read, nothing is concluded",
}


class Tripped(RuntimeError):
    """What a failpoint with the action `fail` raises."""


@dataclass(slots=True)
class _Armed:
    action: str
    seconds: float
    at: int
    hits: int = 0


def _parse(text: str) -> dict[str, _Armed]:
    armed: dict[str, _Armed] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, _, wish = item.partition("=")
        wish, _, at = wish.partition("@")
        action, _, seconds = wish.partition(":")
        if name not in POINTS or action not in ("kill", "freeze", "fail"):
            raise ValueError(f"{VARIABLE}: {item!r} is not <point>=kill|freeze:<seconds>|fail[@<hit>]")
        armed[name] = _Armed(action, float(seconds or 1), int(at or 1))
    return armed


_armed = _parse(os.environ.get(VARIABLE, ""))


def arm(text: str) -> None:
    """Set what shall happen where, in this process; an empty text switches everything off."""
    global _armed
    _armed = _parse(text)


def armed() -> list[str]:
    """Which points are armed in this process."""
    return sorted(_armed)


def reach(name: str) -> None:
    """Say that the point `name` is reached. Costs one look-up while nothing is armed."""
    if _armed:
        _act(name)


def _act(name: str) -> None:
    armed = _armed.get(name)
    if armed is None:
        return
    armed.hits += 1
    if armed.hits != armed.at:
        return
    log.warning("failpoint %s", kv(point=name, action=armed.action, hit=armed.hits))
    if armed.action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if armed.action == "freeze":
        time.sleep(armed.seconds)
        log.warning("thawed %s", kv(point=name))
        return
    raise Tripped(name)
