"""The shell alone: its pages over a real database, with whoever the test signs in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import flask
import pytest
from flask.testing import FlaskClient

from emergency.config import Config
from emergency.divisions import rules
from emergency.divisions.models import Division, PointSource, Unit, UnitKind
from emergency.http.actor import Actor
from emergency.http.permissions import Role
from emergency.web import workbench
from kernel.clock import ManualClock
from kernel.db import Database
from notify.models import EngineBeat
from tests.shell import shell

PLACES = (
    ("120000000000", "天津市", 1, None),
    ("120100000000", "市辖区", 2, "120000000000"),
    ("120118000000", "静海区", 3, "120100000000"),
    ("120118100000", "静海镇", 4, "120118000000"),
    ("120118104000", "台头镇", 4, "120118000000"),
    ("120118104201", "义和村委会", 5, "120118104000"),
    ("120118104202", "南坝台村委会", 5, "120118104000"),
    ("120118100201", "东五里村委会", 5, "120118100000"),
)


@pytest.fixture
def place(database: Database) -> None:
    """Two townships, three villages, two units."""
    with database.write() as session:
        for number, (code, name, level, parent) in enumerate(PLACES):
            point = (38.9 + number / 100, 116.9 + number / 100) if level >= 4 else (None, None)
            session.add(
                Division(
                    code=code, name=name, level=level, parent_code=parent, prefix=rules.prefix(code), lat=point[0],
                    lon=point[1], point_source=PointSource.SYNTHETIC if point[0] else None,
                )
            )  # fmt: skip
            session.flush()
        session.add(
            Unit(
                code="U1",
                name="台头镇第一小学",
                division_code="120118104000",
                kind=UnitKind.SCHOOL,
                sectors=[],
                lat=38.95,
                lon=116.93,
                point_source=PointSource.ENTERED,
            )
        )
        session.add(Unit(code="U2", name="静海100%棉纺厂", division_code="120118100000", kind=UnitKind.ENTERPRISE, sectors=[]))  # fmt: skip


@pytest.fixture
def shell_app(database: Database, config: Config, place: None) -> flask.Flask:
    """The shell's own pages; `app.config["ACTOR"]` is signed in."""
    app = shell(database, config)
    app.config["ACTOR"] = _person(*Role)
    return app


def _person(*roles: Role, division: str = "120118000000", name: str = "周某一") -> Actor:
    """Somebody with a name, roles and a scope."""
    return Actor(
        kind="account", id=1, name=name, roles=frozenset(roles), division_prefix=rules.prefix(division),
        division_code=division,
    )  # fmt: skip


@pytest.fixture
def person() -> Callable[..., Actor]:
    """Makes somebody with a name, roles and a scope."""
    return _person


@pytest.fixture
def client(shell_app: flask.Flask) -> FlaskClient:
    return shell_app.test_client()


@pytest.fixture
def panels(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The registry of the workbench, emptied for the test."""
    for name in ("_waiting", "_days", "_figures", "_first_run"):
        monkeypatch.setattr(workbench, name, {})
    return workbench


@pytest.fixture
def beating(database: Database, clock: ManualClock) -> Iterator[EngineBeat]:
    """An engine that was heard two seconds ago."""
    with database.write() as session:
        beat = EngineBeat(holder="engine-1", host="test", pid=1, started_at=clock.now(),
                          beat_at=clock.now() - timedelta(seconds=2), last_handed_over_at=None)  # fmt: skip
        session.add(beat)
    yield beat
