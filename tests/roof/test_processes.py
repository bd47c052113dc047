"""Processes that die together, and ports that are taken."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from emergency.processes import AlreadyRunning, PortInUse, alone, at_work, check_port, serving_lock

SUPERVISOR = """
import sys
from emergency.processes import Child, Supervisor
folder = sys.argv[1]
script = "import os,sys,time; open(sys.argv[1], 'a').write(f'{os.getpid()}\\\\n'); time.sleep(600)"
children = [Child(name, [sys.executable, "-c", script, f"{folder}/{name}"]) for name in ("one", "two")]
Supervisor(children).run()
"""


def _pids(path: Path) -> list[int]:
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    return state != "Z"


def _until(condition: Callable[[], bool], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


@pytest.fixture
def supervisor(tmp_path: Path) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", SUPERVISOR, str(tmp_path)], cwd=Path(__file__).parents[2])
    _until(lambda: bool(_pids(tmp_path / "one") and _pids(tmp_path / "two")))
    yield process
    process.kill()
    process.wait()


def test_a_killed_supervisor_takes_its_children_with_it(supervisor: subprocess.Popen[bytes], tmp_path: Path) -> None:
    pids = _pids(tmp_path / "one") + _pids(tmp_path / "two")
    supervisor.kill()
    supervisor.wait()
    _until(lambda: not any(_alive(pid) for pid in pids))


def test_a_stopped_supervisor_stops_its_children_first(supervisor: subprocess.Popen[bytes], tmp_path: Path) -> None:
    pids = _pids(tmp_path / "one") + _pids(tmp_path / "two")
    supervisor.send_signal(signal.SIGTERM)
    assert supervisor.wait(20) == 0
    assert not any(_alive(pid) for pid in pids)


def test_a_killed_child_is_started_again(supervisor: subprocess.Popen[bytes], tmp_path: Path) -> None:
    os.kill(_pids(tmp_path / "one")[0], signal.SIGKILL)
    _until(lambda: len(_pids(tmp_path / "one")) == 2)
    assert len(_pids(tmp_path / "two")) == 1


def test_a_port_in_use_is_one_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(PortInUse, match=r"Port \d+ on 127\.0\.0\.1 is in use"):
            check_port("127.0.0.1", taken.getsockname()[1])


def test_an_installation_is_served_once(tmp_path: Path) -> None:
    with serving_lock(tmp_path), pytest.raises(AlreadyRunning), serving_lock(tmp_path):
        pass
    with serving_lock(tmp_path):
        pass


def test_the_database_is_exchanged_only_while_nobody_uses_it(tmp_path: Path) -> None:
    with at_work(tmp_path), at_work(tmp_path), pytest.raises(AlreadyRunning), alone(tmp_path):
        pass
    with serving_lock(tmp_path), pytest.raises(AlreadyRunning), alone(tmp_path):
        pass
    with alone(tmp_path), pytest.raises(AlreadyRunning), at_work(tmp_path):
        pass
