"""Update, cancel, all-clear, the end: new messages that refer to the old, to whoever was told."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from emergency.warnings import jobs, service
from emergency.warnings.lifting import end_expired
from emergency.warnings.models import Issue, MessageType, Warning, WarningState, WarningStatus
from kernel.clock import ManualClock
from kernel.db import Database
from kernel.errors import Conflict, DomainError
from notify import service as notify
from notify.models import Broadcast, BroadcastState, Delivery, DeliveryState, Kind
from tests.warnings.support import NEXT_VILLAGE, VILLAGE, World


def settle(database: Database, issue: Issue, states: list[DeliveryState]) -> list[bytes]:
    """Let the first messages of an issue be in these states; returns their numbers."""
    with database.write() as session:
        broadcast = session.scalars(sa.select(Broadcast).where(Broadcast.subject_id == issue.warning_id,
                                                               Broadcast.kind != Kind.NOTICE)).one()  # fmt: skip
        rows = session.scalars(
            sa.select(Delivery).where(Delivery.broadcast_id == broadcast.id).order_by(Delivery.id)
        ).all()
        for row, state in zip(rows, states, strict=False):
            row.state = state
        return [row.number_key for row in rows]


def cancel(database: Database, world: World, warning_id: int, **more: Any) -> tuple[Warning, Issue | None]:
    with database.write() as session:
        return service.cancel(session, actor=world.author, warning_id=warning_id, reason="数据有误", **more)


def test_a_cancel_is_a_new_message_that_refers_to_the_old(database: Database, world: World, approved: Any) -> None:
    first = approved()
    settle(database, first, [DeliveryState.DELIVERED])
    warning, message = cancel(database, world, first.warning_id)
    assert message is not None
    assert warning.state is WarningState.CANCELLED
    assert message.snapshot["msg_type"] == "Cancel"
    assert message.snapshot["references"] == [f"静海区人民政府,{first.identifier},2026-11-23T09:00:00+08:00"]
    assert message.identifier != first.identifier
    assert "撤销" in message.text and "数据有误" in message.text


def test_a_cancel_stops_what_has_not_left_and_tells_only_who_was_told(
    database: Database, world: World, approved: Any
) -> None:
    first = approved()
    numbers = settle(database, first, [DeliveryState.SUBMITTED])
    _warning, message = cancel(database, world, first.warning_id)
    assert message is not None
    with database.read() as session:
        old, new = session.scalars(
            sa.select(Broadcast).where(Broadcast.kind == Kind.ACTUAL).order_by(Broadcast.serial)
        ).all()
        told = session.scalars(sa.select(Delivery.number_key).where(Delivery.broadcast_id == new.id)).all()
        left = session.scalars(
            sa.select(Delivery.state).where(Delivery.broadcast_id == old.id).order_by(Delivery.id)
        ).all()
    assert old.state is BroadcastState.CANCELLED
    assert told == [numbers[0]]
    assert left == [DeliveryState.SUBMITTED, DeliveryState.CANCELLED]


def test_a_cancel_before_anything_left_tells_nobody(database: Database, world: World, approved: Any) -> None:
    _warning, message = cancel(database, world, approved().warning_id)
    assert message is not None and message.snapshot["numbers"] == 0


def test_a_cancel_of_an_exercise_is_an_exercise(database: Database, world: World, approved: Any) -> None:
    first = approved(status=WarningStatus.EXERCISE)
    settle(database, first, [DeliveryState.DELIVERED])
    _warning, message = cancel(database, world, first.warning_id)
    assert message is not None and message.text.startswith("【演练】") and message.text.endswith("【演练】")


def test_an_all_clear_sends_the_text_that_stood_ready(database: Database, world: World, approved: Any) -> None:
    first = approved(cancel_text="东淀水位已回落，转移要求解除，听村干部安排回村")
    settle(database, first, [DeliveryState.DELIVERED, DeliveryState.UNKNOWN])
    with database.write() as session:
        warning, message = service.all_clear(session, actor=world.approver, warning_id=first.warning_id)
    assert warning.state is WarningState.ENDED
    assert "东淀水位已回落" in message.text and message.snapshot["numbers"] == 2


def test_lifting_twice_is_refused(database: Database, world: World, approved: Any) -> None:
    first = approved()
    cancel(database, world, first.warning_id)
    with pytest.raises(Conflict) as refused:
        cancel(database, world, first.warning_id)
    assert refused.value.code == "wrong_state"


def test_a_cancelling_message_cannot_itself_be_cancelled_or_updated(
    database: Database, world: World, approved: Any
) -> None:
    _warning, message = cancel(database, world, approved().warning_id)
    assert message is not None
    with pytest.raises(DomainError):
        cancel(database, world, message.warning_id)
    with database.write() as session, pytest.raises(DomainError):
        service.update(session, actor=world.author, warning_id=message.warning_id)


def test_cancelling_what_never_left_gives_it_up(database: Database, world: World, submitted: Any) -> None:
    warning, message = cancel(database, world, submitted().id)
    assert (warning.state, message) == (WarningState.WITHDRAWN, None)


def test_an_update_goes_the_same_way_and_takes_the_place_of_the_old(
    database: Database, world: World, approved: Any
) -> None:
    first = approved()
    with database.write() as session:
        draft = service.update(
            session, actor=world.author, warning_id=first.warning_id,
            area={"divisions": [VILLAGE, NEXT_VILLAGE]}, description="水位继续上涨，胜利村也要转移",
        )  # fmt: skip
        assert (draft.state, draft.msg_type) == (WarningState.DRAFT, MessageType.UPDATE)
        assert session.get_one(Warning, first.warning_id).state is WarningState.ISSUED
    with database.write() as session:
        waiting = service.submit(session, actor=world.author, warning_id=draft.id)
    with database.write() as session:
        second = service.approve(session, actor=world.approver, warning_id=draft.id, version=waiting.version)
        assert session.get_one(Warning, first.warning_id).state is WarningState.SUPERSEDED
    assert second.snapshot["msg_type"] == "Update" and "（更新）" in second.text
    assert [r.split(",")[1] for r in second.snapshot["references"]] == [first.identifier]
    assert second.snapshot["numbers"] == 4
    with database.read() as session:
        old = session.scalars(sa.select(Broadcast).where(Broadcast.subject_id == first.warning_id,
                                                         Broadcast.kind == Kind.ACTUAL)).one()  # fmt: skip
        assert old.state is BroadcastState.CANCELLED


def test_a_cancel_after_an_update_reaches_whoever_got_either(database: Database, world: World, approved: Any) -> None:
    first = approved()
    settle(database, first, [DeliveryState.DELIVERED] * 2)
    with database.write() as session:
        draft = service.update(session, actor=world.author, warning_id=first.warning_id,
                               area={"divisions": [NEXT_VILLAGE]})  # fmt: skip
        waiting = service.submit(session, actor=world.author, warning_id=draft.id)
    with database.write() as session:
        second = service.approve(session, actor=world.approver, warning_id=draft.id, version=waiting.version)
    settle(database, second, [DeliveryState.DELIVERED] * 2)
    _warning, message = cancel(database, world, draft.id)
    assert message is not None and message.snapshot["numbers"] == 4


def test_an_update_of_what_was_lifted_meanwhile_is_refused(database: Database, world: World, approved: Any) -> None:
    first = approved()
    with database.write() as session:
        draft = service.update(session, actor=world.author, warning_id=first.warning_id)
        waiting = service.submit(session, actor=world.author, warning_id=draft.id)
    cancel(database, world, first.warning_id)
    with database.write() as session, pytest.raises(Conflict) as refused:
        service.approve(session, actor=world.approver, warning_id=draft.id, version=waiting.version)
    assert refused.value.code == "wrong_state"


def test_a_warning_ends_when_its_time_is_over(
    database: Database, world: World, approved: Any, clock: ManualClock
) -> None:
    first = approved()
    assert end_expired(database, clock.now()) == 0
    clock.advance(timedelta(hours=25))
    assert end_expired(database, clock.now()) == 1
    assert end_expired(database, clock.now()) == 0
    with database.read() as session:
        warning = session.get_one(Warning, first.warning_id)
        assert (warning.state, warning.ended_at) == (WarningState.ENDED, warning.expires)
        assert service.in_force(session, world.author) == []


def test_every_job_of_the_ticker_runs_on_an_empty_and_on_a_full_house(
    database: Database, world: World, approved: Any, submitted: Any, clock: ManualClock
) -> None:
    approved()
    submitted()
    for job in jobs.JOBS:
        job.run(database, clock.now())
    with database.read() as session:
        assert notify.status(session).waiting > 0
