"""The benchmarks with their paired baselines: `python benchmarks/run.py [--smoke]`; writes `benchmarks/results.json`.

Each engine and the gateway run in processes of their own. The baseline in the same run is the straightforward script:
ORM rows, `client.messages.create` in a loop, a commit per row, against the same gateway.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import harness
import sqlalchemy as sa

from kernel.db import Database
from notify import service
from notify.models import Delivery, DeliveryState

RESULTS = Path(__file__).parent / "results.json"


@contextmanager
def engines(url: str, gateway: str, count: int, rate: float, profile: str | None) -> Iterator[list[Any]]:
    """So many engine processes, stopped at the end."""
    command = [sys.executable, str(Path(harness.__file__)), url, gateway, "--rate", str(rate)]
    if profile:
        command += ["--profile", profile]
    running = [subprocess.Popen(command) for _ in range(count)]
    try:
        yield running
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(60)


def cpu_seconds(pid: int) -> float:
    """Processor time that a living process has used: on a shared machine it says more than the clock."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text("utf-8").rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def ledger(database: Database, people: int) -> dict[str, Any]:
    """Enter a broadcast to everybody, in one transaction."""
    began = time.perf_counter()
    with database.write() as session:
        record = service.broadcast(session, harness.spec(database), harness.recipients(people))
        entered = record.messages
    seconds = time.perf_counter() - began
    return {"rows": entered, "seconds": round(seconds, 2), "broadcast": record.id}


def hand_over(
    database: Database,
    url: str,
    folder: Path,
    people: int,
    count: int,
    options: list[str],
    rate: float,
    profile: str | None,
) -> dict[str, Any]:
    """Ledger, then engines until nothing waits, then the comparison with the gateway's own record."""
    load = os.getloadavg()[0]
    gateway = harness.GatewayProcess(folder / "gateway.jsonl", "--receipts", "none", *options)
    try:
        with engines(url, gateway.url, count, rate, profile) as running:
            time.sleep(2.0)
            entered = ledger(database, people)
            began = time.perf_counter()
            first = None
            while True:
                time.sleep(0.25 if first else 0.02)
                with database.read() as session:
                    tally = service.tallies(session, [entered["broadcast"]])
                if first is None and tally.by_state[DeliveryState.QUEUED] < tally.messages:
                    first = time.perf_counter() - began
                done = tally.by_state[DeliveryState.SUBMITTED]
                if not tally.waiting and not tally.by_state[DeliveryState.UNKNOWN]:
                    break
                if time.perf_counter() - began > 1800:
                    break
            seconds = time.perf_counter() - began
            engine_cpu = sum(cpu_seconds(process.pid) for process in running)
        gateway_cpu = cpu_seconds(gateway.process.pid)
        numbers = gateway.taken()
    finally:
        gateway.stop()
    return {
        "ledger": entered,
        "engines": count,
        "messages": people,
        "handed_over": done,
        "seconds": round(seconds, 2),
        "per_second": round(done / seconds),
        "engine_cpu_seconds": round(engine_cpu, 2),
        "gateway_cpu_seconds": round(gateway_cpu, 2),
        "per_engine_cpu_second": round(done / max(0.01, engine_cpu)),
        "load_before": round(load, 2),
        "first_intent_seconds": round(first or 0, 2),
        "lost": people - len(set(numbers)),
        "doubled": len(numbers) - len(set(numbers)),
    }


def straightforward(database: Database, folder: Path, messages: int, options: list[str]) -> dict[str, Any]:
    """What one would write first: a row at a time, the stock client, a commit each."""
    from sqlalchemy.orm import Session
    from twilio.rest import Client

    gateway = harness.GatewayProcess(folder / "baseline.jsonl", "--receipts", "none", *options)
    ports_book = harness.Book(database)
    with database.write() as session:
        record = service.broadcast(session, harness.spec(database), harness.recipients(messages))
    client = Client(harness.ACCOUNT, harness.TOKEN)
    client.api.base_url = gateway.url
    began = time.perf_counter()
    try:
        with Session(database.engine) as session:
            ids = session.scalars(sa.select(Delivery.id).where(Delivery.broadcast_id == record.id)).all()
            session.rollback()
            for delivery_id in ids:
                row = session.get_one(Delivery, delivery_id)
                sealed = session.execute(
                    sa.select(harness.person.c.sealed).where(harness.person.c.id == row.address_key)
                ).scalar_one()
                aad = b"phone:%d" % row.address_key
                to = ports_book.cipher.decrypt(sealed[:12], sealed[12:], aad).decode()
                row.state = DeliveryState.CLAIMED
                session.commit()
                sent = client.messages.create(to=to, from_="+8602200001234", body=f"【静海应急】{record.text}")
                row.state, row.provider_ref = DeliveryState.SUBMITTED, sent.sid
                session.commit()
    finally:
        gateway.stop()
    seconds = time.perf_counter() - began
    return {"messages": messages, "seconds": round(seconds, 2), "per_second": round(messages / seconds)}


def main() -> int:
    """Run what was asked for and write it down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="a few hundred messages: does it still run")
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--ledger", type=int, default=787_106)
    parser.add_argument("--baseline", type=int, default=2_000)
    parser.add_argument("--engines", type=int, default=1)
    parser.add_argument("--latency-ms", type=float, default=0.0)
    parser.add_argument("--rate", type=float, default=1e9)
    parser.add_argument("--postgres", default=os.environ.get("EMERGENCY_BENCH_POSTGRES_URL"))
    parser.add_argument("--only-postgres", action="store_true")
    parser.add_argument("--profile", help="write the first engine's cProfile here")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    if options.smoke:
        options.messages, options.ledger, options.baseline = 400, 2_000, 50
    report: dict[str, Any] = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "smoke": options.smoke,
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "command": " ".join(["python", "benchmarks/run.py", *sys.argv[1:]]),
        "runs": {},
    }
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        targets = {} if options.only_postgres else {"sqlite": f"sqlite:///{folder / 'bench.db'}"}
        if options.postgres:
            targets["postgresql"] = options.postgres
        for name, url in targets.items():
            database = harness.fresh(url)
            harness.populate(database, max(options.messages, options.ledger))
            faults = ["--latency-ms", str(options.latency_ms)]
            run: dict[str, Any] = {"latency_ms": options.latency_ms}
            run["hand_over"] = hand_over(
                database, url, folder, options.messages, options.engines, faults, options.rate, options.profile
            )
            if options.baseline:
                run["straightforward"] = straightforward(database, folder, options.baseline, faults)
                run["ratio"] = round(run["hand_over"]["per_second"] / max(1, run["straightforward"]["per_second"]), 1)
            if options.ledger:
                run["ledger"] = ledger(database, options.ledger)
            report["runs"][name] = run
            database.engine.dispose()
    options.output.write_text(json.dumps(report, ensure_ascii=False, indent=2) + "\n", "utf-8")
    print(json.dumps(report, ensure_ascii=False, indent=2))
    bad = any(run["hand_over"]["lost"] or run["hand_over"]["doubled"] for run in report["runs"].values())
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
