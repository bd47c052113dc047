from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import flask
import pytest
from markupsafe import Markup

from emergency.http.permissions import Role
from emergency.web import filters, templating

MONDAY_EIGHT = datetime(2026, 11, 23, 0, 0, tzinfo=UTC)


@pytest.fixture
def reading(shell_app: flask.Flask):
    def in_language(language: str = "zh"):
        return shell_app.test_request_context("/", headers={"Cookie": f"language={language}"})

    return in_language


def test_a_moment_reads_as_people_say_it(reading):
    with reading():
        assert filters.moment_text(MONDAY_EIGHT) == "11月23日 08:00（周一）"
        assert "2026年11月23日 08:00:00（周一）北京时间" in filters.moment(MONDAY_EIGHT)
        assert 'datetime="2026-11-23T08:00:00+08:00"' in filters.moment(MONDAY_EIGHT)
    with reading("en"):
        assert filters.moment_text(MONDAY_EIGHT) == "Mon 23 Nov 08:00"


def test_a_moment_of_another_year_carries_its_year(reading):
    with reading():
        assert filters.moment_text(datetime(2027, 1, 2, 16, 0, tzinfo=UTC)) == "2027年1月3日 00:00（周日）"
        assert filters.day_text(date(2025, 3, 1)) == "2025年3月1日（周六）"


def test_today_needs_no_date(reading):
    with reading():
        assert filters.when_text(MONDAY_EIGHT) == "08:00"
        assert filters.when_text(MONDAY_EIGHT + timedelta(days=3)) == "11月26日 08:00"


@pytest.mark.parametrize(
    ("seconds", "zh", "en"),
    [
        (0, "0 秒", "0 s"),
        (45, "45 秒", "45 s"),
        (125, "2 分钟 5 秒", "2 min 5 s"),
        (720, "12 分钟", "12 min"),
        (3600, "1 小时", "1 h"),
        (4 * 3600 + 61, "4 小时 1 分钟", "4 h 1 min"),
        (3 * 86400 + 5 * 3600, "3 天 5 小时", "3 d 5 h"),
        (-90, "1 分钟 30 秒", "1 min 30 s"),
    ],
)
def test_durations_are_words_of_at_most_two_units(reading, seconds, zh, en):
    with reading():
        assert filters.duration(seconds) == zh
        assert filters.duration(timedelta(seconds=seconds)) == zh
    with reading("en"):
        assert filters.duration(seconds) == en


def test_time_left_and_time_lost(reading, clock):
    with reading():
        assert filters.until(clock.now() + timedelta(minutes=18)) == "还有 18 分钟"
        assert filters.until(clock.now() - timedelta(minutes=12)) == "超 12 分钟"


@pytest.mark.parametrize(
    ("part", "whole", "shown"),
    [
        (0.61, None, "61%"),
        (999, 1000, "99%"),
        (1, 1000, "1%"),
        (0, 10, "0%"),
        (10, 10, "100%"),
        (1, 0, "—"),
        (None, 5, "—"),
    ],
)
def test_percent_never_rounds_to_all_or_nothing(reading, part, whole, shown):
    with reading():
        assert filters.percent(part, whole) == shown


def test_labels_follow_the_language(reading):
    with reading():
        assert filters.label(Role.DUTY_OFFICER) == "值班员"
        assert filters.state_label("approver", Role) == "批准人"
        assert filters.state_label("gone", Role) == "gone"
        assert filters.label(None) == "—"
        assert filters.level("red") == ("r", "▲", "红色 一级")
    with reading("en"):
        assert filters.label(Role.DUTY_OFFICER) == "Duty officer"


def test_markup_in_a_sentence_is_kept_and_text_is_escaped(reading):
    with reading():
        assert filters.fill("%(who)s & %(what)s", who=Markup("<b>李</b>"), what="<i>") == "<b>李</b> &amp; &lt;i&gt;"


def test_a_message_on_the_phone_shows_where_part_two_begins_and_escapes(reading):
    with reading():
        shown = templating.sms_markup("【演练】<水位>上涨快", cuts=[6])
    assert shown.startswith('<b class="mk">【演练】</b>&lt;水')
    assert '">2</span>位&gt;' in shown
