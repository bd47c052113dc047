"""An installation at work, for tests from end to end: web server, gateway in a process of its own, engine."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from werkzeug.serving import make_server

from emergency import create_app, delivery, runtime, schema
from emergency.config import Config, Gateway, Server
from kernel.db import Database
from notify.engine import Engine
from notify.settings import EngineSettings

ROOT = Path(__file__).resolve().parents[1]
FAST = EngineSettings(settle_seconds=0.02, poll_seconds=0.05, beat_seconds=0.3, request_timeout=3.0, drain_seconds=3.0)


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Until `condition()` holds."""
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "waited in vain"
        time.sleep(0.05)


class House:
    """The installation under `home`, with what `build` puts into its database as `world`; at work within `with`."""

    settings = FAST

    def __init__(self, home: Path, build: Callable[[Database], Any]):
        gateway = Gateway(port=free_port(), record="gateway.jsonl")
        config = Config(base=home, server=Server(port=free_port()))
        self.config = config = replace(config, notify=replace(config.notify, gateway=gateway))
        self.url = f"http://127.0.0.1:{gateway.port}"
        self.runtime = runtime.build(config, create_keys=True)
        self.database = self.runtime.database
        schema.metadata.create_all(self.database.engine)
        self.world = build(self.database)
        self.record = config.path(gateway.record)
        self.app = create_app(self.runtime)
        self.web = make_server("127.0.0.1", config.server.port, self.app, threaded=True)
        self.gateway = self._gateway()
        channels = delivery.channels(config, self.runtime.vault)
        self.engine = Engine(self.database, channels, self.database.service("ports"), self.settings, "test:1")
        self.threads = [
            threading.Thread(target=self.web.serve_forever, daemon=True),
            threading.Thread(target=self.engine.run_forever, kwargs={"handle_signals": False}, daemon=True),
        ]

    def gateway_options(self) -> list[str]:
        """What the gateway is told beyond its port, its record and its account."""
        return []

    def _gateway(self) -> subprocess.Popen[str]:
        sid, token = delivery.gateway_credentials(self.runtime.vault)
        secrets = {"GATEWAY_ACCOUNT_SID": sid, "GATEWAY_AUTH_TOKEN": token, "GATEWAY_SECRET": "x"}
        command = [sys.executable, "-m", "notify.gateway", "--port", str(self.config.notify.gateway.port)]
        command += ["--record", str(self.record), "--receipt-delay-ms", "20", *self.gateway_options()]
        process = subprocess.Popen(command, env={**os.environ, **secrets}, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None and re.search(r"http://", process.stdout.readline())
        return process

    def __enter__(self) -> Self:
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

    def messages(self) -> list[tuple[str, str]]:
        """(number, text) of every message on the gateway's own record, oldest first, doubles included."""
        lines = [json.loads(line) for line in self.record.read_text("utf-8").splitlines()]
        return [(line[2], line[4]) for line in lines if line[0] == "m"]
