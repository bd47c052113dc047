"""Whom an area holds: divisions by code, residents by point, the rest by their village's point.

What has no point counts by its village; a village or unit without one is listed apart, and the officer decides.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from emergency.config import Config
from emergency.divisions import rules as divisions
from emergency.divisions.models import Division, Unit
from emergency.http.actor import Actor
from emergency.people.residents import service as residents
from emergency.people.residents.models import Resident
from emergency.warnings import geometry
from emergency.warnings.geometry import Area
from emergency.warnings.rules import RuleFault
from kernel.db import dialect_name
from kernel.errors import N_

VILLAGE, TOWNSHIP = 5, 4


@dataclass(frozen=True)
class Undecided:
    """A place without a point that may lie in the shapes. `key` is what goes into `included` or `excluded`."""

    key: str
    name: str
    township: str
    people: int = 0
    """Residents there who have no point of their own either."""


@dataclass(frozen=True)
class Targets:
    """An area in terms of what the registers hold."""

    area: Area
    codes: list[str]
    """Divisions that count whole: named, decided by the officer."""
    villages: list[str]
    """Villages whose point lies in a shape: their posts are told."""
    resident_ids: list[int] = field(default_factory=list)
    """Residents in a shape, by their own point or else by their village's."""
    unit_ids: list[int] = field(default_factory=list)
    touched: list[str] = field(default_factory=list)
    """Every division in which somebody is targeted by a shape; compared with scopes."""
    undecided: list[Undecided] = field(default_factory=list)
    division_code: str = ""
    words: str = ""

    @property
    def post_codes(self) -> list[str]:
        """Divisions whose posts are told."""
        return list(dict.fromkeys([*self.codes, *self.villages]))


def id_set(session: Session, ids: Sequence[int]) -> sa.Select[Any]:
    """A select that yields these ids, whatever their number, as one bound value."""
    if dialect_name(session) == "sqlite":
        table = sa.func.json_each(json.dumps(list(ids))).table_valued("value")
        return sa.select(sa.cast(table.c.value, sa.BigInteger))
    array = sa.cast(sa.literal(list(ids), postgresql.ARRAY(sa.BigInteger)), postgresql.ARRAY(sa.BigInteger))
    return sa.select(sa.func.unnest(array))


def site_code(session: Session) -> str:
    """The district that this installation covers."""
    config: Config = session.info["config"]
    return config.site.division_code


def resolve(session: Session, area: Area) -> Targets:
    """Look the area up. Unknown divisions are refused by name; unknown decisions are ignored."""
    known = _known(session, area.divisions)
    for code in area.divisions:
        if code not in known:
            raise RuleFault(
                N_("There is no division with the code %(value)s."),
                rule="division_unknown", value=code, field="area.divisions",
            )  # fmt: skip
    chosen = [key for key in area.included if not key.startswith("unit:")]
    codes = divisions.outermost([*area.divisions, *(_known(session, chosen))])
    if not area.has_shapes:
        return _finish(session, Targets(area, codes, []))
    return _finish(session, _by_shapes(session, area, codes))


def _known(session: Session, codes: Sequence[str]) -> set[str]:
    return set(session.scalars(sa.select(Division.code).where(Division.code.in_(list(codes))))) if codes else set()


def _by_shapes(session: Session, area: Area, codes: list[str]) -> Targets:
    site = site_code(session)
    places = session.execute(
        sa.select(Division.code, Division.name, Division.level, Division.lon, Division.lat)
        .where(Division.level.in_((TOWNSHIP, VILLAGE)), divisions.within(Division.code, site))
        .order_by(Division.code)
    ).all()
    hit = geometry.inside(area, _floats([p.lon for p in places]), _floats([p.lat for p in places]))
    villages = [p.code for p, inside in zip(places, hit, strict=True) if inside and p.level == VILLAGE]
    people = residents.points(session, [site])
    resident_ids: list[int] = people.ids[geometry.inside(area, people.lon, people.lat)].tolist()
    homes = _homes(session, resident_ids)
    units = session.execute(
        sa.select(Unit.id, Unit.name, Unit.division_code, Unit.lon, Unit.lat).where(
            divisions.within(Unit.division_code, site), Unit.closed_at.is_(None)
        )
    ).all()
    unit_hit = geometry.inside(area, _floats([u.lon for u in units]), _floats([u.lat for u in units]))
    unit_ids = [u.id for u, inside in zip(units, unit_hit, strict=True) if inside]
    chosen_units = {int(key[5:]) for key in area.included if key.startswith("unit:") and key[5:].isdigit()}
    unit_ids.extend(u.id for u in units if u.id in chosen_units and u.id not in unit_ids)
    unit_homes = [u.division_code for u in units if u.id in set(unit_ids)]

    near = {code[:9] for code in (*villages, *homes, *unit_homes)}
    near |= {p.code[:9] for p, inside in zip(places, hit, strict=True) if inside}
    decided = {*area.included, *area.excluded}
    names = {p.code[:9]: p.name for p in places if p.level == TOWNSHIP}
    undecided = [
        Undecided(p.code, p.name, names.get(p.code[:9], ""), people.unplaced.get(p.code, 0))
        for p in places
        if p.level == VILLAGE and p.lon is None and p.code[:9] in near and p.code not in decided
        and not any(divisions.covers(code, p.code) for code in codes)
    ]  # fmt: skip
    undecided.extend(
        Undecided(f"unit:{u.id}", u.name, names.get(u.division_code[:9], ""))
        for u in units
        if u.lon is None and u.division_code[:9] in near and f"unit:{u.id}" not in decided
        and u.division_code not in villages and not any(divisions.covers(code, u.division_code) for code in codes)
    )  # fmt: skip
    touched = sorted({*villages, *homes, *unit_homes})
    return Targets(area, codes, villages, resident_ids, unit_ids, touched, undecided)


def _floats(values: Sequence[float | None]) -> geometry.Floats:
    return np.array([np.nan if v is None else v for v in values], dtype=np.float64)


def _homes(session: Session, ids: Sequence[int]) -> list[str]:
    if not ids:
        return []
    return list(
        session.scalars(sa.select(Resident.division_code).where(Resident.id.in_(id_set(session, ids))).distinct())
    )


def _finish(session: Session, targets: Targets) -> Targets:
    everything = [*targets.codes, *targets.touched]
    site = site_code(session)
    named = words(session, everything)
    if not named and targets.area.has_shapes:
        # A shape where nobody is registered is still an extent that art. 64 wants named.
        named = words(session, [site]) + "划定范围"
    return dataclasses.replace(targets, division_code=common(everything) or site, words=named)


def common(codes: Sequence[str]) -> str:
    """The smallest division that holds all of them; empty for none."""
    if not codes:
        return ""
    if len(set(codes)) == 1:
        return codes[0]
    prefixes: list[str] = [divisions.prefix(code) for code in codes]
    for length in (9, 6, 4, 2):
        heads = {prefix[:length] for prefix in prefixes}
        if len(heads) == 1 and all(len(prefix) >= length for prefix in prefixes):
            return min(heads).ljust(12, "0")
    return ""


def words(session: Session, codes: Sequence[str]) -> str:
    """The area for people: `台头镇`, `胜利村、和平村（台头镇）`, `台头镇等3个镇街18个村`."""
    outer = divisions.outermost(codes)
    if not outer:
        return ""
    towns = list(dict.fromkeys(code[:9] + "000" for code in outer if divisions.level(code) >= TOWNSHIP))
    rows = session.execute(sa.select(Division.code, Division.name).where(Division.code.in_([*outer[:4], *towns[:4]])))
    names: dict[str, str] = {row.code: divisions.place_name(row.name) for row in rows}
    villages = [code for code in outer if divisions.level(code) == VILLAGE]
    if len(outer) <= 3:
        if villages and len(villages) == len(outer) and len(towns) == 1:
            return names.get(towns[0], "") + "、".join(names.get(code, code) for code in outer)
        return "、".join(names.get(code, code) for code in outer)
    first = names.get(towns[0], "") if towns else names.get(outer[0], "")
    if len(villages) < len(outer):
        return f"{first}等{len(towns) or len(outer)}个镇街"
    return f"{first}等{len(towns)}个镇街{len(villages)}个村" if len(towns) > 1 else f"{first}{len(villages)}个村"


def require_scope(actor: Actor, targets: Targets) -> None:
    """403 `out_of_scope` where any part of the area lies outside the actor's."""
    for code in (*targets.codes, *targets.touched):
        actor.require_covers(code)
    if targets.area.empty:
        actor.require_covers(targets.division_code)


def resident_filter(session: Session, targets: Targets) -> sa.Select[Any]:
    """Ids of the residents that the area holds."""
    conditions = _shape_conditions(session, targets)
    if targets.codes:
        conditions.append(divisions.within_any(Resident.division_code, targets.codes))
    return _living(conditions)


def shape_filter(session: Session, targets: Targets) -> sa.Select[Any]:
    """Ids of the residents that the shapes alone hold: by their own point, else by their village's."""
    return _living(_shape_conditions(session, targets))


def _shape_conditions(session: Session, targets: Targets) -> list[sa.ColumnElement[bool]]:
    return [Resident.id.in_(id_set(session, targets.resident_ids))] if targets.resident_ids else []


def _living(conditions: Sequence[sa.ColumnElement[bool]]) -> sa.Select[Any]:
    return sa.select(Resident.id).where(Resident.left_at.is_(None), sa.or_(*conditions) if conditions else sa.false())
