"""What is wrong with the plans today, as far as this room can know it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions.defects import Defect
from emergency.divisions.rules import DISTRICT, level
from emergency.plans import rules
from emergency.plans.coverage import unlisted_units, unlisted_villages
from emergency.plans.models import Plan, PlanHazard
from emergency.plans.queries import evaluation_months, facts
from emergency.plans.rules import Fault, Found
from kernel.clock import BEIJING
from kernel.errors import N_

ROOM = "plans"
REASONS = {
    Fault.EVALUATION_OVERDUE: N_("%(title)s: the evaluation was due on %(day)s"),
    Fault.PARENT_SUPERSEDED: N_("%(title)s: the plan above it has version %(number)s, which this text does not follow"),
    Fault.PARENT_GONE: N_("%(title)s: the plan above it is no longer in force"),
    Fault.FILING_OVERDUE: N_("%(title)s: the filing was due on %(day)s"),
    Fault.FILING_SOON: N_("%(title)s: to be filed by %(day)s"),
    Fault.NO_VERSION: N_("%(title)s: there is no text in force"),
    Fault.NOT_ON_ANY_LIST: N_("%(title)s stands on no evacuation list"),
}


def defects(session: Session, now: datetime, limit_to: Collection[tuple[str, int]] | None = None) -> list[Defect]:
    """Every fault of plans in scope of nobody in particular; `limit_to` narrows to subjects (`plan`, `division`,
    `unit`). A city plan above the district is not ours to mend and never listed."""
    conditions = [Plan.state.in_(rules.LIVING)]
    ids = None if limit_to is None else [i for kind, i in limit_to if kind == "plan"]
    if ids is not None:
        conditions.append(Plan.id.in_(ids))
    today, months = now.astimezone(BEIJING).date(), evaluation_months(session)
    found = [
        _of_plan(f, fault)
        for f in (facts(session, *conditions) if ids is None or ids else [])
        if level(f.division_code) >= DISTRICT
        for fault in rules.faults(f, rule_months=months.get(f.kind), today=today)
    ]
    return [*found, *_unlisted(session, now, limit_to)]


def _of_plan(f: rules.Facts, found: Found) -> Defect:
    return Defect(
        ROOM, found.fault.value, "plan", f.plan_id, f.division_code, REASONS[found.fault], found.since,
        f"/plans/{f.plan_id}", title=f.title, due=found.due, owner_post_id=f.owner_post_id,
        params={"title": f.title, "day": (found.due or found.since).isoformat(), "number": found.number},
    )  # fmt: skip


def _unlisted(session: Session, now: datetime, limit_to: Collection[tuple[str, int]] | None) -> list[Defect]:
    """Without any evacuation plan at all there is nothing to be left out of; that is another fault."""
    if session.scalar(sa.select(PlanHazard.plan_id).limit(1)) is None:
        return []
    today = now.astimezone(BEIJING).date()
    villages = None if limit_to is None else [f"{i:012d}" for kind, i in limit_to if kind == "division"]
    units = None if limit_to is None else [i for kind, i in limit_to if kind == "unit"]
    found = []
    if villages is None or villages:
        for code, name in unlisted_villages(session, lambda c: sa.true() if villages is None else c.in_(villages)):
            found.append(_not_listed("division", int(code), code, name, today))
    if units is None or units:
        for unit in unlisted_units(session, lambda _c: sa.true()):
            if units is None or unit.id in units:
                found.append(_not_listed("unit", unit.id, unit.division_code, unit.name, today))
    return found


def _not_listed(kind: str, subject_id: int, code: str, name: str, since: date) -> Defect:
    return Defect(
        ROOM, Fault.NOT_ON_ANY_LIST.value, kind, subject_id, code, REASONS[Fault.NOT_ON_ANY_LIST], since,
        "/plans/unlisted", title=name, params={"title": name},
    )  # fmt: skip
