"""The queue: blocks of the ledger that one engine holds at a time, under a lease and a fencing token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from kernel.db import dialect_name, now
from notify import bulk
from notify.ledger import TallyChange
from notify.models import (
    BlockState,
    Broadcast,
    BroadcastState,
    Delivery,
    DeliveryBlock,
    DeliveryState,
)

S = DeliveryState
LOOK = 8
"""Blocks that a claim looks at in one statement; on PostgreSQL what one looks at is locked for the others."""


@dataclass(slots=True)
class Held:
    """A block that this engine holds: its range, its broadcast, and the token that proves the hold."""

    first_id: int
    last_id: int
    broadcast_id: int
    priority: int
    fence: int


def claim(
    session: Session, holder: str, lease_seconds: float, rows: int, below: int | None = None, most: int = 64
) -> list[Held]:
    """Take the most urgent blocks that are due, until about `rows` deliveries are held. `below`: only what is more
    urgent than this priority."""
    moment = now(session)
    table = DeliveryBlock.__table__.c
    query = (
        sa.select(table.first_id, table.last_id, table.broadcast_id, table.priority, table.fence)
        .join(Broadcast, Broadcast.id == table.broadcast_id)
        .where(
            table.state == sa.literal_column("'ready'"),
            # What was never tried has nothing to wait for, even where a fast clock dated it into the future.
            sa.or_(table.fence == 0, table.due_at <= moment),
            Broadcast.valid_until > moment,
            Broadcast.state == BroadcastState.OPEN,
        )
        .order_by(table.priority, table.first_id)
        .limit(LOOK)
    )
    if below is not None:
        query = query.where(table.priority < below)
    if dialect_name(session) != "sqlite":
        query = query.with_for_update(skip_locked=True, of=DeliveryBlock.__table__)
    taken: list[Held] = []
    room = rows
    while room > 0 and len(taken) < most:
        found = session.execute(query).all()
        now_ours = []
        for first, last, broadcast_id, priority, fence in found:
            if room <= 0:
                break
            room -= last - first + 1
            now_ours.append(Held(first, last, broadcast_id, priority, fence + 1))
        if now_ours:
            bulk.execute(
                session,
                "UPDATE delivery_block SET state = 'held', holder = :holder, fence = r.f, lease_until = :lease_at"
                " FROM {rows} AS r WHERE delivery_block.first_id = r.i",
                (("i", "bigint"), ("f", "bigint")),
                [[held.first_id, held.fence] for held in now_ours],
                holder=holder,
                lease_at=moment + timedelta(seconds=lease_seconds),
            )
        taken += now_ours
        if len(found) < LOOK:
            break
    return taken


def renew(session: Session, held: Held, lease_seconds: float) -> bool:
    """Prolong the lease; False when the block is no longer ours to send from (taken over, or closed by a cancel)."""
    done = session.execute(
        sa.update(DeliveryBlock)
        .where(
            DeliveryBlock.first_id == held.first_id,
            DeliveryBlock.fence == held.fence,
            DeliveryBlock.state == BlockState.HELD,
        )
        .values(lease_until=now(session) + timedelta(seconds=lease_seconds))
        .execution_options(synchronize_session=False)
    )
    return bool(done.rowcount == 1)  # type: ignore[attr-defined]


def queued_rows(session: Session, held: Held) -> list[Any]:
    """What of a block is still to be sent, in order."""
    columns = Delivery.__table__.c
    return list(
        session.execute(
            sa.select(
                columns.id,
                columns.broadcast_id,
                columns.kind,
                columns.recipient,
                columns.division,
                columns.address_key,
                columns.number_key,
                columns.people,
                columns.params,
                columns.channel,
                columns.attempt,
            )
            .where(columns.id.between(held.first_id, held.last_id), columns.state == S.QUEUED)
            .order_by(columns.id)
        ).all()
    )


def release(session: Session, held: Held, due_at: datetime | None = None) -> BlockState | None:
    """Give a block back: done when nothing in it waits, ready again at `due_at` otherwise, written off if closed.

    None when it was not ours any more.
    """
    query = sa.select(DeliveryBlock).where(DeliveryBlock.first_id == held.first_id, DeliveryBlock.fence == held.fence)
    if dialect_name(session) != "sqlite":
        query = query.with_for_update()
    block = session.scalars(query.execution_options(populate_existing=True)).first()
    if block is None or block.state not in (BlockState.HELD, BlockState.CLOSING):
        return None
    open_states = [S.QUEUED, S.CLAIMED]
    left = set(
        session.scalars(
            sa.select(Delivery.state)
            .where(Delivery.id.between(block.first_id, block.last_id), Delivery.state.in_(open_states))
            .distinct()
        )
    )
    if S.CLAIMED in left:
        # Its holder has nothing of it on the way: a commit of intents whose answer was lost, or was not waited for.
        _bulk_move(session, block.first_id, block.last_id, S.CLAIMED, S.UNKNOWN)
    if block.state is BlockState.CLOSING:
        write_off(session, block.first_id)
        return BlockState.DONE
    waits = S.QUEUED in left
    block.state = BlockState.READY if waits else BlockState.DONE
    block.holder = block.lease_until = None
    if waits:
        block.due_at = due_at or now(session)
    session.flush()
    return block.state


def lock(session: Session, delivery_ids: Sequence[int]) -> list[DeliveryBlock]:
    """The blocks of these deliveries, locked in order: whoever gives one back meanwhile waits, and sees what we do."""
    found: list[DeliveryBlock] = []
    for start in range(0, len(delivery_ids), 500):
        part = delivery_ids[start : start + 500]
        query = (
            sa.select(DeliveryBlock)
            .where(sa.or_(*(sa.and_(DeliveryBlock.first_id <= i, DeliveryBlock.last_id >= i) for i in part)))
            .order_by(DeliveryBlock.first_id)
        )
        if dialect_name(session) != "sqlite":
            query = query.with_for_update()
        found.extend(session.scalars(query.execution_options(populate_existing=True)))
    return found


def ready_again(session: Session, held: Sequence[DeliveryBlock], delivery_ids: Sequence[int]) -> None:
    """Put those of the locked blocks that were done and hold one of these deliveries back into the queue."""
    blocks = [
        block
        for block in held
        if block.state is BlockState.DONE and any(block.first_id <= i <= block.last_id for i in delivery_ids)
    ]
    stopped = set(
        session.scalars(
            sa.select(Broadcast.id).where(
                Broadcast.id.in_({b.broadcast_id for b in blocks}), Broadcast.state == BroadcastState.CANCELLED
            )
        )
    )
    for block in blocks:
        block.state = BlockState.CLOSING if block.broadcast_id in stopped else BlockState.READY
        block.due_at = block.waiting_since = now(session)
    session.flush()


def close_blocks(session: Session, broadcast_id: int) -> list[int]:
    """Close every open block of a broadcast. Returns those that nobody holds."""
    query = (
        sa.select(DeliveryBlock.first_id)
        .where(
            DeliveryBlock.broadcast_id == broadcast_id,
            DeliveryBlock.state.in_([BlockState.READY, BlockState.HELD]),
        )
        .order_by(DeliveryBlock.first_id)
    )
    if dialect_name(session) != "sqlite":
        query = query.with_for_update()
    session.execute(query).all()
    session.execute(
        sa.update(DeliveryBlock)
        .where(
            DeliveryBlock.broadcast_id == broadcast_id,
            DeliveryBlock.state.in_([BlockState.READY, BlockState.HELD]),
        )
        .values(state=BlockState.CLOSING)
        .execution_options(synchronize_session=False)
    )
    return list(
        session.scalars(
            sa.select(DeliveryBlock.first_id)
            .where(
                DeliveryBlock.broadcast_id == broadcast_id,
                DeliveryBlock.state == BlockState.CLOSING,
                DeliveryBlock.holder.is_(None),
            )
            .order_by(DeliveryBlock.first_id)
        )
    )


def write_off(session: Session, first_id: int) -> int:
    """Mark what waits in one block as cancelled, or expired when its broadcast was not cancelled; close the block."""
    block = session.get(DeliveryBlock, first_id, with_for_update=dialect_name(session) != "sqlite")
    if block is None or block.state is BlockState.DONE:
        return 0
    record = session.get_one(Broadcast, block.broadcast_id)
    to = S.CANCELLED if record.state is BroadcastState.CANCELLED else S.EXPIRED
    moved = _bulk_move(session, block.first_id, block.last_id, S.QUEUED, to)
    block.state = BlockState.DONE
    block.holder = block.lease_until = None
    session.flush()
    return moved


def _bulk_move(session: Session, low: int, high: int, old: DeliveryState, new: DeliveryState) -> int:
    table = Delivery.__table__
    rows = session.execute(
        sa.update(table)  # type: ignore[arg-type]
        .where(table.c.id.between(low, high), table.c.state == old)
        .values(state=new, changed_at=now(session))
        .returning(table.c.broadcast_id, table.c.division, table.c.channel, table.c.people)
    ).all()
    change = TallyChange()
    for row in rows:
        change.move(row.broadcast_id, row.division, row.channel, row.people, old, new)
    change.write(session)
    return len(rows)


def sweep(session: Session, limit: int = 4) -> int:
    """Write off blocks that are closed and held by nobody, and blocks whose broadcast is no longer valid."""
    moment = now(session)
    query = (
        sa.select(DeliveryBlock.first_id)
        .join(Broadcast, Broadcast.id == DeliveryBlock.broadcast_id)
        .where(
            sa.or_(
                sa.and_(DeliveryBlock.state == sa.literal_column("'closing'"), DeliveryBlock.lease_until.is_(None)),
                sa.and_(
                    DeliveryBlock.state == sa.literal_column("'ready'"),
                    sa.or_(Broadcast.valid_until <= moment, Broadcast.state == BroadcastState.CANCELLED),
                ),
            )
        )
        .order_by(DeliveryBlock.first_id)
        .limit(limit)
    )
    if dialect_name(session) != "sqlite":
        query = query.with_for_update(skip_locked=True, of=DeliveryBlock)
    found = list(session.scalars(query))
    for first_id in found:
        write_off(session, first_id)
    return len(found)


def requeue_absent(
    session: Session, absent: Sequence[tuple[int, int]], older_than: datetime, *, by_policy: bool = False
) -> int:
    """Queue again what the provider's list proved absent: `(id, attempt)` pairs, still unknown since `older_than`.

    `by_policy`: nothing was proved, it is sent again all the same, and that is noted on it.

    The attempt and the age keep a verdict about one attempt from touching the next.
    """
    held = lock(session, sorted(i for i, _ in absent))
    rows = bulk.execute(
        session,
        "UPDATE delivery SET state = 'queued', reason = "  # noqa: S608 - both endings are ours
        + ("'again_by_policy', sent_again = sent_again + 1" if by_policy else "'absent_at_provider'")
        + ", changed_at = :now_at"
        " FROM {rows} AS r WHERE delivery.id = r.i AND delivery.attempt = r.a AND delivery.state = 'unknown'"
        " AND delivery.changed_at <= :at RETURNING id, broadcast_id, division, channel, people",
        (("i", "bigint"), ("a", "integer")),
        [list(pair) for pair in absent],
        at=older_than,
        now_at=now(session),
    ).all()
    change = TallyChange()
    for row in rows:
        change.move(row.broadcast_id, row.division, row.channel, row.people, S.UNKNOWN, S.QUEUED)
    ready_again(session, held, [row[0] for row in rows])
    change.write(session)
    return len(rows)


def take_over(session: Session, holder: str | None = None, limit: int = 4) -> int:
    """Return blocks whose lease ran out to the queue (or all of a `holder` that is known to be dead).

    What of them had its intent recorded becomes unknown: it may have left.
    """
    moment = now(session)
    query = sa.select(DeliveryBlock).where(
        DeliveryBlock.state.in_([sa.literal_column("'held'"), sa.literal_column("'closing'")]),
        DeliveryBlock.lease_until.is_not(None),
    )
    query = query.where(DeliveryBlock.lease_until < moment if holder is None else DeliveryBlock.holder == holder)
    query = query.order_by(DeliveryBlock.first_id).limit(limit)
    if dialect_name(session) != "sqlite":
        query = query.with_for_update(skip_locked=True)
    blocks = session.scalars(query.execution_options(populate_existing=True)).all()
    for block in blocks:
        block.fence += 1
        block.holder = block.lease_until = None
        if block.state is BlockState.HELD:
            block.state, block.due_at = BlockState.READY, moment
        session.flush()
        _bulk_move(session, block.first_id, block.last_id, S.CLAIMED, S.UNKNOWN)
    return len(blocks)
