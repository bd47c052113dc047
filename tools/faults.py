"""Random faults against the real engine, and at the end an exact reckoning with the gateway's own record.

`python tools/faults.py --seconds 240 --seed 7 --database sqlite --engines 2`: engines are killed, frozen longer than
their lease, stopped, and told to die at a failpoint; the gateway and the web process are killed and come back; the
gateway answers with 429, 500, a proxy's page, silence, a reset or no reference, before and after it took the message;
connections to PostgreSQL are cut; one broadcast is cancelled, one expires, urgent ones come in between. Then calm
returns, and within a minute, with nobody's help, everybody must have had each message once at most, nothing may be
unknown, and ledger, tallies and record must agree row by row. What differs is printed, and the exit code is 1.

`--people 200000 --engines 4 --kill 1 --freeze 1` is the other play: one broadcast that engines share while so many of
them are killed, and frozen longer than their lease and continued.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).resolve().parent))

from fault_stage import SETTINGS, Process, Stage, differences, receipts_missing, run_engine, run_webhook

from notify import failpoints

RESOLVED_WITHIN = 60.0
RATE = 240.0
OPEN = ("queued", "claimed", "unknown")
SHARES = (
    "429", "500", "500_after_accept", "silence", "silence_after_accept", "reset", "reset_after_accept", "html",
    "html_after_accept", "no_sid",
)  # fmt: skip
ENGINE_POINTS = [name for name in failpoints.POINTS if name not in ("entered", "receipt_verified", "receipt_stored")]


class Chaos:
    """Draws what goes wrong next, all of it from one seed."""

    def __init__(self, stage: Stage, seed: int):
        self.stage = stage
        self.random = random.Random(seed)
        self.done: Counter[str] = Counter()
        self._later: list[tuple[float, Callable[[], None]]] = []
        self._urgent = 0
        self._settings: dict[str, Any] = {}

    def play(self, seconds: float) -> None:
        """So many seconds of it."""
        ends = time.monotonic() + seconds
        cancel_at = time.monotonic() + seconds * self.random.uniform(0.2, 0.6)
        victim: int | None = self.victim
        turns = [
            (self._kill_engine, 4), (self._freeze_engine, 3), (self._stop_engine, 1), (self._kill_gateway, 2),
            (self._faults, 4), (self._kill_webhook, 2), (self._enter_urgent, 2), (self._cut_connections, 2),
        ]  # fmt: skip
        moves, weights = [move for move, _ in turns], [weight for _, weight in turns]
        self._faults()
        while time.monotonic() < ends:
            pause = time.monotonic() + self.random.uniform(0.2, 1.8)
            self.random.choices(moves, weights)[0]()
            if victim is not None and time.monotonic() > cancel_at:
                self.stage.cancel(victim)
                self.done["cancel"] += 1
                victim = None
            while time.monotonic() < min(pause, ends):
                self._catch_up()
                time.sleep(0.05)

    def begin(self, seconds: float) -> None:
        """The broadcasts that are under way while it goes wrong."""
        count = max(200, int(RATE * seconds * 0.45))
        enter = self.stage.enter
        enter("日常通知：请核对家中应急物资。", 1_000, count, priority=6)
        self.victim = enter("大风蓝色预警：请收好门前物品。", 1_000, count, priority=5, valid_seconds=3600)
        enter("短时降雨提示：请绕行低洼路段。", 500_000, count // 2, priority=7, valid_seconds=seconds * 0.7)

    def calm(self) -> None:
        """Everything lives again, and nothing goes wrong any more."""
        for _, act in sorted(self._later, key=lambda one: one[0]):
            act()
        self._later.clear()
        for process in self.stage.everything():
            process.signal(signal.SIGCONT)
            process.frozen_until = 0.0
            if not process.alive:
                process.start()
        clean = {f"share_{name}": 0 for name in SHARES}
        ends = time.monotonic() + 30
        while self.stage.control("/faults", {**clean, "latency_ms": 0, "jitter_ms": 0}) is None:
            if time.monotonic() > ends:
                raise RuntimeError("the gateway did not come back")
            time.sleep(0.1)

    def mind(self) -> None:
        """Start what died at a failpoint that it was armed with."""
        self._catch_up()

    def _after(self, seconds: float, act: Callable[[], None]) -> None:
        self._later.append((time.monotonic() + seconds, act))

    def _catch_up(self) -> None:
        due = [one for one in self._later if one[0] <= time.monotonic()]
        self._later = [one for one in self._later if one[0] > time.monotonic()]
        for _, act in sorted(due, key=lambda one: one[0]):
            act()
        waiting = {id(process) for process in self.stage.engines if process.frozen_until}
        for engine in self.stage.engines:
            if not engine.alive and id(engine) not in waiting:
                self.done["died at a failpoint"] += 1
                self._start(engine)

    def _start(self, engine: Process) -> None:
        if engine.alive:
            return
        engine.frozen_until = 0.0
        wish = ""
        if self.random.random() < 0.4:
            point = self.random.choice(ENGINE_POINTS)
            action = self.random.choice(["kill", "kill", "fail", f"freeze:{SETTINGS.lease_seconds + 1}"])
            wish = f"{point}={action}@{self.random.randint(1, 12)}"
        engine.start(**{failpoints.VARIABLE: wish})

    def _victim(self) -> Process | None:
        awake = [engine for engine in self.stage.engines if engine.alive and not engine.frozen_until]
        return self.random.choice(awake) if awake else None

    def _kill_engine(self) -> None:
        engine = self._victim()
        if engine is not None:
            engine.kill()
            engine.frozen_until = float("inf")
            self._after(self.random.uniform(0.0, 1.5), lambda: self._start(engine))
            self.done["engine killed"] += 1

    def _freeze_engine(self) -> None:
        engine = self._victim()
        if engine is None:
            return
        seconds = SETTINGS.lease_seconds * self.random.uniform(0.4, 1.8)
        engine.signal(signal.SIGSTOP)
        engine.frozen_until = time.monotonic() + seconds

        def thaw() -> None:
            engine.signal(signal.SIGCONT)
            engine.frozen_until = 0.0

        # Not in this thread: it may be waiting for a lock that the frozen one holds.
        timer = threading.Timer(seconds, thaw)
        timer.daemon = True
        timer.start()
        self.done["engine frozen"] += 1

    def _stop_engine(self) -> None:
        engine = self._victim()
        if engine is not None:
            engine.stop()
            self._start(engine)
            self.done["engine stopped"] += 1

    def _kill_gateway(self) -> None:
        gateway = self.stage.gateway
        if gateway.alive:
            gateway.kill()
            self.done["gateway killed"] += 1

            def back() -> None:
                gateway.start()
                self._after(1.0, lambda: self._tell(self._settings))

            self._after(self.random.uniform(0.0, 2.0), back)

    def _kill_webhook(self) -> None:
        webhook = self.stage.webhook
        if self.stage.receipts and webhook.alive:
            webhook.kill()
            self._after(self.random.uniform(0.0, 1.0), webhook.start)
            self.done["webhook killed"] += 1

    def _faults(self) -> None:
        chosen = self.random.sample(SHARES, self.random.randint(1, 4))
        shares = {name: self.random.uniform(0.02, 0.2) if name in chosen else 0.0 for name in SHARES}
        self._settings = {
            **{f"share_{name}": share for name, share in shares.items()},
            "latency_ms": self.random.choice([0, 5, 40, 150]),
            "jitter_ms": self.random.choice([0, 20, 100]),
            "retry_after": self.random.choice([None, 0.2, 1.0]),
            "seed": self.random.randrange(1 << 30),
        }
        self._tell(self._settings)
        self.done["gateway changed"] += 1

    def _tell(self, settings: dict[str, Any]) -> None:
        self.stage.control("/faults", settings)

    def _enter_urgent(self) -> None:
        self._urgent += 1
        self.stage.enter(f"红色预警第{self._urgent}号：请立即转移。", 1_000, self.random.randint(5, 60), priority=0)
        self.done["urgent"] += 1

    def _cut_connections(self) -> None:
        if self.stage.database.is_sqlite:
            return
        with self.stage.database.read() as session:
            pids = session.scalars(
                sa.text(
                    "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            ).all()
            for pid in self.random.sample(list(pids), len(pids) // 2):
                session.execute(sa.text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
        self.done["connections cut"] += 1


@contextmanager
def database(wish: str, folder: Path) -> Iterator[str]:
    """A scratch database: a file in `folder`, or one beside the PostgreSQL database that was named."""
    if wish == "sqlite":
        yield f"sqlite:///{folder / 'faults.db'}"
        return
    admin = sa.create_engine(
        sa.make_url(wish).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool
    )
    name = f"emergency_faults_{os.getpid()}"
    with admin.connect() as connection:
        connection.execute(sa.text(f'CREATE DATABASE "{name}"'))
    try:
        yield sa.make_url(wish).set(database=name).render_as_string(hide_password=False)
    finally:
        with admin.connect() as connection:
            connection.execute(sa.text(f'DROP DATABASE "{name}" WITH (FORCE)'))


def settled(stage: Stage, seconds: float, mind: Callable[[], None] | None = None) -> float | None:
    """Seconds until nothing is open any more; None when that is longer than `seconds`."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        if mind is not None:
            mind()
        if not any(stage.states()[state] for state in OPEN):
            return time.monotonic() - began
        time.sleep(0.1)
    return None


def judge(stage: Stage, took: float | None) -> int:
    """Print the reckoning; 1 where anything differs."""
    faults = [] if took is not None else [f"not everything was settled: {dict(stage.states())}"]
    if stage.receipts:
        ends = time.monotonic() + 8  # the gateway's last tries to bring a receipt
        while receipts_missing(stage) and time.monotonic() < ends:
            time.sleep(0.3)
    stage.close()
    faults += differences(stage)
    print(f"states: {dict(sorted(stage.states().items()))}")
    counted = {name: count for name, count in stage.counted().items() if "first_message" not in name}
    print(f"counted: {json.dumps(counted)}")
    if stage.receipts:
        print(f"receipts that never came (their sender or ours was dead): {receipts_missing(stage)}")
    for fault in faults[:40]:
        print(f"DIFFERS {fault}")
    print(f"{len(faults)} differences")
    return 1 if faults else 0


def torment(options: argparse.Namespace, folder: Path, url: str) -> int:
    """Random faults for so many seconds."""
    stage = Stage(folder, url, options.engines, rate=RATE, receipts=True)
    chaos = Chaos(stage, options.seed)
    try:
        stage.open()
        chaos.begin(options.seconds)
        chaos.play(options.seconds)
        print(f"after {options.seconds:.0f} s: {dict(chaos.done)}; {dict(stage.states())}", flush=True)
        chaos.calm()
        left = sum(stage.states()[state] for state in ("queued", "claimed"))
        took = settled(stage, RESOLVED_WITHIN + left / (RATE * 0.3), chaos.mind)
        print(f"calm: everything settled {'never' if took is None else f'after {took:.1f} s'}", flush=True)
        return judge(stage, took)
    finally:
        stage.close()


def share(options: argparse.Namespace, folder: Path, url: str) -> int:
    """One broadcast, several engines; some are killed, some frozen longer than their lease."""
    lease = options.lease
    changes = {
        "lease_seconds": lease,
        "intent_chunk": 400,
        "request_timeout": lease * 0.6,
        "beat_seconds": 1.0,
        "concurrency": 120,
    }
    stage = Stage(
        folder, url, options.engines, rate=options.rate, receipts=False, absent_after_seconds=lease, **changes
    )
    try:
        stage.open()
        began = time.monotonic()
        stage.enter("台风黄色预警：今晚请勿外出。", 0, options.people, priority=1)
        print(f"{options.people} people entered in {time.monotonic() - began:.1f} s", flush=True)
        began, open_engines = time.monotonic(), list(stage.engines)

        def sent_share(part: float) -> None:
            while 1 - stage.states()["queued"] / options.people < part and time.monotonic() - began < 600:
                time.sleep(0.02)

        sent_share(0.2)
        for _ in range(min(options.kill, len(open_engines) - 1)):
            open_engines.pop().kill()
        frozen = [open_engines.pop() for _ in range(min(options.freeze, len(open_engines) - 1))]
        sent_share(0.35)
        for engine in frozen:
            engine.signal(signal.SIGSTOP)
        frozen_at = time.monotonic()
        took = settled(stage, lease * 2.5)
        time.sleep(max(0.0, lease * 1.5 - (time.monotonic() - frozen_at)))
        for engine in frozen:
            engine.signal(signal.SIGCONT)
        if took is None or frozen:
            took = settled(stage, 600)
        total = time.monotonic() - began
        time.sleep(1.5)
        print(f"settled in {total:.1f} s with {options.kill} killed and {options.freeze} frozen", flush=True)
        return judge(stage, took)
    finally:
        stage.close()


def main(argv: list[str] | None = None) -> int:
    """0 when everything agrees, 1 when anything differs, 2 when it could not be tried."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=200.0)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--database", default="sqlite", help="sqlite, or the address of a PostgreSQL database")
    parser.add_argument("--engines", type=int, default=None)
    parser.add_argument("--people", type=int, default=0, help="share one broadcast instead of random faults")
    parser.add_argument("--kill", type=int, default=1)
    parser.add_argument("--freeze", type=int, default=1)
    parser.add_argument("--lease", type=float, default=6.0, help="of the shared broadcast, in seconds")
    parser.add_argument("--rate", type=float, default=1e6, help="messages a second of the shared broadcast's account")
    parser.add_argument("--keep", action="store_true", help="keep the folder with logs and the gateway's record")
    parser.add_argument("--as-engine", help=argparse.SUPPRESS)
    parser.add_argument("--as-webhook", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(message)s")
    if options.as_engine:
        run_engine(*json.loads(options.as_engine))
        return 0
    if options.as_webhook:
        run_webhook(*json.loads(options.as_webhook))
        return 0
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(1_000_000)
    if options.engines is None:
        options.engines = 2 if options.database == "sqlite" else 3
    folder = Path(tempfile.mkdtemp(prefix="emergency-faults-"))
    kind = "sqlite" if options.database == "sqlite" else "postgresql"
    print(f"seed {options.seed}, {kind}, {options.engines} engines, logs in {folder}", flush=True)
    with database(options.database, folder) as url:
        code = share(options, folder, url) if options.people else torment(options, folder, url)
    if code == 0 and not options.keep:
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
    return code


if __name__ == "__main__":
    sys.exit(main())
