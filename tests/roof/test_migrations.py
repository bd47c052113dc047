"""Migrations build exactly the program's tables, up and down, on both databases, with data in them."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from emergency import schema, versions
from emergency.divisions.models import Division
from emergency.privacy import journal
from emergency.privacy.vault import Vault
from emergency.upkeep import differences
from emergency.versions import WrongVersion
from kernel.db import Database, make_engine

POSTGRES_URL = os.environ.get("EMERGENCY_TEST_POSTGRES_URL", "")


def _clauses(sql: str) -> list[str]:
    """The parts of a CREATE statement between the outermost commas, in any order."""
    sql, table_option = re.subn(r"\s*WITHOUT ROWID\s*$", "", re.sub(r"\s+", " ", sql))
    parts, depth, current = (["WITHOUT ROWID"] if table_option else []), 0, ""
    for character in sql:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and depth == 1:
            parts.append(current)
            current = ""
        else:
            current += character
    return sorted(
        part.strip(" )")
        for clause in [*parts, current]
        # A heading ends at its bracket; a rule that came with its column stands there and not at the table's end.
        for part in re.split(r"(?<=\w) \((?=\w+ [A-Z])|(?<=\S) (?=CONSTRAINT )", clause)
    )


def _objects(path: Path) -> dict[str, list[str]]:
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    return {name: _clauses(sql) for name, sql in rows if name != "alembic_version"}


@pytest.fixture(params=["sqlite", *(["postgresql"] if POSTGRES_URL else [])])
def empty(request: pytest.FixtureRequest, tmp_path: Path, worker_id: str) -> Iterator[sa.Engine]:
    """A database without a single table."""
    if request.param == "sqlite":
        engine = make_engine(f"sqlite:///{tmp_path}/empty.db")
        yield engine
        engine.dispose()
        return
    # A schema of its own: to make and drop whole databases takes the server through a checkpoint each time.
    name = f"migrations_{worker_id}"
    admin = make_engine(POSTGRES_URL)
    with admin.begin() as connection:
        connection.exec_driver_sql(f'DROP SCHEMA IF EXISTS "{name}" CASCADE')
        connection.exec_driver_sql(f'CREATE SCHEMA "{name}"')
    engine = make_engine(sa.make_url(POSTGRES_URL).update_query_dict({"options": f"-csearch_path={name}"}))
    yield engine
    engine.dispose()
    with admin.begin() as connection:
        connection.exec_driver_sql(f'DROP SCHEMA "{name}" CASCADE')
    admin.dispose()


def _fill(engine: sa.Engine, vault: Vault, tmp_path: Path) -> None:
    database = Database(engine)
    journal.install(database, vault, tmp_path / "journal.anchor")
    with database.write() as session:
        session.add(Division(code="120118000000", name="静海区", level=3, kind="市辖区", prefix="120118"))
        journal.record(session, journal.LISTED, actor="system", list="divisions", count=1)


def test_migrations_and_tables_agree(tmp_path: Path) -> None:
    assert differences() == []
    migrated, created = tmp_path / "migrated.db", tmp_path / "created.db"
    first, second = make_engine(f"sqlite:///{migrated}"), make_engine(f"sqlite:///{created}")
    versions.upgrade(first)
    schema.metadata.create_all(second)
    assert _objects(migrated) == _objects(created)
    first.dispose()
    second.dispose()


def test_the_migrated_tables_are_the_programs_on_each_database(empty: sa.Engine) -> None:
    versions.upgrade(empty)
    with empty.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False, "include_object": schema.ours})
        found = [d for d in compare_metadata(context, schema.metadata) if "alembic_version" not in str(d)]
    assert found == []
    versions.check(empty)


def test_down_and_up_again_with_data(empty: sa.Engine, vault: Vault, tmp_path: Path) -> None:
    versions.upgrade(empty)
    _fill(empty, vault, tmp_path)
    versions.upgrade(empty)  # nothing to do, nothing lost
    with empty.connect() as connection:
        assert connection.scalar(sa.select(Division.name)) == "静海区"
    versions.downgrade(empty, "base")
    assert sa.inspect(empty).get_table_names() == ["alembic_version"]
    versions.upgrade(empty)
    _fill(empty, vault, tmp_path)


def test_an_empty_and_a_newer_database_are_refused_and_left_alone(empty: sa.Engine) -> None:
    with pytest.raises(WrongVersion, match="empty"):
        versions.check(empty)
    versions.upgrade(empty)
    with empty.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    for attempt in (versions.check, versions.upgrade):
        with pytest.raises(WrongVersion, match="newer version"):
            attempt(empty)
    assert versions.current(empty) == "9999"
