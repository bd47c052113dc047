"""SMS through Twilio's Messages API, or anything that speaks it (the local gateway does)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from notify.callbacks import callback_url
from notify.channels.base import Abilities, Answer, Cost, Found, Message, Sent
from notify.channels.twilio import CANNOT_ASK, LIST_LIMIT, REFERENCE, TwilioRoad
from notify.settings import TwilioAccount
from notify.text import MAX_UNITS, segments

MAX_VALIDITY = 36_000
"""Seconds: the longest that the provider keeps a message for us; what is valid longer is valid so long there."""
MIN_VALIDITY = 5
"""Seconds: below this the provider cannot promise that it keeps to it, so nothing is handed over."""


def parts(body: str) -> int:
    """Charged segments of a body as it leaves, signature included."""
    return segments(body).parts


class TwilioSms(TwilioRoad):
    """One Twilio account as a channel."""

    name = "sms"
    ABILITIES = Abilities(
        two_way=True,
        links=True,
        receipts=True,
        lists=True,
        expires=True,
        max_units=MAX_UNITS,
        least_validity=MIN_VALIDITY,
        parts=parts,
    )

    def __init__(
        self, account: TwilioAccount, *, timeout: float = 15.0, connections: int = 0, cost: Cost | None = None
    ):
        super().__init__(account, timeout=timeout, connections=connections, cost=cost)
        self._messages = self._client.messages
        # The provider replaces no character by another: parts and the text that is looked for later are ours.
        self._common: dict[str, Any] = {"smart_encoded": False}
        if account.messaging_service_sid:
            self._common["messaging_service_sid"] = account.messaging_service_sid
        if account.from_number:
            self._common["from_"] = account.from_number

    async def send(self, message: Message) -> Sent:
        """Create the message at the provider, and say what is known then."""
        if message.kind not in self._settings.kinds:
            return Sent(Answer.REFUSED, reason="kind_not_allowed_by_credentials")
        extra = dict(self._common)
        if self._settings.status_callback:
            extra["status_callback"] = callback_url(
                self._settings.status_callback, self._settings.mac_secret, message.delivery_id
            )
        extra["validity_period"] = max(1, min(MAX_VALIDITY, message.valid_seconds))
        return await self._created(self._messages.create_async(to=message.to, body=message.body, **extra))

    async def find(self, to: str, since: datetime) -> list[Found] | None:
        """Messages to `to` that the provider created since `since` (its times are whole seconds)."""
        floor = since.replace(microsecond=0)
        try:
            rows = await self._messages.list_async(to=to, limit=LIST_LIMIT, page_size=LIST_LIMIT)
            return [
                Found(
                    ref=row.sid,
                    body=str(row.body or ""),
                    status=str(row.status or ""),
                    error_code=str(row.error_code) if row.error_code else None,
                    created_at=row.date_created,
                )
                for row in rows
                if isinstance(row.sid, str)
                and REFERENCE.fullmatch(row.sid)
                and row.direction != "inbound"
                and (row.date_created is None or row.date_created >= floor)
            ]
        except CANNOT_ASK:
            return None
