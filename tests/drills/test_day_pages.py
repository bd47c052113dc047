"""Pages of a drill's day, and the door that needs no sign-in."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from datetime import timedelta

import flask
import pytest
import sqlalchemy as sa
from openpyxl import load_workbook

from emergency.drills import day_attendance, day_msel, day_running
from emergency.drills.day_models import DrillCheckin, DrillGroup, DrillInject, InjectState
from emergency.drills.models import Occurrence, Programme
from emergency.http.permissions import Role
from kernel.clock import ManualClock
from tests.drills.conftest import World
from tests.plans.support import DULIU, person, signed_in

Plan = Callable[..., Programme]
BOTH = person(Role.PLANNER, Role.DUTY_OFFICER)


def typed(world: World, **changes: object) -> dict[str, object]:
    return {"number": "1", "offset": "5", "sender": "区防指", "via": "sms", "posts": [str(world.chief)],
            "message": "水位上涨，请巡查。", "expected": "上堤", "objective_id": "0", "controller": "导调一组",
            "tolerance_minutes": "10"} | changes  # fmt: skip


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_page_of_the_day_opens_before_and_during_the_drill(
    world: World, drill: int, app: flask.Flask, clock: ManualClock, language: str
) -> None:
    client = signed_in(app, BOTH, language)
    programme = None
    with world.database.read() as session:
        programme = session.get_one(Occurrence, drill).programme_id
    base = f"/drills/{drill}/day"
    paths = [base, f"{base}/live", f"{base}/board", f"{base}/msel", f"{base}/print", f"{base}/msel/import",
             f"{base}/msel.csv", f"{base}/msel.xlsx", f"{base}/attendance", f"{base}/attendance/live", f"{base}/door",
             f"{base}/evacuation", f"{base}/photos", f"{base}/log", f"{base}/record",
             f"/drills/programmes/{programme}/injects", f"/drills/programmes/{programme}/injects/import"]  # fmt: skip

    def look() -> None:
        for path in paths:
            answer = client.get(path)
            assert answer.status_code == 200, (path, answer.text[:400])
            if answer.mimetype == "text/html" and "live" not in path:
                assert answer.text.count("<h1") == 1, path

    look()
    for number, via in ((1, "sms"), (2, "runner")):
        made = client.post(f"{base}/msel", data=typed(world, number=str(number), via=via))
        assert made.status_code == 303, made.text[-3000:]
    assert client.post(f"{base}/groups", data={"lines": "义和村 120\n南坝台，80人"}).status_code == 303
    assert client.post(f"{base}/door/open").status_code == 303
    assert client.post(f"{base}/start", data={"factor": "60"}).status_code == 303
    clock.advance(timedelta(seconds=6))
    assert day_running.send_due(world.database, clock.now()) == 2
    look()
    with world.database.read() as session:
        injects = session.scalars(sa.select(DrillInject.id).where(DrillInject.occurrence_id == drill)).all()
        groups = session.scalars(sa.select(DrillGroup.id)).all()
    for inject in injects:
        assert client.get(f"/drills/injects/{inject}").status_code == 200
        assert client.get(f"/drills/injects/{inject}/day").status_code == 200
    assert client.post(f"/drills/groups/{groups[0]}/count", data={"people": "118"}).status_code == 303
    assert client.post(f"/drills/groups/{groups[0]}/count", data={"people": "many"}).status_code == 422
    assert client.post(f"{base}/evacuation/signal").status_code == 303
    clock.advance(timedelta(seconds=95))
    for group in groups:
        assert client.post(f"/drills/groups/{group}/out").status_code == 303
    page = client.get(f"{base}/evacuation").text
    assert "95" in page
    assert client.post(f"{base}/notes", data={"at": "2026-11-30T08:00", "text": "集合完毕"}).status_code == 303
    pasted = {"pasted": "07:55 到场\n乱写一行", "keep": "1"}
    told = client.post(f"{base}/notes/paste", data=pasted)
    assert told.status_code == 200 and "乱写一行" in told.text
    assert client.post(f"{base}/end").status_code == 303
    assert client.get(f"{base}/msel/import").status_code == 409, "the list of a drill that is over stays"
    paths.remove(f"{base}/msel/import")
    look()
    record = client.get(f"{base}/record").text
    assert re.search(r'name="evacuation_seconds"[^>]*value="95"|value="95"[^>]*name="evacuation_seconds"', record)


def test_the_preview_shows_the_mark_and_saves_nothing(world: World, drill: int, app: flask.Flask) -> None:
    client = signed_in(app, BOTH)
    page = client.post(f"/drills/{drill}/day/msel", data=typed(world, preview="1"))
    assert page.status_code == 200 and page.text.count("演练】") >= 3
    with world.database.read() as session:
        assert session.scalar(sa.select(DrillInject.id)) is None
    refused = client.post(f"/drills/{drill}/day/msel", data=typed(world, message="这不是演练", preview="1"))
    assert refused.status_code == 422 and "这不是演练" in refused.text


def test_a_stranger_gets_404_before_his_form_is_looked_at(world: World, drill: int, app: flask.Flask) -> None:
    client = signed_in(app, person(Role.PLANNER, Role.DUTY_OFFICER, division=DULIU, id=7))
    base = f"/drills/{drill}/day"
    for path in ("", "/msel", "/attendance", "/photos", "/log", "/record", "/evacuation", "/print", "/door"):
        assert client.get(base + path).status_code == 404, path
    for path in ("/msel", "/groups", "/notes", "/notes/paste", "/photos", "/start", "/evacuation/typed", "/names",
                 "/door/open", "/msel/import", "/msel/copy"):  # fmt: skip
        assert client.post(base + path, data={}).status_code == 404, path
    assert client.post(f"/drills/{drill}/record", data={}).status_code == 404


def test_a_list_goes_out_as_a_workbook_and_comes_back_unchanged(world: World, drill: int, app: flask.Flask) -> None:
    client, base = signed_in(app, BOTH), f"/drills/{drill}/day"
    client.post(f"{base}/msel", data=typed(world))
    client.post(f"{base}/msel", data=typed(world, number="2", via="radio", offset="1:30", message="=1+1"))
    book = client.get(f"{base}/msel.xlsx").data
    sheet = load_workbook(io.BytesIO(book)).active
    assert [cell.value for cell in sheet[1]][:3] == ["序号", "情景时间", "发出方"] and sheet.max_row == 3
    back = client.post(f"{base}/msel/import", data={"file": (io.BytesIO(book), "a.xlsx")})
    assert back.status_code == 200 and "新增 0，修改 0，未变 2，拒收 0" in back.text
    bad = "序号,情景时间,发出方,方式,接收岗位,情景内容\n3,5,区防指,短信,没有这个岗位,甲\n4,x,区防指,飞鸽,,乙\n5,8,区防指,对讲机口述,,丙\n"
    told = client.post(f"{base}/msel/import", data={"file": (io.BytesIO(bad.encode()), "a.csv"), "dry_run": "y"})
    assert told.status_code == 422 and "本辖区没有这个名称的岗位" in told.text and "不认识这种方式" in told.text
    with world.database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(DrillInject)) == 2
    client.post(f"{base}/msel/import", data={"file": (io.BytesIO(bad.encode()), "a.csv")})
    with world.database.read() as session:
        numbers = session.scalars(sa.select(DrillInject.number).order_by(DrillInject.number)).all()
    assert list(numbers) == [1, 2, 5]


def test_the_paper_has_empty_columns_and_every_message_with_its_mark(
    world: World, drill: int, app: flask.Flask
) -> None:
    client = signed_in(app, BOTH)
    client.post(f"/drills/{drill}/day/msel", data=typed(world))
    paper = client.get(f"/drills/{drill}/day/print").text
    assert "【演练】水位上涨，请巡查。【演练】" in paper and paper.count('class="blank') >= 3


def test_the_director_decides_about_a_missed_inject_with_a_reason(
    world: World, drill: int, app: flask.Flask, clock: ManualClock
) -> None:
    client, base = signed_in(app, BOTH), f"/drills/{drill}/day"
    client.post(f"{base}/msel", data=typed(world))
    client.post(f"{base}/start", data={"factor": "1"})
    clock.advance(timedelta(hours=2))
    day_running.send_due(world.database, clock.now())
    assert "错过" in client.get(base).text
    with world.database.read() as session:
        inject = session.scalars(sa.select(DrillInject.id)).one()
    assert client.post(f"/drills/injects/{inject}/send", data={"reason": ""}).status_code == 422
    assert client.post(f"/drills/injects/{inject}/send", data={"reason": "补发"}).status_code == 303
    with world.database.read() as session:
        assert session.get_one(DrillInject, inject).state is InjectState.SENT


# --- the door -----------------------------------------------------------------------------------------------------


@pytest.fixture
def token(world: World, drill: int) -> str:
    with world.database.write() as session:
        day_attendance.add_groups(session, actor=world.liaison, occurrence_id=drill, lines="义和村 120\n南坝台 80")
        return day_attendance.open_door(session, actor=world.liaison, occurrence_id=drill)


def counted(world: World) -> list[tuple[int, int | None]]:
    with world.database.read() as session:
        return [(row.people, row.group_id) for row in session.scalars(sa.select(DrillCheckin))]


def test_looking_counts_nobody_and_pressing_twice_counts_once(world: World, token: str, app: flask.Flask) -> None:
    app.config["WTF_CSRF_ENABLED"] = True
    phone = app.test_client()
    for _number in range(3):
        assert phone.get(f"/d/{token}").status_code == 200
        assert phone.head(f"/d/{token}").status_code == 200
    assert counted(world) == []
    with world.database.read() as session:
        group = session.scalars(sa.select(DrillGroup.id).order_by(DrillGroup.position)).first()
    said = {"group": str(group), "people": "12", "name": "王某一"}
    assert phone.post(f"/d/{token}", data=said).status_code == 303
    assert phone.post(f"/d/{token}", data=said | {"people": "13"}).status_code == 303
    assert counted(world) == [(13, group)]
    other = app.test_client()
    other.post(f"/d/{token}", data={"group": "none", "people": "2"})
    assert sorted(people for people, _group in counted(world)) == [2, 13]
    with world.database.read() as session:
        row = session.scalars(sa.select(DrillCheckin).where(DrillCheckin.people == 13)).one()
        assert row.name_sealed is not None and "王某一".encode() not in row.name_sealed


def test_a_phone_without_cookies_is_known_by_the_word_in_its_form(world: World, token: str, app: flask.Flask) -> None:
    phone = app.test_client(use_cookies=False)
    once = re.search(r'name="once" value="([^"]+)"', phone.get(f"/d/{token}").text)
    assert once is not None
    for people in ("3", "4"):
        phone.post(f"/d/{token}", data={"group": "none", "people": people, "once": once.group(1)})
    assert counted(world) == [(4, None)]


@pytest.mark.parametrize("people", ["0", "501", "-1", "x", "", "1e3", "９９９"])
def test_a_number_of_people_that_is_none_is_refused_and_kept_in_the_form(
    world: World, token: str, app: flask.Flask, people: str
) -> None:
    answer = app.test_client().post(f"/d/{token}", data={"group": "none", "people": people})
    assert answer.status_code == 422 and counted(world) == []


def test_a_group_of_another_drill_is_refused(world: World, token: str, app: flask.Flask) -> None:
    for group in ("1", "x", "", "9" * 30):
        answer = app.test_client().post(f"/d/{token}", data={"group": group, "people": "1"})
        assert answer.status_code == 422, group
    assert counted(world) == []


def test_the_door_opens_two_hours_before_and_shuts_six_hours_after(
    world: World, drill: int, token: str, app: flask.Flask, clock: ManualClock
) -> None:
    with world.database.read() as session:
        occurrence = session.get_one(Occurrence, drill)
    said = {"group": "none", "people": "1"}
    for moment, status in (
        (occurrence.starts_at - timedelta(hours=2, minutes=1), 410),
        (occurrence.ends_at + timedelta(hours=6, minutes=1), 410),
        (occurrence.starts_at - timedelta(hours=1, minutes=59), 303),
    ):
        clock.set(moment)
        assert app.test_client().post(f"/d/{token}", data=said).status_code == status
        assert app.test_client().get(f"/d/{token}").status_code == (200 if status == 303 else 410)


def test_a_code_that_was_taken_back_or_guessed_is_not_valid(
    world: World, drill: int, token: str, app: flask.Flask
) -> None:
    with world.database.write() as session:
        fresh = day_attendance.open_door(session, actor=world.liaison, occurrence_id=drill)
    client = app.test_client()
    for wrong in (token, token[:-1], token.swapcase(), "x", "%00", "a" * 400):
        assert client.get(f"/d/{wrong}").status_code in (400, 404), wrong
    assert client.get(f"/d/{fresh}").status_code == 200
    with world.database.write() as session:
        day_attendance.shut_door(session, actor=world.liaison, occurrence_id=drill)
    assert client.get(f"/d/{fresh}").status_code == 404
    with world.database.read() as session:
        assert day_attendance.door_token(session, day_msel.day_of(session, drill)) is None


def test_the_door_is_light_and_asks_for_large_targets(world: World, token: str, app: flask.Flask) -> None:
    answer = app.test_client().get(f"/d/{token}")
    assert len(answer.data) < 15_000 and "<script" not in answer.text
    assert answer.headers["Referrer-Policy"] == "no-referrer" and answer.headers["Cache-Control"] == "no-store"
    assert "min-height:62px" in answer.text and "font-size:18px" in answer.text
    assert 'class="k"' in answer.text and ".k{line-height:60px" in answer.text


def test_a_program_that_hammers_the_door_is_slowed_down(world: World, token: str, app: flask.Flask) -> None:
    client = app.test_client()
    assert 429 in {client.get("/d/guess").status_code for _number in range(300)}


# --- JSON ---------------------------------------------------------------------------------------------------------


def test_a_programme_prepares_runs_and_watches_a_drill(
    world: World, drill: int, app: flask.Flask, clock: ManualClock
) -> None:
    client, base = signed_in(app, BOTH), f"/api/v1/drills/{drill}"
    body = {"number": 1, "offset_seconds": 60, "sender": "区防指", "via": "sms", "post_ids": [world.chief],
            "message": "水位上涨。"}  # fmt: skip
    made = client.post(f"{base}/injects", json=body)
    assert made.status_code == 201 and made.json["state"] == "planned", made.text
    assert client.post(f"{base}/injects", json=body | {"number": 2, "message": "这不是演练"}).status_code == 422
    assert client.post(f"{base}/day/start", json={"factor": 60}).json["state"] == "running"
    clock.advance(timedelta(seconds=2))
    day_running.send_due(world.database, clock.now())
    assert client.get(f"{base}/injects").json["items"][0]["state"] == "sent"
    seen = {"observed": "done", "at": clock.now().isoformat(), "words": "张某一到岗"}
    told = client.post(f"/api/v1/drills/injects/{made.json['id']}/observation", json=seen)
    assert told.status_code == 200 and "张某一" not in told.text
    note = client.post(f"{base}/notes", json={"at": clock.now().isoformat(), "text": "李某二到岗"})
    assert note.status_code == 201 and "李某二" not in note.text
    assert client.get(f"{base}/attendance").json["groups"] == []
    assert client.get(f"{base}/day").json["scenario_seconds"] == 120


def test_json_of_another_township_is_not_found(world: World, drill: int, app: flask.Flask) -> None:
    stranger = signed_in(app, person(Role.PLANNER, Role.DUTY_OFFICER, division=DULIU, id=7))
    for path in ("injects", "attendance", "day"):
        assert stranger.get(f"/api/v1/drills/{drill}/{path}").status_code == 404
    for path in ("day/start", "day/end"):
        assert stranger.post(f"/api/v1/drills/{drill}/{path}", json={}).status_code == 404
