"""The words of a drill's record may name people: opened for who works on drills, journalled, sealed to the rest."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import flask
import sqlalchemy as sa

from emergency.drills import day_record, service
from emergency.drills.models import Programme
from emergency.http.permissions import Role
from emergency.plans.models import Plan as WrittenPlan
from emergency.plans.models import PlanState
from emergency.privacy.journal import JournalEntry
from kernel.clock import ManualClock
from kernel.db import Database, now
from tests.drills.conftest import World
from tests.drills.test_confirming import first
from tests.drills.test_learning import a_plan
from tests.plans.support import DISTRICT, TAITOU, person, signed_in

Plan = Callable[..., Programme]
WORDS = ("王老师摔倒，已送医", "王老师、李主任")


def recorded(world: World, plan: Plan, clock: ManualClock) -> int:
    with world.database.write() as session:
        plan(session)
    occurrence = first(world)
    clock.set(occurrence.ends_at + timedelta(hours=1))
    with world.database.write() as session:
        service.record(
            session, actor=world.planner, occurrence_id=occurrence.id,
            facts=service.RecordFacts(
                occurrence.starts_at, occurrence.ends_at, 30, notes=WORDS[0], people=WORDS[1]
            ),
        )  # fmt: skip
    return occurrence.id


def seen(database: Database) -> int:
    with database.read() as session:
        count = sa.select(sa.func.count()).where(JournalEntry.kind == day_record.WORDS_SEEN.key)
        return session.scalar(count) or 0


def test_who_works_on_drills_reads_the_words_and_each_reading_is_journalled(
    world: World, plan: Plan, clock: ManualClock, app: flask.Flask
) -> None:
    drill = recorded(world, plan, clock)
    client = signed_in(app, person(Role.PLANNER, Role.DUTY_OFFICER))
    for number, path in enumerate((f"/drills/{drill}", f"/drills/{drill}/day/record"), start=1):
        assert WORDS[0] in client.get(path).text
        assert seen(world.database) == number


def test_a_storekeeper_learns_that_there_are_words_and_reads_none(
    world: World, plan: Plan, clock: ManualClock, app: flask.Flask
) -> None:
    drill = recorded(world, plan, clock)
    client = signed_in(app, person(Role.STOREKEEPER, id=9))
    for path in (f"/drills/{drill}", f"/drills/{drill}/day/record"):
        page = client.get(path)
        assert page.status_code == 200 and "已加密" in page.text
        assert not any(words in page.text for words in WORDS)
    assert seen(world.database) == 0


def test_a_drill_by_a_district_plan_that_was_repealed_still_opens_in_its_township(
    world: World, plan: Plan, app: flask.Flask
) -> None:
    with world.database.write() as session:
        plan_id = a_plan(session, now(session))
        row = session.get_one(WrittenPlan, plan_id)
        row.division_code = DISTRICT
        session.flush()
        plan(session, plan_id=plan_id)
        row.state = PlanState.REPEALED
    client = signed_in(app, person(Role.PLANNER, division=TAITOU, id=7))
    assert client.get(f"/drills/{first(world).id}").status_code == 200
