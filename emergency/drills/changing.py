"""Changing a programme: what would happen to each coming date, said before it is done. Pure.

What posts have promised, what somebody chose by hand and what was held stays; it stands in for the nearest date that
the new rule gives, so that nobody rehearses twice. What nobody was asked about follows the rule.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from emergency.drills.vocabulary import OccurrenceState
from kernel.types import LabelledEnum
from scheduler.recurrence import Planned

NEAR = timedelta(days=31)
"""So far from its old date a new one still counts as the same drill, moved."""


class Kept(LabelledEnum):
    """Why a date stays where it is."""

    CONFIRMED = "confirmed", "参加单位已确认", "It was confirmed"
    ANSWERED = "answered", "已有单位答复", "Some have answered already"
    PINNED = "pinned", "日期由人工指定", "Its date was chosen by hand"
    SAME = "same", "日期不变", "Its date stays the same"


@dataclass(frozen=True)
class Coming:
    """One future date as it stands."""

    id: int
    slot_on: date
    starts_at: datetime
    ends_at: datetime
    state: OccurrenceState
    version: int
    pinned: bool
    asked: int
    answered: int

    @property
    def kept(self) -> Kept | None:
        """Why it may not be moved; None where it may."""
        if self.state is OccurrenceState.CONFIRMED:
            return Kept.CONFIRMED
        if self.answered:
            return Kept.ANSWERED
        return Kept.PINNED if self.pinned else None


@dataclass(frozen=True)
class Wanted:
    """One date that the changed programme gives."""

    planned: Planned
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True)
class Step:
    """What becomes of one date: `before` without `after` goes, `after` without `before` is new."""

    before: Coming | None
    after: Wanted | None
    why: Kept | None = None


@dataclass(frozen=True)
class Outcome:
    """What a change does to the coming dates."""

    kept: list[Step] = field(default_factory=list)
    moved: list[Step] = field(default_factory=list)
    added: list[Wanted] = field(default_factory=list)
    removed: list[Coming] = field(default_factory=list)

    @property
    def to_tell(self) -> int:
        """How many dates posts know of that move or go."""
        return sum(step.before is not None and step.before.asked > 0 for step in self.moved) + sum(
            row.asked > 0 for row in self.removed
        )


def outcome(coming: Sequence[Coming], wanted: Sequence[Wanted]) -> Outcome:
    """Match the coming dates with those that the changed programme gives.

    First by the slot that names a date, then what must stay takes the nearest new date within a month, then what may
    move does. New dates that nothing takes are added; dates that find none go, unless they must stay.
    """
    free = {w.planned.nominal: w for w in wanted}
    pairs: dict[int, Wanted] = {}
    for row in coming:
        if row.slot_on in free:
            pairs[row.id] = free.pop(row.slot_on)
    for must_stay in (True, False):
        for row in sorted(coming, key=lambda r: r.starts_at):
            if row.id in pairs or (row.kept is not None) is not must_stay:
                continue
            near = [w for w in free.values() if abs(w.starts_at - row.starts_at) <= NEAR]
            if near:
                best = min(near, key=lambda w: (abs(w.starts_at - row.starts_at), w.starts_at))
                pairs[row.id] = free.pop(best.planned.nominal)
    result = Outcome(added=sorted(free.values(), key=lambda w: w.starts_at))
    for row in sorted(coming, key=lambda r: r.starts_at):
        _place(result, row, pairs.get(row.id))
    return result


def _place(result: Outcome, row: Coming, after: Wanted | None) -> None:
    if row.kept is not None:
        result.kept.append(Step(row, after, row.kept))
    elif after is None:
        result.removed.append(row)
    elif (row.starts_at, row.ends_at) == (after.starts_at, after.ends_at):
        result.kept.append(Step(row, after, Kept.SAME))
    else:
        result.moved.append(Step(row, after))


def digest(version: int, facts: object, result: Outcome) -> str:
    """What somebody has seen in a preview, so that nothing else is done than that.

    The programme's version, the facts asked for, and of every date its version, its answers and where it goes.
    """
    steps = [
        (s.before and (s.before.id, s.before.version, s.before.answered), s.after and s.after.starts_at, str(s.why))
        for s in [*result.kept, *result.moved]
    ]
    rest = [[w.starts_at for w in result.added], [(r.id, r.version) for r in result.removed]]
    return hashlib.sha256(repr((version, facts, steps, rest)).encode()).hexdigest()[:32]
