"""A number that a provider refuses for good is a red defect of its post, until it is changed or a message arrives."""

from __future__ import annotations

from collections.abc import Callable, Collection

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from emergency.people.contacts import refusals
from emergency.people.contacts import service as contacts
from emergency.people.contacts.models import Contact, NumberRefusal
from emergency.people.posts import service
from emergency.people.posts.defects import defects
from emergency.people.posts.models import Duty, Post
from emergency.privacy.journal import JournalEntry
from emergency.readiness.models import Severity
from emergency.readiness.rules import read
from emergency.wiring import Outcomes
from kernel.clock import ManualClock
from kernel.db import Database
from notify.models import Broadcast, DeliveryState, Kind
from notify.ports import Settled
from notify.service import BroadcastSpec, Recipient, deliver
from tests.posts.conftest import CONSOLE

Make = Callable[..., Post]


def holder(tree: Database, post: Post) -> tuple[int, bytes]:
    with tree.read() as session:
        contact_id = service.contact_of(session, [post.id])[post.id]
        key = session.get_one(Contact, contact_id).phone_index
        assert key is not None
        return contact_id, key


def refuse(tree: Database, post: Post, code: str, key: bytes) -> None:
    with tree.write() as session:
        Outcomes().defect(session, f"post:{post.id}", code, number_key=key, channel="sms")


def open_rules(tree: Database, clock: ManualClock, limit: Collection[tuple[str, int]] | None = None) -> list[str]:
    with tree.read() as session:
        return [d.rule for d in defects(session, clock.now(), limit) if d.rule == "post_number_refused"]


def test_a_refused_number_is_red_and_told_once(make_post: Make, tree: Database, clock: ManualClock) -> None:
    post = make_post()
    contact_id, key = holder(tree, post)
    for _ in range(3):
        refuse(tree, post, "21614", key)
    with tree.read() as session:
        found = [d for d in defects(session, clock.now()) if d.rule == "post_number_refused"]
        assert [(d.subject_id, d.params["code"], d.url) for d in found] == [(post.id, "21614", f"/posts/{post.id}")]
        assert read(found[0]).severity is Severity.RED
        told = session.scalars(sa.select(JournalEntry).where(JournalEntry.kind == "delivery.number_refused")).all()
        assert len(told) == 1
    assert open_rules(tree, clock, [("contact", contact_id)]) == ["post_number_refused"]
    assert open_rules(tree, clock, [("plan", 1)]) == []


def test_it_closes_when_the_number_is_changed(make_post: Make, tree: Database, clock: ManualClock) -> None:
    post = make_post()
    contact_id, key = holder(tree, post)
    refuse(tree, post, "30005", key)
    with tree.write() as session:
        contacts.change(session, actor=CONSOLE, contact_id=contact_id, phone="15400009876")
    assert open_rules(tree, clock) == []
    refuse(tree, post, "30005", key)  # a late word about the old number says nothing of the new one
    assert open_rules(tree, clock) == []


def test_it_closes_when_a_message_arrives_there(make_post: Make, tree: Database, clock: ManualClock) -> None:
    post, other = make_post(), make_post(duty=Duty.LIAISON, phone="15400001112")
    for one in (post, other):
        refuse(tree, one, "30006", holder(tree, one)[1])
    contact_id, key = holder(tree, post)
    with tree.write() as session:
        spec = BroadcastSpec(
            kind=Kind.NOTICE, priority=5, text="测试短信。", valid_until=clock.now().replace(year=2999), channels=["sms"],
            subject_kind="test", subject_id=1,
        )  # fmt: skip
        record: Broadcast = deliver(session, spec, [Recipient(f"post:{post.id}", post.division_code, contact_id, key)])
        result = Settled(
            record.first_id + 1, f"post:{post.id}", post.division_code, DeliveryState.DELIVERED.value, None
        )
        Outcomes().settled(session, record, [result])
        assert list(session.scalars(sa.select(NumberRefusal.number_key))) == [holder(tree, other)[1]]
    assert open_rules(tree, clock) == ["post_number_refused"]


@pytest.mark.parametrize("code", ["21610", "no_address"])
def test_an_objection_and_a_missing_number_are_other_faults(
    make_post: Make, tree: Database, clock: ManualClock, code: str
) -> None:
    post = make_post()
    refuse(tree, post, code, holder(tree, post)[1])
    assert open_rules(tree, clock) == []


def test_the_page_of_the_post_says_so(make_post: Make, tree: Database, browser: FlaskClient) -> None:
    post = make_post()
    refuse(tree, post, "21614", holder(tree, post)[1])
    page = browser.get(f"/posts/{post.id}").get_data(as_text=True)
    assert "永久拒收（21614）" in page or "refused for good (21614)" in page


def test_every_code_that_is_permanent_has_its_words() -> None:
    from notify.rules import PERMANENT_REASONS

    assert PERMANENT_REASONS - {"21610"} == set(refusals.WORDS)
