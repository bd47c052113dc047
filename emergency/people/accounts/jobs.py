"""What the ticker does for accounts: end what ran out, forget what has faded."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa

from emergency.http import idempotency
from emergency.people.accounts import throttle
from emergency.people.accounts.models import EndReason, OneTimeLink, SignIn
from kernel.db import Database
from scheduler.ticker import Job

if TYPE_CHECKING:
    from emergency.config import Config

PIECE = 500


def end_stale(database: Database, moment: datetime) -> int:
    """Mark sessions ended that idled or ran out while nobody came back."""
    with database.read() as session:
        config: Config = session.info["config"]
    idle = moment - timedelta(minutes=config.security.session_idle_minutes)
    total = 0
    for reason, condition in (
        (EndReason.EXPIRED, SignIn.expires_at <= moment),
        (EndReason.IDLE, SignIn.last_seen_at <= idle),
    ):
        while True:
            with database.write() as session:
                some = sa.select(SignIn.id).where(SignIn.ended_at.is_(None), condition).order_by(SignIn.id).limit(PIECE)
                ended = session.scalars(
                    sa.update(SignIn)
                    .where(SignIn.id.in_(some))
                    .values(ended_at=moment, end_reason=reason)
                    .returning(SignIn.id)
                ).all()
            total += len(ended)
            if len(ended) < PIECE:
                break
    return total


def forget(database: Database, moment: datetime) -> int:
    """Delete faded failures, answers under an `Idempotency-Key`, and sessions and links past their retention.

    Where somebody signed in from is kept for half a year (网络安全法 art. 23); the journal keeps that they did.
    """
    with database.read() as session:
        config: Config = session.info["config"]
    edge = moment - timedelta(days=config.privacy.raw_retention_days)
    total = throttle.forget_old(database, moment) + idempotency.forget_old(database, moment)
    for table, condition in ((SignIn, SignIn.ended_at < edge), (OneTimeLink, OneTimeLink.expires_at < edge)):
        while True:
            with database.write() as session:
                some = sa.select(table.id).where(condition).order_by(table.id).limit(PIECE)
                gone = session.scalars(sa.delete(table).where(table.id.in_(some)).returning(table.id)).all()
            total += len(gone)
            if len(gone) < PIECE:
                break
    return total


JOBS = [
    Job("accounts.end_stale", end_stale, every_seconds=300),
    Job("accounts.forget", forget, every_seconds=3600),
]
