"""Many faults at once are all told; a unit that is closed is asked nothing; whoever did it does not verify it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta

import pytest
import sqlalchemy as sa

from emergency.divisions.models import Unit
from emergency.drills import confirming_jobs, learning
from emergency.drills.defects import defects
from emergency.drills.learning_models import ActionState
from emergency.drills.models import DrillRule, Occurrence, OccurrenceState, Programme
from emergency.drills.rules import Standing
from emergency.drills.standing_models import StandingRow, SubjectKind
from emergency.http.actor import SYSTEM
from emergency.http.permissions import Role
from emergency.people.accounts import service as accounts
from emergency.people.posts.models import PostHolder
from kernel.clock import BEIJING, ManualClock
from kernel.errors import Conflict
from kernel.ids import new_id
from scheduler.recurrence import Freq, Recurrence
from tests.drills.conftest import World
from tests.drills.test_confirming import asked_rows, messages
from tests.drills.test_learning import acted, found, prepared
from tests.plans.support import TAITOU, person

Plan = Callable[..., Programme]


def test_every_drill_without_a_record_is_a_fault_however_many_there_are(
    world: World, plan: Plan, clock: ManualClock
) -> None:
    with world.database.write() as session:
        programme = plan(session, post_ids=[])
        at = clock.now() - timedelta(days=20)
        common = {
            "programme_id": programme.id, "starts_at": at, "ends_at": at + timedelta(hours=1),
            "due_at": at + timedelta(days=7), "title": "月度疏散演练", "kind": programme.kind, "division_code": TAITOU,
            "state": OccurrenceState.MISSED, "provisional": False, "pinned": False, "withdrawn": False, "sequence": 0,
            "version": 1,
        }  # fmt: skip
        rows = [common | {"id": new_id(), "slot_on": date(2020, 1, 1) + timedelta(days=n)} for n in range(1010)]
        session.execute(sa.insert(Occurrence), rows)
    with world.database.read() as session:
        assert sum(d.rule == "drill_unrecorded" for d in defects(session, clock.now())) == 1010


def test_every_overdue_duty_is_a_fault_however_many_there_are(world: World, clock: ManualClock) -> None:
    with world.database.write() as session:
        rule_id = session.scalars(sa.select(DrillRule.id).limit(1)).one()
        session.execute(
            sa.insert(StandingRow),
            [
                {
                    "id": new_id(), "subject_kind": SubjectKind.UNIT, "subject_id": n, "rule_id": rule_id,
                    "division_code": TAITOU, "town": TAITOU, "subject_group": "school", "standing": Standing.OVERDUE,
                    "rank": 0, "due_order": 20261031, "next_due": date(2026, 10, 31), "provisional": False,
                    "computed_on": date(2026, 11, 24),
                }
                for n in range(1, 5011)
            ],
        )  # fmt: skip
    with world.database.read() as session:
        assert sum(d.rule.startswith("drill_overdue") for d in defects(session, clock.now())) == 5010


def test_nobody_is_asked_about_the_drills_of_a_unit_that_is_closed(
    world: World, plan: Plan, clock: ManualClock
) -> None:
    with world.database.write() as session:
        plan(session, unit_id=world.school, recurrence=Recurrence(Freq.YEARLY, date(2026, 12, 10)))
        session.get_one(Unit, world.school).closed_at = clock.now()
    clock.set(datetime(2026, 11, 26, 9, 0, tzinfo=BEIJING))
    confirming_jobs.ask_by_itself(world.database, clock.now())
    assert messages(world, "请确认是否参加演练") == 0 and asked_rows(world) == []


def test_an_account_that_holds_the_post_which_did_it_does_not_verify_it(
    world: World, plan: Plan, clock: ManualClock
) -> None:
    finding = found(world, prepared(world, plan, clock))
    action = acted(world, finding, clock.now().date() + timedelta(days=5))
    with world.database.write() as session:
        account = accounts.create_user(
            session, actor=SYSTEM, username="holder", name="王二", roles=[Role.PLANNER], division_code=TAITOU
        ).id
        holder = session.scalars(sa.select(PostHolder).where(PostHolder.post_id == world.chief)).first()
        assert holder is not None
        holder.account_id = account
        learning.finish_action(
            session, actor=world.planner, action_id=action, proof="签到表", done_by=f"post:{world.chief}"
        )
    with pytest.raises(Conflict) as refused, world.database.write() as session:
        learning.verify_action(session, actor=person(Role.PLANNER, id=account), action_id=action)
    assert refused.value.code == "same_person"
    with world.database.write() as session:
        row = learning.verify_action(session, actor=person(Role.PLANNER, id=account + 1), action_id=action)
        assert row.state is ActionState.VERIFIED
