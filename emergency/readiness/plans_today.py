"""What is wrong with the plans today: the kept faults of that room and of drills about plans, each with its rule, age, owner and mending act."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.http.actor import Actor
from emergency.http.i18n import catalogue, gettext, language
from emergency.http.paging import PAGE_SIZE, Page, paginate
from emergency.http.permissions import Permission
from emergency.plans import service as plans
from emergency.plans.rules import Fault
from emergency.readiness import service
from emergency.readiness.models import Defect, Severity
from kernel.clock import BEIJING
from kernel.db import now

ROOM, DRILLS = "plans", "drills"
_SEVERAL = frozenset({Fault.PLAN_MISSING, Fault.FINDING_OPEN, Fault.DRILL_OVERDUE})
"""Rules of which one subject can have several rows, with the hazard, the finding or the drill rule behind a colon."""
NOBODY = -1
"""As an owner filter: what no post owns."""
MOST_OWNERS = 200
"""More posts than this make no list to choose from; the township narrows it."""


@dataclass(frozen=True)
class Item:
    """One fault as people read it."""

    defect: Defect
    fault: Fault | None
    reason: str
    source: str
    article: str
    days: int
    owner: str
    mend: str

    @property
    def severity(self) -> Severity:
        """How soon it hurts."""
        return self.defect.severity


@dataclass(frozen=True)
class Counts:
    """How many faults in scope by rule and by severity, and how many there are."""

    rules: dict[Fault, int]
    severities: dict[Severity, int]
    owner_ids: frozenset[int] = frozenset()
    """The posts that own something of it."""

    @property
    def all(self) -> int:
        """Everything that counts."""
        return sum(self.severities.values())


def fault_of(rule: str) -> Fault | None:
    """The check that a kept rule belongs to: `plan_missing:flood` is `plan_missing`."""
    name = rule.partition(":")[0]
    return next((fault for fault in Fault if fault.value == name), None)


def _open(
    session: Session,
    actor: Actor,
    division: str | None,
    rule: Fault | None,
    owner: int | None,
    severity: Severity | None,
) -> list[Any]:
    of_a_plan = sa.and_(Defect.room == DRILLS, Defect.subject_kind == "plan")  # what drills found or lack
    where = [sa.or_(Defect.room == ROOM, of_a_plan), *service.counting(session, actor, division)]
    if rule is not None and rule in _SEVERAL:
        where.append(Defect.rule.startswith(f"{rule.value}:"))
    elif rule is not None:
        where.append(Defect.rule == rule.value)
    if owner is not None:
        where.append(Defect.owner_post_id.is_(None) if owner == NOBODY else Defect.owner_post_id == owner)
    if severity is not None:
        where.append(Defect.severity == severity)
    return where


def wrong(
    session: Session,
    actor: Actor,
    *,
    division: str | None = None,
    rule: Fault | None = None,
    owner: int | None = None,
    severity: Severity | None = None,
    cursor: str | None = None,
    limit: int = PAGE_SIZE,
    words: str | None = None,
) -> Page[Item]:
    """One page of what is wrong in the actor's scope, the most urgent first."""
    actor.require(Permission.READINESS_VIEW)
    actor.require(Permission.PLANS_VIEW)
    statement = sa.select(Defect).where(*_open(session, actor, division, rule, owner, severity))
    page: Page[Defect] = paginate(session, statement, key=[Defect.severity_rank, Defect.id], cursor=cursor, limit=limit)
    return Page(items(session, page.items, words), page.next_cursor)


def items(session: Session, defects: list[Defect], words: str | None = None) -> list[Item]:
    """The faults in words, in three statements however many there are; in the reader's language or the one given."""
    moment, spoken = now(session), words or language()
    say = catalogue(spoken).gettext
    checks, owners = plans.checks(session), service.owners(session, defects, spoken)
    made = []
    for defect in defects:
        fault = fault_of(defect.rule)
        check = checks.get(fault) if fault is not None else None
        made.append(
            Item(
                defect, fault, _filled(say(defect.reason), defect.params), check.source if check else "", check.article if check else "",
                max((moment - defect.since).days, 0), owners.get(defect.owner_post_id or 0, ""),
                say(check.mend) if check else "",
            )
        )  # fmt: skip
    return made


def _filled(text: str, params: dict[str, Any]) -> str:
    try:
        return text % params
    except (KeyError, TypeError, ValueError):
        return text


def counts(session: Session, actor: Actor, *, division: str | None = None) -> Counts:
    """How many of each rule and severity in scope; the workbench's figure is the same number."""
    actor.require(Permission.READINESS_VIEW)
    rows = session.execute(
        sa.select(Defect.rule, Defect.severity, Defect.owner_post_id, sa.func.count())
        .where(*_open(session, actor, division, None, None, None))
        .group_by(Defect.rule, Defect.severity, Defect.owner_post_id)
    )
    by_rule: dict[Fault, int] = {}
    by_severity = dict.fromkeys(Severity, 0)
    owner_ids = set()
    for rule, severity, owner, number in rows:
        if owner is not None:
            owner_ids.add(owner)
        fault = fault_of(rule)
        if fault is not None:
            by_rule[fault] = by_rule.get(fault, 0) + number
        by_severity[severity] += number
    return Counts(dict(sorted(by_rule.items(), key=lambda pair: -pair[1])), by_severity, frozenset(owner_ids))


def faulty_plans(session: Session, actor: Actor) -> int:
    """How many plans in scope have at least one fault."""
    return (
        session.scalar(
            sa.select(sa.func.count(sa.distinct(Defect.subject_id))).where(
                Defect.subject_kind == "plan", *_open(session, actor, None, None, None, None)
            )
        )
        or 0
    )


@dataclass(frozen=True)
class InPlace:
    """The plans of one place and of what lies in it."""

    plans: int
    faulty: int
    faults: int


def in_place(session: Session, actor: Actor, code: str) -> InPlace | None:
    """How the plans of a place stand; None for who may not see it. The page of faults shows the same number."""
    if not (actor.can(Permission.PLANS_VIEW) and actor.can(Permission.READINESS_VIEW) and actor.covers(code)):
        return None
    faulty = sa.select(sa.func.count(sa.distinct(Defect.subject_id))).where(
        Defect.subject_kind == "plan", *_open(session, actor, code, None, None, None)
    )
    return InPlace(
        plans.living(session, actor, code), session.scalar(faulty) or 0, counts(session, actor, division=code).all
    )


class Ledger:
    """The open rows about plans themselves (`emergency.plans.kept.Ledger`): what lies in a place, not in a plan, is
    counted by its own page."""

    def counted(self, session: Session, actor: Actor) -> sa.Select[int, int]:
        """SQL: `plan_id` and `number` of faults of each plan in scope that has any."""
        return (
            sa.select(Defect.subject_id.label("plan_id"), sa.func.count().label("number"))
            .where(*_of_plans(session, actor))
            .group_by(Defect.subject_id)
        )

    def of_plans(self, session: Session, actor: Actor, plan_ids: Collection[int]) -> dict[int, list[plans.Kept]]:
        """The faults of some plans in scope, the most urgent first."""
        found: dict[int, list[plans.Kept]] = {}
        rows = session.execute(
            sa.select(
                Defect.subject_id, Defect.rule, Defect.reason, Defect.params, Defect.url, Defect.since, Defect.due_at
            )
            .where(*_of_plans(session, actor), Defect.subject_id.in_(plan_ids))
            .order_by(Defect.severity_rank, Defect.id)
        )
        for plan_id, rule, *rest in rows:
            fault = fault_of(rule)
            if fault is not None:
                found.setdefault(plan_id, []).append(plans.Kept(plan_id, fault, *rest))
        return found


def _of_plans(session: Session, actor: Actor) -> tuple[Any, ...]:
    return Defect.subject_kind == "plan", *_open(session, actor, None, None, None, None)


def owner_choices(session: Session, found: Counts) -> list[tuple[int, str]]:
    """The posts that own something that is wrong, and the choice of nobody."""
    ids = sorted(found.owner_ids)[:MOST_OWNERS]
    return [(NOBODY, gettext("nobody")), *service.owner_names(session, ids, language()).items()]


def every(
    session: Session, actor: Actor, *, division: str | None, rule: Fault | None, owner: int | None,
    severity: Severity | None, words: str | None = None,
) -> Iterator[dict[str, Any]]:  # fmt: skip
    """The whole choice as rows, for exports."""
    cursor = None
    while True:
        page = wrong(
            session,
            actor,
            division=division,
            rule=rule,
            owner=owner,
            severity=severity,
            cursor=cursor,
            limit=200,
            words=words,
        )
        for item in page.items:
            yield row(item, words)
        cursor = page.next_cursor
        if cursor is None:
            return


def row(item: Item, words: str | None = None) -> dict[str, Any]:
    """One fault as plain values."""
    defect, words = item.defect, words or language()
    return {
        "id": defect.id, "rule": defect.rule, "fault": item.fault.label(words) if item.fault else defect.rule,
        "severity": defect.severity.value, "reason": item.reason, "source": item.source, "article": item.article,
        "division_code": defect.division_code, "subject_kind": defect.subject_kind, "subject_id": defect.subject_id,
        "since": _day(defect.since), "days": item.days, "due": _day(defect.due_at) if defect.due_at else "",
        "owner_post_id": defect.owner_post_id, "owner": item.owner, "mend": item.mend, "url": defect.url,
    }  # fmt: skip


def _day(moment: datetime) -> str:
    return moment.astimezone(BEIJING).date().isoformat()


COLUMNS = (
    "severity", "fault", "reason", "source", "article", "division_code", "since", "days", "due", "owner", "mend", "url",
)  # fmt: skip
