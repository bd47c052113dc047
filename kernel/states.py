"""One way for a record to change its state.

Each enum has one dict of allowed transitions beside it. `transition()` refuses everything else, compares and sets
in the database (two people cannot both win), writes who, when and why to `state_change` (the record's timeline),
and tells the listeners (the journal). Why is free text that may speak of a person: it is sealed by whatever the session
carries as `state_sealer`.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from kernel.db import Base, Pk, now
from kernel.errors import N_, Conflict, DomainError
from kernel.ids import new_id

Transitions = Mapping[Any, frozenset[Any]]


class Sealer(Protocol):
    """Closes and opens a text that is bound to its table, column and row."""

    def seal(self, table: str, column: str, row_id: int, text: str) -> bytes:
        """`text`, unreadable."""

    def open(self, table: str, column: str, row_id: int, sealed: bytes) -> str:
        """What `seal` was given."""


class StateChange(Base):
    """One step of a record's life: from, to, when, by whom, why."""

    __tablename__ = "state_change"
    __table_args__ = (sa.Index(None, "kind", "subject_id", "id"),)

    id: Mapped[Pk]
    kind: Mapped[str] = mapped_column(sa.String(40))
    subject_id: Mapped[int]
    field: Mapped[str] = mapped_column(sa.String(40))
    from_state: Mapped[str] = mapped_column(sa.String(32))
    to_state: Mapped[str] = mapped_column(sa.String(32))
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(sa.String(60))
    reason_sealed: Mapped[bytes | None]
    if TYPE_CHECKING:
        reason: str | None
    else:
        reason = None  # in clear only in memory, where `transition` or `timeline` put it


class ForbiddenTransition(DomainError):
    """The record's state does not allow this step."""

    code = "wrong_state"
    status = 409


Listener = Callable[[Session, StateChange], None]


def transition(
    session: Session,
    record: Any,
    to: enum.Enum,
    *,
    allowed: Transitions,
    actor: Any,
    reason: str | None = None,
    field: str = "state",
    values: Mapping[str, Any] | None = None,
) -> StateChange:
    """Move `record.<field>` to `to`, or refuse.

    `actor` is anything whose `str()` is its opaque key (`account:12`, `system`). `values` are further columns set by
    the same statement. A record with a `version` column has it raised by one. Raises `ForbiddenTransition`
    (`wrong_state`) when the table of transitions does not allow the step and `Conflict` (`version_conflict`) when
    somebody else changed the state first.
    """
    current = getattr(record, field)
    if to not in allowed.get(current, frozenset()):
        raise ForbiddenTransition(
            N_("This is %(current)s; it cannot become %(wanted)s."), current=_word(current), wanted=_word(to)
        )
    session.flush()
    table = record.__table__
    changes: dict[str, Any] = {field: to, **(values or {})}
    conditions = [table.c.id == record.id, table.c[field] == current]
    if "version" in table.c:
        changes["version"] = table.c.version + 1
        conditions.append(table.c.version == record.version)
    done = session.execute(sa.update(table).where(*conditions).values(**changes))
    if done.rowcount != 1:  # type: ignore[attr-defined]
        raise Conflict(N_("Somebody else changed this first. Reload it, look at it again, then decide."))
    session.refresh(record)
    return note(
        session, table.name, record.id, str(current.value), str(to.value), actor=actor, reason=reason, field=field
    )


def note(
    session: Session,
    kind: str,
    subject_id: int,
    before: str,
    after: str,
    *,
    actor: Any,
    reason: str | None = None,
    field: str = "state",
) -> StateChange:
    """Write one step, already made and checked elsewhere, into the timeline, and tell the listeners.

    For tables that are moved many rows at a time by statements of their own.
    """
    change_id = new_id()
    change = StateChange(
        id=change_id,
        kind=kind,
        subject_id=subject_id,
        field=field,
        from_state=before,
        to_state=after,
        at=now(session),
        actor=str(actor),
        reason=reason,
        reason_sealed=_sealer(session).seal("state_change", "reason", change_id, reason) if reason else None,
    )
    session.add(change)
    listeners: list[Listener] = session.info.get("state_listeners", [])
    for listener in listeners:
        listener(session, change)
    return change


def _sealer(session: Session) -> Sealer:
    sealer: Sealer | None = session.info.get("state_sealer")
    if sealer is None:
        raise RuntimeError("a reason is kept sealed: attach a state_sealer to the database")
    return sealer


def _word(state: enum.Enum) -> str:
    return getattr(state, "zh", None) or str(state.value)


def timeline(session: Session, kind: str, subject_id: int) -> list[StateChange]:
    """Every step of one record, oldest first, each with its reason in clear."""
    found = session.scalars(
        sa.select(StateChange)
        .where(StateChange.kind == kind, StateChange.subject_id == subject_id)
        .order_by(StateChange.id)
    ).all()
    for change in found:
        if change.reason_sealed is not None:
            change.reason = _sealer(session).open("state_change", "reason", change.id, change.reason_sealed)
    return list(found)
