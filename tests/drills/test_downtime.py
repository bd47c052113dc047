"""The ticker down for an hour, three days or fourteen months; the clock set back; two tickers; a crash in mid-piece.

Every due thing happens once, or is reported as missed by its policy (docs/guide/downtime.md).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from emergency.drills import materialising, recomputing, service, time_jobs
from emergency.drills.defects import defects
from emergency.drills.jobs import mark_missed, write_ahead
from emergency.drills.models import Occurrence, OccurrenceState, Programme
from emergency.drills.time_jobs import recompute_dates
from kernel.clock import BEIJING, ManualClock
from kernel.db import Database
from scheduler.models import ClockStep
from scheduler.recurrence import Freq, OnHoliday, Recurrence
from scheduler.ticker import Job, Ticker
from scheduler.workdays import import_holidays
from tests.drills.conftest import World

Plan = Callable[..., Programme]
S = OccurrenceState
JOBS = [
    Job("drills.ahead", write_ahead, 3_600),
    Job("drills.recompute", recompute_dates, 300),
    Job("drills.missed", mark_missed, 300),
]


def rows(world: World) -> list[Occurrence]:
    with world.database.read() as session:
        return list(session.scalars(sa.select(Occurrence).order_by(Occurrence.starts_at)))


def once(found: list[Occurrence]) -> bool:
    """Whether no date of a programme stands twice."""
    return len({(o.programme_id, o.slot_on) for o in found}) == len(found)


def planned(world: World, plan: Plan, **more: Any) -> None:
    with world.database.write() as session:
        plan(session, **more)


@pytest.mark.parametrize("away", [timedelta(hours=1), timedelta(days=3), timedelta(days=425)])
def test_after_a_gap_every_date_is_there_once_and_what_passed_is_missed(
    world: World, plan: Plan, clock: ManualClock, away: timedelta
) -> None:
    planned(world, plan, recurrence=Recurrence(Freq.MONTHLY, date(2026, 11, 25)))
    ticker = Ticker(world.database, JOBS, "one")
    ticker.tick()
    clock.advance(away)
    ticker.tick()
    ticker.tick()
    found = rows(world)
    assert once(found)
    today = clock.now().astimezone(BEIJING).date()
    assert max(o.slot_on for o in found) >= today + timedelta(days=360), "written ahead from now, not from before"
    assert [o.slot_on for o in found] == Recurrence(Freq.MONTHLY, date(2026, 11, 25)).between(
        date(2026, 11, 25), found[-1].slot_on
    ), "no month is left out, also not those that came and went meanwhile"
    for occurrence in found:
        assert (occurrence.state is S.MISSED) == (occurrence.due_at <= clock.now())


@pytest.mark.parametrize("back", [timedelta(hours=1), timedelta(days=1)])
def test_a_clock_set_back_does_nothing_twice_and_is_noted(
    world: World, plan: Plan, clock: ManualClock, back: timedelta
) -> None:
    planned(world, plan, recurrence=Recurrence(Freq.MONTHLY, date(2026, 11, 25)))
    ticker = Ticker(world.database, JOBS, "one")
    clock.advance(timedelta(days=40))
    ticker.tick()
    before = [(o.id, o.state, o.version, o.sequence) for o in rows(world)]
    clock.set(clock.now() - back)
    ticker.tick()
    assert [(o.id, o.state, o.version, o.sequence) for o in rows(world)] == before
    with world.database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(ClockStep)) == 1
    clock.advance(back + timedelta(days=31))
    assert ticker.tick()["drills.ahead"] == 1 and once(rows(world))


def test_two_tickers_write_and_mark_everything_once(world: World, plan: Plan, clock: ManualClock) -> None:
    planned(world, plan)
    planned(world, plan, recurrence=Recurrence(Freq.WEEKLY, date(2026, 11, 25)))
    clock.advance(timedelta(days=100))
    faults: list[BaseException] = []

    def tick(name: str) -> None:
        try:
            Ticker(world.database, JOBS, name).tick()
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=tick, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults and once(rows(world))
    assert all((o.state is S.MISSED) == (o.due_at <= clock.now()) for o in rows(world))


def test_two_processes_that_both_believe_they_tick_write_nothing_twice(
    world: World, plan: Plan, clock: ManualClock
) -> None:
    planned(world, plan)
    clock.advance(timedelta(days=100))
    made: list[int] = []
    threads = [threading.Thread(target=lambda: made.append(write_ahead(world.database, clock.now()))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made)[:2] == [0, 0] and max(made) >= 3 and once(rows(world))


def test_a_fault_in_the_middle_leaves_whole_pieces_only_and_the_next_run_goes_on(
    world: World, plan: Plan, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(5):
        planned(world, plan)
    clock.advance(timedelta(days=70))
    before = len(rows(world))
    monkeypatch.setattr(time_jobs, "PIECE", 2)
    calls = []
    real = materialising.materialise

    def failing(session: Any, programmes: Any, calendars: Any) -> int:
        done = real(session, programmes, calendars)
        calls.append(done)
        if len(calls) == 2:
            raise RuntimeError("power")  # the rows of this piece are written, but not committed
        return done

    monkeypatch.setattr(time_jobs, "materialise", failing)
    with pytest.raises(RuntimeError):
        write_ahead(world.database, clock.now())
    assert len(rows(world)) == before + calls[0], "the first piece stands, the second left nothing"
    assert write_ahead(world.database, clock.now()) == calls[0] // 2 * 3
    assert once(rows(world)) and len(rows(world)) == before + calls[0] // 2 * 5


KILLED = """
import sys
from datetime import datetime
from emergency import schema
from emergency.drills import materialising, time_jobs
from kernel.clock import ManualClock
from kernel.db import Database, make_engine

clock = ManualClock(datetime.fromisoformat(sys.argv[2]))
database = Database(make_engine(sys.argv[1]), clock)
time_jobs.PIECE = 1
real = materialising.materialise

def slow(session, programmes, calendars):
    done = real(session, programmes, calendars)
    slow.calls += 1
    if slow.calls == 2:
        print("in the middle", flush=True)
        sys.stdin.read()
    return done

slow.calls = 0
time_jobs.materialise = slow
time_jobs.write_ahead(database, clock.now())
"""


def test_a_process_killed_in_the_middle_of_a_piece_leaves_nothing_half(
    world: World, plan: Plan, clock: ManualClock
) -> None:
    for _ in range(3):
        planned(world, plan)
    clock.advance(timedelta(days=70))
    before = len(rows(world))
    url = world.database.engine.url.render_as_string(hide_password=False)
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, url, clock.now().isoformat()], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True, env=os.environ,
    )  # fmt: skip
    assert process.stdout is not None and process.stdout.readline().strip() == "in the middle"
    process.send_signal(signal.SIGKILL)
    process.wait(30)
    assert process.stdin is not None
    process.stdin.close()
    process.stdout.close()
    after = len(rows(world))
    assert write_ahead(world.database, clock.now()) == (after - before) * 2
    assert once(rows(world))


def announce(database: Database, *days: str) -> None:
    with database.write() as session:
        document = {"year": 2027, "papers": [], "days": [{"name": "劳动节", "date": d, "isOffDay": True} for d in days]}
        import_holidays(session, document)


def test_an_announced_holiday_moves_what_nobody_was_asked_about_and_reports_the_rest(
    world: World, plan: Plan, clock: ManualClock
) -> None:
    rule = Recurrence(Freq.MONTHLY, date(2026, 12, 3), on_holiday=OnHoliday.NEXT)
    planned(world, plan, recurrence=rule)
    may = next(o for o in rows(world) if o.slot_on == date(2027, 5, 3))
    june = next(o for o in rows(world) if o.slot_on == date(2027, 6, 3))
    assert may.provisional and june.provisional
    with world.database.write() as session:
        service.invite(session, actor=world.planner, occurrence_id=june.id)
    announce(world.database, "2027-05-03", "2027-05-04", "2027-06-03")
    assert Ticker(world.database, JOBS, "one").tick()["drills.recompute"] > 0
    after = {o.id: o for o in rows(world)}
    assert after[may.id].starts_at.astimezone(BEIJING).date() == date(2027, 5, 5)
    assert after[may.id].slot_on == may.slot_on and after[may.id].sequence == may.sequence + 1
    assert not after[may.id].provisional
    assert after[june.id].starts_at == june.starts_at, "posts know of it: it stays, and is reported"
    with world.database.read() as session:
        found = [d for d in defects(session, clock.now()) if d.rule == "drill_on_holiday"]
    assert [(d.subject_id, d.params["holiday"]) for d in found] == [(june.id, "劳动节")]
    with world.database.write() as session:
        recomputing.move_off(session, actor=world.planner, occurrence_id=june.id)
    assert {o.id: o for o in rows(world)}[june.id].starts_at.astimezone(BEIJING).date() == date(2027, 6, 4)
    with world.database.read() as session:
        assert not [d for d in defects(session, clock.now()) if d.rule == "drill_on_holiday"]
    assert recompute_dates(world.database, clock.now()) == 0, "nothing is computed twice"


def test_a_date_that_somebody_chose_stays_when_holidays_are_announced(world: World, plan: Plan) -> None:
    planned(world, plan, recurrence=Recurrence(Freq.MONTHLY, date(2026, 12, 3), on_holiday=OnHoliday.NEXT))
    may = next(o for o in rows(world) if o.slot_on == date(2027, 5, 3))
    with world.database.write() as session:
        service.reschedule(
            session, actor=world.planner, occurrence_id=may.id, version=may.version,
            starts_at=may.starts_at + timedelta(days=1),
        )  # fmt: skip
    announce(world.database, "2027-05-04")
    recompute_dates(world.database, world.database.clock.now())
    assert {o.id: o for o in rows(world)}[may.id].starts_at == may.starts_at + timedelta(days=1)


def test_a_date_left_out_by_its_rule_is_withdrawn_and_comes_back_with_a_correction(world: World, plan: Plan) -> None:
    planned(world, plan, recurrence=Recurrence(Freq.MONTHLY, date(2026, 12, 3), on_holiday=OnHoliday.SKIP))
    announce(world.database, "2027-06-03")
    recompute_dates(world.database, world.database.clock.now())
    gone = next(o for o in rows(world) if o.slot_on == date(2027, 6, 3))
    assert gone.state is S.CANCELLED and gone.withdrawn
    announce(world.database, "2027-06-09")
    recompute_dates(world.database, world.database.clock.now())
    back = next(o for o in rows(world) if o.slot_on == date(2027, 6, 3))
    assert back.id == gone.id and back.state is S.PLANNED and not back.withdrawn
