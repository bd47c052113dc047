"""Use cases of plans: create, draft, edit, review, approve, issue, file. Other rooms import this."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions.rules import covers
from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.plans import approval, citations, indexing, reviewing, rules
from emergency.plans.acting import link_drill
from emergency.plans.activation_queries import acted_on, real_responses
from emergency.plans.checks import checks
from emergency.plans.coverage import count_gaps, living
from emergency.plans.drafting import (
    ActionText,
    Draft,
    EvacuationText,
    LevelText,
    RelianceText,
    SectionText,
    edit_draft,
    new_draft,
)
from emergency.plans.filing import destinations, file_version, open_filing, receipt, sent_back
from emergency.plans.finding import find
from emergency.plans.hierarchy import Line, tree
from emergency.plans.kept import Kept
from emergency.plans.matrix import matrix
from emergency.plans.models import (
    Hazard,
    Plan,
    PlanHazard,
    PlanKind,
    PlanLevel,
    PlanState,
    PlanVersion,
    VersionState,
)
from emergency.plans.queries import (
    Text,
    children,
    get_plan,
    get_version,
    hazards,
    in_force,
    list_plans,
    today,
    version_text,
    versions,
)
from emergency.plans.remarks import Mends, Remark, register_remarks
from emergency.plans.review_models import RoundOutcome
from emergency.plans.signals import Signal, touches
from emergency.plans.situation import Summary, summary
from emergency.plans.vocabulary import PlanNote
from kernel.db import now, touch
from kernel.errors import N_, Conflict, Forbidden, Invalid
from kernel.ids import new_id
from kernel.states import note, transition

__all__ = [
    "ActionText", "Draft", "EvacuationText", "Kept", "LevelText", "Line", "Mends", "NewPlan", "RelianceText", "Remark", "SectionText", "Signal", "Summary", "Text",
    "approve", "checks", "children", "count_gaps", "create", "destinations", "edit_draft", "evaluate", "file_version", "find", "get_plan",
    "get_version", "hazards", "in_force", "issue", "link_drill", "list_plans", "living", "matrix", "new_draft", "pass_review", "real_responses", "receipt", "register_remarks", "reject",
    "repeal", "return_version", "sent_back", "set_parent", "submit", "summary", "touches", "tree", "version_text", "versions",
]  # fmt: skip
V = VersionState


@dataclass(frozen=True)
class NewPlan:
    """What a plan is, before it has a text."""

    kind: PlanKind
    level: PlanLevel
    title: str
    division_code: str
    issuer: str
    hazards: Sequence[Hazard]
    parent_id: int | None = None
    unit_id: int | None = None
    owner_post_id: int | None = None
    public: bool = False
    evaluate_months: int | None = None


def create(session: Session, *, actor: Actor, facts: NewPlan) -> Plan:
    """Enter a plan in the tree, with an empty first draft. Its owner lies in the actor's scope."""
    actor.require(Permission.PLANS_EDIT)
    actor.require_covers(facts.division_code)
    if not facts.title.strip() or not facts.hazards:
        raise Invalid(
            N_("A plan needs a title and at least one hazard."),
            code="incomplete",
            fields={"title" if not facts.title.strip() else "hazards": N_("Fill this in.")},
        )
    allowed = rules.LEVEL_OF.get(facts.kind)
    if allowed is not None and facts.level not in allowed:
        raise Invalid(
            N_("A plan of this kind does not stand at this level."),
            code="wrong_level",
            fields={"level": N_("A plan of this kind does not stand at this level.")},
        )
    if facts.kind in rules.SUPPORTING and facts.parent_id is None:
        raise Invalid(
            N_("A workbook or an action scheme stands beneath a plan. Say beneath which."),
            code="needs_parent",
            fields={"parent_id": N_("Fill this in.")},
        )
    if facts.parent_id is not None:
        _check_parent(session, facts.parent_id, facts.level, facts.division_code)
    plan = Plan(
        id=new_id(), kind=facts.kind, level=facts.level, title=facts.title.strip(),
        division_code=facts.division_code, unit_id=facts.unit_id, issuer=facts.issuer.strip(),
        parent_id=facts.parent_id, owner_post_id=facts.owner_post_id, public=facts.public,
        evaluate_months=facts.evaluate_months, state=PlanState.DRAFTING, created_at=now(session),
        created_by=str(actor), version=1,
    )  # fmt: skip
    session.add(plan)
    session.flush()
    session.add_all([PlanHazard(plan_id=plan.id, hazard=hazard) for hazard in dict.fromkeys(facts.hazards)])
    new_draft(session, actor=actor, plan_id=plan.id)
    touch(session, "plan", plan.id)
    return plan


def _check_parent(session: Session, parent_id: int, level: PlanLevel, place: str) -> None:
    """A parent need not lie in the actor's scope, as the city's plan stands above the district's; but its place holds
    the plan's own: a neighbour's plan binds nobody here."""
    parent = session.get(Plan, parent_id)
    if parent is None or parent.state not in rules.LIVING:
        raise Invalid(
            N_("The parent plan does not exist or is no longer in force."),
            code="bad_parent",
            fields={"parent_id": N_("The parent plan does not exist or is no longer in force.")},
        )
    if not rules.may_be_parent(parent.level, level):
        raise Invalid(
            N_("A parent plan stands at the same level or above."),
            code="bad_parent",
            fields={"parent_id": N_("A parent plan stands at the same level or above.")},
        )
    if not covers(parent.division_code, place):
        message = N_("A parent plan is one of the same place, or of a place above it.")
        raise Invalid(message, code="bad_parent", fields={"parent_id": message})


def set_parent(session: Session, *, actor: Actor, plan_id: int, parent_id: int | None) -> Plan:
    """Hang a plan under another one; never under itself or what stands below it (422 `parent_cycle`)."""
    actor.require(Permission.PLANS_EDIT)
    plan = get_plan(session, actor=actor, plan_id=plan_id)
    actor.require_covers(plan.division_code)
    if parent_id is not None:
        _check_parent(session, parent_id, plan.level, plan.division_code)
        parent_of = {row.id: row.parent_id for row in session.execute(sa.select(Plan.id, Plan.parent_id))}
        if rules.makes_cycle(plan.id, parent_id, parent_of):
            raise Invalid(N_("A plan cannot stand under itself."), code="parent_cycle")
    plan.parent_id = parent_id
    plan.version += 1
    session.flush()
    touch(session, "plan", plan.id)
    return plan


def submit(session: Session, *, actor: Actor, version_id: int, version: int) -> PlanVersion:
    """Send the draft to the linkage review, as it was read. The parts that art. 28 demands must be there."""
    actor.require(Permission.PLANS_EDIT)
    text = version_text(session, actor=actor, version_id=version_id)
    _as_read(text.version, version)
    missing = rules.missing_parts(text.plan.kind, [section.part for section in text.sections])
    if missing or not text.sections:
        raise Invalid(
            N_("The text lacks what article 28 of the Emergency Response Law asks for: %(parts)s. It stays a draft."),
            code="missing_parts",
            parts="、".join(part.zh for part in missing) or "—",
        )
    reviewing.need_answers(session, text.version.id)
    transition(
        session, text.version, V.LINKAGE_REVIEW, allowed=rules.VERSION_TRANSITIONS, actor=actor,
        values={"submitted_at": now(session)},
    )  # fmt: skip
    reviewing.open_round(session, actor=actor, version_id=text.version.id)
    return text.version


def _as_read(row: PlanVersion, version: int) -> None:
    if row.version != version:
        raise Conflict(N_("Somebody changed this text after you opened it. Read it again, then decide."))


def _decide(session: Session, actor: Actor, version_id: int, version: int) -> tuple[Plan, PlanVersion]:
    actor.require(Permission.PLANS_APPROVE)
    row, plan = get_version(session, actor=actor, version_id=version_id)
    _as_read(row, version)
    if row.author == str(actor):
        raise Forbidden(N_("Who wrote a text neither reviews nor approves it. Another person must."), code="four_eyes")
    return plan, row


def pass_review(session: Session, *, actor: Actor, version_id: int, version: int) -> PlanVersion:
    """The linkage review found that it fits the plans above and beside it (应对法 art. 27)."""
    _plan, row = _decide(session, actor, version_id, version)
    reviewing.need_resolved(session, row.id)
    transition(
        session, row, V.APPROVAL, allowed=rules.VERSION_TRANSITIONS, actor=actor,
        values={"reviewed_by": str(actor), "reviewed_at": now(session)},
    )  # fmt: skip
    return row


def return_version(session: Session, *, actor: Actor, version_id: int, version: int, reason: str) -> PlanVersion:
    """Back to the author, with the reason."""
    _plan, row = _decide(session, actor, version_id, version)
    _need_reason(reason)
    transition(
        session, row, V.DRAFT, allowed=rules.VERSION_TRANSITIONS, actor=actor, reason=reason.strip(),
        values={"submitted_at": None, "reviewed_by": None, "reviewed_at": None},
    )  # fmt: skip
    reviewing.close_round(session, actor=actor, version_id=row.id, outcome=RoundOutcome.RETURNED)
    return row


def reject(session: Session, *, actor: Actor, version_id: int, version: int, reason: str) -> PlanVersion:
    """This text will not be approved; the plan keeps the one in force."""
    plan, row = _decide(session, actor, version_id, version)
    _need_reason(reason)
    transition(session, row, V.REJECTED, allowed=rules.VERSION_TRANSITIONS, actor=actor, reason=reason.strip())
    reviewing.close_round(session, actor=actor, version_id=row.id, outcome=RoundOutcome.REJECTED)
    if plan.state is PlanState.UNDER_REVISION:
        transition(session, plan, PlanState.IN_FORCE, allowed=rules.PLAN_TRANSITIONS, actor=actor)
    return row


def _need_reason(reason: str) -> None:
    if not reason.strip():
        raise Invalid(
            N_("Say why, so that the author knows what to change."),
            code="reason_required",
            fields={"reason": N_("Fill this in.")},
        )


def approve(
    session: Session, *, actor: Actor, version_id: int, version: int, decision: approval.Decision | None = None
) -> PlanVersion:
    """Approve exactly the text that was read, with the act of the body that decided; from here on it cannot change."""
    plan, row = _decide(session, actor, version_id, version)
    reviewing.need_resolved(session, row.id)
    transition(
        session, row, V.APPROVED, allowed=rules.VERSION_TRANSITIONS, actor=actor,
        values={"approved_by": str(actor), "approved_at": now(session)},
    )  # fmt: skip
    approval.record(session, actor=actor, plan=plan, version=row, decision=decision)
    reviewing.close_round(session, actor=actor, version_id=row.id, outcome=RoundOutcome.APPROVED)
    return row


def issue(
    session: Session, *, actor: Actor, version_id: int, version: int, issued_on: date, document_number: str = ""
) -> PlanVersion:
    """Publish the approved text: it takes the place of the one in force, and its filing falls due (art. 26)."""
    if not (actor.can(Permission.PLANS_EDIT) or actor.can(Permission.PLANS_APPROVE)):
        actor.require(Permission.PLANS_APPROVE)
    row, plan = get_version(session, actor=actor, version_id=version_id)
    _as_read(row, version)
    moment = now(session)
    if row.state is V.APPROVED:
        session.execute(
            sa.update(PlanVersion)
            .where(PlanVersion.plan_id == plan.id, PlanVersion.state == V.ISSUED, PlanVersion.replaced_at.is_(None))
            .values(replaced_at=moment)
        )
    transition(
        session, row, V.ISSUED, allowed=rules.VERSION_TRANSITIONS, actor=actor,
        values={"issued_at": moment, "issued_on": issued_on, "document_number": document_number.strip() or None},
    )  # fmt: skip
    if plan.state is not PlanState.IN_FORCE:
        transition(session, plan, PlanState.IN_FORCE, allowed=rules.PLAN_TRANSITIONS, actor=actor)
    open_filing(session, plan=plan, version=row)
    indexing.index_version(session, plan, row)
    citations.scan(session, row.id)
    touch(session, "plan", plan.id)
    for child_id in session.scalars(sa.select(Plan.id).where(Plan.parent_id == plan.id)):
        touch(session, "plan", child_id)
    return row


def evaluate(session: Session, *, actor: Actor, plan_id: int, evaluated_on: date) -> PlanVersion:
    """The text in force was evaluated and still fits; its next evaluation counts from this day."""
    actor.require(Permission.PLANS_EDIT)
    plan = get_plan(session, actor=actor, plan_id=plan_id)
    actor.require_covers(plan.division_code)
    row = in_force(session, plan.id)
    if row is None or row.issued_on is None:
        raise Conflict(N_("There is no text in force that could be evaluated."), code="no_version")
    if not row.issued_on <= evaluated_on <= today(session):
        raise Invalid(N_("The day of evaluation lies between the issue and today."), code="bad_dates")
    row.evaluated_on = evaluated_on
    session.flush()
    note(session, "plan", plan.id, "", PlanNote.EVALUATED.value, actor=actor, reason=evaluated_on.isoformat(),
         field="note")  # fmt: skip
    touch(session, "plan", plan.id)
    return row


def repeal(session: Session, *, actor: Actor, plan_id: int, reason: str) -> Plan:
    """The plan is no longer in force; the plans below it show a defect until they find another parent.

    Raises 409 `response_open` while a response runs by it or waits for its decision.
    """
    actor.require(Permission.PLANS_APPROVE)
    plan = get_plan(session, actor=actor, plan_id=plan_id)
    actor.require_covers(plan.division_code)
    _need_reason(reason)
    if acted_on(session, plan.id):
        raise Conflict(N_("A response runs by this plan. End it first; nothing was changed."), code="response_open")
    transition(session, plan, PlanState.REPEALED, allowed=rules.PLAN_TRANSITIONS, actor=actor, reason=reason.strip())
    indexing.remove(session, plan.id)
    touch(session, "plan", plan.id)
    for child_id in session.scalars(sa.select(Plan.id).where(Plan.parent_id == plan.id)):
        touch(session, "plan", child_id)
    return plan
