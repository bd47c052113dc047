"""Plan pages and JSON, as people and programmes meet them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flask
import pytest

from emergency.http.permissions import Role
from kernel.db import Database
from tests.plans.support import TAITOU, person, signed_in

Make = Callable[..., Any]


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_plan_page_opens_in_both_languages(
    district: Database, app: flask.Flask, make: Make, publish: Make, language: str
) -> None:
    with district.write() as session:
        plan, row = make(session)
        publish(session, row)
        other, draft = make(session, title="静海区燃气预案")
    client = signed_in(app, person(Role.PLANNER, Role.APPROVER), language)
    for path in ("/plans", "/plans?show=faulty", f"/plans?open={plan.id}", "/plans/unlisted", "/plans/new",
                 f"/plans/{plan.id}", f"/plans/{other.id}", f"/plans/versions/{row.id}",
                 f"/plans/versions/{draft.id}/edit"):  # fmt: skip
        answer = client.get(path)
        assert answer.status_code == 200, (path, answer.text[:300])
        assert answer.text.count("<h1") == 1, path
    assert "静海区防汛预案" in client.get("/plans").text


def test_the_form_of_a_new_plan_offers_its_kinds(district: Database, app: flask.Flask) -> None:
    page = signed_in(app, person(Role.PLANNER)).get("/plans/new").text
    assert "专项应急预案" in page and "洪涝" in page


def test_a_reader_is_not_let_near_the_pen(district: Database, app: flask.Flask, make: Make) -> None:
    with district.write() as session:
        plan, row = make(session)
    client = signed_in(app, person(Role.STOREKEEPER))
    assert client.get(f"/plans/{plan.id}").status_code == 200
    for path in ("/plans/new", f"/plans/versions/{row.id}/edit"):
        assert client.get(path).status_code == 403
    assert client.post(f"/plans/versions/{row.id}/approve", data={"version": 1}).status_code == 403


def test_the_json_shows_the_three_states_and_hides_a_neighbour(
    district: Database, app: flask.Flask, make: Make, publish: Make
) -> None:
    with district.write() as session:
        plan, row = make(session)
        publish(session, row)
    client = signed_in(app, person(Role.PLANNER))
    item = client.get("/api/v1/plans").json["items"][0]
    assert (item["state"], item["filing"], item["version"], item["faults"]) == ("in_force", "due", 1, [
        {"rule": "filing_soon", "since": "2026-11-23", "due": item["filing_due"]}] if item["faults"] else [])  # fmt: skip
    whole = client.get(f"/api/v1/plans/{plan.id}").json
    assert whole["hazards"] == ["flood"] and len(whole["sections"]) == 7
    assert client.get("/api/v1/plans/1").status_code == 404


def test_a_township_planner_gets_404_for_a_neighbours_plan(district: Database, app: flask.Flask, make: Make) -> None:
    with district.write() as session:
        plan, _row = make(session)
    client = signed_in(app, person(Role.PLANNER, division=TAITOU))
    assert client.get(f"/plans/{plan.id}").status_code == 404  # the district's plan is no text in force yet
