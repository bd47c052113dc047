"""The pages: the link's on any telephone, and those of the duty officer."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import flask
import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from emergency.asking import api, service, subjects, verification, views
from emergency.asking.escalation import escalate
from emergency.asking.models import Means, Question, QuestionState, StepOutcome
from emergency.asking.rules import Ladder
from emergency.asking.subjects import Described
from emergency.config import Config
from emergency.http.actor import SYSTEM
from emergency.http.permissions import Role
from emergency.people.posts import holding
from emergency.people.posts.models import ActKind
from emergency.privacy.journal import JournalEntry
from kernel.clock import ManualClock
from kernel.db import Database
from tests.asking.conftest import Outbox, fetch
from tests.asking.support import World, app_with, person

Ask = Callable[..., Question]


@pytest.fixture
def app(database: Database, config: Config, world: World, monkeypatch: pytest.MonkeyPatch) -> flask.Flask:
    monkeypatch.setattr(subjects, "_SUBJECTS", {})
    service.register_subject(
        "thing", describe=lambda _s, ids: {i: Described(f"第 {i} 场演练", f"/drills/{i}") for i in ids}
    )
    made = app_with(database, config, [views], [api.blueprint])
    made.config["ACTOR"] = person(Role.DUTY_OFFICER)
    return made


@pytest.fixture
def client(app: flask.Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def stranger(app: flask.Flask) -> FlaskClient:
    """Somebody with a telephone and a link, not signed in."""
    app.config["ACTOR"] = None
    return app.test_client()


def test_the_links_page_is_small_plain_and_names_nobody(ask: Ask, stranger: FlaskClient, outbox: Outbox) -> None:
    ask(drill=True, details=[("时间", "8月19日（周三）09:00"), ("地点", "台头镇义和村村委会门口")])
    response = stranger.get(outbox.links()[0])
    page = response.text
    assert response.status_code == 200
    assert len(response.data) < 5_500 and "<script" not in page and "tabler" not in page
    assert "18px" in page and "62px" in page and "演练，不是真的" in page
    assert page.count("<h1") == 1 and 'lang="zh-CN"' in page
    assert "张某" not in page and "1540000" not in page
    assert response.headers["Referrer-Policy"] == "no-referrer" and response.headers["Cache-Control"] == "no-store"
    for control in re.findall(r"<input class=\"i\" id=\"(\w)\"", page):
        assert f'<label for="{control}">' in page


def test_looking_at_a_link_changes_nothing(ask: Ask, stranger: FlaskClient, outbox: Outbox, database: Database) -> None:
    question = ask()
    for _ in range(3):  # link previews of chat programs open what they see
        stranger.get(outbox.links()[0])
    with database.read() as session:
        assert fetch(session, question).state is QuestionState.OPEN


def test_one_press_answers_and_another_changes_it(
    ask: Ask, stranger: FlaskClient, outbox: Outbox, database: Database
) -> None:
    question, link = ask(), ""
    link = outbox.links()[0]
    done = stranger.post(link, data={"answer": "yes"})
    assert done.status_code == 303 and done.headers["Location"].endswith(link)
    assert "已记下" in stranger.get(link).text
    assert stranger.post(link, data={"answer": "no", "why": "work"}).status_code == 303
    with database.read() as session:
        now = fetch(session, question)
        assert now.answer_key == "no"
        assert [a.means for a in service.answers_of(session, question.id)] == [Means.LINK, Means.LINK]
        actors = session.scalars(sa.select(JournalEntry.actor).where(JournalEntry.kind == "question.answered")).all()
        assert set(actors) == {f"post:{question.post_id}"}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"answer": "deputy", "deputy": "李某二", "phone": "154000"}, "姓名和手机号"),
        ({"answer": "deputy", "deputy": "", "phone": "15400000099"}, "姓名和手机号"),
        ({"answer": "no"}, "请选一个原因"),
        ({"answer": "no", "why": "<b>"}, "请选一个原因"),
        ({"answer": "perhaps"}, "perhaps"),
        ({}, "不在可选"),
    ],
)
def test_a_faulty_answer_is_explained_and_changes_nothing(
    ask: Ask, stranger: FlaskClient, outbox: Outbox, database: Database, data: dict[str, str], words: str
) -> None:
    question = ask()
    response = stranger.post(outbox.links()[0], data=data)
    assert response.status_code == 422 and words in response.text
    with database.read() as session:
        assert fetch(session, question).state is QuestionState.OPEN


def test_a_deputys_name_and_number_are_sealed(
    ask: Ask, stranger: FlaskClient, outbox: Outbox, database: Database
) -> None:
    question = ask()
    stranger.post(outbox.links()[0], data={"answer": "deputy", "deputy": "李某二", "phone": "15400000099"})
    with database.read() as session:
        [answer] = service.answers_of(session, question.id)
        assert answer.note_sealed and "李某二".encode() not in answer.note_sealed
        assert service.remark_of(session, answer) == {"deputy_name": "李某二", "deputy_phone": "+8615400000099"}


def test_a_wrong_number_is_noted_and_the_next_deputy_is_asked(
    ask: Ask, stranger: FlaskClient, outbox: Outbox, database: Database, clock: ManualClock
) -> None:
    question = ask()
    [link] = outbox.links()
    assert "打错了，我不是" in stranger.get(link).text
    done = stranger.post(link, data={"wrong": "1"})
    assert done.status_code == 200 and "已记下号码有误" in done.text
    assert stranger.get(link).status_code == 404 and stranger.post(link, data={"answer": "yes"}).status_code == 404
    with database.read() as session:
        acts = [act.kind for act, _note in holding.history(session, question.post_id or 0)]
        assert acts == [ActKind.WRONG_NUMBER] and fetch(session, question).state is QuestionState.OPEN
    assert escalate(database, clock.now()) == 1
    assert len(outbox.links()) == 2 and "请您代答" in outbox.messages()[1][1]
    clock.advance(timedelta(minutes=3))
    escalate(database, clock.now())
    messages = outbox.messages()
    assert len(messages) == 3 and "再次提醒" in messages[2][1], "the reminder goes to the deputy, not to the stranger"
    with database.read() as session:
        steps = [s for s in service.steps_of(session, question.id) if s.outcome is StepOutcome.SENT]
        assert len({s.contact_id for s in steps}) == 2 and steps[-1].contact_id == steps[-2].contact_id


def test_where_a_ladder_knows_no_deputy_a_wrong_number_still_finds_one(
    ask: Ask, stranger: FlaskClient, outbox: Outbox, database: Database, clock: ManualClock
) -> None:
    ask(ladder=Ladder(()))
    stranger.post(outbox.links()[0], data={"wrong": "1"})
    assert escalate(database, clock.now()) == 1 and len(outbox.links()) == 2


def test_who_has_answered_is_not_offered_the_wrong_number(ask: Ask, stranger: FlaskClient, outbox: Outbox) -> None:
    ask()
    [link] = outbox.links()
    stranger.post(link, data={"answer": "yes"})
    assert "打错了" not in stranger.get(link).text
    assert stranger.post(link, data={"wrong": "1"}).status_code == 422


def test_an_account_is_not_offered_the_wrong_number(
    ask: Ask, stranger: FlaskClient, outbox: Outbox, world: World
) -> None:
    ask(account_id=world.account, answers=[("seen", "我来批", "I will decide")])
    assert "打错了" not in stranger.get(outbox.links()[0]).text


def test_a_verification_asks_who_holds_the_post_now(
    world: World, stranger: FlaskClient, outbox: Outbox, database: Database, clock: ManualClock
) -> None:
    with database.write() as session:
        service.ask_to_verify(
            session, actor=SYSTEM, post_ids=[world.posts["village"]], due_at=clock.now() + timedelta(hours=1)
        )
    [link] = outbox.links()
    page = stranger.get(link).text
    assert "现在是谁" in page and "就是这个人" in page and "就派这个人" not in page
    assert "请填写现任人员" in stranger.post(link, data={"answer": "changed"}).text
    data = {"answer": "changed", "deputy": "李某二", "phone": "15400000099"}
    assert stranger.post(link, data=data).status_code == 303


def test_a_deputy_who_answers_a_verification_confirms_the_deputys_number(
    world: World, stranger: FlaskClient, outbox: Outbox, database: Database, clock: ManualClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(subjects, "_SUBJECTS", {})
    service.register_subject("post", on_answer=verification._answered)
    post_id = world.posts["village"]
    with database.write() as session:
        service.ask_to_verify(session, actor=SYSTEM, post_ids=[post_id], due_at=clock.now() + timedelta(hours=1))
    stranger.post(outbox.links()[0], data={"wrong": "1"})
    escalate(database, clock.now())
    assert stranger.post(outbox.links()[1], data={"answer": "yes"}).status_code == 303
    with database.read() as session:
        holder, deputy, _third = holding.holders(session, [post_id])[post_id]
        assert holder.verified_at is None and deputy.verified_at == clock.now()


def test_dead_links_say_so_kindly(
    ask: Ask, stranger: FlaskClient, outbox: Outbox, clock: ManualClock, database: Database
) -> None:
    assert stranger.get("/c/" + "x" * 22).status_code == 404
    assert stranger.post("/c/nothing", data={"answer": "yes"}).status_code == 404
    question = ask(closes_at=clock.now() + timedelta(hours=2))
    ask(subject=("thing", 8))
    late, closed = outbox.links()
    clock.advance(timedelta(hours=3))
    for response in (stranger.get(late), stranger.post(late, data={"answer": "yes"})):
        assert response.status_code == 410 and "答复时间已过" in response.text
    with database.write() as session:
        service.close(session, ("thing", 8), actor=person(Role.DUTY_OFFICER))
    assert "这个询问已经结束" in stranger.get(closed).text
    with database.read() as session:
        assert fetch(session, question).answer_key is None


def test_the_links_page_speaks_english_and_stays_english(ask: Ask, stranger: FlaskClient, outbox: Outbox) -> None:
    ask()
    link = outbox.links()[0] + "?lang=en"
    page = stranger.get(link).text
    assert "I will come" in page and 'lang="en"' in page and "Please answer before" in page
    assert stranger.post(link, data={"answer": "yes"}).headers["Location"].endswith("?lang=en")


def test_the_list_and_the_record_show_how_it_stands(ask: Ask, client: FlaskClient, database: Database) -> None:
    question = ask()
    page = client.get("/questions").text
    assert "义和村委会 锣长" in page and "第 7 场演练" in page and "1 个询问等待答复" in page
    shown = client.get(f"/questions/{question.id}").text
    assert "等待回答" in shown and "首次询问" in shown and "张某" not in shown
    assert client.get("/questions?state=answered").text.count("第 7 场演练") == 0
    assert client.get("/questions?state=all&division=120118104000&overdue=1").status_code == 200
    assert client.get("/questions/5").status_code == 404


def test_what_was_heard_by_radio_is_typed_in_with_its_time(
    ask: Ask, client: FlaskClient, database: Database, clock: ManualClock
) -> None:
    question = ask()
    clock.advance(timedelta(minutes=30))
    data = {"answer": "yes", "means": "radio", "at": "2026-11-23T09:10", "note": "路上有水"}
    response = client.post(f"/questions/{question.id}/answers", data=data)
    assert response.status_code == 303
    with database.read() as session:
        [answer] = service.answers_of(session, question.id)
    assert answer.means is Means.RADIO and answer.recorded_at - answer.at == timedelta(minutes=20)
    page = client.get(f"/questions/{question.id}").text
    assert "路上有水" not in page
    revealed = client.post(f"/questions/answers/{answer.id}/reveal", data={"purpose": "drill"})
    assert "路上有水" in revealed.text
    assert client.post(f"/questions/answers/{answer.id}/reveal", data={"purpose": ""}).status_code == 422


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"means": "phone"}, "has-error"),
        ({"answer": "yes", "means": "phone", "at": "2026-11-23T23:59"}, "时间"),
        ({"answer": "yes", "means": "phone", "at": "gestern"}, "has-error"),
        ({"answer": "yes", "means": "link"}, "has-error"),
    ],
)
def test_a_faulty_form_keeps_what_was_typed(ask: Ask, client: FlaskClient, data: dict[str, str], words: str) -> None:
    question = ask()
    response = client.post(f"/questions/{question.id}/answers", data=data | {"note": "已打两次"})
    assert response.status_code == 422 and words in response.text and "已打两次" in response.text


def test_whoever_may_only_look_cannot_answer(ask: Ask, app: flask.Flask) -> None:
    question = ask()
    app.config["ACTOR"] = person(Role.APPROVER)
    client = app.test_client()
    assert client.get(f"/questions/{question.id}").status_code == 200
    assert client.post(f"/questions/{question.id}/answers", data={"answer": "yes"}).status_code == 403
    app.config["ACTOR"] = person(Role.AUDITOR)
    assert app.test_client().get("/questions").status_code == 403


def test_an_approver_answers_what_was_asked_of_the_account(
    ask: Ask, app: flask.Flask, world: World, database: Database
) -> None:
    question = ask(account_id=world.account, answers=[("seen", "我来批", "I will decide")])
    app.config["ACTOR"] = person(Role.APPROVER, id=world.account)
    client = app.test_client()
    assert "我来批" in client.get(f"/questions/{question.id}").text
    assert client.post(f"/questions/{question.id}/mine", data={"answer": "seen"}).status_code == 303
    with database.read() as session:
        assert fetch(session, question).answer_key == "seen"


def test_a_question_is_withdrawn_with_a_reason(ask: Ask, client: FlaskClient, outbox: Outbox) -> None:
    question = ask()
    assert client.post(f"/questions/{question.id}/withdraw", data={"reason": "改期"}).status_code == 303
    assert client.get(outbox.links()[0]).status_code == 410
    assert "改期" in client.get(f"/questions/{question.id}").text
    assert client.post(f"/questions/{question.id}/withdraw", data={"reason": "x"}).status_code == 409


def test_replies_are_placed_by_hand(ask: Ask, client: FlaskClient, database: Database, clock: ManualClock) -> None:
    question = ask()
    ask(subject=("thing", 8))
    with database.write() as session:
        key = session.info["vault"].index("phone", "+8615400000001")
        service.ReplyDesk().received(session, key, "1", clock.now(), "sms", 1)
        service.ReplyDesk().received(session, key, "收到谢谢", clock.now(), "sms", 2)
    with database.read() as session:
        first, second = service.replies(session, actor=person(Role.DUTY_OFFICER)).items
    page = client.get("/questions/replies").text
    assert "收到谢谢" not in page and f"/questions/replies/{first.id}" in page
    assert f"/questions/replies/{first.id}" in client.get("/questions/replies?why=ambiguous").text
    assert f"/questions/replies/{first.id}" not in client.get("/questions/replies?why=late").text
    shown = client.get(f"/questions/replies/{first.id}").text
    assert f"{question.id}:yes" in shown and "已将待答询问编上字母" in shown and "&lt;time" not in page + shown
    assert "收到谢谢" in client.post(f"/questions/replies/{second.id}/reveal", data={"purpose": "drill"}).text
    used = client.post(f"/questions/replies/{first.id}/use", data={"choice": f"{question.id}:yes"})
    assert used.status_code == 303
    assert client.post(f"/questions/replies/{second.id}/use", data={"choice": "rubbish"}).status_code == 422
    assert client.post(f"/questions/replies/{second.id}/dismiss", data={"reason": "道谢"}).status_code == 303
    assert "都已处理" in client.get("/questions/replies").text
    assert f"/questions/{question.id}" in client.get(f"/questions/replies/{first.id}").text
    assert f"/questions/replies/{second.id}" in client.get("/questions/replies?state=dismissed").text


def test_the_thank_yous_leave_the_page_together(ask: Ask, client: FlaskClient, database: Database) -> None:
    question = ask()
    with database.write() as session:
        key = session.info["vault"].index("phone", "+8615400000021")
        service.ReplyDesk().received(session, key, "收到", question.asked_at, "sms", 1)
    assert "/questions/replies/courtesies" in client.get("/questions/replies").text
    assert client.post("/questions/replies/courtesies").status_code == 303
    assert "都已处理" in client.get("/questions/replies").text


def test_a_question_shows_what_came_too_late(
    ask: Ask, client: FlaskClient, database: Database, clock: ManualClock
) -> None:
    question = ask(closes_at=clock.now() + timedelta(hours=2))
    late = clock.advance(timedelta(hours=3))
    with database.write() as session:
        key = session.info["vault"].index("phone", "+8615400000001")
        assert service.ReplyDesk().received(session, key, "1", late, "sms", 1) == "late"
        [kept] = service.replies(session, actor=person(Role.DUTY_OFFICER)).items
    assert f"/questions/replies/{kept.id}" in client.get(f"/questions/{question.id}").text


def test_questions_in_json(ask: Ask, client: FlaskClient) -> None:
    question = ask()
    listed = client.get("/api/v1/questions").json
    assert listed is not None and [item["id"] for item in listed["items"]] == [question.id]
    body = {"answer": "yes", "means": "radio"}
    assert client.post(f"/api/v1/questions/{question.id}/answers", json=body).status_code == 201
    shown = client.get(f"/api/v1/questions/{question.id}").json
    assert shown is not None and shown["state"] == "answered" and shown["answer"] == "yes"
    refused = client.post(f"/api/v1/questions/{question.id}/answers", json={"answer": "perhaps"})
    assert refused.status_code == 422 and refused.json is not None and refused.json["code"] == "unknown_answer"


def test_the_link_of_a_former_holder_stops_at_once_and_keeps_what_was_answered(
    ask: Ask, stranger: FlaskClient, outbox: Outbox, world: World, database: Database
) -> None:
    question = ask()
    link = outbox.links()[0]
    assert stranger.post(link, data={"answer": "yes"}).status_code == 303
    with database.write() as session:
        shown = service.show(session, actor=SYSTEM, question_ids=[question.id])[question.id]
        holding.set_holder(
            session, actor=SYSTEM, post_id=world.posts["village"], name="李某二", phone="15400000077", reason="换届"
        )
    for answered in (stranger.get(link), stranger.post(link, data={"answer": "no", "why": "work"}),
                     stranger.post(link, data={"wrong": "1"})):  # fmt: skip
        assert answered.status_code == 410 and "该岗位已由他人担任" in answered.text
        assert question.text not in answered.text and "<button" not in answered.text
    assert stranger.post("/c/code", data={"code": shown.code}).status_code == 422
    with database.read() as session:
        assert fetch(session, question).answer_key == "yes"
        assert [a.key for a in service.answers_of(session, question.id)] == ["yes"]


def test_a_deputys_link_goes_on_when_the_holder_changes(
    ask: Ask, stranger: FlaskClient, outbox: Outbox, world: World, database: Database, clock: ManualClock
) -> None:
    question = ask()
    for _step in range(3):
        clock.advance(timedelta(minutes=6))
        escalate(database, clock.now())
    deputy = next(link for link in reversed(outbox.links()))
    with database.read() as session:
        contact = service.by_token(session, deputy.removeprefix("/c/")).link.contact_id  # type: ignore[union-attr]
    assert contact != world.contacts["village0"]
    with database.write() as session:
        holding.set_holder(
            session, actor=SYSTEM, post_id=world.posts["village"], name="李某二", phone="15400000077", reason="换届"
        )
    assert stranger.post(deputy, data={"answer": "yes"}).status_code == 303
    with database.read() as session:
        assert fetch(session, question).answer_key == "yes"
