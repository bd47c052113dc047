"""Many posts at once, for imports and the demo: sealed before the transaction, written in a few statements."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.people.contacts import rules as contact_rules
from emergency.people.contacts.models import Contact, PhoneState
from emergency.people.contacts.service import opted_out_numbers
from emergency.people.posts import rules
from emergency.people.posts.models import Duty, Post, PostHolder, PostState
from emergency.privacy import vault
from kernel.db import now
from kernel.ids import new_id

_CHUNK = 500


@dataclass(frozen=True)
class NewPost:
    """A post to found, with its people in order; the first is the holder, None there leaves it vacant."""

    division_code: str
    duty: Duty
    people: Sequence[tuple[str, str] | None] = ()
    title: str = ""
    unit_id: int | None = None
    responsible: bool | None = None


def known_people(session: Session, people: Iterable[tuple[str, str]]) -> dict[tuple[bytes, bytes], int]:
    """Contacts that are the same person already, by blind index of name and number: a number is corrected once."""
    store = vault.of(session)
    keys = set()
    for _name, phone in people:
        number = contact_rules.read_phone(phone)
        if number.state is PhoneState.UNVERIFIED:
            keys.add(store.index("phone", number.text))
    found: dict[tuple[bytes, bytes], int] = {}
    wanted = sorted(keys)
    for start in range(0, len(wanted), _CHUNK):
        rows = session.execute(
            sa.select(Contact.id, Contact.name_index, Contact.phone_index)
            .where(Contact.phone_index.in_(wanted[start : start + _CHUNK]), Contact.name_index.is_not(None))
            .order_by(Contact.id.desc())
        )
        found.update({(row.name_index, row.phone_index): row.id for row in rows})
    return found


def found(session: Session, posts: Sequence[NewPost]) -> list[Post]:
    """Found these posts with their people. The caller has checked scope and that none exists, and journals."""
    store = vault.of(session)
    people = [person for post in posts for person in post.people if person is not None]
    known = known_people(session, people)
    keys = [store.index("phone", n.text) for _name, phone in people if (n := contact_rules.read_phone(phone)).text]
    refused = opted_out_numbers(session, keys)
    moment = now(session)
    contact_rows: list[dict[str, Any]] = []
    holder_rows: list[dict[str, Any]] = []
    made: list[Post] = []
    for wanted in posts:
        post_id = new_id()
        taken: set[int] = set()
        for order, person in enumerate(wanted.people):
            if person is None:
                continue
            contact_id, fresh = _contact(store, person, known, refused)
            if contact_id in taken:
                continue
            taken.add(contact_id)
            contact_rows.extend(fresh)
            holder_rows.append(
                {"id": new_id(), "post_id": post_id, "contact_id": contact_id, "order": order, "since": moment}
            )
        held = bool(wanted.people) and wanted.people[0] is not None
        made.append(
            Post(
                id=post_id,
                division_code=wanted.division_code,
                duty=wanted.duty,
                title=wanted.title[:60],
                unit_id=wanted.unit_id,
                responsible=wanted.duty in rules.CALLED_FIRST if wanted.responsible is None else wanted.responsible,
                state=PostState.HELD if held else PostState.VACANT,
                version=1,
            )
        )
    session.add_all(made)
    session.flush()
    if contact_rows:
        session.execute(sa.insert(Contact), contact_rows)
    if holder_rows:
        session.execute(sa.insert(PostHolder), holder_rows)
    return made


def _contact(
    store: vault.Vault, person: tuple[str, str], known: dict[tuple[bytes, bytes], int], refused: set[bytes]
) -> tuple[int, list[dict[str, Any]]]:
    """The contact of a person, and the row to insert if it is new."""
    name, phone = person
    number = contact_rules.read_phone(phone)
    contact_id = new_id()
    row = contact_rules.sealed_columns(store, contact_id, name, number)
    if row["phone_index"] is not None:
        if row["phone_index"] in refused:
            row["phone_state"] = PhoneState.OPTED_OUT
        if row["name_index"] is not None:
            before = known.setdefault((row["name_index"], row["phone_index"]), contact_id)
            if before != contact_id:
                return before, []
    return contact_id, [row]


def same_person(session: Session, name: str, phone: str) -> int | None:
    """The contact that is this person already, or None."""
    store = vault.of(session)
    number = contact_rules.read_phone(phone)
    cleaned = contact_rules.clean_name(name)
    if number.state is not PhoneState.UNVERIFIED or not cleaned:
        return None
    key = (store.index("name", cleaned), store.index("phone", number.text))
    return known_people(session, [(name, phone)]).get(key)
