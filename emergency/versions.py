"""The database's version against the program's: Alembic behind three questions."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection, Engine

from kernel.db import make_engine
from kernel.errors import N_, DomainError

MIGRATIONS = Path(__file__).resolve().parents[1] / "migrations"


class WrongVersion(DomainError):
    """Program and database do not belong together."""

    code = "database_version"
    status = 503


@lru_cache(maxsize=1)
def _script() -> ScriptDirectory:
    return ScriptDirectory.from_config(_alembic())


def _alembic(connection: Connection | None = None) -> AlembicConfig:
    config = AlembicConfig()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config


def head() -> str:
    """The version that this program needs."""
    revision = _script().get_current_head()
    assert revision is not None  # noqa: S101 - the folder of migrations is part of the program
    return revision


def current(engine: Engine) -> str | None:
    """The database's version; None where nothing was created yet."""
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def is_empty(url: str) -> bool:
    """Whether there is no database of ours yet. Only then may keys be made: what is sealed already needs its own."""
    file = url.removeprefix("sqlite:///")
    if file != url and not Path(file).exists():
        return True
    engine = make_engine(url)
    try:
        return current(engine) is None
    finally:
        engine.dispose()


def check_exists(url: str) -> None:
    """Refuse where nothing was set up yet; makes no file."""
    if is_empty(url):
        raise WrongVersion(
            N_(
                "There is no database yet. “emergency db upgrade” makes an empty one, “emergency demo load” the "
                "demonstration district; nothing was changed."
            ),
            code="not_set_up",
        )


def check(engine: Engine) -> None:
    """Refuse a database that is empty, older or newer than the program. Changes nothing."""
    found = current(engine)
    if found == head():
        return
    if found is None:
        raise WrongVersion(N_("The database is empty. Run “emergency db upgrade” first."))
    known = {script.revision for script in _script().walk_revisions()}
    if found not in known:
        raise WrongVersion(
            N_(
                "The database is from a newer version (%(found)s) than this program. "
                "Install the newer program; nothing was changed."
            ),
            found=found,
        )
    raise WrongVersion(
        N_("The database is from an older version (%(found)s). Make a backup, then run “emergency db upgrade”."),
        found=found,
    )


def upgrade(engine: Engine, to: str = "head") -> None:
    """Bring the database to the program's version (or to `to`), in one transaction where the database can."""
    found = current(engine)
    if found is not None and found not in {script.revision for script in _script().walk_revisions()}:
        check(engine)
    with _for_schema_changes(engine) as connection:
        command.upgrade(_alembic(connection), to)


def downgrade(engine: Engine, to: str) -> None:
    """Bring the database back to an older version."""
    with _for_schema_changes(engine) as connection:
        command.downgrade(_alembic(connection), to)


class _for_schema_changes:
    """A connection in one transaction, with SQLite's foreign keys off while tables are rebuilt."""

    def __init__(self, engine: Engine):
        self._connection = engine.connect()
        self._sqlite = engine.dialect.name == "sqlite"

    def __enter__(self) -> Connection:
        if self._sqlite:  # the pragma does nothing inside a transaction, so before it begins
            raw = self._connection.connection.dbapi_connection
            assert raw is not None  # noqa: S101
            raw.execute("PRAGMA foreign_keys=OFF")
        self._transaction = self._connection.begin()
        return self._connection

    def __exit__(self, kind: type[BaseException] | None, *_rest: object) -> None:
        try:
            if kind is None:
                if self._sqlite:
                    broken = self._connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
                    if broken:
                        raise sa.exc.IntegrityError("foreign_key_check", broken, Exception("rows without their parent"))
                self._transaction.commit()
            else:
                self._transaction.rollback()
        finally:
            self._connection.invalidate()
            self._connection.close()


def empty(engine: Engine) -> None:
    """Remove the product's tables and nothing else: only `demo clear` asks for this."""
    downgrade(engine, "base")
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE alembic_version")
