"""What a person may see of delivery and settle in it: broadcasts, the unknown that no machine can find out, one message.

Numbers are masked; raw answers of a provider are opened for a stated purpose, journalled before they are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions import rules as divisions
from emergency.divisions import service as division_service
from emergency.engineroom import wording
from emergency.http.actor import Actor
from emergency.http.paging import PAGE_SIZE, Page, decode_cursor, encode_cursor
from emergency.http.permissions import Permission
from emergency.people.contacts import service as contacts
from emergency.privacy import journal
from emergency.privacy.journal import Purpose
from emergency.warnings import service as warnings
from emergency.warnings.models import Warning as WarningRecord
from kernel import states
from kernel.db import dialect_name
from kernel.errors import N_, Conflict, DomainError, Invalid, NotFound
from notify import counters, text, watch
from notify import service as notify
from notify.models import Broadcast, Delivery, DeliveryState, DeliveryTally, Kind, RawReceipt, ReceiptKind
from notify.ports import Ports

TABLE = "delivery"
WARNING = "warning"
MOST_AT_ONCE = 5000
"""The unknown of one broadcast that one decision settles; each is a line in its own timeline."""
LONGEST_REASON = 200
MOST_RECEIPTS = 50

SETTLED = journal.kind(
    "delivery.settled_by_hand",
    "人工判定发送结果",
    "Outcome of messages settled by hand",
    "outcome",
    "count",
    "broadcast_kind",
)

_BY_HAND = sa.and_(Delivery.state == sa.literal_column("'unknown'"), Delivery.reason == watch.BY_HAND)


@dataclass(frozen=True)
class Subject:
    """What a broadcast was sent for: words, and the page where it is."""

    words: str
    url: str


@dataclass(frozen=True)
class ByHand:
    """One message that a person settles."""

    id: int
    broadcast: Broadcast
    text: str
    phone: str
    name: str
    division_name: str
    people: int
    since: datetime
    attempt: int
    version: str
    """What the page showed; a decision about anything else is refused."""


@dataclass(frozen=True)
class Heard:
    """Something a provider said about a message, still sealed."""

    id: int
    kind: ReceiptKind
    at: datetime
    folded_at: datetime | None
    outcome: str


@dataclass(frozen=True)
class Message:
    """One message and what is stored of its life."""

    row: Delivery
    broadcast: Broadcast
    position: int
    text: str
    phone: str
    name: str
    division_name: str
    heard: list[Heard]
    changes: list[states.StateChange]


def overview(session: Session, *, actor: Actor, expected: int = 1) -> watch.Status:
    """What delivery is doing. Raises `forbidden` without the permission."""
    actor.require(Permission.DELIVERY_VIEW)
    return watch.status(session, expected)


def alert(session: Session, at: datetime, _: wording.Say, clock: wording.Clock) -> wording.Alert | None:
    """What every page says while something waits and nothing leaves, in the language of `_`; no permission is asked."""
    alarm = watch.alarm(session)
    return wording.alert(alarm, at, _, clock) if alarm is not None else None


def broadcasts(session: Session, *, actor: Actor, cursor: str | None = None) -> Page[watch.Progress]:
    """Every broadcast that went into the actor's area, the latest first, with its progress."""
    actor.require(Permission.DELIVERY_VIEW)
    query = sa.select(Broadcast).where(_touches(actor)).order_by(Broadcast.serial.desc()).limit(PAGE_SIZE + 1)
    if cursor:
        query = query.where(Broadcast.serial < decode_cursor(cursor, 1, (int,))[0])
    records = list(session.scalars(query))
    more, records = len(records) > PAGE_SIZE, records[:PAGE_SIZE]
    return Page(watch.progress(session, records), encode_cursor([records[-1].serial]) if more else None)


def broadcast(session: Session, *, actor: Actor, broadcast_id: int) -> watch.Progress:
    """One broadcast and how far it is; one that went nowhere in the actor's area does not exist for them."""
    actor.require(Permission.DELIVERY_VIEW)
    record = session.scalar(sa.select(Broadcast).where(Broadcast.id == broadcast_id, _touches(actor)))
    if record is None:
        raise NotFound(N_("There is no such broadcast."))
    return watch.progress(session, [record])[0]


def _touches(actor: Actor) -> sa.ColumnElement[bool]:
    """SQL: somebody in the actor's area is among its numbers."""
    tally = sa.select(sa.literal(1)).where(DeliveryTally.broadcast_id == Broadcast.id)
    return sa.exists(tally.where(divisions.in_scope(DeliveryTally.division, actor)))


def subjects(session: Session, actor: Actor, records: Sequence[Broadcast]) -> dict[int, str]:
    """Titles of the warnings behind broadcasts, by broadcast, where the actor may read warnings."""
    if not actor.can(Permission.WARNINGS_VIEW):
        return {}
    wanted = {record.subject_id for record in records if record.subject_kind == WARNING}
    rows = session.scalars(sa.select(WarningRecord).where(WarningRecord.id.in_(wanted))) if wanted else ()
    titles = {row.id: warnings.title(row) for row in rows}
    return {
        record.id: titles[record.subject_id]
        for record in records
        if record.subject_kind == WARNING and record.subject_id in titles
    }


def messages(
    session: Session, *, actor: Actor, record: Broadcast, state: DeliveryState | None = None, cursor: str | None = None
) -> Page[tuple[Delivery, contacts.MaskedContact | None]]:
    """One page of a broadcast's messages in the actor's scope, masked; that it was read is journalled."""
    actor.require(Permission.DELIVERY_VIEW)
    query = sa.select(Delivery).where(
        Delivery.id.between(record.first_id, record.last_id), divisions.in_scope(Delivery.division, actor)
    )
    if state is not None:
        query = query.where(Delivery.state == state)
    if cursor:
        query = query.where(Delivery.id > decode_cursor(cursor, 1, (int,))[0])
    rows = list(session.scalars(query.order_by(Delivery.id).limit(PAGE_SIZE + 1)))
    more, rows = len(rows) > PAGE_SIZE, rows[:PAGE_SIZE]
    masked = contacts.masked(session, [row.address_key for row in rows])
    _listed(session, actor, "deliveries", len(rows), record)
    return Page([(row, masked.get(row.address_key)) for row in rows], encode_cursor([rows[-1].id]) if more else None)


def _listed(session: Session, actor: Actor, name: str, count: int, record: Broadcast | None = None) -> None:
    if count:
        journal.record(
            session, journal.LISTED, actor=actor, purpose=_purpose(record), list=name, count=count,
            subject=(record.subject_kind, record.subject_id) if record is not None else None,
        )  # fmt: skip


def _purpose(record: Broadcast | None) -> Purpose:
    return Purpose.DRILL if record is not None and record.kind is Kind.EXERCISE else Purpose.WARNING


# --- what no machine can settle ---------------------------------------------------------------------------------


def by_hand(
    session: Session, *, actor: Actor, broadcast_id: int | None = None, cursor: str | None = None
) -> Page[ByHand]:
    """What only a person can find out, the longest unknown first, in the actor's scope and masked."""
    actor.require(Permission.DELIVERY_VIEW)
    query = (
        sa.select(Delivery, Broadcast)
        .join(Broadcast, Broadcast.id == Delivery.broadcast_id)
        .where(_BY_HAND, divisions.in_scope(Delivery.division, actor))
        .order_by(Delivery.changed_at, Delivery.id)
        .limit(PAGE_SIZE + 1)
    )
    if broadcast_id is not None:
        query = query.where(Delivery.broadcast_id == broadcast_id)
    if cursor:
        at, last = decode_cursor(cursor, 2, (str, int))
        moment = _moment(at)
        query = query.where(
            sa.or_(Delivery.changed_at > moment, sa.and_(Delivery.changed_at == moment, Delivery.id > last))
        )
    found = session.execute(query).all()
    more, found = len(found) > PAGE_SIZE, found[:PAGE_SIZE]
    masked = contacts.masked(session, [row.address_key for row, _ in found])
    names = division_service.names(session, sorted({row.division for row, _ in found}))
    _listed(session, actor, "unknown_deliveries", len(found))
    items = [
        ByHand(
            row.id, record, said(record, row),
            masked[row.address_key].phone if row.address_key in masked else "",
            masked[row.address_key].name if row.address_key in masked else "",
            names.get(row.division, row.division), row.people, row.changed_at, row.attempt, version(row),
        )
        for row, record in found
    ]  # fmt: skip
    return Page(items, encode_cursor([found[-1][0].changed_at, found[-1][0].id]) if more else None)


def _moment(words: str) -> datetime:
    try:
        return datetime.fromisoformat(words)
    except ValueError as error:
        raise Invalid(
            N_("This page address is not valid. Start again from the first page."), code="invalid_cursor"
        ) from error


def said(record: Broadcast, row: Delivery) -> str:
    """The text as it left, or as far as it can be put together."""
    try:
        return text.signed(text.render(record.text, row.params), record.signature)
    except DomainError:
        return record.text


def version(row: Delivery) -> str:
    """What a decision about this message refers to: its attempt, and when it became unknown."""
    return f"{row.attempt}.{int(row.changed_at.timestamp() * 1000)}"


def waiting_by_broadcast(session: Session, *, actor: Actor) -> list[tuple[Broadcast, int]]:
    """Broadcasts with messages that a person has to settle in the actor's scope, and how many; at most fifty."""
    rows = session.execute(
        sa.select(Delivery.broadcast_id, sa.func.count())
        .where(_BY_HAND, divisions.in_scope(Delivery.division, actor))
        .group_by(Delivery.broadcast_id)
        .order_by(Delivery.broadcast_id)
        .limit(PAGE_SIZE)
    ).all()
    found = session.scalars(sa.select(Broadcast).where(Broadcast.id.in_([key for key, _ in rows])))
    records = {record.id: record for record in found}
    return [(records[key], int(n)) for key, n in rows]


def settle(
    session: Session, *, actor: Actor, delivery_id: int, state: DeliveryState, reason: str, seen: str | None = None
) -> None:
    """A person says what became of one message. Raises `already_settled` when it is known by now, `still_looking`
    while the engine is finding out, `version_conflict` when it is not what the page showed."""
    actor.require(Permission.DELIVERY_SETTLE)
    why = _reason(reason)
    row = session.get(Delivery, delivery_id, with_for_update=dialect_name(session) != "sqlite")
    if row is None or not actor.covers(row.division):
        raise NotFound(N_("There is no such message, or it lies outside your area."))
    if row.state is not DeliveryState.UNKNOWN:
        raise Conflict(N_("What became of this message is known by now; nothing was changed."), code="already_settled")
    if row.reason != watch.BY_HAND:
        raise Conflict(
            N_("The engine is still finding out what became of this message. Wait until it asks you."),
            code="still_looking",
        )
    if seen is not None and seen != version(row):
        raise Conflict(N_("Somebody else changed this first. Reload it, look at it again, then decide."))
    record = session.get_one(Broadcast, row.broadcast_id)
    if not _settle(session, actor, record, [row.id], state, why):
        raise Conflict(N_("What became of this message is known by now; nothing was changed."), code="already_settled")


def settle_broadcast(
    session: Session, *, actor: Actor, broadcast_id: int, state: DeliveryState, reason: str, expected: int
) -> int:
    """The same for everything of one broadcast in the actor's scope. `expected` is how many the person was shown;
    where there are more or fewer now, nothing is changed (`version_conflict`)."""
    actor.require(Permission.DELIVERY_SETTLE)
    why = _reason(reason)
    record = session.get(Broadcast, broadcast_id)
    if record is None:
        raise NotFound(N_("There is no such broadcast."))
    query = (
        sa.select(Delivery.id)
        .where(_BY_HAND, Delivery.broadcast_id == broadcast_id, divisions.in_scope(Delivery.division, actor))
        .order_by(Delivery.id)
        .limit(MOST_AT_ONCE + 1)
    )
    if dialect_name(session) != "sqlite":
        query = query.with_for_update()
    ids = list(session.scalars(query))
    if min(len(ids), MOST_AT_ONCE) != min(expected, MOST_AT_ONCE):
        raise Conflict(
            N_("%(now)s messages of this broadcast wait now, not %(shown)s. Nothing was changed; look again."),
            now=len(ids), shown=expected,
        )  # fmt: skip
    return _settle(session, actor, record, ids[:MOST_AT_ONCE], state, why)


def _settle(
    session: Session, actor: Actor, record: Broadcast, ids: Sequence[int], state: DeliveryState, why: str
) -> int:
    done = 0
    for key in ids:
        if notify.settle_by_hand(session, key, state, f"settled_{state.value}"):
            states.note(session, TABLE, key, DeliveryState.UNKNOWN.value, state.value, actor=actor, reason=why)
            done += 1
    if done:
        journal.record(
            session, SETTLED, actor=actor, subject=(record.subject_kind, record.subject_id), outcome=state.value,
            count=done, broadcast_kind=record.kind.value,
        )  # fmt: skip
        metrics = _ports(session).metrics
        counters.count_after(session, metrics, "notify_reconciled_total", done, verdict="person")
    return done


def _ports(session: Session) -> Ports:
    installed: Ports = session.info["database"].service("ports")
    return installed


def _reason(reason: str) -> str:
    why = reason.strip()[:LONGEST_REASON]
    if not why:
        raise Invalid(
            N_("Say how you know: whom you asked, what they said. Nothing was changed."),
            code="reason_required",
            fields={"reason": "required"},
        )
    return why


# --- one message ------------------------------------------------------------------------------------------------


def message(session: Session, *, actor: Actor, delivery_id: int) -> Message:
    """One message and what is stored of its life; masked, and journalled."""
    actor.require(Permission.DELIVERY_VIEW)
    row = session.get(Delivery, delivery_id)
    if row is None or not actor.covers(row.division):
        raise NotFound(N_("There is no such message, or it lies outside your area."))
    record = session.get_one(Broadcast, row.broadcast_id)
    person = contacts.masked(session, [row.address_key]).get(row.address_key)
    heard = session.execute(
        sa.select(
            RawReceipt.id, RawReceipt.kind, RawReceipt.received_at, RawReceipt.folded_at, RawReceipt.outcome
        )
        .where(RawReceipt.delivery_id == row.id)
        .order_by(RawReceipt.id)
        .limit(MOST_RECEIPTS)
    )  # fmt: skip
    names = division_service.names(session, [row.division])
    _listed(session, actor, "delivery", 1, record)
    return Message(
        row,
        record,
        notify.position(row.id),
        said(record, row),
        person.phone if person else "",
        person.name if person else "",
        names.get(row.division, row.division),
        [Heard(id_, kind, at, folded, outcome or "") for id_, kind, at, folded, outcome in heard],
        states.timeline(session, TABLE, row.id),
    )


def reveal(
    session: Session, *, actor: Actor, receipt_id: int, purpose: Purpose | str
) -> tuple[int, list[tuple[str, str]]]:
    """What a provider really sent about a message, field by field, and the message's id.

    Who looked and why is committed before anything is opened; call it outside a writing transaction.
    """
    actor.require(Permission.PERSONAL_REVEAL)
    wanted = contacts.purpose_of(purpose)
    raw = session.get(RawReceipt, receipt_id)
    row = session.get(Delivery, raw.delivery_id) if raw is not None and raw.delivery_id is not None else None
    if raw is None or row is None or not actor.covers(row.division):
        raise NotFound(N_("There is no such message, or it lies outside your area."))
    contacts.journal_now(
        session, journal.REVEALED, actor=actor, subject=(TABLE, row.id), purpose=wanted, fields="provider_answer",
        division=row.division,
    )  # fmt: skip
    return row.id, _fields(_ports(session).sealer.open(raw.sealed))


def _fields(opened: str) -> list[tuple[str, str]]:
    try:
        found: Any = json.loads(opened)
    except ValueError:
        return [("", opened)]
    form = found.get("form") if isinstance(found, Mapping) and "form" in found else found
    if isinstance(form, Mapping):
        return [(str(name), str(value)) for name, value in form.items()]
    return [("", opened)]
