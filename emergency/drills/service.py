"""Use cases of drills. Other rooms and the command line import this."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.drills.compliance import Case, cases
from emergency.drills.compliance import counts as compliance_counts
from emergency.drills.confirming import SUBJECT, deputies, invite, post_words, posts_to_ask, record_answer
from emergency.drills.learning import (
    RecordFacts,
    add_action,
    add_finding,
    close_finding,
    evaluate,
    finish_action,
    notes_of,
    record,
)
from emergency.drills.models import DrillRule, ProgrammePost
from emergency.drills.planning import NewProgramme, cancel, create_programme, materialise, reschedule
from emergency.drills.queries import (
    Row,
    Whole,
    counts,
    get,
    list_occurrences,
    list_rules,
    month,
    programmes,
    unrecorded,
    upcoming,
)
from emergency.drills.rules import Standing
from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from kernel.clock import BEIJING
from kernel.db import now
from kernel.errors import N_, Forbidden, Invalid, NotFound

__all__ = [
    "SUBJECT", "Case", "NewProgramme", "ProgrammePost", "RecordFacts", "Row", "Whole", "add_action", "add_finding", "adopt_rule",
    "cancel", "cases", "close_finding", "compliance_counts", "counts", "create_programme", "deputies", "due", "evaluate",
    "finish_action", "get", "invite", "list_occurrences", "list_rules", "materialise", "month", "notes_of", "overdue",
    "post_words", "posts_to_ask", "programmes", "record", "record_answer", "reschedule", "unrecorded", "upcoming",
]  # fmt: skip
DUE_DAYS = 14
LINES = 500
DISTRICT_DIGITS = 6


def due(session: Session, actor: Actor) -> list[dict[str, Any]]:
    """Drills of the next two weeks and those that wait for their record, as rows for a command."""
    rows = [*unrecorded(session, actor, limit=LINES), *upcoming(session, actor, DUE_DAYS, limit=LINES)]
    return [
        {
            "id": row.occurrence.id,
            "starts_at": row.occurrence.starts_at.astimezone(BEIJING).isoformat(timespec="minutes"),
            "title": row.occurrence.title,
            "owner": row.owner,
            "state": row.occurrence.state.value,
            "asked": row.asked,
            "answered": row.answered,
        }
        for row in rows
    ]


def overdue(session: Session, actor: Actor) -> list[dict[str, Any]]:
    """Units that an adopted rule finds late, as rows for a command."""
    found = [
        case for case in cases(session, actor=actor, adopted_only=True) if case.verdict.standing is Standing.OVERDUE
    ]
    found.sort(key=lambda case: (case.verdict.next_due or now(session).date(), case.unit.id, case.rule.id))
    return [
        {
            "unit": case.unit.name,
            "rule": case.rule.key,
            "title": case.rule.title,
            "due": case.verdict.next_due.isoformat() if case.verdict.next_due else "",
            "last_held": case.verdict.last_held.isoformat() if case.verdict.last_held else "",
        }
        for case in found[:LINES]
    ]


def adopt_rule(session: Session, *, actor: Actor, rule_id: int, adopted: bool, reason: str) -> DrillRule:
    """The bureau decides that a rule binds here, or that it does not; who and why is kept."""
    actor.require(Permission.DRILLS_EDIT)
    if len(actor.division_prefix) > DISTRICT_DIGITS:
        raise Forbidden(N_("The rules are kept for the whole district; ask its planner."), code="out_of_scope")
    rule = session.scalar(sa.select(DrillRule).where(DrillRule.id == rule_id))
    if rule is None:
        raise NotFound(N_("There is no such rule."))
    if not reason.strip():
        raise Invalid(N_("Say why, so that the decision can be understood later."), code="reason_required")
    rule.adopted, rule.adopted_by, rule.adopted_at = adopted, str(actor), now(session)
    rule.note = f"{rule.note}\n{reason.strip()}".strip()
    session.flush()
    return rule
