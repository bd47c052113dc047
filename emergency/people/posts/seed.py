"""Posts of the demo district: every village and township has its own, some vacant, unverified or out of date.

Holders are synthetic (张某一) on prefixes that no carrier has; their numbers lie apart from those of residents,
who share them where a holder lives in the village. The duty roster covers two weeks around now.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions import rules as division_rules
from emergency.divisions import service as divisions
from emergency.divisions.models import Division, Unit, UnitKind
from emergency.http.actor import Actor
from emergency.people.contacts import service as contacts
from emergency.people.contacts.models import Contact, PhoneState
from emergency.people.posts import bulk, roster, rules, service
from emergency.people.posts.directory import ACCOUNT
from emergency.people.posts.models import Duty, DutyShift, Means, Post, PostHolder, ShiftRole, ShiftState
from kernel.clock import BEIJING
from kernel.db import Database, now
from kernel.states import transition
from kernel.types import JSONText

DISTRICT = "120118000000"
BASIN = ("120118102000", "120118103000", "120118104000")
"""独流、王口、台头: the 东淀 townships, whose villages keep a gong."""
PREFIXES = ("154", "163", "164", "168", "169", "179")
_SURNAMES = "张王李刘陈杨赵黄周吴徐孙胡朱高林何郭马罗"
_GIVEN = "一二三四五六七八九十"
_ACTOR = Actor.system("demo")
_PIECE = 40
_VILLAGE = (Duty.FLOOD_CHIEF, Duty.LIAISON, Duty.WARNING_RECEIVER)
_TOWNSHIP = (
    Duty.FLOOD_CHIEF, Duty.LIAISON, Duty.WARNING_RECEIVER, Duty.EVACUATION_LEADER, Duty.TEAM_LEADER, Duty.KEEPER,
    Duty.DUTY_ROOM,
)  # fmt: skip
_TITLES = {
    (5, Duty.FLOOD_CHIEF): "党支部书记",
    (5, Duty.GONG_KEEPER): "党支部书记",
    (5, Duty.LIAISON): "村委会委员",
    (5, Duty.WARNING_RECEIVER): "村级信息员",
    (4, Duty.FLOOD_CHIEF): "镇长（乡长、主任）",
    (4, Duty.LIAISON): "应急办主任",
    (4, Duty.WARNING_RECEIVER): "应急办干事",
    (4, Duty.EVACUATION_LEADER): "副镇长",
    (4, Duty.TEAM_LEADER): "民兵营长",
    (4, Duty.KEEPER): "仓库主任",
    (4, Duty.DUTY_ROOM): "值班室",
    (3, Duty.FLOOD_CHIEF): "副区长",
    (3, Duty.DUTY_ROOM): "区应急值班室",
}
_UNIT_KINDS = (UnitKind.CARE_HOME, UnitKind.SCHOOL, UnitKind.KINDERGARTEN, UnitKind.HOSPITAL, UnitKind.HAZCHEM)


def post_number(i: int) -> str:
    """The mobile number of the demo's i-th post holder; subscriber numbers begin with 0, residents' never do."""
    return f"{PREFIXES[i % 6]}0{i:07d}"


def person_name(i: int) -> str:
    """The name of the demo's i-th post holder."""
    return f"{_SURNAMES[i % len(_SURNAMES)]}某{_GIVEN[i * 7 // 3 % 10]}"


@dataclass(frozen=True)
class Fate:
    """How well kept a demo post is, by its serial number; the same every time."""

    vacant: bool
    verified_days: int | None
    wrong: bool = False


def fate(serial: int) -> Fate:
    """One post in 37 is vacant, one in 29 has a number that is none, one in 13 is unverified, one in 17 out of date."""
    if serial % 37 == 5:
        return Fate(True, None)
    if serial % 29 == 11:
        return Fate(False, None, wrong=True)
    if serial % 13 == 3:
        return Fate(False, None)
    return Fate(False, 120 if serial % 17 == 9 else 2 + serial * 11 % 80)


def seed(database: Database) -> None:
    """Found the posts, verify most, and keep the roster. Where there are posts already nothing is done."""
    with database.read() as session:
        if session.scalar(sa.select(Post.id).limit(1)) is not None:
            return
        places = [*session.scalars(divisions.subtree(DISTRICT).where(Division.level >= division_rules.DISTRICT))]
        units = session.scalars(sa.select(Unit).where(Unit.closed_at.is_(None)).order_by(Unit.code)).all()
    wanted = [*_district_posts(places), *_unit_posts(units, first=5_000)]
    for start in range(0, len(wanted), _PIECE):
        piece = wanted[start : start + _PIECE]
        with database.write() as session:
            made = bulk.found(session, [post for post, _fate in piece])
            _verify(session, [(post, kept) for post, (_new, kept) in zip(made, piece, strict=True)])
    _unit_contacts(database, units)
    with database.write() as session:
        _one_opted_out(session)
        _link_accounts(session)
    _roster(database)


def _district_posts(places: Sequence[Division]) -> Iterator[tuple[bulk.NewPost, Fate]]:
    serial = 0
    for place in places:
        secretary: tuple[str, str] | None = None
        for duty in _duties(place):
            serial += 1
            kept = fate(serial)
            number = post_number(serial)
            person = (person_name(serial), f"{number[:9]}X{number[-1]}" if kept.wrong else number)
            # The secretary who is flood chief also keeps the gong, as in 义和村 in 2023: one person, one number.
            if duty is Duty.GONG_KEEPER and secretary is not None and serial % 3:
                person = secretary
            if duty is Duty.FLOOD_CHIEF and not kept.vacant and not kept.wrong:
                secretary = person
            people: list[tuple[str, str] | None] = [None if kept.vacant else person]
            if duty in (Duty.FLOOD_CHIEF, Duty.WARNING_RECEIVER) and serial % 3 != 1:
                people.append((person_name(serial + 9_000), post_number(serial + 20_000)))
            title = _TITLES.get((place.level, duty), "")
            if place.kind == "居民委员会":
                title = title.replace("村委会", "居委会").replace("村级", "社区")
            yield bulk.NewPost(place.code, duty, people, title), kept


def _duties(place: Division) -> tuple[Duty, ...]:
    if place.level == division_rules.DISTRICT:
        return (Duty.FLOOD_CHIEF, Duty.LIAISON, Duty.TEAM_LEADER, Duty.KEEPER, Duty.DUTY_ROOM)
    if place.level == division_rules.TOWNSHIP:
        return _TOWNSHIP
    return (*_VILLAGE, Duty.GONG_KEEPER) if place.parent_code in BASIN else _VILLAGE


def _unit_posts(units: Sequence[Unit], first: int) -> Iterator[tuple[bulk.NewPost, Fate]]:
    for serial, unit in enumerate((u for u in units if u.kind in _UNIT_KINDS), start=first):
        kept = fate(serial)
        person = None if kept.vacant else (person_name(serial), post_number(serial))
        yield bulk.NewPost(unit.division_code, Duty.LIAISON, [person], "安全管理人员", unit.id, False), kept


def _verify(session: Session, made: Sequence[tuple[Post, Fate]]) -> None:
    moment = now(session)
    for post, kept in made:
        if kept.vacant or kept.wrong or kept.verified_days is None:
            continue
        means = Means.CALL if post.id % 4 else Means.MEETING
        at = moment - timedelta(days=kept.verified_days, hours=post.id % 9)
        service.verify(session, actor=_ACTOR, post_id=post.id, means=means, at=at)


def _unit_contacts(database: Database, units: Sequence[Unit]) -> None:
    """Units get their contact here: people stand above divisions. The liaison's own record serves for both."""
    for start in range(0, len(units), _PIECE):
        with database.write() as session:
            ids = [unit.id for unit in units[start : start + _PIECE]]
            held = session.execute(
                sa.select(Post.unit_id, PostHolder.contact_id)
                .join(PostHolder, PostHolder.post_id == Post.id)
                .where(Post.unit_id.in_(ids), PostHolder.order == 0)
            )
            liaisons = {row.unit_id: row.contact_id for row in held}
            for number, unit in enumerate(session.scalars(sa.select(Unit).where(Unit.id.in_(ids)).order_by(Unit.code))):
                serial = 8_000 + start + number
                if unit.id in liaisons:
                    unit.contact_id = liaisons[unit.id]
                elif serial % 23:
                    facts = divisions.UnitFacts(contact_name=person_name(serial), contact_phone=post_number(serial))
                    divisions.change_unit(session, actor=_ACTOR, unit_id=unit.id, facts=facts)


def _one_opted_out(session: Session) -> None:
    """One deputy-less warning receiver has refused messages: a defect that only a visit mends."""
    key = session.scalar(
        sa.select(Contact.phone_index)
        .join(PostHolder, PostHolder.contact_id == Contact.id)
        .join(Post, Post.id == PostHolder.post_id)
        .where(
            Post.duty == Duty.LIAISON, Post.unit_id.is_(None), Contact.phone_state == PhoneState.VERIFIED,
            division_rules.within(Post.division_code, "120118115000"), Post.division_code != "120118115000",
        )
        .order_by(Post.division_code.desc())
        .limit(1)
    )  # fmt: skip
    if key is not None:
        contacts.opt_out(session, actor=_ACTOR, number_key=key, reason="STOP")


# --- accounts and the roster --------------------------------------------------------------------------------------

_ROLES = sa.column("roles", JSONText())
_POST_OF_ROLE = {"liaison": Duty.LIAISON, "village-officer": Duty.WARNING_RECEIVER, "storekeeper": Duty.KEEPER}


def _accounts(session: Session) -> list[tuple[int, str, int | None, list[str]]]:
    statement = sa.select(ACCOUNT.c.id, ACCOUNT.c.division_code, ACCOUNT.c.contact_id, _ROLES).select_from(ACCOUNT)
    rows = session.execute(statement.where(ACCOUNT.c.state != "closed").order_by(ACCOUNT.c.id))
    return [(row.id, row.division_code, row.contact_id, list(row.roles)) for row in rows]


def _link_accounts(session: Session) -> None:
    """The demo's liaison, village officer and storekeeper hold the post that their account is for."""
    for account_id, code, contact_id, roles in _accounts(session):
        for role in roles:
            duty = _POST_OF_ROLE.get(role)
            if duty is None or contact_id is None:
                continue
            found = service.find_posts(session, [code], duties=[duty], exactly=True)
            post = next((p for p in found if p.unit_id is None), None)
            held = service.holders(session, [post.id]).get(post.id, []) if post is not None else []
            if post is not None and not any(p.contact_id == contact_id for p in held):
                service.set_holder(session, actor=_ACTOR, post_id=post.id, contact_id=contact_id, account_id=account_id)
                contact = session.get(Contact, contact_id)
                if contact is not None and contact.phone_state is PhoneState.UNVERIFIED:
                    service.verify(session, actor=_ACTOR, post_id=post.id, means=Means.MEETING)


def _roster(database: Database) -> None:
    with database.read() as session:
        moment = now(session)
        accounts = [(i, roles) for i, code, _c, roles in _accounts(session) if code == DISTRICT]
        kept = session.scalar(sa.select(DutyShift.id).limit(1)) is not None
    leaders = [i for i, roles in accounts if "approver" in roles]
    officers = [i for i, roles in accounts if "duty-officer" in roles]
    deputies = [i for i, roles in accounts if "planner" in roles and i not in officers]
    if kept or not officers:
        return
    today = moment.astimezone(BEIJING).date()
    for offset in range(-7, 8):
        starts = datetime.combine(today + timedelta(days=offset), time(8), BEIJING)
        lines = [(ShiftRole.OFFICER, officers), (ShiftRole.LEADER, leaders), (ShiftRole.DEPUTY, deputies)]
        with database.write() as session:
            for role, people in lines:
                if people:
                    _shift(session, people[offset % len(people)], role, starts, moment)


def _shift(session: Session, account_id: int, role: ShiftRole, starts: datetime, moment: datetime) -> None:
    ends = starts + timedelta(hours=24)
    shift = service.plan_shift(
        session, actor=_ACTOR, division_code=DISTRICT, account_id=account_id, role=role, starts=starts, ends=ends
    )
    said = starts - timedelta(hours=14)
    if said <= moment:
        transition(
            session, shift, ShiftState.CONFIRMED, allowed=rules.SHIFT_TRANSITIONS, actor=f"account:{account_id}",
            values={"confirmed_at": said},
        )  # fmt: skip
    if ends <= moment:
        transition(
            session, shift, ShiftState.HANDED_OVER, allowed=rules.SHIFT_TRANSITIONS, actor=f"account:{account_id}",
            values={"handed_over_at": ends, "note_sealed": roster.seal_note(session, shift, "无未结事项，设备正常。")},
        )  # fmt: skip
