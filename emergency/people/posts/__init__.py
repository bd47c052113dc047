"""Posts (a duty that must be held), their holders and deputies, the verification of numbers, and the duty roster."""

from __future__ import annotations

from emergency.divisions import service as _divisions


def _unit_contacts() -> _divisions.ContactBook:
    from emergency.people.posts.numbers import UnitContacts

    return UnitContacts()


# Units stand below people and may not import them; whoever loads this room's tables gives units their contacts.
_divisions.register_contact_book(_unit_contacts)
