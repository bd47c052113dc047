"""The year's heat calendar: how many drills are planned, held and missed on each day of thirteen months."""

from __future__ import annotations

import calendar
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

import sqlalchemy as sa
from dateutil.relativedelta import relativedelta
from sqlalchemy.orm import Session

from emergency.divisions.rules import in_scope, within
from emergency.drills import rules
from emergency.drills.models import DrillKind, Occurrence, OccurrenceState
from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from kernel.clock import BEIJING
from kernel.db import dialect_name

MONTHS = 13
SHADES = (1, 3, 6, 12)
"""From how many drills on a day its colour deepens."""


@dataclass(frozen=True)
class Day:
    """One day's counts; `on` is None where the month has no such day."""

    on: date | None
    planned: int = 0
    held: int = 0
    missed: int = 0

    @property
    def all(self) -> int:
        """Every drill of the day that was not called off."""
        return self.planned + self.held + self.missed

    @property
    def mark(self) -> str:
        """What the colour says: everything was missed, something is still planned, or what there was is over."""
        if not self.all:
            return ""
        if self.missed == self.all:
            return "missed"
        return "planned" if self.planned else "held"

    @property
    def shade(self) -> int:
        """1 to 4 by the number of drills."""
        return sum(self.all >= least for least in SHADES)


@dataclass(frozen=True)
class Month:
    """One row of the calendar."""

    first: date
    days: Sequence[Day]
    opens_half: bool
    """The border of a half-year lies before it: drills before do not count for the windows after."""

    def total(self, name: str) -> int:
        """The month's sum of `planned`, `held` or `missed`."""
        return sum(getattr(day, name) for day in self.days)


def default_start(today: date) -> date:
    """The first month of the present half-year: what is to be done in it, and all of the next."""
    return today.replace(month=1 if today.month <= 6 else 7, day=1)


def year(
    session: Session, *, actor: Actor, first: date, town: str | None = None, kind: DrillKind | None = None
) -> list[Month]:
    """Thirteen months from `first`, counted by one statement."""
    actor.require(Permission.DRILLS_VIEW)
    start = datetime.combine(first.replace(day=1), time(0), BEIJING)
    end = start + relativedelta(months=MONTHS)
    day = _day_of(session)
    statement = (
        sa.select(day, Occurrence.state, sa.func.count())
        .where(
            in_scope(Occurrence.division_code, actor),
            Occurrence.starts_at >= start,
            Occurrence.starts_at < end,
            Occurrence.state != OccurrenceState.CANCELLED,
        )
        .group_by(day, Occurrence.state)
    )
    if town:
        statement = statement.where(within(Occurrence.division_code, town))
    if kind is not None:
        statement = statement.where(Occurrence.kind == kind)
    counts: dict[date, dict[str, int]] = {}
    for on, state, n in session.execute(statement):
        name = "planned" if state in rules.COMING else state.value
        cell = counts.setdefault(on if isinstance(on, date) else date.fromisoformat(on), {})
        cell[name] = cell.get(name, 0) + n
    return [_month((start + relativedelta(months=n)).date(), counts) for n in range(MONTHS)]


def _day_of(session: Session) -> sa.ColumnElement[Any]:
    """The day in Beijing of a moment stored as UTC; there is no summer time."""
    if dialect_name(session) == "sqlite":
        return sa.func.date(Occurrence.starts_at, "+8 hours", type_=sa.String)
    return sa.func.date(sa.func.timezone("Asia/Shanghai", Occurrence.starts_at), type_=sa.Date)


def _month(first: date, counts: dict[date, dict[str, int]]) -> Month:
    length = calendar.monthrange(first.year, first.month)[1]
    days = [
        Day(on, **counts.get(on, {})) if n < length else Day(None)
        for n in range(31)
        for on in [first + timedelta(days=n)]
    ]
    return Month(first, days, first.month in (1, 7))
