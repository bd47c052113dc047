"""Kept-alive HTTP/1.1 connections to one provider: one request at a time on each, answers parsed by httptools.

Only what this engine needs: a body that is sent whole, an answer that fits into memory, one deadline for the whole
exchange, and certainty about whether a byte of the request may have left.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections import deque
from typing import Any

import httptools

from notify.channels.outcome import LATE, NotTaken, Uncertain, send_by

MAX_BODY = 1 << 20
MAX_HEAD = 1 << 16
MAX_KEPT = 4000
"""Bytes of an answer that broke off which are handed over for the record."""
CONNECT_SECONDS = 5.0
IDLE_SECONDS = 15.0
"""A connection unused for so long is not used again: providers close theirs after a while, and one that is closed while
we write leaves a message whose fate nobody knows."""

Answer = tuple[int, dict[str, str], bytes]
"""Status, headers in lower case (the last of each name), body."""


class Connection(asyncio.Protocol):
    """One connection. It is also what its parser calls back."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.idle_since = 0.0
        self.reusable = False
        self._waiter: asyncio.Future[Answer] | None = None
        self._parser: Any = None
        self._headers: dict[str, str] = {}
        self._pieces: list[bytes] = []
        self._seen = 0
        self._sized = False
        self._headers_done = False
        self._error: str | None = None

    # -- asyncio -------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        """Feed the parser; what nobody asked for ends the connection."""
        if self._waiter is None or self._waiter.done():
            self.drop()
            return
        self._seen += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail("broken_answer")
            return
        if self._seen > MAX_BODY + MAX_HEAD or (not self._headers_done and self._seen > MAX_HEAD):
            self._fail("oversized_answer")

    def eof_received(self) -> bool:
        """The provider has nothing more to say; `connection_lost` follows."""
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """An answer without a length ends here; anything else that waits has lost its answer."""
        self.reusable = False
        if self._waiter is None or self._waiter.done():
            return
        if error is None and self._headers_done and not self._sized:
            self._finish()
        elif error is None:
            self._fail("broken_answer" if self._seen else "disconnected")
        else:
            self._fail("connection_reset")

    # -- httptools -----------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """A new answer begins; after a complete one that is more than was asked for."""
        if self._waiter is None or self._waiter.done():
            self.reusable = False
            return
        self._headers, self._pieces, self._sized, self._headers_done = {}, [], False, False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header."""
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Know whether the answer says where it ends."""
        self._headers_done = True
        self._sized = "content-length" in self._headers or "transfer-encoding" in self._headers

    def on_body(self, body: bytes) -> None:
        """Keep a piece."""
        self._pieces.append(body)

    def on_message_complete(self) -> None:
        """A whole answer. What is below 200 only announces one."""
        if self._waiter is not None and not self._waiter.done() and self._parser.get_status_code() >= 200:
            self.reusable = self._parser.should_keep_alive()
            self._finish()

    # -- one exchange --------------------------------------------------------------------------------------------

    def ask(self, request: bytes, loop: asyncio.AbstractEventLoop) -> asyncio.Future[Answer]:
        """Write a whole request; the future brings its answer or `Uncertain`."""
        transport = self.transport
        if transport is None or transport.is_closing():
            raise NotTaken("disconnected")
        self.reusable = False
        self._seen, self._headers_done, self._sized = 0, False, False
        self._parser = httptools.HttpResponseParser(self)
        self._waiter = waiter = loop.create_future()
        transport.write(request)
        return waiter

    def _finish(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            pieces = self._pieces
            body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            waiter.set_result((self._parser.get_status_code(), self._headers, body))

    def _fail(self, reason: str) -> None:
        if self._waiter is not None and not self._waiter.done():
            came = b"".join(self._pieces)[:MAX_KEPT].decode("utf-8", "replace") if self._pieces else None
            self._waiter.set_exception(Uncertain(reason, came))
        self.drop()

    def expire(self) -> None:
        """The deadline has passed."""
        self._fail("timeout")

    def drop(self) -> None:
        """Close at once and never use it again."""
        self.reusable = False
        if self.transport is not None:
            self.transport.abort()


class Pool:
    """Connections to one origin: the last one used is the next, so that few stay warm."""

    def __init__(self, host: str, port: int, tls: bool, timeout: float, limit: int):
        self._host, self._port = host, port
        self._tls = ssl.create_default_context() if tls else None
        self._timeout = timeout
        self._limit = limit
        self._idle: list[Connection] = []
        self._open = 0
        self._queue: deque[asyncio.Future[None]] = deque()
        self._loop = asyncio.get_running_loop()
        self._closed = False

    async def exchange(self, request: bytes) -> Answer:
        """Send `request`, return the answer. Raises `NotTaken` when it cannot have been taken, else `Uncertain`."""
        ends = self._loop.time() + self._timeout
        connection = self._warm() or await self._cold()
        timer = None
        try:
            if time.monotonic() > send_by.get():
                connection.reusable = True
                raise NotTaken(LATE)
            waiter = connection.ask(request, self._loop)
            timer = self._loop.call_at(ends, connection.expire)
            answer = await waiter
        except BaseException:
            connection.drop()
            raise
        finally:
            if timer is not None:
                timer.cancel()
            self._back(connection)
        return answer

    def _warm(self) -> Connection | None:
        moment = self._loop.time()
        while self._idle:
            connection = self._idle.pop()
            transport = connection.transport
            if connection.reusable and transport is not None and not transport.is_closing():
                if moment - connection.idle_since < IDLE_SECONDS:
                    return connection
                connection.drop()
            self._open -= 1
        return None

    async def _cold(self) -> Connection:
        while self._limit and self._open >= self._limit:
            turn = self._loop.create_future()
            self._queue.append(turn)
            try:
                async with asyncio.timeout(self._timeout):
                    await turn
            except TimeoutError:
                raise NotTaken("no_connection_free") from None
            warm = self._warm()
            if warm is not None:
                return warm
        self._open += 1
        try:
            return await self._connect()
        except BaseException:
            self._open -= 1
            self._next()
            raise

    async def _connect(self) -> Connection:
        try:
            async with asyncio.timeout(min(CONNECT_SECONDS, self._timeout)):
                _, connection = await self._loop.create_connection(
                    Connection,
                    self._host,
                    self._port,
                    ssl=self._tls,
                    server_hostname=self._host if self._tls else None,
                )
        except TimeoutError:
            raise NotTaken("connect_timeout") from None
        except OSError as error:
            raise NotTaken(_word(error)) from None
        if self._closed:
            connection.drop()
            raise NotTaken("client_closed")
        return connection

    def _back(self, connection: Connection) -> None:
        if connection.reusable and not self._closed:
            connection.idle_since = self._loop.time()
            self._idle.append(connection)
        else:
            self._open -= 1
            connection.drop()
        self._next()

    def _next(self) -> None:
        while self._queue:
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_result(None)
                return

    def close(self) -> None:
        """Close what is idle; what is on its way closes when it is back."""
        self._closed = True
        for connection in self._idle:
            connection.drop()
        self._idle.clear()


def _word(error: OSError) -> str:
    """A short name of a network fault, without addresses."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return "certificate"
    if isinstance(error, ssl.SSLError):
        return "tls"
    if isinstance(error, socket.gaierror):
        return "name_not_found"
    if isinstance(error, ConnectionRefusedError):
        return "connection_refused"
    return "connection_reset" if isinstance(error, ConnectionError) else "unreachable"
