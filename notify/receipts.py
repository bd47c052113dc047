"""What providers tell us: verified, stored raw and sealed before anything is concluded, then folded in batches."""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from kernel.db import Database, dialect_name, now
from kernel.logs import kv
from notify import bulk, calls, counters, failover, failpoints, ledger, rules
from notify.callbacks import callback_url, delivery_of, sign, verify_signature
from notify.models import Broadcast, Delivery, DeliveryState, RawReceipt, ReceiptKind
from notify.ports import Ports, Sealer, Settled

log = logging.getLogger("notify.receipts")
__all__ = ["Taker", "callback_url", "fold", "keep_errors", "sign", "take", "verify_signature"]
MAX_FIELD = 4000
_OUTCOME_COLUMNS: bulk.Columns = (("i", "bigint"), ("o", "text"))


@dataclass(frozen=True, slots=True)
class Incoming:
    """A verified request of a provider, as it is stored."""

    kind: ReceiptKind
    channel: str
    delivery_id: int | None
    sealed: bytes
    once: bytes | None = None


class Raw(NamedTuple):
    """What folding needs of a stored request; a row of the mapped class costs four times as much."""

    id: int
    kind: ReceiptKind
    channel: str
    delivery_id: int | None
    received_at: datetime
    sealed: bytes


def _once(form: Mapping[str, str]) -> bytes | None:
    sid = form.get("MessageSid") or form.get("SmsSid")
    if calls.is_call(form):
        # The question goes on until the call ends: the same key, sent again, is the same answer.
        sid = f"{form['CallSid']}\x1f{form.get('Digits', '')}"
    return hashlib.sha256(f"{form.get('AccountSid', '')}\x1f{sid}".encode()).digest()[:16] if sid else None


def _sealed(sealer: Sealer, url: str, form: Mapping[str, str]) -> bytes:
    small = {str(key)[:100]: str(value)[:MAX_FIELD] for key, value in list(form.items())[:80]}
    return sealer.seal(json.dumps({"url": url[:2000], "form": small}, ensure_ascii=False))


def take(
    database: Database,
    ports: Ports,
    *,
    auth_token: str,
    mac_secret: str | None = None,
    url: str,
    form: Mapping[str, str],
    header: str | None,
    kind: ReceiptKind = ReceiptKind.STATUS,
    channel: str = "sms",
    taker: Taker | None = None,
) -> bool:
    """Verify and store one webhook request; True when it was ours. Answer the provider only after this returned.

    The signature comes first. A status report whose address carries no id of ours with a good MAC is kept all the
    same, unmatched. A reply that came before, repeated by the provider or by somebody who recorded it, is ours and
    not stored again. Nothing is concluded here: `fold` does, in batches.
    """
    if not verify_signature(auth_token, url, form, header):
        ports.metrics.count("notify_webhook_refused_total", kind=kind.value)
        return False
    ours = kind is ReceiptKind.STATUS or calls.is_call(form)
    delivery_id = delivery_of(url, mac_secret or auth_token) if ours else None
    once = _once(form) if kind is ReceiptKind.INBOUND else None
    incoming = Incoming(kind, channel, delivery_id, _sealed(ports.sealer, url, form), once)
    failpoints.reach("receipt_verified")
    (taker or Taker(database)).store(incoming)
    ports.metrics.count("notify_receipts_taken_total", kind=kind.value)
    failpoints.reach("receipt_stored")
    return True


class _Waiting:
    """One request that waits for its commit."""

    __slots__ = ("fault", "gate", "incoming", "leads")

    def __init__(self, incoming: Incoming):
        self.incoming = incoming
        self.gate = threading.Lock()
        self.gate.acquire()
        self.fault: BaseException | None = None
        self.leads = False


class Taker:
    """Stores what comes in, several requests to a commit.

    Who finds nobody writing writes for all who wait, then hands the pen to one of those who came meanwhile: nobody's
    answer waits for a second commit, and nobody is woken before there is something to tell him.
    """

    def __init__(self, database: Database):
        self._database = database
        self._lock = threading.Lock()
        self._writing = False
        self._waiting: list[_Waiting] = []

    def store(self, incoming: Incoming) -> None:
        """Return once `incoming` is committed; raise what kept it from being so."""
        mine = _Waiting(incoming)
        with self._lock:
            self._waiting.append(mine)
            leads = not self._writing
            self._writing = True
        if not leads:
            mine.gate.acquire()
            leads = mine.leads
        if leads:
            self._lead()
        if mine.fault is not None:
            raise mine.fault

    def _lead(self) -> None:
        with self._lock:
            batch, self._waiting = self._waiting, []
        try:
            self._flush([one.incoming for one in batch])
        except BaseException as error:
            for one in batch:
                one.fault = error
        with self._lock:
            heir = self._waiting[0] if self._waiting else None
            self._writing = heir is not None
        for one in batch:
            one.gate.release()
        if heir is not None:
            heir.leads = True
            heir.gate.release()

    def _flush(self, batch: Sequence[Incoming]) -> None:
        with self._database.write() as session:
            moment = now(session)
            insert = sqlite.insert if dialect_name(session) == "sqlite" else postgresql.insert
            session.connection().execute(
                insert(RawReceipt).on_conflict_do_nothing(
                    index_elements=["once"], index_where=RawReceipt.once.is_not(None)
                ),
                [
                    {
                        "kind": item.kind,
                        "channel": item.channel,
                        "delivery_id": item.delivery_id,
                        "received_at": moment,
                        "sealed": item.sealed,
                        "once": item.once,
                    }
                    for item in batch
                ],
            )


def keep_errors(session: Session, sealer: Sealer, odd: Sequence[tuple[int, str, str]]) -> None:
    """Keep odd answers of a provider: `(delivery id, channel, raw text)`."""
    if not odd:
        return
    moment = now(session)
    session.execute(
        sa.insert(RawReceipt),
        [
            {
                "kind": ReceiptKind.ERROR,
                "channel": channel,
                "delivery_id": delivery_id,
                "received_at": moment,
                "sealed": sealer.seal(raw[:MAX_FIELD]),
                "folded_at": moment,
                "outcome": "kept",
            }
            for delivery_id, channel, raw in odd
        ],
    )


def fold(session: Session, ports: Ports, limit: int = 1000) -> int:
    """Bring stored receipts and replies into the ledger. Returns how many were looked at.

    Order does not matter and final states stick. A receipt counts only for the delivery whose id and MAC its address
    carried, and only if it speaks of that delivery's number.
    """
    columns = (getattr(RawReceipt, name) for name in Raw._fields)
    query = sa.select(*columns).where(RawReceipt.folded_at.is_(None)).order_by(RawReceipt.id).limit(limit)
    if dialect_name(session) != "sqlite":
        query = query.with_for_update(skip_locked=True)
    waiting: list[Raw] = [Raw(*row) for row in session.execute(query)]
    if not waiting:
        return 0
    outcomes: dict[int, str] = {}
    parsed = {raw.id: _parsed(ports.sealer, raw) for raw in waiting}
    ids = sorted({raw.delivery_id for raw in waiting if raw.delivery_id is not None})
    found = session.execute(sa.select(Delivery.id, Delivery.number_key).where(Delivery.id.in_(ids)))
    numbers = {row.id: row.number_key for row in found}
    moves: list[ledger.Move] = []
    called: list[int] = []
    legs, earlier = failover.Legs(session, ids), []
    for raw in waiting:
        form = parsed[raw.id]
        if form is None:
            outcomes[raw.id] = "unreadable"
        elif raw.kind is ReceiptKind.INBOUND:
            if raw.delivery_id is not None and raw.delivery_id in numbers and calls.is_call(form):
                called.append(raw.delivery_id)
            outcomes[raw.id] = _answer(session, ports, raw, form)
        elif raw.delivery_id is None or raw.delivery_id not in numbers:
            outcomes[raw.id] = "unmatched"
        elif _number_key(ports, form.get("To", "")) != numbers[raw.delivery_id]:
            outcomes[raw.id] = "other_number"
        elif (left := legs.of(raw.delivery_id, _reference(form), call=calls.is_call(form))) is not None:
            # Of a channel that this number has left: only that it arrived still matters.
            outcomes[raw.id] = "earlier_channel"
            if not calls.is_call(form) and rules.state_of(_word(form), None)[0] is DeliveryState.DELIVERED:
                earlier.append((raw.delivery_id, left, _reference(form)))
                outcomes[raw.id] = "arrived_after_all"
        elif calls.is_call(form):
            called.append(raw.delivery_id)
            outcomes[raw.id] = "call"
        else:
            state, reason = rules.state_of(_word(form), form.get("ErrorCode"))
            moves.append((raw.delivery_id, state, _reference(form), reason))
            outcomes[raw.id] = state.value
    if called:
        moves.extend(_conclusions(session, ports, called, numbers))
    moved = [*ledger.land(session, moves), *failover.arrived_after_all(session, earlier)]
    _tell(session, ports, moved)
    counters.note_folded(session, ports.metrics, list(outcomes.values()), moved)
    moment = now(session)
    bulk.execute(
        session,
        "UPDATE raw_receipt SET folded_at = :at, outcome = r.o FROM {rows} AS r WHERE raw_receipt.id = r.i",
        _OUTCOME_COLUMNS,
        [[raw.id, outcomes[raw.id][:40]] for raw in waiting],
        at=moment,
    )
    failpoints.reach("folding")
    return len(waiting)


def _conclusions(
    session: Session, ports: Ports, called: Sequence[int], numbers: Mapping[int, bytes]
) -> list[ledger.Move]:
    """What the calls of these messages came to, by all that was ever reported of them and not by the last word."""
    reports: dict[int, list[calls.Report]] = {}
    rows = session.scalars(
        sa.select(RawReceipt)
        .where(
            RawReceipt.delivery_id.in_(sorted(set(called))),
            RawReceipt.kind.in_((ReceiptKind.STATUS, ReceiptKind.INBOUND)),
        )
        .order_by(RawReceipt.id)
    )
    for raw in rows:
        stored = _stored(ports.sealer, raw)
        if stored is None or raw.delivery_id is None or not calls.is_call(stored[1]):
            continue
        url, form = stored
        if _number_key(ports, str(form.get("To", ""))) == numbers.get(raw.delivery_id):
            reports.setdefault(raw.delivery_id, []).append(calls.Report(url, form))
    return [
        (delivery_id, *_placed(calls.conclude(known), _reference(known[-1].form)))
        for delivery_id, known in reports.items()
    ]


def _placed(
    verdict: tuple[DeliveryState, str | None], reference: str | None
) -> tuple[DeliveryState, str | None, str | None]:
    return verdict[0], reference, verdict[1]


def _tell(session: Session, ports: Ports, moved: Sequence[Delivery]) -> None:
    by_broadcast: dict[int, list[Settled]] = {}
    for row in moved:
        if row.state in rules.FINAL:
            by_broadcast.setdefault(row.broadcast_id, []).append(
                Settled(row.id, row.recipient, row.division, row.state.value, row.reason)
            )
        if row.state is DeliveryState.FAILED and row.reason in rules.PERMANENT_REASONS:
            ports.outcomes.defect(
                session, row.recipient, row.reason or "", number_key=row.number_key, channel=row.channel
            )
    if by_broadcast:
        records = session.scalars(sa.select(Broadcast).where(Broadcast.id.in_(by_broadcast)))
        for record in records:
            ports.outcomes.settled(session, record, by_broadcast[record.id])


def _word(form: Mapping[str, Any]) -> str:
    return str(form.get("MessageStatus") or form.get("SmsStatus") or "")


def _parsed(sealer: Sealer, raw: Raw | RawReceipt) -> dict[str, Any] | None:
    stored = _stored(sealer, raw)
    return stored[1] if stored is not None else None


def _stored(sealer: Sealer, raw: Raw | RawReceipt) -> tuple[str, dict[str, Any]] | None:
    """The address and the fields of a request as it was stored."""
    try:
        data = json.loads(sealer.open(raw.sealed))
        url, form = data["url"], data["form"]
    except (ValueError, KeyError, TypeError):
        return None
    return (str(url), form) if isinstance(form, dict) else None


def _reference(form: Mapping[str, str]) -> str | None:
    """The provider's number for the message, if it is one that the ledger can hold."""
    found = form.get("MessageSid") or form.get("SmsSid") or form.get("CallSid") or ""
    return found if 0 < len(found) <= 64 and found.isascii() and found.isprintable() else None


def _number_key(ports: Ports, number: str) -> bytes | None:
    try:
        return ports.number_index.key(number) if number else None
    except ValueError:
        return None


def _persons_number(form: Mapping[str, Any]) -> str:
    # In a call that we made, the person is the one who was called.
    outbound = str(form.get("Direction", "")).startswith("outbound")
    return str(form.get("To" if outbound else "From", ""))


def number_of(session: Session, ports: Ports, raw_id: int) -> str:
    """The number that a stored message came from, in clear; empty once it was destroyed. The caller has journalled."""
    raw = session.get(RawReceipt, raw_id)
    form = _parsed(ports.sealer, raw) if raw is not None else None
    return _persons_number(form) if form is not None else ""


def _answer(session: Session, ports: Ports, raw: Raw, form: dict[str, Any]) -> str:
    key = _number_key(ports, _persons_number(form))
    if key is None:
        return "no_number"
    said = str(form.get("Body") or form.get("Digits") or "")
    try:
        with session.begin_nested():
            word = ports.answers.received(
                session,
                key,
                said,
                raw.received_at,
                raw.channel,
                raw.id,
                delivery_id=raw.delivery_id,
                account=str(form.get("AccountSid", "")),
            )
    except OperationalError:
        # A lock or a lost connection: nothing of this batch is concluded, and it is tried again.
        raise
    except Exception:
        log.exception("a reply could not be understood %s", kv(receipt=raw.id))
        ports.metrics.count("notify_replies_broken_total")
        return "broken"
    return word or "taken"
