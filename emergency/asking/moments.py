"""A day and a time of day in somebody's own words: 11月30日下午2点, 下周三上午9点半. Pure; what is not plain is nothing.

Only what can mean one moment is taken: a day without a time of day, an hour that may be morning or afternoon, two days
in one sentence are left to a person.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date, datetime, time, timedelta

from kernel.clock import BEIJING

_DIGITS = {"零": 0, "〇": 0, "一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9}
_NUMBER = r"(?:\d{1,2}|[一二两三四五六七八九]?十[一二三四五六七八九]?|[零〇一二两三四五六七八九])"
_YEAR_DAY = re.compile(
    rf"(?:(\d{{4}})\s*[年./-]\s*)?(?<![\d.])({_NUMBER})\s*(?:月|[./-](?=\d))\s*({_NUMBER})\s*[日号]?"
)
_WEEKDAY = re.compile(r"(下下|下|本|这)?(?:个)?(?:周|星期|礼拜)([一二三四五六日天1-6])")
_NEAR = {"大后天": 3, "后天": 2, "明天": 1, "明日": 1, "今天": 0, "今日": 0}
_NEAR_WORDS = re.compile("大后天|后天|明天|明日|今天|今日")
_PART = r"(凌晨|清晨|早上|早晨|上午|中午|下午|午后|傍晚|晚上|夜里|夜间|晚)?"
_CLOCK = re.compile(
    rf"{_PART}\s*(?<![\d:])({_NUMBER})\s*(?:点钟|点整|点|时|:(?=\d\d))\s*(?:(半|一刻|三刻)|({_NUMBER}|\d\d)\s*分?)?"
)
_LATER = frozenset({"下午", "午后", "傍晚", "晚上", "夜里", "夜间", "晚"})
_MORNING = frozenset({"凌晨", "清晨", "早上", "早晨", "上午"})
_DOUBT = ("或", "还是", "都行", "都可以", "不行", "除了")
_ANOTHER_DAY = re.compile(rf"{_NUMBER}\s*[日号]")
FURTHEST = timedelta(days=300)
"""A date without its year that would lie further ahead was rather meant for the past."""
_EARLY_HOURS = range(1, 7)
"""Hours that a bare “2点” leaves in doubt: nobody holds a drill at two in the night without saying so."""


def number(words: str) -> int:
    """A small number in figures or Chinese characters."""
    if words.isdecimal():
        return int(words)
    if "十" in words:
        tens, _ten, ones = words.partition("十")
        return (_DIGITS[tens] if tens else 1) * 10 + (_DIGITS[ones] if ones else 0)
    return _DIGITS[words]


def parse(text: str, now: datetime) -> datetime | None:
    """The one moment ahead that the words name, in Beijing time; None where they are not plain."""
    said = re.sub(r"\s+", " ", unicodedata.normalize("NFKC", text))
    today = now.astimezone(BEIJING).date()
    days = _days(said, today)
    if len(days) != 1 or any(doubt in said for doubt in _DOUBT):
        return None
    day, start, end = days[0]
    rest = said[:start] + " " * (end - start) + said[end:]
    clocks = list(_CLOCK.finditer(rest))
    if _ANOTHER_DAY.search(rest):
        return None
    if len(clocks) != 1:
        return None
    clock = _clock(clocks[0])
    if clock is None:
        return None
    moment = datetime.combine(day, clock, BEIJING)
    return moment if now < moment < now + FURTHEST else None


def _days(said: str, today: date) -> list[tuple[date, int, int]]:
    found: list[tuple[date, int, int]] = []
    for match in _YEAR_DAY.finditer(said):
        day = _calendar_day(match, today)
        if day is None:
            return []
        found.append((day, *match.span()))
    for match in _WEEKDAY.finditer(said):
        weekday = "一二三四五六日".find(match[2].replace("天", "日")) if not match[2].isdecimal() else int(match[2]) - 1
        monday = today - timedelta(days=today.weekday())
        weeks = {"下下": 2, "下": 1}.get(match[1] or "", 0)
        day = monday + timedelta(weeks=weeks, days=weekday)
        # “周六” beside its date only confirms it; one that contradicts the date makes both doubtful.
        if found:
            if all(other.weekday() == weekday for other, _start, _end in found):
                continue
            return []
        found.append((day, *match.span()))
    if not found:
        found = [(today + timedelta(days=_NEAR[m[0]]), *m.span()) for m in _NEAR_WORDS.finditer(said)]
    return found


def _calendar_day(match: re.Match[str], today: date) -> date | None:
    month, day = number(match[2]), number(match[3])
    years = [int(match[1])] if match[1] else [today.year, today.year + 1]
    for year in years:
        try:
            found = date(year, month, day)
        except ValueError:
            continue
        if found >= today:
            return found
    return None


def _clock(match: re.Match[str]) -> time | None:
    part, hour = match[1] or "", number(match[2])
    if hour == 12 and part in _LATER | _MORNING - {"上午"}:
        return None  # the night before, or the night after?
    minute = {"半": 30, "一刻": 15, "三刻": 45}.get(match[3] or "", number(match[4]) if match[4] else 0)
    if (part in _LATER and hour < 12) or (part == "中午" and hour < 3):
        hour += 12
    elif not part and hour in _EARLY_HOURS and ":" not in match[0]:
        return None
    try:
        return time(hour, minute)
    except ValueError:
        return None
