"""Status callbacks and replies that the gateway sends out, signed as the provider signs."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
import time
from urllib.parse import urlencode

import aiohttp

from notify.callbacks import sign
from notify.gateway.faults import Faults, fate
from notify.gateway.store import Message, Store

log = logging.getLogger("notify.gateway")
WORKERS = 32
TRIES = 4


class Hooks:
    """Plays receipts a moment after a message was taken, and hands replies to the configured address."""

    def __init__(self, store: Store, faults: Faults, account_sid: str, auth_token: str, inbound_url: str):
        self.store = store
        self.faults = faults
        self.account_sid = account_sid
        self.auth_token = auth_token
        self.inbound_url = inbound_url
        self.posted = 0
        self.failed = 0
        self._due: list[tuple[float, int, Message, str, int | None]] = []
        self._number = itertools.count()
        self._queue: asyncio.Queue[tuple[str, dict[str, str]]] = asyncio.Queue(maxsize=2000)
        self._tasks: list[asyncio.Task[None]] = []
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Begin to play."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=WORKERS), timeout=aiohttp.ClientTimeout(total=15)
        )
        self._tasks = [asyncio.create_task(self._post_all()) for _ in range(WORKERS)]
        self._tasks.append(asyncio.create_task(self._play()))
        for message in self.store.messages:
            if message.status in ("queued", "sent") and not message.inbound:
                self.plan(message)

    async def stop(self) -> None:
        """Stop playing; what was not played is played after the next start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def plan(self, message: Message) -> None:
        """Decide what becomes of a message, and when that is known."""
        if self.faults.receipts == "none":
            return
        status, code = fate(message.to)
        when = time.monotonic() + self.faults.receipt_delay_ms / 1000
        if self.faults.receipts == "all" and status != "sent":
            heapq.heappush(self._due, (when, next(self._number), message, "sent", None))
            when += 0.02
        if message.status != status:
            heapq.heappush(self._due, (when, next(self._number), message, status, code))

    async def _play(self) -> None:
        while True:
            while self._due and self._due[0][0] <= time.monotonic():
                _, _, message, status, code = heapq.heappop(self._due)
                self.store.set_status(message, status, code)
                if message.callback:
                    await self._queue.put((message.callback, self._status_form(message)))
            await asyncio.sleep(0.02)

    def _status_form(self, message: Message) -> dict[str, str]:
        sid = self.store.sid(message)
        form = {
            "AccountSid": self.account_sid,
            "ApiVersion": "2010-04-01",
            "From": message.from_,
            "MessageSid": sid,
            "MessageStatus": message.status,
            "SmsSid": sid,
            "SmsStatus": message.status,
            "To": message.to,
        }
        if message.error_code:
            form["ErrorCode"] = str(message.error_code)
        return form

    async def reply(self, message: Message) -> None:
        """A phone wrote back: tell the configured address."""
        if not self.inbound_url:
            return
        sid = self.store.sid(message)
        form = {
            "AccountSid": self.account_sid,
            "ApiVersion": "2010-04-01",
            "Body": message.body,
            "From": message.from_,
            "MessageSid": sid,
            "NumMedia": "0",
            "NumSegments": "1",
            "SmsMessageSid": sid,
            "SmsSid": sid,
            "SmsStatus": "received",
            "To": message.to,
        }
        await self._queue.put((self.inbound_url, form))

    async def post(self, url: str, form: dict[str, str]) -> None:
        """Have a signed form posted, again where it fails."""
        await self._queue.put((url, form))

    async def _post_all(self) -> None:
        while True:
            url, form = await self._queue.get()
            for turn in range(TRIES):
                if await self._post(url, form):
                    self.posted += 1
                    break
                await asyncio.sleep(0.2 * 3**turn)
            else:
                self.failed += 1

    async def _post(self, url: str, form: dict[str, str]) -> bool:
        assert self._session is not None  # noqa: S101 - started before any worker runs
        headers = {
            "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
            "X-Twilio-Signature": sign(self.auth_token, url, form),
        }
        try:
            async with self._session.post(url, data=urlencode(form).encode(), headers=headers) as answer:
                await answer.read()
                return answer.status < 500
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False
