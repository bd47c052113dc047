"""Use cases of drills. Other rooms and the command line import this."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from emergency.drills import standing_queries
from emergency.drills.compliance import Case, cases
from emergency.drills.compliance import counts as compliance_counts
from emergency.drills.confirming import SUBJECT, deputies, invite, post_words, posts_to_ask, record_answer
from emergency.drills.day_record import RecordFacts, notes_of, record
from emergency.drills.learning import (
    ObjectiveText,
    add_action,
    add_finding,
    add_objective,
    check_earlier,
    close_finding,
    drop_action,
    edit_finding,
    edit_objective,
    evaluate,
    file_report,
    finish_action,
    last_time,
    postpone_action,
    remove_objective,
    reopen_action,
    reopen_finding,
    save_sheet,
    start_sheet,
    take_over,
    verify_action,
)
from emergency.drills.models import ProgrammePost
from emergency.drills.planning import NewProgramme, cancel, create_programme, materialise, plan_once, reschedule
from emergency.drills.queries import (
    Row,
    Whole,
    counts,
    get,
    list_occurrences,
    month,
    programmes,
    unrecorded,
    upcoming,
)
from emergency.drills.rulebook import adopt_rule, change_rule, create_rule, get_rule, list_rules
from emergency.http.actor import Actor
from kernel.clock import BEIJING

__all__ = [
    "SUBJECT",
    "Case",
    "NewProgramme",
    "ObjectiveText",
    "ProgrammePost",
    "RecordFacts",
    "Row",
    "Whole",
    "add_action",
    "add_finding",
    "add_objective",
    "adopt_rule",
    "cancel",
    "cases",
    "change_rule",
    "check_earlier",
    "close_finding",
    "compliance_counts",
    "counts",
    "create_programme",
    "create_rule",
    "deputies",
    "drop_action",
    "due",
    "edit_finding",
    "edit_objective",
    "evaluate",
    "file_report",
    "finish_action",
    "get",
    "get_rule",
    "invite",
    "last_time",
    "list_occurrences",
    "list_rules",
    "materialise",
    "month",
    "notes_of",
    "overdue", "plan_once",
    "post_words",
    "postpone_action",
    "posts_to_ask",
    "programmes",
    "record",
    "record_answer",
    "remove_objective",
    "reopen_action",
    "reopen_finding",
    "reschedule",
    "save_sheet",
    "start_sheet",
    "take_over",
    "unrecorded",
    "upcoming",
    "verify_action",
]  # fmt: skip
DUE_DAYS = 14
LINES = 500


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
    """Units, divisions and plans that an adopted rule finds late, as rows for a command."""
    return [
        {
            "unit": line.name,
            "rule": line.rule.key,
            "title": line.rule.title,
            "due": line.row.next_due.isoformat() if line.row.next_due else "",
            "last_held": line.row.last_on.isoformat() if line.row.last_on else "",
        }
        for line in standing_queries.overdue_lines(session, actor=actor, limit=LINES)
    ]
