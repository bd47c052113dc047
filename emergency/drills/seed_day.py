"""The demo's drill days: last June's flood drill as it was held, and tomorrow's with its injects prepared.

Through the services, so that what the demo shows is what the product allows. Names and the picture are made up.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from PIL import Image, ImageDraw
from sqlalchemy.orm import Session

from emergency.drills import day_attendance, day_msel, day_notes, day_photos, day_pictures
from emergency.drills.day_models import DayState, DrillDay, DrillInject, InjectState, InjectVia, Observed
from emergency.drills.day_msel import InjectFacts
from emergency.drills.models import DrillKind, Occurrence, OccurrenceState, Record
from emergency.http.actor import Actor
from emergency.people.posts import service as posts
from emergency.people.posts.models import Duty, PostState
from emergency.privacy import vault
from kernel.db import Database
from kernel.db import now as present

ACTOR = Actor.system("demo")
HAND, RADIO, SMS = InjectVia.RUNNER, InjectVia.RADIO, InjectVia.SMS
LIST = (
    (0, "区防汛抗旱指挥部", SMS, "东淀水位上涨快，请各村责任人十分钟内到岗。", "各村责任人到岗并报告"),
    (10, "镇防汛指挥部", SMS, "请义和村、南坝台村清点低洼户，准备转移。", "逐户清点，报低洼户数和人数"),
    (20, "义和村村民", RADIO, "村东头三户老人不愿离家。", "包户干部上门劝导，必要时协助转移"),
    (35, "镇防汛指挥部", SMS, "请立即按路线转移到镇中心小学安置点。", "鸣锣、逐户敲门、车辆到位"),
    (50, "县道养护站", HAND, "义和桥积水，车辆不能通行。", "改走备用路线并通知各村"),
    (75, "安置点", RADIO, "安置点饮用水只够半天。", "向物资组申请调水"),
    (95, "区防汛抗旱指挥部", SMS, "请报转移人数、未转移人数和原因。", "十五分钟内汇总上报"),
)
GROUPS = (("义和村委会", 120, 117), ("南坝台村委会", 86, 86), ("镇中心小学安置组", 24, 24), ("医疗救护组", 8, 8))
NOTES = (
    (3, "张某三", "镇防汛办值班电话三声接通"),
    (22, "李某四", "义和村东头第二户老人由包户干部背出"),
    (41, "王某五", "第一辆转移车到达村口，比方案晚六分钟"),
    (78, "赵某六", "安置点登记处排队约二十人"),
)


def seed(database: Database) -> None:
    """A past drill with its day, and tomorrow's with its list; nothing where there are injects already."""
    with database.read() as session:
        if session.scalar(sa.select(DrillInject.id).limit(1)) is not None:
            return
        past = _latest(session, OccurrenceState.HELD)
        moment = present(session)
        ahead = session.scalars(
            sa.select(Occurrence.id)
            .where(Occurrence.starts_at > moment, Occurrence.unit_id.is_(None), Occurrence.kind == DrillKind.FLOOD)
            .order_by(Occurrence.starts_at)
            .limit(1)
        ).first()
    for occurrence_id in (past, ahead):
        if occurrence_id is not None:
            with database.write() as session:
                _list(session, occurrence_id)
    if ahead is not None:
        with database.write() as session:
            _groups(session, ahead)
            day_attendance.open_door(session, actor=ACTOR, occurrence_id=ahead)
    if past is not None:
        with database.write() as session:
            _held(session, past)
        picture = day_pictures.make(_picture())
        with database.write() as session:
            day_photos.add(
                session, actor=ACTOR, occurrence_id=past, picture=picture, caption="安置点清点人数（合成图）"
            )


def _latest(session: Session, state: OccurrenceState) -> int | None:
    return session.scalar(
        sa.select(Occurrence.id)
        .where(Occurrence.kind == DrillKind.FLOOD, Occurrence.state == state, Occurrence.unit_id.is_(None))
        .order_by(Occurrence.starts_at.desc(), Occurrence.id)
        .limit(1)
    )


def _posts(session: Session, code: str) -> Sequence[int]:
    wanted = (Duty.FLOOD_CHIEF, Duty.LIAISON, Duty.GONG_KEEPER)
    return [post.id for post in posts.find_posts(session, [code], duties=wanted) if post.state is PostState.HELD][:6]


def _list(session: Session, occurrence_id: int) -> None:
    occurrence = session.get_one(Occurrence, occurrence_id)
    day_msel.ensure_day(session, occurrence)
    asked = _posts(session, occurrence.division_code)
    for number, (minutes, sender, via, message, expected) in enumerate(LIST, start=1):
        by_engine = via.by_engine and bool(asked)
        facts = InjectFacts(
            number, minutes * 60, sender, via if by_engine or not via.by_engine else RADIO, message,
            asked if by_engine else (), expected, None, "导调一组" if number % 2 else "导调二组",
        )  # fmt: skip
        owner = day_msel.owner_of(session, actor=ACTOR, occurrence_id=occurrence_id)
        if occurrence.state is OccurrenceState.HELD:
            session.add(_row(owner.of, facts))
        else:
            day_msel.add(session, actor=ACTOR, owner=owner, facts=facts)
    session.flush()


def _row(of: dict[str, int], facts: InjectFacts) -> DrillInject:
    values = {name: getattr(facts, name) for name in day_msel.FIELDS}
    return DrillInject(**of, **values, state=InjectState.PLANNED, postponed_seconds=0, trouble="", version=1)


def _groups(session: Session, occurrence_id: int) -> None:
    lines = "\n".join(f"{name} {expected}" for name, expected, _counted in GROUPS)
    day_attendance.add_groups(session, actor=ACTOR, occurrence_id=occurrence_id, lines=lines)


def _held(session: Session, occurrence_id: int) -> None:
    """The past day as it went: what left when, what was seen, heads, notes. Written as history, nothing is sent."""
    occurrence = session.get_one(Occurrence, occurrence_id)
    day = session.scalars(sa.select(DrillDay).where(DrillDay.occurrence_id == occurrence_id)).one()
    begun, ended = occurrence.starts_at, occurrence.ends_at
    day.state, day.began_at, day.ended_at, day.director = DayState.ENDED, begun, ended, str(ACTOR)
    day.scenario_seconds = int((ended - begun).total_seconds())
    seen = (
        Observed.DONE,
        Observed.DONE,
        Observed.PARTLY,
        Observed.DONE,
        Observed.DONE,
        Observed.NOT_DONE,
        Observed.DONE,
    )
    store = vault.of(session)
    injects = session.scalars(
        sa.select(DrillInject).where(DrillInject.occurrence_id == occurrence_id).order_by(DrillInject.number)
    ).all()
    for inject, observed in zip(injects, seen, strict=True):
        inject.state = InjectState.SENT if inject.via.by_engine else InjectState.DELIVERED
        inject.done_at = begun + timedelta(seconds=inject.offset_seconds)
        inject.observed, inject.observed_by = observed, str(ACTOR)
        inject.observed_at = inject.done_at + timedelta(minutes=4)
        if observed is not Observed.DONE:
            inject.observation_sealed = store.seal(
                "drill_inject", "observation", inject.id, "比方案慢，原因见记事" if inject.number < 5 else "无人受理"
            )
    _groups(session, occurrence_id)
    session.flush()
    counts = {name: counted for name, _expected, counted in GROUPS}
    for group in day_attendance.groups(session, occurrence_id):
        group.counted, group.counted_by = counts[group.name], str(ACTOR)
        group.counted_at = begun + timedelta(minutes=100 + group.position)
        group.out_at, group.out_by = begun + timedelta(minutes=35, seconds=260 + 31 * group.position), str(ACTOR)
    record = session.scalars(sa.select(Record).where(Record.occurrence_id == occurrence_id)).one()
    record.expected, record.attendance = sum(row[1] for row in GROUPS), sum(row[2] for row in GROUPS)
    day.signal_at, day.signal_typed = begun + timedelta(minutes=35), True
    for minutes, who, text in NOTES:
        day_notes.add(
            session, actor=ACTOR, occurrence_id=occurrence_id, at=begun + timedelta(minutes=minutes), text=text, who=who
        )


def _picture() -> bytes:
    """A drawing that stands for a photograph, with the camera's time in it."""
    image = Image.new("RGB", (1280, 860), "#d9e4ee")
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, 560, 1280, 860), fill="#8f9f7c")
    pen.rectangle((120, 250, 760, 600), fill="#f2efe6", outline="#6b7280", width=6)
    for left in range(160, 720, 120):
        pen.rectangle((left, 320, left + 70, 420), fill="#9db7d4")
    for number in range(14):
        left = 80 + number * 82
        pen.ellipse((left, 600, left + 40, 640), fill="#caa58a")
        pen.rectangle((left - 6, 640, left + 46, 760), fill=("#b3541e", "#2f5d8a", "#5d6b2f")[number % 3])
    exif = Image.Exif()
    exif[0x0132] = f"{datetime(2026, 6, 5, 9, 48):%Y:%m:%d %H:%M:%S}"  # noqa: DTZ001 - cameras know no zone
    target = io.BytesIO()
    image.save(target, "JPEG", quality=80, exif=exif)
    return target.getvalue()
