"""The demo's compliance: programmes of malls and plants, since when everybody is watched, the table of standings.

Some markets and workshops have no programme, as in life: they are what the pages of compliance are for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, time, timedelta

import sqlalchemy as sa

from emergency.divisions.models import Unit, UnitKind
from emergency.divisions.rules import widen
from emergency.drills import inspecting, standings
from emergency.drills.inspection_models import Inspected
from emergency.drills.models import Content, DrillKind, Form, Occurrence, OccurrenceState
from emergency.drills.planning import NewProgramme
from emergency.http.actor import Actor
from kernel.clock import BEIJING
from kernel.db import Database
from scheduler.recurrence import Freq, OnHoliday, Recurrence

WITHOUT = 4
"""Every fourth market, and every third workshop, has no programme of its own."""


def of_malls(units: Iterable[Unit], since: date, asked: dict[int, Sequence[int]]) -> Iterable[NewProgramme]:
    """Markets, hotels and places of entertainment: twice a year a fire drill and a full exercise; most drill on the spot too."""
    malls = [unit for unit in units if unit.kind is UnitKind.MALL]
    for number, unit in enumerate(malls):
        if number % WITHOUT == WITHOUT - 1:
            continue
        rule = Recurrence(Freq.MONTHLY, since, interval=6, day=6 + number % 18, on_holiday=OnHoliday.NEXT)
        yield NewProgramme(
            f"{unit.name}消防疏散演练", DrillKind.FIRE, Form.FIELD, unit.division_code, rule, time(9, 30),
            unit_id=unit.id, duration_minutes=40, target_seconds=420, place="营业区至停车场", post_ids=asked[unit.id],
            rule_keys=("fire-key-6m", "fire-other-1y"),
        )  # fmt: skip
        rule = Recurrence(Freq.MONTHLY, since, interval=6 if number % 5 else 9, day=11 + number % 15)
        yield NewProgramme(
            f"{unit.name}综合应急演练", DrillKind.FULL, Form.FIELD, unit.division_code, rule, time(14, 0),
            unit_id=unit.id, duration_minutes=60, content=Content.FULL, place="设备间与营业区",
            post_ids=asked[unit.id], rule_keys=("psr-crowd-6m", "psp-unit-1y"),
        )  # fmt: skip
        if number % 3:
            yield _onsite(unit, Recurrence(Freq.MONTHLY, since, interval=5, day=3 + number % 20), asked[unit.id])


def of_plants(units: Iterable[Unit], since: date, asked: dict[int, Sequence[int]]) -> Iterable[NewProgramme]:
    """Production units: the on-site scheme each half-year, a plan each year, and the fire drill that everybody owes."""
    plants = [unit for unit in units if "production" in widen(unit.sectors) and unit.kind is not UnitKind.MALL]
    for number, unit in enumerate(plants):
        if number % 3 == 2 and unit.kind is not UnitKind.HAZCHEM:
            continue
        yield _onsite(
            unit, Recurrence(Freq.MONTHLY, since, interval=5 + number % 3, workday=-1 - number % 6), asked[unit.id]
        )
        if number % 6 != 1:
            day = since.replace(month=10)
            rule = Recurrence(Freq.YEARLY, day, months=(10,), day=2 + number % 24, on_holiday=OnHoliday.NEXT)
            yield NewProgramme(
                f"{unit.name}专项预案演练", DrillKind.UNIT_PLAN, Form.TABLETOP, unit.division_code, rule, time(9, 0),
                unit_id=unit.id, duration_minutes=90, place="会议室", post_ids=asked[unit.id],
                rule_keys=("psp-unit-1y",),
            )  # fmt: skip
        rule = Recurrence(Freq.MONTHLY, since, interval=6, day=4 + number % 20, on_holiday=OnHoliday.NEXT)
        yield NewProgramme(
            f"{unit.name}消防疏散演练", DrillKind.FIRE, Form.FIELD, unit.division_code, rule, time(16, 0),
            unit_id=unit.id, duration_minutes=30, target_seconds=300, place="厂区至集合点", post_ids=asked[unit.id],
            rule_keys=("fire-key-6m", "fire-other-1y"),
        )  # fmt: skip


def _onsite(unit: Unit, rule: Recurrence, asked: Sequence[int]) -> NewProgramme:
    return NewProgramme(
        f"{unit.name}现场处置方案演练", DrillKind.ONSITE, Form.FIELD, unit.division_code, rule, time(10, 30),
        unit_id=unit.id, duration_minutes=40, place="岗位现场", post_ids=asked, rule_keys=("psp-unit-site-6m",),
    )  # fmt: skip


def watch(database: Database, since: date) -> None:
    """Everybody has been on the list since the school year before; then the table is written."""
    moment = database.clock.now()
    standings.enter(database, moment)
    with database.write() as session:
        standings.watch_from(
            session, actor=Actor.system("demo"), since=since, today=moment.astimezone(BEIJING).date(),
            reason="演示：单位台账自上学年起建立",
        )  # fmt: skip
    standings.keep(database, moment)


def checks(database: Database) -> None:
    """The department checked some drills in several townships; of every three one correction is still open."""
    actor, today = Actor.system("demo"), database.clock.now().astimezone(BEIJING).date()
    with database.write() as session:
        held = session.scalars(
            sa.select(Occurrence)
            .where(Occurrence.state == OccurrenceState.HELD, Occurrence.kind == DrillKind.FIRE)
            .order_by(Occurrence.starts_at.desc(), Occurrence.id)
            .limit(60)
        ).all()
        for number, drill in enumerate(held[::6]):
            day = min(today, drill.starts_at.astimezone(BEIJING).date() + timedelta(days=3))
            order = number % 3 != 0
            made = inspecting.inspect(
                session, actor=actor, occurrence_id=drill.id, inspected_on=day,
                result=Inspected.CORRECTION if order else Inspected.PASSED,
                ordered="集合清点未核对花名册，限期补做并留存记录。" if order else "",
                due_on=day + timedelta(days=15) if order else None,
            )  # fmt: skip
            if number % 3 == 1:
                inspecting.correct(
                    session, actor=actor, inspection_id=made.id, version=1, corrected_on=today,
                    proof="复查记录与照片齐全",
                )  # fmt: skip
