"""A rule of repetition as a sentence, in Chinese and in English."""

from __future__ import annotations

from datetime import date, time
from typing import TYPE_CHECKING

from scheduler.recurrence_types import Freq, OnBreak, OnHoliday

if TYPE_CHECKING:
    from scheduler.recurrence import Recurrence

ZH_DAYS = "一二三四五六日"
EN_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
EN_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
             "November", "December")  # fmt: skip
LISTED_SHOWN = 6
NIGHT_FROM, NIGHT_UNTIL = time(20, 0), time(6, 0)


def is_night(clock: time) -> bool:
    """Whether a drill that begins then is a night drill: from 20:00 to 06:00."""
    return clock >= NIGHT_FROM or clock < NIGHT_UNTIL


def words_at(rule: Recurrence, clock: time, lang: str = "zh") -> str:
    """The rule with its time of day: `每年6月的第 2 个星期五，夜间 20:30`."""
    night = is_night(clock)
    if lang.startswith("en"):
        return f"{english(rule)}, at {clock:%H:%M}" + (" (night)" if night else "")
    return f"{chinese(rule)}，{'夜间 ' if night else ''}{clock:%H:%M}"


def chinese(rule: Recurrence) -> str:
    """`每 2 个月的最后一个工作日`."""
    if rule.freq is Freq.LISTED:
        return _listed(rule, "、", "共 {n} 次：", " 等")
    if rule.until == rule.start:
        return "仅一次"
    text = _CHINESE[rule.freq](rule)
    if rule.on_holiday is not OnHoliday.KEEP:
        text += f"，遇休息日{rule.on_holiday.zh}"
    if rule.on_break is not OnBreak.KEEP:
        text += f"，遇寒暑假{rule.on_break.zh}"
    return text + (f"，到 {rule.until.isoformat()} 为止" if rule.until else "")


def _listed(rule: Recurrence, between: str, head: str, more: str) -> str:
    shown = between.join(day.isoformat() for day in rule.dates[:LISTED_SHOWN])
    return head.format(n=len(rule.dates)) + shown + (more if len(rule.dates) > LISTED_SHOWN else "")


def _every(rule: Recurrence, one: str, many: str) -> str:
    return f"每{one}" if rule.interval == 1 else f"每 {rule.interval} {many}"


def _chinese_week(rule: Recurrence) -> str:
    days = rule.weekdays or (rule.start.weekday(),)
    return _every(rule, "周", "周") + "、".join(f"星期{ZH_DAYS[w]}" for w in sorted(days))


def _chinese_month(rule: Recurrence) -> str:
    text = _every(rule, "月", "个月")
    if rule.freq is Freq.YEARLY:
        text = _every(rule, "年", "年") + "、".join(f"{m}月" for m in sorted(rule.months or (rule.start.month,)))
    return text + ("的" if rule.nth is not None or rule.workday is not None else "") + _chinese_day(rule)


def _chinese_season(rule: Recurrence) -> str:
    month, day = rule.season or (1, 1)
    named = f"每年{month}月{day}日"
    unit = "个工作日" if rule.before_workdays else "天"
    if not rule.before:
        return f"{named}当天" if not rule.before_workdays else f"{named}当天或之前最近的工作日"
    return f"{named}前 {rule.before} {unit}"


def _chinese_term(rule: Recurrence) -> str:
    which = "每学期" if len(rule.terms) != 1 else f"每学年第{'一' if rule.terms[0] == 1 else '二'}学期"
    if rule.workday is not None:
        return f"{which}{_chinese_nth(rule.workday)}工作日"
    if rule.nth is not None:
        return f"{which}{_chinese_nth(rule.nth)}星期{ZH_DAYS[rule.weekdays[0]]}"
    if rule.week is None:
        return f"{which}开学当天"
    day = f"星期{ZH_DAYS[rule.weekdays[0]]}" if rule.weekdays else "第一天"
    return f"{which}{'最后一周' if rule.week == -1 else f'第 {rule.week} 周'}{'的' if not rule.weekdays else ''}{day}"


def _chinese_day(rule: Recurrence) -> str:
    if rule.workday is not None:
        return _chinese_nth(rule.workday) + "工作日"
    if rule.nth is not None:
        return _chinese_nth(rule.nth) + f"星期{ZH_DAYS[rule.weekdays[0]]}"
    wanted = rule.start.day if rule.day is None else rule.day
    if wanted == -1:
        return "最后一天"
    return f"{wanted}日" + ("（没有这一天的月份取月末）" if wanted > 28 else "")


def _chinese_nth(n: int) -> str:
    if n > 0:
        return f"第 {n} 个"
    return "最后一个" if n == -1 else f"倒数第 {-n} 个"


_CHINESE = {
    Freq.DAILY: lambda rule: _every(rule, "天", "天"), Freq.WEEKLY: _chinese_week, Freq.MONTHLY: _chinese_month,
    Freq.YEARLY: _chinese_month, Freq.SEASON: _chinese_season, Freq.TERM: _chinese_term,
}  # fmt: skip


def english(rule: Recurrence) -> str:
    """`every 2 months on the last working day`."""
    if rule.freq is Freq.LISTED:
        return _listed(rule, ", ", "{n} dates: ", " and so on")
    if rule.until == rule.start:
        return "once only"
    text = _english_head(rule)
    if rule.on_holiday is not OnHoliday.KEEP:
        text += f"; a day off is {rule.on_holiday.en}"
    if rule.on_break is not OnBreak.KEEP:
        text += f"; in school holidays it is {rule.on_break.en}"
    return text + (f", until {rule.until.isoformat()}" if rule.until else "")


def _english_head(rule: Recurrence) -> str:
    if rule.freq is Freq.SEASON:
        return _english_season(rule)
    if rule.freq is Freq.TERM:
        return _english_term(rule)
    text = f"every {rule.freq.en}" if rule.interval == 1 else f"every {rule.interval} {rule.freq.en}s"
    if rule.freq is Freq.WEEKLY:
        return text + " on " + " and ".join(EN_DAYS[w] for w in sorted(rule.weekdays or (rule.start.weekday(),)))
    if rule.freq is Freq.DAILY:
        return text
    if rule.freq is Freq.YEARLY:
        text += " in " + " and ".join(EN_MONTHS[m - 1] for m in sorted(rule.months or (rule.start.month,)))
    return f"{text} on {_english_day(rule)}"


def _english_season(rule: Recurrence) -> str:
    month, day = rule.season or (1, 1)
    named = f"{day} {EN_MONTHS[month - 1]} of every year"
    if not rule.before:
        return f"on {named}" + (" or the last working day before it" if rule.before_workdays else "")
    unit = "working day" if rule.before_workdays else "day"
    return f"{rule.before} {unit}{'s' if rule.before != 1 else ''} before {named}"


def _english_term(rule: Recurrence) -> str:
    which = "every school term"
    if len(rule.terms) == 1:
        which = f"the {'first' if rule.terms[0] == 1 else 'second'} term of every school year"
    if rule.workday is not None or rule.nth is not None:
        return f"on {_english_day(rule)} of {which}"
    if rule.week is None:
        return f"on the first day of {which}"
    day = EN_DAYS[rule.weekdays[0]] if rule.weekdays else "the first day"
    joined = " of " if not rule.weekdays else " in "
    return f"on {day}{joined}" + ("the last week" if rule.week == -1 else f"week {rule.week}") + f" of {which}"


def _english_day(rule: Recurrence) -> str:
    if rule.workday is not None:
        return f"the {_english_nth(rule.workday)}working day"
    if rule.nth is not None:
        return f"the {_english_nth(rule.nth)}{EN_DAYS[rule.weekdays[0]]}"
    wanted = rule.start.day if rule.day is None else rule.day
    if wanted == -1:
        return "the last day"
    return f"day {wanted}" + (" (the last day of shorter months)" if wanted > 28 else "")


def _english_nth(n: int) -> str:
    words = {1: "first", 2: "second", 3: "third", -1: "last"}
    if n in words:
        return f"{words[n]} "
    return f"{n}th " if n > 0 else f"{-n}th last "


def dated(day: date, lang: str = "zh") -> str:
    """`2027年2月28日（周日）` for lists of dates."""
    if lang.startswith("en"):
        return f"{EN_DAYS[day.weekday()][:3]} {day.day} {EN_MONTHS[day.month - 1]} {day.year}"
    return f"{day.year}年{day.month}月{day.day}日（周{ZH_DAYS[day.weekday()]}）"
