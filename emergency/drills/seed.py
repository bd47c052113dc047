"""The demo's drills: a year of past records, the dates ahead, this week's questions and answers, a finding.

Through the services, so that what the demo shows is what the product allows. Nobody is named: posts are asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.asking.models import Means
from emergency.divisions import service as divisions
from emergency.divisions.models import Unit, UnitKind
from emergency.drills import lawbook, programmes, seed_day, seed_feeds, seed_learning, seed_rules, seed_year, service
from emergency.drills.jobs import mark_missed
from emergency.drills.models import (
    Answered,
    Content,
    DrillKind,
    Form,
    Invitation,
    Occurrence,
    Programme,
)
from emergency.drills.planning import NewProgramme
from emergency.drills.rules import COMING
from emergency.http.actor import Actor
from emergency.people.posts.models import Duty, Post, PostState
from emergency.plans.models import Plan
from kernel.clock import BEIJING
from kernel.db import Database
from kernel.db import now as present
from scheduler.recurrence import Freq, OnBreak, OnHoliday, Recurrence
from scheduler.terms import school_year, set_term
from scheduler.workdays import import_known

ACTOR = Actor.system("demo")
DISTRICT = "120118000000"
PIECE = 15
SEASON = (6, 15)
FIRE_TOO = (UnitKind.SCHOOL, UnitKind.KINDERGARTEN, UnitKind.HOSPITAL)


def seed(database: Database, *, scale: int = 1) -> None:
    """Load the drills; where there are some already, nothing is done."""
    with database.write() as session:
        lawbook.load(session)
        import_known(session)
        _term(session)
    with database.read() as session:
        if session.scalar(sa.select(Programme.id).limit(1)) is not None:
            return
        today = present(session).astimezone(BEIJING).date()
        units = session.scalars(sa.select(Unit).where(Unit.closed_at.is_(None)).order_by(Unit.id)).all()
        liaisons = _posts(session)
        plans = {
            row.division_code: row.id
            for row in session.execute(
                sa.select(Plan.id, Plan.division_code).where(Plan.title.contains("防汛应急预案"))
            )
        }
        towns = divisions.townships(session, DISTRICT)
    since = date(today.year - 1, 9, 1)
    asked = {unit.id: _asked(unit, liaisons) for unit in units}
    wanted = [
        *_of_units(units, liaisons, today),
        *seed_rules.of_malls(units, since, asked),
        *seed_rules.of_plants(units, since, asked),
        *(
            _flood(town.code, town.name, plans.get(town.code), liaisons.get(town.code, []), number, today)
            for number, town in enumerate(towns)
        ),
        *_this_week(towns, liaisons, plans, today),
    ]
    for start in range(0, len(wanted), PIECE):
        with database.write() as session:
            for facts in wanted[start : start + PIECE]:
                service.create_programme(session, actor=ACTOR, facts=replace(facts, backdated=True))
    _resting(database)
    _records(database, today)
    mark_missed(database, database.clock.now())
    _questions(database, today)
    seed_learning.seed(database)
    seed_rules.checks(database)
    seed_rules.watch(database, since)
    seed_year.seed(database)
    seed_day.seed(database)
    seed_feeds.seed(database, actor=ACTOR)


def _term(session: Session) -> None:
    """The first term of this school year as announced; the second still rests on the usual dates."""
    today = present(session).astimezone(BEIJING).date()
    first = today.year if today.month >= 8 else today.year - 1
    set_term(session, year=school_year(first), term=1, begins_on=date(first, 9, 1), ends_on=date(first + 1, 1, 23))


def _resting(database: Database) -> None:
    """One programme rests, with its reason."""
    with database.write() as session:
        one = session.scalar(sa.select(Programme.id).where(Programme.kind == DrillKind.GAS).order_by(Programme.id))
        if one is not None:
            programmes.pause(session, actor=ACTOR, programme_id=one, reason="调压站改造，完工后恢复。")


def _posts(session: Session) -> dict[str, list[int]]:
    """Liaisons and flood chiefs by division; a unit's own posts under `unit:<id>`."""
    found: dict[str, list[int]] = {}
    duties = (Duty.LIAISON, Duty.FLOOD_CHIEF, Duty.SAFETY_OFFICER, Duty.FIRE_OFFICER)
    for post in session.scalars(
        sa.select(Post).where(Post.state == PostState.HELD, Post.duty.in_(duties)).order_by(Post.id)
    ):
        found.setdefault(f"unit:{post.unit_id}" if post.unit_id else post.division_code, []).append(post.id)
    return found


def _asked(unit: Unit, liaisons: dict[str, list[int]]) -> Sequence[int]:
    own = liaisons.get(f"unit:{unit.id}", [])
    return own or liaisons.get(unit.division_code, [])[:1] or liaisons.get(f"{unit.division_code[:9]}000", [])[:1]


def _of_units(units: Iterable[Unit], liaisons: dict[str, list[int]], today: date) -> Iterable[NewProgramme]:
    since = date(today.year - 1, 9, 1)
    for number, unit in enumerate(units):
        asked = _asked(unit, liaisons)
        if unit.kind in FIRE_TOO:
            rule = Recurrence(Freq.MONTHLY, since, interval=6, day=8 + number % 14, on_holiday=OnHoliday.NEXT)
            yield NewProgramme(
                f"{unit.name}灭火疏散演练", DrillKind.FIRE, Form.FIELD, unit.division_code, rule, time(15, 10),
                unit_id=unit.id, duration_minutes=40, target_seconds=300, place="主楼至集合点", post_ids=asked,
                rule_keys=("fire-key-6m", "fire-school-acyear"),
            )  # fmt: skip
        if unit.kind is UnitKind.SCHOOL:
            rule = Recurrence(
                Freq.MONTHLY, since, weekdays=(number % 5,), nth=1 + number % 4, on_holiday=OnHoliday.NEXT,
                on_break=OnBreak.SKIP,
            )  # fmt: skip
            yield NewProgramme(
                f"{unit.name}应急疏散演练", DrillKind.EVACUATION, Form.FIELD, unit.division_code, rule, time(9, 40),
                unit_id=unit.id, duration_minutes=30, target_seconds=120, place="教学楼至操场", post_ids=asked,
                rule_keys=("edu-school-1m", "school-law"),
            )  # fmt: skip
        elif unit.kind is UnitKind.KINDERGARTEN:
            rule = Recurrence(Freq.MONTHLY, since, interval=3, day=10 + number % 15, on_holiday=OnHoliday.NEXT)
            yield NewProgramme(
                f"{unit.name}应急疏散演练", DrillKind.EVACUATION, Form.FIELD, unit.division_code, rule, time(10, 0),
                unit_id=unit.id, duration_minutes=30, target_seconds=240, place="园内", post_ids=asked,
                rule_keys=("edu-kinder-3m",),
            )  # fmt: skip
        elif unit.kind is UnitKind.CARE_HOME:
            rule = Recurrence(Freq.MONTHLY, since, interval=6, day=5 + number % 20, on_holiday=OnHoliday.PREVIOUS)
            yield NewProgramme(
                f"{unit.name}消防疏散演练", DrillKind.FIRE, Form.FIELD, unit.division_code, rule, time(14, 30),
                unit_id=unit.id, duration_minutes=45, target_seconds=480, place="居住楼至安全区", post_ids=asked,
                rule_keys=("fire-key-6m", "elderly-6m"),
            )  # fmt: skip
        elif unit.kind is UnitKind.HAZCHEM:
            rule = Recurrence(Freq.MONTHLY, since, interval=5, workday=-1)
            yield NewProgramme(
                f"{unit.name}泄漏处置演练", DrillKind.RESCUE, Form.FIELD, unit.division_code, rule, time(15, 0),
                unit_id=unit.id, duration_minutes=60, content=Content.FULL, place="装卸区", post_ids=asked,
                rule_keys=("psr-highrisk-6m", "psp-unit-1y"),
            )  # fmt: skip


def _flood(code: str, name: str, plan_id: int | None, asked: Sequence[int], number: int, today: date) -> NewProgramme:
    """Every township before 15 June: the season's own practice, not a rule of national law."""
    before = 3 + number % 12
    return NewProgramme(
        f"{name}汛前人员转移演练", DrillKind.FLOOD, Form.FIELD, code,
        Recurrence(Freq.SEASON, date(today.year - 1, 1, 1), season=SEASON, before=before, before_workdays=True), time(9, 0),
        plan_id=plan_id, duration_minutes=150, content=Content.FULL, place="村口集合点至安置点", post_ids=asked,
        rule_keys=("flood-preseason", "weather"),
    )  # fmt: skip


def _this_week(
    towns: Sequence[object], liaisons: dict[str, list[int]], plans: dict[str, int], today: date
) -> Iterable[NewProgramme]:
    """Drills of these days, so that the list is never empty."""
    kinds = (
        ("夜间叫应演练", DrillKind.FLOOD, Form.FIELD, time(20, 30), 40),
        ("极端天气会商桌面演练", DrillKind.WEATHER, Form.TABLETOP, time(14, 0), 120),
        ("冬季燃气泄漏处置演练", DrillKind.GAS, Form.FIELD, time(10, 0), 60),
        ("森林草地火灾扑救演练", DrillKind.FOREST, Form.FIELD, time(9, 30), 90),
    )
    for number, town in enumerate(towns[2:10]):
        code, name = getattr(town, "code", ""), getattr(town, "name", "")
        title, kind, form, at, minutes = kinds[number % len(kinds)]
        day = today + timedelta(days=1 + number)
        yield NewProgramme(
            f"{name}{title}", kind, form, code, Recurrence(Freq.YEARLY, day, until=day), at,
            plan_id=plans.get(code) if kind is DrillKind.FLOOD else None, duration_minutes=minutes,
            place="镇应急指挥室", post_ids=_whole_township(code, liaisons)[:9],
        )  # fmt: skip


def _whole_township(code: str, liaisons: dict[str, list[int]]) -> list[int]:
    return [post for key, held in sorted(liaisons.items()) if key.startswith(code[:9]) for post in held]


def _records(database: Database, today: date) -> None:
    """Most of what is past was held; every ninth date was forgotten, which the compliance page then shows."""
    last = 0
    while True:
        with database.write() as session:
            moment = present(session)
            batch = session.scalars(
                sa.select(Occurrence)
                .where(Occurrence.id > last, Occurrence.ends_at < moment - timedelta(hours=20))
                .order_by(Occurrence.id)
                .limit(PIECE)
            ).all()
            if not batch:
                return
            for number, occurrence in enumerate(batch):
                last = occurrence.id
                if (occurrence.id // 7 + number) % 9 == 0:
                    continue
                _record(session, occurrence, number)


def _record(session: Session, occurrence: Occurrence, number: int) -> None:
    target = session.get_one(Programme, occurrence.programme_id).target_seconds
    people = 120 + 37 * (occurrence.id % 11)
    service.record(
        session, actor=ACTOR, occurrence_id=occurrence.id,
        facts=service.RecordFacts(
            occurrence.starts_at, occurrence.ends_at, people - number % 7, people,
            int(target * (0.82 + 0.06 * (number % 6))) if target else None, "演示记录：按方案完成，集合清点无误。",
        ),
    )  # fmt: skip


def _questions(database: Database, today: date) -> None:
    """The posts of the coming days are asked; most have answered by telephone."""
    start = datetime.combine(today + timedelta(days=1), time(0), BEIJING)
    with database.read() as session:
        coming = session.scalars(
            sa.select(Occurrence.id)
            .join(Programme, Programme.id == Occurrence.programme_id)
            .where(Occurrence.starts_at >= start, Occurrence.starts_at < start + timedelta(days=6),
                   Occurrence.unit_id.is_(None), Occurrence.state.in_(COMING))
            .order_by(Occurrence.starts_at)
            .limit(5)
        ).all()  # fmt: skip
    for occurrence_id in coming:
        with database.write() as session:
            whole = service.get(session, actor=ACTOR, occurrence_id=occurrence_id)
            if not session.scalars(
                sa.select(service.ProgrammePost.post_id).where(service.ProgrammePost.programme_id == whole.programme.id)
            ).all():
                continue
            service.invite(session, actor=ACTOR, occurrence_id=occurrence_id)
        with database.write() as session:
            asked = session.scalars(
                sa.select(Invitation).where(Invitation.occurrence_id == occurrence_id).order_by(Invitation.id)
            ).all()
            for number, invitation in enumerate(asked):
                if number % 4 == 3:
                    continue
                said = {2: Answered.OTHER, 6: Answered.NO}.get(number, Answered.YES)
                starts_at = session.get_one(Occurrence, occurrence_id).starts_at
                service.record_answer(
                    session, actor=ACTOR, invitation_id=invitation.id, answer=said, means=Means.PHONE,
                    proposed_at=starts_at + timedelta(days=2) if said is Answered.OTHER else None,
                )  # fmt: skip
