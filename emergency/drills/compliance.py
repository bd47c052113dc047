"""Each unit, division and plan with each rule that applies to it, computed afresh from what is stored.

The pages read the table that `standings` keeps; it and `cases` come out of the same function.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions.models import Division, Unit, UnitSector
from emergency.divisions.rules import in_scope, widen
from emergency.drills import rules, standing_rules
from emergency.drills.models import (
    DrillKind,
    DrillRule,
    DrillRuleKind,
    DrillRuleSector,
    Form,
    Occurrence,
    OccurrenceState,
    Programme,
    Record,
)
from emergency.drills.rules import RuleFacts, Standing, Verdict
from emergency.drills.standing_models import SubjectKind, Watched
from emergency.drills.standing_rules import Drill, Outcome
from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.people.posts.models import Post
from emergency.plans.models import Plan, PlanKind, PlanLevel, PlanState
from kernel.clock import BEIJING
from kernel.db import now
from scheduler.terms import TermCalendar

UNITS_AT_ONCE = 2000
PLAN_STATES = (PlanState.IN_FORCE, PlanState.UNDER_REVISION)
_CHUNK = 500
ON_THEIR_FEET = (DrillKind.EVACUATION, DrillKind.FIRE, DrillKind.QUAKE, DrillKind.SCHOOL_BUS)
"""What nobody has rehearsed who only sat at a table (教基一厅〔2014〕2号: 疏散演练; 消防法 art. 16(6))."""
_COUNTED = (OccurrenceState.HELD, *rules.COMING)


@dataclass(frozen=True)
class Book:
    """The rules with whom they mean and what satisfies them, read once."""

    rules: Sequence[DrillRule]
    groups: Mapping[int, list[frozenset[str]]]
    kinds: Mapping[int, frozenset[DrillKind]]
    _units: dict[frozenset[str], list[DrillRule]] = field(default_factory=dict, repr=False, compare=False)

    def for_tags(self, tags: frozenset[str]) -> list[DrillRule]:
        """The rules that apply to a unit with these widened tags."""
        if tags not in self._units:
            self._units[tags] = [rule for rule in self.rules if rules.applies(self.groups.get(rule.id, ()), tags)]
        return self._units[tags]

    def for_unit(self, unit: Unit) -> list[DrillRule]:
        """The rules that apply to a unit, by its sector tags."""
        return self.for_tags(widen(unit.sectors, crowded=unit.crowded, key_fire=unit.key_fire))

    def for_division(self, level: int, name: str, taken: frozenset[str] = frozenset()) -> list[DrillRule]:
        """The rules that speak of a division; `taken` are offices that are on the list of units themselves."""
        tags = standing_rules.division_tags(level, name, taken)
        return [r for r in self.rules if standing_rules.means_division(self.groups.get(r.id, ()), tags)]

    def for_plan(self, kind: PlanKind) -> list[DrillRule]:
        """The rules that speak of plans of this kind."""
        return [rule for rule in self.rules if kind in standing_rules.plan_kinds(rule.words)]

    def kinds_of(self, rule: DrillRule) -> frozenset[DrillKind]:
        """The kinds of drill that satisfy a rule."""
        return self.kinds.get(rule.id, frozenset())


def book(session: Session, *, adopted_only: bool = False) -> Book:
    """Read the rules; three statements."""
    statement = sa.select(DrillRule).order_by(DrillRule.id)
    if adopted_only:
        statement = statement.where(DrillRule.adopted)
    members: dict[tuple[int, int], set[str]] = defaultdict(set)
    for row in session.scalars(sa.select(DrillRuleSector)):
        members[(row.rule_id, row.group_number)].add(row.sector)
    groups: dict[int, list[frozenset[str]]] = defaultdict(list)
    for (rule_id, _number), sectors in sorted(members.items()):
        groups[rule_id].append(frozenset(sectors))
    kinds: dict[int, set[DrillKind]] = defaultdict(set)
    for kind in session.scalars(sa.select(DrillRuleKind)):
        kinds[kind.rule_id].add(kind.kind)
    return Book(list(session.scalars(statement)), groups, {k: frozenset(v) for k, v in kinds.items()})


@dataclass(frozen=True)
class Subject:
    """Whom rules are looked at for, with those that apply."""

    kind: SubjectKind
    id: int
    name: str
    division_code: str
    group: str
    rules: Sequence[DrillRule]

    @property
    def key(self) -> tuple[SubjectKind, int]:
        """By which its drills and its row are found."""
        return self.kind, self.id

    @property
    def town(self) -> str:
        """The township that it lies in, or the district."""
        return self.division_code[:9] + "000"


GROUPS_BY_LEVEL = {3: "district", 4: "township", 5: "village"}


def unit_subjects(session: Session, rulebook: Book, ids: Collection[int]) -> list[Subject]:
    """Units that are not closed."""
    found = session.scalars(sa.select(Unit).where(Unit.id.in_(ids), Unit.closed_at.is_(None)).order_by(Unit.id))
    return [
        Subject(SubjectKind.UNIT, unit.id, unit.name, unit.division_code, unit.kind.value, rulebook.for_unit(unit))
        for unit in found
    ]


def division_subjects(session: Session, rulebook: Book, codes: Collection[int]) -> list[Subject]:
    """The district, townships and villages, each for the offices that no unit of the list stands for."""
    rows = session.execute(
        sa.select(Division.code, Division.name, Division.level)
        .where(Division.code.in_([str(code) for code in codes]), Division.level.in_(tuple(GROUPS_BY_LEVEL)))
        .order_by(Division.code)
    ).all()
    offices = _offices(session) if rows else []
    return [
        Subject(
            SubjectKind.DIVISION, int(row.code), row.name, row.code, GROUPS_BY_LEVEL[row.level],
            rulebook.for_division(row.level, row.name, _taken(offices, row.code, row.level)),
        )
        for row in rows
    ]  # fmt: skip


def _offices(session: Session) -> list[tuple[str, str]]:
    """Where a unit of the list stands for an office that a division would stand for."""
    tags = (*standing_rules.DISTRICT_TAGS, "town_government", "street_office", "village_committee",
            "residents_committee")  # fmt: skip
    rows = session.execute(
        sa.select(UnitSector.sector, Unit.division_code)
        .join(Unit, Unit.id == UnitSector.unit_id)
        .where(UnitSector.sector.in_(tags), Unit.closed_at.is_(None))
    )
    return [(row.sector, row.division_code) for row in rows]


def _taken(offices: Iterable[tuple[str, str]], code: str, level: int) -> frozenset[str]:
    length = {3: 6, 4: 9, 5: 12}[level]
    return frozenset(sector for sector, where in offices if where[:length] == code[:length])


def plan_subjects(session: Session, rulebook: Book, ids: Collection[int]) -> list[Subject]:
    """Plans in force of the kinds that rules speak of; the city's own are the city's to rehearse."""
    found = session.scalars(
        sa.select(Plan)
        .where(Plan.id.in_(ids), Plan.state.in_(PLAN_STATES), Plan.level != PlanLevel.CITY)
        .order_by(Plan.id)
    )
    return [
        Subject(SubjectKind.PLAN, plan.id, plan.title, plan.division_code, "plan", rulebook.for_plan(plan.kind))
        for plan in found
        if plan.kind in standing_rules.PLAN_WORDS.values()
    ]


Key = tuple[SubjectKind, int]


def drills_of(session: Session, keys: Iterable[Key]) -> dict[Key, list[Drill]]:
    """What each subject held and plans: a unit's own, a division's own, and those that rehearse a plan."""
    wanted: dict[SubjectKind, list[int]] = defaultdict(list)
    for kind, subject_id in keys:
        wanted[kind].append(subject_id)
    found: dict[Key, list[Drill]] = defaultdict(list)
    for kind, ids in wanted.items():
        for start in range(0, len(ids), _CHUNK):
            rows: Any = session.execute(_drills(kind, ids[start : start + _CHUNK]))
            for subject_id, drill_id, what, state, starts_at, started_at in rows:
                on = (started_at or starts_at).astimezone(BEIJING).date()
                found[(kind, int(subject_id))].append(Drill(drill_id, what, on, state is OccurrenceState.HELD))
    return found


def _drills(kind: SubjectKind, ids: Sequence[int]) -> sa.Select[Any]:
    subject: Any = {
        SubjectKind.UNIT: Occurrence.unit_id,
        SubjectKind.DIVISION: Occurrence.division_code,
        SubjectKind.PLAN: Programme.plan_id,
    }[kind]
    statement = (
        sa.select(subject, Occurrence.id, Occurrence.kind, Occurrence.state, Occurrence.starts_at, Record.started_at)
        .join(Programme, Programme.id == Occurrence.programme_id)
        .outerjoin(Record, Record.occurrence_id == Occurrence.id)
        .where(
            Occurrence.state.in_(_COUNTED),
            sa.or_(Programme.form != Form.TABLETOP, Occurrence.kind.not_in(ON_THEIR_FEET)),
        )
    )
    if kind is SubjectKind.DIVISION:
        return statement.where(Occurrence.division_code.in_([str(i) for i in ids]), Occurrence.unit_id.is_(None))
    if kind is SubjectKind.PLAN:
        return statement.where(Programme.plan_id.in_(ids), _rehearses())
    return statement.where(Occurrence.unit_id.in_(ids))


def _rehearses() -> sa.ColumnElement[bool]:
    """Whether a programme rehearses the plan that it names: in the plan's own area, or by whoever owns the plan.

    Another township that takes a plan as its pattern rehearses nothing of it where it is in force.
    """
    inside = sa.func.substr(Programme.division_code, 1, sa.func.length(Division.prefix)) == Division.prefix
    of_its_post = sa.and_(
        Programme.division_code == Post.division_code, Programme.unit_id.is_not_distinct_from(Post.unit_id)
    )
    return sa.exists(
        sa.select(Plan.id)
        .join(Division, Division.code == Plan.division_code)
        .outerjoin(Post, Post.id == Plan.owner_post_id)
        .where(Plan.id == Programme.plan_id, sa.or_(inside, Programme.unit_id == Plan.unit_id, of_its_post))
    )


def since_of(session: Session, keys: Iterable[Key], today: date) -> dict[Key, date]:
    """From when each subject is watched: the day it came on the list, or the earlier first day of a programme.

    Whoever never came on the list is watched from today: nothing is overdue on the first day.
    """
    wanted: dict[SubjectKind, list[int]] = defaultdict(list)
    for kind, subject_id in keys:
        wanted[kind].append(subject_id)
    found = {(kind, i): today for kind, ids in wanted.items() for i in ids}
    for kind, ids in wanted.items():
        for start in range(0, len(ids), _CHUNK):
            part = ids[start : start + _CHUNK]
            rows = session.execute(
                sa.select(Watched.subject_id, Watched.since).where(
                    Watched.subject_kind == kind, Watched.subject_id.in_(part)
                )
            )
            found.update({(kind, row.subject_id): row.since for row in rows})
            for subject_id, first in session.execute(_first_programmes(kind, part)):
                found[(kind, int(subject_id))] = min(found[(kind, int(subject_id))], first)
    return found


def _first_programmes(kind: SubjectKind, ids: Sequence[int]) -> sa.Select[Any]:
    first: Any = sa.func.min(Programme.starts_on)
    column: Any = Programme.division_code
    if kind is SubjectKind.DIVISION:
        codes = [str(i) for i in ids]
        condition = sa.and_(column.in_(codes), Programme.unit_id.is_(None))
        return sa.select(column, first).where(condition).group_by(column)
    if kind is SubjectKind.PLAN:
        column = Programme.plan_id
        return sa.select(column, first).where(column.in_(ids), _rehearses()).group_by(column)
    column = Programme.unit_id
    return sa.select(column, first).where(column.in_(ids)).group_by(column)


def outcomes(
    subject: Subject, rulebook: Book, drills: Sequence[Drill], since: date, today: date, terms: TermCalendar
) -> list[tuple[DrillRule, Outcome]]:
    """How one subject stands with each rule that applies to it."""
    return [
        (
            rule,
            standing_rules.decide(
                facts_of(rule), rulebook.kinds_of(rule), drills, bound_since(rule, since), today, terms
            ),
        )
        for rule in subject.rules
    ]


def bound_since(rule: DrillRule, since: date) -> date:
    """A rule that the bureau adopted asks for the windows after its decision, not for those before."""
    if rule.adopted and rule.adopted_at is not None:
        return max(since, rule.adopted_at.astimezone(BEIJING).date())
    return since


def facts_of(rule: DrillRule) -> RuleFacts:
    """What the pure rules need of a row."""
    return RuleFacts(rule.months, rule.basis, rule.adopted, rule.skip_school_holidays)


def today_of(session: Session) -> date:
    """The present day in Beijing."""
    return now(session).astimezone(BEIJING).date()


@dataclass(frozen=True)
class Case:
    """One unit and one rule."""

    unit: Unit
    rule: DrillRule
    verdict: Verdict
    outcome: Outcome


def cases(
    session: Session,
    *,
    actor: Actor,
    unit_id: int | None = None,
    limit_to: Sequence[int] | None = None,
    adopted_only: bool = False,
    limit: int = UNITS_AT_ONCE,
) -> list[Case]:
    """The units in scope with every rule that applies to them, computed now; pages of many units read the table."""
    actor.require(Permission.DRILLS_VIEW)
    units = sa.select(Unit).where(Unit.closed_at.is_(None), in_scope(Unit.division_code, actor)).order_by(Unit.id)
    if unit_id is not None:
        units = units.where(Unit.id == unit_id)
    elif limit_to is not None:
        units = units.where(Unit.id.in_(limit_to))
    chosen = {unit.id: unit for unit in session.scalars(units.limit(limit))}
    rulebook, day, terms = book(session, adopted_only=adopted_only), today_of(session), TermCalendar.load(session)
    subjects = unit_subjects(session, rulebook, chosen)
    keys = [subject.key for subject in subjects]
    drills, since = drills_of(session, keys), since_of(session, keys, day)
    return [
        Case(chosen[subject.id], rule, outcome.verdict, outcome)
        for subject in subjects
        for rule, outcome in outcomes(subject, rulebook, drills.get(subject.key, ()), since[subject.key], day, terms)
    ]


def counts(found: Sequence[Case]) -> dict[Standing, int]:
    """How many cases stand how."""
    result = dict.fromkeys(Standing, 0)
    for case in found:
        result[case.verdict.standing] += 1
    return result
