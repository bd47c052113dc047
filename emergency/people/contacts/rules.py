"""Pure rules of names and numbers: normal forms, states, the words for people."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from emergency.people.contacts.models import TABLE, PhoneState
from emergency.privacy.vault import Vault, normalise_phone

S = PhoneState
ALL = frozenset(S)
TRANSITIONS: Mapping[PhoneState, frozenset[PhoneState]] = {
    S.UNVERIFIED: ALL,
    S.VERIFIED: ALL,
    S.INVALID: frozenset({S.UNVERIFIED, S.NONE, S.INVALID}),
    S.NONE: frozenset({S.UNVERIFIED, S.INVALID}),
    # Only the person's own word takes an objection back; a new number does not carry it along.
    S.OPTED_OUT: frozenset({S.UNVERIFIED, S.INVALID, S.NONE, S.OPTED_OUT}),
}
"""A number that is no number, or none at all, can be neither verified nor opted out."""

REACHABLE = (PhoneState.UNVERIFIED, PhoneState.VERIFIED)
"""The states in which a number may be sent to."""
WARNED = (*REACHABLE, PhoneState.OPTED_OUT)
"""The states in which a real warning is sent to a number: nobody can opt out of being told of danger."""
NAME_LENGTH = 60
PHONE_LENGTH = 40


@dataclass(frozen=True, slots=True)
class Number:
    """What was typed, as it will be kept: `text` is E.164 for a usable number, else the raw text."""

    text: str
    state: PhoneState


def clean_name(name: str | None) -> str:
    """A name without stray blanks: 张 某一 and full-width blanks become 张某一; words of other scripts keep one."""
    words = unicodedata.normalize("NFKC", name or "").split()
    text = " ".join(words)
    if any("\u4e00" <= c <= "\u9fff" for c in text):
        text = "".join(words)
    return text[:NAME_LENGTH].rstrip()


def read_phone(phone: str | None) -> Number:
    """The state and normal form of what somebody typed; an invalid number is kept, never dropped."""
    raw = (phone or "").strip()
    if not raw:
        return Number("", PhoneState.NONE)
    e164 = normalise_phone(raw)
    if e164 is None:
        return Number(raw[:PHONE_LENGTH], PhoneState.INVALID)
    return Number(e164, PhoneState.UNVERIFIED)


def show_phone(text: str) -> str:
    """The form that people dial: mainland numbers without +86, landlines with their zero."""
    if not text.startswith("+86"):
        return text
    national = text[3:]
    return national if len(national) == 11 and national[0] == "1" else "0" + national


def sealed_columns(
    vault: Vault, contact_id: int, name: str | None, number: Number, *, opted_out: bool = False
) -> dict[str, Any]:
    """The columns of one contact, sealed for its row; for single records and bulk work alike."""
    cleaned = clean_name(name)
    usable = number.state in (PhoneState.UNVERIFIED, PhoneState.VERIFIED)
    return {
        "id": contact_id,
        "name_sealed": vault.seal(TABLE, "name", contact_id, cleaned) if cleaned else None,
        "name_index": vault.index("name", cleaned) if cleaned else None,
        "phone_sealed": vault.seal(TABLE, "phone", contact_id, number.text) if number.text else None,
        "phone_index": vault.index("phone", number.text) if usable else None,
        "phone_state": PhoneState.OPTED_OUT if usable and opted_out else number.state,
    }
