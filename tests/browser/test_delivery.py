"""The engine room in a real browser: it renews itself, everybody can use it, and it looks after what is unknown."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("default")]


@pytest.fixture(scope="module")
def paths(product: Any) -> list[str]:
    """The pages of the engine room, with messages that a person has to settle."""
    from notify import ledger, watch
    from notify.models import ChannelState, Delivery, DeliveryState

    database = product.runtime.database
    with database.write() as session:
        rows = session.scalars(
            sa.select(Delivery).where(Delivery.state == DeliveryState.QUEUED).order_by(Delivery.id).limit(3)
        ).all()
        change = ledger.TallyChange()
        for row in rows:
            change.move(row.broadcast_id, row.division, row.channel, row.people, row.state, DeliveryState.UNKNOWN)
            row.state, row.reason, row.attempt = DeliveryState.UNKNOWN, watch.BY_HAND, 1
        change.write(session)
        session.merge(
            ChannelState(
                holder="engine-1", name="twilio", channel="sms", kinds="actual,notice,test", configured_rate=100,
                rate=66, last_error="http_429", last_error_at=database.clock.now(), updated_at=database.clock.now(),
            )
        )  # fmt: skip
        first, broadcast = rows[0].id, rows[0].broadcast_id
    base = "/system/delivery"
    return [base, f"{base}/codes", f"{base}/broadcasts", f"{base}/broadcasts/{broadcast}", f"{base}/by-hand",
            f"{base}/messages/{first}"]  # fmt: skip


@pytest.mark.parametrize(("language", "width"), [("zh", 360), ("en", 1280), ("zh", 1280), ("en", 360)])
def test_its_pages_can_be_used_by_everybody(visit: Any, paths: list[str], language: str, width: int) -> None:
    from tests.browser import test_pages as sweep

    tab = visit(language, width)
    found = {path: sweep.complaints(tab, path, phone=width == 360, chinese=language == "zh") for path in paths}
    assert not any(found.values()), found


def test_the_live_page_renews_its_middle(visit: Any, paths: list[str]) -> None:
    tab = visit("zh")
    tab.goto(paths[0])
    first = tab.inner_text("#live > p.meta")
    tab.wait_for_function(
        "text => document.querySelector('#live > p.meta time').getAttribute('datetime') !== text",
        arg=tab.get_attribute("#live > p.meta time", "datetime"),
        timeout=9000,
    )
    assert first and tab.locator("#live").count() == 1 and tab.locator("h1").count() == 1


def test_a_person_settles_one_without_a_script(visit: Any, paths: list[str]) -> None:
    tab = visit("zh", 360, java_script_enabled=False)
    tab.goto("/system/delivery/by-hand")
    card = tab.locator("form[action*='/messages/']").first
    card.locator("input[name=reason]").fill("本人来电说已收到")
    card.locator("button[value=submitted]").click()
    assert "已判定" in tab.inner_text("main")
