"""What the ticker does for drills: load new rules, write the dates ahead, mark what was missed."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from emergency.drills import lawbook, rules
from emergency.drills.models import Occurrence, OccurrenceState, Programme, ProgrammeState
from emergency.drills.planning import materialise
from emergency.http.actor import Actor
from kernel.clock import BEIJING
from kernel.db import Database, touch
from kernel.states import transition
from scheduler.ticker import Job
from scheduler.workdays import WorkCalendar

PIECE = 20
ACTOR = Actor.system("drills")


def load_rules(database: Database, now: datetime) -> int:
    """New rules of a release enter the table; what the bureau decided stays."""
    with database.write() as session:
        return lawbook.load(session)


def write_ahead(database: Database, now: datetime) -> int:
    """Dates up to 13 months ahead, programme by programme in small transactions."""
    horizon = now.astimezone(BEIJING).date() + timedelta(days=rules.AHEAD_MONTHS * 30)
    made, last = 0, 0
    while True:
        with database.write() as session:
            programmes = session.scalars(
                sa.select(Programme)
                .where(
                    Programme.id > last,
                    Programme.state == ProgrammeState.ACTIVE,
                    sa.or_(Programme.materialised_until.is_(None), Programme.materialised_until < horizon),
                )
                .order_by(Programme.id)
                .limit(PIECE)
            ).all()
            if not programmes:
                return made
            made += materialise(session, programmes, WorkCalendar.load(session))
            last = programmes[-1].id


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
            ).all()
            for occurrence in late:
                transition(
                    session, occurrence, OccurrenceState.MISSED, allowed=rules.OCCURRENCE_TRANSITIONS, actor=ACTOR
                )
                touch(session, Occurrence.__tablename__, occurrence.id)
        marked += len(late)
        if len(late) < PIECE:
            return marked


JOBS = [
    Job("drills.rules", load_rules, 86_400),
    Job("drills.ahead", write_ahead, 3_600),
    Job("drills.missed", mark_missed, 300),
]
