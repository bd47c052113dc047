"""What a window means: half-years that do not lend to each other, 29 February, school years, school holidays."""

from __future__ import annotations

import itertools
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emergency.divisions.models import UnitKind
from emergency.drills import rules, standing_queries, standing_rules
from emergency.drills.models import Basis, DrillKind
from emergency.drills.rules import RuleFacts, Standing
from emergency.drills.standing_rules import Drill
from scheduler.terms import Term, TermCalendar

LONG_AGO = date(2020, 1, 1)
WINDOWED = [Basis.MONTH, Basis.QUARTER, Basis.HALF, Basis.ACADEMIC]
DAYS = st.dates(date(2022, 1, 1), date(2028, 12, 31))


def facts(basis: Basis, *, skip: bool = False, months: int | None = None) -> RuleFacts:
    return RuleFacts(months or rules.WINDOW_MONTHS[basis], basis, True, skip)


@given(st.sampled_from(WINDOWED), st.integers(2022, 2028))
def test_the_windows_of_a_year_cover_each_of_its_days_once(basis: Basis, year: int) -> None:
    found = rules.windows_of_year(basis, year)
    day = date(year, 1, 1)
    while day.year == year:
        assert sum(start <= day <= end for start, end in found) == 1
        day += timedelta(days=1)
    assert all(after[0] == before[1] + timedelta(days=1) for before, after in itertools.pairwise(found))


@given(st.sampled_from(WINDOWED), st.lists(DAYS, max_size=12), DAYS)
def test_drills_of_one_window_never_cover_another(basis: Basis, held: list[date], today: date) -> None:
    """Adding a second drill to a window that has one changes no standing."""
    verdict = rules.compliance(facts(basis), held, LONG_AGO, today)
    past = [day for day in held if day <= today]
    doubled = held + [window[0] for day in past if (window := rules.window(basis, day)) is not None]
    assert rules.compliance(facts(basis), doubled, LONG_AGO, today).standing is verdict.standing


@given(st.sampled_from(WINDOWED), DAYS, DAYS)
def test_nothing_is_overdue_before_a_whole_window_has_passed(basis: Basis, since: date, today: date) -> None:
    verdict = rules.compliance(facts(basis), [], since, today)
    first_whole = next(w for w in rules.windows(basis, since, since + timedelta(days=800)) if w[0] >= since)
    assert (verdict.standing is Standing.OVERDUE) == (today > first_whole[1])


@given(st.sampled_from(list(Basis)), st.integers(1, 36), st.lists(DAYS, max_size=8), DAYS, DAYS)
def test_one_more_drill_never_makes_a_standing_worse(
    basis: Basis, months: int, held: list[date], since: date, today: date
) -> None:
    rule = RuleFacts(rules.WINDOW_MONTHS.get(basis, months), basis, True)
    before = rules.compliance(rule, held, since, today)
    after = rules.compliance(rule, [*held, today], since, today)
    assert standing_rules.RANKS[after.standing] >= standing_rules.RANKS[before.standing] or (
        basis is Basis.ROLLING and after.standing is Standing.DUE and months == 1  # a month ahead is soon due again
    )


@pytest.mark.parametrize(
    ("held", "today", "due", "standing"),
    [
        (date(2024, 2, 29), date(2025, 1, 1), date(2025, 2, 28), Standing.SATISFIED),
        (date(2024, 2, 29), date(2025, 2, 28), date(2025, 2, 28), Standing.DUE),
        (date(2024, 2, 29), date(2025, 3, 1), date(2025, 2, 28), Standing.OVERDUE),
        (date(2027, 2, 28), date(2028, 2, 29), date(2028, 2, 28), Standing.OVERDUE),
    ],
)
def test_a_year_after_29_february_is_28_february(held: date, today: date, due: date, standing: Standing) -> None:
    verdict = rules.compliance(RuleFacts(12, Basis.ROLLING, True), [held], LONG_AGO, today)
    assert (verdict.next_due, verdict.standing) == (due, standing)


def test_29_february_is_a_day_of_its_month_and_of_its_half() -> None:
    leap = date(2028, 2, 29)
    assert rules.window(Basis.MONTH, leap) == (date(2028, 2, 1), leap)
    assert rules.compliance(facts(Basis.HALF), [leap], LONG_AGO, date(2028, 6, 30)).standing is Standing.SATISFIED


def test_a_school_year_runs_from_september_to_august() -> None:
    held = [date(2026, 3, 1)]
    year = facts(Basis.ACADEMIC)
    assert rules.compliance(year, held, LONG_AGO, date(2026, 8, 31)).standing is Standing.SATISFIED
    assert rules.compliance(year, held, LONG_AGO, date(2026, 9, 1)).standing is Standing.DUE
    assert rules.compliance(year, held, LONG_AGO, date(2027, 9, 1)).standing is Standing.OVERDUE


@pytest.mark.parametrize(
    ("month", "asked"),
    [(1, True), (2, False), (3, True), (6, True), (7, False), (8, False), (9, True), (12, True)],
)
def test_a_month_that_is_mostly_holiday_asks_for_nothing(month: int, asked: bool) -> None:
    window = rules.window(Basis.MONTH, date(2027, month, 1))
    assert window is not None
    assert rules.asked(facts(Basis.MONTH, skip=True), window) is asked
    assert rules.asked(facts(Basis.MONTH), window), "a rule that skips nothing always asks"


def test_announced_terms_replace_the_usual_ones_and_the_answer_is_no_guess_any_more() -> None:
    monthly, today = facts(Basis.MONTH, skip=True), date(2027, 2, 20)
    guessed = rules.compliance(monthly, [date(2027, 1, 5)], LONG_AGO, today)
    assert (guessed.standing, guessed.next_due, guessed.provisional) == (Standing.SATISFIED, None, True)
    announced = TermCalendar(
        (
            Term(date(2026, 9, 1), date(2027, 1, 16), "2026-2027", 1, True),
            Term(date(2027, 2, 8), date(2027, 7, 9), "2026-2027", 2, True),
        )
    )
    known = rules.compliance(monthly, [date(2027, 1, 5)], LONG_AGO, today, announced)
    assert (known.standing, known.next_due, known.provisional) == (Standing.DUE, date(2027, 2, 28), False)


def test_a_missed_june_is_forgiven_when_the_holidays_are_over_and_not_before() -> None:
    monthly, may = facts(Basis.MONTH, skip=True), [date(2026, 5, 6)]
    assert rules.compliance(monthly, may, LONG_AGO, date(2026, 7, 10)).standing is Standing.OVERDUE
    assert rules.compliance(monthly, may, LONG_AGO, date(2026, 9, 10)).standing is Standing.DUE


# --- decide -------------------------------------------------------------------------------------------------------


def test_evidence_is_the_latest_fitting_drill_and_next_is_the_first_that_would_count() -> None:
    drills = [
        Drill(1, DrillKind.FIRE, date(2026, 3, 1), True), Drill(2, DrillKind.FIRE, date(2026, 9, 1), True),
        Drill(3, DrillKind.FLOOD, date(2026, 10, 1), True), Drill(4, DrillKind.FIRE, date(2026, 12, 1), False),
        Drill(5, DrillKind.FIRE, date(2027, 3, 1), False), Drill(6, DrillKind.FIRE, date(2026, 11, 1), False),
    ]  # fmt: skip
    today = date(2026, 11, 23)
    kept = standing_rules.decide(facts(Basis.HALF), [DrillKind.FIRE], drills, LONG_AGO, today)
    assert kept.evidence is not None and kept.evidence.id == 2
    assert kept.coming is not None and kept.coming.id == 5, "what is planned in a satisfied half proves nothing more"
    open_ = standing_rules.decide(facts(Basis.HALF), [DrillKind.FIRE], drills[:1] + drills[3:], LONG_AGO, today)
    assert open_.verdict.standing is Standing.DUE and open_.coming is not None and open_.coming.id == 4


def test_what_is_planned_after_the_window_is_too_late() -> None:
    drills = [Drill(1, DrillKind.FIRE, date(2027, 1, 5), False)]
    found = standing_rules.decide(facts(Basis.HALF), [DrillKind.FIRE], drills, date(2026, 11, 1), date(2026, 11, 23))
    assert found.verdict.standing is Standing.DUE and found.too_late


@pytest.mark.parametrize(
    ("level", "name", "tags"),
    [
        (3, "静海区", {"county_government", "flood_headquarters", "emergency_department", "health_department"}),
        (4, "台头镇", {"town_government"}),
        (4, "华康街道", {"street_office"}),
        (5, "义和村委会", {"village_committee"}),
        (5, "北纬社区居民委员会", {"residents_committee"}),
        (2, "市辖区", set()),
    ],
)
def test_which_offices_a_division_stands_for(level: int, name: str, tags: set[str]) -> None:
    assert tags <= standing_rules.division_tags(level, name)
    assert not (standing_rules.division_tags(level, name, frozenset(tags)) & tags), "a unit stands for it already"


def test_every_kind_of_unit_is_counted_by_a_word() -> None:
    assert {kind.value for kind in UnitKind} <= set(standing_queries.GROUPS)
