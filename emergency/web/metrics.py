"""Prometheus numbers, read from the tables when asked: no state in a process, so any number of them agree.

Every query is bounded: tallies instead of the ledger, partial indexes, the last week. A part that fails is left out
and counted in `emergency_scrape_failures`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy.orm import Session

from kernel.db import Database, now
from kernel.logs import kv
from notify.models import (
    BlockState,
    Broadcast,
    ChannelState,
    Delivery,
    DeliveryBlock,
    DeliveryState,
    DeliveryTally,
    EngineBeat,
    RawReceipt,
)
from scheduler.models import JobState

log = logging.getLogger(__name__)
WINDOW = timedelta(days=7)
Family = GaugeMetricFamily | CounterMetricFamily


def _gauge(
    name: str, text: str, labels: tuple[str, ...] = (), rows: Iterable[tuple[Any, ...]] = ()
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"emergency_{name}", text, labels=labels)
    for *keys, value in rows:
        family.add_metric([str(getattr(key, "value", key)) for key in keys], float(value or 0))
    return family


def _engines(session: Session) -> Iterator[Family]:
    moment = now(session)
    beats = list(session.scalars(sa.select(EngineBeat).where(EngineBeat.beat_at > moment - timedelta(hours=1))))
    yield _gauge(
        "engine_beat_age_seconds",
        "Since an engine's last sign of life.",
        ("holder",),
        [(b.holder, max(0.0, (moment - b.beat_at).total_seconds())) for b in beats],
    )
    yield _gauge("engine_in_flight", "Messages under way.", ("holder",), [(b.holder, b.in_flight) for b in beats])
    yield _gauge(
        "engine_per_second", "Messages handed over a second.", ("holder",), [(b.holder, b.per_second) for b in beats]
    )
    handed = CounterMetricFamily(
        "emergency_handed_over", "Messages handed over since the engine started.", labels=("holder",)
    )
    for beat in beats:
        handed.add_metric([beat.holder], float(beat.handed_over))
    yield handed


def _queue(session: Session) -> Iterator[Family]:
    blocks = session.execute(
        sa.select(
            DeliveryBlock.priority,
            sa.func.sum(DeliveryBlock.last_id - DeliveryBlock.first_id + 1),
            sa.func.min(DeliveryBlock.due_at),
        )
        .where(DeliveryBlock.state == BlockState.READY)
        .group_by(DeliveryBlock.priority)
    ).all()
    moment = now(session)
    yield _gauge("queue_messages", "Messages that wait to be claimed.", ("priority",), [(p, n) for p, n, _at in blocks])
    yield _gauge(
        "queue_oldest_seconds",
        "How long the oldest has been due.",
        ("priority",),
        [(p, max(0.0, (moment - at).total_seconds())) for p, _n, at in blocks],
    )
    unknown = session.scalar(
        sa.select(sa.func.count()).select_from(Delivery).where(Delivery.state == DeliveryState.UNKNOWN)
    )
    yield _gauge("deliveries_unknown", "Messages whose outcome nobody knows.", (), [(unknown,)])
    unfolded = session.scalar(sa.select(sa.func.count()).select_from(RawReceipt).where(RawReceipt.folded_at.is_(None)))
    yield _gauge("receipts_unfolded", "Receipts stored and not yet folded into the ledger.", (), [(unfolded,)])


def _tallies(session: Session) -> Iterator[Family]:
    rows = session.execute(
        sa.select(
            Broadcast.kind,
            DeliveryTally.channel,
            DeliveryTally.state,
            sa.func.sum(DeliveryTally.messages),
            sa.func.sum(DeliveryTally.people),
        )
        .join(Broadcast, Broadcast.id == DeliveryTally.broadcast_id)
        .where(Broadcast.created_at > now(session) - WINDOW)
        .group_by(Broadcast.kind, DeliveryTally.channel, DeliveryTally.state)
    ).all()
    labels = ("kind", "channel", "state")
    yield _gauge("messages_week", "Messages of the last seven days.", labels, [(k, c, s, m) for k, c, s, m, _p in rows])
    yield _gauge("people_week", "People behind them.", labels, [(k, c, s, p) for k, c, s, _m, p in rows])


def _channels(session: Session) -> Iterator[Family]:
    rows = list(session.scalars(sa.select(ChannelState).limit(200)))
    yield _gauge(
        "channel_rate",
        "Messages a second that a road takes now.",
        ("holder", "channel"),
        [(c.holder, c.name, c.rate) for c in rows],
    )


def _jobs(session: Session) -> Iterator[Family]:
    moment = now(session)
    rows = list(session.scalars(sa.select(JobState).limit(200)))
    yield _gauge(
        "job_failures", "Failures in a row of a job; 0 is well.", ("job",), [(j.name, j.failures) for j in rows]
    )
    yield _gauge(
        "job_late_seconds",
        "How long a job has been due.",
        ("job",),
        [(j.name, max(0.0, (moment - j.next_at).total_seconds())) for j in rows],
    )


def _records(session: Session) -> Iterator[Family]:
    from emergency.warnings.models import Warning as WarningRecord

    week = now(session) - WINDOW
    rows = session.execute(
        sa.select(WarningRecord.status, WarningRecord.state, sa.func.count())
        .where(WarningRecord.edited_at > week)
        .group_by(WarningRecord.status, WarningRecord.state)
    ).all()
    yield _gauge(
        "warnings_week", "Warnings worked on in the last seven days.", ("status", "state"), [tuple(r) for r in rows]
    )


PARTS: tuple[Callable[[Session], Iterator[Family]], ...] = (_engines, _queue, _tallies, _channels, _jobs, _records)


class TableCollector(Collector):
    """Asks every part in a reading session of its own."""

    def __init__(self, database: Database):
        self._database = database

    def collect(self) -> Iterator[Family]:
        failures = 0
        for part in PARTS:
            try:
                with self._database.read() as session:
                    families = list(part(session))
            except Exception as error:
                log.warning("metrics left out %s", kv(part=part.__name__, error=type(error).__name__))
                failures += 1
                continue
            yield from families
        yield _gauge("scrape_failures", "Parts of this scrape that could not be read.", (), [(failures,)])
