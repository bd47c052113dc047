"""Everything that the evaluation report says, gathered once for the page that is printed and for Word."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions.models import Division, Unit
from emergency.drills import checklists
from emergency.drills.learning_again import LastTime, last_time
from emergency.drills.learning_findings import actions_of, findings_of
from emergency.drills.learning_models import CorrectiveAction, DrillReport, Finding, Mark, Rating
from emergency.drills.learning_objectives import Aim, of_occurrence
from emergency.drills.learning_reports import reports_of
from emergency.drills.learning_rules import Summary
from emergency.drills.learning_sheets import Sheet, Words, mark_counts, sheets_of, standing, summaries
from emergency.drills.models import DrillRule, Invitation, Occurrence, Programme, Record
from emergency.drills.planning import get_occurrence_for_change
from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.people.posts import service as posts
from emergency.plans.models import Plan, PlanVersion


@dataclass(frozen=True)
class Judged:
    """One objective with what the evaluators said of it together."""

    words: str
    capability: str
    target: str
    summary: Summary | None
    tasks: Sequence[tuple[str, int]]
    """Critical tasks, each with how many evaluators saw it done."""


@dataclass
class AfterAction:
    """One drill with everything that was learnt from it."""

    occurrence: Occurrence
    programme: Programme
    owner: str
    place: str
    record: Record | None
    plan: Plan | None
    asked: int
    judged: list[Judged]
    sheets: list[Sheet]
    marks: Mapping[str, Mapping[Mark, int]]
    groups: Sequence[checklists.Group]
    findings: Sequence[Finding]
    actions: Mapping[int, list[CorrectiveAction]]
    owners: Mapping[int, str]
    plans: Mapping[int, str]
    mended: Mapping[int, int]
    """The number of the version that closed a finding, by finding."""
    before: LastTime
    reports: Sequence[tuple[DrillReport, DrillRule]]
    aims: list[Aim] = field(default_factory=list)
    words: Mapping[int, Words] = field(default_factory=dict)
    """Opened texts by sheet; empty unless somebody named a purpose."""

    @property
    def standing(self) -> list[Sheet]:
        """The sheets that count."""
        return standing(self.sheets)

    def owner_of(self, action: CorrectiveAction) -> str:
        """A post or the words that stand for one."""
        return self.owners.get(action.owner_post_id or 0, "") or action.owner_words


def gather(
    session: Session, *, actor: Actor, occurrence_id: int, words: Mapping[int, Words] | None = None
) -> AfterAction:
    """A drill of the actor's area; `words` are what `reveal_words` opened."""
    actor.require(Permission.DRILLS_VIEW)
    occurrence = get_occurrence_for_change(session, actor=actor, occurrence_id=occurrence_id)
    programme = session.get_one(Programme, occurrence.programme_id)
    sheets, findings = sheets_of(session, occurrence.id, reader=actor), findings_of(session, occurrence.id)
    actions, aims = actions_of(session, [finding.id for finding in findings]), of_occurrence(session, occurrence.id)
    every = [action for held in actions.values() for action in held]
    unit = session.get(Unit, occurrence.unit_id) if occurrence.unit_id is not None else None
    division = session.get(Division, occurrence.division_code)
    place = division.name if division is not None else occurrence.division_code
    return AfterAction(
        occurrence, programme, unit.name if unit is not None else place, place,
        session.scalar(sa.select(Record).where(Record.occurrence_id == occurrence.id)),
        session.get(Plan, programme.plan_id) if programme.plan_id is not None else None,
        session.scalar(
            sa.select(sa.func.count()).select_from(Invitation).where(Invitation.occurrence_id == occurrence.id)
        ) or 0,
        _judged(aims, sheets), sheets, mark_counts(sheets), checklists.groups(programme.form), findings, actions,
        posts.titles(session, {a.owner_post_id for a in every if a.owner_post_id is not None}),
        _titles(session, {f.plan_id for f in findings if f.plan_id is not None}),
        _numbers(session, findings), last_time(session, actor=actor, occurrence_id=occurrence.id),
        reports_of(session, occurrence.id), aims, words or {},
    )  # fmt: skip


def _judged(aims: Sequence[Aim], sheets: Collection[Sheet]) -> list[Judged]:
    """The drill's own objectives, then those that only a sheet from paper names."""
    found, counted = summaries(sheets), standing(sheets)
    rows = [
        Judged(
            aim.objective.words, aim.objective.capability, aim.objective.target, found.get(aim.objective.words),
            [(task.words, sum(task.id in sheet.ticks for sheet in counted)) for task in aim.tasks],
        )
        for aim in aims
    ]  # fmt: skip
    known = {row.words for row in rows}
    return rows + [Judged(words, "", "", summary, ()) for words, summary in found.items() if words not in known]


def _titles(session: Session, plan_ids: Collection[int]) -> dict[int, str]:
    return dict(session.execute(sa.select(Plan.id, Plan.title).where(Plan.id.in_(plan_ids))).all())


def _numbers(session: Session, findings: Sequence[Finding]) -> dict[int, int]:
    wanted = {f.closed_by_version_id: f.id for f in findings if f.closed_by_version_id is not None}
    rows = session.execute(sa.select(PlanVersion.id, PlanVersion.number).where(PlanVersion.id.in_(list(wanted))))
    numbers = dict(rows.all())
    return {f.id: numbers[f.closed_by_version_id] for f in findings if f.closed_by_version_id in numbers}


def capability_of(whole: AfterAction, finding: Finding) -> str:
    """The capability of the objective that a finding speaks of."""
    for aim in whole.aims:
        if aim.objective.id == finding.objective_id:
            return aim.objective.capability or aim.objective.words
    return ""


def reached(whole: AfterAction) -> tuple[int, int]:
    """How many objectives were met (P or S), of how many that were judged."""
    worst = [row.summary.worst for row in whole.judged if row.summary is not None]
    judged = [rating for rating in worst if rating not in (None, Rating.NA)]
    return sum(rating in (Rating.P, Rating.S) for rating in judged), len(judged)
