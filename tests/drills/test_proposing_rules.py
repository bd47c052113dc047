"""The pure planner of a year: windows, coverage, days, gaps; and what must hold whatever the facts are."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, time, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emergency.drills import rules
from emergency.drills.models import Basis, DrillKind
from emergency.drills.proposal_models import GapCode
from emergency.drills.proposing_guesses import likely_off
from emergency.drills.proposing_rules import Calendar, Loads, Proposed, YearDays, plan, weeks
from emergency.drills.proposing_settings import Settings
from emergency.drills.proposing_windows import Earlier, Owner, YearRule
from emergency.drills.rules import RuleFacts, Standing
from kernel.errors import Invalid
from scheduler.terms import TermCalendar
from scheduler.workdays import WorkCalendar

K = DrillKind
TERMS = TermCalendar()
SPRING = [date(2026, 2, 15) + timedelta(days=n) for n in range(9)]
WORK = WorkCalendar(frozenset({2026}), frozenset([date(2026, 1, 1), *SPRING]), frozenset({date(2026, 2, 14)}))
MONTHLY = YearRule(1, 1, Basis.MONTH, frozenset({K.EVACUATION, K.FIRE, K.QUAKE}), True)
FIRE_HALF = YearRule(2, 6, Basis.HALF, frozenset({K.FIRE}))
FIRE_SCHOOL = YearRule(3, 12, Basis.ACADEMIC, frozenset({K.FIRE}))
RESCUE = YearRule(4, 6, Basis.HALF, frozenset({K.RESCUE, K.UNIT_PLAN, K.FULL}))
UNIT_YEAR = YearRule(5, 12, Basis.ROLLING, frozenset({K.UNIT_PLAN, K.FULL}))
ONSITE = YearRule(6, 6, Basis.HALF, frozenset({K.ONSITE}))
FLOOD = YearRule(7, 12, Basis.ROLLING, frozenset({K.FLOOD}))
TWO_YEARS = YearRule(8, 24, Basis.ROLLING, frozenset({K.RESCUE}))
NO_NUMBER = YearRule(9, None, Basis.ROLLING, frozenset({K.WEATHER}))
ROLLING_HALF = YearRule(10, 6, Basis.ROLLING, frozenset({K.FIRE}))
AUTUMN_FLOOD = YearRule(11, 6, Basis.HALF, frozenset({K.FLOOD}))
WIDE = Settings(max_per_day=100, max_per_township_week=100)


def owner(*asked: YearRule, key: str = "u1", since: date = date(2025, 1, 1), **facts: Any) -> Owner:
    return Owner(key, "120118104000", since, asked, **facts)


def made(
    one: Owner, year: int = 2026, first: date | None = None, limits: Settings = WIDE, work: WorkCalendar = WORK,
    loads: Loads | None = None,
) -> Calendar:  # fmt: skip
    days = YearDays(year, first or date(year, 1, 1), work, TERMS, limits)
    return plan(one, days, limits, loads if loads is not None else Loads())


def earlier(items: Iterable[Proposed]) -> list[Earlier]:
    return [Earlier(item.kind, item.on, frozenset(rule_id for rule_id, _s, _e in item.serves)) for item in items]


def codes(calendar: Calendar) -> dict[int, GapCode]:
    return {gap.rule_id: gap.code for gap in calendar.gaps}


def test_a_school_drills_once_in_every_month_of_school_and_never_in_its_holidays() -> None:
    found = made(owner(MONTHLY, school=True))
    assert sorted(item.on.month for item in found.items) == [1, 3, 4, 5, 6, 9, 10, 11, 12]
    assert all(TERMS.in_term(item.on) for item in found.items)
    assert found.gaps == () and found.served == 9


def test_one_drill_serves_every_rule_that_its_kind_satisfies() -> None:
    found = made(owner(MONTHLY, FIRE_HALF, FIRE_SCHOOL, school=True))
    assert len(found.items) == 9, "the fire drills are among the nine of the months"
    fire = [item for item in found.items if item.kind is K.FIRE]
    assert {window[0] for item in fire for window in item.serves} >= {1, 2, 3}
    assert found.served == 9 + 2 + 1


def test_a_plant_holds_its_plan_drill_as_its_half_yearly_rescue_drill() -> None:
    found = made(owner(RESCUE, UNIT_YEAR, ONSITE))
    both = [item for item in found.items if {rule for rule, _a, _b in item.serves} == {4, 5}]
    assert len(found.items) == 4 and len(both) == 1 and both[0].kind is K.UNIT_PLAN


def test_two_drills_in_one_half_do_not_cover_the_other() -> None:
    found = made(owner(FIRE_HALF, held=[(K.FIRE, date(2026, 2, 3)), (K.FIRE, date(2026, 3, 3))]),
                 first=date(2026, 4, 1))  # fmt: skip
    assert [item.on.month > 6 for item in found.items] == [True] and found.met == 1


def test_what_is_held_or_planned_is_not_proposed_again() -> None:
    found = made(owner(FIRE_HALF, planned=[(K.FIRE, date(2026, 3, 3)), (K.FIRE, date(2026, 9, 9))]))
    assert found.items == () and found.met == 2 and found.windows == 2


def test_a_rolling_rule_comes_no_later_than_due_and_not_months_too_soon() -> None:
    found = made(owner(UNIT_YEAR, held=[(K.UNIT_PLAN, date(2025, 9, 10))]))
    (item,) = found.items
    assert date(2026, 3, 1) < item.on <= date(2026, 9, 10)


def test_a_rule_of_two_years_held_last_year_asks_for_nothing_this_year() -> None:
    assert made(owner(TWO_YEARS, held=[(K.RESCUE, date(2025, 5, 5))])).items == ()
    assert len(made(owner(TWO_YEARS)).items) == 1, "without any record one is proposed"


def test_an_overdue_rolling_rule_is_made_good_within_three_months_and_says_so() -> None:
    found = made(owner(UNIT_YEAR, held=[(K.FULL, date(2024, 3, 1))]))
    assert found.items[0].on <= date(2026, 4, 2) and found.items[0].why["late"] is True


def test_a_flood_drill_comes_before_the_season() -> None:
    for last in (None, date(2025, 6, 10), date(2025, 11, 20)):
        found = made(owner(FLOOD, held=[(K.FLOOD, last)] if last else []))
        assert found.items and found.items[0].on < date(2026, 6, 15), last


def test_a_flood_rule_for_the_autumn_contradicts_the_season_and_is_reported() -> None:
    found = made(owner(AUTUMN_FLOOD))
    assert [item.on.month <= 6 for item in found.items] == [True]
    assert codes(found) == {11: GapCode.SEASON}


def test_a_rule_without_a_number_is_named_and_never_planned() -> None:
    found = made(owner(NO_NUMBER))
    assert found.items == () and codes(found) == {9: GapCode.NO_NUMBER} and found.windows == 0


def test_a_window_without_a_school_day_left_is_reported() -> None:
    kindergarten = YearRule(12, 3, Basis.QUARTER, frozenset({K.EVACUATION}))
    found = made(owner(kindergarten, school=True, closes_on=date(2026, 8, 20)), first=date(2026, 7, 10))
    assert codes(found)[12] is GapCode.NO_SCHOOL_DAY


def test_the_present_year_begins_today_and_names_what_is_past() -> None:
    found = made(owner(FIRE_HALF, MONTHLY, school=True), first=date(2026, 11, 23))
    assert all(item.on >= date(2026, 11, 23) for item in found.items)
    past = {gap.rule_id: len(gap.windows) for gap in found.gaps if gap.code is GapCode.WINDOW_PAST}
    assert past == {1: 7, 2: 1}


def test_a_unit_watched_since_october_has_missed_nothing_before() -> None:
    found = made(owner(MONTHLY, school=True, since=date(2026, 10, 1)), first=date(2026, 11, 23))
    assert [len(gap.windows) for gap in found.gaps] == [1]


def test_a_past_year_has_no_dates_but_its_gaps() -> None:
    found = made(owner(FIRE_HALF), year=2025, first=date(2026, 1, 1))
    assert found.items == () and codes(found) == {2: GapCode.WINDOW_PAST}


def test_a_unit_that_closes_midway_is_planned_until_then() -> None:
    found = made(owner(FIRE_HALF, closes_on=date(2026, 5, 1)))
    assert [item.on < date(2026, 5, 1) for item in found.items] == [True] and found.gaps == ()


def test_a_refused_window_stays_refused() -> None:
    found = made(owner(FIRE_HALF, refused=frozenset({(2, date(2026, 1, 1), date(2026, 6, 30))})))
    assert len(found.items) == 1 and codes(found) == {2: GapCode.REFUSED}


def test_dates_of_an_earlier_computing_stay_where_they_were() -> None:
    first = made(owner(MONTHLY, FIRE_HALF, school=True))
    kept = earlier(first.items)
    busy = Loads()
    for item in first.items:
        for n in range(20):
            busy.add(item.on, f"12011810{n % 9}000")
    again = made(owner(MONTHLY, FIRE_HALF, school=True, kept=kept), loads=busy)
    assert {item.on for item in again.items} == {item.on for item in first.items}


@given(
    asked=st.sets(st.sampled_from([MONTHLY, FIRE_HALF, FIRE_SCHOOL, RESCUE, UNIT_YEAR, ONSITE, ROLLING_HALF]),
                  min_size=1),
    key=st.integers(1, 10**9), school=st.booleans(), refused=st.integers(0, 20), accepted=st.integers(0, 20),
)  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_refusing_one_date_and_accepting_another_moves_no_third(
    asked: set[YearRule], key: int, school: bool, refused: int, accepted: int
) -> None:
    rules_ = sorted(asked, key=lambda rule: rule.id)
    before = made(owner(*rules_, key=f"u{key}", school=school)).items
    no, yes = before[refused % len(before)], before[accepted % len(before)]
    rest = [item for item in before if item not in (no, yes)]
    again = made(
        owner(
            *rules_, key=f"u{key}", school=school, kept=earlier(rest), refused=frozenset(no.serves),
            barred=frozenset({no.on, yes.on}), planned=[(yes.kind, yes.on)] if yes is not no else [],
        )
    )  # fmt: skip
    stay = {(item.kind, item.on) for item in again.items}
    gone = [item for item in rest if (item.kind, item.on) not in stay]
    # A rolling rule is served for longer by a drill late in its window: what it asked for last may be next year's.
    assert all(rule_id in (UNIT_YEAR.id, ROLLING_HALF.id) for item in gone for rule_id, _s, _e in item.serves)
    new = [item for item in again.items if (item.kind, item.on) not in {(kept.kind, kept.on) for kept in rest}]
    # Where the one refused was to serve it from March on, a rolling rule falls due by what was accepted in January.
    assert all(rule_id in (UNIT_YEAR.id, ROLLING_HALF.id) for item in new for rule_id, _s, _e in item.serves)


def test_full_days_are_a_gap_and_not_a_thirteenth_drill() -> None:
    tight, loads = Settings(max_per_day=1, max_per_township_week=1), Loads()
    found = [made(owner(FIRE_HALF, key=f"u{n}"), limits=tight, loads=loads) for n in range(60)]
    assert max(loads.day.values()) == 1
    assert any(codes(one).get(2) is GapCode.DAYS_FULL for one in found)


def test_a_year_without_announced_holidays_is_provisional() -> None:
    found = made(owner(FIRE_HALF), year=2027)
    assert found.items and all(item.provisional for item in found.items)
    assert not any(item.provisional for item in made(owner(FIRE_HALF)).items)


def test_feasts_that_are_not_announced_yet_are_kept_clear_of() -> None:
    days = YearDays(2027, date(2027, 1, 1), WORK, TERMS, WIDE)
    assert date(2027, 2, 8) not in days.open, "the Monday after the Spring Festival"
    assert date(2027, 10, 4) not in days.open and date(2027, 10, 8) in days.open
    told = YearDays(2027, date(2027, 1, 1), WorkCalendar(frozenset({2027})), TERMS, WIDE)
    assert date(2027, 2, 8) in told.open, "the announcement alone counts once it is there"
    assert likely_off(2050) >= {date(2050, 5, 1), date(2050, 10, 7)}


def test_the_29th_of_february_is_a_day_like_others() -> None:
    found = made(owner(FIRE_HALF, ROLLING_HALF, held=[(K.FIRE, date(2028, 2, 29))]), year=2028, first=date(2028, 3, 1),
                 work=WorkCalendar())  # fmt: skip
    assert found.items and all(item.on.year == 2028 for item in found.items)
    assert [e for _s, e in weeks(2028)][-1] == date(2028, 12, 31)
    whole = YearDays(2028, date(2028, 1, 1), WorkCalendar(), TERMS, WIDE)
    assert date(2028, 2, 29) in whole.open


def test_the_same_facts_give_the_same_year() -> None:
    one, two = (made(owner(MONTHLY, RESCUE, UNIT_YEAR, school=True)) for _ in range(2))
    assert one == two


def test_two_hundred_units_are_spread_evenly() -> None:
    loads = Loads()
    for n in range(200):
        made(owner(RESCUE, UNIT_YEAR, ONSITE, FIRE_HALF, key=f"u{n}"), limits=Settings(12, 100), loads=loads)
    total, days = sum(loads.day.values()), len(YearDays(2026, date(2026, 1, 1), WORK, TERMS, WIDE).open)
    assert max(loads.day.values()) <= 2.5 * total / days


@pytest.mark.parametrize(
    "wrong",
    [{"max_per_day": 0}, {"weekdays": []}, {"weekdays": [7]}, {"hours": ["25:00"]}, {"hours": []},
     {"min_distance": "x"}, {"max_per_day": True}, {"hours": 5}],
)  # fmt: skip
def test_limits_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        Settings.from_json(wrong)


def test_limits_are_kept_as_they_were_said() -> None:
    said = Settings(3, 4, (1, 2), (time(9, 5),), 7)
    assert Settings.from_json(said.to_json()) == said


KINDS = st.frozensets(st.sampled_from([K.FIRE, K.EVACUATION, K.FLOOD, K.RESCUE, K.UNIT_PLAN]), min_size=1, max_size=3)
PAIRS = st.sampled_from(
    [(1, Basis.MONTH), (3, Basis.QUARTER), (6, Basis.HALF), (12, Basis.ACADEMIC), (6, Basis.ROLLING),
     (12, Basis.ROLLING), (24, Basis.ROLLING), (3, Basis.ROLLING), (1, Basis.ROLLING)]
)  # fmt: skip
DRILLS = st.lists(
    st.tuples(st.sampled_from([K.FIRE, K.FLOOD, K.UNIT_PLAN]), st.dates(date(2024, 1, 1), date(2028, 12, 31))),
    max_size=5,
)


@st.composite
def owners(draw: st.DrawFn, first: date) -> Owner:
    asked = [
        YearRule(number, months, basis, draw(KINDS), draw(st.booleans()))
        for number, (months, basis) in enumerate(draw(st.lists(PAIRS, min_size=1, max_size=4)))
    ]
    drills = draw(DRILLS)
    return Owner(
        f"u{draw(st.integers(1, 10**6))}", "120118104000", draw(st.dates(date(2024, 1, 1), date(2027, 1, 1))), asked,
        school=draw(st.booleans()), held=[d for d in drills if d[1] < first], planned=[d for d in drills if d[1] >= first],
    )  # fmt: skip


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Owner, int, date, Settings]:
    year = draw(st.sampled_from([2026, 2027, 2028]))
    first = draw(st.dates(date(year, 1, 1), date(year, 12, 31)) | st.just(date(year, 1, 1)))
    limits = Settings(draw(st.integers(1, 4)), draw(st.integers(1, 6)), min_distance=draw(st.integers(1, 20)))
    return draw(owners(first)), year, first, limits


@given(worlds())
@settings(max_examples=400, deadline=None)
def test_every_window_is_served_or_reported_and_no_date_breaks_a_limit(
    world: tuple[Owner, int, date, Settings],
) -> None:
    one, year, first, limits = world
    loads = Loads()
    days = YearDays(year, first, WORK, TERMS, limits)
    found = plan(one, days, limits, loads)
    assert found.windows == found.met + found.served + found.open
    for item in found.items:
        assert first <= item.on <= date(year, 12, 31) and item.window_from <= item.on <= item.window_to
        assert WORK.provisional(year).is_workday(item.on)
        assert not one.school or TERMS.in_term(item.on)
        assert item.kind is not K.FLOOD or item.on < date(year, 6, 15)
        for rule_id, start, end in item.serves:
            rule = next(rule for rule in one.rules if rule.id == rule_id)
            assert item.kind in rule.kinds and start <= item.on <= end
    assert all(count <= limits.max_per_day for count in loads.day.values())
    assert all(count <= limits.max_per_township_week for count in loads.town.values())
    assert len({item.on for item in found.items}) == len(found.items), "two drills of a unit on one day"
    drills = [*one.held, *one.planned, *((item.kind, item.on) for item in found.items)]
    reported = {gap.rule_id for gap in found.gaps}
    for rule in one.rules:
        if rule.id in reported:
            continue
        facts = RuleFacts(rule.months, rule.basis, True, rule.skip_school_holidays)
        held = rules.satisfying(rule.kinds, drills)
        for _start, end in rules.windows_of_year(rule.basis, year) or [(first, date(year, 12, 31))]:
            if first <= end <= date(year, 12, 31):
                verdict = rules.compliance(facts, held, max(one.since, first), end, TERMS)
                assert verdict.standing is not Standing.OVERDUE, (rule, end, found)
