"""What was learnt: the use cases of objectives, sheets, findings, actions, recurrence and reports, in one place."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from emergency.drills import learning_reports
from emergency.drills.learning_actions import (
    add_action,
    drop_action,
    finish_action,
    postpone_action,
    reopen_action,
    verify_action,
)
from emergency.drills.learning_again import check_earlier, last_time
from emergency.drills.learning_findings import (
    add_finding,
    close_finding,
    edit_finding,
    reopen_finding,
)
from emergency.drills.learning_models import DrillReport, Evaluation, ObjectiveRating, Rating, SheetState
from emergency.drills.learning_objectives import (
    ObjectiveText,
    add_objective,
    edit_objective,
    remove_objective,
    take_over,
)
from emergency.drills.learning_reports import file_report
from emergency.drills.learning_sheets import SHEET, save_sheet, start_sheet
from emergency.drills.models import Occurrence, OccurrenceState, Record
from emergency.drills.planning import get_occurrence_for_change
from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.privacy import vault
from kernel.db import now
from kernel.errors import N_, Conflict, Invalid
from kernel.ids import new_id

__all__ = [
    "ObjectiveText", "add_action", "add_finding", "add_objective", "check_earlier", "close_finding",
    "drop_action",
    "edit_finding", "edit_objective", "evaluate", "file_report", "finish_action", "last_time", "postpone_action",
    "recorded", "remove_objective", "reopen_action", "reopen_finding", "save_sheet", "start_sheet", "take_over",
    "verify_action",
]  # fmt: skip


def recorded(session: Session, occurrence: Occurrence, record: Record) -> None:
    """The drill has its record: its objectives stand, and what a rule wants reported gets its date."""
    take_over(session, occurrence)
    learning_reports.make_reports(session, occurrence, record)


def corrected(session: Session, occurrence: Occurrence) -> None:
    """The record was corrected: what is still to be reported is due by the day that it says now."""
    learning_reports.redate(session, DrillReport.occurrence_id == occurrence.id)


def evaluate(
    session: Session,
    *,
    actor: Actor,
    occurrence_id: int,
    objectives: Sequence[tuple[str, Rating]],
    strengths: str = "",
) -> Evaluation:
    """A sheet that is handed in as it comes (P/S/M/U), from paper or another system; objectives in words."""
    actor.require(Permission.DRILLS_EDIT)
    occurrence = get_occurrence_for_change(session, actor=actor, occurrence_id=occurrence_id)
    if occurrence.state is not OccurrenceState.HELD:
        raise Conflict(N_("Only a drill that was held can be evaluated."), code="wrong_state")
    named = [(words.strip(), rating) for words, rating in objectives if words.strip()]
    if not named:
        raise Invalid(N_("Name at least one objective."), code="incomplete", fields={"objective": N_("Fill this in.")})
    own = {aim.objective.words: aim.objective.id for aim in take_over(session, occurrence)}
    sheet_id, text, moment = new_id(), strengths.strip(), now(session)
    sheet = Evaluation(
        id=sheet_id, occurrence_id=occurrence.id, evaluator=str(actor), at=moment, state=SheetState.HANDED_IN,
        handed_in_at=moment, version=1,
        strengths_sealed=vault.of(session).seal(SHEET, "strengths", sheet_id, text) if text else None,
    )  # fmt: skip
    session.add(sheet)
    session.flush()
    session.add_all(
        ObjectiveRating(
            id=new_id(), evaluation_id=sheet.id, objective_id=own.get(words[:200]), position=position,
            objective=words[:200], rating=rating,
        )
        for position, (words, rating) in enumerate(named, start=1)
    )  # fmt: skip
    session.flush()
    return sheet
