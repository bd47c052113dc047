"""The rows of a programme's dates, 13 months ahead; written in bulk, each slot once for ever."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

import sqlalchemy as sa
from dateutil.relativedelta import relativedelta
from sqlalchemy.orm import Session

from emergency.drills import rules, standings
from emergency.drills.models import Occurrence, OccurrenceState, Programme
from kernel.clock import BEIJING
from kernel.db import now
from kernel.errors import N_, Invalid
from kernel.ids import new_id
from scheduler.recurrence import Planned, Recurrence
from scheduler.recurrence_dates import MOVED_BY_BREAKS, MOVED_BY_HOLIDAYS
from scheduler.terms import TermCalendar
from scheduler.workdays import WorkCalendar

LOOK_BACK = MOVED_BY_BREAKS + MOVED_BY_HOLIDAYS
"""A date this far before the horizon may have been moved beyond it when the horizon was drawn."""
MOST_DATES = 120
"""Dates of one programme within 13 months: more than two a week is no drill but a habit."""


@dataclass(frozen=True)
class Calendars:
    """Holidays and school terms as imported, and a digest by which a change of either is noticed."""

    work: WorkCalendar
    terms: TermCalendar
    digest: str

    @classmethod
    def load(cls, session: Session) -> Calendars:
        """Read both; three statements."""
        return cls.of(WorkCalendar.load(session), TermCalendar.load(session))

    @classmethod
    def of(cls, work: WorkCalendar, terms: TermCalendar) -> Calendars:
        """These two."""
        facts = [sorted(work.years), sorted(work.off), sorted(work.work), terms.terms]
        return cls(work, terms, hashlib.sha256(repr(facts).encode()).hexdigest()[:16])


def local_moment(day: date, clock: time) -> datetime:
    """A date and a time of day in Beijing, as a moment."""
    return datetime.combine(day, clock, BEIJING)


def today(session: Session) -> date:
    """The present day in Beijing."""
    return now(session).astimezone(BEIJING).date()


def horizon(day: date) -> date:
    """How far ahead dates are rows."""
    return day + relativedelta(months=rules.AHEAD_MONTHS)


def last_day(rule: Recurrence, ends_on: date | None) -> date | None:
    """The day after which neither the programme nor its rule has dates."""
    return min((day for day in (rule.until, ends_on) if day is not None), default=None)


def slots(rule: Recurrence, ends_on: date | None, first: date, until: date, calendars: Calendars) -> list[Planned]:
    """The dates that a programme wants from `first` to `until`."""
    last = last_day(rule, ends_on)
    return rule.planned(first, min(until, last) if last else until, calendars.work, calendars.terms)


def check_yields(rule: Recurrence, ends_on: date | None, day: date, calendars: Calendars) -> list[Planned]:
    """The next five dates; refused with the reason where the rule yields none, or too many (422 `no_dates`,
    `too_many_dates`)."""
    last = last_day(rule, ends_on)
    if last is not None and last < rule.start:
        raise _refused("ends_on", N_("The end lies before the first date."), "ends_before_start")
    found = rule.upcoming(rule.start, 5, last=last, calendar=calendars.work, terms=calendars.terms)
    if not found:
        raise _why_nothing(rule, last, calendars)
    ahead = slots(rule, ends_on, max(rule.start, day), horizon(max(rule.start, day)), calendars)
    if len(ahead) > MOST_DATES:
        raise _refused("freq", N_("This gives more than 120 dates within 13 months. Choose a longer interval."),
                       "too_many_dates")  # fmt: skip
    return rule.upcoming(max(rule.start, day), 5, last=last, calendar=calendars.work, terms=calendars.terms)


def past_dates(rule: Recurrence, ends_on: date | None, day: date, calendars: Calendars) -> list[Planned]:
    """The dates that a rule gives before `day`; written only where somebody asks for it."""
    return slots(rule, ends_on, rule.start, day - timedelta(days=1), calendars) if rule.start < day else []


def check_past(
    rule: Recurrence, ends_on: date | None, day: date, calendars: Calendars, *, backdated: bool
) -> list[Planned]:
    """The dates before today; refused where there are no others and they are not asked for, or where they are too
    many to enter records for (422 `dates_in_the_past`, `too_many_dates`)."""
    past = past_dates(rule, ends_on, day, calendars)
    if backdated and len(past) > MOST_DATES:
        raise _refused("starts_on", N_("This gives more than 120 dates before today. Choose a later first date."),
                       "too_many_dates")  # fmt: skip
    last = last_day(rule, ends_on)
    if not backdated and last is not None and last < day:
        raise _refused("starts_on", N_("Every date lies before today. To enter the records of drills that were held,"
                                       " tick that past dates are written too."), "dates_in_the_past")  # fmt: skip
    return past


def _why_nothing(rule: Recurrence, last: date | None, calendars: Calendars) -> Invalid:
    bare = Recurrence.from_json({k: v for k, v in rule.to_json().items() if k not in ("on_holiday", "on_break")})
    unmoved = bare.upcoming(rule.start, 1, last=last, calendar=calendars.work, terms=calendars.terms)
    if unmoved:
        return _refused("on_holiday", N_("Every date of this rule falls on a day off or in a school holiday and is "
                                         "left out. Choose another policy or another day."), "no_dates")  # fmt: skip
    endless = Recurrence.from_json({k: v for k, v in bare.to_json().items() if k != "until"})
    later = endless.upcoming(rule.start, 1, calendar=calendars.work, terms=calendars.terms)
    if not later or last is None:
        return _refused("starts_on", N_("This rule has no date at all."), "no_dates")
    text = N_("This rule has no date before its end: the first would be %(day)s, after %(last)s.")
    return Invalid(text, code="no_dates", day=later[0].on.isoformat(), last=last.isoformat())


def _refused(name: str, text: str, code: str) -> Invalid:
    return Invalid(text, code=code, fields={name: text})


def materialise(
    session: Session,
    programmes: Sequence[Programme],
    calendars: Calendars | None = None,
    *,
    not_before: date | None = None,
) -> int:
    """Write the dates that are missing up to 13 months ahead. Dates that exist stay as they are; runs twice safely.

    What came and went while nobody ticked is written too, and then counts as missed; `not_before` leaves it out (a
    programme that rested asks nothing for that time).
    """
    if not programmes:
        return 0
    until = horizon(today(session))
    known = calendars or Calendars.load(session)
    held = _held(session, [programme.id for programme in programmes])
    rows: list[dict[str, Any]] = []
    for programme in programmes:
        rule = Recurrence.from_json(programme.recurrence)
        first = max(programme.starts_on, not_before) if not_before else programme.starts_on
        if programme.materialised_until is not None:
            first = max(first, programme.materialised_until - LOOK_BACK)
        taken = held.get(programme.id, set())
        for planned in slots(rule, programme.ends_on, first, until, known):
            if planned.nominal not in taken:
                rows.append(row_of(programme, planned))
    if rows:
        session.execute(sa.insert(Occurrence), rows)
        standings.mark_whose(session, programmes)
    session.execute(
        sa.update(Programme)
        .where(Programme.id.in_([programme.id for programme in programmes]))
        .values(materialised_until=until, calendar_seen=known.digest)
    )
    return len(rows)


def _held(session: Session, ids: Sequence[int]) -> Mapping[int, set[date]]:
    held: dict[int, set[date]] = defaultdict(set)
    for start in range(0, len(ids), 500):
        for programme_id, slot_on in session.execute(
            sa.select(Occurrence.programme_id, Occurrence.slot_on).where(
                Occurrence.programme_id.in_(ids[start : start + 500])
            )
        ):
            held[programme_id].add(slot_on)
    return held


def row_of(programme: Programme, planned: Planned) -> dict[str, Any]:
    """The columns of one new date."""
    return times_of(programme, planned) | {
        "id": new_id(), "programme_id": programme.id, "title": programme.title, "kind": programme.kind,
        "division_code": programme.division_code, "unit_id": programme.unit_id, "state": OccurrenceState.PLANNED,
        "pinned": False, "withdrawn": False, "sequence": 0, "version": 1,
    }  # fmt: skip


def times_of(programme: Programme, planned: Planned) -> dict[str, Any]:
    """When it is: a drill past midnight ends the next day."""
    starts_at = local_moment(planned.on, programme.start_time)
    ends_at = starts_at + timedelta(minutes=programme.duration_minutes)
    return {
        "slot_on": planned.nominal, "starts_at": starts_at, "ends_at": ends_at, "provisional": planned.provisional,
        "due_at": ends_at + rules.RECORD_WITHIN,
    }  # fmt: skip
