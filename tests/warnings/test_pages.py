"""Pages, without JavaScript: each step posts, keeps what was typed, and can be left."""

from __future__ import annotations

import re
from typing import Any

import flask
import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from emergency.config import Config
from emergency.http.actor import Actor
from emergency.warnings import service, views
from emergency.warnings.doors import make_lists
from emergency.warnings.models import Audience, DoorVisit, Warning, WarningState, WarningStatus
from kernel.clock import ManualClock
from kernel.db import Database
from tests.asking.support import app_with
from tests.warnings.support import BARE_VILLAGE, SQUARE, VILLAGE, World

CONTENT = {
    "status": "Actual", "event_code": "11A01", "level": "red", "source": "own", "headline": "洪水红色预警",
    "description": "东淀水位上涨快", "instruction": "听村干部安排转移", "effective": "2026-11-23T09:00",
    "expires": "2026-11-24T09:00",
}  # fmt: skip
CORNERS = " ".join(f"{lon},{lat}" for lon, lat in SQUARE[:-1])


@pytest.fixture
def app(database: Database, config: Config, world: World) -> flask.Flask:
    app = app_with(database, config, [views])
    app.config["ACTOR"] = world.author
    return app


@pytest.fixture
def client(app: flask.Flask) -> FlaskClient:
    return app.test_client()


def one(database: Database) -> Warning:
    with database.read() as session:
        return session.scalars(sa.select(Warning).order_by(Warning.id.desc()).limit(1)).one()


def body(answer: Any, status: int = 200) -> str:
    assert answer.status_code == status, answer.get_data(as_text=True)[-2000:]
    text: str = answer.get_data(as_text=True)
    return text


def test_every_page_of_a_warning_opens_in_both_languages(
    app: flask.Flask, client: FlaskClient, world: World, submitted: Any, approved: Any, database: Database,
    clock: ManualClock,
) -> None:  # fmt: skip
    waiting = submitted(area={"divisions": [VILLAGE], "polygons": [SQUARE]})
    issue = approved()
    drill = approved(status=WarningStatus.EXERCISE)
    make_lists(database, clock.now())
    paths = ["", "/new", "/new?status=Exercise", "?group=ended&level=red&q=洪水"]
    paths += [f"/{waiting.id}/{step}".rstrip("/") for step in ("content", "area", "audience", "preview", "approve", "")]
    for warning_id in (issue.warning_id, drill.warning_id):
        paths += [f"/{warning_id}/{step}".rstrip("/") for step in ("", "deliveries", "doors", "print", "board")]
    for language in ("zh", "en"):
        client.set_cookie("language", language)
        for path in paths:
            page = body(client.get(f"/warnings{path}"))
            assert page.count("<h1") == 1, path
            assert 'style="' not in page and "onclick" not in page and "<script>" not in page, path
            for field_id in re.findall(r'<label class="form-label" for="([^"]+)"', page):
                assert f'id="{field_id}"' in page, (path, field_id)
    assert client.get("/warnings/board").status_code == 303


def test_a_quiet_wall_says_so(client: FlaskClient) -> None:
    assert 'http-equiv="refresh"' in body(client.get("/warnings/board"))


def test_the_wizard_from_the_first_word_to_the_phone(
    app: flask.Flask, client: FlaskClient, world: World, database: Database
) -> None:
    assert client.post("/warnings/new", data=CONTENT).status_code == 303
    draft = one(database)
    area = client.post(f"/warnings/{draft.id}/area", data={"polygons": CORNERS, "version": draft.version})
    assert area.headers["Location"].endswith("/area"), "a village without a point is to be decided"
    page = body(client.get(f"/warnings/{draft.id}/area"))
    assert "南坝台" in page and f'name="decide-{BARE_VILLAGE}"' in page
    decided = client.post(
        f"/warnings/{draft.id}/area",
        data={"polygons": CORNERS, f"decide-{BARE_VILLAGE}": "in", "version": one(database).version},
    )
    assert decided.headers["Location"].endswith("/audience")
    assert one(database).area["included"] == [BARE_VILLAGE]
    counted = client.post(f"/warnings/{draft.id}/audience", data={"audience": "all", "version": one(database).version})
    assert counted.headers["Location"].endswith("/preview")
    page = body(client.get(f"/warnings/{draft.id}/preview"))
    assert "【静海应急】洪水红色预警" in page and "<svg" in page
    done = client.post(f"/warnings/{draft.id}/submit", data={"version": one(database).version})
    assert done.status_code == 303
    waiting = one(database)
    assert (waiting.state, waiting.audience) == (WarningState.SUBMITTED, Audience.ALL)

    app.config["ACTOR"] = world.approver
    people = waiting.estimate["everybody"] if waiting.estimate else 0
    page = body(client.get(f"/warnings/{waiting.id}/approve"))
    assert f"红色 {people}" in page
    given = {"version": waiting.version, "confirm": "红色 1"}
    wrong = body(client.post(f"/warnings/{waiting.id}/approve", data=given), 422)
    assert f"红色 {people}" in wrong and one(database).state is WarningState.SUBMITTED
    right = client.post(f"/warnings/{waiting.id}/approve", data=given | {"confirm": f"红色 {people}"})
    assert right.status_code == 303
    assert one(database).state is WarningState.ISSUED


def test_what_was_typed_is_kept_when_it_is_refused(client: FlaskClient, database: Database) -> None:
    page = body(client.post("/warnings/new", data=CONTENT | {"event_code": "11B03", "headline": "暴雨红色预警"}), 422)
    assert "东淀水位上涨快" in page and 'role="alert"' in page
    with database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Warning)) == 0


def test_a_refused_edit_changes_nothing(client: FlaskClient, database: Database, drafted: Any) -> None:
    draft = drafted()
    answer = client.post(
        f"/warnings/{draft.id}/content", data=CONTENT | {"headline": "洪水蓝色预警", "version": draft.version}
    )
    assert "洪水蓝色预警" in body(answer, 422)
    assert (one(database).headline, one(database).version) == ("洪水红色预警", 1)


def test_a_crossing_polygon_is_refused_where_it_was_typed(
    client: FlaskClient, database: Database, drafted: Any
) -> None:
    draft = drafted()
    crossing = "116.6,38.9 116.8,39.0 116.8,38.9 116.6,39.0"
    page = body(client.post(f"/warnings/{draft.id}/area", data={"polygons": crossing, "version": 1}), 422)
    assert crossing in page and 'aria-invalid="true"' in page and "自相交" in page
    assert "polygon_self_crossing" not in page and "规则" not in page, "codes are for programmes"


def test_geojson_is_read(client: FlaskClient, database: Database, drafted: Any) -> None:
    draft = drafted()
    shape = flask.json.dumps({"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [SQUARE]}})
    assert client.post(f"/warnings/{draft.id}/area", data={"polygons": shape, "version": 1}).status_code == 303
    assert one(database).area["polygons"] == [SQUARE]


def test_two_windows_cannot_both_save(client: FlaskClient, database: Database, drafted: Any) -> None:
    draft = drafted()
    assert client.post(f"/warnings/{draft.id}/audience", data={"audience": "all", "version": 1}).status_code == 303
    assert client.post(f"/warnings/{draft.id}/audience", data={"audience": "posts", "version": 1}).status_code == 422
    assert one(database).audience is Audience.ALL


def test_the_road_is_chosen_on_the_page_and_the_preview_shows_what_a_call_says(
    client: FlaskClient, database: Database, drafted: Any
) -> None:
    draft = drafted()
    page = body(client.get(f"/warnings/{draft.id}/audience"))
    assert "先发短信，未送达者再打语音电话" in page
    choice = {"audience": "all", "channels": "sms,voice", "version": draft.version}
    assert client.post(f"/warnings/{draft.id}/audience", data=choice).status_code == 303
    assert list(one(database).channels) == ["sms", "voice"]
    preview = body(client.get(f"/warnings/{draft.id}/preview"))
    assert "电话播报内容" in preview and "听到请按 1" in preview
    wrong = {**choice, "channels": "pigeon", "version": one(database).version}
    assert "通道" in body(client.post(f"/warnings/{draft.id}/audience", data=wrong), 422)
    assert list(one(database).channels) == ["sms", "voice"]


def test_an_exercise_wants_its_own_words(client: FlaskClient, database: Database, drafted: Any) -> None:
    draft = drafted(status=WarningStatus.EXERCISE)
    client.post(f"/warnings/{draft.id}/audience", data={"audience": "residents", "version": 1})
    version = one(database).version
    page = body(client.post(f"/warnings/{draft.id}/submit", data={"version": version, "confirm": "红色 6"}), 422)
    assert 'class="drill"' in page and "演练 6" in page
    done = client.post(f"/warnings/{draft.id}/submit", data={"version": version, "confirm": "演练 6"})
    assert done.status_code == 303


def test_the_author_is_told_that_another_person_approves(client: FlaskClient, submitted: Any) -> None:
    waiting = submitted()
    page = body(client.get(f"/warnings/{waiting.id}/approve"))
    assert 'class="btn btn-issue"' not in page
    assert client.post(f"/warnings/{waiting.id}/approve", data={"version": waiting.version}).status_code == 403


def test_returning_needs_words_and_keeps_the_choice(
    app: flask.Flask, client: FlaskClient, world: World, database: Database, submitted: Any
) -> None:
    waiting = submitted()
    app.config["ACTOR"] = world.approver
    body(client.post(f"/warnings/{waiting.id}/refuse", data={"decision": "return", "about": "范围要改"}), 422)
    given = {"decision": "return", "about": "范围要改", "reason": "请加胜利村", "version": waiting.version}
    assert client.post(f"/warnings/{waiting.id}/refuse", data=given).status_code == 303
    back = one(database)
    assert (back.state, back.decision_reason) == (WarningState.RETURNED, "范围要改：请加胜利村")
    app.config["ACTOR"] = world.author
    assert "请加胜利村" in body(client.get(f"/warnings/{waiting.id}/content"))


def test_breaking_the_glass_on_the_page(
    app: flask.Flask, client: FlaskClient, world: World, database: Database
) -> None:
    both = Actor(**{**world.author.__dict__, "roles": world.author.roles | world.approver.roles})
    app.config["ACTOR"] = both
    client.post("/warnings/new", data=CONTENT)
    draft = one(database)
    client.post(f"/warnings/{draft.id}/area", data={"divisions": [VILLAGE], "version": 1})
    client.post(f"/warnings/{draft.id}/submit", data={"version": one(database).version})
    waiting = one(database)
    given = {"version": waiting.version, "confirm": "红色 6", "reason": ""}
    body(client.post(f"/warnings/{waiting.id}/break-glass", data=given), 422)
    done = client.post(f"/warnings/{waiting.id}/break-glass", data=given | {"reason": "批准人无人接听"})
    assert done.status_code == 303 and one(database).state is WarningState.ISSUED


def test_lifting_confirming_and_visiting_from_the_pages(
    client: FlaskClient, world: World, database: Database, approved: Any, clock: ManualClock
) -> None:
    issue = approved()
    make_lists(database, clock.now())
    url = f"/warnings/{issue.warning_id}"
    given = {"post_id": world.posts["gong"], "method": "radio", "at": "", "note": "锣已敲响"}
    assert client.post(f"{url}/acknowledgements", data=given).status_code == 303
    body(client.post(f"{url}/acknowledgements", data=given | {"at": "2026-11-22T09:00"}), 422)
    with database.read() as session:
        door = session.scalars(sa.select(DoorVisit)).first()
    assert door
    assert client.post(f"{url}/doors/{door.id}", data={"outcome": "told"}).status_code == 303
    assert "已当面告知" in body(client.get(f"{url}/doors?outcome=told"))
    body(client.post(f"{url}/cancel", data={"reason": ""}), 422)
    update = client.post(f"{url}/update")
    assert update.status_code == 303 and update.headers["Location"].endswith("/content")
    assert client.post(f"{url}/all-clear", data={"text": "水位已回落，转移要求解除"}).status_code == 303
    with database.read() as session:
        assert session.get_one(Warning, issue.warning_id).state is WarningState.ENDED


def test_an_audience_that_moved_is_counted_again_on_the_page(
    app: flask.Flask, client: FlaskClient, world: World, database: Database, submitted: Any
) -> None:
    from tests.warnings.support import phone, settle

    waiting = submitted()
    with database.write() as session:
        settle(session, "new", world, VILLAGE, phone=phone(50))
    app.config["ACTOR"] = world.approver
    assert "recount" in body(client.get(f"/warnings/{waiting.id}/approve"))
    body(client.post(f"/warnings/{waiting.id}/approve", data={"version": waiting.version, "confirm": "红色 6"}), 409)
    assert client.post(f"/warnings/{waiting.id}/recount", data={"version": waiting.version}).status_code == 303
    given = {"version": one(database).version, "confirm": "红色 7"}
    assert client.post(f"/warnings/{waiting.id}/approve", data=given).status_code == 303


def test_in_force_and_what_waits_are_for_the_shell(database: Database, world: World, approved: Any) -> None:
    issue = approved()
    with database.read() as session:
        (item,) = service.in_force(session, world.liaison)
        assert (item.title, item.area, item.url) == ("洪水红色预警", "台头镇义和村", f"/warnings/{issue.warning_id}")
        assert service.open_count(session, world.author) == 1


def test_the_form_shows_the_phone_without_a_script_and_keeps_nothing(client: FlaskClient, database: Database) -> None:
    page = body(client.post("/warnings/new", data={**CONTENT, "instruction": "请立即转移。" * 20, "look": "1"}))
    assert "【静海应急】洪水红色预警：东淀水位上涨快。" in re.sub(r"<[^>]+>", "", page)
    assert re.search(r"2 (part|条)|共 ?\d+ ?字|part", page)
    assert 'class="phone"' in page and "请立即转移。请立即转移。" in page
    with database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Warning)) == 0
    drill = body(client.post("/warnings/new", data={**CONTENT, "status": "Exercise", "look": "1"}))
    shown = re.sub(r"<[^>]+>", "", drill[drill.index('class="phone"') :])
    assert "【静海应急】【演练】" in shown and shown.count("【演练】") >= 2


@pytest.mark.parametrize(("status", "words"), [("Exercise", "这不是演练"), ("Actual", "这是一次演练")])
def test_the_form_does_not_show_what_may_not_leave(client: FlaskClient, status: str, words: str) -> None:
    page = body(
        client.post("/warnings/new", data={**CONTENT, "status": status, "instruction": words, "look": "1"}), 422
    )
    assert 'class="phone"' not in page and words.removeprefix("这") in page


def test_the_order_is_said_where_it_is_counted(client: FlaskClient, submitted: Any) -> None:
    drawn = submitted(area={"polygons": [SQUARE]})
    named = submitted(area={"divisions": [VILLAGE]})
    assert "离险情" in body(client.get(f"/warnings/{drawn.id}/preview"))
    assert "离险情" not in body(client.get(f"/warnings/{named.id}/preview"))
