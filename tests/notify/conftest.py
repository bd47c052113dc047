from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from kernel.clock import ManualClock
from kernel.db import Base, Database, make_engine, metadata
from notify.channels.twilio_sms import TwilioSms
from notify.engine import Engine
from notify.ports import Ports

sys.path.insert(0, str(Path(__file__).parent))

import support

POSTGRES = os.environ.get("EMERGENCY_TEST_POSTGRES_URL")
SCRATCH = "emergency_notify_test"
OURS = [mapper.local_table for mapper in Base.registry.mappers if mapper.class_.__module__ == "notify.models"]


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A scratch database of our own beside the given one."""
    if not POSTGRES:
        pytest.skip("EMERGENCY_TEST_POSTGRES_URL is not set")
    admin = sa.create_engine(
        sa.make_url(POSTGRES).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool
    )
    name = f"{SCRATCH}_{os.getpid()}"
    with admin.connect() as connection:
        connection.execute(sa.text(f'CREATE DATABASE "{name}"'))
    url = sa.make_url(POSTGRES).set(database=name).render_as_string(hide_password=False)
    engine = make_engine(url)
    metadata.create_all(engine, tables=OURS)
    support.side.create_all(engine)
    engine.dispose()
    yield url
    with admin.connect() as connection:
        connection.execute(sa.text(f'DROP DATABASE "{name}" WITH (FORCE)'))


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'notify.db'}"
    return str(request.getfixturevalue("postgres_url"))


def _open(url: str) -> sa.Engine:
    engine = make_engine(url)
    if engine.dialect.name == "sqlite":
        metadata.create_all(engine, tables=OURS)
        support.side.create_all(engine)
    else:
        tables = [*OURS, support.person]
        with engine.begin() as connection:
            connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
            connection.exec_driver_sql("; ".join(f'DELETE FROM "{table.name}"' for table in tables))
    return engine


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    engine = _open(database_url)
    yield Database(engine)
    engine.dispose()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def timed(database_url: str, clock: ManualClock) -> Iterator[Database]:
    """A database whose clock the test moves."""
    engine = _open(database_url)
    yield Database(engine, clock)
    engine.dispose()


@pytest.fixture(scope="session")
def gateway_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[support.Gateway]:
    gateway = support.Gateway(tmp_path_factory.mktemp("gateway") / "record.jsonl")
    yield gateway
    gateway.stop()


@pytest.fixture
def gateway(gateway_process: support.Gateway) -> support.Gateway:
    """The gateway with every fault off."""
    gateway_process.faults()
    return gateway_process


@pytest.fixture
def book() -> support.Book:
    return support.Book()


@pytest.fixture
def outcomes() -> support.Outcomes:
    return support.Outcomes()


@pytest.fixture
def answers() -> support.Answers:
    return support.Answers()


@pytest.fixture
def ports(book: support.Book, outcomes: support.Outcomes, answers: support.Answers) -> Ports:
    return Ports(book, support.Sealer(), support.Index(), outcomes, answers)


@pytest.fixture
def make_engine_for(ports: Ports, gateway: support.Gateway) -> Callable[..., Engine]:
    """An engine with the main and the exercise account at the gateway."""

    def make(database: Database, *, holder: str = "test:1", accounts: Any = None, **changes: Any) -> Engine:
        settings = replace(support.FAST, **changes)
        chosen = accounts or [support.account(gateway), support.account(gateway, exercise=True)]
        channels = [TwilioSms(one, timeout=settings.request_timeout) for one in chosen]
        return Engine(database, channels, ports, settings, holder)

    return make


_next = iter(range(10_000, 100_000_000, 2_000))


@pytest.fixture
def start() -> int:
    """The first of two thousand keys that no other test uses."""
    return next(_next)
