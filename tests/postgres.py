"""A scratch database on the PostgreSQL that is given: its tables are not logged, so that neither tests nor the clean-up
wait for a disk. What is tested is behaviour; durability is PostgreSQL's own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import CreateTable

from kernel.db import make_engine


@compiles(CreateTable, "postgresql")
def _unlogged(element: CreateTable, compiler: Any, **options: Any) -> str:
    text: str = compiler.visit_create_table(element, **options)
    return text.replace("CREATE TABLE", "CREATE UNLOGGED TABLE", 1)


@contextmanager
def scratch(given: str, suffix: str) -> Iterator[sa.Engine]:
    """An engine on an empty database of our own beside the given one, which is dropped at the end."""
    base = sa.make_url(given)
    name = f"{base.database}_{suffix}"
    admin = make_engine(given).execution_options(isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        connection.exec_driver_sql(f'CREATE DATABASE "{name}"')
        connection.exec_driver_sql(f'ALTER DATABASE "{name}" SET synchronous_commit = off')
    engine = make_engine(base.set(database=name).render_as_string(hide_password=False))
    yield engine
    engine.dispose()
    with admin.connect() as connection:
        connection.exec_driver_sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    admin.dispose()


def empty(engine: sa.Engine, tables: Sequence[sa.Table]) -> None:
    """Take everything out of `tables`: of a hundred only those few are touched that hold something."""
    with engine.begin() as connection:
        probes = " UNION ALL ".join(f"SELECT '{t.name}' WHERE EXISTS (SELECT 1 FROM \"{t.name}\")" for t in tables)
        full = connection.exec_driver_sql(probes).scalars().all()
        if full:
            # DELETE, because TRUNCATE makes new files for a table, its indexes and all that refer to it.
            connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
            connection.exec_driver_sql("; ".join(f'DELETE FROM "{name}"' for name in full))
