"""Approvers hear of what waits, again and again, and stop hearing when it is decided."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from emergency.asking import service as asking
from emergency.asking.models import Means, Question, QuestionState
from emergency.warnings import service
from emergency.warnings.jobs import remind_approvers
from kernel.clock import ManualClock
from kernel.db import Database
from notify.models import Broadcast, Kind
from tests.warnings.support import World


def asked(database: Database, state: QuestionState | None = QuestionState.OPEN) -> list[int]:
    with database.read() as session:
        query = sa.select(Question).where(Question.subject_kind == "warning").order_by(Question.id)
        return [q.account_id or 0 for q in session.scalars(query) if state is None or q.state is state]


def notices(database: Database) -> list[str]:
    with database.read() as session:
        return list(session.scalars(sa.select(Broadcast.text).where(Broadcast.kind == Kind.NOTICE)))


def test_the_approver_on_duty_is_told_by_message(database: Database, world: World, submitted: Any) -> None:
    submitted()
    assert asked(database) == [world.approver.id]
    (text,) = notices(database)
    assert "洪水红色预警" in text and "台头镇义和村" in text and "6人" in text
    assert "已等待" not in text, "nothing has been waited for yet"


def test_without_an_approver_on_duty_all_are_told(database: Database, world: World, submitted: Any) -> None:
    from emergency.people.posts.models import DutyShift

    with database.write() as session:
        session.execute(sa.delete(DutyShift))
    submitted()
    assert set(asked(database)) == {world.approver.id, world.second.id}


def test_they_are_asked_again_by_the_minutes_and_then_everybody(
    database: Database, world: World, submitted: Any, clock: ManualClock
) -> None:
    submitted()
    assert remind_approvers(database, clock.now()) == 0
    clock.advance(timedelta(minutes=2))
    assert remind_approvers(database, clock.now()) == 1
    assert remind_approvers(database, clock.now()) == 0, "once a reminder"
    clock.advance(timedelta(minutes=3))
    assert remind_approvers(database, clock.now()) == 1
    clock.advance(timedelta(minutes=5))
    assert remind_approvers(database, clock.now()) == 2
    assert set(asked(database)) == {world.approver.id, world.second.id}
    texts = notices(database)
    assert len(set(texts)) == len(texts), "carriers drop a text that repeats itself"
    assert any("已等待10分钟" in text for text in texts)


def test_after_downtime_one_reminder_is_enough(
    database: Database, world: World, submitted: Any, clock: ManualClock
) -> None:
    submitted()
    clock.advance(timedelta(hours=1))
    assert remind_approvers(database, clock.now()) == 2
    assert remind_approvers(database, clock.now()) == 0


def test_questions_close_when_it_is_decided(database: Database, world: World, submitted: Any) -> None:
    waiting = submitted()
    with database.write() as session:
        service.approve(session, actor=world.approver, warning_id=waiting.id, version=waiting.version)
    assert asked(database) == []
    assert asked(database, QuestionState.CLOSED) == [world.approver.id]


def test_questions_close_when_the_author_takes_it_back(database: Database, world: World, submitted: Any) -> None:
    waiting = submitted()
    with database.write() as session:
        service.take_back(session, actor=world.author, warning_id=waiting.id)
    assert asked(database) == []


def test_an_approver_who_cannot_decide_brings_in_everybody(database: Database, world: World, submitted: Any) -> None:
    submitted()
    with database.read() as session:
        question = session.scalars(sa.select(Question)).one()
    with database.write() as session:
        asking.answer(session, actor=world.approver, question_id=question.id, answer="unable", means=Means.PHONE)
    assert world.second.id in asked(database)


def test_the_author_hears_of_a_refusal_without_its_reason(database: Database, world: World, submitted: Any) -> None:
    waiting = submitted()
    with database.write() as session:
        service.reject(session, actor=world.approver, warning_id=waiting.id, reason="依据不足，见来文")
    text = notices(database)[-1]
    assert "不予批准" in text and "依据不足" not in text


def test_what_waits_shows_on_the_workbench_of_who_may_decide(
    database: Database, world: World, submitted: Any, clock: ManualClock
) -> None:
    waiting = submitted()
    with database.read() as session:
        (item,) = service.waiting(session, world.approver, clock.now())
        assert item.url == f"/warnings/{waiting.id}/approve" and item.level is waiting.level
        assert service.waiting(session, world.author, clock.now()) == []
