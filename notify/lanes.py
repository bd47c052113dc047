"""What an engine holds in memory: lanes of deliveries, the last look before each leaves, and what became of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from kernel.errors import DomainError
from notify import blocks, counters, ledger, receipts, text
from notify.channels.base import Answer, Channel, Message, Sent
from notify.models import Broadcast, DeliveryState
from notify.ports import Ports, Settled
from notify.rules import PERMANENT_REASONS

S = DeliveryState
LEASE_MARGIN = 1.0
"""Seconds before the end of a lease from which nothing leaves under it any more."""
_STATES = {
    Answer.ACCEPTED: S.SUBMITTED,
    Answer.REFUSED: S.FAILED,
    Answer.NOT_TAKEN: S.QUEUED,
    Answer.UNKNOWN: S.UNKNOWN,
}
_OUR_REFUSALS = frozenset(
    {
        "kind_mismatch",
        "exercise_without_marker",
        "test_without_marker",
        "actual_with_marker",
        "actual_says_drill",
        "exercise_claims_real",
        "too_long",
        "missing_field",
        "bad_template",
        "no_channel_for_kind",
        "kind_not_allowed_by_credentials",
    }
)


@dataclass(slots=True)
class Lane:
    """A held block in memory: what of it is still to be sent, and what is on its way."""

    held: blocks.Held
    record: Broadcast
    rows: deque[Any]
    addresses: dict[int, str]
    lease_ends: float
    out: int = 0
    lost: bool = False
    retry_in: float = 0.0
    body: str | None = None
    order: tuple[int, int] = field(default=(9, 0))


@dataclass(slots=True)
class Result:
    """What became of one intent."""

    lane: Lane
    row: Any
    sent: Sent


def check(lane: Lane, channel: Channel | None, row: Any, now: datetime, monotonic: float) -> Message | Sent:
    """Everything that is looked at again at the last moment before a message leaves."""
    record = lane.record
    if monotonic > lane.lease_ends - LEASE_MARGIN:
        # Frozen longer than the lease: somebody else may have it by now.
        return Sent(Answer.NOT_TAKEN, reason="lease_ran_out")
    left = (record.valid_until - now).total_seconds()
    if left <= 0:
        return Sent(Answer.NOT_TAKEN, reason="expired")
    if channel is not None and left < channel.abilities.least_validity:
        # It could be shown after its time: the provider keeps what it takes at least so long.
        lane.rows.clear()
        lane.retry_in = max(lane.retry_in, left)
        return Sent(Answer.NOT_TAKEN, reason="expired")
    if row.kind is not record.kind:
        return Sent(Answer.REFUSED, reason="kind_mismatch")
    if channel is None:
        return Sent(Answer.REFUSED, reason="no_channel_for_kind")
    if record.kind not in channel.kinds:
        return Sent(Answer.REFUSED, reason="kind_not_allowed_by_credentials")
    body: str | Sent | None = lane.body if row.params is None else None
    if body is None:
        body = _body(record, row.params)
    if isinstance(body, Sent):
        return body
    if row.params is None:
        lane.body = body
    address = lane.addresses.get(row.address_key)
    if not address:
        return Sent(Answer.REFUSED, reason="no_address")
    return Message(row.id, record.kind, address, body, int(left))


def _body(record: Broadcast, params: dict[str, Any] | None) -> str | Sent:
    try:
        final = text.render(record.text, params)
    except DomainError as error:
        return Sent(Answer.REFUSED, reason=error.code)
    fault = text.disagreement(record.kind, final)
    if fault:
        return Sent(Answer.REFUSED, reason=fault)
    whole = text.signed(final, record.signature)
    return Sent(Answer.REFUSED, reason="too_long") if text.too_long(whole) else whole


def settle(session: Session, ports: Ports, results: Sequence[Result], change: ledger.TallyChange) -> None:
    """Store results, tell whoever wants to hear of them, and count them in `change`."""
    moved = ledger.settle(
        session,
        [(r.row.id, r.row.attempt + 1, _STATES[r.sent.answer], r.sent.ref, r.sent.reason) for r in results],
    )
    late: list[ledger.Move] = []
    final: dict[int, list[Settled]] = {}
    records: dict[int, Broadcast] = {}
    odd: list[tuple[int, str, str]] = []
    refusals: dict[tuple[int, str], int] = {}
    for result in results:
        row, sent = result.row, result.sent
        state = _STATES[sent.answer]
        records[row.broadcast_id] = result.lane.record
        if sent.raw:
            odd.append((row.id, row.channel, sent.raw))
        if (row.id, row.attempt + 1) not in moved:
            if sent.answer in (Answer.ACCEPTED, Answer.REFUSED):
                late.append((row.id, state, sent.ref, sent.reason))
            continue
        change.move(row.broadcast_id, row.division, row.channel, row.people, S.CLAIMED, state)
        if state is S.FAILED:
            final.setdefault(row.broadcast_id, []).append(
                Settled(row.id, row.recipient, row.division, state.value, sent.reason)
            )
            if sent.reason in PERMANENT_REASONS or sent.reason == "no_address":
                ports.outcomes.defect(
                    session, row.recipient, sent.reason or "", number_key=row.number_key, channel=row.channel
                )
            if sent.reason in _OUR_REFUSALS:
                key = (row.broadcast_id, sent.reason or "")
                refusals[key] = refusals.get(key, 0) + 1
    if late:
        # A receipt overtook us, or the block was taken over meanwhile: what we now know for certain may land.
        ledger.land(session, late)
    receipts.keep_errors(session, ports.sealer, odd)
    counters.note_results(
        session,
        ports.metrics,
        [
            (r.lane.record, r.row.channel, _STATES[r.sent.answer], (r.row.id, r.row.attempt + 1) in moved)
            for r in results
        ],
    )
    for broadcast_id, settled in final.items():
        ports.outcomes.settled(session, records[broadcast_id], settled)
    for (broadcast_id, reason), count in refusals.items():
        ports.outcomes.refused(session, records[broadcast_id], reason, count)
