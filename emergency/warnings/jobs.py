"""What the ticker calls: end what is over, ask approvers again, make the lists of doors."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from emergency.config import Config
from emergency.http.actor import SYSTEM
from emergency.warnings import doors, lifting, notices, rules
from emergency.warnings.models import Warning, WarningState, WarningStatus
from kernel.db import Database
from notify import failover
from scheduler.ticker import Job


def remind_approvers(database: Database, moment: datetime) -> int:
    """Ask again while a warning waits, by the configured minutes; after the last of them everybody who may approve."""
    with database.read() as session:
        config: Config = session.info["config"]
        minutes = config.warnings.approval_reminder_minutes
        rows = session.execute(
            sa.select(Warning.id, Warning.submitted_at, Warning.reminded, Warning.status).where(
                Warning.state == WarningState.SUBMITTED, Warning.submitted_at.is_not(None), Warning.expires > moment
            )
        ).all()
    asked = 0
    for warning_id, submitted_at, reminded, status in rows:
        due = rules.reminders_due(submitted_at, moment, minutes) if submitted_at is not None else 0
        if status is not WarningStatus.ACTUAL:
            due = min(due, len(minutes))  # an exercise may wait; nobody is woken for it for ever
        if due <= reminded:
            continue
        with database.write() as session:
            claimed = session.execute(
                sa.update(Warning)
                .where(
                    Warning.id == warning_id,
                    Warning.state == WarningState.SUBMITTED,
                    Warning.submitted_at == submitted_at,
                    Warning.reminded == reminded,
                )
                .values(reminded=due)
            )
            if claimed.rowcount != 1:  # type: ignore[attr-defined]
                continue
            warning = session.get_one(Warning, warning_id)
            asked += notices.ask_approvers(session, warning, actor=SYSTEM, everybody=due >= len(minutes))
    return asked


def next_channel(database: Database, moment: datetime) -> int:
    """Whom one channel did not reach in its minutes, the next one tries."""
    config: Config = database.service("config")
    return failover.pass_on(database, moment, config.notify.channel_minutes)


JOBS = [
    Job("warnings.next_channel", next_channel, every_seconds=5),
    Job("warnings.end_expired", lifting.end_expired, every_seconds=10),
    Job("warnings.remind_approvers", remind_approvers, every_seconds=10),
    Job("warnings.door_lists", doors.make_lists, every_seconds=30),
]
