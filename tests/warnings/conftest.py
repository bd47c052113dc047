"""A warning at each step of its way."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from emergency.config import Config
from emergency.privacy import journal
from emergency.privacy.keys import KeyRing
from emergency.privacy.vault import Vault
from emergency.warnings import service
from emergency.warnings.models import Issue, Warning
from kernel.clock import ManualClock
from kernel.db import Database, make_engine
from tests.conftest import START
from tests.warnings.support import World, build, content


@pytest.fixture(scope="session")
def _world(tmp_path_factory: pytest.TempPathFactory, _sqlite_template: Path, keyring: KeyRing) -> tuple[Path, World]:
    """The district, built once and copied for every test."""
    path = tmp_path_factory.mktemp("world") / "world.db"
    shutil.copy(_sqlite_template, path)
    database = Database(make_engine(f"sqlite:///{path}"), ManualClock(START))
    database.attach("config", Config(base=path.parent))
    journal.install(database, Vault(keyring), None)
    world = build(database)
    with database.engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.exec_driver_sql("BEGIN")
    database.engine.dispose()
    return path, world


@pytest.fixture
def db_engine(db_engine: sa.Engine, request: pytest.FixtureRequest) -> Iterator[sa.Engine]:
    """On SQLite the district is there already."""
    if db_engine.dialect.name == "sqlite":
        path = db_engine.url.database
        assert path
        db_engine.dispose()
        shutil.copy(request.getfixturevalue("_world")[0], path)
    yield db_engine


@pytest.fixture
def world(database: Database, request: pytest.FixtureRequest) -> World:
    if database.is_sqlite:
        return copy.deepcopy(request.getfixturevalue("_world")[1])
    return build(database)


@pytest.fixture
def drafted(database: Database, world: World) -> Callable[..., Warning]:
    """A draft of the duty officer, in a unit of work of its own."""

    def make(**changes: Any) -> Warning:
        with database.write() as session:
            return service.create(session, actor=world.author, **content(**changes))

    return make


@pytest.fixture
def submitted(database: Database, world: World, drafted: Callable[..., Warning]) -> Callable[..., Warning]:
    def make(**changes: Any) -> Warning:
        draft = drafted(**changes)
        with database.write() as session:
            return service.submit(session, actor=world.author, warning_id=draft.id)

    return make


@pytest.fixture
def approved(database: Database, world: World, submitted: Callable[..., Warning]) -> Callable[..., Issue]:
    def make(**changes: Any) -> Issue:
        waiting = submitted(**changes)
        with database.write() as session:
            return service.approve(session, actor=world.approver, warning_id=waiting.id, version=waiting.version)

    return make
