"""How often one number is written to in a day, and that the same words do not go there twice within minutes.

The ledger itself is counted, when a broadcast is entered and only for one that a quota applies to: nothing is kept
beside it and the hot path knows nothing of it. What makes that cheap is that a broadcast has one message a number: who
had `limit` messages is in `limit` of the day's broadcasts, so nearly all of them must be among the small ones, and a
day with fewer broadcasts than the quota needs no look at all.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from kernel.db import now
from notify import ledger
from notify.models import Broadcast, Delivery, DeliveryState, Kind

DAILY_QUOTA = "daily_quota"
REPEATED = "repeated_text"
HELD_BACK = frozenset({DAILY_QUOTA, REPEATED})
"""Reasons of messages that we held back ourselves: final, never tried again, not over another channel either."""
ZONE = ZoneInfo("Asia/Shanghai")
"""Whose midnight ends the day."""
LOOKED_THROUGH = 50_000
"""So many messages of the smallest broadcasts are grouped before the large ones are looked at."""
MOST_CANDIDATES = 2_000
"""With more numbers than this on the brink the whole day is grouped: one pass is cheaper than many."""
_S = DeliveryState
_CHUNK = 400


@dataclass(frozen=True, slots=True)
class Full:
    """Numbers that had their day's messages: a few, by name, or whoever a select yields."""

    keys: frozenset[bytes] = frozenset()
    select: sa.Select[Any] | None = None

    def __bool__(self) -> bool:
        return bool(self.keys) or self.select is not None

    def holds(self, number_key: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
        """The condition that a number is one of them."""
        if self.select is not None:
            return number_key.in_(self.select)
        return number_key.in_(sorted(self.keys)) if self.keys else sa.false()


def day_start(moment: datetime) -> datetime:
    """The last midnight of the place."""
    return moment.astimezone(ZONE).replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)


def _came() -> sa.ColumnElement[bool]:
    """Handed over, or about to be; what was never taken by anybody did not come."""
    live = (_S.QUEUED, _S.CLAIMED, _S.SUBMITTED, _S.DELIVERED, _S.UNKNOWN)
    return sa.or_(Delivery.state.in_(live), sa.and_(Delivery.state == _S.FAILED, Delivery.provider_ref.is_not(None)))


def full(session: Session, kind: Kind, limit: int, but: int | None = None) -> Full:
    """Numbers that had `limit` messages today. Drills are counted among drills and what is real among what is real.

    `but`: the id of a broadcast that does not count. A message counts on the day on which its broadcast was entered.
    """
    if limit <= 0:
        return Full()
    start = day_start(now(session))
    world = [Kind.EXERCISE] if kind is Kind.EXERCISE else [k for k in Kind if k is not Kind.EXERCISE]
    query = sa.select(Broadcast.id, Broadcast.serial, Broadcast.messages).where(
        Broadcast.created_at >= start, Broadcast.kind.in_(world), Broadcast.messages > 0
    )
    rows = session.execute(query.order_by(Broadcast.messages, Broadcast.serial)).all()
    day = [row for row in rows if row.id != but]
    own = [row.serial for row in rows if row.id == but]
    if len(day) < limit:
        return Full()
    small, seen = 0, 0
    while small < len(day) and seen + day[small].messages <= LOOKED_THROUGH:
        seen += day[small].messages
        small += 1
    large = [row.serial for row in day[small:]]
    least = limit - len(large)
    every = [row.serial for row in day]
    if least <= 0:
        return Full(select=_grouped(world, _ranges(every, own), limit))
    if small == 0:
        return Full()
    counted = _grouped(world, _ranges(every[:small], [*large, *own]), least, sa.func.count())
    found = {row[0]: int(row[1]) for row in session.execute(counted)}
    if not large:
        return Full(frozenset(found))
    if len(found) > MOST_CANDIDATES:
        return Full(select=_grouped(world, _ranges(every, own), limit))
    for serial in large:
        _add_large(session, found, serial)
    return Full(frozenset(key for key, count in found.items() if count >= limit))


def _add_large(session: Session, found: dict[bytes, int], serial: int) -> None:
    keys = sorted(found)
    for start in range(0, len(keys), _CHUNK):
        for key in session.scalars(
            sa.select(Delivery.number_key).where(
                Delivery.id.between(*ledger.range_of(serial)),
                Delivery.number_key.in_(keys[start : start + _CHUNK]),
                _came(),
            )
        ):
            found[key] += 1


def _ranges(serials: Collection[int], without: Collection[int]) -> list[sa.ColumnElement[bool]]:
    """Conditions on the delivery's id that cover these broadcasts and none of `without`: a few long ranges, because
    serials are given in turn. What lies between (another world's) is told apart by its kind."""
    found: list[tuple[int, int]] = []
    barred = sorted(without)
    for serial in sorted(serials):
        if found and not any(found[-1][1] < other < serial for other in barred):
            found[-1] = (found[-1][0], serial)
        else:
            found.append((serial, serial))
    return [Delivery.id.between(ledger.range_of(first)[0], ledger.range_of(last)[1]) for first, last in found]


def _grouped(world: Sequence[Kind], ranges: Sequence[sa.ColumnElement[bool]], least: int, *more: Any) -> sa.Select[Any]:
    """Numbers with at least so many messages in these ranges of the ledger."""
    return (
        sa.select(Delivery.number_key, *more)
        .where(sa.or_(*ranges), Delivery.kind.in_(world), _came())
        .group_by(Delivery.number_key)
        .having(sa.func.count() >= least)
        .correlate(None)
    )


def hold_back(session: Session, record: Broadcast, daily_quota: int, repeat_minutes: int) -> int:
    """Hold back, in a broadcast that has just been entered, what the quota or the repetition forbids.

    What is held back is `failed` for good, with its reason, before anything can leave. Returns how many numbers.
    """
    held = 0
    if record.messages and repeat_minutes > 0:
        same = _same_words(session, record, repeat_minutes)
        if same is not None:
            held += _hold(session, record, Delivery.number_key.in_(same), REPEATED)
    if record.messages and daily_quota > 0:
        used_up = full(session, record.kind, daily_quota, but=record.id)
        if used_up:
            held += _hold(session, record, used_up.holds(Delivery.__table__.c.number_key), DAILY_QUOTA)
    return held


def _same_words(session: Session, record: Broadcast, minutes: int) -> sa.Select[Any] | None:
    """Numbers that got these very words a short while ago. Texts with fields differ by what is in them."""
    serials = session.scalars(
        sa.select(Broadcast.serial).where(
            Broadcast.text_digest == record.text_digest,
            Broadcast.kind == record.kind,
            Broadcast.id != record.id,
            Broadcast.created_at > record.created_at - timedelta(minutes=minutes),
        )
    ).all()
    if not serials:
        return None
    ranges = [Delivery.id.between(*ledger.range_of(serial)) for serial in serials]
    return sa.select(Delivery.number_key).where(sa.or_(*ranges), _came(), Delivery.params.is_(None)).correlate(None)


def _hold(session: Session, record: Broadcast, which: sa.ColumnElement[bool], reason: str) -> int:
    table = Delivery.__table__
    rows = session.execute(
        sa.update(table)  # type: ignore[arg-type]
        .where(
            table.c.id.between(record.first_id, record.last_id),
            table.c.state == _S.QUEUED,
            *([table.c.params.is_(None)] if reason == REPEATED else []),
            which,
        )
        .values(state=_S.FAILED, reason=reason, changed_at=record.created_at)
        .returning(table.c.division, table.c.channel, table.c.people)
    ).all()
    change = ledger.TallyChange()
    for row in rows:
        change.move(record.id, row.division, row.channel, row.people, _S.QUEUED, _S.FAILED)
    change.write(session)
    record.held_back += len(rows)
    record.held_back_people += sum(row.people for row in rows)
    return len(rows)
