"""What the roads over a Twilio account have in common: the client, and what an answer says of what was to be created."""

from __future__ import annotations

import re
from collections.abc import Awaitable
from contextvars import ContextVar
from dataclasses import replace
from typing import Any, Final

from twilio.base.exceptions import TwilioException, TwilioRestException, TwilioServiceException
from twilio.http.response import Response
from twilio.rest import Client

from notify.channels import twilio_codes
from notify.channels.base import Abilities, Answer, Cost, Sent
from notify.channels.http_client import LeanClient, NotTaken, Uncertain
from notify.channels.outcome import LATE
from notify.models import Kind
from notify.settings import TwilioAccount

LIST_LIMIT = 100
REFERENCE: Final = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
"""What is no reference of theirs is no proof that it was taken, and could not be stored on every database."""
_UNREADABLE: Final = (TwilioException, ValueError, LookupError, TypeError, AttributeError, RecursionError)
CANNOT_ASK: Final = (NotTaken, Uncertain, *_UNREADABLE)
"""All that asking for a list can raise."""
_body: ContextVar[str | None] = ContextVar("_body", default=None)


class _Keeping(LeanClient):
    """Keeps each answer's text for the task that asked: the library's exceptions do not carry it."""

    async def request(self, *args: Any, **options: Any) -> Response:
        """As the client does."""
        _body.set(None)
        answer = await super().request(*args, **options)
        _body.set(answer.text)
        return answer


class TwilioRoad:
    """One Twilio account as a road of some kind."""

    ABILITIES = Abilities()
    """What the road can do whatever the account."""

    def __init__(
        self, account: TwilioAccount, *, timeout: float = 15.0, connections: int = 0, cost: Cost | None = None
    ):
        self.abilities = replace(self.ABILITIES, cost=cost) if cost else self.ABILITIES
        self._settings = account
        self._http = _Keeping(timeout, connections)
        self._client = Client(account.account_sid, account.auth_token, http_client=self._http)
        self._client.api.base_url = account.base_url.rstrip("/")

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

    @property
    def weight(self) -> float:
        """Its share among the accounts of the channel; 0 for a reserve."""
        return self._settings.weight

    async def open(self) -> None:
        """Open the pool of connections."""
        await self._http.open()

    async def close(self) -> None:
        """Close it."""
        await self._http.close()

    async def _created(self, creation: Awaitable[Any]) -> Sent:
        """What is known once the provider was asked to create something."""
        try:
            created = await creation
        except NotTaken as error:
            return _turned_away(error)
        except Uncertain as error:
            return Sent(
                Answer.UNKNOWN, reason=error.reason, retry_after=error.retry_after, account_fault=True,
                raw=_kept(error.raw),
            )  # fmt: skip
        except (TwilioRestException, TwilioServiceException) as error:
            status = error.status if isinstance(error.status, int) else 0
            return twilio_codes.verdict(status, _body.get())
        except _UNREADABLE:
            # 200 with something that is not their JSON: a proxy's page, half a body. It may have been taken.
            return Sent(Answer.UNKNOWN, reason="unreadable_answer", account_fault=True, raw=_kept(_body.get()))
        if not isinstance(created.sid, str) or not REFERENCE.fullmatch(created.sid):
            return Sent(Answer.UNKNOWN, reason="answer_without_sid", account_fault=True, raw=_kept(_body.get()))
        return Sent(Answer.ACCEPTED, ref=created.sid)


def _kept(raw: str | None) -> str | None:
    return None if raw is None else twilio_codes.storable(raw)


def _turned_away(error: NotTaken) -> Sent:
    """The client could not hand it over. A 403 or 404 may still be about this number alone, and say so by its code."""
    if error.reason == LATE:
        return Sent(Answer.NOT_TAKEN, reason=LATE)
    if error.reason != "http_429" and twilio_codes.code_in(error.raw) in twilio_codes.MESSAGE_CODES:
        return twilio_codes.verdict(0, error.raw)
    raw = _kept(error.raw)
    return Sent(Answer.NOT_TAKEN, None, error.reason, retry_after=error.retry_after, account_fault=True, raw=raw)
