"""Terms, school breaks, days before a season, named dates, and counting held against rrule."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any

import pytest
from dateutil import rrule
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.errors import Invalid
from scheduler import recurrence_dates
from scheduler.recurrence import Freq, OnBreak, OnHoliday, Recurrence
from scheduler.recurrence_words import is_night, words_at
from scheduler.terms import Term, TermCalendar, check_term
from scheduler.workdays import WorkCalendar
from tests.scheduler.test_recurrence import CALENDAR, DAYS, TERMS, rules

USUAL = TermCalendar()


@settings(max_examples=150, deadline=None)
@given(rules(), DAYS, st.integers(0, 700))
def test_no_name_and_no_day_comes_twice_and_order_is_kept(rule: Recurrence, start: date, length: int) -> None:
    found = rule.planned(start, start + timedelta(days=length), CALENDAR, TERMS)
    assert len({p.nominal for p in found}) == len({p.on for p in found}) == len(found)
    assert [p.on for p in found] == sorted(p.on for p in found)
    by_name = [p.on for p in sorted(found, key=lambda p: p.nominal)]
    assert by_name == sorted(by_name), "a later name never lies on an earlier day"


@settings(max_examples=100, deadline=None)
@given(rules(), DAYS, st.integers(1, 300))
def test_a_name_keeps_its_day_whatever_window_is_looked_at(rule: Recurrence, start: date, length: int) -> None:
    end = start + timedelta(days=length)
    wide = {p.nominal: p for p in rule.planned(start - timedelta(days=99), end + timedelta(days=99), CALENDAR, TERMS)}
    for planned in rule.planned(start, end, CALENDAR, TERMS):
        assert wide[planned.nominal] == planned


@settings(max_examples=100, deadline=None)
@given(rules())
def test_nothing_lies_before_its_start_or_in_a_break_that_is_skipped(rule: Recurrence) -> None:
    for planned in rule.planned(date(2023, 6, 1), date(2028, 6, 1), CALENDAR, TERMS):
        if rule.on_holiday is OnHoliday.KEEP and rule.on_break is OnBreak.KEEP:
            assert planned.on >= rule.start
        if rule.on_break is not OnBreak.KEEP:
            assert TERMS.in_term(planned.on)


@settings(max_examples=120, deadline=None)
@given(
    st.sampled_from([Freq.DAILY, Freq.WEEKLY, Freq.MONTHLY, Freq.YEARLY]), DAYS, st.integers(1, 14), DAYS,
    st.integers(0, 900), st.sets(st.integers(0, 6), max_size=3), st.sampled_from([None, 1, 2, 3, 4, -1]),
)  # fmt: skip
def test_where_calendars_agree_it_counts_as_rrule_does(
    freq: Freq, start: date, interval: int, first: date, length: int, weekdays: set[int], nth: int | None
) -> None:
    start = start.replace(day=min(start.day, 28))
    more: dict[str, object] = {}
    theirs: dict[str, object] = {}
    if freq is Freq.WEEKLY:
        more = {"weekdays": tuple(weekdays)}
        theirs = {"byweekday": sorted(weekdays) or None}
    elif freq in (Freq.MONTHLY, Freq.YEARLY) and nth is not None:
        more = {"nth": nth, "weekdays": (2,)}
        theirs = {"byweekday": rrule.WE(nth)} | ({"bymonth": start.month} if freq is Freq.YEARLY else {})
    kinds = {Freq.DAILY: rrule.DAILY, Freq.WEEKLY: rrule.WEEKLY, Freq.MONTHLY: rrule.MONTHLY, Freq.YEARLY: rrule.YEARLY}
    rule = Recurrence(freq, start, interval=interval, **more)  # type: ignore[arg-type]
    oracle = rrule.rrule(
        kinds[freq], dtstart=datetime.combine(start, time()), interval=interval, wkst=rrule.MO, **theirs
    )  # type: ignore[arg-type]
    last = first + timedelta(days=length)
    between = oracle.between(datetime.combine(first, time()), datetime.combine(last, time()), inc=True)
    assert rule.between(first, last) == [moment.date() for moment in between]


def test_before_the_flood_season_in_days_and_in_working_days() -> None:
    days = Recurrence(Freq.SEASON, date(2026, 1, 1), season=(6, 15), before=10)
    assert days.between(date(2026, 1, 1), date(2027, 12, 31)) == [date(2026, 6, 5), date(2027, 6, 5)]
    worked = Recurrence(Freq.SEASON, date(2026, 1, 1), season=(6, 15), before=10, before_workdays=True)
    calendar = WorkCalendar(frozenset({2026}), frozenset({date(2026, 6, 10)}), frozenset({date(2026, 6, 13)}))
    # 13 June is a make-up Saturday and counts; 10 June is off and does not.
    assert worked.between(date(2026, 1, 1), date(2026, 12, 31), calendar) == [date(2026, 6, 1)]
    assert [p.provisional for p in worked.planned(date(2027, 1, 1), date(2027, 12, 31), calendar)] == [True]


def test_the_day_before_a_season_that_begins_on_29_february_exists_every_year() -> None:
    rule = Recurrence(Freq.SEASON, date(2026, 1, 1), season=(2, 29), before=1)
    assert rule.between(date(2027, 1, 1), date(2028, 12, 31)) == [date(2027, 2, 27), date(2028, 2, 28)]


def test_terms_weeks_and_their_working_days() -> None:
    week = Recurrence(Freq.TERM, date(2025, 9, 1), week=2, weekdays=(2,))
    span = (date(2025, 9, 1), date(2026, 8, 31))
    assert week.between(*span, CALENDAR, TERMS) == [date(2025, 9, 10), date(2026, 3, 11)]
    last = Recurrence(Freq.TERM, date(2025, 9, 1), workday=-1)
    assert last.between(*span, CALENDAR, TERMS) == [date(2026, 1, 23), date(2026, 7, 3)]
    first = Recurrence(Freq.TERM, date(2025, 9, 1), workday=1, terms=(2,))
    assert first.between(*span, CALENDAR, TERMS) == [date(2026, 3, 2)]
    friday = Recurrence(Freq.TERM, date(2025, 9, 1), nth=3, weekdays=(4,))
    assert friday.between(*span, CALENDAR, TERMS) == [date(2025, 9, 19), date(2026, 3, 20)]
    never = Recurrence(Freq.TERM, date(2025, 9, 1), week=30)
    assert never.between(*span, CALENDAR, TERMS) == []


def test_a_corrected_term_moves_the_date_and_keeps_its_name() -> None:
    rule = Recurrence(Freq.TERM, date(2026, 9, 1), workday=1)
    span = (date(2027, 1, 1), date(2027, 12, 31))
    known = WorkCalendar(frozenset({2026, 2027, 2028}))
    guessed = rule.planned(*span, known, USUAL)[0]
    told = TermCalendar((Term(date(2027, 3, 1), date(2027, 7, 9), "2026-2027", 2, True),))
    announced = rule.planned(*span, known, told)[0]
    assert guessed.provisional and not announced.provisional
    assert guessed.nominal == announced.nominal and announced.on == date(2027, 3, 1) != guessed.on


def test_a_date_in_the_school_holidays_is_left_out_or_waits_for_school() -> None:
    skip = Recurrence(Freq.MONTHLY, date(2025, 9, 10), on_break=OnBreak.SKIP)
    got = {d.month for d in skip.between(date(2026, 1, 1), date(2026, 8, 31), CALENDAR, TERMS)}
    assert got == {1, 3, 4, 5, 6}
    wait = Recurrence(Freq.YEARLY, date(2025, 7, 20), on_break=OnBreak.NEXT)
    assert wait.between(date(2026, 1, 1), date(2026, 12, 31), CALENDAR, TERMS) == [date(2026, 9, 1)]


def test_usual_terms_count_until_announced_and_say_so() -> None:
    assert USUAL.in_term(date(2026, 9, 1)) and USUAL.in_term(date(2027, 1, 20)) and not USUAL.in_term(date(2027, 1, 21))
    assert not USUAL.in_term(date(2027, 8, 15)) and not USUAL.knows(date(2026, 9, 1))
    assert TERMS.knows(date(2026, 2, 10)), "between two announced terms the holiday is known"
    assert not TERMS.knows(date(2026, 7, 20)), "the next term is not announced: the end of the holiday is a guess"
    assert [t.school_year for t in USUAL.terms_between(date(2026, 9, 1), date(2027, 7, 5))] == ["2026-2027"] * 2
    assert list(TERMS.breaks_between(date(2026, 2, 1), date(2026, 2, 2))) == [(date(2026, 1, 25), date(2026, 3, 1))]


@pytest.mark.parametrize(
    ("year", "term", "begins", "ends"),
    [
        ("2026-2028", 1, date(2026, 9, 1), date(2027, 1, 20)), ("2026", 1, date(2026, 9, 1), date(2027, 1, 20)),
        ("2026-2027", 3, date(2026, 9, 1), date(2027, 1, 20)), ("2026-2027", 1, date(2027, 1, 20), date(2026, 9, 1)),
        ("2026-2027", 1, date(2026, 9, 1), date(2026, 9, 9)), ("2026-2027", 1, date(2026, 3, 1), date(2026, 7, 1)),
    ],
)  # fmt: skip
def test_what_is_no_term_is_refused(year: str, term: int, begins: date, ends: date) -> None:
    with pytest.raises(Invalid):
        check_term(year, term, begins, ends)


def test_named_dates_are_exactly_those() -> None:
    rule = Recurrence.listed([date(2027, 5, 1), date(2026, 12, 1), date(2027, 5, 1)])
    assert rule.between(date(2026, 1, 1), date(2027, 12, 31)) == [date(2026, 12, 1), date(2027, 5, 1)]
    assert rule.words("zh") == "共 2 次：2026-12-01、2027-05-01"
    with pytest.raises(Invalid):
        Recurrence.listed([])


@pytest.mark.parametrize(
    "fault",
    [
        {"start": "9999-12-31"}, {"start": "1999-12-31"}, {"until": "9999-01-01"}, {"season": "06-15"}, {"before": 3},
        {"freq": "before_season"}, {"freq": "before_season", "season": "02-30"}, {"week": 1}, {"terms": [1]},
        {"freq": "before_season", "season": "06-15", "before": 181}, {"freq": "term", "week": 31},
        {"freq": "term", "interval": 2}, {"freq": "term", "terms": [3]}, {"freq": "listed"}, {"dates": ["2026-01-01"]},
        {"freq": "listed", "dates": ["2026-01-02", "2026-01-01"]}, {"interval": 10**40}, {"on_break": "maybe"},
        {"freq": "listed", "dates": ["2026-01-01"], "on_holiday": "next"}, {"before_workdays": "yes"},
    ],
)  # fmt: skip
def test_what_a_rule_cannot_say_is_refused(fault: dict[str, object]) -> None:
    with pytest.raises(Invalid) as refused:
        Recurrence.from_json({"freq": "monthly", "start": "2026-01-01"} | fault)
    assert refused.value.code == "bad_recurrence"


def test_the_edges_of_the_calendar_are_looked_at_without_a_fault() -> None:
    for rule in (Recurrence(Freq.YEARLY, date(2199, 12, 31), on_holiday=OnHoliday.NEXT),
                 Recurrence(Freq.TERM, date(2199, 1, 1), workday=-1), Recurrence(Freq.DAILY, date(2199, 12, 31)),
                 Recurrence(Freq.SEASON, date(2000, 1, 1), season=(1, 1), before=180)):  # fmt: skip
        assert len(rule.upcoming(rule.start, 5)) <= 5
        assert rule.planned(date(1, 1, 2), date(1999, 1, 1)) == []
        assert len(rule.planned(date(2199, 1, 1), date(9999, 12, 31))) <= 366


@pytest.mark.parametrize(
    ("rule", "zh", "en"),
    [
        (Recurrence(Freq.SEASON, date(2026, 1, 1), season=(6, 15), before=10, before_workdays=True),
         "每年6月15日前 10 个工作日", "10 working days before 15 June of every year"),
        (Recurrence(Freq.TERM, date(2026, 9, 1), week=2, weekdays=(2,)), "每学期第 2 周星期三",
         "on Wednesday in week 2 of every school term"),
        (Recurrence(Freq.TERM, date(2026, 9, 1), workday=-1, terms=(2,)), "每学年第二学期最后一个工作日",
         "on the last working day of the second term of every school year"),
        (Recurrence(Freq.MONTHLY, date(2026, 9, 8), on_break=OnBreak.SKIP), "每月8日，遇寒暑假取消这一次",
         "every month on day 8; in school holidays it is left out"),
    ],
)  # fmt: skip
def test_school_rules_say_themselves(rule: Recurrence, zh: str, en: str) -> None:
    assert (rule.words("zh"), rule.words("en")) == (zh, en)


def test_night_is_from_eight_to_six() -> None:
    assert [is_night(time(h)) for h in (5, 6, 19, 20, 0)] == [True, False, False, True, True]
    once = Recurrence(Freq.YEARLY, date(2026, 6, 1), until=date(2026, 6, 1))
    assert words_at(once, time(23, 30)) == "仅一次，夜间 23:30"
    assert words_at(once, time(9, 5), "en") == "once only, at 09:05"


def test_the_first_dates_are_found_however_long_the_interval() -> None:
    rule = Recurrence(Freq.YEARLY, date(2024, 2, 29), interval=20)
    found = [p.on for p in rule.upcoming(date(2026, 1, 1), 3)]
    assert found == [date(2044, 2, 29), date(2064, 2, 29), date(2084, 2, 29)]
    assert all(a < b for a, b in itertools.pairwise(found))


@pytest.mark.parametrize(
    "rule",
    [
        Recurrence(Freq.WEEKLY, date(2026, 11, 28), weekdays=(5, 6), on_holiday=OnHoliday.SKIP),
        Recurrence(Freq.WEEKLY, date(2026, 11, 28), on_holiday=OnHoliday.SKIP),
        Recurrence(Freq.MONTHLY, date(2026, 11, 28), weekdays=(5,), nth=1, on_holiday=OnHoliday.SKIP),
    ],
)
def test_a_rule_of_weekends_alone_is_not_looked_for_beyond_the_announced_years(
    rule: Recurrence, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[date] = []
    real = recurrence_dates.planned

    def counted(rule: Recurrence, start: date, end: date, *rest: Any) -> Iterator[tuple[date, date]]:
        looked.append(end)
        return real(rule, start, end, *rest)

    monkeypatch.setattr(recurrence_dates, "planned", counted)
    assert rule.upcoming(date(2026, 11, 23), 5) == [] and max(looked) == date(2026, 12, 31)
    worked = WorkCalendar(frozenset({2026, 2027}), frozenset(), frozenset({date(2027, 2, 6)}), {})
    assert [p.on for p in rule.upcoming(date(2026, 11, 23), 5, calendar=worked)] == [date(2027, 2, 6)]
    assert max(looked) == date(2027, 12, 31)
