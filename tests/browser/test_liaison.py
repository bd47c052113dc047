"""A liaison with a cheap phone: the message as the local gateway's phone got it, its link in a real browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.house import House, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("default")]
PHONE, OTHER = "+8615400000001", "+8615400000002"
PHONE_SIZE = {"width": 360, "height": 640}
WECHAT = (
    "Mozilla/5.0 (Linux; Android 10; HMA-AL00) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/107.0 "
    "Mobile Safari/537.36 XWEB/5023 MMWEBSDK/20230202 MicroMessenger/8.0.33.2320(0x28002151)"
)
BOXES = """() => [...document.querySelectorAll('button, summary, input:not([type=hidden]), a')]
    .filter(one => one.getClientRects().length)
    .map(one => { const box = one.getBoundingClientRect();
                  return {text: one.innerText || one.name, height: box.height, width: box.width, bottom: box.bottom,
                          size: parseFloat(getComputedStyle(one).fontSize), link: one.tagName === 'A'} })"""
SMALLEST = """() => Math.min(...[...document.querySelectorAll('.m *')].filter(one => one.innerText)
    .map(one => parseFloat(getComputedStyle(one).fontSize)))"""


def _build(database: Any) -> dict[str, int]:
    from emergency.drills import lawbook, service
    from emergency.drills.models import DrillKind, Form, Occurrence
    from emergency.http.actor import Actor
    from emergency.people.posts.models import Duty
    from kernel.clock import BEIJING
    from scheduler.recurrence import Freq, Recurrence
    from tests.plans.support import TAITOU, YIHE, add_post, places

    with database.write() as session:
        places(session)
        lawbook.load(session)
        chief = add_post(session, TAITOU, Duty.LIAISON, PHONE.removeprefix("+86"))
        gong = add_post(session, YIHE, Duty.GONG_KEEPER, OTHER.removeprefix("+86"))
        at = database.clock.now().astimezone(BEIJING) + timedelta(days=9)
        service.create_programme(
            session, actor=Actor.system("test"),
            facts=service.NewProgramme(
                "台头镇防汛转移演练", DrillKind.FLOOD, Form.FIELD, TAITOU,
                Recurrence(Freq.YEARLY, at.date(), until=at.date()), at.time().replace(tzinfo=None),
                place="义和村村委会门口", post_ids=[chief, gong],
            ),
        )  # fmt: skip
        occurrence = session.scalars(sa.select(Occurrence.id)).one()
    with database.write() as session:
        service.invite(session, actor=Actor.system("test"), occurrence_id=occurrence)
    return {"chief": chief, "gong": gong, "occurrence": occurrence}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with House(tmp_path, _build) as built:
        yield built


@pytest.fixture
def phone(chromium: Any) -> Iterator[Any]:
    """A cheap phone: 360 pixels, WeChat's own browser, no script."""
    context = chromium.new_context(viewport=PHONE_SIZE, user_agent=WECHAT, java_script_enabled=True, locale="zh-CN")
    yield context.new_page()
    context.close()


def _link(house: House, number: str) -> str:
    """The address in the text that this phone got."""
    found: list[str] = []

    def arrived() -> bool:
        found[:] = [text for to, text in house.messages() if to == number and "/c/" in text]
        return bool(found)

    wait_for(arrived)
    address = re.search(r"http://\S+/c/[\w-]+", found[-1])
    assert address is not None and "请确认是否参加演练" in found[-1]
    return address[0]


def _said(house: House, post_id: int) -> str | None:
    from emergency.drills.models import Invitation

    with house.database.read() as session:
        answer = session.scalars(sa.select(Invitation.answer).where(Invitation.post_id == post_id)).one()
    return answer.value if answer is not None else None


def test_a_liaison_confirms_from_a_cheap_phone(house: House, phone: Any, tmp_path: Path) -> None:
    asked_for: list[str] = []
    phone.on("request", lambda request: asked_for.append(request.url))
    phone.goto(_link(house, PHONE))
    assert _said(house, house.world["chief"]) is None, "looking is no answer"
    assert len(asked_for) == 1, asked_for
    boxes = phone.evaluate(BOXES)
    assert [box["text"] for box in boxes[:2]] == ["能参加", "不能参加"]
    assert all(box["height"] >= 60 for box in boxes), boxes
    assert min(box["height"] for box in boxes[:2]) > max(box["height"] for box in boxes[2:])
    assert all(box["bottom"] <= PHONE_SIZE["height"] for box in boxes[:4]), "every way to answer is on the first screen"
    assert phone.evaluate(SMALLEST) >= 18
    assert phone.evaluate("document.documentElement.scrollWidth") <= PHONE_SIZE["width"]
    phone.get_by_role("button", name="能参加", exact=True).click()
    assert "已记下" in phone.inner_text("body") and _said(house, house.world["chief"]) == "yes"
    phone.reload()
    assert _said(house, house.world["chief"]) == "yes"


def test_a_village_officer_declines_without_a_script_and_then_proposes_another_day(house: House, chromium: Any) -> None:
    context = chromium.new_context(viewport=PHONE_SIZE, user_agent=WECHAT, java_script_enabled=False, locale="zh-CN")
    tab = context.new_page()
    tab.goto(_link(house, OTHER))
    tab.locator("summary", has_text="不能参加").click()
    tab.get_by_role("button", name="人在外地").click()
    assert "不能参加" in tab.locator(".d").inner_text() and _said(house, house.world["gong"]) == "no"
    day = house.database.clock.now() + timedelta(days=12)
    tab.locator("summary", has_text="建议改期").click()
    tab.locator("input[name=day]").fill(f"{day:%Y-%m-%d}")
    tab.locator("input[name=clock]").fill("14:00")
    tab.get_by_role("button", name="提出这个时间").click()
    assert "建议改期" in tab.locator(".d").inner_text() and _said(house, house.world["gong"]) == "other"
    context.close()


def test_a_code_that_was_read_out_is_typed_on_the_phone(house: House, phone: Any) -> None:
    from emergency.asking import service as asking
    from emergency.drills.models import Invitation
    from emergency.http.actor import Actor

    with house.database.write() as session:
        question = session.scalars(
            sa.select(Invitation.question_id).where(Invitation.post_id == house.world["chief"])
        ).one()
        [shown] = asking.show(session, actor=Actor.system("test"), question_ids=[question or 0]).values()
    phone.goto(f"{house.config.public_url}/c")
    boxes = phone.evaluate(BOXES)
    assert all(box["height"] >= 60 for box in boxes), boxes
    phone.get_by_label("八个字母").fill(shown.code.lower())
    phone.get_by_role("button", name="打开我的问题").click()
    phone.get_by_role("button", name="能参加", exact=True).click()
    assert _said(house, house.world["chief"]) == "yes"
