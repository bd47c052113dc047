"""What the ticker calls for readiness."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from emergency.config import Config
from emergency.divisions.models import Division
from emergency.readiness import service
from emergency.readiness.daily import tell_owners
from emergency.readiness.models import ScoreDay
from kernel.clock import BEIJING
from kernel.db import Database
from scheduler import workdays
from scheduler.models import CalendarYear
from scheduler.ticker import Job

GATHER_SECONDS = 300


def keep_score(database: Database, now: datetime) -> int:
    """Keep today's score of the district and of each township, one short transaction each."""
    day = now.astimezone(BEIJING).date().isoformat()
    with database.read() as session:
        config: Config = session.info["config"]
        codes = session.scalars(
            sa.select(Division.code).where(Division.level.in_((3, 4))).order_by(Division.code)
        ).all()
        known = dict(
            session.execute(sa.select(ScoreDay.division_code, ScoreDay.open_defects).where(ScoreDay.day == day)).all()
        )
    if config.site.division_code not in codes:
        return 0
    for code in codes:
        with database.write() as session:
            service.close_score_day(session, code, day)
    return len(codes) - len(known)


def import_calendar(database: Database, now: datetime) -> int:
    """Take over the announcements that this release brought, where nobody imported the year by hand."""
    with database.read() as session:
        present = set(session.scalars(sa.select(CalendarYear.year)))
    if present:
        return 0
    with database.write() as session:
        return len(workdays.import_known(session))


JOBS = [
    Job("readiness.calendar", import_calendar, every_seconds=86400),
    Job("readiness.look_again", service.look_again),
    Job("readiness.gather", service.gather, every_seconds=GATHER_SECONDS),
    Job("readiness.score", keep_score, every_seconds=3600),
    Job("readiness.daily", tell_owners, every_seconds=600),
]
