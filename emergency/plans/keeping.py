"""The facts of a plan beside its text: title, body, owner, hazards, the plan above it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.plans import picking, service
from emergency.plans.models import Hazard, Plan, PlanHazard, PlanVersion, VersionState
from emergency.plans.queries import get_plan, in_force
from emergency.plans.rules import IN_WORK
from emergency.plans.vocabulary import PlanNote
from kernel.db import touch
from kernel.errors import N_, Conflict, Invalid
from kernel.states import note


@dataclass(frozen=True)
class PlanFacts:
    """What can be changed of a plan without a new version."""

    title: str
    issuer: str
    hazards: Sequence[Hazard]
    parent_id: int | None
    owner_post_id: int | None
    evaluate_months: int | None
    public: bool


def change(session: Session, *, actor: Actor, plan_id: int, version: int, facts: PlanFacts) -> Plan:
    """Change a plan's facts as they were read; a cycle of parents and a repealed parent are refused.

    A draft in work follows the new parent's version in force at once.
    """
    actor.require(Permission.PLANS_EDIT)
    plan = get_plan(session, actor=actor, plan_id=plan_id)
    actor.require_covers(plan.division_code)
    if plan.version != version:
        raise Conflict(N_("Somebody else changed this first. Reload it, look at it again, then decide."))
    if not facts.title.strip() or not facts.issuer.strip() or not facts.hazards:
        raise Invalid(N_("A plan needs a title, the body that issues it and at least one hazard."), code="incomplete")
    if facts.evaluate_months is not None and not 1 <= facts.evaluate_months <= 120:
        raise Invalid(N_("An interval is 1 to 120 months."), code="bad_number")
    if facts.owner_post_id:
        picking.check(session, actor=actor, kind="post", key=str(facts.owner_post_id))
    if facts.parent_id != plan.parent_id:
        service.set_parent(session, actor=actor, plan_id=plan.id, parent_id=facts.parent_id)
        above = in_force(session, facts.parent_id) if facts.parent_id else None
        session.execute(
            sa.update(PlanVersion)
            .where(PlanVersion.plan_id == plan.id, PlanVersion.state == VersionState.DRAFT)
            .values(parent_version_id=above.id if above else None, version=PlanVersion.version + 1)
            .execution_options(synchronize_session="fetch")
        )
    before = plan.title
    plan.title, plan.issuer = facts.title.strip()[:200], facts.issuer.strip()[:100]
    plan.owner_post_id, plan.evaluate_months, plan.public = facts.owner_post_id, facts.evaluate_months, facts.public
    plan.version += 1
    session.execute(sa.delete(PlanHazard).where(PlanHazard.plan_id == plan.id))
    session.flush()
    session.add_all([PlanHazard(plan_id=plan.id, hazard=hazard) for hazard in dict.fromkeys(facts.hazards)])
    session.flush()
    if before != plan.title:
        note(session, "plan", plan.id, "", PlanNote.TITLE.value, actor=actor, reason=before, field="note")
    touch(session, "plan", plan.id)
    return plan


def in_work(session: Session, plan_id: int) -> int | None:
    """The version of a plan that is being worked on."""
    return session.scalar(
        sa.select(PlanVersion.id).where(PlanVersion.plan_id == plan_id, PlanVersion.state.in_(IN_WORK))
    )
