"""Use cases of units: list, record, create, change, close. Contacts come through a port: people live upstairs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions import codes, geometry, sectors
from emergency.divisions.models import Datum, Division, PointSource, RiskGrade, Unit, UnitKind, UnitSector
from emergency.http.actor import Actor
from emergency.http.paging import Page, paginate
from emergency.http.permissions import Permission
from emergency.privacy import journal, vault
from kernel.db import Database, now, touch
from kernel.errors import N_, Conflict, Invalid, NotFound
from kernel.ids import new_id

UNIT_CHANGED = journal.kind("unit.changed", "单位信息变更", "Unit changed", "what", "division", "fields")
TABLE = "unit"
FILL_IN = N_("Fill this in.")
_CHUNK = 500


class ContactBook(Protocol):
    """What units need of people: a sealed name and number behind an opaque key."""

    def create(self, session: Session, *, name: str, phone: str) -> int:
        """Keep a name and a number; returns the key."""
        ...

    def change(self, session: Session, *, actor: Actor, contact_id: int, name: str, phone: str, division: str) -> None:
        """Correct what is given; an empty text leaves that part."""
        ...

    def same(self, session: Session, wanted: Mapping[int, tuple[str, str]]) -> set[int]:
        """Which of the contacts already have this name and number (an empty text is not compared)."""
        ...

    def masked(self, session: Session, ids: Iterable[int]) -> Mapping[int, Any]:
        """`name`, `phone`, `phone_state` by key, masked."""
        ...

    def opened(self, session: Session, ids: Sequence[int]) -> Mapping[int, tuple[str, str]]:
        """Name and number in clear; the caller has journalled."""
        ...


_book: list[Callable[[], ContactBook]] = []


def register_contact_book(make: Callable[[], ContactBook]) -> None:
    """Give units their contacts; the posts room does so when it is loaded."""
    _book[:] = [make]


def contact_book() -> ContactBook:
    """The registered contacts."""
    if not _book:
        raise RuntimeError("no contact book is registered: import emergency.people.posts")
    return _book[0]()


@dataclass(frozen=True)
class UnitFacts:
    """What a form or a row says about a unit. None leaves what is stored; texts are as they were typed."""

    name: str | None = None
    division_code: str | None = None
    code: str | None = None
    sectors: Sequence[str] | None = None
    kind: UnitKind | None = None
    risk_grade: RiskGrade | str | None = None
    crowded: bool | None = None
    key_fire: bool | None = None
    low_lying: bool | None = None
    people: int | None = None
    lon: float | None = None
    lat: float | None = None
    datum: Datum = Datum.WGS84
    point_source: PointSource = PointSource.ENTERED
    address: str | None = None
    contact_name: str | None = None
    contact_phone: str | None = None


def units(
    session: Session,
    actor: Actor,
    *,
    within: str | None = None,
    kind: UnitKind | str | None = None,
    sector: str | None = None,
    grade: RiskGrade | str | None = None,
    q: str | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[Unit]:
    """One page of the units in the actor's scope, by division; closed ones are left out."""
    actor.require(Permission.UNITS_VIEW)
    statement = _chosen(sa.select(Unit), actor, within, kind, sector, grade, q)
    return paginate(session, statement, key=[Unit.division_code, Unit.id], cursor=cursor, limit=limit)


def count_units(session: Session, actor: Actor, **chosen: Any) -> int:
    """How many units the same choice makes."""
    args = [chosen.get(key) for key in ("within", "kind", "sector", "grade", "q")]
    return session.scalar(_chosen(sa.select(sa.func.count()).select_from(Unit), actor, *args)) or 0


def _chosen(
    statement: sa.Select[Any],
    actor: Actor,
    within: str | None,
    kind: UnitKind | str | None,
    sector: str | None,
    grade: RiskGrade | str | None,
    q: str | None,
) -> sa.Select[Any]:
    statement = statement.where(codes.in_scope(Unit.division_code, actor), Unit.closed_at.is_(None))
    if within:
        if not codes.is_code(within):
            raise Invalid(N_("A division code has 12 digits."), code="division_code_invalid")
        statement = statement.where(codes.within(Unit.division_code, within))
    if kind:
        statement = statement.where(Unit.kind == _member(UnitKind, kind))
    if grade:
        statement = statement.where(Unit.risk_grade == _member(RiskGrade, grade))
    if sector:
        tagged = sa.select(UnitSector.unit_id).where(UnitSector.sector == sector)
        statement = statement.where(Unit.id.in_(tagged))
    if q:
        statement = statement.where(Unit.name.contains(q.strip(), autoescape=True))
    return statement


def _member(members: type[Any], value: Any) -> Any:
    try:
        return members(str(value))
    except ValueError as error:
        raise Invalid(
            N_("“%(value)s” is not one of the choices."), code="unknown_choice", value=str(value)[:40]
        ) from error


def get_unit(session: Session, *, actor: Actor, unit_id: int) -> Unit:
    """One unit in the actor's scope; outside it there is none (404)."""
    actor.require(Permission.UNITS_VIEW)
    unit = session.scalar(sa.select(Unit).where(Unit.id == unit_id, codes.in_scope(Unit.division_code, actor)))
    if unit is None:
        raise NotFound(N_("There is no such unit in your area."), code="unit_not_found")
    return unit


def unit_names(session: Session, ids: Iterable[int]) -> dict[int, str]:
    """Names by id."""
    wanted = sorted(set(ids))
    found: dict[int, str] = {}
    for start in range(0, len(wanted), _CHUNK):
        part = wanted[start : start + _CHUNK]
        found.update(session.execute(sa.select(Unit.id, Unit.name).where(Unit.id.in_(part))).all())
    return found


def create_unit(session: Session, *, actor: Actor, facts: UnitFacts) -> Unit:
    """Take up a unit. It needs a name and a division in the actor's scope; without a code of its own it is given one."""
    actor.require(Permission.UNITS_EDIT)
    missing = {key: FILL_IN for key in ("name", "division_code") if not getattr(facts, key)}
    if missing:
        raise Invalid(N_("A unit needs a name and a division."), code="unit_incomplete", fields=missing)
    unit_id = new_id()
    unit = Unit(id=unit_id, code=facts.code or f"U{unit_id}", kind=UnitKind.OTHER, sectors=[])
    _apply(session, actor, unit, facts)
    taken = session.scalar(sa.select(Unit.id).where(Unit.code == unit.code))
    if taken is not None:
        raise Conflict(N_("Another unit has the code %(unit)s."), code="unit_code_taken", unit=unit.code)
    session.add(unit)
    session.flush()
    _retag(session, unit)
    _tell(session, actor, unit, "created")
    return unit


def change_unit(session: Session, *, actor: Actor, unit_id: int, facts: UnitFacts) -> Unit:
    """Correct a unit. What is None in `facts` stays as it is."""
    actor.require(Permission.UNITS_EDIT)
    unit = get_unit(session, actor=actor, unit_id=unit_id)
    before = _tags(unit)
    _apply(session, actor, unit, facts)
    session.flush()
    if _tags(unit) != before:
        _retag(session, unit)
    _tell(session, actor, unit, "changed")
    return unit


def close_unit(session: Session, *, actor: Actor, unit_id: int) -> Unit:
    """The unit does not exist any more; its history stays."""
    actor.require(Permission.UNITS_EDIT)
    unit = get_unit(session, actor=actor, unit_id=unit_id)
    actor.require_covers(unit.division_code)
    unit.closed_at = now(session)
    _tell(session, actor, unit, "closed")
    return unit


def _apply(session: Session, actor: Actor, unit: Unit, facts: UnitFacts) -> None:
    if facts.division_code is not None:
        if not codes.is_code(facts.division_code) or session.get(Division, facts.division_code) is None:
            raise Invalid(
                N_("There is no division with the code %(division)s."),
                code="division_unknown",
                fields={"division_code": N_("Choose a division of your area.")},
                division=facts.division_code[:20],
            )
        actor.require_covers(facts.division_code)
        unit.division_code = facts.division_code
    actor.require_covers(unit.division_code)
    for key in ("crowded", "key_fire", "low_lying", "people"):
        value = getattr(facts, key)
        if value is not None:
            setattr(unit, key, value)
    if facts.name:
        unit.name = facts.name.strip()[:120]
    if facts.code:
        unit.code = facts.code
    if facts.risk_grade is not None:
        unit.risk_grade = _member(RiskGrade, facts.risk_grade) if facts.risk_grade else None
    if facts.sectors is not None:
        unknown = [tag for tag in facts.sectors if tag not in sectors.SECTORS]
        if unknown:
            raise Invalid(
                N_("“%(word)s” is not a sector of the vocabulary."), code="sector_unknown", word=unknown[0][:40]
            )
        unit.sectors = list(dict.fromkeys(facts.sectors))
        unit.kind = facts.kind or sectors.kind_of(unit.sectors)
    if facts.lon is not None and facts.lat is not None:
        unit.lon, unit.lat = geometry.to_wgs84(facts.lon, facts.lat, facts.datum)
        unit.point_source = facts.point_source
    if facts.address:
        unit.address_sealed = vault.of(session).seal(TABLE, "address", unit.id, facts.address.strip()[:200])
    if facts.contact_name or facts.contact_phone:
        _apply_contact(session, actor, unit, facts.contact_name or "", facts.contact_phone or "")


def _apply_contact(session: Session, actor: Actor, unit: Unit, name: str, phone: str) -> None:
    book = contact_book()
    if unit.contact_id is None:
        unit.contact_id = book.create(session, name=name, phone=phone)
    else:
        book.change(
            session, actor=actor, contact_id=unit.contact_id, name=name, phone=phone, division=unit.division_code
        )


def _tags(unit: Unit) -> frozenset[str]:
    return sectors.widen(unit.sectors, crowded=bool(unit.crowded), key_fire=bool(unit.key_fire))


def _retag(session: Session, unit: Unit) -> None:
    """Write the tags with all that they imply, so that one lookup finds every hospital among the medical."""
    session.execute(sa.delete(UnitSector).where(UnitSector.unit_id == unit.id))
    tags = _tags(unit)
    if tags:
        session.execute(sa.insert(UnitSector), [{"unit_id": unit.id, "sector": tag} for tag in sorted(tags)])


def _tell(session: Session, actor: Actor, unit: Unit, what: str) -> None:
    session.flush()
    journal.record(session, UNIT_CHANGED, actor=actor, subject=(TABLE, unit.id), what=what, division=unit.division_code)
    touch(session, TABLE, unit.id)


def masked_contact(session: Session, *, actor: Actor, unit: Unit) -> Any:
    """Name and number of the unit's contact, masked and journalled; None where there is none."""
    if unit.contact_id is None:
        return None
    found = contact_book().masked(session, [unit.contact_id]).get(unit.contact_id)
    if found is not None and not actor.is_system:
        journal.record(
            session, journal.LISTED, actor=actor, subject=(TABLE, unit.id), list="unit", count=1,
            division=unit.division_code,
        )  # fmt: skip
    return found


def address_of(session: Session, unit: Unit) -> str:
    """The address in clear; the caller has journalled."""
    if unit.address_sealed is None:
        return ""
    return vault.of(session).open(TABLE, "address", unit.id, unit.address_sealed)


@dataclass(frozen=True)
class RevealedUnit:
    """Address and contact of a unit in clear, for one purpose, journalled."""

    address: str
    contact_name: str
    contact_phone: str


def reveal_unit(session: Session, *, actor: Actor, unit_id: int, purpose: str) -> RevealedUnit:
    """Address, name and number of a unit. Who looked and why is committed before anything is decrypted.

    Call it with a reading session: the entry has a transaction of its own.
    """
    actor.require(Permission.PERSONAL_REVEAL)
    try:
        wanted = journal.Purpose(purpose)
    except ValueError as error:
        raise Invalid(
            N_("Say what you need it for: choose one of the purposes. Nothing was shown."), code="purpose_required"
        ) from error
    unit = get_unit(session, actor=actor, unit_id=unit_id)
    database: Database = session.info["database"]
    with database.write() as own:
        journal.record(
            own,
            journal.REVEALED,
            actor=actor,
            subject=(TABLE, unit.id),
            purpose=wanted,
            fields="address,name,phone",
            division=unit.division_code,
        )
    opened = contact_book().opened(session, [unit.contact_id]) if unit.contact_id is not None else {}
    name, phone = opened.get(unit.contact_id or 0, ("", ""))
    return RevealedUnit(address_of(session, unit), name, phone)
