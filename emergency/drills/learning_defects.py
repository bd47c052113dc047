"""What is wrong after drills: actions past their date, findings that ask for a plan's revision, reports not filed."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions.defects import Defect
from emergency.drills.learning_models import ActionState, CorrectiveAction, DrillReport, Finding, FindingState
from emergency.drills.models import Occurrence
from emergency.plans.models import Plan
from kernel.clock import BEIJING
from kernel.errors import N_

ROOM = "drills"
MOST = 50_000
"""More than a city has: readiness takes for mended whatever a full look does not tell."""
ACTION, REPORT = CorrectiveAction.__tablename__, DrillReport.__tablename__


def late_actions(session: Session, now: datetime, ids: list[int] | None) -> list[Defect]:
    """Actions under way past their date; it leads to the action itself."""
    statement = (
        sa.select(CorrectiveAction, Occurrence.division_code)
        .join(Finding, Finding.id == CorrectiveAction.finding_id)
        .join(Occurrence, Occurrence.id == Finding.occurrence_id)
        .where(CorrectiveAction.state == ActionState.OPEN, CorrectiveAction.due_on < now.astimezone(BEIJING).date())
    )
    if ids is not None:
        statement = statement.where(CorrectiveAction.id.in_(ids))
    return [
        Defect(
            ROOM, "action_overdue", ACTION, action.id, code,
            N_("A corrective action was due on %(day)s: %(text)s"), action.due_on, f"/drills/actions/{action.id}",
            title=action.text[:60], due=action.due_on, owner_post_id=action.owner_post_id,
            params={"day": action.due_on.isoformat(), "text": action.text[:60]},
        )
        for action, code in session.execute(statement.order_by(CorrectiveAction.id).limit(MOST))
    ]  # fmt: skip


def open_findings(session: Session, ids: list[int] | None) -> list[Defect]:
    """Findings that ask for a plan's revision are defects of that plan until proof or a version closes them."""
    statement = (
        sa.select(Finding, Occurrence.division_code, Plan.title, Plan.owner_post_id)
        .join(Occurrence, Occurrence.id == Finding.occurrence_id)
        .join(Plan, Plan.id == Finding.plan_id)
        .where(Finding.state == FindingState.OPEN)
    )
    if ids is not None:
        statement = statement.where(Finding.plan_id.in_(ids))
    return [
        Defect(
            ROOM, f"finding_open:{finding.id}", "plan", finding.plan_id or 0, code,
            N_("%(plan)s: a drill found: %(text)s"), finding.found_at.astimezone(BEIJING).date(),
            f"/drills/findings/{finding.id}", title=finding.text[:60], owner_post_id=owner,
            params={"plan": title, "text": finding.text[:60]},
        )
        for finding, code, title, owner in session.execute(statement.order_by(Finding.id).limit(MOST))
    ]  # fmt: skip


def late_reports(session: Session, now: datetime, ids: list[int] | None) -> list[Defect]:
    """Reports to the supervising department (生产安全事故应急条例 art. 8) that are past their date."""
    statement = (
        sa.select(DrillReport, Occurrence.division_code, Occurrence.title)
        .join(Occurrence, Occurrence.id == DrillReport.occurrence_id)
        .where(DrillReport.filed_on.is_(None), DrillReport.due_on < now.astimezone(BEIJING).date())
    )
    if ids is not None:
        statement = statement.where(DrillReport.id.in_(ids))
    return [
        Defect(
            ROOM, "drill_report_late", REPORT, report.id, code,
            N_("%(title)s was to be reported to the supervising department by %(day)s"), report.due_on,
            f"/drills/reports/{report.id}", title=title, due=report.due_on,
            params={"title": title, "day": report.due_on.isoformat()},
        )
        for report, code, title in session.execute(statement.order_by(DrillReport.id).limit(MOST))
    ]  # fmt: skip
