"""The day's quota of a number, as a warning meets it: red goes whatever came before, yellow does not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from emergency.config import Config
from emergency.privacy.journal import JournalEntry
from emergency.warnings import reach, service
from emergency.warnings.models import Issue, Warning, WarningLevel
from kernel.db import Database
from notify.models import Delivery, DeliveryState
from tests.warnings.conftest import World


@pytest.fixture
def one_a_day(database: Database) -> None:
    config: Config = database.service("config")
    database.attach("config", replace(config, notify=replace(config.notify, daily_quota_per_number=1)))


def test_a_yellow_warning_is_held_back_where_the_day_is_used_up(
    database: Database,
    world: World,
    one_a_day: None,
    submitted: Callable[..., Warning],
    approved: Callable[..., Issue],
) -> None:
    first = approved(level=WarningLevel.YELLOW, headline="防洪提示")
    waiting = submitted(level=WarningLevel.YELLOW, headline="防洪提示")
    assert waiting.estimate is not None
    assert waiting.estimate["held_back"] == waiting.estimate["numbers"] > 0
    with database.write() as session:
        second = service.approve(session, actor=world.approver, warning_id=waiting.id, version=waiting.version)
    with database.read() as session:
        figures: dict[str, Any] = reach.reach(session, actor=world.approver, warning_id=second.warning_id)
        assert figures["held_back"] == figures["by_state"]["failed"] == waiting.estimate["numbers"]
        reasons = set(session.scalars(sa.select(Delivery.reason).where(Delivery.state == DeliveryState.FAILED)))
        assert reasons == {"daily_quota"}
        entries = session.scalars(sa.select(JournalEntry).where(JournalEntry.kind == "warning.issued")).all()
        assert [json.loads(entry.data).get("held_back") for entry in entries] == [None, figures["held_back"]]
        before = reach.reach(session, actor=world.approver, warning_id=first.warning_id)
        assert before["held_back"] == 0


@pytest.mark.parametrize("level", [WarningLevel.RED, WarningLevel.ORANGE])
def test_a_red_or_orange_warning_goes_whatever_came_before(
    database: Database, world: World, one_a_day: None, approved: Callable[..., Issue], level: WarningLevel
) -> None:
    approved(level=WarningLevel.YELLOW, headline="防洪提示")
    issue = approved(level=level, headline="防洪提示")
    with database.read() as session:
        figures = reach.reach(session, actor=world.approver, warning_id=issue.warning_id)
    assert figures["held_back"] == 0
    assert figures["by_state"]["queued"] == figures["targeted"] > 0
