"""A link is the right to answer: once its message has left, the ledger forgets it. Only the digest stays, with the link."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from emergency.asking.models import QuestionStep
from kernel.db import Database
from notify import service as notify

AFTER = timedelta(minutes=10)
"""So long after a step its message has mostly left; what has not is looked at again."""
LOOK_BACK = timedelta(days=2)
PIECE = 50


def forget_tokens(database: Database, now: datetime) -> int:
    """Empty the fields of questions' messages that have left or never will. Returns how many messages."""
    with database.read() as session:
        broadcasts = [
            broadcast_id
            for broadcast_id in session.scalars(
                sa.select(QuestionStep.broadcast_id)
                .where(
                    QuestionStep.done_at > now - LOOK_BACK,
                    QuestionStep.done_at <= now - AFTER,
                    QuestionStep.broadcast_id.is_not(None),
                )
                .distinct()
            )
            if broadcast_id is not None
        ]
    done = 0
    for start in range(0, len(broadcasts), PIECE):
        with database.write() as session:
            done += notify.forget_fields(session, broadcasts[start : start + PIECE])
    return done
