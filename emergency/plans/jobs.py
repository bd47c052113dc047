"""What the ticker does for plans: load new rules, count filing deadlines once a year's holidays are known."""

from __future__ import annotations

from datetime import datetime

from emergency.plans import lawbook
from emergency.plans.filing import set_missing_deadlines
from emergency.plans.importing import runs as imports
from kernel.db import Database
from scheduler.ticker import Job


def load_rules(database: Database, now: datetime) -> int:
    """New rules of a release enter the table; what the bureau decided stays."""
    with database.write() as session:
        return lawbook.load(session)


def filing_deadlines(database: Database, now: datetime) -> int:
    """Deadlines that waited for the announcement of a year."""
    with database.write() as session:
        return set_missing_deadlines(session)


JOBS = [
    Job("plans.rules", load_rules, 86_400),
    Job("plans.filing", filing_deadlines, 3_600),
    *imports.JOBS,
]
