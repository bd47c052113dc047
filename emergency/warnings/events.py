"""Event types: rows of data, first filled from the file beside this module (codes and names are facts of GB/T 35561).

The bureau may add a type or take a colour away on screen or in the table: no release is needed.
"""

from __future__ import annotations

import csv
from functools import lru_cache
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.warnings.models import EventType
from emergency.warnings.rules import EventFacts, RuleFault, category_of
from kernel.errors import N_

FILE = Path(__file__).parent / "data" / "event_types.csv"


@lru_cache(maxsize=1)
def shipped() -> tuple[dict[str, object], ...]:
    """The rows of the file, as columns of `EventType`."""
    with FILE.open(encoding="utf-8", newline="") as source:
        return tuple(
            {
                "code": row["code"],
                "name": row["name"],
                "category": category_of(row["code"]),
                "levels": row["levels"].split(),
                "aliases": row["aliases"].split(),
                "confidence": row["confidence"],
                "common": bool(row["common"]),
            }
            for row in csv.DictReader(source)
        )


def ensure(session: Session) -> int:
    """Fill the table where it is empty; what the bureau changed stays. Returns how many rows were added."""
    if session.scalar(sa.select(EventType.code).limit(1)) is not None:
        return 0
    session.execute(sa.insert(EventType), [dict(row) for row in shipped()])
    return len(shipped())


def all_types(session: Session) -> list[EventType]:
    """Every event type, the usual ones first, then by code."""
    rows = list(session.scalars(sa.select(EventType)))
    rows = rows or [EventType(**row) for row in shipped()]
    return sorted(rows, key=lambda row: (not row.common, row.code))


def get(session: Session, code: str) -> EventType:
    """One event type, or 422 `event_code_unknown`."""
    if session.info.get("writer"):
        ensure(session)
    found = session.get(EventType, code)
    if found is None:
        row = next((row for row in shipped() if row["code"] == code), None)
        if row is None or session.scalar(sa.select(EventType.code).limit(1)) is not None:
            raise RuleFault(
                N_("There is no event type with the code %(value)s."),
                rule="event_code_unknown", value=code, field="event_code",
            )  # fmt: skip
        found = EventType(**row)
    return found


def facts(event: EventType) -> EventFacts:
    """What the rules need of it."""
    return EventFacts(event.code, event.name, list(event.levels), list(event.aliases))


def other_names(session: Session, code: str) -> list[str]:
    """Names of the other types, longest first: a headline that ends in one of them has the wrong code."""
    rows = session.execute(sa.select(EventType.name).where(EventType.code != code)).scalars()
    return sorted(rows, key=len, reverse=True)
