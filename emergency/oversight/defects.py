"""What is wrong with the journal: a verification that found a fault, or none for days."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.config import Config
from emergency.oversight.models import Verification, VerificationState
from emergency.privacy.journal import JournalEntry
from kernel.errors import N_

OVERDUE = timedelta(days=3)


def defects(session: Session, now: datetime, limit_to: object = None) -> Iterator[dict[str, Any]]:
    """Faults of the journal, for the auditor."""
    config: Config = session.info["config"]
    last = session.scalars(
        sa.select(Verification)
        .where(Verification.state != VerificationState.ASKED)
        .order_by(Verification.id.desc())
        .limit(1)
    ).first()
    shared = {
        "division_code": config.site.division_code,
        "subject_kind": "journal",
        "subject_id": 1,
        "url": "/oversight/verify",
    }
    if last is not None and last.state is VerificationState.BROKEN:
        yield {**shared, "rule": "journal_broken", "severity": "red", "since": last.finished_at,
               "reason": N_("The journal is not whole: somebody may have changed it."), "params": {}}  # fmt: skip
    if last is not None and last.state is VerificationState.FAILED:
        yield {**shared, "rule": "journal_unverified", "severity": "orange", "since": last.finished_at,
               "reason": N_("The journal could not be verified."), "params": {}}  # fmt: skip
    elif last is None or (last.finished_at is not None and now - last.finished_at > OVERDUE):
        first = session.scalar(sa.select(sa.func.min(JournalEntry.at)))
        if first is not None and now - first > OVERDUE:
            yield {**shared, "rule": "journal_unverified", "severity": "orange",
                   "reason": N_("The journal has not been verified for three days."), "params": {}}  # fmt: skip
