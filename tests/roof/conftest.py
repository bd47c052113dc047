"""An installation as `db upgrade` leaves it, and its commands run in this process."""

from __future__ import annotations

import logging
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from emergency import cli as roof
from emergency.commands import words

SECRET = "a-token-that-nobody-may-read"
CONFIG = f"""
[site]
language = "en"
[server]
port = 8790
[notify.gateway]
port = 8791
[notify.twilio]
account_sid = "AC00000000000000000000000000000001"
auth_token = "{SECRET}"
from_number = "+8610690000118"
base_url = "http://127.0.0.1:8792"
"""
DIVISIONS = """code,name,parent_code,kind,lat,lon
120000000000,天津市,,,,
120100000000,市辖区,120000000000,,,
120118000000,静海区,120100000000,,38.93,116.97
120118104000,台头镇,120118000000,,39.02,116.84
120118104201,胜利村,120118104000,220,39.03,116.85
"""


@dataclass
class Ran:
    """What a command printed and its exit code."""

    code: int
    out: str
    err: str


Run = Callable[..., Ran]


def _folder(path: Path) -> Path:
    path.mkdir()
    (path / "config.toml").write_text(CONFIG, "utf-8")
    return path


@pytest.fixture(autouse=True)
def _no_configuration_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("EMERGENCY__") or name == "EMERGENCY_CONFIG":
            monkeypatch.delenv(name)


@pytest.fixture
def nothing_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a configuration and nothing else."""
    folder = _folder(tmp_path / "site")
    monkeypatch.setenv("EMERGENCY_CONFIG", str(folder / "config.toml"))
    return folder


@pytest.fixture(scope="session")
def _installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = _folder(tmp_path_factory.mktemp("roof") / "site")
    (folder / "divisions.csv").write_text(DIVISIONS, "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMERGENCY_CONFIG", str(folder / "config.toml"))
        assert _call(patch, "db", "upgrade") == 0
        assert _call(patch, "import", "divisions", str(folder / "divisions.csv")) == 0
    return folder


@pytest.fixture
def site(tmp_path: Path, _installed: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation with five divisions and its own keys; the folder of its configuration."""
    folder = tmp_path / "site"
    shutil.copytree(_installed, folder)
    monkeypatch.setenv("EMERGENCY_CONFIG", str(folder / "config.toml"))
    return folder


def _call(patch: pytest.MonkeyPatch, *arguments: str) -> int:
    patch.setattr(sys, "argv", ["emergency", *arguments])
    patch.setattr(os, "umask", lambda _mask: 0)
    patch.setattr(words, "translate", lambda _cli: None)  # it would change the texts for the whole process
    handlers = logging.getLogger().handlers[:]
    try:
        roof.main()
    except SystemExit as left:
        return left.code if isinstance(left.code, int) else 1
    finally:
        logging.getLogger().handlers[:] = handlers
    raise AssertionError("a command did not end")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """`run("db", "check")` as the shell would; everything that was printed is looked through for secrets."""
    printed: list[str] = []

    def call(*arguments: str, stdin: str | None = None) -> Ran:
        if stdin is not None:
            monkeypatch.setattr(sys, "stdin", __import__("io").StringIO(stdin))
        code = _call(monkeypatch, *arguments)
        captured = capsys.readouterr()
        printed.append(captured.out + captured.err)
        return Ran(code, captured.out, captured.err)

    yield call
    told = "".join(printed)
    assert SECRET not in told
    assert "Traceback" not in told
    assert "unforeseen" not in told
