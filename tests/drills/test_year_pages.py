"""Pages, JSON, files and the command of a year's calendar."""

from __future__ import annotations

import io
import json
from datetime import date
from pathlib import Path
from typing import Any

import flask
import pytest
import sqlalchemy as sa
from openpyxl import load_workbook

from emergency.drills import proposing_queries
from emergency.drills.models import Occurrence
from emergency.drills.proposal_models import ItemState, ProposalItem, ProposalState, YearProposal
from emergency.drills.proposing_jobs import work
from emergency.http.permissions import Role
from tests.drills.conftest import World
from tests.drills.test_proposing import OF_DULIU, OF_TAITOU, PLANNER, items, made, proposal
from tests.plans.support import DISTRICT, DULIU, TAITOU, person, signed_in

TYPED = {
    "year": "2027", "division_code": DISTRICT, "max_per_day": "6", "max_per_township_week": "5", "min_distance": "7",
    "weekdays": ["1", "2", "3"], "hours": "09:00，14:30",
}  # fmt: skip


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_page_of_a_year_opens_in_both_languages(world: World, app: flask.Flask, language: str) -> None:
    number = made(world)
    item, owner = items(world, number)[0], items(world, number, unit_id=world.school)[0].owner_key
    client = signed_in(app, PLANNER, language)
    base = f"/drills/year/{number}"
    for path in ("/drills/year", base, f"{base}?township={TAITOU}", f"{base}?owner={owner}", f"{base}?month=5&kind=fire",
                 f"{base}?state=superseded", f"{base}?month=99&state=x&kind=x&township=1", f"{base}/gaps",
                 f"{base}/gaps?code=no_number", f"{base}/print", f"{base}/accept", f"{base}/accept?township={TAITOU}",
                 f"{base}/accept?owner={owner}", f"/drills/year/items/{item.id}"):  # fmt: skip
        answer = client.get(path)
        assert answer.status_code == 200, (path, answer.text[:300])
        assert answer.text.count("<h1") == 1 and answer.text.count("btn-primary") <= 1, path


def test_a_year_is_proposed_by_the_form_and_its_progress_can_be_left(world: World, app: flask.Flask) -> None:
    client = signed_in(app, PLANNER)
    answer = client.post("/drills/year", data=TYPED)
    assert answer.status_code == 303
    computing = client.get(answer.location).text
    assert "正在编排年度日历" in computing and 'http-equiv="refresh"' in computing
    assert 'id="year"' in client.get(answer.location, headers={"HX-Request": "true"}).text
    work(world.database, world.database.clock.now(), seconds=60)
    done = client.get(answer.location).text
    assert "正在编排年度日历" not in done and "尚未公布" in done
    number = int(answer.location.rsplit("/", 1)[1])
    assert {item.on_date.weekday() for item in items(world, number)} <= {1, 2, 3}
    assert {item.at_time.hour for item in items(world, number)} <= {9, 14}


@pytest.mark.parametrize(
    "wrong",
    [{"hours": "25:99"}, {"hours": ""}, {"weekdays": []}, {"max_per_day": "0"}, {"max_per_day": "viel"},
     {"year": "1999"}, {"division_code": "999999999999"}, {"min_distance": "-1"}],
)  # fmt: skip
def test_limits_that_make_no_sense_are_told_at_their_field(
    world: World, app: flask.Flask, wrong: dict[str, Any]
) -> None:
    answer = signed_in(app, PLANNER).post("/drills/year", data=TYPED | wrong)
    assert answer.status_code == 422 and "wrong" in answer.text
    with world.database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(YearProposal)) == 0


def test_each_date_is_accepted_moved_or_refused_by_its_button(world: World, app: flask.Flask) -> None:
    number = made(world)
    first, second, third, *_rest = items(world, number, unit_id=world.school)
    client = signed_in(app, PLANNER)
    back = f"/drills/year/{number}?township={TAITOU}"
    assert client.post(f"/drills/year/items/{first.id}/accept", data={"back": back}).location == back
    assert client.post(f"/drills/year/items/{first.id}/accept").status_code == 303, "a second click does no harm"
    outside = client.post(f"/drills/year/items/{second.id}/move", data={"day": "2027-12-31"})
    assert (
        outside.status_code == 422 and "不在规则要求的时段内" in outside.text and 'value="2027-12-31"' in outside.text
    )
    assert client.post(f"/drills/year/items/{second.id}/move", data={"day": "nie"}).status_code == 422
    day = second.window_from.replace(day=10 if second.on_date.day != 10 else 11).isoformat()
    told = {"day": day, "nevertheless": "y", "reason": "与社区联合开展"}
    assert client.post(f"/drills/year/items/{second.id}/move", data=told).status_code == 303
    assert client.post(f"/drills/year/items/{third.id}/refuse", data={"reason": ""}).status_code == 422
    assert client.post(f"/drills/year/items/{third.id}/refuse", data={"reason": "停课"}).status_code == 303
    states = {item.id: item.state for item in items(world, number)}
    assert [states[i.id] for i in (first, second, third)] == [ItemState.ACCEPTED, ItemState.MOVED, ItemState.REFUSED]
    listed = client.get(f"/drills/year/{number}?township={TAITOU}").text
    assert "停课" in listed and "已改期采纳" in listed
    with world.database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Occurrence)) == 2


def test_going_back_never_leaves_the_house(world: World, app: flask.Flask) -> None:
    item = items(world, made(world))[0]
    answer = signed_in(app, PLANNER).post(
        f"/drills/year/items/{item.id}/accept", data={"back": "https://evil.example/"}
    )
    assert answer.location.startswith(f"/drills/year/{item.proposal_id}?township=")


def test_accepting_a_township_says_how_many_first(world: World, app: flask.Flask) -> None:
    number = made(world)
    client = signed_in(app, OF_TAITOU)
    count = len(items(world, number))
    page = client.get(f"/drills/year/{number}/accept?township={TAITOU}").text
    taitou = sum(item.division_code.startswith(TAITOU[:9]) for item in items(world, number))
    assert f"采纳 {taitou} 个日期" in page and taitou < count
    assert client.post(f"/drills/year/{number}/accept", data={"township": TAITOU}).status_code == 303
    assert "等待采纳" in client.get(f"/drills/year/{number}").text
    work(world.database, world.database.clock.now(), seconds=60)
    assert len(items(world, number, state=ItemState.ACCEPTED)) == taitou


def test_a_units_dates_are_accepted_at_once(world: World, app: flask.Flask) -> None:
    number = made(world)
    mine = items(world, number, unit_id=world.plant)
    answer = signed_in(app, PLANNER).post(f"/drills/year/{number}/accept", data={"owner": mine[0].owner_key})
    assert answer.status_code == 303
    assert len(items(world, number, state=ItemState.ACCEPTED)) == len(mine)


def test_a_stranger_sees_and_decides_nothing_of_another_township(world: World, app: flask.Flask) -> None:
    number = made(world)
    item = items(world, number, unit_id=world.school)[0]
    client = signed_in(app, OF_DULIU)
    listed = client.get(f"/drills/year/{number}?township={TAITOU}")
    assert listed.status_code == 200 and "台头镇中心小学" not in listed.text
    assert "台头镇" not in client.get(f"/drills/year/{number}/print").text.split("<main")[1]
    for path in ("accept", "move", "refuse"):
        assert client.post(f"/drills/year/items/{item.id}/{path}", data={}).status_code == 404, path
    assert client.get(f"/drills/year/items/{item.id}").status_code == 404
    assert client.post(f"/drills/year/{number}/again").status_code == 404
    assert client.post(f"/drills/year/{number}/close").status_code == 404
    assert client.post(f"/drills/year/{number}/accept", data={"township": TAITOU}).status_code in (403, 404)
    text = client.get(f"/drills/year/{number}/export.csv").get_data(as_text=True)
    assert "台头镇" not in text and "独流镇" in text


def test_who_may_not_edit_sees_no_buttons(world: World, app: flask.Flask) -> None:
    number = made(world)
    item = items(world, number)[0]
    client = signed_in(app, person(Role.DUTY_OFFICER))
    page = client.get(f"/drills/year/{number}?township={TAITOU}").text
    assert "/accept" not in page and client.get(f"/drills/year/items/{item.id}").status_code == 200
    assert client.post(f"/drills/year/items/{item.id}/accept").status_code == 403
    assert client.post("/drills/year", data=TYPED).status_code == 403


def test_the_calendar_is_exported_as_it_is_shown(world: World, app: flask.Flask) -> None:
    number = made(world)
    client = signed_in(app, PLANNER)
    sheet = load_workbook(io.BytesIO(client.get(f"/drills/year/{number}/export.xlsx").data)).active
    assert sheet is not None and sheet.max_row == 1 + len(items(world, number))
    assert [cell.value for cell in sheet[1]][:4] == ["日期", "时间", "镇街", "单位"]
    fire = client.get(f"/drills/year/{number}/export.csv?kind=evacuation").get_data(as_text=True)
    assert fire.startswith("\ufeff日期") and "满足：" in fire and "周期：" in fire
    assert fire.count("\r\n") == 1 + sum(item.kind.value == "evacuation" for item in items(world, number))
    assert client.get(f"/drills/year/{number}/export.pdf").status_code == 404


def test_the_weeks_of_the_chart_are_those_of_its_table(world: World) -> None:
    number = made(world)
    with world.database.read() as session:
        seen = proposing_queries.overview(session, actor=PLANNER, proposal_id=number)
    assert sum(week.waiting for week in seen.weeks) == seen.states[ItemState.PROPOSED] == len(items(world, number))
    for item in items(world, number):
        (week,) = [one for one in seen.weeks if one.start <= item.on_date <= one.end]
        assert proposing_queries._week_of(seen.weeks, item.on_date) is week
    assert seen.windows == seen.met + seen.served + seen.open_windows


def test_a_year_is_asked_for_and_decided_by_json(world: World, app: flask.Flask) -> None:
    client = signed_in(app, PLANNER)
    body = {"year": 2027, "division_code": TAITOU, "settings": {"max_per_day": 3}}
    asked = client.post("/api/v1/drills/year", json=body, headers={"Idempotency-Key": "a1"})
    assert asked.status_code == 201 and asked.json["state"] == "computing"
    assert (
        client.post("/api/v1/drills/year", json=body, headers={"Idempotency-Key": "a1"}).json["id"] == asked.json["id"]
    )
    assert client.post("/api/v1/drills/year", json=body).status_code == 409
    work(world.database, world.database.clock.now(), seconds=60)
    base = f"/api/v1/drills/year/{asked.json['id']}"
    assert client.get(base).json["state"] == "ready" and client.get("/api/v1/drills/year").json["items"]
    page = client.get(f"{base}/items?unit_id={world.plant}&limit=2").json
    first, second = page["items"]
    assert page["next_cursor"] and first["serves"] and "满足：" in first["explained"]
    assert client.post(f"/api/v1/drills/year/items/{first['id']}/accept").json["occurrence_id"]
    outside = {"day": "2027-01-02"}
    refused = client.post(f"/api/v1/drills/year/items/{second['id']}/move", json=outside)
    assert refused.status_code == 422 and refused.json["code"] == "breaks_rules"
    told = outside | {"nevertheless": True, "reason": "与周末检修合并"}
    assert client.post(f"/api/v1/drills/year/items/{second['id']}/move", json=told).json["state"] == "moved"
    rest = client.get(f"{base}/items?state=proposed").json["items"]
    gone = client.post(f"/api/v1/drills/year/items/{rest[0]['id']}/refuse", json={"reason": "x"})
    assert gone.json["state"] == "refused"
    gaps = client.get(f"{base}/gaps?code=no_number").json["items"]
    assert gaps and gaps[0]["why"] == "规则没有规定频次"
    assert client.post(f"{base}/accept", json={}).json["asked"] == len(rest) - 1
    work(world.database, world.database.clock.now(), seconds=60)
    assert client.post(f"{base}/again").json["run"] == 2


@pytest.mark.parametrize(
    "body",
    [{}, {"year": "x", "division_code": TAITOU}, {"year": 2027, "division_code": "1"},
     {"year": 2027, "division_code": TAITOU, "settings": {"hours": 5}},
     {"year": 2027, "division_code": TAITOU, "settings": []}, {"year": 10**30, "division_code": TAITOU}],
)  # fmt: skip
def test_json_that_makes_no_sense_is_refused(world: World, app: flask.Flask, body: dict[str, Any]) -> None:
    assert signed_in(app, PLANNER).post("/api/v1/drills/year", json=body).status_code in (400, 403, 422)


def test_json_keeps_to_the_area(world: World, app: flask.Flask) -> None:
    number = made(world)
    item = items(world, number, unit_id=world.school)[0]
    client = signed_in(app, OF_DULIU)
    listed = client.get(f"/api/v1/drills/year/{number}/items").json["items"]
    assert {row["division_code"] for row in listed} <= {DULIU}
    assert client.post(f"/api/v1/drills/year/items/{item.id}/accept").status_code == 404
    body = {"division_code": TAITOU}
    assert client.post(f"/api/v1/drills/year/{number}/accept", json=body).status_code in (403, 404)


def test_another_areas_calendar_does_not_exist(world: World, app: flask.Flask) -> None:
    from emergency.drills import proposing

    with world.database.write() as session:
        number = proposing.create(session, actor=OF_TAITOU, year=2027, division_code=TAITOU).id
    client = signed_in(app, OF_DULIU)
    for path in (f"/drills/year/{number}", f"/drills/year/{number}/gaps", f"/drills/year/{number}/print",
                 f"/drills/year/{number}/export.csv", f"/api/v1/drills/year/{number}"):  # fmt: skip
        assert client.get(path).status_code == 404, path
    assert proposal(world, number).state is ProposalState.COMPUTING


def test_a_page_of_a_large_calendar_asks_a_fixed_number_of_statements(world: World) -> None:
    number, counted = made(world), []
    statements: list[str] = []
    sa.event.listen(world.database.engine, "before_cursor_execute", lambda *a: statements.append(a[2]))
    for limit in (2, 50):
        statements.clear()
        with world.database.read() as session:
            proposing_queries.list_items(
                session, actor=PLANNER, proposal_id=number, wanted=proposing_queries.Wanted(), limit=limit
            )
        counted.append(len(statements))
    assert counted[1] <= counted[0] + 1


def test_the_command_proposes_and_accepts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, world: World) -> None:
    from click.testing import CliRunner

    from emergency.commands import drill_year

    class Here:
        database = world.database

        def __enter__(self) -> Here:
            return self

        def __exit__(self, *_given: object) -> None:
            return None

    monkeypatch.setattr(drill_year, "installation", Here)
    run = CliRunner().invoke(drill_year.propose, ["2027", "--division", TAITOU, "--accept-all", "--format", "json"])
    assert run.exit_code == 0, run.output
    facts = json.loads(run.output)
    assert facts["dates"]["accepted"] == len(items(world, facts["id"])) and facts["provisional"] is True
    again = CliRunner().invoke(drill_year.propose, ["2027", "--division", TAITOU])
    assert again.exit_code == 0 and str(facts["id"]) in again.output
    with world.database.read() as session:
        assert session.scalar(sa.select(sa.func.max(ProposalItem.on_date))) <= date(2027, 12, 31)
