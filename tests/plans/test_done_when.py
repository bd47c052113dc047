"""What the room of plans was built for, from end to end, on the pages and in the rows that are kept.

The district's real flood plan of 2022 stands in the tree under the city's, with townships and villages beneath it; a new
version above turns everything beneath due, and revising it clears that; and a care home that the lists leave out is
found.
"""

from __future__ import annotations

from datetime import UTC, datetime

import flask
import pytest
import sqlalchemy as sa

from emergency.divisions import rules as codes
from emergency.divisions.models import Division, UnitKind
from emergency.http.permissions import Role
from emergency.plans import defects, kept, seed, service
from emergency.plans.models import Plan
from emergency.plans.queries import today
from emergency.readiness import gathering, plans_today
from emergency.readiness.models import Defect
from kernel.db import Database
from tests.plans.support import add_unit, person, signed_in

WANGKOU = "120118103000"
VILLAGES = (("120118103201", "王口村委会"), ("120118103202", "大刘村委会"))
CITY_PLAN, FLOOD, TOWN = "天津市防汛抗旱应急预案", "天津市静海区防汛抗旱应急预案", "王口镇防汛应急预案"
HOMES = ("王口镇敬老院", "王口镇福寿养老院")
DUE = "上级预案已更新"


@pytest.fixture
def demo(district: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """The demo's plans for one township with two villages and two care homes, one of which its list forgets."""
    with district.write() as session:
        session.add(
            Division(code=WANGKOU, name="王口镇", level=4, parent_code=seed.DISTRICT, prefix=codes.prefix(WANGKOU))
        )
        session.flush()
        for code, name in VILLAGES:
            session.add(Division(code=code, name=name, level=5, parent_code=WANGKOU, prefix=codes.prefix(code)))
        session.flush()
        for name in HOMES:
            add_unit(session, name, VILLAGES[0][0], UnitKind.CARE_HOME)
        day = today(session)
    made = seed._district(district, day)
    seed._township(district, day, WANGKOU, "王口镇", 0, made)
    seed._villages(district, day)
    monkeypatch.setattr(kept, "_ledger", plans_today.Ledger())
    monkeypatch.setattr(gathering, "_ROOMS", {"plans": defects.defects})
    monkeypatch.setattr(gathering, "_WIDER", {"plans": defects.widen})
    gathering.gather(district, datetime.now(UTC))
    return district


def _id(database: Database, title: str) -> int:
    with database.read() as session:
        return int(session.scalars(sa.select(Plan.id).where(Plan.title == title)).one())


def _revise(database: Database, title: str) -> None:
    """A new version through review and approval, in force today; then what the ticker does at its next tick."""
    plan_id = _id(database, title)
    with database.write() as session:
        row = service.new_draft(session, actor=seed.AUTHOR, plan_id=plan_id)
        row = service.submit(session, actor=seed.AUTHOR, version_id=row.id, version=row.version)
        for step in (service.pass_review, service.approve):
            row = step(session, actor=seed.APPROVER, version_id=row.id, version=row.version)
        service.issue(session, actor=seed.APPROVER, version_id=row.id, version=row.version, issued_on=today(session))
    gathering.look_again(database, datetime.now(UTC))


def _due(database: Database) -> set[str]:
    """Titles of the plans of which it is kept that the plan above them is newer."""
    with database.read() as session:
        rows = sa.select(Plan.title).join(Defect, Defect.subject_id == Plan.id)
        return set(session.scalars(rows.where(Defect.rule == "parent_superseded", Defect.closed_at.is_(None))))


def test_the_flood_plan_of_2022_stands_between_the_city_and_the_villages(demo: Database, app: flask.Flask) -> None:
    client = signed_in(app, person(Role.PLANNER))
    flood, town = _id(demo, FLOOD), _id(demo, TOWN)
    page = client.get(f"/plans?open={flood},{town}").get_data(as_text=True)
    order = [page.index(f">{title}<") for title in (CITY_PLAN, FLOOD, TOWN, "王口村防汛转移方案")]
    assert order == sorted(order)
    with demo.read() as session:
        held = service.in_force(session, flood)
        assert held is not None and (held.document_number, str(held.issued_on)) == (
            "津静海政办发〔2022〕10号", "2022-05-24"
        )  # fmt: skip
        text = service.version_text(session, actor=person(Role.PLANNER), version_id=held.id)
    outline = [f"{s.number} {s.heading}" for s in text.sections]
    assert {"1 总则", "1.6 预案体系", "2.6 乡镇级防汛指挥机构", "5.2 启动程序", "6.5 征用补偿"} <= set(outline)
    assert len(outline) == 45 and text.parts.levels


def test_a_new_version_above_turns_what_is_beneath_due_and_revising_clears_it(demo: Database, app: flask.Flask) -> None:
    client = signed_in(app, person(Role.PLANNER))
    villages = {"王口村防汛转移方案", "大刘村防汛转移方案"}
    assert _due(demo) == set()
    _revise(demo, CITY_PLAN)
    assert _due(demo) == {FLOOD}
    _revise(demo, FLOOD)
    assert _due(demo) == {TOWN}
    page = client.get("/plans/wrong?rule=parent_superseded").get_data(as_text=True)
    assert TOWN in page and "/mend/parent_superseded" in page
    tree = client.get("/plans").get_data(as_text=True)
    line = tree[tree.index(f">{TOWN}<") :]
    assert DUE in line[: line.index("</tr>")] or DUE in client.get(f"/plans/{_id(demo, TOWN)}").get_data(as_text=True)
    _revise(demo, TOWN)
    assert _due(demo) == villages
    for title in sorted(villages):
        _revise(demo, title)
    assert _due(demo) == set()
    assert TOWN not in client.get("/plans/wrong?rule=parent_superseded").get_data(as_text=True)


def test_the_care_home_that_every_list_forgets_is_found_until_it_is_on_one(demo: Database, app: flask.Flask) -> None:
    client = signed_in(app, person(Role.PLANNER))
    page = client.get("/plans/unlisted").get_data(as_text=True)
    forgotten, listed = HOMES
    assert forgotten in page and listed not in page
    assert forgotten in client.get("/plans/wrong?rule=not_on_any_list").get_data(as_text=True)
    with demo.read() as session:
        unit_id = session.scalars(
            sa.select(Defect.subject_id).where(Defect.subject_kind == "unit", Defect.rule == "not_on_any_list")
        ).one()
    plan_id = _id(demo, TOWN)
    answer = client.post(
        f"/plans/unlisted/add?unit={unit_id}",
        data={"plan_id": plan_id, "destination": "静海城区体育馆安置点", "people": "40", "post_id": "0"},
    )
    assert answer.status_code == 303
    assert forgotten in client.get("/plans/unlisted").get_data(as_text=True)  # a draft binds nobody
    with demo.write() as session:
        row = service.versions(session, actor=seed.AUTHOR, plan_id=plan_id)[0]
        row = service.submit(session, actor=seed.AUTHOR, version_id=row.id, version=row.version)
        for step in (service.pass_review, service.approve):
            row = step(session, actor=seed.APPROVER, version_id=row.id, version=row.version)
        service.issue(session, actor=seed.APPROVER, version_id=row.id, version=row.version, issued_on=today(session))
    gathering.look_again(demo, datetime.now(UTC))
    assert forgotten not in client.get("/plans/unlisted").get_data(as_text=True)
    assert forgotten not in client.get("/plans/wrong").get_data(as_text=True)
