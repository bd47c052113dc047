"""Plans' rules, without a database."""

from __future__ import annotations

import itertools
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emergency.plans import rules
from emergency.plans.models import FilingState, Part, PlanKind, PlanLevel, PlanState, VersionState
from emergency.plans.rules import Facts, Fault

V, P, F = VersionState, PlanState, FilingState
ALLOWED = {
    VersionState: {
        (V.DRAFT, V.LINKAGE_REVIEW), (V.LINKAGE_REVIEW, V.APPROVAL), (V.LINKAGE_REVIEW, V.DRAFT),
        (V.APPROVAL, V.APPROVED), (V.APPROVAL, V.DRAFT), (V.APPROVAL, V.REJECTED), (V.APPROVED, V.ISSUED),
    },
    PlanState: {
        (P.DRAFTING, P.IN_FORCE), (P.DRAFTING, P.REPEALED), (P.IN_FORCE, P.UNDER_REVISION),
        (P.IN_FORCE, P.SUPERSEDED), (P.IN_FORCE, P.REPEALED), (P.UNDER_REVISION, P.IN_FORCE),
        (P.UNDER_REVISION, P.SUPERSEDED), (P.UNDER_REVISION, P.REPEALED),
    },
    FilingState: {(F.DUE, F.FILED), (F.FILED, F.RECEIPTED), (F.FILED, F.RETURNED), (F.RETURNED, F.FILED)},
}  # fmt: skip
TABLES: dict[Any, Any] = {
    VersionState: rules.VERSION_TRANSITIONS,
    PlanState: rules.PLAN_TRANSITIONS,
    FilingState: rules.FILING_TRANSITIONS,
}


@pytest.mark.parametrize("states", TABLES)
def test_every_pair_of_states_is_either_named_or_refused(states: Any) -> None:
    table = TABLES[states]
    assert set(table) == set(states)
    for before, after in itertools.product(states, states):
        assert (after in table[before]) == ((before, after) in ALLOWED[states]), (before, after)


TODAY = date(2026, 11, 23)
HELD = Facts(
    1, "t", PlanKind.SPECIAL, PlanLevel.DISTRICT, PlanState.IN_FORCE, "120118000000", None, None, None, None,
    date(2024, 1, 1), version_id=2, number=1, issued_on=date(2024, 1, 1), filing=FilingState.RECEIPTED,
)  # fmt: skip


def found(months: int | None = 36, **changes: Any) -> list[Fault]:
    facts = Facts(**{**HELD.__dict__, **changes})
    return [fault.fault for fault in rules.faults(facts, rule_months=months, today=TODAY)]


@pytest.mark.parametrize(
    ("changes", "months", "expected"),
    [
        ({}, 36, []),
        ({"issued_on": date(2023, 11, 23)}, 36, []),  # the last day still counts
        ({"issued_on": date(2023, 11, 22)}, 36, [Fault.EVALUATION_OVERDUE]),
        ({"issued_on": date(2023, 11, 22), "evaluated_on": date(2025, 1, 1)}, 36, []),
        ({"issued_on": date(2020, 1, 1)}, None, []),  # no rule, no promise: nothing is overdue
        ({"issued_on": date(2020, 1, 1), "evaluate_months": 24}, None, [Fault.EVALUATION_OVERDUE]),
        ({"parent_id": 9, "parent_version_id": 5, "cited_id": 5}, 36, []),
        ({"parent_id": 9, "parent_version_id": 6, "cited_id": 5}, 36, [Fault.PARENT_SUPERSEDED]),
        ({"parent_id": 9, "parent_state": PlanState.REPEALED}, 36, [Fault.PARENT_GONE]),
        ({"filing": FilingState.DUE, "filing_due": date(2026, 11, 22)}, 36, [Fault.FILING_OVERDUE]),
        ({"filing": FilingState.DUE, "filing_due": date(2026, 11, 23)}, 36, [Fault.FILING_SOON]),
        ({"filing": FilingState.DUE, "filing_due": date(2026, 12, 23)}, 36, []),
        ({"filing": FilingState.DUE, "filing_due": None}, 36, []),  # holidays unknown: no guess
        ({"filing": FilingState.FILED, "filing_due": date(2026, 1, 1)}, 36, []),
        ({"version_id": None, "issued_on": None}, 36, [Fault.NO_VERSION]),
        ({"version_id": None, "issued_on": None, "state": PlanState.REPEALED}, 36, []),
    ],
)
def test_what_is_wrong_with_a_plan_today(changes: dict[str, Any], months: int | None, expected: list[Fault]) -> None:
    assert found(months, **changes) == expected


def test_a_government_text_needs_the_five_parts_of_article_28_and_a_village_text_does_not() -> None:
    assert rules.missing_parts(PlanKind.SPECIAL, [Part.COMMAND, None]) == [
        Part.PREVENTION, Part.HANDLING, Part.SUPPORT, Part.RECOVERY
    ]  # fmt: skip
    assert rules.missing_parts(PlanKind.SPECIAL, list(Part)) == []
    assert rules.missing_parts(PlanKind.VILLAGE, []) == []


@pytest.mark.parametrize(
    ("line", "number", "heading", "depth"),
    [
        ("1 总则", "1", "总则", 1),
        ("5.3 响应措施", "5.3", "响应措施", 2),
        ("1.2.3、细则", "1.2.3", "细则", 3),
        ("附件", "", "附件", 1),
    ],
)
def test_a_heading_is_read_with_its_number(line: str, number: str, heading: str, depth: int) -> None:
    assert rules.outline_of(line) == rules.Outline(number, heading, depth)


@given(st.lists(st.integers(0, 9), min_size=10, max_size=10), st.integers(0, 9), st.integers(0, 9))
def test_a_cycle_is_found_in_every_forest(parents: list[int], plan: int, parent: int) -> None:
    above: dict[int, int | None] = {child: (p if p < child else None) for child, p in enumerate(parents)}
    walk, seen = parent, set()
    while walk is not None and walk not in seen:
        seen.add(walk)
        walk = above[walk]  # type: ignore[assignment]
    assert rules.makes_cycle(plan, parent, above) == (plan in seen)
