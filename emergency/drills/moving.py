"""Occurrences changed many at a time: one statement for the rows, one entry each in timeline and journal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.drills import rules
from emergency.drills.models import Invitation, Occurrence, OccurrenceState
from kernel import states
from kernel.db import touch_all
from kernel.errors import N_, Conflict

TABLE = Occurrence.__tablename__


def change_states(
    session: Session,
    occurrences: Sequence[Occurrence],
    to: OccurrenceState,
    *,
    actor: Any,
    reason: str | None = None,
    values: Mapping[str, Any] | None = None,
) -> int:
    """`transition()` for many: refuses what the table of transitions refuses, and all of it if one has changed since
    it was read. `values` are further columns for all of them."""
    if not occurrences:
        return 0
    before = {occurrence.id: occurrence.state for occurrence in occurrences}
    for state in set(before.values()):
        if to not in rules.OCCURRENCE_TRANSITIONS[state]:
            raise states.ForbiddenTransition(
                N_("This is %(current)s; it cannot become %(wanted)s."), current=state.zh, wanted=to.zh
            )
    ids = sorted(before)
    done = session.execute(
        sa.update(Occurrence)
        .where(Occurrence.id.in_(ids), Occurrence.state.in_(set(before.values())))
        .values(state=to, version=Occurrence.version + 1, sequence=Occurrence.sequence + 1, **(values or {}))
        .execution_options(synchronize_session=False)
    )
    if done.rowcount != len(ids):  # type: ignore[attr-defined]
        raise Conflict(N_("Somebody else changed this first. Reload it, look at it again, then decide."))
    for occurrence in occurrences:
        session.expire(occurrence)
    for occurrence_id in ids:
        states.note(session, TABLE, occurrence_id, before[occurrence_id].value, to.value, actor=actor, reason=reason)
    session.flush()
    touch_all(session, TABLE, ids)
    return len(ids)


def bring_back(session: Session, rows: Sequence[tuple[Occurrence, Mapping[str, Any]]], *, actor: Any) -> int:
    """Withdrawn dates come back with these columns; the same rows, so that calendars do not show two.

    Nobody is asked about them any more: who had been was told that they were called off, and is asked anew.
    """
    if not rows:
        return 0
    withdrawn = [row for row, _values in rows]
    ids = [row.id for row in withdrawn]
    change_states(session, withdrawn, OccurrenceState.PLANNED, actor=actor, values={"withdrawn": False})
    session.execute(sa.delete(Invitation).where(Invitation.occurrence_id.in_(ids)))
    changes = [{"id": i, **values} for i, (_row, values) in zip(ids, rows, strict=True)]
    session.execute(sa.update(Occurrence), changes)
    return len(rows)
