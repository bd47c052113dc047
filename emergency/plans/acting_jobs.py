"""What the ticker does for responses: tell the late ones, compare warnings with triggers."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from emergency.config import Config
from emergency.plans import acting_rules as rules
from emergency.plans import telling, triggers
from emergency.plans.activation_models import Activation, ActivationLine, ActivationState
from emergency.plans.models import Plan
from kernel.db import Database
from scheduler.ticker import Job

MOST = 500


def tell_late(database: Database, moment: datetime) -> int:
    """Every post with unfinished lines past their time hears of it by the configured minutes, one message a post.

    Claim and messages are one transaction a post: stopped in the middle, nothing is lost and nothing is sent twice.
    """
    config: Config = database.service("config")
    minutes = config.plans.late_minutes
    with database.read() as session:
        rows = session.execute(
            sa.select(
                ActivationLine.activation_id, ActivationLine.post_id, ActivationLine.due_at, ActivationLine.reminded
            )
            .join(Activation, Activation.id == ActivationLine.activation_id)
            .where(
                Activation.state == ActivationState.RUNNING,
                ActivationLine.state.in_(rules.UNFINISHED),
                ActivationLine.due_at <= moment,
                ActivationLine.post_id.is_not(None),
                ActivationLine.reminded < len(minutes),
            )
            .order_by(ActivationLine.due_at)
            .limit(MOST)
        ).all()
    due = dict.fromkeys(
        (row.activation_id, row.post_id)
        for row in rows
        if row.post_id is not None and rules.reminders_due(row.due_at, moment, minutes) > row.reminded
    )
    return sum(_tell(database, moment, activation_id, post_id, minutes) for activation_id, post_id in due)


def _tell(database: Database, moment: datetime, activation_id: int, post_id: int, minutes: tuple[int, ...]) -> int:
    with database.write() as session:
        activation = session.scalar(sa.select(Activation).where(Activation.id == activation_id).with_for_update())
        if activation is None or activation.state is not ActivationState.RUNNING:
            return 0
        lines = [
            line
            for line in session.scalars(
                sa.select(ActivationLine)
                .where(
                    ActivationLine.activation_id == activation_id,
                    ActivationLine.post_id == post_id,
                    ActivationLine.state.in_(rules.UNFINISHED),
                    ActivationLine.due_at <= moment,
                )
                .with_for_update()
            )
            if telling.due_reminders(line, moment, minutes) > line.reminded
        ]
        if not lines:
            return 0
        for line in lines:
            line.reminded = telling.due_reminders(line, moment, minutes)
        session.flush()
        return telling.late(session, activation, session.get_one(Plan, activation.plan_id), post_id, lines)


def suggest(database: Database, moment: datetime) -> int:
    """Warnings in force against the triggers of plans in force."""
    with database.write() as session:
        return triggers.look(session, moment)


JOBS = [Job("plans.late", tell_late, 20), Job("plans.triggers", suggest, 20)]
