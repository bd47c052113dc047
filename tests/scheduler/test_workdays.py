"""Working days and deadlines: from the announcements, never from a guess."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.db import Database
from kernel.errors import Invalid
from scheduler import imports
from scheduler.deadlines import Deadline, Unit, add_period, period, subtract_period
from scheduler.exports import export_holidays
from scheduler.models import CalendarYear, HolidayDay
from scheduler.workdays import NotAnnounced, WorkCalendar, import_holidays, import_known

YEAR_2026 = {
    "year": 2026,
    "papers": ["https://www.gov.cn/x"],
    "days": [
        {"name": "元旦", "date": "2026-01-01", "isOffDay": True},
        {"name": "元旦", "date": "2026-01-02", "isOffDay": True},
        {"name": "元旦", "date": "2026-01-04", "isOffDay": False},
    ],
}


def test_the_announced_years_come_with_the_release(write: Callable[[], Any]) -> None:
    with write() as session:
        reports = import_known(session)
        assert [r.year for r in reports] == [2024, 2025, 2026]
        assert all(r.created == r.rows > 20 for r in reports)
    with write() as session:
        assert all(r.unchanged == r.rows and r.created == r.updated == r.removed == 0 for r in import_known(session))
        calendar = WorkCalendar.load(session)
    assert not calendar.is_workday(date(2026, 10, 1))
    assert calendar.is_workday(date(2026, 10, 10)), "a Saturday that makes up for the holiday"
    assert calendar.is_holiday(date(2026, 2, 17)) and not calendar.is_holiday(date(2026, 11, 21))


def test_nobody_is_told_a_working_day_of_a_year_that_is_not_announced(write: Callable[[], Any]) -> None:
    with write() as session:
        import_known(session)
        calendar = WorkCalendar.load(session)
    with pytest.raises(NotAnnounced):
        calendar.is_workday(date(2027, 1, 4))
    with pytest.raises(NotAnnounced):
        calendar.add_workdays(date(2026, 12, 20), 20)
    assert calendar.add_workdays(date(2026, 11, 23), 20) == date(2026, 12, 21)


def test_a_corrected_announcement_replaces_the_year_and_leaves_the_others(write: Callable[[], Any]) -> None:
    with write() as session:
        import_known(session)
        report = import_holidays(session, YEAR_2026)
        assert report.removed > 20
        assert session.scalar(sa.select(sa.func.count()).where(HolidayDay.year == 2026)) == 3
        assert session.scalar(sa.select(sa.func.count()).where(HolidayDay.year == 2025)) > 20


def test_an_empty_announcement_is_a_year_not_announced_yet(write: Callable[[], Any]) -> None:
    with write() as session:
        import_holidays(session, {"year": 2027, "papers": [], "days": []})
        assert session.get(CalendarYear, 2027) is not None
        assert not WorkCalendar.load(session).knows(date(2027, 1, 4))


def test_the_edge_of_a_neighbouring_year_is_known_by_name(write: Callable[[], Any]) -> None:
    edge = {"name": "元旦", "date": "2026-12-31", "isOffDay": True}
    with write() as session:
        import_known(session)
        import_holidays(session, {"year": 2027, "papers": [], "days": [edge]})
        calendar = WorkCalendar.load(session)
        import_holidays(session, YEAR_2026)
        assert session.get(HolidayDay, date(2026, 12, 31)) is not None, "the later announcement knows better"
    assert not calendar.is_workday(date(2026, 12, 31))


@pytest.mark.parametrize(
    "document",
    [
        {}, {"year": "2026", "days": []}, {"year": 2026}, {"year": True, "days": []},
        {"year": 2026, "days": [{"date": "2026-02-30", "isOffDay": True}]},
        {"year": 2026, "days": [{"date": "2020-02-03", "isOffDay": True}]},
        {"year": 2026, "days": [{"date": "2026-02-03", "isOffDay": "yes"}]}, {"year": 2026, "days": ["2026-02-03"]},
    ],
)  # fmt: skip
def test_a_faulty_announcement_changes_nothing(write: Callable[[], Any], document: dict[str, Any]) -> None:
    with write() as session, pytest.raises(Invalid):
        import_holidays(session, document)
    with write() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(CalendarYear)) == 0


def test_a_file_is_read_with_its_byte_order_mark_and_refused_when_it_is_none(
    write: Callable[[], Any], tmp_path: Path
) -> None:
    good, bad = tmp_path / "2026.json", tmp_path / "bad.json"
    good.write_text(json.dumps(YEAR_2026), encoding="utf-8-sig")
    bad.write_bytes(b"\xff\xfe{")
    with write() as session:
        assert import_holidays(session, good).created == 3
        with pytest.raises(Invalid):
            import_holidays(session, bad)
        with pytest.raises(Invalid):
            import_holidays(session, tmp_path / "absent.json")


CALENDAR = WorkCalendar(
    frozenset(range(2023, 2029)), off=frozenset({date(2026, 10, d) for d in range(1, 8)}),
    work=frozenset({date(2026, 10, 10)}),
)  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(st.dates(date(2025, 1, 1), date(2027, 1, 1)), st.integers(1, 60))
def test_counting_forward_and_counting_agree(day: date, count: int) -> None:
    end = CALENDAR.add_workdays(day, count)
    assert CALENDAR.is_workday(end)
    assert CALENDAR.workdays_between(day, end) == count
    assert CALENDAR.add_workdays(end + timedelta(days=1), -1) == end


def test_twenty_working_days_end_with_the_last_day_in_beijing() -> None:
    issued = datetime(2026, 9, 29, 17, 0, tzinfo=UTC)  # 30 September in Beijing already
    due = Deadline(5, Unit.WORKING_DAY).due(issued, CALENDAR)
    assert due.isoformat() == "2026-10-14T00:00:00+08:00"
    assert Deadline(5, Unit.DAY).due(issued).isoformat() == "2026-10-06T00:00:00+08:00"
    assert Deadline(36, Unit.HOUR).due(issued) == issued + timedelta(hours=36)


@pytest.mark.parametrize(
    ("day", "text", "later"),
    [
        (date(2026, 8, 31), "P6M", date(2027, 2, 28)),
        (date(2024, 2, 29), "P2Y", date(2026, 2, 28)),
        (date(2026, 1, 1), "P1W2D", date(2026, 1, 10)),
    ],
)
def test_periods_clamp_to_the_end_of_the_month(day: date, text: str, later: date) -> None:
    assert add_period(day, text) == later
    assert subtract_period(later, text) <= day


@pytest.mark.parametrize("text", ["", "P", "6M", "PT5M", "P-1Y", "P1.5Y"])
def test_what_is_no_period_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        period(text)


def test_what_is_exported_can_be_imported_and_changes_nothing(database: Database, tmp_path: Path) -> None:
    with database.write() as session:
        import_known(session)
    rows = list(export_holidays(database, actor="system"))
    target = tmp_path / "holidays.csv"
    with target.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    facts = imports.import_holidays(database, target, actor="system").to_json()
    assert (facts["rows"], facts["unchanged"], facts["created"], facts["updated"]) == (len(rows), len(rows), 0, 0)


def test_a_dry_run_reports_and_writes_nothing_and_a_bad_file_is_one_error(database: Database, tmp_path: Path) -> None:
    good, bad = tmp_path / "2026.json", tmp_path / "bad.csv"
    good.write_text(json.dumps(YEAR_2026), encoding="utf-8")
    bad.write_text("year,date,kind,name\n2026,2026-01-01,perhaps,元旦\n", encoding="utf-8")
    assert imports.import_holidays(database, good, actor="system", dry_run=True).to_json()["created"] == 3
    faults = imports.import_holidays(database, bad, actor="system").to_json()["errors"]
    assert [(f["row"], f["code"]) for f in faults] == [(2, "bad_holiday_entry")]
    with database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(HolidayDay)) == 0
