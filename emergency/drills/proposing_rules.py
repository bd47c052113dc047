"""Pure: a year's dates for one unit, so that each serves as many windows as it can and the district's weeks stay even.

Nothing here reads a clock or a table. The same facts and loads give the same dates: where two days are equally good,
a number made of the unit's key decides.
"""

from __future__ import annotations

import zlib
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, time, timedelta
from typing import Any

from emergency.drills.models import DrillKind
from emergency.drills.proposal_models import GapCode
from emergency.drills.proposing_guesses import likely_off
from emergency.drills.proposing_settings import Settings
from emergency.drills.proposing_windows import FLOOD_SEASON, Asked, Demand, Earlier, Gap, Owner, asked_of, gathered
from scheduler.terms import TermCalendar
from scheduler.workdays import WorkCalendar

PREFERRED = (
    DrillKind.EVACUATION, DrillKind.FIRE, DrillKind.RESCUE, DrillKind.UNIT_PLAN, DrillKind.ONSITE, DrillKind.GAS,
    DrillKind.EQUIPMENT, DrillKind.QUAKE, DrillKind.FLOOD, *DrillKind,
)  # fmt: skip
"""Which kind is chosen where several serve the same windows and the unit is used to none of them."""
_RANK = {kind: PREFERRED.index(kind) for kind in DrillKind}
TIGHT = 3
"""A drill serves one more rule only where that leaves so many days to choose from."""


class YearDays:
    """The days of a year on which a drill may be held, and why others may not."""

    def __init__(self, year: int, first: date, work: WorkCalendar, terms: TermCalendar, settings: Settings) -> None:
        self.year, self.first, self.last = year, max(first, date(year, 1, 1)), date(year, 12, 31)
        self.terms, self._work = terms, work
        known = work.provisional(year)
        every = [self.first + timedelta(days=n) for n in range((self.last - self.first).days + 1)]
        self._every = every
        self.announced = year in work.years
        likely = frozenset() if self.announced else likely_off(year)
        worked = [day for day in every if known.is_workday(day) and day.weekday() in settings.allowed]
        self.open = [day for day in worked if day not in likely]
        self._likely = [day for day in worked if day in likely]
        self.school = [day for day in self.open if terms.in_term(day)]
        self._off = [day for day in every if known.is_holiday(day)]
        self._break = [day for day in self.open if not terms.in_term(day)]

    def between(self, start: date, end: date, *, school: bool) -> list[date]:
        """The days to choose from, both ends included."""
        return _span(self.school if school else self.open, start, end)

    def avoided(self, start: date, end: date, *, school: bool) -> dict[str, int]:
        """How many days were left out: statutory days off, and for schools the working days of their holidays."""
        counts = {"off": len(_span(self._off, start, end)), "likely": len(_span(self._likely, start, end))}
        if school:
            counts["break"] = len(_span(self._break, start, end))
        return {name: n for name, n in counts.items() if n}

    def provisional(self, day: date, *, school: bool) -> bool:
        """Whether the day rests on holidays or terms that nobody has announced."""
        return not self._work.knows(day) or (school and not self.terms.knows(day))


def _span(days: list[date], start: date, end: date) -> list[date]:
    return days[bisect_left(days, start) : bisect_right(days, end)]


@dataclass
class Loads:
    """How many drills lie on each day of the area, in each week, and in each week of each township."""

    day: Counter[date] = field(default_factory=Counter)
    week: Counter[tuple[int, int]] = field(default_factory=Counter)
    town: Counter[tuple[str, int, int]] = field(default_factory=Counter)

    def add(self, day: date, township: str, count: int = 1) -> None:
        """Enter drills; a negative count takes them out."""
        year, week, _weekday = day.isocalendar()
        self.day[day] += count
        self.week[(year, week)] += count
        self.town[(township, year, week)] += count

    def full(self, day: date, township: str, settings: Settings) -> bool:
        """Whether the day or the township's week has all the drills that it may have."""
        year, week, _weekday = day.isocalendar()
        return (
            self.day[day] >= settings.max_per_day or self.town[(township, year, week)] >= settings.max_per_township_week
        )

    def cost(self, day: date, township: str) -> float:
        """How much there is around the day already; the least is chosen."""
        year, week, _weekday = day.isocalendar()
        # The day weighs most: weeks that a window cuts short would fill up their few days otherwise.
        return 2 * self.day[day] + self.week[(year, week)] / 10 + self.town[(township, year, week)] / 2


@dataclass(frozen=True)
class Proposed:
    """One date with the windows that it serves: `(rule, first day, last day)` each."""

    kind: DrillKind
    window_from: date
    window_to: date
    on: date
    at: time
    serves: tuple[tuple[int, date, date], ...]
    provisional: bool
    why: dict[str, Any]


@dataclass(frozen=True)
class Calendar:
    """A year of one owner: dates, gaps, and how many windows are met by what."""

    items: tuple[Proposed, ...]
    gaps: tuple[Gap, ...]
    windows: int
    met: int
    served: int
    open: int


@dataclass
class Slot:
    """Windows that one drill serves together."""

    demands: list[Demand]
    earliest: date
    latest: date
    kinds: frozenset[DrillKind]

    @classmethod
    def of(cls, demand: Demand) -> Slot:
        """A slot for one window."""
        return cls([demand], demand.earliest, demand.latest, demand.kinds)

    @classmethod
    def together(cls, demands: Sequence[Demand]) -> Slot:
        """A slot for windows that share a day and a kind."""
        slot = cls.of(demands[0])
        for demand in demands[1:]:
            _join(slot, demand)
        return slot


def plan(owner: Owner, days: YearDays, settings: Settings, loads: Loads) -> Calendar:
    """The owner's calendar; its dates are entered into `loads`.

    What an earlier computing proposed is laid first: people have seen it, and whoever refuses or accepts one date does
    not expect the others to move. Only what those dates do not serve is looked for anew.
    """
    taken = sorted(day for _kind, day in [*owner.held, *owner.planned])
    owner = replace(owner, kept=_may_stay(owner, days, settings, loads, taken))
    asked = asked_of(owner, days.year, days.first, days.terms)
    chosen = _Choosing(owner, days, settings, loads, asked, taken)
    staying, left = _stay(owner, asked.demands)
    for earlier, slot in staying:
        chosen.keep(slot, earlier)
    waiting = _by_room(_slots(owner, left, days), days, owner)
    while waiting:
        slot = waiting.pop(0)
        if not chosen.place(slot) and len(slot.demands) > 1:
            # Together they find no day; each alone may.
            waiting = _by_room([*map(Slot.of, (d for d in slot.demands if not d.optional)), *waiting], days, owner)
    items = sorted(chosen.items, key=lambda item: (item.on, item.kind.value))
    unmet = sum(code not in (GapCode.NO_NUMBER, GapCode.NO_KIND) for _rule, code, _window in asked.open)
    return Calendar(
        tuple(items), tuple(gathered(asked.open)), asked.met + chosen.served + unmet, asked.met, chosen.served, unmet
    )


def _may_stay(
    owner: Owner, days: YearDays, settings: Settings, loads: Loads, taken: Sequence[date]
) -> tuple[Earlier, ...]:
    """The earlier dates whose days are still good for a drill, in the year's order."""
    staying: list[Earlier] = []
    for one in sorted(owner.kept, key=lambda one: (one.on, one.kind.value)):
        if (
            days.between(one.on, one.on, school=owner.school)
            and one.on not in owner.barred and one.on not in taken
            and not loads.full(one.on, owner.township, settings)
        ):  # fmt: skip
            staying.append(one)
            loads.add(one.on, owner.township)
    for one in staying:
        loads.add(one.on, owner.township, -1)
    return tuple(staying)


def _stay(owner: Owner, demands: Sequence[Demand]) -> tuple[list[tuple[Earlier, Slot]], list[Demand]]:
    """The earlier dates that serve something, each with its windows, and the windows that none of them serves.

    A window goes to the date that was meant for it, else to any that lies in it. A date that only optional windows
    would have is dropped.
    """
    found: dict[int, list[Demand]] = {}
    left: list[Demand] = []
    for demand in sorted(demands, key=lambda d: (d.optional, d.length, d.latest, d.rule.id)):
        fitting = [
            at for at, one in enumerate(owner.kept)
            if demand.earliest <= one.on <= demand.latest and one.kind in demand.kinds
            and (one.kind is not DrillKind.FLOOD or one.on < date(one.on.year, *FLOOD_SEASON))
            and all(other.rule.id != demand.rule.id for other in found.get(at, ()))
        ]  # fmt: skip
        meant = [at for at in fitting if demand.rule.id in owner.kept[at].rule_ids]
        # Rather one that stays anyway: a date that has lost its own window is not wanted for another's sake.
        best = (meant or [at for at in fitting if at in found] or fitting)[:1]
        if not best or (demand.optional and best[0] not in found):
            left.append(demand)
        else:
            found.setdefault(best[0], []).append(demand)
    return [(owner.kept[at], Slot.together(found[at])) for at in sorted(found)], left


def _seed(*parts: object) -> int:
    return zlib.crc32(":".join(map(str, parts)).encode())


def _slots(owner: Owner, demands: Sequence[Demand], days: YearDays) -> list[Slot]:
    """Narrow windows first: each wider one then joins a drill that is held anyway, where its kind can serve both."""
    slots: list[Slot] = []
    order = sorted(demands, key=lambda d: (d.optional, d.length, d.latest, d.rule.id))
    for demand in order:
        fitting = [slot for slot in slots if _joins(slot, demand, days, owner)]
        if fitting:
            _join(_best(fitting, demand, owner), demand)
        elif not demand.optional:
            slots.append(Slot.of(demand))
    return slots


def _joins(slot: Slot, demand: Demand, days: YearDays, owner: Owner) -> bool:
    if not slot.kinds & demand.kinds or any(held.rule.id == demand.rule.id for held in slot.demands):
        return False
    earliest, latest = max(slot.earliest, demand.earliest), min(slot.latest, demand.latest)
    return earliest <= latest and len(days.between(earliest, latest, school=owner.school)) >= TIGHT


def _best(fitting: list[Slot], demand: Demand, owner: Owner) -> Slot:
    """Rather one whose kind need not change; of several one in the middle of the window, another for each unit."""
    same = [slot for slot in fitting if slot.kinds <= demand.kinds] or fitting
    middle = demand.earliest + timedelta(days=demand.length // 2)
    near = sorted(same, key=lambda slot: abs((slot.earliest - middle).days + (slot.latest - middle).days))
    return near[_seed(owner.key, demand.rule.id, demand.start) % max(1, (len(near) + 1) // 2)]


def _join(slot: Slot, demand: Demand) -> None:
    slot.demands.append(demand)
    slot.earliest, slot.latest = max(slot.earliest, demand.earliest), min(slot.latest, demand.latest)
    slot.kinds &= demand.kinds


def _by_room(slots: list[Slot], days: YearDays, owner: Owner) -> list[Slot]:
    """Those with the fewest days to choose from come first."""

    def room(slot: Slot) -> tuple[int, date, int]:
        size = len(days.between(slot.earliest, slot.latest, school=owner.school))
        return size, slot.latest, slot.demands[0].rule.id

    return sorted(slots, key=room)


@dataclass
class _Choosing:
    """The choice of days for one owner, one slot after the other."""

    owner: Owner
    days: YearDays
    settings: Settings
    loads: Loads
    asked: Asked
    taken: list[date]
    items: list[Proposed] = field(default_factory=list)
    served: int = 0

    def place(self, slot: Slot) -> bool:
        """Choose kind and day; where there is none, a slot of one window becomes a gap."""
        for kind in self._kinds(slot):
            latest = self._latest(slot, kind)
            found = self._day(slot.earliest, latest, kind)
            if isinstance(found, _Chosen):
                self._enter(slot, latest, found)
                return True
            code = found
        if len(slot.demands) == 1:
            demand = slot.demands[0]
            self.asked.open.append((demand.rule.id, code, (demand.start, demand.end)))
        return False

    def keep(self, slot: Slot, earlier: Earlier) -> None:
        """Leave a date of an earlier computing where it is."""
        latest = self._latest(slot, earlier.kind)
        every = self.days.between(slot.earliest, latest, school=self.owner.school)
        free = self._free(every)
        far = [day for day in free if self._far(day, self.settings.min_distance)]
        why = self._why(slot.earliest, latest, every, free, far, squeezed=earlier.on not in far)
        self._enter(slot, latest, _Chosen(earlier.kind, earlier.on, why))

    def _latest(self, slot: Slot, kind: DrillKind) -> date:
        season = date(self.days.year, *FLOOD_SEASON) - timedelta(days=1)
        return min(slot.latest, season) if kind is DrillKind.FLOOD else slot.latest

    def _kinds(self, slot: Slot) -> list[DrillKind]:
        """The kind that the owner is used to, else the most usual one; a flood drill where its season allows it."""
        used = {kind for kind, _day in [*self.owner.held, *self.owner.planned]}
        ordered = sorted(slot.kinds, key=lambda kind: (kind not in used, _RANK[kind]))
        return [*[k for k in ordered if k is not DrillKind.FLOOD][:1], *[k for k in ordered if k is DrillKind.FLOOD]]

    def _day(self, earliest: date, latest: date, kind: DrillKind) -> _Chosen | GapCode:
        school = self.owner.school
        every = self.days.between(earliest, latest, school=school)
        if not every:
            return GapCode.NO_SCHOOL_DAY if school and self.days.between(earliest, latest, school=False) \
                else GapCode.NO_WORKDAY  # fmt: skip
        free = self._free(every)
        if not free:
            return GapCode.DAYS_FULL
        for distance in (self.settings.min_distance, max(1, self.settings.min_distance // 2), 1):
            far = [day for day in free if self._far(day, distance)]
            if far:
                squeezed = distance < self.settings.min_distance
                return self._choose(
                    far, earliest, latest, kind, self._why(earliest, latest, every, free, far, squeezed=squeezed)
                )
        return GapCode.TOO_CLOSE

    def _free(self, every: Sequence[date]) -> list[date]:
        return [
            day
            for day in every
            if day not in self.owner.barred and not self.loads.full(day, self.owner.township, self.settings)
        ]

    def _why(
        self, earliest: date, latest: date, every: Sequence[date], free: Sequence[date], far: Sequence[date], *,
        squeezed: bool,
    ) -> dict[str, Any]:  # fmt: skip
        return {
            **self.days.avoided(earliest, latest, school=self.owner.school), "full": len(every) - len(free),
            "near": len(free) - len(far), "squeezed": squeezed,
        }  # fmt: skip

    def _choose(self, far: list[date], earliest: date, latest: date, kind: DrillKind, why: dict[str, Any]) -> _Chosen:
        # A margin at both ends leaves room for a drill that has to be put off.
        margin = timedelta(days=min(14, ((latest - earliest).days + 1) // 10))
        inner = [day for day in far if earliest + margin <= day <= latest - margin] or far
        day = min(inner, key=lambda d: (self.loads.cost(d, self.owner.township), _seed(self.owner.key, kind.value, d)))
        return _Chosen(kind, day, why)

    def _far(self, day: date, distance: int) -> bool:
        at = bisect_left(self.taken, day)
        return all(abs((other - day).days) >= distance for other in self.taken[max(0, at - 1) : at + 1])

    def _enter(self, slot: Slot, latest: date, found: _Chosen) -> None:
        self.taken.insert(bisect_left(self.taken, found.day), found.day)
        self.loads.add(found.day, self.owner.township)
        self.served += sum(not demand.optional for demand in slot.demands)
        hours = self.settings.hours
        why = {name: value for name, value in found.why.items() if value}
        if any(demand.late for demand in slot.demands):
            why["late"] = True
        self.items.append(
            Proposed(
                found.kind, slot.earliest, latest, found.day,
                hours[_seed(self.owner.key, found.kind.value) % len(hours)],
                tuple((d.rule.id, d.start, d.end) for d in slot.demands),
                self.days.provisional(found.day, school=self.owner.school), why,
            )
        )  # fmt: skip


@dataclass(frozen=True)
class _Chosen:
    """A day, and what led to it."""

    kind: DrillKind
    day: date
    why: dict[str, Any]


def weeks(year: int) -> Iterator[tuple[date, date]]:
    """The weeks of a year from Monday to Sunday, cut at its ends."""
    day = date(year, 1, 1)
    while day.year == year:
        end = min(day + timedelta(days=6 - day.weekday()), date(year, 12, 31))
        yield day, end
        day = end + timedelta(days=1)
