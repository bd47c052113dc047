"""Residents out again, in the columns that they came in: an export that is imported changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions import rules as divisions
from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.people.contacts import rules as contact_rules
from emergency.people.contacts import service as contacts
from emergency.people.contacts.models import Contact
from emergency.people.residents.models import Household, Resident
from emergency.people.residents.records import open_row
from emergency.privacy import journal, vault
from emergency.privacy.journal import Purpose
from kernel.errors import N_, Invalid

_PIECE = 1000


def export_residents(
    session: Session, *, actor: Actor, purpose: Purpose | str | None, division: str | None = None
) -> Iterator[dict[str, Any]]:
    """Everybody in scope (or in one division of it) with name and number, as rows of `interface.md`'s columns.

    Demands a purpose. The journal's entry with the number of people is committed before the first row is decrypted.
    Call it with a reading session, and read the rows while it is open.
    """
    actor.require(Permission.PERSONAL_EXPORT)
    wanted = contacts.purpose_of(purpose)
    condition = [divisions.in_scope(Resident.division_code, actor), Resident.left_at.is_(None)]
    if division:
        if not divisions.is_code(division):
            raise Invalid(N_("This is not a division code."), code="division_unknown")
        actor.require_covers(division)
        condition.append(divisions.within(Resident.division_code, division))
    count = session.scalar(sa.select(sa.func.count()).select_from(Resident).where(*condition)) or 0
    contacts.journal_now(
        session,
        journal.EXPORTED,
        actor=actor,
        purpose=wanted,
        list="residents",
        count=count,
        division=division or actor.division_code or None,
    )
    return _rows(session, condition)


def _rows(session: Session, condition: list[sa.ColumnElement[bool]]) -> Iterator[dict[str, Any]]:
    store = vault.of(session)
    position: tuple[str, int] = ("", 0)
    while True:
        found = session.execute(
            sa.select(Resident, Contact, Household)
            .join(Contact, Contact.id == Resident.contact_id)
            .outerjoin(Household, Household.id == Resident.household_id)
            .where(*condition, sa.tuple_(Resident.division_code, Resident.id) > sa.tuple_(*map(sa.literal, position)))
            .order_by(Resident.division_code, Resident.id)
            .limit(_PIECE)
        ).all()
        if not found:
            return
        for resident, contact, household in found:
            row = open_row(store, resident, contact, household)
            yield {
                "external_id": row.external_id,
                "division_code": row.division_code,
                "name": row.name,
                "phone": contact_rules.show_phone(row.number.text),
                "household": row.household,
                "address": row.address,
                "lat": row.lat,
                "lon": row.lon,
                "needs": row.needs,
            }
        position = found[-1][0].division_code, found[-1][0].id
        session.expunge_all()
