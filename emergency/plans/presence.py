"""Who has a draft open to write: a hint of minutes, never a lock."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.http.actor import Actor
from emergency.plans.review_models import PlanPresence
from kernel.db import now

MINUTES = 3
"""For so long a writer counts as there after the last sign."""


def here(session: Session, *, actor: Actor, version_id: int, place: str = "") -> None:
    """Note that the actor writes; signs of yesterday go at the same time."""
    moment = now(session)
    session.execute(sa.delete(PlanPresence).where(PlanPresence.at < moment - timedelta(days=1)))
    done = session.execute(
        sa.update(PlanPresence)
        .where(PlanPresence.version_id == version_id, PlanPresence.actor == str(actor))
        .values(at=moment, place=place[:230])
        .execution_options(synchronize_session=False)
    )
    if done.rowcount != 1:  # type: ignore[attr-defined]
        row = PlanPresence(version_id=version_id, actor=str(actor), at=moment, place=place[:230])
        try:
            with session.begin_nested():
                session.add(row)
                session.flush()
        except sa.exc.IntegrityError:
            pass  # two windows of one person: the other one noted it


def others(session: Session, *, actor: Actor, version_id: int) -> list[PlanPresence]:
    """Who else wrote in the last minutes, the latest first."""
    return list(
        session.scalars(
            sa.select(PlanPresence)
            .where(
                PlanPresence.version_id == version_id,
                PlanPresence.actor != str(actor),
                PlanPresence.at > now(session) - timedelta(minutes=MINUTES),
            )
            .order_by(PlanPresence.at.desc())
            .limit(10)
        )
    )
