"""The hot path: claim blocks, ask for addresses, record intent late, send many at once, settle in batches.

One database thread serves one event loop. A cycle of the pump is one transaction that stores the results that came
in and the intents of the next chunk; the more it has to do, the more it does at once.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from kernel.db import Database, now
from kernel.logs import kv
from notify import blocks, failpoints, ledger
from notify.channels.base import Answer, Channel, Message, Sent
from notify.channels.outcome import send_by
from notify.lanes import LEASE_MARGIN, Lane, Result, check, settle
from notify.models import Broadcast, DeliveryState
from notify.outbox import Outbox, Window
from notify.ports import Ports
from notify.roads import Roads
from notify.settings import EngineSettings
from notify.steps import ClockWatch, redate

log = logging.getLogger("notify.dispatcher")
S = DeliveryState
T = TypeVar("T")
MOST_LANES = 256
URGENT = 1
"""Priorities 0 to this are urgent: places in flight are kept for them, and housekeeping takes small bites meanwhile."""
KEPT_FREE = 8
"""One in so many places in flight is kept for what is urgent, however slow the routine's answers are."""


class Dispatcher:
    """Holds lanes and moves messages from them to channels."""

    def __init__(
        self, database: Database, channels: Sequence[Channel], ports: Ports, settings: EngineSettings, holder: str
    ):
        self.database = database
        self.ports = ports
        self.settings = settings
        self.holder = holder
        self.channels = list(channels)
        self.roads = Roads(channels, time.monotonic())
        self.handed_over = 0
        self.last_handed_over: datetime | None = None
        self.in_flight = 0
        self.lanes: list[Lane] = []
        self.claiming = True
        self.watch = ClockWatch(database.clock.now(), database.clock.monotonic())
        self.wake = asyncio.Event()
        self.silent: set[str] = set()
        """Accounts whose list could not be had in the last round of reconciliation."""
        self._results: list[Result] = []
        self._first_result = 0.0
        self._writer = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        self._books = ThreadPoolExecutor(1, thread_name_prefix="addresses")
        self._outboxes: dict[str | None, Outbox] = {}

    # -- the database, from the loop -----------------------------------------------------------------------------

    async def write(self, work: Callable[[Session], T]) -> T:
        """Run `work` in one writing transaction, again where PostgreSQL broke a circle of waits."""

        def attempt() -> T:
            for turn in range(6):
                try:
                    with self.database.write() as session:
                        return work(session)
                except OperationalError:
                    if turn == 5:
                        raise
                    time.sleep(0.02 * 2**turn * random.uniform(0.5, 1.5))
            raise AssertionError("unreachable")

        async with self._writer:
            return await asyncio.get_running_loop().run_in_executor(self._thread, attempt)

    async def read(self, work: Callable[[Session], T]) -> T:
        """Run `work` in one reading transaction, beside the writer."""

        def attempt() -> T:
            with self.database.read() as session:
                return work(session)

        return await asyncio.get_running_loop().run_in_executor(self._books, attempt)

    # -- claiming ------------------------------------------------------------------------------------------------

    async def claim(self) -> int:
        """Claim what is due and make lanes of it: as much as keeps the pump busy, and whatever is more urgent."""
        if not self.claiming:
            return 0
        waiting = sum(len(lane.rows) for lane in self.lanes)
        below = None
        if waiting >= self.settings.batch or len(self.lanes) >= MOST_LANES:
            below = min((lane.held.priority for lane in self.lanes if lane.rows), default=URGENT + 1)
            if self.hungry and len(self.lanes) < MOST_LANES:
                # What is held is mostly less urgent than its first: the next of the first must not wait behind it.
                below += 1
            if below == 0:
                return 0
        taken = time.monotonic()

        def work(session: Session) -> list[tuple[blocks.Held, Broadcast, list[Any]]]:
            found = blocks.claim(session, self.holder, self.settings.lease_seconds, self.settings.batch, below)
            if not found:
                return []
            wanted = {held.broadcast_id for held in found}
            records = {
                record.id: record for record in session.scalars(sa.select(Broadcast).where(Broadcast.id.in_(wanted)))
            }
            return [(held, records[held.broadcast_id], blocks.queued_rows(session, held)) for held in found]

        claimed = await self.write(work)
        if claimed:
            failpoints.reach("claimed")
            self.ports.metrics.count("notify_claims_total", len(claimed))
        by_broadcast: dict[int, list[int]] = {}
        for held, _, rows in claimed:
            by_broadcast.setdefault(held.broadcast_id, []).extend(row.address_key for row in rows)
        addresses: dict[int, dict[int, str]] = {}
        for _, record, _ in claimed:
            if record.id not in addresses:
                addresses[record.id] = await self.addresses(record, by_broadcast[record.id])
        if claimed:
            failpoints.reach("addressed")
        for held, record, rows in claimed:
            self.lanes.append(
                Lane(
                    held,
                    record,
                    deque(rows),
                    addresses[record.id],
                    taken + self.settings.lease_seconds,
                    order=(held.priority, held.first_id),
                )
            )
        if claimed:
            self.lanes.sort(key=lambda lane: lane.order)
            self.wake.set()
        return len(claimed)

    async def addresses(self, record: Broadcast, keys: Sequence[int], purpose: str = "") -> dict[int, str]:
        """Numbers for the keys of one broadcast, from the house's book, with no transaction of ours open."""

        def ask() -> dict[int, str]:
            return dict(
                self.ports.address_book.addresses(
                    keys, broadcast_id=record.id, purpose=purpose or f"deliver:{record.kind.value}"
                )
            )

        loop = asyncio.get_running_loop()
        if not self.database.is_sqlite:
            return await loop.run_in_executor(self._books, ask)
        # The book journals what it reads: on SQLite two writers of one process would only sleep on each other's lock.
        async with self._writer:
            return await loop.run_in_executor(self._books, ask)

    # -- the pump ------------------------------------------------------------------------------------------------

    async def pump(self) -> bool:
        """One cycle. False when there was nothing to do."""
        moment = time.monotonic()
        chunk = self._choose(moment)
        if not chunk:
            waited = moment - self._first_result >= self.settings.settle_seconds
            all_back = self.in_flight == len(self._results)
            ripe = self._results and (waited or all_back or len(self._results) >= self.settings.intent_chunk)
            if not ripe and not any(not lane.rows and not lane.out for lane in self.lanes):
                return False
        results, self._results = self._results, []
        try:
            granted = await self.write(lambda session: self._step(session, results, chunk))
        except BaseException:
            self._results = results + self._results
            raise
        for result in results:
            result.lane.out -= 1
        self.in_flight -= len(results)
        if results:
            failpoints.reach("settled")
        if granted:
            failpoints.reach("intended")
        for lane, channel, rows in chunk:
            going = [row for row in rows if row.id in granted]
            if channel is not None and len(going) < len(rows):
                self.roads.give_back(channel, len(rows) - len(going))
            lane.out += len(going)
            self.in_flight += len(going)
            if going:
                self._outbox(channel).put(lane, going, lane.held.priority <= URGENT)
        await self._finish_lanes()
        return True

    def _choose(self, moment: float) -> list[tuple[Lane, Channel | None, list[Any]]]:
        """The next rows to intend, most urgent lane first, within rate and concurrency."""
        room = min(self.settings.intent_chunk, self.settings.concurrency - self.in_flight)
        kept = self.settings.concurrency // KEPT_FREE
        # Intents go little farther than what has a place on the road, and in chunks that are worth a commit.
        ahead = sum(map(len, self._outboxes.values())) * 2 > self.settings.intent_chunk
        routine = 0 if ahead else self.settings.concurrency - self.in_flight - kept
        urgent_ahead = sum(box.urgent for box in self._outboxes.values()) * 2 > self.settings.intent_chunk
        chosen: list[tuple[Lane, Channel | None, list[Any]]] = []
        for lane in self.lanes:
            if room <= 0:
                break
            if lane.lost or not lane.rows:
                continue
            if lane.record.valid_until <= self.database.clock.now():
                # They stay queued in the ledger, where the sweep writes them off as expired.
                lane.rows.clear()
                continue
            urgent = lane.held.priority <= URGENT and not (ahead and urgent_ahead)
            wanted = min(room if urgent else min(room, routine), len(lane.rows))
            if wanted <= 0:
                continue
            channel, count = self.roads.take(lane.rows[0].channel, lane.record.kind, wanted, moment)
            if count <= 0:
                continue
            rows = [lane.rows.popleft() for _ in range(count)]
            room -= count
            routine -= count
            chosen.append((lane, channel, rows))
        return chosen

    @property
    def hungry(self) -> bool:
        """Whether little is left of the most urgent that is held."""
        first = min((lane.held.priority for lane in self.lanes if lane.rows), default=None)
        rows = sum(len(lane.rows) for lane in self.lanes if lane.held.priority == first)
        return rows <= self.settings.batch // 2

    @property
    def urgent(self) -> bool:
        """Whether something urgent is being sent: whatever else uses the writer keeps its turns short."""
        return any(lane.held.priority <= URGENT for lane in self.lanes)

    def idle_wait(self) -> float:
        """Seconds that the pump may sleep unless woken."""
        moment = time.monotonic()
        if self._results:
            return max(0.001, self.settings.settle_seconds - (moment - self._first_result))
        waits = [self.roads.wait(lane.rows[0].channel, lane.record.kind, moment) for lane in self.lanes if lane.rows]
        return min([self.settings.poll_seconds, *(max(0.002, wait) for wait in waits if wait is not None)])

    # -- one transaction -----------------------------------------------------------------------------------------

    def _step(
        self, session: Session, results: list[Result], chunk: list[tuple[Lane, Channel | None, list[Any]]]
    ) -> set[int]:
        """Settle what came back, record the intents of what goes next. Returns the ids that may be sent."""
        change = ledger.TallyChange()
        wanted: list[Any] = []
        intents: list[tuple[int, str, str | None]] = []
        started = time.monotonic()
        for lane, channel, rows in sorted(chunk, key=lambda item: item[0].held.first_id):
            if blocks.renew(session, lane.held, self.settings.lease_seconds):
                lane.lease_ends = started + self.settings.lease_seconds
                wanted.extend(rows)
                account = channel.account if channel is not None else None
                intents.extend((row.id, row.channel, account) for row in rows)
            else:
                lane.lost = True
                self.ports.metrics.count("notify_leases_lost_total")
                lane.rows.clear()
        granted = ledger.intend(session, intents) if intents else set()
        for row in wanted:
            if row.id in granted:
                change.move(row.broadcast_id, row.division, row.channel, row.people, S.QUEUED, S.CLAIMED)
        if results:
            settle(session, self.ports, results, change)
        change.write(session)
        if results:
            failpoints.reach("settling")
        return granted

    # -- one message ---------------------------------------------------------------------------------------------

    def _outbox(self, channel: Channel | None) -> Outbox:
        account = channel.account if channel is not None else None
        found = self._outboxes.get(account)
        if found is None:
            window = Window(self.settings.concurrency, self.settings.request_timeout, time.monotonic())
            found = self._outboxes[account] = Outbox(channel, window, self._send, time.monotonic)
        return found

    async def _send(self, lane: Lane, channel: Channel | None, row: Any) -> Sent:
        try:
            sent = check(lane, channel, row, self.database.clock.now(), time.monotonic())
            if isinstance(sent, Message):
                assert channel is not None  # noqa: S101 - `check` refuses what has no channel
                send_by.set(lane.lease_ends - LEASE_MARGIN)
                sent = await channel.send(sent)
                failpoints.reach("answered")
                self._learn(lane, channel, sent)
            elif channel is not None:
                self.roads.give_back(channel, 1)
        except Exception as error:
            # Whatever broke, the message must have a result, or its block would be held for ever.
            sent = Sent(Answer.UNKNOWN, reason=f"internal:{type(error).__name__}"[:80])
        if not self._results:
            self._first_result = time.monotonic()
        self._results.append(Result(lane, row, sent))
        if len(self._results) * 2 >= min(self.settings.intent_chunk, self.in_flight):
            self.wake.set()
        return sent

    def _learn(self, lane: Lane, channel: Channel, sent: Sent) -> None:
        if sent.answer is Answer.ACCEPTED:
            self.handed_over += 1
            self.last_handed_over = datetime.now(UTC)
        moment = time.monotonic()
        self.roads.learn(channel, sent, moment)
        if sent.answer is Answer.NOT_TAKEN:
            lane.retry_in = max(lane.retry_in, self.roads.again_in(channel, sent, lane.record.kind, moment))

    # -- giving back ---------------------------------------------------------------------------------------------

    async def _finish_lanes(self) -> None:
        finished = [lane for lane in self.lanes if not lane.rows and not lane.out]
        if not finished:
            return
        self.lanes = [lane for lane in self.lanes if lane.rows or lane.out]

        def work(session: Session) -> None:
            for lane in sorted(finished, key=lambda lane: lane.held.first_id):
                due = now(session) + timedelta(seconds=lane.retry_in) if lane.retry_in else None
                blocks.release(session, lane.held, due)

        await self.write(work)
        failpoints.reach("released")

    async def renew(self) -> None:
        """Prolong the leases that a third of their time has passed; let go of lanes that are not ours any more."""
        moment = time.monotonic()
        third = self.settings.lease_seconds * 2 / 3
        tired = [lane for lane in self.lanes if not lane.lost and lane.lease_ends - moment < third]
        if not tired:
            return

        def work(session: Session) -> None:
            for lane in sorted(tired, key=lambda lane: lane.held.first_id):
                if blocks.renew(session, lane.held, self.settings.lease_seconds):
                    lane.lease_ends = moment + self.settings.lease_seconds
                else:
                    lane.lost = True
                    self.ports.metrics.count("notify_leases_lost_total")
                    lane.rows.clear()

        await self.write(work)

    async def mind_the_clock(self) -> None:
        """Bring the ledger's times in line where the wall clock was set since the last look."""
        clock = self.database.clock
        moved = self.watch.step(clock.now(), clock.monotonic())
        if moved is None:
            return
        log.warning("the clock was set %s", kv(holder=self.holder, seconds=round(moved.total_seconds(), 1)))

        def work(session: Session) -> None:
            redate(session, self.settings.lease_seconds)
            for lane in sorted(self.lanes, key=lambda lane: lane.held.first_id):
                blocks.renew(session, lane.held, self.settings.lease_seconds)

        await self.write(work)

    async def give_back(self) -> None:
        """Return to the queue what was claimed and not yet intended, for a clean stop."""
        for lane in self.lanes:
            lane.rows.clear()
        await self._finish_lanes()

    async def settle_rest(self, seconds: float) -> None:
        """Wait for what is in flight, and store it."""
        ends = time.monotonic() + seconds
        while self.in_flight and time.monotonic() < ends:
            if not await self.pump():
                await asyncio.sleep(0.01)
        for outbox in self._outboxes.values():
            outbox.cancel()

    def close(self) -> None:
        """Let the threads go."""
        self._thread.shutdown(wait=True)
        self._books.shutdown(wait=True)
