"""What is measured, one function a scenario. Each begins with an empty ledger, a fresh gateway and fresh engines."""

from __future__ import annotations

import os
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ceiling
import celery_baseline
import harness
import sqlalchemy as sa
import straightforward
import waits

from kernel.db import Database
from notify import service
from notify.models import DeliveryState, DeliveryTally

OPEN = (DeliveryState.QUEUED, DeliveryState.CLAIMED, DeliveryState.UNKNOWN)
PATIENCE = 1800.0
SETTLED_IN = 2.0
"""Seconds at the beginning and the end of a run that do not count as steady (a quarter of a short one)."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What all scenarios of one database share."""

    database: Database
    folder: Path
    gateway: str
    repeat: int
    profile: str | None = None
    celery: Path | None = None
    redis: str = ""
    waits: bool = False

    def start_gateway(self, latency_ms: float = 0.0) -> harness.GatewayProcess:
        """A fresh gateway with an empty record."""
        return harness.GatewayProcess(self.gateway, self.folder, latency_ms)


def say(words: str) -> None:
    """Progress, beside the results."""
    sys.stderr.write(f"{words}\n")
    sys.stderr.flush()


def median(rows: list[dict[str, Any]], name: str) -> float:
    """The median of one figure over repeated runs."""
    return round(statistics.median(row[name] for row in rows), 3)


def _waiting(database: Database, broadcast_id: int) -> int:
    with database.read() as session:
        query = sa.select(sa.func.sum(DeliveryTally.messages)).where(
            DeliveryTally.broadcast_id == broadcast_id, DeliveryTally.state.in_(OPEN)
        )
        return int(session.scalar(query) or 0)


def _enter(database: Database, people: int, first: int = 0, priority: int = 0) -> tuple[int, float, float]:
    """Enter a broadcast in one transaction. Returns its number, the moment of the commit, and the seconds it took."""
    began = time.perf_counter()
    with database.write() as session:
        spec = harness.spec(database, priority=priority)
        record = service.broadcast(session, spec, harness.recipients(people, first))
        number, entered = record.id, record.messages
    committed = time.time()
    if entered != people:
        raise RuntimeError(f"{entered} messages were entered for {people} people")
    return number, committed, time.perf_counter() - began


def _until_done(database: Database, broadcast_id: int, people: int, engines: harness.EngineProcesses) -> None:
    """Until nothing waits, is under way or is unknown."""
    ends = time.monotonic() + PATIENCE
    while _waiting(database, broadcast_id):
        engines.check()
        if time.monotonic() > ends:
            raise RuntimeError("the engines did not finish")
        time.sleep(0.1 if people > 5_000 else 0.02)


def ledger(setting: Setting, people: int) -> dict[str, Any]:
    """Enter a broadcast to everybody: rows in order, constraints, tallies, blocks, commit."""
    runs = []
    for _ in range(setting.repeat):
        harness.empty_ledger(setting.database)
        load = os.getloadavg()[0]
        _, _, seconds = _enter(setting.database, people)
        runs.append({"seconds": round(seconds, 3), "load_before": round(load, 2)})
    return {"rows": people, "seconds": median(runs, "seconds"), "runs": runs}


def hand_over(setting: Setting, people: int, engines: int, latency_ms: float, rate: float = 1e9) -> dict[str, Any]:
    """From the ledger's commit until nothing waits any more, compared with the gateway's own record."""
    harness.empty_ledger(setting.database)
    load = os.getloadavg()[0]
    with (
        setting.start_gateway(latency_ms) as gateway,
        harness.EngineProcesses(setting.database, gateway, engines, rate, setting.profile) as running,
    ):
        before, gateway_before = running.usage(), gateway.usage()
        with waits.sampled(setting.database if setting.waits else None) as seen:
            number, committed, entering = _enter(setting.database, people)
            _until_done(setting.database, number, people, running)
            seconds = time.time() - committed
        after, gateway_after = running.usage(), gateway.usage()
        time.sleep(0.1)
        taken = gateway.taken()
    numbers = {to for _, to in taken}
    with setting.database.read() as session:
        done = service.tallies(session, [number]).by_state[DeliveryState.SUBMITTED]
    row: dict[str, Any] = {
        "messages": people,
        "handed_over": done,
        "ledger_seconds": round(entering, 3),
        "seconds": round(seconds, 3),
        "per_second": round(done / seconds),
        "engine_cpu_us": round((after.seconds - before.seconds) / people * 1e6, 1),
        "gateway_cpu_us": round((gateway_after.seconds - gateway_before.seconds) / people * 1e6, 1),
        "engine_peak_mb": round(after.peak_mb, 1),
        "first_ms": round((min(at for at, _ in taken) - committed) * 1000, 1),
        "lost": people - len(numbers),
        "doubled": len(taken) - len(numbers),
        "load_before": round(load, 2),
    }
    if setting.waits:
        row["database_waits"] = seen
    if rate < 1e9:
        row |= _steadiness([at for at, _ in taken], rate)
    return row


def _steadiness(moments: list[float], configured: float) -> dict[str, Any]:
    """How a rate was held between the first and the last seconds, and in the fullest single second of it."""
    moments.sort()
    edge = min(SETTLED_IN, (moments[-1] - moments[0]) / 4)
    steady = [at for at in moments if moments[0] + edge <= at <= moments[-1] - edge]
    held = (len(steady) - 1) / (steady[-1] - steady[0]) if len(steady) > 1 else 0.0
    most, left = 0, 0
    for right, at in enumerate(steady):
        while at - steady[left] >= 1.0:
            left += 1
        most = max(most, right - left + 1)
    return {
        "configured": configured,
        "held": round(held, 1),
        "deviation_percent": round((held - configured) / configured * 100, 2),
        "steady_seconds": round(steady[-1] - steady[0], 2) if steady else 0.0,
        "most_in_a_second": most,
    }


def paired(
    setting: Setting, messages: int, baseline: int, engines: int, latency_ms: float, wanted: set[str]
) -> dict[str, Any]:
    """The engine and what it is compared with, one after the other, again and again; ratios pair by pair."""
    runs: list[dict[str, Any]] = []
    slow = max(10, baseline // 20) if latency_ms >= 20 else baseline
    in_flight = 64 if latency_ms < 20 else 800
    for turn in range(setting.repeat):
        say(f"  {setting.database.engine.dialect.name}, {engines} engine(s), {latency_ms:g} ms: run {turn + 1}")
        run: dict[str, Any] = {}
        if "handover" in wanted:
            run["engine"] = hand_over(setting, messages, engines, latency_ms)
        if "ceiling" in wanted:
            with setting.start_gateway(latency_ms) as gateway:
                run["ceiling"] = ceiling.run(gateway, messages, engines, in_flight)
        if "handover" in wanted:
            harness.empty_ledger(setting.database)
            with setting.start_gateway(latency_ms) as gateway:
                run["straightforward"] = straightforward.run(setting.database, gateway, slow)
        if "celery" in wanted and setting.celery is not None:
            harness.empty_ledger(setting.database)
            with setting.start_gateway(latency_ms) as gateway:
                try:
                    run["celery"] = celery_baseline.run(
                        setting.celery, setting.redis, setting.database, gateway, slow, engines, setting.folder
                    )
                except RuntimeError as error:
                    # The baseline broke, not the engine: the run goes on, and says so.
                    run["celery_failed"] = str(error)[:300]
                    say(f"  {run['celery_failed']}")
        runs.append(run)
    result: dict[str, Any] = {"engines": engines, "latency_ms": latency_ms, "runs": runs}
    for name in ("engine", "ceiling", "straightforward", "celery"):
        rows = [run[name] for run in runs if name in run]
        if rows:
            result[name] = median(rows, "per_second")
        if name != "engine" and rows and "engine" in runs[0]:
            ratios = [run["engine"]["per_second"] / run[name]["per_second"] for run in runs if name in run]
            result[f"engine_to_{name}"] = round(statistics.median(ratios), 3)
    return result


def rate(setting: Setting, configured: float, engines: int, seconds: float, latency_ms: float) -> dict[str, Any]:
    """Whether the account's rate is the only limit and is held, on the gateway's own clock."""
    runs = []
    for _ in range(setting.repeat):
        say(f"  {setting.database.engine.dialect.name}, {engines} engine(s), {configured:g}/s at {latency_ms:g} ms")
        runs.append(hand_over(setting, max(20, int(configured * seconds)), engines, latency_ms, configured))
    worst = max((run["deviation_percent"] for run in runs), key=abs)
    return {
        "configured": configured,
        "engines": engines,
        "latency_ms": latency_ms,
        "held": median(runs, "held"),
        "deviation_percent": median(runs, "deviation_percent"),
        "worst_deviation_percent": worst,
        "runs": runs,
    }


def memory(setting: Setting, sizes: list[int], engines: int) -> list[dict[str, Any]]:
    """The most memory of an engine, by the size of the broadcast; the largest is the whole district."""
    results = []
    for people in sorted(set(sizes)):
        say(f"  {setting.database.engine.dialect.name}, {engines} engine(s), {people} people: memory")
        run = hand_over(setting, people, engines, 0.0)
        results.append({"people": people, "engines": engines, **run})
    return results


def first(setting: Setting, messages: int, routine: int, turns: int) -> dict[str, Any]:
    """How soon the first message is out: of an idle engine, and of one that is busy with a routine broadcast."""
    database = setting.database
    idle: list[float] = []
    harness.empty_ledger(database)
    with setting.start_gateway() as gateway, harness.EngineProcesses(database, gateway, 1, 1e9) as running:
        for turn in range(turns):
            seen = len(gateway.taken())
            number, committed, _ = _enter(database, messages)
            _until_done(database, number, messages, running)
            time.sleep(0.2 + 0.037 * turn)  # polls of the engine and our commits must not march in step
            idle.append((gateway.taken()[seen][0] - committed) * 1000)
    result = {"messages": messages, "idle_ms": round(statistics.median(idle), 1), "idle_worst_ms": round(max(idle), 1)}
    if not routine:
        return result
    harness.empty_ledger(database)
    urgent = min(messages, 1000)
    with setting.start_gateway(100.0) as gateway, harness.EngineProcesses(database, gateway, 1, 1e9) as running:
        _enter(database, routine, priority=6)
        time.sleep(min(2.0, routine / 10_000))
        number, committed, _ = _enter(database, urgent, first=routine)
        waited = _waiting(database, number)
        _until_done(database, number, urgent, running)
        time.sleep(0.2)
        wanted = {harness.number(i) for i in range(routine, routine + urgent)}
        moments = sorted(at for at, to in gateway.taken() if to in wanted)
    return result | {
        "routine": routine,
        "urgent": urgent,
        "urgent_waiting_at_start": waited,
        "behind_routine_first_ms": round((moments[0] - committed) * 1000, 1),
        "behind_routine_last_ms": round((moments[-1] - committed) * 1000, 1),
    }
