"""What the gateway took, in memory and in an append-only file that survives its being killed."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from sys import intern

from notify.gateway.lines import Lines


class Message:
    """One message as the provider knows it."""

    __slots__ = ("at", "body", "callback", "error_code", "from_", "inbound", "seq", "status", "to", "updated")

    def __init__(self, seq: int, to: str, from_: str, body: str, at: float, callback: str = "", inbound: bool = False):
        self.seq = seq
        self.to = to
        self.from_ = from_
        self.body = body
        self.at = at
        self.updated = at
        self.callback = callback
        self.inbound = inbound
        self.status = "received" if inbound else "queued"
        self.error_code: int | None = None

    @property
    def phone(self) -> str:
        """The handset's number."""
        return self.from_ if self.inbound else self.to


class Store(Lines):
    """Every message in order, found by sid, number or page.

    The file has one JSON array a line: `["m", seq, to, from, body, at, callback]` for a message taken, `["i", …]` for
    one a phone sent, `["s", seq, status, code]` for a status. A line is written before the request is answered; a
    torn last line (power cut) is cut off at the next start.
    """

    prefix = "SM"

    def __init__(self, path: Path):
        self.messages: list[Message] = []
        self.phones: dict[str, list[int]] = {}
        super().__init__(path)

    def _apply(self, record: list[object]) -> None:
        match record:
            case ["m" | "i" as what, int(seq), str(to), str(from_), str(body), float(at) | int(at), str(callback)]:
                self._keep(Message(seq, to, intern(from_), intern(body), float(at), callback, what == "i"))
            case ["s", int(seq), str(status), code]:
                self.messages[seq].status = intern(status)
                self.messages[seq].error_code = code if isinstance(code, int) else None

    def _keep(self, message: Message) -> None:
        self.messages.append(message)
        self.phones.setdefault(message.phone, []).append(message.seq)

    def take(self, to: str, from_: str, body: str, callback: str, *, inbound: bool = False) -> Message:
        """Take a message, written down before this returns."""
        at = time.time()
        message = Message(len(self.messages), to, intern(from_), intern(body), at, callback, inbound)
        self._append(["i" if inbound else "m", message.seq, to, from_, body, round(at, 3), callback])
        self._keep(message)
        return message

    def set_status(self, message: Message, status: str, code: int | None) -> None:
        """A message goes on."""
        message.status, message.error_code, message.updated = status, code, time.time()
        self._append(["s", message.seq, status, code])

    def sid(self, message: Message) -> str:
        """The provider's reference: 34 characters, the same after a restart."""
        return self._sid(message.seq)

    def by_sid(self, sid: str) -> Message | None:
        """The message with this reference."""
        seq = self._seq(sid)
        return self.messages[seq] if seq is not None and 0 <= seq < len(self.messages) else None

    def token(self, number: str) -> str:
        """What stands for a number in a page's address."""
        return hmac.new(self.run.encode(), number.encode(), hashlib.sha256).hexdigest()[:20]

    def newest(self, to: str | None) -> Iterator[Message]:
        """Messages, the newest first, of one number or of all."""
        if to is None:
            return reversed(self.messages)
        return (self.messages[seq] for seq in reversed(self.phones.get(to, ())))


_dates: dict[int, str] = {}


def rfc2822(at: float) -> str:
    """A moment as the API writes it, in whole seconds."""
    second = int(at)
    word = _dates.get(second)
    if word is None:
        if len(_dates) > 1000:
            _dates.clear()
        word = _dates[second] = formatdate(second).replace("-0000", "+0000")
    return word
