"""A drill gives way to the real thing: a red warning in force, or a real response that runs, where it is held.

What leaves in a drill and what leaves for a flood reach the same people, and a controller who reads out an inject is
missing elsewhere. So the drill stands still at once, by itself; that it goes on is decided by a person, who says why
while the real thing lasts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.drills.day_models import DrillHold, HeldBy
from emergency.drills.models import Occurrence
from emergency.http.actor import Actor
from emergency.plans import service as plans
from emergency.warnings import service as warnings
from kernel.errors import N_, Conflict
from kernel.ids import new_id


@dataclass(frozen=True)
class Real:
    """One real thing: what it is, what it is called, where."""

    source: HeldBy
    source_id: int
    words: str
    codes: tuple[str, ...]

    @property
    def key(self) -> tuple[HeldBy, int]:
        """By what it is known."""
        return self.source, self.source_id

    @property
    def url(self) -> str:
        """Its page."""
        return address(self.source, self.source_id)


def address(source: HeldBy, source_id: int) -> str:
    """The page of what holds a drill."""
    return f"/{'warnings' if source is HeldBy.WARNING else 'responses'}/{source_id}"


def in_force(session: Session, moment: datetime) -> list[Real]:
    """Every real thing for which drills give way, wherever it is."""
    return [
        *(Real(HeldBy.WARNING, red.warning_id, red.headline[:200], red.codes)
          for red in warnings.red_in_force(session, moment)),
        *(Real(HeldBy.RESPONSE, row.id, row.matter[:200], (row.division_code,))
          for row in plans.real_responses(session)),
    ]  # fmt: skip


def here(found: Iterable[Real], occurrence: Occurrence) -> list[Real]:
    """Those of them that share ground with the drill."""
    return [real for real in found if plans.touches(real.codes, occurrence.division_code)]


def holds(session: Session, occurrence_id: int) -> list[DrillHold]:
    """Everything for which the drill stood still or was asked about, the first first."""
    return list(
        session.scalars(
            sa.select(DrillHold).where(DrillHold.occurrence_id == occurrence_id).order_by(DrillHold.at, DrillHold.id)
        )
    )


def unanswered(session: Session, occurrence: Occurrence, moment: datetime) -> list[Real]:
    """What is in force here and nobody has decided about yet."""
    real = here(in_force(session, moment), occurrence)
    if not real:
        return []
    answered = {(row.source, row.source_id) for row in holds(session, occurrence.id) if row.released_at is not None}
    return [one for one in real if one.key not in answered]


def enter(session: Session, occurrence: Occurrence, real: Iterable[Real], moment: datetime) -> None:
    """Note for what the drill stands still; what is noted already stays as it is."""
    known = {(row.source, row.source_id) for row in holds(session, occurrence.id)}
    session.add_all(
        DrillHold(
            id=new_id(), occurrence_id=occurrence.id, source=one.source, source_id=one.source_id, words=one.words,
            at=moment,
        )
        for one in real
        if one.key not in known
    )  # fmt: skip
    session.flush()


def release(session: Session, occurrence: Occurrence, *, actor: Actor, reason: str, moment: datetime) -> None:
    """A person lets the drill begin or go on. While the real thing lasts that needs the reason (409 `real_in_force`)."""
    real = unanswered(session, occurrence, moment)
    if real and not reason.strip():
        raise Conflict(
            N_("In force here: %(what)s. A drill gives way to it. Say why it goes on nevertheless."),
            code="real_in_force", what=named(real),
        )  # fmt: skip
    enter(session, occurrence, real, moment)
    close(session, occurrence.id, actor=actor, moment=moment)


def close(session: Session, occurrence_id: int, *, actor: Actor, moment: datetime) -> None:
    """Nothing holds the drill any more."""
    for row in holds(session, occurrence_id):
        if row.released_at is None:
            row.released_at, row.released_by = moment, str(actor)
    session.flush()


def require_free(session: Session, occurrence: Occurrence, moment: datetime) -> None:
    """Refuse to send by hand while the drill is held, or would be by the next tick (409 `held`)."""
    waiting: list[DrillHold | Real] = [row for row in holds(session, occurrence.id) if row.released_at is None]
    waiting = waiting or [*unanswered(session, occurrence, moment)]
    if waiting:
        raise Conflict(
            N_("The drill is held: %(what)s. Let it go on first."), code="held",
            what="；".join(f"{one.source.zh} {one.words}" for one in waiting[:3]),
        )  # fmt: skip


def named(real: Iterable[Real]) -> str:
    """What holds, in one line."""
    return "；".join(f"{one.source.zh} {one.words}" for one in list(real)[:3])
