"""The day of a drill: its clock, its injects, the ticker that sends them, what the director decides."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from emergency.drills import day_copying, day_msel, day_rules, day_running
from emergency.drills.day_models import DayState, DrillDay, DrillInject, InjectState, InjectVia, Observed
from emergency.drills.day_msel import InjectFacts, Owner
from emergency.drills.models import Form, Occurrence, Programme
from emergency.http.permissions import Role
from kernel.clock import ManualClock
from kernel.db import Database
from kernel.errors import DomainError
from kernel.states import ForbiddenTransition, timeline
from notify.models import Broadcast, Delivery, Kind
from tests.conftest import START
from tests.drills.conftest import World
from tests.plans.support import DULIU, person

Plan = Callable[..., Programme]


def owner(session: Session, world: World, drill: int) -> Owner:
    return day_msel.owner_of(session, actor=world.planner, occurrence_id=drill)


def add(world: World, drill: int, number: int, minutes: int, **changes: Any) -> int:
    given: dict[str, Any] = {
        "sender": "区防汛抗旱指挥部", "via": InjectVia.SMS, "message": f"情景{number}：水位上涨，请加强巡查。",
        "post_ids": [world.chief], "expected": "派人上堤",
    } | changes  # fmt: skip
    with world.database.write() as session:
        facts = InjectFacts(number, minutes * 60, **given)
        return day_msel.add(session, actor=world.planner, owner=owner(session, world, drill), facts=facts).id


def control(world: World, drill: int, what: str, **more: Any) -> DrillDay:
    with world.database.write() as session:
        return getattr(day_running, what)(session, actor=world.planner, occurrence_id=drill, **more)


def states(database: Database) -> dict[int, InjectState]:
    with database.read() as session:
        return {row.number: row.state for row in session.scalars(
            sa.select(DrillInject).where(DrillInject.occurrence_id.is_not(None)))}  # fmt: skip


def tick(world: World, clock: ManualClock, seconds: float = 0) -> int:
    clock.advance(timedelta(seconds=seconds))
    return day_running.send_due(world.database, clock.now())


def broadcasts(database: Database) -> list[Broadcast]:
    with database.read() as session:
        return list(session.scalars(sa.select(Broadcast).order_by(Broadcast.id)))


# --- the clock ----------------------------------------------------------------------------------------------------


@given(st.integers(0, 86_400), st.integers(1, 120), st.integers(0, 90_000))
def test_an_offset_is_due_when_the_scenario_gets_there(seconds: int, factor: int, offset: int) -> None:
    clock = day_rules.ScenarioClock(seconds, START, factor)
    due = clock.due(offset)
    assert due is not None and due >= START
    assert abs(clock.at(due + timedelta(milliseconds=1)) - max(seconds, offset)) <= 1


def test_a_clock_set_back_does_not_take_the_scenario_back() -> None:
    clock = day_rules.ScenarioClock(600, START, 10)
    assert clock.at(START - timedelta(hours=3)) == 600


@pytest.mark.parametrize(
    ("text", "seconds"), [("15", 900), ("+0:15", 900), ("1:30", 5400), ("0:05:30", 330), ("90", 5400), ("1小时", None),
                          ("1:75", None), ("x", None), ("99999", None), ("-5", None), ("", None)],
)  # fmt: skip
def test_a_scenario_time_is_read_or_refused(text: str, seconds: int | None) -> None:
    if seconds is None:
        with pytest.raises(DomainError) as refused:
            day_rules.read_offset(text)
        assert refused.value.code == "bad_offset"
    else:
        assert day_rules.read_offset(text) == seconds


@given(st.integers(0, day_rules.MAX_OFFSET // 4))
def test_what_is_shown_as_a_scenario_time_is_read_back(seconds: int) -> None:
    if seconds < 100 * 3600:
        assert day_rules.read_offset(day_rules.clock_words(seconds)) == seconds


def test_every_pair_of_states_of_an_inject_is_allowed_or_refused(world: World, drill: int) -> None:
    assert set(day_rules.INJECT_TRANSITIONS) == set(InjectState)
    assert set(day_rules.DAY_TRANSITIONS) == set(DayState)
    assert not day_rules.INJECT_TRANSITIONS[InjectState.SENT], "what was sent is never sent again"


# --- the list -----------------------------------------------------------------------------------------------------


def test_words_that_claim_to_be_real_are_refused(world: World, drill: int) -> None:
    with pytest.raises(DomainError) as refused:
        add(world, drill, 1, 5, message="这不是演练，请立即转移")
    assert refused.value.code == "exercise_claims_real" and "message" in refused.value.fields


def test_a_text_message_needs_posts_and_a_number_is_given_once(world: World, drill: int) -> None:
    with pytest.raises(DomainError) as refused:
        add(world, drill, 1, 5, post_ids=[])
    assert "posts" in refused.value.fields
    add(world, drill, 1, 5)
    with pytest.raises(DomainError) as taken:
        add(world, drill, 1, 6)
    assert taken.value.code == "duplicate"


def test_a_stranger_of_another_township_finds_no_list(world: World, drill: int) -> None:
    inject = add(world, drill, 1, 5)
    stranger = person(Role.PLANNER, division=DULIU, id=9)
    with world.database.write() as session:
        for act in (
            lambda: day_msel.owner_of(session, actor=stranger, occurrence_id=drill),
            lambda: day_msel.remove(session, actor=stranger, inject_id=inject),
            lambda: day_running.start(session, actor=stranger, occurrence_id=drill),
        ):
            with pytest.raises(DomainError) as refused:
                act()
            assert refused.value.status == 404


def test_the_pattern_is_copied_to_each_date_once_and_stays_changed_there(
    world: World, drill: int, clock: ManualClock
) -> None:
    with world.database.write() as session:
        programme = session.get_one(Occurrence, drill).programme_id
        pattern = day_msel.owner_of(session, actor=world.planner, programme_id=programme)
        day_msel.add(session, actor=world.planner, owner=pattern, facts=InjectFacts(
            1, 300, "区指挥部", InjectVia.SMS, "水位上涨。", [world.chief, world.gong]))  # fmt: skip
    made = day_copying.copy_patterns(world.database, clock.now())
    assert made >= 12
    assert day_copying.copy_patterns(world.database, clock.now()) == 0
    with world.database.write() as session:
        mine = day_msel.items(session, owner(session, world, drill))
        assert len(mine) == 1 and sorted(mine[0].post_ids) == sorted([world.chief, world.gong])
        day_msel.remove(session, actor=world.planner, inject_id=mine[0].inject.id)
    assert day_copying.copy_patterns(world.database, clock.now()) == 0
    with world.database.read() as session:
        assert day_msel.items(session, owner(session, world, drill)) == []


# --- the running drill --------------------------------------------------------------------------------------------


def test_each_inject_leaves_at_its_minute_as_a_marked_exercise(world: World, drill: int, clock: ManualClock) -> None:
    add(world, drill, 1, 5)
    add(world, drill, 2, 20, post_ids=[world.chief, world.gong])
    assert tick(world, clock) == 0, "nothing is due before the director starts"
    control(world, drill, "start", factor=10)
    assert tick(world, clock, 29) == 0
    assert tick(world, clock, 2) == 1 and states(world.database)[1] is InjectState.SENT
    assert tick(world, clock, 88) == 0
    assert tick(world, clock, 2) == 1 and states(world.database)[2] is InjectState.SENT
    sent = broadcasts(world.database)
    assert [one.kind for one in sent] == [Kind.EXERCISE] * 2 and [one.messages for one in sent] == [1, 2]
    assert all(one.text.startswith("【演练】") and one.text.endswith("【演练】") for one in sent)


def test_nothing_leaves_during_a_pause_and_the_rest_moves_by_it(world: World, drill: int, clock: ManualClock) -> None:
    add(world, drill, 1, 10)
    control(world, drill, "start", factor=1)
    clock.advance(timedelta(minutes=4))
    control(world, drill, "pause", reason="参演人员未到齐")
    assert tick(world, clock, 3600) == 0
    day = control(world, drill, "resume")
    assert day.scenario_seconds == 240
    assert tick(world, clock, 359) == 0
    assert tick(world, clock, 2) == 1


def test_a_changed_pace_is_obeyed_from_then_on(world: World, drill: int, clock: ManualClock) -> None:
    add(world, drill, 1, 60)
    control(world, drill, "start", factor=1)
    clock.advance(timedelta(minutes=10))
    control(world, drill, "pause")
    control(world, drill, "resume", factor=50)
    assert tick(world, clock, 59) == 0 and tick(world, clock, 2) == 1


def test_only_a_tabletop_drill_runs_faster_than_the_clock(world: World, plan: Plan, drill: int) -> None:
    with world.database.write() as session:
        session.get_one(Programme, session.get_one(Occurrence, drill).programme_id).form = Form.FIELD
    with pytest.raises(DomainError) as refused:
        control(world, drill, "start", factor=2)
    assert refused.value.code == "field"
    assert control(world, drill, "start", factor=1).state is DayState.RUNNING


def test_after_a_long_silence_the_injects_are_missed_and_never_leave_in_a_bunch(
    world: World, drill: int, clock: ManualClock
) -> None:
    for number in range(1, 6):
        add(world, drill, number, number * 5)
    control(world, drill, "start", factor=1)
    assert tick(world, clock, 2 * 3600) == 5
    assert set(states(world.database).values()) == {InjectState.MISSED}
    assert broadcasts(world.database) == []
    with world.database.write() as session:
        first = session.scalars(sa.select(DrillInject.id).order_by(DrillInject.number)).first()
        day_running.send_now(session, actor=world.planner, inject_id=first, reason="补发，其余不补")
    assert states(world.database)[1] is InjectState.SENT and len(broadcasts(world.database)) == 1
    assert tick(world, clock, 60) == 0


def test_what_is_late_within_its_tolerance_still_leaves(world: World, drill: int, clock: ManualClock) -> None:
    add(world, drill, 1, 5, tolerance_minutes=10)
    control(world, drill, "start", factor=1)
    assert tick(world, clock, 14 * 60) == 1 and states(world.database)[1] is InjectState.SENT


def test_two_tickers_send_each_inject_once(world: World, drill: int, clock: ManualClock) -> None:
    for number in range(1, 9):
        add(world, drill, number, 1)
    control(world, drill, "start", factor=1)
    clock.advance(timedelta(seconds=61))
    threads = [
        threading.Thread(target=day_running.send_due, args=(world.database, clock.now())) for _number in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(broadcasts(world.database)) == 8
    with world.database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Delivery)) == 8


def test_a_ticker_that_dies_leaves_the_inject_as_it_was(
    world: World, drill: int, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(world, drill, 1, 1)
    control(world, drill, "start", factor=1)
    clock.advance(timedelta(seconds=61))
    real = day_running.day_sending.send

    def killed(session: Session, inject: DrillInject) -> Broadcast:
        real(session, inject)
        raise KeyboardInterrupt

    monkeypatch.setattr(day_running.day_sending, "send", killed)
    with pytest.raises(KeyboardInterrupt):
        day_running.send_due(world.database, clock.now())
    assert broadcasts(world.database) == [] and states(world.database)[1] is InjectState.PLANNED
    monkeypatch.setattr(day_running.day_sending, "send", real)
    assert tick(world, clock, 5) == 1 and len(broadcasts(world.database)) == 1


def test_by_hand_it_waits_for_the_controller_who_says_delivered(world: World, drill: int, clock: ManualClock) -> None:
    inject = add(world, drill, 1, 1, via=InjectVia.RUNNER, post_ids=[])
    control(world, drill, "start", factor=1)
    assert tick(world, clock, 61) == 1 and states(world.database)[1] is InjectState.WAITING
    assert broadcasts(world.database) == []
    with world.database.write() as session:
        day_running.delivered(session, actor=world.liaison, inject_id=inject)
    assert states(world.database)[1] is InjectState.DELIVERED
    with world.database.write() as session, pytest.raises(ForbiddenTransition):
        day_running.delivered(session, actor=world.liaison, inject_id=inject)


def test_an_inject_that_cannot_leave_says_why_and_waits_for_the_director(
    world: World, drill: int, clock: ManualClock
) -> None:
    add(world, drill, 1, 1)
    add(world, drill, 2, 2, post_ids=[world.gong])
    with world.database.write() as session:
        from emergency.people.posts.models import PostHolder

        session.execute(sa.delete(PostHolder).where(PostHolder.post_id == world.chief))
    control(world, drill, "start", factor=1)
    assert tick(world, clock, 130) == 2
    assert states(world.database) == {1: InjectState.FAILED, 2: InjectState.SENT}
    with world.database.read() as session:
        assert session.scalar(sa.select(DrillInject.trouble).where(DrillInject.number == 1)) == "nobody"


def _breaks_for(number: int, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    real = day_running.day_sending.send

    def broken(session: Session, inject: DrillInject) -> Broadcast:
        sent = real(session, inject)
        if inject.number == number:
            raise error
        return sent

    monkeypatch.setattr(day_running.day_sending, "send", broken)


def test_an_inject_that_breaks_stops_no_other(
    world: World, drill: int, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (1, 2, 3):
        add(world, drill, number, number)
    control(world, drill, "start", factor=1)
    _breaks_for(1, monkeypatch, ValueError("a fault of ours"))
    assert tick(world, clock, 190) == 3
    assert states(world.database) == {1: InjectState.FAILED, 2: InjectState.SENT, 3: InjectState.SENT}
    with world.database.read() as session:
        assert session.scalar(sa.select(DrillInject.trouble).where(DrillInject.number == 1)) == "internal"
    assert len(broadcasts(world.database)) == 2, "what broke left nothing behind"
    assert tick(world, clock, 5) == 0, "it waits for the director"
    monkeypatch.undo()
    with world.database.write() as session:
        first = session.scalars(sa.select(DrillInject.id).where(DrillInject.number == 1)).one()
        day_running.send_now(session, actor=world.planner, inject_id=first, reason="故障已排除，补发")
    assert states(world.database)[1] is InjectState.SENT and len(broadcasts(world.database)) == 3


def test_an_inject_whose_fault_cannot_even_be_marked_stops_no_other(
    world: World, drill: int, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (1, 2):
        add(world, drill, number, number)
    control(world, drill, "start", factor=1)
    real = day_running._move

    def unmovable(session: Session, inject: DrillInject, *rest: Any, **values: Any) -> None:
        if inject.number == 1:
            raise ValueError("a fault of ours")
        real(session, inject, *rest, **values)

    monkeypatch.setattr(day_running, "_move", unmovable)
    assert tick(world, clock, 130) == 2
    assert states(world.database) == {1: InjectState.PLANNED, 2: InjectState.SENT}
    monkeypatch.undo()
    assert tick(world, clock, 10) == 0, "its claim still stands"


def test_skip_and_postpone_want_a_reason_and_keep_it(world: World, drill: int, clock: ManualClock) -> None:
    one, two = add(world, drill, 1, 5), add(world, drill, 2, 5)
    control(world, drill, "start", factor=1)
    with world.database.write() as session:
        with pytest.raises(DomainError) as refused:
            day_running.skip(session, actor=world.planner, inject_id=one, reason=" ")
        assert refused.value.code == "reason_required"
        day_running.skip(session, actor=world.planner, inject_id=one, reason="与实际天气不符")
        day_running.postpone(session, actor=world.planner, inject_id=two, minutes=10, reason="等集合完毕")
    assert tick(world, clock, 10 * 60) == 0
    assert tick(world, clock, 5 * 60 + 1) == 1
    with world.database.read() as session:
        assert [c.reason for c in timeline(session, "drill_inject", one)] == ["与实际天气不符"]
        assert next((c.from_state, c.to_state, c.reason) for c in timeline(session, "drill_inject", two)) == (
            "+0:05", "+0:15", "等集合完毕"
        )  # fmt: skip


def test_the_end_leaves_nothing_to_be_sent(world: World, drill: int, clock: ManualClock) -> None:
    add(world, drill, 1, 5)
    control(world, drill, "start", factor=1)
    control(world, drill, "end")
    assert tick(world, clock, 3600) == 0 and states(world.database)[1] is InjectState.SKIPPED
    with pytest.raises(DomainError):
        control(world, drill, "start", factor=1)


def test_a_liaison_does_not_direct(world: World, drill: int) -> None:
    inject = add(world, drill, 1, 5)
    control(world, drill, "start", factor=1)
    with world.database.write() as session, pytest.raises(DomainError) as refused:
        day_running.send_now(session, actor=world.liaison, inject_id=inject, reason="x")
    assert refused.value.status == 403


def test_what_was_seen_keeps_its_own_time_and_its_words_sealed(world: World, drill: int, clock: ManualClock) -> None:
    inject = add(world, drill, 1, 1)
    control(world, drill, "start", factor=1)
    tick(world, clock, 61)
    seen = clock.now() + timedelta(minutes=3)
    clock.advance(timedelta(minutes=30))
    with world.database.write() as session:
        row = day_running.observe(
            session, actor=world.liaison, inject_id=inject, observed=Observed.PARTLY, at=seen, words="张某一未到岗"
        )
        assert row.observed_at == seen and "张某一".encode() not in (row.observation_sealed or b"")
        for wrong in (clock.now() + timedelta(minutes=1), clock.now() - timedelta(days=2)):
            with pytest.raises(DomainError):
                day_running.observe(session, actor=world.liaison, inject_id=inject, observed=Observed.DONE, at=wrong)


def test_the_rows_refuse_what_the_rules_refuse(world: World, drill: int) -> None:
    inject = add(world, drill, 1, 1)
    with world.database.write() as session, pytest.raises(sa.exc.IntegrityError):
        session.execute(sa.update(DrillInject).where(DrillInject.id == inject).values(state=InjectState.SENT))
