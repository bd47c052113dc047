"""The district's flood plan of 2022 in the tree: its parent above, townships and villages below, due and cleared."""

from __future__ import annotations

import flask
import sqlalchemy as sa

from emergency.http.permissions import Role
from emergency.plans import publication, seed, service
from emergency.plans.models import Plan
from emergency.plans.queries import today
from kernel.db import Database
from tests.plans.support import TAITOU, person, signed_in

FLOOD = "天津市静海区防汛抗旱应急预案"


def _id(database: Database, title: str) -> int:
    with database.read() as session:
        return int(session.scalars(sa.select(Plan.id).where(Plan.title == title)).one())


def _revise(database: Database, plan_id: int) -> None:
    with database.write() as session:
        row = service.new_draft(session, actor=seed.AUTHOR, plan_id=plan_id)
        row = service.submit(session, actor=seed.AUTHOR, version_id=row.id, version=row.version)
        row = service.pass_review(session, actor=seed.APPROVER, version_id=row.id, version=row.version)
        row = service.approve(session, actor=seed.APPROVER, version_id=row.id, version=row.version)
        service.issue(
            session, actor=seed.APPROVER, version_id=row.id, version=row.version, issued_on=today(session)
        )  # fmt: skip


def test_superseding_the_parent_turns_the_children_due_and_revising_clears_them(
    district: Database, app: flask.Flask
) -> None:
    with district.read() as session:
        now = today(session)
    made = seed._district(district, now)
    seed._township(district, now, TAITOU, "台头镇", 0, made)
    seed._villages(district, now)
    seed._public(district)
    client = signed_in(app, person(Role.PLANNER))
    flood, town = made["flood"], _id(district, "台头镇防汛应急预案")
    page = client.get(f"/plans?open={flood},{town}").get_data(as_text=True)
    order = [page.index(f">{title}<") for title in ("天津市防汛抗旱应急预案", FLOOD, "台头镇防汛应急预案")]
    assert order == sorted(order) and "义和村防汛转移方案" in page
    record = client.get(f"/plans/{flood}").get_data(as_text=True)
    assert "津静海政办发〔2022〕10号" in record
    due = "上级预案已更新"
    assert due not in client.get(f"/plans/{town}").get_data(as_text=True)
    _revise(district, flood)
    assert due in client.get(f"/plans/{town}").get_data(as_text=True)
    _revise(district, town)
    assert due not in client.get(f"/plans/{town}").get_data(as_text=True)
    village = _id(district, "义和村防汛转移方案")
    assert due in client.get(f"/plans/{village}").get_data(as_text=True)


def test_what_is_written_for_the_demo_says_so_and_is_found_and_public(district: Database, app: flask.Flask) -> None:
    with district.read() as session:
        now = today(session)
    made = seed._district(district, now)
    seed._public(district)
    client = signed_in(app, person(Role.PLANNER))
    public = client.get(f"/public/plans/{made['flood']}").get_data(as_text=True)
    assert seed.EXAMPLE in public and "1.6 预案体系" in public
    found = client.get("/plans/search?q=“巡堤查险”").get_data(as_text=True)
    assert "<mark>巡堤查险</mark>" in found
    with district.read() as session:
        city = _id(district, "天津市防汛抗旱应急预案")
        assert publication.standing(session, city) is None
