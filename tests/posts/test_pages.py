"""The pages of divisions, units, posts and the roster: without script, in both languages, masked."""

from __future__ import annotations

import io
import re
from collections.abc import Callable

import flask
import pytest
from flask.testing import FlaskClient

from emergency.divisions import service as divisions
from emergency.http.actor import Actor
from emergency.http.permissions import Role
from emergency.people.posts import service
from emergency.people.posts.models import Duty, Means, Post, PostState, ShiftState
from kernel.db import Database
from tests.divisions.conftest import TREE, actor, text_of
from tests.posts.conftest import CONSOLE, DISTRICT, NEIGHBOUR, TAITOU, VILLAGE

Make = Callable[..., Post]


@pytest.fixture
def unit_id(tree: Database) -> int:
    facts = divisions.UnitFacts(
        name="台头镇第一养老院", division_code=TAITOU, sectors=["care_home"], lon=116.81, lat=39.04, risk_grade="orange",
        address="台头镇示例路9号", contact_name="钱某八", contact_phone="15400000008",
    )  # fmt: skip
    with tree.write() as session:
        return divisions.create_unit(session, actor=CONSOLE, facts=facts).id


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_page_opens_in_both_languages(
    browser: FlaskClient, pages: flask.Flask, make_post: Make, tree: Database, unit_id: int, language: str
) -> None:
    post = make_post()
    with tree.write() as session:
        service.verify(session, actor=CONSOLE, post_id=post.id, means=Means.CALL, note="已通话")
    pages.config["ACTOR"] = actor(Role.DUTY_OFFICER, Role.ADMINISTRATOR)
    browser.set_cookie("language", language)
    for path in (
        "/divisions", "/divisions?q=台头", f"/divisions/{TAITOU}", f"/divisions/{VILLAGE}", f"/divisions/{TAITOU}/edit",
        "/divisions/import", "/units", "/units?kind=care_home&sector=welfare&grade=orange&q=养老", f"/units/{unit_id}",
        f"/units/{unit_id}/edit", "/units/new", "/units/import", "/posts", "/posts?fault=any&duty=flood_chief",
        f"/posts/{post.id}", f"/posts/{post.id}/holder", f"/posts/{post.id}/deputies", f"/posts/{post.id}/edit",
        "/posts/new", "/posts/import", "/roster", "/roster?week=2026-11-30", "/roster?week=rubbish", "/roster/new",
    ):  # fmt: skip
        response = browser.get(path)
        assert response.status_code == 200, path
        assert response.text.count("<h1") == 1, path
        assert "style=" not in response.text.split("<main", 1)[1], path
        for secret in ("张某一", "15400000001", "钱某八", "15400000008", "示例路9号"):
            assert secret not in response.text, path


def test_a_neighbours_pages_do_not_exist(
    browser: FlaskClient, pages: flask.Flask, make_post: Make, liaison: Actor
) -> None:
    other = make_post(NEIGHBOUR)
    pages.config["ACTOR"] = liaison
    for path in (
        f"/posts/{other.id}",
        f"/posts/{other.id}/holder",
        f"/divisions/{NEIGHBOUR}",
        f"/api/v1/posts/{other.id}",
    ):
        assert browser.get(path).status_code == 404, path
    assert browser.get(f"/divisions/{DISTRICT}").status_code == 200
    assert browser.post("/roster/new", data={}).status_code == 403
    assert browser.post(f"/posts/{other.id}/release", data={"reason": "x"}).status_code == 404


def test_a_post_is_founded_filled_verified_and_left_by_forms(browser: FlaskClient, tree: Database) -> None:
    made = browser.post("/posts/new", data={"division_code": VILLAGE, "duty": "gong_keeper", "title": "党支部书记"})
    assert made.status_code == 303
    post_id = int(re.findall(r"/posts/(\d+)/", made.location)[0])
    assert browser.post("/posts/new", data={"division_code": VILLAGE, "duty": "gong_keeper"}).status_code == 422
    assert browser.post(f"/posts/{post_id}/holder", data={"name": ""}).status_code == 422
    data = {"name": "张某一", "phone": "15400000001", "reason": "换届"}
    assert browser.post(f"/posts/{post_id}/holder", data=data).status_code == 303
    assert (
        browser.post(f"/posts/{post_id}/deputies", data={"name": "李某二", "phone": "16300000002"}).status_code == 303
    )
    with tree.read() as session:
        holder, deputy = service.holders(session, [post_id])[post_id]
    verified = {"holder_id": str(holder.id), "result": "verified", "means": "call", "note": "本人"}
    assert browser.post(f"/posts/{post_id}/verify", data=verified).status_code == 303
    assert browser.post(f"/posts/{post_id}/verify", data={**verified, "means": "dream"}).status_code == 422
    page = browser.get(f"/posts/{post_id}").text
    assert "号码已核实" in page and "154****0001" in page and "本人" in page
    shown = browser.post(f"/posts/{post_id}/holders/{holder.id}/reveal", data={"purpose": "warning"})
    assert shown.status_code == 200 and "15400000001" in shown.text and "张某一" in shown.text
    assert browser.post(f"/posts/{post_id}/holders/{holder.id}/reveal", data={}).status_code == 422
    for path, form in (
        (f"holders/{deputy.id}/correct", {"phone": "16300000003"}), (f"holders/{deputy.id}/promote", {}),
        ("edit", {"title": "书记", "responsible": "y"}), ("release", {"reason": "调离"}), ("abolish", {"reason": "并村"}),
        ("restore", {}),
    ):  # fmt: skip
        assert browser.post(f"/posts/{post_id}/{path}", data=form).status_code == 303, path
    with tree.read() as session:
        post = session.get_one(Post, post_id)
        assert (post.state, post.title, post.responsible) == (PostState.VACANT, "书记", True)


def test_a_shift_is_planned_confirmed_and_handed_over_by_forms(
    browser: FlaskClient, make_account: Callable[..., int], tree: Database
) -> None:
    first, second = make_account("zhou"), make_account("sun", "孙某二")
    ids = []
    for account, starts, ends in (
        (first, "2026-11-23T08:00", "2026-11-23T20:00"),
        (second, "2026-11-23T20:00", "2026-11-24T08:00"),
    ):
        data = {"account_id": str(account), "role": "officer", "starts": starts, "ends": ends}
        made = browser.post("/roster/new", data=data)
        assert made.status_code == 303
        ids.append(int(made.location.rpartition("/")[2]))
        assert browser.post("/roster/new", data=data).status_code == 422
    assert browser.post(f"/roster/{ids[0]}/confirm").status_code == 303
    assert browser.post(f"/roster/{ids[0]}/hand-over", data={"note": ""}).status_code == 422
    page = browser.get(f"/roster/{ids[0]}").text
    assert "还有 11 小时才到交班时间" in page
    assert "hand-over" not in browser.get(f"/roster/{ids[1]}").text, "a shift that has not begun hands nothing over"
    hasty = browser.post(f"/roster/{ids[0]}/hand-over", data={"note": "王口未应答"})
    assert hasty.status_code == 422 and "请勾选由下一班现在接班" in hasty.text and "王口未应答" in hasty.text
    data = {"note": "王口未应答", "early": "y"}
    assert browser.post(f"/roster/{ids[0]}/hand-over", data=data).status_code == 303
    assert browser.post(f"/roster/{ids[1]}/cancel", data={"reason": "病"}).status_code == 303
    assert "王口未应答" in browser.get(f"/roster/{ids[0]}").text
    assert browser.get("/roster").status_code == 200
    with tree.read() as session:
        assert service.get_shift(session, actor=CONSOLE, shift_id=ids[1]).state is ShiftState.CANCELLED


def test_a_unit_is_taken_up_corrected_revealed_and_closed_by_forms(browser: FlaskClient, tree: Database) -> None:
    data = {
        "name": "台头镇中心小学", "division_code": TAITOU, "sectors": ["primary_school"], "risk_grade": "blue",
        "lon": "116.81", "lat": "39.04", "datum": "gcj02", "address": "示例路3号", "contact_name": "孔某一",
        "contact_phone": "15400000010", "key_fire": "y",
    }  # fmt: skip
    made = browser.post("/units/new", data=data)
    assert made.status_code == 303
    unit_id = int(made.location.rpartition("/")[2])
    assert browser.post("/units/new", data={**data, "lon": "39.04", "lat": "116.81"}).status_code == 422
    assert browser.post("/units/new", data={**data, "lat": ""}).status_code == 422
    kept = {**data, "name": "台头镇第一小学", "address": "", "contact_name": "", "contact_phone": "", "datum": "wgs84"}
    assert browser.post(f"/units/{unit_id}/edit", data=kept).status_code == 303
    shown = browser.post(f"/units/{unit_id}/reveal", data={"purpose": "drill"})
    assert all(text in shown.text for text in ("示例路3号", "孔某一", "15400000010", "台头镇第一小学"))
    exported = browser.get("/units.csv?q=第一小学").text
    assert "台头镇第一小学" in exported and "15400000010" not in exported
    assert browser.post(f"/units/{unit_id}/close").status_code == 303
    assert "<h1>0 " in browser.get("/units").text


def test_a_boundary_is_drawn_by_form_or_refused(browser: FlaskClient, pages: flask.Flask) -> None:
    pages.config["ACTOR"] = actor(Role.ADMINISTRATOR)
    cross = '{"type":"Polygon","coordinates":[[[116.8,39.0],[116.9,39.1],[116.9,39.0],[116.8,39.1],[116.8,39.0]]]}'
    good = '{"type":"Polygon","coordinates":[[[116.8,39.0],[116.9,39.0],[116.9,39.1],[116.8,39.0]]]}'
    path = f"/divisions/{TAITOU}/edit"
    point = {"lon": "116.811", "lat": "39.038", "datum": "wgs84"}
    refused = browser.post(path, data={**point, "boundary": cross})
    assert refused.status_code == 422 and "自相交叉" in refused.text and "116.9" in refused.text
    assert browser.post(path, data={**point, "boundary": "{"}).status_code == 422
    assert browser.post(path, data={**point, "boundary": good}).status_code == 303
    assert "已划定" in browser.get(f"/divisions/{TAITOU}").text


def test_files_are_checked_then_taken_by_pages(browser: FlaskClient, pages: flask.Flask, tree: Database) -> None:
    pages.config["ACTOR"] = actor(Role.DUTY_OFFICER, Role.ADMINISTRATOR)

    def send(noun: str, text: str, **more: str) -> tuple[int, str]:
        data = {"file": (io.BytesIO(text.encode("gb18030")), "t.csv"), "datum": "wgs84", **more}
        response = browser.post(f"/{noun}/import", data=data)
        return response.status_code, response.text

    posts = text_of([(VILLAGE, "联络员", "张某一", "15400000001", "0")], ("区划代码", "职责", "姓名", "电话", "顺序"))
    assert send("posts", posts, dry_run="y")[0] == 200
    with tree.read() as session:
        assert service.count_posts(session, actor=CONSOLE) == 0
    assert send("posts", posts)[0] == 200
    with tree.read() as session:
        assert service.find_posts(session, [VILLAGE])[0].duty is Duty.LIAISON
    status, page = send("divisions", text_of([*TREE, ("120118104201", "重复村", TAITOU, "", "", "")]))
    assert status == 422 and "已经出现过" in page
    assert send("units", "一,二\n1,2\n")[0] == 422
    assert browser.post("/posts/import", data={}).status_code == 422


def test_names_leave_as_a_table_only_for_a_purpose(browser: FlaskClient, make_post: Make) -> None:
    make_post()
    assert browser.post("/posts/export", data={}).status_code == 422
    taken = browser.post("/posts/export", data={"purpose": "verify"})
    assert taken.status_code == 200 and "张某一,15400000001,0" in taken.text


def test_the_json_lists_go_by_cursor_and_mask(browser: FlaskClient, make_post: Make, unit_id: int) -> None:
    for duty in (Duty.FLOOD_CHIEF, Duty.LIAISON, Duty.KEEPER):
        make_post(duty=duty)
    first = browser.get("/api/v1/posts?limit=2").json
    rest = browser.get(f"/api/v1/posts?limit=2&cursor={first['next_cursor']}").json
    assert [len(first["items"]), len(rest["items"]), rest["next_cursor"]] == [2, 1, None]
    one = browser.get(f"/api/v1/posts/{first['items'][0]['id']}").json
    assert (one["holder_phone"], one["fault"], one["place"]) == ("154****0001", "unverified", "胜利村委会")
    assert [d["code"] for d in browser.get(f"/api/v1/divisions?parent={TAITOU}").json["items"]] == [
        "120118104201",
        "120118104202",
    ]
    assert len(browser.get(f"/api/v1/divisions?within={TAITOU}&limit=2").json["items"]) == 2
    assert browser.get(f"/api/v1/divisions/{TAITOU}").json["point_source"] == "imported"
    assert browser.get("/api/v1/divisions/120118999000").json["code"] == "division_not_found"
    assert browser.get(f"/api/v1/units?within={TAITOU}&kind=care_home").json["items"][0]["id"] == unit_id
    unit = browser.get(f"/api/v1/units/{unit_id}").json
    assert (unit["contact_phone"], unit["implied_sectors"]) == ("154****0008", ["crowded_place", "welfare"])
    assert browser.get("/api/v1/units?kind=castle").status_code == 422
    assert browser.get("/api/v1/units?within=12").status_code == 422
