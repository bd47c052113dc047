"""School terms from a file: what is right is taken, what is wrong is named by its row."""

from __future__ import annotations

import csv
from datetime import date
from pathlib import Path

import pytest
import sqlalchemy as sa

from emergency.drills.exports import TERM_COLUMNS, export_terms
from emergency.drills.imports import import_terms
from emergency.http.actor import SYSTEM
from emergency.http.permissions import Role
from emergency.http.sheets import SheetError
from emergency.privacy.journal import JournalEntry
from kernel.db import Database
from kernel.errors import Conflict, Forbidden
from scheduler.models import SchoolTerm
from scheduler.terms import TermCalendar, set_term
from tests.asking.support import person

GOOD = "school_year,term,begins_on,ends_on,announced\n2026-2027,1,2026-09-01,2027-01-22,1\n"


def taken(database: Database) -> list[tuple[str, int]]:
    with database.read() as session:
        return [(t.school_year, t.term) for t in session.scalars(sa.select(SchoolTerm).order_by(SchoolTerm.begins_on))]


def test_good_rows_are_taken_and_faulty_ones_named(database: Database, tmp_path: Path) -> None:
    file = tmp_path / "terms.csv"
    file.write_text(
        GOOD
        + "2026-2027,2,soon,2027-07-09,1\n2026-2027,3,2027-03-01,2027-07-09,1\n2027-2028,1,2027-12-09,2028-03-09,1\n"
        "2027-2028,1,2027-09-01,2028-01-20,perhaps\n",
        "utf-8-sig",
    )
    facts = import_terms(database, file, actor=SYSTEM, dry_run=True).to_json()
    assert facts["created"] == 1 and taken(database) == []
    facts = import_terms(database, file, actor=SYSTEM).to_json()
    assert [(fault["row"], fault["code"]) for fault in facts["errors"]] == [
        (3, "bad_date"), (4, "bad_term"), (5, "bad_term"), (6, "bad_term")
    ]  # fmt: skip
    assert taken(database) == [("2026-2027", 1)]
    with database.read() as session:
        assert TermCalendar.load(session).knows(date(2026, 10, 1))


def test_what_is_exported_can_be_imported_and_changes_nothing(database: Database, tmp_path: Path) -> None:
    first, second = tmp_path / "a.csv", tmp_path / "b.csv"
    first.write_text(GOOD, "utf-8")
    import_terms(database, first, actor=SYSTEM)
    with second.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, [column.key for column in TERM_COLUMNS])
        writer.writeheader()
        writer.writerows(export_terms(database, actor=SYSTEM))
    facts = import_terms(database, second, actor=SYSTEM).to_json()
    assert (facts["unchanged"], facts["created"], facts["updated"], facts["errors"]) == (1, 0, 0, [])


def test_a_sheet_with_chinese_headings_is_read_and_what_changed_is_journalled(
    database: Database, tmp_path: Path
) -> None:
    file = tmp_path / "terms.csv"
    file.write_text("学年,学期,开学日期,放假日期,已公布\n2026-2027,1,2026/9/1,2027/1/22,否\n", "gb18030")
    assert import_terms(database, file, actor=SYSTEM).created == 1
    file.write_text("学年,学期,开学日期,放假日期,已公布\n2026-2027,1,2026/9/1,2027/1/22,是\n", "gb18030")
    assert import_terms(database, file, actor=SYSTEM).updated == 1
    with database.read() as session:
        assert TermCalendar.load(session).knows(date(2026, 10, 1))
        entered = session.scalars(sa.select(JournalEntry).where(JournalEntry.kind == "drills.term_entered")).all()
    assert len(entered) == 2


def test_only_the_districts_planner_brings_terms_in(database: Database, tmp_path: Path) -> None:
    file = tmp_path / "terms.csv"
    file.write_text(GOOD, "utf-8")
    for role, place in ((Role.PLANNER, "120118104000"), (Role.AUDITOR, "120118000000")):
        with pytest.raises(Forbidden):
            import_terms(database, file, actor=person(role, division=place))
    assert taken(database) == []


def test_a_file_that_is_none_changes_nothing(database: Database, tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SheetError):
        import_terms(database, bad, actor=SYSTEM)
    assert taken(database) == []


def test_two_terms_never_overlap(database: Database) -> None:
    with database.write() as session:
        set_term(session, year="2026-2027", term=1, begins_on=date(2026, 9, 1), ends_on=date(2027, 1, 22))
        with pytest.raises(Conflict):
            set_term(session, year="2026-2027", term=2, begins_on=date(2027, 1, 20), ends_on=date(2027, 7, 2))
