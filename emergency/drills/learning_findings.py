"""Findings: what must get better, why, which plan it speaks of, and what alone closes it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions.rules import in_scope
from emergency.drills.learning_models import (
    ActionState,
    Cause,
    CorrectiveAction,
    Finding,
    FindingState,
    Objective,
    Severity,
)
from emergency.drills.learning_rules import FINDING_TRANSITIONS, may_close
from emergency.drills.models import Occurrence, OccurrenceState, Programme
from emergency.drills.planning import get_occurrence_for_change
from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.plans import service as plans
from emergency.plans.models import Plan, PlanState, PlanVersion, VersionState
from emergency.privacy import journal, vault
from emergency.privacy.journal import Purpose
from kernel.db import now, touch
from kernel.errors import N_, Conflict, Invalid, NotFound
from kernel.ids import new_id
from kernel.states import transition

TABLE = Finding.__tablename__
PROOF_SEEN = journal.kind("drill.proof_seen", "查看整改证明", "Proof of a correction seen", personal=True)
PROOF = 500
CHOICES = 30


@dataclass(frozen=True)
class FindingText:
    """What a finding says."""

    text: str
    root_cause: str = ""
    cause: Cause | None = None
    severity: Severity = Severity.MINOR
    objective_id: int | None = None
    plan_id: int | None = None
    recurs_id: int | None = None


def get_finding(session: Session, *, actor: Actor, finding_id: int) -> Finding:
    """A finding of the actor's area, or 404."""
    actor.require(Permission.DRILLS_VIEW)
    found = session.scalar(
        sa.select(Finding)
        .join(Occurrence, Occurrence.id == Finding.occurrence_id)
        .where(Finding.id == finding_id, in_scope(Occurrence.division_code, actor))
    )
    if found is None:
        raise NotFound(N_("There is no such finding."))
    return found


def _for_change(session: Session, actor: Actor, finding_id: int) -> Finding:
    actor.require(Permission.DRILLS_EDIT)
    return get_finding(session, actor=actor, finding_id=finding_id)


def add_finding(
    session: Session, *, actor: Actor, occurrence_id: int, text: str, root_cause: str = "", plan_id: int | None = None,
    cause: Cause | None = None, severity: Severity = Severity.MINOR, objective_id: int | None = None,
    recurs_id: int | None = None,
) -> Finding:  # fmt: skip
    """Something that must get better; it may demand the revision of a plan, and may be an earlier finding again."""
    actor.require(Permission.DRILLS_EDIT)
    occurrence = get_occurrence_for_change(session, actor=actor, occurrence_id=occurrence_id)
    if occurrence.state in (OccurrenceState.CANCELLED, OccurrenceState.PLANNED):
        raise Conflict(N_("Only a drill that was held can have findings."), code="wrong_state")
    given = FindingText(text.strip(), root_cause.strip(), cause, severity, objective_id, plan_id, recurs_id)
    _check(session, actor, occurrence, given)
    finding = Finding(
        id=new_id(), occurrence_id=occurrence.id, text=given.text, root_cause=given.root_cause, cause=cause,
        severity=severity, objective_id=objective_id, plan_id=plan_id, recurs_id=recurs_id, state=FindingState.OPEN,
        found_at=now(session), found_by=str(actor), version=1,
    )  # fmt: skip
    session.add(finding)
    session.flush()
    _touch_plan(session, plan_id)
    return finding


def _touch_plan(session: Session, plan_id: int | None) -> None:
    if plan_id is not None:
        touch(session, "plan", plan_id)


def _check(session: Session, actor: Actor, occurrence: Occurrence, given: FindingText) -> None:
    if not given.text:
        raise Invalid(N_("Say what was found."), code="incomplete", fields={"text": N_("Fill this in.")})
    if given.plan_id is not None:
        plans.get_plan(session, actor=actor, plan_id=given.plan_id)
    if given.objective_id is not None:
        objective = session.get(Objective, given.objective_id)
        if objective is None or objective.occurrence_id != occurrence.id:
            raise Invalid(N_("That is no objective of this drill."), code="bad_objective",
                          fields={"objective_id": N_("Choose one.")})  # fmt: skip
    if given.recurs_id is not None:
        earlier = get_finding(session, actor=actor, finding_id=given.recurs_id)
        if earlier.occurrence_id == occurrence.id:
            raise Invalid(N_("An earlier finding belongs to an earlier drill."), code="bad_earlier",
                          fields={"recurs_id": N_("Choose one.")})  # fmt: skip


def edit_finding(session: Session, *, actor: Actor, finding_id: int, version: int, given: FindingText) -> Finding:
    """Other words while it is open; what was closed stays as it was."""
    finding = _for_change(session, actor, finding_id)
    if finding.state is not FindingState.OPEN:
        raise Conflict(N_("A closed finding is not changed; open it again first."), code="wrong_state")
    if finding.version != version:
        raise Conflict(N_("Somebody changed the finding; look at it again."), code="version_conflict")
    occurrence = session.get_one(Occurrence, finding.occurrence_id)
    _check(session, actor, occurrence, given)
    _touch_plan(session, finding.plan_id)
    finding.text, finding.root_cause = given.text.strip(), given.root_cause.strip()
    finding.cause, finding.severity, finding.objective_id = given.cause, given.severity, given.objective_id
    finding.plan_id, finding.recurs_id, finding.version = given.plan_id, given.recurs_id, finding.version + 1
    session.flush()
    _touch_plan(session, finding.plan_id)
    return finding


def close_finding(
    session: Session, *, actor: Actor, finding_id: int, proof: str = "", version_id: int | None = None
) -> Finding:
    """Close by proof, or by the issued plan version that mends it; never otherwise, never by itself."""
    finding = _for_change(session, actor, finding_id)
    words = proof.strip()[:PROOF]
    if version_id is not None:
        _check_mends(session, finding, version_id)
    states = session.scalars(sa.select(CorrectiveAction.state).where(CorrectiveAction.finding_id == finding.id)).all()
    refused = may_close(states, proof=bool(words), version=version_id is not None)
    if refused == "proof_required":
        raise Invalid(N_("Say what proves that it was mended."), code="proof_required")
    if refused:
        raise Conflict(N_("A corrective action is still under way; finish or drop it first."), code=refused)
    sealed = vault.of(session).seal(TABLE, "proof", finding.id, words) if words else None
    transition(
        session, finding, FindingState.CLOSED, allowed=FINDING_TRANSITIONS, actor=actor, reason=words or None,
        values={"proof_sealed": sealed, "closed_by_version_id": version_id, "closed_at": now(session)},
    )  # fmt: skip
    _touch_plan(session, finding.plan_id)
    return finding


def _check_mends(session: Session, finding: Finding, version_id: int) -> None:
    version = session.get(PlanVersion, version_id)
    if version is None or version.plan_id != finding.plan_id or version.state not in _WAS_ISSUED:
        raise Invalid(N_("That is no issued version of the plan that this finding is about."), code="bad_version")
    if version.issued_at is None or version.issued_at < finding.found_at:
        raise Invalid(N_("That version was issued before the finding was made."), code="bad_version")


_WAS_ISSUED = (VersionState.ISSUED,)


def reopen_finding(session: Session, *, actor: Actor, finding_id: int, reason: str) -> Finding:
    """It turned out not to be mended. The proof that was given stays in the timeline."""
    finding = _for_change(session, actor, finding_id)
    if not reason.strip():
        raise Invalid(N_("Say why, so that the decision can be understood later."), code="reason_required")
    transition(
        session, finding, FindingState.OPEN, allowed=FINDING_TRANSITIONS, actor=actor, reason=reason.strip()[:PROOF],
        values={"proof": None, "proof_sealed": None, "closed_by_version_id": None, "closed_at": None},
    )  # fmt: skip
    _touch_plan(session, finding.plan_id)
    return finding


def proof_of(session: Session, *, actor: Actor, row: Finding | CorrectiveAction) -> str:
    """The words of a proof for who works on drills, and that is journalled, for they may name somebody.

    Everybody else gets nothing. A file that proves it may show faces or names and is opened for a purpose only.
    """
    if not actor.can(Permission.DRILLS_EDIT):
        return ""
    if row.proof_sealed is not None:
        journal.record(session, PROOF_SEEN, actor=actor, subject=(row.__tablename__, row.id), purpose=Purpose.DRILL)
        return vault.of(session).open(row.__tablename__, "proof", row.id, row.proof_sealed)
    return row.proof or ""


@dataclass(frozen=True)
class Mending:
    """An issued version that came after a finding about its plan: does it mend it?"""

    finding: Finding
    version: PlanVersion
    plan_title: str


def mendings(session: Session, *, actor: Actor, findings: Collection[Finding] | None = None) -> list[Mending]:
    """The latest issued version after each open finding of the actor's area (or of those given), oldest first.

    It is only offered: a person says whether the version mends what was found.
    """
    actor.require(Permission.DRILLS_VIEW)
    statement = (
        sa.select(Finding, PlanVersion, Plan.title)
        .join(Occurrence, Occurrence.id == Finding.occurrence_id)
        .join(Plan, Plan.id == Finding.plan_id)
        .join(PlanVersion, PlanVersion.plan_id == Plan.id)
        .where(
            Finding.state == FindingState.OPEN, PlanVersion.state.in_(_WAS_ISSUED),
            PlanVersion.issued_at >= Finding.found_at, in_scope(Occurrence.division_code, actor),
        )
        .order_by(Finding.id, PlanVersion.number)
        .limit(500)
    )  # fmt: skip
    if findings is not None:
        statement = statement.where(Finding.id.in_([finding.id for finding in findings]))
    latest = {finding.id: Mending(finding, version, title) for finding, version, title in session.execute(statement)}
    return list(latest.values())


def plan_choices(session: Session, *, actor: Actor, occurrence_id: int, query: str = "") -> list[Plan]:
    """Plans that a finding may name: the drill's own first, then those of its area, or what a search finds."""
    actor.require(Permission.DRILLS_VIEW)
    occurrence = get_occurrence_for_change(session, actor=actor, occurrence_id=occurrence_id)
    own = session.scalar(sa.select(Programme.plan_id).where(Programme.id == occurrence.programme_id))
    statement = sa.select(Plan).where(in_scope(Plan.division_code, actor), Plan.state != PlanState.REPEALED)
    words = query.split()[:5]
    if words:
        statement = statement.where(*(Plan.title.contains(word, autoescape=True) for word in words))
    else:
        here = [occurrence.division_code, f"{occurrence.division_code[:9]}000", f"{occurrence.division_code[:6]}000000"]
        statement = statement.where(sa.or_(Plan.division_code.in_(here), Plan.id == (own or 0)))
    order = sa.case((Plan.id == (own or 0), 0), (Plan.division_code == occurrence.division_code, 1), else_=2)
    return list(session.scalars(statement.order_by(order, Plan.id).limit(CHOICES)))


def findings_of(session: Session, occurrence_id: int) -> Sequence[Finding]:
    """The findings of one drill, the heaviest first."""
    weight = sa.case((Finding.severity == Severity.MAJOR, 0), (Finding.severity == Severity.SERIOUS, 1), else_=2)
    return session.scalars(
        sa.select(Finding).where(Finding.occurrence_id == occurrence_id).order_by(weight, Finding.id).limit(200)
    ).all()


def actions_of(session: Session, finding_ids: Collection[int]) -> dict[int, list[CorrectiveAction]]:
    """The actions of findings, by finding, the soonest first."""
    found: dict[int, list[CorrectiveAction]] = {finding_id: [] for finding_id in finding_ids}
    for action in session.scalars(
        sa.select(CorrectiveAction)
        .where(CorrectiveAction.finding_id.in_(list(finding_ids)))
        .order_by(CorrectiveAction.due_on, CorrectiveAction.id)
        .limit(1000)
    ):
        found[action.finding_id].append(action)
    return found


def open_actions(session: Session, finding_ids: Collection[int]) -> int:
    """How many actions of these findings are still under way."""
    return session.scalar(
        sa.select(sa.func.count())
        .select_from(CorrectiveAction)
        .where(CorrectiveAction.finding_id.in_(list(finding_ids)), CorrectiveAction.state == ActionState.OPEN)
    ) or 0  # fmt: skip


def remarks_about(session: Session, actor: Actor, plan_id: int) -> list[plans.Remark]:
    """The open findings about one plan, for its own page; each leads to where it is closed, and offers the version
    that came after it to whoever may say that it mends it."""
    if not actor.can(Permission.DRILLS_VIEW):
        return []
    rows = session.scalars(
        sa.select(Finding)
        .join(Occurrence, Occurrence.id == Finding.occurrence_id)
        .where(
            Finding.state == FindingState.OPEN, Finding.plan_id == plan_id, in_scope(Occurrence.division_code, actor)
        )
        .order_by(Finding.id)
        .limit(20)
    ).all()  # fmt: skip
    offered = mendings(session, actor=actor, findings=rows) if rows and actor.can(Permission.DRILLS_EDIT) else []
    offers = {m.finding.id: plans.Mends(m.version.id, m.version.number, _closes(m.finding)) for m in offered}
    return [plans.Remark(row.text, row.found_at, f"/drills/findings/{row.id}", offers.get(row.id)) for row in rows]


def _closes(finding: Finding) -> str:
    return f"/drills/findings/{finding.id}/close"


plans.register_remarks(remarks_about)
