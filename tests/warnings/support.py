"""A small district with people, posts and approvers; and an app with the pages of warnings alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions import rules as divisions
from emergency.divisions.models import Division, PointSource
from emergency.http.actor import SYSTEM, Actor
from emergency.http.permissions import Role
from emergency.people.accounts.models import Account, AccountState
from emergency.people.contacts import service as contacts
from emergency.people.posts.models import Duty, DutyShift, Post, PostHolder, PostState, ShiftRole, ShiftState
from emergency.people.residents import service as residents
from emergency.people.residents import swap
from emergency.people.residents.models import Resident
from emergency.warnings import service
from emergency.warnings.models import Audience, Warning, WarningLevel, WarningStatus
from kernel.db import Database, now
from kernel.ids import new_id

DISTRICT, TOWN, OTHER_TOWN = "120118000000", "120118104000", "120118102000"
VILLAGE, NEXT_VILLAGE, BARE_VILLAGE, OTHER_VILLAGE = "120118104201", "120118104202", "120118104203", "120118102201"
PLACES: tuple[tuple[str, str, int, str | None, tuple[float, float] | None], ...] = (
    ("120000000000", "天津市", 1, None, None),
    ("120100000000", "市辖区", 2, "120000000000", None),
    (DISTRICT, "静海区", 3, "120100000000", (116.97, 38.94)),
    (TOWN, "台头镇", 4, DISTRICT, (116.70, 38.95)),
    (OTHER_TOWN, "独流镇", 4, DISTRICT, (116.90, 39.02)),
    (VILLAGE, "义和村", 5, TOWN, (116.71, 38.96)),
    (NEXT_VILLAGE, "胜利村", 5, TOWN, (116.73, 38.97)),
    (BARE_VILLAGE, "南坝台", 5, TOWN, None),
    (OTHER_VILLAGE, "七堡村", 5, OTHER_TOWN, (116.91, 39.03)),
)
SQUARE = [[116.69, 38.94], [116.74, 38.94], [116.74, 38.98], [116.69, 38.98], [116.69, 38.94]]
"""Around 义和村 and 胜利村."""


@dataclass
class World:
    """Who is there."""

    author: Actor
    approver: Actor
    second: Actor
    liaison: Actor
    residents: dict[str, int] = field(default_factory=dict)
    posts: dict[str, int] = field(default_factory=dict)
    contacts: dict[str, int] = field(default_factory=dict)


def phone(n: int) -> str:
    """A number that no carrier has."""
    return f"154{n:08d}"


def actor_of(account: Account, *roles: Role) -> Actor:
    """The account at work."""
    return Actor(
        kind="account", id=account.id, name=account.username, roles=frozenset(roles),
        division_prefix=divisions.prefix(account.division_code), division_code=account.division_code,
    )  # fmt: skip


def add_account(session: Session, name: str, number: int, role: Role, code: str = DISTRICT) -> Actor:
    """An account with a telephone."""
    contact = contacts.create(session, name="周某一", phone=phone(number))
    account = Account(
        id=new_id(), username=name, contact_id=contact.id, roles=[role.value], division_code=code,
        state=AccountState.ACTIVE, created_at=now(session), locale="zh",
    )  # fmt: skip
    session.add(account)
    session.flush()
    return actor_of(account, role)


def add_post(session: Session, world: World, name: str, code: str, duty: Duty, contact_id: int, first: bool) -> int:
    """A held post."""
    post = Post(
        id=new_id(), division_code=code, duty=duty, responsible=first, state=PostState.HELD, version=1, title=""
    )
    session.add(post)
    session.flush()
    session.add(PostHolder(id=new_id(), post_id=post.id, contact_id=contact_id, order=0, since=now(session)))
    session.flush()
    world.posts[name] = post.id
    return post.id


def on_shift(session: Session, actor: Actor) -> None:
    """Put somebody on the roster for the day."""
    moment = now(session)
    session.add(
        DutyShift(
            id=new_id(), division_code=DISTRICT, starts=moment - timedelta(hours=1), ends=moment + timedelta(hours=11),
            account_id=actor.id, role=ShiftRole.LEADER, state=ShiftState.CONFIRMED, version=1,
        )
    )  # fmt: skip
    session.flush()


def settle(session: Session, name: str, world: World, code: str, **person: Any) -> int:
    """A resident."""
    at = person.pop("at", None)
    found = residents.register(session, actor=SYSTEM, division_code=code, name="张某一", external_id=name, **person)
    if at:
        session.execute(sa.update(Resident).where(Resident.id == found).values(lon=at[0], lat=at[1]))
        swap.stamp(session, {code[:9]})
    world.residents[name] = found
    world.contacts[name] = session.get_one(Resident, found).contact_id
    return found


def build(database: Database) -> World:
    """Nine places; in 义和村 a family of three on one phone, one alone, one without a phone, one with a wrong number."""
    with database.write() as session:
        for code, name, level, parent, point in PLACES:
            lon, lat = point or (None, None)
            session.add(
                Division(
                    code=code, name=name, level=level, parent_code=parent, prefix=divisions.prefix(code), lon=lon,
                    lat=lat, point_source=PointSource.SYNTHETIC if point else None,
                )
            )  # fmt: skip
            session.flush()
        service.ensure(session)
        world = World(
            author=add_account(session, "zhou", 9001, Role.DUTY_OFFICER),
            approver=add_account(session, "gao", 9002, Role.APPROVER),
            second=add_account(session, "feng", 9003, Role.APPROVER),
            liaison=add_account(session, "han", 9004, Role.LIAISON, TOWN),
        )
        on_shift(session, world.approver)
        for n in range(3):
            settle(session, f"family{n}", world, VILLAGE, phone=phone(1), household="1")
        settle(session, "alone", world, VILLAGE, phone=phone(2), at=(116.711, 38.961))
        settle(session, "silent", world, VILLAGE)
        settle(session, "wrong", world, VILLAGE, phone="1540000")
        settle(session, "weak", world, NEXT_VILLAGE, phone=phone(3), needs="卧床，需抬送")
        settle(session, "away", world, NEXT_VILLAGE, phone=phone(4), at=(116.91, 39.03))
        settle(session, "bare", world, BARE_VILLAGE, phone=phone(5))
        settle(session, "other", world, OTHER_VILLAGE, phone=phone(6))
        add_post(session, world, "gong", VILLAGE, Duty.GONG_KEEPER, world.contacts["alone"], first=True)
        keeper = contacts.create(session, name="李某二", phone=phone(101))
        add_post(session, world, "receiver", VILLAGE, Duty.WARNING_RECEIVER, keeper.id, first=False)
        chief = contacts.create(session, name="王某三", phone=phone(102))
        add_post(session, world, "chief", TOWN, Duty.FLOOD_CHIEF, chief.id, first=True)
    return world


def content(**changes: Any) -> dict[str, Any]:
    """A whole warning for 义和村's residents."""
    return {
        "status": WarningStatus.ACTUAL,
        "event_code": "11A01",
        "level": WarningLevel.RED,
        "headline": "洪水红色预警",
        "description": "东淀水位上涨快，台头镇低洼村须在今天12时前全部转移",
        "instruction": "带好身份证和常用药，听村干部安排到集合点上车",
        "area": {"divisions": [VILLAGE]},
        "audience": Audience.RESIDENTS,
    } | changes


Draft = Callable[..., Warning]
