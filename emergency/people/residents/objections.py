"""A resident who wants no messages: what is known of it, and the clerk's part in it."""

from __future__ import annotations

from sqlalchemy.orm import Session

from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.people.contacts import service as contacts
from emergency.people.contacts.models import Contact, OptMeans, OptOut
from emergency.people.residents.models import Resident
from emergency.privacy import journal
from kernel.errors import N_, Conflict, Invalid, NotFound


def objections(session: Session, contact_id: int) -> list[OptOut]:
    """Every objection of whoever holds this contact's number, the latest first."""
    contact = session.get(Contact, contact_id)
    if contact is None or contact.phone_index is None:
        return []
    return contacts.opt_outs(session, contact.phone_index)


def set_messages(session: Session, *, actor: Actor, resident_id: int, wanted: bool, reason: str) -> int:
    """What a person told a clerk: no everyday messages any more, or messages again with what proved it.

    It holds for everybody at the number. Real warnings are sent all the same (突发事件应对法 arts. 64-65). Returns how
    many records changed.
    """
    actor.require(Permission.RESIDENTS_EDIT)
    resident = session.get(Resident, resident_id)
    if resident is None or not actor.covers(resident.division_code):
        raise NotFound(N_("There is no such person, or they live outside your area."))
    contact = contacts.get(session, resident.contact_id)
    if contact.phone_index is None:
        raise Conflict(N_("This person has no usable number: there is nothing to stop."), code="no_number")
    if not reason.strip():
        raise Invalid(
            N_("Say who asked for it and how you knew them. Nothing was changed."),
            code="proof_required",
            fields={"reason": "required"},
        )
    act = contacts.opt_in if wanted else contacts.opt_out
    changed = act(
        session, actor=actor, number_key=contact.phone_index, reason=reason.strip()[:300], means=OptMeans.CLERK
    )
    journal.record(
        session, journal.CHANGED, actor=actor, subject=("resident", resident_id), fields="messages",
        division=resident.division_code,
    )  # fmt: skip
    return changed
