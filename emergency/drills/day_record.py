"""The record of a drill: what the rules ask to be written down, filled in from the day, corrected with a reason.

时间、地点、内容、参加部门、参加人员 (消防法 art. 16-17 with 公安部令第61号 art. 40, 43; 高层民用建筑消防安全管理规定 art. 42)
must be in it; they are asked of every drill.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.asking import service as asking
from emergency.divisions.models import Division, Unit
from emergency.drills import day_attendance, day_msel, learning, rules
from emergency.drills.confirming import SUBJECT
from emergency.drills.day_models import DrillRecordBefore
from emergency.drills.models import Occurrence, OccurrenceState, Programme, Record
from emergency.drills.planning import get_occurrence_for_change
from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.privacy import journal, vault
from emergency.privacy.journal import Purpose
from kernel.db import now, touch
from kernel.errors import N_, Conflict, Invalid, NotFound
from kernel.ids import new_id
from kernel.states import transition

TABLE, BEFORE = Record.__tablename__, DrillRecordBefore.__tablename__
EMPTY = N_("Fill this in.")
WORDS_SEEN = journal.kind(
    "drill.record_words_seen",
    "查看演练记录备注和人员",
    "Notes and people of a drill's record seen",
    "count",
    personal=True,
)


@dataclass(frozen=True)
class RecordFacts:
    """What the record of a drill says. Left empty, place, content and departments follow from the drill itself."""

    started_at: datetime
    ended_at: datetime
    attendance: int
    expected: int | None = None
    evacuation_seconds: int | None = None
    notes: str = ""
    place: str = ""
    content: str = ""
    departments: str = ""
    people: str = ""


@dataclass(frozen=True)
class Before:
    """A record as it stood, until when, by whom it was replaced, and why."""

    row: DrillRecordBefore
    facts: dict[str, Any]
    reason: str


def suggested(session: Session, *, actor: Actor, occurrence_id: int) -> RecordFacts:
    """The record as the day tells it: clock, heads, evacuation, groups; the planner looks at it and saves."""
    occurrence = day_msel.occurrence_of(session, actor=actor, occurrence_id=occurrence_id)
    day = day_msel.day_of(session, occurrence.id)
    heads = day_attendance.attendance(session, occurrence.id)
    watch = day_attendance.stopwatch(session, occurrence, day)
    started = day.began_at if day is not None and day.began_at is not None else occurrence.starts_at
    ended = day.ended_at if day is not None and day.ended_at is not None else occurrence.ends_at
    facts = RecordFacts(
        started, max(ended, started), heads.present, heads.expected if heads.rows else None, watch.whole,
        departments="、".join(row.heads.name for row in heads.rows)[:500],
    )  # fmt: skip
    return _complete(session, occurrence, facts)


def _complete(session: Session, occurrence: Occurrence, facts: RecordFacts) -> RecordFacts:
    programme = session.get_one(Programme, occurrence.programme_id)
    owner = (
        session.scalar(sa.select(Unit.name).where(Unit.id == occurrence.unit_id))
        if occurrence.unit_id is not None
        else session.scalar(sa.select(Division.name).where(Division.code == occurrence.division_code))
    ) or ""
    return replace(
        facts,
        place=(facts.place.strip() or programme.place or owner)[:100],
        content=facts.content.strip() or f"{occurrence.title}（{programme.kind.zh}，{programme.form.zh}）",
        departments=facts.departments.strip() or owner,
    )


def record(session: Session, *, actor: Actor, occurrence_id: int, facts: RecordFacts) -> Record:
    """Write down that it was held; it is then evidence for the rules. One record a drill."""
    actor.require(Permission.DRILLS_CONFIRM)
    occurrence = get_occurrence_for_change(session, actor=actor, occurrence_id=occurrence_id)
    if session.scalar(sa.select(Record.id).where(Record.occurrence_id == occurrence.id)) is not None:
        raise Conflict(N_("This drill has its record already."), code="duplicate")
    _check(session, facts)
    whole = _complete(session, occurrence, facts)
    made = Record(id=new_id(), occurrence_id=occurrence.id, recorded_by=str(actor), recorded_at=now(session), version=1)
    _write(session, made, whole)
    session.add(made)
    session.flush()
    transition(
        session, occurrence, OccurrenceState.HELD, allowed=rules.OCCURRENCE_TRANSITIONS, actor=actor,
        values={"done_at": now(session)},
    )  # fmt: skip
    asking.close(session, (SUBJECT, occurrence.id), actor=actor)
    learning.recorded(session, occurrence, made)
    _told(session, occurrence)
    return made


def _told(session: Session, occurrence: Occurrence) -> None:
    touch(session, SUBJECT, occurrence.id)
    if occurrence.unit_id is not None:
        touch(session, "unit", occurrence.unit_id)


def _write(session: Session, row: Record, facts: RecordFacts) -> None:
    store = vault.of(session)
    row.started_at, row.ended_at = facts.started_at, facts.ended_at
    row.attendance, row.expected, row.evacuation_seconds = facts.attendance, facts.expected, facts.evacuation_seconds
    row.place, row.content, row.departments = facts.place, facts.content, facts.departments
    notes, people = facts.notes.strip(), facts.people.strip()
    row.notes_sealed = store.seal(TABLE, "notes", row.id, notes) if notes else None
    row.people_sealed = store.seal(TABLE, "people", row.id, people) if people else None


def _check(session: Session, facts: RecordFacts) -> None:
    fields: dict[str, str] = {}
    if facts.ended_at <= facts.started_at:
        fields["ended_at"] = N_("It ended before it began.")
    elif facts.ended_at > now(session):
        fields["ended_at"] = N_("This lies in the future.")
    if facts.attendance < 1:
        fields["attendance"] = N_("Nobody took part: then it was not held, and serves no rule.")
    if facts.expected is not None and facts.expected < 0:
        fields["expected"] = N_("This is not a whole number.")
    if facts.evacuation_seconds is not None and facts.evacuation_seconds <= 0:
        fields["evacuation_seconds"] = N_("This is not a whole number.")
    if fields:
        raise Invalid(N_("The record does not fit together; look at the fields."), code="bad_record", fields=fields)


def notes_of(session: Session, made: Record) -> str:
    """The notes of a record, opened."""
    return vault.of(session).open(TABLE, "notes", made.id, made.notes_sealed) if made.notes_sealed else ""


def people_of(session: Session, made: Record) -> str:
    """Who took part, in words, opened."""
    return vault.of(session).open(TABLE, "people", made.id, made.people_sealed) if made.people_sealed else ""


SEALED = "•"
"""What stands for words that the reader does not open."""


def words_of(session: Session, *, actor: Actor, row: Record) -> tuple[str, str]:
    """Notes and people of a record for who works on drills, and that is journalled, for they may name somebody.

    Everybody else is told only whether there are any (`SEALED`).
    """
    if not row.notes_sealed and not row.people_sealed:
        return "", ""
    if not actor.can(Permission.DRILLS_CONFIRM):
        return SEALED if row.notes_sealed else "", SEALED if row.people_sealed else ""
    journal.record(
        session, WORDS_SEEN, actor=actor, subject=(Occurrence.__tablename__, row.occurrence_id), purpose=Purpose.DRILL,
        count=1,
    )  # fmt: skip
    return notes_of(session, row), people_of(session, row)


def standing(session: Session, occurrence_id: int) -> Record | None:
    """The record as it stands."""
    return session.scalar(sa.select(Record).where(Record.occurrence_id == occurrence_id))


def facts_of(session: Session, row: Record) -> RecordFacts:
    """A record's facts, opened."""
    return RecordFacts(
        row.started_at, row.ended_at, row.attendance, row.expected, row.evacuation_seconds, notes_of(session, row),
        row.place, row.content, row.departments, people_of(session, row),
    )  # fmt: skip


def correct(
    session: Session, *, actor: Actor, occurrence_id: int, version: int, facts: RecordFacts, reason: str
) -> Record:
    """Correct the record; what it said before is kept with the reason, sealed, and can be read."""
    actor.require(Permission.DRILLS_CONFIRM)
    occurrence = get_occurrence_for_change(session, actor=actor, occurrence_id=occurrence_id)
    row = session.scalar(
        sa.select(Record)
        .where(Record.occurrence_id == occurrence.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if row is None:
        raise NotFound(N_("This drill has no record yet."))
    if row.version != version:
        raise Conflict(N_("Somebody else changed this first. Reload it, look at it again, then decide."))
    if not reason.strip():
        raise Invalid(N_("Say why it is corrected."), code="reason_required", fields={"reason": EMPTY})
    _check(session, facts)
    old = facts_of(session, row)
    whole = _complete(session, occurrence, facts)
    if old == whole:
        raise Invalid(N_("Nothing was changed."), code="unchanged")
    store, before_id = vault.of(session), new_id()
    session.add(
        DrillRecordBefore(
            id=before_id, record_id=row.id, version=row.version,
            facts_sealed=store.seal(BEFORE, "facts", before_id, json.dumps(asdict(old), default=_plain)),
            replaced_at=now(session), replaced_by=str(actor),
            reason_sealed=store.seal(BEFORE, "reason", before_id, reason.strip()[:500]),
        )
    )  # fmt: skip
    _write(session, row, whole)
    row.version += 1
    session.flush()
    learning.corrected(session, occurrence)
    _told(session, occurrence)
    return row


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def history(session: Session, row: Record) -> Sequence[Before]:
    """What the record said before, the latest first."""
    store, found = vault.of(session), []
    for old in session.scalars(
        sa.select(DrillRecordBefore)
        .where(DrillRecordBefore.record_id == row.id)
        .order_by(DrillRecordBefore.version.desc())
        .limit(50)
    ):
        facts = json.loads(store.open(BEFORE, "facts", old.id, old.facts_sealed))
        for key in ("started_at", "ended_at"):
            facts[key] = datetime.fromisoformat(facts[key])
        found.append(Before(old, facts, store.open(BEFORE, "reason", old.id, old.reason_sealed)))
    return found
