"""Sent is never reached; numbers and people are told apart; who looked is journalled."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from emergency.http.permissions import Role
from emergency.privacy import journal
from emergency.warnings import service
from emergency.warnings.doors import make_lists
from emergency.warnings.models import AckMethod, DoorOutcome, Issue
from kernel.clock import ManualClock
from kernel.db import Database
from kernel.errors import DomainError, Forbidden
from notify.models import Delivery, DeliveryState, DeliveryTally, Kind
from tests.conftest import make_actor
from tests.warnings.support import NEXT_VILLAGE, OTHER_VILLAGE, TOWN, VILLAGE, World


def receipt(database: Database, recipient: str, state: DeliveryState) -> int:
    """What settlement does for one message: the row and its tally."""
    with database.write() as session:
        row = session.scalars(
            sa.select(Delivery).where(Delivery.recipient == recipient, Delivery.kind == Kind.ACTUAL)
        ).one()
        for moved, sign in ((row.state, -1), (state, 1)):
            key = (row.broadcast_id, row.division, row.channel, moved)
            tally = session.get(DeliveryTally, key)
            if tally is None:
                tally = DeliveryTally(broadcast_id=key[0], division=key[1], channel=key[2], state=moved,
                                      messages=0, people=0)  # fmt: skip
                session.add(tally)
            tally.messages += sign
            tally.people += sign * row.people
        row.state = state
        return row.id


def reach(database: Database, world: World, issue: Issue) -> dict[str, Any]:
    with database.read() as session:
        return service.reach(session, actor=world.author, warning_id=issue.warning_id)


def test_sent_is_not_reached(database: Database, world: World, approved: Any) -> None:
    issue = approved()
    receipt(database, f"resident:{world.residents['family0']}", DeliveryState.SUBMITTED)
    found = reach(database, world, issue)
    assert (found["targeted"], found["targeted_people"], found["reached"]) == (2, 4, 0)
    assert found["by_state"] == {
        "queued": 1, "claimed": 0, "submitted": 1, "delivered": 0, "failed": 0, "unknown": 0, "expired": 0,
        "cancelled": 0,
    }  # fmt: skip
    assert sum(found["by_state"].values()) == found["targeted"]


def test_a_receipt_reaches_everybody_behind_the_number(database: Database, world: World, approved: Any) -> None:
    issue = approved()
    receipt(database, f"resident:{world.residents['family0']}", DeliveryState.DELIVERED)
    found = reach(database, world, issue)
    assert (found["reached"], found["reached_people"]) == (1, 3)
    (place,) = found["by_division"]
    assert (place["code"], place["name"], place["targeted_people"], place["reached_people"]) == (
        VILLAGE,
        "义和村",
        4,
        3,
    )
    (channel,) = found["by_channel"]
    assert (channel["channel"], channel["reached_people"]) == ("sms", 3)
    with database.read() as session:
        (item,) = service.in_force(session, world.author)
        assert item.reached == 0.5, "three of six: two more have to be told at the door"


def test_somebody_who_rings_back_after_the_receipt_counts_once(
    database: Database, world: World, approved: Any, clock: ManualClock
) -> None:
    issue = approved()
    delivery_id = receipt(database, f"resident:{world.residents['alone']}", DeliveryState.DELIVERED)
    clock.advance(timedelta(minutes=3))
    with database.write() as session:
        service.acknowledge(
            session, actor=world.author, warning_id=issue.warning_id, recipient_id=delivery_id, method=AckMethod.PHONE
        )
        service.acknowledge(
            session, actor=world.author, warning_id=issue.warning_id, post_id=world.posts["gong"],
            method=AckMethod.RADIO, at=clock.now() - timedelta(minutes=1), note="锣已敲响",
        )  # fmt: skip
    found = reach(database, world, issue)
    assert found["reached"] == 1, "the gong-keeper is the one who lives there: one number"
    assert found["acknowledged"] == 2


def test_a_word_by_radio_reaches_where_no_receipt_came(database: Database, world: World, approved: Any) -> None:
    issue = approved()
    with database.write() as session:
        for _ in range(2):
            service.acknowledge(
                session, actor=world.author, warning_id=issue.warning_id, method=AckMethod.VISIT,
                recipient_id=world.residents["silent"],
            )  # fmt: skip
    found = reach(database, world, issue)
    assert (found["reached"], found["reached_people"], found["acknowledged"]) == (1, 1, 1)


def test_an_acknowledgement_has_a_possible_time_and_one_recipient(
    database: Database, world: World, approved: Any, submitted: Any, clock: ManualClock
) -> None:
    issue = approved()
    given: dict[str, Any] = {"actor": world.author, "warning_id": issue.warning_id, "method": AckMethod.PHONE}
    for wrong, code in (
        ({"post_id": world.posts["gong"], "at": clock.now() + timedelta(hours=1)}, "bad_time"),
        ({"post_id": world.posts["gong"], "at": clock.now() - timedelta(hours=1)}, "bad_time"),
        ({}, "recipient_required"),
        ({"post_id": 1, "recipient_id": 2}, "recipient_required"),
        ({"post_id": 1}, "not_found"),
        ({"recipient_id": 1}, "not_found"),
    ):
        with database.write() as session, pytest.raises(DomainError) as refused:
            service.acknowledge(session, **given, **wrong)
        assert refused.value.code == code
    with database.write() as session, pytest.raises(DomainError):
        service.acknowledge(session, **(given | {"warning_id": submitted().id}), post_id=world.posts["gong"])


def test_deliveries_are_masked_and_looking_is_journalled(database: Database, world: World, approved: Any) -> None:
    issue = approved()
    with database.write() as session:
        page = service.deliveries(session, actor=world.author, warning_id=issue.warning_id)
    assert sorted(row.phone for row in page.items) == ["154****0001", "154****0002"]
    assert all("某" in row.name for row in page.items)
    with database.read() as session:
        entry = session.scalars(
            sa.select(journal.JournalEntry).where(journal.JournalEntry.kind == "personal.listed")
        ).all()[-1]
        assert '"deliveries"' in entry.data and entry.subject_id == issue.warning_id


def test_deliveries_come_in_pages_and_by_state(database: Database, world: World, approved: Any) -> None:
    issue = approved()
    receipt(database, f"resident:{world.residents['alone']}", DeliveryState.FAILED)
    with database.write() as session:
        first = service.deliveries(session, actor=world.author, warning_id=issue.warning_id, limit=1)
        second = service.deliveries(
            session, actor=world.author, warning_id=issue.warning_id, limit=1, cursor=first.next_cursor
        )
        failed = service.deliveries(
            session, actor=world.author, warning_id=issue.warning_id, state=DeliveryState.FAILED
        )
    assert first.next_cursor and second.next_cursor is None
    assert first.items[0].id < second.items[0].id
    assert [row.recipient for row in failed.items] == [f"resident:{world.residents['alone']}"]


def test_a_township_sees_the_figures_of_its_own_villages_only(database: Database, world: World, approved: Any) -> None:
    issue = approved(area={"divisions": [NEXT_VILLAGE, OTHER_VILLAGE]})
    with database.read() as session:
        found = service.reach(session, actor=world.liaison, warning_id=issue.warning_id)
        assert [place["code"] for place in found["by_division"]] == [NEXT_VILLAGE]
        assert found["targeted"] == 2
        (strip,) = service.in_force(session, world.liaison)
        assert strip.id == issue.warning_id
    officer = make_actor(Role.DUTY_OFFICER, division=TOWN, id=9)
    with database.write() as session:
        page = service.deliveries(session, actor=officer, warning_id=issue.warning_id)
        assert {row.division for row in page.items} == {NEXT_VILLAGE}
        with pytest.raises(Forbidden):
            service.cancel(session, actor=world.liaison, warning_id=issue.warning_id, reason="不该能撤")


def test_a_failed_message_puts_its_holder_on_the_list_of_doors_and_a_visit_reaches(
    database: Database, world: World, approved: Any, clock: ManualClock
) -> None:
    issue = approved()
    receipt(database, f"resident:{world.residents['family0']}", DeliveryState.FAILED)
    assert make_lists(database, clock.now()) == 3
    with database.write() as session:
        page = service.visits(session, actor=world.liaison, warning_id=issue.warning_id)
        door = next(v for v in page.items if v.recipient == f"resident:{world.residents['family0']}")
        service.record_visit(session, actor=world.liaison, visit_id=door.id, outcome=DoorOutcome.TOLD, note="全家在")
    found = reach(database, world, issue)
    assert (found["reached"], found["reached_people"]) == (1, 3)
    with database.write() as session, pytest.raises(DomainError):
        service.record_visit(session, actor=world.liaison, visit_id=door.id, outcome=DoorOutcome.TOLD)


def test_figures_never_count_the_ledger(database: Database, world: World, approved: Any) -> None:
    issue = approved()
    with database.read() as session:
        seen: list[str] = []
        sa.event.listen(session.get_bind(), "before_cursor_execute", lambda *a: seen.append(a[2]))
        service.reach(session, actor=world.author, warning_id=issue.warning_id)
    assert not any("FROM delivery " in statement or "FROM delivery\n" in statement for statement in seen)
