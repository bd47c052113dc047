"""The baseline that services usually build: a warmed Celery task per message, Redis between.

Celery is no dependency of the product: its packages go, by a lock file with hashes, into `build/bench-venv`, which sees
the product's own packages and nothing of which the product sees.
"""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import harness
import sqlalchemy as sa

from kernel.db import Database
from notify import service
from notify.models import Delivery, DeliveryState

HERE = Path(__file__).parent
VENV = harness.ROOT / "build" / "bench-venv"
LOCK = harness.ROOT / "requirements-bench.lock"
PATIENCE = 30.0
"""Seconds without one message more after which the worker is given up."""


class Skipped(Exception):
    """Why this baseline cannot be measured here."""


def answers(redis_url: str) -> bool:
    """Whether a Redis is there: it says PONG (or that it wants a password)."""
    parts = urlsplit(redis_url)
    try:
        with socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 6379), 2) as line:
            line.sendall(b"PING\r\n")
            return line.recv(64).startswith((b"+PONG", b"-NOAUTH"))
    except OSError:
        return False


def prepare(redis_url: str) -> Path:
    """The interpreter of the environment with Celery, made where it is missing or older than its lock.

    Raises `Skipped` with the reason where there is no Redis or the packages cannot be had.
    """
    if not answers(redis_url):
        raise Skipped(f"no Redis answers at {urlsplit(redis_url).netloc.rpartition('@')[2]}")
    python, done = VENV / "bin" / "python", VENV / ".installed"
    if done.exists() and done.stat().st_mtime >= LOCK.stat().st_mtime:
        return python
    subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", str(VENV)], check=True)
    packages = sysconfig.get_path("purelib", vars={"base": str(VENV), "platbase": str(VENV)})
    (Path(packages) / "product.pth").write_text(sysconfig.get_path("purelib") + "\n", "utf-8")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "--python", str(python)]
    wanted = ["install", "--quiet", "--only-binary", ":all:", "--require-hashes", "-r", str(LOCK)]
    made = subprocess.run([*pip, *wanted], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if made.returncode:
        raise Skipped(f"Celery could not be installed: {made.stderr.strip().splitlines()[-1][:200]}")
    done.touch()
    return python


@contextmanager
def worker(python: Path, environment: dict[str, str], processes: int, log: Path) -> Iterator[None]:
    """A prefork worker with so many children; its queue is emptied afterwards."""
    celery = [str(python), "-m", "celery", "-A", "celery_tasks"]
    options = ["--pool", "prefork", "--concurrency", str(processes), "--loglevel", "WARNING"]
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    with log.open("ab") as out:
        process = subprocess.Popen(
            [*celery, "worker", *options, *quiet], cwd=HERE, env=environment, stdout=out, stderr=out
        )
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
            queue = environment["BENCH_QUEUE"]
            subprocess.run([*celery, "purge", "-f", "-Q", queue], cwd=HERE, env=environment, stdout=out, stderr=out)


def _handed_over(database: Database, broadcast_id: int) -> int:
    with database.read() as session:
        return (
            session.scalar(
                sa.select(sa.func.count())
                .select_from(Delivery)
                .where(Delivery.broadcast_id == broadcast_id, Delivery.state == DeliveryState.SUBMITTED)
            )
            or 0
        )


def _wait(database: Database, broadcast_id: int, messages: int, log: Path) -> None:
    ends, most = time.monotonic() + PATIENCE, 0
    while (done := _handed_over(database, broadcast_id)) < messages:
        if done > most:
            ends, most = time.monotonic() + PATIENCE, done
        elif time.monotonic() > ends:
            tail = log.read_text("utf-8", "replace")[-2000:]
            raise RuntimeError(f"the Celery worker stopped at {done} of {messages}:\n{tail}")
        time.sleep(0.05)


def run(
    python: Path,
    redis_url: str,
    database: Database,
    gateway: harness.GatewayProcess,
    messages: int,
    processes: int,
    folder: Path,
) -> dict[str, Any]:
    """From the first task published until the last message is committed as handed over; warmed before."""
    environment = {
        **os.environ,
        "BENCH_DATABASE": database.engine.url.render_as_string(hide_password=False),
        "BENCH_GATEWAY": gateway.url,
        "BENCH_REDIS": redis_url,
        "BENCH_QUEUE": f"emergency-bench-{secrets.token_hex(6)}",
    }
    log = folder / "celery.log"
    with worker(python, environment, processes, log):
        warming = 10 * processes
        _publish(python, environment, database, warming, log)
        seconds = _publish(python, environment, database, messages, log)
    return {
        "messages": messages,
        "processes": processes,
        "seconds": round(seconds, 3),
        "per_second": round(messages / seconds, 1),
    }


def _publish(python: Path, environment: dict[str, str], database: Database, messages: int, log: Path) -> float:
    with database.write() as session:
        record = service.broadcast(session, harness.spec(database), harness.recipients(messages))
        first, broadcast_id = record.first_id + 1, record.id
    publisher = subprocess.Popen(
        [str(python), "celery_tasks.py", str(first), str(messages)],
        cwd=HERE,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert publisher.stdin is not None
    assert publisher.stdout is not None
    if publisher.stdout.readline() != "ready\n":
        raise RuntimeError("the publisher did not reach Redis")
    began = time.perf_counter()
    publisher.communicate("go\n")
    _wait(database, broadcast_id, messages, log)
    return time.perf_counter() - began
