"""What is wrong with drills today: rules not kept, records missing, corrective actions late, findings about plans."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions.defects import Defect
from emergency.divisions.models import Unit
from emergency.drills import inspecting, learning_defects, standing_queries, time_defects
from emergency.drills.models import (
    Occurrence,
    OccurrenceState,
)
from emergency.http.actor import Actor
from kernel.clock import BEIJING
from kernel.errors import N_

ROOM = "drills"
ACTOR = Actor.system("drills")
MISSED_DAYS = 90
MOST = 50_000
"""More than a city has. Readiness takes for mended whatever a full look does not tell: a short list would close faults."""


def defects(session: Session, now: datetime, limit_to: Collection[tuple[str, int]] | None = None) -> list[Defect]:
    """Every fault of drills, or those of the given subjects (`unit`, `division`, `drill_occurrence`, `plan`,
    `drill_corrective_action`, `drill_report`)."""

    def only(kind: str) -> list[int] | None:
        return None if limit_to is None else [i for k, i in limit_to if k == kind]

    return [
        *_overdue(session, limit_to),
        *_missed(session, now, only(Occurrence.__tablename__)),
        *_uncorrected(session, now, only(Occurrence.__tablename__)),
        *time_defects.on_days_off(session, only(Occurrence.__tablename__)),
        *learning_defects.late_actions(session, now, only(learning_defects.ACTION)),
        *learning_defects.open_findings(session, only("plan")),
        *learning_defects.late_reports(session, now, only(learning_defects.REPORT)),
    ]


def _overdue(session: Session, limit_to: Collection[tuple[str, int]] | None) -> list[Defect]:
    """Read from the table of standings, which the room's own job brings up to date before readiness looks."""
    return [
        Defect(
            ROOM, f"drill_overdue:{line.rule.key}", line.row.subject_kind.value, line.row.subject_id,
            line.row.division_code, N_("%(unit)s: %(rule)s was due on %(day)s"), line.row.next_due,
            f"/drills/compliance/{line.row.subject_kind.value}/{line.row.subject_id}", title=line.name,
            due=line.row.next_due,
            params={"unit": line.name, "rule": line.rule.title, "day": line.row.next_due.isoformat()},
        )
        for line in standing_queries.overdue_lines(session, actor=ACTOR, limit_to=limit_to, limit=MOST)
        if line.row.next_due is not None
    ]  # fmt: skip


def _missed(session: Session, now: datetime, ids: list[int] | None) -> list[Defect]:
    o = Occurrence
    statement = sa.select(o.id, o.division_code, o.title, o.starts_at, o.due_at).where(
        o.state == OccurrenceState.MISSED, o.starts_at > now - timedelta(days=MISSED_DAYS),
        ~sa.exists().where(Unit.id == o.unit_id, Unit.closed_at <= now),
    )  # fmt: skip
    if ids is not None:
        statement = statement.where(Occurrence.id.in_(ids))
    return [
        Defect(
            ROOM, "drill_unrecorded", Occurrence.__tablename__, row.id, row.division_code,
            N_("%(title)s on %(day)s has no record"), row.due_at.astimezone(BEIJING).date(), f"/drills/{row.id}",
            title=row.title, due=row.due_at.astimezone(BEIJING).date(),
            params={"title": row.title, "day": row.starts_at.astimezone(BEIJING).date().isoformat()},
        )
        for row in session.execute(statement.order_by(o.id).limit(MOST))
    ]  # fmt: skip


def _uncorrected(session: Session, now: datetime, ids: list[int] | None) -> list[Defect]:
    """Corrections that a spot check ordered (生产安全事故应急条例 art. 8(3)) and that are late."""
    today = now.astimezone(BEIJING).date()
    return [
        Defect(
            ROOM, f"inspection_uncorrected:{shown.inspection.id}", Occurrence.__tablename__, shown.occurrence.id,
            shown.inspection.division_code, N_("%(title)s: what a check ordered was to be corrected by %(day)s"),
            shown.inspection.due_on, f"/drills/{shown.occurrence.id}/inspections", title=shown.occurrence.title,
            due=shown.inspection.due_on,
            params={"title": shown.occurrence.title, "day": shown.inspection.due_on.isoformat()},
        )
        for shown in inspecting.overdue(session, today, ids)
        if shown.inspection.due_on is not None
    ]  # fmt: skip
