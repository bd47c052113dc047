"""The Calls API as Twilio shapes it, and the control surface of calls."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode

from aiohttp import web

from notify.gateway.callstore import Call, CallStore
from notify.gateway.faults import callable_number
from notify.gateway.handset import HANG_UP, Handsets, script
from notify.gateway.store import rfc2822

if TYPE_CHECKING:
    from notify.gateway.server import Gateway

API = "/2010-04-01/Accounts/{account}/Calls"
PAGE_SIZE, MOST = 50, 1000
MOST_TWIML = 4000
KEYS = frozenset("0123456789*#")


def record_of(messages: Path) -> Path:
    """Where calls are recorded: beside the record of messages."""
    return messages.with_name(f"{messages.stem}.calls{messages.suffix}")


class Calls:
    """The API's calls: created, listed, fetched; and keys pressed from outside."""

    def __init__(self, gateway: Gateway, record: Path, auth_token: str):
        self.gateway = gateway
        self.store = CallStore(record_of(record))
        self.handsets = Handsets(self.store, gateway.faults, gateway.hooks, gateway.account_sid, auth_token)

    def add_routes(self, app: web.Application) -> None:
        """Put the API on the application."""
        app.router.add_post(API + ".json", self.create)
        app.router.add_get(API + ".json", self.list)
        app.router.add_get(API + "/{sid}.json", self.fetch)
        app.router.add_get("/control/calls", self.control_calls)
        app.router.add_post("/control/press", self.control_press)
        app.on_startup.append(self._start)
        app.on_cleanup.append(self._stop)

    async def _start(self, _app: web.Application) -> None:
        await self.handsets.start()

    async def _stop(self, _app: web.Application) -> None:
        await self.handsets.stop()
        self.store.close()

    async def create(self, request: web.Request) -> web.StreamResponse:
        """Take a call: POST Calls.json with To, From, Twiml or Url, StatusCallback, MachineDetection, Timeout."""
        gateway = self.gateway
        gateway.requests += 1
        refused = gateway.refused(request)
        if refused is not None:
            return refused
        raw = await request.read()
        fault, delay = gateway.dice.draw(), gateway.dice.delay()
        if delay:
            await asyncio.sleep(delay)
        if gateway.over_rate():
            fault = "429"
        if fault is not None and not fault.endswith("_after_accept") and fault != "no_sid":
            return await gateway.misbehave(request, fault)
        form = parse_qs(raw.decode("utf-8", "replace"), keep_blank_values=True)
        to, from_, twiml, url = (form.get(name, [""])[0] for name in ("To", "From", "Twiml", "Url"))
        ring = form.get("Timeout", ["60"])[0]
        problem = _problem(to, from_, twiml, url, ring)
        if problem is not None:
            return problem
        call = self.store.take(
            to, from_, twiml, url, form.get("StatusCallback", [""])[0], form.get("StatusCallbackEvent", []),
            form.get("MachineDetection", [""])[0] in ("Enable", "DetectMessageEnd"), int(ring),
        )  # fmt: skip
        self.handsets.ring(call)
        if fault is not None:
            return await gateway.misbehave(request, fault.removesuffix("_after_accept"))
        return web.json_response(self.resource(call), status=201)

    async def fetch(self, request: web.Request) -> web.Response:
        """One call by its sid."""
        refused = self.gateway.refused(request)
        if refused is not None:
            return refused
        call = self.store.by_sid(request.match_info["sid"])
        if call is None:
            return _error(404, 20404, "The requested resource was not found")
        return web.json_response(self.resource(call))

    async def list(self, request: web.Request) -> web.Response:
        """Calls, the newest first, by To, From, Status and day of StartTime, in pages."""
        refused = self.gateway.refused(request)
        if refused is not None:
            return refused
        query = request.query
        try:
            size = max(1, min(MOST, int(query.get("PageSize", PAGE_SIZE))))
            page = max(0, int(query.get("Page", 0)))
        except ValueError:
            return _error(400, 20001, "Invalid parameter")
        wanted = [call for call in self.store.newest(query.get("To")) if _fits(call, query)]
        shown = wanted[page * size : (page + 1) * size]
        path = f"/2010-04-01/Accounts/{self.gateway.account_sid}/Calls.json"
        filters = {key: value for key, value in query.items() if key not in ("Page", "PageSize", "PageToken")}

        def uri(number: int) -> str:
            return f"{path}?{urlencode({**filters, 'PageSize': size, 'Page': number})}"

        more = len(wanted) > (page + 1) * size
        return web.json_response(
            {
                "calls": [self.resource(call) for call in shown],
                "page": page,
                "page_size": size,
                "start": page * size,
                "end": page * size + max(0, len(shown) - 1),
                "uri": uri(page),
                "first_page_uri": uri(0),
                "next_page_uri": uri(page + 1) if more else None,
                "previous_page_uri": uri(page - 1) if page else None,
            }
        )

    def resource(self, call: Call) -> dict[str, Any]:
        """A call as the API shows it: without a word of what it said."""
        sid = self.store.sid(call)
        return {
            "account_sid": self.gateway.account_sid,
            "annotation": None,
            "answered_by": call.answered_by or None,
            "api_version": "2010-04-01",
            "caller_name": None,
            "date_created": rfc2822(call.at),
            "date_updated": rfc2822(call.ended or call.started or call.at),
            "direction": "outbound-api",
            "duration": str(call.seconds) if call.ended else None,
            "end_time": rfc2822(call.ended) if call.ended else None,
            "forwarded_from": None,
            "from": call.from_,
            "from_formatted": call.from_,
            "group_sid": None,
            "parent_call_sid": None,
            "phone_number_sid": None,
            "price": None,
            "price_unit": "USD",
            "queue_time": "0",
            "sid": sid,
            "start_time": rfc2822(call.started) if call.started else None,
            "status": "queued" if call.status == "initiated" else call.status,
            "subresource_uris": {},
            "to": call.to,
            "to_formatted": call.to,
            "trunk_sid": None,
            "uri": f"/2010-04-01/Accounts/{self.gateway.account_sid}/Calls/{sid}.json",
        }

    # -- control -------------------------------------------------------------------------------------------------

    async def control_calls(self, request: web.Request) -> web.Response:
        """The latest calls with what was said and pressed, of `?to=` or of all."""
        if not self.gateway.controls(request):
            return _error(401, 20003, "Authenticate")
        shown = []
        for call in self.store.newest(request.query.get("to")):
            shown.append(
                {
                    "sid": self.store.sid(call), "to": call.to, "from": call.from_, "status": call.status,
                    "answered_by": call.answered_by, "keys": call.keys, "script": script(call), "heard": call.heard,
                    "listening": call.listening, "ring": call.ring, "code": call.code, "detect": call.detect,
                }
            )  # fmt: skip
            if len(shown) == MOST:
                break
        return web.Response(
            text=json.dumps({"total": len(self.store.calls), "calls": shown}, ensure_ascii=False),
            content_type="application/json",
        )

    async def control_press(self, request: web.Request) -> web.Response:
        """Press a key on a phone that listens, or hang up: JSON `{"to": "+86154…", "key": "1"}`, key `hangup`."""
        if not self.gateway.controls(request):
            return _error(401, 20003, "Authenticate")
        try:
            wanted = await request.json()
            to, key = str(wanted["to"]), str(wanted["key"])
        except (ValueError, KeyError, TypeError):
            return _error(400, 20001, "to and key are required")
        if not self.press(to, key):
            return _error(409, 20001, "this phone is not in a call that listens")
        return web.json_response({"pressed": key})

    def press(self, to: str, key: str) -> bool:
        """Press on the live call of a number; False where there is none, or for what is no key."""
        call = next((call for call in self.store.newest(to) if call.live), None)
        return call is not None and (key in KEYS or key == HANG_UP) and self.handsets.press(call, key)


def _problem(to: str, from_: str, twiml: str, url: str, ring: str) -> web.Response | None:
    if not to:
        return _error(400, 21201, "No 'To' number is specified")
    if not from_:
        return _error(400, 21213, "No 'From' number is specified")
    if not callable_number(to):
        return _error(400, 21211, f"The 'To' number {to[:20]} is not a valid phone number.")
    if not twiml and not url:
        return _error(400, 21205, "Url parameter is required.")
    if len(twiml) > MOST_TWIML:
        return _error(400, 21235, "Twiml exceeds 4000 characters")
    if not ring.isascii() or not ring.isdigit() or not 1 <= int(ring) <= 600:
        return _error(400, 20001, "Timeout is not valid")
    return None


def _fits(call: Call, query: Any) -> bool:
    if query.get("From") and call.from_ != query["From"]:
        return False
    if query.get("Status") and call.status != query["Status"]:
        return False
    day = query.get("StartTime")
    return not day or datetime.fromtimestamp(call.at, UTC).date().isoformat() == day[:10]


def _error(status: int, code: int, words: str) -> web.Response:
    return web.json_response(
        {"code": code, "message": words, "more_info": f"https://www.twilio.com/docs/errors/{code}", "status": status},
        status=status,
    )
