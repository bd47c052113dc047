"""What the ticker prepares: the programme's pattern of injects copied to each date that has none of its own yet."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from emergency.drills import day_msel, rules
from emergency.drills.day_models import DrillDay, DrillInject
from emergency.drills.models import Occurrence
from kernel.db import Database

PIECE = 10


def copy_patterns(database: Database, moment: datetime) -> int:
    """Every coming date of a programme with a pattern gets its copy once; what is changed there afterwards stays."""
    made = 0
    while True:
        with database.read() as session:
            ids = session.scalars(
                sa.select(Occurrence.id)
                .where(
                    Occurrence.state.in_(rules.COMING),
                    Occurrence.starts_at > moment,
                    Occurrence.programme_id.in_(
                        sa.select(DrillInject.programme_id).where(DrillInject.programme_id.is_not(None))
                    ),
                    ~sa.exists().where(DrillDay.occurrence_id == Occurrence.id),
                )
                .order_by(Occurrence.starts_at, Occurrence.id)
                .limit(PIECE)
            ).all()
        for occurrence_id in ids:
            with database.write() as session:
                day_msel.ensure_day(session, session.get_one(Occurrence, occurrence_id))
        made += len(ids)
        if len(ids) < PIECE:
            return made
