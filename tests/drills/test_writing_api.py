"""JSON that writes: spot checks, evaluators' sheets, corrective actions, the end of findings."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import flask
import pytest
import sqlalchemy as sa

from emergency.drills.inspection_models import Inspection
from emergency.drills.learning_models import CorrectiveAction, Evaluation, Rating
from emergency.drills.models import DrillKind, Occurrence, Programme
from emergency.http.permissions import Role
from kernel.clock import BEIJING, ManualClock
from scheduler.recurrence import Freq, Recurrence
from tests.drills.conftest import World
from tests.drills.test_learning import acted, found, handed_in, prepared
from tests.plans.support import DULIU, person, signed_in

URL = "/api/v1/drills"
PLANNER = person(Role.PLANNER, id=1)
STRANGER = person(Role.PLANNER, division=DULIU, id=9)


@pytest.fixture
def held(world: World, plan: Callable[..., Programme], clock: ManualClock) -> Occurrence:
    """A plant's drill that was held, with two objectives."""
    return prepared(
        world, plan, clock, kind=DrillKind.RESCUE, unit_id=world.plant,
        recurrence=Recurrence(Freq.YEARLY, date(2026, 11, 25)), rule_keys=("psr-highrisk-6m",),
    )  # fmt: skip


def today(clock: ManualClock) -> date:
    return clock.now().astimezone(BEIJING).date()


def test_a_spot_check_is_noted_listed_and_ended_without_its_words(
    world: World, held: Occurrence, app: flask.Flask, clock: ManualClock
) -> None:
    client, day = signed_in(app, PLANNER), today(clock)
    wrong = client.post(f"{URL}/{held.id}/inspections", json={"inspected_on": day.isoformat(), "result": "correction"})
    assert wrong.status_code == 422 and wrong.json["code"] == "bad_inspection"
    made = client.post(
        f"{URL}/{held.id}/inspections",
        json={"inspected_on": day.isoformat(), "result": "correction", "ordered": "王某一未到场，补做",
              "due_on": (day + timedelta(days=5)).isoformat()},
    )  # fmt: skip
    assert made.status_code == 201 and made.json["result"] == "correction" and "王某一" not in made.text
    number = made.json["id"]
    listed = client.get(f"{URL}/inspections?open=true&occurrence_id={held.id}")
    assert [row["id"] for row in listed.json["items"]] == [number] and "王某一" not in listed.text
    done = {"version": 1, "corrected_on": day.isoformat(), "proof": "复查照片"}
    assert client.post(f"{URL}/inspections/{number}/correct", json=done | {"version": 7}).status_code == 409
    ended = client.post(f"{URL}/inspections/{number}/correct", json=done)
    assert ended.status_code == 200 and ended.json["corrected_on"] == day.isoformat() and "复查" not in ended.text
    assert client.get(f"{URL}/inspections?open=true").json["items"] == []
    assert client.get(f"{URL}/inspections?occurrence_id=1").json["items"] == []


def test_a_sheet_is_begun_filled_in_and_handed_in_once(world: World, held: Occurrence, app: flask.Flask) -> None:
    client = signed_in(app, PLANNER)
    sheet = client.post(f"{URL}/{held.id}/sheets", json={}).json
    assert sheet["state"] == "draft" and len(sheet["lines"]) == 2
    assert client.post(f"{URL}/{held.id}/sheets", json={}).json["id"] == sheet["id"], "one draft each"
    address = f"{URL}/sheets/{sheet['id']}"
    lines = [{"id": line["id"], "rating": "P", "observation": "王某一带队"} for line in sheet["lines"]]
    open_one = client.patch(address, json={"version": 1, "lines": lines[:1], "hand_in": True})
    assert open_one.status_code == 422 and open_one.json["code"] == "incomplete"
    assert client.patch(address, json={"version": 9, "lines": lines}).status_code == 409
    saved = client.patch(address, json={"version": 1, "lines": lines, "strengths": "集合快", "hand_in": True})
    assert saved.status_code == 200 and saved.json["state"] == "handed_in" and "王某一" not in saved.text
    assert [line["rating"] for line in client.get(address).json["lines"]] == ["P", "P"]
    assert client.patch(address, json={"version": 3, "lines": lines}).status_code == 409
    again = client.post(f"{URL}/{held.id}/sheets", json={"replaces_id": sheet["id"]})
    assert again.status_code == 201 and again.json["replaces_id"] == sheet["id"]
    assert client.post(f"{URL}/{held.id}/sheets", json={}).json["id"] == again.json["id"]


def test_an_action_is_finished_by_one_and_verified_by_another(
    world: World, held: Occurrence, app: flask.Flask, clock: ManualClock
) -> None:
    finding, client = found(world, held), signed_in(app, PLANNER)
    due = (today(clock) + timedelta(days=9)).isoformat()
    made = client.post(
        f"{URL}/findings/{finding}/actions", json={"text": "培训", "owner_words": "值班长", "due_on": due}
    )
    assert made.status_code == 201 and made.json["owner"] == "值班长" and made.json["overdue"] is False
    address = f"{URL}/actions/{made.json['id']}"
    assert client.post(f"{address}/postpone", json={"reason": "等新装备"}).json["code"] == "incomplete"
    later = (today(clock) + timedelta(days=20)).isoformat()
    moved = client.post(f"{address}/postpone", json={"reason": "等新装备", "due_on": later})
    assert moved.status_code == 200 and moved.json["due_on"] == later
    done = client.post(f"{address}/finish", json={"proof": "签到表：王某一等"})
    assert done.status_code == 200 and done.json["state"] == "done" and "王某一" not in done.text
    own = client.post(f"{address}/verify", json={})
    assert own.status_code == 409 and own.json["code"] == "same_person"
    assert client.post(f"{address}/reopen", json={}).json["code"] == "reason_required"
    assert client.post(f"{address}/reopen", json={"reason": "表不全"}).json["state"] == "open"
    assert client.post(f"{address}/drop", json={"reason": "岗位已撤"}).json["state"] == "dropped"
    closed = client.post(f"{URL}/findings/{finding}/close", json={"proof": "复核通过"})
    assert closed.status_code == 200 and closed.json["state"] == "closed"
    assert client.post(f"{URL}/findings/{finding}/reopen", json={"reason": "又出现"}).json["state"] == "open"


def test_what_its_post_did_is_verified_by_who_typed_it(
    world: World, held: Occurrence, app: flask.Flask, clock: ManualClock
) -> None:
    action, client = acted(world, found(world, held), today(clock) + timedelta(days=9)), signed_in(app, PLANNER)
    assert client.post(f"{URL}/actions/{action}/finish", json={"proof": "已培训", "by_post": True}).status_code == 200
    assert client.post(f"{URL}/actions/{action}/verify", json={}).json["state"] == "verified"


def test_a_stranger_writes_nothing_of_another_place(
    world: World, held: Occurrence, app: flask.Flask, clock: ManualClock
) -> None:
    sheet = handed_in(world, held, Rating.S, Rating.M)
    finding = found(world, held)
    action = acted(world, finding, today(clock) + timedelta(days=9))
    client, due = signed_in(app, STRANGER), today(clock).isoformat()
    for path, body in (
        (f"{held.id}/inspections", {"inspected_on": due, "result": "passed"}), (f"{held.id}/sheets", {}),
        (f"findings/{finding}/actions", {"text": "x", "owner_words": "x", "due_on": due}),
        (f"findings/{finding}/close", {"proof": "x"}), (f"findings/{finding}/reopen", {"reason": "x"}),
        (f"actions/{action}/finish", {"proof": "x"}), (f"actions/{action}/verify", {}),
        (f"actions/{action}/drop", {"reason": "x"}), (f"actions/{action}/postpone", {"reason": "x", "due_on": due}),
    ):  # fmt: skip
        assert client.post(f"{URL}/{path}", json=body).status_code == 404, path
    assert client.get(f"{URL}/sheets/{sheet}").status_code == 404
    assert client.patch(f"{URL}/sheets/{sheet}", json={"version": 1, "lines": []}).status_code == 404
    with world.database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Inspection)) == 0
        assert session.scalar(sa.select(sa.func.count()).select_from(Evaluation)) == 1
        assert session.scalars(sa.select(CorrectiveAction.state)).one().value == "open"
