"""What the ticker does about dates: write them ahead, compute them again, mark what was missed.

Each has its policy for the time in which nobody ticked; docs/guide/downtime.md lists them.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.drills import learning_reports, rules
from emergency.drills.materialising import Calendars, materialise
from emergency.drills.models import Occurrence, OccurrenceState, Programme, ProgrammeState
from emergency.drills.moving import change_states
from emergency.drills.recomputing import recompute
from emergency.http.actor import Actor
from kernel.clock import BEIJING
from kernel.db import Database

PIECE = 80
"""Programmes or occurrences in one transaction: about a tenth of a second on SQLite."""
ACTOR = Actor.system("drills")


def write_ahead(database: Database, now: datetime) -> int:
    """Dates up to 13 months ahead. What came and went while nobody ticked is written too, and then counts as missed."""
    horizon = now.astimezone(BEIJING).date() + timedelta(days=rules.AHEAD_MONTHS * 30)
    return _in_pieces(
        database,
        sa.or_(Programme.materialised_until.is_(None), Programme.materialised_until < horizon),
        materialise,
    )


def recompute_dates(database: Database, now: datetime) -> int:
    """Dates that rest on holidays or terms, where these have changed since the programme's dates were computed."""
    with database.read() as session:
        digest = Calendars.load(session).digest

    def again(session: Session, programmes: list[Programme], calendars: Calendars) -> int:
        return recompute(session, programmes, calendars, actor=ACTOR)

    return _in_pieces(database, Programme.calendar_seen != digest, again) + learning_reports.settle(database)


def _in_pieces(
    database: Database,
    condition: sa.ColumnElement[bool],
    work: Callable[[Session, list[Programme], Calendars], int],
) -> int:
    """Active programmes that fulfil the condition, eighty in each transaction: a crash leaves whole pieces only."""
    with database.read() as session:
        calendars = Calendars.load(session)
    done, last = 0, 0
    while True:
        with database.write() as session:
            programmes = list(
                session.scalars(
                    sa.select(Programme)
                    .where(Programme.id > last, Programme.state == ProgrammeState.ACTIVE, condition)
                    .order_by(Programme.id)
                    .limit(PIECE)
                    .with_for_update()
                )
            )
            if programmes:
                done += work(session, programmes, calendars)
                last = programmes[-1].id
        if len(programmes) < PIECE:
            return done


def mark_missed(database: Database, now: datetime) -> int:
    """What was due and has no record counts as missed; a record that comes later mends it."""
    marked = 0
    while True:
        with database.write() as session:
            late = session.scalars(
                sa.select(Occurrence)
                .where(Occurrence.state.in_(rules.COMING), Occurrence.due_at <= now)
                .order_by(Occurrence.due_at, Occurrence.id)
                .limit(PIECE)
                .with_for_update(skip_locked=True)
            ).all()
            marked += change_states(session, late, OccurrenceState.MISSED, actor=ACTOR)
        if len(late) < PIECE:
            return marked
