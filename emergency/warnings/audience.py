"""Whom a warning goes to: one row a number, counted and sent by the same select.

A responsible post comes first, then whoever has to be helped first, then who is nearest. A post holder who is also a
resident, and a family that shares a telephone, get one message; everybody behind the number counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions import rules as divisions
from emergency.people.contacts.models import Contact, PhoneState
from emergency.people.posts import service as posts
from emergency.people.posts.models import Post, PostHolder
from emergency.people.residents import service as residents
from emergency.people.residents.models import Resident
from emergency.warnings import geometry
from emergency.warnings.area import Targets, id_set, resident_filter, shape_filter
from emergency.warnings.models import Audience

COLUMNS = ("rank", "recipient", "division", "address_key", "number_key", "people")
NO_NUMBER = (PhoneState.NONE, PhoneState.INVALID)
UNREACHABLE = (*NO_NUMBER, PhoneState.OPTED_OUT)
_AFTER_POSTS = 10
"""Ranks of posts lie below; residents come by priority class, then by distance."""


@dataclass(frozen=True)
class Place:
    """What one division contributes."""

    numbers: int = 0
    people: int = 0
    unreachable: int = 0


@dataclass(frozen=True)
class Count:
    """An audience in numbers. `people` are those behind the numbers; whom no message reaches come on top."""

    numbers: int
    people: int
    without_phone: int
    invalid_phone: int
    opted_out: int
    by_division: dict[str, Place]

    @property
    def unreachable(self) -> int:
        """Whom somebody has to tell at the door."""
        return self.without_phone + self.invalid_phone + self.opted_out


def recipients(session: Session, targets: Targets, audience: Audience, *, real: bool = False) -> sa.Select[Any]:
    """The rows for the ledger: `rank, recipient, division, address_key, number_key, people`, one a number.

    A real warning goes to numbers that refuse messages too (突发事件应对法 arts. 64-65); an exercise does not.
    """
    if audience is Audience.RESIDENTS:
        return _residents(session, targets, real)
    told = _posts(session, targets, real)
    if audience is Audience.POSTS:
        return told
    # One pass over both, grouped by number once. Two joins of the sides would each look for a match of 500,000
    # numbers without an index: minutes instead of seconds.
    post, home = told.subquery("at_posts"), _at_home(session, targets, real)
    nothing, number, word = sa.null(), sa.BigInteger, sa.Text
    both = sa.union_all(
        sa.select(
            post.c.rank, post.c.number_key, post.c.recipient.label("post"), post.c.division.label("post_division"),
            post.c.address_key.label("post_key"), post.c.people.label("post_people"),
            sa.cast(nothing, number).label("resident_id"), sa.cast(nothing, word).label("home_division"),
            sa.cast(nothing, number).label("home_key"),
        ),
        sa.select(
            (home.c.rank + _AFTER_POSTS).label("rank"), home.c.number_key, sa.cast(nothing, word),
            sa.cast(nothing, word), sa.cast(nothing, number), sa.cast(nothing, number),
            home.c.resident_id, home.c.division, home.c.address_key,
        ),
    ).subquery("audience")  # fmt: skip
    at_home = sa.func.count(both.c.resident_id)
    return sa.select(
        sa.func.min(both.c.rank).label("rank"),
        # of a post holder who is also a resident, what the post says
        sa.func.coalesce(
            sa.func.max(both.c.post), "resident:" + sa.cast(sa.func.min(both.c.resident_id), sa.Text)
        ).label("recipient"),
        sa.func.coalesce(sa.func.max(both.c.post_division), sa.func.min(both.c.home_division)).label("division"),
        sa.func.coalesce(sa.func.max(both.c.post_key), sa.func.min(both.c.home_key)).label("address_key"),
        both.c.number_key,
        sa.case((at_home > 0, at_home), else_=sa.func.max(both.c.post_people)).label("people"),
    ).group_by(both.c.number_key)


def _at_home(session: Session, targets: Targets, real: bool) -> sa.Subquery:
    return residents.numbers(
        codes=targets.codes,
        also=shape_filter(session, targets) if targets.resident_ids else None,
        near=geometry.hazard_points(targets.area),
        warned=real,
    ).subquery("at_home")


def _posts(session: Session, targets: Targets, real: bool) -> sa.Select[Any]:
    codes = targets.post_codes
    if not targets.unit_ids:
        told = posts.recipients(codes, warned=real).subquery("posts_told")
        return sa.select(*(told.c[name] for name in COLUMNS))
    # One number may stand behind a unit's post and a village's: whoever is meant by either keeps it.
    of_units = Post.unit_id.in_(id_set(session, targets.unit_ids))
    homes = list(session.scalars(sa.select(Post.division_code).where(of_units).distinct()))
    told = posts.recipients([*codes, *homes], warned=real).subquery("posts_told")
    meant = (
        sa.select(Contact.phone_index)
        .join(PostHolder, PostHolder.contact_id == Contact.id)
        .join(Post, Post.id == PostHolder.post_id)
        .where(Contact.phone_index.is_not(None), sa.or_(of_units, divisions.within_any(Post.division_code, codes)))
    )
    return sa.select(*(told.c[name] for name in COLUMNS)).where(told.c.number_key.in_(meant))


def _residents(session: Session, targets: Targets, real: bool) -> sa.Select[Any]:
    rows = residents.recipients(
        codes=targets.codes,
        also=shape_filter(session, targets) if targets.resident_ids else None,
        near=geometry.hazard_points(targets.area),
        warned=real,
    ).subquery("at_home_rows")
    rank = rows.c.rank + _AFTER_POSTS
    return sa.select(rank.label("rank"), *(rows.c[name] for name in COLUMNS[1:]))


def count(session: Session, targets: Targets, audience: Audience, *, real: bool = False) -> Count:
    """How many numbers, people, and people without a usable number, in all and by division."""
    rows = recipients(session, targets, audience, real=real).subquery("counted")
    places: dict[str, Place] = {}
    for division, numbers, people in session.execute(
        sa.select(rows.c.division, sa.func.count(), sa.func.sum(rows.c.people)).group_by(rows.c.division)
    ):
        places[division] = Place(int(numbers), int(people))
    by_state = dict.fromkeys(UNREACHABLE, 0)
    if audience is not Audience.POSTS:
        for division, state, people in session.execute(
            unreachable(session, targets, Contact.phone_state, sa.func.count(), real=real).group_by(
                Resident.division_code, Contact.phone_state
            )
        ):
            before = places.get(division, Place())
            places[division] = Place(before.numbers, before.people, before.unreachable + int(people))
            by_state[state] += int(people)
    return Count(
        numbers=sum(p.numbers for p in places.values()),
        people=sum(p.people for p in places.values()),
        without_phone=by_state[PhoneState.NONE],
        invalid_phone=by_state[PhoneState.INVALID],
        opted_out=by_state[PhoneState.OPTED_OUT],
        by_division=dict(sorted(places.items())),
    )


def unreachable(session: Session, targets: Targets, *columns: Any, real: bool = False) -> sa.Select[Any]:
    """Residents of the area whom no message can reach, with their division first: no number, a wrong one.

    Who opted out is among them for an exercise; a real warning is tried, and what the carrier refuses has failed.
    """
    return (
        sa.select(Resident.division_code, *columns)
        .join(Contact, Contact.id == Resident.contact_id)
        .where(
            Resident.id.in_(resident_filter(session, targets)),
            Contact.phone_state.in_(NO_NUMBER if real else UNREACHABLE),
        )
    )
