"""Who keeps a plan, and bringing its open draft under the parent's present text."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions.rules import ancestors
from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.people.posts import service as posts
from emergency.people.posts.models import Post, PostState
from emergency.plans.models import Plan, PlanVersion, VersionState
from emergency.plans.queries import get_plan, in_force
from emergency.plans.rules import IN_WORK
from emergency.privacy import journal
from kernel.db import touch
from kernel.errors import N_, Conflict, Invalid

OWNED = journal.kind("plans.owner_named", "指定预案责任岗位", "Owner post named", "post", "division")


def offered_posts(session: Session, plan: Plan) -> list[tuple[int, str]]:
    """The posts of the plan's own place, its unit, and the places above it."""
    found = posts.find_posts(session, [plan.division_code], exactly=True)
    near = [post for post in found if post.unit_id in (None, plan.unit_id)]
    if not near:
        near = list(posts.find_posts(session, ancestors(plan.division_code)[-1:], exactly=True))
    titles = posts.titles(session, [post.id for post in near])
    return [(post.id, titles.get(post.id, "—")) for post in near]


def name_owner(session: Session, *, actor: Actor, plan_id: int, post_id: int) -> Plan:
    """Say which post keeps a plan: it is told what is wrong with it."""
    actor.require(Permission.PLANS_EDIT)
    plan = get_plan(session, actor=actor, plan_id=plan_id)
    actor.require_covers(plan.division_code)
    post = session.get(Post, post_id)
    if post is None or post.state is PostState.ABOLISHED or not actor.covers(post.division_code):
        message = N_("There is no such post in your area.")
        raise Invalid(message, code="bad_post", fields={"post_id": message})
    plan.owner_post_id = post.id
    plan.version += 1
    session.flush()
    touch(session, "plan", plan.id)
    journal.record(session, OWNED, actor=actor, subject=("plan", plan.id), post=post.id, division=plan.division_code)
    return plan


def follow_parent(session: Session, *, actor: Actor, plan_id: int) -> PlanVersion:
    """Bring the open draft under the parent's present text. Its author says with that that it was compared."""
    actor.require(Permission.PLANS_EDIT)
    plan = get_plan(session, actor=actor, plan_id=plan_id)
    actor.require_covers(plan.division_code)
    draft = session.scalar(sa.select(PlanVersion).where(PlanVersion.plan_id == plan.id, PlanVersion.state.in_(IN_WORK)))
    above = in_force(session, plan.parent_id) if plan.parent_id else None
    if draft is None or draft.state is not VersionState.DRAFT or above is None:
        raise Conflict(
            N_("There is no open draft, or no text above it that it could follow."), code="nothing_to_follow"
        )
    if draft.parent_version_id != above.id:
        draft.parent_version_id = above.id
        draft.version += 1
        session.flush()
    touch(session, "plan", plan.id)
    return draft
