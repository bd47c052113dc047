"""What a benchmark needs around the engine: a gateway and engines in their own processes, sealed numbers, a journal."""

from __future__ import annotations

import argparse
import hashlib
import hmac
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from kernel.db import Database, make_engine, metadata, now  # noqa: E402
from notify import service  # noqa: E402
from notify.channels.twilio_sms import TwilioSms  # noqa: E402
from notify.engine import Engine  # noqa: E402
from notify.models import EngineBeat, Kind  # noqa: E402
from notify.ports import Ports  # noqa: E402
from notify.settings import EngineSettings, TwilioAccount  # noqa: E402

ACCOUNT = "AC" + "0" * 32
TOKEN = "benchmark-token"
SECRET = "benchmark-secret"
KEY = bytes(range(32))
TEXT = "台风蓝色预警：今晚有大风和短时强降雨，请住在低洼处的居民收好门前物品，关好门窗，不要外出，听从村干部安排。"
SIGNATURE = "静海应急"
FROM = "+8602200001234"
BODY = f"【{SIGNATURE}】{TEXT}"
side = sa.MetaData()
person = sa.Table(
    "bench_person",
    side,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("division", sa.String(12), nullable=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("number_key", sa.LargeBinary(16), nullable=False),
    sa.Column("priority", sa.Integer, nullable=False),
)
entry = sa.Table(
    "bench_journal",
    side,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("at", sa.DateTime(timezone=True)),
    sa.Column("broadcast_id", sa.BigInteger),
    sa.Column("purpose", sa.Text),
    sa.Column("ids", sa.Text),
    sa.Column("head", sa.LargeBinary),
)


def number(index: int) -> str:
    """A number on an unallocated prefix whose ending the gateway does not treat specially."""
    return f"+86154{index // 90:06d}{index % 90:02d}"


class Index:
    """The blind index."""

    def key(self, text: str) -> bytes:
        return hmac.new(KEY, text.encode(), hashlib.sha256).digest()[:16]


class Plain:
    """Raw receipts are sealed in the product; the benchmark has none to hide."""

    def seal(self, text: str) -> bytes:
        return text.encode()

    def open(self, sealed: bytes) -> str:
        return sealed.decode()


class Book:
    """Decrypts a batch and journals it once, chained, as the product does."""

    def __init__(self, database: Database):
        self.database = database
        self.cipher = AESGCM(KEY)
        self.head = b""

    def addresses(self, keys: Sequence[int], *, broadcast_id: int, purpose: str) -> Mapping[int, str]:
        with self.database.write() as session:
            ids = ",".join(map(str, keys))
            self.head = hmac.new(KEY, self.head + ids.encode(), hashlib.sha256).digest()
            values = {"at": now(session), "broadcast_id": broadcast_id, "purpose": purpose, "ids": ids}
            session.execute(sa.insert(entry).values(**values, head=self.head))
        with self.database.read() as session:
            rows = session.execute(sa.select(person.c.id, person.c.sealed).where(person.c.id.in_(keys))).all()
        return {i: self.cipher.decrypt(sealed[:12], sealed[12:], b"phone:%d" % i).decode() for i, sealed in rows}


def fresh(url: str) -> Database:
    """An empty database with the ledger and the benchmark's people table."""
    engine = make_engine(url)
    if engine.dialect.name == "sqlite":
        for ending in ("", "-wal", "-shm"):
            Path(f"{engine.url.database}{ending}").unlink(missing_ok=True)
    else:
        side.drop_all(engine)
        metadata.drop_all(engine)
    metadata.create_all(engine)
    side.create_all(engine)
    return Database(engine)


def empty_ledger(database: Database) -> None:
    """The ledger as new, the people kept: each run begins with the same."""
    for owner, tables in ((metadata, list(metadata.tables.values())), (side, [entry])):
        owner.drop_all(database.engine, tables=tables)
        owner.create_all(database.engine, tables=tables)


def populate(database: Database, people: int) -> None:
    """Residents with sealed numbers in 425 villages."""
    cipher, index = AESGCM(KEY), Index()
    for start in range(0, people, 20_000):
        rows = []
        for i in range(start, min(people, start + 20_000)):
            nonce = os.urandom(12)
            sealed = nonce + cipher.encrypt(nonce, number(i).encode(), b"phone:%d" % i)
            rows.append(
                {
                    "id": i,
                    "division": f"120118{i % 425:06d}",
                    "sealed": sealed,
                    "number_key": index.key(number(i)),
                    "priority": (i * 7919) % 4,
                }
            )
        with database.write() as session:
            session.execute(sa.insert(person), rows)
    with database.write() as session:
        session.execute(sa.text("ANALYZE"))


def recipients(people: int, first: int = 0) -> sa.Select[tuple[object, ...]]:
    """The select that a room would hand to `notify.service.broadcast`."""
    return sa.select(
        person.c.priority.label("rank"),
        (sa.literal("resident:") + sa.cast(person.c.id, sa.Text)).label("recipient"),
        person.c.division,
        person.c.id.label("address_key"),
        person.c.number_key,
        sa.literal(1).label("people"),
    ).where(person.c.id >= first, person.c.id < first + people)


def spec(database: Database, *, priority: int = 0) -> service.BroadcastSpec:
    """A real warning."""
    until = database.clock.now() + timedelta(hours=2)
    return service.BroadcastSpec(Kind.ACTUAL, priority, TEXT, until, ["sms"], "benchmark", 1, signature=SIGNATURE)


@dataclass(frozen=True, slots=True)
class Usage:
    """What a living process has used: processor seconds, and the most memory at once in MB."""

    seconds: float
    peak_mb: float


def usage(pid: int) -> Usage:
    """On a shared machine processor time says more than the clock. Zeros where the process is gone."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text("utf-8").rsplit(")", 1)[1].split()
        peak = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text("utf-8"))
    except OSError:
        return Usage(0.0, 0.0)
    seconds = (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
    return Usage(seconds, int(peak.group(1)) / 1024 if peak else 0.0)


class GatewayProcess:
    """A gateway in a process of its own: `instant` (this folder's) or `local` (the product's, receipts off)."""

    def __init__(self, which: str, folder: Path, latency_ms: float = 0.0):
        self.record = folder / "gateway.record"
        self.record.unlink(missing_ok=True)
        self.which = which
        environment = {**os.environ, "GATEWAY_AUTH_TOKEN": TOKEN, "GATEWAY_SECRET": SECRET}
        program = [str(Path(__file__).with_name("instant_gateway.py"))]
        if which == "local":
            program = ["-m", "notify.gateway", "--receipts", "none"]
        options = ["--port", "0", "--record", str(self.record), "--account", ACCOUNT, "--latency-ms", str(latency_ms)]
        self.process = subprocess.Popen(
            [sys.executable, *program, *options], stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT
        )
        assert self.process.stdout is not None
        found = re.search(r"http://\S+", self.process.stdout.readline())
        if found is None:
            raise RuntimeError("the gateway did not start")
        self.url = found.group()

    def taken(self) -> list[tuple[float, str]]:
        """When it took which number, by its own record, in order, doubles included."""
        if self.which == "local":
            lines = (json.loads(line) for line in self.record.read_text("utf-8").splitlines())
            return [(float(line[5]), str(line[2])) for line in lines if line[0] == "m"]
        # A message that is just being written may be half a line; it is whole the next time.
        lines_ = (line.split(" ") for line in self.record.read_text("ascii").split("\n")[:-1])
        return [(float(at), "+" + to.removeprefix("%2B")) for at, to in lines_]

    def usage(self) -> Usage:
        """Its own processor time and memory."""
        return usage(self.process.pid)

    def __enter__(self) -> GatewayProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(10)


class EngineProcesses:
    """So many engines on one database, ready when the block ends its first line; stopped at its end."""

    def __init__(
        self, database: Database, gateway: GatewayProcess, count: int, rate: float, profile: str | None = None
    ):
        url = database.engine.url.render_as_string(hide_password=False)
        command = [sys.executable, str(Path(__file__)), url, gateway.url, "--rate", str(rate)]
        self.database = database
        self.running = [
            subprocess.Popen([*command, *(["--profile", profile] if profile and not i else [])]) for i in range(count)
        ]

    def __enter__(self) -> EngineProcesses:
        ends = time.monotonic() + 60
        while time.monotonic() < ends:
            with self.database.read() as session:
                if (session.scalar(sa.select(sa.func.count()).select_from(EngineBeat)) or 0) >= len(self.running):
                    break
            self.check()
            time.sleep(0.05)
        else:
            self.__exit__()
            raise RuntimeError("the engines did not start")
        # Engines learn of each other, and so of their part of the account's rate, with the next sign of life.
        time.sleep(EngineSettings().beat_seconds + 0.5 if len(self.running) > 1 else 0.3)
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.running:
            process.terminate()
        for process in self.running:
            process.wait(60)

    def check(self) -> None:
        """Raises RuntimeError when an engine has died: a run without it would say nothing."""
        if any(process.poll() is not None for process in self.running):
            self.__exit__()
            raise RuntimeError("an engine died")

    def usage(self) -> Usage:
        """All engines' processor time; the memory of the largest."""
        each = [usage(process.pid) for process in self.running]
        return Usage(sum(one.seconds for one in each), max(one.peak_mb for one in each))


def account(gateway_url: str, rate: float) -> TwilioAccount:
    """The gateway as an account."""
    return TwilioAccount(ACCOUNT, TOKEN, gateway_url, from_number=FROM, messages_per_second=rate)


def main() -> None:
    """An engine process: `harness.py DATABASE-URL GATEWAY-URL --rate RATE [--profile FILE]`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("database")
    parser.add_argument("gateway")
    parser.add_argument("--rate", type=float, default=1e9)
    parser.add_argument("--profile")
    options = parser.parse_args()
    database = Database(make_engine(options.database))
    ports = Ports(Book(database), Plain(), Index())
    engine = Engine(database, [TwilioSms(account(options.gateway, options.rate))], ports, EngineSettings())
    if options.profile:
        import cProfile

        profile = cProfile.Profile()
        profile.enable()
        engine.run_forever()
        profile.disable()
        profile.dump_stats(options.profile)
    else:
        engine.run_forever()


if __name__ == "__main__":
    main()
