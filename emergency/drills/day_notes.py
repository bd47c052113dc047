"""Notes with the times at which things were seen, from people who had no network; and the whole day in order."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.drills import day_attendance, day_holding, day_msel, day_rules
from emergency.drills.day_models import (
    DayState,
    DrillCheckin,
    DrillDay,
    DrillInject,
    DrillNote,
    InjectState,
)
from emergency.drills.models import Occurrence, OccurrenceState
from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.privacy import journal, vault
from emergency.privacy.journal import Purpose
from emergency.privacy.vault import mask_name
from kernel.clock import BEIJING
from kernel.db import now
from kernel.errors import N_, Conflict, Invalid, NotFound
from kernel.ids import new_id
from kernel.states import StateChange
from kernel.types import LabelledEnum

TABLE = DrillNote.__tablename__
MAX_NOTES = 1000
NOTES_SEEN = journal.kind("drill.notes_seen", "查看演练记事", "Notes of a drill seen", "count", personal=True)
WHO_SEEN = journal.kind("drill.note_writer_seen", "查看记事人", "Who wrote a drill's note seen", personal=True)


class EntryKind(LabelledEnum):
    """What a line of the day tells."""

    CLOCK = "clock", "进程", "The drill"
    INJECT = "inject", "情景", "Inject", "drill"
    ACTION = "action", "处置", "Action", "done"
    HEADS = "heads", "点名", "Heads"
    OUT = "out", "撤离", "Evacuation"
    NOTE = "note", "记事", "Note", "wait"


@dataclass(frozen=True)
class Entry:
    """One line of the day, by its original time."""

    at: datetime
    kind: EntryKind
    words: str
    params: dict[str, object] = field(default_factory=dict)
    free: str = ""
    """Free text, shown as it is."""
    recorded_at: datetime | None = None
    clock_off: bool = False
    note_id: int | None = None
    who: str = ""

    @property
    def late(self) -> bool:
        """Entered so long after it was seen that the reader should know."""
        return self.recorded_at is not None and day_rules.written_late(self.at, self.recorded_at)


def add(session: Session, *, actor: Actor, occurrence_id: int, at: datetime, text: str, who: str = "") -> DrillNote:
    """One note with its original time. The same drill, time and text once more is the same note."""
    occurrence = _open(session, actor, occurrence_id)
    if at > now(session):
        raise Invalid(
            N_("This time has not come yet."), code="in_the_future", fields={"at": N_("This time has not come yet.")}
        )
    clean = text.strip()[: day_rules.MAX_TEXT]
    if not clean:
        raise Invalid(N_("Write what was seen."), code="incomplete", fields={"text": N_("Fill this in.")})
    return _keep(session, actor, occurrence, at, clean, who)


def _open(session: Session, actor: Actor, occurrence_id: int) -> Occurrence:
    actor.require(Permission.DRILLS_CONFIRM)
    occurrence = day_msel.occurrence_of(session, actor=actor, occurrence_id=occurrence_id)
    if occurrence.state is OccurrenceState.CANCELLED:
        raise Conflict(N_("This drill was called off."), code="wrong_state")
    held = session.scalar(sa.select(sa.func.count()).where(DrillNote.occurrence_id == occurrence.id))
    if (held or 0) >= MAX_NOTES:
        raise Conflict(N_("The drill has as many notes as it can hold."), code="too_many")
    return occurrence


def _keep(session: Session, actor: Actor, occurrence: Occurrence, at: datetime, text: str, who: str) -> DrillNote:
    store, note_id = vault.of(session), new_id()
    hashed = hashlib.sha256(f"{occurrence.id}\n{at.astimezone(BEIJING).isoformat()}\n{text}".encode()).hexdigest()
    digest = store.digest(TABLE, hashed)
    known = session.scalar(
        sa.select(DrillNote).where(DrillNote.occurrence_id == occurrence.id, DrillNote.digest == digest)
    )
    if known is not None:
        return known
    clean = who.strip()[:40]
    note = DrillNote(
        id=note_id, occurrence_id=occurrence.id, at=at, recorded_at=now(session), recorded_by=str(actor),
        who_sealed=store.seal(TABLE, "who", note_id, clean) if clean else None,
        text_sealed=store.seal(TABLE, "text", note_id, text), digest=digest,
    )  # fmt: skip
    session.add(note)
    session.flush()
    return note


def paste(
    session: Session, *, actor: Actor, occurrence_id: int, pasted: str, who: str = "", keep: bool = True
) -> list[day_rules.Line]:
    """Many lines like `09:32 三号楼疏散完毕`. Says of each what was understood; keeps those that were."""
    occurrence = _open(session, actor, occurrence_id)
    lines = day_rules.read_lines(
        pasted, day=occurrence.starts_at.astimezone(BEIJING).date(), starts_at=occurrence.starts_at,
        ends_at=occurrence.ends_at, now=now(session),
    )  # fmt: skip
    if keep:
        for line in lines:
            if line.at is not None and not line.fault:
                _keep(session, actor, occurrence, line.at, line.text, who)
    return lines


def occurrence_of_note(session: Session, *, actor: Actor, note_id: int) -> int:
    """The drill of a note in the actor's area."""
    note = session.get(DrillNote, note_id)
    if note is None:
        raise NotFound(N_("There is no such note in your area."))
    return day_msel.occurrence_of(session, actor=actor, occurrence_id=note.occurrence_id).id


def who_wrote(session: Session, *, actor: Actor, note_id: int, purpose: Purpose) -> str:
    """The name that stands with a note; journalled with the purpose."""
    actor.require(Permission.PERSONAL_REVEAL)
    note = session.get(DrillNote, note_id)
    if note is None:
        raise NotFound(N_("There is no such note in your area."))
    day_msel.occurrence_of(session, actor=actor, occurrence_id=note.occurrence_id)
    if note.who_sealed is None:
        return ""
    journal.record(session, WHO_SEEN, actor=actor, subject=(TABLE, note.id), purpose=purpose)
    return vault.of(session).open(TABLE, "who", note.id, note.who_sealed)


# --- the day in order ---------------------------------------------------------------------------------------------

_STATES = {
    DayState.RUNNING: N_("The drill runs"),
    DayState.PAUSED: N_("The drill pauses"),
    DayState.ENDED: N_("The drill has ended"),
}
_LEFT = {
    InjectState.SENT: N_("No. %(n)s sent by %(via)s"),
    InjectState.DELIVERED: N_("No. %(n)s delivered by hand (%(via)s)"),
    InjectState.WAITING: N_("No. %(n)s waits to be delivered by hand (%(via)s)"),
    InjectState.MISSED: N_("No. %(n)s missed its time"),
    InjectState.FAILED: N_("No. %(n)s could not be sent"),
    InjectState.SKIPPED: N_("No. %(n)s left out"),
}


def timeline(session: Session, *, actor: Actor, occurrence_id: int, language: str = "zh") -> list[Entry]:
    """Injects, actions, heads, evacuation and notes in the order in which they happened, not in which they were typed.

    Notes may name people: they are opened for who works on drills, and that is journalled.
    """
    occurrence = day_msel.occurrence_of(session, actor=actor, occurrence_id=occurrence_id)
    day = day_msel.day_of(session, occurrence.id)
    found = [
        *(_of_clock(session, day) if day is not None else ()),
        *_of_holds(session, occurrence, language),
        *_of_injects(session, occurrence, actor, language),
        *_of_heads(session, occurrence, day),
    ]
    if actor.can(Permission.DRILLS_CONFIRM):
        found += _of_notes(session, occurrence, actor)
    return sorted(found, key=lambda entry: (entry.at, entry.kind.value))


def _of_clock(session: Session, day: DrillDay) -> list[Entry]:
    changes = session.scalars(
        sa.select(StateChange)
        .where(StateChange.kind == DrillDay.__tablename__, StateChange.subject_id == day.id)
        .order_by(StateChange.id)
        .limit(200)
    )
    return [Entry(change.at, EntryKind.CLOCK, _STATES[DayState(change.to_state)]) for change in changes]


def _of_holds(session: Session, occurrence: Occurrence, language: str) -> list[Entry]:
    found = []
    for row in day_holding.holds(session, occurrence.id):
        what: dict[str, object] = {"what": row.source.label(language)}
        if row.released_at != row.at:
            found.append(Entry(row.at, EntryKind.CLOCK, N_("Held, it gives way: %(what)s"), what, row.words))
        if row.released_at is not None:
            said = N_("Goes on beside it by decision, or ended: %(what)s")
            found.append(Entry(row.released_at, EntryKind.CLOCK, said, what, row.words))
    return found


def _of_injects(session: Session, occurrence: Occurrence, actor: Actor, language: str) -> list[Entry]:
    store, found = vault.of(session), []
    injects = session.scalars(
        sa.select(DrillInject)
        .where(DrillInject.occurrence_id == occurrence.id, DrillInject.done_at.is_not(None))
        .limit(day_rules.MAX_INJECTS)
    )
    for inject in injects:
        params = {"n": inject.number, "via": inject.via.label(language)}
        if inject.done_at is not None and inject.state in _LEFT:
            words = inject.message if inject.state in day_rules.LEFT else ""
            found.append(Entry(inject.done_at, EntryKind.INJECT, _LEFT[inject.state], params, words))
        if inject.observed is not None and inject.observed_at is not None:
            said = ""
            if inject.observation_sealed is not None and actor.can(Permission.DRILLS_CONFIRM):
                said = store.open("drill_inject", "observation", inject.id, inject.observation_sealed)
            found.append(
                Entry(
                    inject.observed_at, EntryKind.ACTION, N_("No. %(n)s: %(seen)s"),
                    {"n": inject.number, "seen": inject.observed.label(language)}, "；".join(
                        part for part in (inject.expected, said) if part
                    ),
                )
            )  # fmt: skip
    return found


def _of_heads(session: Session, occurrence: Occurrence, day: DrillDay | None) -> list[Entry]:
    found = []
    for group in day_attendance.groups(session, occurrence.id):
        if group.counted_at is not None:
            found.append(
                Entry(
                    group.counted_at, EntryKind.HEADS, N_("%(group)s: %(n)s of %(m)s counted"),
                    {"group": group.name, "n": group.counted, "m": group.expected},
                )
            )  # fmt: skip
        if group.out_at is not None:
            found.append(Entry(group.out_at, EntryKind.OUT, N_("%(group)s: everybody is out"), {"group": group.name}))
    if day is not None and day.signal_at is not None:
        found.append(Entry(day.signal_at, EntryKind.OUT, N_("The signal to leave")))
    checkins = session.execute(
        sa.select(sa.func.min(DrillCheckin.at), sa.func.max(DrillCheckin.at), sa.func.sum(DrillCheckin.people)).where(
            DrillCheckin.occurrence_id == occurrence.id
        )
    ).one()
    if checkins[0] is not None:
        found.append(Entry(checkins[0], EntryKind.HEADS, N_("The first check-in by QR code")))
        found.append(
            Entry(checkins[1], EntryKind.HEADS, N_("Check-ins by QR code so far: %(n)s people"), {"n": checkins[2]})
        )
    return found


def _of_notes(session: Session, occurrence: Occurrence, actor: Actor) -> list[Entry]:
    rows: Sequence[DrillNote] = session.scalars(
        sa.select(DrillNote).where(DrillNote.occurrence_id == occurrence.id).order_by(DrillNote.at).limit(MAX_NOTES)
    ).all()
    if rows:
        journal.record(
            session, NOTES_SEEN, actor=actor, subject=(Occurrence.__tablename__, occurrence.id),
            purpose=Purpose.DRILL, count=len(rows),
        )  # fmt: skip
    store = vault.of(session)
    return [
        Entry(
            row.at, EntryKind.NOTE, "", free=store.open(TABLE, "text", row.id, row.text_sealed),
            recorded_at=row.recorded_at, note_id=row.id,
            clock_off=day_rules.clock_off(row.at, occurrence.starts_at, occurrence.ends_at),
            who=mask_name(store.open(TABLE, "who", row.id, row.who_sealed)) if row.who_sealed else "",
        )
        for row in rows
    ]  # fmt: skip
