"""The demo's drills: a year of past records, the dates ahead, this week's questions and answers, a finding.

Through the services, so that what the demo shows is what the product allows. Nobody is named: posts are asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, time, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.asking.models import Means
from emergency.divisions import service as divisions
from emergency.divisions.models import Unit, UnitKind
from emergency.drills import lawbook, service
from emergency.drills.jobs import mark_missed
from emergency.drills.models import (
    Answered,
    Content,
    DrillKind,
    Form,
    Invitation,
    Occurrence,
    Programme,
    Rating,
)
from emergency.drills.planning import NewProgramme
from emergency.http.actor import Actor
from emergency.people.posts.models import Duty, Post, PostState
from emergency.plans.models import Plan
from kernel.clock import BEIJING
from kernel.db import Database
from kernel.db import now as present
from scheduler.recurrence import Freq, OnHoliday, Recurrence
from scheduler.workdays import import_known

ACTOR = Actor.system("demo")
DISTRICT = "120118000000"
PIECE = 15
TERM = (1, 3, 4, 5, 6, 9, 10, 11, 12)
"""Months with school; the monthly rule skips the others."""
FIRE_TOO = (UnitKind.SCHOOL, UnitKind.KINDERGARTEN, UnitKind.HOSPITAL)


def seed(database: Database, *, scale: int = 1) -> None:
    """Load the drills; where there are some already, nothing is done."""
    with database.write() as session:
        lawbook.load(session)
        import_known(session)
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
    wanted = [
        *_of_units(units, liaisons, today),
        *(
            _flood(town.code, town.name, plans.get(town.code), liaisons.get(town.code, []), number, today)
            for number, town in enumerate(towns)
        ),
        *_this_week(towns, liaisons, plans, today),
    ]
    for start in range(0, len(wanted), PIECE):
        with database.write() as session:
            for facts in wanted[start : start + PIECE]:
                service.create_programme(session, actor=ACTOR, facts=facts)
    _records(database, today)
    mark_missed(database, database.clock.now())
    _questions(database, today)
    _learning(database)


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
                Freq.YEARLY, since, weekdays=(number % 5,), nth=1 + number % 4, months=TERM, on_holiday=OnHoliday.NEXT
            )
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
    start = date(today.year - 1, 6, 1 + number % 12)
    return NewProgramme(
        f"{name}汛前人员转移演练", DrillKind.FLOOD, Form.FIELD, code,
        Recurrence(Freq.YEARLY, start, months=(6,), day=start.day, on_holiday=OnHoliday.PREVIOUS), time(9, 0),
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
                   Occurrence.unit_id.is_(None))
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
                said = Answered.OTHER if number == 2 else Answered.YES
                service.record_answer(session, actor=ACTOR, invitation_id=invitation.id, answer=said, means=Means.PHONE)


def _learning(database: Database) -> None:
    """Last June's flood drill of one township: its evaluation, a finding about the plan, what is done about it."""
    with database.write() as session:
        occurrence = session.scalar(
            sa.select(Occurrence)
            .join(Programme, Programme.id == Occurrence.programme_id)
            .where(Occurrence.kind == DrillKind.FLOOD, Occurrence.state == "held", Programme.plan_id.is_not(None))
            .order_by(Occurrence.starts_at.desc())
        )
        if occurrence is None:
            return
        plan_id = session.get_one(Programme, occurrence.programme_id).plan_id
        service.evaluate(
            session, actor=ACTOR, occurrence_id=occurrence.id,
            objectives=(
                ("十五分钟内叫应全部责任人", Rating.S), ("两小时内完成转移", Rating.P), ("特殊人群专车转移", Rating.M)
            ),
            strengths="锣长到位快，逐户敲门清点准确。",
        )  # fmt: skip
        finding = service.add_finding(
            session, actor=ACTOR, occurrence_id=occurrence.id, text="养老机构转移车辆数量不足，往返两趟",
            root_cause="预案按床位数而非实际人数配车", plan_id=plan_id,
        )  # fmt: skip
        service.add_action(
            session, actor=ACTOR, finding_id=finding.id, text="按实际人数重新核定车辆并写入预案",
            owner_words="镇防汛办", due_on=present(session).astimezone(BEIJING).date() + timedelta(days=20),
        )  # fmt: skip
