"""Who is expected, who was counted, who said so at the door; when each group was out of the building."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.drills import day_msel, day_rules, rules
from emergency.drills.day_models import DrillCheckin, DrillDay, DrillGroup
from emergency.drills.day_rules import Heads
from emergency.drills.models import Occurrence, OccurrenceState, Programme
from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.privacy import journal, vault
from emergency.privacy.journal import Purpose
from kernel.db import now
from kernel.errors import N_, Conflict, Invalid, NotFound
from kernel.ids import new_id

_DOOR, _DEVICE = "drill-door", "drill-device"
MAX_GROUPS, MAX_CHECKINS, MAX_PEOPLE = 100, 5000, 500
MAX_HEADS = 100_000
NAMES_SEEN = journal.kind(
    "drill.names_seen", "查看演练签到姓名", "Names at a drill's door seen", "count", "division", personal=True
)


@dataclass(frozen=True)
class Counted:
    """One group with what was said at the door for it."""

    group: DrillGroup
    heads: Heads
    devices: int


@dataclass(frozen=True)
class Attendance:
    """The list, the sums, who is missing altogether, and what was said by people of no listed group."""

    rows: list[Counted]
    expected: int
    present: int
    elsewhere: int
    missing: list[Heads]
    devices: int


def groups(session: Session, occurrence_id: int) -> Sequence[DrillGroup]:
    """The expected groups in their order."""
    return session.scalars(
        sa.select(DrillGroup)
        .where(DrillGroup.occurrence_id == occurrence_id)
        .order_by(DrillGroup.position, DrillGroup.id)
        .limit(MAX_GROUPS)
    ).all()


def attendance(session: Session, occurrence_id: int) -> Attendance:
    """Heads against the list, in two queries whatever its length."""
    said: dict[int | None, tuple[int, int]] = {
        group_id: (int(people), int(devices))
        for group_id, people, devices in session.execute(
            sa.select(DrillCheckin.group_id, sa.func.sum(DrillCheckin.people), sa.func.count())
            .where(DrillCheckin.occurrence_id == occurrence_id)
            .group_by(DrillCheckin.group_id)
        )
    }
    rows = []
    for group in groups(session, occurrence_id):
        people, devices = said.get(group.id, (0, 0))
        rows.append(Counted(group, Heads(group.name, group.expected, group.counted, people), devices))
    elsewhere = said.get(None, (0, 0))[0]
    return Attendance(
        rows, sum(row.heads.expected for row in rows), sum(row.heads.present for row in rows) + elsewhere, elsewhere,
        day_rules.missing_groups([row.heads for row in rows]), sum(devices for _people, devices in said.values()),
    )  # fmt: skip


def _worked(session: Session, actor: Actor, occurrence_id: int) -> tuple[Occurrence, DrillDay]:
    """The drill that the actor works on; one that was called off takes nothing."""
    actor.require(Permission.DRILLS_CONFIRM)
    occurrence = day_msel.occurrence_of(session, actor=actor, occurrence_id=occurrence_id)
    if occurrence.state is OccurrenceState.CANCELLED:
        raise Conflict(N_("This drill was called off."), code="wrong_state")
    return occurrence, day_msel.ensure_day(session, occurrence)


def _group(session: Session, actor: Actor, group_id: int) -> tuple[DrillGroup, Occurrence, DrillDay]:
    group = session.get(DrillGroup, group_id)
    if group is None:
        raise NotFound(N_("There is no such group in your area."))
    occurrence, day = _worked(session, actor, group.occurrence_id)
    return group, occurrence, day


def add_groups(session: Session, *, actor: Actor, occurrence_id: int, lines: str) -> tuple[int, list[tuple[int, str]]]:
    """Groups from lines like `三号楼 42`. Returns how many were new or changed, and the lines that say no number."""
    occurrence, _day = _worked(session, actor, occurrence_id)
    known = {group.name: group for group in groups(session, occurrence.id)}
    faults: list[tuple[int, str]] = []
    taken = 0
    for number, raw in enumerate(lines.splitlines(), start=1):
        words = raw.replace("\u3000", " ").replace("，", " ").replace(",", " ").replace("人", "").split()
        if not words:
            continue
        name = " ".join(words[:-1])[:100]
        # A line of five thousand digits is no number to be read, only a line to be refused.
        if len(words) < 2 or not words[-1].isdecimal() or len(words[-1]) > 9 or int(words[-1]) > MAX_HEADS:
            faults.append((number, raw.strip()[:60]))
            continue
        group = known.get(name)
        if group is None:
            if len(known) >= MAX_GROUPS:
                raise Invalid(N_("Too many groups; put some together."), code="too_many")
            group = DrillGroup(
                id=new_id(), occurrence_id=occurrence.id, position=len(known) + 1, name=name, expected=0, version=1
            )
            session.add(group)
            known[name] = group
        if group.expected != int(words[-1]):
            group.version = (group.version or 0) + 1
        group.expected = int(words[-1])
        taken += 1
    session.flush()
    return taken, faults


def remove_group(session: Session, *, actor: Actor, group_id: int) -> int:
    """Take a group off the list; one that was counted or has check-ins stays. Returns the drill's id."""
    group, occurrence, _day = _group(session, actor, group_id)
    checked = session.scalar(sa.select(DrillCheckin.id).where(DrillCheckin.group_id == group.id).limit(1))
    if checked is not None or group.counted is not None or group.out_at is not None:
        raise Conflict(N_("Somebody of this group was seen already; it stays on the list."), code="in_use")
    session.delete(group)
    session.flush()
    return occurrence.id


def count(session: Session, *, actor: Actor, group_id: int, people: int | None) -> DrillGroup:
    """A count by hand of one group; it stands before what was said at the door. None takes it back."""
    group, _occurrence, _day = _group(session, actor, group_id)
    if people is not None and not 0 <= people <= MAX_HEADS:
        raise Invalid(N_("This is not a whole number."), code="bad_count")
    group.counted = people
    group.counted_at = now(session) if people is not None else None
    group.counted_by = str(actor) if people is not None else None
    group.version += 1
    session.flush()
    return group


# --- the door: a QR code that takes check-ins ---------------------------------------------------------------------


def _token(session: Session, day: DrillDay) -> str:
    return vault.of(session).sign(_DOOR, f"{day.id}:{day.door_serial}")


def open_door(session: Session, *, actor: Actor, occurrence_id: int) -> str:
    """Make the address that takes check-ins; one made before is no longer good."""
    _occurrence, day = _worked(session, actor, occurrence_id)
    day.door_serial += 1
    token = _token(session, day)
    day.door_digest = vault.of(session).digest(_DOOR, token)
    day.version += 1
    session.flush()
    return token


def shut_door(session: Session, *, actor: Actor, occurrence_id: int) -> None:
    """The address takes nothing any more."""
    _occurrence, day = _worked(session, actor, occurrence_id)
    day.door_digest = None
    day.version += 1
    session.flush()


def door_token(session: Session, day: DrillDay | None) -> str | None:
    """The token for the QR code on the director's page; it is made again from the key, never kept."""
    if day is None or day.door_digest is None:
        return None
    token = _token(session, day)
    return token if vault.of(session).digest(_DOOR, token) == day.door_digest else None


@dataclass(frozen=True)
class Door:
    """What stands behind a token: the drill, and whether the door is open now."""

    occurrence: Occurrence
    place: str
    is_open: bool
    too_early: bool
    groups: Sequence[DrillGroup]


def by_token(session: Session, token: str) -> Door | None:
    """The drill of a token; None for a token that nobody made or that was taken back."""
    digest = vault.of(session).digest(_DOOR, token)
    day = session.scalar(sa.select(DrillDay).where(DrillDay.door_digest == digest))
    if day is None:
        return None
    occurrence = session.get_one(Occurrence, day.occurrence_id)
    programme = session.get_one(Programme, occurrence.programme_id)
    moment = now(session)
    early = moment < occurrence.starts_at - day_rules.EARLIEST
    late = moment > max(occurrence.ends_at, day.ended_at or occurrence.ends_at) + day_rules.LATEST
    takes = occurrence.state in (*rules.COMING, OccurrenceState.HELD, OccurrenceState.MISSED)
    return Door(occurrence, programme.place, takes and not early and not late, early, groups(session, occurrence.id))


def device_digest(session: Session, occurrence_id: int, device: str) -> bytes:
    """A device is recognised at one drill only: its digest at another is another."""
    hashed = hashlib.sha256(device.encode()).hexdigest()
    return vault.of(session).digest(_DEVICE, f"{occurrence_id}:{hashed}")


def said_before(session: Session, occurrence_id: int, device: str) -> DrillCheckin | None:
    """What this device said at this drill."""
    return session.scalar(
        sa.select(DrillCheckin).where(
            DrillCheckin.occurrence_id == occurrence_id,
            DrillCheckin.device_digest == device_digest(session, occurrence_id, device),
        )
    )


def check_in(
    session: Session, *, door: Door, device: str, group_id: int | None, people: int, name: str = ""
) -> DrillCheckin:
    """One device says how many came with it. Said twice it is counted once: the latest stands."""
    if not door.is_open:
        raise Conflict(N_("The check-in is closed."), code="closed")
    if group_id is not None and group_id not in {group.id for group in door.groups}:
        raise Invalid(N_("Choose where you come from."), code="bad_group")
    if not 1 <= people <= MAX_PEOPLE:
        raise Invalid(N_("Write how many people, 1 to 500."), code="bad_people")
    moment = now(session)
    found = said_before(session, door.occurrence.id, device)
    store = vault.of(session)
    if found is None:
        total = session.scalar(sa.select(sa.func.count()).where(DrillCheckin.occurrence_id == door.occurrence.id))
        if (total or 0) >= MAX_CHECKINS:
            raise Conflict(N_("The check-in is closed."), code="closed")
        found = DrillCheckin(
            id=new_id(), occurrence_id=door.occurrence.id,
            device_digest=device_digest(session, door.occurrence.id, device), at=moment,
        )  # fmt: skip
        session.add(found)
    else:
        found.changed_at = moment
    found.group_id, found.people = group_id, people
    clean = name.strip()[:40]
    if clean:
        found.name_sealed = store.seal(DrillCheckin.__tablename__, "name", found.id, clean)
    session.flush()
    return found


def names(session: Session, *, actor: Actor, occurrence_id: int, purpose: Purpose) -> list[tuple[str, str, datetime]]:
    """Names that people left at the door: group, name, when. Needs the right to see personal data; journalled."""
    actor.require(Permission.PERSONAL_REVEAL)
    occurrence = day_msel.occurrence_of(session, actor=actor, occurrence_id=occurrence_id)
    listed = {group.id: group.name for group in groups(session, occurrence.id)}
    store = vault.of(session)
    found = session.scalars(
        sa.select(DrillCheckin)
        .where(DrillCheckin.occurrence_id == occurrence.id, DrillCheckin.name_sealed.is_not(None))
        .order_by(DrillCheckin.at, DrillCheckin.id)
        .limit(500)
    ).all()
    journal.record(
        session, NAMES_SEEN, actor=actor, subject=(Occurrence.__tablename__, occurrence.id), purpose=purpose,
        count=len(found), division=occurrence.division_code,
    )  # fmt: skip
    return [
        (
            listed.get(row.group_id or 0, ""),
            store.open(DrillCheckin.__tablename__, "name", row.id, row.name_sealed or b""),
            row.at,
        )
        for row in found
    ]


# --- evacuation ---------------------------------------------------------------------------------------------------


def give_signal(session: Session, *, actor: Actor, occurrence_id: int) -> DrillDay:
    """The signal to leave sounds now; the stopwatch runs."""
    _occurrence, day = _worked(session, actor, occurrence_id)
    if day.signal_at is not None:
        raise Conflict(N_("The stopwatch runs already. Set it back first."), code="wrong_state")
    day.signal_at, day.signal_typed = now(session), False
    day.version += 1
    session.flush()
    return day


def everybody_out(session: Session, *, actor: Actor, group_id: int) -> DrillGroup:
    """All of one group are out, now. A second press changes nothing."""
    group, _occurrence, day = _group(session, actor, group_id)
    if day.signal_at is None:
        raise Conflict(N_("The signal has not been given yet."), code="wrong_state")
    if group.out_at is None:
        group.out_at, group.out_by = now(session), str(actor)
        group.version += 1
        session.flush()
    return group


def type_times(
    session: Session, *, actor: Actor, occurrence_id: int, signal_at: datetime, seconds: dict[int, int]
) -> DrillDay:
    """The times of the evacuation, typed in later from a paper: when the signal was given, seconds by group."""
    occurrence, day = _worked(session, actor, occurrence_id)
    moment = now(session)
    latest = max(seconds.values(), default=0)
    if signal_at > moment or signal_at + timedelta(seconds=latest) > moment:
        raise Invalid(
            N_("This time has not come yet."), code="in_the_future",
            fields={"signal_at": N_("This time has not come yet.")},
        )  # fmt: skip
    if day_rules.clock_off(signal_at, occurrence.starts_at, occurrence.ends_at):
        raise Invalid(
            N_("Far from the drill: was the clock off?"), code="clock_off",
            fields={"signal_at": N_("Far from the drill: was the clock off?")},
        )  # fmt: skip
    day.signal_at, day.signal_typed = signal_at, True
    day.version += 1
    for group in groups(session, occurrence.id):
        if group.id in seconds:
            group.out_at, group.out_by = signal_at + timedelta(seconds=seconds[group.id]), str(actor)
            group.version += 1
    session.flush()
    return day


def reset_stopwatch(session: Session, *, actor: Actor, occurrence_id: int) -> None:
    """Back to nothing: a false start. Only until the record is written."""
    occurrence, day = _worked(session, actor, occurrence_id)
    if occurrence.state is OccurrenceState.HELD:
        raise Conflict(N_("The record is written; correct it there."), code="wrong_state")
    day.signal_at, day.signal_typed = None, False
    day.version += 1
    for group in groups(session, occurrence.id):
        group.out_at = group.out_by = None
    session.flush()


def stopwatch(session: Session, occurrence: Occurrence, day: DrillDay | None) -> day_rules.Evacuation:
    """Seconds by group and the whole against the programme's target."""
    target = session.get_one(Programme, occurrence.programme_id).target_seconds
    out = [(group.id, group.out_at) for group in groups(session, occurrence.id)]
    return day_rules.evacuation(day.signal_at if day is not None else None, out, target)
