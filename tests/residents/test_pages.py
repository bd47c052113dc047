"""What people see and press: every page in both languages, uploads that go on without their page."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import flask
import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from emergency.config import Config
from emergency.http.actor import Actor
from emergency.people.residents import api, imports, jobs, runs, service, views
from emergency.people.residents.models import ImportPiece, ImportRun, RunState
from emergency.people.residents.service import import_residents
from emergency.privacy import journal
from kernel.clock import ManualClock
from kernel.db import Database
from tests.conftest import on_disk
from tests.residents.conftest import LIAISON, OFFICER, TAITOU, VILLAGER, YIHE, counts, entries, ids, person
from tests.shell import shell

Make = Callable[..., Path]


@pytest.fixture
def app(db: Database, config: Config) -> flask.Flask:
    """The shell with the pages of residents; `app.config["ACTOR"]` is signed in."""
    app = shell(db, config, testing=True)
    for blueprint in views.BLUEPRINTS:
        app.register_blueprint(blueprint)
    app.register_blueprint(api.blueprint)
    app.config["ACTOR"] = OFFICER
    return app


@pytest.fixture
def client(app: flask.Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def people(db: Database, csv_file: Make) -> list[int]:
    rows = [person(3, needs="卧床"), person(4, phone="15400000003"), person(5, phone="x1"), person(6, phone="")]
    import_residents(db, csv_file(rows), actor=OFFICER)
    return ids(db)


def as_actor(app: flask.Flask, actor: Actor) -> FlaskClient:
    app.config["ACTOR"] = actor
    return app.test_client()


def text(response: Any) -> str:
    return str(response.get_data(as_text=True))


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_page_opens_in_both_languages(
    client: FlaskClient, people: list[int], db: Database, language: str
) -> None:
    client.set_cookie("language", language)
    run_id = _upload(client, b"external_id,division_code,name\nA,1,x\n")
    imports.run_upload(db, run_id)
    for path in (
        "/residents", f"/residents?division={TAITOU}&phone=invalid", "/residents?phone=none", "/residents?priority=0",
        "/residents?left=1", f"/residents/{people[0]}", f"/residents/{people[3]}", f"/residents/{people[0]}/edit",
        "/residents/new", "/residents/search", "/residents/export", "/residents/imports",
        f"/residents/imports/{run_id}", f"/residents/imports/{run_id}/errors.csv",
    ):  # fmt: skip
        response = client.get(path)
        assert response.status_code == 200, path
        body = text(response)
        assert "%(" not in body, path
        assert ("居民" in body or "行" in body) == (language == "zh"), path
        assert body.count("<h1>") <= 1
        assert "154000" not in body


def test_a_list_page_is_journalled_once(client: FlaskClient, people: list[int], db: Database) -> None:
    assert "154****0003" in text(client.get("/residents"))
    (entry,) = entries(db, journal.LISTED)
    assert '"count": 4' in entry.data


def test_a_reveal_asks_why_and_is_not_kept_by_the_browser(client: FlaskClient, people: list[int], db: Database) -> None:
    refused = client.post(f"/residents/{people[0]}/reveal", data={})
    assert refused.status_code == 422
    assert "15400000003" not in text(refused)
    shown = client.post(f"/residents/{people[0]}/reveal", data={"purpose": "verify"})
    assert "15400000003" in text(shown)
    assert shown.headers["Cache-Control"] == "no-store"
    assert len(entries(db, journal.REVEALED)) == 1


def test_a_person_outside_the_scope_is_not_there(app: flask.Flask, people: list[int]) -> None:
    client = as_actor(app, VILLAGER)
    assert client.get(f"/residents/{people[0]}").status_code == 404
    assert client.get(f"/residents?division={YIHE}").status_code == 403
    assert client.get(f"/api/v1/residents/{people[0]}").status_code == 404


def test_a_correction_keeps_what_is_left_empty(client: FlaskClient, people: list[int], db: Database) -> None:
    page = text(client.get(f"/residents/{people[0]}/edit"))
    version = page.split('name="version"')[1].split('value="')[1].split('"')[0]
    answer = client.post(f"/residents/{people[0]}/edit", data={"version": version, "phone": "15400000088"})
    assert answer.status_code == 303
    with db.read() as session:
        found = service.reveal(session, actor=OFFICER, resident_id=people[0], purpose="verify")
    assert (found.phone, found.needs) == ("15400000088", "卧床")
    stale = client.post(f"/residents/{people[0]}/edit", data={"version": version, "name": "赵某一"})
    assert stale.status_code == 422
    gone = client.post(f"/residents/{people[0]}/edit", data={"no_phone": "y", "no_needs": "y"})
    assert gone.status_code == 303
    with db.read() as session:
        found = service.reveal(session, actor=OFFICER, resident_id=people[0], purpose="verify")
    assert (found.phone, found.needs) == ("", "")


def test_a_person_is_registered_leaves_and_comes_back(client: FlaskClient, people: list[int], db: Database) -> None:
    answer = client.post("/residents/new", data={"division_code": YIHE, "name": "钱某一", "phone": "15400000055"})
    assert answer.status_code == 303
    place = answer.headers["Location"]
    assert client.post("/residents/new", data={"division_code": "", "name": "钱某一"}).status_code == 422
    assert client.post("/residents/new", data={"division_code": YIHE, "name": ""}).status_code == 422
    assert client.post(f"{place}/verify").status_code == 303
    assert "已核实" in text(client.get(place))
    assert client.post(f"{place}/leave").status_code == 303
    assert "已迁出" in text(client.get(place))
    assert client.post(f"{place}/leave", data={"back": "1"}).status_code == 303
    with db.read() as session:
        assert service.count_audience(session, codes=[YIHE]).people == 5


def test_a_search_leaves_nothing_in_an_address(client: FlaskClient, people: list[int], db: Database) -> None:
    found = client.post("/residents/search", data={"phone": "15400000003"})
    assert text(found).count("154****0003") == 2
    assert client.post("/residents/search", data={"phone": "154"}).status_code == 422
    assert len(entries(db, journal.SEARCHED)) == 1


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_an_export_is_a_file_that_our_import_knows(
    client: FlaskClient, people: list[int], db: Database, tmp_path: Path, kind: str
) -> None:
    assert client.post("/residents/export", data={"format": kind}).status_code == 422
    assert entries(db, journal.EXPORTED) == []
    answer = client.post("/residents/export", data={"format": kind, "purpose": "drill", "division": ""})
    assert answer.status_code == 200
    path = tmp_path / f"out.{kind}"
    path.write_bytes(answer.data)
    assert import_residents(db, path, actor=OFFICER).unchanged == 4
    assert len(entries(db, journal.EXPORTED)) == 1


def test_a_liaison_has_no_export(app: flask.Flask, people: list[int]) -> None:
    client = as_actor(app, LIAISON)
    assert client.get("/residents/export").status_code == 403
    assert client.post("/residents/export", data={"purpose": "drill"}).status_code == 403
    assert "/residents/export" not in text(client.get("/residents"))


# --- imports from a page -------------------------------------------------------------------------------------------


def _upload(client: FlaskClient, content: bytes, **data: Any) -> int:
    form = {"purpose": "maintenance", "datum": "wgs84", "mode": "import"} | data
    answer = client.post("/residents/imports", data=form | {"file": (io.BytesIO(content), "名册.csv")})
    assert answer.status_code == 303, text(answer)
    return int(answer.headers["Location"].rpartition("/")[2])


def test_an_upload_is_sealed_imported_by_the_job_and_cleared_away(
    client: FlaskClient, db: Database, csv_file: Make, clock: ManualClock, tmp_path: Path
) -> None:
    rows = [person(n, address="很长的地址" * 12) for n in range(1, 1500)] + [person(2000, phone="1x")]
    content = csv_file(rows).read_bytes()
    run_id = _upload(client, content)
    assert counts(db)["import_piece"] >= 2
    if db.is_sqlite:
        raw = on_disk(db)
        assert "很长的地址".encode() not in raw
        assert "名册".encode() not in raw
    page = text(client.get(f"/residents/imports/{run_id}"))
    assert "等待处理" in page
    assert jobs.waiting(db, clock.now())
    assert jobs.run_waiting(db) == 1
    assert not jobs.waiting(db, clock.now())
    page = text(client.get(f"/residents/imports/{run_id}"))
    assert "1,500" in page
    assert "phone_invalid" in page
    assert "名册.csv" in page
    faults = client.get(f"/residents/imports/{run_id}/errors.csv")
    assert faults.data.startswith(b"\xef\xbb\xbf")
    assert "1501,电话,phone_invalid" in text(faults)
    left = counts(db)
    assert (left["import_piece"], left["staged_resident"], left["resident"]) == (0, 0, 1500)
    (entry,) = entries(db, journal.IMPORTED)
    assert entry.actor == "account:1"


def test_the_ticker_starts_the_import_beside_its_tick(client: FlaskClient, db: Database, clock: ManualClock) -> None:
    run_id = _upload(client, f"编号,区划代码,姓名\nA,{YIHE},张某一\n".encode("gb18030"))
    assert jobs.start_waiting(db, clock.now()) == 1
    assert jobs._worker is not None
    jobs._worker.join(20)
    with db.read() as session:
        assert session.get_one(ImportRun, run_id).state is RunState.DONE
    assert jobs.start_waiting(db, clock.now()) == 0


def test_a_check_changes_nothing_and_says_what_would_happen(client: FlaskClient, db: Database) -> None:
    run_id = _upload(client, f"编号,区划代码,姓名\nA,{YIHE},张某一\n".encode(), mode="check")
    jobs.run_waiting(db)
    page = text(client.get(f"/residents/imports/{run_id}"))
    assert "若导入将新增" in page
    assert counts(db)["resident"] == 0
    assert entries(db, journal.IMPORTED) == []


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "文件是空的"), (b"a,b\n1,2\n", "缺少列"), (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500), "旧版 .xls")],
)
def test_a_file_that_cannot_be_read_says_so_on_its_page(
    client: FlaskClient, db: Database, content: bytes, words: str
) -> None:
    run_id = _upload(client, content)
    jobs.run_waiting(db)
    page = text(client.get(f"/residents/imports/{run_id}"))
    assert words in page
    assert "未导入" in page
    assert counts(db)["import_piece"] == 0


def test_an_upload_without_file_or_purpose_is_refused(client: FlaskClient, db: Database) -> None:
    assert client.post("/residents/imports", data={"purpose": "maintenance", "mode": "import"}).status_code == 422
    data = {"mode": "import", "file": (io.BytesIO(b"x"), "a.csv")}
    assert client.post("/residents/imports", data=data).status_code == 422
    assert counts(db)["import_run"] == 0


def test_an_import_belongs_to_its_scope(app: flask.Flask, client: FlaskClient, db: Database) -> None:
    district = _upload(client, f"编号,区划代码,姓名\nA,{YIHE},张某一\n".encode())
    liaison = as_actor(app, LIAISON)
    assert liaison.get(f"/residents/imports/{district}").status_code == 404
    assert liaison.get(f"/residents/imports/{district}/errors.csv").status_code == 404
    own = _upload(liaison, "编号,区划代码,姓名\nB,120118100201,李某一\n".encode())
    jobs.run_waiting(db)
    assert "out_of_scope" in text(liaison.get(f"/residents/imports/{own}"))
    assert as_actor(app, OFFICER).get(f"/residents/imports/{own}").status_code == 200
    assert as_actor(app, VILLAGER).get("/residents/imports").status_code == 403


def test_a_run_whose_process_died_goes_on_from_the_sealed_file(
    client: FlaskClient, db: Database, clock: ManualClock
) -> None:
    run_id = _upload(client, f"编号,区划代码,姓名\nA,{YIHE},张某一\n".encode())
    with db.write() as session:
        run = runs.claim(session, run_id, "dead")
        runs.move(session, run, RunState.READING)
    assert jobs.run_waiting(db) == 0
    clock.advance(timedelta(minutes=2))
    assert jobs.run_waiting(db) == 1
    with db.read() as session:
        assert session.get_one(ImportRun, run_id).state is RunState.DONE


def test_leftovers_are_cleared(client: FlaskClient, db: Database, clock: ManualClock) -> None:
    run_id = _upload(client, b"a,b\n")
    with db.write() as session:
        session.execute(sa.update(ImportRun).values(uploaded=False))
    assert jobs.clear_leftovers(db, clock.now()) == 0
    assert jobs.clear_leftovers(db, clock.now() + timedelta(hours=2)) == 2
    with db.read() as session:
        assert session.get_one(ImportRun, run_id).state is RunState.FAILED
        assert session.scalar(sa.select(ImportPiece.run_id)) is None


# --- JSON ----------------------------------------------------------------------------------------------------------


def test_the_json_list_is_masked_and_goes_on_by_cursor(client: FlaskClient, people: list[int], db: Database) -> None:
    first = client.get("/api/v1/residents?limit=3").get_json()
    assert len(first["items"]) == 3
    assert first["items"][0]["phone"] == "154****0003"
    second = client.get(f"/api/v1/residents?limit=3&cursor={first['next_cursor']}").get_json()
    assert len(second["items"]) == 1
    assert second["next_cursor"] is None
    assert len(entries(db, journal.LISTED)) == 2
    filtered = client.get(f"/api/v1/residents?division={YIHE}&phone_state=none").get_json()
    assert [item["id"] for item in filtered["items"]] == [people[3]]


def test_the_json_record_is_masked(client: FlaskClient, people: list[int]) -> None:
    found = client.get(f"/api/v1/residents/{people[0]}").get_json()
    assert (found["name"], found["has_needs"], found["priority_class"]) == ("张某某", True, 0)
    assert {other["id"] for other in found["household"]} == {people[1], people[2]}
    assert client.get("/api/v1/residents/5").status_code == 404


def test_a_clerk_stops_everyday_messages_with_proof_and_sends_them_again(
    client: FlaskClient, people: list[int], db: Database
) -> None:
    page = f"/residents/{people[0]}"
    assert client.post(f"{page}/messages", data={"wanted": "", "reason": " "}).status_code == 422
    stopped = client.post(f"{page}/messages", data={"wanted": "", "reason": "本人持身份证到窗口"})
    assert stopped.status_code == 303
    shown = text(client.get(page))
    assert "拒收短信" in shown and "窗口登记" in shown and "恢复发送" in shown
    assert client.post(f"{page}/messages", data={"wanted": "1", "reason": "本人来电要求"}).status_code == 303
    assert "停发日常短信" in text(client.get(page))
