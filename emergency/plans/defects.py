"""What is wrong with the plans today, as far as this room can know it; readiness keeps a row for each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions.defects import Defect
from emergency.divisions.models import Division, Unit
from emergency.divisions.rules import DISTRICT, TOWNSHIP, VILLAGE, level
from emergency.people.residents import service as residents
from emergency.plans import faulty, rules
from emergency.plans.acting_defects import late_actions
from emergency.plans.checks import checks, mend_url
from emergency.plans.coverage import units_off_list, villages_off_list
from emergency.plans.dynamic_models import LegalText, PlanCitation, Shelter
from emergency.plans.faulty import ROOM
from emergency.plans.matrix import missing
from emergency.plans.models import (
    EvacuationRow,
    Plan,
    PlanHazard,
    PlanVersion,
    Reliance,
    ResponseAction,
    ResponseLevel,
)
from emergency.plans.queries import evaluation_months, facts
from emergency.plans.rules import Fault, Found
from emergency.supplies.models import Lot
from kernel.clock import BEIJING
from kernel.errors import N_

Subjects = Collection[tuple[str, int]]
REASONS = {
    Fault.EVALUATION_OVERDUE: N_("%(title)s: the evaluation was due on %(day)s"),
    Fault.PARENT_SUPERSEDED: N_("%(title)s: the plan above it has version %(number)s, which this text does not follow"),
    Fault.PARENT_GONE: N_("%(title)s: the plan above it is no longer in force"),
    Fault.FILING_OVERDUE: N_("%(title)s: the filing was due on %(day)s"),
    Fault.FILING_SOON: N_("%(title)s: to be filed by %(day)s"),
    Fault.NO_VERSION: N_("%(title)s: there is no text in force"),
    Fault.NOT_ON_ANY_LIST: N_("%(title)s stands on no evacuation list"),
}
NEEDY = N_("%(title)s stands on no evacuation list; at least %(n)s people there need help first")
MISSING = N_("%(title)s has no plan for: %(hazard)s (%(source)s)")
DISAGREE = N_("%(title)s: %(one)s sends it to %(here)s, %(other)s to %(there)s")
AT_LEAST = 5
"""A count of people in need below this is not told: in a village of a few it would point at a door."""


def defects(session: Session, now: datetime, limit_to: Subjects | None = None) -> list[Defect]:
    """Every fault of plans in scope of nobody in particular; `limit_to` narrows to subjects (`plan`, `division`,
    `unit`, `household`). A city plan above the district is not ours to mend and never listed."""
    wanted = checks(session)
    today = now.astimezone(BEIJING).date()
    ids = None if limit_to is None else {i for kind, i in limit_to if kind == "plan"}
    found = [
        *_of_plans(session, today, ids),
        *faulty.find(faulty.Look(session, now, wanted, ids)),
        *_missing(session, today, limit_to),
        *_unlisted(session, today, limit_to),
        *_disagreeing(session, today, limit_to),
    ]
    adopted = {fault.value for fault, check in wanted.items() if check.adopted}
    kept = [defect for defect in found if defect.rule.partition(":")[0] in adopted]
    return [*kept, *late_actions(session, now, limit_to)]


def _of_plans(session: Session, today: date, ids: Collection[int] | None) -> list[Defect]:
    conditions: list[Any] = [Plan.state.in_(rules.LIVING)]
    if ids is not None:
        if not ids:
            return []
        conditions.append(Plan.id.in_(ids))
    months = evaluation_months(session)
    return [
        _of_plan(f, fault)
        for f in facts(session, *conditions)
        if level(f.division_code) >= DISTRICT
        for fault in rules.faults(f, rule_months=months.get(f.kind), today=today)
    ]


def _of_plan(f: rules.Facts, found: Found) -> Defect:
    fault = found.fault
    return Defect(
        ROOM, fault.value, "plan", f.plan_id, f.division_code, REASONS[fault], found.since, mend_url(f.plan_id, fault),
        title=f.title, due=found.due, owner_post_id=f.owner_post_id,
        params={"title": f.title, "day": (found.due or found.since).isoformat(), "number": found.number},
    )  # fmt: skip


def _missing(session: Session, today: date, limit_to: Subjects | None) -> Iterator[Defect]:
    codes = None if limit_to is None else [f"{i:012d}" for kind, i in limit_to if kind == "division"]
    if codes is not None and not codes:
        return
    for code, hazard, exposure, name in missing(session, codes):
        yield Defect(
            ROOM, f"{Fault.PLAN_MISSING.value}:{hazard.value}", "division", int(code), code, MISSING, today,
            f"/plans/coverage/{code}/{hazard.value}", title=name,
            params={"title": name, "hazard": hazard.zh, "source": exposure.source},
        )  # fmt: skip


def _unlisted(session: Session, today: date, limit_to: Subjects | None) -> Iterator[Defect]:
    """Without any plan at all there is nothing to be left out of; that is another fault."""
    if session.scalar(sa.select(PlanHazard.plan_id).limit(1)) is None:
        return
    codes = None if limit_to is None else [f"{i:012d}" for kind, i in limit_to if kind == "division"]
    units = None if limit_to is None else [i for kind, i in limit_to if kind == "unit"]
    if codes is None or codes:
        places = session.scalars(villages_off_list(*([] if codes is None else [Division.code.in_(codes)]))).all()
        needy = residents.helped_first(session, [place.code for place in places])
        for place in places:
            n = needy.get(place.code, 0)
            yield _not_listed("division", int(place.code), place.code, place.name, today, f"village={place.code}", n)
    if units is None or units:
        for unit in session.scalars(units_off_list(*([] if units is None else [Unit.id.in_(units)]))):
            yield _not_listed("unit", unit.id, unit.division_code, unit.name, today, f"unit={unit.id}")


def _not_listed(kind: str, subject_id: int, code: str, name: str, since: date, ask: str, needy: int = 0) -> Defect:
    many = needy >= AT_LEAST
    return Defect(
        ROOM, Fault.NOT_ON_ANY_LIST.value, kind, subject_id, code,
        NEEDY if many else REASONS[Fault.NOT_ON_ANY_LIST], since, f"/plans/unlisted/add?{ask}", title=name,
        params={"title": name, **({"n": needy} if many else {})},
    )  # fmt: skip


def _disagreeing(session: Session, today: date, limit_to: Subjects | None) -> Iterator[Defect]:
    found = list(faulty.contradictions(session, limit_to))
    names: dict[tuple[str, int], tuple[str, str]] = {}
    codes = [f"{i:012d}" for kind, i, _one, _other in found if kind == "division"]
    for code, name in session.execute(sa.select(Division.code, Division.name).where(Division.code.in_(codes))):
        names["division", int(code)] = (name, code)
    units = [i for kind, i, _one, _other in found if kind == "unit"]
    for unit_id, name, code in session.execute(
        sa.select(Unit.id, Unit.name, Unit.division_code).where(Unit.id.in_(units))
    ):
        names["unit", unit_id] = (name, code)
    for kind, subject_id, one, other in found:
        name, code = names.get((kind, subject_id), ("一户家庭", other.division_code))
        yield Defect(
            ROOM, Fault.LISTS_DISAGREE.value, kind, subject_id, code, DISAGREE, today,
            f"/plans/lists/{kind}/{subject_id}", title=name, owner_post_id=other.owner_post_id or one.owner_post_id,
            params={
                "title": name, "one": one.title, "here": one.destination, "other": other.title,
                "there": other.destination,
            },
        )  # fmt: skip


def widen(session: Session, subjects: Subjects) -> set[tuple[str, int]]:
    """What else may be mended or broken when these subjects change: the plans that count on a post or an item, the
    people on a plan's lists, the places under an exposure. Readiness looks at all of it at once."""
    by: dict[str, set[int]] = defaultdict(set)
    for kind, subject_id in subjects:
        by[kind].add(subject_id)
    found = set(subjects)
    plans = set(by["plan"])
    if by["lot"]:
        by["supply_item"] |= set(session.scalars(sa.select(Lot.item_id).where(Lot.id.in_(by["lot"]))))
    for kind, relied in (("post", "post"), ("supply_item", "item"), ("depot", "depot"), ("unit", "unit"),
                         ("agreement", "agreement")):  # fmt: skip
        if by[kind]:
            plans |= _plans(session, PlanVersion.id.in_(_relying(relied, by[kind])))
    if by["post"]:
        plans |= set(session.scalars(sa.select(Plan.id).where(Plan.owner_post_id.in_(by["post"]))))
        plans |= _plans(
            session,
            PlanVersion.id.in_(sa.select(EvacuationRow.version_id).where(EvacuationRow.post_id.in_(by["post"]))),
        )
        acts = sa.select(ResponseLevel.version_id).join(ResponseAction, ResponseAction.level_id == ResponseLevel.id)
        plans |= _plans(session, PlanVersion.id.in_(acts.where(ResponseAction.post_id.in_(by["post"]))))
    if by["plan_law"]:
        naming = sa.select(PlanCitation.version_id).join(LegalText, LegalText.title == PlanCitation.title)
        plans |= _plans(session, PlanVersion.id.in_(naming.where(LegalText.id.in_(by["plan_law"]))))
    if by["plan_shelter"]:
        sent = sa.select(EvacuationRow.version_id).join(Shelter, Shelter.name == EvacuationRow.destination)
        plans |= _plans(session, PlanVersion.id.in_(sent.where(Shelter.id.in_(by["plan_shelter"]))))
    for code in sorted(f"{number:012d}" for number in by["exposure"]):
        found |= {("division", int(c)) for c in _beneath(session, code)}
    if plans:
        plans |= set(session.scalars(sa.select(Plan.parent_id).where(Plan.id.in_(plans), Plan.parent_id.is_not(None))))
        found |= {("plan", plan_id) for plan_id in plans}
        found |= {
            ("division", int(c)) for c in session.scalars(sa.select(Plan.division_code).where(Plan.id.in_(plans)))
        }
        if by["plan"]:
            found |= _on_lists(session, by["plan"])
    for unit_id, code in session.execute(sa.select(Unit.id, Unit.division_code).where(Unit.id.in_(by["unit"]))):
        found |= {("unit", unit_id), ("division", int(f"{code[:9]}000"))}
    return found


def _relying(kind: str, ids: Collection[int]) -> Any:
    return sa.select(Reliance.version_id).where(Reliance.kind == kind, Reliance.ref_id.in_(ids))


def _plans(session: Session, condition: Any) -> set[int]:
    return set(session.scalars(sa.select(PlanVersion.plan_id).where(PlanVersion.replaced_at.is_(None), condition)))


def _beneath(session: Session, code: str) -> list[str]:
    deep = level(code)
    inside = sa.or_(Division.code == code, Division.parent_code == code)
    if deep < TOWNSHIP:
        towns = sa.select(Division.code).where(Division.parent_code == code)
        inside = sa.or_(inside, sa.and_(Division.level == VILLAGE, Division.parent_code.in_(towns)))
    return list(session.scalars(sa.select(Division.code).where(inside)))


def _on_lists(session: Session, plan_ids: Collection[int]) -> set[tuple[str, int]]:
    """Everybody on any list of these plans, present or past: a new text may have dropped or added them."""
    rows = session.execute(
        sa.select(EvacuationRow.subject_code, EvacuationRow.unit_id, EvacuationRow.household_id)
        .join(PlanVersion, PlanVersion.id == EvacuationRow.version_id)
        .where(PlanVersion.plan_id.in_(plan_ids))
        .distinct()
    )
    found: set[tuple[str, int]] = set()
    for code, unit_id, household_id in rows:
        if code:
            found.add(("division", int(code)))
        if unit_id:
            found.add(("unit", unit_id))
        if household_id:
            found.add(("household", household_id))
    return found
