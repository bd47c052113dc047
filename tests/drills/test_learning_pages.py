"""Pages and JSON of learning: they open in both languages, act by form, and show strangers nothing."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from datetime import date, timedelta

import flask
import openpyxl
import pytest
import sqlalchemy as sa

from emergency.drills import learning
from emergency.drills.learning_findings import proof_of
from emergency.drills.learning_models import CorrectiveAction, DrillReport, Evaluation, Finding, ObjectiveRating, Rating
from emergency.drills.learning_objectives import ObjectiveText
from emergency.drills.models import DrillKind, Occurrence, Programme
from emergency.http.permissions import Role
from emergency.privacy.journal import JournalEntry
from kernel.clock import ManualClock
from scheduler.recurrence import Freq, Recurrence
from tests.drills.conftest import World
from tests.drills.test_learning import acted, found, handed_in, prepared
from tests.plans.support import person, signed_in

Plan = Callable[..., Programme]
STRANGER = person(Role.PLANNER, division="120118103000", id=9)
VIEWER = person(Role.STOREKEEPER, id=8)


@pytest.fixture
def held(world: World, plan: Plan, clock: ManualClock) -> Occurrence:
    """A plant's drill that was held, with a sheet, a finding, an action and a report."""
    drill = prepared(
        world, plan, clock, kind=DrillKind.RESCUE, unit_id=world.plant,
        recurrence=Recurrence(Freq.YEARLY, date(2026, 11, 25)), rule_keys=("psr-highrisk-6m",),
    )  # fmt: skip
    handed_in(world, drill, Rating.S, Rating.M, seen="王某一没有带钥匙")
    acted(world, found(world, drill), clock.now().date() + timedelta(days=9))
    return drill


def one(world: World, model: type) -> int:
    with world.database.read() as session:
        return session.scalars(sa.select(model.id)).first()  # type: ignore[attr-defined,no-any-return]


def paths(world: World, drill: Occurrence) -> list[str]:
    finding, action, report = (one(world, m) for m in (Finding, CorrectiveAction, DrillReport))
    return [
        f"/drills/{drill.id}/learning", f"/drills/{drill.id}/learning/report", f"/drills/{drill.id}/finding",
        f"/drills/programmes/{drill.programme_id}/objectives", f"/drills/findings/{finding}",
        f"/drills/findings/{finding}/edit", f"/drills/actions/{action}", f"/drills/reports/{report}",
    ]  # fmt: skip


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_page_opens_in_both_languages_and_a_stranger_sees_none_of_one_drill(
    world: World, held: Occurrence, app: flask.Flask, language: str
) -> None:
    client = signed_in(app, world.planner, language)
    own = paths(world, held)
    for path in [*own, "/drills/findings", "/drills/findings?state=open&cause=training&again=1", "/drills/actions",
                 "/drills/actions?overdue=1&state=nonsense", "/drills/reports?standing=late", "/drills/trends",
                 "/drills/trends?year=1066"]:  # fmt: skip
        answer = client.get(path)
        assert answer.status_code == 200, (path, answer.text[:300])
        assert answer.text.count("<h1") == 1 and "王某一" not in answer.text, path
        assert len(re.findall(r'class="btn btn-primary"', answer.text)) <= 1, path
    for path in (f"/drills/{held.id}/learning/word", f"/drills/reports/{one(world, DrillReport)}/word"):
        assert client.get(path).data[:2] == b"PK"


def test_a_stranger_gets_404_before_any_form_is_looked_at(world: World, held: Occurrence, app: flask.Flask) -> None:
    finding, action, report = (one(world, m) for m in (Finding, CorrectiveAction, DrillReport))
    client = signed_in(app, STRANGER)
    for path in [*paths(world, held), f"/api/v1/drills/{held.id}/learning"]:
        assert client.get(path).status_code == 404, path
    for path in (
        f"/drills/{held.id}/learning/objectives", f"/drills/{held.id}/evaluate", f"/drills/{held.id}/finding",
        f"/drills/{held.id}/learning/earlier/{finding}", f"/drills/{held.id}/learning/words",
        f"/drills/findings/{finding}/close", f"/drills/findings/{finding}/actions", f"/drills/actions/{action}/finish",
        f"/drills/actions/{action}/verify", f"/drills/actions/{action}/postpone", f"/drills/actions/{action}/proof",
        f"/drills/reports/{report}", f"/drills/sheets/{one(world, Evaluation)}",
    ):  # fmt: skip
        assert client.post(path, data={}).status_code == 404, path


def test_a_sheet_is_filled_in_by_form_and_a_refusal_keeps_what_was_typed(
    world: World, plan: Plan, clock: ManualClock, app: flask.Flask
) -> None:
    drill = prepared(world, plan, clock)
    client = signed_in(app, world.planner)
    url = client.post(f"/drills/{drill.id}/evaluate").location
    with world.database.read() as session:
        rows = session.scalars(sa.select(ObjectiveRating.id).order_by(ObjectiveRating.position)).all()
    typed = {"version": "1", f"rating-{rows[0]}": "S", f"observation-{rows[0]}": "王某一没有带钥匙",
             "mark-f-evac-count": "yes", "mark-nonsense": "yes", "task": "99", "strengths": "清点准确"}  # fmt: skip
    wrong = client.post(url, data=typed | {"hand_in": "1"})
    assert wrong.status_code == 422 and "王某一没有带钥匙" in wrong.text and "全部转移" in wrong.text
    done = client.post(url, data=typed | {"hand_in": "1", f"rating-{rows[1]}": "P"})
    assert done.status_code == 303 and client.get(url).status_code == 409
    page = client.get(f"/drills/{drill.id}/learning").text
    assert "S 完成，尚有不足" in page and "集合后清点人数" in page and "王某一" not in page
    shown = client.post(f"/drills/{drill.id}/learning/words", data={"purpose": "drill"})
    assert (
        shown.status_code == 200 and "王某一没有带钥匙" in shown.text and "no-store" in shown.headers["Cache-Control"]
    )
    assert client.post(f"/drills/{drill.id}/learning/words", data={"purpose": ""}).status_code == 422


def test_finding_and_action_go_their_way_by_forms(
    world: World, plan: Plan, clock: ManualClock, app: flask.Flask
) -> None:
    drill = prepared(world, plan, clock)
    client = signed_in(app, world.planner)
    blank = {"severity": "major", "cause": "plan", "objective_id": "0", "recurs_id": "0", "plan_id": "0"}
    assert client.post(f"/drills/{drill.id}/finding", data=blank).status_code == 422
    finding = client.post(f"/drills/{drill.id}/finding", data=blank | {"text": "车辆不足"}).location
    form = {"text": "增配车辆", "owner_post_id": str(world.chief), "preset": "", "due_on": ""}
    refused = client.post(f"{finding}/actions", data=form)
    assert refused.status_code == 422 and "增配车辆" in refused.text
    found_ = client.post(f"{finding}/actions", data=form | {"search": "1", "owner_query": "台头镇 防汛"})
    assert found_.status_code == 200 and "台头镇 防汛责任人" in found_.text
    due = (clock.now().date() + timedelta(days=9)).isoformat()
    action = client.post(f"{finding}/actions", data=form | {"due_on": due}).location
    pdf = (io.BytesIO(b"%PDF-1.7 proof"), "签到.pdf")
    assert client.post(f"{action}/finish", data={"file": (io.BytesIO(b"MZ"), "x.exe")}).status_code == 422
    assert client.post(f"{action}/finish", data={"by_post": "1", "file": pdf}).status_code == 303
    assert client.post(f"{action}/verify").status_code == 303, "the post did it; who typed it in may look"
    opened = client.post(f"{action}/proof", data={"purpose": "audit"})
    assert opened.data == b"%PDF-1.7 proof" and opened.content_type == "application/pdf"
    assert client.post(f"{finding}/close", data={"reason": ""}).status_code == 422
    assert client.post(f"{finding}/close", data={"reason": "现场核查"}).status_code == 303
    assert "已闭环" in client.get(finding).text


def test_objectives_are_prepared_on_the_programme_and_changed_for_a_date(
    world: World, plan: Plan, app: flask.Flask
) -> None:
    with world.database.write() as session:
        made = plan(session)
    client = signed_in(app, world.planner)
    assert client.post(f"/drills/programmes/{made.id}/objectives", data={}).status_code == 422
    assert (
        client.post(
            f"/drills/programmes/{made.id}/objectives", data={"words": "全部叫应", "tasks": "甲\n乙"}
        ).status_code
        == 303
    )
    with world.database.read() as session:
        drill = session.scalars(sa.select(Occurrence.id).order_by(Occurrence.starts_at)).first()
    assert "全部叫应" in client.get(f"/drills/{drill}/learning").text
    assert client.post(f"/drills/{drill}/learning/take-over").status_code == 303
    with world.database.write() as session:
        extra = learning.add_objective(session, actor=world.planner, text=ObjectiveText("试"), occurrence_id=drill).id
    assert client.post(f"/drills/objectives/{extra}", data={"words": "清点人数"}).status_code == 303
    assert "清点人数" in client.get(f"/drills/{drill}/learning").text
    assert client.post(f"/drills/objectives/{extra}/remove").status_code == 303
    assert "清点人数" not in client.get(f"/drills/{drill}/learning").text


def test_lists_are_exported_as_shown_and_json_carries_nothing_sealed(
    world: World, held: Occurrence, app: flask.Flask
) -> None:
    client = signed_in(app, world.planner)
    text = client.get("/drills/actions/export").data.decode("utf-8-sig")
    assert "培训值班员" in text and text.startswith("整改措施")
    book = openpyxl.load_workbook(io.BytesIO(client.get("/drills/findings/export?format=xlsx&state=open").data))
    assert [cell.value for cell in next(book.active.iter_rows(min_row=2))][4] == "一名责任人未叫应"
    for path in (f"{held.id}/learning", "findings?state=open", "actions", "reports"):
        answer = client.get(f"/api/v1/drills/{path}")
        assert answer.status_code == 200 and "王某一" not in answer.text, path
    assert client.get(f"/api/v1/drills/{held.id}/learning").json["objectives"][1]["worst"] == "M"
    made = client.post(f"/api/v1/drills/{held.id}/findings", json={"text": "车辆不足", "cause": "plan"})
    assert made.status_code == 201, made.text


def test_a_report_is_noted_as_filed_by_form(world: World, held: Occurrence, app: flask.Flask) -> None:
    client, url = signed_in(app, world.planner), f"/drills/reports/{one(world, DrillReport)}"
    assert client.post(url, data={"filed_on": "nonsense"}).status_code == 422
    assert client.post(url, data={"filed_on": "2026-11-25", "reference": "静应〔2026〕1号"}).status_code == 303
    assert "静应〔2026〕1号" in client.get(url).text


def test_who_may_only_look_changes_nothing(world: World, held: Occurrence, app: flask.Flask) -> None:
    client = signed_in(app, VIEWER)
    assert client.get(f"/drills/{held.id}/learning").status_code == 200
    for path in (f"/drills/{held.id}/evaluate", f"/drills/findings/{one(world, Finding)}/close",
                 f"/drills/actions/{one(world, CorrectiveAction)}/verify", f"/drills/{held.id}/learning/words",
                 f"/drills/reports/{one(world, DrillReport)}",
                 f"/drills/programmes/{held.programme_id}/objectives"):  # fmt: skip
        assert client.post(path, data={"purpose": "drill"}).status_code == 403, path


def test_the_words_of_a_proof_are_opened_for_who_works_on_drills_and_that_is_journalled(
    world: World, held: Occurrence, app: flask.Flask
) -> None:
    action = one(world, CorrectiveAction)
    with world.database.write() as session:
        learning.finish_action(session, actor=world.planner, action_id=action, proof="签到表：王某一到场")
    assert "签到表：王某一到场" in signed_in(app, world.planner).get(f"/drills/actions/{action}").text
    with world.database.read() as session:
        seen = session.scalars(sa.select(JournalEntry).where(JournalEntry.kind == "drill.proof_seen")).one()
        assert (seen.subject_kind, seen.subject_id) == ("drill_corrective_action", action)
        row = session.get_one(CorrectiveAction, action)
        assert proof_of(session, actor=VIEWER, row=row) == ""
