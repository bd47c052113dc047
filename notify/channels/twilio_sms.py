"""SMS through Twilio's Messages API, or anything that speaks it (the local gateway does)."""

from __future__ import annotations

import re
from contextvars import ContextVar
from datetime import datetime
from typing import Any

from twilio.base.exceptions import TwilioException, TwilioRestException, TwilioServiceException
from twilio.http.response import Response
from twilio.rest import Client

from notify.callbacks import callback_url
from notify.channels import twilio_codes
from notify.channels.base import Abilities, Answer, Found, Message, Sent
from notify.channels.http_client import LeanClient, NotTaken, Uncertain
from notify.models import Kind
from notify.settings import TwilioAccount

MAX_VALIDITY = 36_000
"""Seconds: the longest that the provider keeps a message for us; what is valid longer is valid so long there."""
MIN_VALIDITY = 5
"""Seconds: below this the provider cannot promise that it keeps to it, so nothing is handed over."""
LIST_LIMIT = 100
_REFERENCE = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
"""What is no reference of theirs is no proof that the message was taken, and could not be stored on every database."""
_UNREADABLE = (TwilioException, ValueError, LookupError, TypeError, AttributeError, RecursionError)
_body: ContextVar[str | None] = ContextVar("_body", default=None)


class _Keeping(LeanClient):
    """Keeps each answer's text for the task that asked: the library's exceptions do not carry it."""

    async def request(self, *args: Any, **options: Any) -> Response:
        """As the client does."""
        _body.set(None)
        answer = await super().request(*args, **options)
        _body.set(answer.text)
        return answer


class TwilioSms:
    """One Twilio account as a channel."""

    name = "sms"
    abilities = Abilities(two_way=True, receipts=True, lists=True, max_units=1600, least_validity=MIN_VALIDITY)

    def __init__(self, account: TwilioAccount, *, timeout: float = 15.0, connections: int = 0):
        self._settings = account
        self._http = _Keeping(timeout, connections)
        self._client = Client(account.account_sid, account.auth_token, http_client=self._http)
        self._client.api.base_url = account.base_url.rstrip("/")
        self._messages = self._client.messages
        self._common: dict[str, Any] = {}
        if account.messaging_service_sid:
            self._common["messaging_service_sid"] = account.messaging_service_sid
        if account.from_number:
            self._common["from_"] = account.from_number

    @property
    def account(self) -> str:
        """The account's name in the configuration."""
        return self._settings.name

    @property
    def kinds(self) -> frozenset[Kind]:
        """What these credentials may carry."""
        return self._settings.kinds

    @property
    def rate(self) -> float:
        """Messages a second that the account allows."""
        return self._settings.messages_per_second

    async def open(self) -> None:
        """Open the pool of connections."""
        await self._http.open()

    async def close(self) -> None:
        """Close it."""
        await self._http.close()

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
        try:
            created = await self._messages.create_async(to=message.to, body=message.body, **extra)
        except NotTaken as error:
            return _turned_away(error)
        except Uncertain as error:
            return Sent(Answer.UNKNOWN, reason=error.reason, account_fault=True, raw=_kept(error.raw))
        except (TwilioRestException, TwilioServiceException) as error:
            status = error.status if isinstance(error.status, int) else 0
            return twilio_codes.verdict(status, _kept(_body.get()))
        except _UNREADABLE:
            # 200 with something that is not their JSON: a proxy's page, half a body. It may have been taken.
            return Sent(Answer.UNKNOWN, reason="unreadable_answer", account_fault=True, raw=_kept(_body.get()))
        if not isinstance(created.sid, str) or not _REFERENCE.fullmatch(created.sid):
            return Sent(Answer.UNKNOWN, reason="answer_without_sid", account_fault=True, raw=_kept(_body.get()))
        return Sent(Answer.ACCEPTED, ref=created.sid)

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
                and _REFERENCE.fullmatch(row.sid)
                and row.direction != "inbound"
                and (row.date_created is None or row.date_created >= floor)
            ]
        except (NotTaken, Uncertain, *_UNREADABLE):
            return None


def _kept(raw: str | None) -> str | None:
    return None if raw is None else twilio_codes.storable(raw)


def _turned_away(error: NotTaken) -> Sent:
    """The client could not hand it over. A 403 or 404 may still be about this number alone, and say so by its code."""
    raw = _kept(error.raw)
    if error.reason != "http_429" and twilio_codes.code_in(raw) in twilio_codes.MESSAGE_CODES:
        return twilio_codes.verdict(0, raw)
    return Sent(Answer.NOT_TAKEN, None, error.reason, retry_after=error.retry_after, account_fault=True, raw=raw)
