"""PostgreSQL's rows out into the file of a backup, and back."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import sqlalchemy as sa

from emergency import backup_file, versions
from emergency.schema import metadata
from kernel.db import Database, make_engine
from kernel.errors import N_, Unavailable

_PIECE = 2000
Report = Callable[[int, int | None], None]


def save(database: Database, target: Path, report: Report | None) -> None:
    """Write every row of one moment into a new SQLite file."""
    copy = make_engine(sa.URL.create("sqlite", database=str(target)))  # a name may hold what a URL may not
    try:
        versions.upgrade(copy)
        snapshot = database.engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        with snapshot.connect() as source, copy.connect() as sink, sink.begin():
            sink.exec_driver_sql("PRAGMA defer_foreign_keys=ON")
            guards = sink.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").all()
            for name, _sql in guards:  # they guard what people write; a copy writes what was approved long ago
                sink.exec_driver_sql(f'DROP TRIGGER "{name}"')
            _copy_tables(source, sink, report)
            _note_sequences(source, sink)
            for _name, sql in guards:
                sink.exec_driver_sql(sql)
            sink.exec_driver_sql("INSERT INTO plan_search_fts (plan_search_fts) VALUES ('rebuild')")
    finally:
        copy.dispose()
    with closing(sqlite3.connect(target)) as closed:
        closed.execute("PRAGMA journal_mode=DELETE")


def _copy_tables(source: sa.Connection, sink: sa.Connection, report: Report | None) -> int:
    done = 0
    for table in metadata.sorted_tables:
        result = source.execution_options(stream_results=True, yield_per=_PIECE).execute(sa.select(table))
        for rows in result.mappings().partitions(_PIECE):
            sink.execute(sa.insert(table), [dict(row) for row in rows])
            done += len(rows)
            if report:
                report(done, None)
    return done


def load(database: Database, file: Path, report: Report | None) -> None:
    """Replace every row by those of the file, in one transaction."""
    copy = backup_file.engine(file)
    try:
        with copy.connect() as source, database.engine.begin() as sink:
            sink.exec_driver_sql("SET LOCAL lock_timeout = '10s'")
            with _loose(sink):
                names = ", ".join(f'"{table.name}"' for table in metadata.sorted_tables)
                sink.exec_driver_sql(f"TRUNCATE {names} RESTART IDENTITY CASCADE")
                _copy_tables(source, sink, report)
            _move_sequences(source, sink)
    except sa.exc.OperationalError as error:
        raise Unavailable(
            N_("The database is in use by other processes. Stop them on every machine first; nothing was changed.")
        ) from error
    finally:
        copy.dispose()


@contextmanager
def _loose(connection: sa.Connection) -> Iterator[None]:
    """Without references and triggers, which PostgreSQL lets a table's owner switch off in no other way than this.

    They come back in the same transaction, and the references are checked over all rows.
    """
    references = connection.execute(
        sa.text(
            "SELECT conrelid::regclass::text, quote_ident(conname), pg_get_constraintdef(oid) FROM pg_constraint "
            "WHERE contype = 'f' AND connamespace = current_schema()::regnamespace ORDER BY 1, 2"
        )
    ).all()
    guarded = connection.scalars(
        sa.text(
            "SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid "
            "WHERE NOT tgisinternal AND relnamespace = current_schema()::regnamespace ORDER BY 1"
        )
    ).all()
    for table, name, _definition in references:
        connection.exec_driver_sql(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    for table in guarded:
        connection.exec_driver_sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    yield
    for table in guarded:
        connection.exec_driver_sql(f"ALTER TABLE {table} ENABLE TRIGGER USER")
    for table, name, definition in references:
        connection.exec_driver_sql(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")


def _numbered() -> Iterator[tuple[sa.Table, sa.Column[int]]]:
    """The tables whose rows the database itself numbers."""
    for table in metadata.sorted_tables:
        column = table.autoincrement_column
        if column is not None and table.dialect_options["sqlite"]["autoincrement"]:
            yield table, column


def _sequence(connection: sa.Connection, table: sa.Table, column: sa.Column[int]) -> str:
    return str(connection.scalar(sa.select(sa.func.pg_get_serial_sequence(f'"{table.name}"', column.name))))


def _note_sequences(source: sa.Connection, sink: sa.Connection) -> None:
    """How far PostgreSQL has counted, in SQLite's own place for it: a number is never given twice."""
    for table, column in _numbered():
        last = source.exec_driver_sql(
            f"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {_sequence(source, table, column)}"  # noqa: S608
        ).scalar_one()
        sink.exec_driver_sql("DELETE FROM sqlite_sequence WHERE name = ?", (table.name,))
        sink.exec_driver_sql("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (table.name, last))


def _move_sequences(source: sa.Connection, sink: sa.Connection) -> None:
    for table, column in _numbered():
        noted = source.exec_driver_sql("SELECT seq FROM sqlite_sequence WHERE name = ?", (table.name,)).scalar()
        last = max(noted or 0, sink.scalar(sa.select(sa.func.max(column))) or 0)
        sink.execute(sa.select(sa.func.setval(_sequence(sink, table, column), last + 1, False)))
