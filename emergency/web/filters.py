"""How values are written for people: labels, moments, durations, numbers, in the reader's language.

Times are Beijing time. A moment of another year carries its year; the full moment is always one hover away.
"""

from __future__ import annotations

import enum
from datetime import date, datetime, timedelta
from typing import Any

import flask
from markupsafe import Markup, escape

from emergency.http.i18n import gettext, language
from kernel.clock import BEIJING, SystemClock
from kernel.types import LabelledEnum

WEEKDAYS_ZH = "一二三四五六日"
WEEKDAYS_EN = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS_EN = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
NOTHING = "—"
LEVELS: dict[str, tuple[str, str, str, str]] = {
    # value: class letter, shape's sign, Chinese, English
    "red": ("r", "▲", "红色 一级", "Red, level I"),
    "orange": ("o", "◆", "橙色 二级", "Orange, level II"),
    "yellow": ("y", "■", "黄色 三级", "Yellow, level III"),
    "blue": ("b", "●", "蓝色 四级", "Blue, level IV"),
}


def _english() -> bool:
    return language() == "en"


def now() -> datetime:
    """The present by the application's clock."""
    database = flask.current_app.extensions.get("emergency.database") if flask.has_app_context() else None
    clock = database.clock if database is not None else SystemClock()
    moment: datetime = clock.now()
    return moment


def label(value: Any) -> str:
    """The word for people of an enum, a boolean or nothing; anything else as it is."""
    if value is None or value == "":
        return NOTHING
    if isinstance(value, LabelledEnum):
        return value.label(language())
    if isinstance(value, bool):
        return gettext("yes") if value else gettext("no")
    if isinstance(value, enum.Enum):
        return str(value.value)
    return str(value)


def state_label(value: Any, states: type[enum.Enum] | list[type[enum.Enum]] | None = None) -> str:
    """The word of a stored state value, by its enum or the first of several that knows it; else as it is."""
    if states is not None and not isinstance(value, enum.Enum):
        for known in states if isinstance(states, list) else [states]:
            if value in {member.value for member in known}:
                return label(known(value))
        return str(value)
    return label(value)


def tone(value: Any) -> str:
    """The colour token of a state: `done`, `late`, `wait`, `drill`, `absent` or nothing."""
    given = getattr(value, "tone", "")
    return given if given in {"done", "late", "wait", "drill", "absent"} else ""


def level(value: Any) -> tuple[str, str, str]:
    """Class letter, sign and words of a warning level."""
    key = str(getattr(value, "value", value) or "")
    letter, sign, zh, en = LEVELS.get(key, ("none", "○", label(value), label(value)))
    return letter, sign, (en if _english() else zh)


def _local(value: datetime) -> datetime:
    return value.astimezone(BEIJING)


def _day(day: date, *, weekday: bool = True) -> str:
    other_year = day.year != _local(now()).year
    if _english():
        text = f"{day.day} {MONTHS_EN[day.month - 1]}" + (f" {day.year}" if other_year else "")
        return f"{WEEKDAYS_EN[day.weekday()]} {text}" if weekday else text
    text = (f"{day.year}年" if other_year else "") + f"{day.month}月{day.day}日"
    return f"{text}（周{WEEKDAYS_ZH[day.weekday()]}）" if weekday else text


def moment_text(value: datetime | None) -> str:
    """`11月23日 08:00（周一）`, without markup; for attributes and sentences."""
    if value is None:
        return NOTHING
    local = _local(value)
    if _english():
        return f"{_day(local.date())} {local:%H:%M}"
    return f"{_day(local.date(), weekday=False)} {local:%H:%M}（周{WEEKDAYS_ZH[local.weekday()]}）"


def full(value: datetime) -> str:
    """The whole moment, to the second, with its zone."""
    local = _local(value)
    if _english():
        return f"{local:%Y-%m-%d %H:%M:%S}, {WEEKDAYS_EN[local.weekday()]}, Beijing time"
    return f"{local.year}年{local.month}月{local.day}日 {local:%H:%M:%S}（周{WEEKDAYS_ZH[local.weekday()]}）北京时间"


def _element(value: datetime, text: str) -> Markup:
    return Markup('<time class="nw" datetime="{}" title="{}">{}</time>').format(
        _local(value).isoformat(timespec="seconds"), full(value), text
    )


def moment(value: datetime | None) -> Markup | str:
    """`11月23日 08:00（周一）` as a `<time>` with the full moment on hover."""
    return NOTHING if value is None else _element(value, moment_text(value))


def clock_time(value: datetime | None) -> Markup | str:
    """`08:00` as a `<time>` with the full moment on hover."""
    return NOTHING if value is None else _element(value, f"{_local(value):%H:%M}")


def when_text(value: datetime | None) -> str:
    """The shortest that is clear: `08:00` today, `11月26日 08:00` on another day."""
    if value is None:
        return NOTHING
    local = _local(value)
    same_day = local.date() == _local(now()).date()
    return f"{local:%H:%M}" if same_day else f"{_day(local.date(), weekday=False)} {local:%H:%M}"


def when(value: datetime | None) -> Markup | str:
    """`08:00` today, `11月26日 08:00` on another day, as a `<time>` with the full moment on hover."""
    return NOTHING if value is None else _element(value, when_text(value))


def day_text(value: date | datetime | None) -> str:
    """`11月23日（周一）`."""
    if value is None:
        return NOTHING
    return _day(_local(value).date() if isinstance(value, datetime) else value)


def iso(value: date | datetime | None) -> str:
    """For `value` attributes of date fields: Beijing time, to the minute."""
    if value is None:
        return ""
    return _local(value).strftime("%Y-%m-%dT%H:%M") if isinstance(value, datetime) else value.isoformat()


def duration(value: timedelta | float | None) -> str:
    """A length of time in words, at most two units: `3 天 4 小时`, `12 分钟`, `45 秒`."""
    if value is None:
        return NOTHING
    seconds = round(abs(value.total_seconds() if isinstance(value, timedelta) else float(value)))
    days, rest = divmod(seconds, 86400)
    hours, rest = divmod(rest, 3600)
    minutes, secs = divmod(rest, 60)
    units = ("d", "h", "min", "s") if _english() else ("天", "小时", "分钟", "秒")
    if days:
        parts = [(days, units[0]), (hours, units[1])]
    elif hours:
        parts = [(hours, units[1]), (minutes, units[2])]
    elif minutes >= 10:
        parts = [(minutes, units[2])]
    elif minutes:
        parts = [(minutes, units[2]), (secs, units[3])]
    else:
        return f"{secs} {units[3]}"
    return " ".join(f"{n} {unit}" for n, unit in parts if n)


def until(value: datetime | None) -> str:
    """How long until, or how late: `还有 8 分钟`, `已超 2 分钟`."""
    if value is None:
        return ""
    left = value - now()
    if left >= timedelta(0):
        return gettext("%(time)s left", time=duration(left))
    return gettext("%(time)s overdue", time=duration(left))


def ago(value: datetime | None) -> str:
    """How long since: `12 分钟前`."""
    return NOTHING if value is None else gettext("%(time)s ago", time=duration(now() - value))


def number(value: float | int | None, digits: int = 0) -> str:
    """`21,386`; a fraction with `digits` places; a dash for nothing."""
    if value is None:
        return NOTHING
    return f"{value:,}" if isinstance(value, int) and not digits else f"{value:,.{digits}f}"


def percent(part: float | None, whole: float | None = None, digits: int = 0) -> str:
    """`61%`. Never rounds up to 100% what is not all, nor down to 0% what is not nothing."""
    if part is None or whole == 0:
        return NOTHING
    share = float(part) * 100 if whole is None else float(part) * 100 / float(whole)
    step = 10.0**-digits
    shown = round(share, digits)
    if shown >= 100 > share:
        shown = 100 - step
    if shown <= 0 < share:
        shown = step
    return f"{shown:.{digits}f}%"


def fill(text: str, **params: Any) -> Markup:
    """Put markup into a translated sentence: `_("%(who)s asks")|fill(who=…)`; what is not markup is escaped."""
    return Markup(escape(text)) % params  # noqa: S704 - escaped here


FILTERS = {
    "label": label,
    "state_label": state_label,
    "tone": tone,
    "level": level,
    "moment": moment,
    "moment_text": moment_text,
    "time": clock_time,
    "when": when,
    "when_text": when_text,
    "date": day_text,
    "iso": iso,
    "full": full,
    "duration": duration,
    "until": until,
    "ago": ago,
    "number": number,
    "percent": percent,
    "fill": fill,
}


def install(app: flask.Flask) -> None:
    """Give the app's templates the filters."""
    app.jinja_env.filters.update(FILTERS)
    app.jinja_env.globals["now"] = now
