"""What people correct by hand: a name, a number, a village; a person who comes, and one who leaves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions import rules as divisions
from emergency.divisions.models import Division
from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.people.contacts import rules as contact_rules
from emergency.people.contacts import service as contacts
from emergency.people.contacts.service import KEEP
from emergency.people.residents import rows as forms
from emergency.people.residents import rules, swap
from emergency.people.residents.models import Household, Resident
from emergency.people.residents.records import get, stored_row
from emergency.people.residents.rules import ResidentRow
from emergency.privacy import journal, vault
from kernel.db import now, touch
from kernel.errors import N_, Conflict, Invalid
from kernel.ids import new_id


def correct(
    session: Session,
    *,
    actor: Actor,
    resident_id: int,
    version: str | None = None,
    name: str = KEEP,
    phone: str = KEEP,
    household: str = KEEP,
    address: str = KEEP,
    needs: str = KEEP,
    division_code: str = KEEP,
    point: tuple[float, float] | None = KEEP,
) -> Resident:
    """Correct what is stored of a person; what is `KEEP` stays. Journalled by field names, never by value.

    `version` is that of the record that was looked at (409 `version_conflict` when somebody was faster). `point` is
    `(lat, lon)` in WGS-84 or None.
    """
    actor.require(Permission.RESIDENTS_EDIT)
    resident = get(session, actor, resident_id)
    if version is not None and version != resident.content_digest.hex():
        raise Conflict(N_("Somebody else corrected this person first. Look at the record again, then decide."))
    before = stored_row(session, resident)
    changes: dict[str, Any] = {}
    if name is not KEEP:
        changes["name"] = _named(name)
    if phone is not KEEP:
        changes["number"] = contact_rules.read_phone(phone)
    for column, text in (("household", household), ("address", address)):
        if text is not KEEP:
            changes[column] = rules.clean(text, column)
    if needs is not KEEP:
        changes["needs"] = rules.clean_needs(needs)
    if division_code is not KEEP:
        changes["division_code"] = village(session, actor, division_code)
    if point is not KEEP:
        changes["lat"], changes["lon"] = rules.round_point(*point) if point else (None, None)
    after = replace(before, **changes)
    if after.fingerprint() != before.fingerprint():
        _store(session, actor, resident, before, after)
    return resident


def _named(name: str) -> str:
    cleaned = rules.person_name(name)
    if not cleaned:
        raise Invalid(N_("Enter the person's name."), code="name_missing", fields={"name": "required"})
    return cleaned


def village(session: Session, actor: Actor, code: str) -> str:
    """A village in the actor's scope, or a clear refusal."""
    found = session.get(Division, code) if divisions.is_code(code) else None
    if found is None or found.level != divisions.VILLAGE:
        raise Invalid(
            N_("Choose the village or neighbourhood."), code="division_unknown", fields={"division_code": "required"}
        )
    actor.require_covers(code)
    return code


def _store(session: Session, actor: Actor, resident: Resident, before: ResidentRow, after: ResidentRow) -> None:
    store = vault.of(session)
    contacts.change(
        session,
        actor=actor,
        contact_id=resident.contact_id,
        name=after.name,
        phone=after.number.text,
        division_code=after.division_code,
    )
    columns = forms.resident_columns(
        store,
        after,
        resident_id=resident.id,
        contact_id=resident.contact_id,
        household_id=_household(session, after),
        known=forms.digest(store, after),
    )
    # The digest of the last imported row stays: the same old file again must not undo a correction.
    for column in columns.keys() - {"id", "row_digest", "external_sealed", "external_index"}:
        setattr(resident, column, columns[column])
    resident.changed_at = now(session)
    session.flush()
    swap.stamp(session, {before.division_code[:9], after.division_code[:9]})
    for township in {before.division_code[:9], after.division_code[:9]}:
        touch(session, "division", int(township + "000"))
    names = ("household", "address", "needs", "division_code", "lat", "lon")
    changed = [field for field in names if getattr(before, field) != getattr(after, field)]
    if changed:
        journal.record(
            session, journal.CHANGED, actor=actor, subject=("resident", resident.id), fields=",".join(changed),
            division=after.division_code,
        )  # fmt: skip


def _household(session: Session, row: ResidentRow) -> int | None:
    if not row.household:
        return None
    store = vault.of(session)
    key = (row.division_code, forms.household_index(store, row.division_code, row.household))
    found = swap.households(session, [key]).get(key)
    if found is None:
        found = new_id()
        session.execute(sa.insert(Household), [forms.household_columns(store, row.division_code, row.household, found)])
    return found


def register(
    session: Session,
    *,
    actor: Actor,
    division_code: str,
    name: str,
    phone: str = "",
    household: str = "",
    address: str = "",
    needs: str = "",
    external_id: str = "",
) -> int:
    """Add one person by hand. Without a number of their own they get one that no file uses."""
    actor.require(Permission.RESIDENTS_EDIT)
    row = ResidentRow(
        external_id=rules.clean(external_id, "external_id") or f"W{new_id()}",
        division_code=village(session, actor, division_code),
        name=_named(name),
        number=contact_rules.read_phone(phone),
        household=rules.clean(household, "household"),
        address=rules.clean(address, "address"),
        lat=None,
        lon=None,
        needs=rules.clean_needs(needs),
    )
    store = vault.of(session)
    facts = swap.facts(session, swap.keys_of(store, [row]))
    if facts[0]:
        raise Conflict(
            N_("A person with this external_id is registered already. Nothing was changed."),
            code="duplicate_external_id",
            fields={"external_id": "duplicate"},
        )
    plan = swap.make_plan(store, [row], facts)
    swap.write(session, plan)
    resident_id = int(plan.residents[0]["id"])
    journal.record(
        session, journal.CHANGED, actor=actor, subject=("resident", resident_id), fields="registered",
        division=row.division_code,
    )  # fmt: skip
    return resident_id


def leave(session: Session, *, actor: Actor, resident_id: int, left: bool = True) -> None:
    """The person has moved away or died: no warning goes to them any more. `left=False` takes it back."""
    actor.require(Permission.RESIDENTS_EDIT)
    resident = get(session, actor, resident_id)
    if (resident.left_at is not None) == left:
        return
    resident.left_at = resident.changed_at = now(session)
    if not left:
        resident.left_at = None
    session.flush()
    swap.stamp(session, {resident.division_code[:9]})
    journal.record(
        session, journal.CHANGED, actor=actor, subject=("resident", resident.id),
        fields="left" if left else "returned", division=resident.division_code,
    )  # fmt: skip
