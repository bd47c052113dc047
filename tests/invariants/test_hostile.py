"""What a hostile programme sends: every answer is a refusal in words, never a failure of ours."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import urlencode

import pytest

from emergency.http.permissions import Role
from tests.conftest import DISTRICT
from tests.invariants.conftest import Demo

HUGE = ("9223372036854775808",)
BAD_TEXT = ("a\x00b", "\ud800", "' OR 1=1 --", '"><img src=x onerror=alert(1)>', "9" * 5000)
EVERYTHING = tuple(role for role in Role)


def _cursor(*values: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


LISTS = (
    "/residents",
    "/posts",
    "/questions",
    "/questions/replies",
    "/warnings",
    "/readiness",
    "/oversight",
    "/accounts",
)
CURSORS = (
    "x", "%00", "=", "é", _cursor(), _cursor(2**70), _cursor(2**70, 2**70), _cursor("a"), _cursor("a", "b"), _cursor(True),
    _cursor("\x00"), _cursor("\x00", 1), _cursor(1, 1), _cursor("1", "1"), _cursor("2026-11-23T00:00:00", 1), _cursor(-1),
    _cursor("\ud800", 1), _cursor("\ud800"), _cursor(1, 1, 1), _cursor("a", 1, "b"),
)  # fmt: skip


def _gets(demo: Demo) -> list[Any]:
    return [rule for rule in demo.app.url_map.iter_rules() if "GET" in (rule.methods or ())]


def test_numbers_that_no_database_holds_are_not_found(demo: Demo) -> None:
    """53 bits and more in every address: 404, never a failure."""
    person, failed = demo.person(*EVERYTHING), []
    for rule in demo.app.url_map.iter_rules():
        if not rule.arguments or rule.rule.startswith("/static"):
            continue
        for number in HUGE:
            values = {
                name: "drop" if name == "what" else "x" if name in ("kind", "token") else number
                for name in rule.arguments
            }
            path = rule.rule
            for name in rule.arguments:
                path = path.replace(f"<int:{name}>", str(values[name])).replace(f"<{name}>", str(values[name]))
            path = path.replace("<any(adopt,drop):what>", "drop").replace("<any(file,receipt):what>", "file")
            for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
                sent = (
                    person.api(method, path, json={})
                    if path.startswith("/api")
                    else person.browser.open(path, method=method)
                )
                if sent.status_code >= 500:
                    failed.append(f"{method} {path} {sent.status_code}")
    assert not failed, "\n".join(failed)


def test_filters_take_any_text(demo: Demo) -> None:
    """Every filter of every list with text that is none of its choices."""
    person, failed = demo.person(*EVERYTHING), []
    names = {"q", "within", "in", "kind", "state", "division", "township", "group", "level", "status", "sort", "order",
             "purpose", "limit", "after", "from", "to", "actor", "month", "year", "sector", "duty", "grade", "fault",
             "phone_state", "priority", "priority_class", "unit", "unit_id", "day", "week", "rule", "room", "subject",
             "severity", "page", "lang", "next", "since", "until", "hazard", "parent", "item", "depot", "owner"}  # fmt: skip
    for rule in _gets(demo):
        if rule.arguments or rule.rule in ("/readyz",):
            continue
        for text in BAD_TEXT:
            query = {name: text.encode("utf-8", "surrogatepass") for name in names}
            path = f"{rule.rule}?{urlencode(query)}"
            answer = person.api("GET", path) if path.startswith("/api") else person.browser.get(path)
            if answer.status_code >= 500:
                failed.append(f"{rule.rule} {text[:20]!r} {answer.status_code}")
            elif answer.mimetype == "text/html" and "<img src=x" in answer.get_data(as_text=True):
                failed.append(f"{rule.rule} repeats markup")
    assert not failed, "\n".join(failed)


def test_a_filter_that_is_wrong_alone_is_refused_alone(demo: Demo) -> None:
    """One filter at a time: no other's refusal stands before it."""
    person, failed = demo.person(*EVERYTHING), []
    wrong = [(name, text) for name in ("division", "within", "in", "township", "parent") for text in ("台头", "1" * 12)]
    wrong += [
        ("month", "9999-12"),
        ("month", "0001-01"),
        ("day", "9999-12-31"),
        ("since", "0001-01-01"),
        ("until", "9999-12-31"),
    ]
    wrong += [("unit_id", "9" * 19), ("limit", "-1"), ("after", "9" * 19)]
    for rule in _gets(demo):
        if rule.arguments or not rule.rule.startswith(("/api/v1/", *LISTS, "/roster", "/map", "/drills/calendar")):
            continue
        for name, text in wrong:
            path = f"{rule.rule}?{name}={text}"
            answer = person.api("GET", path) if path.startswith("/api") else person.browser.get(path)
            if answer.status_code >= 500:
                failed.append(f"{path} {answer.status_code}")
    assert not failed, "\n".join(failed)


def test_cursors_that_we_did_not_give_are_refused(demo: Demo) -> None:
    """A page address that was made up."""
    person, failed = demo.person(*EVERYTHING), []
    lists = [*LISTS, *(r.rule for r in _gets(demo) if r.rule.startswith("/api/v1/") and not r.arguments)]
    for path in lists:
        for cursor in CURSORS:
            where = f"{path}?cursor={cursor}"
            answer = person.api("GET", where) if path.startswith("/api") else person.browser.get(where)
            if answer.status_code >= 500:
                failed.append(f"{where} {answer.status_code}")
    assert not failed, "\n".join(failed)


DEEP = "[" * 20_000 + "]" * 20_000
DEEP_OBJECT = '{"a":' * 5_000 + "1" + "}" * 5_000


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (DEEP, "application/json"), (DEEP_OBJECT, "application/json"), ("{", "application/json"), ("null", "application/json"),
        ("1e999", "application/json"), ("[1,2]", "application/json"), ("\"text\"", "application/json"),
        ('{"version": NaN}', "application/json"), ('{"version": 1e400}', "application/json"),
        ('{"headline": "\\ud800", "version": 1, "reason": "\\ud800", "answer": "\\ud800", "means": "phone"}', "application/json"),
        ('{"headline": "a\\u0000b", "version": 1, "reason": "a\\u0000b", "answer": "a\\u0000b", "means": "phone"}',
         "application/json"),
        ('{"version": 99999999999999999999999999999, "reason": "x"}', "application/json"),
        ('{"version": 9223372036854775808, "reason": "x", "post_id": 9223372036854775808, "method": "phone"}', "application/json"),
        ("<a/>", "application/xml"), ("a=b", "application/x-www-form-urlencoded"), ("", ""), ("\udcff", "application/json"),
    ],
)  # fmt: skip
def test_bodies_that_no_client_of_ours_sends_get_a_problem_document(demo: Demo, body: str, kind: str) -> None:
    person, failed = demo.person(Role.DUTY_OFFICER, division=DISTRICT), []
    other = demo.person(Role.APPROVER, division=DISTRICT)
    warning = demo.api_warning()
    for rule in demo.app.url_map.iter_rules():
        if not rule.rule.startswith("/api/"):
            continue
        for method in sorted((rule.methods or set()) & {"POST", "PATCH"}):
            path = rule.rule.replace("<int:warning_id>", str(warning)).replace("<int:question_id>", "1")
            for who in (person, other):
                answer = who.api(method, path, data=body.encode("utf-8", "surrogateescape"), content_type=kind or None)
                if answer.status_code >= 500 or (
                    answer.status_code >= 400 and answer.mimetype != "application/problem+json"
                ):
                    failed.append(f"{method} {path} {answer.status_code} {answer.mimetype} {answer.data[:200]!r}")
    assert not failed, "\n".join(failed)
