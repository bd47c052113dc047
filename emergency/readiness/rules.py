"""How a found fault is read, what a fault costs, what the score says. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from emergency.readiness.models import Severity
from scheduler.deadlines import end_of, start_of

RANK = {Severity.RED: 0, Severity.ORANGE: 1, Severity.YELLOW: 2, Severity.BLUE: 3}
POINTS = {Severity.RED: 10, Severity.ORANGE: 4, Severity.YELLOW: 1, Severity.BLUE: 0}
HALVES_AT = 50
SEVERITIES = {
    # Somebody would not be reached, or a place would be forgotten, if it happened tonight.
    "post_vacant": Severity.RED,
    "post_no_number": Severity.RED,
    "post_opted_out": Severity.RED,
    "post_number_refused": Severity.RED,
    "nobody_on_duty": Severity.RED,
    "shift_not_confirmed": Severity.RED,
    "not_on_any_list": Severity.RED,
    "lists_disagree": Severity.RED,
    "relied_post": Severity.RED,
    "action_late": Severity.RED,
    "no_version": Severity.ORANGE,
    "plan_missing": Severity.ORANGE,
    "parent_superseded": Severity.ORANGE,
    "evaluation_overdue": Severity.ORANGE,
    "relied_unverified": Severity.ORANGE,
    "relied_stock": Severity.ORANGE,
    "relied_agreement": Severity.ORANGE,
    "relied_closed": Severity.ORANGE,
    "shelter_full": Severity.ORANGE,
    "law_changed": Severity.ORANGE,
    "parent_gone": Severity.ORANGE,
    "filing_overdue": Severity.ORANGE,
    "post_unverified": Severity.ORANGE,
    "villages_without_point": Severity.ORANGE,
    "unit_without_contact": Severity.ORANGE,
    "stock_short": Severity.ORANGE,
    "stock_expired": Severity.ORANGE,
    "drill_overdue": Severity.ORANGE,
    "action_overdue": Severity.ORANGE,
    "leaver_holds_post": Severity.ORANGE,
    "leaver_on_roster": Severity.ORANGE,
    "account_no_number": Severity.ORANGE,
    "few_approvers": Severity.ORANGE,
    "filing_soon": Severity.BLUE,
    "workbook_missing": Severity.BLUE,
    "card_missing": Severity.BLUE,
    "draft_untouched": Severity.BLUE,
    "unit_without_sector": Severity.BLUE,
}
"""How soon a fault hurts where its room does not say; by the rule's name before a colon. What is not here is yellow."""
MUTED_AT_MOST = timedelta(days=90)
Key = tuple[str, str, int]
"""Rule, subject kind, subject id: what tells one fault of a room from another."""


@dataclass(frozen=True)
class Found:
    """A fault as a room reports it."""

    rule: str
    subject_kind: str
    subject_id: int
    division_code: str
    reason: str
    params: dict[str, Any] = field(default_factory=dict)
    severity: Severity = Severity.YELLOW
    due_at: datetime | None = None
    owner_post_id: int | None = None
    url: str = ""
    since: datetime | None = None

    @property
    def key(self) -> Key:
        """What tells it from other faults of its room."""
        return (self.rule, self.subject_kind, self.subject_id)


def read(given: Any) -> Found:
    """A fault from what a room yields: a mapping, or anything with the same attributes.

    `subject` may be a pair instead of `subject_kind` and `subject_id`. Raises ValueError where something is missing:
    a room that reports half a fault is a programming error.
    """
    facts = dict(given) if isinstance(given, Mapping) else _attributes(given)
    if "subject" in facts and "subject_kind" not in facts:
        facts["subject_kind"], facts["subject_id"] = facts["subject"]
    missing = {"rule", "subject_kind", "subject_id", "division_code", "reason"} - facts.keys()
    if missing:
        raise ValueError(f"a defect lacks {sorted(missing)}")
    rule = str(facts["rule"])
    severity = facts.get("severity") or SEVERITIES.get(rule.partition(":")[0], Severity.YELLOW)
    return Found(
        rule=rule,
        subject_kind=str(facts["subject_kind"]),
        subject_id=int(facts["subject_id"]),
        division_code=str(facts["division_code"]),
        reason=str(facts["reason"]),
        params=dict(facts.get("params") or {}),
        severity=Severity(str(getattr(severity, "value", severity))),
        due_at=_moment(facts.get("due_at") or facts.get("due"), end=True),
        owner_post_id=facts.get("owner_post_id"),
        url=str(facts.get("url") or ""),
        since=_moment(facts.get("since"), end=False),
    )


def _moment(given: date | datetime | None, *, end: bool) -> datetime | None:
    """Rooms that count in days mean whole ones: due at the end of the day, wrong since its beginning."""
    if given is None or isinstance(given, datetime):
        return given
    return end_of(given) if end else start_of(given)


def _attributes(given: Any) -> dict[str, Any]:
    names = (
        "rule", "subject", "subject_kind", "subject_id", "division_code", "reason", "params", "severity", "due_at",
        "due", "owner_post_id", "url", "since",
    )  # fmt: skip
    return {name: getattr(given, name) for name in names if hasattr(given, name)}


def score(counts: Mapping[Severity, int], townships: int) -> int:
    """100 for nothing wrong; the points that open faults cost (red 10, orange 4, yellow 1), shared among the townships
    of the scope, pull it down: `HALVES_AT` points leave 50, three times as many leave 25.

    So a township and the whole district read on one scale, and mending one fault always shows even where much is
    wrong. Never 100 while something red, orange or yellow is open.
    """
    lost = sum(POINTS[severity] * count for severity, count in counts.items()) / max(townships, 1)
    if lost > 0:
        return min(99, math.floor(100 * HALVES_AT / (HALVES_AT + lost)))
    return 100


def may_mute_until(until: datetime, now: datetime) -> bool:
    """A fault may be put aside for ninety days at most: it still is one."""
    return now < until <= now + MUTED_AT_MOST
