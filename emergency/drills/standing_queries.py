"""Reading the table of standings: counts by township and kind, lists in pages, one subject, rows for a sheet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions.models import Division, Unit, UnitKind
from emergency.divisions.rules import in_scope, is_code
from emergency.drills import compliance
from emergency.drills.models import DrillKind, DrillRule
from emergency.drills.rules import Standing
from emergency.drills.standing_models import StandingRow, SubjectKind, Watched
from emergency.http.actor import Actor
from emergency.http.intake import fits
from emergency.http.paging import PAGE_SIZE, Page, paginate
from emergency.http.permissions import Permission
from emergency.plans.models import Plan
from kernel.db import Database
from kernel.errors import N_, NotFound

SHOWN = (Standing.OVERDUE, Standing.DUE, Standing.SATISFIED)
"""What the counts show: duties with a number. The others are in the lists."""
TOWN_DIGITS = 9
_CHUNK = 500
MOST_ROWS = 50_000
"""A sheet holds no more rows than this; the heading of its page says so."""
_OTHER_GROUPS = {
    "district": ("区本级", "The district itself"),
    "township": ("镇街政府", "Townships"),
    "village": ("村（居）委会", "Villages and communities"),
    "plan": ("应急预案", "Plans"),
}
GROUPS: Mapping[str, tuple[str, str]] = {kind.value: (kind.zh, kind.en) for kind in UnitKind} | _OTHER_GROUPS
"""What the subjects are counted by: the kinds of units, then divisions by level, then plans."""


@dataclass(frozen=True)
class Filter:
    """What a list of standings shows; everything may stay open."""

    standing: Standing | None = None
    group: str = ""
    town: str = ""
    rule_id: int | None = None
    q: str = ""

    @property
    def any(self) -> bool:
        """Whether anything is chosen besides the township."""
        return bool(self.standing or self.group or self.rule_id or self.q)


@dataclass(frozen=True)
class Line:
    """One duty in a list, with the names of its subject and rule."""

    row: StandingRow
    rule: DrillRule
    name: str
    place: str

    @property
    def to_do(self) -> bool:
        """Whether a drill has to be planned: it is late or due, and nothing that would come in time is planned."""
        if self.row.standing is Standing.OVERDUE:
            return self.row.next_on is None
        return self.row.standing is Standing.DUE and (self.row.next_on is None or self.too_late)

    @property
    def too_late(self) -> bool:
        """Whether what is planned comes after the day by which it is due."""
        row = self.row
        return row.standing is Standing.DUE and bool(row.next_on and row.next_due and row.next_on > row.next_due)


@dataclass
class Tally:
    """Duties by standing, and subjects: all of them, those with a duty, those with one overdue."""

    duties: dict[Standing, int] = field(default_factory=lambda: dict.fromkeys(SHOWN, 0))
    subjects: int = 0
    bound: int = 0
    late: int = 0

    @property
    def all(self) -> int:
        """Every duty with a number."""
        return sum(self.duties.values())

    @property
    def share(self) -> float | None:
        """What part of the duties is satisfied; None where there is none."""
        return self.duties[Standing.SATISFIED] / self.all if self.all else None

    def add(self, other: Tally) -> None:
        """Count another into this one."""
        for standing in SHOWN:
            self.duties[standing] += other.duties[standing]
        self.subjects, self.bound, self.late = (
            self.subjects + other.subjects, self.bound + other.bound, self.late + other.late,
        )  # fmt: skip


@dataclass(frozen=True)
class Cube:
    """The counts of an area by township and by kind of subject."""

    whole: Tally
    by_group: Mapping[str, Tally]
    by_town: Mapping[str, Tally]
    waiting: int
    """Subjects that changed and were not computed again yet."""


def counts(session: Session, actor: Actor) -> dict[Standing, int]:
    """Duties in the actor's area by standing."""
    actor.require(Permission.DRILLS_VIEW)
    rows = session.execute(
        sa.select(StandingRow.standing, sa.func.count())
        .where(*_scope(StandingRow, actor))
        .group_by(StandingRow.standing)
    ).all()
    found = dict.fromkeys(Standing, 0)
    found.update((standing, n) for standing, n in rows)
    return found


def cube(session: Session, *, actor: Actor, chosen: Filter) -> Cube:
    """The counts of the area by township and by kind: two statements over covering indexes, however many units."""
    actor.require(Permission.DRILLS_VIEW)
    cells: dict[tuple[str, str], Tally] = defaultdict(Tally)
    duties = (
        sa.select(StandingRow.town, StandingRow.subject_group, StandingRow.standing, sa.func.count())
        .where(*_scope(StandingRow, actor), *_narrowed(StandingRow, chosen))
        .group_by(StandingRow.town, StandingRow.subject_group, StandingRow.standing)
    )
    if chosen.rule_id is not None:
        duties = duties.where(StandingRow.rule_id == chosen.rule_id)
    for town, group, standing, n in session.execute(duties):
        if standing in SHOWN:
            cells[(town, group)].duties[standing] += n
    subjects = (
        sa.select(
            Watched.town, Watched.subject_group, sa.func.count(),
            sa.func.sum(sa.case((Watched.overdue + Watched.due + Watched.satisfied > 0, 1), else_=0)),
            sa.func.sum(sa.case((Watched.overdue > 0, 1), else_=0)),
        )
        .where(*_scope(Watched, actor), *_narrowed(Watched, chosen))
        .group_by(Watched.town, Watched.subject_group)
    )  # fmt: skip
    for town, group, n, bound, late in session.execute(subjects):
        cell = cells[(town, group)]
        cell.subjects, cell.bound, cell.late = int(n), int(bound or 0), int(late or 0)
    waiting = session.scalar(
        sa.select(sa.func.count()).select_from(Watched).where(*_scope(Watched, actor), Watched.computed_for.is_(None))
    )
    whole = Tally()
    by_group: dict[str, Tally] = defaultdict(Tally)
    by_town: dict[str, Tally] = defaultdict(Tally)
    for (town, group), cell in cells.items():
        for tally in (whole, by_group[group], by_town[town]):
            tally.add(cell)
    order = list(GROUPS)
    return Cube(
        whole,
        {group: by_group[group] for group in sorted(by_group, key=order.index)},
        {town: by_town[town] for town in sorted(by_town)},
        int(waiting or 0),
    )


def _scope(model: Any, actor: Actor) -> list[sa.ColumnElement[bool]]:
    """What lies in the actor's area; of a township or village by its township, which the indexes begin with."""
    conditions = [in_scope(model.division_code, actor)]
    if len(actor.division_prefix) >= TOWN_DIGITS:
        conditions.append(model.town == actor.division_prefix[:TOWN_DIGITS] + "000")
    return conditions


def _narrowed(model: Any, chosen: Filter) -> list[sa.ColumnElement[bool]]:
    conditions = []
    if chosen.town:
        conditions.append(model.town == chosen.town)
    if chosen.group:
        conditions.append(model.subject_group == chosen.group)
    return conditions


def lines(
    session: Session, *, actor: Actor, chosen: Filter, cursor: str | None = None, limit: int = PAGE_SIZE
) -> Page[Line]:
    """One page of duties: the latest overdue first, then by the day they are due."""
    actor.require(Permission.DRILLS_VIEW)
    statement = sa.select(StandingRow).where(*_scope(StandingRow, actor), *_narrowed(StandingRow, chosen))
    if chosen.standing is not None:
        statement = statement.where(StandingRow.standing == chosen.standing)
    if chosen.rule_id is not None:
        statement = statement.where(StandingRow.rule_id == chosen.rule_id)
    if chosen.q:
        named = sa.select(Unit.id).where(Unit.name.contains(chosen.q, autoescape=True))
        statement = statement.where(StandingRow.subject_kind == SubjectKind.UNIT, StandingRow.subject_id.in_(named))
    key = [StandingRow.rank, StandingRow.due_order, StandingRow.id]
    page: Page[StandingRow] = paginate(session, statement, key=key, cursor=cursor, limit=limit)
    return Page(_lines(session, page.items), page.next_cursor)


def _lines(session: Session, rows: Sequence[StandingRow]) -> list[Line]:
    names = _names(session, rows)
    rules = {
        rule.id: rule
        for rule in session.scalars(sa.select(DrillRule).where(DrillRule.id.in_({r.rule_id for r in rows})))
    }
    places = dict(
        session.execute(sa.select(Division.code, Division.name).where(Division.code.in_({r.town for r in rows}))).all()
    )
    return [
        Line(row, rules[row.rule_id], names.get((row.subject_kind, row.subject_id), ""), places.get(row.town, ""))
        for row in rows
    ]


def _names(session: Session, rows: Sequence[StandingRow]) -> dict[tuple[SubjectKind, int], str]:
    found: dict[tuple[SubjectKind, int], str] = {}
    columns: dict[SubjectKind, tuple[Any, Any]] = {
        SubjectKind.UNIT: (Unit.id, Unit.name),
        SubjectKind.DIVISION: (Division.code, Division.name),
        SubjectKind.PLAN: (Plan.id, Plan.title),
    }
    for kind, (key, name) in columns.items():
        ids = {row.subject_id for row in rows if row.subject_kind is kind}
        wanted = sorted({str(i) for i in ids} if kind is SubjectKind.DIVISION else ids)
        for start in range(0, len(wanted), _CHUNK):
            part = wanted[start : start + _CHUNK]
            for subject_id, words in session.execute(sa.select(key, name).where(key.in_(part))):
                found[(kind, int(subject_id))] = words
    return found


def sheet(database: Database, *, actor: Actor, chosen: Filter, language: str) -> Iterator[dict[str, Any]]:
    """Every duty of the same choice, one row each, read in pieces; at most `MOST_ROWS`."""
    actor.require(Permission.DRILLS_VIEW)
    return _sheet(database, actor, chosen, language)


def _sheet(database: Database, actor: Actor, chosen: Filter, language: str) -> Iterator[dict[str, Any]]:
    cursor, told = None, 0
    while told < MOST_ROWS:
        with database.read() as session:
            page = lines(session, actor=actor, chosen=chosen, cursor=cursor, limit=200)
        for line in page.items:
            yield line_row(line, language)
        told, cursor = told + len(page.items), page.next_cursor
        if cursor is None:
            return


def line_row(line: Line, language: str = "zh") -> dict[str, Any]:
    """One duty as cells."""
    row, rule = line.row, line.rule
    return {
        "subject": line.name, "subject_kind": group_label(row.subject_group, language), "township": line.place,
        "rule": rule.title, "source": rule.source, "months": rule.months or "", "basis": rule.basis.label(language),
        "standing": row.standing.label(language), "last_held": row.last_on.isoformat() if row.last_on else "",
        "due": row.next_due.isoformat() if row.next_due else "", "next": row.next_on.isoformat() if row.next_on else "",
    }  # fmt: skip


def group_label(group: str, language: str) -> str:
    """The word for a kind of subject."""
    zh, en = GROUPS.get(group, (group, group))
    return en if language.startswith("en") else zh


# --- one subject --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Duty:
    """One rule of one subject with what is to be done."""

    line: Line
    kinds: Sequence[DrillKind]

    @property
    def to_do(self) -> bool:
        """Whether a drill has to be planned."""
        return self.line.to_do


@dataclass(frozen=True)
class SubjectPage:
    """A unit, division or plan with its duties, the rules that are not adopted, and from when it is watched."""

    kind: SubjectKind
    id: int
    name: str
    division_code: str
    group: str
    since: date | None
    duties: Sequence[Duty]
    idle: Sequence[DrillRule]
    tally: Tally
    waiting: bool


def subject(session: Session, *, actor: Actor, kind: SubjectKind, subject_id: int) -> SubjectPage:
    """One subject in the actor's area (404 outside it). What is not adopted is named, so that nobody thinks it forgotten."""
    actor.require(Permission.DRILLS_VIEW)
    rulebook = compliance.book(session)
    load = {
        SubjectKind.UNIT: compliance.unit_subjects,
        SubjectKind.DIVISION: compliance.division_subjects,
        SubjectKind.PLAN: compliance.plan_subjects,
    }[kind]
    found = next(iter(load(session, rulebook, [subject_id])), None)
    if found is None or not actor.covers(found.division_code):
        raise NotFound(N_("There is nothing like this in your area."), code="subject_not_found")
    rows = session.scalars(
        sa.select(StandingRow)
        .where(StandingRow.subject_kind == kind, StandingRow.subject_id == subject_id)
        .order_by(StandingRow.rank, StandingRow.due_order, StandingRow.id)
    ).all()
    watched = session.get(Watched, (kind, subject_id))
    made = [
        Duty(line, sorted(rulebook.kinds_of(line.rule), key=list(DrillKind).index)) for line in _lines(session, rows)
    ]
    tally = Tally()
    for duty in made:
        if duty.line.row.standing in SHOWN:
            tally.duties[duty.line.row.standing] += 1
    return SubjectPage(
        kind, subject_id, found.name, found.division_code, found.group, watched.since if watched else None, made,
        [rule for rule in found.rules if not rule.adopted], tally, watched is None or watched.computed_for is None,
    )  # fmt: skip


def read_filter(
    session: Session, *, standing: str = "", group: str = "", town: str = "", rule_id: int | None = None, q: str = ""
) -> Filter:
    """What an address asks for; words that nobody knows are left out."""
    found = Filter(
        next((s for s in Standing if s.value == standing and s is not Standing.NOT_ADOPTED), None),
        group if group in GROUPS else "",
        town if is_code(town) else "",
        q=q.strip()[:60],
    )
    if rule_id is not None and fits(rule_id) and session.get(DrillRule, rule_id) is not None:
        found = replace(found, rule_id=rule_id)
    return found


def rule_choices(session: Session) -> list[tuple[int, str]]:
    """The adopted rules by title, for a choice."""
    rows = session.execute(
        sa.select(DrillRule.id, DrillRule.title).where(DrillRule.adopted).order_by(DrillRule.title).limit(500)
    )
    return [(row.id, row.title) for row in rows]


def overdue_lines(
    session: Session, *, actor: Actor, limit_to: Collection[tuple[str, int]] | None = None, limit: int = 5000
) -> list[Line]:
    """Duties that an adopted rule finds late, the longest overdue first; of the given subjects only, where some are."""
    statement = sa.select(StandingRow).where(StandingRow.standing == Standing.OVERDUE, *_scope(StandingRow, actor))
    if limit_to is not None:
        wanted: dict[SubjectKind, list[int]] = {
            kind: [i for k, i in limit_to if k == kind.value] for kind in SubjectKind
        }
        chosen = [
            sa.and_(StandingRow.subject_kind == kind, StandingRow.subject_id.in_(ids))
            for kind, ids in wanted.items()
            if ids
        ]
        if not chosen:
            return []
        statement = statement.where(sa.or_(*chosen))
    rows = session.scalars(statement.order_by(StandingRow.rank, StandingRow.due_order, StandingRow.id).limit(limit))
    return _lines(session, rows.all())
