"""What becomes of a plan beside its texts: entered, filed, sent back, confirmed, evaluated, repealed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import flask
import pytest

from emergency.http.actor import Actor
from emergency.http.permissions import Role
from emergency.plans import service
from emergency.plans.models import FilingState, Plan, PlanKind, PlanLevel, PlanState
from emergency.plans.queries import today
from kernel.db import Database
from kernel.errors import Conflict
from tests.plans.acting_support import Ready, officer, ready, start
from tests.plans.support import DISTRICT, TAITOU, person, signed_in

Make = Callable[..., Any]
BOTH = person(Role.PLANNER, Role.APPROVER)
__all__ = ["officer", "ready"]


@pytest.fixture
def family(district: Database, make: Make, publish: Make) -> tuple[int, int, int]:
    """A district's plan in force, its version, and a township's plan beneath it."""
    with district.write() as session:
        plan, row = make(session)
        publish(session, row)
        child, below = make(
            session, kind=PlanKind.TOWNSHIP, level=PlanLevel.TOWNSHIP, title="台头镇防汛预案", division_code=TAITOU,
            parent_id=plan.id,
        )  # fmt: skip
        publish(session, below)
        return plan.id, row.id, child.id


def test_repealing_on_the_page_asks_why_and_turns_the_plans_below_due(
    district: Database, app: flask.Flask, family: tuple[int, int, int]
) -> None:
    plan_id, _row, child = family
    client = signed_in(app, BOTH)
    page = client.get(f"/plans/{plan_id}").get_data(as_text=True)
    assert "废止预案" in page and "其下 1 件预案须另行衔接" in page
    assert client.post(f"/plans/{plan_id}/repeal", data={"reason": " "}).status_code == 422
    assert client.post(f"/plans/{plan_id}/repeal", data={"reason": "机构改革"}).status_code == 303
    page = client.get(f"/plans/{plan_id}").get_data(as_text=True)
    assert "已废止" in page and "机构改革" in page and "确认废止" not in page
    assert "上级预案已停用" in client.get(f"/plans/{child}").get_data(as_text=True)


def test_a_plan_that_is_acted_on_is_not_repealed(ready: Ready, officer: Actor, approver: Actor) -> None:
    start(ready, officer, approver)
    with ready.database.write() as session, pytest.raises(Conflict) as refused:
        service.repeal(session, actor=approver, plan_id=ready.plan_id, reason="不要了")
    assert refused.value.code == "response_open"


def test_papers_that_come_back_say_what_is_missing_and_go_out_again(
    district: Database, app: flask.Flask, family: tuple[int, int, int]
) -> None:
    plan_id, row, _child = family
    client = signed_in(app, BOTH)
    with district.read() as session:
        day = today(session)
    assert client.post(f"/plans/versions/{row}/file", data={"day": day.isoformat()}).status_code == 303
    assert "材料被退回" in client.get(f"/plans/{plan_id}").get_data(as_text=True)
    assert client.post(f"/plans/versions/{row}/sent-back", data={"reason": "缺编制说明"}).status_code == 303
    page = client.get(f"/plans/{plan_id}").get_data(as_text=True)
    assert "材料退回" in page and "Filed on this day" not in page and "/file" in page


def test_programmes_enter_file_evaluate_and_repeal(
    district: Database, app: flask.Flask, family: tuple[int, int, int]
) -> None:
    plan_id, row, _child = family
    client, api = signed_in(app, BOTH), "/api/v1/plans"

    def told(answer: Any) -> dict[str, Any]:
        return dict(answer.get_json())

    with district.read() as session:
        day = today(session)
    body = {"kind": "gov.special", "level": "district", "title": "区燃气预案", "division_code": DISTRICT,
            "issuer": "区政府", "hazards": ["gas"]}  # fmt: skip
    made = client.post(f"{api}/new", json=body)
    assert made.status_code == 201 and told(made)["state"] == "drafting" and told(made)["draft_id"]
    assert client.post(f"{api}/new", json=body | {"hazards": []}).status_code == 422
    filing = f"{api}/versions/{row}/filing"
    assert told(client.put(filing, json={"state": "filed"}))["code"] == "bad_dates"
    assert told(client.put(filing, json={"state": "filed", "day": day.isoformat()}))["state"] == "filed"
    assert told(client.put(filing, json={"state": "returned", "reason": "缺编制说明"}))["state"] == "returned"
    assert told(client.put(filing, json={"state": "filed", "day": day.isoformat()}))["state"] == "filed"
    done = told(client.put(filing, json={"state": "receipted", "day": day.isoformat(), "number": "备〔2026〕1号"}))
    assert (done["state"], done["receipt_number"]) == (FilingState.RECEIPTED.value, "备〔2026〕1号")
    late = client.put(f"{api}/{plan_id}/evaluation", json={"evaluated_on": (day + timedelta(days=1)).isoformat()})
    assert late.status_code == 422 and told(late)["code"] == "bad_dates"
    assert client.put(f"{api}/{plan_id}/evaluation", json={"evaluated_on": day.isoformat()}).status_code == 200
    assert told(client.post(f"{api}/{plan_id}/repeal", json={"reason": "机构改革"}))["state"] == "repealed"
    with district.read() as session:
        assert session.get_one(Plan, plan_id).state is PlanState.REPEALED
