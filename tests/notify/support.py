"""What the tests of delivery share: a gateway in its own process, a book of numbers, a sealer."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from kernel.db import Database
from notify import service
from notify.engine import Engine
from notify.models import DeliveryState, Kind
from notify.ports import Settled
from notify.settings import EXERCISE_KINDS, REAL_KINDS, EngineSettings, TwilioAccount

ROOT = Path(__file__).resolve().parents[2]
ACCOUNT = "AC" + "1" * 32
TOKEN = "test-token"
SECRET = "test-secret"
FAST = EngineSettings(
    lease_seconds=4.0,
    intent_chunk=60,
    settle_seconds=0.02,
    poll_seconds=0.05,
    beat_seconds=0.3,
    request_timeout=1.0,
    absent_after_seconds=1.5,
    reconcile_seconds=0.15,
    drain_seconds=3.0,
)


def number(key: int) -> str:
    """A test number whose ending the gateway does not treat specially."""
    return f"+86164{key // 90:06d}{key % 90:02d}"


class Index:
    def key(self, text: str) -> bytes:
        return hashlib.sha256(text.encode()).digest()[:16]


class Sealer:
    """Not a cipher: only makes sure that nothing is stored as it came."""

    def seal(self, text: str) -> bytes:
        return b"sealed:" + bytes(b ^ 0x5A for b in text.encode())

    def open(self, sealed: bytes) -> str:
        return bytes(b ^ 0x5A for b in sealed.removeprefix(b"sealed:")).decode()


class Book:
    """Numbers by key; `special` overrides, None is nobody."""

    def __init__(self) -> None:
        self.special: dict[int, str | None] = {}
        self.asked: list[tuple[int, str, int]] = []

    def addresses(self, keys: Sequence[int], *, broadcast_id: int, purpose: str) -> Mapping[int, str]:
        self.asked.append((broadcast_id, purpose, len(keys)))
        found = {key: self.special.get(key, number(key)) for key in keys}
        return {key: value for key, value in found.items() if value}


class Outcomes:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.settlements: list[Settled] = []
        self.refusals: list[tuple[str, int]] = []
        self.defects: list[tuple[str, str]] = []

    def settled(self, session: object, broadcast: object, results: Sequence[Settled]) -> None:
        self.settlements.extend(results)

    def refused(self, session: object, broadcast: object, reason: str, count: int) -> None:
        self.refusals.append((reason, count))

    def defect(self, session: object, recipient: str, reason: str, **_of: object) -> None:
        self.defects.append((recipient, reason))


class Answers:
    def __init__(self) -> None:
        self.heard: list[tuple[bytes, str]] = []

    def received(
        self, session: object, number_key: bytes, text: str, at: object, channel: str, raw_id: int, **_more: object
    ) -> str:
        self.heard.append((number_key, text))
        return "matched"


class Gateway:
    """The local gateway in a process of its own; `start` again after `kill` continues on the same record."""

    def __init__(self, record: Path, *options: str):
        self.record = record
        self.options = options
        self.start()

    def start(self) -> None:
        environment = {**os.environ, "GATEWAY_AUTH_TOKEN": TOKEN, "GATEWAY_SECRET": SECRET}
        command = [sys.executable, "-m", "notify.gateway", "--port", "0", "--record", str(self.record)]
        command += ["--account", ACCOUNT, "--receipts", "none", *self.options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT)
        assert self.process.stdout is not None
        found = re.search(r"http://\S+", self.process.stdout.readline())
        assert found, "the gateway did not start"
        self.url = found.group()

    def kill(self) -> None:
        self.process.kill()
        self._wait()

    def stop(self) -> None:
        self.process.terminate()
        self._wait()

    def _wait(self) -> None:
        self.process.wait(10)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def control(self, path: str = "", values: dict[str, Any] | None = None) -> Any:
        """The control surface."""
        data = json.dumps(values).encode() if values is not None else None
        request = urllib.request.Request(
            f"{self.url}/control{path}", data=data, headers={"Authorization": f"Bearer {SECRET}"}
        )
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.loads(answer.read())

    def faults(self, **values: Any) -> None:
        """Every fault off but these."""
        clean: dict[str, Any] = {name: 0 for name in self.control()["faults"] if name.startswith("share_")}
        clean |= {"latency_ms": 0, "jitter_ms": 0, "per_second": 0, "retry_after": 0.1, "seed": 1}
        clean |= {"receipts": "none", "receipt_delay_ms": 20, "ring_ms": 20, "speech_ms": 60}
        self.control("/faults", clean | values)

    def called(self, number: str = "") -> list[dict[str, Any]]:
        """Calls on the gateway's own record, the newest first."""
        query = f"?to={urllib.parse.quote(number)}" if number else ""
        return list(self.control(f"/calls{query}")["calls"])

    def taken(self) -> list[tuple[str, str]]:
        """(number, text) of every message on the gateway's own record, doubles included."""
        lines = [json.loads(line) for line in self.record.read_text("utf-8").splitlines()]
        return [(line[2], line[4]) for line in lines if line[0] == "m"]


def account(gateway: Gateway | str, *, exercise: bool = False, **changes: Any) -> TwilioAccount:
    url = gateway if isinstance(gateway, str) else gateway.url
    values: dict[str, Any] = {
        "base_url": url,
        "from_number": "+8602200001234",
        "messages_per_second": 5000.0,
        "name": "exercise" if exercise else "main",
        "kinds": EXERCISE_KINDS if exercise else REAL_KINDS,
    }
    return TwilioAccount(ACCOUNT, TOKEN, **(values | changes))


def spec(database: Database, text: str = "请注意防范大风。", **changes: Any) -> service.BroadcastSpec:
    values: dict[str, Any] = {
        "kind": Kind.ACTUAL,
        "priority": 1,
        "text": text,
        "valid_until": database.clock.now() + timedelta(hours=1),
        "channels": ["sms"],
        "subject_kind": "test",
        "subject_id": 1,
        "signature": "静海应急",
    }
    return service.BroadcastSpec(**(values | changes))


side = sa.MetaData()
person = sa.Table(
    "test_person",
    side,
    sa.Column("key", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("number_key", sa.LargeBinary(16), nullable=False),
)


def recipients(session: Session, start: int, count: int) -> sa.Select[Any]:
    """`count` numbers from `start` on, as a room's select would give them; the highest key has the lowest rank."""
    keys = range(start, start + count)
    known = set(session.scalars(sa.select(person.c.key).where(person.c.key.between(start, start + count))))
    rows = [{"key": key, "number_key": Index().key(number(key))} for key in keys if key not in known]
    if rows:
        session.execute(sa.insert(person), rows)
    return sa.select(
        (-person.c.key).label("rank"),
        (sa.literal("resident:") + sa.cast(person.c.key, sa.Text)).label("recipient"),
        sa.literal("120118104000").label("division"),
        person.c.key.label("address_key"),
        person.c.number_key,
        sa.literal(2).label("people"),
    ).where(person.c.key >= start, person.c.key < start + count)


def few(start: int, count: int) -> list[service.Recipient]:
    """The same as a list."""
    keys = range(start, start + count)
    return [service.Recipient(f"resident:{k}", "120118104000", k, Index().key(number(k))) for k in keys]


def counts(database: Database, broadcast_id: int) -> dict[str, int]:
    """Messages by state, from the tallies; and the ledger itself must agree."""
    from notify.models import Delivery

    with database.read() as session:
        if not database.is_sqlite:
            session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        tally = service.tallies(session, [broadcast_id])
        rows = session.execute(
            sa.select(Delivery.state, sa.func.count(), sa.func.sum(Delivery.people))
            .where(Delivery.broadcast_id == broadcast_id)
            .group_by(Delivery.state)
        ).all()
    ledger = {state.value: (messages, int(people)) for state, messages, people in rows}
    kept = {s.value: (tally.by_state[s], tally.people_by_state[s]) for s in DeliveryState if tally.by_state[s]}
    assert kept == ledger, "tallies and ledger disagree"
    return {state: messages for state, (messages, _) in ledger.items()}


@contextmanager
def running(*engines: Engine) -> Iterator[None]:
    """The engines at work in threads; they stop whatever happens."""
    threads = [threading.Thread(target=engine.run_forever, daemon=True) for engine in engines]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for engine in engines:
            engine.stop()
        for thread in threads:
            thread.join(20)


def wait_for(condition: Any, seconds: float = 15.0) -> None:
    """Until `condition()` holds."""
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "waited in vain"
        time.sleep(0.03)
