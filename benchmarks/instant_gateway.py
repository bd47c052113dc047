"""A gateway that answers at once and costs next to nothing: `python benchmarks/instant_gateway.py --record FILE`.

The product's local gateway can misbehave, call back and show phones, which costs as much processor time a message as the
engine itself; on two cores that hides the engine. This one takes a message the way the provider does (HTTP/1.1 with
pipelining, the password checked, the message's JSON answered with 201), writes down when it took which number, and does
nothing else. Every baseline of a run is measured against the same one.

The record has one line a message: the moment in seconds, then the number. Lines are written at least every 50 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import gc
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote_plus

FLUSH_SECONDS = 0.05
FIELDS = "account_sid api_version body date_created date_sent date_updated direction error_code error_message from "
FIELDS += "messaging_service_sid num_media num_segments price price_unit sid status subresource_uris to uri"


class Book:
    """What was taken, in memory and in a file."""

    def __init__(self, record: Path, account: str, token: str, latency: float):
        self.latency = latency
        self.password = b"Basic " + base64.b64encode(f"{account}:{token}".encode())
        self.account = account
        self.sids: dict[bytes, list[tuple[int, bytes]]] = {}
        self.count = 0
        self._lines: list[bytes] = []
        self._frames: dict[bytes, tuple[bytes, bytes, int]] = {}
        self._file = os.open(record, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)

    def take(self, to: bytes, text: bytes, at: float) -> bytes:
        """One message; `to` and `text` as they came, form-encoded. Returns the answer's bytes."""
        self.count += 1
        self._lines.append(b"%.6f %b\n" % (at, to))
        self.sids.setdefault(to, []).append((self.count, text))
        return self.created(self.count, to, text)

    def created(self, sequence: int, to: bytes, text: bytes) -> bytes:
        """201 with the message's JSON; everything but the reference and the number is made once a text."""
        frame = self._frames.get(text)
        if frame is None:
            if len(self._frames) > 1000:
                self._frames.clear()
            frame = self._frames[text] = self._frame(text)
        before, between, length = frame
        # %2B is a plus and every other character of a number stands for itself: the length is known.
        number = b"+" + to[3:] if to.startswith(b"%2B") else to
        return b'%b%d\r\n\r\n%b%032x%b%b"}' % (
            b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: ",
            length + len(number),
            before,
            sequence,
            between,
            number,
        )

    def _frame(self, text: bytes) -> tuple[bytes, bytes, int]:
        now = time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime())
        values = dict.fromkeys(FIELDS.split()) | {
            "account_sid": self.account,
            "api_version": "2010-04-01",
            "body": unquote_plus(text.decode("ascii", "replace")),
            "date_created": now,
            "date_updated": now,
            "direction": "outbound-api",
            "num_media": "0",
            "num_segments": "1",
            "price_unit": "USD",
            "status": "queued",
            "subresource_uris": {"media": f"/2010-04-01/Accounts/{self.account}/Messages/Media.json"},
            "uri": f"/2010-04-01/Accounts/{self.account}/Messages.json",
        }
        del values["sid"], values["to"]
        before = json.dumps(values).encode()[:-1] + b', "sid": "SM'
        between = b'", "to": "'
        return before, between, len(before) + 32 + len(between) + len(b'"}')

    def listed(self, to: bytes) -> bytes:
        """The messages to one number, the newest first, in one page."""
        found = []
        for sequence, text in reversed(self.sids.get(to, [])):
            found.append(self.created(sequence, to, text).split(b"\r\n\r\n", 1)[1])
        page = b'{"messages": [%b], "next_page_uri": null, "page": 0, "page_size": 100}' % b", ".join(found)
        return _answer(200, b"OK", page)

    def flush(self) -> None:
        """Write down what came since the last time."""
        if self._lines:
            os.write(self._file, b"".join(self._lines))
            self._lines.clear()

    def close(self) -> None:
        """Write down the rest."""
        self.flush()
        os.close(self._file)


def _answer(status: int, word: bytes, body: bytes) -> bytes:
    head = b"HTTP/1.1 %d %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % (status, word, len(body)) + body


class Line(asyncio.Protocol):
    """One connection."""

    def __init__(self, book: Book, loop: asyncio.AbstractEventLoop):
        self.book = book
        self.loop = loop
        self.rest = b""
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        data = self.rest + data if self.rest else data
        while data:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                break
            head = data[:end]
            length = _length(head)
            if len(data) < end + 4 + length:
                break
            self._request(head, data[end + 4 : end + 4 + length])
            data = data[end + 4 + length :]
        self.rest = data

    def _request(self, head: bytes, body: bytes) -> None:
        if self.book.password not in head:
            self._write(_answer(401, b"Unauthorized", b'{"code": 20003, "message": "Authenticate", "status": 401}'))
        elif head.startswith(b"POST "):
            to, text = _field(body, b"To="), _field(body, b"Body=")
            if not to or not text:
                wrong = b'{"code": 21604, "message": "To and Body are required.", "status": 400}'
                self._write(_answer(400, b"Bad Request", wrong))
                return
            answer = self.book.take(to, text, time.time())
            if self.book.latency:
                self.loop.call_later(self.book.latency, self._write, answer)
            else:
                self._write(answer)
        else:
            query = head.split(b" ", 2)[1].partition(b"?")[2].decode("ascii", "replace")
            number = parse_qs(query).get("To", [""])[0]
            self._write(self.book.listed(number.replace("+", "%2B").encode()))

    def _write(self, answer: bytes) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(answer)


def _length(head: bytes) -> int:
    lower = head.lower()
    place = lower.find(b"\r\ncontent-length:")
    if place < 0:
        return 0
    stop = lower.find(b"\r\n", place + 2)
    return int(lower[place + 17 : stop if stop > 0 else len(lower)])


def _field(body: bytes, name: bytes) -> bytes:
    """A form field's value, still encoded."""
    if body.startswith(name):
        start = len(name)
    else:
        place = body.find(b"&" + name)
        if place < 0:
            return b""
        start = place + 1 + len(name)
    stop = body.find(b"&", start)
    return body[start:] if stop < 0 else body[start:stop]


async def serve(options: argparse.Namespace) -> None:
    """Run until SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    book = Book(options.record, options.account, os.environ["GATEWAY_AUTH_TOKEN"], options.latency_ms / 1000)
    server = await loop.create_server(lambda: Line(book, loop), "127.0.0.1", options.port, backlog=4096)
    sys.stdout.write(f"gateway http://127.0.0.1:{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    # What is kept is never garbage; looking through it again and again would make a long run slower than a short one.
    gc.freeze()
    gc.disable()
    try:
        while not stop.is_set():
            book.flush()
            try:
                await asyncio.wait_for(stop.wait(), FLUSH_SECONDS)
            except TimeoutError:
                continue
    finally:
        server.close()
        book.close()


def main() -> None:
    """The process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one; it is printed")
    parser.add_argument("--record", type=Path, required=True)
    parser.add_argument("--account", required=True)
    parser.add_argument("--latency-ms", type=float, default=0.0)
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
