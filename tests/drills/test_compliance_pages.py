"""Pages of compliance: counts that lead to lists, one subject, scope, sheets, JSON, the heat calendar, their cost."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from datetime import date, datetime
from html import unescape

import flask
import openpyxl
import pytest
import sqlalchemy as sa

from emergency.divisions.models import UnitKind
from emergency.drills import heat, queries, service, standing_queries, standings
from emergency.drills.models import DrillKind, DrillRule, Occurrence, Programme
from emergency.drills.standing_models import Watched
from emergency.drills.standing_queries import Filter
from emergency.http.permissions import Role
from kernel.clock import BEIJING, ManualClock
from kernel.errors import NotFound
from scheduler.recurrence import Freq, Recurrence
from tests.drills.conftest import World
from tests.drills.test_standings import hold
from tests.plans.support import DULIU, TAITOU, YIHE, add_unit, person, signed_in

Plan = Callable[..., Programme]
PLANNER = person(Role.PLANNER, id=1)
HERE, THERE = person(Role.PLANNER, division=TAITOU, id=4), person(Role.PLANNER, division=DULIU, id=9)


@pytest.fixture
def late(world: World, plan: Plan, clock: ManualClock) -> World:
    """The plant held its fire drill in September and owes the rest; a mall in the other town owes everything."""
    with world.database.write() as session:
        add_unit(session, "独流镇综合市场", DULIU, UnitKind.MALL, "mall", "production", "crowded_place")
        plan(session, kind=DrillKind.FIRE, unit_id=world.plant, post_ids=(), title="消防疏散演练",
             recurrence=Recurrence(Freq.MONTHLY, date(2026, 9, 10), interval=6), backdated=True)  # fmt: skip
        held = session.scalars(sa.select(Occurrence).order_by(Occurrence.starts_at)).first()
        assert held is not None
        hold(world, session, held)
    standings.enter(world.database, clock.now())
    with world.database.write() as session:
        standings.watch_from(
            session, actor=PLANNER, since=date(2025, 9, 1), today=date(2026, 11, 23), reason="台账自去年九月起"
        )
    standings.keep(world.database, clock.now())
    return world


def test_counts_lead_to_the_list_that_makes_them_up(late: World, app: flask.Flask) -> None:
    with late.database.read() as session:
        cube = standing_queries.cube(session, actor=PLANNER, chosen=Filter())
        for group, tally in cube.by_group.items():
            for standing, n in tally.duties.items():
                page = standing_queries.lines(session, actor=PLANNER, chosen=Filter(standing, group), limit=200)
                assert len(page.items) == n, (group, standing)
        assert sum(t.all for t in cube.by_town.values()) == cube.whole.all == sum(
            t.all for t in cube.by_group.values()
        )  # fmt: skip
        assert cube.by_group["mall"].late == 1 and cube.waiting == 0
    text = signed_in(app, PLANNER).get("/drills/compliance?kind=mall&standing=overdue").text
    assert "独流镇综合市场" in text and "台头镇加油站" not in text


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_page_of_compliance_opens_in_both_languages(late: World, app: flask.Flask, language: str) -> None:
    client = signed_in(app, PLANNER, language)
    with late.database.read() as session:
        rule_id = session.scalar(sa.select(DrillRule.id).where(DrillRule.key == "fire-key-6m"))
    for path in ("/drills/compliance", f"/drills/compliance?town={TAITOU}&rule={rule_id}&q=加油",
                 "/drills/compliance?standing=nonsense&kind=ufo&town=1&rule=abc&q=%25", "/drills/calendar",
                 f"/drills/calendar?from=2026-01&town={TAITOU}&kind=fire", "/drills/calendar?from=x&town=y&kind=z",
                 "/drills/calendar?month=2026-09", f"/drills/compliance/unit/{late.plant}",
                 f"/drills/compliance/division/{TAITOU}"):  # fmt: skip
        answer = client.get(path)
        assert answer.status_code == 200 and answer.text.count("<h1") == 1, (path, answer.status_code)


def test_a_units_page_links_the_drill_that_proves_and_offers_to_plan_what_is_missing(
    late: World, app: flask.Flask
) -> None:
    with late.database.read() as session:
        held = session.scalar(sa.select(Occurrence.id).order_by(Occurrence.starts_at).limit(1))
    text = signed_in(app, PLANNER).get(f"/drills/compliance/unit/{late.plant}").text
    assert f'href="/drills/{held}"' in text and "9月10日" in text
    assert f"/drills/new?kind=rescue&amp;rule=psr-highrisk-6m&amp;unit={late.plant}" in text
    assert "自2025年9月1日" in text and "本区未采用的规则" in text


def test_the_old_address_of_a_unit_still_leads_there(late: World, app: flask.Flask) -> None:
    answer = signed_in(app, PLANNER).get(f"/drills/compliance?unit={late.plant}")
    assert answer.status_code == 302 and answer.headers["Location"].endswith(f"/drills/compliance/unit/{late.plant}")


def test_a_township_sees_its_own_and_nothing_of_its_neighbour(late: World, app: flask.Flask) -> None:
    with late.database.read() as session:
        mine = standing_queries.lines(session, actor=HERE, chosen=Filter(), limit=200).items
        theirs = standing_queries.lines(session, actor=THERE, chosen=Filter(), limit=200).items
        assert {line.row.town for line in mine} == {TAITOU} and {line.row.town for line in theirs} == {DULIU}
        assert set(standing_queries.cube(session, actor=HERE, chosen=Filter()).by_town) == {TAITOU}
        assert standing_queries.lines(session, actor=HERE, chosen=Filter(town=DULIU)).items == []
        with pytest.raises(NotFound):
            standing_queries.subject(
                session, actor=THERE, kind=standing_queries.SubjectKind.UNIT, subject_id=late.plant
            )
    client = signed_in(app, THERE)
    assert client.get(f"/drills/compliance/unit/{late.plant}").status_code == 404
    assert client.get(f"/drills/compliance/division/{TAITOU}").status_code == 404
    assert "台头镇加油站" not in client.get("/drills/compliance.csv").text
    assert client.get("/drills/compliance/unit/9999999999999999999999").status_code == 404


def test_pages_of_fifty_neither_skip_nor_repeat(late: World) -> None:
    with late.database.read() as session:
        whole = standing_queries.lines(session, actor=PLANNER, chosen=Filter(), limit=200).items
        seen, cursor = [], None
        while True:
            page = standing_queries.lines(session, actor=PLANNER, chosen=Filter(), cursor=cursor, limit=7)
            seen += page.items
            cursor = page.next_cursor
            if cursor is None:
                break
    assert [line.row.id for line in seen] == [line.row.id for line in whole]
    assert [line.row.rank for line in seen] == sorted(line.row.rank for line in seen)


def test_the_sheets_hold_exactly_what_is_shown(late: World, app: flask.Flask) -> None:
    client = signed_in(app, PLANNER)
    answer = client.get("/drills/compliance.csv?standing=overdue")
    rows = list(csv.reader(io.StringIO(answer.text.lstrip("\ufeff"))))
    with late.database.read() as session:
        chosen = standing_queries.read_filter(session, standing="overdue")
        shown = standing_queries.lines(session, actor=PLANNER, chosen=chosen, limit=200).items
    assert rows[0][0] == "单位或区划" and [row[0] for row in rows[1:]] == [line.name for line in shown]
    assert {row[7] for row in rows[1:]} == {"逾期"}
    book = openpyxl.load_workbook(io.BytesIO(client.get("/drills/compliance.xlsx?standing=overdue").data))
    cells = [[str(cell or "") for cell in row] for row in book.active.iter_rows(values_only=True)]
    assert cells == rows


def test_standings_are_read_as_json_in_pages_and_counted(late: World, app: flask.Flask) -> None:
    client = signed_in(app, PLANNER)
    page = client.get("/api/v1/drill-standings?standing=overdue&limit=1").json
    rest = client.get(f"/api/v1/drill-standings?standing=overdue&cursor={page['next_cursor']}").json
    items = page["items"] + rest["items"]
    counts = client.get("/api/v1/drill-standings/counts").json
    assert len(items) == counts["whole"]["overdue"] and {item["standing"] for item in items} == {"overdue"}
    kept = client.get(f"/api/v1/drill-standings?standing=satisfied&town={TAITOU}").json["items"]
    assert ("fire-key-6m", "2026-09-10") in {(item["rule"], item["last_on"]) for item in kept}
    for wrong in ("standing=x", "kind=ufo", "town=12", "cursor=x", "limit=0", "rule_id=x"):
        assert client.get(f"/api/v1/drill-standings?{wrong}").status_code == 422, wrong


def test_the_heat_calendar_counts_each_day_by_what_became_of_it(
    late: World, plan: Plan, clock: ManualClock, app: flask.Flask
) -> None:
    with late.database.write() as session:
        plan(session, title="试", unit_id=None, kind=DrillKind.FLOOD, post_ids=(),
             recurrence=Recurrence(Freq.YEARLY, date(2026, 12, 31), until=date(2026, 12, 31)))  # fmt: skip
    with late.database.read() as session:
        months = heat.year(session, actor=PLANNER, first=date(2026, 7, 1))
        fire = heat.year(session, actor=PLANNER, first=date(2026, 7, 1), kind=DrillKind.FIRE)
        away = heat.year(session, actor=THERE, first=date(2026, 7, 1))
    assert len(months) == 13 and [m.first.month for m in months if m.opens_half] == [7, 1, 7]
    days = {day.on: day for month in months for day in month.days if day.on}
    assert days[date(2026, 9, 10)].held == 1 and days[date(2026, 9, 10)].mark == "held"
    assert days[date(2026, 12, 31)].planned == 1, "the last evening of the year in Beijing is its own day"
    assert sum(m.total("planned") for m in fire) == sum(m.total("planned") for m in months) - 1
    assert sum(m.total("planned") + m.total("held") for m in away) == 0
    assert months[7].days[28].on is None, "February 2027 has no 29th"
    assert 'href="/drills/calendar?month=2026-09#d10"' in signed_in(app, PLANNER).get("/drills/calendar").text


def test_the_cost_of_a_page_does_not_grow_with_the_district(late: World, app: flask.Flask, clock: ManualClock) -> None:
    client = signed_in(app, PLANNER)
    paths = ("/drills/compliance", "/drills/calendar", f"/drills/compliance/unit/{late.plant}", "/drills/rules")

    def statements() -> list[int]:
        counted: list[int] = []
        for path in paths:
            client.get(path)
            n = 0

            def count(*_given: object) -> None:
                nonlocal n
                n += 1

            sa.event.listen(late.database.engine, "before_cursor_execute", count)
            client.get(path)
            sa.event.remove(late.database.engine, "before_cursor_execute", count)
            counted.append(n)
        return counted

    before = statements()
    with late.database.write() as session:
        for number in range(60):
            add_unit(session, f"企业{number}", (TAITOU, DULIU, YIHE)[number % 3], UnitKind.ENTERPRISE, "production")
    standings.keep(late.database, clock.now())
    assert all(now <= then for now, then in zip(statements(), before, strict=True))


def test_only_the_district_says_from_when_everybody_is_watched(late: World, clock: ManualClock) -> None:
    from kernel.errors import Forbidden, Invalid

    today = clock.now().astimezone(BEIJING).date()
    for actor, since, reason, error in (
        (HERE, date(2026, 1, 1), "试", Forbidden), (PLANNER, date(2026, 1, 1), " ", Invalid),
        (PLANNER, date(2027, 1, 1), "试", Invalid),
    ):  # fmt: skip
        with pytest.raises(error), late.database.write() as session:
            standings.watch_from(session, actor=actor, since=since, today=today, reason=reason)
    with late.database.read() as session:
        assert set(session.scalars(sa.select(Watched.since))) == {date(2025, 9, 1)}


def test_a_rule_adopted_today_asks_for_the_windows_after_the_decision(late: World, clock: ManualClock) -> None:
    with late.database.write() as session:
        rule = session.scalars(sa.select(DrillRule).where(DrillRule.key == "crowd-std-6m")).one()
        service.adopt_rule(session, actor=PLANNER, rule_id=rule.id, adopted=True, reason="局务会决定")
    standings.keep(late.database, clock.now())
    with late.database.read() as session:
        found = standing_queries.lines(session, actor=PLANNER, chosen=Filter(rule_id=rule.id)).items
        assert found and {line.row.standing.value for line in found} == {"due"}
    clock.set(datetime(2027, 7, 2, 9, tzinfo=BEIJING))
    standings.keep(late.database, clock.now())
    with late.database.read() as session:
        found = standing_queries.lines(session, actor=PLANNER, chosen=Filter(rule_id=rule.id)).items
        assert {line.row.standing.value for line in found} == {"overdue"}


def test_an_overdue_line_is_one_click_from_the_drill_that_mends_it(late: World, app: flask.Flask) -> None:
    client = signed_in(app, PLANNER)
    text = client.get("/drills/compliance?standing=overdue&rule=").text
    link = next(unescape(found) for found in re.findall(r'href="(/drills/new[^"]+)"', text) if str(late.plant) in found)
    form = client.get(link).text
    assert "台头镇加油站" in form and "checked" in form


def test_who_plans_nothing_is_offered_no_planning(late: World, app: flask.Flask) -> None:
    viewer = signed_in(app, person(Role.LIAISON))
    assert "/drills/new?" not in viewer.get("/drills/compliance?standing=overdue").text


def test_a_month_that_cannot_be_shown_whole_says_so_and_offers_a_narrower_view(
    late: World, plan: Plan, app: flask.Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "MONTH_LIMIT", 2)
    with late.database.write() as session:
        for day in (1, 2, 3):
            plan(session, recurrence=Recurrence(Freq.MONTHLY, date(2026, 12, day)), title=f"台头镇演练{day}")
    client = signed_in(app, PLANNER)
    text = client.get("/drills/calendar?month=2026-12").text
    assert "只显示了本月 3 场演练中的前 2 场" in text and "台头镇演练3" not in text
    assert f"month=2026-12&amp;town={TAITOU}" in text
    monkeypatch.setattr(queries, "MONTH_LIMIT", 600)
    text = client.get(f"/drills/calendar?month=2026-12&town={TAITOU}&kind=flood").text
    assert "台头镇演练3" in text and "只显示了" not in text
    assert f"month=2027-01&amp;town={TAITOU}&amp;kind=flood" in text, "the choice stays from month to month"
    assert "台头镇演练" not in client.get(f"/drills/calendar?month=2026-12&town={DULIU}").text
    assert "台头镇演练" not in client.get("/drills/calendar?month=2026-12&kind=fire").text
