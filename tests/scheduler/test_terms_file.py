"""School terms from a file: what is right is taken, what is wrong is named by its row."""

from __future__ import annotations

import csv
from datetime import date
from pathlib import Path

import pytest
import sqlalchemy as sa

from kernel.db import Database
from kernel.errors import Conflict
from scheduler.exports import export_terms
from scheduler.imports import TERM_COLUMNS, import_terms
from scheduler.models import SchoolTerm
from scheduler.terms import TermCalendar, set_term

GOOD = "school_year,term,begins_on,ends_on,announced\n2026-2027,1,2026-09-01,2027-01-22,1\n"


def taken(database: Database) -> list[tuple[str, int]]:
    with database.read() as session:
        return [(t.school_year, t.term) for t in session.scalars(sa.select(SchoolTerm).order_by(SchoolTerm.begins_on))]


def test_good_rows_are_taken_and_faulty_ones_named(database: Database, tmp_path: Path) -> None:
    file = tmp_path / "terms.csv"
    file.write_text(GOOD + "2026-2027,2,soon,2027-07-09,1\n2026-2027,3,2027-03-01,2027-07-09,1\n", "utf-8-sig")
    facts = import_terms(database, file, actor="system", dry_run=True).to_json()
    assert facts["created"] == 1 and taken(database) == []
    facts = import_terms(database, file, actor="system").to_json()
    assert [(fault["row"], fault["code"]) for fault in facts["errors"]] == [(3, "bad_term"), (4, "bad_term")]
    assert taken(database) == [("2026-2027", 1)]
    with database.read() as session:
        assert TermCalendar.load(session).knows(date(2026, 10, 1))


def test_what_is_exported_can_be_imported_and_changes_nothing(database: Database, tmp_path: Path) -> None:
    first, second = tmp_path / "a.csv", tmp_path / "b.csv"
    first.write_text(GOOD, "utf-8")
    import_terms(database, first, actor="system")
    with second.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, TERM_COLUMNS)
        writer.writeheader()
        writer.writerows(export_terms(database, actor="system"))
    facts = import_terms(database, second, actor="system").to_json()
    assert (facts["unchanged"], facts["created"], facts["updated"], facts["errors"]) == (1, 0, 0, [])


def test_a_file_that_is_none_changes_nothing(database: Database, tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_bytes(b"\xff\xfe\x00")
    assert import_terms(database, bad, actor="system").to_json()["errors"][0]["code"] == "bad_term_file"
    assert taken(database) == []


def test_two_terms_never_overlap(database: Database) -> None:
    with database.write() as session:
        set_term(session, year="2026-2027", term=1, begins_on=date(2026, 9, 1), ends_on=date(2027, 1, 22))
        with pytest.raises(Conflict):
            set_term(session, year="2026-2027", term=2, begins_on=date(2027, 1, 20), ends_on=date(2027, 7, 2))
