"""Reading programmes: the list, one programme with its dates, and what its form offers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions import service as divisions
from emergency.divisions.models import Division, Unit
from emergency.divisions.rules import ancestors, in_scope
from emergency.drills import compliance, recomputing, rules
from emergency.drills.models import (
    DrillKind,
    DrillRule,
    Occurrence,
    Programme,
    ProgrammePost,
    ProgrammeRule,
    ProgrammeState,
    Record,
)
from emergency.drills.programmes import get_programme
from emergency.drills.proposing_rules import PREFERRED
from emergency.http.actor import Actor
from emergency.http.paging import Page, paginate
from emergency.http.permissions import Permission
from emergency.people.posts import service as posts
from emergency.people.posts.models import Post, PostState
from emergency.plans.models import Plan
from emergency.plans.rules import LIVING
from kernel.db import now
from kernel.states import StateChange, timeline
from scheduler.recurrence import Recurrence
from scheduler.recurrence_words import is_night, words_at

FOUND = 20
"""Units that a search shows."""
DATES = 60


@dataclass(frozen=True)
class Line:
    """One programme in the list."""

    programme: Programme
    owner: str
    words: str
    next_at: datetime | None
    provisional: bool

    @property
    def night(self) -> bool:
        """Whether it begins at night."""
        return is_night(self.programme.start_time)


def _chosen(actor: Actor, state: ProgrammeState | None, kind: DrillKind | None, q: str) -> sa.Select[Any]:
    statement = sa.select(Programme).where(in_scope(Programme.division_code, actor))
    if state is not None:
        statement = statement.where(Programme.state == state)
    if kind is not None:
        statement = statement.where(Programme.kind == kind)
    for word in q.split()[:5]:
        units = sa.select(Unit.id).where(Unit.name.contains(word, autoescape=True))
        places = sa.select(Division.code).where(Division.name.contains(word, autoescape=True))
        statement = statement.where(
            sa.or_(
                Programme.title.contains(word, autoescape=True),
                Programme.unit_id.in_(units),
                Programme.division_code.in_(places),
            )
        )
    return statement


def list_programmes(
    session: Session,
    *,
    actor: Actor,
    state: ProgrammeState | None = None,
    kind: DrillKind | None = None,
    q: str = "",
    cursor: str | None = None,
    limit: int = 50,
    language: str = "zh",
) -> Page[Line]:
    """Programmes of the actor's area, the newest first, with their next date; four statements a page."""
    actor.require(Permission.DRILLS_VIEW)
    page: Page[Programme] = paginate(
        session, _chosen(actor, state, kind, q), key=[Programme.id], cursor=cursor, limit=limit, descending=True
    )
    return Page(_lines(session, page.items, language), page.next_cursor)


def count_programmes(session: Session, *, actor: Actor) -> dict[ProgrammeState, int]:
    """How many programmes stand how."""
    actor.require(Permission.DRILLS_VIEW)
    rows = session.execute(
        sa.select(Programme.state, sa.func.count())
        .where(in_scope(Programme.division_code, actor))
        .group_by(Programme.state)
    )
    return dict.fromkeys(ProgrammeState, 0) | {row[0]: row[1] for row in rows}


def _lines(session: Session, found: Sequence[Programme], language: str) -> list[Line]:
    place = sa.func.row_number().over(
        partition_by=Occurrence.programme_id, order_by=(Occurrence.starts_at, Occurrence.id)
    )
    ahead = (
        sa.select(Occurrence.programme_id, Occurrence.starts_at, Occurrence.provisional, place.label("place"))
        .where(
            Occurrence.programme_id.in_([p.id for p in found]),
            Occurrence.state.in_(rules.COMING),
            Occurrence.starts_at > now(session),
        )
        .subquery()
    )
    coming: dict[int, tuple[datetime, bool]] = {
        row.programme_id: (row.starts_at, row.provisional)
        for row in session.execute(sa.select(ahead).where(ahead.c.place == 1))
    }
    names = owners(session, found)
    return [
        Line(
            p, names[p.id], words_at(Recurrence.from_json(p.recurrence), p.start_time, language),
            *coming.get(p.id, (None, False)),
        )
        for p in found
    ]  # fmt: skip


def owners(session: Session, found: Sequence[Programme]) -> dict[int, str]:
    """Whose each programme is: the unit, else the division."""
    units = divisions.unit_names(session, [p.unit_id for p in found if p.unit_id is not None])
    places = divisions.names(session, {p.division_code for p in found})
    return {p.id: units.get(p.unit_id or 0) or places.get(p.division_code, p.division_code) for p in found}


@dataclass(frozen=True)
class Past:
    """One date that is over, with what came of it."""

    occurrence: Occurrence
    record: Record | None


@dataclass(frozen=True)
class Whole:
    """One programme with everything about it."""

    programme: Programme
    owner: str
    words: str
    night: bool
    coming: list[Occurrence]
    past: list[Past]
    posts: dict[int, str]
    rules: list[DrillRule]
    plan: Plan | None
    stuck: list[recomputing.Stuck]
    changes: list[StateChange]


def whole(session: Session, *, actor: Actor, programme_id: int, language: str = "zh") -> Whole:
    """One programme in the actor's area; at most sixty coming and sixty past dates."""
    actor.require(Permission.DRILLS_VIEW)
    programme = get_programme(session, actor=actor, programme_id=programme_id)
    mine, moment = Occurrence.programme_id == programme.id, now(session)
    coming = session.scalars(
        sa.select(Occurrence)
        .where(mine, Occurrence.state.in_(rules.COMING), Occurrence.ends_at > moment)
        .order_by(Occurrence.starts_at)
        .limit(DATES)
    ).all()
    past = session.execute(
        sa.select(Occurrence, Record)
        .outerjoin(Record, Record.occurrence_id == Occurrence.id)
        .where(mine, sa.or_(Occurrence.ends_at <= moment, Occurrence.state.not_in(rules.COMING)))
        .order_by(Occurrence.starts_at.desc())
        .limit(DATES)
    ).all()
    asked = session.scalars(sa.select(ProgrammePost.post_id).where(ProgrammePost.programme_id == programme.id)).all()
    served = session.scalars(
        sa.select(DrillRule)
        .join(ProgrammeRule, ProgrammeRule.rule_id == DrillRule.id)
        .where(ProgrammeRule.programme_id == programme.id)
        .order_by(DrillRule.id)
    ).all()
    return Whole(
        programme, owners(session, [programme])[programme.id],
        words_at(Recurrence.from_json(programme.recurrence), programme.start_time, language),
        is_night(programme.start_time), list(coming), [Past(o, r) for o, r in past],
        posts.titles(session, asked, language=language), list(served),
        session.get(Plan, programme.plan_id) if programme.plan_id else None,
        recomputing.stuck(session, [o.id for o in coming]), timeline(session, "drill_programme", programme.id),
    )  # fmt: skip


def find_units(session: Session, *, actor: Actor, q: str) -> list[Unit]:
    """At most twenty open units of the area whose names contain every word; none without a word."""
    words = q.split()[:5]
    if not words:
        return []
    return list(
        session.scalars(
            sa.select(Unit)
            .where(
                in_scope(Unit.division_code, actor),
                Unit.closed_at.is_(None),
                *(Unit.name.contains(word, autoescape=True) for word in words),
            )
            .order_by(Unit.name, Unit.id)
            .limit(FOUND)
        )
    )


def get_unit(session: Session, *, actor: Actor, unit_id: int | None) -> Unit | None:
    """An open unit of the actor's area; None where there is no such."""
    if not unit_id:
        return None
    return session.scalar(
        sa.select(Unit).where(Unit.id == unit_id, in_scope(Unit.division_code, actor), Unit.closed_at.is_(None))
    )


def get_plan(session: Session, *, actor: Actor, plan_id: int | None) -> Plan | None:
    """A living plan of the actor's area; None where there is no such."""
    if not plan_id:
        return None
    return session.scalar(
        sa.select(Plan).where(Plan.id == plan_id, in_scope(Plan.division_code, actor), Plan.state.in_(LIVING))
    )


def usual_kind(session: Session, rule: DrillRule) -> DrillKind | None:
    """The kind of drill by which a rule is mostly kept."""
    kinds = compliance.book(session).kinds_of(rule)
    return next((kind for kind in PREFERRED if kind in kinds), None)


def posts_offered(
    session: Session, *, actor: Actor, code: str, unit: Unit | None, chosen: Sequence[int] = (), language: str = "zh"
) -> list[tuple[int, str]]:
    """The posts that may be asked: the unit's own, those of its place and of the township above; chosen ones stay."""
    codes = [code, *(above for above in ancestors(code) if actor.covers(above))][:3]
    near = sa.and_(
        Post.division_code.in_(codes),
        sa.or_(Post.unit_id.is_(None), Post.unit_id == (unit.id if unit is not None else None)),
    )
    found = session.scalars(
        sa.select(Post.id)
        .where(
            sa.or_(near, Post.id.in_(list(chosen))), in_scope(Post.division_code, actor),
            Post.state != PostState.ABOLISHED,
        )
        .order_by(Post.unit_id.is_(None), Post.division_code.desc(), Post.id)
        .limit(40)
    ).all()  # fmt: skip
    titles = posts.titles(session, found, language=language)
    return [(post_id, titles[post_id]) for post_id in found if post_id in titles]


def rules_offered(
    session: Session, *, unit: Unit | None, kind: DrillKind | None, chosen: Sequence[int] = ()
) -> list[tuple[DrillRule, bool]]:
    """The adopted rules that mean the unit, and whether a drill of this kind satisfies each; those first."""
    book = compliance.book(session, adopted_only=True)
    fitting = book.for_unit(unit) if unit is not None else []
    known = {rule.id for rule in fitting}
    fitting += [rule for rule in book.rules if rule.id in set(chosen) - known]
    rows = [(rule, kind is not None and kind in book.kinds.get(rule.id, ())) for rule in fitting]
    return sorted(rows, key=lambda row: (not row[1], row[0].id))[:30]


def plans_offered(
    session: Session, *, actor: Actor, code: str, unit_id: int | None, chosen: int | None
) -> list[tuple[int, str]]:
    """Living plans of the unit, of its place and of the places above it; a chosen one only where it may be chosen."""
    may_be = sa.or_(in_scope(Plan.division_code, actor), Plan.division_code.in_(ancestors(code)))
    near = sa.and_(
        Plan.division_code.in_([code, *ancestors(code)]), sa.or_(Plan.unit_id.is_(None), Plan.unit_id == unit_id)
    )
    rows = session.execute(
        sa.select(Plan.id, Plan.title)
        .where(sa.or_(sa.and_(near, Plan.state.in_(LIVING)), sa.and_(Plan.id == chosen, may_be)))
        .order_by(Plan.division_code.desc(), Plan.id)
        .limit(100)
    )
    return [(row.id, row.title) for row in rows]


def rule_named(session: Session, text: str) -> DrillRule | None:
    """The rule of an address: its key, or its id."""
    if text.isascii() and text.isdecimal() and len(text) < 17:
        return session.get(DrillRule, int(text))
    return session.scalar(sa.select(DrillRule).where(DrillRule.key == text[:60]))
