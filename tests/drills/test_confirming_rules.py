"""When posts are asked and reminded: pure rules."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emergency.asking import moments as words
from emergency.asking import showing
from emergency.asking.models import StepKind
from emergency.config_drills import Drills
from emergency.drills import confirming_rules as rules
from kernel.clock import BEIJING

NOW = datetime(2026, 11, 23, 9, tzinfo=BEIJING)
MONDAY = datetime(2026, 11, 30, 9, tzinfo=BEIJING)
times = st.timedeltas(timedelta(0), timedelta(days=700)).map(lambda later: datetime(2026, 1, 1, tzinfo=UTC) + later)
ahead = st.timedeltas(timedelta(minutes=10), timedelta(days=60))
hours = st.lists(st.floats(0, 400), max_size=6)


def local(moment: datetime) -> str:
    return f"{moment.astimezone(BEIJING):%m-%d %H:%M}"


def test_posts_are_asked_at_nine_so_many_days_before() -> None:
    assert local(rules.ask_at(MONDAY, 14)) == "11-16 09:00"
    assert local(rules.ask_at(datetime(2026, 11, 30, 20, 30, tzinfo=BEIJING), 3)) == "11-27 09:00"


def test_who_does_not_answer_is_reminded_then_the_deputy_then_the_superior() -> None:
    start = NOW + timedelta(days=14)
    due = rules.answer_due(start, NOW)
    steps = rules.ladder(Drills(), starts_at=start, due_at=due, now=NOW).due(NOW, due)
    assert [(rung.step, start - at) for rung, at in steps] == [
        (StepKind.REMIND, timedelta(days=7)), (StepKind.REMIND, timedelta(days=1)),
        (StepKind.REMIND, timedelta(hours=2)), (StepKind.DEPUTY, timedelta(hours=1.5)),
        (StepKind.SUPERIOR, timedelta(hours=1)),
    ]  # fmt: skip
    assert [rung.channels for rung, _at in steps] == [(), (), ("voice",), (), ()]


def test_who_is_asked_late_has_only_the_reminders_that_still_lie_ahead() -> None:
    start = NOW + timedelta(hours=3)
    due = rules.answer_due(start, NOW)
    steps = rules.ladder(Drills(), starts_at=start, due_at=due, now=NOW).due(NOW, due)
    assert [(rung.step, at - NOW) for rung, at in steps] == [
        (StepKind.REMIND, timedelta(hours=1)), (StepKind.DEPUTY, timedelta(hours=1.5)),
        (StepKind.SUPERIOR, timedelta(hours=2)),
    ]  # fmt: skip
    short = rules.ladder(Drills(), starts_at=NOW + timedelta(minutes=40), due_at=NOW + timedelta(minutes=20), now=NOW)
    assert [rung.step for rung in short.rungs] == [StepKind.DEPUTY, StepKind.SUPERIOR]


def test_nobody_is_told_to_answer_by_the_middle_of_the_night() -> None:
    assert local(rules.answer_due(NOW + timedelta(hours=8), NOW)) == "11-23 13:00"
    assert local(rules.answer_due(NOW + timedelta(hours=30), NOW)) == "11-23 20:00", "not at midnight"
    at_seven = NOW.replace(hour=19)
    assert local(rules.answer_due(at_seven + timedelta(hours=14), at_seven)) == "11-24 02:00", "so near, at any hour"


def test_zero_asks_neither_deputy_nor_superior() -> None:
    settings = Drills(remind_hours_before=(), deputy_hours_before=0, superior_hours_before=0)
    assert rules.ladder(settings, starts_at=MONDAY, due_at=MONDAY, now=NOW).rungs == ()


def test_a_reminder_for_a_night_drill_comes_in_the_evening_before() -> None:
    night = datetime(2026, 11, 30, 2, tzinfo=BEIJING)
    assert [local(at) for at, _until in rules.moments((24, 2), night, NOW)] == ["11-28 20:00", "11-30 00:00"]


@given(times, ahead, hours)
def test_reminders_never_overlap_never_precede_the_asking_and_never_outlast_the_start(
    now: datetime, left: timedelta, before: list[float]
) -> None:
    start = now + left
    found = rules.moments(before, start, now)
    for at, until in found:
        assert now + rules.SOONEST <= at <= until <= start and until - at <= rules.LONGEST_LATE
    for (_at, until), (following, _until) in itertools.pairwise(found):
        assert until < following, "after downtime two reminders would be good at once"


@given(times, ahead, hours, st.floats(0, 100), st.floats(0, 100))
def test_no_step_lies_before_the_asking_or_after_the_drill(
    now: datetime, left: timedelta, before: list[float], deputy: float, superior: float
) -> None:
    start = now + left
    due = rules.answer_due(start, now)
    settings = Drills(remind_hours_before=tuple(before), deputy_hours_before=deputy, superior_hours_before=superior)
    assert now < due < start
    for _rung, at in rules.ladder(settings, starts_at=start, due_at=due, now=now).due(now, due):
        assert now < at <= start


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("11月30日下午2点", "11-30 14:00"), ("到11月30日下午2点半", "11-30 14:30"), ("12月1号上午九点", "12-01 09:00"),
        ("下周三上午9点半", "12-02 09:30"), ("明天14:30", "11-24 14:30"), ("11.30下午2点", "11-30 14:00"),
        ("2026-12-01 09:00", "12-01 09:00"), ("十二月三日晚上八点", "12-03 20:00"), ("11/30 14:00", "11-30 14:00"),
        ("11月28日（周六）上午10：00", "11-28 10:00"), ("11月30日2点", None), ("11月30日", None), ("下午2点", None),
        ("11月31日下午2点", None), ("11月22日下午2点", None), ("11月28日周五上午10点", None),
        ("12月1日或2日上午9点", None), ("下午2点到4点 11月30日", None), ("12月5日晚12点", None), ("3天后下午2点", None),
        ("11月30日25点", None), ("", None), ("改天吧", None), ("2月29日上午9点", None),
    ],
)  # fmt: skip
def test_a_time_in_plain_words_is_understood_and_any_other_left_to_a_person(said: str, meant: str | None) -> None:
    found = words.parse(said, NOW)
    assert (local(found) if found else None) == meant


@given(st.text("0123456789年月日号点时半上下午晚周星期一二三十:：.-/ 明后天", max_size=24), times)
def test_whatever_is_read_as_a_time_lies_ahead_and_nothing_breaks_it(said: str, now: datetime) -> None:
    found = words.parse(said, now)
    assert found is None or now < found < now + words.FURTHEST


@given(st.integers(0, 23), st.integers(0, 59), st.integers(1, 250))
def test_a_date_and_a_clock_as_the_page_sends_them_are_read_exactly(hour: int, minute: int, days: int) -> None:
    day = (NOW + timedelta(days=days)).date()
    found = words.parse(f"{day:%Y-%m-%d} {hour:02}:{minute:02}", NOW)
    assert found is not None and f"{found:%Y-%m-%d %H:%M}" == f"{day:%Y-%m-%d} {hour:02}:{minute:02}"


@given(st.text(showing.LETTERS, min_size=8, max_size=8))
def test_a_code_is_known_however_it_is_typed(code: str) -> None:
    for typed in (code, code.lower(), showing.grouped(code), f" {code[:3]} {code[3:].lower()} ",
                  "".join(chr(ord(c) + 0xFEE0) for c in code)):  # fmt: skip
        assert showing.plain_code(typed) == code


@given(st.text(max_size=80))
def test_whatever_is_typed_for_a_code_is_a_code_or_nothing(typed: str) -> None:
    plain = showing.plain_code(typed)
    assert plain is None or (len(plain) == 8 and set(plain) <= set(showing.LETTERS))
