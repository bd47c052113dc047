"""A lean asynchronous HTTP client under twilio-python.

The library's own never applies its timeout and is stuck at a hundred connections. This one also sorts every outcome
into what it means for the message, before the library turns it into an exception that no longer says.
"""

from __future__ import annotations

import base64
import logging
from functools import lru_cache
from typing import Any
from urllib.parse import quote_plus

import aiohttp
from multidict import CIMultiDict
from twilio.http import AsyncHttpClient
from twilio.http.response import Response
from yarl import URL

MAX_BODY = 1 << 20


class NotTaken(Exception):
    """The request certainly was not accepted."""

    def __init__(self, reason: str, retry_after: float | None = None, raw: str | None = None):
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after
        self.raw = raw


class Uncertain(Exception):
    """The request may or may not have been accepted."""

    def __init__(self, reason: str, raw: str | None = None):
        super().__init__(reason)
        self.reason = reason
        self.raw = raw


class LeanClient(AsyncHttpClient):  # type: ignore[misc]
    """One pool of connections with real timeouts; open and close it inside the event loop."""

    def __init__(self, timeout: float, connections: int):
        super().__init__(logging.getLogger("notify.http"), True, timeout)
        self._connections = connections
        self._urls: dict[str, URL] = {}
        self._headers: dict[tuple[str, str], CIMultiDict[str]] = {}
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Make the pool."""
        seconds = self.timeout or 15.0
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._connections, ttl_dns_cache=300, keepalive_timeout=20),
            timeout=aiohttp.ClientTimeout(total=seconds, sock_connect=min(5.0, seconds)),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=("Accept-Encoding",),
        )

    async def close(self) -> None:
        """Close the pool."""
        if self._session is not None:
            await self._session.close()
            self._session = None

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
        if self._session is None:
            raise NotTaken("client_closed")
        url = self._urls.get(uri)
        if url is None:
            if len(self._urls) > 64:
                self._urls.clear()
            url = self._urls[uri] = URL(uri, encoded=True)
        if params:
            url = url.with_query({key: str(value) for key, value in params.items()})
        body = _form(data) if data else None
        try:
            async with self._session.request(
                method, url, data=body, headers=self._prepared(method, headers or {}, auth), allow_redirects=False
            ) as answer:
                status = answer.status
                content = await _read(answer)
                retry_after = answer.headers.get("Retry-After")
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise NotTaken(_word(error)) from None
        except TimeoutError:
            raise Uncertain("timeout") from None
        except (aiohttp.ClientError, OSError) as error:
            raise Uncertain(_word(error)) from None
        return self._sorted(status, content, retry_after)

    def _prepared(self, method: str, headers: dict[str, str], auth: tuple[str, str] | None) -> CIMultiDict[str]:
        key = (method, auth[0] if auth else "")
        known = self._headers.get(key)
        if known is None:
            known = CIMultiDict(headers)
            if auth:
                known["Authorization"] = "Basic " + base64.b64encode(f"{auth[0]}:{auth[1]}".encode()).decode()
            self._headers[key] = known
        return known

    @staticmethod
    def _sorted(status: int, content: str, retry_after: str | None) -> Response:
        if status == 429:
            raise NotTaken("http_429", _seconds(retry_after) or 1.0, content)
        if status in (401, 403, 404, 405):
            # The account or the address is wrong: nothing was taken, and no other message will be until it is mended.
            raise NotTaken(f"http_{status}", 5.0, content)
        if status >= 500 or 300 <= status < 400:
            raise Uncertain(f"http_{status}", content)
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


async def _read(answer: aiohttp.ClientResponse) -> str:
    """The body up to `MAX_BODY`; more than that is no answer of this API."""
    if answer.content_length is not None and answer.content_length <= MAX_BODY:
        return (await answer.read()).decode("utf-8", "replace")
    pieces, size = [], 0
    async for piece in answer.content.iter_chunked(1 << 16):
        size += len(piece)
        if size > MAX_BODY:
            answer.close()
            raise Uncertain("oversized_answer")
        pieces.append(piece)
    return b"".join(pieces).decode("utf-8", "replace")


def _seconds(value: str | None) -> float | None:
    try:
        return min(300.0, max(0.05, float(value))) if value else None
    except ValueError:
        return None


def _word(error: Any) -> str:
    """A short name of a network fault, without addresses."""
    name = type(error).__name__
    return {
        "ClientConnectorError": "connection_refused",
        "ClientConnectorDNSError": "name_not_found",
        "ClientConnectorCertificateError": "certificate",
        "ClientConnectorSSLError": "tls",
        "ConnectionTimeoutError": "connect_timeout",
        "ServerDisconnectedError": "disconnected",
        "ClientOSError": "connection_reset",
        "ClientPayloadError": "broken_answer",
    }.get(name, name)
