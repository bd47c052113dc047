"""How the gateway's phones take a call: they ring, are answered or not, hear what the TwiML says, press keys, hang up.

It obeys the verbs that calls of ours use: Say, Pause, Gather, Redirect, Hangup. Any other ends the call as the provider
would, with an error.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from urllib.parse import urlencode, urljoin
from xml.etree import ElementTree

import aiohttp

from notify.callbacks import sign
from notify.gateway.callstore import Call, CallStore
from notify.gateway.faults import Faults, call_fate
from notify.gateway.hooks import Hooks

log = logging.getLogger("notify.gateway")
MOST_STEPS = 20
HANG_UP = "hangup"
FAREWELL_SECONDS = 1.5
BAD_TWIML, NO_ANSWER_FROM_URL = "12200", "11200"


class HungUp(Exception):
    """The person put the phone down."""


class Wrong(Exception):
    """The call cannot go on; `code` is the provider's word for it."""

    def __init__(self, code: str):
        super().__init__(code)
        self.code = code


class Handsets:
    """Plays every call that was taken, each as a task."""

    def __init__(self, store: CallStore, faults: Faults, hooks: Hooks, account_sid: str, auth_token: str):
        self.store = store
        self.faults = faults
        self.hooks = hooks
        self.account_sid = account_sid
        self.auth_token = auth_token
        self._tasks: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Begin; calls that were under way when the gateway died ring again."""
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=15))
        for call in self.store.calls:
            if call.live:
                self.ring(call)

    async def stop(self) -> None:
        """Stop playing; what is under way goes on after the next start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def ring(self, call: Call) -> None:
        """Let it ring."""
        task = asyncio.ensure_future(self._play(call))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def press(self, call: Call, key: str) -> bool:
        """Press a key, or hang up; False where nobody is on the line to do it."""
        if not call.live or call.status != "in-progress" or (key != HANG_UP and not call.listening):
            return False
        call.fingers.put_nowait(key)
        return True

    # -- one call ------------------------------------------------------------------------------------------------

    async def _play(self, call: Call) -> None:
        numbers = itertools.count()
        fate = call_fate(call.to)

        async def tell(event: str) -> None:
            wanted = {"none": [], "final": ["completed"]}.get(self.faults.receipts, call.events or ["completed"])
            if call.callback and event in wanted:
                form = {**self._form(call), "SequenceNumber": str(next(numbers))}
                form["CallbackSource"] = "call-progress-events"
                if not call.live:
                    form["CallDuration"] = form["Duration"] = str(call.seconds)
                    if call.status == "failed" and call.code:
                        form["SipResponseCode"] = call.code
                await self.hooks.post(call.callback, form)

        async def end(status: str, code: str = "") -> None:
            self.store.set_status(call, status, code=code)
            await tell("completed")

        self.store.set_status(call, "initiated")
        await tell("initiated")
        if fate == "failed":
            await end("failed", "404")
            return
        if fate == "busy":
            await end("busy")
            return
        self.store.set_status(call, "ringing")
        await tell("ringing")
        await asyncio.sleep(min(self.faults.ring_ms / 1000, call.ring))
        if fate == "no-answer" or self.faults.ring_ms / 1000 > call.ring:
            await end("no-answer")
            return
        who = "machine_start" if fate == "machine" else "human"
        self.store.set_status(call, "in-progress", who if call.detect else "")
        await tell("answered")
        code = ""
        try:
            await self._converse(call, fate)
        except HungUp:
            pass
        except Wrong as wrong:
            code = wrong.code
        call.listening = False
        await end("completed", code)

    def _form(self, call: Call, **more: str) -> dict[str, str]:
        form = {
            "AccountSid": self.account_sid,
            "ApiVersion": "2010-04-01",
            "CallSid": self.store.sid(call),
            "CallStatus": call.status,
            "Called": call.to,
            "Caller": call.from_,
            "Direction": "outbound-api",
            "From": call.from_,
            "To": call.to,
            **more,
        }
        if call.answered_by:
            form["AnsweredBy"] = call.answered_by
        return form

    async def _converse(self, call: Call, fate: str) -> None:
        document = call.twiml or await self._ask(call, call.url, call.url)
        base = call.url
        for _ in range(MOST_STEPS):
            following = None
            for verb in verbs(document):
                following = await self._obey(call, fate, verb)
                if following is not None:
                    break
            if following is None:
                return
            target, fields = following
            base = urljoin(base, target) if target else base
            document = await self._ask(call, base, base, **fields)

    async def _obey(self, call: Call, fate: str, verb: ElementTree.Element) -> tuple[str, dict[str, str]] | None:
        """Do what one verb says; the address to go to, where it says so. Raises `HungUp` and `Wrong`."""
        match verb.tag:
            case "Say":
                await self._listen(call, words_of(verb), min(FAREWELL_SECONDS, self.faults.speech_ms / 1000))
            case "Pause":
                await self._listen(call, "", min(float(verb.get("length", "1")), self.faults.speech_ms / 1000))
            case "Gather":
                key = await self._gather(call, fate, verb)
                if key or verb.get("actionOnEmptyResult") == "true":
                    return verb.get("action", ""), {"Digits": key}
            case "Redirect":
                return (verb.text or "").strip(), {}
            case "Hangup":
                raise HungUp
            case _:
                raise Wrong(BAD_TWIML)
        return None

    async def _listen(self, call: Call, words: str, seconds: float) -> str:
        """Hear words to their end; the key that cut them short, if one did."""
        try:
            finger = await asyncio.wait_for(call.fingers.get(), max(0.001, seconds))
        except TimeoutError:
            if words:
                self.store.said(call, words)
            return ""
        if finger == HANG_UP:
            raise HungUp
        return finger

    async def _gather(self, call: Call, fate: str, verb: ElementTree.Element) -> str:
        seconds = self.faults.speech_ms / 1000
        loop = asyncio.get_running_loop()
        if fate in ("key", "early"):
            loop.call_later(seconds * (0.6 if fate == "key" else 0.3), call.fingers.put_nowait,
                            "1" if fate == "key" else HANG_UP)  # fmt: skip
        call.listening = True
        key = await self._listen(call, "".join(words_of(inner) for inner in verb if inner.tag == "Say"), seconds)
        call.listening = False
        if key:
            self.store.key(call, key)
        return key

    async def _ask(self, call: Call, url: str, signed: str, **fields: str) -> str:
        """The next TwiML from the caller's own door. Raises `Wrong` where there is none."""
        assert self._session is not None  # noqa: S101 - started before any call is played
        form = self._form(call, **fields)
        headers = {
            "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
            "X-Twilio-Signature": sign(self.auth_token, signed, form),
        }
        try:
            async with self._session.post(url, data=urlencode(form).encode(), headers=headers) as answer:
                body = await answer.text()
                if answer.status >= 400:
                    raise Wrong(NO_ANSWER_FROM_URL)
                return body
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise Wrong(NO_ANSWER_FROM_URL) from error


def verbs(document: str) -> list[ElementTree.Element]:
    """The verbs of a TwiML document. Raises `Wrong` for what is none."""
    if "<!" in document:
        # No document type: its entities could be made to fill the memory.
        raise Wrong(BAD_TWIML)
    try:
        root = ElementTree.fromstring(document)  # noqa: S314 - from who holds the account's token, without a DTD
    except ElementTree.ParseError as error:
        raise Wrong("12100") from error
    if root.tag != "Response":
        raise Wrong(BAD_TWIML)
    return list(root)


def words_of(verb: ElementTree.Element) -> str:
    """What a Say says, once."""
    return (verb.text or "").strip()


def script(call: Call) -> str:
    """What a call is going to say, for showing it."""
    try:
        found = [words_of(inner) for verb in verbs(call.twiml) for inner in verb.iter("Say")] if call.twiml else []
    except Wrong:
        return call.twiml
    return " ".join(found)
