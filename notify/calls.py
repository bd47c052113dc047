"""What the provider's reports of a call mean for the message that it carried. Pure.

A call is heard (`delivered`) when somebody pressed a key, or when the text was said to its end and no machine had
answered. An answered call that was hung up before is not delivered. Reports are read together, so that their order and
their repetition do not matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import parse_qs, urlsplit

from notify.channels.base import Found
from notify.models import DeliveryState
from notify.twiml import END_STEP, STEP_FIELD

S = DeliveryState
UNDER_WAY: Final = frozenset({"queued", "initiated", "ringing", "in-progress", "answered"})
ENDED: Final = {"busy": "busy", "no-answer": "no_answer", "canceled": "canceled"}
HEARD, HUNG_UP, MACHINE, BUSY, NO_ANSWER = "heard", "hung_up", "machine", "busy", "no_answer"


@dataclass(frozen=True, slots=True)
class Report:
    """One webhook request about a call: the address it came to, and its fields."""

    url: str
    form: Mapping[str, str]

    @property
    def call(self) -> str:
        """The provider's number of the call."""
        return self.form.get("CallSid", "")

    @property
    def step(self) -> str:
        """Where in the text the call was; empty for a mere status."""
        return parse_qs(urlsplit(self.url).query).get(STEP_FIELD, [""])[0]


def is_call(form: Mapping[str, object]) -> bool:
    """Whether a report is about a call."""
    return bool(form.get("CallSid"))


def key_of(form: Mapping[str, str]) -> str:
    """The key that was pressed; empty for none."""
    return form.get("Digits", "").strip()[:1]


def conclude(reports: Iterable[Report]) -> tuple[DeliveryState, str | None]:
    """State and reason by everything that was reported of one message's calls.

    `reason` says how it was heard (`key_1`, `heard`) or why not: `hung_up`, `machine`, `busy`, `no_answer`,
    `canceled`, `failed_<code>`. Where there were several calls, one that was heard counts, then one under way.
    """
    by_call: dict[str, list[Report]] = {}
    for report in reports:
        by_call.setdefault(report.call, []).append(report)
    verdicts = [_one(call) for call in by_call.values()]
    for wanted in (S.DELIVERED, S.SUBMITTED):
        for state, reason in verdicts:
            if state is wanted:
                return state, reason
    return verdicts[-1] if verdicts else (S.SUBMITTED, None)


def _one(reports: Sequence[Report]) -> tuple[DeliveryState, str | None]:
    for report in reports:
        key = key_of(report.form)
        if key:
            return S.DELIVERED, f"key_{key}"
    words = {report.form.get("CallStatus", "").strip().lower() for report in reports} - {""}
    answerers = {report.form.get("AnsweredBy", "").strip().lower() for report in reports} - {""}
    to_the_end = any(report.step == END_STEP for report in reports)
    if any(who.startswith("machine") or who == "fax" for who in answerers):
        return S.FAILED, MACHINE
    if to_the_end and ("human" in answerers or "completed" in words):
        return S.DELIVERED, HEARD
    if "completed" in words:
        return S.FAILED, HUNG_UP
    for word, reason in ENDED.items():
        if word in words:
            return S.FAILED, reason
    if "failed" in words:
        codes = (r.form.get("SipResponseCode") or r.form.get("ErrorCode") or "" for r in reports)
        code = next((code for code in codes if code.isascii() and code.isdigit()), "")
        return S.FAILED, f"failed_{code[:6]}" if code else "failed"
    strange = sorted(words - UNDER_WAY)
    if strange:
        plain = "".join(c for c in strange[0] if c.isascii() and c.isprintable())
        return S.FAILED, f"unknown_status:{plain[:40]}"
    return S.SUBMITTED, None


def listed(status: str, answered_by: str | None) -> tuple[str, str | None]:
    """A call in the provider's list, in the words of `rules.state_of`, with the reason where it failed.

    The list cannot say whether a call that was answered was heard: it counts as handed over, not as delivered.
    """
    word = status.strip().lower()
    if (answered_by or "").startswith(("machine", "fax")):
        return "failed", MACHINE
    if word in ENDED:
        return "failed", ENDED[word]
    if word == "failed":
        return "failed", "failed"
    return ("sent", None) if word in UNDER_WAY or word == "completed" else (status, None)


def matched(
    calls: Sequence[Found], taken: frozenset[str], *, earliest: datetime, latest: datetime, rivals: int
) -> Found | bool | None:
    """Which of the provider's calls to a number is ours, although a call has no text to know it by.

    Only calls count that no other message of ours claims and that were made while ours could have been: from
    `earliest` to `latest`. `rivals` are our other messages to the number of which we know as little. One call and no
    rival: it is ours. No call: False, ours was not accepted, nor was a rival's. Anything else cannot be told: None, and
    the message stays unknown until a report with its own id in the address arrives.
    """
    open_calls = [
        call
        for call in calls
        if call.ref not in taken and (call.created_at is None or earliest <= call.created_at <= latest)
    ]
    if not open_calls:
        return False
    return open_calls[0] if len(open_calls) == 1 and rivals == 0 else None
