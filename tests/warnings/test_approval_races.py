"""Pressed twice at the same moment, by one hand or by two: it is sent once."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import pytest
import sqlalchemy as sa

from emergency.http.actor import Actor
from emergency.warnings import service
from emergency.warnings.models import Issue
from kernel.db import Database
from kernel.errors import Conflict
from notify.models import Broadcast, Delivery, Kind
from tests.warnings.support import World


def press_together(database: Database, actors: list[Actor], waiting: Any) -> list[Issue | Exception]:
    """Every actor approves the same version at once, each in a transaction of its own."""
    gate = threading.Barrier(len(actors))
    found: list[Issue | Exception] = []

    def press(actor: Actor) -> None:
        gate.wait(10)
        try:
            with database.write() as session:
                found.append(service.approve(session, actor=actor, warning_id=waiting.id, version=waiting.version))
        except Exception as error:
            found.append(error)

    threads = [threading.Thread(target=press, args=(actor,)) for actor in actors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(found) == len(actors)
    return found


def sent_once(database: Database) -> None:
    with database.read() as session:
        [record] = session.scalars(sa.select(Broadcast).where(Broadcast.kind == Kind.ACTUAL)).all()
        keys = session.scalars(sa.select(Delivery.number_key).where(Delivery.broadcast_id == record.id)).all()
        assert session.scalar(sa.select(sa.func.count()).select_from(Issue)) == 1
    assert keys and set(Counter(keys).values()) == {1}, "a number is in the ledger twice"


def test_one_approver_pressing_twice_at_once_sends_once(database: Database, world: World, submitted: Any) -> None:
    found = press_together(database, [world.approver] * 3, submitted())
    assert [type(one) for one in found] == [Issue] * 3
    assert len({one.id for one in found if isinstance(one, Issue)}) == 1
    sent_once(database)


def test_two_approvers_pressing_at_once_send_once(database: Database, world: World, submitted: Any) -> None:
    found = press_together(database, [world.approver, world.second], submitted())
    assert sorted(type(one).__name__ for one in found) == sorted(["Issue", Conflict.__name__]), found
    sent_once(database)


@pytest.mark.parametrize("times", [3])
def test_a_retried_press_after_a_lost_answer_sends_nothing_more(
    database: Database, world: World, submitted: Any, times: int
) -> None:
    waiting = submitted()
    for _ in range(times):
        assert isinstance(press_together(database, [world.approver], waiting)[0], Issue)
    sent_once(database)
