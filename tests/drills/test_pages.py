"""Drill pages and JSON."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import flask
import pytest
import sqlalchemy as sa

from emergency.drills import service
from emergency.drills.models import Invitation, Occurrence, Programme
from emergency.http.permissions import Role
from kernel.clock import ManualClock
from tests.drills.conftest import World
from tests.plans.support import TAITOU, person, signed_in

Plan = Callable[..., Programme]
BOTH = person(Role.PLANNER, Role.DUTY_OFFICER)


def first(world: World) -> Occurrence:
    with world.database.read() as session:
        return session.scalars(sa.select(Occurrence).order_by(Occurrence.starts_at)).first()  # type: ignore[return-value]


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_drill_page_opens_in_both_languages(
    world: World, plan: Plan, app: flask.Flask, clock: ManualClock, language: str
) -> None:
    with world.database.write() as session:
        plan(session, unit_id=world.plant)
    occurrence = first(world)
    with world.database.write() as session:
        service.invite(session, actor=world.planner, occurrence_id=occurrence.id)
    client = signed_in(app, BOTH, language)
    paths = ["/drills", "/drills?days=90&kind=flood", "/drills/calendar", "/drills/calendar?month=2027-02",
             "/drills/calendar?month=nonsense", "/drills/compliance", f"/drills/compliance/unit/{world.plant}",
             "/drills/rules", "/drills/new", f"/drills/{occurrence.id}"]  # fmt: skip
    for path in paths:
        answer = client.get(path)
        assert answer.status_code == 200, (path, answer.text[:300])
        assert answer.text.count("<h1") == 1, path


def test_the_page_counts_the_answers(world: World, plan: Plan, app: flask.Flask) -> None:
    with world.database.write() as session:
        plan(session)
    url = f"/drills/{first(world).id}"
    client = signed_in(app, BOTH)
    assert client.post(f"{url}/invite").status_code == 303
    with world.database.read() as session:
        invitation = session.scalars(sa.select(Invitation.id)).first()
    said = client.post(f"/drills/invitations/{invitation}/answer", data={"answer": "yes", "means": "phone"})
    assert said.status_code == 303
    page = client.get(url).text
    assert "能参加 1，不能参加 0，建议改期 0，未答复 1" in page and "登记答复" in page
    assert "已问 2 个，1 个未答复" in client.get("/drills").text
    assert "还没有发出告知。" in page and "已错过征询" not in page


def test_a_record_is_written_by_the_form_and_a_wrong_one_keeps_what_was_typed(
    world: World, plan: Plan, app: flask.Flask, clock: ManualClock
) -> None:
    with world.database.write() as session:
        plan(session)
    occurrence = first(world)
    clock.set(occurrence.ends_at + timedelta(hours=1))
    client, url = signed_in(app, BOTH), f"/drills/{occurrence.id}/record"
    typed = {"started_at": "2026-11-30T09:00", "ended_at": "2026-11-30T08:00", "attendance": "41"}
    wrong = client.post(url, data=typed)
    assert wrong.status_code == 422 and 'value="41"' in wrong.text
    empty = client.get(f"/drills/{occurrence.id}/day/record").text
    assert re.search(r'name="attendance"[^>]*value=""', empty), "nobody was counted, so no number is offered"
    nobody = client.post(url, data=typed | {"ended_at": "2026-11-30T10:00", "attendance": "0"})
    assert nobody.status_code == 422 and client.get(f"/api/v1/drills/{occurrence.id}").json["record"] is None
    assert client.post(url, data=typed | {"ended_at": "2026-11-30T10:00"}).status_code == 303
    record = client.get(f"/api/v1/drills/{occurrence.id}").json["record"]
    assert record["attendance"] == 41 and record["started_at"] == "2026-11-30T01:00:00+00:00"


def test_the_next_five_dates_are_shown_without_a_script(world: World, app: flask.Flask) -> None:
    typed = {"title": "试", "kind": "flood", "form": "field", "division_code": TAITOU, "unit_id": "0",
             "starts_on": "2026-12-31", "start_time": "09:00", "freq": "monthly", "interval": "1",
             "on_holiday": "keep", "duration_minutes": "60"}  # fmt: skip
    client = signed_in(app, BOTH)
    page = client.post("/drills/new", data=typed | {"preview": "1"})
    assert page.status_code == 200 and "2027年2月28日" in page.text
    with world.database.read() as session:
        assert session.scalars(sa.select(Programme.id)).all() == []
    assert client.post("/drills/new", data=typed).status_code == 303


def test_the_form_of_a_new_programme_offers_its_kinds(world: World, app: flask.Flask) -> None:
    assert "防汛转移" in signed_in(app, BOTH).get("/drills/new").text


def test_json_lists_drills_in_pages(world: World, plan: Plan, app: flask.Flask) -> None:
    with world.database.write() as session:
        plan(session)
    client = signed_in(app, BOTH)
    page = client.get("/api/v1/drills?limit=5").json
    rest = client.get(f"/api/v1/drills?limit=50&cursor={page['next_cursor']}").json
    ids = [item["id"] for item in page["items"] + rest["items"]]
    assert len(page["items"]) == 5 and len(ids) == len(set(ids)) == 13 and rest["next_cursor"] is None
