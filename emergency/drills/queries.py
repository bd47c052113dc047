"""Reading drills: what comes, a month, one occurrence with everything about it, programmes, rules."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any

import sqlalchemy as sa
from dateutil.relativedelta import relativedelta
from sqlalchemy.orm import Session

from emergency.divisions.models import Division, Unit
from emergency.divisions.rules import in_scope, within
from emergency.drills import day_msel, rules
from emergency.drills.learning_models import CorrectiveAction, Evaluation, Finding, ObjectiveRating, SheetState
from emergency.drills.models import (
    Answered,
    DrillKind,
    Invitation,
    Occurrence,
    OccurrenceState,
    Programme,
    Record,
)
from emergency.http.actor import Actor
from emergency.http.paging import PAGE_SIZE, Page, paginate
from emergency.http.permissions import Permission
from kernel.clock import BEIJING
from kernel.db import now


@dataclass
class Row:
    """One occurrence in a list, with how many of the asked posts have answered."""

    occurrence: Occurrence
    owner: str
    asked: int = 0
    answered: int = 0
    no: int = 0


def _rows(session: Session, occurrences: Sequence[Occurrence]) -> list[Row]:
    ids = [o.id for o in occurrences]
    unit_ids = {o.unit_id for o in occurrences if o.unit_id}
    codes = {o.division_code for o in occurrences}
    units = dict(session.execute(sa.select(Unit.id, Unit.name).where(Unit.id.in_(unit_ids))).all())
    names = dict(session.execute(sa.select(Division.code, Division.name).where(Division.code.in_(codes))).all())
    rows = {o.id: Row(o, units.get(o.unit_id or 0) or names.get(o.division_code, o.division_code)) for o in occurrences}
    for occurrence_id, answer, n in session.execute(
        sa.select(Invitation.occurrence_id, Invitation.answer, sa.func.count())
        .where(Invitation.occurrence_id.in_(ids))
        .group_by(Invitation.occurrence_id, Invitation.answer)
    ):
        row = rows[occurrence_id]
        row.asked += n
        row.answered += n if answer is not None else 0
        row.no += n if answer in (Answered.NO, Answered.OTHER) else 0
    return list(rows.values())


def upcoming(
    session: Session, actor: Actor, days: int = 14, *, kind: DrillKind | None = None, limit: int = PAGE_SIZE
) -> list[Row]:
    """The drills of the next days, the soonest first; today's stay until they are over."""
    actor.require(Permission.DRILLS_VIEW)
    moment = now(session)
    statement = sa.select(Occurrence).where(
        in_scope(Occurrence.division_code, actor),
        Occurrence.state.in_(rules.COMING),
        Occurrence.ends_at >= moment,
        Occurrence.starts_at < moment + timedelta(days=days),
    )
    if kind is not None:
        statement = statement.where(Occurrence.kind == kind)
    return _rows(session, list(session.scalars(statement.order_by(Occurrence.starts_at, Occurrence.id).limit(limit))))


def unrecorded(session: Session, actor: Actor, limit: int = PAGE_SIZE) -> list[Row]:
    """Drills whose day is over and that have no record yet."""
    actor.require(Permission.DRILLS_VIEW)
    statement = (
        sa.select(Occurrence)
        .where(
            in_scope(Occurrence.division_code, actor),
            *_without_record(now(session)),
        )
        .order_by(Occurrence.starts_at, Occurrence.id)
        .limit(limit)
    )
    return _rows(session, list(session.scalars(statement)))


def _without_record(moment: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    """Over within the last quarter, and no record yet; one that counts as missed still takes its late record."""
    return (
        Occurrence.state.in_((*rules.COMING, OccurrenceState.MISSED)),
        Occurrence.ends_at < moment,
        Occurrence.ends_at > moment - timedelta(days=90),
    )


def list_occurrences(
    session: Session,
    *,
    actor: Actor,
    state: OccurrenceState | None = None,
    kind: DrillKind | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    cursor: str | None = None,
    limit: int = PAGE_SIZE,
) -> Page[Row]:
    """Occurrences in pages, for programmes; in order of their id."""
    actor.require(Permission.DRILLS_VIEW)
    statement = sa.select(Occurrence).where(in_scope(Occurrence.division_code, actor))
    if state is not None:
        statement = statement.where(Occurrence.state == state)
    if kind is not None:
        statement = statement.where(Occurrence.kind == kind)
    if start is not None:
        statement = statement.where(Occurrence.starts_at >= start)
    if end is not None:
        statement = statement.where(Occurrence.starts_at < end)
    page: Page[Occurrence] = paginate(session, statement, key=[Occurrence.id], cursor=cursor, limit=limit)
    return Page(_rows(session, page.items), page.next_cursor)


MONTH_LIMIT = 600


@dataclass(frozen=True)
class Month:
    """The drills of one month by their day in Beijing; of more than can be shown the first, and how many there are."""

    days: Mapping[date, list[Row]]
    total: int

    @property
    def shown(self) -> int:
        """How many are here."""
        return sum(map(len, self.days.values()))


def month(
    session: Session, *, actor: Actor, first: date, town: str | None = None, kind: DrillKind | None = None
) -> Month:
    """Drills of one calendar month, of a township or a kind where one is named; 600 at most."""
    actor.require(Permission.DRILLS_VIEW)
    start = datetime.combine(first.replace(day=1), time(0), BEIJING)
    end = start + relativedelta(months=1)
    wanted = [
        in_scope(Occurrence.division_code, actor), Occurrence.starts_at >= start, Occurrence.starts_at < end,
        Occurrence.state != OccurrenceState.CANCELLED,
    ]  # fmt: skip
    if town is not None:
        wanted.append(within(Occurrence.division_code, town))
    if kind is not None:
        wanted.append(Occurrence.kind == kind)
    ordered = sa.select(Occurrence).where(*wanted).order_by(Occurrence.starts_at, Occurrence.id)
    found = list(session.scalars(ordered.limit(MONTH_LIMIT)))
    total = len(found)
    if total == MONTH_LIMIT:
        total = session.scalar(sa.select(sa.func.count()).select_from(Occurrence).where(*wanted)) or total
    days: dict[date, list[Row]] = defaultdict(list)
    for row in _rows(session, found):
        days[row.occurrence.starts_at.astimezone(BEIJING).date()].append(row)
    return Month(days, total)


@dataclass(frozen=True)
class Sheet:
    """One evaluation with its objectives."""

    evaluation: Evaluation
    ratings: list[ObjectiveRating]


@dataclass(frozen=True)
class Told:
    """One finding with what is done about it."""

    finding: Finding
    actions: list[CorrectiveAction]


@dataclass
class Whole:
    """One occurrence with everything about it."""

    row: Row
    programme: Programme
    invitations: list[Invitation] = field(default_factory=list)
    record: Record | None = None
    sheets: list[Sheet] = field(default_factory=list)
    findings: list[Told] = field(default_factory=list)

    @property
    def occurrence(self) -> Occurrence:
        """The occurrence itself."""
        return self.row.occurrence


def get(session: Session, *, actor: Actor, occurrence_id: int) -> Whole:
    """One occurrence in the actor's scope, with invitations, record, evaluations and findings."""
    occurrence = day_msel.occurrence_of(session, actor=actor, occurrence_id=occurrence_id)
    whole = Whole(_rows(session, [occurrence])[0], session.get_one(Programme, occurrence.programme_id))

    def about(model: Any) -> list[Any]:
        return list(
            session.scalars(sa.select(model).where(model.occurrence_id == occurrence.id).order_by(model.id).limit(200))
        )

    whole.invitations = about(Invitation)
    whole.record = next(iter(about(Record)), None)
    ratings: dict[int, list[ObjectiveRating]] = defaultdict(list)
    sheets = [sheet for sheet in about(Evaluation) if sheet.state is not SheetState.DRAFT]
    for rating in session.scalars(
        sa.select(ObjectiveRating)
        .where(ObjectiveRating.evaluation_id.in_([sheet.id for sheet in sheets]))
        .order_by(ObjectiveRating.position)
    ):
        ratings[rating.evaluation_id].append(rating)
    whole.sheets = [Sheet(sheet, ratings[sheet.id]) for sheet in sheets]
    findings = about(Finding)
    actions: dict[int, list[CorrectiveAction]] = defaultdict(list)
    for action in session.scalars(
        sa.select(CorrectiveAction)
        .where(CorrectiveAction.finding_id.in_([finding.id for finding in findings]))
        .order_by(CorrectiveAction.due_on)
    ):
        actions[action.finding_id].append(action)
    whole.findings = [Told(finding, actions[finding.id]) for finding in findings]
    return whole


def programmes(session: Session, *, actor: Actor, cursor: str | None = None) -> Page[Programme]:
    """Programmes in scope."""
    actor.require(Permission.DRILLS_VIEW)
    statement = sa.select(Programme).where(in_scope(Programme.division_code, actor))
    page: Page[Programme] = paginate(session, statement, key=[Programme.id], cursor=cursor)
    return page


def counts(session: Session, actor: Actor) -> Mapping[str, int]:
    """How many drills: this week, this month, held this year, without a record."""
    actor.require(Permission.DRILLS_VIEW)
    here = now(session).astimezone(BEIJING)
    week = datetime.combine(here.date() - timedelta(days=here.weekday()), time(0), BEIJING)
    year = datetime.combine(date(here.year, 1, 1), time(0), BEIJING)
    row = session.execute(
        sa.select(
            sa.func.sum(sa.case((sa.and_(Occurrence.starts_at >= week, Occurrence.starts_at < week + timedelta(days=7),
                                         Occurrence.state != OccurrenceState.CANCELLED), 1), else_=0)),
            sa.func.sum(sa.case((sa.and_(Occurrence.state == OccurrenceState.HELD, Occurrence.starts_at >= year), 1),
                                else_=0)),
            sa.func.sum(sa.case((sa.and_(*_without_record(now(session))), 1), else_=0)),
        ).where(in_scope(Occurrence.division_code, actor))
    ).one()  # fmt: skip
    return {"week": int(row[0] or 0), "held": int(row[1] or 0), "unrecorded": int(row[2] or 0)}
