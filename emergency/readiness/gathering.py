"""Asking every room what is wrong, and keeping one row for each fault as long as it lasts."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.readiness.models import Defect
from emergency.readiness.rules import RANK, Found, Key, read
from kernel.db import Database, Touched
from kernel.ids import new_id
from kernel.logs import kv

log = logging.getLogger(__name__)
Subjects = frozenset[tuple[str, int]]
Finder = Callable[..., Iterable[Any]]
"""`defects(session, now, limit_to=None)` of a room."""
Widener = Callable[..., Iterable[tuple[str, int]]]
"""`widen(session, subjects)` of a room: what else to look at when these subjects were touched."""
PIECE = 100
TOUCHED_AT_ONCE = 500
_UPDATED = ("division_code", "severity", "reason", "params", "url", "owner_post_id", "due_at")

_ROOMS: dict[str, Finder] = {}
_WIDER: dict[str, Widener] = {}


class GatheringFailed(RuntimeError):
    """One or more rooms could not say what is wrong there; the others were asked all the same."""


def register(room: str, finder: Finder, widen: Widener | None = None) -> None:
    """Ask `finder(session, now, limit_to=None)` for the faults of `room` (`people.posts` is `posts`).

    `widen` says which other subjects of the room depend on one that was touched. Registering again replaces.
    """
    name = room.rpartition(".")[2]
    _ROOMS[name] = finder
    _WIDER.pop(name, None)
    if widen is not None:
        _WIDER[name] = widen


def rooms() -> list[str]:
    """The rooms that are asked."""
    return sorted(_ROOMS)


def gather(database: Database, now: datetime) -> int:
    """Ask every room for everything. Returns how many rows were opened, changed or closed."""
    return _each_room(lambda room, finder: _sweep(database, room, finder, now, None))


def look_again(database: Database, now: datetime) -> int:
    """Ask the rooms about what was touched since the last look. Returns how many rows changed."""
    with database.read() as session:
        touched = session.execute(
            sa.select(Touched.kind, Touched.subject_id, Touched.at).order_by(Touched.at).limit(TOUCHED_AT_ONCE)
        ).all()
    if not touched:
        return 0
    subjects = frozenset((row.kind, row.subject_id) for row in touched)
    try:
        return _each_room(lambda room, finder: _sweep(database, room, finder, now, subjects))
    finally:
        # What was touched again meanwhile keeps its row, with its later time. A room that failed is asked anew by
        # the next full round.
        with database.write() as session:
            for start in range(0, len(touched), PIECE):
                looked_at = [
                    sa.and_(Touched.kind == row.kind, Touched.subject_id == row.subject_id, Touched.at == row.at)
                    for row in touched[start : start + PIECE]
                ]
                session.execute(sa.delete(Touched).where(sa.or_(*looked_at)))


def _each_room(ask: Callable[[str, Finder], int]) -> int:
    changed, failed = 0, []
    for room, finder in sorted(_ROOMS.items()):
        try:
            changed += ask(room, finder)
        except Exception as error:
            # Where it arose, not its message: that may quote what is personal.
            where = "".join(traceback.format_tb(error.__traceback__))
            log.error("a room could not be asked %s\n%s", kv(room=room, error=type(error).__name__), where)
            failed.append(room)
    if failed:
        raise GatheringFailed(", ".join(failed))
    return changed


def _sweep(database: Database, room: str, finder: Finder, now: datetime, limit_to: Subjects | None) -> int:
    with database.read() as session:
        if limit_to is not None and room in _WIDER:
            limit_to = frozenset(_WIDER[room](session, limit_to))
        found: dict[Key, Found] = {}
        for given in finder(session, now, limit_to):
            fault = read(given)
            found.setdefault(fault.key, fault)
        stored = _stored(session, room, limit_to)
    fresh = [fault for key, fault in found.items() if key not in stored]
    # A limited look may yield more than was asked for, but only what was asked for can be known to be mended.
    gone = [row.id for key, row in stored.items() if key not in found]
    changed = {row.id: found[key] for key, row in stored.items() if key in found and _differs(row, found[key])}
    if limit_to is not None and fresh:
        fresh = _really_fresh(database, room, fresh)
    _open(database, room, fresh, now)
    _update(database, changed)
    _close(database, gone, now)
    return len(fresh) + len(changed) + len(gone)


def _stored(session: Session, room: str, limit_to: Subjects | None) -> dict[Key, Defect]:
    statement = sa.select(Defect).where(Defect.room == room, Defect.closed_at.is_(None))
    rows: Sequence[Defect]
    if limit_to is None:
        rows = session.scalars(statement).all()
    else:
        ids = sorted({subject_id for _kind, subject_id in limit_to})
        rows = [
            row
            for row in session.scalars(statement.where(Defect.subject_id.in_(ids)))
            if (row.subject_kind, row.subject_id) in limit_to
        ]
    return {(row.rule, row.subject_kind, row.subject_id): row for row in rows}


def _really_fresh(database: Database, room: str, fresh: Sequence[Found]) -> list[Found]:
    ids = {fault.subject_id for fault in fresh}
    with database.read() as session:
        rows = session.execute(
            sa.select(Defect.rule, Defect.subject_kind, Defect.subject_id).where(
                Defect.room == room, Defect.closed_at.is_(None), Defect.subject_id.in_(ids)
            )
        )
        known = {tuple(row) for row in rows}
    return [fault for fault in fresh if fault.key not in known]


def _differs(row: Defect, fault: Found) -> bool:
    return any(getattr(row, name) != getattr(fault, name) for name in _UPDATED)


def _values(fault: Found) -> dict[str, Any]:
    return {name: getattr(fault, name) for name in _UPDATED} | {"severity_rank": RANK[fault.severity]}


def _open(database: Database, room: str, faults: Sequence[Found], now: datetime) -> None:
    for start in range(0, len(faults), PIECE):
        rows = [
            {
                "id": new_id(), "room": room, "rule": fault.rule, "subject_kind": fault.subject_kind,
                "subject_id": fault.subject_id, "since": min(fault.since or now, now), **_values(fault),
            }
            for fault in faults[start : start + PIECE]
        ]  # fmt: skip
        with database.write() as session:
            session.execute(sa.insert(Defect), rows)


def _update(database: Database, changed: Mapping[int, Found]) -> None:
    items = list(changed.items())
    for start in range(0, len(items), PIECE):
        with database.write() as session:
            session.execute(
                sa.update(Defect), [{"id": row_id, **_values(fault)} for row_id, fault in items[start : start + PIECE]]
            )


def _close(database: Database, ids: Sequence[int], now: datetime) -> None:
    for start in range(0, len(ids), PIECE):
        with database.write() as session:
            session.execute(
                sa.update(Defect)
                .where(Defect.id.in_(ids[start : start + PIECE]), Defect.closed_at.is_(None))
                .values(closed_at=sa.case((Defect.since > now, Defect.since), else_=now))
            )
