"""The demo's plans: the city's and the district's flood plans, townships, villages, special plans; some stale on purpose.

Everything goes through the services, by two different actors, so that what the demo shows is what the product allows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions import service as divisions
from emergency.divisions.models import Division, Unit
from emergency.divisions.rules import VILLAGE, place_name, within
from emergency.http.actor import Actor
from emergency.people.posts import service as posts
from emergency.people.posts.models import Duty
from emergency.people.residents.models import Resident
from emergency.plans import acting_seed, checks, citations, exposures, lawbook, publication, rules, service
from emergency.plans import demo_texts as texts
from emergency.plans.coverage import LISTED_KINDS
from emergency.plans.drafting import ActionText, Draft, EvacuationText, LevelText, RelianceText, SectionText
from emergency.plans.models import Hazard, Plan, PlanKind, PlanLevel, ResponseGrade
from emergency.plans.queries import today
from kernel.db import Database
from scheduler.workdays import import_known

AUTHOR, APPROVER = Actor.system("demo"), Actor.system("demo.approver")
CITY, DISTRICT = "120000000000", "120118000000"
TAITOU, DULIU, WANGKOU, DAQIUZHUANG = "120118104000", "120118102000", "120118103000", "120118108000"
ZIYA, TUANBO = "120118105000", "120118111000"
H, K, L = Hazard, PlanKind, PlanLevel
EXAMPLE = "【示例】本文为演示编写，不是正式预案。"


@dataclass(frozen=True)
class _Demo:
    """One plan of the demo and the day on which its text was issued; `filed` and `receipt` are days after that."""

    kind: PlanKind
    level: PlanLevel
    title: str
    code: str
    issuer: str
    hazards: tuple[Hazard, ...]
    outline: Sequence[tuple[str, str]]
    issued_on: date
    parent: int | None = None
    number: str = ""
    filed: int | None = 12
    receipt: int | None = 18
    months: int | None = None
    evaluated_on: date | None = None
    levels: bool = False


def seed(database: Database, *, scale: int = 1) -> None:
    """Load the plans; where there are some already, nothing is done."""
    with database.write() as session:
        for book in (lawbook, checks, citations, exposures):
            book.load(session)
        import_known(session)
    with database.read() as session:
        if session.scalar(sa.select(Plan.id).limit(1)) is not None:
            return
        now = today(session)
        towns = divisions.townships(session, DISTRICT)
        names = {town.code: town.name for town in towns}
    district = _district(database, now)
    for number, (code, name) in enumerate(sorted(names.items())):
        _township(database, now, code, name, number, district)
    _villages(database, now)
    _special_townships(database, now, names, district)
    _works(database, now, district)
    _public(database)
    acting_seed.seed(database)


def _public(database: Database) -> None:
    """The flood plans of the district and of its townships stand on the public page."""
    with database.write() as session:
        for plan_id in session.scalars(
            sa.select(Plan.id).where(Plan.title.contains("防汛"), Plan.level.in_([L.DISTRICT, L.TOWNSHIP]))
        ).all():
            held = service.in_force(session, plan_id)
            if held is not None:
                publication.publish(session, actor=APPROVER, plan_id=plan_id, version_id=held.id)


def _sections(outline: Sequence[tuple[str, str]]) -> list[SectionText]:
    made: list[SectionText] = []
    part = None
    for line, body in outline:
        found = rules.outline_of(line)
        if found.depth == 1:
            part = rules.part_of(found.heading)
        if not made:
            body = f"{EXAMPLE}{body}"
        made.append(SectionText(found.heading, body, found.number, found.depth, part if found.depth == 1 else None))
    return made


def _levels() -> list[LevelText]:
    return [
        LevelText(
            ResponseGrade(grade), trigger, who,
            [ActionText(action, actor_words=actor, within_minutes=minutes) for action, actor, minutes in actions],
        )
        for grade, trigger, who, actions in texts.LEVELS
    ]  # fmt: skip


def _issue(
    session: Session,
    demo: _Demo,
    evacuation: Sequence[EvacuationText] = (),
    reliances: Sequence[RelianceText] = (),
    *,
    plan_id: int | None = None,
) -> int:
    """Write, review, approve, issue and file one text, as two people would; returns the plan's id."""
    if plan_id is None:
        plan_id = service.create(
            session,
            actor=AUTHOR,
            facts=service.NewPlan(
                kind=demo.kind, level=demo.level, title=demo.title, division_code=demo.code, issuer=demo.issuer,
                hazards=demo.hazards, parent_id=demo.parent, public=demo.level is not L.UNIT,
                evaluate_months=demo.months, owner_post_id=_owner(session, demo),
            ),
        ).id  # fmt: skip
    row = service.versions(session, actor=AUTHOR, plan_id=plan_id)[0]
    row = service.edit_draft(
        session, actor=AUTHOR, version_id=row.id, version=row.version,
        draft=Draft(
            sections=_sections(demo.outline), levels=_levels() if demo.levels else None, evacuation=evacuation,
            reliances=reliances, explanation="演示数据：提纲与文号为公开事实，条文为演示编写。",
        ),
    )  # fmt: skip
    row = service.submit(session, actor=AUTHOR, version_id=row.id, version=row.version)
    row = service.pass_review(session, actor=APPROVER, version_id=row.id, version=row.version)
    row = service.approve(session, actor=APPROVER, version_id=row.id, version=row.version)
    row = service.issue(
        session, actor=APPROVER, version_id=row.id, version=row.version, issued_on=demo.issued_on,
        document_number=demo.number,
    )  # fmt: skip
    if demo.filed is not None and demo.kind is not K.UNIT:
        filed_on = demo.issued_on + timedelta(days=demo.filed)
        service.file_version(session, actor=AUTHOR, version_id=row.id, filed_on=filed_on)
        if demo.receipt is not None:
            service.receipt(
                session, actor=AUTHOR, version_id=row.id, receipt_on=demo.issued_on + timedelta(days=demo.receipt)
            )
    if demo.evaluated_on is not None:
        service.evaluate(session, actor=AUTHOR, plan_id=plan_id, evaluated_on=demo.evaluated_on)
    return plan_id


def _owner(session: Session, demo: _Demo) -> int | None:
    """The post that keeps it: the place's own; a few stay without, as in life."""
    if demo.hazards == (H.GAS,) or demo.level is L.CITY:
        return None
    kept_by = {L.DISTRICT: Duty.DUTY_ROOM, L.TOWNSHIP: Duty.FLOOD_CHIEF, L.VILLAGE: Duty.FLOOD_CHIEF}.get(demo.level)
    found = posts.find_posts(session, [demo.code], duties=[kept_by] if kept_by else None, exactly=True)
    return next((post.id for post in found if post.unit_id is None), None)


def _district(database: Database, now: date) -> dict[str, int]:
    government, office = "天津市静海区人民政府", "天津市静海区人民政府办公室"
    made: dict[str, int] = {}
    with database.write() as session:
        city = _issue(session, _Demo(
            K.SPECIAL, L.CITY, "天津市防汛抗旱应急预案", CITY, "天津市人民政府办公厅", (H.FLOOD,),
            texts.special("洪涝干旱灾害", "市水务和应急管理部门"), date(2022, 5, 17), number="津政办规〔2022〕8号",
        ))  # fmt: skip
        made["general"] = _issue(session, _Demo(
            K.GENERAL, L.DISTRICT, "静海区突发事件总体应急预案", DISTRICT, government, (H.ALL,),
            texts.general("全区"), now - timedelta(days=610),
        ))  # fmt: skip
    with database.write() as session:
        made["flood"] = _issue(session, _Demo(
            K.SPECIAL, L.DISTRICT, "天津市静海区防汛抗旱应急预案", DISTRICT, office, (H.FLOOD,), texts.FLOOD_OUTLINE,
            date(2022, 5, 24), city, "津静海政办发〔2022〕10号", levels=True,
        ), reliances=_relied(session))  # fmt: skip
    specials = (
        ("hazchem", "危险化学品事故", "区应急管理局", (H.HAZCHEM,), 760, 12, 18),
        ("gas", "燃气事故", "区城市管理委员会", (H.GAS,), 500, 14, 20),
        ("relief", "自然灾害救助", "区应急管理局", (H.RELIEF,), 45, None, None),
        ("weather", "气象灾害", "区气象部门", (H.WEATHER,), 420, 11, 15),
        ("health", "突发公共卫生事件", "区卫生健康委员会", (H.HEALTH,), 1190, 10, 16),
        ("fire", "火灾事故", "区消防救援机构", (H.FIRE,), 330, 13, 19),
    )
    for key, subject, lead, hazards, age, filed, receipt in specials:
        with database.write() as session:
            made[key] = _issue(session, _Demo(
                K.SPECIAL, L.DISTRICT, f"静海区{subject}应急预案", DISTRICT, office, hazards,
                texts.special(subject, lead), now - timedelta(days=age), made["general"], filed=filed, receipt=receipt,
            ))  # fmt: skip
    return made


def _relied(session: Session) -> list[RelianceText]:
    chiefs = posts.find_posts(session, [DISTRICT], duties=[Duty.FLOOD_CHIEF, Duty.DUTY_ROOM], exactly=True)
    return [RelianceText("post", post.id, note="指挥与值守") for post in chiefs]


def _evacuation(session: Session, code: str, town: str) -> list[EvacuationText]:
    villages = session.scalars(
        sa.select(Division).where(Division.level == VILLAGE, within(Division.code, code)).order_by(Division.code)
    ).all()
    units = session.scalars(
        sa.select(Unit).where(
            sa.or_(Unit.kind.in_(LISTED_KINDS), Unit.low_lying), within(Unit.division_code, code)
        ).order_by(Unit.id)
    ).all()  # fmt: skip
    leaders = {
        post.division_code: post.id
        for post in posts.find_posts(session, [code], duties=[Duty.FLOOD_CHIEF])
        if post.unit_id is None
    }
    registered = _registered(session, code)
    # The lessons of 2025 in the demo: one care home and a few villages that every list forgot.
    left_out = {WANGKOU: 1, ZIYA: 2, TUANBO: 1}.get(code, 0)
    forgotten = f"{town}敬老院" if code == WANGKOU else ""
    rows = [
        EvacuationText(
            f"{town}中心小学安置点", subject_code=v.code, people=v.population or registered.get(v.code, 0), route="村主路—镇主干道",
            means="大客车与自行转移", post_id=leaders.get(v.code), grade=ResponseGrade.II, within_hours=12,
        )
        for v in villages[: len(villages) - left_out]
    ]  # fmt: skip
    rows += [
        EvacuationText(
            "静海城区体育馆安置点", unit_id=u.id, people=u.people or 0, route="镇主干道—城区", means="专车，先行转移",
            post_id=leaders.get(code), grade=ResponseGrade.III, within_hours=6,
        )
        for u in units
        if u.name != forgotten
    ]  # fmt: skip
    return rows


def _township(database: Database, now: date, code: str, name: str, number: int, made: dict[str, int]) -> None:
    issued = now - timedelta(days=200 + number * 31)
    months = 36
    filed: int | None = 12
    receipt: int | None = 17
    evaluated: date | None = None
    if code == WANGKOU:
        issued = now - timedelta(days=1150)  # past its own three years
    if code == DULIU:
        issued, filed, receipt = now - timedelta(days=24), None, None  # filing falls due in days
    if code == ZIYA:
        issued, filed, receipt = now - timedelta(days=70), None, None  # filing late
    if issued < now - timedelta(days=900) and code != WANGKOU:
        evaluated = now - timedelta(days=100)
    government = (
        f"{name}人民政府"
        if name.endswith(("镇", "乡"))
        else f"{name}办事处"
        if name.endswith("街道")
        else f"{name}管委会"
    )
    with database.write() as session:
        _issue(session, _Demo(
            K.TOWNSHIP, L.TOWNSHIP, f"{name}防汛应急预案", code, government, (H.FLOOD,), texts.township(name), issued,
            made["flood"], filed=filed, receipt=receipt, months=months, evaluated_on=evaluated, levels=True,
        ), _evacuation(session, code, name))  # fmt: skip
        if number % 4 != 3:
            _issue(session, _Demo(
                K.TOWNSHIP, L.TOWNSHIP, f"{name}突发事件综合应急预案", code, government, (H.ALL,),
                texts.general(name), now - timedelta(days=300 + number * 17), made["general"], months=36,
            ))  # fmt: skip


def _registered(session: Session, code: str) -> dict[str, int]:
    """How many residents the register has, by village."""
    rows = session.execute(
        sa.select(Resident.division_code, sa.func.count())
        .where(within(Resident.division_code, code))
        .group_by(Resident.division_code)
    )
    return {row[0]: row[1] for row in rows}


def _villages(database: Database, now: date) -> None:
    with database.read() as session:
        above = {
            row.division_code: row.id
            for row in session.execute(
                sa.select(Plan.id, Plan.division_code)
                .where(Plan.kind == K.TOWNSHIP, Plan.title.contains("防汛"), Plan.division_code.in_([TAITOU, DULIU, WANGKOU]))
            )
        }  # fmt: skip
        villages = {code: divisions.villages(session, code) for code in above}
        registered = {village: n for code in above for village, n in _registered(session, code).items()}
        towns = divisions.names(session, above)
    for code, count in ((TAITOU, 12), (DULIU, 4), (WANGKOU, 3)):
        for number, place in enumerate(villages.get(code, [])[:count]):
            with database.write() as session:
                short = place_name(place.name)
                _issue(session, _Demo(
                    K.VILLAGE, L.VILLAGE, f"{short}防汛转移方案", place.code, short, (H.FLOOD,), texts.village(short),
                    now - timedelta(days=180 + 9 * number), above[code], filed=None if number == 2 else 8,
                ), [EvacuationText(
                    f"{towns[code]}中心小学安置点" if (code, number) != (DULIU, 1) else "独流镇文化站",
                    subject_code=place.code, people=place.population or registered.get(place.code, 0), route="村主路",
                    means="步行与大客车", grade=ResponseGrade.II, within_hours=6,
                )])  # fmt: skip


def _special_townships(database: Database, now: date, names: dict[str, str], made: dict[str, int]) -> None:
    for number, (code, hazard, parent, subject) in enumerate((
        (DAQIUZHUANG, H.HAZCHEM, "hazchem", "危险化学品事故"), ("120118402000", H.HAZCHEM, "hazchem", "危险化学品事故"),
        (DAQIUZHUANG, H.FIRE, "fire", "火灾事故"), ("120118100000", H.GAS, "gas", "燃气事故"),
        ("120118100000", H.WEATHER, "weather", "气象灾害"), (TAITOU, H.WEATHER, "weather", "气象灾害"),
    )):  # fmt: skip
        if code not in names:
            continue
        with database.write() as session:
            _issue(session, _Demo(
                K.TOWNSHIP, L.TOWNSHIP, f"{names[code]}{subject}应急预案", code, names[code], (hazard,),
                texts.special(subject, names[code]), now - timedelta(days=240 + 40 * number), made[parent], months=36,
            ))  # fmt: skip


def _works(database: Database, now: date, made: dict[str, int]) -> None:
    """A newer text above plans that follow the old one; a text in review; a revision under way."""
    with database.write() as session:
        service.new_draft(session, actor=AUTHOR, plan_id=made["hazchem"])
        _issue(session, _Demo(
            K.SPECIAL, L.DISTRICT, "", DISTRICT, "", (H.HAZCHEM,),
            texts.special("危险化学品事故", "区应急管理局"), now - timedelta(days=60),
        ), plan_id=made["hazchem"])  # fmt: skip
    with database.write() as session:
        plan = service.create(session, actor=AUTHOR, facts=service.NewPlan(
            K.SPECIAL, L.DISTRICT, "天津市静海区地震应急预案", DISTRICT, "天津市静海区人民政府办公室", (H.QUAKE,),
            made["general"], public=True,
        ))  # fmt: skip
        row = service.versions(session, actor=AUTHOR, plan_id=plan.id)[0]
        row = service.edit_draft(
            session, actor=AUTHOR, version_id=row.id, version=row.version,
            draft=Draft(sections=_sections(texts.special("地震灾害", "区应急管理局")), explanation="公开征求意见稿。"),
        )  # fmt: skip
        service.submit(session, actor=AUTHOR, version_id=row.id, version=row.version)
    with database.write() as session:
        revised = session.scalar(sa.select(Plan.id).where(Plan.division_code == TAITOU, Plan.title.contains("防汛")))
        if revised is not None:
            service.new_draft(session, actor=AUTHOR, plan_id=revised)
