"""The HTTP client under twilio-python.

The library's own never applies its timeout and is stuck at a hundred connections. This one also sorts every outcome
into what it means for the message, before the library turns it into an exception that no longer says.
"""

from __future__ import annotations

import asyncio
import base64
import logging
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from urllib.parse import quote_plus, urlencode, urlsplit

from twilio.http import AsyncHttpClient
from twilio.http.response import Response

from notify.channels.http_connection import Pool
from notify.channels.outcome import NotTaken, Uncertain

__all__ = ["LeanClient", "NotTaken", "Uncertain"]
LONGEST_ORDER = 3600.0
"""Seconds of a Retry-After that are believed; a mistake of theirs must not silence an account for days."""
_Target = tuple[Pool, str, str]
"""Where a request goes: connections, the Host header, the path."""


class LeanClient(AsyncHttpClient):  # type: ignore[misc]
    """Pools of connections with real timeouts; open and close it inside the event loop."""

    def __init__(self, timeout: float, connections: int):
        super().__init__(logging.getLogger("notify.http"), True, timeout)
        self._limit = connections
        self._pools: dict[tuple[str, str, int], Pool] = {}
        self._targets: dict[str, _Target] = {}
        self._heads: dict[tuple[str, str, str], bytes] = {}
        self._open = False

    async def open(self) -> None:
        """Be ready to connect."""
        self._open = True

    async def close(self) -> None:
        """Close every connection."""
        self._open = False
        for pool in self._pools.values():
            pool.close()
        self._pools.clear()
        self._targets.clear()
        self._heads.clear()
        await asyncio.sleep(0)

    async def request(
        self,
        method: str,
        uri: str,
        params: dict[str, object] | None = None,
        data: dict[str, object] | None = None,
        headers: dict[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,
        allow_redirects: bool = False,
    ) -> Response:
        """Send a request as twilio-python asks. Raises `NotTaken` or `Uncertain` where it has no usable answer."""
        if not self._open:
            raise NotTaken("client_closed")
        pool, host, path = self._targets.get(uri) or self._target(uri)
        if params:
            path = f"{path}{'&' if '?' in path else '?'}{urlencode(params)}"
            head = _head(method, host, path, headers or {}, auth)
        else:
            key = (method, uri, auth[0] if auth else "")
            known = self._heads.get(key)
            if known is None:
                known = self._heads[key] = _head(method, host, path, headers or {}, auth)
            head = known
        body = _form(data) if data else b""
        status, fields, content = await pool.exchange(b"%bContent-Length: %d\r\n\r\n%b" % (head, len(body), body))
        text = content.decode("utf-8", "replace")
        if 200 <= status < 300 or status == 400:
            return Response(status, text)
        return _sorted(status, text, fields.get("retry-after"))

    def _target(self, uri: str) -> _Target:
        if len(self._targets) > 256:
            self._targets.clear()
            self._heads.clear()
        parts = urlsplit(uri)
        tls = parts.scheme == "https"
        host, port = parts.hostname or "", parts.port or (443 if tls else 80)
        pool = self._pools.get((parts.scheme, host, port))
        if pool is None:
            pool = self._pools[parts.scheme, host, port] = Pool(host, port, tls, self.timeout or 15.0, self._limit)
        path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        self._targets[uri] = target = (pool, parts.netloc.rpartition("@")[2], path)
        return target


def _head(method: str, host: str, path: str, headers: dict[str, str], auth: tuple[str, str] | None) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if auth:
        lines.append("Authorization: Basic " + base64.b64encode(f"{auth[0]}:{auth[1]}".encode()).decode())
    text = "\r\n".join(lines) + "\r\n"
    if text.count("\n") != len(lines) or text.count("\r") != len(lines):
        raise NotTaken("bad_header")
    return text.encode("latin-1", "replace")


def _sorted(status: int, content: str, retry_after: str | None) -> Response:
    if status == 429:
        raise NotTaken("http_429", _seconds(retry_after) or 1.0, content)
    if status in (401, 403, 404, 405):
        # The account or the address is wrong: nothing was taken, and no other message will be until it is mended.
        raise NotTaken(f"http_{status}", 5.0, content)
    if status >= 500 or status < 200 or 300 <= status < 400:
        raise Uncertain(f"http_{status}", content, _seconds(retry_after))
    return Response(status, content)


@lru_cache(maxsize=1024)
def _quoted(value: str) -> str:
    # One warning's text is quoted once and not once a recipient; it is the longest field by far.
    return quote_plus(value)


def _form(data: dict[str, object]) -> bytes:
    pairs = []
    for name, value in data.items():
        for one in value if isinstance(value, (list, tuple)) else (value,):
            text = str(one)
            # Numbers and callback addresses differ with every message and would only push the texts out.
            pairs.append(
                f"{_quoted(name)}={_quoted(text) if len(text) > 40 and '://' not in text else quote_plus(text)}"
            )
    return "&".join(pairs).encode()


def _seconds(value: str | None) -> float | None:
    """A `Retry-After` as seconds or as a date (RFC 9110, 10.2.3), within reason; None where it says neither."""
    if not value or len(value) > 400:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError, OverflowError):  # no date, or one without a zone
            return None
    return min(LONGEST_ORDER, max(0.05, seconds))
