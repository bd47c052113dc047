"""What is wrong with the machinery itself: jobs that fail, a clock that stepped, holidays not announced."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.config import Config
from kernel.clock import BEIJING
from kernel.errors import N_
from scheduler.models import CalendarYear, ClockStep, JobState

FAILURES = 3
STEP_SHOWN = timedelta(hours=24)
ANNOUNCED_BY = (12, 1)
"""The next year's holidays are usually announced in November: missing after this day, somebody has to import them."""


def defects(session: Session, now: datetime, limit_to: object = None) -> Iterator[dict[str, Any]]:
    """Faults of the system, for the administrator."""
    config: Config = session.info["config"]
    code = config.site.division_code
    for state in session.scalars(sa.select(JobState).where(JobState.failures >= FAILURES).order_by(JobState.name)):
        yield {
            "rule": "job_fails", "subject_kind": "job", "subject_id": zlib.crc32(state.name.encode()),
            "division_code": code, "severity": "red", "since": state.failing_since, "url": "/system",
            "reason": N_("The recurring job “%(job)s” has failed %(times)s times or more."),
            "params": {"job": state.name, "times": FAILURES},
        }  # fmt: skip
    step = session.scalars(
        sa.select(ClockStep).where(ClockStep.at > now - STEP_SHOWN).order_by(ClockStep.at.desc()).limit(1)
    ).first()
    if step is not None:
        yield {
            "rule": "clock_stepped", "subject_kind": "clock", "subject_id": 1, "division_code": code,
            "severity": "orange", "since": step.at, "url": "/system",
            "reason": N_("The server's clock jumped by %(seconds)s seconds. Check that it is set by the network."),
            "params": {"seconds": round(step.seconds)},
        }  # fmt: skip
    today = now.astimezone(BEIJING).date()
    wanted = today.year + 1 if (today.month, today.day) >= ANNOUNCED_BY else today.year
    if session.scalar(sa.select(CalendarYear.announced).where(CalendarYear.year == wanted)) is not True:
        yield {
            "rule": "holidays_missing", "subject_kind": "calendar", "subject_id": wanted, "division_code": code,
            "severity": "yellow", "url": "/system",
            "reason": N_("The holidays of %(year)s are not imported: deadlines in working days cannot be counted."),
            "params": {"year": wanted},
        }  # fmt: skip
