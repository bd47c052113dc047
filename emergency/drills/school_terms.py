"""School terms as the bureau keeps them for the whole district."""

from __future__ import annotations

from datetime import date, timedelta

from sqlalchemy.orm import Session

from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.privacy import journal
from kernel.errors import N_, Forbidden
from scheduler import terms
from scheduler.models import SchoolTerm
from scheduler.terms import Term, TermCalendar

ENTERED = journal.kind("drills.term_entered", "登记学期", "School term entered", "year", "term", "begins", "ends")
REMOVED = journal.kind("drills.term_removed", "删除学期登记", "School term removed", "year", "term")
DISTRICT_DIGITS = 6


def may_change(actor: Actor) -> bool:
    """Terms are the same for the whole district: only its own planner changes them."""
    return actor.can(Permission.DRILLS_EDIT) and len(actor.division_prefix) <= DISTRICT_DIGITS


def require(actor: Actor) -> None:
    """Refuse who may not change terms."""
    actor.require(Permission.DRILLS_EDIT)
    if not may_change(actor):
        raise Forbidden(N_("School terms are kept for the whole district; ask its planner."), code="out_of_scope")


def enter(
    session: Session, *, actor: Actor, year: str, term: int, begins_on: date, ends_on: date, announced: bool = True
) -> SchoolTerm:
    """Enter or correct a term; one that is not `announced` stays a guess."""
    require(actor)
    row = terms.set_term(session, year=year, term=term, begins_on=begins_on, ends_on=ends_on, announced=announced)
    journal.record(
        session, ENTERED, actor=actor, year=year, term=term, begins=begins_on.isoformat(), ends=ends_on.isoformat()
    )
    return row


def remove(session: Session, *, actor: Actor, year: str, term: int) -> None:
    """Forget an entered term."""
    require(actor)
    terms.remove_term(session, year=year, term=term)
    journal.record(session, REMOVED, actor=actor, year=year, term=term)


def around(session: Session, day: date) -> list[Term]:
    """The terms from last year to two years ahead, entered or usual."""
    return TermCalendar.load(session).terms_between(day - timedelta(days=330), day + timedelta(days=600))


def entered_keys(session: Session) -> set[tuple[str, int]]:
    """Which terms were entered and can be removed."""
    return {(row.school_year, row.term) for row in terms.entered(session)}
