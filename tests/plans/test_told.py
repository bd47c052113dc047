"""Owners of plans hear once a day what is wrong: from the kept rows through engine and gateway to the phone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from emergency.http.permissions import Role
from emergency.people.posts.models import Duty
from emergency.plans import lawbook, service
from emergency.plans.models import Hazard, PlanKind, PlanLevel
from emergency.readiness import gathering, plans_today
from emergency.readiness.daily import tell_owners
from emergency.readiness.models import Defect, Told
from kernel.clock import BEIJING
from kernel.db import Database
from notify.models import Broadcast, Kind
from tests.house import House, wait_for
from tests.plans.support import DISTRICT, DULIU, TAITOU, add_post, person, places

OWNER, OTHER, IDLE = "15400000041", "15400000042", "15400000043"


@dataclass(frozen=True)
class World:
    """Whose plans lack what."""

    owner: int
    other: int


def build(database: Database) -> World:
    """Two plans without a text for one post, one for another; a third post keeps nothing that is wrong."""
    planner = person(Role.PLANNER)
    with database.write() as session:
        places(session)
        lawbook.load(session)
        owner = add_post(session, DISTRICT, Duty.DUTY_ROOM, OWNER)
        other = add_post(session, TAITOU, Duty.FLOOD_CHIEF, OTHER)
        add_post(session, DULIU, Duty.FLOOD_CHIEF, IDLE)
        for code, level, kind, post in (
            (DISTRICT, PlanLevel.DISTRICT, PlanKind.SPECIAL, owner), (DISTRICT, PlanLevel.DISTRICT, PlanKind.SPECIAL, owner),
            (TAITOU, PlanLevel.TOWNSHIP, PlanKind.TOWNSHIP, other),
        ):  # fmt: skip
            plan = service.create(session, actor=planner, facts=service.NewPlan(
                kind, level, f"{code}防汛预案", code, "示例机构", (Hazard.FLOOD,), owner_post_id=post,
            ))  # fmt: skip
            assert plan.owner_post_id == post
    return World(owner, other)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with House(tmp_path, build) as built:
        yield built


def _morning(hour: int = 9) -> datetime:
    return datetime.combine(datetime.now(BEIJING).date(), time(hour), BEIJING)


def test_each_owner_gets_one_notice_a_day_with_numbers_and_no_names(house: House) -> None:
    gathering.gather(house.database, datetime.now(UTC))
    assert tell_owners(house.database, _morning(7)) == 0  # nobody is woken for this
    assert tell_owners(house.database, _morning()) == 2
    assert tell_owners(house.database, _morning(11)) == 0
    wait_for(lambda: len(house.messages()) == 2)
    texts = dict(house.messages())
    assert set(texts) == {f"+86{OWNER}", f"+86{OTHER}"}
    with house.database.read() as session:
        per_post = dict(
            session.execute(
                sa.select(Defect.owner_post_id, sa.func.count())
                .where(Defect.room == "plans", Defect.closed_at.is_(None), Defect.owner_post_id.is_not(None))
                .group_by(Defect.owner_post_id)
            ).all()
        )
        assert {b.kind for b in session.scalars(sa.select(Broadcast))} == {Kind.NOTICE}
        shown = plans_today.wrong(session, person(Role.PLANNER), owner=house.world.owner, limit=200)
    assert len(shown.items) == per_post[house.world.owner]
    assert str(per_post[house.world.owner]) in texts[f"+86{OWNER}"]
    assert str(per_post[house.world.other]) in texts[f"+86{OTHER}"]
    assert not any("张" in text or "154" in text for text in texts.values())


def test_what_was_put_aside_or_mended_is_not_told(house: House) -> None:
    gathering.gather(house.database, datetime.now(UTC))
    with house.database.write() as session:
        for defect in session.scalars(sa.select(Defect).where(Defect.owner_post_id == house.world.other)):
            defect.muted_until = datetime.now(UTC) + timedelta(days=3)
            defect.muted_reason, defect.muted_by = "汛后办理", "account:1"
        for defect in session.scalars(sa.select(Defect).where(Defect.owner_post_id == house.world.owner)):
            defect.closed_at = max(datetime.now(UTC), defect.since)
    assert tell_owners(house.database, _morning()) == 0
    with house.database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Told)) == 0
    assert house.messages() == []
