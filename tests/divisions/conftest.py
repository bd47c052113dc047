"""A small district: two townships with two villages each, the codes as they are in life."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from emergency.divisions.imports import import_divisions
from emergency.http.actor import Actor
from emergency.http.permissions import Role
from kernel.db import Database

CONSOLE = Actor.system("test")
DISTRICT = "120118000000"
TAITOU, DULIU, TOWN = "120118104000", "120118102000", "120118100000"
TREE = [
    ("120000000000", "天津市", "", "", "", ""),
    ("120100000000", "市辖区", "120000000000", "", "", ""),
    (DISTRICT, "静海区", "120100000000", "市辖区", "38.935671", "116.925304"),
    (TOWN, "静海镇", DISTRICT, "镇", "38.917", "116.917"),
    (DULIU, "独流镇", DISTRICT, "镇", "39.047", "116.912"),
    (TAITOU, "台头镇", DISTRICT, "镇", "39.038", "116.811"),
    ("120118102201", "友好街村委会", DULIU, "村民委员会", "39.05", "116.91"),
    ("120118104201", "胜利村委会", TAITOU, "村民委员会", "39.04", "116.81"),
    ("120118104202", "和平村委会", TAITOU, "村民委员会", "", ""),
]
HEADINGS = ("code", "name", "parent_code", "kind", "lat", "lon")


def text_of(rows: Sequence[Sequence[Any]], headings: Sequence[str] = HEADINGS) -> str:
    target = io.StringIO()
    writer = csv.writer(target)
    writer.writerow(headings)
    writer.writerows(rows)
    return target.getvalue()


@pytest.fixture
def sheet(tmp_path: Path) -> Callable[..., Path]:
    """A CSV file of these rows, in any encoding."""

    def make(
        rows: Sequence[Sequence[Any]], headings: Sequence[str] = HEADINGS, encoding: str = "utf-8", name: str = "t.csv"
    ) -> Path:
        path = tmp_path / name
        path.write_bytes(text_of(rows, headings).encode(encoding))
        return path

    return make


@pytest.fixture
def tree(database: Database, sheet: Callable[..., Path]) -> Database:
    report = import_divisions(database, sheet(TREE, name="tree.csv"), actor=CONSOLE)
    assert not report.errors
    return database


def actor(*roles: Role, division: str = DISTRICT, prefix: str = "120118", id: int = 1) -> Actor:
    return Actor(kind="account", id=id, roles=frozenset(roles), division_code=division, division_prefix=prefix)


@pytest.fixture
def officer() -> Actor:
    return actor(Role.DUTY_OFFICER)


@pytest.fixture
def taitou_liaison() -> Actor:
    return actor(Role.PLANNER, Role.LIAISON, division=TAITOU, prefix="120118104", id=3)
