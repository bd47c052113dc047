"""The doctor: good, worth mending, unfit; what it says and how it leaves."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.roof.conftest import Run


def _states(run: Run) -> tuple[int, dict[str, str], dict[str, str]]:
    ran = run("doctor", "--format", "json")
    found = json.loads(ran.out)
    return ran.code, {f["check"]: f["state"] for f in found}, {f["check"]: f["text"] for f in found}


def _sql(site: Path, statement: str) -> None:
    with closing(sqlite3.connect(site / "instance" / "emergency.db")) as raw:
        raw.execute(statement)
        raw.commit()


def test_a_good_installation_is_fit_though_no_engine_runs_yet(
    site: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMERGENCY__SITE__PUBLIC_URL", "https://warn.example")
    code, states, texts = _states(run)
    assert (code, [name for name, state in states.items() if state == "bad"]) == (0, [])
    assert states["engine"] == "warn" and "emergency serve" in texts["engine"]
    assert {"config", "clock", "disk", "libraries", "keys", "database", "journal", "channels"} <= set(states)


def test_a_real_account_behind_an_address_that_no_provider_reaches_is_unfit(site: Path, run: Run) -> None:
    code, states, texts = _states(run)
    assert code == 1 and states["address"] == "bad" and "public_url" in texts["address"]


def test_exercises_on_the_account_of_real_warnings_are_unfit(
    site: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key, value in (
        ("ACCOUNT_SID", "AC00000000000000000000000000000001"),
        ("AUTH_TOKEN", "x"),
        ("FROM_NUMBER", "+1"),
    ):
        monkeypatch.setenv(f"EMERGENCY__NOTIFY__TWILIO__EXERCISE__{key}", value)
    code, states, _texts = _states(run)
    assert code == 1 and states["exercise"] == "bad"


def test_nothing_set_up_yet_says_what_to_do(nothing_yet: Path, run: Run) -> None:
    code, states, texts = _states(run)
    assert code == 1 and states["database"] == "bad" and "db upgrade" in texts["database"]
    assert not (nothing_yet / "instance" / "keys.json").exists()
    assert not (nothing_yet / "instance" / "emergency.db").exists()


def _open_keys(site: Path) -> None:
    (site / "instance" / "keys.json").chmod(0o644)


def _no_keys(site: Path) -> None:
    (site / "instance" / "keys.json").unlink()


def _other_keys(site: Path) -> None:
    from emergency.privacy import keys

    keys.save(site / "instance" / "keys.json", keys.KeyRing.generate())


def _damaged_keys(site: Path) -> None:
    (site / "instance" / "keys.json").write_text("{}", "ascii")


def _newer(site: Path) -> None:
    _sql(site, "UPDATE alembic_version SET version_num = '9999'")


def _no_database(site: Path) -> None:
    (site / "instance" / "emergency.db").write_bytes(os.urandom(8192))


def _cut_journal(site: Path) -> None:
    _sql(site, "DROP TRIGGER journal_entry_no_DELETE")
    _sql(site, "DELETE FROM journal_entry WHERE seq = (SELECT max(seq) FROM journal_entry)")


def _no_anchor(site: Path) -> None:
    (site / "instance" / "journal.anchor").unlink()


@pytest.mark.parametrize(
    ("harm", "check", "says"),
    [
        (_open_keys, "keys", "chmod 600"),
        (_no_keys, "keys", "is missing"),
        (_damaged_keys, "keys", "damaged"),
        (_other_keys, "database", "another installation"),
        (_newer, "database", "newer version (9999)"),
        (_no_database, "database", "file is not a database"),
        (_cut_journal, "journal", "call the auditor"),
        (_no_anchor, "journal", "anchor file"),
    ],
)
def test_what_is_wrong_is_named_and_left_as_it_is(
    site: Path, run: Run, monkeypatch: pytest.MonkeyPatch, harm: Callable[[Path], None], check: str, says: str
) -> None:
    monkeypatch.setenv("EMERGENCY__SITE__PUBLIC_URL", "https://warn.example")
    harm(site)
    files = {path: path.read_bytes() for path in (site / "instance").iterdir() if "lock" not in path.name}
    code, states, texts = _states(run)
    assert code == 1 and states[check] == "bad" and says in texts[check]
    for path, content in files.items():
        assert path.read_bytes() == content


def test_a_failpoint_that_somebody_left_armed_makes_it_unfit(
    site: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMERGENCY_FAILPOINTS", "answered=kill@50")
    code, states, texts = _states(run)
    assert code == 1 and states["failpoints"] == "bad"
    assert "EMERGENCY_FAILPOINTS" in texts["failpoints"]
