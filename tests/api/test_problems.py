from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import flask
import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from emergency.http.permissions import Role
from emergency.privacy.journal import JournalEntry
from kernel.db import Database, Touched

Bearer = Callable[..., dict[str, str]]


def touched(database: Database) -> list[int]:
    with database.read() as session:
        return list(session.scalars(sa.select(Touched.subject_id).where(Touched.kind == "thing")))


@pytest.mark.parametrize(
    ("how", "status", "code"),
    [
        ("conflict", 409, "version_conflict"),
        ("four-eyes", 403, "four_eyes"),
        ("locked", 503, "database_busy"),
        ("gone", 503, "database_unavailable"),
        ("clash", 409, "conflict"),
        ("bug", 500, "internal_error"),
        ("404", 404, "not_found"),
        ("413", 413, "too_large"),
        ("429", 429, "too_many"),
    ],
)
def test_every_refusal_is_a_problem_document_and_undoes_the_work(
    client: FlaskClient, bearer: Bearer, database: Database, how: str, status: int, code: str
) -> None:
    for method in ("get", "post"):
        answer = getattr(client, method)(f"/api/v1/things/{how}", headers=bearer())
        assert answer.status_code == status
        assert answer.mimetype == "application/problem+json"
        body = answer.get_json(force=True)
        assert body["code"] == code
        assert body["status"] == status
        assert body["type"] == f"urn:emergency:problem:{code}"
        assert body["instance"] == f"/api/v1/things/{how}"
        assert body["title"]
        assert body["detail"]
        assert body["request_id"] == answer.headers["X-Request-Id"]
    assert touched(database) == []


def test_a_detail_is_in_the_language_asked_for(client: FlaskClient, bearer: Bearer) -> None:
    english = client.get("/api/v1/things/conflict", headers={**bearer(), "Accept-Language": "en"})
    chinese = client.get("/api/v1/things/conflict", headers={**bearer(), "Accept-Language": "zh-CN,zh;q=0.9"})
    assert english.get_json(force=True)["detail"] == "There is no account named x."
    assert chinese.get_json(force=True)["detail"] == "没有名为 x 的账号。"


def test_faults_of_the_body_name_their_fields(client: FlaskClient, bearer: Bearer) -> None:
    answer = client.post(
        "/api/v1/things", json={"n": "many", "at": "2026-11-23T08:00:00", "extra": 1}, headers=bearer()
    )
    assert answer.status_code == 422
    body = answer.get_json(force=True)
    assert body["code"] == "invalid"
    assert sorted(error["field"] for error in body["errors"]) == ["at", "extra", "n"]


def test_a_refused_field_of_the_domain_is_named(client: FlaskClient, bearer: Bearer) -> None:
    body = client.post("/api/v1/things", json={"n": -1}, headers=bearer()).get_json(force=True)
    assert body["code"] == "negative"
    assert body["errors"] == [{"field": "n", "message": "Fill this in."}]


def test_a_body_that_is_no_json_is_refused(client: FlaskClient, bearer: Bearer) -> None:
    answer = client.post("/api/v1/things", data="{", headers={**bearer(), "Content-Type": "application/json"})
    assert answer.status_code in (400, 422)
    assert answer.mimetype == "application/problem+json"


def test_whoever_may_not_learns_nothing_of_the_body(client: FlaskClient, bearer: Bearer) -> None:
    headers = bearer(Role.STOREKEEPER, username="store")
    assert client.post("/api/v1/things", json={"n": "many"}, headers=headers).status_code == 403
    assert client.post("/api/v1/things", json={"n": "many"}).status_code == 401


def test_an_address_that_is_not_there_is_a_problem_too(client: FlaskClient) -> None:
    answer = client.get("/api/v1/nowhere")
    assert (answer.status_code, answer.mimetype) == (404, "application/problem+json")
    answer = client.delete("/api/v1/things")
    assert (answer.status_code, answer.get_json(force=True)["code"]) == (405, "method_not_allowed")
    assert "GET" in answer.headers["Allow"]


@pytest.mark.parametrize("header", ["Bearer nonsense", "Bearer ", "Basic abc", "jhe_x"])
def test_a_bad_token_is_refused_and_says_how_to_come_in(client: FlaskClient, header: str) -> None:
    answer = client.get("/api/v1/accounts/me", headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.get_json(force=True)["code"] == "unauthenticated"


def test_a_cookie_opens_nothing_under_api(
    app: flask.Flask, client: FlaskClient, bearer: Bearer, database: Database
) -> None:
    from emergency.people.accounts import service, sessions
    from emergency.people.accounts.models import SignInMethod

    bearer()
    with database.write() as session:
        account = service.by_username(session, "duty")
        key = sessions.begin(session, account=account, method=SignInMethod.LINK, origin=sessions.Origin())
    with client.session_transaction() as cookie:
        cookie["_user_id"] = key
    assert client.get("/account").status_code in (200, 404)
    assert client.get("/api/v1/accounts/me").status_code == 401


def test_a_refusal_is_journalled_without_the_work(client: FlaskClient, bearer: Bearer, database: Database) -> None:
    client.post("/api/v1/things/four-eyes", headers=bearer())
    with database.read() as session:
        entry = session.scalars(sa.select(JournalEntry).where(JournalEntry.kind == "access.refused")).one()
    assert '"code": "four_eyes"' in entry.data
    assert "POST /api/v1/things/<how>" in entry.data
    assert touched(database) == []


def test_an_unexpected_error_is_logged_by_its_place_and_not_by_its_words(
    client: FlaskClient, bearer: Bearer, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        for how in ("bug", "clash", "gone"):
            answer = client.get(f"/api/v1/things/{how}", headers=bearer())
            assert "179" not in answer.get_data(as_text=True)
        page = client.get("/fails/bug")
    assert page.status_code == 500
    assert "ValueError" in caplog.text
    assert answer.headers["X-Request-Id"] in caplog.text
    assert "17900000102" not in caplog.text
    assert "周某" not in caplog.text


@pytest.mark.parametrize(
    ("how", "status"), [("conflict", 409), ("four-eyes", 403), ("locked", 503), ("bug", 500), ("404", 404)]
)
def test_pages_fail_as_pages_and_undo_the_work(client: FlaskClient, database: Database, how: str, status: int) -> None:
    for method in ("get", "post"):
        answer = getattr(client, method)(f"/fails/{how}")
        assert (answer.status_code, answer.mimetype) == (status, "text/html")
        assert answer.get_data(as_text=True).count("<h1") == 1
    assert touched(database) == []


def test_an_error_page_stands_even_when_the_frame_cannot_be_drawn(
    app: flask.Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_args: Any, **_kwargs: Any) -> str:
        raise RuntimeError("no frame")

    monkeypatch.setattr(flask, "render_template", broken)
    answer = client.get("/fails/bug")
    assert answer.status_code == 500
    assert "<h1>" in answer.get_data(as_text=True)


def test_a_failing_commit_is_answered_and_not_half_done(
    app: flask.Flask, client: FlaskClient, bearer: Bearer, database: Database
) -> None:
    headers = bearer()

    def refuse(_session: Any) -> None:
        raise sa.exc.OperationalError("COMMIT", {}, Exception("database is locked"))

    app.config["PROPAGATE_EXCEPTIONS"] = False
    database.before_commit(refuse)
    answer = client.post("/api/v1/things", json={"n": 5}, headers=headers)
    assert answer.status_code == 503
    assert answer.get_json(force=True)["code"] == "database_busy"
    database._before_commit.remove(refuse)
    assert touched(database) == []


def test_the_interface_describes_itself(client: FlaskClient) -> None:
    document = client.get("/api/v1/openapi.json").json
    assert document["openapi"].startswith("3.")
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    assert document["security"] == [{"bearer": []}]
    post = document["paths"]["/api/v1/things"]["post"]
    assert "Idempotency-Key" in [parameter["name"] for parameter in post["parameters"]]
    assert "application/problem+json" in document["components"]["responses"]["DEFAULT_ERROR"]["content"]
    problem = document["components"]["schemas"]["Problem"]["properties"]
    assert {"type", "title", "status", "detail", "code", "instance", "errors"} <= set(problem)


def test_lists_come_in_pages_that_neither_skip_nor_repeat(client: FlaskClient, bearer: Bearer) -> None:
    headers = bearer()
    codes: list[str] = []
    cursor = ""
    while True:
        page = client.get(f"/api/v1/things?limit=2{cursor}", headers=headers).json
        assert set(page) == {"items", "next_cursor"}
        codes += [item["code"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert codes == ["120000000000", "120100000000", "120118000000"]
    assert client.get("/api/v1/things?cursor=zzz", headers=headers).get_json(force=True)["code"] == "invalid_cursor"
    assert client.get("/api/v1/things?limit=9999", headers=headers).status_code == 422


def test_accounts_are_for_administrators(client: FlaskClient, bearer: Bearer) -> None:
    assert client.get("/api/v1/accounts", headers=bearer()).status_code == 403
    page = client.get("/api/v1/accounts?role=duty-officer", headers=bearer(Role.ADMINISTRATOR, username="admin")).json
    assert [item["username"] for item in page["items"]] == ["duty"]
    assert page["items"][0]["roles"] == ["duty-officer"]
