"""Statistical division codes: 12 digits, nested by lengths 2/4/6/9/12.

Never strip zeros to find a prefix: 35 of the district's real 451 codes end in a zero that belongs to them (静海镇
is 120118100, not 1201181), and stripping would hand them their neighbours' villages. (国家统计局 统计用区划代码.)
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from kernel.errors import N_, Invalid

LENGTHS = (2, 4, 6, 9, 12)
"""Digits of a prefix by level 1..5: province, city, district, township, village."""
CODE_LENGTH = 12
PROVINCE, CITY, DISTRICT, TOWNSHIP, VILLAGE = 1, 2, 3, 4, 5
_CODE = re.compile(r"[0-9]{12}")


def is_code(text: str) -> bool:
    """Whether this is a whole code: twelve ASCII digits, the province not 00."""
    return bool(_CODE.fullmatch(text)) and text[:2] != "00"


class NotACode(Invalid, ValueError):
    """Not twelve digits: somebody typed it, so it is refused in words wherever it comes in."""


def level(code: str) -> int:
    """1 province, 2 city, 3 district, 4 township, 5 village: the deepest part that is not all zeros."""
    if not is_code(code):
        raise NotACode(N_("This is not a division code."), code="division_unknown")
    if code[9:] != "000":
        return VILLAGE
    if code[6:9] != "000":
        return TOWNSHIP
    if code[4:6] != "00":
        return DISTRICT
    return CITY if code[2:4] != "00" else PROVINCE


def prefix(code: str) -> str:
    """The nested prefix: what every code below this one begins with."""
    return code[: LENGTHS[level(code) - 1]]


def subtree_range(code: str) -> tuple[str, str]:
    """The first and last code that can lie in this division, itself included: a range of the primary key."""
    return prefix_range(prefix(code))


def prefix_range(nested: str) -> tuple[str, str]:
    """As `subtree_range`, for a prefix of 2, 4, 6, 9 or 12 digits."""
    missing = CODE_LENGTH - len(nested)
    return nested + "0" * missing, nested + "9" * missing


def covers(outer: str, inner: str) -> bool:
    """Whether `inner` is `outer` itself or lies in it."""
    return inner.startswith(prefix(outer))


def nested_parent(code: str) -> str | None:
    """The code one level up by digits alone (None for a province)."""
    depth = level(code)
    if depth == PROVINCE:
        return None
    return code[: LENGTHS[depth - 2]].ljust(CODE_LENGTH, "0")


def ancestors(code: str) -> list[str]:
    """Every code above this one by digits, the province first."""
    chain: list[str] = []
    above = nested_parent(code)
    while above is not None:
        chain.append(above)
        above = nested_parent(above)
    return chain[::-1]


def outermost(codes: Iterable[str]) -> list[str]:
    """The same area with what lies inside another of the list left out, in order of code."""
    kept: list[str] = []
    for code in sorted(set(codes), key=lambda c: (len(prefix(c)), c)):
        if not any(covers(other, code) for other in kept):
            kept.append(code)
    return sorted(kept)


def within(column: Any, code: str) -> sa.ColumnElement[bool]:
    """SQL: the column's code lies in the subtree of `code`."""
    return within_prefix(column, prefix(code))


def within_prefix(column: Any, nested: str) -> sa.ColumnElement[bool]:
    """SQL: the column's code begins with this nested prefix; the empty prefix is everything."""
    if not nested:
        return sa.true()
    low, high = prefix_range(nested)
    return sa.and_(column >= low, column <= high)


def within_any(column: Any, codes: Iterable[str]) -> sa.ColumnElement[bool]:
    """SQL: the column's code lies in the subtree of one of `codes`; no code at all is nothing."""
    area = outermost(codes)
    villages = [code for code in area if level(code) == VILLAGE]
    conditions = [within(column, code) for code in area if level(code) != VILLAGE]
    if villages:
        conditions.append(column.in_(villages))
    return sa.or_(*conditions) if conditions else sa.false()


def in_scope(column: Any, actor: Any) -> sa.ColumnElement[bool]:
    """SQL: the column's code lies in what the actor may see. Fails closed: only the system has no bounds."""
    if actor.is_system:
        return sa.true()
    if actor.kind == "nobody" or not actor.division_prefix:
        return sa.false()
    return within_prefix(column, actor.division_prefix)
