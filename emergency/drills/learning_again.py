"""The next drill of the same kind: what was found last time, what is still open, and what came again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions.rules import in_scope
from emergency.drills.learning_findings import actions_of, findings_of, get_finding
from emergency.drills.learning_models import Again, CorrectiveAction, Finding, FindingCheck
from emergency.drills.models import Occurrence, OccurrenceState
from emergency.drills.planning import get_occurrence_for_change
from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from kernel.db import now
from kernel.errors import N_, Conflict, Invalid
from kernel.ids import new_id

TOWNSHIP, DISTRICT = 9, 6


@dataclass(frozen=True)
class Earlier:
    """One finding of the drill before, what is done about it, and what this drill says of it."""

    finding: Finding
    actions: list[CorrectiveAction]
    check: FindingCheck | None


@dataclass
class LastTime:
    """The drill of the same kind that came before, and what it left."""

    occurrence: Occurrence | None = None
    nearness: str = ""
    """`owner`, `township` or `district`: whose drill it was."""
    findings: list[Earlier] = field(default_factory=list)

    @property
    def unanswered(self) -> list[Earlier]:
        """Findings of which this drill says nothing yet."""
        return [earlier for earlier in self.findings if earlier.check is None]


def _before(occurrence: Occurrence, where: sa.ColumnElement[bool]) -> sa.Select[Occurrence]:
    return (
        sa.select(Occurrence)
        .where(
            Occurrence.kind == occurrence.kind, Occurrence.state == OccurrenceState.HELD,
            Occurrence.starts_at < occurrence.starts_at, Occurrence.id != occurrence.id, where,
        )
        .order_by(Occurrence.starts_at.desc(), Occurrence.id.desc())
        .limit(1)
    )  # fmt: skip


def previous(session: Session, *, actor: Actor, occurrence: Occurrence) -> tuple[Occurrence | None, str]:
    """The held drill of the same kind before this one: its owner's, else the township's, else the district's.

    In the township and the district only one that left findings teaches anything. Never outside the actor's area.
    """
    code = occurrence.division_code
    own = (
        Occurrence.unit_id == occurrence.unit_id
        if occurrence.unit_id is not None
        else sa.and_(Occurrence.unit_id.is_(None), Occurrence.division_code == code)
    )
    found_something = sa.exists().where(Finding.occurrence_id == Occurrence.id)
    ways: tuple[tuple[str, sa.ColumnElement[bool]], ...] = (
        ("owner", own),
        ("township", sa.and_(Occurrence.division_code.startswith(code[:TOWNSHIP]), found_something)),
        ("district", sa.and_(Occurrence.division_code.startswith(code[:DISTRICT]), found_something)),
    )
    for nearness, where in ways:
        found = session.scalar(_before(occurrence, sa.and_(where, in_scope(Occurrence.division_code, actor))))
        if found is not None:
            return found, nearness
    return None, ""


def last_time(session: Session, *, actor: Actor, occurrence_id: int) -> LastTime:
    """What the drill before found, with its actions and what this drill says of each."""
    actor.require(Permission.DRILLS_VIEW)
    occurrence = get_occurrence_for_change(session, actor=actor, occurrence_id=occurrence_id)
    before, nearness = previous(session, actor=actor, occurrence=occurrence)
    if before is None:
        return LastTime()
    findings = findings_of(session, before.id)
    actions = actions_of(session, [finding.id for finding in findings])
    checks = checks_of(session, occurrence.id)
    return LastTime(
        before, nearness, [Earlier(finding, actions[finding.id], checks.get(finding.id)) for finding in findings]
    )


def checks_of(session: Session, occurrence_id: int) -> Mapping[int, FindingCheck]:
    """What one drill says of earlier findings, by finding."""
    rows = session.scalars(sa.select(FindingCheck).where(FindingCheck.occurrence_id == occurrence_id).limit(500))
    return {row.finding_id: row for row in rows}


def check_earlier(
    session: Session, *, actor: Actor, occurrence_id: int, finding_id: int, outcome: Again, again_id: int | None = None
) -> FindingCheck:
    """Gone, recurred (then as which new finding), or not tested. Said again, the last word stands."""
    actor.require(Permission.DRILLS_EDIT)
    occurrence = get_occurrence_for_change(session, actor=actor, occurrence_id=occurrence_id)
    if occurrence.state is not OccurrenceState.HELD:
        raise Conflict(N_("Only a drill that was held can be evaluated."), code="wrong_state")
    earlier = get_finding(session, actor=actor, finding_id=finding_id)
    if earlier.occurrence_id == occurrence.id:
        raise Invalid(N_("An earlier finding belongs to an earlier drill."), code="bad_earlier")
    again = get_finding(session, actor=actor, finding_id=again_id) if again_id is not None else None
    if outcome is Again.RECURRED and (again is None or again.occurrence_id != occurrence.id):
        raise Invalid(N_("Name the finding of this drill in which it came again."), code="again_missing",
                      fields={"again_id": N_("Choose one.")})  # fmt: skip
    row = session.scalar(
        sa.select(FindingCheck).where(
            FindingCheck.occurrence_id == occurrence.id, FindingCheck.finding_id == earlier.id
        )
    )
    if row is None:
        row = FindingCheck(id=new_id(), occurrence_id=occurrence.id, finding_id=earlier.id)
        session.add(row)
    row.outcome, row.again_id = outcome, again.id if again is not None and outcome is Again.RECURRED else None
    row.checked_at, row.checked_by = now(session), str(actor)
    if again is not None and outcome is Again.RECURRED and again.recurs_id is None:
        again.recurs_id, again.version = earlier.id, again.version + 1
    session.flush()
    return row


def chain(session: Session, finding: Finding, *, actor: Actor, most: int = 10) -> Sequence[Finding]:
    """The earlier findings that this one repeats, the nearest first; a handful of lookups at most."""
    found: list[Finding] = []
    current = finding
    while current.recurs_id is not None and len(found) < most:
        earlier = session.scalar(
            sa.select(Finding)
            .join(Occurrence, Occurrence.id == Finding.occurrence_id)
            .where(Finding.id == current.recurs_id, in_scope(Occurrence.division_code, actor))
        )
        if earlier is None or earlier in found:
            break
        found.append(earlier)
        current = earlier
    return found
