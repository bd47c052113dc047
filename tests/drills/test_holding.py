"""A drill gives way to the real thing: it stands still by itself, and goes on when a person says so."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import flask
import pytest
import sqlalchemy as sa

from emergency.drills import day_holding, day_notes, day_running
from emergency.drills.day_models import DayState, DrillDay, DrillHold, HeldBy, InjectState
from emergency.drills.models import Form, Occurrence, Programme
from emergency.http.permissions import Role
from emergency.plans import service as plans
from emergency.plans.activation_models import Activation, ActivationKind, ActivationState
from emergency.plans.models import Hazard, PlanKind, PlanLevel, PlanVersion, ResponseGrade
from emergency.warnings import service as warnings
from emergency.warnings.models import (
    Category,
    Warning,
    WarningLevel,
    WarningState,
    WarningStatus,
)
from kernel.clock import ManualClock
from kernel.db import now
from kernel.errors import Conflict
from kernel.ids import new_id
from tests.drills.conftest import World
from tests.drills.test_day import add, broadcasts, control, states, tick
from tests.plans.support import DISTRICT, DULIU, NANBATAI, TAITOU, person, signed_in

RED = WarningLevel.RED


@pytest.fixture
def drill(world: World, plan: Callable[..., Programme], clock: ManualClock) -> int:
    """A tabletop drill of a township with one inject after a minute."""
    with world.database.write() as session:
        programme = plan(session, form=Form.TABLETOP)
        occurrence = session.scalars(
            sa.select(Occurrence).where(Occurrence.programme_id == programme.id).order_by(Occurrence.starts_at)
        ).first()
        assert occurrence is not None
        clock.set(occurrence.starts_at)
        drill = occurrence.id
    add(world, drill, 1, 1)
    return drill


def warned(
    world: World, code: str = TAITOU, level: WarningLevel = RED, status: WarningStatus = WarningStatus.ACTUAL,
    hours: int = 6,
) -> int:  # fmt: skip
    with world.database.write() as session:
        warnings.ensure(session)
        moment = now(session)
        row = Warning(
            id=new_id(), version=1, state=WarningState.ISSUED, status=status, event_code="11A01", event_name="洪涝",
            category=Category.NATURAL, level=level, headline="大清河洪水红色预警", description="水位超警",
            instruction="立即转移", issuer="静海区人民政府", effective=moment, expires=moment + timedelta(hours=hours),
            area={"divisions": [code]}, area_words="台头镇", division_code=code, channels=["sms"],
            created_by="account:7", created_at=moment, edited_by="account:7", edited_at=moment,
            submitted_by="account:7", submitted_at=moment, approved_by="account:8", approved_version=1,
            issued_at=moment,
        )  # fmt: skip
        session.add(row)
        return row.id


def responding(world: World, kind: ActivationKind, code: str = DISTRICT) -> int:
    with world.database.write() as session:
        plan = plans.create(
            session, actor=person(Role.PLANNER, Role.ADMINISTRATOR),
            facts=plans.NewPlan(PlanKind.SPECIAL, PlanLevel.DISTRICT, "静海区防汛应急预案", code, "静海区人民政府",
                                [Hazard.FLOOD]),
        )  # fmt: skip
        version = session.scalars(sa.select(PlanVersion.id).where(PlanVersion.plan_id == plan.id)).one()
        row = Activation(
            id=new_id(), plan_id=plan.id, version_id=version, kind=kind, state=ActivationState.RUNNING,
            grade=ResponseGrade.I, matter="大清河超警洪水", division_code=code, created_at=now(session),
            created_by="account:7", started_at=now(session), version=1,
        )  # fmt: skip
        session.add(row)
        return row.id


def state(world: World, drill: int) -> DayState:
    with world.database.read() as session:
        return session.scalars(sa.select(DrillDay.state).where(DrillDay.occurrence_id == drill)).one()


def held(world: World, drill: int) -> list[DrillHold]:
    with world.database.read() as session:
        return [row for row in day_holding.holds(session, drill) if row.released_at is None]


@pytest.mark.parametrize("code", [TAITOU, NANBATAI, DISTRICT])
def test_a_red_warning_in_the_same_area_holds_the_running_drill_before_its_next_inject(
    world: World, drill: int, clock: ManualClock, code: str
) -> None:
    control(world, drill, "start")
    number = warned(world, code)
    tick(world, clock, 120)
    assert state(world, drill) is DayState.PAUSED and states(world.database)[1] is InjectState.PLANNED
    assert not broadcasts(world.database)
    assert [(row.source, row.source_id, row.words) for row in held(world, drill)] == [
        (HeldBy.WARNING, number, "洪涝红色预警")
    ]
    tick(world, clock, 3600)
    assert not broadcasts(world.database), "nothing is due while it is held"


@pytest.mark.parametrize(
    "given", [{"code": DULIU}, {"level": WarningLevel.ORANGE}, {"status": WarningStatus.EXERCISE}, {"hours": 0}]
)
def test_what_is_elsewhere_less_grave_an_exercise_or_over_holds_nothing(
    world: World, drill: int, clock: ManualClock, given: dict[str, object]
) -> None:
    control(world, drill, "start")
    if "hours" in given:
        warned(world, hours=1)
        clock.advance(timedelta(hours=2))
        control(world, drill, "pause")
        control(world, drill, "resume")
    else:
        warned(world, **given)  # type: ignore[arg-type]
    assert day_running.hold_running(world.database, clock.now()) == 0
    assert state(world, drill) is DayState.RUNNING


def test_a_real_response_holds_the_drill_and_an_exercise_does_not(world: World, drill: int, clock: ManualClock) -> None:
    control(world, drill, "start")
    responding(world, ActivationKind.EXERCISE)
    assert day_running.hold_running(world.database, clock.now()) == 0
    number = responding(world, ActivationKind.ACTUAL)
    assert day_running.hold_running(world.database, clock.now()) == 1
    assert [(row.source, row.source_id) for row in held(world, drill)] == [(HeldBy.RESPONSE, number)]


def test_what_was_issued_since_the_tick_began_holds_the_inject_that_is_about_to_leave(
    world: World, drill: int, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    control(world, drill, "start")
    warned(world)
    monkeypatch.setattr(day_running, "hold_running", lambda *_given: 0)
    tick(world, clock, 120)
    assert state(world, drill) is DayState.PAUSED and not broadcasts(world.database)


def test_a_person_lets_it_go_on_with_the_reason_and_is_asked_once(world: World, drill: int, clock: ManualClock) -> None:
    control(world, drill, "start")
    warned(world)
    tick(world, clock, 30)
    with pytest.raises(Conflict) as refused:
        control(world, drill, "resume", reason="  ")
    assert refused.value.code == "real_in_force" and state(world, drill) is DayState.PAUSED
    control(world, drill, "resume", reason="预警区域已转移完毕，指挥部同意继续")
    assert not held(world, drill)
    tick(world, clock, 60)
    assert state(world, drill) is DayState.RUNNING and states(world.database)[1] is InjectState.SENT
    warned(world)
    tick(world, clock, 5)
    assert state(world, drill) is DayState.PAUSED, "another red warning is another decision"


def test_when_the_real_thing_is_over_no_reason_is_asked_but_the_drill_waits_for_a_person(
    world: World, drill: int, clock: ManualClock
) -> None:
    control(world, drill, "start")
    warned(world, hours=1)
    tick(world, clock, 30)
    tick(world, clock, 2 * 3600)
    assert state(world, drill) is DayState.PAUSED
    control(world, drill, "resume")
    assert state(world, drill) is DayState.RUNNING and not held(world, drill)


def test_no_inject_leaves_by_hand_while_the_drill_is_held(world: World, drill: int, clock: ManualClock) -> None:
    inject = add(world, drill, 2, 5)
    control(world, drill, "start")
    warned(world)
    for _again in range(2):
        with world.database.write() as session, pytest.raises(Conflict) as refused:
            day_running.send_now(session, actor=world.planner, inject_id=inject, reason="提前发出")
        assert refused.value.code == "held"
        tick(world, clock, 5)


def test_a_drill_does_not_begin_beside_the_real_thing_without_a_reason(world: World, drill: int) -> None:
    warned(world)
    with pytest.raises(Conflict) as refused:
        control(world, drill, "start")
    assert refused.value.code == "real_in_force"
    control(world, drill, "start", reason="桌面推演，不占用一线人员")
    assert state(world, drill) is DayState.RUNNING


def test_the_page_the_wall_the_record_and_the_day_in_order_say_why(
    world: World, drill: int, clock: ManualClock, app: flask.Flask
) -> None:
    client = signed_in(app, person(Role.PLANNER, Role.DUTY_OFFICER))
    control(world, drill, "start")
    number = warned(world)
    tick(world, clock, 30)
    page = client.get(f"/drills/{drill}/day")
    assert "洪涝红色预警" in page.text and f'href="/warnings/{number}"' in page.text
    assert 'name="reason"' in page.text
    for path in ("day/board", "day/record", "day/log"):
        assert "洪涝红色预警" in client.get(f"/drills/{drill}/{path}").text, path
    with world.database.write() as session:
        told = day_notes.timeline(session, actor=world.planner, occurrence_id=drill)
    assert any(entry.free == "洪涝红色预警" for entry in told)


def test_json_says_what_holds_a_drill_and_lets_it_go_on_with_the_reason(
    world: World, drill: int, clock: ManualClock, app: flask.Flask
) -> None:
    client, url = signed_in(app, person(Role.PLANNER)), f"/api/v1/drills/{drill}/day"
    assert client.post(f"{url}/start", json={"factor": 60}).status_code == 200
    number = warned(world)
    tick(world, clock, 5)
    shown = client.get(url).json
    assert shown["state"] == "paused" and [row["source_id"] for row in shown["held"]] == [number]
    refused = client.post(f"{url}/resume", json={})
    assert refused.status_code == 409 and refused.json["code"] == "real_in_force"
    gone_on = client.post(f"{url}/resume", json={"reason": "指挥部同意继续"})
    assert gone_on.status_code == 200 and gone_on.json["state"] == "running" and gone_on.json["held"] == []
