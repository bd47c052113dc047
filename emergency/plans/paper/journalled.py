"""Every paper that leaves the system leaves an entry: who took which text in which form."""

from __future__ import annotations

from sqlalchemy.orm import Session

from emergency.http.actor import Actor
from emergency.plans.queries import Text
from emergency.privacy import journal

EXPORTED = journal.kind(
    "plan.exported", "导出预案", "Plan exported", "paper", "number", "exercise", "count", "division"
)


def note(session: Session, *, actor: Actor, text: Text, paper: str, exercise: bool = False) -> None:
    """One version was taken out, without personal data."""
    journal.record(
        session, EXPORTED, actor=actor, subject=("plan_version", text.version.id), paper=paper,
        number=text.version.number, exercise=exercise, division=text.plan.division_code,
    )  # fmt: skip


def note_many(session: Session, *, actor: Actor, paper: str, count: int, division: str, exercise: bool = False) -> None:
    """A bundle was taken out."""
    journal.record(
        session, EXPORTED, actor=actor, paper=paper, count=count, exercise=exercise, division=division or None
    )
