"""Pure rules of learning: steps of sheets, findings and actions, summaries, who hears when."""

from __future__ import annotations

import itertools
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emergency.drills import checklists
from emergency.drills import learning_rules as rules
from emergency.drills.learning_models import ActionState, NudgeKind, Rating, SheetState
from emergency.drills.models import Evidence, Form
from kernel.clock import BEIJING
from scheduler.workdays import WorkCalendar

A, S = ActionState, SheetState
DAYS = st.dates(date(2026, 1, 1), date(2030, 12, 31))


@pytest.mark.parametrize(
    ("states", "table", "allowed"),
    [
        (S, rules.SHEET_TRANSITIONS, {(S.DRAFT, S.HANDED_IN), (S.HANDED_IN, S.REPLACED)}),
        (A, rules.ACTION_TRANSITIONS, {(A.OPEN, A.DONE), (A.OPEN, A.DROPPED), (A.DONE, A.VERIFIED), (A.DONE, A.OPEN),
                                       (A.VERIFIED, A.OPEN)}),
    ],
)  # fmt: skip
def test_every_step_that_is_not_named_is_refused(states: Any, table: Any, allowed: Any) -> None:
    for start, end in itertools.product(states, states):
        assert (end in table[start]) is ((start, end) in allowed), (start, end)


@given(st.lists(st.sampled_from(ActionState), max_size=6), st.booleans(), st.booleans())
def test_a_finding_closes_by_proof_or_version_only_and_never_over_work_in_progress(
    states: list[ActionState], proof: bool, version: bool
) -> None:
    refused = rules.may_close(states, proof=proof, version=version)
    if not proof and not version:
        assert refused == "proof_required"
    elif version:
        assert refused is None
    else:
        assert (refused == "actions_open") is (A.OPEN in states)


@given(st.lists(st.one_of(st.none(), st.sampled_from(Rating)), max_size=8))
def test_the_worst_rating_stands_and_na_says_nothing(ratings: list[Rating | None]) -> None:
    summary = rules.summarise(ratings)
    judged = [r for r in ratings if r is not None and r is not Rating.NA]
    assert summary.sheets == sum(r is not None for r in ratings)
    if judged:
        assert summary.worst is max(judged, key=lambda r: "PSMU".index(r.value))
        assert summary.best is min(judged, key=lambda r: "PSMU".index(r.value))
        assert 0 <= summary.spread <= 3
    else:
        assert summary.worst in (None, Rating.NA) and summary.spread == 0


@given(DAYS, st.integers(0, 30), st.integers(0, 30))
def test_reminder_deputy_superior_come_in_this_order_at_nine(due: date, before: int, after: int) -> None:
    steps = rules.nudges(due, before_days=before, after_days=after)
    assert [kind for kind, _at in steps] == [NudgeKind.REMINDER, NudgeKind.DEPUTY, NudgeKind.SUPERIOR]
    assert [at for _kind, at in steps] == sorted(at for _kind, at in steps)
    assert all(at.astimezone(BEIJING).hour == 9 for _kind, at in steps)
    assert steps[1][1] > datetime(due.year, due.month, due.day, 23, 59, tzinfo=BEIJING), "the day itself still counts"


@given(DAYS, st.integers(0, 20), st.integers(0, 20), st.integers(-60, 60))
def test_after_a_standstill_one_step_is_sent_for_all_that_passed(due: date, before: int, after: int, late: int) -> None:
    steps = rules.nudges(due, before_days=before, after_days=after)
    moment = rules.morning(due) + timedelta(days=late)
    past, last = rules.overtaken(steps, moment)
    due_now = [kind for kind, at in steps if at <= moment]
    assert len(past) + (last is not None) == len(due_now) and last not in past
    assert last is (due_now[-1] if due_now else None)


def test_working_days_of_a_year_that_is_not_announced_are_provisional() -> None:
    empty = WorkCalendar()
    day, provisional = rules.workdays_after(empty, date(2026, 11, 23), 10)
    assert day == date(2026, 12, 7) and provisional
    known = WorkCalendar(frozenset({2026}), frozenset({date(2026, 11, 24)}))
    assert rules.workdays_after(known, date(2026, 11, 23), 1) == (date(2026, 11, 25), False)


def test_the_checklists_are_ours_and_their_keys_are_one_of_a_kind() -> None:
    lists = checklists.load()
    keys = [line.key for group in lists.groups for line in group.lines]
    assert len(keys) == len(set(keys)) and max(map(len, keys)) <= 40
    assert lists.evidence is Evidence.MEMORY and "本局" in lists.source
    assert {group.key for group in checklists.groups(Form.FIELD)} >= {
        "preparation", "command", "warning", "response", "evacuation", "support", "site",
    }  # fmt: skip
    assert checklists.groups(Form.TABLETOP)
