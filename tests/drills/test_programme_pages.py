"""Pages of programmes: entering, changing, resting; without a script, with garbage, by a stranger."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from html import unescape
from typing import Any

import flask
import pytest
import sqlalchemy as sa

from emergency.drills.models import (
    DrillKind,
    DrillRule,
    Occurrence,
    OccurrenceState,
    Programme,
    ProgrammePost,
    ProgrammeRule,
    Purpose,
)
from emergency.drills.time_jobs import recompute_dates
from emergency.http.permissions import Role
from emergency.plans import service as plans
from emergency.plans.models import Hazard, PlanKind, PlanLevel
from kernel.clock import BEIJING, ManualClock
from scheduler.models import SchoolTerm
from scheduler.recurrence import Recurrence
from tests.drills.conftest import World
from tests.plans.support import DULIU, TAITOU, person, signed_in

Plan = Callable[..., Programme]
PLANNER = person(Role.PLANNER)
STRANGER = person(Role.PLANNER, division=DULIU, id=7)
TYPED = {
    "title": "台头镇夜间转移演练🚒", "kind": "flood", "form": "field", "content": "full", "purpose": "show",
    "division_code": TAITOU, "unit_id": "0", "starts_on": "2026-12-31", "start_time": "20:30", "freq": "monthly",
    "interval": "1", "way": "start", "on_holiday": "keep", "on_break": "keep", "duration_minutes": "60",
}  # fmt: skip


def only(world: World) -> Programme:
    with world.database.read() as session:
        return session.scalars(sa.select(Programme).order_by(Programme.id.desc())).first()  # type: ignore[return-value]


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_page_of_programmes_opens_in_both_languages(
    world: World, plan: Plan, app: flask.Flask, language: str
) -> None:
    with world.database.write() as session:
        programme = plan(session, unit_id=world.school)
    client = signed_in(app, PLANNER, language)
    for path in ("/drills/programmes", "/drills/programmes?state=active&kind=flood&q=台头", "/drills/programmes?q=🚒%25_",
                 "/drills/programmes?state=nonsense&kind=1", f"/drills/programmes/{programme.id}", "/drills/new",
                 f"/drills/programmes/{programme.id}/edit", "/drills/terms"):  # fmt: skip
        answer = client.get(path)
        assert answer.status_code == 200, (path, answer.text[:300])
        assert answer.text.count("<h1") == 1 and answer.text.count("btn-primary") <= 1, path


def test_a_night_drill_says_so_in_its_words(world: World, app: flask.Flask) -> None:
    client = signed_in(app, PLANNER)
    assert client.post("/drills/new", data=TYPED).status_code == 303
    programme = only(world)
    page = client.get(f"/drills/programmes/{programme.id}").text
    assert "夜间 20:30" in page and "🚒" in page and "示范性" in page
    assert programme.purpose is Purpose.SHOW


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"freq": "before_season", "season": "06-15", "before": "10", "before_unit": "workdays"},
         "每年6月15日前 10 个工作日"),
        ({"freq": "term", "way": "week", "nth": "2", "weekday": "2"}, "每学期第 2 周星期三"),
        ({"freq": "term", "way": "workday", "nth": "-1", "terms": "2"}, "每学年第二学期最后一个工作日"),
        ({"freq": "yearly", "starts_on": "2028-02-29"}, "每年2月29日"),
        ({"freq": "yearly", "months": ["5", "11"], "way": "nth", "nth": "2", "weekday": "4"},
         "每年5月、11月的第 2 个星期五"),
        ({"freq": "listed", "dates": "2027-03-01\n2027-06-09"}, "共 2 次：2027-03-01、2027-06-09"),
        ({"freq": "monthly", "interval": "2", "way": "workday", "nth": "-1"}, "每 2 个月的最后一个工作日"),
        ({"freq": "weekly", "interval": "4", "weekdays": ["1", "3"]}, "每 4 周星期二、星期四"),
    ],
)  # fmt: skip
def test_the_form_says_the_rule_in_words_with_the_next_five_dates(
    world: World, app: flask.Flask, more: dict[str, Any], words: str
) -> None:
    client = signed_in(app, PLANNER)
    page = client.post("/drills/new", data=TYPED | more | {"do": "show"})
    assert page.status_code == 200 and words in page.text
    typed = client.get("/drills/programmes/dates", query_string=TYPED | more).text
    assert words in typed and "<li>" in typed
    with world.database.read() as session:
        assert session.scalars(sa.select(Programme.id)).all() == []
    assert client.post("/drills/new", data=TYPED | more).status_code == 303
    edit = client.get(f"/drills/programmes/{only(world).id}/edit").text  # what was saved is shown as it was typed
    again = client.post(f"/drills/programmes/{only(world).id}/edit", data=_fields(edit) | {"do": "show"})
    assert words in again.text, re.findall(r'class="wrong".*?</div>', again.text, re.S)


def _fields(page: str) -> dict[str, Any]:
    """What a browser would send of the form on a page."""
    form = page[page.index('name="offered"') - 40 :]
    found: dict[str, Any] = {}
    for tag in re.findall(r"<input [^>]*>", form):
        facts = dict(re.findall(r'(\w+)="([^"]*)"', tag))
        if facts.get("type") in ("checkbox", "radio") and " checked" not in tag:
            continue
        if "name" in facts:
            found.setdefault(facts["name"], []).append(unescape(facts.get("value", "")))
    for name, body in re.findall(r'<select [^>]*name="(\w+)"[^>]*>(.*?)</select>', form, re.S):
        options = re.findall(r"<option[^>]*>", body)
        chosen = next((o for o in options if " selected" in o), options[0] if options else "")
        found[name] = re.findall(r'value="([^"]*)"', chosen)
    for name, body in re.findall(r'<textarea [^>]*name="(\w+)"[^>]*>(.*?)</textarea>', form, re.S):
        found[name] = [unescape(body).strip()]
    return found


@pytest.mark.parametrize(
    "more",
    [
        {"starts_on": "9999-12-31"}, {"starts_on": "0001-01-01"}, {"starts_on": "2027-02-29"}, {"starts_on": ""},
        {"interval": "999999999999999999999"}, {"interval": "-1"}, {"interval": "两"}, {"day": "32", "way": "day"},
        {"way": "day", "day": ""}, {"ends_on": "2026-01-01"}, {"ends_on": "9999-12-31"}, {"start_time": "25:00"},
        {"freq": "hourly"}, {"freq": "listed", "dates": "2027-02-30"}, {"freq": "listed", "dates": "明天"},
        {"freq": "listed", "dates": "\n".join(["2027-01-01"] * 2000)},
        {"freq": "before_season", "season": "02-30", "before": "1"}, {"freq": "before_season", "season": "六月"},
        {"freq": "before_season", "season": "06-15", "before": "181"}, {"freq": "term", "way": "week", "nth": "31"},
        {"freq": "term", "terms": "3"}, {"freq": "weekly", "weekdays": ["9"]}, {"freq": "yearly", "months": ["13"]},
        {"way": "nth", "nth": "0"}, {"way": "nth", "nth": "7"}, {"way": "workday", "nth": "23"},
        {"freq": "weekly", "starts_on": "2026-12-05", "ends_on": "2026-12-12", "on_holiday": "skip"},
        {"duration_minutes": "0"}, {"target_seconds": "-5"}, {"title": "　"}, {"division_code": "999999999999"},
        {"unit_id": "9007199254740993999"}, {"plan_id": "77"}, {"post_ids": ["1"], "offered": TAITOU + ":0"},
    ],
)  # fmt: skip
def test_garbage_is_refused_where_it_stands_and_what_was_typed_stays(
    world: World, app: flask.Flask, more: dict[str, Any]
) -> None:
    client = signed_in(app, PLANNER)
    answer = client.post("/drills/new", data=TYPED | more)
    if more in ({"unit_id": "9007199254740993999"}, {"freq": "listed", "dates": "\n".join(["2027-01-01"] * 2000)}):
        assert answer.status_code in (303, 422)
        return
    assert answer.status_code == 422, answer.text[:200]
    assert 'role="alert"' in answer.text and 'value="2' in answer.text
    assert client.get("/drills/programmes/dates", query_string=TYPED | more).status_code == 200
    with world.database.read() as session:
        assert session.scalars(sa.select(Programme.id)).all() == []


def test_the_form_is_filled_in_from_the_rule_that_asks_for_a_drill(world: World, app: flask.Flask) -> None:
    with world.database.read() as session:
        rule = session.scalars(sa.select(DrillRule).where(DrillRule.key == "fire-key-6m")).one()
    page = signed_in(app, PLANNER).get(f"/drills/new?unit={world.plant}&kind=fire&rule={rule.key}").text
    assert "台头镇加油站消防疏散演练" in page and 'value="6"' in page
    assert f'name="rule_ids" value="{rule.id}" checked' in page


def test_a_unit_is_found_by_its_words_without_a_script(world: World, app: flask.Flask) -> None:
    client = signed_in(app, PLANNER)
    page = client.post("/drills/new", data=TYPED | {"do": "find", "unit_q": "小学"}).text
    assert f'name="unit_id" value="{world.school}"' in page and "1000" not in page
    assert "台头镇中心小学" in client.get("/drills/programmes/units?unit_q=小学").text
    chosen = client.post("/drills/new", data=TYPED | {"unit_id": str(world.school)})
    assert chosen.status_code == 303 and only(world).unit_id == world.school


def test_posts_and_rules_are_chosen_and_kept(world: World, app: flask.Flask) -> None:
    client = signed_in(app, PLANNER)
    with world.database.read() as session:
        rule = session.scalars(sa.select(DrillRule).where(DrillRule.key == "fire-key-6m")).one()
    typed = TYPED | {"unit_id": str(world.plant), "kind": "fire", "offered": f"{TAITOU}:{world.plant}",
                     "post_ids": [str(world.chief)], "rule_ids": [str(rule.id)]}  # fmt: skip
    assert client.post("/drills/new", data=typed).status_code == 303
    with world.database.read() as session:
        assert session.scalars(sa.select(ProgrammePost.post_id)).all() == [world.chief]
        assert session.scalars(sa.select(ProgrammeRule.rule_id)).all() == [rule.id]


def test_a_change_is_shown_before_it_is_done_and_done_as_shown(world: World, plan: Plan, app: flask.Flask) -> None:
    with world.database.write() as session:
        programme = plan(session)
    client, url = signed_in(app, PLANNER), f"/drills/programmes/{programme.id}/edit"
    fields = _fields(client.get(url).text)
    shown = client.post(url, data=fields | {"way": "day", "day": "20", "do": "preview"})
    assert shown.status_code == 200 and 'name="seen"' in shown.text and "nothing" not in shown.text
    assert {o.starts_at.astimezone(BEIJING).day for o in _occurrences(world)} >= {30}, "nothing is done yet"
    stale = client.post(url, data=_fields(shown.text) | {"do": "apply", "seen": "0" * 32})
    assert stale.status_code == 409 and 'name="seen"' in stale.text
    assert {o.starts_at.astimezone(BEIJING).day for o in _occurrences(world)} >= {30}
    done = client.post(url, data=_fields(stale.text) | {"do": "apply"})
    assert done.status_code == 303, done.text[:500]
    assert {o.starts_at.astimezone(BEIJING).day for o in _occurrences(world)} == {20}


def _occurrences(world: World) -> list[Occurrence]:
    with world.database.read() as session:
        return list(session.scalars(sa.select(Occurrence).where(Occurrence.state == OccurrenceState.PLANNED)))


def test_resting_and_ending_need_a_reason_and_say_what_they_did(world: World, plan: Plan, app: flask.Flask) -> None:
    with world.database.write() as session:
        programme = plan(session)
    client, url = signed_in(app, PLANNER), f"/drills/programmes/{programme.id}"
    assert client.post(f"{url}/pause", data={"reason": ""}).status_code == 422
    assert client.post(f"{url}/pause", data={"reason": "校舍维修"}).status_code == 303
    page = client.get(url).text
    assert "暂停" in page and "校舍维修" in page
    assert client.post(f"{url}/resume").status_code == 303
    assert client.post(f"{url}/end", data={"reason": "单位撤销"}).status_code == 303
    assert client.post(f"{url}/edit", data=TYPED).status_code in (409, 422)


def test_a_stranger_gets_nothing_of_a_programme(world: World, plan: Plan, app: flask.Flask) -> None:
    with world.database.write() as session:
        programme = plan(session)
        first = session.scalars(sa.select(Occurrence.id)).first()
    client, url = signed_in(app, STRANGER), f"/drills/programmes/{programme.id}"
    assert client.get(url).status_code == client.get(f"{url}/edit").status_code == 404
    for what in ("pause", "resume", "end", "edit"):
        assert client.post(f"{url}/{what}", data={}).status_code == 404, what
    assert client.post(f"/drills/{first}/off-holiday").status_code == 404
    assert programme.title not in client.get("/drills/programmes").text
    assert client.post("/drills/new", data=TYPED).status_code in (403, 422)
    assert "台头镇中心小学" not in client.get("/drills/programmes/units?unit_q=小学").text
    assert client.post("/drills/terms", data={}).status_code == 403


def test_terms_are_entered_and_dates_that_rest_on_them_follow(
    world: World, plan: Plan, app: flask.Flask, clock: ManualClock
) -> None:
    client = signed_in(app, PLANNER)
    rule = Recurrence.from_json({"freq": "term", "start": "2026-12-01", "week": 1, "weekdays": [2]})
    with world.database.write() as session:
        plan(session, recurrence=rule, kind=DrillKind.EVACUATION)
    before = {o.slot_on: o for o in _occurrences(world)}
    assert before[date(2027, 2, 20)].provisional
    wrong = client.post("/drills/terms", data={"school_year": "2026-2028", "term": "2", "begins_on": "2027-03-01",
                                               "ends_on": "2027-07-09"})  # fmt: skip
    assert wrong.status_code == 422
    right = {"school_year": "2026-2027", "term": "2", "begins_on": "2027-03-01", "ends_on": "2027-07-09"}
    assert client.post("/drills/terms", data=right).status_code == 303
    assert recompute_dates(world.database, clock.now()) == 1
    after = {o.slot_on: o for o in _occurrences(world)}[date(2027, 2, 20)]
    assert after.starts_at.astimezone(BEIJING).date() == date(2027, 3, 3) and not after.provisional
    assert after.id == before[date(2027, 2, 20)].id
    assert "已公布" in client.get("/drills/terms").text
    assert client.post("/drills/terms/remove", data={"school_year": "2026-2027", "term": "2"}).status_code == 303
    with world.database.read() as session:
        assert session.scalars(sa.select(SchoolTerm)).all() == []


def test_the_form_is_filled_in_from_a_link_that_names_a_place_or_a_plan(world: World, app: flask.Flask) -> None:
    with world.database.write() as session:
        made = plans.create(
            session, actor=PLANNER,
            facts=plans.NewPlan(PlanKind.SPECIAL, PlanLevel.DISTRICT, "台头镇防汛应急预案", TAITOU, "台头镇人民政府",
                                [Hazard.FLOOD]),
        )  # fmt: skip
        rule = session.scalars(sa.select(DrillRule).where(DrillRule.key == "fire-key-6m")).one()
    client = signed_in(app, PLANNER)
    page = client.get(f"/drills/new?division={TAITOU}&rule={rule.key}").text
    assert re.search(rf'<option selected value="{TAITOU}"|<option value="{TAITOU}" selected', page)
    assert 'value="台头镇消防疏散演练"' in page and f'value="{rule.id}" checked' in page
    page = client.get(f"/drills/new?plan={made.id}&kind=flood").text
    assert re.search(rf'<option selected value="{made.id}"|<option value="{made.id}" selected', page)
    assert re.search(rf'<option selected value="{TAITOU}"|<option value="{TAITOU}" selected', page)
    assert "台头镇防汛应急预案防汛" in page


def test_a_link_that_names_what_lies_elsewhere_fills_in_nothing(world: World, app: flask.Flask) -> None:
    with world.database.write() as session:
        made = plans.create(
            session, actor=PLANNER,
            facts=plans.NewPlan(PlanKind.SPECIAL, PlanLevel.DISTRICT, "台头镇防汛应急预案", TAITOU, "台头镇人民政府",
                                [Hazard.FLOOD]),
        )  # fmt: skip
    client = signed_in(app, STRANGER)
    for query in (f"plan={made.id}", f"division={TAITOU}", "plan=x&division=1&rule="):
        answer = client.get(f"/drills/new?{query}")
        assert answer.status_code == 200 and "台头镇" not in answer.text, query


def test_the_preview_says_what_becomes_of_the_dates_before_today(world: World, app: flask.Flask) -> None:
    client = signed_in(app, PLANNER)
    past = TYPED | {"starts_on": "2026-08-31"}
    assert "今天以前的 3 个日期不生成场次" in client.get("/drills/programmes/dates", query_string=past).text
    asked = past | {"backdated": "y"}
    assert "今天以前的 3 个场次也将生成" in client.get("/drills/programmes/dates", query_string=asked).text
    over = client.post("/drills/new", data=past | {"ends_on": "2026-10-31", "do": "save"})
    assert over.status_code == 422 and "同时生成今天以前的场次" in over.text
    assert client.post("/drills/new", data=asked | {"ends_on": "2026-10-31", "do": "save"}).status_code == 303
    with world.database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Occurrence)) == 3
