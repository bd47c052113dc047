"""What delivery is doing now, and whether something waits while nothing leaves. Reads tallies, blocks and beats only.

Nothing here counts the ledger: the unknown have a partial index, everything else is summed while it happens. The
page that asks again every few seconds must cost the same with a dozen rows as with a million.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from kernel.db import now
from notify import counters
from notify.models import (
    Broadcast,
    BroadcastState,
    ChannelState,
    Delivery,
    DeliveryBlock,
    DeliveryState,
    DeliveryTally,
    EngineBeat,
    EngineSwitch,
    Kind,
    RawReceipt,
)

SILENCE_SECONDS = 30
"""Nothing handed over for so long while something waits is an alarm."""
CLAIM_GRACE = timedelta(seconds=2)
"""A block that became due a moment ago is about to be claimed."""
COUNTED_TO = 10_000
"""Counts of the unknown and of unfolded receipts stop here: more is more than anybody reads."""
FORGOTTEN_AFTER = timedelta(hours=24)
MOST_ROWS = 50
BY_HAND = "by_hand"
"""The ledger's reason for: nothing can find this one out; a person settles it."""

_WAITING = sa.or_(
    DeliveryBlock.state == sa.literal_column("'ready'"),
    sa.and_(
        DeliveryBlock.state.in_([sa.literal_column("'held'"), sa.literal_column("'closing'")]),
        DeliveryBlock.state == sa.literal_column("'held'"),
    ),
)
"""Blocks with something to send, in the words of the two partial indexes."""
_UNKNOWN = Delivery.state == sa.literal_column("'unknown'")


class Cause(enum.StrEnum):
    """Why nothing leaves."""

    NO_ENGINE = "no_engine"
    DRAINING = "draining"
    NO_ROAD = "no_road"
    PAUSED = "paused"
    STUCK = "stuck"


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something waits and nothing has been handed over for too long. `until` is when it ends by itself, if it does."""

    cause: Cause
    kind: Kind
    since: datetime
    waiting: int
    until: datetime | None = None
    error: str | None = None
    heard_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Lane:
    """What waits at one priority. `later` are messages that were tried and are due again later."""

    priority: int
    blocks: int
    messages: int
    oldest_due: datetime
    later: int = 0
    next_due: datetime | None = None
    seconds_left: float | None = None
    """Until the last of them has left at the present rate; what is more urgent leaves first. None: no rate yet."""


@dataclass(frozen=True, slots=True)
class Receipts:
    """What came back and is not yet in the ledger, and what could not be taken or placed since the installation."""

    waiting: int
    oldest: datetime | None
    refused: int
    refused_at: datetime | None
    unplaced: dict[str, int]


@dataclass(frozen=True, slots=True)
class Status:
    """The engine room at a glance."""

    at: datetime
    engines: list[EngineBeat]
    alive: int
    expected: int
    lanes: list[Lane]
    unknown: int
    unknown_since: datetime | None
    by_hand: int
    by_hand_since: datetime | None
    channels: list[ChannelState]
    receipts: Receipts
    last_handed_over_at: datetime | None
    draining_until: datetime | None
    alarm: Alarm | None
    per_second: float = field(default=0.0)

    @property
    def silent(self) -> bool:
        """Whether something waits and nothing leaves."""
        return self.alarm is not None

    @property
    def waiting(self) -> int:
        """Messages that have not been handed over."""
        return sum(lane.messages for lane in self.lanes)

    @property
    def missing(self) -> int:
        """Engines that should live and do not."""
        return max(0, self.expected - self.alive)

    def lives(self, beat: EngineBeat) -> bool:
        """Whether this engine was heard lately."""
        return alive(beat, self.at)


def alive(beat: EngineBeat, moment: datetime) -> bool:
    """Whether an engine was heard lately."""
    return moment - beat.beat_at < timedelta(seconds=SILENCE_SECONDS)


@dataclass(frozen=True, slots=True)
class _Queue:
    """Waiting blocks of one priority and kind."""

    priority: int
    kind: Kind
    blocks: int
    size: int
    later: int
    next_due: datetime | None
    oldest: datetime
    since_now: datetime | None
    messages: int


def _queues(session: Session, moment: datetime) -> list[_Queue]:
    size = DeliveryBlock.last_id - DeliveryBlock.first_id + 1
    since = sa.func.coalesce(DeliveryBlock.waiting_since, DeliveryBlock.due_at, type_=DeliveryBlock.due_at.type)
    ready = DeliveryBlock.state == sa.literal_column("'ready'")
    later = sa.and_(ready, DeliveryBlock.fence > 0, DeliveryBlock.due_at > moment)
    soon = sa.and_(ready, DeliveryBlock.fence > 0, DeliveryBlock.due_at > moment - CLAIM_GRACE)
    moments = DeliveryBlock.due_at.type
    open_ = (Broadcast.state == BroadcastState.OPEN, Broadcast.valid_until > moment)
    rows = session.execute(
        sa.select(
            DeliveryBlock.priority,
            Broadcast.kind,
            sa.func.count(),
            sa.func.sum(size),
            sa.func.coalesce(sa.func.sum(sa.case((later, size), else_=0)), 0),
            sa.func.min(sa.case((later, DeliveryBlock.due_at)), type_=moments),
            sa.func.min(since, type_=moments),
            sa.func.min(sa.case((sa.not_(soon), since)), type_=moments),
        )
        .join(Broadcast, Broadcast.id == DeliveryBlock.broadcast_id)
        .where(_WAITING, *open_)
        .group_by(DeliveryBlock.priority, Broadcast.kind)
        .order_by(DeliveryBlock.priority, Broadcast.kind)
    ).all()
    if not rows:
        return []
    sums = session.execute(
        sa.select(Broadcast.priority, Broadcast.kind, sa.func.sum(DeliveryTally.messages))
        .join(DeliveryTally, DeliveryTally.broadcast_id == Broadcast.id)
        .where(
            DeliveryTally.state == DeliveryState.QUEUED,
            DeliveryTally.broadcast_id.in_(sa.select(DeliveryBlock.broadcast_id).where(_WAITING).distinct()),
            *open_,
        )
        .group_by(Broadcast.priority, Broadcast.kind)
    )
    queued = {(priority, kind): int(n) for priority, kind, n in sums}
    return [
        _Queue(
            priority,
            kind,
            blocks,
            int(size_),
            int(later_),
            next_due,
            oldest,
            since_now,
            queued.get((priority, kind), 0),
        )
        for priority, kind, blocks, size_, later_, next_due, oldest, since_now in rows
    ]


def _lanes(queues: Sequence[_Queue], rate: float) -> list[Lane]:
    lanes: list[Lane] = []
    ahead = 0
    for priority in sorted({queue.priority for queue in queues}):
        own = [queue for queue in queues if queue.priority == priority]
        messages = sum(queue.messages for queue in own)
        ahead += messages
        if not messages:
            continue  # all of it is on its way
        lanes.append(
            Lane(
                priority,
                sum(queue.blocks for queue in own),
                messages,
                min(queue.oldest for queue in own),
                min(messages, sum(queue.later for queue in own)),
                min((queue.next_due for queue in own if queue.next_due), default=None),
                ahead / rate if rate > 0 else None,
            )
        )
    return lanes


def _beats(session: Session, moment: datetime) -> list[EngineBeat]:
    return list(
        session.scalars(
            sa.select(EngineBeat)
            .where(EngineBeat.beat_at > moment - FORGOTTEN_AFTER)
            .order_by(EngineBeat.beat_at.desc(), EngineBeat.holder)
            .limit(MOST_ROWS)
        )
    )


def _roads(session: Session, beats: Iterable[EngineBeat], moment: datetime) -> list[ChannelState]:
    living = [beat.holder for beat in beats if alive(beat, moment)]
    query = sa.select(ChannelState).order_by(ChannelState.name, ChannelState.holder).limit(4 * MOST_ROWS)
    return list(session.scalars(query.where(ChannelState.holder.in_(living))))


def carries(road: ChannelState, kind: Kind) -> bool:
    """Whether the road's credentials may carry this kind; a road that has not said so yet may."""
    return not road.kinds or kind.value in road.kinds.split(",")


def _handed_over(session: Session, beats: Sequence[EngineBeat]) -> dict[Kind, datetime | None]:
    """When a message of each kind was last handed over; engines that count nothing speak for every kind."""
    counted = counters.read(session, [counters.HANDED_OVER])
    latest: dict[str, datetime] = {}
    for one in counted:
        word = one.labels.get("kind", "")
        latest[word] = max(latest.get(word, one.updated_at), one.updated_at)
    last = max((beat.last_handed_over_at for beat in beats if beat.last_handed_over_at), default=None)
    return {kind: latest.get(kind.value) if counted else last for kind in Kind}


def _alarm(
    queues: Sequence[_Queue],
    beats: Sequence[EngineBeat],
    roads: Sequence[ChannelState],
    handed: dict[Kind, datetime | None],
    drain_until: datetime | None,
    moment: datetime,
) -> Alarm | None:
    living = [beat for beat in beats if alive(beat, moment)]
    for kind in dict.fromkeys(queue.kind for queue in queues):
        own = [queue for queue in queues if queue.kind is kind and queue.messages]
        usable = [road for road in roads if carries(road, kind)]
        free = [road for road in usable if road.paused_until is None or road.paused_until <= moment]
        # What a provider put off is due later by its own word; while no road is free, it waits like everything else.
        stands = [queue.since_now if free else queue.oldest for queue in own]
        starts = [start for start in stands if start is not None]
        if not starts:
            continue
        last = handed.get(kind)
        since = max(min(starts), last) if last is not None else min(starts)
        if moment - since <= _patience(usable):
            continue
        waiting = sum(queue.messages for queue in own)
        heard = max((beat.beat_at for beat in beats), default=None)
        worst = max((road for road in usable if road.last_error_at), key=_erred, default=None)
        error = worst.last_error if worst is not None else None
        if not living:
            return Alarm(Cause.NO_ENGINE, kind, since, waiting, heard_at=heard)
        if drain_until is not None:
            return Alarm(Cause.DRAINING, kind, since, waiting, until=drain_until, heard_at=heard)
        if not usable and roads:
            return Alarm(Cause.NO_ROAD, kind, since, waiting, heard_at=heard)
        if usable and not free:
            until = min(road.paused_until for road in usable if road.paused_until)
            return Alarm(Cause.PAUSED, kind, since, waiting, until, error, heard)
        return Alarm(Cause.STUCK, kind, since, waiting, error=error, heard_at=heard)
    return None


def _erred(road: ChannelState) -> datetime:
    assert road.last_error_at is not None  # noqa: S101 - the caller looked
    return road.last_error_at


def _patience(roads: Sequence[ChannelState]) -> timedelta:
    """How long silence is no news: half a minute, or twice the gap that the accounts' own low rate makes."""
    rates = {road.name: road.configured_rate for road in roads}
    allowed = sum(rates.values())
    return timedelta(seconds=max(SILENCE_SECONDS, 2 / allowed if allowed > 0 else 0))


def _drain(session: Session, moment: datetime) -> datetime | None:
    switch = session.get(EngineSwitch, 1)
    until = switch.drain_until if switch else None
    return until if until is not None and until > moment else None


def alarm(session: Session) -> Alarm | None:
    """Whether something waits while nothing leaves, and why. A handful of small queries: every page asks."""
    moment = now(session)
    queues = _queues(session, moment)
    if not queues:
        return None
    beats = _beats(session, moment)
    roads = _roads(session, beats, moment)
    return _alarm(queues, beats, roads, _handed_over(session, beats), _drain(session, moment), moment)


def _capped(session: Session, query: sa.Select[Any]) -> int:
    return session.scalar(sa.select(sa.func.count()).select_from(query.limit(COUNTED_TO).subquery())) or 0


def _receipts(session: Session) -> Receipts:
    unfolded = RawReceipt.folded_at.is_(None)
    oldest = session.scalar(sa.select(RawReceipt.received_at).where(unfolded).order_by(RawReceipt.id).limit(1))
    refused, refused_at = 0, None
    unplaced: dict[str, int] = {}
    for one in counters.read(session, ["notify_webhook_refused_total", "notify_receipts_folded_total"]):
        if one.name == "notify_webhook_refused_total":
            refused += int(one.value)
            refused_at = max(refused_at or one.updated_at, one.updated_at)
        elif one.labels.get("outcome") in ("unreadable", "unmatched", "other_number"):
            unplaced[one.labels["outcome"]] = int(one.value)
    waiting = _capped(session, sa.select(RawReceipt.id).where(unfolded)) if oldest is not None else 0
    return Receipts(waiting, oldest, refused, refused_at, unplaced)


def status(session: Session, expected: int = 1) -> Status:
    """Lanes, engines, roads, unknowns, receipts and the alarm. `expected`: how many engines should live."""
    moment = now(session)
    queues = _queues(session, moment)
    beats = _beats(session, moment)
    roads = _roads(session, beats, moment)
    living = [beat for beat in beats if alive(beat, moment)]
    handed = _handed_over(session, beats)
    drain_until = _drain(session, moment)
    rate = sum(beat.per_second for beat in living)
    by_hand = sa.and_(_UNKNOWN, Delivery.reason == BY_HAND)
    last = [at for at in (*handed.values(), *(beat.last_handed_over_at for beat in beats)) if at is not None]
    return Status(
        at=moment,
        engines=beats,
        alive=len(living),
        expected=expected,
        lanes=_lanes(queues, rate),
        unknown=_capped(session, sa.select(Delivery.id).where(_UNKNOWN)),
        unknown_since=_oldest(session, _UNKNOWN),
        by_hand=_capped(session, sa.select(Delivery.id).where(by_hand)),
        by_hand_since=_oldest(session, by_hand),
        channels=roads,
        receipts=_receipts(session),
        last_handed_over_at=max(last, default=None),
        draining_until=drain_until,
        alarm=_alarm(queues, beats, roads, handed, drain_until, moment),
        per_second=rate,
    )


def _oldest(session: Session, which: sa.ColumnElement[bool]) -> datetime | None:
    return session.scalar(sa.select(Delivery.changed_at).where(which).order_by(Delivery.changed_at).limit(1))


@dataclass(frozen=True, slots=True)
class Progress:
    """One broadcast and how far it is."""

    record: Broadcast
    by_state: dict[DeliveryState, int]

    @property
    def done(self) -> int:
        """Messages that wait no longer."""
        return self.record.messages - self.by_state[DeliveryState.QUEUED] - self.by_state[DeliveryState.CLAIMED]

    @property
    def submitted(self) -> int:
        """Messages that a provider took, delivered or not yet."""
        return self.by_state[DeliveryState.SUBMITTED] + self.by_state[DeliveryState.DELIVERED]

    @property
    def delivered(self) -> int:
        """Messages that a handset confirmed."""
        return self.by_state[DeliveryState.DELIVERED]

    @property
    def failed(self) -> int:
        """Messages that reached nobody and will not."""
        return self.by_state[DeliveryState.FAILED] + self.by_state[DeliveryState.EXPIRED]

    @property
    def unknown(self) -> int:
        """Messages of which nobody knows yet."""
        return self.by_state[DeliveryState.UNKNOWN]


def progress(session: Session, records: Sequence[Broadcast]) -> list[Progress]:
    """How far broadcasts are, by their tallies."""
    sums = session.execute(
        sa.select(DeliveryTally.broadcast_id, DeliveryTally.state, sa.func.sum(DeliveryTally.messages))
        .where(DeliveryTally.broadcast_id.in_([record.id for record in records]))
        .group_by(DeliveryTally.broadcast_id, DeliveryTally.state)
    )
    found = {record.id: dict.fromkeys(DeliveryState, 0) for record in records}
    for broadcast_id, state, messages in sums:
        found[broadcast_id][state] = int(messages)
    return [Progress(record, found[record.id]) for record in records]


def under_way(session: Session, limit: int = 20) -> tuple[list[Progress], int]:
    """The most urgent broadcasts with something to send, and how many more there are."""
    ids = sa.select(DeliveryBlock.broadcast_id).where(_WAITING).distinct()
    query = sa.select(Broadcast).where(Broadcast.id.in_(ids))
    records = list(session.scalars(query.order_by(Broadcast.priority, Broadcast.serial).limit(limit)))
    more = 0
    if len(records) == limit:
        more = (session.scalar(sa.select(sa.func.count()).select_from(ids.subquery())) or 0) - limit
    return progress(session, records), more
