"""Does a red warning wait? `python benchmarks/urgent.py [--smoke]`; writes `benchmarks/urgent.json`.

A red warning of `--red` numbers is entered into an idle system, and then while (1) routine messages wait and leave,
(2) residents are imported, (3) receipts pour in. Measured by the gateway's own record: seconds from the commit to the
first red message, and red messages a second, with the load and without. `entering` says how long the writer itself was
waited for, which is the price of SQLite's single writer; (4) is the worst of it, a routine broadcast that is being
entered in that very moment.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import harness
import sqlalchemy as sa

from kernel.db import Database, make_engine
from notify import receipts, service
from notify.models import Broadcast, Delivery, DeliveryState, ReceiptKind

RESULTS = Path(__file__).parent / "urgent.json"
ROUTINE, RED = 4, 0
RATE = 1000.0
"""Messages a second of the account: what a district can buy, and less than the engine can do."""


def prepare(url: str, folder: Path, divisions: Path) -> Database:
    """An installation of the product with the district's divisions, and the benchmark's own people beside it."""
    (folder / "config.toml").write_text((harness.ROOT / "config.toml").read_text("utf-8"), "utf-8")
    if url.startswith("postgresql"):
        admin = sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            connection.execute(sa.text("DROP SCHEMA public CASCADE"))
            connection.execute(sa.text("CREATE SCHEMA public"))
        admin.dispose()
    product(url, folder, "db", "upgrade")
    product(url, folder, "import", "divisions", str(divisions))
    database = Database(make_engine(url))
    harness.side.create_all(database.engine)
    return database


def environment(url: str, folder: Path) -> dict[str, str]:
    """What makes a process of the product belong to this installation."""
    return {
        **os.environ,
        "EMERGENCY_CONFIG": str(folder / "config.toml"),
        "EMERGENCY__DATABASE__URL": url,
        "PYTHONPATH": str(harness.ROOT),
    }


def product(url: str, folder: Path, *command: str) -> None:
    """Run a command of the product to its end."""
    subprocess.run(
        [sys.executable, "-m", "emergency", *command], env=environment(url, folder), cwd=folder, check=True,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip


def enter(database: Database, first: int, people: int, priority: int) -> tuple[Broadcast, float]:
    """Enter a broadcast; returns it with the seconds that this took."""
    began = time.perf_counter()
    with database.write() as session:
        record = service.broadcast(
            session, harness.spec(database, priority=priority), harness.recipients(people, first)
        )
    return record, time.perf_counter() - began


def red(database: Database, gateway: harness.GatewayProcess, first: int, people: int) -> dict[str, float]:
    """A red warning, and how long its first and its last message took."""
    record, entering = enter(database, first, people, RED)
    committed = time.time()
    ends = time.monotonic() + 300
    while time.monotonic() < ends:
        time.sleep(0.1)
        with database.read() as session:
            if not service.tallies(session, [record.id]).waiting:
                break
    wanted = {harness.number(index) for index in range(first, first + people)}
    times = [at for at, to in gateway.taken() if to in wanted]
    # The gateway writes its record in pieces; the moment in it is that of the message.
    spent = max(times[-1] - times[0], 0.001)
    return {
        "entering_seconds": round(entering, 3),
        "first_seconds": round(times[0] - committed, 3),
        "per_second": round((len(times) - 1) / spent),
        "lost": people - len({to for _, to in gateway.taken() if to in wanted}),
    }


@contextmanager
def importing(url: str, folder: Path, people: int) -> Iterator[None]:
    """The product's own import of residents, in a process of its own."""
    database = Database(make_engine(url))
    with database.read() as session:
        villages = session.scalars(sa.text("SELECT code FROM division WHERE level = 5 ORDER BY code")).all()
    database.engine.dispose()
    path = folder / "residents.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["external_id", "division_code", "name", "phone", "household"])
        for i in range(people):
            village = villages[i % len(villages)]
            writer.writerow([f"B{i}", village, "张某某", f"+86164{i // 90:06d}{i % 90:02d}", f"H{i // 3}"])
    running = subprocess.Popen(
        [sys.executable, "-m", "emergency", "import", "residents", str(path)], env=environment(url, folder),
        cwd=folder, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        time.sleep(5.0)
        if running.poll() is not None:
            raise RuntimeError("the import was over before it was measured; give it more residents")
        yield
        if running.poll() is not None:
            print("the import ended while it was measured", file=sys.stderr)
    finally:
        running.terminate()
        running.wait(60)


def receiving(url: str, broadcast_id: int, per_second: float) -> None:
    """Store status receipts as the webhook does, at a rate, until this process is ended."""
    database = Database(make_engine(url))
    taker = receipts.Taker(database)
    with database.read() as session:
        rows = session.execute(
            sa.select(Delivery.id, Delivery.provider_ref).where(Delivery.broadcast_id == broadcast_id)
        ).all()
    feed = iter(rows)
    gate = threading.Lock()
    began, stored = time.monotonic(), [0]

    def work() -> None:
        while True:
            with gate:
                row = next(feed, None)
                number = stored[0]
                stored[0] += 1
            if row is None:
                return
            wait = began + number / per_second - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            form = {"MessageSid": row.provider_ref, "MessageStatus": "delivered", "AccountSid": harness.ACCOUNT}
            sealed = json.dumps({"url": "https://example.invalid/", "form": form}).encode()
            taker.store(receipts.Incoming(ReceiptKind.STATUS, "sms", row.id, sealed, None))

    threads = [threading.Thread(target=work) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@contextmanager
def pouring(database: Database, url: str, broadcast: Broadcast, per_second: float) -> Iterator[None]:
    """Receipts for a broadcast that has left, from a process of their own."""
    command = [sys.executable, __file__, "--receiving", url, str(broadcast.id), str(per_second)]
    running = subprocess.Popen(command)
    try:
        time.sleep(3.0)
        yield
    finally:
        running.terminate()
        running.wait(30)


@contextmanager
def nothing() -> Iterator[None]:
    """No load."""
    yield


def all_gone(database: Database, broadcast: Broadcast) -> None:
    """Wait until a broadcast was handed over."""
    while True:
        time.sleep(0.5)
        with database.read() as session:
            tally = service.tallies(session, [broadcast.id])
        if tally.by_state[DeliveryState.SUBMITTED] == tally.messages:
            return


def measure(database: Database, url: str, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Every scenario on one database, each beside the same warning without a load."""
    people, routine = options.red, options.waiting
    found: dict[str, Any] = {}

    def run(name: str, first: int, load: Callable[[], Any]) -> None:
        with load():
            found[name] = red(database, gateway, first, people)
        print(name, found[name], file=sys.stderr)

    with (
        harness.GatewayProcess(options.gateway, folder, latency_ms=options.latency_ms) as gateway,
        harness.EngineProcesses(database, gateway, 1, RATE),
    ):
        place = iter(range(routine, routine + 10 * people, people))
        run("idle", next(place), nothing)
        run("import", next(place), lambda: importing(url, folder, options.residents))
        left, _ = enter(database, 0, options.receipts, RED)
        all_gone(database, left)
        run("receipts", next(place), lambda: pouring(database, url, left, options.receipts_per_second))
        _, entering = enter(database, 0, routine, ROUTINE)
        found["routine_entered"] = {"messages": routine, "seconds": round(entering, 2)}
        time.sleep(3.0)
        run("waiting", next(place), nothing)
        other = threading.Thread(target=enter, args=(database, 0, routine, ROUTINE))
        other.start()
        time.sleep(0.2)
        run("routine_being_entered", next(place), nothing)
        other.join()
    for name in ("import", "receipts", "waiting"):
        found[name]["rate_kept"] = round(found[name]["per_second"] / found["idle"]["per_second"], 3)
    return found


def main() -> int:
    """Measure on SQLite, and on PostgreSQL where one is given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="small figures: does it still run")
    parser.add_argument("--waiting", type=int, default=500_000)
    parser.add_argument("--residents", type=int, default=100_000)
    parser.add_argument("--receipts", type=int, default=60_000)
    parser.add_argument("--receipts-per-second", type=float, default=1500.0)
    parser.add_argument("--red", type=int, default=10_000)
    parser.add_argument("--latency-ms", type=float, default=20.0)
    parser.add_argument("--gateway", choices=["instant", "local"], default="local")
    parser.add_argument(
        "--divisions", type=Path, default=harness.ROOT / "emergency" / "divisions" / "data" / "jinghai.csv"
    )
    parser.add_argument("--postgres", default=os.environ.get("EMERGENCY_BENCH_POSTGRES_URL"))
    parser.add_argument("--only-postgres", action="store_true")
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--receiving", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.receiving:
        url, broadcast_id, rate = options.receiving
        receiving(url, int(broadcast_id), float(rate))
        return 0
    if options.smoke:
        options.waiting, options.residents, options.receipts, options.red = 20_000, 12_000, 10_000, 1_000
    report: dict[str, Any] = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 2),
        "account_rate": RATE,
        "figures": {name: getattr(options, name) for name in ("waiting", "residents", "receipts", "red", "latency_ms")},
        "runs": {},
    }
    with tempfile.TemporaryDirectory() as scratch:
        targets = {} if options.only_postgres else {"sqlite": f"sqlite:///{scratch}/urgent.db"}
        if options.postgres:
            targets["postgresql"] = options.postgres
        for name, url in targets.items():
            folder = Path(scratch) / name
            folder.mkdir()
            database = prepare(url, folder, options.divisions)
            harness.populate(database, options.waiting + 10 * options.red)
            report["runs"][name] = measure(database, url, folder, options)
            database.engine.dispose()
    options.output.write_text(json.dumps(report, ensure_ascii=False, indent=2) + "\n", "utf-8")
    print(json.dumps(report, ensure_ascii=False, indent=2))
    late = [
        (run, name)
        for run, found in report["runs"].items()
        for name in ("idle", "import", "receipts", "waiting")
        if found[name]["first_seconds"] > 1.0 or found[name]["lost"]
    ]
    return 1 if late else 0


if __name__ == "__main__":
    sys.exit(main())
