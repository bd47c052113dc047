"""What this room knows of warnings: what the roof hands it. Warnings stand above plans and are not looked up from here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from emergency.divisions.rules import prefix


@dataclass(frozen=True)
class Signal:
    """One warning that was issued: what, how grave, where, when; real or an exercise."""

    warning_id: int
    headline: str
    level: str
    event_code: str
    event_names: tuple[str, ...]
    real: bool
    codes: tuple[str, ...]
    issued_at: datetime
    url: str


Reader = Callable[[Session, datetime, datetime], Sequence[Signal]]
"""`reader(session, since, until)` gives what was issued in that time, first alerts and updates, never a lifting."""
Standing = Callable[[Session, datetime], Sequence[Signal]]
Names = Callable[[Session], frozenset[str]]
_reader: Reader | None = None
_standing: Standing | None = None
_names: Names | None = None


def provide(reader: Reader, standing: Standing, names: Names) -> None:
    """Called once by the roof: how to read what was issued, what is in force, and what events are called."""
    global _reader, _standing, _names
    _reader, _standing, _names = reader, standing, names


def touches(codes: Sequence[str], code: str) -> bool:
    """Whether an area given by divisions and the division `code` have ground in common."""
    mine = prefix(code)
    return any(theirs.startswith(mine) or mine.startswith(prefix(theirs)) for theirs in codes)


def during(session: Session, *, real: bool, code: str, since: datetime, until: datetime) -> list[Signal]:
    """What was issued in an area in that time, real or as an exercise, oldest first."""
    if _reader is None:
        return []
    return [s for s in _reader(session, since, until) if s.real is real and touches(s.codes, code)]


def in_force(session: Session, moment: datetime) -> list[Signal]:
    """What is in force."""
    return list(_standing(session, moment)) if _standing is not None else []


def event_names(session: Session) -> frozenset[str]:
    """What events are called, with their other names."""
    return _names(session) if _names is not None else frozenset()
