"""Acting on plans: transitions, which actions a level brings, what is late, what a trigger's words say. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from emergency.plans.activation_models import ActivationKind, ActivationState, LineState, StepKind, StepState
from emergency.plans.models import Hazard, ResponseGrade

A, L, S = ActivationState, LineState, StepState
ACTIVATION_TRANSITIONS: dict[ActivationState, frozenset[ActivationState]] = {
    A.PROPOSED: frozenset({A.RUNNING, A.NOT_STARTED}),
    A.RUNNING: frozenset({A.ENDED}),
    A.ENDED: frozenset(),
    A.NOT_STARTED: frozenset(),
}
OPEN_STATES = (A.PROPOSED, A.RUNNING)
STEP_TRANSITIONS: dict[StepState, frozenset[StepState]] = {
    S.WAITING: frozenset({S.DONE, S.REFUSED, S.WITHDRAWN}),
    S.DONE: frozenset(),
    S.REFUSED: frozenset(),
    S.WITHDRAWN: frozenset(),
}
LINE_TRANSITIONS: dict[LineState, frozenset[LineState]] = {
    L.OPEN: frozenset({L.TAKEN, L.DONE, L.NOT_APPLICABLE, L.CLOSED}),
    L.TAKEN: frozenset({L.OPEN, L.DONE, L.NOT_APPLICABLE, L.CLOSED}),
    # A slip of the finger is mended with a reason; it stays in the log.
    L.DONE: frozenset({L.OPEN}),
    L.NOT_APPLICABLE: frozenset({L.OPEN}),
    # Its level came back.
    L.CLOSED: frozenset({L.OPEN}),
}
UNFINISHED = (L.OPEN, L.TAKEN)
_RANK = {grade: rank for rank, grade in enumerate(ResponseGrade)}
"""Level I is the gravest and stands first."""


def graver(one: ResponseGrade, other: ResponseGrade) -> bool:
    """Whether `one` stands above `other`."""
    return _RANK[one] < _RANK[other]


def brings(current: ResponseGrade, offered: Iterable[ResponseGrade], *, with_lower: bool) -> list[ResponseGrade]:
    """The levels whose actions belong to a response at `current`: its own, and those below it where that is asked."""
    return [g for g in offered if g is current or (with_lower and graver(current, g))]


def in_list(row: ResponseGrade | None, current: ResponseGrade) -> bool:
    """Whether a row of the evacuation list counts at this level: from its own level on, or always."""
    return row is None or not graver(row, current)


def direction(current: ResponseGrade, to: ResponseGrade) -> StepKind | None:
    """Raise or lower; None where nothing would change."""
    if current is to:
        return None
    return StepKind.RAISE if graver(to, current) else StepKind.LOWER


def due(begun: datetime, within_minutes: int | None) -> datetime | None:
    """By when an action is to be done; None where the plan sets no time."""
    return None if within_minutes is None else begun + timedelta(minutes=within_minutes)


def reminders_due(due_at: datetime, now: datetime, minutes: Sequence[int]) -> int:
    """How many of the reminders about lateness are due by now."""
    return sum(1 for m in minutes if due_at + timedelta(minutes=m) <= now)


def is_late(state: LineState, due_at: datetime | None, now: datetime) -> bool:
    """Past its time and not finished."""
    return state in UNFINISHED and due_at is not None and due_at < now


# --- triggers ---------------------------------------------------------------------------------------------------

_COLOURS = {"红": "red", "橙": "orange", "黄": "yellow", "蓝": "blue"}
_ORDER = ("red", "orange", "yellow", "blue")
_CLAUSE = re.compile(r"[。；;！!\n]|或者|或(?=[^、，,]{0,14}发布)")
_COLOUR = re.compile(
    r"(?:[红橙黄蓝](?:色)?(?:、|或|和|/)?)+(?=(?:及|或)?(?:以上)?(?:等级|级别|级)?的?(?:预警|警报|信号))(?:及|或)?(以上)?"
)
_ANY = re.compile(r"发布[^，,。；;]{0,24}?(?:预警|警报)")
_NOT = re.compile(r"(?:未|没有|尚未|解除)[^，,]{0,10}$")
PREFIXES: Mapping[Hazard, tuple[str, ...]] = {
    Hazard.FLOOD: ("11A", "11B01", "11B03", "11B36", "11B38", "11B49", "11E02"),
    Hazard.WEATHER: ("11B",),
    Hazard.QUAKE: ("11C",),
    Hazard.HAZCHEM: ("12D",),
    Hazard.FIRE: ("12G", "11G"),
    Hazard.GAS: ("12P",),
    Hazard.TRAFFIC: ("12H",),
    Hazard.HEALTH: ("13",),
    Hazard.ENVIRONMENT: ("12Q",),
    Hazard.SECURITY: ("14",),
    Hazard.ALL: ("1",),
}
"""The codes of GB/T 35561 that a plan for a hazard listens to, where its words name no event."""


@dataclass(frozen=True)
class Condition:
    """What a trigger's words say of warnings: the colours, the events that they name (none: those of the plan)."""

    colours: frozenset[str]
    names: frozenset[str]


def read_trigger(text: str, known_names: Collection[str]) -> list[Condition]:
    """The warnings that a trigger speaks of, clause by clause; nothing where it speaks of none or of their absence.

    What else it asks (water levels, losses) stays for people: a condition met is a reason to judge, never to start.
    """
    found = []
    for clause in _CLAUSE.split(text):
        if not clause or ("预警" not in clause and "警报" not in clause and "信号" not in clause):
            continue
        match = _COLOUR.search(clause)
        start = match.start() if match else (m.start() if (m := _ANY.search(clause)) else -1)
        if start < 0 or _NOT.search(clause[:start].rstrip("发布")):
            continue
        names = frozenset(name for name in known_names if len(name) > 1 and name in clause)
        if match is None:
            found.append(Condition(frozenset(_ORDER), names))
            continue
        colours = [_COLOURS[c] for c in match.group(0) if c in _COLOURS]
        if match.group(1):
            colours = [c for c in _ORDER if _ORDER.index(c) <= max(_ORDER.index(given) for given in colours)]
        found.append(Condition(frozenset(colours), names))
    return found


def meets(
    condition: Condition, *, colour: str, event_names: Collection[str], event_code: str, hazards: Iterable[Hazard]
) -> bool:
    """Whether a warning meets a condition: its colour, and the event that the words name or the plan is for."""
    if colour not in condition.colours:
        return False
    if condition.names:
        return bool(condition.names & set(event_names))
    return any(event_code.startswith(prefix) for hazard in hazards for prefix in PREFIXES.get(hazard, ()))


def suggested(met: Iterable[ResponseGrade], running: ResponseGrade | None) -> ResponseGrade | None:
    """The gravest level whose trigger is met, unless a response at that level or above runs already."""
    best = min(met, key=_RANK.__getitem__, default=None)
    if best is None or (running is not None and not graver(best, running)):
        return None
    return best


def same_kind(real: bool, kind: ActivationKind) -> bool:
    """Whether what happened and what acts on it are both real or both an exercise."""
    return real is (kind is ActivationKind.ACTUAL)
