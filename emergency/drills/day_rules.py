"""Pure rules of the day: the scenario's clock, what is due and what is missed, heads, evacuation, typed lines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from emergency.drills.day_models import DayState, InjectState
from kernel.clock import BEIJING
from kernel.errors import N_, Invalid

D, J = DayState, InjectState
DAY_TRANSITIONS: dict[DayState, frozenset[DayState]] = {
    D.READY: frozenset({D.RUNNING}),
    D.RUNNING: frozenset({D.PAUSED, D.ENDED}),
    D.PAUSED: frozenset({D.RUNNING, D.ENDED}),
    D.ENDED: frozenset(),
}
INJECT_TRANSITIONS: dict[InjectState, frozenset[InjectState]] = {
    J.PLANNED: frozenset({J.WAITING, J.SENT, J.MISSED, J.FAILED, J.SKIPPED}),
    J.WAITING: frozenset({J.DELIVERED, J.SKIPPED}),
    J.MISSED: frozenset({J.SENT, J.WAITING, J.FAILED, J.SKIPPED}),
    J.FAILED: frozenset({J.SENT, J.WAITING, J.SKIPPED}),
    J.SENT: frozenset(),
    J.DELIVERED: frozenset(),
    J.SKIPPED: frozenset(),
}
OPEN = (J.PLANNED, J.WAITING, J.MISSED, J.FAILED)
"""What the director still has to deal with, or the ticker."""
LEFT = (J.SENT, J.DELIVERED, J.WAITING)
"""What the players have met, or are about to."""
MAX_FACTOR = 120
BEAT = timedelta(seconds=15)
"""Never missed for less: the ticker itself looks only every few seconds, whatever the scenario's clock makes of them."""
MAX_INJECTS = 200
MAX_OFFSET = 7 * 86_400
EARLIEST, LATEST = timedelta(hours=2), timedelta(hours=6)
"""The door takes check-ins so long before the drill begins and after it ends."""
LATE_NOTE = timedelta(minutes=15)
FAR = timedelta(hours=3)
"""A note so far from the drill was written by a clock that is off, or belongs to another drill."""


@dataclass(frozen=True)
class ScenarioClock:
    """Where the scenario stands: seconds at the anchor, since when it runs, how fast. Not running: it stands still."""

    seconds: int
    anchor_at: datetime | None
    factor: int = 1

    def at(self, now: datetime) -> int:
        """Seconds of the scenario; a clock that was set back does not take the scenario back."""
        if self.anchor_at is None:
            return self.seconds
        return self.seconds + max(0, int((now - self.anchor_at).total_seconds() * self.factor))

    def due(self, offset: int) -> datetime | None:
        """When an offset comes by the clock on the wall; None while the scenario stands still."""
        if self.anchor_at is None:
            return None
        return self.anchor_at + timedelta(seconds=max(0, offset - self.seconds) / self.factor)


def is_missed(due_at: datetime, now: datetime, *, tolerance_minutes: int, factor: int) -> bool:
    """Whether an inject comes too late to be sent by itself: later than its tolerance in minutes of the scenario."""
    return now - due_at > max(timedelta(minutes=tolerance_minutes) / factor, BEAT)


def clock_words(offset: int) -> str:
    """An offset for people: +0:05, +1:30:20."""
    minutes, seconds = divmod(offset, 60)
    hours, minutes = divmod(minutes, 60)
    return f"+{hours}:{minutes:02d}" + (f":{seconds:02d}" if seconds else "")


_OFFSET = re.compile(r"\+?(?:(\d{1,3})[:：h时])?\s*(\d{1,4})(?:[:：](\d{1,2}))?\s*(?:分钟?|min)?")


def read_offset(text: str) -> int:
    """Seconds from `15` (minutes), `1:30` (hours and minutes), `0:05:30`, with or without a plus sign.

    Raises `Invalid` `bad_offset`.
    """
    found = _OFFSET.fullmatch(text.strip())
    if found is not None:
        hours, minutes, seconds = (int(part or 0) for part in found.groups())
        whole = hours * 3600 + minutes * 60 + seconds
        if not (found.group(1) and minutes > 59) and seconds < 60 and whole <= MAX_OFFSET:
            return whole
    raise Invalid(
        N_("“%(text)s” is no time of the scenario. Write minutes (15) or hours and minutes (1:30)."),
        code="bad_offset", text=text[:20],
    )  # fmt: skip


# --- heads and evacuation -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Heads:
    """One expected group: how many are expected, counted by hand, and said at the door."""

    name: str
    expected: int
    counted: int | None = None
    at_the_door: int = 0

    @property
    def present(self) -> int:
        """The count by hand stands; without one, what was said at the door."""
        return self.counted if self.counted is not None else self.at_the_door

    @property
    def missing(self) -> int:
        """How many fewer than expected."""
        return max(0, self.expected - self.present)


def missing_groups(groups: Iterable[Heads]) -> list[Heads]:
    """Groups of which somebody is expected and nobody was seen at all."""
    return [group for group in groups if group.expected and not group.present]


@dataclass(frozen=True)
class Evacuation:
    """What the stopwatch says: seconds by group, the whole once everybody is out, the slowest, against the target."""

    by_group: dict[int, int]
    whole: int | None
    slowest: int | None
    target: int | None

    @property
    def in_time(self) -> bool | None:
        """None while it is not known."""
        return None if self.whole is None or self.target is None else self.whole <= self.target


def evacuation(
    signal_at: datetime | None, out: Sequence[tuple[int, datetime | None]], target: int | None
) -> Evacuation:
    """Seconds from the signal until each group was out; whole only when all are. Never less than one second."""
    if signal_at is None:
        return Evacuation({}, None, None, target)
    seconds = {key: max(1, round((at - signal_at).total_seconds())) for key, at in out if at is not None}
    slowest = max(seconds, key=lambda key: seconds[key]) if seconds else None
    whole = seconds[slowest] if slowest is not None and len(seconds) == len(out) else None
    return Evacuation(seconds, whole, slowest, target)


_SECONDS = re.compile(r"(?:(\d{1,3})\s*(?:分钟?|[:：′'m])\s*)?(\d{1,5})?\s*(?:秒|″|s)?")


def read_seconds(text: str) -> int:
    """Seconds from `95`, `1:35`, `1分35秒`, `2分`. Raises `Invalid` `bad_seconds`."""
    found = _SECONDS.fullmatch(text.strip())
    if found is not None and any(found.groups()):
        minutes, seconds = (int(part or 0) for part in found.groups())
        whole = minutes * 60 + seconds
        if 0 < whole <= 86_400 and (found.group(1) is None or seconds < 60):
            return whole
    raise Invalid(
        N_("“%(text)s” is no length of time. Write seconds (95) or minutes and seconds (1:35)."),
        code="bad_seconds", text=text[:20],
    )  # fmt: skip


# --- notes --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """One pasted line: what was understood, or why it was not."""

    number: int
    at: datetime | None
    text: str
    fault: str = ""
    warning: str = ""


MAX_LINES, MAX_TEXT = 300, 1000
TOO_MANY = N_("More lines than can be taken at once; the rest was left out.")
NO_TIME = N_("No time at the start of the line. Write it like 09:32.")
NO_TEXT = N_("Nothing stands behind the time.")
BAD_TIME = N_("There is no such time.")
IN_FUTURE = N_("This time has not come yet.")
TOO_LONG = N_("The line is too long.")
CLOCK_OFF = N_("Far from the drill: was the clock off?")
_LINE = re.compile(
    r"^[\s\-*•·]*(?:(?:(\d{4})[年./-])?(\d{1,2})[月./-](\d{1,2})日?\s*)?"
    r"(\d{1,2})\s*[:：点时.]\s*(\d{1,2})?(?:\s*[:：分]\s*(\d{1,2}))?\s*[分秒]?(?![\d])[\s,，、;；.。:：\-—]*(.*)$"
)


def read_lines(pasted: str, *, day: date, starts_at: datetime, ends_at: datetime, now: datetime) -> list[Line]:
    """Lines like `09:32 三号楼疏散完毕`, each by itself: time in Beijing of the drill's day unless a date stands there."""
    found: list[Line] = []
    written = [(n, text) for n, text in enumerate(pasted.splitlines(), start=1) if text.strip()]
    for number, raw in written[:MAX_LINES]:
        found.append(_read_line(number, raw.replace("\u3000", " ").strip(), day, starts_at, ends_at, now))
    if len(written) > MAX_LINES:
        found.append(Line(written[MAX_LINES][0], None, "", TOO_MANY))
    return found


def _read_line(number: int, raw: str, day: date, starts_at: datetime, ends_at: datetime, now: datetime) -> Line:
    match = _LINE.match(raw)
    if match is None:
        return Line(number, None, raw[:80], NO_TIME)
    year, month, on, hour, minute, second, text = match.groups()
    text = text.strip()
    try:
        named = date(int(year or day.year), int(month), int(on)) if month else day
        clock = time(int(hour), int(minute or 0), int(second or 0))
    except ValueError:
        return Line(number, None, raw[:80], BAD_TIME)
    at = datetime.combine(named, clock, BEIJING)
    if not text:
        return Line(number, at, "", NO_TEXT)
    if len(text) > MAX_TEXT:
        return Line(number, at, text[:80], TOO_LONG)
    if at > now:
        return Line(number, at, text, IN_FUTURE)
    return Line(number, at, text, "", CLOCK_OFF if clock_off(at, starts_at, ends_at) else "")


def clock_off(at: datetime, starts_at: datetime, ends_at: datetime) -> bool:
    """Whether a time lies so far from the drill that it is worth asking."""
    return at < starts_at - FAR or at > ends_at + FAR


def written_late(at: datetime, recorded_at: datetime) -> bool:
    """Whether a note was entered so long after what it tells that the timeline marks it."""
    return recorded_at - at > LATE_NOTE
