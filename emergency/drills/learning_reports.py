"""The report of a drill that a rule asks for: made with the record, due by working days, filed with a date."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.config import Config
from emergency.divisions.models import Unit
from emergency.divisions.rules import in_scope
from emergency.drills import compliance
from emergency.drills.learning_models import DrillReport
from emergency.drills.learning_rules import workdays_after
from emergency.drills.models import DrillRule, DrillRuleKind, Occurrence, ProgrammeRule, Record
from emergency.http.actor import Actor
from emergency.http.paging import PAGE_SIZE, Page, paginate
from emergency.http.permissions import Permission
from emergency.privacy import journal
from kernel.clock import BEIJING
from kernel.db import Database, now, touch
from kernel.errors import N_, Conflict, Invalid, NotFound
from kernel.ids import new_id
from scheduler.workdays import WorkCalendar

SUBJECT = DrillReport.__tablename__
FILED = journal.kind("drill.report_filed", "报送演练情况", "Drill report filed", "to", "filed_on", "reference")
AT_ONCE = 200
STANDINGS = ("late", "due", "filed")


def make_reports(session: Session, occurrence: Occurrence, record: Record) -> list[DrillReport]:
    """One row for each adopted rule with a receiver that this drill serves. Called when the record is written."""
    wanted = _rules(session, occurrence)
    if not wanted:
        return []
    known = set(session.scalars(sa.select(DrillReport.rule_id).where(DrillReport.occurrence_id == occurrence.id)))
    due_on, provisional = _due(session, WorkCalendar.load(session), record.ended_at)
    made = [
        DrillReport(
            id=new_id(), occurrence_id=occurrence.id, rule_id=rule.id, to_whom=(rule.report_to or "")[:60],
            due_on=due_on, provisional=provisional, made_at=now(session), version=1,
        )
        for rule in wanted
        if rule.id not in known
    ]  # fmt: skip
    session.add_all(made)
    session.flush()
    for report in made:
        touch(session, SUBJECT, report.id)
    return made


def _due(session: Session, calendar: WorkCalendar, ended_at: datetime) -> tuple[date, bool]:
    config: Config = session.info["config"]
    return workdays_after(calendar, ended_at.astimezone(BEIJING).date(), config.drills.report_working_days)


def redate(session: Session, which: sa.ColumnElement[bool]) -> int:
    """Count the dates of reports not filed yet again: the record was corrected, or the year's holidays announced."""
    calendar, changed = WorkCalendar.load(session), 0
    rows = session.execute(
        sa.select(DrillReport, Record.ended_at)
        .join(Record, Record.occurrence_id == DrillReport.occurrence_id)
        .where(DrillReport.filed_on.is_(None), which)
        .order_by(DrillReport.id)
        .limit(AT_ONCE)
    ).all()
    for report, ended_at in rows:
        fresh = _due(session, calendar, ended_at)
        if fresh != (report.due_on, report.provisional):
            report.due_on, report.provisional = fresh
            report.version += 1
            touch(session, SUBJECT, report.id)
            changed += 1
    session.flush()
    return changed


def settle(database: Database) -> int:
    """Reports whose date rested on holidays that nobody had announced: where they are announced now, it rests no more."""
    with database.read() as session:
        calendar = WorkCalendar.load(session)
        waiting = session.scalars(
            sa.select(DrillReport.id)
            .where(DrillReport.provisional, DrillReport.filed_on.is_(None), _announced(calendar))
            .order_by(DrillReport.id)
            .limit(AT_ONCE)
        ).all()
    if not waiting:
        return 0
    with database.write() as session:
        return redate(session, DrillReport.id.in_(waiting))


def _announced(calendar: WorkCalendar) -> sa.ColumnElement[bool]:
    """SQL: due in a year whose holidays are known, so that nothing is read for the others every few minutes."""
    spans = [DrillReport.due_on.between(date(year, 1, 1), date(year, 12, 31)) for year in calendar.years]
    return sa.or_(sa.false(), *spans)


def _rules(session: Session, occurrence: Occurrence) -> list[DrillRule]:
    """Adopted rules with a receiver that the drill's kind satisfies and that the programme serves or the unit owes."""
    rows = session.scalars(
        sa.select(DrillRule)
        .join(DrillRuleKind, DrillRuleKind.rule_id == DrillRule.id)
        .where(DrillRule.adopted, DrillRule.report_to.is_not(None), DrillRule.report_to != "",
               DrillRuleKind.kind == occurrence.kind)
        .order_by(DrillRule.id)
    ).all()  # fmt: skip
    if not rows:
        return []
    served = set(
        session.scalars(sa.select(ProgrammeRule.rule_id).where(ProgrammeRule.programme_id == occurrence.programme_id))
    )
    unit = session.get(Unit, occurrence.unit_id) if occurrence.unit_id is not None else None
    owed = {rule.id for rule in compliance.book(session, adopted_only=True).for_unit(unit)} if unit else set()
    return [row for row in rows if row.id in served or row.id in owed]


def standing_of(report: DrillReport, today: date) -> str:
    """`filed`, `late` or `due`."""
    if report.filed_on is not None:
        return "filed"
    return "late" if report.due_on < today else "due"


def list_reports(
    session: Session, *, actor: Actor, standing: str = "", cursor: str | None = None, limit: int = PAGE_SIZE
) -> Page[tuple[DrillReport, Occurrence, DrillRule]]:
    """Reports of the actor's area, those not filed first, the soonest first."""
    actor.require(Permission.DRILLS_VIEW)
    today = now(session).astimezone(BEIJING).date()
    statement = sa.select(DrillReport).join(Occurrence, Occurrence.id == DrillReport.occurrence_id)
    statement = statement.where(in_scope(Occurrence.division_code, actor))
    if standing == "filed":
        statement = statement.where(DrillReport.filed_on.is_not(None))
    elif standing in STANDINGS:
        late = DrillReport.due_on < today
        statement = statement.where(DrillReport.filed_on.is_(None), late if standing == "late" else ~late)
    rank = sa.case((DrillReport.filed_on.is_(None), 0), else_=1).label("rank")
    due = sa.cast(DrillReport.due_on, sa.String).label("due")  # as text: a cursor carries no dates
    page: Page[Any] = paginate(
        session, statement.add_columns(rank, due, DrillReport.id.label("row_id")),
        key=[rank, due, DrillReport.id.label("row_id")], cursor=cursor, limit=limit, scalars=False,
    )  # fmt: skip
    return Page(_with(session, [row[0] for row in page.items]), page.next_cursor)


def _with(session: Session, reports: list[DrillReport]) -> list[tuple[DrillReport, Occurrence, DrillRule]]:
    drills = {o.id: o for o in session.scalars(
        sa.select(Occurrence).where(Occurrence.id.in_([r.occurrence_id for r in reports]))
    )}  # fmt: skip
    wanted = {r.id: r for r in session.scalars(
        sa.select(DrillRule).where(DrillRule.id.in_([r.rule_id for r in reports]))
    )}  # fmt: skip
    return [(report, drills[report.occurrence_id], wanted[report.rule_id]) for report in reports]


def reports_of(session: Session, occurrence_id: int) -> list[tuple[DrillReport, DrillRule]]:
    """The reports of one drill."""
    return [
        (row[0], row[1])
        for row in session.execute(
            sa.select(DrillReport, DrillRule)
            .join(DrillRule, DrillRule.id == DrillReport.rule_id)
            .where(DrillReport.occurrence_id == occurrence_id)
            .order_by(DrillReport.id)
            .limit(50)
        )
    ]


def counts(session: Session, actor: Actor) -> dict[str, int]:
    """How many are late, due, filed."""
    today = now(session).astimezone(BEIJING).date()
    filed = DrillReport.filed_on.is_not(None)
    late = sa.and_(~filed, DrillReport.due_on < today)
    word = sa.case((filed, "filed"), (late, "late"), else_="due")
    rows = session.execute(
        sa.select(word, sa.func.count())
        .select_from(DrillReport)
        .join(Occurrence, Occurrence.id == DrillReport.occurrence_id)
        .where(in_scope(Occurrence.division_code, actor))
        .group_by(word)
    ).all()
    return {"late": 0, "due": 0, "filed": 0} | {row[0]: row[1] for row in rows}


def get_report(session: Session, *, actor: Actor, report_id: int) -> tuple[DrillReport, Occurrence, DrillRule]:
    """One report of the actor's area, or 404."""
    actor.require(Permission.DRILLS_VIEW)
    report = session.scalar(
        sa.select(DrillReport)
        .join(Occurrence, Occurrence.id == DrillReport.occurrence_id)
        .where(DrillReport.id == report_id, in_scope(Occurrence.division_code, actor))
    )
    if report is None:
        raise NotFound(N_("There is no such report."))
    return _with(session, [report])[0]


def file_report(
    session: Session, *, actor: Actor, report_id: int, filed_on: date, reference: str = "", receipt: str = ""
) -> DrillReport:
    """It went to the supervising department on this day, by this reference, with this receipt."""
    actor.require(Permission.DRILLS_EDIT)
    report, occurrence, _rule = get_report(session, actor=actor, report_id=report_id)
    if report.filed_on is not None:
        raise Conflict(N_("This report was filed already."), code="duplicate")
    today = now(session).astimezone(BEIJING).date()
    if filed_on > today:
        raise Invalid(N_("This lies in the future."), code="in_the_future",
                      fields={"filed_on": N_("This lies in the future.")})  # fmt: skip
    held = session.scalar(sa.select(Record.started_at).where(Record.occurrence_id == occurrence.id))
    if filed_on < min(held or occurrence.starts_at, occurrence.starts_at).astimezone(BEIJING).date():
        raise Invalid(N_("That is before the drill."), code="bad_day",
                      fields={"filed_on": N_("That is before the drill.")})  # fmt: skip
    report.filed_on, report.filed_at, report.filed_by = filed_on, now(session), str(actor)
    report.reference, report.receipt = reference.strip()[:60], receipt.strip()[:200]
    report.version += 1
    session.flush()
    journal.record(session, FILED, actor=actor, subject=(SUBJECT, report.id), to=report.to_whom,
                   filed_on=filed_on.isoformat(), reference=report.reference or None)  # fmt: skip
    touch(session, SUBJECT, report.id)
    return report
