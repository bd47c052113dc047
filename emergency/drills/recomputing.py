"""What happens to dates that rest on a guess once the year's holidays or the school's terms are announced.

A date that nobody was asked about moves by its rule. One that posts know of stays where it is and is reported, with
one click to move it: people arranged their day around it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.drills import confirming, rules
from emergency.drills.materialising import Calendars, horizon, local_moment, row_of, slots, times_of, today
from emergency.drills.models import Invitation, Occurrence, OccurrenceState, Programme
from emergency.drills.moving import TABLE, bring_back, change_states
from emergency.drills.planning import get_occurrence_for_change, reschedule
from emergency.http.actor import Actor
from kernel.clock import BEIJING
from kernel.db import now, touch_all
from kernel.errors import N_, Conflict
from scheduler.recurrence import OnBreak, OnHoliday, Planned, Recurrence

_DAY = timedelta(days=1)
GONE = "节假日或学期安排公布后，按本计划的规则不再安排这一次"
STUCK_MOST = 50_000
"""More than a city has: readiness takes for mended whatever a full look does not tell."""


def day_of(occurrence: Occurrence) -> date:
    """The day in Beijing."""
    return occurrence.starts_at.astimezone(BEIJING).date()


def recompute(session: Session, programmes: Sequence[Programme], calendars: Calendars, *, actor: Any) -> int:
    """Compute the coming dates of these programmes with the calendars as they are now; how many rows changed.

    Moves, adds and leaves out only dates in the future that nobody was asked about and nobody chose.
    """
    wanted = [p for p in programmes if _rests_on_a_calendar(p)]
    coming = _by_programme(session, [p.id for p in wanted])
    held = _slots_held(session, [p.id for p in wanted])
    resting = _withdrawn(session, [p.id for p in wanted])
    moment, first = now(session), today(session)
    changed: list[dict[str, Any]] = []
    added: list[dict[str, Any]] = []
    gone: list[Occurrence] = []
    promised: list[int] = []
    back: list[tuple[Occurrence, dict[str, Any]]] = []
    for programme in wanted:
        rule = Recurrence.from_json(programme.recurrence)
        # Nominal days lie up to the widest move before or after the day itself.
        dates = {p.nominal: p for p in slots(rule, programme.ends_on, first, horizon(first), calendars)}
        for occurrence in coming.get(programme.id, ()):
            planned = dates.get(occurrence.slot_on)
            if planned is None:
                if _free(occurrence) and day_of(occurrence) <= horizon(first):
                    gone.append(occurrence)
            elif (change := _change(programme, occurrence, planned, moment)) is not None:
                changed.append(change)
            elif planned.on != day_of(occurrence):
                promised.append(occurrence.id)
        for name, planned in dates.items():
            if name not in held.get(programme.id, ()) and local_moment(planned.on, programme.start_time) > moment:
                added.append(row_of(programme, planned))
            elif (row := resting.get((programme.id, name))) is not None:
                back.append((row, times_of(programme, planned)))
    if changed:
        session.execute(sa.update(Occurrence), changed)
        touch_all(session, TABLE, [change["id"] for change in changed])
    touch_all(session, TABLE, promised)  # so that readiness looks whether they now lie on a holiday
    if added:
        session.execute(sa.insert(Occurrence), added)
    change_states(
        session, gone, OccurrenceState.CANCELLED, actor=actor, reason=GONE,
        values={"withdrawn": True},
    )  # fmt: skip
    session.execute(
        sa.update(Programme).where(Programme.id.in_([p.id for p in programmes])).values(calendar_seen=calendars.digest)
    )
    ahead = [(row, times) for row, times in back if times["starts_at"] > moment]
    return len(changed) + len(added) + len(gone) + bring_back(session, ahead, actor=actor)


def _rests_on_a_calendar(programme: Programme) -> bool:
    rule = Recurrence.from_json(programme.recurrence)
    return rule.needs_calendar or rule.needs_terms


def _free(occurrence: Occurrence) -> bool:
    return occurrence.state is OccurrenceState.PLANNED and not occurrence.pinned


def _change(programme: Programme, occurrence: Occurrence, planned: Planned, moment: datetime) -> dict[str, Any] | None:
    """The row's new columns; None where nothing changes or nothing may."""
    times = times_of(programme, planned)
    # A date that is no longer provisional is another status in the calendars, hence another revision.
    stamp = {
        "id": occurrence.id, "sequence": occurrence.sequence + 1, "version": occurrence.version + 1,
        "changed_at": moment,
    }  # fmt: skip
    if planned.on == day_of(occurrence):
        if occurrence.provisional == planned.provisional:
            return None
        return stamp | {"provisional": planned.provisional}
    if not _free(occurrence) or times["starts_at"] <= moment:
        return None
    return stamp | times


def _by_programme(session: Session, ids: Sequence[int]) -> dict[int, list[Occurrence]]:
    found: dict[int, list[Occurrence]] = {}
    for start in range(0, len(ids), 500):
        for occurrence in session.scalars(
            sa.select(Occurrence)
            .where(
                Occurrence.programme_id.in_(ids[start : start + 500]),
                Occurrence.state.in_(rules.COMING),
                Occurrence.starts_at > now(session),
            )
            .with_for_update()
        ):
            found.setdefault(occurrence.programme_id, []).append(occurrence)
    return found


def _slots_held(session: Session, ids: Sequence[int]) -> dict[int, set[date]]:
    found: dict[int, set[date]] = {}
    for start in range(0, len(ids), 500):
        for programme_id, slot_on in session.execute(
            sa.select(Occurrence.programme_id, Occurrence.slot_on).where(
                Occurrence.programme_id.in_(ids[start : start + 500])
            )
        ):
            found.setdefault(programme_id, set()).add(slot_on)
    return found


def _withdrawn(session: Session, ids: Sequence[int]) -> dict[tuple[int, date], Occurrence]:
    """Dates that a change of the calendar (or of the programme) had called off, by programme and slot."""
    found: dict[tuple[int, date], Occurrence] = {}
    for start in range(0, len(ids), 500):
        for row in session.scalars(
            sa.select(Occurrence).where(
                Occurrence.programme_id.in_(ids[start : start + 500]),
                Occurrence.state == OccurrenceState.CANCELLED,
                Occurrence.withdrawn,
            )
        ):
            found[row.programme_id, row.slot_on] = row
    return found


@dataclass(frozen=True)
class Stuck:
    """A drill that posts know of, on a day that its own rule avoids; `better` is where the rule would put it."""

    occurrence: Occurrence
    better: date | None
    holiday: str
    """The holiday's name; empty where it is a school break."""


def stuck(session: Session, ids: Collection[int] | None = None, calendars: Calendars | None = None) -> list[Stuck]:
    """Coming drills on a day off or in a school break, whose programme would have moved them had nobody been asked."""
    known = calendars or Calendars.load(session)
    first = today(session)
    spans = list(_days_off(known, first))
    if not spans:
        return []
    statement = sa.select(Occurrence, Programme).join(Programme, Programme.id == Occurrence.programme_id)
    statement = statement.where(
        Occurrence.state.in_(rules.COMING),
        Occurrence.pinned.is_(False),
        Occurrence.starts_at > now(session),
        sa.or_(*(
            sa.and_(Occurrence.starts_at >= local_moment(a, time(0)), Occurrence.starts_at < local_moment(b + _DAY, time(0)))
            for a, b in spans
        )),
    )  # fmt: skip
    if ids is not None:
        statement = statement.where(Occurrence.id.in_(ids))
    rows = session.execute(statement.order_by(Occurrence.starts_at, Occurrence.id).limit(STUCK_MOST)).all()
    return [found for occurrence, programme in rows if (found := _judged(occurrence, programme, known, first))]


def _judged(occurrence: Occurrence, programme: Programme, known: Calendars, first: date) -> Stuck | None:
    rule, day = Recurrence.from_json(programme.recurrence), day_of(occurrence)
    off = rule.on_holiday is not OnHoliday.KEEP and day in known.work.off
    away = rule.on_break is not OnBreak.KEEP and not known.terms.in_term(day) and known.terms.knows(day)
    if not off and not away:
        return None
    better = next(
        (p.on for p in slots(rule, programme.ends_on, first, horizon(first), known)
         if p.nominal == occurrence.slot_on and p.on > first), None,
    )  # fmt: skip
    return Stuck(occurrence, better if better != day else None, known.work.names.get(day, "") if off else "")


def _days_off(known: Calendars, first: date) -> Iterator[tuple[date, date]]:
    """Spans of days off and of announced school breaks within the horizon, merged where they touch."""
    last = horizon(first)
    days = sorted(day for day in known.work.off if first <= day <= last)
    breaks = [(a, b) for a, b in known.terms.breaks_between(first, last) if known.terms.knows(a)]
    yield from _merged([*((day, day) for day in days), *breaks])


def _merged(spans: Iterable[tuple[date, date]]) -> Iterator[tuple[date, date]]:
    start: date | None = None
    end = date.min
    for a, b in sorted(spans):
        if start is None or a > end + _DAY:
            if start is not None:
                yield start, end
            start, end = a, b
        else:
            end = max(end, b)
    if start is not None:
        yield start, end


def move_off(session: Session, *, actor: Actor, occurrence_id: int) -> Occurrence:
    """Move a drill off the day off to where its rule would put it; the posts that were asked are told."""
    occurrence = get_occurrence_for_change(session, actor=actor, occurrence_id=occurrence_id)
    found = stuck(session, [occurrence.id])
    if not found or found[0].better is None:
        raise Conflict(N_("The rule of its programme gives no better day. Choose one yourself."), code="no_better_day")
    before = occurrence.starts_at
    at = local_moment(found[0].better, before.astimezone(BEIJING).time())
    reschedule(session, actor=actor, occurrence_id=occurrence.id, version=occurrence.version, starts_at=at)
    if session.scalar(sa.select(Invitation.id).where(Invitation.occurrence_id == occurrence.id).limit(1)) is not None:
        confirming.tell_moved(session, actor=actor, occurrence=occurrence, before=before)
    return occurrence
