"""Somebody stands watch at every hour, says so, and hands over what the next must know."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from emergency.http.actor import Actor
from emergency.http.permissions import Role
from emergency.people.contacts import service as contacts
from emergency.people.posts import directory, service
from emergency.people.posts.defects import defects, first_gap
from emergency.people.posts.models import DutyShift, ShiftRole, ShiftState
from kernel.clock import ManualClock
from kernel.db import Database
from kernel.errors import Conflict, Forbidden, Invalid, NotFound
from kernel.states import ForbiddenTransition
from notify.models import Broadcast, Delivery
from tests.conftest import START
from tests.divisions.conftest import actor
from tests.posts.conftest import CONSOLE, DISTRICT, DULIU, TAITOU

Plan = Callable[..., DutyShift]


@pytest.fixture
def plan(tree: Database) -> Plan:
    def make(
        account_id: int, hours: float = 0, length: float = 12, role: ShiftRole = ShiftRole.OFFICER,
        code: str = DISTRICT, who: Actor = CONSOLE,
    ) -> DutyShift:  # fmt: skip
        starts = START + timedelta(hours=hours)
        with tree.write() as session:
            return service.plan_shift(
                session, actor=who, division_code=code, account_id=account_id, role=role, starts=starts,
                ends=starts + timedelta(hours=length),
            )  # fmt: skip

    return make


@pytest.fixture
def pair(make_account: Callable[..., int]) -> tuple[int, int]:
    return make_account("zhou"), make_account("sun", "孙某二")


def test_who_is_on_duty_now(
    plan: Plan, pair: tuple[int, int], tree: Database, make_account: Callable[..., int]
) -> None:
    plan(pair[0], -1)
    plan(pair[1], 11)
    plan(make_account("gao", "高某三"), -2, 24, ShiftRole.LEADER)
    with tree.read() as session:
        assert [s.role for s in service.on_duty(session, START)] == [ShiftRole.LEADER, ShiftRole.OFFICER]
        assert [s.account_id for s in service.on_duty(session, START + timedelta(hours=11))][1:] == [pair[1]]
        assert service.on_duty(session, START, TAITOU) == []
        assert directory.names(session, pair) == {pair[0]: "周某某", pair[1]: "孙某某"}


def test_handing_over_early_puts_the_next_on_duty_at_once(
    plan: Plan, pair: tuple[int, int], tree: Database, clock: ManualClock
) -> None:
    first, second = plan(pair[0]), plan(pair[1], 12)
    clock.advance(timedelta(hours=11, minutes=50))
    with tree.write() as session:
        service.hand_over(
            session, actor=actor(Role.DUTY_OFFICER, id=pair[0]), shift_id=first.id, note="八堡闸上 6.84 米，王口未应答"
        )
    with tree.read() as session:
        assert [s.id for s in service.on_duty(session, clock.now())] == [second.id]
        done = session.get_one(DutyShift, first.id)
        assert (done.state, done.handed_over_to, done.handed_over_at) == (
            ShiftState.HANDED_OVER,
            second.id,
            clock.now(),
        )
        assert service.note_of(session, done) == "八堡闸上 6.84 米，王口未应答"
    with tree.write() as session, pytest.raises(ForbiddenTransition):
        service.hand_over(session, actor=CONSOLE, shift_id=first.id, note="再交一次")


def test_handing_over_hours_early_has_to_be_meant_and_the_next_is_told(
    plan: Plan, pair: tuple[int, int], tree: Database, clock: ManualClock
) -> None:
    with tree.write() as session:
        contact_id = directory.contact_of(session, pair[1])
        contacts.change(session, actor=CONSOLE, contact_id=contact_id or 0, phone="15400000077", division_code=DISTRICT)
    first, second = plan(pair[0]), plan(pair[1], 12)
    clock.advance(timedelta(hours=6))
    with tree.write() as session, pytest.raises(Invalid) as hasty:
        service.hand_over(session, actor=CONSOLE, shift_id=first.id, note="无")
    assert hasty.value.code == "hand_over_early" and hasty.value.params["hours"] == "6"
    with tree.write() as session:
        service.hand_over(session, actor=CONSOLE, shift_id=first.id, note="王口未应答", early=True)
    with tree.read() as session:
        assert [s.id for s in service.on_duty(session, clock.now())] == [second.id]
        ((recipient, text),) = session.execute(
            sa.select(Delivery.recipient, Broadcast.text).join(Broadcast, Broadcast.id == Delivery.broadcast_id)
        ).all()
    assert recipient == f"account:{pair[1]}"
    assert "15:00交班，现在由您值班（值班员）" in text and "王口" not in text


def test_a_watch_is_not_dropped(plan: Plan, pair: tuple[int, int], tree: Database, clock: ManualClock) -> None:
    shift = plan(pair[0], 1)
    with tree.write() as session, pytest.raises(Conflict) as early:
        service.hand_over(session, actor=CONSOLE, shift_id=shift.id, note="无")
    assert early.value.code == "shift_not_begun"
    clock.advance(timedelta(hours=2))
    with tree.write() as session, pytest.raises(Conflict) as alone:
        service.hand_over(session, actor=CONSOLE, shift_id=shift.id, note="无")
    assert alone.value.code == "nobody_to_take_over"
    with tree.write() as session, pytest.raises(Invalid):
        service.hand_over(session, actor=CONSOLE, shift_id=shift.id, note="  ")


def test_one_confirms_ones_own_shift_only(plan: Plan, pair: tuple[int, int], tree: Database) -> None:
    shift = plan(pair[0])
    planner = actor(Role.PLANNER, id=pair[1])
    with tree.write() as session, pytest.raises(Forbidden):
        service.confirm(session, actor=planner, shift_id=shift.id)
    with tree.write() as session:
        mine = service.confirm(session, actor=actor(Role.PLANNER, id=pair[0]), shift_id=shift.id)
        assert (mine.state, mine.confirmed_at) == (ShiftState.CONFIRMED, START)


def test_nobody_stands_in_two_shifts_at_once(plan: Plan, pair: tuple[int, int], tree: Database) -> None:
    shift = plan(pair[0])
    with pytest.raises(Conflict):
        plan(pair[0], 11, role=ShiftRole.LEADER)
    plan(pair[0], 12)
    with tree.write() as session:
        service.cancel_shift(session, actor=CONSOLE, shift_id=shift.id, reason="换班")
    assert plan(pair[0]).state is ShiftState.PLANNED
    for length in (0, -1, 49):
        with pytest.raises(Invalid):
            plan(pair[1], length=length)
    with pytest.raises(Invalid):
        plan(424242)


def test_a_township_keeps_its_own_roster_and_sees_the_one_above(
    plan: Plan, make_account: Callable[..., int], tree: Database
) -> None:
    keeper = actor(Role.DUTY_OFFICER, division=TAITOU, prefix="120118104", id=9)
    above = plan(make_account("zhou"))
    own = plan(make_account("tai", "台某一", TAITOU), code=TAITOU, who=keeper)
    neighbour = plan(make_account("du", "独某一", DULIU), code=DULIU)
    with tree.read() as session:
        week = service.shifts(session, actor=keeper, start=START, end=START + timedelta(days=7))
        assert {s.id for s in week} == {above.id, own.id}
        with pytest.raises(NotFound):
            service.get_shift(session, actor=keeper, shift_id=neighbour.id)
    for code in (DISTRICT, DULIU):
        with pytest.raises(Forbidden):
            plan(own.account_id, 100, code=code, who=keeper)


def test_a_hole_in_the_watch_and_a_silent_shift_are_defects(plan: Plan, pair: tuple[int, int], tree: Database) -> None:
    plan(pair[0], -1, 12)
    plan(pair[1], 13, 12)
    with tree.read() as session:
        found = {d.rule: d for d in defects(session, START)}
        assert set(found) == {"shift_not_confirmed", "nobody_on_duty"}
        assert found["nobody_on_duty"].params["hours"] == 11


@given(st.lists(st.tuples(st.integers(-20, 30), st.integers(1, 24)), max_size=8))
def test_the_first_hole_is_where_nobody_stands(spans: list[tuple[int, int]]) -> None:
    watch: list[tuple[datetime, datetime]] = sorted(
        (START + timedelta(hours=a), START + timedelta(hours=a + n)) for a, n in spans if a + n > 0
    )
    hole = first_gap(watch, START)
    moments = [START + timedelta(hours=h) for h in range(24)]
    bare = [m for m in moments if not any(a <= m < b for a, b in watch)]
    assert hole == (bare[0] if bare else None)
