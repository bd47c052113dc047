"""Synthetic residents for every village: nobody real, numbers that no carrier has, exactly as many as asked for."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions.models import Division
from emergency.http.actor import Actor
from emergency.people.contacts.models import TABLE, Contact
from emergency.people.contacts.rules import REACHABLE, Number, read_phone
from emergency.people.residents import rows as forms
from emergency.people.residents import rules, swap
from emergency.people.residents.models import Resident
from emergency.people.residents.rules import ResidentRow
from emergency.privacy import journal, vault
from emergency.privacy.journal import Purpose
from kernel.db import Database, metadata

PIECE = 4000
_SEED = 20261123
_PREFIXES = ("154", "163", "164", "168", "169", "179")
_SPACE = 80_000_000
_STRIDE = 39_916_801  # prime to the space: every serial number gives another phone
_SURNAMES = "张王李赵刘陈杨黄周吴徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈"
_NUMERALS = "一二三四五六七八九十"
_INVALID = ("154{0:07d}", "163{0:06d}X", "1.54E+10", "见村委会", "0000{0:04d}")
_NEEDS = (
    ("卧床，需抬送", "行动不便，需轮椅", "透析，每周三次", "失能老人", "孕晚期"),
    ("独居老人", "高龄，八十五岁以上", "听力残障，电话不便", "留守儿童"),
    ("需要方言沟通", "家中饲养牲畜，转移需协助"),
)
_NEED_SHARES = ((0.018, 0), (0.048, 1), (0.06, 2))
_SIZES = (1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 5, 6)
_EMPTY_FACTS: swap.Facts = ({}, {}, set())


@dataclass(frozen=True, slots=True)
class Village:
    """Where people live, and how many."""

    code: str
    name: str
    lat: float | None
    lon: float | None
    people: int


def demo_phone(serial: int) -> str:
    """A number on an unallocated prefix; different for every serial below 80 million."""
    return f"{_PREFIXES[serial % 6]}{10_000_000 + serial * _STRIDE % _SPACE:08d}"


def seed(database: Database, *, people: int = 20_000, progress: Callable[[int, int], None] | None = None) -> int:
    """Fill the villages with exactly `people` synthetic residents. Where there are residents already nothing is done.

    Families of one to six that partly share a phone; about 9 % without one, 1 % with an invalid number, 6 % with a
    need. Those who hold a village's posts live there too, with the contact that their post points at.
    """
    with database.read() as session:
        if session.scalar(sa.select(Resident.id).limit(1)) is not None:
            return 0
        store = vault.of(session)
        villages = spread(_villages(session), people)
        holders = _post_holders(session)
    done = 0
    for piece in _pieces(villages):
        plan = swap.make_plan(store, piece, _EMPTY_FACTS)
        _let_holders_live_here(store, plan, holders)
        with database.write() as session:
            swap.write(session, plan)
        done += len(piece)
        if progress:
            progress(done, people)
    with database.write() as session:
        journal.record(
            session, journal.IMPORTED, actor=Actor.system("demo"), purpose=Purpose.MAINTENANCE,
            list="residents", rows=done, created=done, updated=0, errors=0,
        )  # fmt: skip
    return done


def _villages(session: Session) -> list[Village]:
    columns = (Division.code, Division.name, Division.lat, Division.lon)
    found = session.execute(sa.select(*columns).where(Division.level == 5).order_by(Division.code))
    return [Village(row.code, row.name, row.lat, row.lon, 0) for row in found]


def spread(villages: Sequence[Village], people: int) -> list[Village]:
    """Share people out over villages, unevenly as in life; the sum is exact, and nobody is left empty if avoidable."""
    if not villages:
        return []
    dice = random.Random(_SEED)
    weights = [dice.lognormvariate(0.0, 0.55) * (2.2 if "社区" in v.name or "居" in v.name else 1.0) for v in villages]
    least = 1 if people >= len(villages) else 0
    rest = people - least * len(villages)
    total = sum(weights)
    exact = [rest * weight / total for weight in weights]
    counts = [int(share) for share in exact]
    by_remainder = sorted(range(len(villages)), key=lambda n: exact[n] - counts[n], reverse=True)
    for place in by_remainder[: rest - sum(counts)]:
        counts[place] += 1
    return [Village(v.code, v.name, v.lat, v.lon, least + n) for v, n in zip(villages, counts, strict=True)]


def _pieces(villages: Sequence[Village]) -> Iterator[list[ResidentRow]]:
    piece: list[ResidentRow] = []
    serial = 0
    for village in villages:
        for family in _families(village, serial):
            piece.extend(family)
            if len(piece) >= PIECE:  # families stay together, so that their household is made once
                yield piece
                piece = []
        serial += village.people
    if piece:
        yield piece


def _families(village: Village, serial: int) -> Iterator[list[ResidentRow]]:
    dice = random.Random(f"{_SEED}/{village.code}")
    left, person, house = village.people, 0, 0
    while left > 0:
        size = min(left, dice.choice(_SIZES))
        left, house = left - size, house + 1
        surname = dice.choice(_SURNAMES)
        point = _point(village, dice)
        shared: Number | None = None
        family = []
        for member in range(size):
            person += 1
            number = _number(serial + person, shared, dice)
            if shared is None and number.text and number.state.value == "unverified":
                shared = number
            name = (surname if member != 1 else dice.choice(_SURNAMES)) + "某" + dice.choice(_NUMERALS)
            family.append(
                ResidentRow(
                    external_id=f"JH{village.code[6:]}{person:05d}",
                    division_code=village.code,
                    name=name,
                    number=number,
                    household=f"{house:04d}",
                    address=f"{village.name}{(house - 1) // 20 + 1}排{(house - 1) % 20 + 1}号",
                    lat=point[0],
                    lon=point[1],
                    needs=_need(dice),
                )
            )
        yield family


def _point(village: Village, dice: random.Random) -> tuple[float, float] | tuple[None, None]:
    if village.lat is None or village.lon is None:
        return None, None
    return rules.round_point(village.lat + dice.gauss(0, 0.0025), village.lon + dice.gauss(0, 0.003))


def _number(serial: int, shared: Number | None, dice: random.Random) -> Number:
    fate = dice.random()
    if fate < 0.09:
        return read_phone("")
    if fate < 0.10:
        return read_phone(dice.choice(_INVALID).format(serial % 10_000))
    if shared is not None and fate < 0.45:
        return shared
    return read_phone(demo_phone(serial))


def _need(dice: random.Random) -> str:
    fate = dice.random()
    for share, level in _NEED_SHARES:
        if fate < share:
            return dice.choice(_NEEDS[level])
    return ""


# --- people who hold posts live somewhere too ----------------------------------------------------------------------


def _post_holders(session: Session) -> dict[str, list[tuple[int, str, str]]]:
    """Contacts of posts by village, where the room above has loaded posts; the tables are asked, not the room."""
    post, holder = metadata.tables.get("post"), metadata.tables.get("post_holder")
    if post is None or holder is None:
        return {}
    found = session.execute(
        sa.select(post.c.division_code, Contact.id, Contact.name_sealed, Contact.phone_sealed)
        .join(holder, holder.c.post_id == post.c.id)
        .join(Contact, Contact.id == holder.c.contact_id)
        .where(Contact.phone_state.in_(REACHABLE), Contact.name_sealed.is_not(None))
        .order_by(Contact.id)
    )
    store = vault.of(session)
    by_village: dict[str, list[tuple[int, str, str]]] = {}
    taken: set[int] = set()
    for code, contact_id, name, phone in found:
        if contact_id in taken:
            continue
        taken.add(contact_id)
        names = store.open(TABLE, "name", contact_id, name), store.open(TABLE, "phone", contact_id, phone)
        by_village.setdefault(code, []).append((contact_id, *names))
    return by_village


def _let_holders_live_here(store: vault.Vault, plan: swap.Plan, holders: dict[str, list[tuple[int, str, str]]]) -> None:
    """Give some residents of a post's village the contact of its holder: a number is then corrected once for both."""
    if not holders:
        return
    dropped: set[int] = set()
    for place, resident in enumerate(plan.residents):
        waiting = holders.get(resident["division_code"])
        if not waiting:
            continue
        contact_id, name, phone = waiting.pop()
        dropped.add(resident["contact_id"])
        plan.residents[place] = _as_holder(store, resident, contact_id, name, phone)
    plan.contacts[:] = [contact for contact in plan.contacts if contact["id"] not in dropped]


def _as_holder(store: vault.Vault, resident: dict[str, Any], contact_id: int, name: str, phone: str) -> dict[str, Any]:
    resident_id = resident["id"]

    def opened(column: str) -> str:
        sealed = resident[f"{column}_sealed"]
        return store.open("resident", column, resident_id, sealed) if sealed else ""

    row = ResidentRow(
        external_id=opened("external"),
        division_code=resident["division_code"],
        name=name,
        number=read_phone(phone),
        household="",
        address=opened("address"),
        lat=resident["lat"],
        lon=resident["lon"],
        needs="",
    )
    return forms.resident_columns(
        store, row, resident_id=resident_id, contact_id=contact_id, household_id=None, known=forms.digest(store, row)
    )
