"""Reading a calendar as strangers do: a checker of RFC 5545's grammar, and two libraries that agree or do not."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from datetime import UTC, datetime

import icalendar
import vobject

_LINE = re.compile(r"[A-Z0-9-]+(;[A-Z0-9-]+=(\"[^\"]*\"|[^\";:,]*))*:.*", re.DOTALL)
_MOMENT = re.compile(r"\d{8}T\d{6}Z")
ONCE = {"UID", "DTSTAMP", "DTSTART", "DTEND", "SEQUENCE", "STATUS", "SUMMARY", "LOCATION", "DESCRIPTION", "URL",
        "LAST-MODIFIED", "TRANSP"}  # fmt: skip
NEEDED = {"UID", "DTSTAMP", "DTSTART", "DTEND", "SEQUENCE", "STATUS", "SUMMARY", "LAST-MODIFIED"}


@dataclass(frozen=True, order=True)
class Seen:
    """What counts of an entry."""

    uid: str
    starts_at: datetime
    ends_at: datetime
    sequence: int
    status: str


def faults(data: bytes) -> list[str]:
    """What of this text RFC 5545 forbids, as sentences; empty for none."""
    found: list[str] = []
    if not data.endswith(b"\r\n") or b"\r" in data.replace(b"\r\n", b"") or b"\n" in data.replace(b"\r\n", b""):
        found.append("a line does not end with CRLF (3.1)")
    lines = data.removesuffix(b"\r\n").split(b"\r\n")
    found += [f"{len(line)} octets in a line (3.1)" for line in lines if len(line) > 75]
    for line in lines:
        try:
            line.decode()
        except UnicodeDecodeError:
            found.append("a character was cut in two (3.1)")
    unfolded = data.decode().replace("\r\n ", "").removesuffix("\r\n").split("\r\n")
    found += [f"not a content line: {line[:30]!r} (3.1)" for line in unfolded if not _LINE.fullmatch(line)]
    found += [
        f"a control character: {line[:30]!r} (3.1)" for line in unfolded if re.search(r"[\x00-\x08\x0a-\x1f\x7f]", line)
    ]
    return found + _structure(unfolded)


def _structure(lines: list[str]) -> list[str]:
    found, open_, keys, uids = [], [], [], []
    names = [(re.split("[;:]", line, maxsplit=1)[0], line.partition(":")[2]) for line in lines]
    if names[:1] != [("BEGIN", "VCALENDAR")] or names[-1:] != [("END", "VCALENDAR")]:
        found.append("not one VCALENDAR (3.4)")
    head = [key for key, _value in itertools.takewhile(lambda pair: pair[0] != "END", names)]
    found += [f"{key} is missing or stands twice (3.6)" for key in ("PRODID", "VERSION") if head.count(key) != 1]
    for key, value in names:
        if key == "BEGIN":
            open_.append(value)
            if value == "VEVENT":
                keys = []
        elif key == "END":
            if not open_ or open_.pop() != value:
                found.append(f"{value} ends and never began (3.6)")
            if value == "VEVENT":
                found += [f"an event without {name} (3.6.1)" for name in NEEDED - set(keys)]
                found += [f"an event with two {name} (3.6.1)" for name in ONCE if keys.count(name) > 1]
        elif open_ and open_[-1] == "VEVENT":
            keys.append(key)
            if key in ("DTSTAMP", "DTSTART", "DTEND", "LAST-MODIFIED") and not _MOMENT.fullmatch(value):
                found.append(f"{key} is not a moment in UTC: {value} (3.3.5)")
            if key == "UID":
                uids.append(value)
            if key == "STATUS" and value not in ("CONFIRMED", "TENTATIVE", "CANCELLED"):
                found.append(f"no such status: {value} (3.8.1.11)")
    if open_:
        found.append("something never ends (3.6)")
    return found + (["a UID stands twice (3.8.4.7)"] if len(uids) != len(set(uids)) else [])


def by_icalendar(data: bytes) -> set[Seen]:
    """As the library icalendar reads it."""
    return {
        Seen(
            str(event["UID"]), event["DTSTART"].dt.astimezone(UTC), event["DTEND"].dt.astimezone(UTC),
            int(event["SEQUENCE"]), str(event["STATUS"]),
        )
        for event in icalendar.Calendar.from_ical(data).walk("VEVENT")
    }  # fmt: skip


def by_vobject(data: bytes) -> set[Seen]:
    """As the library vobject reads it."""
    found = vobject.readOne(data.decode())
    return {
        Seen(
            event.uid.value, event.dtstart.value.astimezone(UTC), event.dtend.value.astimezone(UTC),
            int(event.sequence.value), event.status.value,
        )
        for event in getattr(found, "vevent_list", ())
    }  # fmt: skip
