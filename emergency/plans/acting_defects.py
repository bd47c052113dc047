"""Actions of a real response that are past their time. An exercise is no defect of readiness."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy.orm import Session

from emergency.divisions.defects import Defect
from emergency.plans.activation_models import Activation
from emergency.plans.activation_queries import late_by_activation
from emergency.plans.models import Plan
from kernel.clock import BEIJING
from kernel.errors import N_

ROOM = "plans"
LATE = N_("%(title)s: %(n)s actions of the running response are late, the first is “%(action)s”")


def late_actions(session: Session, now: datetime, limit_to: Collection[tuple[str, int]] | None = None) -> list[Defect]:
    """One defect for each real response with unfinished actions past their time."""
    wanted = None if limit_to is None else {i for kind, i in limit_to if kind == "plan_activation"}
    if wanted is not None and not wanted:
        return []
    found = []
    for activation_id, lines in late_by_activation(session, now).items():
        if wanted is not None and activation_id not in wanted:
            continue
        activation = session.get_one(Activation, activation_id)
        plan = session.get_one(Plan, activation.plan_id)
        since = (lines[0].due_at or lines[0].added_at).astimezone(BEIJING).date()
        found.append(
            Defect(
                ROOM, "action_late", "plan_activation", activation_id, activation.division_code, LATE, since,
                f"/plans/activations/{activation_id}#checklist", title=plan.title, due=since,
                owner_post_id=lines[0].post_id,
                params={"title": plan.title, "n": len(lines), "action": lines[0].action[:40]},
            )
        )  # fmt: skip
    return found
