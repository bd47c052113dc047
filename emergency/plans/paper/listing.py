"""The plans in force of an area, page by page, to be chosen for print."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions import rules as division_rules
from emergency.http.actor import Actor
from emergency.http.paging import Page, paginate
from emergency.http.permissions import Permission
from emergency.plans import rules
from emergency.plans.models import Plan, PlanState, PlanVersion, VersionState
from emergency.plans.queries import facts
from kernel.errors import N_, Invalid


def in_force_of(
    session: Session, *, actor: Actor, division: str, cursor: str | None = None
) -> tuple[Page[rules.Facts], int]:
    """One page of the plans in force within a division of the actor's area, and how many there are."""
    actor.require(Permission.PLANS_VIEW)
    if division:
        if not division_rules.is_code(division):
            raise Invalid(N_("A division code has 12 digits."), code="division_code_invalid")
        actor.require_covers(division)
    held = (
        sa.select(PlanVersion.id)
        .where(
            PlanVersion.plan_id == Plan.id,
            PlanVersion.state == VersionState.ISSUED,
            PlanVersion.replaced_at.is_(None),
        )
        .exists()
    )
    conditions = [
        division_rules.in_scope(Plan.division_code, actor),
        Plan.state.in_([PlanState.IN_FORCE, PlanState.UNDER_REVISION]),
        held,
    ]
    if division:
        conditions.append(division_rules.within(Plan.division_code, division))
    total = session.scalar(sa.select(sa.func.count()).select_from(Plan).where(*conditions)) or 0
    page: Page[Plan] = paginate(
        session, sa.select(Plan).where(*conditions), key=[Plan.division_code, Plan.id], cursor=cursor
    )
    known = {f.plan_id: f for f in facts(session, Plan.id.in_([plan.id for plan in page.items]))}
    return page.map(lambda plan: known[plan.id]), total
