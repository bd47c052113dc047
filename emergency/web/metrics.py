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
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy.orm import Session

from kernel.db import Database, now
from kernel.logs import kv
from notify import counters, watch
from notify.models import BreakerState, Broadcast, ChannelState, DeliveryTally, EngineBeat
from scheduler.models import JobState

log = logging.getLogger(__name__)
WINDOW = timedelta(days=7)
Family = GaugeMetricFamily | CounterMetricFamily | HistogramMetricFamily


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
    living = [beat for beat in beats if watch.alive(beat, moment)]
    yield _gauge("engines_alive", "Engines heard within half a minute.", (), [(len(living),)])
    yield _gauge("engine_in_flight", "Messages under way.", ("holder",), [(b.holder, b.in_flight) for b in living])
    yield _gauge(
        "engine_per_second", "Messages handed over a second.", ("holder",), [(b.holder, b.per_second) for b in living]
    )


def _queue(session: Session) -> Iterator[Family]:
    status = watch.status(session)
    moment = status.at
    yield _gauge(
        "queue_messages",
        "Messages that wait.",
        ("priority",),
        [(lane.priority, lane.messages) for lane in status.lanes],
    )
    yield _gauge(
        "queue_oldest_seconds",
        "How long the oldest message waits.",
        ("priority",),
        [(lane.priority, max(0.0, (moment - lane.oldest_due).total_seconds())) for lane in status.lanes],
    )
    yield _gauge(
        "deliveries_unknown", "Messages whose outcome nobody knows; counted to 10000.", (), [(status.unknown,)]
    )
    yield _gauge("deliveries_by_hand", "Unknown messages that only a person can settle.", (), [(status.by_hand,)])
    since = status.unknown_since
    yield _gauge(
        "deliveries_unknown_oldest_seconds",
        "How long the oldest outcome has been unknown.",
        (),
        [(max(0.0, (moment - since).total_seconds()) if since else 0.0,)],
    )
    receipts = status.receipts
    yield _gauge(
        "receipts_unfolded", "Receipts stored and not yet folded into the ledger; counted to 10000.", (),
        [(receipts.waiting,)],
    )  # fmt: skip
    yield _gauge(
        "receipts_fold_lag_seconds",
        "How long the oldest stored receipt waits to be folded.",
        (),
        [(max(0.0, (moment - receipts.oldest).total_seconds()) if receipts.oldest else 0.0,)],
    )
    alarm = status.alarm
    yield _gauge(
        "delivery_silent",
        "1 while something waits and nothing has been handed over for half a minute, by cause.",
        ("cause",),
        [(cause.value, 1 if alarm is not None and alarm.cause is cause else 0) for cause in watch.Cause],
    )
    yield _gauge(
        "delivery_draining", "1 while the engines are asked to take nothing new.", (),
        [(1 if status.draining_until is not None else 0,)],
    )  # fmt: skip


COUNTERS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    counters.HANDED_OVER: (
        "messages_handed_over", "Messages that a provider took.", ("kind", "channel")),
    "notify_settled_total": (
        "messages_settled", "Results stored in the ledger, by the state they led to.", ("kind", "channel", "state")),
    "notify_claims_total": ("engine_claims", "Blocks claimed.", ()),
    "notify_leases_lost_total": ("engine_leases_lost", "Blocks that an engine found to be no longer its own.", ()),
    "notify_blocks_taken_over_total": ("engine_blocks_taken_over", "Blocks taken over after their lease ran out.", ()),
    "notify_late_results_total": ("engine_late_results", "Results fenced off: they came after a takeover.", ()),
    "notify_reconciled_total": ("reconciled", "Unknown messages found out, by verdict.", ("verdict",)),
    "notify_receipts_taken_total": ("receipts_taken", "Receipts and replies taken and stored.", ("kind",)),
    "notify_webhook_refused_total": ("receipts_refused", "Requests without the provider's signature.", ("kind",)),
    "notify_receipts_folded_total": ("receipts_folded", "Receipts and replies folded in, by outcome.", ("outcome",)),
}  # fmt: skip
"""What is counted by engines and web processes, under the names that Prometheus sees (`emergency_…_total`)."""


def _counters(session: Session) -> Iterator[Family]:
    found = counters.read(session)
    for name, (shown, text, labels) in COUNTERS.items():
        family = CounterMetricFamily(f"emergency_{shown}", text, labels=labels)
        rows = [one for one in found if one.name == name]
        for one in rows:
            family.add_metric([one.labels.get(label, "") for label in labels], one.value)
        if not rows and not labels:
            family.add_metric([], 0.0)
        yield family
    yield _first_message(found)


def _first_message(found: Iterable[counters.Counted]) -> HistogramMetricFamily:
    family = HistogramMetricFamily(
        "emergency_first_message_seconds",
        "From a broadcast's entry into the ledger to its first message handed over.",
        labels=("priority",),
    )
    buckets: dict[str, dict[str, float]] = {}
    sums: dict[str, float] = {}
    for one in found:
        priority = one.labels.get("priority", "")
        if one.name == "notify_first_message_seconds_bucket":
            buckets.setdefault(priority, {})[one.labels.get("le", "+Inf")] = one.value
        elif one.name == "notify_first_message_seconds_sum":
            sums[priority] = one.value
    bounds = [f"{bound:g}" for bound in counters.FIRST_MESSAGE] + ["+Inf"]
    for priority, counts in sorted(buckets.items()):
        rows = [(bound, counts.get(bound, 0.0)) for bound in bounds]
        family.add_metric([priority], rows, sums.get(priority, 0.0))
    return family


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
    moment = now(session)
    labels = ("holder", "channel")
    yield _gauge(
        "channel_rate", "Messages a second that a road takes now.", labels, [(c.holder, c.name, c.rate) for c in rows]
    )
    yield _gauge(
        "channel_configured_rate",
        "Messages a second that the account allows.",
        labels,
        [(c.holder, c.name, c.configured_rate) for c in rows],
    )
    yield _gauge(
        "channel_breaker",
        "1 for the state in which a road's breaker is: closed (in use), open (cut off), half_open (being tried).",
        (*labels, "state"),
        [(c.holder, c.name, state.value, 1 if c.breaker is state else 0) for c in rows for state in BreakerState],
    )
    yield _gauge(
        "channel_share",
        "The part of its channel's messages that a road gets, 0 to 1.",
        labels,
        [(c.holder, c.name, c.share) for c in rows],
    )
    for name, text, field in (
        ("channel_answered", "Messages that the provider looked at and answered.", "taken"),
        ("channel_troubles", "Messages that the provider did not answer as it should.", "troubles"),
        ("channel_breaks", "How often the breaker opened.", "breaks"),
    ):
        family = CounterMetricFamily(f"emergency_{name}", text, labels=labels)
        for road in rows:
            family.add_metric([road.holder, road.name], float(getattr(road, field)))
        yield family
    yield _gauge(
        "channel_paused_seconds",
        "For how long a road stays paused; 0 is open.",
        labels,
        [
            (c.holder, c.name, max(0.0, (c.paused_until - moment).total_seconds()) if c.paused_until else 0.0)
            for c in rows
        ],
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


PARTS: tuple[Callable[[Session], Iterator[Family]], ...] = (
    _engines, _queue, _counters, _tallies, _channels, _jobs, _records,
)  # fmt: skip


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
