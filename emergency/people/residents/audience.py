"""Who is addressed: people selected by place, counted before the last button, and handed to notify as one row a number.

What is counted and what is sent come from the same select, so that the page and the ledger cannot disagree.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session, aliased

from emergency.divisions import rules as divisions
from emergency.divisions.models import Division
from emergency.people.contacts.models import Contact, PhoneState
from emergency.people.contacts.rules import REACHABLE, WARNED
from emergency.people.residents import rules
from emergency.people.residents.models import Resident

_UNREACHABLE = tuple(state for state in PhoneState if state not in REACHABLE)
_HOME, _TOWN = aliased(Division), aliased(Division)
MOST_POINTS = 12
"""Of a hazard drawn in more pieces than these, the largest count for the distance."""


@dataclass(frozen=True, slots=True)
class Audience:
    """People in an area, the numbers behind them, and who has to be told another way."""

    people: int = 0
    numbers: int = 0
    """Different numbers that can be sent to: one message each."""
    reachable_people: int = 0
    """People behind those numbers."""
    without_phone: int = 0
    invalid_phone: int = 0
    opted_out: int = 0
    by_division: dict[str, int] = field(default_factory=dict)
    """People by village."""
    unreachable_by_division: dict[str, int] = field(default_factory=dict)
    """People by village whom no message reaches: without a phone, with an invalid number, or opted out."""


def area(column: Any, codes: Iterable[str]) -> sa.ColumnElement[bool]:
    """SQL: the column lies in one of `codes`, which are 12-digit codes of any level or nested prefixes."""
    whole: list[str] = []
    prefixes: list[str] = []
    for code in codes:
        (whole if len(code) == divisions.LENGTHS[-1] else prefixes).append(code)
    conditions = [divisions.within_prefix(column, prefix) for prefix in sorted(set(prefixes))]
    if whole:
        conditions.append(divisions.within_any(column, whole))
    return sa.or_(*conditions) if conditions else sa.false()


def _wanted(
    codes: Sequence[str], resident_filter: sa.Select[Any] | None, also: sa.Select[Any] | None
) -> list[sa.ColumnElement[bool]]:
    place = area(Resident.division_code, codes)
    if resident_filter is not None:
        place = sa.and_(place, Resident.id.in_(resident_filter))
    if also is not None:
        place = sa.or_(place, Resident.id.in_(also))
    return [Resident.left_at.is_(None), place]


def recipients(
    *,
    codes: Sequence[str] = (),
    division_prefixes: Sequence[str] = (),
    resident_filter: sa.Select[Any] | None = None,
    also: sa.Select[Any] | None = None,
    near: Sequence[tuple[float, float]] = (),
    warned: bool = False,
) -> sa.Select[Any]:
    """The numbers of an area in notify's shape: rank, recipient, division, address_key, number_key, people.

    One row a number, with the people of the area behind it. `codes` (and `division_prefixes`, the same) name the
    area; `resident_filter` narrows it and `also` adds to it, both selects of resident ids (see `ids_select`).
    Rank: the most urgent priority class behind the number first, then, with the hazard's points `near` as (lon, lat), who lives
    nearest to one of them, by their own point, else by that of
    their village, else by that of its township.
    Who has no usable number or has opted out is left out; `count_audience` says how many. With `warned` who opted out
    is in: a real warning is for everybody in danger.
    """
    rows = numbers(
        codes=codes,
        division_prefixes=division_prefixes,
        resident_filter=resident_filter,
        also=also,
        near=near,
        warned=warned,
    ).subquery("reachable")
    return sa.select(
        sa.func.min(rows.c.rank).label("rank"),
        (sa.literal("resident:") + sa.cast(sa.func.min(rows.c.resident_id), sa.String)).label("recipient"),
        sa.func.min(rows.c.division).label("division"),
        sa.func.min(rows.c.address_key).label("address_key"),
        rows.c.number_key,
        sa.func.count().label("people"),
    ).group_by(rows.c.number_key)


def numbers(
    *,
    codes: Sequence[str] = (),
    division_prefixes: Sequence[str] = (),
    resident_filter: sa.Select[Any] | None = None,
    also: sa.Select[Any] | None = None,
    near: Sequence[tuple[float, float]] = (),
    warned: bool = False,
) -> sa.Select[Any]:
    """As `recipients`, one row a resident and not yet grouped: for who groups them together with others."""
    condition = _wanted([*codes, *division_prefixes], resident_filter, also)
    query = (
        sa.select(
            _rank(near).label("rank"),
            Resident.id.label("resident_id"),
            Resident.division_code.label("division"),
            Contact.id.label("address_key"),
            Contact.phone_index.label("number_key"),
        )
        .join(Contact, Contact.id == Resident.contact_id)
        .where(*condition, Contact.phone_state.in_(WARNED if warned else REACHABLE))
    )
    if near:
        query = query.join(_HOME, _HOME.code == Resident.division_code, isouter=True)
        query = query.join(_TOWN, _TOWN.code == _HOME.parent_code, isouter=True)
    return query


class _Nearest(sa.sql.functions.GenericFunction[int]):
    """The smallest of several numbers: `min` on SQLite, `least` elsewhere."""

    type = sa.Integer()
    inherit_cache = True
    name = "least"


@compiles(_Nearest, "sqlite")
def _smallest(element: _Nearest, compiler: Any, **options: Any) -> str:
    return f"min({compiler.process(element.clauses, **options)})"


def _rank(near: Sequence[tuple[float, float]]) -> sa.ColumnElement[Any]:
    base = sa.cast(Resident.priority_class, sa.Integer) * rules.RANK_STEP
    if not near:
        return base
    their_lat = sa.func.coalesce(Resident.lat, _HOME.lat, _TOWN.lat)
    their_lon = sa.case((Resident.lat.is_not(None), Resident.lon), (_HOME.lat.is_not(None), _HOME.lon), else_=_TOWN.lon)
    squares = []
    for lon, lat in near[:MOST_POINTS]:
        per_lat, per_lon = rules.distance_units(lat)
        north, east = (their_lat - lat) * per_lat, (their_lon - lon) * per_lon
        # Squared: the order is the same, and not every SQLite has a square root.
        squares.append(sa.cast(north * north + east * east, sa.Integer))
    far = squares[0] if len(squares) == 1 else _Nearest(*squares)
    last = rules.RANK_STEP - 1
    return base + sa.case((their_lat.is_(None), last), (far > last, last), else_=far)


def count_audience(
    session: Session,
    *,
    codes: Sequence[str] = (),
    division_prefixes: Sequence[str] = (),
    resident_filter: sa.Select[Any] | None = None,
    also: sa.Select[Any] | None = None,
) -> Audience:
    """The same people as `recipients`, counted: people, numbers, and who cannot be reached by message."""
    condition = _wanted([*codes, *division_prefixes], resident_filter, also)

    def number_of(state: PhoneState) -> sa.ColumnElement[int]:
        return sa.func.sum(sa.case((Contact.phone_state == state, 1), else_=0))

    # Grouped by village alone, in the order of its index: nothing is sorted.
    by_state = dict.fromkeys(_UNREACHABLE, 0)
    by_division: dict[str, int] = {}
    unreachable: dict[str, int] = {}
    for code, people, *counts in session.execute(
        sa.select(Resident.division_code, sa.func.count(), *(number_of(state) for state in _UNREACHABLE))
        .join(Contact, Contact.id == Resident.contact_id)
        .where(*condition)
        .group_by(Resident.division_code)
    ):
        by_division[code] = people
        for state, count in zip(_UNREACHABLE, counts, strict=True):
            by_state[state] += int(count)
        if any(counts):
            unreachable[code] = int(sum(counts))
    people = sum(by_division.values())
    numbers = session.scalar(
        sa.select(sa.func.count(Contact.phone_index.distinct()))
        .select_from(Resident)
        .join(Contact, Contact.id == Resident.contact_id)
        .where(*condition, Contact.phone_state.in_(REACHABLE))
    )
    return Audience(
        people=people,
        numbers=int(numbers or 0),
        reachable_people=people - sum(by_state.values()),
        without_phone=by_state[PhoneState.NONE],
        invalid_phone=by_state[PhoneState.INVALID],
        opted_out=by_state[PhoneState.OPTED_OUT],
        by_division=by_division,
        unreachable_by_division=unreachable,
    )
