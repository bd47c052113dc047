"""Versions, redlines, review and rules as programmes meet them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flask
import pytest
from flask.testing import FlaskClient

from emergency.http.actor import Actor
from emergency.http.permissions import Role
from emergency.plans import service
from kernel.db import Database
from tests.plans.support import DULIU, TAITOU, YIHE, person, signed_in

Make = Callable[..., Any]
API = "/api/v1/plans"


@pytest.fixture
def seat(app: flask.Flask) -> Callable[[Actor], FlaskClient]:
    """A browser at which people take turns."""
    who: dict[str, Actor] = {}
    client = signed_in(app, person(Role.PLANNER))

    @app.before_request
    def _turn() -> None:
        flask.g.actor = who["now"]

    def take(actor: Actor) -> FlaskClient:
        who["now"] = actor
        return client

    return take


def test_a_draft_is_written_compared_and_restored_by_json(
    district: Database, seat: Callable[[Actor], FlaskClient], make: Make, publish: Make, planner: Actor
) -> None:
    with district.write() as session:
        plan, row = make(session)
        publish(session, row)
    client = seat(planner)
    draft = client.post(f"{API}/{plan.id}/drafts", json={}).json
    assert draft["number"] == 2 and len(draft["sections"]) == 7 and draft["approval"] is None
    url = f"{API}/versions/{draft['id']}"
    sections = [{key: s[key] for key in ("number", "heading", "body", "depth", "part")} for s in draft["sections"]]
    sections[0]["body"] = "正文改。"
    body = {"version": draft["version"], "sections": sections,
            "levels": [{"grade": "II", "trigger": "水位", "actions": [{"action": "转移"}]}],
            "evacuation": [{"destination": "镇小学", "subject_code": YIHE, "people": 3}]}  # fmt: skip
    saved = client.put(url, json=body)
    assert saved.status_code == 200 and saved.json["levels"][0]["actions"][0]["action"] == "转移"
    assert client.put(url, json=body).status_code == 409
    phone = body | {"version": saved.json["version"], "sections": [{"heading": "联系", "body": "13800138000"}]}
    refused = client.put(url, json=phone)
    assert refused.status_code == 422 and "13800138000" not in refused.text
    assert client.put(url, json=phone | {"evacuation": [{"destination": "镇小学"}]}).status_code == 422
    one = saved.json["sections"][1]
    single = {"heading": one["heading"], "body": "单独保存", "part": one["part"], "read": one["read"]}
    assert client.put(f"{url}/sections/{one['id']}", json=single).status_code == 200
    assert client.put(f"{url}/sections/{one['id']}", json=single).status_code == 409
    found = client.get(f"{url}/redline?against={row.id}").json
    assert found["counts"]["changed"] == 2 and found["lists"]["levels"][0]["sign"] == "added"
    first = found["sections"][0]["body"][0]["spans"]
    assert "".join(s["text"] for s in first if s["op"] != "-") == "正文改。"
    neighbour = seat(person(Role.PLANNER, division=DULIU, id=7))
    assert neighbour.get(url).status_code == 404


def test_the_way_to_approval_with_a_round_of_comments_by_json(
    district: Database, seat: Callable[[Actor], FlaskClient], make: Make, planner: Actor, approver: Actor
) -> None:
    with district.write() as session:
        _plan, row = make(session)
    url = f"{API}/versions/{row.id}"

    def act(who: Actor, method: str, path: str, **body: Any) -> Any:
        return seat(who).open(path, method=method, json=body or {})

    read = row.version
    read = act(planner, "POST", f"{url}/submit", version=read).json["version"]
    assert act(planner, "POST", f"{url}/comments", text="自评").status_code == 403
    said = act(approver, "POST", f"{url}/comments", text="缺时限").json["items"][0]["comments"][0]
    assert act(approver, "POST", f"{url}/pass", version=read).json["code"] == "unresolved_comments"
    assert act(approver, "POST", f"{url}/return", version=read).status_code == 422
    read = act(approver, "POST", f"{url}/return", version=read, reason="见意见").json["version"]
    assert act(planner, "POST", f"{url}/submit", version=read).json["code"] == "unanswered_comments"
    assert act(planner, "PUT", f"{API}/comments/{said['id']}/answer", answer="accepted").status_code == 200
    read = act(planner, "POST", f"{url}/submit", version=read).json["version"]
    assert act(approver, "POST", f"{API}/comments/{said['id']}/resolve").status_code == 200
    read = act(approver, "POST", f"{url}/pass", version=read).json["version"]
    done = act(approver, "POST", f"{url}/approve", version=read, body="静海区人民政府", decided_on="2026-11-20",
               meeting="第 31 次常务会议").json  # fmt: skip
    assert done["approval"]["meeting"] == "第 31 次常务会议" and done["approved_by"] == str(approver)
    issued = act(approver, "POST", f"{url}/issue", version=done["version"], issued_on="2026-11-23").json
    assert issued["state"] == "issued"


def test_rules_facts_and_search_by_json(
    district: Database, seat: Callable[[Actor], FlaskClient], make: Make, planner: Actor
) -> None:
    with district.write() as session:
        plan, _row = make(session)
        other, _draft = make(session, title="静海区排水预案", parent_id=plan.id)
        version = service.get_plan(session, actor=planner, plan_id=plan.id).version
    client = seat(planner)
    rule = client.get(f"{API}/approval-rules").json["items"][0]
    change = {"body": "区委、区政府", "way": "government_meeting", "version": rule["version"], "reason": "区里规定"}
    assert client.put(f"{API}/approval-rules/{rule['id']}", json=change).json["body"] == "区委、区政府"
    assert client.put(f"{API}/approval-rules/{rule['id']}", json=change).status_code == 409
    row = client.get(f"{API}/filing-destinations").json["items"][0]
    where = f"{API}/filing-destinations/{row['id']}"
    assert client.put(where, json={"was": row["body"], "body": "天津市人民政府", "reason": "明确"}).status_code == 200
    assert client.delete(f"{where}?was=别的&reason=误").status_code == 409
    assert client.delete(f"{where}?was=天津市人民政府&reason=不再报送").status_code == 204
    added = client.post(f"{API}/filing-destinations", json={
        "kind": row["kind"], "way": row["way"], "body": row["body"], "reason": "恢复",
    })  # fmt: skip
    assert added.status_code == 201
    facts = client.get(f"{API}/{plan.id}/facts").json
    assert facts["version"] == version
    cycle = client.put(f"{API}/{plan.id}/facts", json=facts | {"parent_id": other.id})
    assert cycle.status_code == 422 and cycle.json["code"] == "parent_cycle"
    assert client.put(f"{API}/{plan.id}/facts", json=facts | {"title": "改名"}).json["title"] == "改名"
    assert client.get(f"{API}/pick?kind=division&q=义和").json["items"][0]["key"] == YIHE
    town = seat(person(Role.PLANNER, division=TAITOU, id=8))
    assert town.put(f"{API}/approval-rules/{rule['id']}", json=change).status_code == 403
