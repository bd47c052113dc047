"""What every road to a person can be asked, and what it may answer."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from notify.models import Kind


class Answer(enum.Enum):
    """What we know after a send."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    """The provider looked at it and will never take it."""
    NOT_TAKEN = "not_taken"
    """It certainly was not accepted (429, connection refused, our own failure before the write): may go again."""
    UNKNOWN = "unknown"
    """It may have been accepted. Never sent again before the provider's own list says that it is absent."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message, ready to leave."""

    delivery_id: int
    kind: Kind
    to: str
    body: str
    valid_seconds: int


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of it. `raw` is the provider's answer where it was odd; it is sealed before it is stored."""

    answer: Answer
    ref: str | None = None
    reason: str | None = None
    retry_after: float | None = None
    account_fault: bool = False
    """The fault lies with the account or the road (429, refused connection, wrong password), not with this message."""
    raw: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A message in the provider's list."""

    ref: str
    body: str
    status: str
    error_code: str | None
    created_at: datetime | None


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a road can do."""

    two_way: bool = False
    receipts: bool = False
    lists: bool = False
    voice: bool = False
    max_units: int | None = None
    least_validity: int = 0
    """Seconds: what has less left is not handed over, because it could arrive after its time."""


class Channel(Protocol):
    """A road to a person over one account."""

    @property
    def name(self) -> str:
        """The channel as broadcasts name it: `sms`, `voice`, …"""
        ...

    @property
    def account(self) -> str:
        """Which account; unique among the channels of an engine."""
        ...

    @property
    def kinds(self) -> frozenset[Kind]:
        """What its credentials may carry."""
        ...

    @property
    def abilities(self) -> Abilities:
        """What it can do."""
        ...

    @property
    def rate(self) -> float:
        """Messages a second that the account allows."""
        ...

    async def open(self) -> None:
        """Make ready inside the running event loop."""
        ...

    async def close(self) -> None:
        """Give back what `open` took."""
        ...

    async def send(self, message: Message) -> Sent:
        """Send one message. Never raises for what the provider or the network does."""
        ...

    async def find(self, to: str, since: datetime) -> list[Found] | None:
        """The provider's messages to a number since a moment; None when it could not be asked."""
        ...
