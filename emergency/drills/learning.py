"""What happened at a drill, how it was judged, and what must get better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.asking import service as asking
from emergency.drills import rules
from emergency.drills.confirming import SUBJECT
from emergency.drills.models import (
    ActionState,
    CorrectiveAction,
    Evaluation,
    Finding,
    FindingState,
    ObjectiveRating,
    OccurrenceState,
    Rating,
    Record,
)
from emergency.drills.planning import get_occurrence_for_change
from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.plans import service as plans
from emergency.plans.models import PlanVersion, VersionState
from emergency.privacy import vault
from kernel.clock import BEIJING
from kernel.db import now, touch
from kernel.errors import N_, Conflict, Invalid, NotFound
from kernel.ids import new_id
from kernel.states import transition


@dataclass(frozen=True)
class RecordFacts:
    """What the record of a drill says."""

    started_at: datetime
    ended_at: datetime
    attendance: int
    expected: int | None = None
    evacuation_seconds: int | None = None
    notes: str = ""


def record(session: Session, *, actor: Actor, occurrence_id: int, facts: RecordFacts) -> Record:
    """Write down that it was held; it is then evidence for the rules. One record a drill."""
    actor.require(Permission.DRILLS_CONFIRM)
    occurrence = get_occurrence_for_change(session, actor=actor, occurrence_id=occurrence_id)
    if session.scalar(sa.select(Record.id).where(Record.occurrence_id == occurrence.id)) is not None:
        raise Conflict(N_("This drill has its record already."), code="duplicate")
    _check(session, facts)
    record_id = new_id()
    sealed = vault.of(session).seal("drill_record", "notes", record_id, facts.notes.strip()) if facts.notes else None
    made = Record(
        id=record_id, occurrence_id=occurrence.id, started_at=facts.started_at, ended_at=facts.ended_at,
        attendance=facts.attendance, expected=facts.expected, evacuation_seconds=facts.evacuation_seconds,
        notes_sealed=sealed, recorded_by=str(actor), recorded_at=now(session), version=1,
    )  # fmt: skip
    session.add(made)
    session.flush()
    transition(
        session, occurrence, OccurrenceState.HELD, allowed=rules.OCCURRENCE_TRANSITIONS, actor=actor,
        values={"done_at": now(session)},
    )  # fmt: skip
    asking.close(session, (SUBJECT, occurrence.id), actor=actor)
    touch(session, SUBJECT, occurrence.id)
    if occurrence.unit_id is not None:
        touch(session, "unit", occurrence.unit_id)
    return made


def _check(session: Session, facts: RecordFacts) -> None:
    fields: dict[str, str] = {}
    if facts.ended_at <= facts.started_at:
        fields["ended_at"] = N_("It ended before it began.")
    elif facts.ended_at > now(session):
        fields["ended_at"] = N_("This lies in the future.")
    if facts.attendance < 0 or (facts.expected is not None and facts.expected < 0):
        fields["attendance"] = N_("This is not a whole number.")
    if facts.evacuation_seconds is not None and facts.evacuation_seconds <= 0:
        fields["evacuation_seconds"] = N_("This is not a whole number.")
    if fields:
        raise Invalid(N_("The record does not fit together; look at the fields."), code="bad_record", fields=fields)


def notes_of(session: Session, made: Record) -> str:
    """The notes of a record, opened."""
    return vault.of(session).open("drill_record", "notes", made.id, made.notes_sealed) if made.notes_sealed else ""


def evaluate(
    session: Session,
    *,
    actor: Actor,
    occurrence_id: int,
    objectives: Sequence[tuple[str, Rating]],
    strengths: str = "",
) -> Evaluation:
    """One evaluator's sheet: how each objective was met (P/S/M/U)."""
    actor.require(Permission.DRILLS_EDIT)
    occurrence = get_occurrence_for_change(session, actor=actor, occurrence_id=occurrence_id)
    if occurrence.state is not OccurrenceState.HELD:
        raise Conflict(N_("Only a drill that was held can be evaluated."), code="wrong_state")
    named = [(words.strip(), rating) for words, rating in objectives if words.strip()]
    if not named:
        raise Invalid(N_("Name at least one objective."), code="incomplete", fields={"objective": N_("Fill this in.")})
    sheet_id = new_id()
    text = strengths.strip()
    sheet = Evaluation(
        id=sheet_id, occurrence_id=occurrence.id, evaluator=str(actor), at=now(session),
        strengths_sealed=vault.of(session).seal("drill_evaluation", "strengths", sheet_id, text) if text else None,
    )  # fmt: skip
    session.add(sheet)
    session.flush()
    session.add_all(
        ObjectiveRating(id=new_id(), evaluation_id=sheet.id, position=position, objective=words[:200], rating=rating)
        for position, (words, rating) in enumerate(named, start=1)
    )
    session.flush()
    return sheet


def add_finding(
    session: Session, *, actor: Actor, occurrence_id: int, text: str, root_cause: str = "", plan_id: int | None = None
) -> Finding:
    """Something that must get better; it may demand the revision of a plan."""
    actor.require(Permission.DRILLS_EDIT)
    occurrence = get_occurrence_for_change(session, actor=actor, occurrence_id=occurrence_id)
    if not text.strip():
        raise Invalid(N_("Say what was found."), code="incomplete", fields={"text": N_("Fill this in.")})
    if plan_id is not None:
        plans.get_plan(session, actor=actor, plan_id=plan_id)
    finding = Finding(
        id=new_id(), occurrence_id=occurrence.id, text=text.strip(), root_cause=root_cause.strip(), plan_id=plan_id,
        state=FindingState.OPEN, found_at=now(session), found_by=str(actor), version=1,
    )  # fmt: skip
    session.add(finding)
    session.flush()
    if plan_id is not None:
        touch(session, "plan", plan_id)
    return finding


def _finding(session: Session, actor: Actor, finding_id: int) -> Finding:
    finding = session.get(Finding, finding_id)
    if finding is None:
        raise NotFound(N_("There is no such finding."))
    get_occurrence_for_change(session, actor=actor, occurrence_id=finding.occurrence_id)
    return finding


def close_finding(
    session: Session, *, actor: Actor, finding_id: int, proof: str = "", version_id: int | None = None
) -> Finding:
    """Close by proof, or by the issued plan version that mends it; never otherwise."""
    actor.require(Permission.DRILLS_EDIT)
    finding = _finding(session, actor, finding_id)
    if version_id is not None:
        version = session.get(PlanVersion, version_id)
        if version is None or version.plan_id != finding.plan_id or version.state is not VersionState.ISSUED:
            raise Invalid(N_("That is no issued version of the plan that this finding is about."), code="bad_version")
        if version.issued_at is None or version.issued_at < finding.found_at:
            raise Invalid(N_("That version was issued before the finding was made."), code="bad_version")
    elif not proof.strip():
        raise Invalid(N_("Say what proves that it was mended."), code="proof_required")
    transition(
        session, finding, FindingState.CLOSED, allowed=rules.FINDING_TRANSITIONS, actor=actor,
        reason=proof.strip() or None,
        values={"proof": proof.strip() or None, "closed_by_version_id": version_id},
    )  # fmt: skip
    if finding.plan_id is not None:
        touch(session, "plan", finding.plan_id)
    return finding


def add_action(
    session: Session, *, actor: Actor, finding_id: int, text: str, owner_words: str, due_on: date,
    owner_post_id: int | None = None,
) -> CorrectiveAction:  # fmt: skip
    """Who mends a finding by when."""
    actor.require(Permission.DRILLS_EDIT)
    finding = _finding(session, actor, finding_id)
    if not text.strip() or not (owner_words.strip() or owner_post_id):
        raise Invalid(N_("A corrective action needs words and an owner."), code="incomplete")
    if due_on < now(session).astimezone(BEIJING).date():
        raise Invalid(N_("The date lies in the past."), code="in_the_past", fields={"due_on": N_("In the past.")})
    action = CorrectiveAction(
        id=new_id(), finding_id=finding.id, text=text.strip(), owner_words=owner_words.strip()[:100],
        owner_post_id=owner_post_id, due_on=due_on, state=ActionState.OPEN, version=1,
    )  # fmt: skip
    session.add(action)
    session.flush()
    touch(session, "drill_corrective_action", action.id)
    return action


def finish_action(session: Session, *, actor: Actor, action_id: int, proof: str) -> CorrectiveAction:
    """Done, with what proves it."""
    actor.require(Permission.DRILLS_EDIT)
    action = session.get(CorrectiveAction, action_id)
    if action is None:
        raise NotFound(N_("There is no such corrective action."))
    _finding(session, actor, action.finding_id)
    if not proof.strip():
        raise Invalid(N_("Say what proves that it was done."), code="proof_required")
    transition(
        session, action, ActionState.DONE, allowed=rules.ACTION_TRANSITIONS, actor=actor,
        values={"proof": proof.strip(), "done_at": now(session)},
    )  # fmt: skip
    touch(session, "drill_corrective_action", action.id)
    return action
