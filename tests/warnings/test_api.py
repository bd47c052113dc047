"""The JSON surface, word for word."""

from __future__ import annotations

from typing import Any

import flask
import pytest
import sqlalchemy as sa

from emergency.config import Config
from emergency.http.actor import Actor
from emergency.warnings import api, views
from kernel.db import Database
from notify.models import Broadcast, Kind
from tests.asking.support import app_with
from tests.warnings.support import OTHER_VILLAGE, SQUARE, TOWN, VILLAGE, World

URL = "/api/v1/warnings"
BODY: dict[str, Any] = {
    "status": "Actual", "msg_type": "Alert", "event_code": "11A01", "level": "red", "headline": "洪水红色预警",
    "description": "东淀水位上涨快", "instruction": "听村干部安排转移", "source": "own",
    "area": {"divisions": [VILLAGE], "polygons": [], "circles": []}, "effective": "2026-11-23T08:00:00+08:00",
    "expires": "2026-11-24T08:00:00+08:00", "channels": ["sms"], "audience": "residents",
}  # fmt: skip


class Caller:
    """A programme that can be somebody."""

    def __init__(self, app: flask.Flask):
        self.app = app
        self.client = app.test_client()

    def as_(self, actor: Actor) -> Caller:
        self.app.config["ACTOR"] = actor
        return self

    def post(self, path: str = "", body: Any = None, status: int = 200, **headers: str) -> dict[str, Any]:
        answer = self.client.post(URL + path, json=body if body is not None else {}, headers=headers)
        assert answer.status_code == status, answer.get_data(as_text=True)
        found: dict[str, Any] = answer.get_json()
        return found

    def get(self, path: str = "", status: int = 200) -> dict[str, Any]:
        answer = self.client.get(URL + path)
        assert answer.status_code == status, answer.get_data(as_text=True)
        found: dict[str, Any] = answer.get_json()
        return found


@pytest.fixture
def call(database: Database, config: Config, world: World) -> Caller:
    app = app_with(database, config, [views], [api.blueprint])
    return Caller(app).as_(world.author)


def test_a_warning_leaves_by_the_roads_that_are_named_in_their_order(call: Caller) -> None:
    for roads in (["voice"], ["sms", "voice"], ["voice", "sms"]):
        assert call.post("", {**BODY, "channels": roads}, 201)["channels"] == roads
    assert call.post("", {**BODY, "channels": ["pigeon"]}, 422)["code"] == "channel_unknown"


def test_from_draft_to_reach(call: Caller, world: World) -> None:
    draft = call.post("", BODY, 201)
    assert (draft["version"], draft["state"], draft["category"]) == (1, "draft", "natural")
    waiting = call.post(f"/{draft['id']}/submit")
    assert waiting["state"] == "submitted" and waiting["version"] == 2
    assert {k: waiting["estimate"][k] for k in ("recipients", "people", "segments", "without_phone")} == {
        "recipients": 2, "people": 4, "segments": 1, "without_phone": 1,
    }  # fmt: skip
    call.as_(world.approver)
    issued = call.post(f"/{draft['id']}/approve", {"version": 2})
    assert issued["state"] == "issued" and len(issued["identifier"]) == 31
    assert issued["sent"] == "2026-11-23T09:00:00+08:00"
    shown = call.get(f"/{draft['id']}")
    assert shown["snapshot"]["identifier"] == issued["identifier"] and shown["times"]["issued"] == issued["sent"]
    reach = call.get(f"/{draft['id']}/reach")
    assert (reach["targeted"], reach["reached"], reach["acknowledged"]) == (2, 0, 0)
    assert sorted(reach["by_state"]) == sorted(
        ["queued", "claimed", "submitted", "delivered", "failed", "unknown", "expired", "cancelled"]
    )
    assert reach["by_division"][0]["name"] == "义和村" and reach["by_channel"][0]["channel"] == "sms"
    page = call.get(f"/{draft['id']}/deliveries?state=queued&limit=1")
    assert page["next_cursor"] and "****" in page["items"][0]["address"]
    ack = call.post(
        f"/{draft['id']}/acknowledgements",
        {
            "recipient_id": page["items"][0]["id"],
            "method": "phone",
            "at": "2026-11-23T09:00:00+08:00",
            "note": "已听到",
        },
        201,
    )
    assert ack["method"] == "phone"
    assert call.get(f"/{draft['id']}/reach")["acknowledged"] == 1
    done = call.post(f"/{draft['id']}/cancel", {"reason": "数据有误"})
    assert done["state"] == "cancelled" and done["cancellation"]["snapshot"]["msg_type"] == "Cancel"


@pytest.mark.parametrize(
    ("code", "status", "changes"),
    [
        ("own_weather", 422, {"event_code": "11B03", "headline": "暴雨红色预警"}),
        (
            "polygon_self_crossing",
            422,
            {"area": {"polygons": [[SQUARE[0], SQUARE[2], SQUARE[1], SQUARE[3], SQUARE[0]]]}},
        ),
        ("coordinates_swapped", 422, {"area": {"polygons": [[[lat, lon] for lon, lat in SQUARE]]}}),
        ("expires_before_effective", 422, {"expires": "2026-11-22T08:00:00+08:00"}),
        ("circle_without_radius", 422, {"area": {"circles": [{"lon": 116.7, "lat": 38.9}]}}),
        ("references_missing", 422, {"msg_type": "Cancel"}),
        ("invalid", 422, {"level": "pink"}),
        ("invalid", 422, {"effective": "2026-11-23T08:00:00"}),
        ("invalid", 422, {"surprise": 1}),
        ("invalid", 422, {"source": {"from": "x"}}),
    ],
)
def test_a_fault_is_a_problem_with_its_code(call: Caller, code: str, status: int, changes: dict[str, Any]) -> None:
    answer = call.post("", BODY | changes, status)
    assert answer["code"] == code
    if code not in ("invalid",):
        assert code in answer["detail"] and answer["errors"][0]["message"].startswith(code)


def test_refusals_have_their_codes(call: Caller, world: World) -> None:
    draft = call.post("", BODY, 201)
    call.post(f"/{draft['id']}/submit")
    author = Actor(**{**world.author.__dict__, "roles": world.author.roles | world.approver.roles})
    assert call.as_(author).post(f"/{draft['id']}/approve", {"version": 2}, 403)["code"] == "four_eyes"
    assert call.as_(world.approver).post(f"/{draft['id']}/approve", {"version": 1}, 409)["code"] == "version_conflict"
    assert call.post(f"/{draft['id']}/return", {"reason": " "}, 422)["code"] == "reason_required"
    assert call.post(f"/{draft['id']}/return", {"reason": "文字要改"})["state"] == "returned"
    assert (
        call.as_(world.liaison).post("", BODY | {"area": {"divisions": [OTHER_VILLAGE]}}, 403)["code"] == "out_of_scope"
    )
    assert call.get("/1", 404)["code"] == "not_found"


def test_the_same_key_sends_once(call: Caller, world: World, database: Database) -> None:
    first = call.post("", BODY, 201, **{"Idempotency-Key": "abc"})
    assert call.post("", BODY, 201, **{"Idempotency-Key": "abc"})["id"] == first["id"]
    call.post(f"/{first['id']}/submit")
    call.as_(world.approver)
    one = call.post(f"/{first['id']}/approve", {"version": 2}, **{"Idempotency-Key": "go"})
    two = call.post(f"/{first['id']}/approve", {"version": 2}, **{"Idempotency-Key": "go"})
    three = call.post(f"/{first['id']}/approve", {"version": 2})
    assert one == two and three["identifier"] == one["identifier"]
    with database.read() as session:
        assert len(session.scalars(sa.select(Broadcast.id).where(Broadcast.kind == Kind.ACTUAL)).all()) == 1


def test_relayed_weather_passes_and_names_its_issuer(call: Caller) -> None:
    body = BODY | {"event_code": "11B03", "headline": "暴雨红色预警", "source": {"relayed_from": "静海区气象台"}}
    draft = call.post("", body, 201)
    assert draft["source"] == {"relayed_from": "静海区气象台"} and draft["issuer"] == "静海区气象台"


def test_a_draft_is_patched_and_listed(call: Caller) -> None:
    draft = call.post("", BODY, 201)
    answer = call.client.patch(
        f"{URL}/{draft['id']}", json={"version": 1, "level": "orange", "headline": "洪水橙色预警"}
    )
    assert answer.get_json()["level"] == "orange"
    stale = call.client.patch(f"{URL}/{draft['id']}", json={"version": 1, "headline": "x"})
    assert (stale.status_code, stale.get_json()["code"]) == (409, "version_conflict")
    assert [item["id"] for item in call.get("?state=draft")["items"]] == [draft["id"]]
    assert call.get("?level=red")["items"] == []


def test_an_update_starts_from_what_is_in_force(call: Caller, world: World) -> None:
    draft = call.post("", BODY, 201)
    assert call.post(f"/{draft['id']}/update", {}, 409)["code"] == "wrong_state"
    call.post(f"/{draft['id']}/submit")
    call.as_(world.approver).post(f"/{draft['id']}/approve", {"version": 2})
    update = call.as_(world.author).post(f"/{draft['id']}/update", {"area": {"divisions": [TOWN]}}, 201)
    assert (update["msg_type"], update["state"], update["area_words"]) == ("Update", "draft", "台头镇")
    assert update["previous_id"] == draft["id"] and len(update["references"]) == 1


def test_a_red_warning_may_break_the_glass(call: Caller, world: World) -> None:
    draft = call.as_(world.approver).post("", BODY, 201)
    assert call.post(f"/{draft['id']}/break-glass", {"version": 1, "reason": ""}, 422)["code"] == "reason_required"
    issued = call.post(f"/{draft['id']}/break-glass", {"version": 1, "reason": "无人接听"})
    assert issued["state"] == "issued" and issued["snapshot"]["break_glass"] is True


def test_nobody_signed_in_learns_nothing(call: Caller) -> None:
    call.app.config["ACTOR"] = None
    assert call.get("", 401)["code"] == "unauthenticated"
