"""What rooms above say of a plan on its own page: a drill found something that its text must answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from emergency.http.actor import Actor


@dataclass(frozen=True)
class Mends:
    """A version issued since, and the address that takes a person's word that it mends what was found."""

    version_id: int
    number: int
    url: str


@dataclass(frozen=True)
class Remark:
    """One thing that asks for a revision: words, since when, where it is settled."""

    text: str
    since: datetime
    url: str
    mends: Mends | None = None


About = Callable[[Session, Actor, int], Sequence[Remark]]
_SAID: list[About] = []


def register_remarks(about: About) -> About:
    """`about(session, actor, plan_id)` gives the open remarks about a plan, within the actor's area."""
    _SAID.append(about)
    return about


def about_plan(session: Session, actor: Actor, plan_id: int) -> list[Remark]:
    """Everything that is said of a plan, the oldest first."""
    return sorted((r for about in _SAID for r in about(session, actor, plan_id)), key=lambda r: r.since)
