"""What the ticker calls for questions."""

from __future__ import annotations

from emergency.asking.escalation import escalate, expire
from scheduler.ticker import Job

JOBS = [Job("asking.escalate", escalate), Job("asking.expire", expire, every_seconds=30)]
