"""The ledger: never negative, never promised twice, always equal to its movements; also under two writers at once."""

from __future__ import annotations

import random
import threading
from collections import Counter
from datetime import date

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from emergency.http.permissions import Role
from emergency.supplies import service
from emergency.supplies.jobs import release_expired
from emergency.supplies.models import Balance, Lot, LotState, Movement, Ownership, Place, WriteOff, WriteOffState
from kernel.clock import ManualClock
from kernel.errors import Conflict, DomainError, Forbidden, Invalid
from kernel.states import ForbiddenTransition
from tests.plans.support import TAITOU, person
from tests.supplies.conftest import Store


def receive(store: Store, quantity: int, number: str = "A1", **more: object) -> int:
    with store.database.write() as session:
        return service.receive(
            session, actor=store.keeper, depot_id=store.centre, item_id=store.bags, ownership=Ownership.GOVERNMENT,
            number=number, quantity=quantity, **more,  # type: ignore[arg-type]
        ).lot_id  # fmt: skip


def balance(session: Session, lot_id: int, depot_id: int) -> tuple[int, int]:
    row = session.execute(
        sa.select(Balance.quantity, Balance.reserved)
        .join(Place, Place.id == Balance.place_id)
        .where(Balance.lot_id == lot_id, Place.depot_id == depot_id)
    ).one_or_none()
    return (row.quantity, row.reserved) if row else (0, 0)


STEP = st.tuples(
    st.sampled_from(["receive", "move", "back", "issue", "reserve", "release", "count", "write_off"]),
    st.integers(1, 40),
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEP, max_size=14))
def test_whatever_happens_the_balances_equal_the_ledger_and_nothing_is_negative(
    store: Store, steps: list[tuple[str, int]]
) -> None:
    lot = receive(store, 50, number=f"p{random.random()}")
    held: list[int] = []
    for kind, n in steps:
        try:
            with store.database.write() as session:
                if kind == "reserve":
                    held.append(service.reserve(session, actor=store.keeper, lot_id=lot, depot_id=store.centre,
                                                quantity=n, holder=("test", n)).id)  # fmt: skip
                elif kind == "release" and held:
                    service.release(session, actor=store.keeper, reservation_id=held.pop())
                else:
                    _step(session, store, lot, kind, n)
        except DomainError:
            continue
    with store.database.read() as session:
        assert service.imbalances(session) == []
        rows = session.execute(sa.select(Balance.quantity, Balance.reserved).where(Balance.bounded)).all()
        assert all(0 <= row.reserved <= row.quantity for row in rows)
        assert session.scalar(sa.select(sa.func.sum(Balance.quantity)).where(Balance.lot_id == lot)) == 0


def _step(session: Session, store: Store, lot: int, kind: str, n: int) -> None:
    both = {"actor": store.keeper, "lot_id": lot, "quantity": n, "reason": "试"}
    if kind == "receive":
        number = session.get_one(Lot, lot).number
        service.receive(session, actor=store.keeper, depot_id=store.town, item_id=store.bags, quantity=n,
                        ownership=Ownership.GOVERNMENT, number=number)  # fmt: skip
    elif kind == "move":
        service.move(session, from_depot_id=store.centre, to_depot_id=store.town, **both)
    elif kind == "back":
        service.move(session, from_depot_id=store.town, to_depot_id=store.centre, **both)
    elif kind == "issue":
        service.issue(session, depot_id=store.centre, **both)
    elif kind == "count":
        service.count(session, actor=store.keeper, depot_id=store.centre, counted={lot: n})
    elif kind == "write_off":
        asked = service.request_write_off(session, depot_id=store.centre, **both)
        service.decide_write_off(session, actor=store.approver, write_off_id=asked.id, approve=n % 2 == 0, reason="看")


def test_two_writers_at_once_take_no_more_than_there_is(store: Store) -> None:
    lot = receive(store, 60)
    taken: Counter[str] = Counter()

    def work(name: str) -> None:
        for number in range(20):
            try:
                with store.database.write() as session:
                    if number % 3 == 0:
                        service.reserve(session, actor=store.keeper, lot_id=lot, depot_id=store.centre, quantity=3,
                                        holder=(name, number))  # fmt: skip
                    elif number % 3 == 1:
                        service.move(session, actor=store.keeper, lot_id=lot, from_depot_id=store.centre,
                                     to_depot_id=store.town, quantity=2, reason="试")  # fmt: skip
                    else:
                        service.issue(session, actor=store.keeper, lot_id=lot, depot_id=store.centre, quantity=2,
                                      reason="试")  # fmt: skip
                taken["done"] += 1
            except Conflict:
                taken["refused"] += 1

    threads = [threading.Thread(target=work, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.database.read() as session:
        quantity, reserved = balance(session, lot, store.centre)
        assert service.imbalances(session) == []
    assert taken["done"] + taken["refused"] == 40 and taken["refused"] > 0
    assert 0 <= reserved <= quantity < 60


def test_the_database_itself_refuses_a_negative_balance_and_a_double_promise(store: Store) -> None:
    lot = receive(store, 5)
    for values in ({"quantity": -1}, {"reserved": 6}, {"reserved": -1}):
        with pytest.raises(sa.exc.IntegrityError), store.database.write() as session:
            session.execute(sa.update(Balance).where(Balance.lot_id == lot, Balance.bounded).values(**values))


def test_the_ledger_is_never_changed(store: Store) -> None:
    receive(store, 5)
    for statement in (sa.update(Movement).values(quantity=1), sa.delete(Movement)):
        with pytest.raises(sa.exc.DatabaseError), store.database.write() as session:
            session.execute(statement)


def test_what_is_promised_cannot_be_issued_and_a_promise_that_ran_out_is_free_again(
    store: Store, clock: ManualClock
) -> None:
    from datetime import timedelta

    lot = receive(store, 10)
    with store.database.write() as session:
        service.reserve(session, actor=store.keeper, lot_id=lot, depot_id=store.centre, quantity=8,
                        holder=("warning", 1), due_at=clock.now() + timedelta(hours=2))  # fmt: skip
    with pytest.raises(service.NotEnough) as refused, store.database.write() as session:
        service.issue(session, actor=store.keeper, lot_id=lot, depot_id=store.centre, quantity=3, reason="试")
    assert refused.value.code == "not_enough_stock" and refused.value.params["free"] == 2
    clock.advance(timedelta(hours=3))
    assert release_expired(store.database, clock.now()) == 1
    with store.database.read() as session:
        assert balance(session, lot, store.centre) == (10, 0)


def test_who_asks_for_a_write_off_does_not_decide_it(store: Store) -> None:
    lot = receive(store, 10)
    both = person(Role.STOREKEEPER, Role.APPROVER, id=5)
    with store.database.write() as session:
        asked = service.request_write_off(
            session, actor=both, lot_id=lot, depot_id=store.centre, quantity=4, reason="受潮"
        )
        assert balance(session, lot, store.centre) == (10, 4)
    with pytest.raises(Forbidden) as refused, store.database.write() as session:
        service.decide_write_off(session, actor=both, write_off_id=asked.id, approve=True)
    assert refused.value.code == "four_eyes"
    with pytest.raises(sa.exc.IntegrityError), store.database.write() as session:
        session.execute(sa.update(WriteOff).values(decided_by=str(both)))
    with store.database.write() as session:
        done = service.decide_write_off(session, actor=store.approver, write_off_id=asked.id, approve=True)
        assert done.state is WriteOffState.APPROVED and balance(session, lot, store.centre) == (6, 0)
    with pytest.raises(ForbiddenTransition), store.database.write() as session:
        service.decide_write_off(session, actor=store.approver, write_off_id=asked.id, approve=True)


def test_an_expired_or_held_lot_is_not_issued(store: Store) -> None:
    old = receive(store, 5, number="old", expires_on=date(2026, 11, 22))
    held = receive(store, 5, number="held")
    with store.database.write() as session:
        service.set_lot_state(session, actor=store.keeper, lot_id=held, state=LotState.QUARANTINED, reason="外包装破损")
    for lot, code in ((old, "lot_expired"), (held, "lot_not_usable")):
        with pytest.raises(Conflict) as refused, store.database.write() as session:
            service.issue(session, actor=store.keeper, lot_id=lot, depot_id=store.centre, quantity=1, reason="试")
        assert refused.value.code == code


@pytest.mark.parametrize("quantity", [0, -3, True, 10**12])
def test_only_whole_positive_quantities_move(store: Store, quantity: int) -> None:
    with pytest.raises(Invalid):
        receive(store, quantity)


def test_a_township_keeper_does_not_touch_the_district_depot(store: Store) -> None:
    lot = receive(store, 5)
    local = person(Role.STOREKEEPER, division=TAITOU, id=8)
    with pytest.raises(DomainError) as refused, store.database.write() as session:
        service.move(session, actor=local, lot_id=lot, from_depot_id=store.centre, to_depot_id=store.town, quantity=1,
                     reason="试")  # fmt: skip
    assert refused.value.status == 404
