"""What the ticker calls for oversight."""

from __future__ import annotations

from emergency.oversight.service import run_verifications, verify_daily
from scheduler.ticker import Job

JOBS = [
    Job("oversight.verify_daily", verify_daily, every_seconds=3600),
    Job("oversight.verify", run_verifications),
]
