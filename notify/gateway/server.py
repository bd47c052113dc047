"""The Messages API as Twilio shapes it, the control surface, and the process around them."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlencode

from aiohttp import web

from notify.gateway.calls import Calls
from notify.gateway.faults import Dice, Faults, refusal
from notify.gateway.hooks import Hooks
from notify.gateway.store import Message, Store, rfc2822
from notify.text import MAX_UNITS, segments

API = "/2010-04-01/Accounts/{account}/Messages"
PAGE_SIZE, MOST = 50, 1000
SILENCE_SECONDS = 3600.0
HTML = "<!doctype html><html><head><title>502</title></head><body><h1>Bad Gateway</h1></body></html>"
KEY: Final = web.AppKey("gateway", object)


class Gateway:
    """One account, its phones, and what goes wrong on purpose."""

    def __init__(
        self,
        record: Path,
        *,
        account_sid: str,
        auth_token: str,
        secret: str,
        inbound_url: str = "",
        faults: Faults | None = None,
    ):
        self.account_sid = account_sid
        self.secret = secret
        self.store = Store(record)
        self.faults = faults or Faults()
        self.dice = Dice(self.faults)
        self.hooks = Hooks(self.store, self.faults, account_sid, auth_token, inbound_url)
        self.requests = 0
        self.answers: dict[str, int] = {}
        pair = base64.b64encode(f"{account_sid}:{auth_token}".encode()).decode()
        self.calls = Calls(self, record, auth_token)
        self._expected = f"Basic {pair}".encode()
        self._second = (0, 0)
        self._parts: dict[str, int] = {}

    def app(self) -> web.Application:
        """The aiohttp application."""
        from notify.gateway import page

        app = web.Application(client_max_size=256 * 1024)
        app[KEY] = self
        app.router.add_post(API + ".json", self.create)
        app.router.add_get(API + ".json", self.list)
        app.router.add_get(API + "/{sid}.json", self.fetch)
        app.router.add_get("/control", self.show_control)
        app.router.add_post("/control/faults", self.set_faults)
        app.router.add_post("/control/reply", self.control_reply)
        self.calls.add_routes(app)
        page.add_routes(app, self)
        app.on_startup.append(self._start)
        app.on_cleanup.append(self._stop)
        return app

    async def _start(self, _app: web.Application) -> None:
        await self.hooks.start()

    async def _stop(self, _app: web.Application) -> None:
        await self.hooks.stop()
        self.store.close()

    # -- the provider's API --------------------------------------------------------------------------------------

    def refused(self, request: web.Request) -> web.Response | None:
        """The answer to who has no business here; None for who has."""
        given = request.headers.get("Authorization", "").encode("utf-8", "replace")
        if not hmac.compare_digest(given, self._expected):
            return _error(401, 20003, "Authenticate")
        if request.match_info["account"] != self.account_sid:
            return _error(404, 20404, "The requested resource was not found")
        return None

    async def create(self, request: web.Request) -> web.StreamResponse:
        """Take a message: POST Messages.json with To, From or MessagingServiceSid, Body, StatusCallback."""
        self.requests += 1
        refused = self.refused(request)
        if refused is not None:
            return refused
        raw = await request.read()
        fault = self.dice.draw()
        delay = self.dice.delay()
        if delay:
            await asyncio.sleep(delay)
        if self.over_rate():
            fault = "429"
        if fault is not None and not fault.endswith("_after_accept") and fault != "no_sid":
            return await self.misbehave(request, fault)
        form = parse_qs(raw.decode("utf-8", "replace"), keep_blank_values=True)
        to = form.get("To", [""])[0]
        body = form.get("Body", [""])[0]
        from_ = (form.get("From") or form.get("MessagingServiceSid") or [""])[0]
        problem = self._problem(to, from_, body)
        if problem is not None:
            return problem
        message = self.store.take(to, from_, body, form.get("StatusCallback", [""])[0])
        self.hooks.plan(message)
        if fault is not None:
            return await self.misbehave(request, fault.removesuffix("_after_accept"))
        return web.Response(status=201, text=self.resource(message), content_type="application/json")

    def _problem(self, to: str, from_: str, body: str) -> web.Response | None:
        if not to:
            return _error(400, 21604, "A 'To' phone number is required.")
        if not from_:
            return _error(400, 21603, "A 'From' phone number is required.")
        if not body:
            return _error(400, 21602, "Message body is required.")
        if len(body) > MAX_UNITS:
            return _error(400, 21617, "The concatenated message body exceeds the 1600 character limit")
        wrong = refusal(to)
        return _error(400, *wrong) if wrong else None

    def over_rate(self) -> bool:
        """Whether this request is one too many in its tenth of a second."""
        limit = self.faults.per_second
        if not limit:
            return False
        tenth = int(time.monotonic() * 10)
        at, count = self._second
        self._second = (tenth, count + 1 if at == tenth else 1)
        return self._second[1] > limit / 10

    async def misbehave(self, request: web.Request, fault: str) -> web.StreamResponse:
        """Do wrong what the dice said."""
        self.answers[fault] = self.answers.get(fault, 0) + 1
        if fault == "429":
            answer = _error(429, 20429, "Too Many Requests")
            if self.faults.retry_after is not None:
                answer.headers["Retry-After"] = f"{self.faults.retry_after:g}"
            return answer
        if fault == "500":
            return _error(500, 20500, "Internal Server Error")
        if fault == "html":
            return web.Response(status=200, text=HTML, content_type="text/html")
        if fault == "no_sid":
            return web.Response(status=201, text='{"status":"queued"}', content_type="application/json")
        if fault == "silence":
            await asyncio.sleep(SILENCE_SECONDS)
        if request.transport is not None:
            request.transport.abort()
        raise asyncio.CancelledError

    async def fetch(self, request: web.Request) -> web.Response:
        """One message by its sid."""
        refused = self.refused(request)
        if refused is not None:
            return refused
        message = self.store.by_sid(request.match_info["sid"])
        if message is None:
            return _error(404, 20404, "The requested resource was not found")
        return web.Response(text=self.resource(message), content_type="application/json")

    async def list(self, request: web.Request) -> web.Response:
        """Messages, the newest first, by To, From and DateSent (`DateSent`, `DateSent>`, `DateSent<`), in pages."""
        refused = self.refused(request)
        if refused is not None:
            return refused
        query = request.query
        try:
            size = max(1, min(MOST, int(query.get("PageSize", PAGE_SIZE))))
            page = max(0, int(query.get("Page", 0)))
            after, before = _moment(query.get("DateSent>")), _moment(query.get("DateSent<"))
            day = query.get("DateSent")
        except ValueError:
            return _error(400, 20001, "Invalid parameter")
        to, from_ = query.get("To"), query.get("From")
        skip, more = page * size, False
        found: list[str] = []
        for message in self.store.newest(to):
            if from_ and message.from_ != from_:
                continue
            if to and message.to != to:
                continue
            if (after is not None and message.at < after) or (before is not None and message.at > before):
                continue
            if day and datetime.fromtimestamp(message.at, UTC).date().isoformat() != day[:10]:
                continue
            if skip:
                skip -= 1
                continue
            if len(found) == size:
                more = True
                break
            found.append(self.resource(message))
        path = f"/2010-04-01/Accounts/{self.account_sid}/Messages.json"
        filters = {key: value for key, value in query.items() if key not in ("Page", "PageSize", "PageToken")}
        following = f"{path}?{urlencode({**filters, 'PageSize': size, 'Page': page + 1})}" if more else None
        head = json.dumps(
            {
                "page": page,
                "page_size": size,
                "start": page * size,
                "end": page * size + max(0, len(found) - 1),
                "uri": f"{path}?{urlencode({**filters, 'PageSize': size, 'Page': page})}",
                "first_page_uri": f"{path}?{urlencode({**filters, 'PageSize': size, 'Page': 0})}",
                "next_page_uri": following,
                "previous_page_uri": None,
            }
        )
        return web.Response(text=f'{head[:-1]},"messages":[{",".join(found)}]}}', content_type="application/json")

    def resource(self, message: Message) -> str:
        """A message as the API shows it."""
        sid = self.store.sid(message)
        parts = self._parts.get(message.body)
        if parts is None:
            if len(self._parts) > 5000:
                self._parts.clear()
            parts = self._parts[message.body] = segments(message.body).parts
        base = f"/2010-04-01/Accounts/{self.account_sid}/Messages/{sid}"
        created = rfc2822(message.at)
        from_, service = message.from_, "null"
        if from_.startswith("MG"):
            from_, service = "", f'"{from_}"'
        sent = f'"{rfc2822(message.updated)}"' if message.status not in ("queued", "accepted") else "null"
        code = message.error_code or "null"
        return (
            f'{{"account_sid":"{self.account_sid}","api_version":"2010-04-01","body":{json.dumps(message.body)},'
            f'"date_created":"{created}","date_sent":{sent},"date_updated":"{rfc2822(message.updated)}",'
            f'"direction":"{"inbound" if message.inbound else "outbound-api"}","error_code":{code},'
            f'"error_message":null,"from":{json.dumps(from_) if from_ else "null"},"messaging_service_sid":{service},'
            f'"num_media":"0","num_segments":"{parts}","price":null,"price_unit":"USD","sid":"{sid}",'
            f'"status":"{message.status}","subresource_uris":{{"media":"{base}/Media.json"}},'
            f'"to":{json.dumps(message.to)},"uri":"{base}.json"}}'
        )

    # -- control -------------------------------------------------------------------------------------------------

    def controls(self, request: web.Request) -> bool:
        """Whether this is somebody with the gateway's secret."""
        given = request.headers.get("Authorization", "").encode("utf-8", "replace")
        return hmac.compare_digest(given, f"Bearer {self.secret}".encode())

    async def show_control(self, request: web.Request) -> web.Response:
        """Faults in force, and counts."""
        if not self.controls(request):
            return _error(401, 20003, "Authenticate")
        return web.json_response(
            {
                "faults": asdict(self.faults),
                "requests": self.requests,
                "messages": len(self.store.messages),
                "calls": len(self.calls.store.calls),
                "phones": len(self.store.phones),
                "misbehaved": self.answers,
                "callbacks_posted": self.hooks.posted,
                "callbacks_failed": self.hooks.failed,
                "inbound_url": self.hooks.inbound_url,
            }
        )

    async def set_faults(self, request: web.Request) -> web.Response:
        """Change some faults, by a JSON object of their names; `inbound_url` sets where replies go."""
        if not self.controls(request):
            return _error(401, 20003, "Authenticate")
        try:
            wanted: dict[str, Any] = await request.json()
            if "inbound_url" in wanted:
                self.hooks.inbound_url = str(wanted.pop("inbound_url"))
            self.faults.update(wanted)
        except (ValueError, TypeError, AttributeError) as error:
            return _error(400, 20001, str(error))
        self.dice.reset()
        return web.json_response(asdict(self.faults))

    async def control_reply(self, request: web.Request) -> web.Response:
        """Let a phone write: JSON `{"from": "+86154…", "to": "+86…", "body": "1"}`."""
        if not self.controls(request):
            return _error(401, 20003, "Authenticate")
        try:
            wanted = await request.json()
            number, to, body = str(wanted["from"]), str(wanted.get("to", "")), str(wanted["body"])
        except (ValueError, KeyError, TypeError):
            return _error(400, 20001, "from and body are required")
        message = await self.phone_writes(number, body, to)
        return web.json_response({"sid": self.store.sid(message)}, status=201)

    async def phone_writes(self, number: str, body: str, to: str = "") -> Message:
        """A phone sends a reply to whoever wrote to it last."""
        if not to:
            to = next((m.from_ for m in self.store.newest(number) if not m.inbound), "")
        message = self.store.take(to, number, body[:MAX_UNITS], "", inbound=True)
        await self.hooks.reply(message)
        return message


def _error(status: int, code: int, words: str) -> web.Response:
    return web.json_response(
        {"code": code, "message": words, "more_info": f"https://www.twilio.com/docs/errors/{code}", "status": status},
        status=status,
    )


def _moment(value: str | None) -> float | None:
    if not value:
        return None
    moment = datetime.fromisoformat(value)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
