"""The ledger's own statements: enter, claim, intend, settle, write off. Each function is part of one transaction.

Locks are taken in one order — broadcast, block, deliveries by id, tallies by key — so that engines on PostgreSQL do
not wait for each other in a circle.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from kernel.db import dialect_name, now
from notify import bulk
from notify.models import (
    POSITION_BITS,
    POSITION_MASK,
    Broadcast,
    Delivery,
    DeliveryState,
    DeliveryTally,
)
from notify.rules import may_become

S = DeliveryState
Move = tuple[int, DeliveryState, str | None, str | None]
"""(delivery id, wanted state, provider's reference, reason)"""
TallyKey = tuple[int, str, str, DeliveryState]

_INTENT_COLUMNS: bulk.Columns = (("i", "bigint"), ("c", "text"), ("a", "text"))
_MOVE_COLUMNS: bulk.Columns = (("i", "bigint"), ("f", "text"), ("s", "text"), ("p", "text"), ("e", "text"))
_SETTLE_COLUMNS: bulk.Columns = (("i", "bigint"), ("a", "integer"), ("s", "text"), ("p", "text"), ("e", "text"))
_TALLY_COLUMNS: bulk.Columns = (
    ("b", "bigint"),
    ("d", "text"),
    ("c", "text"),
    ("s", "text"),
    ("m", "bigint"),
    ("p", "bigint"),
)


def range_of(serial: int) -> tuple[int, int]:
    """The first and the last delivery id that a broadcast can have."""
    base = serial << POSITION_BITS
    return base, base | POSITION_MASK


def insert_select(session: Session, record: Broadcast, channel: str, recipients: sa.Select[Any]) -> None:
    """One row a recipient, numbered by rank; the id is the place in the queue."""
    source = recipients.subquery("r")
    columns = source.c
    place = sa.func.row_number().over(order_by=columns["rank"])
    params = columns.params if "params" in columns else sa.null()
    literal = sa.literal
    chosen = sa.select(
        (literal(record.first_id, sa.BigInteger) + place).label("id"),
        literal(record.id, sa.BigInteger),
        literal(record.kind.value),
        columns.recipient,
        columns.division,
        columns.address_key,
        columns.number_key,
        columns.people,
        params,
        literal(channel),
        literal(S.QUEUED.value),
        literal(0),
        literal(record.created_at, Delivery.__table__.c.changed_at.type),
    )
    names = (
        "id broadcast_id kind recipient division address_key number_key people params channel state attempt changed_at"
    )
    with _unchecked(session):
        session.execute(sa.insert(Delivery.__table__).from_select(names.split(), chosen))  # type: ignore[arg-type]


@contextmanager
def _unchecked(session: Session) -> Iterator[None]:
    """Spare SQLite the CHECKs of this one statement: they cost a third of it. What they watch is constant in it, but
    for `people`, which `open_tally` looks at in the same transaction."""
    if dialect_name(session) != "sqlite":
        yield
        return
    connection = session.connection()
    connection.exec_driver_sql("PRAGMA ignore_check_constraints=ON")
    try:
        yield
    finally:
        connection.exec_driver_sql("PRAGMA ignore_check_constraints=OFF")


def open_tally(session: Session, record: Broadcast) -> tuple[int, int, int]:
    """Count a new broadcast once, by division. Returns messages, people and the last id in use."""
    groups = session.execute(
        sa.select(
            Delivery.division,
            Delivery.channel,
            sa.func.count(),
            sa.func.sum(Delivery.people),
            sa.func.max(Delivery.id),
            sa.func.min(Delivery.people),
        )
        .where(Delivery.id.between(record.first_id, record.last_id))
        .group_by(Delivery.division, Delivery.channel)
    ).all()
    if any(group[5] < 1 for group in groups):
        raise ValueError("somebody must stand behind every number")
    if groups:
        session.execute(
            sa.insert(DeliveryTally),
            [
                {
                    "broadcast_id": record.id,
                    "division": division,
                    "channel": channel,
                    "state": S.QUEUED,
                    "messages": messages,
                    "people": int(people),
                }
                for division, channel, messages, people, *_ in groups
            ],
        )
    last = max((group[4] for group in groups), default=record.first_id)
    return sum(g[2] for g in groups), sum(int(g[3]) for g in groups), last


class TallyChange:
    """What a transaction moves between states, summed before it is written."""

    def __init__(self) -> None:
        self._sums: dict[TallyKey, list[int]] = {}

    def move(
        self, broadcast_id: int, division: str, channel: str, people: int, old: DeliveryState, new: DeliveryState
    ) -> None:
        """One message goes from `old` to `new`."""
        if old is new:
            return
        for state, sign in ((old, -1), (new, 1)):
            sums = self._sums.setdefault((broadcast_id, division, channel, state), [0, 0])
            sums[0] += sign
            sums[1] += sign * people

    def shift(
        self,
        broadcast_id: int,
        division: str,
        people: int,
        old: tuple[str, DeliveryState],
        new: tuple[str, DeliveryState],
    ) -> None:
        """One message goes from a channel and state to another."""
        for (channel, state), sign in ((old, -1), (new, 1)):
            sums = self._sums.setdefault((broadcast_id, division, channel, state), [0, 0])
            sums[0] += sign
            sums[1] += sign * people

    def write(self, session: Session) -> None:
        """Add the sums to the stored tallies in one statement, in the order of their keys."""
        rows = [
            [key[0], key[1], key[2], key[3].value, sums[0], sums[1]]
            for key, sums in sorted(self._sums.items(), key=lambda item: (item[0][0], item[0][1], item[0][3].value))
            if sums[0] or sums[1]
        ]
        self._sums.clear()
        if not rows:
            return
        bulk.execute(
            session,
            "INSERT INTO delivery_tally (broadcast_id, division, channel, state, messages, people)"
            " SELECT b, d, c, s, m, p FROM {rows} AS r WHERE true ORDER BY b, d, s"
            " ON CONFLICT (broadcast_id, division, channel, state) DO UPDATE SET"
            " messages = delivery_tally.messages + excluded.messages,"
            " people = delivery_tally.people + excluded.people",
            _TALLY_COLUMNS,
            rows,
        )


def intend(session: Session, intents: Sequence[tuple[int, str, str | None]]) -> set[int]:
    """Record that these `(id, channel, account)` are about to be sent. Only what comes back may be sent.

    What has left for another channel since it was claimed does not come back.
    """
    result = bulk.execute(
        session,
        "UPDATE delivery SET state = 'claimed', attempt = attempt + 1, account = r.a, changed_at = :at"
        " FROM {rows} AS r WHERE delivery.id = r.i AND delivery.state = 'queued' AND delivery.channel = r.c"
        " RETURNING id",
        _INTENT_COLUMNS,
        [list(intent) for intent in intents],
        at=now(session),
    )
    return {row[0] for row in result.all()}


def settle(
    session: Session, results: Sequence[tuple[int, int, DeliveryState, str | None, str | None]]
) -> set[tuple[int, int]]:
    """Store results `(id, attempt, state, reference, reason)` of intents of ours.

    The attempt fences: a result of an attempt that somebody else has taken over since changes nothing here. Returns
    `(id, attempt)` of those that moved; tallies are the caller's. One batch may hold two attempts of one delivery: an
    engine that was frozen may have taken its own block over, and only one of the two moves it.
    """
    result = bulk.execute(
        session,
        "UPDATE delivery SET state = r.s, provider_ref = coalesce(r.p, provider_ref), reason = r.e, changed_at = :at"
        " FROM {rows} AS r WHERE delivery.id = r.i AND delivery.attempt = r.a AND delivery.state = 'claimed'"
        " RETURNING id, attempt",
        _SETTLE_COLUMNS,
        [[i, attempt, state.value, ref, reason] for i, attempt, state, ref, reason in results],
        at=now(session),
    )
    return {(row.id, row.attempt) for row in result.all()}


def land(session: Session, moves: Iterable[Move], only_from: frozenset[DeliveryState] | None = None) -> list[Delivery]:
    """Let late knowledge (a receipt, the provider's list, a person) land where the rules allow it.

    Several words about one message are applied in order. Returns the rows that moved, as they are now.
    """
    wanted: dict[int, list[Move]] = {}
    for move in moves:
        wanted.setdefault(move[0], []).append(move)
    if not wanted:
        return []
    query = sa.select(Delivery).where(Delivery.id.in_(sorted(wanted))).order_by(Delivery.id)
    if dialect_name(session) != "sqlite":
        query = query.with_for_update()
    query = query.execution_options(populate_existing=True)
    change, rows, moved = TallyChange(), [], []
    for row in session.scalars(query).all():
        old, state, ref, reason = row.state, row.state, row.provider_ref, row.reason
        for _, to, its_ref, its_reason in wanted[row.id]:
            ref = ref or its_ref
            if may_become(state, to) and (only_from is None or old in only_from):
                if state is S.QUEUED and row.attempt == 0:
                    continue
                state, reason = to, its_reason
        if state is old and ref == row.provider_ref:
            continue
        rows.append([row.id, old.value, state.value, ref, reason])
        if state is not old:
            change.move(row.broadcast_id, row.division, row.channel, row.people, old, state)
            moved.append(row)
        session.expunge(row)
        row.state, row.provider_ref, row.reason = state, ref, reason
    if rows:
        bulk.execute(
            session,
            "UPDATE delivery SET state = r.s, provider_ref = r.p, reason = r.e, changed_at = :at"
            " FROM {rows} AS r WHERE delivery.id = r.i AND delivery.state = r.f",
            _MOVE_COLUMNS,
            rows,
            at=now(session),
        )
        change.write(session)
    return moved


def move_unknown(session: Session, moves: Sequence[Move]) -> list[int]:
    """The same, for what is unknown and for nothing else."""
    return [row.id for row in land(session, moves, only_from=frozenset({S.UNKNOWN}))]
