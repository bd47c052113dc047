"""Processes to be killed, forked from one that has everything imported: a walk costs milliseconds, not seconds.

Run as a script this is the mother: one JSON line in is one child, or a question about one; one JSON line out answers.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import time
import urllib.parse
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()
if __name__ == "__main__":
    sys.path[:0] = [str(HERE.parent), str(HERE.parents[2])]

import support  # noqa: E402

from kernel.db import Database, make_engine  # noqa: E402
from notify import failpoints, receipts, service  # noqa: E402
from notify.channels.twilio_sms import TwilioSms  # noqa: E402
from notify.engine import Engine  # noqa: E402
from notify.ports import Ports  # noqa: E402

log = logging.getLogger("nursery")


class Child:
    """One process. Its log is where it says which failpoint it reached."""

    def __init__(self, nursery: Nursery, pid: int, log: Path):
        self.pid, self.log, self._nursery = pid, log, nursery

    def code(self) -> int | None:
        """Its exit code, minus the signal that killed it; None while it lives."""
        found = self._nursery.ask({"code": self.pid})["code"]
        return None if found is None else int(found)

    def signal(self, number: int) -> None:
        """Send a signal, if it still lives."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def wait(self, seconds: float = 20.0) -> int:
        """Wait for its end. Fails when it lives on."""
        support.wait_for(lambda: self.code() is not None, seconds)
        code = self.code()
        assert code is not None
        return code

    def reached(self, point: str) -> bool:
        """Whether its log says that it reached this failpoint."""
        return f"point={point}" in self.log.read_text("utf-8")


class Nursery:
    """The mother as its user sees it; whatever still lives at the end of a `with` is killed."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._count = 0
        self._mother = subprocess.Popen(
            [sys.executable, str(HERE)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.children: list[Child] = []

    def ask(self, wish: dict[str, Any]) -> dict[str, Any]:
        """One question, one answer."""
        assert self._mother.stdin is not None and self._mother.stdout is not None
        self._mother.stdin.write(json.dumps(wish) + "\n")
        self._mother.stdin.flush()
        answer: dict[str, Any] = json.loads(self._mother.stdout.readline())
        return answer

    def start(self, work: str, **values: Any) -> Child:
        """A child that does `engine`, `webhook` or `enter`."""
        self._count += 1
        log = self._folder / f"child-{self._count}.log"
        log.touch()
        child = Child(self, self.ask({"work": work, "log": str(log), **values})["pid"], log)
        self.children.append(child)
        return child

    def clear(self) -> None:
        """Kill every child that lives, and wait for it."""
        for child in self.children:
            if child.code() is None:
                child.signal(signal.SIGKILL)
                child.wait()
        self.children.clear()

    def close(self) -> None:
        """End the mother, and with it what lives."""
        self.clear()
        assert self._mother.stdin is not None and self._mother.stdout is not None
        self._mother.stdin.close()
        self._mother.wait(10)
        self._mother.stdout.close()


def _ports() -> Ports:
    return Ports(support.Book(), support.Sealer(), support.Index())


def run_engine(wish: dict[str, Any]) -> None:
    """An engine for ever."""
    database = Database(make_engine(wish["database"]))
    settings = replace(support.FAST, **wish.get("settings", {}))
    roads = []
    for exercise in (False, True):
        account = support.account(wish["gateway"], exercise=exercise, messages_per_second=wish.get("rate", 400.0))
        account = replace(account, status_callback=wish.get("callback", ""))
        road = TwilioSms(account, timeout=settings.request_timeout)
        road.abilities = replace(road.abilities, lists=wish.get("lists", True))
        roads.append(road)
    Engine(database, roads, _ports(), settings).run_forever()


def run_webhook(wish: dict[str, Any]) -> None:
    """A web server that does with receipts what the product's view does."""
    database, ports = Database(make_engine(wish["database"])), _ports()
    taker = receipts.Taker(database)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = dict(urllib.parse.parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
            url, header = f"http://{self.headers['Host']}{self.path}", self.headers.get("X-Twilio-Signature")
            try:
                ours = receipts.take(
                    database, ports, auth_token=support.TOKEN, url=url, form=form, header=header, taker=taker
                )
            except failpoints.Tripped:
                self.send_response(500)
            else:
                self.send_response(204 if ours else 403)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    ThreadingHTTPServer(("127.0.0.1", wish["port"]), Handler).serve_forever(0.05)


def run_enter(wish: dict[str, Any]) -> None:
    """Enters one broadcast, as a room does."""
    database = Database(make_engine(wish["database"]))
    with database.write() as session:
        chosen = support.recipients(session, wish["start"], wish["people"])
        service.broadcast(session, support.spec(database), chosen)


WORKS = {"engine": run_engine, "webhook": run_webhook, "enter": run_enter}


def _child(wish: dict[str, Any]) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    code = 1
    try:
        with open(os.devnull, "rb") as nothing, open(wish["log"], "ab", buffering=0) as told:
            for number, file in ((0, nothing), (1, told), (2, told)):
                os.dup2(file.fileno(), number)
        logging.basicConfig(level=logging.WARNING, force=True)
        failpoints.arm(wish.get("failpoints", ""))
        WORKS[wish["work"]](wish)
        code = 0
    except BaseException:
        log.exception("child failed")
    finally:
        os._exit(code)


def main() -> None:
    """Fork on demand, and reap at once: a zombie still looks alive to whoever asks for its number."""
    codes: dict[int, int | None] = {}

    def reap(_number: int, _frame: object) -> None:
        with contextlib.suppress(ChildProcessError):
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                codes[found[0]] = os.waitstatus_to_exitcode(found[1])

    signal.signal(signal.SIGCHLD, reap)
    for line in sys.stdin:
        wish = json.loads(line)
        if "code" in wish:
            answer: dict[str, Any] = {"code": codes.get(wish["code"])}
        else:
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
            pid = os.fork()
            if not pid:
                signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
                _child(wish)
            codes[pid] = None
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
            answer = {"pid": pid}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    for pid, code in codes.items():
        if code is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    time.sleep(0)


if __name__ == "__main__":
    main()
