"""Single residents: what a list and a record show, corrections, leaving, search, reveal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions import rules as divisions
from emergency.divisions.models import Division
from emergency.http import paging
from emergency.http.actor import Actor
from emergency.http.paging import Page
from emergency.http.permissions import Permission
from emergency.people.contacts import rules as contact_rules
from emergency.people.contacts import service as contacts
from emergency.people.contacts.models import Contact, NumberRefusal, PhoneState
from emergency.people.contacts.service import refusals
from emergency.people.residents import rules
from emergency.people.residents.models import Household, Resident
from emergency.people.residents.rules import ResidentRow
from emergency.privacy import journal, vault
from emergency.privacy.journal import Purpose
from kernel.errors import N_, Invalid, NotFound

FOUND_AT_MOST = 50


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of a list: masked."""

    id: int
    division_code: str
    division_name: str
    name: str
    phone: str
    phone_state: PhoneState
    priority_class: int
    household_id: int | None
    contact_id: int
    left_at: datetime | None


@dataclass(frozen=True, slots=True)
class Record:
    """One person as the record shows it: masked, with what may be said in clear."""

    line: Listed
    address: str
    has_needs: bool
    household: list[Listed]
    shares_number_with: int
    """How many others are reached at the same number."""
    lat: float | None
    lon: float | None
    verified_at: datetime | None
    changed_at: datetime
    version: str
    """What a correction has to name, so that two people do not overwrite each other."""


@dataclass(frozen=True, slots=True)
class RevealedResident:
    """Everything about a person, for one purpose."""

    id: int
    external_id: str
    name: str
    phone: str
    phone_state: PhoneState
    household: str
    address: str
    needs: str


def list_residents(
    session: Session,
    *,
    actor: Actor,
    division: str | None = None,
    phone_state: PhoneState | str | None = None,
    priority_class: int | None = None,
    left: bool = False,
    cursor: str | None = None,
    limit: int = paging.PAGE_SIZE,
) -> Page[Listed]:
    """One page of the people in scope, masked. Journalled once, as LISTED."""
    actor.require(Permission.RESIDENTS_VIEW)
    statement = sa.select(Resident).where(divisions.in_scope(Resident.division_code, actor))
    statement = statement.where(Resident.left_at.is_not(None) if left else Resident.left_at.is_(None))
    if division:
        if not divisions.is_code(division):
            raise Invalid(N_("This is not a division code."), code="division_unknown")
        actor.require_covers(division)
        statement = statement.where(divisions.within(Resident.division_code, division))
    if phone_state:
        try:
            state = PhoneState(str(phone_state)) if phone_state != refusals.REFUSED else None
        except ValueError as error:
            raise Invalid(N_("This is not a state of a number."), code="phone_state_unknown") from error
        statement = statement.join(Contact, Contact.id == Resident.contact_id)
        if state is not None:
            statement = statement.where(Contact.phone_state == state)
        else:
            refused = sa.select(NumberRefusal.number_key)
            statement = statement.where(Contact.phone_index.in_(refused))
        if state in (PhoneState.NONE, PhoneState.INVALID):
            statement = statement.where(Contact.phone_index.is_(None))  # names the partial index
    if priority_class is not None:
        statement = statement.where(Resident.priority_class == priority_class)
    page = paging.paginate(session, statement, key=[Resident.division_code, Resident.id], cursor=cursor, limit=limit)
    lines = _lines(session, page.items)
    _journal_list(session, actor, len(lines), division or actor.division_code)
    return Page(lines, page.next_cursor)


def _journal_list(session: Session, actor: Actor, count: int, division: str, subject: int | None = None) -> None:
    journal.record(
        session,
        journal.LISTED,
        actor=actor,
        subject=("resident", subject) if subject else None,
        list="residents",
        count=count,
        division=division or None,
    )


def _lines(session: Session, residents: Sequence[Resident]) -> list[Listed]:
    masked = contacts.masked(session, [resident.contact_id for resident in residents])
    names = division_names(session, [resident.division_code for resident in residents])
    lines = []
    for resident in residents:
        contact = masked[resident.contact_id]
        lines.append(
            Listed(
                id=resident.id,
                division_code=resident.division_code,
                division_name=names.get(resident.division_code, resident.division_code),
                name=contact.name,
                phone=contact.phone,
                phone_state=contact.phone_state,
                priority_class=resident.priority_class,
                household_id=resident.household_id,
                contact_id=resident.contact_id,
                left_at=resident.left_at,
            )
        )
    return lines


def division_names(session: Session, codes: Iterable[str]) -> dict[str, str]:
    """Names of divisions by code."""
    wanted = sorted(set(codes))
    found = session.execute(sa.select(Division.code, Division.name).where(Division.code.in_(wanted)))
    return {row.code: row.name for row in found}


def get(session: Session, actor: Actor, resident_id: int) -> Resident:
    resident = session.get(Resident, resident_id)
    if resident is None or not actor.covers(resident.division_code):
        # Outside the scope it is said not to exist: the answer must not tell who is registered where.
        raise NotFound(N_("There is no such resident in your area."))
    return resident


def record(session: Session, *, actor: Actor, resident_id: int) -> Record:
    """One person, masked, with the household. Journalled as LISTED."""
    actor.require(Permission.RESIDENTS_VIEW)
    resident = get(session, actor, resident_id)
    family: Sequence[Resident] = []
    if resident.household_id is not None:
        family = session.scalars(
            sa.select(Resident)
            .where(Resident.household_id == resident.household_id, Resident.left_at.is_(None))
            .order_by(Resident.id)
            .limit(30)
        ).all()
    others = [other for other in family if other.id != resident.id]
    line, *household = _lines(session, [resident, *others])
    contact = contacts.get(session, resident.contact_id)
    sharing = 0
    if contact.phone_index is not None:
        same = sa.select(sa.func.count()).where(Contact.phone_index == contact.phone_index, Contact.id != contact.id)
        sharing = int(session.scalar(same) or 0)
    _journal_list(session, actor, 1 + len(household), resident.division_code, resident.id)
    # The village stands in the clear beside the name already; the rest is not even opened for this page.
    address = f"{line.division_name} {vault.mask_address('sealed')}".strip() if resident.address_sealed else ""
    return Record(
        line=line,
        address=address,
        has_needs=resident.needs_sealed is not None,
        household=household,
        shares_number_with=sharing,
        lat=resident.lat,
        lon=resident.lon,
        verified_at=contact.verified_at,
        changed_at=resident.changed_at,
        version=resident.content_digest.hex(),
    )


def reveal(session: Session, *, actor: Actor, resident_id: int, purpose: Purpose | str | None) -> RevealedResident:
    """Everything about one person. The journal's entry is committed before anything is decrypted.

    Call it with a reading session. Purposes are those of `journal.Purpose`; without one 422 `purpose_required`.
    """
    actor.require(Permission.PERSONAL_REVEAL)
    resident = get(session, actor, resident_id)
    wanted = contacts.purpose_of(purpose)
    contacts.journal_now(
        session,
        journal.REVEALED,
        actor=actor,
        subject=("resident", resident.id),
        purpose=wanted,
        fields="name,phone,household,address,needs",
        division=resident.division_code,
    )
    row = stored_row(session, resident)
    return RevealedResident(
        id=resident.id,
        external_id=row.external_id,
        name=row.name,
        phone=contact_rules.show_phone(row.number.text),
        phone_state=row.number.state,
        household=row.household,
        address=row.address,
        needs=row.needs,
    )


def stored_row(session: Session, resident: Resident) -> ResidentRow:
    """A resident in normal form, decrypted; for callers that have journalled, and to recompute a digest."""
    store = vault.of(session)
    contact = contacts.get(session, resident.contact_id)
    household = session.get(Household, resident.household_id) if resident.household_id is not None else None
    return open_row(store, resident, contact, household)


def open_row(store: vault.Vault, resident: Any, contact: Any, household: Any) -> ResidentRow:
    """The normal form of stored records (or of rows with the same column names)."""

    def opened(table: str, column: str, row_id: int, sealed: bytes | None) -> str:
        return store.open(table, column, row_id, sealed) if sealed else ""

    phone = opened("contact", "phone", contact.id, contact.phone_sealed)
    return ResidentRow(
        external_id=opened("resident", "external", resident.id, resident.external_sealed),
        division_code=resident.division_code,
        name=opened("contact", "name", contact.id, contact.name_sealed),
        number=contact_rules.Number(phone, contact.phone_state),
        household=opened("household", "key", household.id, household.key_sealed) if household is not None else "",
        address=opened("resident", "address", resident.id, resident.address_sealed),
        lat=resident.lat,
        lon=resident.lon,
        needs=opened("resident", "needs", resident.id, resident.needs_sealed),
    )


def search(session: Session, *, actor: Actor, name: str = "", phone: str = "") -> list[Listed]:
    """People in scope with exactly this name or number (blind index), masked. Journalled as SEARCHED."""
    actor.require(Permission.RESIDENTS_VIEW)
    store = vault.of(session)
    if phone.strip():
        number = contact_rules.read_phone(phone)
        if number.state is not PhoneState.UNVERIFIED:
            raise Invalid(
                N_("This is not a whole phone number. Numbers are found only by all their digits."),
                code="phone_invalid",
                fields={"phone": "invalid"},
            )
        condition = Contact.phone_index == store.index("phone", number.text)
        means = "phone"
    elif rules.person_name(name):
        condition = Contact.name_index == store.index("name", rules.person_name(name))
        means = "name"
    else:
        raise Invalid(N_("Enter a whole name or a whole number."), code="search_empty")
    found = session.scalars(
        sa.select(Resident)
        .join(Contact, Contact.id == Resident.contact_id)
        .where(condition, divisions.in_scope(Resident.division_code, actor))
        .order_by(Resident.division_code, Resident.id)
        .limit(FOUND_AT_MOST)
    ).all()
    journal.record(
        session, journal.SEARCHED, actor=actor, by=means, count=len(found), division=actor.division_code or None
    )
    return _lines(session, found)
