"""What the ticker does for drills: load new rules, write the dates ahead, mark what was missed."""

from __future__ import annotations

from datetime import datetime

from emergency.drills import confirming_jobs, day_copying, day_photos, day_running, lawbook, learning_nudges, standings
from emergency.drills.proposing_jobs import YEAR_JOBS
from emergency.drills.time_jobs import mark_missed, recompute_dates, write_ahead
from kernel.db import Database
from scheduler.ticker import Job

__all__ = ["JOBS", "load_rules", "mark_missed", "write_ahead"]


def load_rules(database: Database, now: datetime) -> int:
    """New rules of a release enter the table; what the bureau decided stays."""
    with database.write() as session:
        return lawbook.load(session)


JOBS = [
    Job("drills.rules", load_rules, 86_400),
    Job("drills.ahead", write_ahead, 3_600),
    Job("drills.recompute", recompute_dates, 300),
    Job("drills.missed", mark_missed, 300),
    Job("drills.actions", learning_nudges.escalate, 60),
    Job("drills.standings", standings.keep),
    Job("drills.injects", day_running.send_due),
    Job("drills.patterns", day_copying.copy_patterns, 60),
    Job("drills.photos", day_photos.forget, 21_600),
    *confirming_jobs.JOBS,
    *YEAR_JOBS,
]
