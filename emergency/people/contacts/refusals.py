"""Numbers that a provider refuses for good: no mobile, out of service, written wrongly.

The refusal belongs to the number and not to the person. Whoever gets another number is rid of it by that alone; a
message that arrives ends it. What is refused is still sent to: a number that works again must not miss the warning.
Only an objection (21610) keeps messages back, and that one is the contact's state.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.people.contacts.models import Contact, NumberRefusal
from kernel.db import now
from kernel.errors import N_

REFUSED = "refused"
"""What a filter of lists calls these numbers."""
WORDS = {
    "21211": N_("The provider does not take it for a telephone number."),
    "21214": N_("The provider cannot reach this number."),
    "21217": N_("The provider does not take it for a telephone number."),
    "21265": N_("It is a short code: nobody can be texted there."),
    "21614": N_("It is not a mobile number."),
    "21635": N_("It is a landline: it takes no texts."),
    "30004": N_("The carrier blocks messages to it."),
    "30005": N_("The number does not exist, or is no longer in service."),
    "30006": N_("It is a landline, or its carrier cannot be reached."),
}
"""What a provider's code means to whoever has to mend the number."""
OTHER = N_("The provider refuses it.")


def words(code: str) -> str:
    """The msgid that says what is wrong with a number."""
    return WORDS.get(code, OTHER)


def note(session: Session, *, number_key: bytes, channel: str, code: str) -> bool:
    """A number was refused. True where that is news."""
    moment = now(session)
    found = session.get(NumberRefusal, (number_key, channel))
    if found is not None:
        found.latest_at = moment
        news, found.code = found.code != code, code
        return news
    session.add(NumberRefusal(number_key=number_key, channel=channel, code=code, since=moment, latest_at=moment))
    session.flush()
    return True


def any_stands(session: Session) -> bool:
    """Whether any number is refused at all; nearly always none is asked about."""
    return session.scalar(sa.select(sa.literal(1)).select_from(NumberRefusal).limit(1)) is not None


def end(session: Session, number_keys: Collection[bytes]) -> list[int]:
    """A message arrived at these numbers: whatever was refused there works again. Returns the contacts concerned."""
    keys = sorted(number_keys)
    found: list[bytes] = []
    for start in range(0, len(keys), 500):
        found += session.scalars(
            sa.delete(NumberRefusal)
            .where(NumberRefusal.number_key.in_(keys[start : start + 500]))
            .returning(NumberRefusal.number_key)
        ).all()
    if not found:
        return []
    return list(session.scalars(sa.select(Contact.id).where(Contact.phone_index.in_(found))))


def told(session: Session, contact_ids: Iterable[int]) -> dict[int, tuple[str, str]]:
    """Code and msgid of what is wrong, by contact id, for pages."""
    return {key: (found.code, words(found.code)) for key, found in of_contacts(session, contact_ids).items()}


def of_contacts(session: Session, contact_ids: Iterable[int]) -> dict[int, NumberRefusal]:
    """The latest refusal of each contact's number, by contact id."""
    rows = session.execute(
        sa.select(Contact.id, NumberRefusal)
        .join(NumberRefusal, NumberRefusal.number_key == Contact.phone_index)
        .where(Contact.id.in_(list(contact_ids)))
        .order_by(NumberRefusal.latest_at)
    ).all()
    return {contact_id: refusal for contact_id, refusal in rows}  # noqa: C416 - rows are not pairs to mypy
