"""Use cases of contacts: create, change, mask, reveal, verify, opt out; and the address book of the engine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.http.actor import SYSTEM, Actor
from emergency.http.permissions import Permission
from emergency.people.contacts import refusals as refusals
from emergency.people.contacts import rules
from emergency.people.contacts.models import TABLE, Contact, OptMeans, OptOut, PhoneState
from emergency.privacy import journal, vault
from emergency.privacy.journal import Purpose
from emergency.privacy.vault import Vault, mask_name, mask_phone, normalise_phone
from kernel.db import Database, now, touch
from kernel.errors import N_, Invalid, NotFound
from kernel.ids import new_id
from kernel.states import transition

KEEP: Any = object()
"""In `change`: leave this part as it is stored."""
_CHUNK = 500
WARNING_PURPOSE = "deliver:actual"
"""What the engine says when it asks for the numbers of a real warning."""


@dataclass(frozen=True, slots=True)
class MaskedContact:
    """What a list shows: 张某某, 154****0001, and what is known about the number."""

    name: str
    phone: str
    phone_state: PhoneState


@dataclass(frozen=True, slots=True)
class Revealed:
    """The full name and number, for one purpose, journalled."""

    name: str
    phone: str
    phone_state: PhoneState = PhoneState.UNVERIFIED


def create(session: Session, *, name: str | None, phone: str | None) -> Contact:
    """Keep a name and a number, sealed. An invalid number is kept and marked, an opted-out one stays opted out."""
    store = vault.of(session)
    number = rules.read_phone(phone)
    contact_id = new_id()
    columns = rules.sealed_columns(store, contact_id, name, number, opted_out=_opted_out(session, number))
    contact = Contact(**columns)
    session.add(contact)
    session.flush()
    return contact


def _opted_out(session: Session, number: rules.Number) -> bool:
    if number.state is not PhoneState.UNVERIFIED:
        return False
    return bool(opted_out_numbers(session, [vault.of(session).index("phone", number.text)]))


def get(session: Session, contact_id: int) -> Contact:
    """One contact, or 404."""
    contact = session.get(Contact, contact_id)
    if contact is None:
        raise NotFound(N_("This contact does not exist any more."))
    return contact


def change(
    session: Session,
    *,
    actor: Actor,
    contact_id: int,
    name: str | None = KEEP,
    phone: str | None = KEEP,
    division_code: str | None = None,
) -> Contact:
    """Correct a name or a number once, for every post, account and resident that points here.

    A number that really changed has to be verified anew. `None` or an empty text removes; `KEEP` leaves. The caller
    has checked that the actor may change what points here.
    """
    contact = get(session, contact_id)
    store = vault.of(session)
    changed: list[str] = []
    if name is not KEEP:
        cleaned = rules.clean_name(name)
        index = store.index("name", cleaned) if cleaned else None
        if index != contact.name_index:
            contact.name_sealed = store.seal(TABLE, "name", contact_id, cleaned) if cleaned else None
            contact.name_index = index
            changed.append("name")
    if phone is not KEEP and _change_phone(session, store, contact, phone):
        changed.append("phone")
    if changed:
        session.flush()
        fields = ",".join(changed)
        journal.record(
            session, journal.CHANGED, actor=actor, subject=(TABLE, contact_id), fields=fields, division=division_code
        )
        touch(session, TABLE, contact_id)
    return contact


def _change_phone(session: Session, store: Vault, contact: Contact, phone: str | None) -> bool:
    number = rules.read_phone(phone)
    columns = rules.sealed_columns(store, contact.id, None, number, opted_out=_opted_out(session, number))
    same = columns["phone_index"] == contact.phone_index
    if same and number.state is PhoneState.INVALID:
        same = contact.phone_sealed is not None and store.open(TABLE, "phone", contact.id, contact.phone_sealed) == (
            number.text
        )
    elif same and number.state is PhoneState.NONE:
        same = contact.phone_state is PhoneState.NONE
    if same:
        return False
    for column in ("phone_sealed", "phone_index", "phone_state"):
        setattr(contact, column, columns[column])
    contact.verified_at = contact.verified_by = None
    return True


def _rows(session: Session, ids: Iterable[int]) -> Iterable[Any]:
    wanted = sorted(set(ids))
    columns = (Contact.id, Contact.name_sealed, Contact.phone_sealed, Contact.phone_state)
    for start in range(0, len(wanted), _CHUNK):
        yield from session.execute(sa.select(*columns).where(Contact.id.in_(wanted[start : start + _CHUNK])))


def masked(session: Session, ids: Iterable[int]) -> dict[int, MaskedContact]:
    """Masked names and numbers by contact id. The page that shows them journals LISTED once."""
    store = vault.of(session)
    found = {}
    for row in _rows(session, ids):
        name = store.open(TABLE, "name", row.id, row.name_sealed) if row.name_sealed else ""
        phone = store.open(TABLE, "phone", row.id, row.phone_sealed) if row.phone_sealed else ""
        found[row.id] = MaskedContact(mask_name(name), mask_phone(phone) if phone else "", row.phone_state)
    return found


def names(session: Session, ids: Iterable[int]) -> dict[int, str]:
    """Masked names alone (张某某), by contact id."""
    return {key: contact.name for key, contact in masked(session, ids).items()}


def reveal(
    session: Session,
    *,
    actor: Actor,
    contact_id: int,
    purpose: Purpose | str,
    division_code: str,
    subject: tuple[str, int] | None = None,
) -> Revealed:
    """The full name and number. Who looked and why is committed to the journal BEFORE anything is decrypted.

    `division_code` is where the person belongs: outside the actor's scope it is refused. Call it with a reading
    session (or none begun): the entry has a transaction of its own.
    """
    actor.require(Permission.PERSONAL_REVEAL)
    actor.require_covers(division_code)
    wanted = purpose_of(purpose)
    journal_now(
        session,
        journal.REVEALED,
        actor=actor,
        subject=subject or (TABLE, contact_id),
        purpose=wanted,
        fields="name,phone",
        division=division_code,
    )
    contact = get(session, contact_id)
    return opened(vault.of(session), contact)


def opened(store: Vault, contact: Any) -> Revealed:
    """A contact in clear; for callers that have journalled."""
    name = store.open(TABLE, "name", contact.id, contact.name_sealed) if contact.name_sealed else ""
    phone = store.open(TABLE, "phone", contact.id, contact.phone_sealed) if contact.phone_sealed else ""
    return Revealed(name, rules.show_phone(phone), contact.phone_state)


def purpose_of(purpose: Purpose | str | None) -> Purpose:
    """A purpose from the closed list, or 422 `purpose_required`."""
    try:
        return Purpose(str(purpose or ""))
    except ValueError as error:
        raise Invalid(
            N_("Say what you need it for: choose one of the purposes. Nothing was shown."),
            code="purpose_required",
            fields={"purpose": "required"},
        ) from error


def journal_now(session: Session, kind: journal.Kind, **entry: Any) -> None:
    """Commit one journal entry at once, in a transaction of its own."""
    if session.info.get("writer") and session.in_transaction():
        # On SQLite the entry would wait for its own caller. A reveal belongs in a reading unit of work.
        raise RuntimeError("personal data is revealed outside a writing transaction")
    database: Database = session.info["database"]
    with database.write() as own:
        journal.record(own, kind, **entry)


def verify_number(
    session: Session, *, actor: Actor, contact_id: int, means: str = "", at: datetime | None = None
) -> Contact:
    """Somebody spoke to the person: the number is theirs."""
    contact = get(session, contact_id)
    values = {"verified_at": at or now(session), "verified_by": str(actor)}
    _move(session, contact, PhoneState.VERIFIED, actor=actor, reason=means or None, values=values)
    return contact


def opt_out(
    session: Session,
    *,
    actor: Actor,
    number_key: bytes,
    reason: str | None = None,
    means: OptMeans = OptMeans.CLERK,
    raw_id: int | None = None,
    at: datetime | None = None,
) -> int:
    """The holder of a number wants no messages: every contact with that number is marked. Returns how many.

    The objection itself is kept by number, also where nobody here has it: whoever comes in later with it keeps it.
    """
    if standing_opt_out(session, number_key) is None:
        session.add(
            OptOut(id=new_id(), number_key=number_key, at=at or now(session), means=means, raw_id=raw_id, by=str(actor))
        )
    found = session.scalars(
        sa.select(Contact).where(Contact.phone_index == number_key, Contact.phone_state.in_(rules.REACHABLE))
    ).all()
    for contact in found:
        _move(session, contact, PhoneState.OPTED_OUT, actor=actor, reason=reason)
    return len(found)


def opt_in(
    session: Session,
    *,
    actor: Actor,
    number_key: bytes,
    reason: str | None = None,
    means: OptMeans = OptMeans.CLERK,
    raw_id: int | None = None,
    at: datetime | None = None,
) -> int:
    """The holder takes the objection back; the number counts as not verified. Returns how many contacts.

    By the holder's own text, or by a clerk who says in `reason` what proved it; that is kept, sealed.
    """
    if means is not OptMeans.REPLY and not (reason or "").strip():
        raise Invalid(
            N_("Say what showed that the holder of the number wants messages again. Nothing was changed."),
            code="proof_required",
            fields={"reason": "required"},
        )
    standing = standing_opt_out(session, number_key)
    if standing is not None:
        standing.ended_at, standing.ended_by, standing.ended_raw_id = at or now(session), str(actor), raw_id
        if reason:
            standing.proof_sealed = vault.of(session).seal("opt_out", "proof", standing.id, reason.strip())
        session.flush()
    found = session.scalars(
        sa.select(Contact).where(Contact.phone_index == number_key, Contact.phone_state == PhoneState.OPTED_OUT)
    ).all()
    for contact in found:
        _move(session, contact, PhoneState.UNVERIFIED, actor=actor, reason=reason)
    return len(found)


def standing_opt_out(session: Session, number_key: bytes) -> OptOut | None:
    """The objection that a number's holder has not taken back."""
    return session.scalars(sa.select(OptOut).where(OptOut.number_key == number_key, OptOut.ended_at.is_(None))).first()


def opt_outs(session: Session, number_key: bytes) -> list[OptOut]:
    """Every objection of a number's holder, the latest first."""
    return list(session.scalars(sa.select(OptOut).where(OptOut.number_key == number_key).order_by(OptOut.id.desc())))


def opted_out_numbers(session: Session, keys: Iterable[bytes]) -> set[bytes]:
    """Which of these numbers want no messages: a new record of the same number must not undo that."""
    wanted = sorted(set(keys))
    found: set[bytes] = set()
    for start in range(0, len(wanted), _CHUNK):
        part = wanted[start : start + _CHUNK]
        marked = sa.select(Contact.phone_index).where(
            Contact.phone_index.in_(part), Contact.phone_state == PhoneState.OPTED_OUT
        )
        found.update(key for key in session.scalars(marked) if key is not None)
        found.update(
            session.scalars(sa.select(OptOut.number_key).where(OptOut.number_key.in_(part), OptOut.ended_at.is_(None)))
        )
    return found


def _move(session: Session, contact: Contact, to: PhoneState, *, actor: Actor, **more: Any) -> None:
    transition(session, contact, to, allowed=rules.TRANSITIONS, actor=actor, field="phone_state", **more)
    touch(session, TABLE, contact.id)


def find_by_phone(session: Session, e164: str) -> list[Contact]:
    """Every contact with this number (any way of writing it); the caller journals the search."""
    normal = normalise_phone(e164)
    if normal is None:
        return []
    index = vault.of(session).index("phone", normal)
    return list(session.scalars(sa.select(Contact).where(Contact.phone_index == index).limit(200)))


def number_key(store: Vault, e164: str) -> bytes:
    """The blind index of a number in E.164, as the ledger keeps it."""
    return store.index("phone", e164)


class ContactAddressBook:
    """The engine's address book (`notify.ports.AddressBook`): one short transaction and one entry a batch."""

    def __init__(self, database: Database, store: Vault):
        self._database = database
        self._vault = store

    def addresses(self, keys: Sequence[int], *, broadcast_id: int, purpose: str) -> Mapping[int, str]:
        """Numbers in E.164 by contact id; who opted out, or has no valid number, is left out.

        A real warning goes to who opted out as well: it is a duty of the government to everybody in danger and no
        message that one subscribes to (突发事件应对法 arts. 64-65). The carrier may still refuse it.
        The journal's entry (broadcast, how many, first and last id) is committed before anything is decrypted.
        """
        if not keys:
            return {}
        with self._database.write() as session:
            journal.record(
                session,
                journal.ADDRESSED,
                actor=SYSTEM,
                purpose=purpose[:20] or None,
                broadcast=broadcast_id,
                count=len(keys),
                first=min(keys),
                last=max(keys),
            )
        reachable = rules.WARNED if purpose == WARNING_PURPOSE else rules.REACHABLE
        found: dict[int, str] = {}
        with self._database.read() as session:
            for start in range(0, len(keys), _CHUNK):
                rows = session.execute(
                    sa.select(Contact.id, Contact.phone_sealed).where(
                        Contact.id.in_(keys[start : start + _CHUNK]), Contact.phone_state.in_(reachable)
                    )
                )
                found.update((row.id, self._vault.open(TABLE, "phone", row.id, row.phone_sealed)) for row in rows)
        return found
