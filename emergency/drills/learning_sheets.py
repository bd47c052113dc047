"""Evaluators' sheets: a draft each, handed in once, corrected only by a new sheet; and what they say together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.drills import checklists
from emergency.drills.learning_models import (
    CheckMark,
    CriticalTask,
    Evaluation,
    Mark,
    ObjectiveRating,
    Rating,
    SheetState,
    TaskTick,
)
from emergency.drills.learning_objectives import take_over
from emergency.drills.learning_rules import SHEET_TRANSITIONS, Summary, summarise
from emergency.drills.models import Occurrence, OccurrenceState, Programme
from emergency.drills.planning import get_occurrence_for_change
from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.people.contacts import service as contacts
from emergency.privacy import journal, vault
from kernel.db import now
from kernel.errors import N_, Conflict, Invalid, NotFound
from kernel.ids import new_id
from kernel.states import transition

SHEET, LINE = "drill_evaluation", "drill_objective_rating"
MOST = 60
TEXT = 2000


@dataclass(frozen=True)
class Line:
    """One objective of a sheet as the evaluator fills it in."""

    rating: Rating | None
    observation: str = ""


@dataclass
class Sheet:
    """A sheet with its lines, its ticks and its marks; texts stay sealed."""

    evaluation: Evaluation
    ratings: list[ObjectiveRating] = field(default_factory=list)
    ticks: set[int] = field(default_factory=set)
    marks: dict[str, Mark] = field(default_factory=dict)

    @property
    def sealed(self) -> bool:
        """Whether it carries words that may name people."""
        return bool(self.evaluation.strengths_sealed or any(r.observation_sealed for r in self.ratings))


@dataclass(frozen=True)
class Words:
    """The opened texts of one sheet."""

    strengths: str
    observations: Mapping[int, str]
    """By the id of the rating's row."""


def _held(session: Session, actor: Actor, occurrence_id: int) -> Occurrence:
    occurrence = get_occurrence_for_change(session, actor=actor, occurrence_id=occurrence_id)
    if occurrence.state is not OccurrenceState.HELD:
        raise Conflict(N_("Only a drill that was held can be evaluated."), code="wrong_state")
    return occurrence


def start_sheet(session: Session, *, actor: Actor, occurrence_id: int, replaces_id: int | None = None) -> Evaluation:
    """The evaluator's draft: the one that is open, else a new one with a line for each objective.

    `replaces_id` names the evaluator's own handed-in sheet that the new one corrects; both are kept.
    """
    actor.require(Permission.DRILLS_EDIT)
    occurrence = _held(session, actor, occurrence_id)
    mine = session.scalars(
        sa.select(Evaluation)
        .where(Evaluation.occurrence_id == occurrence.id, Evaluation.evaluator == str(actor))
        .order_by(Evaluation.id)
        .limit(MOST)
    ).all()
    draft = next((sheet for sheet in mine if sheet.state is SheetState.DRAFT), None)
    if draft is not None:
        return draft
    standing = next((sheet for sheet in mine if sheet.state is SheetState.HANDED_IN), None)
    if standing is not None and replaces_id != standing.id:
        raise Conflict(N_("You have handed in your sheet; correct it by a new one."), code="handed_in")
    if replaces_id is not None and standing is None:
        raise Conflict(N_("Only your own handed-in sheet can be corrected."), code="not_yours")
    aims = take_over(session, occurrence)
    if not aims:
        raise Conflict(N_("Name the objectives of this drill first; they are what it is judged by."),
                       code="no_objectives")  # fmt: skip
    sheet = Evaluation(
        id=new_id(), occurrence_id=occurrence.id, evaluator=str(actor), at=now(session), state=SheetState.DRAFT,
        replaces_id=replaces_id, version=1,
    )  # fmt: skip
    session.add(sheet)
    session.flush()
    session.add_all(
        ObjectiveRating(
            id=new_id(), evaluation_id=sheet.id, objective_id=aim.objective.id, position=position,
            objective=aim.objective.words,
        )
        for position, aim in enumerate(aims, start=1)
    )  # fmt: skip
    session.flush()
    return sheet


def own_draft(session: Session, *, actor: Actor, sheet_id: int) -> Sheet:
    """The actor's own draft to fill in; another's is not shown, a handed-in one never changes."""
    actor.require(Permission.DRILLS_EDIT)
    sheet = session.get(Evaluation, sheet_id)
    if sheet is None:
        raise NotFound(N_("There is no such sheet."))
    get_occurrence_for_change(session, actor=actor, occurrence_id=sheet.occurrence_id)
    if sheet.evaluator != str(actor):
        raise NotFound(N_("There is no such sheet."))
    if sheet.state is not SheetState.DRAFT:
        raise Conflict(N_("A handed-in sheet is never changed; correct it by a new one."), code="wrong_state")
    return _with_lines(session, [sheet])[0]


def own_sheet(session: Session, *, actor: Actor, sheet_id: int) -> Sheet:
    """The actor's own sheet, handed in or not."""
    actor.require(Permission.DRILLS_EDIT)
    sheet = session.get(Evaluation, sheet_id)
    if sheet is None or sheet.evaluator != str(actor):
        raise NotFound(N_("There is no such sheet."))
    get_occurrence_for_change(session, actor=actor, occurrence_id=sheet.occurrence_id)
    return _with_lines(session, [sheet])[0]


def words_of(session: Session, sheet: Sheet) -> Words:
    """The texts of a sheet, opened: its author's own, or after `reveal`."""
    store = vault.of(session)
    strengths = sheet.evaluation.strengths_sealed
    return Words(
        store.open(SHEET, "strengths", sheet.evaluation.id, strengths) if strengths else "",
        {
            r.id: store.open(LINE, "observation", r.id, r.observation_sealed)
            for r in sheet.ratings
            if r.observation_sealed
        },
    )


def save_sheet(
    session: Session,
    *,
    actor: Actor,
    sheet_id: int,
    version: int,
    lines: Mapping[int, Line],
    ticks: Collection[int] = (),
    marks: Mapping[str, Mark] | None = None,
    strengths: str = "",
    hand_in: bool = False,
) -> Evaluation:
    """Write the draft (`lines` by the id of the rating's row); with `hand_in` it stands from now on."""
    whole = own_draft(session, actor=actor, sheet_id=sheet_id)
    sheet = whole.evaluation
    if sheet.version != version:
        raise Conflict(N_("The sheet was changed in another window; look at it again."), code="version_conflict")
    store = vault.of(session)
    for row in whole.ratings:
        line = lines.get(row.id, Line(None))
        text = line.observation.strip()[:TEXT]
        row.rating = line.rating
        row.observation_sealed = store.seal(LINE, "observation", row.id, text) if text else None
    text = strengths.strip()[:TEXT]
    sheet.strengths_sealed = store.seal(SHEET, "strengths", sheet.id, text) if text else None
    sheet.at, sheet.version = now(session), sheet.version + 1
    _write_ticks(session, whole, ticks)
    _write_marks(session, sheet, marks or {})
    session.flush()
    if hand_in:
        _hand_in(session, actor, whole)
    return sheet


def _write_ticks(session: Session, whole: Sheet, ticks: Collection[int]) -> None:
    session.execute(sa.delete(TaskTick).where(TaskTick.evaluation_id == whole.evaluation.id))
    known = session.scalars(
        sa.select(CriticalTask.id).where(
            CriticalTask.objective_id.in_([r.objective_id for r in whole.ratings if r.objective_id is not None]),
            CriticalTask.id.in_(list(ticks)),
        )
    ).all()
    session.add_all(TaskTick(evaluation_id=whole.evaluation.id, task_id=task_id) for task_id in known)


def _write_marks(session: Session, sheet: Evaluation, marks: Mapping[str, Mark]) -> None:
    occurrence = session.get_one(Occurrence, sheet.occurrence_id)
    form = session.get_one(Programme, occurrence.programme_id).form
    known = {line.key for group in checklists.groups(form) for line in group.lines}
    session.execute(sa.delete(CheckMark).where(CheckMark.evaluation_id == sheet.id))
    session.add_all(
        CheckMark(evaluation_id=sheet.id, line=line, mark=mark) for line, mark in marks.items() if line in known
    )


def _hand_in(session: Session, actor: Actor, whole: Sheet) -> None:
    unrated = [row.objective for row in whole.ratings if row.rating is None]
    if unrated:
        raise Invalid(
            N_("Rate every objective before you hand the sheet in; still open: %(names)s"), code="incomplete",
            names="、".join(unrated)[:200],
        )  # fmt: skip
    sheet = whole.evaluation
    transition(
        session, sheet, SheetState.HANDED_IN, allowed=SHEET_TRANSITIONS, actor=actor,
        values={"handed_in_at": now(session)},
    )  # fmt: skip
    if sheet.replaces_id is not None:
        transition(
            session, session.get_one(Evaluation, sheet.replaces_id), SheetState.REPLACED, allowed=SHEET_TRANSITIONS,
            actor=actor,
        )  # fmt: skip


def _with_lines(session: Session, evaluations: Collection[Evaluation]) -> list[Sheet]:
    sheets = {row.id: Sheet(row) for row in evaluations}
    for rating in session.scalars(
        sa.select(ObjectiveRating)
        .where(ObjectiveRating.evaluation_id.in_(list(sheets)))
        .order_by(ObjectiveRating.position)
    ):
        sheets[rating.evaluation_id].ratings.append(rating)
    for tick in session.scalars(sa.select(TaskTick).where(TaskTick.evaluation_id.in_(list(sheets)))):
        sheets[tick.evaluation_id].ticks.add(tick.task_id)
    for mark in session.scalars(sa.select(CheckMark).where(CheckMark.evaluation_id.in_(list(sheets)))):
        sheets[mark.evaluation_id].marks[mark.line] = mark.mark
    return list(sheets.values())


def sheets_of(session: Session, occurrence_id: int, *, reader: Actor | None = None) -> list[Sheet]:
    """The sheets of a drill in order, replaced ones too. Drafts only for `reader`, who wrote them."""
    shown = Evaluation.state != SheetState.DRAFT
    if reader is not None:
        shown = sa.or_(shown, Evaluation.evaluator == str(reader))
    rows = session.scalars(
        sa.select(Evaluation)
        .where(Evaluation.occurrence_id == occurrence_id, shown)
        .order_by(Evaluation.id)
        .limit(MOST)
    ).all()
    return _with_lines(session, rows)


def standing(sheets: Collection[Sheet]) -> list[Sheet]:
    """Those that count: handed in and not replaced."""
    return [sheet for sheet in sheets if sheet.evaluation.state is SheetState.HANDED_IN]


def summaries(sheets: Collection[Sheet]) -> dict[str, Summary]:
    """Per objective, in the words of the sheets: the worst rating and how far the evaluators lie apart."""
    by_objective: dict[str, list[Rating | None]] = defaultdict(list)
    for sheet in standing(sheets):
        for row in sheet.ratings:
            by_objective[row.objective].append(row.rating)
    return {words: summarise(ratings) for words, ratings in by_objective.items()}


def mark_counts(sheets: Collection[Sheet]) -> dict[str, dict[Mark, int]]:
    """How many evaluators said what, by line of the checklist."""
    found: dict[str, dict[Mark, int]] = defaultdict(lambda: defaultdict(int))
    for sheet in standing(sheets):
        for line, mark in sheet.marks.items():
            found[line][mark] += 1
    return found


def reveal_words(session: Session, *, actor: Actor, occurrence_id: int, purpose: journal.Purpose | str
                 ) -> dict[int, Words]:  # fmt: skip
    """The sealed texts of all standing sheets of one drill, by sheet, for a purpose.

    Who looked and why is committed before anything is opened; call it outside a writing transaction.
    """
    actor.require(Permission.PERSONAL_REVEAL)
    occurrence = get_occurrence_for_change(session, actor=actor, occurrence_id=occurrence_id)
    contacts.journal_now(
        session, journal.REVEALED, actor=actor, subject=("drill_occurrence", occurrence.id),
        purpose=contacts.purpose_of(purpose), fields="observations", division=occurrence.division_code,
    )  # fmt: skip
    return {s.evaluation.id: words_of(session, s) for s in standing(sheets_of(session, occurrence.id))}
