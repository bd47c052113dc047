"""The pages of the engine room: what they say, to whom, in both languages."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from emergency.http.permissions import Role
from emergency.privacy.journal import JournalEntry
from emergency.runtime import Runtime
from kernel.clock import ManualClock
from kernel.db import Database
from notify import service as notify
from notify.models import BreakerState, Broadcast, ChannelState, Delivery, DeliveryState, RawReceipt, ReceiptKind
from tests.asking.support import TOWN
from tests.engineroom.conftest import Scene

Visit = Callable[..., FlaskClient]
Enter = Callable[..., Broadcast]
LIVE = "/system/delivery"
PAGES = (LIVE, f"{LIVE}/codes", f"{LIVE}/broadcasts", f"{LIVE}/by-hand")


def road(database: Database, clock: ManualClock, **changes: object) -> None:
    with database.write() as session:
        values = {"holder": "engine-1", "name": "twilio", "channel": "sms", "kinds": "actual,notice,test",
                  "configured_rate": 100.0, "rate": 100.0, "updated_at": clock.now()} | changes  # fmt: skip
        session.merge(ChannelState(**values))


@pytest.mark.parametrize("role", [Role.DUTY_OFFICER, Role.APPROVER, Role.ADMINISTRATOR, Role.AUDITOR])
def test_who_may_look(signed_in: Visit, scene: Scene, role: Role) -> None:
    client = signed_in(role)
    for path in (*PAGES, f"{LIVE}/broadcasts/{scene.broadcast}", f"{LIVE}/messages/{scene.mine[0]}"):
        assert client.get(path).status_code == 200, path


@pytest.mark.parametrize("role", [Role.LIAISON, Role.VILLAGE_OFFICER, Role.STOREKEEPER, Role.PLANNER])
def test_who_may_not(signed_in: Visit, scene: Scene, role: Role) -> None:
    client = signed_in(role)
    for path in (*PAGES, f"{LIVE}/broadcasts/{scene.broadcast}", f"{LIVE}/messages/{scene.mine[0]}"):
        assert client.get(path).status_code == 403, path


def test_another_towns_message_is_not_there(signed_in: Visit, scene: Scene) -> None:
    client = signed_in(Role.DUTY_OFFICER, division=TOWN)
    assert client.get(f"{LIVE}/messages/{scene.elsewhere}").status_code == 404
    assert f"messages/{scene.elsewhere}" not in client.get(f"{LIVE}/broadcasts/{scene.broadcast}").text


def test_the_live_page_tells_lanes_engines_accounts_and_errors_in_words(
    signed_in: Visit, database: Database, clock: ManualClock, enter: Enter, beating: None
) -> None:
    enter()
    road(database, clock, last_error="30007", last_error_at=clock.now(), troubles=3)
    page = signed_in(Role.DUTY_OFFICER).get(LIVE).text
    assert "3 条消息待发" in page and "engine-1" in page and "twilio" in page
    assert "网络把文字当作广告或诈骗拦截" in page and "30007" in page and "致电运营商" in page
    client = signed_in(Role.DUTY_OFFICER)
    client.set_cookie("language", "en")
    page = client.get(LIVE).text
    assert "3 messages wait to leave" in page and "The network held the text for advertising or fraud" in page


def test_an_unknown_code_is_shown_as_it_is(
    signed_in: Visit, database: Database, clock: ManualClock, beating: None
) -> None:
    road(database, clock, last_error="98765", last_error_at=clock.now())
    assert "98765" in signed_in(Role.DUTY_OFFICER).get(LIVE).text


def test_a_breaker_that_is_open_is_said_so(
    signed_in: Visit, database: Database, clock: ManualClock, beating: None
) -> None:
    until = clock.now() + timedelta(seconds=20)
    road(database, clock, breaker=BreakerState.OPEN, paused_until=until)
    assert "连续出错已断开，09:00:20 再试" in signed_in(Role.DUTY_OFFICER).get(LIVE).text


def test_the_middle_of_the_page_renews_itself_and_reloads_without_a_script(signed_in: Visit, beating: None) -> None:
    client = signed_in(Role.DUTY_OFFICER)
    whole = client.get(LIVE).text
    part = client.get(LIVE, headers={"HX-Request": "true"}).text
    assert 'http-equiv="refresh"' in whole and "<h1>" in whole
    assert 'hx-trigger="every 5s"' in part and "<h1>" not in part and part.lstrip().startswith('<div id="live"')


def test_the_alarm_stands_on_the_workbench_and_in_the_strip_with_cause_and_remedy(
    signed_in: Visit, database: Database, clock: ManualClock, enter: Enter, client: FlaskClient
) -> None:
    enter()
    visitor = signed_in(Role.APPROVER)
    assert "一条也没有发出" not in visitor.get("/").text
    clock.advance(31)
    page = visitor.get("/").text
    assert page.count("3 条实警消息待发，已有 31 秒一条也没有发出") == 2 + 1  # strip, side, workbench
    assert "没有引擎在运行" in page and "emergency serve" in page and f'href="{LIVE}"' in page
    ready = client.get("/readyz")
    assert ready.status_code == 503 and ready.json["checks"]["delivery"] == "unfit"
    visitor.set_cookie("language", "en")
    assert "3 real warnings wait and nothing has left for 31 seconds" in visitor.get("/").text


def test_a_person_settles_on_the_page(signed_in: Visit, database: Database, scene: Scene, runtime: Runtime) -> None:
    client = signed_in(Role.DUTY_OFFICER)
    page = client.get(f"{LIVE}/by-hand").text
    assert "154****0001" in page and "15400000001" not in page and "已提交" in page
    seen = re.findall(r'name="seen" value="([^"]+)"', page)
    path = f"{LIVE}/messages/{scene.mine[0]}/settle"
    assert client.post(path, data={"outcome": "failed", "seen": seen[0], "reason": ""}).status_code == 422
    assert client.post(path, data={"outcome": "maybe", "seen": seen[0], "reason": "x"}).status_code == 422
    done = client.post(path, data={"outcome": "failed", "seen": seen[0], "reason": "本人说没收到"})
    assert done.status_code == 303
    assert client.post(path, data={"outcome": "submitted", "seen": seen[0], "reason": "y"}).status_code == 409
    with database.read() as session:
        assert session.get_one(Delivery, scene.mine[0]).state is DeliveryState.FAILED
    assert "本人说没收到" in client.get(f"{LIVE}/messages/{scene.mine[0]}").text
    whole = f"{LIVE}/broadcasts/{scene.broadcast}/settle"
    assert client.post(whole, data={"outcome": "submitted", "expected": "3", "reason": "z"}).status_code == 409
    assert client.post(whole, data={"outcome": "submitted", "expected": "2", "reason": "z"}).status_code == 303
    assert "没有需要人工判定的消息" in client.get(f"{LIVE}/by-hand").text


def test_who_may_only_look_sees_no_button(signed_in: Visit, scene: Scene) -> None:
    client = signed_in(Role.AUDITOR)
    assert 'name="outcome"' not in client.get(f"{LIVE}/by-hand").text
    answer = client.post(f"{LIVE}/messages/{scene.mine[0]}/settle", data={"outcome": "failed", "reason": "x"})
    assert answer.status_code == 403


def test_the_providers_words_are_shown_for_a_purpose_and_journalled_first(
    signed_in: Visit, database: Database, clock: ManualClock, scene: Scene, runtime: Runtime
) -> None:
    sealer = database.service("ports").sealer
    with database.write() as session:
        raw = RawReceipt(
            kind=ReceiptKind.STATUS, channel="sms", delivery_id=scene.mine[0], received_at=clock.now(),
            sealed=sealer.seal(json.dumps({"url": "https://x", "form": {"To": "+8615400000001", "MessageStatus": "sent"}})),
            folded_at=clock.now(), outcome="submitted",
        )  # fmt: skip
        session.add(raw)
        session.flush()
        raw_id = raw.id
    officer = signed_in(Role.DUTY_OFFICER)
    page = officer.get(f"{LIVE}/messages/{scene.mine[0]}").text
    assert "15400000001" not in page and "运营商原文" in page
    path = f"{LIVE}/answers/{raw_id}/reveal"
    assert officer.post(path, data={}).status_code == 422
    shown = officer.post(path, data={"purpose": "warning"})
    assert shown.status_code == 200 and "+8615400000001" in shown.text and "MessageStatus" in shown.text
    with database.read() as session:
        entry = session.scalars(sa.select(JournalEntry).where(JournalEntry.kind == "personal.revealed")).one()
        assert (entry.purpose, entry.subject_kind, entry.subject_id) == ("warning", "delivery", scene.mine[0])
    assert signed_in(Role.AUDITOR).post(path, data={"purpose": "audit"}).status_code == 403
    assert (
        signed_in(Role.DUTY_OFFICER, division="120118100000").post(path, data={"purpose": "audit"}).status_code == 404
    )


def test_the_history_tells_what_is_stored(
    signed_in: Visit, database: Database, enter: Enter, clock: ManualClock
) -> None:
    record = enter()
    with database.write() as session:
        row = session.get_one(Delivery, record.first_id + 1)
        row.state, row.attempt, row.provider_ref, row.reason = DeliveryState.FAILED, 1, "SM77", "30003"
        assert notify.position(row.id) == 1
    page = signed_in(Role.DUTY_OFFICER).get(f"{LIVE}/messages/{record.first_id + 1}").text
    for words in ("写入发送台账", "尝试 1 次", "SM77", "手机无法接通", "第 1 条，共 3 条", "154****0001"):
        assert words in page, words
