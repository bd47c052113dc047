"""A small district with two townships, and what tests of residents need of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from emergency.divisions import rules as divisions
from emergency.divisions.models import Division
from emergency.http.actor import Actor
from emergency.http.permissions import Role
from emergency.http.sheets import write_csv, write_xlsx
from emergency.people.residents.models import Resident
from emergency.people.residents.rows import COLUMNS
from emergency.privacy import journal
from emergency.privacy.journal import JournalEntry
from kernel.db import Base, Database

DISTRICT, TAITOU, JINGHAI = "120118000000", "120118104000", "120118100000"
YIHE, NANBA, DONGWU = "120118104201", "120118104202", "120118100201"
PLACES = (
    ("120000000000", "天津市", 1, None),
    ("120100000000", "市辖区", 2, "120000000000"),
    (DISTRICT, "静海区", 3, "120100000000"),
    (JINGHAI, "静海镇", 4, DISTRICT),
    (TAITOU, "台头镇", 4, DISTRICT),
    (YIHE, "义和村委会", 5, TAITOU),
    (NANBA, "南坝台村委会", 5, TAITOU),
    (DONGWU, "东五里村委会", 5, JINGHAI),
)


def person(number: int, **changes: Any) -> dict[str, Any]:
    """A row of a file: somebody in 义和村 with a number of their own."""
    row = {
        "external_id": f"P{number:05d}", "division_code": YIHE, "name": f"张某{'一二三四五六七八九十'[number % 10]}",
        "phone": f"154{number:08d}", "household": f"H{number // 3}", "address": f"{number // 3 + 1}排1号",
        "lat": "", "lon": "", "needs": "",
    }  # fmt: skip
    return row | changes


def actor_of(division: str, *roles: Role, id: int = 1) -> Actor:
    return Actor(
        kind="account", id=id, name="周某一", roles=frozenset(roles), division_prefix=divisions.prefix(division),
        division_code=division,
    )  # fmt: skip


OFFICER = actor_of(DISTRICT, Role.DUTY_OFFICER)
LIAISON = actor_of(TAITOU, Role.LIAISON, id=3)
VILLAGER = actor_of(DONGWU, Role.VILLAGE_OFFICER, id=4)


@pytest.fixture
def db(database: Database) -> Database:
    """The database with its divisions."""
    with database.write() as session:
        for code, name, level, parent in PLACES:
            session.add(Division(code=code, name=name, level=level, parent_code=parent, prefix=divisions.prefix(code)))
            session.flush()
    return database


@pytest.fixture
def csv_file(tmp_path: Path) -> Callable[..., Path]:
    """Writes rows into a file."""

    def make(rows: Iterable[dict[str, Any]], name: str = "residents.csv") -> Path:
        path = tmp_path / name
        (write_xlsx if name.endswith("xlsx") else write_csv)(rows, COLUMNS, path)
        return path

    return make


def counts(database: Database) -> dict[str, int]:
    """Rows by table, of everything that an import could write."""
    names = ("contact", "resident", "household", "staged_resident", "import_run", "import_piece", "import_error")
    with database.read() as session:
        return {
            name: session.scalar(sa.select(sa.func.count()).select_from(Base.metadata.tables[name])) or 0
            for name in names
        }


def stored(database: Database) -> list[Any]:
    """Every column of every resident and contact."""
    tables = (Base.metadata.tables["contact"], Base.metadata.tables["resident"], Base.metadata.tables["household"])
    with database.read() as session:
        return [tuple(row) for table in tables for row in session.execute(sa.select(table).order_by(table.c.id))]


def entries(database: Database, kind: journal.Kind) -> list[JournalEntry]:
    with database.read() as session:
        statement = sa.select(JournalEntry).where(JournalEntry.kind == kind.key).order_by(JournalEntry.seq)
        return list(session.scalars(statement))


def ids(database: Database) -> list[int]:
    with database.read() as session:
        return list(session.scalars(sa.select(Resident.id).order_by(Resident.id)))
