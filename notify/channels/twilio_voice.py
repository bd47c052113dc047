"""Calls through Twilio's Calls API, or anything that speaks it: the text is spoken, one key confirms it.

The words travel with the request (`Twiml`) and not under an address of ours: a call speaks even when our web process
cannot be reached, and nobody can fetch the text. What only a conversation can tell, a key or that all was said, comes
to `answer_url`. Nothing is recorded at the provider.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from notify import calls, speech, twiml
from notify.callbacks import callback_url
from notify.channels.base import Abilities, Answer, Cost, Found, Message, Sent
from notify.channels.twilio import CANNOT_ASK, LIST_LIMIT, REFERENCE, TwilioRoad
from notify.settings import TwilioAccount, VoiceSettings
from notify.text import MAX_UNITS

EVENTS: Final = ["initiated", "ringing", "answered", "completed"]
LONGEST_CALL: Final = 600
"""Seconds after which a call is ended whatever happens: a line left open blocks the next call and costs."""
LEAST_RING: Final = 10
"""Seconds: a call that may ring for less reaches nobody, so nothing is handed over."""


class TwilioVoice(TwilioRoad):
    """One Twilio account as a channel that speaks."""

    name = "voice"
    ABILITIES = Abilities(
        two_way=True,
        receipts=True,
        lists=True,
        expires=True,
        voice=True,
        max_units=MAX_UNITS,
        least_validity=LEAST_RING,
        parts=speech.minutes,
    )

    def __init__(
        self,
        account: TwilioAccount,
        voice: VoiceSettings | None = None,
        *,
        timeout: float = 15.0,
        connections: int = 0,
        cost: Cost | None = None,
    ):
        super().__init__(account, timeout=timeout, connections=connections, cost=cost)
        self._calls = self._client.calls
        self._voice = voice or VoiceSettings()
        self._speaker = twiml.Voice(self._voice.voice, self._voice.language)
        self._last_said: tuple[tuple[object, str], str] | None = None

    async def send(self, message: Message) -> Sent:
        """Have the call made, and say what is known then."""
        if message.kind not in self._settings.kinds:
            return Sent(Answer.REFUSED, reason="kind_not_allowed_by_credentials")
        secret, settings = self._settings.mac_secret, self._voice
        url = callback_url(settings.answer_url, secret, message.delivery_id)
        words = twiml.announcement(
            self._said(message), url, self._speaker, repeat=settings.repeat, key_seconds=settings.key_seconds
        )
        if len(words) > twiml.MOST:
            return Sent(Answer.REFUSED, reason="too_long_to_say")
        extra: dict[str, Any] = {}
        if self._settings.status_callback:
            extra["status_callback"] = callback_url(self._settings.status_callback, secret, message.delivery_id)
            extra["status_callback_event"] = EVENTS
        if settings.machine_detection:
            extra["machine_detection"] = "Enable"
        return await self._created(
            self._calls.create_async(
                to=message.to,
                from_=self._settings.from_number,
                twiml=words,
                timeout=max(1, min(settings.ring_seconds, message.valid_seconds)),
                time_limit=LONGEST_CALL,
                **extra,
            )
        )

    def _said(self, message: Message) -> str:
        # One text goes to many numbers, one after the other.
        wanted = (message.kind, message.body)
        if self._last_said is None or self._last_said[0] != wanted:
            self._last_said = (wanted, speech.call_text(message.kind, message.body))
        return self._last_said[1]

    async def find(self, to: str, since: datetime) -> list[Found] | None:
        """Calls to `to` that the provider made or queued since `since`; a call does not say what it was about."""
        floor = since.replace(microsecond=0)
        try:
            rows = await self._calls.list_async(to=to, limit=LIST_LIMIT, page_size=LIST_LIMIT)
            found = []
            for row in rows:
                if not isinstance(row.sid, str) or not REFERENCE.fullmatch(row.sid) or row.direction == "inbound":
                    continue
                if row.date_created is not None and row.date_created < floor:
                    continue
                status, reason = calls.listed(str(row.status or ""), row.answered_by)
                found.append(Found(row.sid, None, status, reason, row.date_created))
            return found
        except CANNOT_ASK:
            return None
