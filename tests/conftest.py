"""Fixtures that every room's tests share: a real database (SQLite file, and PostgreSQL where one is given),
a clock that moves only when told, a vault with fresh keys, and no way out to the network."""

from __future__ import annotations

import copy
import os
import shutil
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import flask
import jinja2
import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from hypothesis import HealthCheck, settings
from sqlalchemy.orm import Session

from emergency import bind, create_app, schema
from emergency.config import Config
from emergency.http.actor import Actor
from emergency.http.permissions import Role
from emergency.privacy import journal
from emergency.privacy.keys import KeyRing
from emergency.privacy.vault import Vault
from emergency.runtime import Runtime
from emergency.wiring import wire
from kernel.clock import ManualClock
from kernel.db import Database, make_engine
from tests.postgres import empty, scratch

POSTGRES_URL = os.environ.get("EMERGENCY_TEST_POSTGRES_URL", "")
START = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)  # Monday 09:00 in Beijing
DISTRICT = "120118000000"

# The same examples every time, so that a red run says what changed; HYPOTHESIS_PROFILE=wide looks for new ones.
PATIENT = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]}
settings.register_profile("same", derandomize=True, **PATIENT)  # type: ignore[arg-type]
settings.register_profile("wide", max_examples=1000, **PATIENT)  # type: ignore[arg-type]
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


def pytest_report_header() -> list[str]:
    return [f"postgres: {'joined' if POSTGRES_URL else 'skipped (EMERGENCY_TEST_POSTGRES_URL is not set)'}"]


@pytest.fixture(scope="session", autouse=True)
def _compiled_templates(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A template is compiled once a test process rather than once an app: every test has an app of its own."""
    cache = jinja2.FileSystemBytecodeCache(str(tmp_path_factory.mktemp("templates")))
    flask.Flask.jinja_options = {"bytecode_cache": cache}


@pytest.fixture
def clock() -> ManualClock:
    """Monday 2026-11-23 09:00 in Beijing, until moved."""
    return ManualClock(START)


@pytest.fixture(scope="session")
def keyring() -> KeyRing:
    return KeyRing.generate()


@pytest.fixture
def vault(keyring: KeyRing) -> Vault:
    return Vault(keyring)


@pytest.fixture(scope="session")
def _sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "template.db"
    engine = make_engine(f"sqlite:///{path}")
    schema.metadata.create_all(engine)
    with engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.exec_driver_sql("BEGIN")
    engine.dispose()
    return path


@pytest.fixture(scope="session")
def _sqlite_engine(tmp_path_factory: pytest.TempPathFactory) -> sa.Engine:
    """One engine a test process, so that a statement is compiled once; its file is a fresh copy for every test."""
    engine = make_engine(f"sqlite:///{tmp_path_factory.mktemp('database') / 'test.db'}")

    @sa.event.listens_for(engine, "connect")
    def _without_waiting_for_the_disk(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA synchronous=OFF")

    return engine


@pytest.fixture(scope="session")
def _postgres_engine(worker_id: str) -> Iterator[sa.Engine]:
    """One scratch database a test process, with the tables made once."""
    with scratch(POSTGRES_URL, worker_id) as engine:
        schema.metadata.create_all(engine)
        yield engine


@pytest.fixture(scope="session")
def worker_id(request: pytest.FixtureRequest) -> str:
    workerinput = getattr(request.config, "workerinput", None)
    return str(workerinput["workerid"]) if workerinput else "main"


def _backends() -> list[Any]:
    return ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)] if POSTGRES_URL else ["sqlite"]


def database_files(engine: sa.Engine) -> list[Path]:
    """What SQLite keeps on the disk: the database, what is not yet in it, and its index; nothing for PostgreSQL."""
    if engine.dialect.name != "sqlite":
        return []
    path = Path(str(engine.url.database))
    return sorted(path.parent.glob(f"{path.name}*"))


def on_disk(database: Database) -> bytes:
    """Every byte that the database of a test on SQLite has on the disk."""
    found = b"".join(path.read_bytes() for path in database_files(database.engine))
    assert found, "there is no file to look into"
    return found


@pytest.fixture(params=_backends())
def db_engine(request: pytest.FixtureRequest) -> Iterator[sa.Engine]:
    """An empty database with every table: a SQLite file, and PostgreSQL too where one is given."""
    if request.param == "sqlite":
        engine = request.getfixturevalue("_sqlite_engine")
        for old in database_files(engine):
            old.unlink()
        shutil.copy(request.getfixturevalue("_sqlite_template"), str(engine.url.database))
        engine.dispose()  # a thread that an earlier test left behind may have connected to the old file meanwhile
        yield engine
        engine.dispose()
        return
    engine = request.getfixturevalue("_postgres_engine")
    empty(engine, schema.metadata.sorted_tables)
    yield engine


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """The defaults, with every file under the test's own folder."""
    return Config(base=tmp_path)


@pytest.fixture
def database(db_engine: sa.Engine, clock: ManualClock, vault: Vault, config: Config, tmp_path: Path) -> Database:
    """The database as the product wires it: vault, journal with its anchor, configuration, injected clock."""
    db = Database(db_engine, clock)
    db.attach("config", config)
    journal.install(db, vault, tmp_path / "journal.anchor")
    return db


@pytest.fixture
def runtime(config: Config, database: Database, vault: Vault) -> Runtime:
    """The installation as the roof wires it, on the test's database and clock."""
    built = Runtime(config, database, vault)
    wire(built)
    return built


Moulds = dict[tuple[str, bool], flask.Flask]


@pytest.fixture(scope="session")
def _moulds() -> Moulds:
    """Apps with all their routes, by language and gateway; they serve nobody themselves."""
    return {}


@pytest.fixture
def app(runtime: Runtime, _moulds: Moulds) -> flask.Flask:
    """The whole product; nobody is signed in. Its routes are made once a test process: that costs half a second."""
    key = (runtime.config.site.language, runtime.config.notify.gateway.enabled)
    if key not in _moulds:
        _moulds[key] = create_app(runtime)
    application = copy.copy(_moulds[key])
    application.config = copy.copy(application.config)
    application.extensions = dict(application.extensions)
    hooks = application.before_request_funcs
    application.before_request_funcs = defaultdict(list, {name: list(found) for name, found in hooks.items()})
    bind(application, runtime)
    application.testing = True
    return application


@pytest.fixture
def client(app: flask.Flask) -> FlaskClient:
    """A visitor's browser."""
    return app.test_client()


@pytest.fixture
def write(database: Database) -> Any:
    """`with write() as session:` a writing unit of work."""

    def begin() -> AbstractContextManager[Session]:
        return database.write()

    return begin


@pytest.fixture
def read(database: Database) -> Any:
    """`with read() as session:` a reading unit of work."""

    def begin() -> AbstractContextManager[Session]:
        return database.read()

    return begin


def make_actor(*roles: Role, division: str = DISTRICT, id: int = 1) -> Actor:
    """An account's actor with the given roles and scope."""
    lengths = {"00000000": 4, "000000": 6, "000": 9}
    prefix = next((division[:n] for zeros, n in lengths.items() if division.endswith(zeros)), division)
    return Actor(kind="account", id=id, roles=frozenset(roles), division_prefix=prefix, division_code=division)


@pytest.fixture
def district_officer() -> Actor:
    """The district's duty officer."""
    return make_actor(Role.DUTY_OFFICER)


@pytest.fixture
def district_approver() -> Actor:
    """The district's approver, another person."""
    return make_actor(Role.APPROVER, id=2)


@pytest.fixture
def township_liaison() -> Actor:
    """The liaison of 台头镇."""
    return make_actor(Role.LIAISON, division="120118104000", id=3)
