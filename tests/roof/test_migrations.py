"""Migrations build exactly the program's tables, up and down, on both databases, with data in them."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from emergency import schema, versions
from emergency.divisions.models import Division
from emergency.drills.learning_models import CorrectiveAction, Evaluation, SheetState
from emergency.drills.models import Occurrence
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


def _shape(engine: sa.Engine) -> dict[str, list[str]]:
    """All that the database itself knows of its tables, defaults, rules and indexes included."""
    if engine.dialect.name == "sqlite":
        engine.dispose()
        return _objects(Path(str(engine.url.database)))
    found: dict[str, list[str]] = {}
    for statement in (
        "SELECT table_name, concat_ws(' ', column_name, data_type, character_maximum_length, is_nullable,"
        " column_default) FROM information_schema.columns WHERE table_schema = current_schema()",
        "SELECT relname, conname || ' ' || pg_get_constraintdef(c.oid) FROM pg_constraint c"
        " JOIN pg_class t ON t.oid = conrelid WHERE t.relnamespace = current_schema()::regnamespace",
        "SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = current_schema()",
    ):
        with engine.connect() as connection:
            for name, said in connection.exec_driver_sql(statement):
                found.setdefault(name, []).append(said)
    return {name: sorted(said) for name, said in found.items() if name != "alembic_version"}


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


def test_no_migration_is_missing() -> None:
    assert differences() == []


def test_migrations_and_tables_agree(empty: sa.Engine) -> None:
    schema.metadata.create_all(empty)
    created = _shape(empty)
    with empty.begin() as connection:
        for name in created if empty.dialect.name == "postgresql" else ():
            connection.exec_driver_sql(f'DROP TABLE "{name}" CASCADE')
    if empty.dialect.name == "sqlite":
        empty.dispose()
        Path(str(empty.url.database)).unlink()
    versions.upgrade(empty)
    migrated = _shape(empty)
    assert len(created) > 100 and {name: migrated.get(name) for name in created} == created
    assert set(migrated) == set(created)


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


DISTRICT, AT, DAY = "120118000000", datetime(2026, 5, 12, 2, 0, tzinfo=UTC), date(2026, 5, 12)
BEFORE_DRILLS: dict[str, list[dict[str, Any]]] = {
    "division": [{"code": DISTRICT, "name": "静海区", "level": 3, "kind": "市辖区", "prefix": "120118"}],
    "drill_rule": [{"id": 1, "key": "school", "title": "学校每月演练", "words": {}, "kind_word": "evacuation", "months": 1,
                    "basis": "calendar_month", "skip_school_holidays": True, "source": "规定", "binding": "national",
                    "evidence": "seen", "confidence": "high", "note": "", "adopted": True}],
    "drill_programme": [{"id": 2, "title": "疏散演练", "kind": "evacuation", "form": "field", "content": "full",
                         "division_code": DISTRICT, "recurrence": {}, "starts_on": DAY, "start_time": time(10),
                         "duration_minutes": 30, "place": "操场", "state": "active", "created_by": "account:1",
                         "created_at": AT, "version": 1}],
    "drill_occurrence": [{"id": 3, "programme_id": 2, "slot_on": DAY, "starts_at": AT, "ends_at": AT + timedelta(hours=1),
                          "title": "疏散演练", "kind": "evacuation", "division_code": DISTRICT, "state": "held",
                          "provisional": False, "due_at": AT, "sequence": 0, "version": 1}],
    "drill_record": [{"id": 4, "occurrence_id": 3, "started_at": AT, "ended_at": AT + timedelta(minutes=20),
                      "attendance": 200, "notes_sealed": b"sealed", "recorded_by": "account:1", "recorded_at": AT,
                      "version": 2}],
    "drill_invitation": [{"id": 5, "occurrence_id": 3, "post_id": 77, "invited_at": AT, "invited_by": "account:1",
                          "answer": "yes", "answered_at": AT, "means": "sms"}],
    "drill_evaluation": [{"id": 6, "occurrence_id": 3, "evaluator": "account:2", "at": AT, "strengths_sealed": b"s"}],
    "drill_objective_rating": [{"id": 7, "evaluation_id": 6, "position": 1, "objective": "三分钟疏散", "rating": "S"}],
    "drill_finding": [
        {"id": 8, "occurrence_id": 3, "text": "楼梯拥堵", "root_cause": "班次未错开", "state": "open", "found_at": AT,
         "found_by": "account:2", "version": 1},
        {"id": 9, "occurrence_id": 3, "text": "广播不响", "root_cause": "", "state": "closed", "proof": "已更换",
         "found_at": AT, "found_by": "account:2", "version": 2},
    ],
    "drill_corrective_action": [
        {"id": 10, "finding_id": 8, "text": "错开班次", "owner_words": "教务处", "due_on": DAY, "state": "open",
         "version": 1},
        {"id": 11, "finding_id": 9, "text": "更换广播", "owner_words": "总务处", "due_on": DAY, "state": "done",
         "proof": "已更换", "done_at": datetime(2026, 5, 12, 17, 0, tzinfo=UTC), "version": 2},
    ],
}  # fmt: skip
"""What an installation of the version before drills were kept in full may hold."""


def _read(engine: sa.Engine, **wanted: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The rows of the tables, of each the columns that it was filled with."""
    found = {}
    with engine.connect() as connection:
        for name, rows in wanted.items():
            columns = sorted({column for row in rows for column in row})
            table = schema.metadata.tables[name]
            statement = sa.select(*(table.c[column] for column in columns)).order_by(columns[0], *table.primary_key)
            found[name] = [dict(row) for row in connection.execute(statement).mappings()]
    return found


def _filled(engine: sa.Engine, rows: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    with engine.begin() as connection:
        for name, given in rows.items():
            for row in given:
                table = sa.table(name, *(sa.column(key, schema.metadata.tables[name].c[key].type) for key in row))
                connection.execute(sa.insert(table), row)
    return _read(engine, **rows)


def test_what_was_kept_of_drills_before_is_there_after_going_up_down_and_up(empty: sa.Engine) -> None:
    versions.upgrade(empty, "0011")
    shape, rows = _shape(empty), _filled(empty, BEFORE_DRILLS)
    versions.upgrade(empty)
    head = _shape(empty)
    assert _read(empty, **BEFORE_DRILLS) == rows
    with empty.connect() as connection:
        assert connection.execute(sa.text("SELECT own, version, calendar_seen, purpose, pinned, withdrawn, place FROM"
            " drill_rule, (SELECT calendar_seen, purpose FROM drill_programme) p,"
            " (SELECT pinned, withdrawn FROM drill_occurrence) o, (SELECT place FROM drill_record) r")
        ).one() == (False, 1, "", "test", False, False, "")  # fmt: skip
        assert connection.scalars(sa.select(Occurrence.done_at)).all() == [AT], "held since its record came"
        assert connection.execute(sa.select(Evaluation.state, Evaluation.handed_in_at)).one() == (
            SheetState.HANDED_IN,
            AT,
        )
        # 17:00 in Greenwich is the next day in Beijing.
        assert connection.scalars(sa.select(CorrectiveAction.done_on).order_by(CorrectiveAction.id)).all() == [
            None, date(2026, 5, 13)
        ]  # fmt: skip
    versions.downgrade(empty, "0011")
    assert _shape(empty) == shape and _read(empty, **BEFORE_DRILLS) == rows
    versions.upgrade(empty)
    assert _shape(empty) == head and _read(empty, **BEFORE_DRILLS) == rows


def test_an_inject_holds_its_objective(empty: sa.Engine) -> None:
    versions.upgrade(empty)
    before = {name: BEFORE_DRILLS[name] for name in ("division", "drill_programme")}
    _filled(empty, {
        **before,
        "drill_objective": [{"id": 20, "programme_id": 2, "position": 1, "words": "三分钟疏散", "capability": "", "target": ""}],
    })  # fmt: skip
    inject = {"id": 21, "programme_id": 2, "number": 1, "offset_seconds": 0, "postponed_seconds": 0, "sender": "区防办",
              "via": "sms", "message": "【演练】", "expected": "", "objective_id": 99, "controller": "",
              "tolerance_minutes": 10, "state": "planned", "trouble": "", "version": 1}  # fmt: skip
    with pytest.raises(sa.exc.IntegrityError):
        _filled(empty, {"drill_inject": [inject]})
    _filled(empty, {"drill_inject": [{**inject, "objective_id": 20}]})
    with pytest.raises(sa.exc.IntegrityError), empty.begin() as connection:
        connection.exec_driver_sql("DELETE FROM drill_objective")
    versions.downgrade(empty, "0015")
    assert "drill_objective" not in sa.inspect(empty).get_table_names()


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
