"""The workbench's panels. Rooms offer what waits, what the day holds and the figures; the roof registers them here.

A provider that fails is replaced by a sentence: the page that tells a person what to do must never be the one that
is down.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from emergency.http.actor import Actor
from kernel.logs import kv

log = logging.getLogger(__name__)

SHOWN = 12
"""Rows of what waits that are shown in full; the rest is counted."""


@dataclass(frozen=True)
class WaitingItem:
    """One thing that waits for this person: what, why, until when, one button."""

    level: Any
    """A warning level (red|orange|yellow|blue) where one stands behind it, else None."""
    what: str
    why: str
    due_at: datetime | None
    url: str
    action_label: str
    drill: bool = False
    """An exercise: wears violet, and waits behind everything real of any colour."""


@dataclass(frozen=True)
class DayRow:
    """One line of a day panel: when or which, what, and how it stands."""

    left: Any
    middle: Any
    right: Any = ""
    url: str = ""
    tone: str = ""


@dataclass(frozen=True)
class DayPanel:
    """One part of the district's day."""

    title: str
    meta: str = ""
    rows: Sequence[DayRow] = ()
    url: str = ""
    empty: str = ""


@dataclass(frozen=True)
class Figure:
    """One honest number, what it is made of, and the list that makes it up."""

    label: str
    value: str
    unit: str
    note: str
    url: str
    trend: Sequence[float] = ()


@dataclass(frozen=True)
class Step:
    """One step of setting the system up, that knows whether it is done."""

    text: str
    done: bool
    url: str
    hint: str = ""


Waiting = Callable[[Session, Actor, datetime], Sequence[Any]]
"""Rooms below the web give lines of their own with the attributes of `WaitingItem`."""
Day = Callable[[Session, Actor, datetime], DayPanel | None]
Number = Callable[[Session, Actor, datetime], Figure | None]
FirstRun = Callable[[Session, Actor, datetime], list[Step]]

_waiting: dict[str, Waiting] = {}
_days: dict[str, Day] = {}
_figures: dict[str, Number] = {}
_first_run: dict[str, FirstRun] = {}


def _name(provider: Callable[..., Any]) -> str:
    return f"{provider.__module__}.{getattr(provider, '__qualname__', type(provider).__name__)}"


def register_waiting(provider: Waiting) -> Waiting:
    """`provider(session, actor, now)` gives what waits for this actor, in their scope, at most a page of it."""
    _waiting[_name(provider)] = provider
    return provider


def register_day_panel(provider: Day) -> Day:
    """`provider(session, actor, now)` gives one panel of the day, or None when it has nothing for this actor."""
    _days[_name(provider)] = provider
    return provider


def register_figure(provider: Number) -> Number:
    """`provider(session, actor, now)` gives one figure with the link to its list, or None."""
    _figures[_name(provider)] = provider
    return provider


def register_first_run(provider: FirstRun) -> FirstRun:
    """`provider(session, actor, now)` gives steps of setting up, each checked on the spot."""
    _first_run[_name(provider)] = provider
    return provider


@dataclass
class Board:
    """What the workbench shows."""

    waiting: list[Any] = field(default_factory=list)
    later: int = 0
    overdue: int = 0
    panels: list[DayPanel] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    missing: int = 0
    """How many providers failed and were left out."""

    @property
    def count(self) -> int:
        """How much waits, shown or not."""
        return len(self.waiting) + self.later


_LEVEL_ORDER = {"red": 0, "orange": 1, "yellow": 2, "blue": 3}


def urgency(item: Any) -> tuple[int, float]:
    """Real warnings by colour first, then exercises, then by the time limit; what has none comes last."""
    level = str(getattr(item.level, "value", item.level) or "")
    rank = _LEVEL_ORDER.get(level, 9)
    if rank < 9 and getattr(item, "drill", False):
        rank += len(_LEVEL_ORDER)
    return rank, item.due_at.timestamp() if item.due_at else float("inf")


def gather(session: Session, actor: Actor, now: datetime) -> Board:
    """Ask every provider; those that fail are counted, never raised."""
    board = Board()

    def ask(provider: Callable[[Session, Actor, datetime], Any]) -> Any:
        try:
            with session.begin_nested():
                return provider(session, actor, now)
        except Exception as error:
            log.warning("panel left out %s", kv(panel=_name(provider), error=type(error).__name__), exc_info=True)
            board.missing += 1
            return None

    everything = [item for provider in list(_waiting.values()) for item in ask(provider) or ()]
    everything.sort(key=urgency)
    board.waiting, board.later = everything[:SHOWN], max(0, len(everything) - SHOWN)
    board.overdue = sum(1 for item in everything if item.due_at is not None and item.due_at < now)
    board.panels = [panel for provider in list(_days.values()) if (panel := ask(provider)) is not None]
    board.figures = [figure for provider in list(_figures.values()) if (figure := ask(provider)) is not None][:4]
    board.steps = [step for provider in list(_first_run.values()) for step in ask(provider) or ()]
    return board
