"""What is wrong with drills today: rules not kept, records missing, corrective actions late, findings about plans."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions.defects import Defect
from emergency.drills.compliance import cases
from emergency.drills.models import (
    ActionState,
    CorrectiveAction,
    Finding,
    FindingState,
    Occurrence,
    OccurrenceState,
)
from emergency.drills.rules import Standing
from emergency.http.actor import Actor
from kernel.clock import BEIJING
from kernel.errors import N_

ROOM = "drills"
ACTOR = Actor.system("drills")
MISSED_DAYS = 90


def defects(session: Session, now: datetime, limit_to: Collection[tuple[str, int]] | None = None) -> list[Defect]:
    """Every fault of drills, or those of the given subjects (`unit`, `drill_occurrence`, `plan`,
    `drill_corrective_action`)."""

    def only(kind: str) -> list[int] | None:
        return None if limit_to is None else [i for k, i in limit_to if k == kind]

    return [
        *_overdue(session, only("unit")),
        *_missed(session, now, only(Occurrence.__tablename__)),
        *_actions(session, now, only(CorrectiveAction.__tablename__)),
        *_findings(session, only("plan")),
    ]


def _overdue(session: Session, ids: list[int] | None) -> list[Defect]:
    if ids == []:
        return []
    return [
        Defect(
            ROOM, f"drill_overdue:{case.rule.key}", "unit", case.unit.id, case.unit.division_code,
            N_("%(unit)s: %(rule)s was due on %(day)s"), case.verdict.next_due,
            f"/drills/compliance?unit={case.unit.id}", title=case.unit.name, due=case.verdict.next_due,
            params={"unit": case.unit.name, "rule": case.rule.title, "day": case.verdict.next_due.isoformat()},
        )
        for case in cases(session, actor=ACTOR, limit_to=ids, adopted_only=True)
        if case.verdict.standing is Standing.OVERDUE and case.verdict.next_due is not None
    ]  # fmt: skip


def _missed(session: Session, now: datetime, ids: list[int] | None) -> list[Defect]:
    statement = sa.select(Occurrence).where(
        Occurrence.state == OccurrenceState.MISSED, Occurrence.starts_at > now - timedelta(days=MISSED_DAYS)
    )
    if ids is not None:
        statement = statement.where(Occurrence.id.in_(ids))
    return [
        Defect(
            ROOM, "drill_unrecorded", Occurrence.__tablename__, row.id, row.division_code,
            N_("%(title)s on %(day)s has no record"), row.due_at.astimezone(BEIJING).date(), f"/drills/{row.id}",
            title=row.title, due=row.due_at.astimezone(BEIJING).date(),
            params={"title": row.title, "day": row.starts_at.astimezone(BEIJING).date().isoformat()},
        )
        for row in session.scalars(statement.order_by(Occurrence.id).limit(1000))
    ]  # fmt: skip


def _actions(session: Session, now: datetime, ids: list[int] | None) -> list[Defect]:
    today = now.astimezone(BEIJING).date()
    statement = (
        sa.select(CorrectiveAction, Occurrence.division_code, Occurrence.id)
        .join(Finding, Finding.id == CorrectiveAction.finding_id)
        .join(Occurrence, Occurrence.id == Finding.occurrence_id)
        .where(CorrectiveAction.state == ActionState.OPEN, CorrectiveAction.due_on < today)
    )
    if ids is not None:
        statement = statement.where(CorrectiveAction.id.in_(ids))
    return [
        Defect(
            ROOM, "action_overdue", CorrectiveAction.__tablename__, action.id, code,
            N_("A corrective action was due on %(day)s: %(text)s"), action.due_on, f"/drills/{occurrence_id}",
            title=action.text[:60], due=action.due_on, owner_post_id=action.owner_post_id,
            params={"day": action.due_on.isoformat(), "text": action.text[:60]},
        )
        for action, code, occurrence_id in session.execute(statement.order_by(CorrectiveAction.id).limit(1000))
    ]  # fmt: skip


def _findings(session: Session, ids: list[int] | None) -> list[Defect]:
    statement = (
        sa.select(Finding, Occurrence)
        .join(Occurrence, Occurrence.id == Finding.occurrence_id)
        .where(Finding.state == FindingState.OPEN, Finding.plan_id.is_not(None))
    )
    if ids is not None:
        statement = statement.where(Finding.plan_id.in_(ids))
    return [
        Defect(
            ROOM, f"finding_open:{finding.id}", "plan", finding.plan_id or 0, occurrence.division_code,
            N_("A drill found: %(text)s"), finding.found_at.astimezone(BEIJING).date(), f"/drills/{occurrence.id}",
            title=finding.text[:60], params={"text": finding.text[:60]},
        )
        for finding, occurrence in session.execute(statement.order_by(Finding.id).limit(1000))
    ]  # fmt: skip
