"""What is concluded of calls: by their reports, and by the provider's list, which has no words to know them by."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

import pytest

from notify import calls, twiml
from notify.calls import Report
from notify.channels.base import Found
from notify.models import DeliveryState as S

NOON = datetime(2026, 11, 23, 4, tzinfo=UTC)
WINDOW = {"earliest": NOON, "latest": NOON + timedelta(minutes=2)}


def report(status: str = "", step: str = "", call: str = "CA1", **fields: str) -> Report:
    url = "https://e.cn/webhooks/twilio/voice?d=1&m=x" + (f"&s={step}" if step else "")
    return Report(url, {"CallSid": call, "CallStatus": status, **fields})


HUMAN = {"AnsweredBy": "human"}
MACHINE = {"AnsweredBy": "machine_end_beep"}


@pytest.mark.parametrize(
    ("reports", "verdict"),
    [
        ([report("queued")], (S.SUBMITTED, None)),
        ([report("ringing"), report("in-progress", **HUMAN)], (S.SUBMITTED, None)),
        ([report("in-progress", "end", **HUMAN)], (S.DELIVERED, "heard")),
        ([report("in-progress", "key", Digits="1")], (S.DELIVERED, "key_1")),
        ([report("in-progress", "key", Digits="7", **MACHINE)], (S.DELIVERED, "key_7")),
        ([report("in-progress", **HUMAN), report("completed", **HUMAN)], (S.FAILED, "hung_up")),
        ([report("in-progress", "end", **MACHINE)], (S.FAILED, "machine")),
        ([report("completed", AnsweredBy="fax")], (S.FAILED, "machine")),
        ([report("in-progress", "end")], (S.SUBMITTED, None)),
        ([report("in-progress", "end"), report("completed")], (S.DELIVERED, "heard")),
        ([report("in-progress", "end"), report("completed", **MACHINE)], (S.FAILED, "machine")),
        ([report("busy")], (S.FAILED, "busy")),
        ([report("no-answer")], (S.FAILED, "no_answer")),
        ([report("canceled")], (S.FAILED, "canceled")),
        ([report("failed", SipResponseCode="404")], (S.FAILED, "failed_404")),
        ([report("failed", ErrorCode="<script>")], (S.FAILED, "failed")),
        ([report("teleported")], (S.FAILED, "unknown_status:teleported")),
        ([report("busy"), report("in-progress", "key", "CA2", Digits="1")], (S.DELIVERED, "key_1")),
        ([report("busy"), report("ringing", call="CA2")], (S.SUBMITTED, None)),
        ([report("busy"), report("no-answer", call="CA2")], (S.FAILED, "no_answer")),
        ([], (S.SUBMITTED, None)),
    ],
)
def test_a_call_is_judged_by_all_that_was_reported(reports: list[Report], verdict: tuple[S, str | None]) -> None:
    assert calls.conclude(reports) == verdict
    if len({one.call for one in reports}) <= 1:
        for order in itertools.permutations(reports):
            assert calls.conclude([*order, *order]) == verdict


def found(ref: str, minutes: float = 1) -> Found:
    return Found(ref, None, "sent", None, NOON + timedelta(minutes=minutes))


def test_one_call_that_nobody_else_made_is_ours() -> None:
    assert calls.matched([found("CA1")], frozenset(), rivals=0, **WINDOW) == found("CA1")


def test_no_call_is_proof_that_none_was_made() -> None:
    for listed in ([], [found("CA1", -5)], [found("CA1", 30)]):
        assert calls.matched(listed, frozenset(), rivals=1, **WINDOW) is False
    assert calls.matched([found("CA1")], frozenset({"CA1"}), rivals=0, **WINDOW) is False


def test_what_could_be_anothers_is_not_guessed_at() -> None:
    assert calls.matched([found("CA1")], frozenset(), rivals=1, **WINDOW) is None
    assert calls.matched([found("CA1"), found("CA2")], frozenset(), rivals=0, **WINDOW) is None
    assert calls.matched([found("CA1"), found("CA2")], frozenset({"CA2"}), rivals=0, **WINDOW) == found("CA1")


@pytest.mark.parametrize(
    ("status", "by", "word"),
    [
        ("completed", "human", ("sent", None)),
        ("completed", "machine_start", ("failed", "machine")),
        ("busy", None, ("failed", "busy")),
        ("no-answer", None, ("failed", "no_answer")),
        ("ringing", None, ("sent", None)),
        ("strange", None, ("strange", None)),
    ],
)
def test_the_list_never_says_that_a_call_was_heard(status: str, by: str | None, word: tuple[str, str | None]) -> None:
    assert calls.listed(status, by) == word


def test_the_twiml_says_the_text_asks_for_a_key_and_proves_the_end() -> None:
    words = twiml.announcement("水位>3米 & 上涨", "https://e.cn/v?d=1&m=2", twiml.Voice(), repeat=2, key_seconds=5)
    root = ElementTree.fromstring(words)
    gather, redirect = list(root)
    assert (gather.get("numDigits"), gather.get("action")) == ("1", "https://e.cn/v?d=1&m=2&s=key")
    say = gather.find("Say")
    assert say is not None and say.text == "水位>3米 & 上涨" and say.get("loop") == "2"
    assert redirect.text == "https://e.cn/v?d=1&m=2&s=end"
    assert [verb.tag for verb in ElementTree.fromstring(twiml.farewell("", twiml.Voice()))] == ["Hangup"]
