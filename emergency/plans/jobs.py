"""What the ticker does for plans: load new rules, count filing deadlines once a year's holidays are known."""

from __future__ import annotations

from datetime import datetime

from emergency.plans import checks, citations, exposures, lawbook
from emergency.plans.acting_jobs import JOBS as ACTING
from emergency.plans.filing import set_missing_deadlines
from emergency.plans.importing import runs as imports
from kernel.db import Database
from scheduler.ticker import Job


def load_rules(database: Database, now: datetime) -> int:
    """New rules of a release enter the table; what the bureau decided stays."""
    with database.write() as session:
        return sum(book.load(session) for book in (lawbook, checks, citations, exposures))


def read_citations(database: Database, now: datetime) -> int:
    """Texts in force that nobody read yet for the statutes that they name."""
    return citations.scan_waiting(database)


def filing_deadlines(database: Database, now: datetime) -> int:
    """Deadlines that waited for the announcement of a year."""
    with database.write() as session:
        return set_missing_deadlines(session)


JOBS = [
    Job("plans.rules", load_rules, 86_400),
    Job("plans.filing", filing_deadlines, 3_600),
    Job("plans.citations", read_citations, 3_600),
    *imports.JOBS,
    *ACTING,
]
