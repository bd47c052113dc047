"""The table of standings: equal to a fresh computation whatever happened, and nothing late on the first day."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions import service as divisions
from emergency.divisions.models import Unit, UnitKind
from emergency.divisions.units import UnitFacts
from emergency.drills import compliance, service, standings
from emergency.drills.defects import defects
from emergency.drills.models import DrillKind, DrillRule, Form, Occurrence, OccurrenceState, Programme
from emergency.drills.rules import Standing
from emergency.drills.standing_models import StandingRow, SubjectKind, Watched
from emergency.http.permissions import Role
from kernel.clock import BEIJING, ManualClock
from scheduler import terms
from scheduler.recurrence import Freq, Recurrence
from scheduler.terms import TermCalendar
from tests.drills.conftest import World
from tests.plans.support import DISTRICT, TAITOU, YIHE, add_unit, person

Plan = Callable[..., Programme]
FIELDS = ("standing", "rank", "due_order", "last_occurrence_id", "last_on", "next_due", "next_occurrence_id", "next_on",
          "provisional")  # fmt: skip


def keep(world: World, clock: ManualClock) -> int:
    return standings.keep(world.database, clock.now())


def stored(session: Session) -> dict[tuple[str, int, int], tuple[Any, ...]]:
    return {
        (row.subject_kind.value, row.subject_id, row.rule_id): tuple(getattr(row, name) for name in FIELDS)
        for row in session.scalars(sa.select(StandingRow))
    }


def fresh(session: Session) -> dict[tuple[str, int, int], tuple[Any, ...]]:
    """Everything computed anew, from the rows and nothing else."""
    rulebook, today = compliance.book(session, adopted_only=True), compliance.today_of(session)
    calendar = TermCalendar.load(session)
    found: dict[tuple[str, int, int], tuple[Any, ...]] = {}
    for kind, load in standings._LOADERS.items():
        ids = session.scalars(sa.select(Watched.subject_id).where(Watched.subject_kind == kind)).all()
        subjects = load(session, rulebook, ids)
        keys = [subject.key for subject in subjects]
        drills, since = compliance.drills_of(session, keys), compliance.since_of(session, keys, today)
        for subject in subjects:
            for rule, outcome in compliance.outcomes(
                subject, rulebook, drills.get(subject.key, ()), since[subject.key], today, calendar
            ):
                values = standings._values(subject, outcome)
                found[(kind.value, subject.id, rule.id)] = tuple(values[name] for name in FIELDS)
    return found


def standing(session: Session, subject_id: int, key: str) -> Standing | None:
    return session.scalar(
        sa.select(StandingRow.standing)
        .join(DrillRule, DrillRule.id == StandingRow.rule_id)
        .where(StandingRow.subject_id == subject_id, DrillRule.key == key)
    )


def hold(world: World, session: Session, occurrence: Occurrence) -> None:
    service.record(
        session, actor=world.planner, occurrence_id=occurrence.id,
        facts=service.RecordFacts(occurrence.starts_at, occurrence.ends_at, 30),
    )  # fmt: skip


def test_nothing_is_late_on_the_first_day_and_a_unit_nobody_planned_for_is_late_after_a_whole_window(
    world: World, clock: ManualClock
) -> None:
    keep(world, clock)
    with world.database.read() as session:
        assert Standing.OVERDUE not in set(session.scalars(sa.select(StandingRow.standing)))
        assert standing(session, world.plant, "psr-highrisk-6m") is Standing.DUE
    clock.set(datetime(2027, 6, 30, 12, tzinfo=BEIJING))
    keep(world, clock)
    with world.database.read() as session:
        assert standing(session, world.plant, "psr-highrisk-6m") is Standing.DUE, "its first whole half-year ends today"
    clock.set(datetime(2027, 7, 1, 12, tzinfo=BEIJING))
    keep(world, clock)
    with world.database.read() as session:
        assert standing(session, world.plant, "psr-highrisk-6m") is Standing.OVERDUE
        found = defects(session, clock.now(), [("unit", world.plant)])
    assert "drill_overdue:psr-highrisk-6m" in {fault.rule for fault in found}


def test_a_division_and_a_plan_are_subjects_too(world: World, clock: ManualClock) -> None:
    keep(world, clock)
    with world.database.read() as session:
        town = standing(session, int(TAITOU), "psr-gov-2y")
        assert town is Standing.DUE
        assert standing(session, int(YIHE), "psr-gov-2y") is None, "a village is no town"
        assert standing(session, int(YIHE), "grassroots-law") is Standing.NO_NUMBER
        assert standing(session, int(DISTRICT), "health-gov") is Standing.NO_NUMBER
        assert standing(session, int(TAITOU), "fire-other-1y") is None, "what means every other unit means no division"


def test_an_office_on_the_list_of_units_stands_for_itself(world: World, clock: ManualClock) -> None:
    with world.database.write() as session:
        office = add_unit(session, "台头镇人民政府", YIHE, UnitKind.OFFICE, "town_government")
    keep(world, clock)
    with world.database.read() as session:
        assert standing(session, office.id, "psr-gov-2y") is Standing.DUE
        assert standing(session, int(TAITOU), "psr-gov-2y") is None


def test_a_record_counts_at_the_next_look_and_names_the_drill_as_evidence(
    world: World, plan: Plan, clock: ManualClock
) -> None:
    with world.database.write() as session:
        plan(session, kind=DrillKind.RESCUE, unit_id=world.plant, post_ids=(),
             recurrence=Recurrence(Freq.YEARLY, date(2026, 11, 20), months=(3, 11), day=20), backdated=True)  # fmt: skip
        held, coming = session.scalars(sa.select(Occurrence).order_by(Occurrence.starts_at)).all()[:2]
    keep(world, clock)
    assert keep(world, clock) == 0, "what is right is not computed again"
    with world.database.write() as session:
        hold(world, session, held)
    assert keep(world, clock) == 1
    with world.database.read() as session:
        row = session.scalars(
            sa.select(StandingRow).join(DrillRule, DrillRule.id == StandingRow.rule_id)
            .where(StandingRow.subject_id == world.plant, DrillRule.key == "psr-highrisk-6m")
        ).one()  # fmt: skip
    assert (row.standing, row.last_occurrence_id, row.next_occurrence_id) == (Standing.SATISFIED, held.id, coming.id)
    with world.database.write() as session:
        service.cancel(session, actor=world.planner, occurrence_id=coming.id, reason="场地维修")
    keep(world, clock)
    with world.database.read() as session:
        later = session.scalar(sa.select(StandingRow.next_occurrence_id).where(StandingRow.id == row.id))
    assert later is not None and later != coming.id


def test_a_closed_unit_is_watched_no_more_and_a_new_one_from_its_first_day(world: World, clock: ManualClock) -> None:
    keep(world, clock)
    actor = person(Role.PLANNER, Role.DUTY_OFFICER, id=1)
    with world.database.write() as session:
        divisions.close_unit(session, actor=actor, unit_id=world.plant)
        made = divisions.create_unit(
            session, actor=actor, facts=UnitFacts(name="台头镇综合市场", division_code=TAITOU, sectors=["mall"])
        )
    clock.advance(timedelta(days=3))
    keep(world, clock)
    with world.database.read() as session:
        assert session.scalars(sa.select(StandingRow).where(StandingRow.subject_id == world.plant)).all() == []
        assert session.get(Watched, (SubjectKind.UNIT, world.plant)) is None
        watched = session.get_one(Watched, (SubjectKind.UNIT, made.id))
        assert watched.since == date(2026, 11, 26) and watched.subject_group == "mall" and watched.due > 0


@pytest.mark.parametrize("seed", range(6))
def test_whatever_happens_the_table_equals_a_fresh_computation(
    world: World, plan: Plan, clock: ManualClock, seed: int
) -> None:
    chance = random.Random(seed)
    for _round in range(6):
        for _step in range(5):
            with world.database.write() as session:
                chance.choice((_plan, _hold, _cancel, _move, _decide, _retag, _announce))(
                    world, plan, session, chance, clock
                )
        clock.advance(timedelta(days=chance.choice((0, 1, 40, 190))))
        keep(world, clock)
        with world.database.read() as session:
            assert stored(session) == fresh(session)
            for watched in session.scalars(sa.select(Watched)):
                rows = session.execute(
                    sa.select(StandingRow.standing, sa.func.count())
                    .where(
                        StandingRow.subject_kind == watched.subject_kind, StandingRow.subject_id == watched.subject_id
                    )
                    .group_by(StandingRow.standing)
                ).all()
                tally = {row[0]: row[1] for row in rows}
                assert (watched.overdue, watched.due, watched.satisfied) == (
                    tally.get(Standing.OVERDUE, 0), tally.get(Standing.DUE, 0), tally.get(Standing.SATISFIED, 0),
                )  # fmt: skip


def _plan(world: World, plan: Plan, session: Session, chance: random.Random, clock: ManualClock) -> None:
    today = clock.now().astimezone(BEIJING).date()
    plan(session, kind=chance.choice((DrillKind.FIRE, DrillKind.RESCUE, DrillKind.EVACUATION, DrillKind.FLOOD)),
         unit_id=chance.choice((world.plant, world.school, None)), post_ids=(), start_time=time(9), form=Form.FIELD,
         recurrence=Recurrence(Freq.MONTHLY, today - timedelta(days=chance.randrange(200)),
                               interval=chance.choice((1, 3, 5))))  # fmt: skip


def _some(session: Session, chance: random.Random, *conditions: Any) -> Occurrence | None:
    found = session.scalars(
        sa.select(Occurrence).where(Occurrence.state == OccurrenceState.PLANNED, *conditions).order_by(Occurrence.id)
    ).all()
    return chance.choice(found) if found else None


def _hold(world: World, plan: Plan, session: Session, chance: random.Random, clock: ManualClock) -> None:
    occurrence = _some(session, chance, Occurrence.ends_at < clock.now())
    if occurrence is not None:
        hold(world, session, occurrence)


def _cancel(world: World, plan: Plan, session: Session, chance: random.Random, clock: ManualClock) -> None:
    occurrence = _some(session, chance)
    if occurrence is not None:
        service.cancel(session, actor=world.planner, occurrence_id=occurrence.id, reason="雨")


def _move(world: World, plan: Plan, session: Session, chance: random.Random, clock: ManualClock) -> None:
    occurrence = _some(session, chance, Occurrence.starts_at > clock.now())
    if occurrence is not None:
        service.reschedule(
            session, actor=world.planner, occurrence_id=occurrence.id, version=occurrence.version,
            starts_at=clock.now() + timedelta(days=1 + chance.randrange(300)),
        )  # fmt: skip


def _decide(world: World, plan: Plan, session: Session, chance: random.Random, clock: ManualClock) -> None:
    rule = chance.choice(session.scalars(sa.select(DrillRule).order_by(DrillRule.key)).all())
    service.adopt_rule(
        session,
        actor=world.planner,
        rule_id=rule.id,
        adopted=not rule.adopted,
        reason="局务会决定",
        version=rule.version,
    )


def _retag(world: World, plan: Plan, session: Session, chance: random.Random, clock: ManualClock) -> None:
    tags = chance.sample(["primary_school", "hazchem", "mall", "hospital", "kindergarten"], 2)
    unit = session.get_one(Unit, chance.choice((world.plant, world.school)))
    divisions.change_unit(session, actor=world.planner, unit_id=unit.id, facts=UnitFacts(sectors=tags))


def _announce(world: World, plan: Plan, session: Session, chance: random.Random, clock: ManualClock) -> None:
    begins = date(2027, 2, chance.choice((10, 20, 26)))
    terms.set_term(session, year="2026-2027", term=2, begins_on=begins, ends_on=date(2027, 7, 8))
