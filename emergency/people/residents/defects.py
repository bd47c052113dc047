"""What is wrong with residents today: numbers that cannot be dialled, by township."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions import rules as divisions
from emergency.divisions import service as places
from emergency.people.contacts.models import Contact, NumberRefusal, PhoneState
from emergency.people.residents.models import Resident
from kernel.errors import N_

REFUSED_NUMBERS = N_("The provider refuses the numbers of %(n)s residents of %(place)s for good: find the right ones.")
INVALID_NUMBERS = N_("%(n)s residents of %(place)s have a number that cannot be dialled: no warning reaches them.")


TOWNSHIP = sa.func.substr(Resident.division_code, 1, 9)


def defects(
    session: Session, now: datetime, limit_to: Collection[tuple[str, int]] | None = None
) -> Iterator[dict[str, Any]]:
    """Townships with numbers that nobody can be reached by; with `limit_to` those of `("division", code)` only."""
    codes = None
    if limit_to is not None:
        codes = sorted({f"{number:012d}"[:9] + "000" for kind, number in limit_to if kind == "division"})
        if not codes:
            return
    invalid = (
        sa.select(TOWNSHIP.label("township"), sa.func.count().label("n"))
        .join(Contact, Contact.id == Resident.contact_id)
        .where(Contact.phone_index.is_(None), Contact.phone_state == PhoneState.INVALID)
    )
    # What a provider refuses for good.
    refused = (
        sa.select(TOWNSHIP.label("township"), sa.func.count(Resident.id.distinct()).label("n"))
        .select_from(NumberRefusal)
        .join(Contact, Contact.phone_index == NumberRefusal.number_key)
        .join(Resident, Resident.contact_id == Contact.id)
    )
    yield from _by_township(session, invalid, codes, "invalid_numbers", INVALID_NUMBERS, "invalid")
    yield from _by_township(session, refused, codes, "refused_numbers", REFUSED_NUMBERS, "refused")


def _by_township(
    session: Session, statement: sa.Select[Any], codes: list[str] | None, rule: str, reason: str, phone: str
) -> Iterator[dict[str, Any]]:
    statement = statement.where(Resident.left_at.is_(None)).group_by(TOWNSHIP).order_by(TOWNSHIP)
    if codes is not None:
        statement = statement.where(divisions.within_any(Resident.division_code, codes))
    found = {f"{row.township}000": int(row.n) for row in session.execute(statement)}
    names = places.names(session, found)
    for code, count in found.items():
        yield {
            "rule": rule,
            "subject_kind": "division",
            "subject_id": int(code),
            "division_code": code,
            "reason": reason,
            "params": {"n": count, "place": names.get(code, code)},
            "url": f"/residents?division={code}&phone={phone}",
        }
