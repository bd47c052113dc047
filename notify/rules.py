"""Which step a message may take, and what a provider's word means. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from notify.models import DeliveryState as S

ALLOWED: Final[Mapping[S, frozenset[S]]] = {
    S.QUEUED: frozenset({S.CLAIMED, S.CANCELLED, S.EXPIRED, S.FAILED, S.SUBMITTED, S.DELIVERED}),
    S.CLAIMED: frozenset({S.SUBMITTED, S.DELIVERED, S.FAILED, S.UNKNOWN, S.QUEUED}),
    S.UNKNOWN: frozenset({S.SUBMITTED, S.DELIVERED, S.FAILED, S.QUEUED}),
    S.SUBMITTED: frozenset({S.DELIVERED, S.FAILED}),
    S.DELIVERED: frozenset(),
    S.FAILED: frozenset(),
    S.EXPIRED: frozenset(),
    S.CANCELLED: frozenset(),
}
"""Final states stick. QUEUED may become SUBMITTED or DELIVERED only by a receipt for an earlier attempt that was
thought absent."""

FINAL: Final = frozenset(state for state, after in ALLOWED.items() if not after)
UNSENT: Final = frozenset({S.QUEUED})

_PROVIDER_WORDS: Final[Mapping[str, S]] = {
    "accepted": S.SUBMITTED,
    "scheduled": S.SUBMITTED,
    "queued": S.SUBMITTED,
    "sending": S.SUBMITTED,
    "sent": S.SUBMITTED,
    "delivered": S.DELIVERED,
    "read": S.DELIVERED,
    "undelivered": S.FAILED,
    "failed": S.FAILED,
    "canceled": S.FAILED,
}

PERMANENT_REASONS: Final = frozenset(
    {"21211", "21214", "21217", "21265", "21610", "21614", "21635", "30004", "30005", "30006"}
)
"""Provider codes that say the number itself is at fault: a defect of its owner, never a retry."""


def state_of(word: str, code: str | None) -> tuple[S, str | None]:
    """Our state for a provider's status word, and the reason where it failed.

    A word that we do not know is a failure that carries the word, never a success. What comes back can be stored,
    whatever came in.
    """
    word, code = _plain(word), _plain(code or "")
    state = _PROVIDER_WORDS.get(word.lower())
    if state is None:
        return S.FAILED, f"unknown_status:{word[:40]}"
    if state is S.FAILED:
        return state, code[:60] or word.lower()
    return state, None


def _plain(text: str) -> str:
    return text if text.isprintable() and text == text.strip() else "".join(filter(str.isprintable, text)).strip()


def may_become(current: S, wanted: S) -> bool:
    """Whether a receipt may move a message from `current` to `wanted`."""
    return wanted in ALLOWED[current]
