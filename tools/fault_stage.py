"""The stage of `tools/faults.py`: processes to be tormented, and the reckoning with the gateway's own record."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import sqlalchemy as sa

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from kernel.db import Base, Database, make_engine, metadata  # noqa: E402
from notify import counters, failpoints, receipts, service  # noqa: E402
from notify.channels.twilio_sms import TwilioSms  # noqa: E402
from notify.counters import TableMetrics  # noqa: E402
from notify.engine import Engine  # noqa: E402
from notify.models import BlockState, Broadcast, Delivery, DeliveryBlock, DeliveryState, Kind  # noqa: E402
from notify.ports import Ports  # noqa: E402
from notify.settings import EngineSettings, TwilioAccount  # noqa: E402

S = DeliveryState
ACCOUNT, TOKEN, SECRET = "AC" + "7" * 32, "faults-token", "faults-secret"
SIGNATURE = "静海应急"
SETTINGS = EngineSettings(
    lease_seconds=4.0,
    intent_chunk=60,
    settle_seconds=0.02,
    poll_seconds=0.05,
    beat_seconds=0.5,
    request_timeout=2.0,
    absent_after_seconds=4.0,
    reconcile_seconds=0.3,
    drain_seconds=3.0,
)
NEVER_TAKEN = ("95", "96")
"""Endings of numbers that the gateway refuses."""
REFUSALS = frozenset({"21610", "21614"})
OURS = [mapper.local_table for mapper in Base.registry.mappers if mapper.class_.__module__ == "notify.models"]
side = sa.MetaData()
person = sa.Table(
    "faults_person",
    side,
    sa.Column("key", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("number_key", sa.LargeBinary(16), nullable=False),
)


def number(key: int) -> str:
    """A test number with every ending, those that the gateway refuses or never delivers to among them."""
    return f"+86164{key:08d}"


class Index:
    """A digest in place of the blind index."""

    def key(self, text: str) -> bytes:
        return hashlib.sha256(text.encode()).digest()[:16]


class Sealer:
    """Nothing here is anybody's; the sealing is the product's own and tested there."""

    def seal(self, text: str) -> bytes:
        return text.encode()

    def open(self, sealed: bytes) -> str:
        return sealed.decode()


class Book:
    """Numbers by arithmetic."""

    def addresses(self, keys: Sequence[int], *, broadcast_id: int, purpose: str) -> Mapping[int, str]:
        return {key: number(key) for key in keys}


def ports(database: Database) -> Ports:
    """A house without rooms."""
    return Ports(Book(), Sealer(), Index(), metrics=TableMetrics(database))


# -- what runs in processes of its own -----------------------------------------------------------------------------


def run_engine(database: str, gateway: str, callback: str, rate: float, changes: dict[str, float]) -> None:
    """An engine until it is told otherwise."""
    settings = replace(SETTINGS, **changes)  # type: ignore[arg-type]
    account = TwilioAccount(
        ACCOUNT, TOKEN, gateway, from_number="+8602200001234", messages_per_second=rate, status_callback=callback
    )
    channel = TwilioSms(account, timeout=settings.request_timeout)
    store = Database(make_engine(database))
    Engine(store, [channel], ports(store), settings).run_forever()


def run_webhook(database: str, port: int) -> None:
    """Takes receipts as the product's view does."""
    store = Database(make_engine(database))
    house = ports(store)
    taker = receipts.Taker(store)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            form = dict(urllib.parse.parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
            url, header = f"http://{self.headers['Host']}{self.path}", self.headers.get("X-Twilio-Signature")
            try:
                ours = receipts.take(store, house, auth_token=TOKEN, url=url, form=form, header=header, taker=taker)
                self.send_response(204 if ours else 403)
            except Exception:
                logging.getLogger("faults").exception("webhook")
                self.send_response(500)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """The log is for faults."""

    class Server(ThreadingHTTPServer):
        request_queue_size = 256
        daemon_threads = True

    Server(("127.0.0.1", port), Handler).serve_forever(0.05)


# -- the stage -----------------------------------------------------------------------------------------------------


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Process:
    """One of ours, started again at will."""

    def __init__(self, name: str, command: list[str], log: Path, environment: dict[str, str] | None = None):
        self.name, self.log, self._command = name, log, command
        self._environment = environment or {}
        self._popen: subprocess.Popen[bytes] | None = None
        self.frozen_until = 0.0

    def start(self, **environment: str) -> None:
        """Start it, with more in its environment."""
        kept = {key: value for key, value in os.environ.items() if key != failpoints.VARIABLE}
        with self.log.open("ab") as log:
            self._popen = subprocess.Popen(
                self._command, stdout=log, stderr=log, cwd=ROOT, env={**kept, **self._environment, **environment}
            )

    @property
    def alive(self) -> bool:
        """Whether it runs or stands frozen."""
        return self._popen is not None and self._popen.poll() is None

    def signal(self, number: int) -> None:
        """Send it a signal."""
        if self._popen is not None and self.alive:
            self._popen.send_signal(number)

    def kill(self) -> None:
        """As `kill -9`, and waited for."""
        self.signal(signal.SIGKILL)
        if self._popen is not None:
            self._popen.wait(10)
        self.frozen_until = 0.0

    def stop(self, seconds: float = 15.0) -> None:
        """A clean stop, or a kill where it takes too long."""
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            if self._popen is not None:
                self._popen.wait(seconds)
        self.kill()


class Stage:
    """A database, a gateway with its record, a web process for receipts and some engines."""

    def __init__(self, folder: Path, url: str, engines: int, *, rate: float, receipts: bool, **changes: float):
        self.folder, self.url, self.receipts = folder, url, receipts
        engine = make_engine(url)
        metadata.create_all(engine, tables=OURS)
        side.create_all(engine)
        self.database = Database(engine)
        self.record = folder / "record.jsonl"
        gateway_port, self._port = free_port(), free_port()
        self.gateway_url = f"http://127.0.0.1:{gateway_port}"
        callback = f"http://127.0.0.1:{self._port}/status" if receipts else ""
        python, script = sys.executable, str(Path(__file__).with_name("faults.py"))
        tell = ["--receipts", "final" if receipts else "none", "--account", ACCOUNT, "--receipt-delay-ms", "100"]
        self.gateway = Process(
            "gateway",
            [python, "-m", "notify.gateway", "--port", str(gateway_port), "--record", str(self.record), *tell],
            folder / "gateway.log",
            {"GATEWAY_AUTH_TOKEN": TOKEN, "GATEWAY_SECRET": SECRET},
        )
        self.webhook = Process(
            "webhook", [python, script, "--as-webhook", json.dumps([url, self._port])], folder / "webhook.log"
        )
        wish = json.dumps([url, self.gateway_url, callback, rate, changes])
        self.engines = [
            Process(f"engine {n}", [python, script, "--as-engine", wish], folder / f"engine-{n}.log")
            for n in range(engines)
        ]
        self.sent_to: dict[int, tuple[str, int, int]] = {}
        """By broadcast: its text as it leaves, and its range of people."""
        self.cancelled_at: dict[int, float] = {}

    def everything(self) -> list[Process]:
        """All processes."""
        return [self.gateway, self.webhook, *self.engines] if self.receipts else [self.gateway, *self.engines]

    def open(self) -> None:
        """Start everything, and wait for the gateway to answer."""
        for process in self.everything():
            process.start()
        ends = time.monotonic() + 30
        while self.control() is None:
            if time.monotonic() > ends:
                raise RuntimeError(f"the gateway did not start, see {self.gateway.log}")
            time.sleep(0.05)

    def close(self) -> None:
        """Stop everything."""
        for process in self.everything():
            process.signal(signal.SIGCONT)
            process.signal(signal.SIGTERM)
        for process in self.everything():
            process.stop()
        self.database.engine.dispose()

    def control(self, path: str = "", values: dict[str, Any] | None = None) -> Any:
        """The gateway's control surface; None where it does not answer (it may be down on purpose)."""
        data = json.dumps(values).encode() if values is not None else None
        request = urllib.request.Request(
            f"{self.gateway_url}/control{path}", data=data, headers={"Authorization": f"Bearer {SECRET}"}
        )
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return json.loads(answer.read())
        except OSError:
            return None

    def enter(self, text: str, first: int, count: int, *, priority: int, valid_seconds: float = 3600.0) -> int:
        """One more broadcast, to `count` people from `first` on."""
        keys = range(first, first + count)
        index = Index()
        for start in range(0, count, 20_000):
            part = keys[start : start + 20_000]
            with self.database.write() as session:
                known = set(session.scalars(sa.select(person.c.key).where(person.c.key.between(part[0], part[-1]))))
                rows = [{"key": key, "number_key": index.key(number(key))} for key in part if key not in known]
                if rows:
                    session.execute(sa.insert(person), rows)
        until = self.database.clock.now() + timedelta(seconds=valid_seconds)
        spec = service.BroadcastSpec(Kind.ACTUAL, priority, text, until, ["sms"], "faults", 1, signature=SIGNATURE)
        chosen = sa.select(
            person.c.key.label("rank"),
            (sa.literal("resident:") + sa.cast(person.c.key, sa.Text)).label("recipient"),
            (sa.literal("1201181") + sa.cast(10000 + person.c.key % 40, sa.Text)).label("division"),
            person.c.key.label("address_key"),
            person.c.number_key,
            sa.literal(2).label("people"),
        ).where(person.c.key >= first, person.c.key < first + count)
        with self.database.write() as session:
            record_id = service.broadcast(session, spec, chosen).id
        self.sent_to[record_id] = (f"【{SIGNATURE}】{text}", first, count)
        return record_id

    def cancel(self, record_id: int) -> None:
        """Cancel a broadcast."""
        with self.database.write() as session:
            service.cancel(session, record_id)
        self.cancelled_at[record_id] = time.time()

    def states(self) -> Counter[str]:
        """Messages by state, from the tallies."""
        with self.database.read() as session:
            tally = service.tallies(session, list(self.sent_to))
        return Counter({state.value: count for state, count in tally.by_state.items() if count})

    def counted(self) -> dict[str, int]:
        """What the processes counted; one that was killed takes its last seconds' counts with it."""
        with self.database.read() as session:
            return {" ".join([one.name, *one.labels.values()]): int(one.value) for one in counters.read(session)}


# -- the reckoning -------------------------------------------------------------------------------------------------


def recorded(path: Path) -> tuple[list[tuple[str, str, str, float, str]], int]:
    """`(reference, number, text, taken at, last status)` of every message on the gateway's record, and its lines."""
    run, taken, status, lines = "", [], {}, 0
    with path.open("rb") as file:
        for raw in file:
            lines += 1
            line = json.loads(raw)
            if line[0] == "r":
                run = line[1]
            elif line[0] == "m":
                taken.append((line[1], line[2], line[4], line[5]))
            elif line[0] == "s":
                status[line[1]] = line[2]
    return [(f"SM{run}{seq:016x}", to, body, at, status.get(seq, "queued")) for seq, to, body, at in taken], lines


def differences(stage: Stage) -> list[str]:
    """Everything in which ledger, tallies and the gateway's record disagree; empty is what is wanted."""
    found: list[str] = []
    taken, _ = recorded(stage.record)
    by_key: dict[tuple[str, str], list[tuple[str, float, str]]] = {}
    for ref, to, body, at, status in taken:
        by_key.setdefault((to, body), []).append((ref, at, status))
    found += [f"{to} was sent “{body[:24]}” {len(all_)} times" for (to, body), all_ in by_key.items() if len(all_) > 1]
    for record_id, (body, first, count) in stage.sent_to.items():
        found += _of_one(stage, record_id, body, first, count, by_key)
    strangers = Counter(body for _, body in by_key)
    found += [
        f"the gateway has {n} messages “{body[:24]}” that the ledger does not know" for body, n in strangers.items()
    ]
    with stage.database.read() as session:
        blocks = session.execute(
            sa.select(DeliveryBlock.state, sa.func.count())
            .where(DeliveryBlock.state != BlockState.DONE)
            .group_by(DeliveryBlock.state)
        ).all()
    return found + [f"{n} blocks are still {state.value}" for state, n in blocks]


def _of_one(
    stage: Stage, record_id: int, body: str, first: int, count: int,
    by_key: dict[tuple[str, str], list[tuple[str, float, str]]],
) -> list[str]:  # fmt: skip
    """One broadcast's share of the differences; takes what it accounts for out of `by_key`."""
    found: list[str] = []
    with stage.database.read() as session:
        record = session.get_one(Broadcast, record_id)
        low, high = record.first_id, record.last_id
        rows = session.execute(
            sa.select(
                Delivery.address_key, Delivery.state, Delivery.provider_ref, Delivery.reason, Delivery.people
            ).where(Delivery.id.between(low, high))
        ).all()
        tally = service.tallies(session, [record_id])
    name = f"broadcast {record_id} ({body[6:20]}…)"
    if sorted(row.address_key for row in rows) != list(range(first, first + count)):
        found.append(f"{name}: the ledger does not hold everybody exactly once")
    ledger = Counter(row.state for row in rows)
    people: Counter[DeliveryState] = Counter()
    for row in rows:
        people[row.state] += row.people
    for state in S:
        if (ledger[state], people[state]) != (tally.by_state[state], tally.people_by_state[state]):
            found.append(f"{name}: {state.value}: ledger {ledger[state]}, tallies {tally.by_state[state]}")
    latest = min(
        stage.cancelled_at.get(record_id, float("inf")) + SETTINGS.lease_seconds + 1.0,
        record.valid_until.timestamp() + 2.0,
    )
    for row in rows:
        to = number(row.address_key)
        there = by_key.pop((to, body), [])
        fault = _of_row(row.state, row.provider_ref, row.reason, to, there)
        if fault:
            found.append(f"{name}: {to}: {row.state.value}, {row.provider_ref}, {row.reason}: {fault}")
        if there and there[0][1] > latest:
            found.append(f"{name}: {to} was taken {there[0][1] - latest:.1f} s after the last moment")
    return found


def _of_row(
    state: DeliveryState, ref: str | None, reason: str | None, to: str, there: list[tuple[str, float, str]]
) -> str | None:
    if state in (S.QUEUED, S.CLAIMED, S.UNKNOWN):
        return "not settled"
    if state in (S.CANCELLED, S.EXPIRED):
        return "the gateway has it" if there else None
    if state is S.FAILED and to.endswith(NEVER_TAKEN):
        return None if reason in REFUSALS and not there else "refused otherwise than the gateway refuses"
    if not there:
        return "the gateway does not have it"
    its_ref, _, status = there[0]
    if ref != its_ref:
        return f"the gateway knows it as {its_ref}"
    wanted = {
        S.DELIVERED: {"delivered"},
        S.FAILED: {"undelivered"},
        S.SUBMITTED: {"queued", "sent", "delivered", "undelivered"},
    }
    return None if status in wanted[state] else f"the gateway says {status}"


def receipts_missing(stage: Stage) -> int:
    """Messages whose last word the gateway could not bring home, because it or the web process was dead too long."""
    taken, _ = recorded(stage.record)
    final = {ref for ref, _, _, _, status in taken if status in ("delivered", "undelivered")}
    with stage.database.read() as session:
        refs = session.scalars(sa.select(Delivery.provider_ref).where(Delivery.state == S.SUBMITTED))
        return sum(1 for ref in refs if ref in final)
