"""Ids that are known before the row exists, so that a sealed value can be bound to its row.

53 bits (exact in every JSON reader): 41 bits of milliseconds since 2026, 12 bits of sequence that starts at
random within each millisecond. Rising in time, so that inserts go to the end of the index. Tables that several
processes fill at thousands a second use the database's own identity instead.
"""

from __future__ import annotations

import secrets
import threading
import time
from datetime import UTC, datetime

_EPOCH_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z
_lock = threading.Lock()
_last_ms = 0
_sequence = 0


def new_id() -> int:
    """A new id, larger than any that this process has given out before."""
    global _last_ms, _sequence
    with _lock:
        now_ms = time.time_ns() // 1_000_000 - _EPOCH_MS
        if now_ms > _last_ms:
            _last_ms = now_ms
            _sequence = secrets.randbelow(2048)
        else:
            _sequence += 1
            if _sequence > 4095:
                _last_ms += 1
                _sequence = 0
        return (_last_ms << 12) | _sequence


def given_out_at(number: int) -> datetime:
    """When an id of `new_id` was given out, to the millisecond, by the machine's own clock."""
    return datetime.fromtimestamp(((number >> 12) + _EPOCH_MS) / 1000, UTC)
