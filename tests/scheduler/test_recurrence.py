"""Rules that repeat: what always holds, and the cases that the office would notice."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from dateutil.relativedelta import relativedelta
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.errors import Invalid
from scheduler.recurrence import Freq, OnBreak, OnHoliday, Recurrence
from scheduler.terms import Term, TermCalendar
from scheduler.workdays import NotAnnounced, WorkCalendar

DAYS = st.dates(date(2024, 1, 1), date(2026, 11, 30))
CALENDAR = WorkCalendar(
    frozenset(range(2022, 2030)),
    frozenset({date(2026, 1, 1), date(2026, 1, 2), date(2026, 10, 1), date(2026, 10, 2), date(2025, 10, 1)}),
    frozenset({date(2026, 1, 4), date(2026, 10, 10)}),
)


TERMS = TermCalendar(
    (
        Term(date(2025, 9, 1), date(2026, 1, 24), "2025-2026", 1, True),
        Term(date(2026, 3, 2), date(2026, 7, 3), "2025-2026", 2, True),
    )
)


@st.composite
def rules(draw: st.DrawFn) -> Recurrence:
    freq = draw(st.sampled_from(Freq))
    start = draw(DAYS)
    if freq is Freq.LISTED:
        return Recurrence.listed(draw(st.sets(DAYS, min_size=1, max_size=8)))
    more: dict[str, object] = {}
    if freq is Freq.WEEKLY:
        more["weekdays"] = tuple(draw(st.sets(st.integers(0, 6), max_size=3)))
    if freq in (Freq.MONTHLY, Freq.YEARLY, Freq.TERM):
        way = draw(st.sampled_from(["start", "week" if freq is Freq.TERM else "day", "nth", "workday"]))
        if way == "day":
            more["day"] = draw(st.one_of(st.integers(1, 31), st.just(-1)))
        elif way == "nth":
            more |= {"nth": draw(st.sampled_from([1, 2, 3, 4, -1])), "weekdays": (draw(st.integers(0, 6)),)}
        elif way == "workday":
            more["workday"] = draw(st.sampled_from([1, 5, -1, -3]))
        elif way == "week":
            more["week"] = draw(st.one_of(st.integers(1, 24), st.just(-1)))
            more["weekdays"] = tuple(draw(st.sets(st.integers(0, 6), max_size=1)))
    if freq is Freq.TERM:
        more["terms"] = tuple(draw(st.sets(st.integers(1, 2))))
    if freq is Freq.SEASON:
        more |= {"season": draw(st.sampled_from([(6, 15), (2, 29), (1, 3), (12, 31)])),
                 "before": draw(st.integers(0, 60)), "before_workdays": draw(st.booleans())}  # fmt: skip
    if freq is Freq.YEARLY:
        more["months"] = tuple(draw(st.sets(st.integers(1, 12), max_size=3)))
    if freq not in (Freq.SEASON, Freq.TERM):
        more["interval"] = draw(st.integers(1, 6))
    return Recurrence(
        freq, start, on_holiday=draw(st.sampled_from(OnHoliday)), on_break=draw(st.sampled_from(OnBreak)), **more
    )  # type: ignore[arg-type]


@settings(max_examples=120, deadline=None)
@given(rules(), DAYS, st.integers(0, 500))
def test_dates_are_in_order_once_and_inside_the_window(rule: Recurrence, start: date, length: int) -> None:
    end = start + timedelta(days=length)
    dates = rule.between(start, end, CALENDAR, TERMS)
    assert dates == sorted(set(dates))
    assert all(start <= d <= end for d in dates)


@settings(max_examples=120, deadline=None)
@given(rules(), DAYS, st.integers(1, 300), st.integers(1, 300))
def test_two_windows_side_by_side_hold_what_one_window_holds(rule: Recurrence, start: date, a: int, b: int) -> None:
    middle, end = start + timedelta(days=a), start + timedelta(days=a + b)
    halves = rule.between(start, middle, CALENDAR, TERMS) + rule.between(
        middle + timedelta(days=1), end, CALENDAR, TERMS
    )
    assert halves == rule.between(start, end, CALENDAR, TERMS)


@settings(max_examples=80, deadline=None)
@given(rules())
def test_a_rule_survives_being_stored(rule: Recurrence) -> None:
    assert Recurrence.from_json(rule.to_json()) == rule
    assert rule.words("zh") and rule.words("en")


@settings(max_examples=60, deadline=None)
@given(rules(), DAYS)
def test_moved_dates_are_working_days(rule: Recurrence, start: date) -> None:
    if rule.on_holiday is OnHoliday.KEEP:
        return
    assert all(CALENDAR.is_workday(d) for d in rule.between(start, start + timedelta(days=200), CALENDAR))


@settings(max_examples=60, deadline=None)
@given(DAYS, st.integers(1, 31), st.integers(1, 12))
def test_every_n_months_never_skips_a_month(start: date, day: int, interval: int) -> None:
    rule = Recurrence(Freq.MONTHLY, start, interval=interval, day=day)
    end = start + timedelta(days=800)
    dates = rule.between(start, end)
    months, at = [], start.replace(day=1)
    while at <= end:
        months.append((at.year, at.month))
        at += relativedelta(months=interval)
    got = [(d.year, d.month) for d in dates]
    # Only the first month (its day may lie before the start) and the last (after the end) may be missing.
    assert set(months[1:-1]) <= set(got) <= set(months)


def test_the_31st_of_a_short_month_is_its_last_day() -> None:
    rule = Recurrence(Freq.MONTHLY, date(2026, 1, 31))
    assert rule.between(date(2026, 1, 1), date(2026, 5, 1)) == [
        date(2026, 1, 31), date(2026, 2, 28), date(2026, 3, 31), date(2026, 4, 30),
    ]  # fmt: skip


def test_a_leap_day_is_kept_in_every_year() -> None:
    rule = Recurrence(Freq.YEARLY, date(2024, 2, 29))
    assert rule.between(date(2024, 1, 1), date(2028, 12, 31)) == [
        date(2024, 2, 29), date(2025, 2, 28), date(2026, 2, 28), date(2027, 2, 28), date(2028, 2, 29),
    ]  # fmt: skip


def test_the_last_working_day_of_a_month_knows_the_holidays() -> None:
    calendar = WorkCalendar(frozenset({2026}), off=frozenset({date(2026, 4, 30)}))
    rule = Recurrence(Freq.MONTHLY, date(2026, 1, 1), workday=-1)
    assert rule.between(date(2026, 4, 1), date(2026, 5, 31), calendar) == [date(2026, 4, 29), date(2026, 5, 29)]


def test_a_make_up_saturday_is_a_working_day() -> None:
    rule = Recurrence(Freq.WEEKLY, date(2026, 10, 3), on_holiday=OnHoliday.SKIP)
    assert rule.between(date(2026, 10, 1), date(2026, 10, 31), CALENDAR) == [date(2026, 10, 10)]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (OnHoliday.KEEP, [date(2026, 10, 1)]),
        (OnHoliday.NEXT, [date(2026, 10, 5)]),
        (OnHoliday.PREVIOUS, [date(2026, 9, 30)]),
        (OnHoliday.SKIP, []),
    ],
)
def test_a_statutory_holiday_moves_the_date_by_the_rules_own_policy(policy: OnHoliday, expected: list[date]) -> None:
    rule = Recurrence(Freq.YEARLY, date(2020, 10, 1), on_holiday=policy)
    assert rule.between(date(2026, 9, 1), date(2026, 11, 1), CALENDAR) == expected


def test_a_year_that_is_not_announced_is_refused_and_never_guessed() -> None:
    calendar = WorkCalendar(frozenset({2026}))
    rule = Recurrence(Freq.MONTHLY, date(2026, 1, 15), on_holiday=OnHoliday.NEXT)
    assert rule.between(date(2026, 11, 1), date(2026, 12, 31), calendar)
    with pytest.raises(NotAnnounced) as refused:
        rule.between(date(2026, 11, 1), date(2027, 1, 31), calendar)
    assert refused.value.code == "not_announced"
    assert refused.value.year == 2027


def test_planning_ahead_marks_what_may_still_move_and_keeps_its_name() -> None:
    calendar = WorkCalendar(frozenset({2026}))
    rule = Recurrence(Freq.MONTHLY, date(2026, 1, 1), workday=1)
    before = rule.planned(date(2026, 12, 1), date(2027, 1, 31), calendar)
    assert [(p.on, p.provisional) for p in before] == [(date(2026, 12, 1), False), (date(2027, 1, 1), True)]
    announced = WorkCalendar(frozenset({2026, 2027}), off=frozenset({date(2027, 1, 1)}))
    after = rule.planned(date(2027, 1, 1), date(2027, 1, 31), announced)
    assert [(p.on, p.provisional) for p in after] == [(date(2027, 1, 4), False)]
    assert after[0].nominal == before[1].nominal == date(2027, 1, 1)


@pytest.mark.parametrize(
    "fault",
    [
        {"interval": 0}, {"day": 32}, {"day": 0}, {"day": 1, "workday": 1}, {"nth": 5, "weekdays": [1]}, {"nth": 1},
        {"weekdays": [1]}, {"workday": 0}, {"months": [13]}, {"until": "2025-01-01"}, {"interval": True},
        {"interval": "2"}, {"surprise": 1}, {"freq": "hourly"}, {"start": "soon"}, {"on_holiday": "maybe"},
    ],
)  # fmt: skip
def test_a_rule_that_makes_no_sense_is_refused(fault: dict[str, object]) -> None:
    with pytest.raises(Invalid) as refused:
        Recurrence.from_json({"freq": "monthly", "start": "2026-01-01"} | fault)
    assert refused.value.code == "bad_recurrence"


@pytest.mark.parametrize(
    ("rule", "zh", "en"),
    [
        (Recurrence(Freq.MONTHLY, date(2026, 1, 31)), "每月31日（没有这一天的月份取月末）",
         "every month on day 31 (the last day of shorter months)"),
        (Recurrence(Freq.MONTHLY, date(2026, 1, 1), interval=6, workday=-1), "每 6 个月的最后一个工作日",
         "every 6 months on the last working day"),
        (Recurrence(Freq.YEARLY, date(2026, 6, 12), months=(6,), nth=2, weekdays=(4,)), "每年6月的第 2 个星期五",
         "every year in June on the second Friday"),
        (Recurrence(Freq.WEEKLY, date(2026, 11, 23), on_holiday=OnHoliday.NEXT),
         "每周星期一，遇休息日顺延到下一个工作日", "every week on Monday; a day off is moved to the next working day"),
    ],
)  # fmt: skip
def test_a_rule_says_itself_in_both_languages(rule: Recurrence, zh: str, en: str) -> None:
    assert rule.words("zh") == zh
    assert rule.words("en") == en


def test_a_rule_that_ends_where_it_begins_happens_once_only() -> None:
    once = Recurrence(Freq.YEARLY, date(2026, 11, 25), until=date(2026, 11, 25))
    assert (once.words("zh"), once.words("en")) == ("仅一次", "once only")
    assert once.between(date(2026, 1, 1), date(2029, 1, 1)) == [date(2026, 11, 25)]
