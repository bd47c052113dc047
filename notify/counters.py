"""Counters that survive their process: counted in memory, added to a table every few seconds.

An engine, a web process and a command are different processes, perhaps on different machines, and whoever asks for
the numbers is a fourth. The table is the one place that all of them reach; an addition commutes, so that they need
not know of each other. A process that is killed loses what it counted since its last addition, a few seconds' worth.
"""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from kernel.db import Database, after_commit, dialect_name, now
from kernel.logs import kv
from notify import bulk
from notify.models import Broadcast, Delivery, DeliveryCounter, DeliveryState
from notify.ports import Metrics

log = logging.getLogger("notify.counters")
EVERY_SECONDS = 3.0
HANDED_OVER = "notify_handed_over_total"
FIRST_MESSAGE = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0)
"""Upper bounds of the histogram from a broadcast's entry to its first message, in seconds."""
_COLUMNS: bulk.Columns = (("n", "text"), ("l", "text"), ("v", "double precision"))
_Key = tuple[str, str]


def _packed(labels: Mapping[str, str]) -> str:
    return ",".join(f"{name}={str(labels[name]).replace(',', ' ')}" for name in sorted(labels))[:200]


@dataclass(frozen=True, slots=True)
class Counted:
    """One counter with one set of labels, as it stands in the table."""

    name: str
    labels: dict[str, str]
    value: float
    updated_at: datetime


def read(session: Session, names: Iterable[str] = ()) -> list[Counted]:
    """Every counter, or those with these names."""
    query = sa.select(DeliveryCounter).order_by(DeliveryCounter.name, DeliveryCounter.labels)
    wanted = list(names)
    if wanted:
        query = query.where(DeliveryCounter.name.in_(wanted))
    return [
        Counted(
            row.name,
            dict(pair.split("=", 1) for pair in row.labels.split(",") if "=" in pair),
            row.value,
            row.updated_at,
        )
        for row in session.scalars(query)
    ]


def count_after(session: Session, metrics: Metrics, name: str, value: float = 1, **labels: str) -> None:
    """Count once this transaction is committed, and not at all where it is broken off and done again."""
    if value:
        after_commit(session, lambda: metrics.count(name, value, **labels))


def observe_first(session: Session, metrics: Metrics, seconds: float, priority: int) -> None:
    """Add one broadcast's first message to the histogram."""
    for bound in FIRST_MESSAGE:
        if seconds <= bound:
            count_after(
                session, metrics, "notify_first_message_seconds_bucket", le=f"{bound:g}", priority=str(priority)
            )
    count_after(session, metrics, "notify_first_message_seconds_bucket", le="+Inf", priority=str(priority))
    count_after(session, metrics, "notify_first_message_seconds_sum", max(0.0, seconds), priority=str(priority))


def note_results(
    session: Session, metrics: Metrics, results: Sequence[tuple[Broadcast, str, DeliveryState, bool]]
) -> None:
    """Count what one settlement stored: `(broadcast, channel, state, whether the ledger moved)`.

    A result that moved nothing came too late: its block was taken over, or a receipt had overtaken it.
    """
    handed: dict[tuple[str, str], int] = {}
    settled: dict[tuple[str, str, str], int] = {}
    late = 0
    started: dict[int, Broadcast] = {}
    for record, channel, state, moved in results:
        kind = record.kind.value
        if state is DeliveryState.SUBMITTED:
            handed[kind, channel] = handed.get((kind, channel), 0) + 1
            if record.first_handed_over_at is None:
                started[record.id] = record
        if moved:
            settled[kind, channel, state.value] = settled.get((kind, channel, state.value), 0) + 1
        else:
            late += 1
    for (kind, channel), n in handed.items():
        count_after(session, metrics, HANDED_OVER, n, kind=kind, channel=channel)
    for (kind, channel, word), n in settled.items():
        count_after(session, metrics, "notify_settled_total", n, kind=kind, channel=channel, state=word)
    count_after(session, metrics, "notify_late_results_total", late)
    if started:
        _note_first(session, metrics, started)


def _note_first(session: Session, metrics: Metrics, started: Mapping[int, Broadcast]) -> None:
    query = sa.select(Broadcast.id).where(Broadcast.id.in_(started), Broadcast.first_handed_over_at.is_(None))
    if dialect_name(session) != "sqlite":
        # Never waits: whoever holds the row (a cancel) may be waiting for a block of ours.
        query = query.order_by(Broadcast.id).with_for_update(skip_locked=True, key_share=True)
    moment = now(session)
    for key in session.scalars(query).all():
        session.execute(
            sa.update(Broadcast)
            .where(Broadcast.id == key)
            .values(first_handed_over_at=moment)
            .execution_options(synchronize_session=False)
        )
        record = started[key]
        observe_first(session, metrics, (moment - record.created_at).total_seconds(), record.priority)
    after_commit(session, lambda: _remember(started.values(), moment))


def _remember(records: Iterable[Broadcast], moment: datetime) -> None:
    for record in records:
        record.first_handed_over_at = moment


def note_folded(session: Session, metrics: Metrics, outcomes: Iterable[str], moved: Iterable[Delivery]) -> None:
    """Count receipts and replies by what became of them, and messages by where they brought them."""
    for outcome, n in Counter(outcomes).items():
        count_after(session, metrics, "notify_receipts_folded_total", n, outcome=outcome[:40])
    settled = Counter((row.kind.value, row.channel, row.state.value) for row in moved)
    for (kind, channel, state), n in settled.items():
        count_after(session, metrics, "notify_settled_total", n, kind=kind, channel=channel, state=state)


class TableMetrics:
    """Counts into `DeliveryCounter`. Gauges are not kept here: an engine's beat and its roads' rows carry them."""

    def __init__(self, database: Database):
        self._database = database
        self._lock = threading.Lock()
        self._pending: dict[_Key, float] = {}
        self._flushed = 0.0
        self._timer: threading.Timer | None = None
        self._at_exit = False

    def count(self, name: str, value: float = 1, **labels: str) -> None:
        """Add to a counter; it stands in the table within a few seconds."""
        key = (name, _packed(labels))
        with self._lock:
            self._pending[key] = self._pending.get(key, 0.0) + value
            if self._timer is None:
                self._arm()
            if not self._at_exit:
                self._at_exit = True
                atexit.register(self.flush_now)

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Nothing: see the class."""

    def flush(self, session: Session) -> None:
        """Add what was counted to the table, in the caller's transaction; kept until that is committed."""
        with self._lock:
            taken = {key: value for key, value in self._pending.items() if value}
            self._flushed = time.monotonic()
        if not taken:
            return
        bulk.execute(
            session,
            "INSERT INTO delivery_counter (name, labels, value, updated_at)"
            " SELECT n, l, v, :at FROM {rows} AS r WHERE true ORDER BY n, l"
            " ON CONFLICT (name, labels) DO UPDATE SET"
            " value = delivery_counter.value + excluded.value, updated_at = excluded.updated_at",
            _COLUMNS,
            [[name, labels, value] for (name, labels), value in sorted(taken.items())],
            at=now(session),
        )
        after_commit(session, lambda: self._subtract(taken))

    def flush_now(self) -> None:
        """The same in a transaction of its own; what cannot be written stays for the next turn."""
        try:
            if any(self._pending.values()):
                with self._database.write() as session:
                    self.flush(session)
        except Exception as error:
            log.warning("counters were not stored %s", kv(error=type(error).__name__))

    def _subtract(self, taken: Mapping[_Key, float]) -> None:
        with self._lock:
            for key, value in taken.items():
                left = self._pending.get(key, 0.0) - value
                if left:
                    self._pending[key] = left
                else:
                    self._pending.pop(key, None)

    def _arm(self) -> None:
        self._timer = threading.Timer(EVERY_SECONDS, self._tick)
        self._timer.daemon = True
        self._timer.start()

    def _tick(self) -> None:
        # An engine adds its own with every beat; a second writer in its process would only wait for the first.
        if time.monotonic() - self._flushed >= EVERY_SECONDS:
            self.flush_now()
        with self._lock:
            self._timer = None
            if self._pending:
                self._arm()
