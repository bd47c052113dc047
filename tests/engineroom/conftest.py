"""A village whose messages nobody can tell about, and the whole product in front of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import flask
import pytest
from flask.testing import FlaskClient

from emergency.http.actor import Actor
from emergency.http.permissions import Role
from emergency.people.contacts.models import Contact
from kernel.clock import ManualClock
from kernel.db import Database
from notify import blocks, ledger, service, watch
from notify.models import Broadcast, Delivery, DeliveryState, EngineBeat, Kind
from tests.asking.support import OTHER_TOWN, VILLAGE, World, build, person

PERSON = person


@dataclass
class Scene:
    """What the tests look at."""

    broadcast: int
    mine: list[int]
    """Deliveries in 台头镇 that a person settles, in order."""
    elsewhere: int
    """One in another town."""


@pytest.fixture
def world(database: Database) -> World:
    return build(database)


@pytest.fixture
def enter(database: Database, world: World) -> Callable[..., Broadcast]:
    """A broadcast to holders of the village, and to one of another town."""

    def enters(names: tuple[str, ...] = ("village0", "village1", "other0"), **changes: Any) -> Broadcast:
        with database.write() as session:
            values: dict[str, Any] = {
                "kind": Kind.ACTUAL, "priority": 0, "text": "河水上涨，请立即转移。",
                "valid_until": database.clock.now() + timedelta(hours=2), "channels": ["sms"],
                "subject_kind": "question", "subject_id": 7, "signature": "静海应急",
            } | changes  # fmt: skip
            people = []
            for name in names:
                contact = session.get_one(Contact, world.contacts[name])
                code = OTHER_TOWN if name.startswith("other") else VILLAGE
                assert contact.phone_index is not None
                people.append(service.Recipient(f"post:{contact.id}", code, contact.id, contact.phone_index))
            return service.deliver(session, service.BroadcastSpec(**values), people)

    return enters


@pytest.fixture
def scene(database: Database, enter: Callable[..., Broadcast]) -> Scene:
    """Three messages whose outcome no machine can find out."""
    record = enter()
    ids = [record.first_id + n for n in (1, 2, 3)]
    with database.write() as session:
        [held] = blocks.claim(session, "one", 10, 500)
        ledger.intend(session, [(key, "sms", None) for key in ids])
        ledger.settle(session, [(key, 1, DeliveryState.UNKNOWN, None, "timeout") for key in ids])
        change = ledger.TallyChange()
        for key in ids:
            row = session.get_one(Delivery, key)
            change.move(record.id, row.division, "sms", row.people, DeliveryState.QUEUED, DeliveryState.UNKNOWN)
        change.write(session)
        for key in ids:
            session.get_one(Delivery, key, populate_existing=True).reason = watch.BY_HAND
        blocks.release(session, held)
    return Scene(record.id, ids[:2], ids[2])


@pytest.fixture
def signed_in(app: flask.Flask) -> Callable[..., FlaskClient]:
    """A browser of somebody with these roles."""
    app.config["WTF_CSRF_ENABLED"] = False
    who: list[Actor] = []

    @app.before_request
    def _sign_in() -> None:
        if who:
            flask.g.actor = who[-1]

    def signs_in(*roles: Role, division: str = "120118000000") -> FlaskClient:
        who.append(person(*roles, division=division))
        return app.test_client()

    return signs_in


@pytest.fixture
def beating(database: Database, clock: ManualClock) -> None:
    """An engine that was heard just now."""
    with database.write() as session:
        session.add(EngineBeat(holder="engine-1", host="h", pid=1, started_at=clock.now(), beat_at=clock.now(),
                               handed_over=12, per_second=4.0, last_handed_over_at=None))  # fmt: skip
