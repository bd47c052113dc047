"""What binds a township stands above it: its people read that, and change nothing of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import flask
import pytest

from emergency.http.actor import Actor
from emergency.http.permissions import Role
from emergency.plans import checks, citations, service
from emergency.plans.dynamic_models import LegalChange
from emergency.plans.models import Hazard, PlanKind, PlanLevel, PlanState
from emergency.plans.queries import today
from kernel.clock import ManualClock
from kernel.db import Database
from kernel.errors import Forbidden, Invalid
from kernel.states import timeline
from tests.plans.support import DISTRICT, DULIU, TAITOU, person, signed_in

Make = Callable[..., Any]
TOWN = person(Role.PLANNER, Role.APPROVER, division=TAITOU, id=5)
FACTS = {"kind": PlanKind.SPECIAL, "level": PlanLevel.DISTRICT, "title": "区防汛预案", "division_code": DISTRICT}


@pytest.fixture
def above(district: Database, make: Make, publish: Make) -> int:
    """The district's plan, in force."""
    with district.write() as session:
        plan, row = make(session, **FACTS)
        publish(session, row)
        return int(plan.id)


def test_a_township_neither_evaluates_nor_repeals_nor_moves_the_plan_above_it(district: Database, above: int) -> None:
    with district.write() as session:
        for act in (
            lambda: service.evaluate(session, actor=TOWN, plan_id=above, evaluated_on=today(session)),
            lambda: service.repeal(session, actor=TOWN, plan_id=above, reason="不要了"),
            lambda: service.set_parent(session, actor=TOWN, plan_id=above, parent_id=None),
        ):
            with pytest.raises(Forbidden):
                act()
        plan = service.get_plan(session, actor=TOWN, plan_id=above)
        text = service.in_force(session, above)
        assert plan.state is PlanState.IN_FORCE and text is not None and text.evaluated_on is None


def test_the_page_refuses_what_the_township_sends_by_hand(district: Database, app: flask.Flask, above: int) -> None:
    client = signed_in(app, TOWN)
    assert client.post(f"/plans/{above}/evaluate", data={"day": "2026-11-23"}).status_code == 403
    assert client.post("/plans/checks", data={"key": "owner_missing", "adopted": "0"}).status_code == 403


@pytest.mark.parametrize(("actor", "may"), [(TOWN, False), (person(Role.PLANNER, Role.APPROVER), True)])
def test_the_page_of_checks_offers_a_decision_to_the_district_only(
    district: Database, app: flask.Flask, actor: Actor, may: bool
) -> None:
    page = signed_in(app, actor).get("/plans/checks").get_data(as_text=True)
    assert ('name="adopted"' in page) is may


def test_what_holds_for_the_whole_district_is_not_a_townships_to_say(district: Database) -> None:
    with district.write() as session:
        checks.load(session)
        with pytest.raises(Forbidden):
            checks.decide(session, actor=TOWN, key="owner_missing", adopted=False)
        with pytest.raises(Forbidden):
            citations.note_law(session, actor=TOWN, title="突发事件应对法", change=LegalChange.REPEALED,
                               changed_on=date(2026, 1, 1), source="示例")  # fmt: skip
        row = checks.decide(session, actor=person(Role.APPROVER), key="owner_missing", adopted=False)
        assert not row.adopted


def test_a_plan_does_not_hang_under_a_neighbours(district: Database, make: Make, publish: Make) -> None:
    with district.write() as session:
        neighbour, row = make(session, division_code=DULIU, title="独流镇防汛预案")
        publish(session, row)
        with pytest.raises(Invalid) as refused:
            service.create(session, actor=TOWN, facts=service.NewPlan(
                PlanKind.TOWNSHIP, PlanLevel.TOWNSHIP, "台头镇防汛预案", TAITOU, "台头镇人民政府", (Hazard.FLOOD,),
                parent_id=neighbour.id,
            ))  # fmt: skip
        assert refused.value.code == "bad_parent"


def test_an_evaluation_early_in_the_day_counts_and_the_page_says_who_made_it(
    district: Database, app: flask.Flask, above: int, clock: ManualClock, planner: Actor
) -> None:
    clock.set(datetime.combine(clock.now().date() + timedelta(days=1), datetime.min.time(), UTC) - timedelta(hours=2))
    with district.write() as session:
        day = today(session)
        assert day > clock.now().date(), "in Beijing it is already tomorrow"
        service.evaluate(session, actor=planner, plan_id=above, evaluated_on=day)
        last = timeline(session, "plan", above)[-1]
        assert (last.to_state, last.reason, last.actor) == ("evaluated", day.isoformat(), str(planner))
    page = signed_in(app, planner).get(f"/plans/{above}").get_data(as_text=True)
    assert "评估后仍适用" in page and day.isoformat() in page
