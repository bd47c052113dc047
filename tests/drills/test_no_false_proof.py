"""What must not count, not leave and not be shown: tabletops as evacuations, injects after the end, others' plans."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from emergency.drills import (
    compliance,
    day_running,
    programme_queries,
    programmes,
    service,
    telling,
)
from emergency.drills.day_attendance import add_groups
from emergency.drills.day_models import InjectState
from emergency.drills.models import DrillKind, Form, Occurrence, Programme
from emergency.drills.rules import Standing
from emergency.drills.standing_models import SubjectKind
from emergency.http.permissions import Role
from emergency.people.posts.models import Post
from emergency.plans.models import Plan as WrittenPlan
from kernel.clock import BEIJING, ManualClock
from kernel.db import now
from kernel.errors import Conflict, Invalid
from scheduler.recurrence import Recurrence
from tests.drills.conftest import World
from tests.drills.test_confirming import first
from tests.drills.test_day import add, broadcasts, control, states, tick
from tests.drills.test_learning import a_plan
from tests.plans.support import DULIU, TAITOU, person

Plan = Callable[..., Programme]


@pytest.fixture
def drill(world: World, plan: Plan, clock: ManualClock) -> int:
    """A tabletop drill an hour ahead, without injects."""
    with world.database.write() as session:
        plan(session, form=Form.TABLETOP)
    occurrence = first(world)
    clock.set(occurrence.starts_at - timedelta(hours=1))
    return occurrence.id


def hold(world: World, clock: ManualClock, form: Form, kind: DrillKind = DrillKind.EVACUATION) -> None:
    with world.database.write() as session:
        programme = service.create_programme(
            session, actor=world.planner,
            facts=service.NewProgramme(
                "台头镇中心小学疏散演练", kind, form, TAITOU, Recurrence.listed([date(2026, 11, 25)]), time(9, 0),
                unit_id=world.school,
            ),
        )  # fmt: skip
        occurrence = session.scalars(sa.select(Occurrence).where(Occurrence.programme_id == programme.id)).one()
    clock.set(occurrence.ends_at + timedelta(hours=1))
    with world.database.write() as session:
        service.record(
            session, actor=world.planner, occurrence_id=occurrence.id,
            facts=service.RecordFacts(occurrence.starts_at, occurrence.ends_at, 300),
        )  # fmt: skip


def monthly(world: World) -> Standing:
    with world.database.read() as session:
        found = compliance.cases(session, actor=world.planner, unit_id=world.school, adopted_only=True)
        return next(c.verdict.standing for c in found if c.rule.basis.value == "calendar_month")


def test_an_evacuation_rehearsed_at_a_table_satisfies_no_rule_of_evacuation(world: World, clock: ManualClock) -> None:
    hold(world, clock, Form.TABLETOP)
    assert monthly(world) is Standing.DUE


def test_an_evacuation_in_the_field_satisfies_it(world: World, clock: ManualClock) -> None:
    hold(world, clock, Form.FIELD)
    assert monthly(world) is Standing.SATISFIED


def record(world: World, occurrence_id: int) -> None:
    with world.database.write() as session:
        occurrence = session.get_one(Occurrence, occurrence_id)
        at = occurrence.starts_at - timedelta(hours=1)
        service.record(
            session, actor=world.planner, occurrence_id=occurrence_id,
            facts=service.RecordFacts(at, at + timedelta(minutes=5), 30),
        )  # fmt: skip


def test_no_inject_leaves_after_the_record_of_the_drill(
    world: World,
    clock: ManualClock,
    drill: int,
) -> None:
    add(world, drill, 1, 30)
    control(world, drill, "start")
    clock.advance(timedelta(minutes=10))
    record(world, drill)
    tick(world, clock, 20 * 60)
    assert broadcasts(world.database) == [] and states(world.database) == {1: InjectState.MISSED}


@pytest.mark.parametrize("how", ["record", "call_off"])
def test_the_director_sends_nothing_of_a_drill_that_is_over(
    world: World,
    clock: ManualClock,
    drill: int,
    how: str,
) -> None:
    inject = add(world, drill, 1, 30)
    control(world, drill, "start")
    clock.advance(timedelta(minutes=10))
    if how == "record":
        record(world, drill)
    else:
        with world.database.write() as session:
            telling.call_off(session, actor=world.planner, occurrence_id=drill, reason="暴雨")
    with pytest.raises(Conflict), world.database.write() as session:
        day_running.send_now(session, actor=world.planner, inject_id=inject, reason="现在发")
    assert broadcasts(world.database) == []


@pytest.mark.parametrize("changes", [{"title": "防汛转移（演练）"}, {"place": "广场【演练】"}])
def test_a_name_that_no_invitation_could_carry_is_refused_when_it_is_entered(
    world: World, plan: Plan, changes: dict[str, Any]
) -> None:
    with pytest.raises(Invalid) as refused, world.database.write() as session:
        plan(session, **changes)
    assert refused.value.code == "kind_mismatch" and set(refused.value.fields) == set(changes)


def test_a_line_with_a_number_without_end_is_a_faulty_line(world: World, plan: Plan) -> None:
    with world.database.write() as session:
        plan(session)
    with world.database.write() as session:
        taken, faults = add_groups(
            session, actor=world.planner, occurrence_id=first(world).id, lines=f"三号楼 42\n四号楼 {'9' * 5000}"
        )
    assert taken == 1 and [number for number, _raw in faults] == [2]


@pytest.mark.parametrize("day", [datetime(9999, 12, 31, 23, 30, tzinfo=BEIJING), datetime(2031, 1, 1, tzinfo=BEIJING)])
def test_a_drill_is_not_moved_beyond_what_is_planned_ahead(world: World, plan: Plan, day: datetime) -> None:
    with world.database.write() as session:
        plan(session)
    occurrence = first(world)
    with pytest.raises(Invalid) as refused, world.database.write() as session:
        telling.move(
            session, actor=world.planner, occurrence_id=occurrence.id, version=occurrence.version, starts_at=day
        )
    assert refused.value.code == "too_far_ahead"


def test_another_townships_plan_is_not_named_to_whoever_guesses_its_number(world: World) -> None:
    with world.database.write() as session:
        other = a_plan(session, now(session))
        session.get_one(WrittenPlan, other).division_code = DULIU
    stranger = person(Role.PLANNER, division=TAITOU, id=7)
    with world.database.read() as session:
        for actor, named in ((stranger, []), (world.planner, ["台头镇防汛应急预案"])):
            found = programme_queries.plans_offered(
                session, actor=actor, code=TAITOU, unit_id=None, chosen=other
            )  # fmt: skip
            assert [title for _id, title in found] == named


def test_what_was_held_at_a_table_does_not_become_a_field_drill_afterwards(world: World, clock: ManualClock) -> None:
    hold(world, clock, Form.TABLETOP)
    with world.database.read() as session:
        programme = session.scalars(sa.select(Programme)).one()
        facts = replace(programmes.facts_of(session, programme), form=Form.FIELD)
        with pytest.raises(Invalid) as refused:
            programmes.preview(session, actor=world.planner, programme_id=programme.id, facts=facts)
    assert refused.value.code == "form_on_record"


def _proofs(world: World, plan_id: int) -> int:
    with world.database.read() as session:
        key = (SubjectKind.PLAN, plan_id)
        return sum(drill.held for drill in compliance.drills_of(session, [key]).get(key, []))


def test_a_plan_is_rehearsed_in_its_own_area_or_by_its_owner_only(world: World, clock: ManualClock) -> None:
    hold(world, clock, Form.FIELD)
    with world.database.write() as session:
        mine, other = a_plan(session, now(session)), a_plan(session, now(session))
        session.get_one(WrittenPlan, other).division_code = DULIU
        programme = session.scalars(sa.select(Programme)).one()
        programme.plan_id = mine
    assert _proofs(world, mine) == 1, "a school of the township rehearses the township's plan"
    with world.database.write() as session:
        session.get_one(Programme, programme.id).plan_id = other
    assert _proofs(world, other) == 0, "another township's plan is not rehearsed here"
    with world.database.read() as session:
        key, today = (SubjectKind.PLAN, other), date(2026, 11, 1)
        assert compliance.since_of(session, [key], today) == {key: today}, "nor is it watched from here"
    with world.database.write() as session:
        session.get_one(WrittenPlan, other).unit_id = world.school
    assert _proofs(world, other) == 1, "the unit whose plan it is rehearses it wherever it stands"
    with world.database.write() as session:
        written, programme = session.get_one(WrittenPlan, other), session.get_one(Programme, programme.id)
        written.unit_id, written.owner_post_id, programme.unit_id = None, world.chief, None
        assert session.get_one(Post, world.chief).division_code == programme.division_code
    assert _proofs(world, other) == 1, "the owner is a post of this township"


@pytest.mark.parametrize("named_before", [True, False])
def test_what_was_held_by_a_plan_does_not_prove_another_one_afterwards(
    world: World, clock: ManualClock, named_before: bool
) -> None:
    with world.database.write() as session:
        one, two = a_plan(session, now(session)), a_plan(session, now(session))
    hold(world, clock, Form.FIELD)
    with world.database.write() as session:
        programme = session.scalars(sa.select(Programme)).one()
        programme.plan_id = one if named_before else None
        session.flush()
        facts = programmes.facts_of(session, programme)
        for plan_id in {two, None} - {programme.plan_id}:
            with pytest.raises(Invalid) as refused:
                programmes.preview(
                    session, actor=world.planner, programme_id=programme.id, facts=replace(facts, plan_id=plan_id)
                )
            assert refused.value.code == "plan_on_record" and "plan_id" in refused.value.fields
