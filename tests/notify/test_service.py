from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa
from support import counts, few, number, recipients, spec

from kernel.clock import ManualClock
from kernel.db import Database
from kernel.errors import Invalid, NotFound
from notify import blocks, ledger, service
from notify.models import BlockState, Delivery, DeliveryBlock, DeliveryState, EngineBeat, Kind


def test_a_broadcast_is_one_row_a_number_in_the_order_of_rank(database: Database) -> None:
    with database.write() as session:
        record = service.broadcast(session, spec(database), recipients(session, 0, 1203))
    assert (record.messages, record.people) == (1203, 2406)
    with database.read() as session:
        rows = session.scalars(sa.select(Delivery).order_by(Delivery.id)).all()
        blocks = session.scalars(sa.select(DeliveryBlock).order_by(DeliveryBlock.first_id)).all()
    assert [row.address_key for row in rows] == list(range(1202, -1, -1))
    assert [service.position(row.id) for row in rows] == list(range(1, 1204))
    assert [(b.first_id, b.last_id) for b in blocks] == [
        (record.first_id + 1, record.first_id + 500),
        (record.first_id + 501, record.first_id + 1000),
        (record.first_id + 1001, record.first_id + 1203),
    ]
    assert {row.kind for row in rows} == {Kind.ACTUAL}
    assert counts(database, record.id) == {"queued": 1203}


def test_nobody_to_tell_is_not_an_error(database: Database) -> None:
    with database.write() as session:
        record = service.broadcast(session, spec(database), recipients(session, 0, 1).where(sa.false()))
        assert record.messages == 0
        assert service.deliver(session, spec(database), []).messages == 0
    assert counts(database, record.id) == {}


def test_two_with_one_number_get_one_message_and_count_as_two(database: Database) -> None:
    pair = few(5, 1) * 2
    with database.write() as session:
        record = service.deliver(session, spec(database), pair)
    assert (record.messages, record.people) == (1, 2)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"channels": []}, "no_channel"),
        ({"priority": 10}, "bad_priority"),
        ({"text": "  "}, "empty_text"),
        ({"text": "【演练】请转移。【演练】"}, "kind_mismatch"),
    ],
)
def test_what_cannot_be_sent_is_refused_at_once(database: Database, changes: dict[str, object], code: str) -> None:
    with pytest.raises(Invalid) as refused, database.write() as session:
        service.broadcast(session, spec(database, **changes), recipients(session, 0, 1))
    assert refused.value.code == code


def test_a_message_that_is_already_stale_is_refused(timed: Database, clock: ManualClock) -> None:
    late = spec(timed, valid_until=clock.now())
    with pytest.raises(Invalid), timed.write() as session:
        service.broadcast(session, late, recipients(session, 0, 1))


def test_a_field_cannot_smuggle_the_drill_marker_in(database: Database) -> None:
    one = few(1, 1)[0]
    smuggled = service.Recipient(one.recipient, one.division, 1, one.number_key, params={"name": "【演练】"})
    with pytest.raises(Invalid), database.write() as session:
        service.deliver(session, spec(database, "{name}请转移"), [smuggled])


def test_an_exercise_is_wrapped_in_the_ledger(database: Database) -> None:
    with database.write() as session:
        record = service.broadcast(session, spec(database, kind=Kind.EXERCISE), recipients(session, 0, 1))
    assert record.text == "【演练】请注意防范大风。【演练】"


def test_cancel_stops_what_has_not_left_and_twice_changes_nothing(database: Database) -> None:
    with database.write() as session:
        record = service.broadcast(session, spec(database), recipients(session, 0, 700))
        assert service.cancel(session, record.id) == 700
        assert service.cancel(session, record.id) == 0
    assert counts(database, record.id) == {"cancelled": 700}
    with database.write() as session:
        assert blocks.claim(session, "one", 10, 500) == []
        with pytest.raises(NotFound):
            service.cancel(session, 1)


def test_a_large_cancel_closes_at_once_and_is_written_off_in_pieces(database: Database) -> None:
    with database.write() as session:
        record = service.broadcast(session, spec(database), recipients(session, 0, 7000))
        assert service.cancel(session, record.id) == 7000
        assert blocks.claim(session, "one", 10, 500) == []
    assert counts(database, record.id) == {"cancelled": 5000, "queued": 2000}
    with database.write() as session:
        while blocks.sweep(session):
            pass
    assert counts(database, record.id) == {"cancelled": 7000}


def test_what_is_out_of_date_is_written_off_as_expired(timed: Database, clock: ManualClock) -> None:
    with timed.write() as session:
        record = service.broadcast(session, spec(timed), recipients(session, 0, 600))
    clock.advance(timedelta(hours=2))
    with timed.write() as session:
        assert blocks.claim(session, "one", 10, 500) == []
        assert blocks.sweep(session) == 2
    assert counts(timed, record.id) == {"expired": 600}


def test_the_most_urgent_is_claimed_first_and_only_once(database: Database) -> None:
    with database.write() as session:
        routine = service.broadcast(session, spec(database, priority=5), recipients(session, 0, 600))
        urgent = service.broadcast(session, spec(database, priority=0), recipients(session, 1000, 10))
    with database.write() as session:
        first = blocks.claim(session, "one", 10, 500)
        second = blocks.claim(session, "two", 10, 500, below=5)
        third = blocks.claim(session, "two", 10, 500)
    assert [held.broadcast_id for held in first] == [urgent.id, routine.id]
    assert second == []
    assert [held.broadcast_id for held in third] == [routine.id]
    assert not {h.first_id for h in first} & {h.first_id for h in third}


def test_a_lease_that_ran_out_passes_on_and_leaves_intents_unknown(timed: Database, clock: ManualClock) -> None:
    with timed.write() as session:
        record = service.broadcast(session, spec(timed), recipients(session, 0, 10))
        [held] = blocks.claim(session, "one", 10, 500)
        ids = [row.id for row in blocks.queued_rows(session, held)]
        assert ledger.intend(session, [(i, "sms", "main") for i in ids[:3]]) == set(ids[:3])
        assert ledger.intend(session, [(i, "sms", "main") for i in ids[:3]]) == set()
    clock.advance(11)
    with timed.write() as session:
        assert blocks.take_over(session) == 1
        [again] = blocks.claim(session, "two", 10, 500)
        assert len(blocks.queued_rows(session, again)) == 7
        assert not blocks.renew(session, held, 10)
        assert blocks.release(session, held) is None
        assert ledger.intend(session, [(i, "sms", "main") for i in ids[:3]]) == set()
        late = ledger.settle(session, [(ids[0], 1, DeliveryState.QUEUED, None, None)])
        assert late == set()
        moved = ledger.land(session, [(ids[1], DeliveryState.SUBMITTED, "SM1", None)])
        assert [row.id for row in moved] == [ids[1]]
    with timed.read() as session:
        by_state = service.tallies(session, [record.id]).by_state
        states = {row.id: row.state for row in session.execute(sa.select(Delivery.id, Delivery.state))}
    assert states[ids[0]] is DeliveryState.UNKNOWN
    assert states[ids[1]] is DeliveryState.SUBMITTED
    assert by_state[DeliveryState.SUBMITTED] == 1


def test_a_verdict_about_one_attempt_does_not_touch_the_next(timed: Database, clock: ManualClock) -> None:
    with timed.write() as session:
        service.broadcast(session, spec(timed), recipients(session, 0, 1))
        [held] = blocks.claim(session, "one", 10, 500)
        [row] = blocks.queued_rows(session, held)
        ledger.intend(session, [(row.id, "sms", "main")])
        ledger.settle(session, [(row.id, 1, DeliveryState.UNKNOWN, None, "timeout")])
        blocks.release(session, held)
    clock.advance(30)
    with timed.write() as session:
        assert blocks.requeue_absent(session, [(row.id, 2)], clock.now()) == 0
        assert blocks.requeue_absent(session, [(row.id, 1)], clock.now() - timedelta(seconds=60)) == 0
        assert blocks.requeue_absent(session, [(row.id, 1)], clock.now()) == 1
        assert session.scalars(sa.select(DeliveryBlock.state)).all() == [BlockState.READY]


def test_pages_of_the_ledger_are_whole_and_in_order(database: Database) -> None:
    with database.write() as session:
        one = service.broadcast(session, spec(database), recipients(session, 0, 70))
        two = service.broadcast(session, spec(database), recipients(session, 500, 40))
    seen, cursor = [], None
    with database.read() as session:
        while True:
            page = service.deliveries(session, [one.id, two.id], DeliveryState.QUEUED, cursor, 50)
            seen += [row.id for row in page.rows]
            cursor = page.next_cursor
            if cursor is None:
                break
        assert service.deliveries(session, [one.id], DeliveryState.FAILED).rows == []
        assert service.deliveries(session, []).rows == []
    assert len(seen) == len(set(seen)) == 110
    assert seen == sorted(seen)


def test_an_unknown_message_can_be_settled_by_hand_once(database: Database) -> None:
    with database.write() as session:
        record = service.broadcast(session, spec(database), recipients(session, 0, 1))
        [held] = blocks.claim(session, "one", 10, 500)
        [row] = blocks.queued_rows(session, held)
        ledger.intend(session, [(row.id, "sms", "main")])
        ledger.settle(session, [(row.id, 1, DeliveryState.UNKNOWN, None, "timeout")])
        change = ledger.TallyChange()
        change.move(record.id, row.division, "sms", row.people, DeliveryState.QUEUED, DeliveryState.UNKNOWN)
        change.write(session)
    with database.write() as session:
        assert service.settle_by_hand(session, row.id, DeliveryState.SUBMITTED, "电话核实")
        assert not service.settle_by_hand(session, row.id, DeliveryState.FAILED, "电话核实")
    assert counts(database, record.id) == {"submitted": 1}


def test_silence_while_something_waits_is_an_alarm(timed: Database, clock: ManualClock) -> None:
    with timed.write() as session:
        assert not service.status(session).silent
        service.broadcast(session, spec(timed), recipients(session, 0, 10))
        assert not service.status(session).silent
    clock.advance(31)
    with timed.write() as session:
        status = service.status(session)
        assert status.silent
        assert (status.waiting, status.alive, status.unknown) == (10, 0, 0)
        session.add(
            EngineBeat(
                holder="e",
                host="h",
                pid=1,
                started_at=clock.now(),
                beat_at=clock.now(),
                last_handed_over_at=clock.now(),
            )
        )
        session.flush()
        assert not service.status(session).silent


def test_a_drain_ends_by_itself(timed: Database, clock: ManualClock) -> None:
    until = service.drain(timed, 10)
    with timed.read() as session:
        assert service.status(session).draining_until == until
    clock.advance(timedelta(minutes=11))
    with timed.read() as session:
        assert service.status(session).draining_until is None
    assert service.drain(timed, 0) is None


def test_no_number_is_in_the_ledger(database: Database, tmp_path: object) -> None:
    with database.write() as session:
        service.broadcast(session, spec(database), recipients(session, 0, 3))
    with database.read() as session:
        for row in session.execute(sa.select(Delivery.__table__)):
            assert not any(number(1)[3:] in str(value) for value in row)


def test_a_number_without_anybody_behind_it_enters_no_ledger_and_the_checks_are_back(database: Database) -> None:
    nobody = sa.select(
        sa.literal(1).label("rank"),
        sa.literal("resident:1").label("recipient"),
        sa.literal("120118104000").label("division"),
        sa.literal(1).label("address_key"),
        sa.literal(b"0" * 16, sa.LargeBinary).label("number_key"),
        sa.literal(0).label("people"),
    )
    with pytest.raises((ValueError, sa.exc.IntegrityError)), database.write() as session:
        service.broadcast(session, spec(database), nobody)
    with pytest.raises(sa.exc.IntegrityError), database.write() as session:
        record = service.deliver(session, spec(database), few(1, 1))
        session.execute(sa.update(Delivery).where(Delivery.broadcast_id == record.id).values(people=0))
