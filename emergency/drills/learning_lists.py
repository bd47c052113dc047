"""Findings and actions of the whole area: filtered, in pages, exported; and what the year says about them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions.models import Division
from emergency.divisions.rules import in_scope, is_code, within
from emergency.drills.learning_actions import get_action
from emergency.drills.learning_models import (
    ActionState,
    Again,
    Cause,
    CorrectiveAction,
    Finding,
    FindingCheck,
    FindingState,
    Severity,
)
from emergency.drills.models import DrillKind, Occurrence
from emergency.http.actor import Actor
from emergency.http.paging import PAGE_SIZE, Page, paginate
from emergency.http.permissions import Permission
from emergency.people.posts import service as posts
from kernel.clock import BEIJING
from kernel.db import now

EXPORT_MOST = 5000
_OPEN_FIRST = sa.case((Finding.state == FindingState.OPEN, 0), else_=1)
_WEIGHT = sa.case((Finding.severity == Severity.MAJOR, 0), (Finding.severity == Severity.SERIOUS, 1), else_=2)


@dataclass(frozen=True)
class FindingRow:
    """A finding in a list, with its drill and how many of its actions are under way."""

    finding: Finding
    drill: Occurrence
    place: str
    actions: int
    open_actions: int


@dataclass(frozen=True)
class ActionRow:
    """An action in a list, with its finding and its drill."""

    action: CorrectiveAction
    finding: Finding
    drill: Occurrence
    owner: str
    overdue: bool


def _area(statement: Any, actor: Actor, division: str | None) -> Any:
    statement = statement.where(in_scope(Occurrence.division_code, actor))
    if division and is_code(division):
        statement = statement.where(within(Occurrence.division_code, division))
    return statement


def today_of(session: Session) -> date:
    """The day in Beijing."""
    return now(session).astimezone(BEIJING).date()


def _findings(
    actor: Actor, state: FindingState | None, cause: Cause | None, severity: Severity | None, kind: DrillKind | None,
    plan_id: int | None, division: str | None, again: bool, about_plan: bool,
) -> Any:  # fmt: skip
    statement = _area(
        sa.select(Finding, Occurrence).join(Occurrence, Occurrence.id == Finding.occurrence_id), actor, division
    )
    for column, value in (
        (Finding.state, state), (Finding.cause, cause), (Finding.severity, severity), (Occurrence.kind, kind),
        (Finding.plan_id, plan_id),
    ):  # fmt: skip
        if value is not None:
            statement = statement.where(column == value)
    if about_plan:
        statement = statement.where(Finding.plan_id.is_not(None))
    return statement.where(Finding.recurs_id.is_not(None)) if again else statement


def list_findings(
    session: Session, *, actor: Actor, state: FindingState | None = None, cause: Cause | None = None,
    severity: Severity | None = None, kind: DrillKind | None = None, plan_id: int | None = None,
    division: str | None = None, again: bool = False, about_plan: bool = False,
    cursor: str | None = None, limit: int = PAGE_SIZE,
) -> Page[FindingRow]:  # fmt: skip
    """Findings of the area: the open ones first, then the heaviest, then the oldest."""
    actor.require(Permission.DRILLS_VIEW)
    rank, weight, key = _OPEN_FIRST.label("rank"), _WEIGHT.label("weight"), Finding.id.label("row_id")
    statement = _findings(actor, state, cause, severity, kind, plan_id, division, again, about_plan).add_columns(
        rank, weight, key
    )
    page: Page[Any] = paginate(session, statement, key=[rank, weight, key], cursor=cursor, limit=limit, scalars=False)
    return Page(_finding_rows(session, [(row[0], row[1]) for row in page.items]), page.next_cursor)


def _finding_rows(session: Session, rows: Sequence[tuple[Finding, Occurrence]]) -> list[FindingRow]:
    open_ = sa.func.sum(sa.case((CorrectiveAction.state == ActionState.OPEN, 1), else_=0))
    counted = {
        row[0]: (row[1], row[2])
        for row in session.execute(
            sa.select(CorrectiveAction.finding_id, sa.func.count(), open_)
            .where(CorrectiveAction.finding_id.in_([finding.id for finding, _drill in rows]))
            .group_by(CorrectiveAction.finding_id)
        )
    }
    names = place_names(session, {drill.division_code for _finding, drill in rows})
    return [
        FindingRow(finding, drill, names.get(drill.division_code, ""), *counted.get(finding.id, (0, 0)))
        for finding, drill in rows
    ]


def place_names(session: Session, codes: set[str]) -> dict[str, str]:
    """Names of divisions by code."""
    return {
        row.code: row.name
        for row in session.execute(sa.select(Division.code, Division.name).where(Division.code.in_(codes)))
    }


def _actions(
    session: Session, actor: Actor, state: ActionState | None, overdue: bool, kind: DrillKind | None,
    division: str | None, post_id: int | None,
) -> Any:  # fmt: skip
    statement = _area(
        sa.select(CorrectiveAction, Finding, Occurrence)
        .join(Finding, Finding.id == CorrectiveAction.finding_id)
        .join(Occurrence, Occurrence.id == Finding.occurrence_id),
        actor, division,
    )  # fmt: skip
    if overdue:
        statement = statement.where(
            CorrectiveAction.state == ActionState.OPEN, CorrectiveAction.due_on < today_of(session)
        )
    for column, value in (
        (CorrectiveAction.state, state), (Occurrence.kind, kind), (CorrectiveAction.owner_post_id, post_id)
    ):  # fmt: skip
        if value is not None:
            statement = statement.where(column == value)
    return statement


def list_actions(
    session: Session, *, actor: Actor, state: ActionState | None = None, overdue: bool = False,
    kind: DrillKind | None = None, division: str | None = None, post_id: int | None = None,
    cursor: str | None = None, limit: int = PAGE_SIZE,
) -> Page[ActionRow]:  # fmt: skip
    """Actions of the area: those under way first and of them the latest, then what waits for a second look."""
    actor.require(Permission.DRILLS_VIEW)
    rank = sa.case(
        (CorrectiveAction.state == ActionState.OPEN, 0), (CorrectiveAction.state == ActionState.DONE, 1), else_=2
    ).label("rank")
    due, key = sa.cast(CorrectiveAction.due_on, sa.String).label("due"), CorrectiveAction.id.label("row_id")
    statement = _actions(session, actor, state, overdue, kind, division, post_id).add_columns(rank, due, key)
    page: Page[Any] = paginate(session, statement, key=[rank, due, key], cursor=cursor, limit=limit, scalars=False)
    return Page(_action_rows(session, [(r[0], r[1], r[2]) for r in page.items]), page.next_cursor)


def action_row(session: Session, *, actor: Actor, action_id: int) -> ActionRow:
    """One action of the area as it stands in the list."""
    action, finding = get_action(session, actor=actor, action_id=action_id)
    return _action_rows(session, [(action, finding, session.get_one(Occurrence, finding.occurrence_id))])[0]


def _action_rows(session: Session, rows: Sequence[tuple[CorrectiveAction, Finding, Occurrence]]) -> list[ActionRow]:
    today = today_of(session)
    named = posts.titles(session, {a.owner_post_id for a, _f, _o in rows if a.owner_post_id is not None})
    return [
        ActionRow(
            action, finding, drill, named.get(action.owner_post_id or 0, "") or action.owner_words,
            action.state is ActionState.OPEN and action.due_on < today,
        )
        for action, finding, drill in rows
    ]  # fmt: skip


def action_counts(session: Session, actor: Actor) -> dict[str, int]:
    """How many are overdue, under way, wait for a second look."""
    actor.require(Permission.DRILLS_VIEW)
    late = sa.and_(CorrectiveAction.state == ActionState.OPEN, CorrectiveAction.due_on < today_of(session))
    row = session.execute(
        sa.select(
            sa.func.sum(sa.case((late, 1), else_=0)),
            sa.func.sum(sa.case((CorrectiveAction.state == ActionState.OPEN, 1), else_=0)),
            sa.func.sum(sa.case((CorrectiveAction.state == ActionState.DONE, 1), else_=0)),
        )
        .select_from(CorrectiveAction)
        .join(Finding, Finding.id == CorrectiveAction.finding_id)
        .join(Occurrence, Occurrence.id == Finding.occurrence_id)
        .where(in_scope(Occurrence.division_code, actor))
    ).one()
    return {"late": int(row[0] or 0), "open": int(row[1] or 0), "done": int(row[2] or 0)}


FINDING_HEAD = (
    "演练",
    "日期",
    "所在地",
    "科目",
    "问题",
    "严重程度",
    "原因类别",
    "根本原因",
    "状态",
    "复发",
    "整改措施数",
)
ACTION_HEAD = ("整改措施", "责任岗位（单位）", "开始", "期限", "状态", "逾期", "问题", "演练", "日期")


def export_findings(session: Session, *, actor: Actor, **filters: Any) -> Iterator[list[Any]]:
    """The filtered list as rows with its heading; no proof, no observation, nobody's name. At most 5,000."""
    actor.require(Permission.DRILLS_VIEW)
    yield list(FINDING_HEAD)
    cursor: str | None = None
    for _page in range(EXPORT_MOST // 200):
        page = list_findings(session, actor=actor, cursor=cursor, limit=200, **filters)
        for row in page.items:
            f, day = row.finding, row.drill.starts_at.astimezone(BEIJING).date()
            yield [
                row.drill.title,
                day.isoformat(),
                row.place,
                row.drill.kind.zh,
                f.text,
                f.severity.zh,
                f.cause.zh if f.cause else "",
                f.root_cause,
                f.state.zh,
                "是" if f.recurs_id else "",
                row.actions,
            ]
        cursor = page.next_cursor
        if cursor is None:
            return


def export_actions(session: Session, *, actor: Actor, **filters: Any) -> Iterator[list[Any]]:
    """The filtered list as rows with its heading. At most 5,000."""
    actor.require(Permission.DRILLS_VIEW)
    yield list(ACTION_HEAD)
    cursor: str | None = None
    for _page in range(EXPORT_MOST // 200):
        page = list_actions(session, actor=actor, cursor=cursor, limit=200, **filters)
        for row in page.items:
            a, day = row.action, row.drill.starts_at.astimezone(BEIJING).date()
            yield [
                a.text,
                row.owner,
                a.starts_on.isoformat() if a.starts_on else "",
                a.due_on.isoformat(),
                a.state.zh,
                "是" if row.overdue else "",
                row.finding.text,
                row.drill.title,
                day.isoformat(),
            ]
        cursor = page.next_cursor
        if cursor is None:
            return


@dataclass(frozen=True)
class Trend:
    """What one year's drills say: findings by cause and by kind, how many came again, actions on time."""

    year: int
    by_cause: dict[Cause | None, int]
    by_kind: dict[DrillKind, int]
    by_month: dict[int, int]
    findings: int
    recurred: int
    checked: int
    checked_recurred: int
    finished: int
    on_time: int
    overdue: int

    @property
    def recurred_share(self) -> float | None:
        """Of the earlier findings that a later drill tested, how many came again."""
        return self.checked_recurred / self.checked if self.checked else None

    @property
    def on_time_share(self) -> float | None:
        """Of the actions that were finished or are late, how many were finished by their date."""
        judged = self.finished + self.overdue
        return self.on_time / judged if judged else None


def trend(session: Session, *, actor: Actor, year: int) -> Trend:
    """The year's counts, each one statement; a finding belongs to the year of its drill."""
    actor.require(Permission.DRILLS_VIEW)
    start, end = (datetime.combine(date(y, 1, 1), time(0), BEIJING) for y in (year, year + 1))
    here = sa.and_(in_scope(Occurrence.division_code, actor), Occurrence.starts_at >= start, Occurrence.starts_at < end)

    def grouped(column: Any) -> dict[Any, int]:
        return dict(
            session.execute(
                sa.select(column, sa.func.count())
                .select_from(Finding)
                .join(Occurrence, Occurrence.id == Finding.occurrence_id)
                .where(here)
                .group_by(column)
            ).all()
        )  # fmt: skip

    by_cause, by_kind = grouped(Finding.cause), grouped(Occurrence.kind)
    recurred = grouped(Finding.recurs_id.is_not(None))
    checks = dict(
        session.execute(
            sa.select(FindingCheck.outcome, sa.func.count())
            .join(Occurrence, Occurrence.id == FindingCheck.occurrence_id)
            .where(here)
            .group_by(FindingCheck.outcome)
        ).all()
    )  # fmt: skip
    finished, on_time, overdue = _on_time(session, here)
    return Trend(
        year, by_cause, by_kind, _months(session, here), sum(by_kind.values()),
        sum(n for again, n in recurred.items() if again),
        sum(n for outcome, n in checks.items() if outcome is not Again.NOT_TESTED), checks.get(Again.RECURRED, 0),
        finished, on_time, overdue,
    )  # fmt: skip


def _months(session: Session, here: sa.ColumnElement[bool]) -> dict[int, int]:
    """Findings by the month of their drill in Beijing: one row a drill, counted here because databases disagree on
    time zones."""
    found: dict[int, int] = {}
    for at, count in session.execute(
        sa.select(Occurrence.starts_at, sa.func.count())
        .select_from(Finding)
        .join(Occurrence, Occurrence.id == Finding.occurrence_id)
        .where(here)
        .group_by(Occurrence.id, Occurrence.starts_at)
    ):
        month = at.astimezone(BEIJING).month
        found[month] = found.get(month, 0) + count
    return found


def _on_time(session: Session, here: sa.ColumnElement[bool]) -> tuple[int, int, int]:
    """Finished, of them by their date (kept when they were finished), and overdue today."""
    done = CorrectiveAction.state.in_([ActionState.DONE, ActionState.VERIFIED])
    late = sa.and_(CorrectiveAction.state == ActionState.OPEN, CorrectiveAction.due_on < today_of(session))
    row = session.execute(
        sa.select(
            sa.func.sum(sa.case((done, 1), else_=0)),
            sa.func.sum(sa.case((sa.and_(done, CorrectiveAction.done_on <= CorrectiveAction.due_on), 1), else_=0)),
            sa.func.sum(sa.case((late, 1), else_=0)),
        )
        .select_from(CorrectiveAction)
        .join(Finding, Finding.id == CorrectiveAction.finding_id)
        .join(Occurrence, Occurrence.id == Finding.occurrence_id)
        .where(here)
    ).one()
    return int(row[0] or 0), int(row[1] or 0), int(row[2] or 0)
