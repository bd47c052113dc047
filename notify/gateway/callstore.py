"""The calls that the gateway took: in memory, and in an append-only file of their own that survives its being killed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from notify.gateway.lines import Lines

FINAL = frozenset({"completed", "busy", "no-answer", "failed", "canceled"})


@dataclass(slots=True, eq=False)
class Call:
    """One call as the provider knows it. `ring` is in seconds; `heard` is what was said before it ended."""

    seq: int
    to: str
    from_: str
    twiml: str
    url: str
    callback: str
    events: list[str]
    detect: bool
    ring: int
    at: float
    status: str = "queued"
    answered_by: str = ""
    started: float | None = None
    ended: float | None = None
    keys: str = ""
    heard: list[str] = field(default_factory=list)
    code: str = ""
    listening: bool = False
    """Whether a key would be taken now."""
    fingers: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    """Keys being pressed, and `hangup`."""

    @property
    def live(self) -> bool:
        """Whether it has not ended."""
        return self.status not in FINAL

    @property
    def seconds(self) -> int:
        """How long somebody was on the line."""
        return max(1, round(self.ended - self.started)) if self.started and self.ended else 0


class CallStore(Lines):
    """Every call in order.

    One JSON array a line: `["c", seq, to, from, twiml, url, callback, events, detect, ring, at]` for a call taken,
    `["s", seq, status, answered by, code, at]` for a status, `["k", seq, key]` for a key, `["h", seq, words]` for what
    was said. A line is written before the request is answered; a torn last line is cut off at the next start.
    """

    prefix = "CA"

    def __init__(self, path: Path):
        self.calls: list[Call] = []
        self.by_number: dict[str, list[Call]] = {}
        super().__init__(path)

    def _apply(self, record: list[object]) -> None:
        match record:
            case ["c", int(seq), str(to), str(from_), str(twiml), str(url), str(callback), list(events), detect,
                  int(ring), float(at) | int(at)]:  # fmt: skip
                self._keep(
                    Call(seq, to, from_, twiml, url, callback, [str(e) for e in events], bool(detect), ring, float(at))
                )
            case ["s", int(seq), str(status), str(answered_by), str(code), float(at) | int(at)]:
                self._set(self.calls[seq], status, answered_by, code, float(at))
            case ["k", int(seq), str(key)]:
                self.calls[seq].keys += key
            case ["h", int(seq), str(words)]:
                self.calls[seq].heard.append(words)

    def _keep(self, call: Call) -> None:
        self.calls.append(call)
        self.by_number.setdefault(call.to, []).append(call)

    def take(
        self, to: str, from_: str, twiml: str, url: str, callback: str, events: list[str], detect: bool, ring: int
    ) -> Call:
        """Take a call, written down before this returns."""
        at = round(time.time(), 3)
        call = Call(len(self.calls), to, from_, twiml, url, callback, events, detect, ring, at)
        self._append(["c", call.seq, to, from_, twiml, url, callback, events, detect, ring, at])
        self._keep(call)
        return call

    @staticmethod
    def _set(call: Call, status: str, answered_by: str, code: str, at: float) -> None:
        call.status, call.answered_by, call.code = status, answered_by or call.answered_by, code
        if status == "in-progress":
            call.started = call.started or at
        elif status in FINAL:
            call.ended = at

    def set_status(self, call: Call, status: str, answered_by: str = "", code: str = "") -> None:
        """The call goes on."""
        at = round(time.time(), 3)
        self._set(call, status, answered_by, code, at)
        self._append(["s", call.seq, status, answered_by, code, at])

    def key(self, call: Call, key: str) -> None:
        """A key was pressed."""
        call.keys += key
        self._append(["k", call.seq, key])

    def said(self, call: Call, words: str) -> None:
        """Words were said to their end."""
        call.heard.append(words)
        self._append(["h", call.seq, words])

    def sid(self, call: Call) -> str:
        """The provider's reference: 34 characters, the same after a restart."""
        return self._sid(call.seq)

    def by_sid(self, sid: str) -> Call | None:
        """The call with this reference."""
        seq = self._seq(sid)
        return self.calls[seq] if seq is not None and 0 <= seq < len(self.calls) else None

    def newest(self, to: str | None = None) -> Iterator[Call]:
        """Calls, the newest first, of one number or of all."""
        return reversed(self.calls if to is None else self.by_number.get(to, []))
