"""What every road to a person can be asked, and what it may answer."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
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
    body: str | None
    """What was sent; None where the list does not say (calls): then number and time must tell, or nothing does."""
    status: str
    """In the words of `notify.rules.state_of`."""
    error_code: str | None
    created_at: datetime | None


@dataclass(frozen=True, slots=True)
class Cost:
    """What one part costs, as the account's contract says."""

    per_part: Decimal
    currency: str


def one_part(_body: str) -> int:
    """A road that charges by the message and not by its length."""
    return 1


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a road can do. Whoever treats roads differently asks these, never a name; the conformance suite holds
    each channel to what it declares."""

    two_way: bool = False
    """What the person answers on the same road reaches `Answers`."""
    links: bool = False
    """A link in the text can be followed."""
    receipts: bool = False
    """The provider reports what became of each message."""
    lists: bool = False
    """`find` works: an unknown outcome can be looked up."""
    expires: bool = False
    """The provider is told how long the message is good, and gives up after that."""
    voice: bool = False
    """The text is heard and not read: no link, no marks, spoken numbers, one key as the answer."""
    least_validity: int = 0
    """Seconds that a message must still be good for: below it the road cannot promise that it gives up in time."""
    max_units: int | None = None
    """UTF-16 units of the longest text; None is no limit."""
    parts: Callable[[str], int] = one_part
    """Charged parts of a body as it leaves: SMS segments, minutes begun."""
    cost: Cost | None = None
    """What a part costs; None where nobody said."""


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
