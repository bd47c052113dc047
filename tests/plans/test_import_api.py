"""A plan from a file by JSON: upload, what was read, confirm; nobody else's, nothing half-written, garbage refused."""

from __future__ import annotations

import io
import json
from typing import Any

import flask
import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emergency.http.actor import Actor
from emergency.http.permissions import Role
from emergency.plans.importing import runs
from emergency.plans.importing.models import PlanImport
from emergency.plans.models import Plan, PlanSection
from kernel.db import Database
from tests.plans.support import DULIU, TAITOU, person, signed_in
from tests.plans.test_import import SECRETS
from tests.plans.test_reading import by_hand

API = "/api/v1/plan-imports"
NEW = {
    "kind": "gov.town", "level": "township", "title": "台头镇防汛应急预案", "division_code": TAITOU,
    "issuer": "台头镇人民政府", "hazards": ["flood"],
}  # fmt: skip
SETTINGS = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture
def client(app: flask.Flask, district: Database) -> FlaskClient:
    return signed_in(app, person(Role.PLANNER))


def upload(client: FlaskClient, data: bytes | None = None, name: str = "预案.docx", **form: Any) -> Any:
    content = by_hand() if data is None else data
    return client.post(API, data={"file": (io.BytesIO(content), name), **form}, content_type="multipart/form-data")


def plans(database: Database) -> int:
    with database.read() as session:
        return session.scalar(sa.select(sa.func.count()).select_from(Plan)) or 0


def test_a_file_becomes_a_draft_in_three_steps(client: FlaskClient, district: Database) -> None:
    sent = upload(client)
    assert sent.status_code == 202, sent.text
    run = sent.json
    assert run["state"] == "waiting" and run["plan_id"] is None and run["size"] > 1000
    url = f"{API}/{run['id']}"
    assert client.get(url).json["read"] is None
    early = client.post(f"{url}/confirm", json={"new": NEW})
    assert early.status_code == 409 and early.json["code"] == "wrong_state"
    runs.run_waiting(district)
    found = client.get(url)
    read = found.json["read"]
    assert found.json["state"] == "ready" and read["title"] == "静海区防汛应急预案"
    assert "总则" in [section["heading"] for section in read["sections"]]
    assert read["people"] and {"toc_skipped"} <= {remark["code"] for remark in read["remarks"]}
    assert not [secret for secret in SECRETS if secret in found.get_data(as_text=True)], "names and numbers are masked"
    assert plans(district) == 0, "nothing is written before somebody confirms"
    people = [
        {"key": p["key"], "action": "leave-out"} if p["suggested"]["duty"] is None else
        {"key": p["key"], "action": "post", "duty": p["suggested"]["duty"], "division_code": TAITOU}
        for p in read["people"]
    ]  # fmt: skip
    done = client.post(f"{url}/confirm", json={"new": NEW, "people": people, "levels": True})
    assert done.status_code == 201, done.text
    version_id = done.json["version_id"]
    assert client.get(f"/api/v1/plans/versions/{version_id}").json["sections"]
    again = client.post(f"{url}/confirm", json={"new": NEW})
    assert again.status_code == 409 and plans(district) == 1
    assert client.get(url).json | {"read": None} == client.get(url).json
    assert client.get(url).json["version_id"] == version_id
    assert [row["id"] for row in client.get(API).json["items"]] == [run["id"]]


def test_it_belongs_to_whoever_brought_it_and_to_no_neighbours_plan(
    client: FlaskClient, district: Database, make: Any, app: flask.Flask
) -> None:
    with district.write() as session:
        plan, _row = make(session, division_code=DULIU, title="独流镇防汛预案")
    run = upload(client).json
    runs.run_waiting(district)
    who: dict[str, Actor] = {}
    other = app.test_client()
    app.before_request_funcs[None].append(lambda: setattr(flask.g, "actor", who.get("now", flask.g.actor)))
    for actor in (person(Role.PLANNER, division=TAITOU, id=9), person(Role.PLANNER, id=10)):
        who["now"] = actor
        for method, path in (("GET", ""), ("POST", "/confirm"), ("DELETE", "")):
            answer = other.open(f"{API}/{run['id']}{path}", method=method, json={"new": NEW} if path else None)
            assert answer.status_code == 404, (method, path)
        assert other.get(API).json["items"] == []
    who["now"] = person(Role.PLANNER, division=TAITOU, id=9)
    assert upload(other, plan_id=str(plan.id)).status_code in (403, 404)
    who["now"] = person(Role.AUDITOR, id=11)
    assert upload(other).status_code == 403
    assert plans(district) == 1


def test_a_file_that_is_none_says_why_and_a_discarded_one_is_erased(client: FlaskClient, district: Database) -> None:
    assert upload(client, b"").json["code"] == "file_empty"
    bad = upload(client, b"PK\x03\x04 not a zip at all").json
    runs.run_waiting(district)
    failed = client.get(f"{API}/{bad['id']}").json
    assert failed["state"] == "failed" and failed["failure"]["code"] == "file_broken" and failed["failure"]["message"]
    typed = client.post(API, data={"typed": "一、总则\n依法编制。"}, content_type="multipart/form-data")
    assert typed.status_code == 202
    runs.run_waiting(district)
    assert client.get(f"{API}/{typed.json['id']}").json["read"]["sections"]
    assert client.delete(f"{API}/{typed.json['id']}").status_code == 204
    with district.read() as session:
        run = session.get_one(PlanImport, typed.json["id"])
        assert run.result_sealed is None and run.outline_sealed is None
    assert client.get(f"{API}/1").status_code == 404


def test_what_the_rules_refuse_leaves_nothing_behind(client: FlaskClient, district: Database) -> None:
    run = upload(client).json
    runs.run_waiting(district)
    url = f"{API}/{run['id']}/confirm"
    mobile = next(p["key"] for p in client.get(f"{API}/{run['id']}").json["read"]["people"] if p["mobile"])
    for body, code in (
        ({}, "plan_required"),
        ({"new": NEW, "people": [{"key": mobile, "action": "keep"}]}, "phone_in_text"),
        ({"new": NEW, "people": [{"key": mobile, "action": "post"}]}, "duty_required"),
    ):
        answer = client.post(url, json=body)
        assert (answer.status_code, answer.json["code"]) == (422, code), answer.text
    assert client.post(url, json={"new": NEW | {"hazards": []}}).status_code == 422
    assert plans(district) == 0
    with district.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(PlanSection)) == 0


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3), max_leaves=6,
)  # fmt: skip
NEARLY = st.fixed_dictionaries(
    {}, optional={
        "new": st.fixed_dictionaries(
            {}, optional={key: JSON | st.just(value) for key, value in (NEW | {"parent_id": 7, "public": True}).items()}
        ) | JSON,
        "people": st.lists(
            st.fixed_dictionaries({}, optional={
                "key": JSON, "action": st.sampled_from(["post", "keep", "leave-out", "drop"]), "duty": JSON,
                "division_code": JSON | st.just(TAITOU),
            }), max_size=3,
        ) | JSON,
        "levels": JSON, "evacuation": JSON,
    },
)  # fmt: skip


@SETTINGS
@given(body=JSON | NEARLY)
def test_garbage_to_confirm_is_never_a_failure_of_ours(client: FlaskClient, district: Database, body: Any) -> None:
    waiting = client.get(API).json["items"]
    ready = [row for row in waiting if row["state"] == "ready"]
    run = ready[0] if ready else upload(client).json
    runs.run_waiting(district)
    answer = client.post(f"{API}/{run['id']}/confirm", json=body)
    assert answer.status_code in (201, 400, 403, 404, 409, 422), (body, answer.text[:300])
    assert answer.status_code == 201 or answer.json["code"]


@SETTINGS
@given(
    data=st.binary(max_size=200), name=st.text(max_size=20), typed=st.text(max_size=40),
    plan=st.text(max_size=8) | st.integers().map(str),
)  # fmt: skip
def test_garbage_as_a_file_is_never_a_failure_of_ours(
    client: FlaskClient, district: Database, data: bytes, name: str, typed: str, plan: str
) -> None:
    answer = upload(client, data, name, typed=typed, plan_id=plan)
    assert answer.status_code in (202, 400, 403, 404, 413, 422), (answer.status_code, answer.text[:300])
    runs.run_waiting(district)
    if answer.status_code == 202:
        assert client.get(f"{API}/{answer.json['id']}").status_code == 200


def test_it_stands_in_the_description_of_the_interface(client: FlaskClient) -> None:
    described = json.dumps(client.get("/api/v1/openapi.json").json)
    assert "/api/v1/plan-imports/{run_id}/confirm" in described and "multipart/form-data" in described
