"""A small district that can be asked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.asking import service
from emergency.asking.models import Question
from emergency.asking.rules import AnswerOption, Ladder, Step
from emergency.http.actor import SYSTEM
from kernel.clock import ManualClock
from kernel.db import Database
from notify.models import Broadcast, Delivery
from tests.asking.support import World, build

ANSWERS = (
    AnswerOption("yes", "能到", "I will come"),
    AnswerOption("deputy", "派人代替我", "Somebody instead of me", needs="deputy"),
    AnswerOption("no", "去不了", "I cannot", needs="reason"),
)
LADDER = Ladder.of_minutes((Step.REMIND, 3), (Step.DEPUTY, 5), (Step.SUPERIOR, 10), (Step.DOOR, 15))


@pytest.fixture
def world(database: Database) -> World:
    return build(database)


@pytest.fixture
def ask(database: Database, world: World, clock: ManualClock) -> Callable[..., Question]:
    """Ask the village's post (or another) something, in a unit of work of its own."""

    def asks(**changes: Any) -> Question:
        given: dict[str, Any] = {
            "actor": SYSTEM, "post_id": world.posts["village"], "subject": ("thing", 7), "kind": "drill.invitation",
            "text": "8月19日的防汛转移演练，您能到吗？", "answers": ANSWERS, "due_at": clock.now() + timedelta(hours=1),
            "ladder": LADDER,
        } | changes  # fmt: skip
        if given.get("account_id"):
            given.pop("post_id")
        with database.write() as session:
            return service.ask(session, **given)

    return asks


class Outbox:
    """What lies in the ledger, oldest first."""

    def __init__(self, database: Database):
        self._database = database

    def messages(self) -> list[tuple[str, str, str]]:
        """Recipient, text, link."""
        with self._database.read() as session:
            rows = session.execute(
                sa.select(Delivery.recipient, Broadcast.text, Delivery.params)
                .join(Broadcast, Broadcast.id == Delivery.broadcast_id)
                .order_by(Delivery.id)
            ).all()
        return [(recipient, text, (params or {}).get("link", "")) for recipient, text, params in rows]

    def links(self) -> list[str]:
        """The path of every link that left."""
        return [link[link.index("/c/") :] for _recipient, _text, link in self.messages()]

    def tokens(self) -> list[str]:
        """The token of every link that left."""
        return [link.removeprefix("/c/") for link in self.links()]


@pytest.fixture
def outbox(database: Database) -> Outbox:
    return Outbox(database)


def fetch(session: Session, question: Question) -> Question:
    """The question as it stands now."""
    found = session.get(Question, question.id)
    assert found is not None
    return found


def minutes(n: float, clock: ManualClock) -> datetime:
    """Move on by n minutes."""
    return clock.advance(timedelta(minutes=n))
