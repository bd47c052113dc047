"""Drills that posts know of on a day that was declared a holiday since, or that fell into a school break."""

from __future__ import annotations

from sqlalchemy.orm import Session

from emergency.divisions.defects import Defect
from emergency.drills.models import Occurrence
from emergency.drills.recomputing import Stuck, day_of, stuck
from kernel.errors import N_

ROOM = "drills"


def on_days_off(session: Session, ids: list[int] | None) -> list[Defect]:
    """Each such drill, until somebody moves it (its programme's page offers the better day) or it is over."""
    if ids == []:
        return []
    return [_defect(found) for found in stuck(session, ids)]


def _defect(found: Stuck) -> Defect:
    row, day = found.occurrence, day_of(found.occurrence)
    text = (
        N_("%(title)s on %(day)s falls on a holiday: %(holiday)s")
        if found.holiday
        else N_("%(title)s on %(day)s falls in the school holidays")
    )
    return Defect(
        ROOM, "drill_on_holiday", Occurrence.__tablename__, row.id, row.division_code, text, day,
        f"/drills/programmes/{row.programme_id}", title=row.title, due=day,
        params={"title": row.title, "day": day.isoformat(), "holiday": found.holiday},
    )  # fmt: skip
