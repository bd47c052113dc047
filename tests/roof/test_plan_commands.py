"""Search, publication and the index of plans by command."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.roof.conftest import Run


def test_search_and_reindex_answer_on_an_empty_installation(site: Path, run: Run) -> None:
    found = run("plans", "search", "防汛", "--format", "json")
    assert found.code == 0 and json.loads(found.out) == {"items": [], "more": False}
    assert run("db", "reindex").code == 0
    assert run("plans", "withdraw", "4711", "--reason", "不存在").code == 1
    assert run("plans", "publish", "4711", "--yes").code == 1


def test_the_doctor_notices_an_index_that_is_not_true(site: Path, run: Run) -> None:
    def state() -> str:
        findings = json.loads(run("doctor", "--format", "json").out)
        return str(next(found["state"] for found in findings if found["check"] == "plan_index"))

    assert state() == "ok"
    with closing(sqlite3.connect(site / "instance" / "emergency.db")) as raw:
        raw.execute("INSERT INTO plan_search_fts (rowid, tags, heading, body) VALUES (7, 'a', 'b', 'c')")
        raw.commit()
    assert state() == "warn"
    assert run("db", "reindex").code == 0
    assert state() == "ok"
