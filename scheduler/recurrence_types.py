"""The words that rules of repetition are made of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from kernel.types import LabelledEnum


class Freq(LabelledEnum):
    """What a rule counts in."""

    DAILY = "daily", "按天", "day"
    WEEKLY = "weekly", "按周", "week"
    MONTHLY = "monthly", "按月", "month"
    YEARLY = "yearly", "按年", "year"
    SEASON = "before_season", "每年某日之前", "before a day of the year"
    TERM = "term", "按学期", "school term"
    LISTED = "listed", "指定日期", "named dates"


class OnHoliday(LabelledEnum):
    """What happens to a date on which nobody works."""

    KEEP = "keep", "照常", "kept all the same"
    NEXT = "next", "顺延到下一个工作日", "moved to the next working day"
    PREVIOUS = "previous", "提前到上一个工作日", "moved to the working day before"
    SKIP = "skip", "取消这一次", "left out"


class OnBreak(LabelledEnum):
    """What happens to a date in the school holidays."""

    KEEP = "keep", "照常", "kept all the same"
    NEXT = "next", "顺延到下一个上课日", "moved to the next school day"
    SKIP = "skip", "取消这一次", "left out"


@dataclass(frozen=True)
class Planned:
    """One date of a rule. `nominal` names it for ever (moving it does not make another); `provisional` says that
    the year's holidays or the term are not announced, so that `on` may still move."""

    on: date
    nominal: date
    provisional: bool = False
