"""RFC 5545 text of a calendar of drills. Pure: entries in, bytes out; the same entries give the same bytes.

icalendar writes it, at a third of a millisecond an event; what was written once is kept, as most of a calendar says
what it said before. The tests read the text back with it and with another library.

Times are UTC ("form 2"): Outlook only approximates a VTIMEZONE and drops one that it cannot, after which local times
are read in the reader's own zone; a moment in UTC cannot be misread. `X-WR-TIMEZONE` says how to show them.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

import icalendar

CONTENT_TYPE = "text/calendar"
PRODUCT = "-//Jinghai Emergency Preparedness//Drills//ZH"
REFRESH = timedelta(hours=6)
ALARM = timedelta(days=1)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_BREAK = re.compile(r"\r\n?|[\x0b\x0c\x85\u2028\u2029]")
"""What programmes take for the end of a line, whatever the standard says."""
_BUSY = {"CONFIRMED": "BUSY", "TENTATIVE": "TENTATIVE", "CANCELLED": "FREE"}


class Status(StrEnum):
    """How sure an entry is."""

    CONFIRMED = "CONFIRMED"
    TENTATIVE = "TENTATIVE"
    CANCELLED = "CANCELLED"


class Entry(NamedTuple):
    """One drill as a calendar shows it. Moments are aware; nothing here names a person."""

    uid: str
    starts_at: datetime
    ends_at: datetime
    sequence: int
    status: Status
    changed_at: datetime
    summary: str
    location: str = ""
    description: str = ""
    url: str = ""
    categories: Sequence[str] = ()
    alarm: str = ""
    """What a reminder a day before says; empty for none."""


def calendar(entries: Iterable[Entry], *, name: str, description: str, zone: str) -> bytes:
    """The whole calendar: CRLF, folded, UTF-8."""
    head = icalendar.Calendar()
    head.add("prodid", PRODUCT)
    head.add("version", "2.0")
    head.add("calscale", "GREGORIAN")
    head.add("method", "PUBLISH")
    for keys, value in ((("name", "x-wr-calname"), name), (("description", "x-wr-caldesc"), description)):
        for key in keys:  # icalendar takes most of these for no text, and would leave them unescaped
            head.add(key, icalendar.vText(_clean(value)))
    head.add("x-wr-timezone", zone)
    head.add("refresh-interval", REFRESH, parameters={"VALUE": "DURATION"})
    head.add("x-published-ttl", icalendar.vDuration(REFRESH))
    head.add("color", "mediumpurple")
    empty: bytes = head.to_ical(sorted=False)
    body = b"".join(map(_event, entries))
    end = b"END:VCALENDAR\r\n"
    return empty.removesuffix(end) + body + end


def _clean(value: str) -> str:
    if value.isprintable():  # most are, and then hold nothing of either
        return value
    return _CONTROL.sub("", _BREAK.sub("\n", value))


@functools.lru_cache(maxsize=8192)
def _event(entry: Entry) -> bytes:
    """One event. Programmes ask for the same calendar every few hours, and most of it says what it said before."""
    event = icalendar.Event()
    event.add("uid", icalendar.vText(_clean(entry.uid)))
    # The stamp is the change, not the reading: an answer that says the same is the same to the byte, hence 304.
    event.add("dtstamp", _moment(entry.changed_at))
    event.add("last-modified", _moment(entry.changed_at))
    event.add("dtstart", _moment(entry.starts_at))
    event.add("dtend", _moment(entry.ends_at))
    event.add("sequence", entry.sequence)
    event.add("status", entry.status.value)
    event.add("transp", "TRANSPARENT" if entry.status is Status.CANCELLED else "OPAQUE")
    event.add("x-microsoft-cdo-busystatus", _BUSY[entry.status.value])
    for key, value in (
        ("summary", entry.summary), ("location", entry.location), ("description", entry.description)
    ):  # fmt: skip
        if value or key == "summary":
            event.add(key, icalendar.vText(_clean(value)))
    if entry.url:
        event.add("url", _clean(entry.url))
    if entry.categories:
        event.add("categories", [_clean(word) for word in entry.categories])
    if entry.alarm and entry.status is not Status.CANCELLED:
        alarm = icalendar.Alarm()
        alarm.add("action", "DISPLAY")
        alarm.add("trigger", -ALARM)
        alarm.add("description", icalendar.vText(_clean(entry.alarm)))
        event.add_component(alarm)
    return bytes(event.to_ical(sorted=False))


def _moment(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(microsecond=0)
