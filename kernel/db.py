"""One MetaData, one way to begin a transaction.

SQLite with the driver's defaults loses read-modify-writes without an error; so the driver's own transaction
handling is switched off and every transaction says how it begins: readers DEFERRED and read-only, writers
IMMEDIATE. PostgreSQL gets READ ONLY and READ WRITE. Side effects of a unit of work are rows; `before_commit`
is the one place for what must be the last statement (the journal's chain head).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine, make_url
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from kernel.clock import Clock, SystemClock
from kernel.ids import new_id
from kernel.types import JSONText, UTCDateTime

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

BUSY_TIMEOUT_SECONDS = 15
IDLE_TRANSACTION_SECONDS = 10
metadata = sa.MetaData(naming_convention=NAMING)

Pk = Annotated[int, mapped_column(sa.BigInteger, primary_key=True, autoincrement=False, default=new_id)]
"""A primary key that is known before the insert (see `kernel.ids`)."""
DivisionCode = Annotated[str, mapped_column(sa.String(12))]
"""A 12-digit division code; the foreign key is declared where it is used."""


class Base(DeclarativeBase):
    """Every mapped class. Relationships are declared with lazy="raise": loaders are explicit."""

    metadata = metadata
    type_annotation_map = {
        datetime: UTCDateTime,
        int: sa.BigInteger,
        str: sa.Text,
        bytes: sa.LargeBinary,
        dict[str, Any]: JSONText,
        list[Any]: JSONText,
        list[str]: JSONText,
    }


def make_engine(url: str | sa.URL, *, echo: bool = False, pool_size: int = 8) -> Engine:
    """An engine by the house recipe, for `sqlite:///file` or `postgresql://…` (psycopg 3)."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite_engine(parsed, echo, pool_size)
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    given = str(parsed.query.get("options", ""))  # what the address asks for stays; connect_args would hide it
    parsed = parsed.difference_update_query(["options"])
    return sa.create_engine(
        parsed, echo=echo, pool_size=pool_size, max_overflow=pool_size, pool_pre_ping=True, json_serializer=_dumps,
        hide_parameters=True,  # an error's text goes to logs, and what was bound may be a person's
        # a process that is frozen inside a transaction must not hold its rows against everybody else
        connect_args={"options": f"{given} -c idle_in_transaction_session_timeout={IDLE_TRANSACTION_SECONDS * 1000}"},
    )  # fmt: skip


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _sqlite_engine(url: sa.URL, echo: bool, pool_size: int) -> Engine:
    if url.database and url.database != ":memory:":
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(
        url,
        echo=echo,
        hide_parameters=True,
        poolclass=sa.QueuePool,
        pool_size=pool_size,
        max_overflow=pool_size * 2,
        connect_args={"timeout": BUSY_TIMEOUT_SECONDS, "isolation_level": None, "check_same_thread": False},
        json_serializer=_dumps,
    )

    @event.listens_for(engine, "connect")
    def _configure(connection: sqlite3.Connection, _record: object) -> None:
        cursor = connection.cursor()
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            f"busy_timeout={BUSY_TIMEOUT_SECONDS * 1000}",
            "temp_store=MEMORY",
            "cache_size=-32000",
            "mmap_size=268435456",
            "journal_size_limit=67108864",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writer = connection.get_execution_options().get("writer", True)
        # A reader that tried to write would fail with SQLITE_BUSY_SNAPSHOT at once, whatever the timeout,
        # and only under load; query_only makes it fail always, where a test sees it.
        connection.exec_driver_sql(f"PRAGMA query_only={'OFF' if writer else 'ON'}")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writer else "BEGIN")

    return engine


Hook = Callable[[Session], None]


class Database:
    """The engine together with the recipe for sessions.

    `attach` puts services that every session carries (the vault, the clock, the notifier's ports) under a name in
    `session.info`; that is how a service function reaches them without a global.
    """

    def __init__(self, engine: Engine, clock: Clock | None = None):
        self.engine = engine
        self.clock: Clock = clock or SystemClock()
        self._reader = engine.execution_options(writer=False, **self._read_only())
        self._writer = engine.execution_options(writer=True)
        self._info: dict[str, Any] = {"clock": self.clock, "database": self}
        self._before_commit: list[Hook] = []

    def _read_only(self) -> dict[str, Any]:
        return {"postgresql_readonly": True} if self.engine.dialect.name == "postgresql" else {}

    @property
    def is_sqlite(self) -> bool:
        """Whether the embedded database serves."""
        return self.engine.dialect.name == "sqlite"

    def attach(self, name: str, service: Any) -> None:
        """Give every later session `service` under `session.info[name]`."""
        self._info[name] = service

    def service(self, name: str) -> Any:
        """What was attached under `name`; KeyError where nothing was."""
        return self._info[name]

    def before_commit(self, hook: Hook) -> None:
        """Run `hook(session)` as the last thing before every writer's commit, in order of registration."""
        self._before_commit.append(hook)

    def open_session(self, *, writer: bool) -> Session:
        """A session that the caller finishes with `finish` or `abandon`; the edge uses it."""
        session = Session(self._writer if writer else self._reader, expire_on_commit=False, autoflush=True)
        session.info.update(self._info)
        session.info["writer"] = writer
        return session

    def finish(self, session: Session) -> None:
        """Flush, run the hooks, commit, then what was asked for by `after_commit`."""
        try:
            if session.info["writer"]:
                session.flush()
                for hook in self._before_commit:
                    hook(session)
            session.commit()
        except BaseException:
            session.rollback()
            raise
        finally:
            session.close()
        for callback in session.info.pop("after_commit", []):
            callback()

    def abandon(self, session: Session) -> None:
        """Keep nothing. What was read stays readable."""
        session.close()

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A writing unit of work: BEGIN IMMEDIATE, commit at the end, roll back on any exception."""
        session = self.open_session(writer=True)
        try:
            yield session
        except BaseException:
            self.abandon(session)
            raise
        self.finish(session)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A reading unit of work: one consistent snapshot on SQLite, read-only on both."""
        session = self.open_session(writer=False)
        try:
            yield session
        finally:
            # close() alone: a rollback would expire what was read, and the page still wants to show it
            session.close()


def after_commit(session: Session, callback: Callable[[], None]) -> None:
    """Call `callback` once this unit of work has been committed; never if it is rolled back."""
    session.info.setdefault("after_commit", []).append(callback)


def now(session: Session) -> datetime:
    """The present by the session's clock, aware UTC."""
    clock: Clock = session.info["clock"]
    return clock.now()


def dialect_name(session: Session) -> str:
    """`sqlite` or `postgresql`."""
    return session.get_bind().dialect.name


class Touched(Base):
    """A record that changed in a way that a higher room may have to look at again (readiness reads and deletes)."""

    __tablename__ = "touched"

    kind: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    subject_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime]


TouchListener = Callable[[Session, str, list[int]], None]
_touch_listeners: dict[str, list[TouchListener]] = {}


def on_touch(kind: str, listener: TouchListener) -> None:
    """Call `listener(session, kind, ids)` within the unit of work that touches records of this kind.

    For a room that keeps a copy of what others know: it marks the copy as out of date, and nothing is lost between two
    looks. Registering the same listener again changes nothing.
    """
    known = _touch_listeners.setdefault(kind, [])
    if listener not in known:
        known.append(listener)


def touch(session: Session, kind: str, subject_id: int) -> None:
    """Tell readiness to look at `(kind, subject_id)` again; several touches are one."""
    from sqlalchemy.dialects import postgresql, sqlite

    for listener in _touch_listeners.get(kind, ()):
        listener(session, kind, [subject_id])
    insert = sqlite.insert if dialect_name(session) == "sqlite" else postgresql.insert
    moment = now(session)
    session.execute(
        insert(Touched)
        .values(kind=kind, subject_id=subject_id, at=moment)
        .on_conflict_do_update(index_elements=["kind", "subject_id"], set_={"at": moment})
    )


def touch_all(session: Session, kind: str, subject_ids: Iterable[int]) -> None:
    """As `touch`, for many at once."""
    from sqlalchemy.dialects import postgresql, sqlite

    ids = sorted(set(subject_ids))
    if not ids:
        return
    for listener in _touch_listeners.get(kind, ()):
        listener(session, kind, ids)
    insert = (sqlite.insert if dialect_name(session) == "sqlite" else postgresql.insert)(Touched)
    statement = insert.on_conflict_do_update(index_elements=["kind", "subject_id"], set_={"at": insert.excluded.at})
    moment = now(session)
    session.execute(statement, [{"kind": kind, "subject_id": i, "at": moment} for i in ids])
