"""A district with rules, working days, a school, a hazardous-chemical plant and two posts that can be asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, time, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions.models import UnitKind
from emergency.drills import lawbook, service
from emergency.drills.models import DrillKind, Form, Occurrence, Programme
from emergency.http.actor import Actor
from emergency.http.permissions import Role
from emergency.people.posts.models import Duty
from kernel.clock import ManualClock
from kernel.db import Database
from scheduler.recurrence import Freq, Recurrence
from scheduler.workdays import import_known
from tests.plans.support import TAITOU, YIHE, add_post, add_unit, person, places


@dataclass
class World:
    """Ids of the small district."""

    database: Database
    planner: Actor
    liaison: Actor
    school: int
    plant: int
    chief: int
    gong: int


@pytest.fixture
def world(database: Database) -> World:
    with database.write() as session:
        places(session)
        import_known(session)
        lawbook.load(session)
        school = add_unit(session, "台头镇中心小学", TAITOU, UnitKind.SCHOOL, "primary_school")
        plant = add_unit(session, "台头镇加油站", TAITOU, UnitKind.HAZCHEM, "hazchem", key_fire=True)
        chief = add_post(session, TAITOU, Duty.FLOOD_CHIEF, "15400000001")
        gong = add_post(session, YIHE, Duty.GONG_KEEPER, "15400000002")
    return World(
        database, person(Role.PLANNER, id=1), person(Role.LIAISON, division=TAITOU, id=3), school.id, plant.id, chief,
        gong,
    )  # fmt: skip


@pytest.fixture
def plan(world: World) -> Callable[..., Programme]:
    """A programme of the township, monthly from 30 November 2026 unless said otherwise."""

    def make(session: Session, **changes: Any) -> Programme:
        given: dict[str, Any] = {
            "title": "台头镇防汛转移演练", "kind": DrillKind.FLOOD, "form": Form.FIELD, "division_code": TAITOU,
            "recurrence": Recurrence(Freq.MONTHLY, date(2026, 11, 30)), "start_time": time(9, 0),
            "post_ids": [world.chief, world.gong],
        } | changes  # fmt: skip
        return service.create_programme(session, actor=world.planner, facts=service.NewProgramme(**given))

    return make


@pytest.fixture
def drill(world: World, plan: Callable[..., Programme], clock: ManualClock) -> int:
    """A tabletop drill of this morning, an hour ahead, without injects."""
    with world.database.write() as session:
        programme = plan(session, form=Form.TABLETOP)
        occurrence = session.scalars(
            sa.select(Occurrence).where(Occurrence.programme_id == programme.id).order_by(Occurrence.starts_at)
        ).first()
        assert occurrence is not None
        clock.set(occurrence.starts_at - timedelta(hours=1))
        return occurrence.id
