"""The whole path over sockets: approve, the real engine, the local gateway in its own process, signed receipts, reach."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from werkzeug.serving import make_server

from emergency import create_app, delivery, runtime, schema
from emergency.config import Config, Gateway, Server
from emergency.http.actor import Actor
from emergency.warnings import service
from emergency.warnings.models import Audience, Issue, Warning, WarningStatus
from notify.engine import Engine
from notify.models import Broadcast, Kind
from notify.settings import EngineSettings
from tests.warnings.support import TOWN, VILLAGE, build, content

ROOT = Path(__file__).resolve().parents[2]
FAST = EngineSettings(settle_seconds=0.02, poll_seconds=0.05, beat_seconds=0.3, request_timeout=3.0,
                      reconcile_seconds=0.2, absent_after_seconds=2.0, drain_seconds=3.0)  # fmt: skip


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class House:
    """An installation at work: web server for receipts, gateway process, engine."""

    def __init__(self, home: Path):
        gateway = Gateway(port=free_port(), record="gateway.jsonl")
        config = Config(base=home, server=Server(port=free_port()))
        config = replace(config, notify=replace(config.notify, gateway=gateway))
        self.runtime = runtime.build(config, create_keys=True)
        self.database = self.runtime.database
        schema.metadata.create_all(self.database.engine)
        self.world = build(self.database)
        self.record = config.path(gateway.record)
        self.app = create_app(self.runtime)
        self.web = make_server("127.0.0.1", config.server.port, self.app, threaded=True)
        self.gateway = self._gateway(config)
        channels = delivery.channels(config, self.runtime.vault)
        self.engine = Engine(self.database, channels, self.database.service("ports"), FAST, "test:1")
        self.threads = [
            threading.Thread(target=self.web.serve_forever, daemon=True),
            threading.Thread(target=self.engine.run_forever, kwargs={"handle_signals": False}, daemon=True),
        ]

    def _gateway(self, config: Config) -> subprocess.Popen[str]:
        sid, token = delivery.gateway_credentials(self.runtime.vault)
        secrets = {"GATEWAY_ACCOUNT_SID": sid, "GATEWAY_AUTH_TOKEN": token, "GATEWAY_SECRET": "x"}
        command = [sys.executable, "-m", "notify.gateway", "--port", str(config.notify.gateway.port)]
        command += ["--record", str(self.record), "--receipts", "final", "--receipt-delay-ms", "20"]
        process = subprocess.Popen(command, env={**os.environ, **secrets}, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None and re.search(r"http://", process.stdout.readline())
        return process

    def __enter__(self) -> House:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.engine.stop()
        self.web.shutdown()
        for thread in self.threads:
            thread.join(20)
        self.web.server_close()
        self.gateway.terminate()
        self.gateway.wait(10)
        if self.gateway.stdout is not None:
            self.gateway.stdout.close()
        self.runtime.close()

    def submit(self, **changes: Any) -> Warning:
        """Written, and waiting."""
        with self.database.write() as session:
            draft = service.create(session, actor=self.world.author, **content(**changes))
        with self.database.write() as session:
            return service.submit(session, actor=self.world.author, warning_id=draft.id)

    def issue(self, **changes: Any) -> Issue:
        """Written by one, approved by another."""
        waiting = self.submit(**changes)
        with self.database.write() as session:
            return service.approve(session, actor=self.world.approver, warning_id=waiting.id, version=waiting.version)

    def reach(self, issue: Issue, actor: Actor | None = None) -> dict[str, Any]:
        with self.database.read() as session:
            return service.reach(session, actor=actor or self.world.author, warning_id=issue.warning_id)

    def phones(self, text: str) -> list[str]:
        """Numbers on the gateway's own record that got this text, doubles included."""
        lines = [json.loads(line) for line in self.record.read_text("utf-8").splitlines()]
        return sorted(line[2] for line in lines if line[0] == "m" and line[4].endswith(text))


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "waited in vain"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with House(tmp_path_factory.mktemp("house")) as house:
        yield house


def test_an_approved_warning_reaches_the_phones_and_their_receipts_count(house: House) -> None:
    issue = house.issue(area={"divisions": [TOWN]}, audience=Audience.ALL)
    wanted = issue.snapshot["estimate"]
    wait_for(lambda: house.reach(issue)["by_state"]["delivered"] == wanted["recipients"])
    found = house.reach(issue)
    assert (found["reached"], found["reached_people"]) == (wanted["recipients"], wanted["people"])
    assert found["targeted"] == sum(found["by_state"].values())
    numbers = house.phones(issue.text)
    assert len(numbers) == len(set(numbers)) == wanted["recipients"], "one message a number, nobody twice"
    assert {place["code"]: place["reached"] for place in found["by_division"]} == {
        row["code"]: row["numbers"] for row in wanted["by_division"] if row["numbers"]
    }


def test_an_exercise_travels_on_its_own_account_with_its_mark(house: House) -> None:
    issue = house.issue(status=WarningStatus.EXERCISE)
    wait_for(lambda: house.reach(issue)["reached"] == 2)
    with house.database.read() as session:
        kinds = session.scalars(sa.select(Broadcast.kind).where(Broadcast.subject_id == issue.warning_id)).all()
    assert set(kinds) == {Kind.EXERCISE}
    assert issue.text.startswith("【演练】") and len(house.phones(issue.text)) == 2


def test_an_all_clear_reaches_exactly_whoever_was_told(house: House) -> None:
    issue = house.issue(area={"divisions": [VILLAGE]}, description="义和村须在今天12时前全部转移")
    wait_for(lambda: house.reach(issue)["reached"] == 2)
    with house.database.write() as session:
        _warning, message = service.all_clear(session, actor=house.world.author, warning_id=issue.warning_id)
    wait_for(lambda: house.reach(message)["reached"] == 2)
    assert house.phones(message.text) == house.phones(issue.text)


def test_the_approver_on_duty_is_told_on_the_phone(house: House) -> None:
    house.submit()
    approver = "+8615400009002"
    wait_for(
        lambda: any(approver in line and "等您批准" in line for line in house.record.read_text("utf-8").splitlines())
    )


def test_nothing_of_a_warning_is_readable_as_a_number_in_the_database(house: House, tmp_path: Path) -> None:
    with house.database.write() as session:
        session.execute(sa.text("SELECT 1"))
    raw = b"".join(path.read_bytes() for path in house.runtime.config.path("instance").glob("emergency.db*"))
    assert b"15400000001" not in raw and "张某一".encode() not in raw
