"""Drills that go and come back: moved there and back, rested and resumed, changed after they were asked about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import Any

import sqlalchemy as sa

from emergency.asking.escalation import escalate
from emergency.asking.models import Question, QuestionState, QuestionStep
from emergency.drills import confirming_jobs, feeds, feeds_reading, programmes, telling
from emergency.drills.confirming_models import NoticeKind
from emergency.drills.feed_models import FeedOf
from emergency.drills.models import Invitation, Occurrence, OccurrenceState, Programme
from emergency.http.actor import SYSTEM
from emergency.people.contacts.models import Contact, PhoneState
from kernel.clock import BEIJING, ManualClock
from notify.models import Delivery, DeliveryState
from scheduler.recurrence import Freq, Recurrence
from tests.drills.conftest import World
from tests.drills.test_confirming import first, invited, messages, notices
from tests.plans.support import TAITOU

Plan = Callable[..., Programme]
LATER = datetime(2026, 12, 10, 9, tzinfo=BEIJING)


def move(world: World, occurrence_id: int, starts_at: datetime) -> None:
    with world.database.write() as session:
        version = session.get_one(Occurrence, occurrence_id).version
        telling.move(session, actor=world.planner, occurrence_id=occurrence_id, version=version, starts_at=starts_at)


def test_a_drill_moved_there_and_back_reminds_as_if_it_had_never_moved(
    world: World, plan: Plan, clock: ManualClock
) -> None:
    occurrence = invited(world, plan)
    before = [(n.due_at, n.post_id) for n in notices(world, NoticeKind.REMIND)]
    assert before
    move(world, occurrence.id, LATER)
    clock.advance(timedelta(minutes=10))
    move(world, occurrence.id, occurrence.starts_at)
    waiting = [(n.due_at, n.post_id) for n in notices(world, NoticeKind.REMIND) if n.done_at is None]
    assert sorted(waiting) == sorted(before)


def test_what_was_asked_about_and_rested_is_asked_about_again_when_it_goes_on(
    world: World, plan: Plan, clock: ManualClock
) -> None:
    with world.database.write() as session:
        programme = plan(session, recurrence=Recurrence(Freq.MONTHLY, date(2026, 12, 10)))
    clock.set(datetime(2026, 11, 26, 9, 0, tzinfo=BEIJING))
    confirming_jobs.ask_by_itself(world.database, clock.now())
    assert messages(world, "请确认是否参加演练") == 2
    with world.database.write() as session:
        programmes.pause(session, actor=world.planner, programme_id=programme.id, reason="先停一停")
    confirming_jobs.send_notices(world.database, clock.now())
    clock.advance(timedelta(days=1))
    with world.database.write() as session:
        programmes.resume(session, actor=world.planner, programme_id=programme.id)
    confirming_jobs.ask_by_itself(world.database, clock.now())
    assert messages(world, "请确认是否参加演练") == 4
    occurrence = first(world)
    assert occurrence.state is OccurrenceState.INVITED
    with world.database.read() as session:
        assert set(
            session.scalars(
                sa.select(Question.state)
                .join(Invitation, Invitation.question_id == Question.id)
                .where(Invitation.occurrence_id == occurrence.id)
            )
        ) == {QuestionState.OPEN}


def test_a_date_that_was_too_late_to_ask_is_asked_about_once_it_is_moved_away(
    world: World, plan: Plan, clock: ManualClock
) -> None:
    with world.database.write() as session:
        plan(session, recurrence=Recurrence(Freq.YEARLY, date(2026, 12, 10)))
    clock.set(datetime(2026, 12, 10, 8, 30, tzinfo=BEIJING))
    confirming_jobs.ask_by_itself(world.database, clock.now())
    assert messages(world, "请确认是否参加演练") == 0
    move(world, first(world).id, datetime(2026, 12, 12, 9, tzinfo=BEIJING))
    confirming_jobs.ask_by_itself(world.database, clock.now())
    assert messages(world, "请确认是否参加演练") == 2


def change(world: World, programme_id: int, **changes: Any) -> None:
    with world.database.write() as session:
        programme = session.get_one(Programme, programme_id)
        facts = replace(programmes.facts_of(session, programme), **changes)
        seen = programmes.preview(session, actor=world.planner, programme_id=programme_id, facts=facts).digest
        programmes.change(session, actor=world.planner, programme_id=programme_id, facts=facts, seen=seen)


def test_a_post_that_is_named_after_the_asking_is_asked_too(world: World, plan: Plan, clock: ManualClock) -> None:
    with world.database.write() as session:
        programme = plan(session, recurrence=Recurrence(Freq.YEARLY, date(2026, 12, 10)), post_ids=[world.chief])
    clock.set(datetime(2026, 11, 26, 9, 0, tzinfo=BEIJING))
    confirming_jobs.ask_by_itself(world.database, clock.now())
    assert messages(world, "请确认是否参加演练") == 1
    change(world, programme.id, post_ids=(world.chief, world.gong))
    confirming_jobs.ask_by_itself(world.database, clock.now())
    assert messages(world, "请确认是否参加演练") == 2


def test_a_programme_that_named_nobody_is_asked_about_once_it_does(
    world: World, plan: Plan, clock: ManualClock
) -> None:
    with world.database.write() as session:
        programme = plan(session, recurrence=Recurrence(Freq.YEARLY, date(2026, 12, 10)), post_ids=[])
    clock.set(datetime(2026, 11, 26, 9, 0, tzinfo=BEIJING))
    confirming_jobs.ask_by_itself(world.database, clock.now())
    change(world, programme.id, post_ids=(world.chief, world.gong))
    confirming_jobs.ask_by_itself(world.database, clock.now())
    assert messages(world, "请确认是否参加演练") == 2


def test_a_call_that_reaches_nobody_is_not_tried_every_minute(world: World, plan: Plan, clock: ManualClock) -> None:
    with world.database.write() as session:
        plan(session, recurrence=Recurrence(Freq.YEARLY, date(2026, 12, 10)), post_ids=[world.chief])
    clock.set(datetime(2026, 11, 26, 9, 0, tzinfo=BEIJING))
    confirming_jobs.ask_by_itself(world.database, clock.now())
    with world.database.write() as session:
        session.execute(sa.update(Delivery).values(state=DeliveryState.FAILED))
        session.execute(sa.update(Contact).values(phone_state=PhoneState.INVALID, phone_index=None))
    for minute in range(1, 6):
        moment = clock.now() + timedelta(minutes=minute)
        confirming_jobs.call_unreached(world.database, moment)
        escalate(world.database, moment)
    with world.database.read() as session:
        calls = [
            s for s in session.scalars(sa.select(QuestionStep)) if s.channels and "voice" in s.channels and s.done_at
        ]
    assert len(calls) <= 1


def feed_of(world: World) -> bytes:
    with world.database.write() as session:
        _feed, raw = feeds.create(session, actor=SYSTEM, source=FeedOf.DIVISION, division_code=TAITOU)
    with world.database.read() as session:
        opened = feeds.open_feed(session, raw)
        assert opened is not None
        return feeds_reading.read(session, opened, session.info["config"])


def seen(data: bytes) -> dict[str, list[str]]:
    lines = data.decode().replace("\r\n ", "").split("\r\n")
    return {
        key: [line.partition(":")[2] for line in lines if line.startswith(key + ":")]
        for key in ("DTSTART", "DTSTAMP", "LAST-MODIFIED", "SEQUENCE", "SUMMARY", "LOCATION")
    }


def test_what_its_programme_moves_is_stamped_anew_in_the_calendar(world: World, plan: Plan, clock: ManualClock) -> None:
    with world.database.write() as session:
        programme = plan(session, recurrence=Recurrence(Freq.YEARLY, date(2026, 12, 10)), post_ids=[])
    clock.advance(timedelta(days=1))
    change(world, programme.id, start_time=time(15, 0))
    after = seen(feed_of(world))
    assert after["SEQUENCE"][0] == "1"
    assert after["DTSTAMP"][0] == f"{clock.now():%Y%m%dT%H%M%SZ}"


def test_another_title_or_place_is_another_sequence_in_the_calendar(
    world: World, plan: Plan, clock: ManualClock
) -> None:
    with world.database.write() as session:
        programme = plan(session, recurrence=Recurrence(Freq.YEARLY, date(2026, 12, 10)), post_ids=[])
    clock.advance(timedelta(days=1))
    change(world, programme.id, place="镇政府广场")
    after = seen(feed_of(world))
    assert after["SEQUENCE"][0] == "1" and after["LOCATION"][0] == "镇政府广场"
    assert after["DTSTAMP"][0] == f"{clock.now():%Y%m%dT%H%M%SZ}"


def test_a_rest_that_is_taken_back_at_once_calls_nothing_off_on_the_telephones(
    world: World, plan: Plan, clock: ManualClock
) -> None:
    with world.database.write() as session:
        programme = plan(session, recurrence=Recurrence(Freq.YEARLY, date(2026, 12, 10)))
    clock.set(datetime(2026, 11, 26, 9, 0, tzinfo=BEIJING))
    confirming_jobs.ask_by_itself(world.database, clock.now())
    with world.database.write() as session:
        programmes.pause(session, actor=world.planner, programme_id=programme.id, reason="按错了")
    with world.database.write() as session:
        programmes.resume(session, actor=world.planner, programme_id=programme.id)
    confirming_jobs.ask_by_itself(world.database, clock.now())
    confirming_jobs.send_notices(world.database, clock.now())
    assert messages(world, "按错了") == 0 and first(world).state is OccurrenceState.INVITED


def test_a_day_that_somebody_chose_is_still_that_day_after_the_programme_rested(
    world: World, plan: Plan, clock: ManualClock
) -> None:
    with world.database.write() as session:
        programme = plan(session, recurrence=Recurrence(Freq.YEARLY, date(2026, 12, 10)), post_ids=[])
    chosen = datetime(2026, 12, 15, 14, tzinfo=BEIJING)
    move(world, first(world).id, chosen)
    with world.database.write() as session:
        programmes.pause(session, actor=world.planner, programme_id=programme.id, reason="停一停")
    clock.set(datetime(2026, 12, 12, 9, tzinfo=BEIJING))  # past the day of the rule, before the chosen one
    with world.database.write() as session:
        programmes.resume(session, actor=world.planner, programme_id=programme.id)
    back = first(world)
    assert (back.state, back.starts_at, back.pinned) == (OccurrenceState.PLANNED, chosen, True)
