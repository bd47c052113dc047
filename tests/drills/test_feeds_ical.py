"""The text of a calendar: the grammar of RFC 5545, Chinese, emoji, hostile titles, and two libraries that agree."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import icalendar
import pytest
import vobject
from hypothesis import given, settings
from hypothesis import strategies as st

from emergency.drills import feeds_ical
from emergency.drills.feeds_ical import Entry, Status
from tests.drills.calendars import Seen, by_icalendar, by_vobject, faults

AT = datetime(2026, 12, 1, 1, 0, tzinfo=UTC)
WORDS = st.text(st.characters(exclude_categories=("Cs",)), max_size=120)
MOMENTS = st.integers(0, 10**8).map(lambda seconds: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds))


def entry(number: int = 1, **changes: object) -> Entry:
    given_: dict[str, object] = {
        "uid": f"occurrence-{number}@120118000000.emergency.invalid", "starts_at": AT, "ends_at": AT + timedelta(hours=1),
        "sequence": 0, "status": Status.CONFIRMED, "changed_at": AT, "summary": "【演练】台头镇防汛转移演练",
    } | changes  # fmt: skip
    return Entry(**given_)  # type: ignore[arg-type]


def text_of(*entries: Entry, name: str = "台头镇演练") -> bytes:
    return feeds_ical.calendar(entries, name=name, description="说明", zone="Asia/Shanghai")


def only(data: bytes) -> icalendar.Event:
    (event,) = icalendar.Calendar.from_ical(data).walk("VEVENT")
    return event  # type: ignore[no-any-return]


ENTRIES = st.lists(
    st.builds(
        lambda number, starts, minutes, sequence, status, words: entry(
            number, starts_at=starts, ends_at=starts + timedelta(minutes=minutes), sequence=sequence, status=status,
            summary=words[0], location=words[1], description=words[2], categories=(words[3], "演练"), alarm=words[4],
        ),
        st.integers(1, 2**53), MOMENTS, st.integers(1, 2000), st.integers(0, 10**6), st.sampled_from(Status),
        st.tuples(WORDS, WORDS, WORDS, WORDS, WORDS),
    ),
    max_size=6, unique_by=lambda made: made.uid,
)  # fmt: skip


@settings(deadline=None)  # two libraries read each text
@given(ENTRIES, WORDS)
def test_whatever_a_title_says_the_text_is_valid_and_two_libraries_read_the_same(
    entries: list[Entry], name: str
) -> None:
    data = text_of(*entries, name=name)
    assert faults(data) == []
    wanted = {Seen(e.uid, e.starts_at, e.ends_at, e.sequence, e.status.value) for e in entries}
    assert by_icalendar(data) == wanted
    assert by_vobject(data) == wanted


@given(WORDS)
def test_a_title_comes_back_as_it_was_but_for_control_characters(title: str) -> None:
    data = text_of(entry(summary=title))
    assert str(only(data)["SUMMARY"]) == feeds_ical._clean(title)
    assert vobject.readOne(data.decode()).vevent.summary.value == feeds_ical._clean(title)


@given(st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), max_size=400))
def test_a_folded_line_unfolds_to_itself(line: str) -> None:
    data = text_of(entry(description=line))
    assert all(len(piece) <= 75 for piece in data.split(b"\r\n"))
    assert str(only(data).get("DESCRIPTION", "")) == feeds_ical._clean(line)


@pytest.mark.parametrize("size", [74, 75, 76, 77, 149, 150, 151])
@pytest.mark.parametrize("letter", ["a", "演", "🚒", "é"])
def test_lines_around_the_limit_are_cut_between_characters(size: int, letter: str) -> None:
    data = text_of(entry(summary=letter * size))
    assert faults(data) == []
    assert str(only(data)["SUMMARY"]) == letter * size


def test_what_would_end_a_value_is_escaped() -> None:
    data = text_of(entry(summary="a;b,c\\d\ne", categories=("应急,疏散", "演练")))
    assert b"SUMMARY:a\\;b\\,c\\\\d\\ne\r\n" in data
    assert [str(word) for word in only(data)["CATEGORIES"].cats] == ["应急,疏散", "演练"]


def test_a_title_cannot_smuggle_in_a_property() -> None:
    data = text_of(entry(summary="演练\r\nATTENDEE:mailto:a@b.example\r\nEND:VEVENT\u2028X:1\x85Y:2"))
    assert faults(data) == []
    assert "ATTENDEE" not in only(data)
    assert len(by_vobject(data)) == len(by_icalendar(data)) == 1


def test_the_head_says_what_clients_ask_for() -> None:
    head = icalendar.Calendar.from_ical(text_of())
    assert str(head["PRODID"]) and str(head["VERSION"]) == "2.0" and str(head["METHOD"]) == "PUBLISH"
    assert str(head["NAME"]) == str(head["X-WR-CALNAME"]) == "台头镇演练"
    assert str(head["X-WR-TIMEZONE"]) == "Asia/Shanghai"
    assert b"REFRESH-INTERVAL;VALUE=DURATION:PT6H\r\n" in text_of() and b"X-PUBLISHED-TTL:PT6H\r\n" in text_of()


def test_a_cancelled_drill_takes_no_time_and_reminds_nobody() -> None:
    data = text_of(entry(status=Status.CANCELLED, alarm="明天演练"))
    assert str(only(data)["TRANSP"]) == "TRANSPARENT" and b"VALARM" not in data
    assert b"X-MICROSOFT-CDO-BUSYSTATUS:FREE" in data


def test_a_reminder_comes_a_day_before() -> None:
    data = text_of(entry(alarm="【演练】台头镇，明天"))
    (alarm,) = only(data).walk("VALARM")
    assert alarm["TRIGGER"].dt == timedelta(days=-1) and str(alarm["ACTION"]) == "DISPLAY"
    assert faults(data) == []


def test_the_same_entries_give_the_same_bytes() -> None:
    assert text_of(entry(1), entry(2)) == text_of(entry(1), entry(2))


@pytest.mark.parametrize(
    ("broken", "because"),
    [
        (b"BEGIN:VCALENDAR\nEND:VCALENDAR\n", "CRLF"),
        (text_of(entry()).replace(b"UID:", b"X-UID:"), "without UID"),
        (text_of(entry()).replace(b"SEQUENCE:0", b"SEQUENCE:0\r\nSEQUENCE:1"), "two SEQUENCE"),
        (text_of(entry()) .replace(b"VERSION:2.0\r\n", b""), "VERSION"),
        (text_of(entry()).replace(b"SUMMARY:", b"SUMMARY:" + b"x" * 80), "octets"),
        (text_of(entry()).replace(b"DTSTART:20261201T010000Z", b"DTSTART:20261201T010000"), "UTC"),
        (text_of(entry(), entry()), "stands twice"),
    ],
)  # fmt: skip
def test_the_checker_finds_what_is_wrong(broken: bytes, because: str) -> None:
    assert any(because in fault for fault in faults(broken)), faults(broken)
