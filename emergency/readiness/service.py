"""Readiness: lists of what is wrong, the score, and putting a fault aside for a while with a reason."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions import rules as divisions
from emergency.divisions.models import Division
from emergency.http.actor import Actor
from emergency.http.i18n import gettext
from emergency.http.paging import PAGE_SIZE, Page, paginate
from emergency.http.permissions import Permission
from emergency.people.posts.models import Post
from emergency.privacy import journal
from emergency.readiness import rules
from emergency.readiness.gathering import gather, look_again, register, rooms
from emergency.readiness.models import Defect, ScoreDay, Severity
from emergency.readiness.system import defects as system_defects
from kernel.db import now
from kernel.errors import N_, Invalid, NotFound

__all__ = [
    "Score", "close_score_day", "counting", "gather", "get", "is_muted", "look_again", "mute", "of_subjects",
    "open_defects", "owner_names", "owners", "reason", "register", "room_counts", "rooms", "score", "unmute",
]  # fmt: skip

MUTED = journal.kind("readiness.muted", "缺陷暂缓", "Defect put aside", "rule", "until", "division")
REASON_LENGTH = 300


@dataclass(frozen=True)
class Score:
    """How ready a division is, and what it is made of."""

    value: int
    counts: dict[Severity, int]
    muted: int
    trend: list[tuple[str, int]]

    @property
    def open(self) -> int:
        """How many faults count."""
        return sum(self.counts.values())


def _scope(actor: Actor, division_code: str | None) -> sa.ColumnElement[bool]:
    low, high = actor.division_prefix.ljust(12, "0"), actor.division_prefix.ljust(12, "9")
    inside = Defect.division_code.between(low, high)
    if division_code:
        return sa.and_(inside, Defect.division_code.between(*divisions.subtree_range(_code(division_code))))
    return inside


def _code(code: str) -> str:
    if not divisions.is_code(code):
        raise Invalid(N_("“%(given)s” is not a division code."), code="invalid_division", given=code)
    return code


def _muted(moment: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(Defect.muted_until.is_not(None), Defect.muted_until > moment)


def counting(session: Session, actor: Actor, division_code: str | None = None) -> tuple[sa.ColumnElement[bool], ...]:
    """SQL: open faults in scope that nobody put aside."""
    return Defect.closed_at.is_(None), _scope(actor, division_code), sa.not_(_muted(now(session)))


def open_defects(
    session: Session,
    actor: Actor,
    *,
    room: str | None = None,
    division_code: str | None = None,
    severity: Severity | None = None,
    muted: bool = False,
    cursor: str | None = None,
    limit: int = PAGE_SIZE,
) -> Page[Defect]:
    """What is wrong in the actor's scope, the most urgent first; `muted=True` for what was put aside."""
    actor.require(Permission.READINESS_VIEW)
    aside = _muted(now(session))
    statement = sa.select(Defect).where(
        Defect.closed_at.is_(None), _scope(actor, division_code), aside if muted else sa.not_(aside)
    )
    if room:
        statement = statement.where(Defect.room == room)
    if severity is not None:
        statement = statement.where(Defect.severity == severity)
    return paginate(session, statement, key=[Defect.severity_rank, Defect.id], cursor=cursor, limit=limit)


def get(session: Session, *, actor: Actor, defect_id: int) -> Defect:
    """One defect in scope."""
    defect = session.get(Defect, defect_id)
    if defect is None or not actor.covers(defect.division_code):
        raise NotFound(N_("There is no such defect, or it lies outside your area."))
    return defect


def of_subjects(session: Session, kind: str, ids: Iterable[int]) -> dict[int, list[Defect]]:
    """Open defects of many records of one kind, by id, for the pages of those records."""
    found: dict[int, list[Defect]] = {}
    for defect in session.scalars(
        sa.select(Defect)
        .where(Defect.subject_kind == kind, Defect.subject_id.in_(set(ids)), Defect.closed_at.is_(None))
        .order_by(Defect.severity_rank, Defect.id)
    ):
        found.setdefault(defect.subject_id, []).append(defect)
    return found


def reason(defect: Defect) -> str:
    """The fault in the reader's language. A value that the room left out never breaks the page."""
    try:
        return gettext(defect.reason, **defect.params)
    except (KeyError, TypeError, ValueError):
        return gettext(defect.reason)


def owners(session: Session, defects: Iterable[Defect], language: str = "zh") -> dict[int, str]:
    """The owning posts in words, by post id."""
    return owner_names(session, {d.owner_post_id for d in defects if d.owner_post_id is not None}, language)


def owner_names(session: Session, ids: Iterable[int | None], language: str = "zh") -> dict[int, str]:
    """Posts in words, by id."""
    rows = session.execute(
        sa.select(Post.id, Post.duty, Division.name)
        .join(Division, Division.code == Post.division_code)
        .where(Post.id.in_(set(ids)))
    )
    return {post_id: f"{division} {duty.label(language)}" for post_id, duty, division in rows}


def room_counts(session: Session, actor: Actor, division_code: str | None = None) -> dict[str, dict[Severity, int]]:
    """Open faults by room and severity, those put aside left out."""
    rows = session.execute(
        sa.select(Defect.room, Defect.severity, sa.func.count())
        .where(Defect.closed_at.is_(None), _scope(actor, division_code), sa.not_(_muted(now(session))))
        .group_by(Defect.room, Defect.severity)
    )
    found: dict[str, dict[Severity, int]] = {}
    for room, severity, count in rows:
        found.setdefault(room, {})[severity] = count
    return found


def score(session: Session, actor: Actor, division_code: str | None = None) -> Score:
    """How ready the actor's area (or one division in it) is today, with the last days' scores."""
    actor.require(Permission.READINESS_VIEW)
    counts = dict.fromkeys(Severity, 0)
    for by_severity in room_counts(session, actor, division_code).values():
        for severity, count in by_severity.items():
            counts[severity] += count
    muted = session.scalar(
        sa.select(sa.func.count()).where(Defect.closed_at.is_(None), _scope(actor, division_code), _muted(now(session)))
    )
    code = division_code or actor.division_code
    days = session.execute(
        sa.select(ScoreDay.day, ScoreDay.score)
        .where(ScoreDay.division_code == code)
        .order_by(ScoreDay.day.desc())
        .limit(30)
    ).all()
    trend = [(day, value) for day, value in reversed(days)]
    return Score(rules.score(counts, _townships(session, code)), counts, muted or 0, trend)


def _townships(session: Session, code: str) -> int:
    if not divisions.is_code(code):
        return 1
    low, high = divisions.subtree_range(code)
    statement = sa.select(sa.func.count()).where(Division.level == 4, Division.code.between(low, high))
    return session.scalar(statement) or 1


def close_score_day(session: Session, division_code: str, day: str) -> ScoreDay:
    """Keep today's score of a division; computed again, it replaces the earlier one of the day."""
    prefix = divisions.prefix(division_code)
    viewer = Actor(kind="system", name="readiness", division_prefix=prefix, division_code=division_code)
    value = score(session, viewer)
    record = session.get(ScoreDay, (division_code, day))
    if record is None:
        record = ScoreDay(division_code=division_code, day=day, score=value.value, open_defects=value.open)
        session.add(record)
    record.score, record.open_defects = value.value, value.open
    session.flush()
    return record


def is_muted(session: Session, defect: Defect) -> bool:
    """Whether the fault is put aside now."""
    return defect.muted_until is not None and defect.muted_until > now(session)


def mute(session: Session, *, actor: Actor, defect_id: int, until: datetime, reason: str) -> Defect:
    """Put a fault aside until a day, with a reason. It stays a fault: it comes back by itself (at most 90 days)."""
    actor.require(Permission.READINESS_MUTE)
    defect = _open_one(session, actor, defect_id)
    if not reason.strip():
        raise Invalid(N_("Say why it can wait."), code="reason_required", fields={"reason": N_("Say why it can wait.")})
    if not rules.may_mute_until(until, now(session)):
        message = N_("Choose a day within the next 90 days.")
        raise Invalid(message, code="bad_until", fields={"until": message})
    defect.muted_until, defect.muted_reason, defect.muted_by = until, reason.strip()[:REASON_LENGTH], str(actor)
    _journal(session, actor, defect, until.isoformat())
    return defect


def unmute(session: Session, *, actor: Actor, defect_id: int) -> Defect:
    """Take a fault up again."""
    actor.require(Permission.READINESS_MUTE)
    defect = _open_one(session, actor, defect_id)
    defect.muted_until = defect.muted_reason = defect.muted_by = None
    _journal(session, actor, defect, None)
    return defect


def _open_one(session: Session, actor: Actor, defect_id: int) -> Defect:
    defect = get(session, actor=actor, defect_id=defect_id)
    if defect.closed_at is not None:
        raise NotFound(N_("This is mended already."), code="already_mended")
    return defect


def _journal(session: Session, actor: Actor, defect: Defect, until: str | None) -> None:
    session.flush()
    journal.record(
        session, MUTED, actor=actor, subject=("defect", defect.id), rule=f"{defect.room}.{defect.rule}", until=until,
        division=defect.division_code,
    )  # fmt: skip


register("system", system_defects)
