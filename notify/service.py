"""What the rooms ask of delivery: send, stop, count, look. `(session, …)`, the caller owns the transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from kernel.db import Database, dialect_name, now
from kernel.errors import N_, Invalid, NotFound
from notify import blocks, failpoints, ledger, quota, speech, text
from notify.models import (
    POSITION_MASK,
    BlockState,
    Broadcast,
    BroadcastState,
    Delivery,
    DeliveryBlock,
    DeliveryState,
    DeliveryTally,
    EngineSwitch,
    Kind,
)
from notify.watch import Lane, Status, status

__all__ = [
    "BroadcastSpec",
    "DeliveryPage",
    "Lane",
    "Recipient",
    "Status",
    "Tally",
    "broadcast",
    "cancel",
    "deliver",
    "deliveries",
    "delivery",
    "drain",
    "position",
    "settle_by_hand",
    "spoken",
    "status",
    "tallies",
]

BLOCK = 500
_LEFT = (
    DeliveryState.SUBMITTED, DeliveryState.DELIVERED, DeliveryState.FAILED, DeliveryState.EXPIRED,
    DeliveryState.CANCELLED,
)  # fmt: skip
INLINE_CANCEL = 10


@dataclass(frozen=True, slots=True)
class BroadcastSpec:
    """What to send. `priority` 0 is the most urgent, 9 the least; `text` is final, or has {named} fields."""

    kind: Kind
    priority: int
    text: str
    valid_until: datetime
    channels: list[str]
    subject_kind: str
    subject_id: int
    environment: str = ""
    signature: str = ""
    daily_quota: int = 0
    """Messages to one number in a day, after which this one is held back; 0: it goes whatever came before."""
    repeat_minutes: int = 0
    """The same words to the same number within so many minutes are held back; 0: they go."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """One number of a small list. Two entries with the same `number_key` get one message."""

    recipient: str
    division: str
    address_key: int
    number_key: bytes
    people: int = 1
    params: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts of several broadcasts together. `reached` is what a handset confirmed, never what was sent."""

    messages: int
    people: int
    by_state: dict[DeliveryState, int]
    people_by_state: dict[DeliveryState, int]
    by_division: dict[str, dict[DeliveryState, tuple[int, int]]]
    by_channel: dict[str, dict[DeliveryState, tuple[int, int]]]

    @property
    def reached(self) -> int:
        """Messages with a receipt from a handset."""
        return self.by_state[DeliveryState.DELIVERED]

    @property
    def reached_people(self) -> int:
        """People behind the numbers that were reached."""
        return self.people_by_state[DeliveryState.DELIVERED]

    @property
    def waiting(self) -> int:
        """Messages not yet handed over."""
        return self.by_state[DeliveryState.QUEUED] + self.by_state[DeliveryState.CLAIMED]


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    """Rows of the ledger, and the cursor of the next page."""

    rows: list[Delivery]
    next_cursor: int | None


def broadcast(session: Session, spec: BroadcastSpec, recipients: sa.Select[Any]) -> Broadcast:
    """Enter one message a number into the ledger, by one INSERT … SELECT in the caller's transaction.

    `recipients` yields `rank, recipient, division, address_key, number_key, people` and optionally `params`, one row
    a number (the caller groups). Lower ranks leave first. Nobody to send to is not an error.
    """
    record = _record(session, spec)
    ledger.insert_select(session, record, spec.channels[0], recipients)
    return _enqueue(session, record, spec)


def deliver(session: Session, spec: BroadcastSpec, recipients: Sequence[Recipient]) -> Broadcast:
    """The same for a short list whose texts differ by their fields; order is rank."""
    record = _record(session, spec)
    merged: dict[bytes, Recipient] = {}
    people: dict[bytes, int] = {}
    for entry in recipients:
        merged.setdefault(entry.number_key, entry)
        people[entry.number_key] = people.get(entry.number_key, 0) + entry.people
    for entry in merged.values():
        final = text.render(record.text, entry.params)
        fault = text.disagreement(spec.kind, final)
        if fault:
            raise Invalid(N_("A field makes the text look like another kind of message."), code="kind_mismatch")
        _refuse_too_long(final, record.signature)
    rows = [
        {
            "id": record.first_id + position,
            "broadcast_id": record.id,
            "kind": spec.kind,
            "recipient": entry.recipient,
            "division": entry.division,
            "address_key": entry.address_key,
            "number_key": entry.number_key,
            "people": people[entry.number_key],
            "params": dict(entry.params) if entry.params is not None else None,
            "channel": spec.channels[0],
            "state": DeliveryState.QUEUED,
            "attempt": 0,
            "changed_at": record.created_at,
        }
        for position, entry in enumerate(merged.values(), start=1)
    ]
    if rows:
        session.execute(sa.insert(Delivery), rows)
    return _enqueue(session, record, spec)


def _record(session: Session, spec: BroadcastSpec) -> Broadcast:
    if not spec.channels:
        raise Invalid(N_("Choose at least one channel."), code="no_channel")
    if not 0 <= spec.priority <= 9:
        raise Invalid(N_("Priority is a number from 0, the most urgent, to 9."), code="bad_priority")
    moment = now(session)
    if spec.valid_until <= moment:
        raise Invalid(N_("The message would have expired before it could leave."), code="already_expired")
    body = text.mark(spec.kind, spec.text)
    if not body.strip():
        raise Invalid(N_("The message has no text."), code="empty_text")
    _refuse_too_long(body, spec.signature)
    record = Broadcast(
        kind=spec.kind,
        priority=spec.priority,
        state=BroadcastState.OPEN,
        text=body,
        text_digest=hashlib.sha256(f"{spec.signature}\0{body}".encode()).digest(),
        signature=spec.signature,
        channels=list(spec.channels),
        environment=spec.environment,
        subject_kind=spec.subject_kind,
        subject_id=spec.subject_id,
        valid_until=spec.valid_until,
        created_at=moment,
        messages=0,
        people=0,
    )
    if dialect_name(session) == "sqlite":
        # One writer at a time: nobody can take the same number. PostgreSQL has an identity for it.
        record.serial = (session.scalar(sa.select(sa.func.max(Broadcast.serial))) or 0) + 1
    session.add(record)
    session.flush()
    return record


def _refuse_too_long(body: str, signature: str) -> None:
    if text.too_long(text.signed(body, signature)):
        raise Invalid(
            N_("The text is longer than the %(most)s characters that one message can carry. Shorten it."),
            code="text_too_long", most=text.MAX_UNITS,
        )  # fmt: skip


def _enqueue(session: Session, record: Broadcast, spec: BroadcastSpec) -> Broadcast:
    record.messages, record.people, last = ledger.open_tally(session, record)
    blocks = [
        {
            "first_id": first,
            "last_id": min(first + BLOCK - 1, last),
            "broadcast_id": record.id,
            "priority": spec.priority,
            "state": BlockState.READY,
            "due_at": record.created_at,
            "waiting_since": record.created_at,
            "fence": 0,
        }
        for first in range(record.first_id + 1, last + 1, BLOCK)
    ]
    session.flush()
    if blocks:
        session.execute(sa.insert(DeliveryBlock), blocks)
    quota.hold_back(session, record, spec.daily_quota, spec.repeat_minutes)
    failpoints.reach("entered")
    return record


def cancel(session: Session, broadcast_id: int) -> int:
    """Stop what has not been sent; what is on its way at this moment (one batch at most) is not called back.

    Returns how many messages are stopped. A large remainder is written off by the engine in pieces, so that the
    writer is never held; its blocks are closed at once, so that nothing of it leaves. Asking twice changes nothing.
    """
    # Not FOR UPDATE: an engine's tallies refer to this row, and it may hold the block that comes next here.
    lock = {"key_share": True} if dialect_name(session) != "sqlite" else None
    record = session.get(Broadcast, broadcast_id, with_for_update=lock)
    if record is None:
        raise NotFound(N_("There is no such broadcast."))
    if record.state is BroadcastState.CANCELLED:
        return 0
    record.state = BroadcastState.CANCELLED
    record.cancelled_at = now(session)
    session.flush()
    stopped = blocks.close_blocks(session, broadcast_id)
    unsent = tallies(session, [broadcast_id]).by_state[DeliveryState.QUEUED]
    for first_id in stopped[:INLINE_CANCEL]:
        blocks.write_off(session, first_id)
    return unsent


def tallies(session: Session, broadcast_ids: Iterable[int]) -> Tally:
    """Messages and people by state, division and channel, from the tallies that settlement keeps."""
    wanted = list(broadcast_ids)
    by_state = dict.fromkeys(DeliveryState, 0)
    people_by_state = dict.fromkeys(DeliveryState, 0)
    by_division: dict[str, dict[DeliveryState, tuple[int, int]]] = {}
    by_channel: dict[str, dict[DeliveryState, tuple[int, int]]] = {}
    rows = session.execute(
        sa.select(
            DeliveryTally.division,
            DeliveryTally.channel,
            DeliveryTally.state,
            sa.func.sum(DeliveryTally.messages),
            sa.func.sum(DeliveryTally.people),
        )
        .where(DeliveryTally.broadcast_id.in_(wanted))
        .group_by(DeliveryTally.division, DeliveryTally.channel, DeliveryTally.state)
    )
    for division, channel, state, messages, people in rows:
        messages, people = int(messages), int(people)
        by_state[state] += messages
        people_by_state[state] += people
        for group in (by_division.setdefault(division, {}), by_channel.setdefault(channel, {})):
            before = group.get(state, (0, 0))
            group[state] = (before[0] + messages, before[1] + people)
    return Tally(
        messages=sum(by_state.values()),
        people=sum(people_by_state.values()),
        by_state=by_state,
        people_by_state=people_by_state,
        by_division=by_division,
        by_channel=by_channel,
    )


def deliveries(
    session: Session,
    broadcast_ids: Iterable[int],
    state: DeliveryState | None = None,
    cursor: int | None = None,
    limit: int = 50,
    division: str | None = None,
) -> DeliveryPage:
    """A page of the ledger in sending order; `cursor` is the last id of the page before."""
    serials = session.scalars(sa.select(Broadcast.serial).where(Broadcast.id.in_(list(broadcast_ids))))
    ranges = [ledger.range_of(serial) for serial in sorted(serials)]
    if not ranges:
        return DeliveryPage([], None)
    query = sa.select(Delivery).where(sa.or_(*(Delivery.id.between(low, high) for low, high in ranges)))
    if cursor is not None:
        query = query.where(Delivery.id > cursor)
    if state is not None:
        query = query.where(Delivery.state == state)
    if division is not None:
        query = query.where(Delivery.division == division)
    rows = list(session.scalars(query.order_by(Delivery.id).limit(limit + 1)))
    more = len(rows) > limit
    rows = rows[:limit]
    return DeliveryPage(rows, rows[-1].id if more else None)


def delivery(session: Session, delivery_id: int) -> Delivery | None:
    """One row of the ledger."""
    return session.get(Delivery, delivery_id)


def spoken(session: Session, delivery_id: int) -> str | None:
    """What the call of a message says; None where it is no message of ours, or its fields are forgotten by now."""
    row = session.get(Delivery, delivery_id)
    record = session.get(Broadcast, row.broadcast_id) if row is not None else None
    if row is None or record is None:
        return None
    try:
        body = text.signed(text.render(record.text, row.params), record.signature)
    except Invalid:
        return None
    return speech.call_text(row.kind, body)


def forget_fields(session: Session, broadcast_ids: Iterable[int]) -> int:
    """Empty the named fields of what has left or never will; an unknown one keeps them, to be found by its text.

    For fields that are secrets while they are good (a link that answers). Returns how many messages.
    """
    serials = session.scalars(sa.select(Broadcast.serial).where(Broadcast.id.in_(list(broadcast_ids)))).all()
    ranges = [Delivery.id.between(*ledger.range_of(serial)) for serial in serials]
    if not ranges:
        return 0
    done = session.execute(
        sa.update(Delivery)
        .where(sa.or_(*ranges), Delivery.params.is_not(None), Delivery.state.in_(_LEFT))
        .values(params=sa.null())
    )
    return int(done.rowcount)  # type: ignore[attr-defined]


def settle_by_hand(session: Session, delivery_id: int, state: DeliveryState, reason: str) -> bool:
    """A person settles an unknown message as `submitted` or `failed`; False when it was known by then."""
    if state not in (DeliveryState.SUBMITTED, DeliveryState.FAILED):
        raise Invalid(N_("An unknown message is settled as handed over or as failed."), code="bad_settlement")
    return ledger.move_unknown(session, [(delivery_id, state, None, reason[:80])]) == [delivery_id]


def drain(database: Database, minutes: int = 10) -> datetime | None:
    """Ask every engine to take nothing new, so that it can be stopped with nothing in flight; 0 resumes.

    It ends by itself after `minutes`: a forgotten drain must not keep a warning waiting.
    """
    with database.write() as session:
        until = now(session) + timedelta(minutes=minutes) if minutes > 0 else None
        switch = session.get(EngineSwitch, 1)
        if switch is None:
            session.add(EngineSwitch(id=1, drain_until=until))
        else:
            switch.drain_until = until
    return until


def position(delivery_id: int) -> int:
    """A delivery's place in its broadcast, from 1."""
    return delivery_id & POSITION_MASK
