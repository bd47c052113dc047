"""From one channel to the next: whom the first did not reach in its minutes, the second tries, once.

A number keeps its one row in the ledger, so that it counts once whatever happens. The row moves forward: its channel
becomes the next in the broadcast's order and it waits again; what it leaves behind is kept as a leg, whose key
(delivery, channel) lets nobody pass it on twice, two tickers and a crash in between included.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from kernel.db import Database, dialect_name, now
from notify import blocks, bulk
from notify.ledger import TallyChange
from notify.models import (
    BreakerState,
    Broadcast,
    BroadcastState,
    ChannelState,
    Delivery,
    DeliveryLeg,
    DeliveryPassed,
    DeliveryState,
    DeliveryTally,
)
from notify.quota import HELD_BACK

S = DeliveryState
PIECE = 500
MOST_A_ROUND = 20_000
FRESH = timedelta(seconds=30)
OPTED_OUT = "21610"
NEVER_PASSED = HELD_BACK | {
    "no_address", "kind_mismatch", "exercise_without_marker", "test_without_marker", "actual_with_marker",
    "kind_not_allowed_by_credentials", OPTED_OUT,
}  # fmt: skip
"""Failures that no other channel mends: we refused it ourselves, or its owner wants no messages."""
_PASSED_COLUMNS: bulk.Columns = (
    ("b", "bigint"), ("d", "text"), ("c", "text"), ("s", "text"), ("m", "bigint"), ("p", "bigint"),
)  # fmt: skip


def pass_on(database: Database, moment: datetime, minutes: float) -> int:
    """Hand every number that its channel did not reach to the next one. Returns how many.

    What failed goes at once; what was handed over without a word from the handset, or whose outcome nobody knows,
    after `minutes`; what still waits only where every account of the channel has been cut off for so long. Nothing of
    a broadcast that is cancelled or past its time moves, nor to a channel that no living engine has.
    """
    with database.read() as session:
        records = [
            record
            for record in session.scalars(
                sa.select(Broadcast).where(Broadcast.state == BroadcastState.OPEN, Broadcast.valid_until > moment)
            )
            if len(record.channels) > 1
        ]
        roads = list(session.scalars(sa.select(ChannelState).where(ChannelState.updated_at >= moment - FRESH)))
    moved = 0
    for record in records:
        for channel, following in zip(record.channels, record.channels[1:], strict=False):
            if _carries(roads, following, record):
                moved += _from(database, record, channel, following, _due(roads, record, channel, moment, minutes))
    return moved


def _carries(roads: Sequence[ChannelState], channel: str, record: Broadcast) -> bool:
    return any(road.channel == channel and record.kind.value in road.kinds.split(",") for road in roads)


def _due(
    roads: Sequence[ChannelState], record: Broadcast, channel: str, moment: datetime, minutes: float
) -> sa.ColumnElement[bool]:
    """The condition on a delivery that its channel has had its time with it."""
    since = moment - timedelta(minutes=minutes)
    due = [
        sa.and_(
            Delivery.state == S.FAILED,
            sa.or_(Delivery.reason.is_(None), Delivery.reason.not_in(sorted(NEVER_PASSED))),
        ),
        sa.and_(Delivery.state.in_([S.SUBMITTED, S.UNKNOWN]), Delivery.changed_at <= since),
    ]
    own = [r for r in roads if r.channel == channel and record.kind.value in r.kinds.split(",")]
    broken = all(r.breaker is not BreakerState.CLOSED and r.breaks > 0 and (r.last_error_at is not None) for r in own)
    if broken and record.created_at <= since:
        due.append(sa.and_(Delivery.state == S.QUEUED, Delivery.changed_at <= since))
    return sa.or_(*due)


def _from(database: Database, record: Broadcast, channel: str, following: str, due: sa.ColumnElement[bool]) -> int:
    moved = 0
    while moved < MOST_A_ROUND:
        with database.read() as session:
            if not _something(session, record, channel):
                return moved
            ids = list(
                session.scalars(
                    sa.select(Delivery.id)
                    .where(Delivery.id.between(record.first_id, record.last_id), Delivery.channel == channel, due)
                    .order_by(Delivery.id)
                    .limit(PIECE)
                )
            )
        if not ids:
            return moved
        with database.write() as session:
            done = _move(session, record.id, ids, channel, following, due)
        if not done:
            return moved
        moved += done
    return moved


def _something(session: Session, record: Broadcast, channel: str) -> bool:
    """Whether the tallies know of anything that could move: the ledger is not read for what all arrived."""
    left = session.scalar(
        sa.select(sa.func.sum(DeliveryTally.messages)).where(
            DeliveryTally.broadcast_id == record.id,
            DeliveryTally.channel == channel,
            DeliveryTally.state.in_([S.FAILED, S.SUBMITTED, S.UNKNOWN, S.QUEUED]),
        )
    )
    return bool(left and left > record.held_back)


def _move(
    session: Session, broadcast_id: int, ids: Sequence[int], channel: str, following: str, due: sa.ColumnElement[bool]
) -> int:
    """One piece, in the caller's transaction: everything is looked at again under its locks."""
    lock = {"key_share": True} if dialect_name(session) != "sqlite" else None
    record = session.get(Broadcast, broadcast_id, with_for_update=lock, populate_existing=True)
    moment = now(session)
    if record is None or record.state is not BroadcastState.OPEN or record.valid_until <= moment:
        return 0
    held = blocks.lock(session, list(ids))
    query = sa.select(Delivery).where(Delivery.id.in_(ids), Delivery.channel == channel, due).order_by(Delivery.id)
    if dialect_name(session) != "sqlite":
        query = query.with_for_update()
    rows = session.scalars(query.execution_options(populate_existing=True)).all()
    if not rows:
        return 0
    # Whoever is first writes the leg; the key refuses a second.
    session.execute(sa.insert(DeliveryLeg), [_leg(row, moment) for row in rows])
    change, passed = TallyChange(), Passed()
    for row in rows:
        change.shift(broadcast_id, row.division, row.people, (channel, row.state), (following, S.QUEUED))
        passed.add(broadcast_id, row.division, channel, row.state, 1, row.people)
    table = Delivery.__table__
    session.execute(
        sa.update(table)  # type: ignore[arg-type]
        .where(table.c.id.in_([row.id for row in rows]))
        .values(channel=following, state=S.QUEUED, reason=None, provider_ref=None, account=None, changed_at=moment)
    )
    session.expire_all()
    blocks.ready_again(session, held, list(ids))
    change.write(session)
    passed.write(session)
    return len(rows)


def _leg(row: Delivery, moment: datetime) -> dict[str, Any]:
    return {
        "delivery_id": row.id,
        "channel": row.channel,
        "account": row.account,
        "state": row.state,
        "reason": row.reason,
        "provider_ref": row.provider_ref,
        "changed_at": row.changed_at,
        "left_at": moment,
    }


class Passed:
    """What leaves channels, or comes back to one, summed before it is written."""

    def __init__(self) -> None:
        self._sums: dict[tuple[int, str, str, str], list[int]] = {}

    def add(
        self, broadcast_id: int, division: str, channel: str, state: DeliveryState, messages: int, people: int
    ) -> None:
        """So many more."""
        sums = self._sums.setdefault((broadcast_id, division, channel, state.value), [0, 0])
        sums[0] += messages
        sums[1] += people

    def write(self, session: Session) -> None:
        """Add the sums to the table in one statement."""
        rows = [[*key, *sums] for key, sums in sorted(self._sums.items()) if sums[0] or sums[1]]
        if rows:
            bulk.execute(
                session,
                "INSERT INTO delivery_passed (broadcast_id, division, channel, state, messages, people)"
                " SELECT b, d, c, s, m, p FROM {rows} AS r WHERE true ORDER BY b, d, c, s"
                " ON CONFLICT (broadcast_id, division, channel, state) DO UPDATE SET"
                " messages = delivery_passed.messages + excluded.messages,"
                " people = delivery_passed.people + excluded.people",
                _PASSED_COLUMNS,
                rows,
            )


def passed(session: Session, broadcast_ids: Sequence[int]) -> dict[str, dict[DeliveryState, tuple[int, int]]]:
    """By channel: messages and people that it handed to the next, by the state in which they left it."""
    found: dict[str, dict[DeliveryState, tuple[int, int]]] = {}
    rows = session.execute(
        sa.select(
            DeliveryPassed.channel,
            DeliveryPassed.state,
            sa.func.sum(DeliveryPassed.messages),
            sa.func.sum(DeliveryPassed.people),
        )
        .where(DeliveryPassed.broadcast_id.in_(list(broadcast_ids)))
        .group_by(DeliveryPassed.channel, DeliveryPassed.state)
    )
    for channel, state, messages, people in rows:
        if messages:
            found.setdefault(channel, {})[state] = (int(messages), int(people))
    return found


# -- late word of an earlier channel ----------------------------------------------------------------------------------


class Legs:
    """The earlier channels of some deliveries, to tell of which one a receipt speaks."""

    def __init__(self, session: Session, delivery_ids: Sequence[int]):
        self._legs: dict[int, list[DeliveryLeg]] = {}
        self._rows: Mapping[int, Delivery] = {}
        if not delivery_ids:
            return
        for leg in session.scalars(
            sa.select(DeliveryLeg).where(DeliveryLeg.delivery_id.in_(delivery_ids)).order_by(DeliveryLeg.left_at)
        ):
            self._legs.setdefault(leg.delivery_id, []).append(leg)
        if self._legs:
            rows = session.scalars(sa.select(Delivery).where(Delivery.id.in_(list(self._legs))))
            self._rows = {row.id: row for row in rows}

    def of(self, delivery_id: int, ref: str | None, *, call: bool) -> str | None:
        """The earlier channel that a receipt with this reference speaks of; None for the present one."""
        legs = self._legs.get(delivery_id)
        if not legs:
            return None
        row = self._rows[delivery_id]
        if ref is not None and row.provider_ref == ref:
            return None
        for leg in legs:
            if ref is not None and leg.provider_ref == ref:
                return leg.channel
        like = [leg for leg in legs if (leg.channel == "voice") is call]
        if not like:
            return None
        if (row.channel == "voice") is not call:
            return like[-1].channel
        tried = row.account is not None
        return like[-1].channel if not tried or row.provider_ref is not None else None


def arrived_after_all(session: Session, found: Sequence[tuple[int, str, str | None]]) -> list[Delivery]:
    """An earlier channel reached these numbers, `(delivery id, channel, reference)`, though we had gone on: the number
    counts as reached there, and what has not left over the later channel does not leave. Returns the rows."""
    if not found:
        return []
    by_id = {delivery_id: (channel, ref) for delivery_id, channel, ref in found}
    query = sa.select(Delivery).where(Delivery.id.in_(sorted(by_id)), Delivery.state != S.DELIVERED)
    query = query.order_by(Delivery.id)
    if dialect_name(session) != "sqlite":
        query = query.with_for_update()
    change, passed_on, moved, moment = TallyChange(), Passed(), [], now(session)
    for row in session.scalars(query.execution_options(populate_existing=True)).all():
        channel, ref = by_id[row.id]
        leg = session.get(DeliveryLeg, (row.id, channel))
        if leg is None or channel == row.channel:
            continue
        change.shift(row.broadcast_id, row.division, row.people, (row.channel, row.state), (channel, S.DELIVERED))
        passed_on.add(row.broadcast_id, row.division, channel, leg.state, -1, -row.people)
        if row.account is not None:
            session.add(DeliveryLeg(**_leg(row, moment)))
            passed_on.add(row.broadcast_id, row.division, row.channel, row.state, 1, row.people)
        row.channel, row.state, row.reason = channel, S.DELIVERED, None
        row.account, row.provider_ref, row.changed_at = leg.account, leg.provider_ref or ref, moment
        session.delete(leg)
        moved.append(row)
    session.flush()
    change.write(session)
    passed_on.write(session)
    return moved
