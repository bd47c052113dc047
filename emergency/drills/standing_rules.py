"""Pure rules of standings: which rule means which subject, and how a subject stands with it by its drills.

One function decides, for the table that the pages read and for whoever computes afresh.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from emergency.divisions.rules import ANY_UNIT, REST, SECTORS, widen
from emergency.drills.models import DrillKind
from emergency.drills.rules import USUAL_TERMS, RuleFacts, Standing, Verdict, compliance, next_planned
from emergency.plans.models import PlanKind
from scheduler.terms import TermCalendar

DISTRICT_TAGS = ("county_government", "emergency_department", "health_department", "flood_headquarters")
"""What the district itself answers for, unless a unit of the list carries the tag: its government and those offices
that the rules name."""
PLAN_WORDS: dict[str, PlanKind] = {
    "gov_special_plan": PlanKind.SPECIAL,
    "dept_plan": PlanKind.DEPARTMENT,
    "district_general_plan": PlanKind.GENERAL,
}
"""The words of the rules that speak of a plan, as kinds of plans (国办发〔2024〕5号: special and departmental plans)."""
RANKS = {
    Standing.OVERDUE: 0,
    Standing.DUE: 1,
    Standing.SATISFIED: 2,
    Standing.NO_NUMBER: 3,
    Standing.NOT_ADOPTED: 4,
}
LAST_DAY = 99_991_231


@dataclass(frozen=True)
class Drill:
    """One date of a drill, held or still ahead."""

    id: int
    kind: DrillKind
    on: date
    held: bool


@dataclass(frozen=True)
class Outcome:
    """How a subject stands with a rule, the drill that proves it, and the next planned one that would."""

    verdict: Verdict
    evidence: Drill | None = None
    coming: Drill | None = None

    @property
    def rank(self) -> int:
        """The place in a list: overdue first."""
        return RANKS[self.verdict.standing]

    @property
    def due_order(self) -> int:
        """The day it is due as a number that sorts."""
        due = self.verdict.next_due
        return due.year * 10_000 + due.month * 100 + due.day if due else LAST_DAY

    @property
    def too_late(self) -> bool:
        """Whether what is planned comes after the day by which it was due."""
        due, standing = self.verdict.next_due, self.verdict.standing
        return self.coming is not None and due is not None and standing is Standing.DUE and self.coming.on > due


def decide(
    rule: RuleFacts,
    kinds: Iterable[DrillKind],
    drills: Iterable[Drill],
    since: date,
    today: date,
    terms: TermCalendar = USUAL_TERMS,
) -> Outcome:
    """How a subject stands with a rule by the drills that it held and plans, of the kinds that satisfy it."""
    wanted = frozenset(kinds)
    fitting = [drill for drill in drills if drill.kind in wanted]
    held = [drill for drill in fitting if drill.held]
    verdict = compliance(rule, [drill.on for drill in held], since, today, terms)
    ahead = [drill for drill in fitting if not drill.held]
    day = next_planned(verdict, (drill.on for drill in ahead), today)
    evidence = max((d for d in held if d.on == verdict.last_held), key=lambda d: d.id, default=None)
    coming = min((d for d in ahead if d.on == day), key=lambda d: d.id, default=None)
    return Outcome(verdict, evidence, coming)


def means_division(groups: Iterable[frozenset[str]], tags: frozenset[str]) -> bool:
    """Whether a rule speaks of a division by one of its offices. What means every unit does not mean a division."""
    return any(group and not group & {ANY_UNIT, REST} and group <= tags for group in groups)


def division_tags(level: int, name: str, taken: frozenset[str] = frozenset()) -> frozenset[str]:
    """The offices that a division stands for, by its level and name; `taken` are those that units stand for themselves.

    A street office is told from a township government, a residents' committee from a villagers', by their names.
    """
    if level == 3:
        own: tuple[str, ...] = DISTRICT_TAGS
    elif level == 4:
        own = ("street_office",) if name.endswith("街道") else ("town_government",)
    elif level == 5:
        own = ("residents_committee",) if "居委会" in name or "居民委员会" in name else ("village_committee",)
    else:
        own = ()
    return widen([tag for tag in own if tag not in taken and tag in SECTORS])


def plan_kinds(words: Iterable[str]) -> frozenset[PlanKind]:
    """The kinds of plans that a rule's words mean."""
    return frozenset(PLAN_WORDS[word] for word in words if word in PLAN_WORDS)
