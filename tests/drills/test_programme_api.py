"""JSON of programmes: entered, previewed, changed as seen, rested and ended."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import flask
import pytest

from emergency.drills.models import Programme
from emergency.http.permissions import Role
from kernel.clock import ManualClock
from tests.drills.conftest import World
from tests.plans.support import DULIU, TAITOU, person, signed_in

Plan = Callable[..., Programme]
URL = "/api/v1/drills/programmes"
NEW: dict[str, Any] = {
    "title": "台头镇防汛转移演练", "kind": "flood", "form": "field", "division_code": TAITOU, "start_time": "20:30",
    "recurrence": {"freq": "before_season", "start": "2026-12-01", "season": "06-15", "before": 10,
                   "before_workdays": True},
}  # fmt: skip


def test_a_programme_is_entered_once_for_one_key_and_says_itself(world: World, app: flask.Flask) -> None:
    client = signed_in(app, person(Role.PLANNER))
    made = client.post(URL, json=NEW, headers={"Idempotency-Key": "a"})
    again = client.post(URL, json=NEW, headers={"Idempotency-Key": "a"})
    assert made.status_code == again.status_code == 201 and made.json == again.json
    assert made.json["words"] == "每年6月15日前 10 个工作日，夜间 20:30" and made.json["night"] is True
    assert [d["provisional"] for d in made.json["dates"]] == [True], "the holidays of 2027 are not announced"
    page = client.get(f"{URL}?state=active&kind=flood").json
    assert [item["id"] for item in page["items"]] == [made.json["id"]] and page["items"][0]["provisional"] is True


def test_a_change_needs_the_digest_of_its_preview(world: World, plan: Plan, app: flask.Flask) -> None:
    with world.database.write() as session:
        programme = plan(session)
    client, url = signed_in(app, person(Role.PLANNER)), f"{URL}/{programme.id}"
    wanted = {"recurrence": {"freq": "monthly", "start": "2026-12-01", "day": 20}}
    seen = client.post(f"{url}/preview", json=wanted).json
    assert len(seen["moved"]) >= 12 and not seen["removed"] and seen["next_dates"][0] == "2026-12-20"
    assert client.get(url).json["version"] == 1, "a preview changes nothing"
    refused = client.patch(url, json=wanted | {"seen": "0" * 32})
    assert refused.status_code == 409 and "preview_changed" in refused.text
    done = client.patch(url, json=wanted | {"seen": seen["digest"]})
    assert done.status_code == 200 and done.json["version"] == 2
    assert done.json["dates"][0]["starts_at"].startswith("2026-12-20")
    assert client.patch(url, json=wanted | {"seen": seen["digest"]}).status_code == 409, "a digest serves once"


def test_a_programme_rests_goes_on_and_ends(world: World, plan: Plan, app: flask.Flask, clock: ManualClock) -> None:
    with world.database.write() as session:
        programme = plan(session)
    client, url = signed_in(app, person(Role.PLANNER)), f"{URL}/{programme.id}"
    assert client.post(f"{url}/pause", json={"reason": "校舍维修"}).json["state"] == "paused"
    assert client.get(url).json["dates"] == []
    assert client.post(f"{url}/resume").json["state"] == "active"
    assert len(client.get(url).json["dates"]) >= 12
    assert client.post(f"{url}/end", json={"reason": "撤销"}).json["state"] == "ended"
    assert client.post(f"{url}/resume").status_code == 409


@pytest.mark.parametrize(
    "fault",
    [
        {"recurrence": {"freq": "monthly", "start": "9999-12-31"}}, {"recurrence": {"freq": "monthly"}},
        {"recurrence": {"freq": "yearly", "start": "2026-12-01", "interval": 10**30}}, {"recurrence": []},
        {"recurrence": {"freq": "listed", "start": "2026-12-01", "dates": []}}, {"start_time": "25:00"},
        {"recurrence": {"freq": "before_season", "start": "2026-12-01", "season": "02-30"}}, {"title": ""},
        {"division_code": "1"}, {"unit_id": 2**60}, {"post_ids": ["a"]}, {"duration_minutes": 0}, {"surprise": 1},
    ],
)  # fmt: skip
def test_garbage_is_refused_and_leaves_nothing(world: World, app: flask.Flask, fault: dict[str, Any]) -> None:
    client = signed_in(app, person(Role.PLANNER))
    assert client.post(URL, json=NEW | fault).status_code in (400, 422)
    assert client.get(URL).json["items"] == []


def test_a_stranger_gets_nothing(world: World, plan: Plan, app: flask.Flask) -> None:
    with world.database.write() as session:
        programme = plan(session)
    client, url = signed_in(app, person(Role.PLANNER, division=DULIU, id=8)), f"{URL}/{programme.id}"
    assert client.get(URL).json["items"] == [] and client.get(url).status_code == 404
    assert client.post(f"{url}/preview", json={}).status_code == 404
    assert client.patch(url, json={"seen": "x"}).status_code == 404
    for what in ("pause", "end"):
        assert client.post(f"{url}/{what}", json={"reason": "试"}).status_code == 404
    assert client.post(f"{url}/resume").status_code == 404
    assert client.post(URL, json=NEW).status_code == 403


ONCE = {
    "title": "台头镇夜间叫应演练", "kind": "flood", "form": "field", "division_code": TAITOU, "duration_minutes": 40,
    "starts_at": "2026-12-01T20:30:00+08:00", "place": "镇应急指挥室",
}  # fmt: skip


def test_one_drill_is_entered_at_its_time_and_once_for_one_key(world: World, app: flask.Flask) -> None:
    client = signed_in(app, person(Role.PLANNER))
    made = client.post("/api/v1/drills", json=ONCE, headers={"Idempotency-Key": "b"})
    again = client.post("/api/v1/drills", json=ONCE, headers={"Idempotency-Key": "b"})
    assert made.status_code == again.status_code == 201 and made.json == again.json
    drill = client.get(f"/api/v1/drills/{made.json['id']}").json
    assert (drill["state"], drill["place"], drill["invitations"]) == ("planned", "镇应急指挥室", [])
    assert datetime.fromisoformat(drill["starts_at"]) == datetime.fromisoformat(ONCE["starts_at"])
    assert datetime.fromisoformat(drill["ends_at"]) - datetime.fromisoformat(drill["starts_at"]) == timedelta(
        minutes=40
    )
    programme = client.get(f"{URL}/{drill['programme_id']}").json
    assert [d["id"] for d in programme["dates"]] == [drill["id"]]


@pytest.mark.parametrize(
    ("starts_at", "code"),
    [("2026-11-20T09:00:00+08:00", "in_the_past"), ("2028-03-01T09:00:00+08:00", "too_far_ahead")],
)
def test_one_drill_lies_ahead_and_not_too_far(world: World, app: flask.Flask, starts_at: str, code: str) -> None:
    client = signed_in(app, person(Role.PLANNER))
    refused = client.post("/api/v1/drills", json=ONCE | {"starts_at": starts_at})
    assert (refused.status_code, refused.json["code"]) == (422, code)
    assert not client.get("/api/v1/drills").json["items"]


def test_one_drill_outside_the_area_is_refused(world: World, app: flask.Flask) -> None:
    client = signed_in(app, person(Role.PLANNER, division=DULIU))
    assert client.post("/api/v1/drills", json=ONCE).status_code == 403
    assert not client.get("/api/v1/drills").json["items"]
