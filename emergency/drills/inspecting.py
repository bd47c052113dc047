"""Use cases of spot checks: note one, note the correction, what is still open.

The department checks drills by sample and orders correction where one was not held as it should be
(生产安全事故应急条例 art. 8(3)). What was ordered may name people: it is sealed.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions.rules import in_scope
from emergency.drills import day_msel
from emergency.drills.compliance import today_of
from emergency.drills.inspection_models import Inspected, Inspection
from emergency.drills.models import Occurrence, OccurrenceState
from emergency.http.actor import Actor
from emergency.http.paging import PAGE_SIZE, Page, paginate
from emergency.http.permissions import Permission
from emergency.privacy import journal, vault
from kernel.db import now, touch
from kernel.errors import N_, Conflict, Invalid, NotFound
from kernel.ids import new_id

INSPECTED = journal.kind("drills.inspected", "演练抽查", "Drill inspected", "what", "result", "due")
WORDS_SEEN = journal.kind(
    "drills.inspection_words_seen", "查看抽查整改内容", "Words of a spot check seen", "count", personal=True
)
SEALED = "•"
"""What stands for words that the reader does not open."""
TABLE = Inspection.__tablename__
MOST = 50_000
"""More than a city has: readiness takes for mended whatever a full look does not tell."""
_FILL = N_("Fill this in.")
CHECKED = (OccurrenceState.HELD, OccurrenceState.MISSED)


@dataclass(frozen=True)
class Shown:
    """One spot check with the drill and its words, opened."""

    inspection: Inspection
    occurrence: Occurrence
    ordered: str
    proof: str

    def late(self, today: date) -> bool:
        """Whether the ordered correction is overdue."""
        row = self.inspection
        return row.due_on is not None and row.corrected_on is None and row.due_on < today


def get_inspection(session: Session, *, actor: Actor, inspection_id: int) -> Inspection:
    """One spot check, in the actor's area."""
    actor.require(Permission.DRILLS_VIEW)
    row = session.scalar(
        sa.select(Inspection).where(Inspection.id == inspection_id, in_scope(Inspection.division_code, actor))
    )
    if row is None:
        raise NotFound(N_("There is no such check in your area."))
    return row


def inspect(
    session: Session,
    *,
    actor: Actor,
    occurrence_id: int,
    inspected_on: date,
    result: Inspected,
    ordered: str = "",
    due_on: date | None = None,
) -> Inspection:
    """Note a spot check of a drill that was held or should have been; an order needs its words and its day."""
    actor.require(Permission.DRILLS_EDIT)
    drill = day_msel.occurrence_of(session, actor=actor, occurrence_id=occurrence_id)
    if drill.state not in CHECKED:
        raise Conflict(N_("Only a drill whose day is over can be checked."), code="wrong_state")
    fields: dict[str, str] = {}
    if inspected_on > today_of(session):
        fields["inspected_on"] = N_("This lies in the future.")
    if result is Inspected.CORRECTION:
        if not ordered.strip():
            fields["ordered"] = N_("Say what has to be corrected.")
        if due_on is None:
            fields["due_on"] = _FILL
        elif due_on < inspected_on:
            fields["due_on"] = N_("The correction would be due before the check.")
    if fields:
        raise Invalid(N_("The check does not fit together; look at the fields."), code="bad_inspection", fields=fields)
    order = result is Inspected.CORRECTION
    made_id = new_id()
    made = Inspection(
        id=made_id, occurrence_id=drill.id, division_code=drill.division_code, inspected_on=inspected_on, result=result,
        ordered_sealed=vault.of(session).seal(TABLE, "ordered", made_id, ordered.strip()[:1000]) if order else None,
        due_on=due_on if order else None, inspected_by=str(actor), noted_at=now(session), version=1,
    )  # fmt: skip
    session.add(made)
    session.flush()
    _tell(session, actor, made, "noted")
    return made


def correct(
    session: Session, *, actor: Actor, inspection_id: int, version: int, corrected_on: date, proof: str
) -> Inspection:
    """The ordered correction was made, with its proof."""
    actor.require(Permission.DRILLS_EDIT)
    row = get_inspection(session, actor=actor, inspection_id=inspection_id)
    if row.result is not Inspected.CORRECTION or row.corrected_on is not None:
        raise Conflict(N_("Nothing is left to correct here."), code="wrong_state")
    if not proof.strip():
        raise Invalid(N_("Say by what it is proved."), code="proof_required", fields={"proof": _FILL})
    if not row.inspected_on <= corrected_on <= today_of(session):
        raise Invalid(
            N_("It can only have been corrected between the check and today."), code="bad_day",
            fields={"corrected_on": N_("It can only have been corrected between the check and today.")},
        )  # fmt: skip
    if row.version != version:
        raise Conflict(N_("Somebody else changed this first. Reload it, look at it again, then decide."))
    row.corrected_on, row.version = corrected_on, row.version + 1
    row.proof_sealed = vault.of(session).seal(TABLE, "proof", row.id, proof.strip()[:1000])
    session.flush()
    _tell(session, actor, row, "corrected")
    return row


def _tell(session: Session, actor: Actor, row: Inspection, what: str) -> None:
    due = row.due_on.isoformat() if row.due_on else None
    journal.record(
        session, INSPECTED, actor=actor, subject=(Occurrence.__tablename__, row.occurrence_id), what=what,
        result=row.result.value, due=due,
    )  # fmt: skip
    touch(session, Occurrence.__tablename__, row.occurrence_id)


def inspections(
    session: Session,
    *,
    actor: Actor,
    occurrence_id: int | None = None,
    open_only: bool = False,
    words: bool = True,
    cursor: str | None = None,
    limit: int = PAGE_SIZE,
) -> Page[Shown]:
    """Spot checks in the actor's area, the latest first.

    What was ordered and what proves it may name somebody: opened (`words`) for who works on drills only, and journalled.
    """
    actor.require(Permission.DRILLS_VIEW)
    statement = sa.select(Inspection).where(in_scope(Inspection.division_code, actor))
    if occurrence_id is not None:
        statement = statement.where(Inspection.occurrence_id == occurrence_id)
    if open_only:
        statement = statement.where(Inspection.result == Inspected.CORRECTION, Inspection.corrected_on.is_(None))
    page: Page[Inspection] = paginate(
        session, statement, key=[Inspection.id], cursor=cursor, limit=limit, descending=True
    )
    wanted = {row.occurrence_id for row in page.items}
    drills = {row.id: row for row in session.scalars(sa.select(Occurrence).where(Occurrence.id.in_(wanted)))}
    safe = vault.of(session)
    words = words and actor.can(Permission.DRILLS_EDIT)
    sealed_ones = [row for row in page.items if row.ordered_sealed] if words else []
    for occurrence_id in dict.fromkeys(row.occurrence_id for row in sealed_ones):
        count = sum(row.occurrence_id == occurrence_id for row in sealed_ones)
        journal.record(
            session, WORDS_SEEN, actor=actor, subject=(Occurrence.__tablename__, occurrence_id),
            purpose=journal.Purpose.DRILL, count=count,
        )  # fmt: skip

    def opened(row: Inspection, name: str, sealed: bytes | None) -> str:
        return safe.open(TABLE, name, row.id, sealed) if sealed and words else SEALED if sealed else ""

    shown = [
        Shown(
            row, drills[row.occurrence_id], opened(row, "ordered", row.ordered_sealed),
            opened(row, "proof", row.proof_sealed),
        )
        for row in page.items
    ]  # fmt: skip
    return Page(shown, page.next_cursor)


def overdue(session: Session, today: date, occurrence_ids: Collection[int] | None = None) -> list[Shown]:
    """Corrections that were ordered and are late, for the room's faults; without their words."""
    statement = (
        sa.select(Inspection, Occurrence)
        .join(Occurrence, Occurrence.id == Inspection.occurrence_id)
        .where(Inspection.corrected_on.is_(None), Inspection.due_on < today)
    )
    if occurrence_ids is not None:
        statement = statement.where(Inspection.occurrence_id.in_(occurrence_ids))
    return [Shown(row, drill, "", "") for row, drill in session.execute(statement.order_by(Inspection.id).limit(MOST))]
