"""How many people of a place need help first: numbers for planning, never who."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.people.residents.models import Resident

FIRST = 1
"""Priority classes 0 and 1 are moved before the others."""


def helped_first(session: Session, codes: Sequence[str]) -> dict[str, int]:
    """By village, how many residents are moved before the others; villages without any are left out."""
    if not codes:
        return {}
    rows = session.execute(
        sa.select(Resident.division_code, sa.func.count())
        .where(Resident.division_code.in_(codes), Resident.left_at.is_(None), Resident.priority_class <= FIRST)
        .group_by(Resident.division_code)
    )
    return {code: int(count) for code, count in rows}
