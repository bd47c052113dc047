"""What the gateway does wrong on purpose, and what its phones do. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass, fields
from typing import Any

NOT_A_MOBILE, OPTED_OUT = "96", "95"
UNREACHABLE, UNKNOWN_HANDSET, SILENT_HANDSET = "97", "98", "99"
PRESSES_ONE, BUSY, NO_ANSWER, MACHINE, HANGS_UP = "90", "91", "92", "93", "94"


@dataclass(slots=True)
class Faults:
    """Programmable faults; every share is between 0 and 1 of requests to create a message."""

    latency_ms: float = 0.0
    jitter_ms: float = 0.0
    share_429: float = 0.0
    retry_after: float | None = 1.0
    share_500: float = 0.0
    share_500_after_accept: float = 0.0
    share_silence: float = 0.0
    share_silence_after_accept: float = 0.0
    share_reset: float = 0.0
    share_reset_after_accept: float = 0.0
    share_html: float = 0.0
    share_html_after_accept: float = 0.0
    share_no_sid: float = 0.0
    per_second: float = 0.0
    """Above this many a second the answer is 429; 0 is no limit."""
    receipts: str = "final"
    """`none`, `final` (one status callback a message) or `all` (sent, then the final one)."""
    receipt_delay_ms: float = 300.0
    ring_ms: float = 1500.0
    """How long a phone rings before it is picked up."""
    speech_ms: float = 15_000.0
    """How long an announcement takes, with the time that a key is waited for."""
    seed: int = 1

    def update(self, values: dict[str, Any]) -> None:
        """Set some of them. Raises `ValueError` for a name or a value that does not exist."""
        known = {f.name: f for f in fields(self)}
        for name, value in values.items():
            if name not in known:
                raise ValueError(f"no such fault: {name}")
            if name == "receipts" and value not in ("none", "final", "all"):
                raise ValueError("receipts: none, final or all")
            if name != "receipts" and not (value is None and name == "retry_after"):
                value = float(value)
                if value < 0 or (name.startswith("share_") and value > 1):
                    raise ValueError(f"{name}: out of range")
            setattr(self, name, int(value) if name == "seed" else value)


class Dice:
    """Draws at most one fault a request, reproducibly from the seed."""

    def __init__(self, faults: Faults):
        self.faults = faults
        self.reset()

    def reset(self) -> None:
        """Start again from the seed, after the faults were changed."""
        f = self.faults
        self._random = random.Random(f.seed)
        self._table: list[tuple[float, str]] = []
        upto = 0.0
        for name in (
            "share_429",
            "share_500",
            "share_500_after_accept",
            "share_silence",
            "share_silence_after_accept",
            "share_reset",
            "share_reset_after_accept",
            "share_html",
            "share_html_after_accept",
            "share_no_sid",
        ):
            share = getattr(f, name)
            if share > 0:
                upto += share
                self._table.append((upto, name.removeprefix("share_")))

    def draw(self) -> str | None:
        """The fault of this request, or None."""
        if not self._table:
            return None
        value = self._random.random()
        return next((name for upto, name in self._table if value < upto), None)

    def delay(self) -> float:
        """Seconds to wait before the answer."""
        f = self.faults
        if not f.latency_ms and not f.jitter_ms:
            return 0.0
        return (f.latency_ms + f.jitter_ms * self._random.random()) / 1000


def refusal(number: str) -> tuple[int, str] | None:
    """A number that the gateway never takes, by its last two digits: code and words as the provider's."""
    if not number.startswith("+") or not number[1:].isdigit() or not 8 <= len(number) <= 16:
        return 21211, f"The 'To' number {number[:20]} is not a valid phone number."
    if number.endswith(NOT_A_MOBILE):
        return 21614, "'To' number is not a valid mobile number."
    if number.endswith(OPTED_OUT):
        return 21610, "Attempt to send to unsubscribed recipient."
    return None


def fate(number: str) -> tuple[str, int | None]:
    """What the handset does with a message, by its last two digits: always the same for the same number.

    …97 is unreachable, …98 does not exist, …99 is switched off and never confirms; every other receives.
    """
    ending = number[-2:]
    if ending == UNREACHABLE:
        return "undelivered", 30003
    if ending == UNKNOWN_HANDSET:
        return "undelivered", 30005
    if ending == SILENT_HANDSET:
        return "sent", None
    return "delivered", None


def callable_number(number: str) -> bool:
    """Whether a number can be called at all; a landline can, and so can who wants no texts."""
    return number.startswith("+") and number[1:].isdigit() and 8 <= len(number) <= 16


def call_fate(number: str) -> str:
    """What becomes of a call, by the number's last two digits: always the same for the same number.

    …90 listens and presses 1, …91 is busy, …92 does not answer, …93 is an answering machine, …94 hangs up early, …98
    does not exist, …97 and …99 do not answer; every other listens to the end unless somebody presses on the page.
    """
    return {
        PRESSES_ONE: "key", BUSY: "busy", NO_ANSWER: "no-answer", MACHINE: "machine", HANGS_UP: "early",
        UNREACHABLE: "no-answer", UNKNOWN_HANDSET: "failed", SILENT_HANDSET: "no-answer",
    }.get(number[-2:], "listens")  # fmt: skip
