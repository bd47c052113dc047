"""One sentence about whom a warning is for, from the preview to the record; and nothing submitted uncounted."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import flask
import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from emergency.config import Config
from emergency.http.actor import Actor
from emergency.http.permissions import Role
from emergency.privacy import journal
from emergency.warnings import pages, service, views
from emergency.warnings.doors import make_lists
from emergency.warnings.models import DoorVisit, WarningState, WarningStatus
from emergency.web.workbench import urgency
from kernel.clock import ManualClock
from kernel.db import Database
from notify.models import DeliveryState
from tests.asking.support import app_with
from tests.warnings.support import NEXT_VILLAGE, VILLAGE, World
from tests.warnings.test_pages import CONTENT, body, one
from tests.warnings.test_reach import receipt

SENTENCE = "6人，其中短信4人、上门2人"


@pytest.fixture
def app(database: Database, config: Config, world: World) -> flask.Flask:
    app = app_with(database, config, [views])
    app.config["ACTOR"] = world.author
    return app


@pytest.fixture
def client(app: flask.Flask) -> FlaskClient:
    return app.test_client()


def test_the_sentence() -> None:
    from emergency.warnings.pages import people_words

    app = flask.Flask("words")
    from emergency.http import i18n

    i18n.install(app, "zh")
    with app.test_request_context():
        assert people_words({"people": 209, "unreachable": 9}) == "218人，其中短信209人、上门9人"
        assert people_words({"people": 21386, "unreachable": 0}) == "21,386人，全部用短信"
        assert people_words(None) == ""
        assert (pages.about(218), pages.about(21386)) == ("218人", "约21,400人")


def test_it_stands_on_every_page_of_the_way(
    app: flask.Flask, client: FlaskClient, world: World, database: Database, drafted: Any, clock: ManualClock
) -> None:
    draft = drafted()
    url = f"/warnings/{draft.id}"
    client.post(f"{url}/audience", data={"audience": "residents", "version": 1})
    page = body(client.get(f"{url}/preview"))
    assert page.count(SENTENCE) >= 2 and "提交，6人" in page
    client.post(f"{url}/submit", data={"version": one(database).version})
    app.config["ACTOR"] = world.approver
    page = body(client.get(f"{url}/approve"))
    assert SENTENCE in page and "红色 6" in page and "向6人发布洪水红色预警" in page and "发布渠道：短信" in page
    client.post(f"{url}/approve", data={"version": one(database).version, "confirm": "红色 6"})
    page = body(client.get(url))
    assert f"已发布：{SENTENCE}。" in page and "已触达0人，共6人" in page
    assert "上门名单2人，30秒内生成" in page, "nobody reads 0 while the list is being made"
    make_lists(database, clock.now())
    page = body(client.get(url))
    assert "上门名单2人" in page and "30秒内" not in page


def test_an_update_is_counted_before_its_button_says_a_number(
    client: FlaskClient, database: Database, approved: Any
) -> None:
    issue = approved()
    client.post(f"/warnings/{issue.warning_id}/update")
    draft = one(database)
    page = body(client.get(f"/warnings/{draft.id}/preview"))
    assert "提交，6人" in page and "义和村" in page and "0人" not in page.replace("10人", "")
    client.post(f"/warnings/{draft.id}/content", data=CONTENT | {"version": draft.version, "description": "水位回落"})
    assert "提交，6人" in body(client.get(f"/warnings/{draft.id}/preview")), "other words, the same people"
    client.post(f"/warnings/{draft.id}/area", data={"divisions": [NEXT_VILLAGE], "version": one(database).version})
    assert "提交，2人" in body(client.get(f"/warnings/{draft.id}/preview"))


def test_nothing_is_submitted_uncounted(client: FlaskClient, database: Database, drafted: Any) -> None:
    draft = drafted()
    page = body(client.get(f"/warnings/{draft.id}/preview"))
    assert "提交，" not in page and "统计对象" in page
    refused = client.post(f"/warnings/{draft.id}/submit", data={"version": 1})
    assert "请先统计对象" in body(refused, 409) and one(database).state is WarningState.DRAFT


def test_each_step_refuses_what_it_asks_for(client: FlaskClient, database: Database) -> None:
    page = body(client.post("/warnings/new", data=CONTENT | {"description": "", "instruction": ""}), 422)
    assert page.count("请填写") >= 2
    assert client.post("/warnings/new", data=CONTENT | {"headline": ""}).status_code == 303
    draft = one(database)
    assert draft.headline == "洪水红色预警"
    page = body(client.post(f"/warnings/{draft.id}/area", data={"version": draft.version}), 422)
    assert "请至少选一个乡镇、村或图形" in page
    page = body(client.post("/warnings/new", data=CONTENT | {"headline": "【演练】洪水红色预警"}), 422)
    assert 'href="#headline"' in page and "规则" not in page and "actual_with_drill_mark" not in page


def test_the_ticks_stay_with_what_they_stand_for(client: FlaskClient, drafted: Any, database: Database) -> None:
    draft = drafted()
    client.post(f"/warnings/{draft.id}/audience", data={"audience": "residents", "version": 1})
    page = body(client.get(f"/warnings/{draft.id}/content"))
    assert page.count('<li class="ok">') == 2, "area and audience are kept while the content is looked at"


def test_the_author_is_not_sent_to_decide(app: flask.Flask, client: FlaskClient, world: World, submitted: Any) -> None:
    waiting = submitted()
    page = body(client.get(f"/warnings/{waiting.id}"))
    assert "看审批页" in page and "查看并决定" not in page
    assert "请带班领导用批准人账号登录" in body(client.get(f"/warnings/{waiting.id}/approve"))
    app.config["ACTOR"] = world.approver
    assert "查看并决定" in body(client.get(f"/warnings/{waiting.id}"))


def test_who_lifts_reads_how_many_will_be_told(
    client: FlaskClient, database: Database, approved: Any, world: World
) -> None:
    issue = approved()
    url = f"/warnings/{issue.warning_id}"
    assert "解除，通知" not in body(client.get(url)), "nobody was told yet"
    receipt(database, f"resident:{world.residents['family0']}", DeliveryState.DELIVERED)
    page = body(client.get(url))
    assert "解除，通知3人" in page and "撤销，通知3人" in page


def test_what_ends_a_warning_is_no_warning_in_force(
    client: FlaskClient, database: Database, approved: Any, world: World
) -> None:
    issue = approved()
    with database.write() as session:
        service.all_clear(session, actor=world.author, warning_id=issue.warning_id)
    page = body(client.get("/warnings"))
    assert "洪水红色预警解除" in page and "已发出" in page and "生效中" not in page.split("<tbody>")[1]
    row = page.split("<tbody>")[1].split("</tr>")[0]
    assert '<span class="level none">' in row and 'class="level r"' not in row


def test_an_exercise_wears_violet_in_the_list_and_waits_behind_what_is_real(
    app: flask.Flask, client: FlaskClient, database: Database, submitted: Any, world: World, clock: ManualClock
) -> None:
    submitted(status=WarningStatus.EXERCISE)
    clock.advance(timedelta(seconds=1))
    submitted()
    page = body(client.get("/warnings?status=Exercise"))
    assert "drillmark" in page and '<span class="state drill">演练</span>' in page
    app.config["ACTOR"] = world.approver
    with app.test_request_context(), database.read() as session:
        items = sorted(service.waiting(session, world.approver, clock.now()), key=urgency)
    assert [item.drill for item in items] == [False, True]
    assert all(item.due_at and item.due_at > clock.now() for item in items), "nothing is late that came just now"
    assert items[0].due_at == clock.now() + timedelta(minutes=2)


# --- doors --------------------------------------------------------------------------------------------------------


def test_a_door_leads_to_a_person(
    app: flask.Flask, client: FlaskClient, database: Database, approved: Any, world: World, clock: ManualClock
) -> None:
    issue = approved()
    make_lists(database, clock.now())
    liaison = world.liaison
    app.config["ACTOR"] = Actor(**{**liaison.__dict__, "roles": frozenset({Role.LIAISON})})
    page = body(client.get(f"/warnings/{issue.warning_id}/doors"))
    silent = world.residents["silent"]
    assert f'href="/residents/{silent}"' in page and f'action="/residents/{silent}/reveal"' in page
    assert "待上门2人" in page and "户</h1>" not in page


def test_the_sheet_is_journalled_before_it_is_read(
    app: flask.Flask, client: FlaskClient, database: Database, approved: Any, world: World, clock: ManualClock
) -> None:
    issue = approved()
    make_lists(database, clock.now())
    app.config["ACTOR"] = world.approver
    url = f"/warnings/{issue.warning_id}/doors/sheet"
    assert client.post(url, data={"division": VILLAGE}).status_code == 422
    answer = client.post(url, data={"division": VILLAGE, "purpose": "evacuation"})
    page = body(answer)
    assert page.count("张某一") == 2 and answer.headers["Cache-Control"] == "no-store, private"
    with database.read() as session:
        entries = session.scalars(
            sa.select(journal.JournalEntry).where(journal.JournalEntry.kind == "personal.exported")
        ).all()
        assert len(entries) == 1
        assert session.scalar(sa.select(sa.func.count()).select_from(DoorVisit)) == 2


def test_a_sheet_of_another_area_is_refused(
    app: flask.Flask, client: FlaskClient, database: Database, approved: Any, world: World, clock: ManualClock
) -> None:
    issue = approved()
    make_lists(database, clock.now())
    app.config["ACTOR"] = world.liaison
    url = f"/warnings/{issue.warning_id}/doors/sheet"
    assert client.post(url, data={"division": "120118102201", "purpose": "evacuation"}).status_code == 403
