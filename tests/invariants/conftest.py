"""The whole demo district, small, built once a database: what the invariants are tried on."""

from __future__ import annotations

import importlib
import importlib.util
import io
import itertools
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import flask
import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from werkzeug.routing import AnyConverter, Rule

from emergency import create_app, schema
from emergency.commands.demo import SEEDS
from emergency.config import Config
from emergency.divisions.models import Division, Unit
from emergency.http.actor import Actor
from emergency.http.permissions import Role
from emergency.people.accounts import links, lookups, service, sessions
from emergency.people.accounts.models import Account, SignInMethod
from emergency.people.accounts.sessions import Origin
from emergency.privacy import journal
from emergency.privacy.journal import JournalEntry
from emergency.privacy.keys import KeyRing
from emergency.privacy.vault import Vault
from emergency.runtime import Runtime
from emergency.warnings.models import Warning, WarningState
from emergency.wiring import wire
from kernel.clock import ManualClock
from kernel.db import Database, make_engine
from tests.conftest import DISTRICT, POSTGRES_URL, START
from tests.postgres import scratch

PEOPLE = 450
TOWNSHIPS = ("120118104", "120118102", "120118103")
VILLAGES_EACH, UNITS_EACH = 4, 3
HERE, THERE = "120118104000", "120118102000"
"""台头镇 and 独流镇."""
HERE_VILLAGE = "120118104201"
_numbers = itertools.count(1)


@dataclass
class Person:
    """An account with a browser that is signed in and a token."""

    account: Account
    actor: Actor
    browser: FlaskClient
    token: str

    def api(self, method: str, path: str, **kwargs: Any) -> Any:
        """A request of a programme."""
        headers = {"Authorization": f"Bearer {self.token}", **kwargs.pop("headers", {})}
        return self.browser.application.test_client().open(path, method=method, headers=headers, **kwargs)


@dataclass
class Demo:
    """The running product on its demo district."""

    runtime: Runtime
    app: flask.Flask
    clock: ManualClock
    folder: Path
    people: dict[tuple[Any, ...], Person] = field(default_factory=dict)

    @property
    def database(self) -> Database:
        return self.runtime.database

    def person(self, *roles: Role, division: str = DISTRICT, fresh: bool = False) -> Person:
        """Somebody with these roles for this area; the same again unless `fresh`."""
        key = (*roles, division)
        if fresh or key not in self.people:
            made = self._make(roles, division)
            if fresh:
                return made
            self.people[key] = made
        return self.people[key]

    def _make(self, roles: Sequence[Role], division: str) -> Person:
        with self.database.write() as session:
            account = service.create_user(
                session, actor=Actor.system("test"), username=f"invariant-{next(_numbers)}", name="周某一",
                roles=roles[:1], division_code=division,
            )  # fmt: skip
            account.roles = [role.value for role in roles]
            key = sessions.begin(session, account=account, method=SignInMethod.PASSWORD, origin=Origin("127.0.0.1", ""))
            actor = lookups.actor_of(account, "周某一")
            token = links.create_token(session, actor=Actor.system("test"), account=account, name="test")
        browser = self.app.test_client()
        with browser.session_transaction() as cookie:
            cookie["_user_id"], cookie["_fresh"] = key, True
        return Person(account, actor, browser, token)

    def api_warning(self) -> int:
        """A draft of the district, to be tried on."""
        with self.database.read() as session:
            return session.scalars(sa.select(Warning.id).where(Warning.state == WarningState.ENDED).limit(1)).one()

    def scalars(self, statement: Any) -> list[Any]:
        """The rows of a statement, read apart from any request."""
        with self.database.read() as session:
            return list(session.scalars(statement))

    def journalled_since(self, seq: int) -> list[JournalEntry]:
        """What was journalled after `seq`."""
        return self.scalars(sa.select(JournalEntry).where(JournalEntry.seq > seq).order_by(JournalEntry.seq))

    @property
    def journal_end(self) -> int:
        with self.database.read() as session:
            return session.scalar(sa.select(sa.func.max(JournalEntry.seq))) or 0


def _backends() -> list[Any]:
    return ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)] if POSTGRES_URL else ["sqlite"]


@pytest.fixture(scope="session")
def _keys() -> KeyRing:
    return KeyRing.generate()


@pytest.fixture(scope="session")
def _postgres_demo(worker_id: str) -> Iterator[sa.Engine]:
    with scratch(POSTGRES_URL, f"invariants_{worker_id}") as engine:
        yield engine


def _thin(database: Database) -> None:
    """A few villages and units of three townships are enough; the rooms' seeds are quick then."""
    with database.write() as session:
        villages, units = [], []
        for prefix in TOWNSHIPS:
            of = Division.code.startswith(prefix)
            villages += session.scalars(
                sa.select(Division.code).where(of, Division.level == 5).order_by(Division.code).limit(VILLAGES_EACH)
            )
            units += session.scalars(
                sa.select(Unit.id).where(Unit.division_code.startswith(prefix)).order_by(Unit.id).limit(UNITS_EACH)
            )
        session.execute(sa.delete(Unit).where(Unit.id.not_in(units)))
        session.execute(sa.delete(Division).where(Division.level == 5, Division.code.not_in(villages)))


def build(engine: sa.Engine, folder: Path, keys: KeyRing, seeds: Sequence[str] = SEEDS) -> Demo:
    """The product on an empty database, with the demo district in it."""
    schema.metadata.create_all(engine)
    clock = ManualClock(START)
    database, vault, config = Database(engine, clock), Vault(keys), Config(base=folder)
    database.attach("config", config)
    journal.install(database, vault, folder / "journal.anchor")
    runtime = Runtime(config, database, vault)
    wire(runtime)
    for room in seeds:
        if importlib.util.find_spec(f"{room}.seed") is None:
            continue
        seed = importlib.import_module(f"{room}.seed").seed
        seed(database, people=PEOPLE) if room.endswith("residents") else seed(database)
        if room == "emergency.divisions":
            _thin(database)
    app = create_app(runtime)
    app.config["WTF_CSRF_ENABLED"] = False
    return Demo(runtime, app, clock, folder)


@pytest.fixture(scope="session", params=_backends())
def demo(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, _keys: KeyRing) -> Iterator[Demo]:
    """The demo district; tests leave it as they found it, but for journal entries and records of their own."""
    folder = tmp_path_factory.mktemp(f"demo-{request.param}")
    if request.param == "postgresql":
        yield build(request.getfixturevalue("_postgres_demo"), folder, _keys)
        return
    engine = make_engine(f"sqlite:///{folder}/demo.db")
    sa.event.listen(engine, "connect", lambda connection, _record: connection.execute("PRAGMA synchronous=OFF"))
    yield build(engine, folder, _keys)
    engine.dispose()


def choices(rule: Rule) -> dict[str, str]:
    """A valid word for every part of an address that admits some words only."""
    return {name: sorted(one.items)[0] for name, one in rule._converters.items() if isinstance(one, AnyConverter)}


def words_of(data: bytes) -> str:
    """Whatever an answer says: in a page, and in every file within a workbook, a document or a bundle of them."""
    if not data.startswith(b"PK\x03\x04"):
        return data.decode("utf-8", "replace")
    with zipfile.ZipFile(io.BytesIO(data)) as bundle:
        return "\n".join(f"{name}\n{words_of(bundle.read(name))}" for name in bundle.namelist())
