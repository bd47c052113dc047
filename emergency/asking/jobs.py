"""What the ticker calls for questions."""

from __future__ import annotations

from emergency.asking.escalation import escalate, expire
from emergency.asking.tokens import forget_tokens
from scheduler.ticker import Job

JOBS = [
    Job("asking.escalate", escalate),
    Job("asking.expire", expire, every_seconds=30),
    Job("asking.forget_tokens", forget_tokens, every_seconds=300),
]
