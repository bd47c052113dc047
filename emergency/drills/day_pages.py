"""What the pages of a drill's day show, read in a few queries."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions.rules import in_scope
from emergency.drills import day_holding, day_msel, day_rules, day_sending, queries
from emergency.drills.day_models import DayState, DrillDay, DrillHold, DrillInject, InjectState
from emergency.drills.day_running import EARLY, clock_of
from emergency.drills.models import Form, Occurrence, Programme, ProgrammePost
from emergency.drills.rules import COMING
from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.people.posts import service as posts
from emergency.people.posts.models import Post, PostState
from kernel.clock import BEIJING
from kernel.db import now


@dataclass(frozen=True)
class Line:
    """One inject as the director sees it."""

    inject: DrillInject
    to: list[str]
    offset: str
    at: datetime
    """By the scenario's own clock."""
    reach: day_sending.Reach | None


@dataclass
class DayPage:
    """The drill, its clock, the next inject, what waits for a decision or a hand."""

    occurrence: Occurrence
    programme: Programme
    owner: str
    day: DrillDay | None
    moment: datetime
    lines: list[Line] = field(default_factory=list)
    scenario_seconds: int = 0
    holds: list[DrillHold] = field(default_factory=list)
    real: list[day_holding.Real] = field(default_factory=list)
    """What is in force here and nobody has decided about."""

    @property
    def held(self) -> list[DrillHold]:
        """For what the drill stands still now."""
        return [row for row in self.holds if row.released_at is None]

    @property
    def state(self) -> DayState:
        """How far the clock has come."""
        return self.day.state if self.day is not None else DayState.READY

    @property
    def scenario_at(self) -> datetime:
        """The time that it is in the scenario."""
        return self.occurrence.starts_at + timedelta(seconds=self.scenario_seconds)

    @property
    def next(self) -> Line | None:
        """What comes next by itself."""
        return next((line for line in self.lines if line.inject.state is InjectState.PLANNED), None)

    @property
    def by_hand(self) -> list[Line]:
        """What a controller has to deliver now."""
        return [line for line in self.lines if line.inject.state is InjectState.WAITING]

    @property
    def undecided(self) -> list[Line]:
        """What was missed or could not be sent: the director decides."""
        return [line for line in self.lines if line.inject.state in (InjectState.MISSED, InjectState.FAILED)]

    @property
    def can_start(self) -> bool:
        """Whether the director may start it now."""
        return (
            self.state is DayState.READY
            and self.occurrence.state in COMING
            and self.occurrence.starts_at - self.moment <= EARLY
        )

    @property
    def faster(self) -> bool:
        """Whether time may be pressed."""
        return self.programme.form is Form.TABLETOP

    @property
    def begins(self) -> datetime:
        """When it began, or is to begin."""
        return (
            self.day.began_at if self.day is not None and self.day.began_at is not None else self.occurrence.starts_at
        )


def page(session: Session, *, actor: Actor, occurrence_id: int, language: str, lines: bool = True) -> DayPage:
    """Everything that the director's page shows."""
    occurrence = day_msel.occurrence_of(session, actor=actor, occurrence_id=occurrence_id)
    owner = queries.get(session, actor=actor, occurrence_id=occurrence_id).row.owner
    programme = session.get_one(Programme, occurrence.programme_id)
    found = DayPage(occurrence, programme, owner, day_msel.day_of(session, occurrence.id), now(session))
    if found.day is not None:
        found.scenario_seconds = clock_of(found.day).at(found.moment)
        found.holds = day_holding.holds(session, occurrence.id)
    if found.state is DayState.PAUSED or found.can_start:
        found.real = day_holding.unanswered(session, occurrence, found.moment)
    if lines:
        found.lines = list_lines(session, day_msel.Owner(programme, occurrence), language)
    return found


def list_lines(session: Session, owner: day_msel.Owner, language: str) -> list[Line]:
    """The injects of a list with their posts in words and what became of their messages."""
    items = day_msel.items(session, owner)
    named = posts.titles(session, {post_id for item in items for post_id in item.post_ids}, language=language)
    reach = day_sending.reach(
        session, [item.inject.broadcast_id for item in items if item.inject.broadcast_id is not None]
    )
    start = owner.occurrence.starts_at if owner.occurrence is not None else datetime(2000, 1, 1, tzinfo=BEIJING)
    found = []
    for item in items:
        offset = item.inject.offset_seconds + item.inject.postponed_seconds
        found.append(
            Line(
                item.inject, [named.get(post_id, "") for post_id in item.post_ids], day_rules.clock_words(offset),
                start + timedelta(seconds=offset), reach.get(item.inject.broadcast_id or 0),
            )
        )  # fmt: skip
    return found


MOST_POSTS = 150


def post_choices(session: Session, owner: day_msel.Owner, language: str) -> list[tuple[int, str]]:
    """Posts that an inject may go to: those that the drill asks first, then those of its own place."""
    asked = session.scalars(
        sa.select(ProgrammePost.post_id).where(ProgrammePost.programme_id == owner.programme.id).limit(MOST_POSTS)
    ).all()
    code = owner.programme.division_code
    near = session.scalars(
        sa.select(Post.id)
        .where(Post.division_code == code, Post.state != PostState.ABOLISHED, Post.id.not_in(asked))
        .order_by(Post.id)
        .limit(MOST_POSTS)
    ).all()
    ids = [*asked, *near][:MOST_POSTS]
    named = posts.titles(session, ids, language=language)
    return [(post_id, named[post_id]) for post_id in ids if post_id in named]


def copy_choices(session: Session, *, actor: Actor, owner: day_msel.Owner) -> list[tuple[str, str]]:
    """Lists that can be copied: the programme's pattern, and drills of the same kind that have one."""
    rows: list[tuple[str, str]] = []
    if owner.occurrence is not None:
        has = session.scalar(sa.select(DrillInject.id).where(DrillInject.programme_id == owner.programme.id).limit(1))
        if has is not None:
            rows.append((f"programme:{owner.programme.id}", owner.programme.title))
    actor.require(Permission.DRILLS_VIEW)
    found = session.execute(
        sa.select(Occurrence.id, Occurrence.title, Occurrence.starts_at)
        .where(
            in_scope(Occurrence.division_code, actor),
            Occurrence.kind == owner.programme.kind,
            Occurrence.id != (owner.occurrence.id if owner.occurrence is not None else 0),
            sa.exists().where(DrillInject.occurrence_id == Occurrence.id),
        )
        .order_by(Occurrence.starts_at.desc())
        .limit(30)
    )
    rows += [(f"occurrence:{row.id}", f"{row.title} {row.starts_at.astimezone(BEIJING):%Y-%m-%d}") for row in found]
    return rows


def chosen_source(session: Session, *, actor: Actor, text: str) -> day_msel.Owner:
    """The list that a copy form names."""
    kind, _colon, number = text.partition(":")
    key: dict[str, Any] = {"occurrence_id" if kind == "occurrence" else "programme_id": int(number or 0)}
    return day_msel.owner_of(session, actor=actor, **key)
