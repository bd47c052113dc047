"""The day's quota of a number, and the same words twice within minutes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from support import Index, counts, few, number, recipients, spec

from kernel.clock import ManualClock
from kernel.db import Database
from notify import quota, service
from notify.models import Broadcast, Delivery, DeliveryState, Kind


def notice(database: Database, start: int, count: int, text: str, **changes: object) -> Broadcast:
    values = {"kind": Kind.NOTICE, "daily_quota": 3} | changes
    with database.write() as session:
        return service.deliver(session, spec(database, text, **values), few(start, count))


def held(database: Database, record: Broadcast) -> list[tuple[str, str | None]]:
    with database.read() as session:
        rows = session.scalars(
            sa.select(Delivery).where(Delivery.broadcast_id == record.id, Delivery.state == DeliveryState.FAILED)
        )
        return [(row.recipient, row.reason) for row in rows]


def key(which: int) -> bytes:
    return Index().key(number(which))


def test_the_message_beyond_the_quota_is_held_back_for_good_with_its_reason(timed: Database, start: int) -> None:
    for nth in range(3):
        record = notice(timed, start, 2, f"第{nth}条")
        assert counts(timed, record.id) == {"queued": 2}
    other = notice(timed, start + 1, 2, "第四条")
    assert counts(timed, other.id) == {"queued": 1, "failed": 1}
    assert held(timed, other) == [(f"resident:{start + 1}", "daily_quota")]
    assert (other.held_back, other.held_back_people) == (1, 1)
    with timed.read() as session:
        assert quota.full(session, Kind.NOTICE, 3).keys == {key(start), key(start + 1)}


def test_a_day_ends_at_midnight_in_beijing(timed: Database, clock: ManualClock, start: int) -> None:
    clock.set(datetime(2026, 7, 1, 15, 59, 30, tzinfo=UTC))
    for nth in range(3):
        notice(timed, start, 1, f"第{nth}条")
    assert counts(timed, notice(timed, start, 1, "晚").id) == {"failed": 1}
    clock.advance(60)
    assert counts(timed, notice(timed, start, 1, "早").id) == {"queued": 1}


def test_what_is_spared_goes_whatever_came_before_and_counts_for_the_others(timed: Database, start: int) -> None:
    for nth in range(5):
        record = notice(timed, start, 1, f"红{nth}", kind=Kind.ACTUAL, daily_quota=0)
        assert counts(timed, record.id) == {"queued": 1}
    assert counts(timed, notice(timed, start, 1, "日常").id) == {"failed": 1}


def test_drills_and_what_is_real_are_counted_apart(timed: Database, start: int) -> None:
    for nth in range(3):
        notice(timed, start, 1, f"演练{nth}", kind=Kind.EXERCISE)
    assert counts(timed, notice(timed, start, 1, "日常").id) == {"queued": 1}
    assert counts(timed, notice(timed, start, 1, "又演练", kind=Kind.EXERCISE).id) == {"failed": 1}


def test_what_never_came_is_not_counted(timed: Database, start: int) -> None:
    records = [notice(timed, start, 1, f"第{nth}条") for nth in range(3)]
    with timed.write() as session:
        service.cancel(session, records[0].id)
    assert counts(timed, notice(timed, start, 1, "补发").id) == {"queued": 1}


@pytest.mark.parametrize(("through", "most"), [(50_000, 2000), (30, 2000), (5, 2000), (0, 2000), (30, 1)])
def test_small_and_large_broadcasts_are_counted_alike(
    timed: Database, start: int, monkeypatch: pytest.MonkeyPatch, through: int, most: int
) -> None:
    monkeypatch.setattr(quota, "LOOKED_THROUGH", through)
    monkeypatch.setattr(quota, "MOST_CANDIDATES", most)
    with timed.write() as session:
        for nth in range(2):
            service.broadcast(session, spec(timed, f"全区{nth}"), recipients(session, start, 40))
    for nth in range(2):
        notice(timed, start, 4, f"小{nth}", daily_quota=0)
    notice(timed, start + 30, 20, "中", daily_quota=0)
    with timed.write() as session:
        record = service.broadcast(session, spec(timed, "末", daily_quota=4), recipients(session, start, 60))
        assert counts_of(session, record) == {"failed": 4, "queued": 56}
        record = service.broadcast(session, spec(timed, "再", daily_quota=3), recipients(session, start, 60))
        # four had five by now, ten more had the two large ones, the middle one and the last
        assert counts_of(session, record) == {"failed": 40, "queued": 20}


def counts_of(session: object, record: Broadcast) -> dict[str, int]:
    rows = session.execute(  # type: ignore[attr-defined]
        sa.select(Delivery.state, sa.func.count()).where(Delivery.broadcast_id == record.id).group_by(Delivery.state)
    )
    return {state.value: count for state, count in rows}


def test_the_same_words_go_to_a_number_once_in_some_minutes(timed: Database, clock: ManualClock, start: int) -> None:
    notice(timed, start, 2, "已交接", repeat_minutes=10)
    again = notice(timed, start + 1, 2, "已交接", repeat_minutes=10)
    assert held(timed, again) == [(f"resident:{start + 1}", "repeated_text")]
    assert counts(timed, notice(timed, start, 1, "已交接。", repeat_minutes=10).id) == {"queued": 1}
    clock.advance(timedelta(minutes=11).total_seconds())
    assert counts(timed, notice(timed, start, 1, "已交接", repeat_minutes=10).id) == {"queued": 1}


def test_texts_that_differ_by_their_fields_are_not_the_same(timed: Database, start: int) -> None:
    for link in ("a", "b"):
        with timed.write() as session:
            people = [service.Recipient(f"resident:{start}", "120118104000", start, key(start), params={"link": link})]
            record = service.deliver(session, spec(timed, "请打开{link}", kind=Kind.NOTICE, repeat_minutes=10), people)
        assert counts(timed, record.id) == {"queued": 1}


def test_with_fewer_broadcasts_than_the_quota_nothing_is_counted(timed: Database, start: int) -> None:
    for nth in range(3):
        notice(timed, start, 1, f"第{nth}条")
    seen: list[str] = []
    with timed.write() as session:
        sa.event.listen(session.connection(), "before_cursor_execute", lambda *a: seen.append(a[2]))
        assert not quota.full(session, Kind.NOTICE, 4)
    assert not any("delivery.number_key" in statement for statement in seen)
