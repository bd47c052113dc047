"""The second half of an import: staged rows become residents, a piece a transaction."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.people.contacts import rules as contacts
from emergency.people.contacts.models import Contact, PhoneState
from emergency.people.contacts.service import opted_out_numbers
from emergency.people.residents import rows as forms
from emergency.people.residents import rules, runs
from emergency.people.residents.models import AudienceStamp, Household, ImportRun, Resident, StagedResident
from emergency.people.residents.rules import ResidentRow
from emergency.privacy import vault
from emergency.privacy.vault import Vault
from kernel.db import Database, dialect_name, now
from kernel.ids import new_id

_FIRST_PIECE = 200
_CHUNK = 500


class Existing(NamedTuple):
    """What is stored of a person, as far as an import has to know; equal values mean that nobody was there since."""

    id: int
    division_code: str
    contact_id: int
    household_id: int | None
    row_digest: bytes
    content_digest: bytes
    left_at: datetime | None
    phone_index: bytes | None
    phone_state: PhoneState
    verified_at: datetime | None
    verified_by: str | None


@dataclass
class Plan:
    """The statements of one piece, sealed and ready."""

    households: list[dict[str, Any]] = field(default_factory=list)
    contacts: list[dict[str, Any]] = field(default_factory=list)
    residents: list[dict[str, Any]] = field(default_factory=list)
    contact_changes: list[dict[str, Any]] = field(default_factory=list)
    resident_changes: list[dict[str, Any]] = field(default_factory=list)
    townships: set[str] = field(default_factory=set)
    unchanged: int = 0


def existing(session: Session, keys: Iterable[bytes]) -> dict[bytes, Existing]:
    """Residents by the blind index of their external number."""
    wanted = list(keys)
    columns = (
        Resident.external_index, Resident.id, Resident.division_code, Resident.contact_id, Resident.household_id,
        Resident.row_digest, Resident.content_digest, Resident.left_at, Contact.phone_index, Contact.phone_state,
        Contact.verified_at, Contact.verified_by,
    )  # fmt: skip
    statement = sa.select(*columns).join(Contact, Contact.id == Resident.contact_id)
    found: dict[bytes, Existing] = {}
    for start in range(0, len(wanted), _CHUNK):
        for row in session.execute(statement.where(Resident.external_index.in_(wanted[start : start + _CHUNK]))):
            found[row[0]] = Existing._make(tuple(row)[1:])
    return found


def households(session: Session, wanted: Iterable[tuple[str, bytes]]) -> dict[tuple[str, bytes], int]:
    """Household ids by village and blind index of the key."""
    keys = list(wanted)
    found: dict[tuple[str, bytes], int] = {}
    for start in range(0, len(keys), _CHUNK):
        chunk = keys[start : start + _CHUNK]
        rows = session.execute(
            sa.select(Household.division_code, Household.key_index, Household.id).where(
                Household.key_index.in_([index for _code, index in chunk])
            )
        )
        found.update(((row[0], row[1]), row[2]) for row in rows)
    return found


def apply(
    database: Database, run: ImportRun, holder: str, progress: Callable[[int, float | None], None] | None = None
) -> None:
    """Swap in every staged row of the run. May be called again after a crash: applied rows are gone from staging."""
    size, done = _FIRST_PIECE, run.created + run.updated
    while True:
        with database.read() as session:
            store = vault.of(session)
            staged = session.execute(
                sa.select(StagedResident.number, StagedResident.sealed)
                .where(StagedResident.run_id == run.id)
                .order_by(StagedResident.number)
                .limit(size)
            ).all()
            if not staged:
                return
            rows = [
                forms.from_text(store.open("staged_resident", "sealed", f"{run.id}:{number}", sealed))
                for number, sealed in staged
            ]
            keys = keys_of(store, rows)
            known = facts(session, keys)
        plan = make_plan(store, rows, known)
        began = time.perf_counter()
        with runs.short_write(database) as session:
            if facts(session, keys) != known:
                continue  # somebody corrected one of these people meanwhile: look again
            write(session, plan)
            session.execute(
                sa.delete(StagedResident).where(
                    StagedResident.run_id == run.id, StagedResident.number <= staged[-1].number
                )
            )
            created, updated = len(plan.residents), len(plan.resident_changes)
            done += len(rows)
            runs.keep(
                session, run.id, holder,
                created=ImportRun.created + created,
                updated=ImportRun.updated + updated,
                unchanged=ImportRun.unchanged + plan.unchanged,
                fraction=min(1.0, 0.5 + 0.5 * done / max(run.to_apply, 1)),
            )  # fmt: skip
        size = rules.next_piece(len(rows), time.perf_counter() - began)
        if progress:
            progress(run.rows, min(1.0, 0.5 + 0.5 * done / max(run.to_apply, 1)))


Facts = tuple[dict[bytes, Existing], dict[tuple[str, bytes], int], set[bytes]]


@dataclass(frozen=True, slots=True)
class Keys:
    """The blind indexes of a piece, computed once: of the people, of their doors, of their numbers."""

    people: list[bytes]
    doors: set[tuple[str, bytes]]
    numbers: set[bytes]


def keys_of(store: Vault, rows: Sequence[ResidentRow]) -> Keys:
    """What to look up for these rows."""
    return Keys(
        [forms.external_index(store, row.external_id) for row in rows],
        {
            (row.division_code, forms.household_index(store, row.division_code, row.household))
            for row in rows
            if row.household
        },
        {store.index("phone", row.number.text) for row in rows if row.number.state is PhoneState.UNVERIFIED},
    )


def facts(session: Session, keys: Keys) -> Facts:
    """What is stored about these people, their doors and their numbers."""
    return existing(session, keys.people), households(session, keys.doors), opted_out_numbers(session, keys.numbers)


def make_plan(store: Vault, rows: Sequence[ResidentRow], stored: Facts) -> Plan:
    """Decide and seal, before the writer is taken."""
    known, doors, silent = stored
    doors = dict(doors)
    plan = Plan()
    for row in rows:
        person = forms.external_index(store, row.external_id)
        before = known.get(person)
        digest = forms.digest(store, row)
        if before is not None and digest in (before.row_digest, before.content_digest):
            plan.unchanged += 1
            continue
        household_id = None
        if row.household:
            key = (row.division_code, forms.household_index(store, row.division_code, row.household))
            household_id = doors.get(key)
            if household_id is None:
                household_id = doors[key] = new_id()
                plan.households.append(forms.household_columns(store, row.division_code, row.household, household_id))
        resident_id = before.id if before else new_id()
        contact_id = before.contact_id if before else new_id()
        contact = contacts.sealed_columns(store, contact_id, row.name, row.number)
        if contact["phone_index"] in silent:
            contact["phone_state"] = PhoneState.OPTED_OUT
        resident = forms.resident_columns(
            store,
            row,
            resident_id=resident_id,
            contact_id=contact_id,
            household_id=household_id,
            known=digest,
            person=person,
        )
        plan.townships.add(row.division_code[:9])
        if before is None:
            plan.contacts.append(contact | {"verified_at": None, "verified_by": None})
            plan.residents.append(resident)
            continue
        plan.townships.add(before.division_code[:9])
        same = contact["phone_index"] is not None and contact["phone_index"] == before.phone_index
        contact["phone_state"] = before.phone_state if same else contact["phone_state"]
        contact["verified_at"] = before.verified_at if same else None
        contact["verified_by"] = before.verified_by if same else None
        plan.contact_changes.append(contact)
        plan.resident_changes.append(resident)
    return plan


def write(session: Session, plan: Plan) -> None:
    """Carry a plan out in the caller's transaction."""
    moment = now(session)
    connection = session.connection()
    if plan.households:
        connection.execute(sa.insert(Household), plan.households)
    if plan.contacts:
        connection.execute(sa.insert(Contact), plan.contacts)
    for row in (*plan.residents, *plan.resident_changes):
        row["left_at"] = None
        row["changed_at"] = moment
    if plan.residents:
        connection.execute(sa.insert(Resident), plan.residents)
    if plan.contact_changes:
        connection.execute(_update(Contact.__table__, plan.contact_changes[0]), _renamed(plan.contact_changes))
        connection.execute(_update(Resident.__table__, plan.resident_changes[0]), _renamed(plan.resident_changes))
    stamp(session, plan.townships)


def _update(table: Any, row: dict[str, Any]) -> sa.Update:
    values = {name: sa.bindparam(f"v_{name}", type_=table.c[name].type) for name in row if name != "id"}
    return sa.update(table).where(table.c.id == sa.bindparam("v_id")).values(**values)


def _renamed(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{f"v_{name}": value for name, value in row.items()} for row in rows]


def stamp(session: Session, townships: Iterable[str]) -> None:
    """Say that the people of these townships (9-digit prefixes) have changed."""
    from sqlalchemy.dialects import postgresql, sqlite

    rows = [{"township": township, "revision": 1} for township in sorted(set(townships))]
    if not rows:
        return
    insert = sqlite.insert if dialect_name(session) == "sqlite" else postgresql.insert
    statement = insert(AudienceStamp)
    session.execute(
        statement.on_conflict_do_update(index_elements=["township"], set_={"revision": AudienceStamp.revision + 1}),
        rows,
    )
