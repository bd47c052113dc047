"""The bridge to contacts: comparing without showing, and the contact book that units are given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.http.actor import Actor
from emergency.people.contacts import rules as contact_rules
from emergency.people.contacts import service as contacts
from emergency.people.contacts.models import TABLE, Contact, PhoneState
from emergency.privacy import vault

_CHUNK = 500


def rows(session: Session, ids: Iterable[int]) -> dict[int, Contact]:
    """Contacts by id, sealed."""
    wanted = sorted(set(ids))
    found: dict[int, Contact] = {}
    for start in range(0, len(wanted), _CHUNK):
        part = session.scalars(sa.select(Contact).where(Contact.id.in_(wanted[start : start + _CHUNK])))
        found.update((contact.id, contact) for contact in part)
    return found


def same(session: Session, wanted: Mapping[int, tuple[str, str]]) -> set[int]:
    """Which contacts already carry this `(name, phone)`. By blind index; only a bad number is opened to compare."""
    store = vault.of(session)
    equal = set()
    for contact_id, contact in rows(session, wanted).items():
        name, phone = wanted[contact_id]
        cleaned = contact_rules.clean_name(name)
        if cleaned and contact.name_index != store.index("name", cleaned):
            continue
        if phone and not _same_number(store, contact, phone):
            continue
        equal.add(contact_id)
    return equal


def _same_number(store: vault.Vault, contact: Contact, phone: str) -> bool:
    number = contact_rules.read_phone(phone)
    if number.state is PhoneState.UNVERIFIED:
        return contact.phone_index == store.index("phone", number.text)
    if number.state is not contact.phone_state or contact.phone_sealed is None:
        return False
    return store.open(TABLE, "phone", contact.id, contact.phone_sealed) == number.text


class UnitContacts:
    """Units' view of people (`divisions.service.ContactBook`)."""

    def create(self, session: Session, *, name: str, phone: str) -> int:
        """Keep a name and a number."""
        return contacts.create(session, name=name, phone=phone).id

    def change(self, session: Session, *, actor: Actor, contact_id: int, name: str, phone: str, division: str) -> None:
        """Correct what is given."""
        contacts.change(
            session,
            actor=actor,
            contact_id=contact_id,
            name=name or contacts.KEEP,
            phone=phone or contacts.KEEP,
            division_code=division,
        )

    def same(self, session: Session, wanted: Mapping[int, tuple[str, str]]) -> set[int]:
        """Which are unchanged."""
        return same(session, wanted)

    def masked(self, session: Session, ids: Iterable[int]) -> Mapping[int, Any]:
        """Masked names and numbers."""
        return contacts.masked(session, ids)

    def opened(self, session: Session, ids: Sequence[int]) -> Mapping[int, tuple[str, str]]:
        """In clear; the caller has journalled."""
        store = vault.of(session)
        clear = {key: contacts.opened(store, contact) for key, contact in rows(session, ids).items()}
        return {key: (found.name, found.phone) for key, found in clear.items()}
