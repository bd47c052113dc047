"""Drill rules, without a database: transitions, windows, compliance, the 66 rules of law."""

from __future__ import annotations

import itertools
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emergency.divisions.rules import APPLIES_TO, widen
from emergency.drills import lawbook, learning_rules, rules
from emergency.drills.learning_models import ActionState, FindingState
from emergency.drills.models import (
    Basis,
    Binding,
    DrillKind,
    Evidence,
    OccurrenceState,
    ProgrammeState,
)
from emergency.drills.rules import RuleFacts, Standing

S, PS, FS, AS = OccurrenceState, ProgrammeState, FindingState, ActionState
CASES: list[tuple[Any, Any, set[Any]]] = [
    (S, rules.OCCURRENCE_TRANSITIONS, {
        (S.PLANNED, S.INVITED), (S.PLANNED, S.CONFIRMED), (S.PLANNED, S.HELD), (S.PLANNED, S.MISSED),
        (S.PLANNED, S.CANCELLED), (S.INVITED, S.CONFIRMED), (S.INVITED, S.HELD), (S.INVITED, S.MISSED),
        (S.INVITED, S.CANCELLED), (S.CONFIRMED, S.INVITED), (S.CONFIRMED, S.HELD), (S.CONFIRMED, S.MISSED),
        (S.CONFIRMED, S.CANCELLED), (S.MISSED, S.HELD), (S.CANCELLED, S.PLANNED),
    }),
    (PS, rules.PROGRAMME_TRANSITIONS, {(PS.ACTIVE, PS.PAUSED), (PS.ACTIVE, PS.ENDED), (PS.PAUSED, PS.ACTIVE),
                                       (PS.PAUSED, PS.ENDED)}),
    (FS, learning_rules.FINDING_TRANSITIONS, {(FS.OPEN, FS.CLOSED), (FS.CLOSED, FS.OPEN)}),
    (AS, learning_rules.ACTION_TRANSITIONS, {(AS.OPEN, AS.DONE), (AS.OPEN, AS.DROPPED), (AS.DONE, AS.OPEN),
                                         (AS.DONE, AS.VERIFIED), (AS.VERIFIED, AS.OPEN)}),
]  # fmt: skip


@pytest.mark.parametrize(("states", "table", "allowed"), CASES)
def test_every_pair_of_states_is_either_named_or_refused(states: Any, table: Any, allowed: set[Any]) -> None:
    assert set(table) == set(states)
    for before, after in itertools.product(states, states):
        assert (after in table[before]) == ((before, after) in allowed), (before, after)


def test_all_66_rules_are_there_with_words_that_mean_a_sector_or_a_plan_and_kinds_that_satisfy_them() -> None:
    facts, kinds = lawbook.facts(), lawbook.kinds_of()
    assert len(facts) == 66 == len({fact["key"] for fact in facts})
    for fact in facts:
        assert all(word in APPLIES_TO for word in fact["words"]), fact["key"]
        assert kinds[fact["kind"]], fact["key"]
        Basis(fact["basis"]), Binding(fact["binding"]), Evidence(fact["evidence"])


@pytest.mark.parametrize("binding", Binding)
@pytest.mark.parametrize("evidence", Evidence)
def test_only_what_binds_here_and_was_read_is_adopted_by_itself(binding: Binding, evidence: Evidence) -> None:
    weak = binding in (Binding.LOCAL_OTHER, Binding.SUGGESTION) or evidence is Evidence.MEMORY
    assert rules.adopted_by_itself(binding, evidence) is not weak


@pytest.mark.parametrize(
    ("groups", "tags", "means"),
    [
        ([{"mine"}], ["coal_mine"], True),
        ([{"mine"}], ["school"], False),
        ([{"hospital", "dangerous_goods_user"}], ["hospital"], False),
        ([{"hospital", "dangerous_goods_user"}], ["hospital", "dangerous_goods_user"], True),
        ([{"*"}], [], True),
        ([{"~"}], ["school"], True),
        ([{"~"}], ["school", "key_fire"], False),
        ([], ["school"], False),
    ],
)
def test_which_unit_a_rule_means(groups: list[set[str]], tags: list[str], means: bool) -> None:
    assert rules.applies([frozenset(g) for g in groups], widen(tags)) is means


TODAY = date(2026, 11, 23)
LONG_AGO = date(2020, 1, 1)


@pytest.mark.parametrize(
    ("months", "basis", "held", "since", "expected"),
    [
        # each half-year is a window: two drills in the first do not cover the second
        (6, Basis.HALF, [date(2026, 2, 1), date(2026, 6, 30)], LONG_AGO, Standing.DUE),
        (6, Basis.HALF, [date(2026, 2, 1), date(2026, 7, 1)], LONG_AGO, Standing.SATISFIED),
        (6, Basis.HALF, [date(2025, 12, 31)], LONG_AGO, Standing.OVERDUE),
        (6, Basis.HALF, [], date(2026, 3, 1), Standing.DUE),  # watched only since the middle of the window before
        (1, Basis.MONTH, [date(2026, 10, 8)], LONG_AGO, Standing.DUE),
        (1, Basis.MONTH, [date(2026, 9, 30)], LONG_AGO, Standing.OVERDUE),
        (3, Basis.QUARTER, [date(2026, 8, 1), date(2026, 10, 1)], LONG_AGO, Standing.SATISFIED),
        (12, Basis.ACADEMIC, [date(2026, 9, 1)], LONG_AGO, Standing.SATISFIED),
        (12, Basis.ACADEMIC, [date(2026, 8, 31)], LONG_AGO, Standing.DUE),
        (12, Basis.ROLLING, [date(2026, 1, 10)], LONG_AGO, Standing.SATISFIED),
        (12, Basis.ROLLING, [date(2025, 12, 10)], LONG_AGO, Standing.DUE),
        (12, Basis.ROLLING, [date(2025, 11, 22)], LONG_AGO, Standing.OVERDUE),
        (12, Basis.ROLLING, [], date(2026, 6, 1), Standing.DUE),
        (12, Basis.ROLLING, [TODAY + timedelta(days=3)], LONG_AGO, Standing.OVERDUE),  # the future proves nothing
        (None, Basis.ROLLING, [], LONG_AGO, Standing.NO_NUMBER),
        (12, Basis.EVENT, [], LONG_AGO, Standing.NO_NUMBER),
    ],
)
def test_how_a_unit_stands_with_a_rule(
    months: int | None, basis: Basis, held: list[date], since: date, expected: Standing
) -> None:
    assert rules.compliance(RuleFacts(months, basis, True), held, since, TODAY).standing is expected


def test_a_monthly_school_rule_asks_for_nothing_in_the_holidays() -> None:
    rule = RuleFacts(1, Basis.MONTH, True, skip_school_holidays=True)
    june = [date(2026, 6, 3)]
    assert rules.compliance(rule, june, LONG_AGO, date(2026, 8, 20)).standing is Standing.SATISFIED
    assert rules.compliance(rule, june, LONG_AGO, date(2026, 9, 2)).standing is Standing.DUE


@given(
    st.sampled_from(list(Basis)),
    st.one_of(st.none(), st.integers(1, 36)),
    st.lists(st.dates(date(2020, 1, 1), date(2027, 1, 1))),
    st.dates(date(2021, 1, 1), date(2027, 1, 1)),
)
def test_a_rule_that_is_not_adopted_or_names_no_number_is_never_overdue(
    basis: Basis, months: int | None, held: list[date], today: date
) -> None:
    not_adopted = rules.compliance(RuleFacts(months, basis, False), held, LONG_AGO, today)
    assert not_adopted.standing is Standing.NOT_ADOPTED
    assert rules.compliance(RuleFacts(None, basis, True), held, LONG_AGO, today).standing is Standing.NO_NUMBER


@given(st.sampled_from([Basis.MONTH, Basis.QUARTER, Basis.HALF, Basis.ACADEMIC]), st.dates(date(2020, 1, 1)))
def test_windows_hold_their_day_and_touch_each_other(basis: Basis, day: date) -> None:
    if day.year > 9990:
        return
    start, end = rules.window(basis, day) or (day, day)
    assert start <= day <= end
    following = rules.window(basis, end + timedelta(days=1))
    assert following is not None and following[0] == end + timedelta(days=1)


def test_a_drill_satisfies_a_rule_by_its_kind_only() -> None:
    held = [(DrillKind.FIRE, date(2026, 1, 1)), (DrillKind.FLOOD, date(2026, 2, 1))]
    assert rules.satisfying([DrillKind.FLOOD], held) == [date(2026, 2, 1)]
