"""Processes that die together: web, engine and gateway under one supervisor."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import gc
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kernel.errors import N_, DomainError

_PR_SET_PDEATHSIG = 1
STOP_SECONDS = 15.0


class PortInUse(DomainError):
    """Another program listens where this one wants to."""

    code = "port_in_use"
    status = 503


class AlreadyRunning(DomainError):
    """The installation is being served by another process on this machine."""

    code = "already_running"


def die_with_parent() -> None:
    """Have the kernel end this process when its parent is gone, however the parent went."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def settle() -> None:
    """Leave what the process was built of (modules, mappings, routes) out of every later collection of garbage.

    A full collection walked all of it again, some 180 ms, in the middle of one page in ten.
    """
    gc.collect()
    gc.freeze()


def check_port(host: str, port: int, setting: str = "server.port") -> None:
    """Refuse with one sentence where the port is taken or may not be used; `setting` says where to choose another."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortInUse(
                    N_("Port %(port)s on %(host)s is in use. Choose another for %(setting)s; nothing was started."),
                    port=port,
                    host=host,
                    setting=setting,
                ) from error
            raise PortInUse(
                N_("Port %(port)s on %(host)s cannot be used: %(why)s. Nothing was started."),
                port=port,
                host=host,
                why=error.strerror or str(error),
            ) from error


@contextlib.contextmanager
def _lock(path: Path, how: int) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        try:
            fcntl.flock(handle, how | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AlreadyRunning(
                N_("This installation is already being served on this machine. Stop it first; nothing was changed.")
            ) from error
        yield


def serving_lock(folder: Path) -> contextlib.AbstractContextManager[None]:
    """Hold the installation for one supervisor; the kernel lets go if the holder dies."""
    return _lock(folder / "serve.lock", fcntl.LOCK_EX)


def at_work(folder: Path) -> contextlib.AbstractContextManager[None]:
    """Be one of the processes that use the database: any number of them, but none beside `alone`."""
    return _lock(folder / "use.lock", fcntl.LOCK_SH)


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold the installation against a supervisor and against single processes: the database is to be exchanged."""
    with serving_lock(folder), _lock(folder / "use.lock", fcntl.LOCK_EX):
        yield


@dataclass
class Child:
    """One supervised process: started again when it ends by itself, with a growing pause."""

    name: str
    command: list[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    failures: int = 0
    again_at: float = 0.0

    def start(self) -> None:
        """Start it in our process group."""
        self.process = subprocess.Popen(  # noqa: S603 - our own command
            self.command, env={**os.environ, **self.environment}, preexec_fn=die_with_parent
        )
        self.started = time.monotonic()

    def look(self) -> str | None:
        """Start it again if it has ended and its pause is over; returns what happened, for the log."""
        moment = time.monotonic()
        if self.process is not None and self.process.poll() is None:
            return None
        if self.process is not None:
            code = self.process.returncode
            self.failures = 1 if moment - self.started > 60 else self.failures + 1
            self.again_at = moment + min(0.2 * 2**self.failures, 10.0)
            self.process = None
            return f"{self.name} ended with {code}; starting again"
        if moment >= self.again_at:
            self.start()
        return None

    def stop(self, deadline: float) -> None:
        """Ask it to end, then insist."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Supervisor:
    """Keeps its children running until told to stop."""

    def __init__(self, children: list[Child]):
        self.children = children
        self._stopping = False

    def stop(self, *_signal: object) -> None:
        """Leave `run` soon."""
        self._stopping = True

    def run(self, log: object = None) -> None:
        """Start everything, look after it, stop it in reverse order on SIGINT or SIGTERM."""
        signal.signal(signal.SIGINT, self.stop)
        signal.signal(signal.SIGTERM, self.stop)
        try:
            for child in self.children:
                child.start()
            while not self._stopping:
                for child in self.children:
                    happened = child.look()
                    if happened and callable(log):
                        log(happened)
                time.sleep(0.1)
        finally:
            deadline = time.monotonic() + STOP_SECONDS
            for child in reversed(self.children):
                child.stop(deadline)
