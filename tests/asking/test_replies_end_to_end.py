"""Replies over sockets: the phone of the local gateway answers, the signed webhook stores, the engine folds, it counts."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from werkzeug.serving import make_server

from emergency import create_app, delivery, runtime, schema
from emergency.asking import service
from emergency.asking.models import Question, ReplyWhy
from emergency.config import Config, Gateway, Server
from emergency.http.actor import SYSTEM
from emergency.http.permissions import Role
from emergency.people.contacts import service as contacts
from emergency.people.contacts.models import PhoneState
from kernel.db import now
from notify.engine import Engine
from notify.settings import EngineSettings
from tests.asking.conftest import ANSWERS
from tests.asking.support import build, person

ROOT = Path(__file__).resolve().parents[2]
PHONE = "+8615400000001"
OFFICER = person(Role.DUTY_OFFICER)
FAST = EngineSettings(settle_seconds=0.02, poll_seconds=0.05, beat_seconds=0.3, request_timeout=3.0, drain_seconds=3.0)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class House:
    """An installation at work: web server, gateway in its own process, engine."""

    def __init__(self, home: Path):
        gateway = Gateway(port=_free_port(), record="gateway.jsonl")
        config = Config(base=home, server=Server(port=_free_port()))
        config = replace(config, notify=replace(config.notify, gateway=gateway))
        self.url = f"http://127.0.0.1:{gateway.port}"
        self.runtime = runtime.build(config, create_keys=True)
        self.database = self.runtime.database
        schema.metadata.create_all(self.database.engine)
        self.world = build(self.database)
        self.record = config.path(gateway.record)
        self.web = make_server("127.0.0.1", config.server.port, create_app(self.runtime), threaded=True)
        sid, token = delivery.gateway_credentials(self.runtime.vault)
        command = [sys.executable, "-m", "notify.gateway", "--port", str(gateway.port), "--record", str(self.record)]
        command += ["--receipt-delay-ms", "20", "--inbound-url", f"{config.public_url}/webhooks/twilio/inbound"]
        secrets = {"GATEWAY_ACCOUNT_SID": sid, "GATEWAY_AUTH_TOKEN": token, "GATEWAY_SECRET": "x"}
        self.gateway = subprocess.Popen(
            command, env={**os.environ, **secrets}, cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert self.gateway.stdout is not None and re.search(r"http://", self.gateway.stdout.readline())
        channels = delivery.channels(config, self.runtime.vault)
        self.engine = Engine(self.database, channels, self.database.service("ports"), FAST, "test:1")
        self.threads = [
            threading.Thread(target=self.web.serve_forever, daemon=True),
            threading.Thread(target=self.engine.run_forever, kwargs={"handle_signals": False}, daemon=True),
        ]
        for thread in self.threads:
            thread.start()

    def close(self) -> None:
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

    def write(self, body: str, phone: str = PHONE) -> None:
        """The phone writes."""
        request = urllib.request.Request(
            f"{self.url}/control/reply", json.dumps({"from": phone, "body": body}).encode(),
            {"Content-Type": "application/json", "Authorization": "Bearer x"},
        )  # fmt: skip
        with urllib.request.urlopen(request, timeout=5) as answer:
            assert answer.status == 201

    def texts(self, phone: str = PHONE) -> list[str]:
        """What the phone got, oldest first."""
        lines = [json.loads(line) for line in self.record.read_text("utf-8").splitlines()]
        return [line[4] for line in lines if line[0] == "m" and line[2] == phone]

    def ask(self, text: str, subject: int) -> Question:
        with self.database.write() as session:
            return service.ask(
                session, actor=SYSTEM, post_id=self.world.posts["village"], subject=("thing", subject), kind="drill",
                text=text, answers=ANSWERS, due_at=now(session) + timedelta(hours=1), ladder=service.Ladder(()),
            )  # fmt: skip

    def answers(self, *questions: Question) -> list[str | None]:
        with self.database.read() as session:
            return [session.get_one(Question, question.id).answer_key for question in questions]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    built = House(tmp_path)
    yield built
    built.close()


def _wait(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < ends, "waited in vain"
        time.sleep(0.05)


def test_a_phone_answers_is_asked_back_stops_and_starts_again(house: House) -> None:
    first = house.ask("甲演练，您能到吗？", 1)
    _wait(lambda: any("甲演练" in text for text in house.texts()))
    house.write("１")
    _wait(lambda: house.answers(first) == ["yes"])

    second, third = house.ask("乙演练，您能到吗？", 2), house.ask("丙演练，您能到吗？", 3)
    _wait(lambda: any("丙演练" in text for text in house.texts()))
    house.write("1")
    _wait(lambda: any("A1" in text for text in house.texts()))
    assert house.answers(second, third) == [None, None]
    house.write("B3")
    _wait(lambda: house.answers(second, third) == [None, "no"])

    house.write("水进院了", "+8615400009999")

    def stranger_is_kept() -> bool:
        with house.database.read() as session:
            return service.counts(session, actor=OFFICER)[ReplyWhy.UNKNOWN_NUMBER] == 1

    _wait(stranger_is_kept)
    with house.database.read() as session:
        [kept] = service.replies(session, actor=OFFICER, why=ReplyWhy.UNKNOWN_NUMBER).items
    with house.database.read() as session:
        shown = service.reveal_reply(session, actor=OFFICER, reply_id=kept.id, purpose="warning")
        assert (shown.text, shown.number) == ("水进院了", "+8615400009999")

    def state() -> PhoneState:
        with house.database.read() as session:
            return contacts.get(session, house.world.contacts["village0"]).phone_state

    house.write("TD")
    _wait(lambda: state() is PhoneState.OPTED_OUT)
    house.write("START")
    _wait(lambda: state() is PhoneState.UNVERIFIED)
