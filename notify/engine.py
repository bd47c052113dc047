"""The engine: one process's event loop that hands messages over, for ever, and keeps house beside it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from kernel.db import Database, now
from kernel.logs import kv
from notify import blocks, failpoints, receipts
from notify.channels.base import Channel
from notify.counters import count_after
from notify.dispatcher import Dispatcher
from notify.models import ChannelState, EngineBeat, EngineSwitch
from notify.ports import Ports
from notify.reconcile import reconcile
from notify.roads import show
from notify.settings import EngineSettings
from notify.steps import pull_back

log = logging.getLogger("notify.engine")
RECENT_SECONDS = 15
URGENT_FOLD = 10
"""While something urgent leaves, receipts are folded in pieces so many times smaller: each turn holds the writer."""
SWITCH_INTERVAL = 0.0005
"""The database thread and the loop hand the interpreter over often; the default of 5 ms would make each wait."""
GARBAGE_THRESHOLDS = (20_000, 20, 50)
"""A message leaves next to no cycles behind; looking for them at the default rate took a tenth of an engine's time."""


def default_holder() -> str:
    """A name for this process that no other living process has."""
    return f"{socket.gethostname()}:{os.getpid()}"


class Engine:
    """Claims, sends, settles, reconciles, folds receipts and reports that it lives.

    Any number may run on one PostgreSQL; on SQLite one is enough. Two engines never share a `holder`.
    """

    def __init__(
        self,
        database: Database,
        channels: Sequence[Channel],
        ports: Ports,
        settings: EngineSettings | None = None,
        holder: str | None = None,
    ):
        self.database = database
        self.channels = list(channels)
        self.ports = ports
        self.settings = settings or EngineSettings()
        self.holder = holder or default_holder()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._stop_asked = threading.Event()
        self._rate_mark = (time.monotonic(), 0)
        self._started_at = database.clock.now()

    def run_forever(self, *, handle_signals: bool = True) -> None:
        """Run until `stop()` or SIGTERM/SIGINT; what is in flight is settled, the rest goes back to the queue."""
        self._run(self._forever(handle_signals and threading.current_thread() is threading.main_thread()))

    def run_once(self, seconds: float = 60.0) -> int:
        """Work until nothing is due, nothing is in flight and no receipt waits. Returns how many were handed over."""
        return int(self._run(self._until_idle(seconds)))

    def stop(self) -> None:
        """Ask a running engine to finish, from any thread."""
        self._stop_asked.set()
        loop, stopping = self._loop, self._stopping
        if loop is not None and stopping is not None:
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(stopping.set)

    def _run(self, work: Any) -> Any:
        before, thresholds = sys.getswitchinterval(), gc.get_threshold()
        sys.setswitchinterval(SWITCH_INTERVAL)
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GARBAGE_THRESHOLDS)
        try:
            import uvloop

            factory: Callable[[], asyncio.AbstractEventLoop] | None = uvloop.new_event_loop
        except ImportError:
            factory = None
        try:
            with asyncio.Runner(loop_factory=factory) as runner:
                return runner.run(work)
        finally:
            sys.setswitchinterval(before)
            gc.set_threshold(*thresholds)
            gc.unfreeze()

    # -- running -------------------------------------------------------------------------------------------------

    async def _open(self) -> Dispatcher:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        if self._stop_asked.is_set():
            self._stopping.set()
        for channel in self.channels:
            await channel.open()
        dispatcher = Dispatcher(self.database, self.channels, self.ports, self.settings, self.holder)
        await self._beat(dispatcher)
        await dispatcher.write(self._bury_the_dead)
        await dispatcher.write(lambda session: pull_back(session, self.settings.lease_seconds))
        return dispatcher

    async def _close(self, dispatcher: Dispatcher) -> None:
        dispatcher.claiming = False
        for lane in dispatcher.lanes:
            lane.rows.clear()
        await dispatcher.settle_rest(self.settings.drain_seconds)
        await dispatcher.give_back()
        for channel in self.channels:
            await channel.close()
        await self._beat(dispatcher)
        dispatcher.close()
        self._loop = self._stopping = None

    async def _forever(self, handle_signals: bool) -> None:
        dispatcher = await self._open()
        loop = asyncio.get_running_loop()
        stopping = self._stopping
        assert stopping is not None  # noqa: S101 - set by `_open`
        if handle_signals:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, stopping.set)
        if failpoints.armed():
            log.warning("failpoints are armed: this is no production %s", kv(points=",".join(failpoints.armed())))
        log.info("engine runs %s", kv(holder=self.holder, channels=len(self.channels)))
        s = self.settings
        chores = [
            asyncio.create_task(self._chore("claim", s.poll_seconds, lambda: self._claim(dispatcher))),
            asyncio.create_task(self._chore("renew", s.lease_seconds / 6, dispatcher.renew)),
            asyncio.create_task(self._chore("beat", s.beat_seconds, lambda: self._beat(dispatcher))),
            asyncio.create_task(self._chore("fold", s.poll_seconds, lambda: self._fold(dispatcher))),
            asyncio.create_task(self._chore("sweep", 0.5, lambda: self._sweep(dispatcher))),
            asyncio.create_task(self._chore("reconcile", s.reconcile_seconds, lambda: reconcile(dispatcher))),
        ]
        pump = asyncio.create_task(self._chore("pump", 0.0, lambda: self._pump(dispatcher)))
        await stopping.wait()
        for task in [*chores, pump]:
            task.cancel()
        await asyncio.gather(*chores, pump, return_exceptions=True)
        await self._close(dispatcher)
        log.info("engine stopped %s", kv(holder=self.holder, handed_over=dispatcher.handed_over))

    async def _chore(self, name: str, every: float, work: Callable[[], Awaitable[object]]) -> None:
        """Run `work` again and again; an error is logged and does not end it."""
        while True:
            try:
                busy = await work()
            except Exception:
                log.exception("chore failed %s", kv(chore=name, holder=self.holder))
                busy = False
                await asyncio.sleep(0.5)
            if not busy:
                await asyncio.sleep(every)

    async def _pump(self, dispatcher: Dispatcher) -> bool:
        if not await dispatcher.pump():
            dispatcher.wake.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(dispatcher.wake.wait(), dispatcher.idle_wait())
        return True

    async def _claim(self, dispatcher: Dispatcher) -> bool:
        claimed = await dispatcher.claim()
        if claimed and sum(len(lane.rows) for lane in dispatcher.lanes) < self.settings.batch:
            return True
        # Wait until the pump has eaten half of what is held, or a poll has passed.
        ends = time.monotonic() + self.settings.poll_seconds
        while time.monotonic() < ends:
            await asyncio.sleep(0.01)
            if claimed and dispatcher.hungry:
                return True
        return True

    async def _until_idle(self, seconds: float) -> int:
        dispatcher = await self._open()
        ends = time.monotonic() + seconds
        try:
            while time.monotonic() < ends and not self._stop_asked.is_set():
                busy = await self._sweep(dispatcher)
                busy = bool(await dispatcher.claim()) or busy
                while (dispatcher.lanes or dispatcher.in_flight) and time.monotonic() < ends:
                    if not await dispatcher.pump():
                        dispatcher.wake.clear()
                        with contextlib.suppress(TimeoutError):
                            await asyncio.wait_for(dispatcher.wake.wait(), dispatcher.idle_wait())
                    if dispatcher.hungry:
                        busy = bool(await dispatcher.claim()) or busy
                    await dispatcher.renew()
                    busy = True
                busy = bool(await reconcile(dispatcher)) or busy
                busy = await self._fold(dispatcher) or busy
                if not busy:
                    break
        finally:
            await self._close(dispatcher)
        return dispatcher.handed_over

    # -- keeping house -------------------------------------------------------------------------------------------

    async def _fold(self, dispatcher: Dispatcher) -> bool:
        batch = self.settings.fold_batch // (URGENT_FOLD if dispatcher.urgent else 1)
        looked = await dispatcher.write(lambda s: receipts.fold(s, self.ports, max(1, batch)))
        if looked:
            failpoints.reach("folded")
        return looked > 0

    async def _sweep(self, dispatcher: Dispatcher) -> bool:
        def work(session: Session) -> int:
            taken = blocks.take_over(session)
            count_after(session, self.ports.metrics, "notify_blocks_taken_over_total", taken)
            return taken + blocks.sweep(session, 1 if dispatcher.urgent else 4)

        await dispatcher.mind_the_clock()
        return await dispatcher.write(work) > 0

    def _bury_the_dead(self, session: Session) -> None:
        """Leases of engines of this machine whose process is gone need not run out first."""
        host = socket.gethostname()
        for beat in session.scalars(sa.select(EngineBeat).where(EngineBeat.host == host)).all():
            if beat.holder == self.holder:
                # In a container the process before us had our number and our name; what it held is held by nobody.
                while blocks.take_over(session, holder=beat.holder, limit=50):
                    pass
            elif beat.pid != os.getpid() and not _lives(beat.pid):
                while blocks.take_over(session, holder=beat.holder, limit=50):
                    pass
                session.execute(sa.delete(ChannelState).where(ChannelState.holder == beat.holder))
                session.delete(beat)

    async def _beat(self, dispatcher: Dispatcher) -> None:
        moment = time.monotonic()
        since, count = self._rate_mark
        rate = (dispatcher.handed_over - count) / (moment - since) if moment > since else 0.0
        self._rate_mark = (moment, dispatcher.handed_over)

        def work(session: Session) -> int:
            at = now(session)
            beat = session.get(EngineBeat, self.holder) or EngineBeat(holder=self.holder, started_at=self._started_at)
            beat.host, beat.pid, beat.beat_at = socket.gethostname(), os.getpid(), at
            beat.handed_over, beat.in_flight = dispatcher.handed_over, dispatcher.in_flight
            beat.per_second = round(rate, 1)
            beat.last_handed_over_at = dispatcher.last_handed_over
            session.add(beat)
            for channel in self.channels:
                state = session.get(ChannelState, (self.holder, channel.account))
                state = state or ChannelState(holder=self.holder, name=channel.account)
                state.channel, state.kinds = channel.name, ",".join(sorted(kind.value for kind in channel.kinds))
                state.configured_rate, state.updated_at = channel.rate, at
                show(state, dispatcher.roads.view(channel, moment), at, moment)
                session.add(state)
            self.ports.metrics.flush(session)
            switch = session.get(EngineSwitch, 1)
            dispatcher.claiming = not (switch and switch.drain_until and switch.drain_until > at) and (
                self._stopping is None or not self._stopping.is_set()
            )
            fresh = at - timedelta(seconds=RECENT_SECONDS)
            return session.scalar(sa.select(sa.func.count()).where(EngineBeat.beat_at >= fresh)) or 1

        engines = await dispatcher.write(work)
        for channel in self.channels:
            dispatcher.roads.limiters[channel.account].share(engines, moment, channel.rate)
        self.ports.metrics.gauge("notify_in_flight", dispatcher.in_flight, holder=self.holder)
        self.ports.metrics.gauge("notify_handed_over_per_second", rate, holder=self.holder)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
