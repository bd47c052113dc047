"""Which warnings an actor may see and touch; decided in the query."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions import rules as divisions
from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.warnings import rules
from emergency.warnings.models import Issue, Warning, WarningState
from kernel.errors import N_, NotFound
from kernel.states import ForbiddenTransition

PUBLISHED = (WarningState.ISSUED, WarningState.SUPERSEDED, WarningState.CANCELLED, WarningState.ENDED)


def visible(actor: Actor) -> sa.ColumnElement[bool]:
    """SQL: warnings of the actor's area; and published ones of a wider area, for they concern it too."""
    inside = divisions.in_scope(Warning.division_code, actor)
    if actor.is_system or not actor.division_prefix:
        return inside
    above = [actor.division_prefix[:n].ljust(12, "0") for n in divisions.LENGTHS if n < len(actor.division_prefix)]
    wider = sa.and_(Warning.division_code.in_(above), Warning.state.in_(PUBLISHED))
    return sa.or_(inside, wider)


def get(session: Session, actor: Actor, warning_id: int) -> Warning:
    """One warning that the actor may see, or 404."""
    actor.require(Permission.WARNINGS_VIEW)
    found = session.scalar(sa.select(Warning).where(Warning.id == warning_id, visible(actor)))
    if found is None:
        raise NotFound(N_("There is no such warning, or it lies outside your area."))
    return found


def writable(session: Session, actor: Actor, warning_id: int) -> Warning:
    """One warning that the actor may change: all of its area is the actor's. 403 `out_of_scope` otherwise.

    Locked on PostgreSQL for the rest of the transaction; SQLite has one writer anyway.
    """
    found = session.scalar(sa.select(Warning).where(Warning.id == warning_id).with_for_update())
    if found is None:
        raise NotFound(N_("There is no such warning, or it lies outside your area."))
    actor.require_covers(found.division_code)
    return found


def require_step(warning: Warning, to: WarningState) -> None:
    """Refuse at once what the table of transitions does not allow, before anything is counted."""
    if to not in rules.ALLOWED[warning.state]:
        raise ForbiddenTransition(
            N_("This is %(current)s; it cannot become %(wanted)s."), current=warning.state.zh, wanted=to.zh
        )


def issue_of(session: Session, warning_id: int) -> Issue | None:
    """What was issued, if it was."""
    return session.scalar(sa.select(Issue).where(Issue.warning_id == warning_id))
