"""What the engine needs of the house it works in, handed over at start.

The engine never decrypts, never names a person and never decides what an answer means.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from sqlalchemy.orm import Session

from notify.models import Broadcast


@dataclass(frozen=True, slots=True)
class Settled:
    """One message whose outcome became known. `state` is the ledger's word, `reason` a short code or None."""

    delivery_id: int
    recipient: str
    division: str
    state: str
    reason: str | None


class AddressBook(Protocol):
    """Where opaque keys become numbers."""

    def addresses(self, keys: Sequence[int], *, broadcast_id: int, purpose: str) -> Mapping[int, str]:
        """Numbers in E.164 (`+86154…`) for contact ids; keys without one are left out.

        Called with no transaction of the engine open. Journals the batch itself, as one entry.
        """
        ...


class Sealer(Protocol):
    """Seals what providers send before it is stored."""

    def seal(self, text: str) -> bytes:
        """`text`, sealed."""
        ...

    def open(self, sealed: bytes) -> str:
        """What `seal` was given."""
        ...


class NumberIndex(Protocol):
    """The blind index of a number, for matching replies and receipts without storing numbers."""

    def key(self, number: str) -> bytes:
        """16 bytes for a number in E.164."""
        ...


class Outcomes(Protocol):
    """Who wants to hear what became of messages."""

    def settled(self, session: Session, broadcast: Broadcast, results: Sequence[Settled]) -> None:
        """Messages of one broadcast reached a final state, in the transaction that records it."""
        ...

    def refused(self, session: Session, broadcast: Broadcast, reason: str, count: int) -> None:
        """The engine refused to send (kinds disagree, marker missing): must be journalled."""
        ...

    def defect(
        self, session: Session, recipient: str, reason: str, *, number_key: bytes | None = None, channel: str = ""
    ) -> None:
        """A number is refused for good (not a mobile, opted out, gone): its owner has to mend it.

        `number_key` is the number that was written to; its owner may have another one by now.
        """
        ...


class Answers(Protocol):
    """Who understands a reply."""

    def received(
        self,
        session: Session,
        number_key: bytes,
        text: str,
        at: datetime,
        channel: str,
        raw_id: int,
        *,
        delivery_id: int | None = None,
        account: str = "",
    ) -> str:
        """A reply came in; returns a word for the record (`matched`, `ambiguous`, `unknown_number`, …).

        `at` is when we received it. `delivery_id` is the message that it answers, where the road knows it for certain
        (a key pressed in a call); `account` is the provider's number of the account that received it.
        """
        ...


class Metrics(Protocol):
    """Counters and gauges."""

    def count(self, name: str, value: float = 1, **labels: str) -> None:
        """Add to a counter."""
        ...

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Set a gauge."""
        ...

    def flush(self, session: Session) -> None:
        """Store what was counted, with the caller's transaction."""
        ...


class NoMetrics:
    """Metrics that nobody reads."""

    def count(self, name: str, value: float = 1, **labels: str) -> None:
        """Do nothing."""

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Do nothing."""

    def flush(self, session: Session) -> None:
        """Do nothing."""


class NoOutcomes:
    """Outcomes that nobody waits for."""

    def settled(self, session: Session, broadcast: Broadcast, results: Sequence[Settled]) -> None:
        """Do nothing."""

    def refused(self, session: Session, broadcast: Broadcast, reason: str, count: int) -> None:
        """Do nothing."""

    def defect(
        self, session: Session, recipient: str, reason: str, *, number_key: bytes | None = None, channel: str = ""
    ) -> None:
        """Do nothing."""


class NoAnswers:
    """Replies that nobody waits for; they stay stored for a person."""

    def received(
        self,
        session: Session,
        number_key: bytes,
        text: str,
        at: datetime,
        channel: str,
        raw_id: int,
        *,
        delivery_id: int | None = None,
        account: str = "",
    ) -> str:
        """Keep it for a person."""
        return "unclaimed"


@dataclass(frozen=True, slots=True)
class Ports:
    """Everything that the house hands the engine. Attach it as `database.attach("ports", ports)`."""

    address_book: AddressBook
    sealer: Sealer
    number_index: NumberIndex
    outcomes: Outcomes = field(default_factory=NoOutcomes)
    answers: Answers = field(default_factory=NoAnswers)
    metrics: Metrics = field(default_factory=NoMetrics)
