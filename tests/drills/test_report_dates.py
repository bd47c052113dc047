"""By when a drill is to be reported: counted again when its record is corrected or the year's holidays are announced."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, time, timedelta

import sqlalchemy as sa

from emergency.drills import day_record, learning, service
from emergency.drills.learning_models import DrillReport
from emergency.drills.models import DrillKind, Form, Occurrence, Programme
from emergency.drills.time_jobs import recompute_dates
from kernel.clock import ManualClock
from scheduler.recurrence import Recurrence
from scheduler.workdays import import_holidays
from tests.drills.conftest import World
from tests.plans.support import TAITOU

Plan = Callable[..., Programme]


def held(world: World, clock: ManualClock, day: date) -> Occurrence:
    """A rescue drill of the plant, recorded; an adopted rule wants it reported."""
    with world.database.write() as session:
        programme = service.create_programme(
            session, actor=world.planner,
            facts=service.NewProgramme(
                "加油站事故救援演练", DrillKind.RESCUE, Form.FIELD, TAITOU, Recurrence.listed([day]), time(9, 0),
                unit_id=world.plant,
            ),
        )  # fmt: skip
        occurrence = session.scalars(sa.select(Occurrence).where(Occurrence.programme_id == programme.id)).one()
    clock.set(occurrence.ends_at + timedelta(hours=1))
    with world.database.write() as session:
        service.record(
            session, actor=world.planner, occurrence_id=occurrence.id,
            facts=service.RecordFacts(occurrence.starts_at, occurrence.ends_at, 12),
        )  # fmt: skip
    return occurrence


def due(world: World) -> set[tuple[date, bool]]:
    with world.database.read() as session:
        return {(row.due_on, row.provisional) for row in session.scalars(sa.select(DrillReport))}


def test_a_corrected_record_moves_the_day_by_which_it_is_reported(world: World, clock: ManualClock) -> None:
    drill = held(world, clock, date(2026, 12, 4))
    before = due(world)
    assert len(before) == 1
    with world.database.write() as session:
        row = day_record.standing(session, drill.id)
        assert row is not None
        facts = day_record.facts_of(session, row)
        week = timedelta(days=7)
        changed = replace(facts, started_at=facts.started_at - week, ended_at=facts.ended_at - week)
        day_record.correct(
            session, actor=world.planner, occurrence_id=drill.id, version=row.version, facts=changed, reason="日期写错"
        )
    (was, _guess), (now_due, _sure) = *before, *due(world)
    assert now_due == was - week
    with world.database.write() as session:
        report = session.scalars(sa.select(DrillReport)).first()
        assert report is not None
        learning.file_report(session, actor=world.planner, report_id=report.id, filed_on=date(2026, 12, 1))


def test_a_day_that_rested_on_a_guess_is_counted_again_once_the_holidays_are_announced(
    world: World, clock: ManualClock
) -> None:
    held(world, clock, date(2026, 12, 28))
    ((guess, provisional),) = due(world)
    assert provisional
    recompute_dates(world.database, clock.now())
    assert due(world) == {(guess, True)}
    days = [{"name": "元旦", "date": f"2027-01-0{n}", "isOffDay": True} for n in (4, 5, 6)]
    with world.database.write() as session:
        import_holidays(session, {"year": 2027, "papers": ["通知"], "days": days})
    recompute_dates(world.database, clock.now())
    ((settled, still),) = due(world)
    assert not still and settled > guess
