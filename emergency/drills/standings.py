"""Keeping the table of standings equal to what the rules say: after every change, at the turn of the day, in pieces.

What changes a subject marks it (`mark`, within the same unit of work); what changes the rules, the terms or the day
changes the stamp that every row was computed for. The job computes what is marked or stamped otherwise.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions.models import Division, Unit
from emergency.drills import compliance, standing_rules
from emergency.drills.compliance import Book, Key, Subject
from emergency.drills.models import DrillRule, Occurrence, Programme
from emergency.drills.rulebook import require_deciding
from emergency.drills.rules import Standing
from emergency.drills.standing_models import StandingRow, SubjectKind, Watched
from emergency.drills.standing_rules import Outcome
from emergency.http.actor import Actor
from emergency.plans.models import Plan, PlanLevel
from emergency.privacy import journal
from kernel.clock import BEIJING
from kernel.db import Database, on_touch
from kernel.errors import N_, Invalid
from kernel.ids import new_id
from scheduler.terms import TermCalendar

WATCHED = journal.kind(
    "drills.watched_from", "演练规则起算日调整", "Drills watched from another day", "day", "reason_given"
)
PIECE = 60
"""Subjects in one transaction."""
ENTER_AT_ONCE = 500
_CHUNK = 400
_COMPARED = (
    "division_code", "town", "subject_group", "standing", "rank", "due_order", "last_occurrence_id", "last_on",
    "next_due", "next_occurrence_id", "next_on", "provisional",
)  # fmt: skip
_LOADERS: dict[SubjectKind, Callable[[Session, Book, Collection[int]], list[Subject]]] = {
    SubjectKind.UNIT: compliance.unit_subjects,
    SubjectKind.DIVISION: compliance.division_subjects,
    SubjectKind.PLAN: compliance.plan_subjects,
}


# --- marks --------------------------------------------------------------------------------------------------------


def mark(session: Session, kind: SubjectKind, ids: Iterable[int]) -> None:
    """These subjects have to be computed again."""
    wanted = sorted(set(ids))
    for start in range(0, len(wanted), _CHUNK):
        session.execute(
            sa.update(Watched)
            .where(Watched.subject_kind == kind, Watched.subject_id.in_(wanted[start : start + _CHUNK]))
            .values(computed_for=None)
            .execution_options(synchronize_session=False)
        )


def mark_whose(session: Session, programmes: Iterable[Programme]) -> None:
    """Whoever these programmes drill has to be computed again: dates were written or taken back."""
    _mark_rows(session, [(p.unit_id, p.division_code, p.plan_id) for p in programmes])


def _mark_rows(session: Session, rows: Iterable[Any]) -> None:
    found: dict[SubjectKind, set[int]] = {kind: set() for kind in SubjectKind}
    for unit_id, code, plan_id in rows:
        if unit_id is not None:
            found[SubjectKind.UNIT].add(unit_id)
        else:
            found[SubjectKind.DIVISION].add(int(code))
        if plan_id is not None:
            found[SubjectKind.PLAN].add(plan_id)
    for kind, ids in found.items():
        mark(session, kind, ids)


def _drills_touched(session: Session, kind: str, ids: Sequence[int]) -> None:
    whose = sa.select(Programme.unit_id, Programme.division_code, Programme.plan_id).distinct()
    by: Any = Programme.id
    if kind == Occurrence.__tablename__:
        whose, by = whose.join(Occurrence, Occurrence.programme_id == Programme.id), Occurrence.id
    for start in range(0, len(ids), _CHUNK):
        _mark_rows(session, session.execute(whose.where(by.in_(ids[start : start + _CHUNK]))).all())


def _subjects_touched(session: Session, kind: str, ids: Sequence[int]) -> None:
    mark(session, SubjectKind(kind), ids)


on_touch(Occurrence.__tablename__, _drills_touched)
on_touch(Programme.__tablename__, _drills_touched)
for _kind in SubjectKind:
    on_touch(_kind.value, _subjects_touched)


def watch_from(session: Session, *, actor: Actor, since: date, today: date, reason: str) -> int:
    """Everybody on the list is watched from a day that the bureau names; journalled. Returns how many are.

    The day a unit was entered here is only when it was typed in: a bureau that kept its list on paper before says so.
    """
    require_deciding(actor)
    if not reason.strip():
        raise Invalid(N_("Say why, so that the decision can be understood later."), code="reason_required")
    if since > today:
        raise Invalid(N_("The day lies in the future."), code="in_the_future")
    journal.record(session, WATCHED, actor=actor, day=since.isoformat(), reason_given=True)
    done = session.execute(
        sa.update(Watched).values(since=since, computed_for=None).execution_options(synchronize_session=False)
    )
    return int(done.rowcount)  # type: ignore[attr-defined]


# --- the job ------------------------------------------------------------------------------------------------------


def keep(database: Database, now: datetime) -> int:
    """Take up whom the rules mean, then compute whoever is marked or was computed for another stamp."""
    here = now.astimezone(BEIJING)
    entered, done = enter(database, now), 0
    with database.read() as session:
        terms = TermCalendar.load(session)
        stamp = _stamp(session, here, terms)
        rulebook = compliance.book(session, adopted_only=True) if _next(session, stamp) else None
    while rulebook is not None:
        with database.write() as session:
            keys = _next(session, stamp)
            if keys:
                _refresh(session, keys, rulebook, here.date(), terms, stamp)
        done += len(keys)
        if len(keys) < PIECE:
            break
    return entered + done


def _next(session: Session, stamp: str) -> list[Key]:
    rows = session.execute(
        sa.select(Watched.subject_kind, Watched.subject_id)
        .where(sa.or_(Watched.computed_for.is_(None), Watched.computed_for != stamp))
        .order_by(Watched.subject_kind, Watched.subject_id)
        .limit(PIECE)
    )
    return [(kind, subject_id) for kind, subject_id in rows]


def _stamp(session: Session, here: datetime, terms: TermCalendar) -> str:
    """The day, its quarter, and a digest of the rules and terms. Four rounds a day mend what no mark told of."""
    versions = session.execute(sa.select(DrillRule.id, DrillRule.version, DrillRule.adopted).order_by(DrillRule.id))
    digest = zlib.crc32(repr(([tuple(row) for row in versions], terms.terms)).encode())
    return f"{here:%Y-%m-%d}.{here.hour // 6}.{digest:08x}"


def enter(database: Database, now: datetime) -> int:
    """Units, divisions and plans that are not on the list yet are watched from today."""
    today = now.astimezone(BEIJING).date()
    with database.read() as session:
        wanted = _missing(session)
    for start in range(0, len(wanted), ENTER_AT_ONCE):
        rows = [
            {
                "subject_kind": kind, "subject_id": subject_id, "division_code": code, "town": code[:9] + "000",
                "subject_group": group, "since": today, "computed_for": None, "overdue": 0, "due": 0, "satisfied": 0,
            }
            for kind, subject_id, code, group in wanted[start : start + ENTER_AT_ONCE]
        ]  # fmt: skip
        with database.write() as session:
            session.execute(sa.insert(Watched), rows)
    return len(wanted)


def _missing(session: Session) -> list[tuple[SubjectKind, int, str, str]]:
    def known(kind: SubjectKind) -> sa.Select[Any]:
        return sa.select(Watched.subject_id).where(Watched.subject_kind == kind)

    unit, division, plan = SubjectKind.UNIT, SubjectKind.DIVISION, SubjectKind.PLAN
    units = session.execute(
        sa.select(Unit.id, Unit.division_code, Unit.kind).where(Unit.closed_at.is_(None), Unit.id.not_in(known(unit)))
    )
    divisions = session.execute(
        sa.select(Division.code, Division.level).where(
            Division.level.in_(tuple(compliance.GROUPS_BY_LEVEL)),
            sa.cast(Division.code, sa.BigInteger).not_in(known(division)),
        )
    )
    plans = session.execute(
        sa.select(Plan.id, Plan.division_code).where(
            Plan.state.in_(compliance.PLAN_STATES),
            Plan.kind.in_(tuple(standing_rules.PLAN_WORDS.values())),
            Plan.level != PlanLevel.CITY,
            Plan.id.not_in(known(plan)),
        )
    )
    return [
        *((unit, row.id, row.division_code, row.kind.value) for row in units),
        *((division, int(row.code), row.code, compliance.GROUPS_BY_LEVEL[row.level]) for row in divisions),
        *((plan, row.id, row.division_code, "plan") for row in plans),
    ]


def _refresh(
    session: Session, keys: Sequence[Key], rulebook: Book, today: date, terms: TermCalendar, stamp: str
) -> None:
    """Compute these subjects and write what differs.

    The stamp is set before anything is read: who marks a subject meanwhile waits for this unit of work, and the mark
    then stands for the next round.
    """
    by_kind = {kind: [i for k, i in keys if k is kind] for kind in SubjectKind}
    for kind, ids in by_kind.items():
        if ids:
            session.execute(_of(Watched, kind, ids).values(computed_for=stamp))
    subjects = [s for kind, ids in by_kind.items() if ids for s in _LOADERS[kind](session, rulebook, ids)]
    present = [subject.key for subject in subjects]
    drills = compliance.drills_of(session, present)
    since = compliance.since_of(session, present, today)
    stored = _stored(session, by_kind)
    fresh: list[dict[str, Any]] = []
    changed: list[dict[str, Any]] = []
    tallies: list[dict[str, Any]] = []
    for subject in subjects:
        found = compliance.outcomes(subject, rulebook, drills.get(subject.key, ()), since[subject.key], today, terms)
        tallies.append(_tally(subject, found))
        for rule, outcome in found:
            values = _values(subject, outcome)
            row = stored.pop((*subject.key, rule.id), None)
            if row is None:
                fresh.append(
                    {"id": new_id(), "subject_kind": subject.kind, "subject_id": subject.id, "rule_id": rule.id}
                    | values | {"computed_on": today}
                )  # fmt: skip
            elif any(getattr(row, name) != values[name] for name in _COMPARED):
                changed.append({"id": row.id} | values | {"computed_on": today})
    _write(session, fresh, changed, tallies, [row.id for row in stored.values()])
    _forget(session, set(keys) - set(present))


def _of(model: Any, kind: SubjectKind, ids: Collection[int]) -> Any:
    return (
        sa.update(model)
        .where(model.subject_kind == kind, model.subject_id.in_(ids))
        .execution_options(synchronize_session=False)
    )


def _stored(session: Session, by_kind: dict[SubjectKind, list[int]]) -> dict[tuple[SubjectKind, int, int], Any]:
    table = StandingRow.__table__
    return {
        (row.subject_kind, row.subject_id, row.rule_id): row
        for kind, ids in by_kind.items()
        if ids
        for row in session.execute(sa.select(table).where(table.c.subject_kind == kind, table.c.subject_id.in_(ids)))
    }


def _values(subject: Subject, outcome: Outcome) -> dict[str, Any]:
    evidence, coming = outcome.evidence, outcome.coming
    return {
        "division_code": subject.division_code, "town": subject.town, "subject_group": subject.group,
        "standing": outcome.verdict.standing, "rank": outcome.rank, "due_order": outcome.due_order,
        "last_occurrence_id": evidence.id if evidence else None, "last_on": evidence.on if evidence else None,
        "next_due": outcome.verdict.next_due, "next_occurrence_id": coming.id if coming else None,
        "next_on": coming.on if coming else None, "provisional": outcome.verdict.provisional,
    }  # fmt: skip


def _tally(subject: Subject, found: Sequence[tuple[DrillRule, Outcome]]) -> dict[str, Any]:
    standings = [outcome.verdict.standing for _rule, outcome in found]
    return {
        "subject_kind": subject.kind, "subject_id": subject.id, "division_code": subject.division_code,
        "town": subject.town, "subject_group": subject.group, "overdue": standings.count(Standing.OVERDUE),
        "due": standings.count(Standing.DUE), "satisfied": standings.count(Standing.SATISFIED),
    }  # fmt: skip


def _write(
    session: Session,
    fresh: list[dict[str, Any]],
    changed: list[dict[str, Any]],
    tallies: list[dict[str, Any]],
    gone: list[int],
) -> None:
    if fresh:
        session.execute(sa.insert(StandingRow), fresh)
    if changed:
        session.execute(sa.update(StandingRow), changed)
    if tallies:
        session.execute(sa.update(Watched), tallies)
    for start in range(0, len(gone), _CHUNK):
        session.execute(sa.delete(StandingRow).where(StandingRow.id.in_(gone[start : start + _CHUNK])))


def _forget(session: Session, keys: Iterable[Key]) -> None:
    """Who is closed or repealed is watched no more; its standings went with the comparison."""
    for kind, subject_id in keys:
        session.execute(sa.delete(Watched).where(Watched.subject_kind == kind, Watched.subject_id == subject_id))
