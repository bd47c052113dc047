"""What a drill found about a plan stands on the plan's own page until a version or proof mends it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import flask
import pytest
import sqlalchemy as sa

from emergency.drills import defects as drill_defects
from emergency.drills.learning_models import Finding, FindingState
from emergency.drills.models import Programme
from emergency.http.permissions import Role
from emergency.plans import defects, kept
from emergency.plans.rules import Fault
from emergency.readiness import gathering, plans_today
from kernel.clock import ManualClock
from tests.drills.conftest import World
from tests.drills.test_learning import a_plan, found, issued, prepared
from tests.plans.support import person, signed_in

Plan = Callable[..., Programme]
WORDS = "转移车辆不足"


@pytest.fixture(autouse=True)
def rooms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "_ledger", plans_today.Ledger())
    monkeypatch.setattr(gathering, "_ROOMS", {"plans": defects.defects, "drills": drill_defects.defects})


def test_a_finding_stands_on_the_plans_own_page_and_closes_with_the_version_that_mends_it(
    world: World, plan: Plan, clock: ManualClock, app: flask.Flask
) -> None:
    drill = prepared(world, plan, clock)
    with world.database.write() as session:
        plan_id = a_plan(session, clock.now())
        issued(session, plan_id, 1, clock.now() - timedelta(days=30))
    finding = found(world, drill, plan_id=plan_id, text=WORDS)
    gathering.gather(world.database, datetime.now(UTC))
    client = signed_in(app, person(Role.PLANNER))
    listed = client.get("/plans/wrong?rule=finding_open").get_data(as_text=True)
    assert f"台头镇防汛应急预案：演练发现“{WORDS}”" in listed and f"/drills/findings/{finding}" in listed
    assert "演练发现须修订" in listed and "修订情形（五）" in listed
    [row] = client.get("/api/v1/plan-faults?rule=finding_open").get_json()["items"]
    assert (row["subject_kind"], row["subject_id"]) == ("plan", plan_id) and row["mend"]
    assert client.get("/api/v1/plan-faults/counts").get_json()["rules"]["finding_open"] == 1
    page = client.get(f"/plans/{plan_id}").get_data(as_text=True)
    assert page.count(WORDS) == 1 and "版已整改" not in page, "no version has come since"

    clock.advance(timedelta(days=2))
    with world.database.write() as session:
        mended = issued(session, plan_id, 2, clock.now())
    for address in (f"/plans/{plan_id}", f"/plans/versions/{mended}"):
        page = client.get(address).get_data(as_text=True)
        assert WORDS in page and "第 2 版已整改" in page and f'action="/drills/findings/{finding}/close"' in page
    assert client.post(f"/drills/findings/{finding}/close", data={"version": mended}).status_code == 303
    with world.database.read() as session:
        row = session.scalars(sa.select(Finding)).one()
        assert (row.state, row.closed_by_version_id) == (FindingState.CLOSED, mended)
    gathering.gather(world.database, datetime.now(UTC))
    assert WORDS not in client.get(f"/plans/{plan_id}").get_data(as_text=True)
    assert client.get("/api/v1/plan-faults?rule=finding_open").get_json()["items"] == []


def test_who_may_not_settle_findings_reads_them_and_a_neighbour_does_not(
    world: World, plan: Plan, clock: ManualClock, app: flask.Flask
) -> None:
    drill = prepared(world, plan, clock)
    with world.database.write() as session:
        plan_id = a_plan(session, clock.now())
        issued(session, plan_id, 1, clock.now() - timedelta(days=30))
    found(world, drill, plan_id=plan_id, text=WORDS)
    gathering.gather(world.database, datetime.now(UTC))
    clock.advance(timedelta(days=2))
    with world.database.write() as session:
        issued(session, plan_id, 2, clock.now())
    page = signed_in(app, person(Role.STOREKEEPER, id=8)).get(f"/plans/{plan_id}").get_data(as_text=True)
    assert WORDS in page and "版已整改" not in page
    stranger = person(Role.PLANNER, division="120118103000", id=9)
    with world.database.read() as session:
        assert plans_today.wrong(session, person(Role.PLANNER), rule=Fault.FINDING_OPEN).items
        assert plans_today.wrong(session, stranger, rule=Fault.FINDING_OPEN).items == []
