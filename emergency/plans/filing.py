"""Filing an issued version: due by working days, filed, confirmed or sent back (管理办法 art. 26)."""

from __future__ import annotations

from datetime import date

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.plans import rules
from emergency.plans.models import (
    Destination,
    Filing,
    FilingDestination,
    FilingState,
    Plan,
    PlanKind,
    PlanRule,
    PlanVersion,
    RuleSubject,
    TimeUnit,
)
from emergency.plans.queries import get_version
from kernel.db import touch
from kernel.errors import N_, Invalid, NotFound
from kernel.ids import new_id
from kernel.states import transition
from scheduler.deadlines import Deadline, Unit
from scheduler.workdays import NotAnnounced, WorkCalendar

_WAYS = list(Destination)
_UNITS = {TimeUnit.MONTH: Unit.MONTH, TimeUnit.WORKING_DAY: Unit.WORKING_DAY}


def _rule(session: Session, subject: RuleSubject, kind: PlanKind) -> PlanRule | None:
    found = session.scalars(sa.select(PlanRule).where(PlanRule.subject == subject, PlanRule.adopted))
    return next((rule for rule in found if kind.value in rule.kinds), None)


def _last_day(rule: PlanRule, since: date, calendar: WorkCalendar) -> date | None:
    try:
        return Deadline(rule.amount, _UNITS[rule.unit]).last_day(since, calendar)
    except NotAnnounced:
        return None  # never guessed: computed again when the year is imported


def open_filing(session: Session, *, plan: Plan, version: PlanVersion) -> Filing | None:
    """Make the row that falls due; none where no adopted rule asks for filing this kind of plan."""
    rule = _rule(session, RuleSubject.FILING, plan.kind)
    if rule is None or version.issued_on is None:
        return None
    filing = Filing(
        id=new_id(), version_id=version.id, state=FilingState.DUE, rule_key=rule.key, version=1,
        due_on=_last_day(rule, version.issued_on, WorkCalendar.load(session)),
    )  # fmt: skip
    session.add(filing)
    session.flush()
    return filing


def set_missing_deadlines(session: Session, limit: int = 200) -> int:
    """Compute the deadlines that waited for a year's holidays; what is still unknown stays empty."""
    waiting = session.execute(
        sa.select(Filing, PlanVersion.issued_on, Plan.id, PlanRule)
        .join(PlanVersion, PlanVersion.id == Filing.version_id)
        .join(Plan, Plan.id == PlanVersion.plan_id)
        .join(PlanRule, PlanRule.key == Filing.rule_key)
        .where(Filing.due_on.is_(None), Filing.state == FilingState.DUE, PlanVersion.issued_on.is_not(None))
        .limit(limit)
    ).all()
    calendar = WorkCalendar.load(session) if waiting else None
    done = 0
    for filing, issued_on, plan_id, rule in waiting:
        if issued_on is None:
            continue
        filing.due_on = _last_day(rule, issued_on, calendar or WorkCalendar())
        if filing.due_on is not None:
            done += 1
            touch(session, "plan", plan_id)
    return done


def _filing(session: Session, actor: Actor, version_id: int) -> tuple[Filing, PlanVersion, Plan]:
    actor.require(Permission.PLANS_EDIT)
    version, plan = get_version(session, actor=actor, version_id=version_id)
    actor.require_covers(plan.division_code)
    filing = session.scalar(sa.select(Filing).where(Filing.version_id == version.id))
    if filing is None:
        raise NotFound(N_("This version does not have to be filed."))
    return filing, version, plan


def file_version(session: Session, *, actor: Actor, version_id: int, filed_on: date) -> Filing:
    """The text and its explanation were sent to the bodies that art. 26 names."""
    filing, version, plan = _filing(session, actor, version_id)
    if version.issued_on is not None and filed_on < version.issued_on:
        raise Invalid(N_("It cannot have been filed before it was issued."), code="bad_dates")
    transition(
        session, filing, FilingState.FILED, allowed=rules.FILING_TRANSITIONS, actor=actor,
        values={"filed_on": filed_on},
    )  # fmt: skip
    touch(session, "plan", plan.id)
    return filing


def receipt(session: Session, *, actor: Actor, version_id: int, receipt_on: date, number: str = "") -> Filing:
    """The filing office confirmed it."""
    filing, _version, plan = _filing(session, actor, version_id)
    if filing.filed_on is not None and receipt_on < filing.filed_on:
        raise Invalid(N_("The receipt cannot be older than the filing."), code="bad_dates")
    transition(
        session, filing, FilingState.RECEIPTED, allowed=rules.FILING_TRANSITIONS, actor=actor,
        values={"receipt_on": receipt_on, "receipt_number": number.strip() or None},
    )  # fmt: skip
    touch(session, "plan", plan.id)
    return filing


def sent_back(session: Session, *, actor: Actor, version_id: int, reason: str) -> Filing:
    """The filing office found the papers incomplete."""
    filing, _version, plan = _filing(session, actor, version_id)
    if not reason.strip():
        raise Invalid(N_("Say what the filing office found missing."), code="reason_required")
    transition(
        session, filing, FilingState.RETURNED, allowed=rules.FILING_TRANSITIONS, actor=actor, reason=reason.strip()
    )
    touch(session, "plan", plan.id)
    return filing


def destinations(session: Session, kind: PlanKind) -> list[FilingDestination]:
    """To whom a plan of this kind goes, and in which way."""
    rows = session.scalars(sa.select(FilingDestination).where(FilingDestination.kind == kind))
    return sorted(rows, key=lambda row: _WAYS.index(row.way))
