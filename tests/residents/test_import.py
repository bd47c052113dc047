"""Residents from a file: what is taken, what is refused by row, and what is left when something goes wrong."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from emergency.people.contacts.models import Contact, PhoneState
from emergency.people.residents import imports, rules, runs, swap
from emergency.people.residents.models import Household, ImportRun, Resident, RunState
from emergency.people.residents.rows import COLUMNS
from emergency.people.residents.service import correct, export_residents, import_residents
from emergency.privacy import journal
from kernel.clock import ManualClock
from kernel.db import Database
from kernel.errors import Conflict, Forbidden, Invalid
from tests.conftest import on_disk
from tests.residents.conftest import (
    DONGWU,
    LIAISON,
    NANBA,
    OFFICER,
    TAITOU,
    VILLAGER,
    YIHE,
    counts,
    entries,
    ids,
    person,
    stored,
)  # fmt: skip

Make = Callable[..., Path]


def codes(report: Any) -> list[tuple[int, str, str]]:
    return [(error.row, error.column, error.code) for error in report.errors]


# --- what is taken -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["residents.csv", "residents.xlsx"])
def test_people_come_in_and_the_same_file_again_changes_nothing(db: Database, csv_file: Make, name: str) -> None:
    path = csv_file([person(n) for n in range(1, 31)], name)
    first = import_residents(db, path, actor=OFFICER)
    assert (first.rows, first.created, first.updated, first.unchanged, first.errors) == (30, 30, 0, 0, [])
    before = stored(db)
    second = import_residents(db, path, actor=OFFICER)
    assert (second.rows, second.created, second.updated, second.unchanged) == (30, 0, 0, 30)
    assert stored(db) == before
    left = counts(db)
    assert (left["resident"], left["contact"], left["household"]) == (30, 30, 11)
    assert (left["staged_resident"], left["import_piece"]) == (0, 0)


def test_a_dry_run_says_the_same_and_writes_nothing(db: Database, csv_file: Make) -> None:
    path = csv_file([person(1), person(2, phone="12x"), person(3, division_code="999999999999")])
    report = import_residents(db, path, actor=OFFICER, dry_run=True)
    assert set(counts(db).values()) == {0}
    assert entries(db, journal.IMPORTED) == []
    real = import_residents(db, path, actor=OFFICER)
    assert report.to_json() == real.to_json()
    assert (real.created, codes(real)) == (
        2, [(3, "phone", "phone_invalid"), (4, "division_code", "division_unknown")]
    )  # fmt: skip


def test_a_changed_row_is_updated_and_the_others_are_left_alone(db: Database, csv_file: Make) -> None:
    rows = [person(n) for n in range(1, 6)]
    import_residents(db, csv_file(rows), actor=OFFICER)
    before = {row[0]: row for row in stored(db)}
    rows[2] = person(3, phone="15400009999", needs="卧床", division_code=NANBA)
    report = import_residents(db, csv_file(rows), actor=OFFICER)
    assert (report.created, report.updated, report.unchanged) == (0, 1, 4)
    changed = [row[0] for row in stored(db) if before.get(row[0]) != row]
    assert len(changed) == 3  # the person, the contact, and the household in the other village
    with db.read() as session:
        moved = session.scalars(sa.select(Resident).where(Resident.division_code == NANBA)).one()
        assert moved.priority_class == 0
        assert session.get_one(Household, moved.household_id).division_code == NANBA


def test_an_invalid_number_is_kept_and_shown_and_not_dropped(db: Database, csv_file: Make) -> None:
    rows = [person(1, phone="1540000000a"), person(2, phone="1.54321E+10"), person(3, phone=""), person(4)]
    report = import_residents(db, csv_file(rows), actor=OFFICER)
    assert report.created == 4
    assert codes(report) == [(2, "phone", "phone_invalid"), (3, "phone", "phone_invalid")]
    with db.read() as session:
        states = list(session.scalars(sa.select(Contact.phone_state).order_by(Contact.id)))
        out = [row["phone"] for row in export_residents(session, actor=OFFICER, purpose="verify")]
    assert states == [PhoneState.INVALID, PhoneState.INVALID, PhoneState.NONE, PhoneState.UNVERIFIED]
    assert out == ["1540000000a", "1.54321E+10", "", "15400000004"]


def test_a_float_of_excel_is_the_phone_that_it_was(db: Database, csv_file: Make) -> None:
    report = import_residents(db, csv_file([person(1, phone="15432100001.0")]), actor=OFFICER)
    assert report.errors == []
    with db.read() as session:
        (row,) = export_residents(session, actor=OFFICER, purpose="verify")
    assert row["phone"] == "15432100001"


def test_rows_are_refused_one_by_one_with_stable_codes(db: Database, csv_file: Make) -> None:
    rows = [
        person(1),
        person(2, division_code="120118104999"),
        person(3, division_code=TAITOU),
        person(4, name=" "),
        person(5, external_id=""),
        person(1, name="另某一"),
        person(7, lat="91", lon="200"),
        person(8, lat="38.9", lon=""),
    ]
    report = import_residents(db, csv_file(rows), actor=OFFICER)
    assert (report.rows, report.created) == (8, 3)
    assert codes(report) == [
        (3, "division_code", "division_unknown"),
        (4, "division_code", "division_not_village"),
        (5, "name", "name_missing"),
        (6, "external_id", "external_id_missing"),
        (7, "external_id", "duplicate_external_id"),
        (8, "lat", "point_invalid"),
        (9, "lat", "point_invalid"),
    ]
    texts = [error.text() for error in report.errors]
    assert all("\u4e00" <= text[-2] <= "\u9fff" for text in texts), "outside a request the sentences are Chinese"
    assert "2" in texts[4]


def test_a_formula_is_refused_by_row(db: Database, tmp_path: Path) -> None:
    heading = ",".join(column.key for column in COLUMNS)
    path = tmp_path / "formula.csv"
    path.write_text(f"{heading}\nA,{YIHE},=1+1,,,,,,\nB,{YIHE},张某一,,,,,,\n")
    report = import_residents(db, path, actor=OFFICER)
    assert (report.created, codes(report)) == (1, [(2, "name", "formula_refused")])


def test_chinese_headings_gb18030_and_unknown_columns(db: Database, tmp_path: Path) -> None:
    path = tmp_path / "名册.csv"
    text = f"人员编号,区划代码,姓名,联系电话,户号,血型\nA1,{YIHE},张某一,154 0000 0001,1,AB\n"
    path.write_bytes(text.encode("gb18030"))
    report = import_residents(db, path, actor=OFFICER)
    assert (report.created, report.ignored_columns) == (1, ["血型"])


def test_a_township_imports_its_own_villages_only(db: Database, csv_file: Make) -> None:
    import_residents(db, csv_file([person(9, division_code=DONGWU)]), actor=OFFICER)
    report = import_residents(
        db, csv_file([person(1), person(2, division_code=DONGWU), person(9, name="李某九")]), actor=LIAISON
    )
    assert (report.created, report.updated) == (1, 0)
    assert codes(report) == [(3, "division_code", "out_of_scope"), (4, "external_id", "out_of_scope")]


def test_who_may_not_import_may_not(db: Database, csv_file: Make) -> None:
    with pytest.raises(Forbidden):
        import_residents(db, csv_file([person(1)]), actor=VILLAGER)
    with pytest.raises(Invalid, match="purpose"):
        import_residents(db, csv_file([person(1)]), actor=OFFICER, purpose="because")
    with pytest.raises(Invalid, match="datum"):
        import_residents(db, csv_file([person(1)]), actor=OFFICER, datum="beijing54")
    assert set(counts(db).values()) == {0}


def test_points_in_gcj02_are_moved_and_rounded(db: Database, csv_file: Make) -> None:
    rows = [person(1, lat="38.9", lon="116.9")]
    import_residents(db, csv_file(rows), actor=OFFICER, datum="gcj02")
    with db.read() as session:
        resident = session.scalars(sa.select(Resident)).one()
    assert (resident.lat, resident.lon) == (round(resident.lat or 0, 3), round(resident.lon or 0, 3))
    assert resident.lon != 116.9
    assert abs((resident.lon or 0) - 116.9) < 0.01


@pytest.mark.parametrize(
    ("needs", "level"),
    [("", 3), ("无", 3), ("卧床不起", 0), ("独居老人", 1), ("独居，行动不便", 0), ("只懂方言", 2), ("Wheelchair", 0)],
)
def test_the_class_comes_from_the_need(needs: str, level: int) -> None:
    assert rules.priority_class(needs) == level


def test_the_import_is_journalled_once_without_names(db: Database, csv_file: Make) -> None:
    import_residents(db, csv_file([person(1), person(2, phone="x")]), actor=OFFICER, purpose="evacuation")
    (entry,) = entries(db, journal.IMPORTED)
    assert entry.data == '{"created": 2, "errors": 1, "list": "residents", "rows": 2, "updated": 0}'
    assert (entry.actor, entry.purpose) == ("account:1", "evacuation")


# --- export and import ---------------------------------------------------------------------------------------------

texts = st.text(st.characters(blacklist_categories=("Cs",)), max_size=12)
people = st.fixed_dictionaries(
    {
        "division_code": st.sampled_from([YIHE, NANBA]),
        "name": texts,
        "phone": st.one_of(texts, st.integers(0, 10**8 - 1).map(lambda n: f"154{n:08d}")),
        "household": texts,
        "address": texts,
        "lat": st.sampled_from(["", "38.93567", "38.9"]),
        "lon": st.sampled_from(["", "116.92531", "116.9"]),
        "needs": st.one_of(texts, st.sampled_from(["卧床", "独居", "无"])),
    }
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(rows=st.lists(people, min_size=1, max_size=8), name=st.sampled_from(["p.csv", "p.xlsx"]))
def test_import_is_idempotent_and_an_export_read_back_changes_nothing(
    db: Database, csv_file: Make, rows: list[dict[str, Any]], name: str
) -> None:
    numbered = [row | {"external_id": f"X{n}"} for n, row in enumerate(rows)]
    path = csv_file([_printable(row, name) for row in numbered], name)
    import_residents(db, path, actor=OFFICER)
    before = stored(db)
    again = import_residents(db, path, actor=OFFICER)
    assert (again.created, again.updated) == (0, 0)
    with db.read() as session:
        out = csv_file(export_residents(session, actor=OFFICER, purpose="verify"), f"out-{name}")
    back = import_residents(db, out, actor=OFFICER)
    assert (back.created, back.updated) == (0, 0)
    assert stored(db) == before


def _printable(row: dict[str, Any], name: str) -> dict[str, Any]:
    """A workbook cannot hold control characters, and a CSV no bare NUL; nobody types them."""
    return {key: "".join(c for c in value if c.isprintable()) for key, value in row.items()}


def test_an_old_file_does_not_undo_a_correction_and_an_export_carries_it(db: Database, csv_file: Make) -> None:
    path = csv_file([person(1), person(2)])
    import_residents(db, path, actor=OFFICER)
    with db.write() as session:
        correct(session, actor=OFFICER, resident_id=ids(db)[0], phone="15400007777", needs="独居")
    corrected = stored(db)
    assert import_residents(db, path, actor=OFFICER).unchanged == 2
    assert stored(db) == corrected
    with db.read() as session:
        out = csv_file(export_residents(session, actor=OFFICER, purpose="verify"), "out.csv")
    assert "15400007777" in out.read_text("utf-8-sig")
    assert import_residents(db, out, actor=OFFICER).unchanged == 2
    newer = csv_file([person(1, phone="15400008888"), person(2)])
    assert import_residents(db, newer, actor=OFFICER).updated == 1


def test_a_verified_number_stays_verified_while_it_is_the_same(db: Database, csv_file: Make) -> None:
    from emergency.people.contacts import service as contacts

    import_residents(db, csv_file([person(1), person(2)]), actor=OFFICER)
    with db.write() as session:
        for contact in session.scalars(sa.select(Contact)):
            contacts.verify_number(session, actor=OFFICER, contact_id=contact.id)
    import_residents(db, csv_file([person(1, address="新址"), person(2, phone="15400000222")]), actor=OFFICER)
    with db.read() as session:
        states = list(session.scalars(sa.select(Contact.phone_state).order_by(Contact.id)))
    assert states == [PhoneState.VERIFIED, PhoneState.UNVERIFIED]


# --- when something goes wrong -------------------------------------------------------------------------------------


def test_a_file_that_breaks_off_leaves_everything_as_it_was(db: Database, csv_file: Make, tmp_path: Path) -> None:
    good = csv_file([person(n) for n in range(1, 4)])
    import_residents(db, good, actor=OFFICER)
    before = stored(db)
    bad = tmp_path / "bad.csv"
    lines = csv_file([person(n, name="新某一") for n in range(1, 1200)], "new.csv").read_text("utf-8-sig")
    bad.write_text(lines + '"open,')
    with pytest.raises(Invalid, match="quotation"):
        import_residents(db, bad, actor=OFFICER)
    assert stored(db) == before
    assert counts(db)["staged_resident"] == 0
    with db.read() as session:
        run = session.scalars(sa.select(ImportRun).order_by(ImportRun.id.desc())).first()
        assert run is not None
        assert (run.state, run.failure["code"] if run.failure else "") == (RunState.FAILED, "sheet_unreadable")


@pytest.mark.parametrize(
    ("size", "seconds", "wanted"),
    [(200, 0.06, 200), (200, 0.01, 300), (200, 0.24, 50), (200, 3.0, 25), (600, 0.0, 600), (600, 0.03, 600)],
)
def test_a_piece_follows_the_time_that_the_last_one_took(size: int, seconds: float, wanted: int) -> None:
    assert rules.next_piece(size, seconds) == wanted


class Killed(BaseException):
    """The process is gone: no handler runs."""


def test_a_crash_while_reading_leaves_the_old_state(
    db: Database, csv_file: Make, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "READ_PIECE", 10)
    monkeypatch.setattr(runs, "release", _no_release)
    path = csv_file([person(n) for n in range(1, 60)])
    keep, calls = runs.keep, []

    def dies(*args: Any, **values: Any) -> None:
        calls.append(1)
        if len(calls) == 3:
            raise Killed
        keep(*args, **values)

    with monkeypatch.context() as patch:
        patch.setattr(runs, "keep", dies)
        with pytest.raises(Killed):
            import_residents(db, path, actor=OFFICER)
    assert counts(db)["resident"] == 0
    assert counts(db)["staged_resident"] == 20
    with pytest.raises(Conflict) as refusal:
        import_residents(db, path, actor=OFFICER)
    assert refusal.value.code == "import_running"
    clock.advance(timedelta(minutes=2))
    assert import_residents(db, path, actor=OFFICER).created == 59
    assert counts(db)["staged_resident"] == 0
    with db.read() as session:
        states = list(session.scalars(sa.select(ImportRun.state).order_by(ImportRun.id)))
    assert states == [RunState.FAILED, RunState.DONE]


def _no_release(*_args: Any) -> None:
    """A killed process lets go of nothing."""


def test_a_crash_while_swapping_in_is_brought_to_its_end(
    db: Database, csv_file: Make, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(swap, "_FIRST_PIECE", 10)
    monkeypatch.setattr(rules, "next_piece", lambda *_args, **_more: 10)
    monkeypatch.setattr(runs, "release", _no_release)
    path = csv_file([person(n) for n in range(1, 60)])
    write, calls = swap.write, []

    def dies(*args: Any) -> None:
        write(*args)
        calls.append(1)
        if len(calls) == 3:
            raise Killed  # in the middle of a transaction

    with monkeypatch.context() as patch:
        patch.setattr(swap, "write", dies)
        with pytest.raises(Killed):
            import_residents(db, path, actor=OFFICER)
    half = counts(db)
    assert (half["resident"], half["staged_resident"]) == (20, 39)
    clock.advance(timedelta(minutes=2))
    assert imports.finish_interrupted(db) == 1
    done = counts(db)
    assert (done["resident"], done["contact"], done["staged_resident"]) == (59, 59, 0)
    with db.read() as session:
        run = session.scalars(sa.select(ImportRun)).one()
        assert (run.state, run.created, run.error_count, run.rows) == (RunState.DONE, 59, 0, 59)
    assert import_residents(db, path, actor=OFFICER).unchanged == 59
    with db.read() as session:
        assert journal.verify(session).whole


def test_an_interrupted_command_lets_go_at_once(db: Database, csv_file: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    path = csv_file([person(n) for n in range(1, 20)])
    with monkeypatch.context() as patch:
        patch.setattr(swap, "write", lambda *_args: (_ for _ in ()).throw(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            import_residents(db, path, actor=OFFICER)
    report = import_residents(db, path, actor=OFFICER)
    assert (report.created, report.unchanged) == (0, 19)  # the interrupted run was finished first


def test_somebody_who_corrects_meanwhile_is_not_overwritten_unseen(
    db: Database, csv_file: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_residents(db, csv_file([person(1)]), actor=OFFICER)
    resident_id = ids(db)[0]
    plan, seen = swap.make_plan, []

    def meanwhile(*args: Any) -> swap.Plan:
        if not seen:
            seen.append(1)
            with db.write() as session:
                correct(session, actor=OFFICER, resident_id=resident_id, phone="15400005555", division_code=NANBA)
        else:
            seen.append(1)
        return plan(*args)

    monkeypatch.setattr(swap, "make_plan", meanwhile)
    import_residents(db, csv_file([person(1, address="新址")]), actor=OFFICER)
    assert len(seen) == 2, "the piece was planned again on what stands now"


# --- the writer is never held --------------------------------------------------------------------------------------


class Stopwatch:
    """How long each writing transaction lasts, from BEGIN to the end of COMMIT: wall time, and this process's own."""

    def __init__(self, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch):
        self.wall: list[float] = []
        self.own: list[float] = []
        self._began: dict[int, tuple[float, float]] = {}
        dialect = engine.dialect
        for name in ("do_commit", "do_rollback"):
            monkeypatch.setattr(dialect, name, self._ending(getattr(dialect, name)))
        event.listen(engine, "begin", self._begin)

    def _begin(self, connection: sa.Connection) -> None:
        if connection.get_execution_options().get("writer", True):
            self._began[id(connection.connection.dbapi_connection)] = time.perf_counter(), time.process_time()

    def _ending(self, end: Callable[[Any], None]) -> Callable[[Any], None]:
        def ended(connection: Any) -> None:
            end(connection)
            began = self._began.pop(id(getattr(connection, "dbapi_connection", connection)), None)
            if began is not None:
                self.wall.append(time.perf_counter() - began[0])
                self.own.append(time.process_time() - began[1])

        return ended


def test_no_transaction_of_an_import_holds_the_writer_for_a_quarter_of_a_second(
    db: Database, csv_file: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = csv_file([person(n, needs="独居" if n % 9 == 0 else "") for n in range(1, 6001)])
    changed = csv_file([person(n, address="新址") for n in range(1, 6001)], "changed.csv")
    watch = Stopwatch(db.engine, monkeypatch)
    assert import_residents(db, path, actor=OFFICER).created == 6000
    assert import_residents(db, changed, actor=OFFICER).updated == 6000
    assert len(watch.wall) > 20
    # Processor time is the import's own doing; wall time on a crowded machine is not, so only its middle is judged.
    assert max(watch.own) < 0.25, f"a transaction worked for {max(watch.own):.3f} s"
    assert sorted(watch.wall)[len(watch.wall) // 2] < 0.25


def test_nothing_personal_stands_in_the_file_during_or_after_an_import(
    db: Database, csv_file: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not db.is_sqlite:
        pytest.skip("the file of PostgreSQL is not ours to read")
    path = csv_file([person(n, needs="透析病人", phone=f"1540000{n:04d}x") for n in range(1, 40)])
    folder = tmp_path / "work"
    finish, seen = runs.finish, []

    def look(*args: Any) -> None:
        seen.append(on_disk(db))
        finish(*args)

    monkeypatch.setattr(runs, "finish", look)
    import_residents(db, path, actor=OFFICER)
    seen.append(on_disk(db))
    assert not folder.exists()
    for raw in seen:
        for secret in ("张某", "透析", "1540000", "排1号", "P00001", "residents.csv", "H10"):
            assert secret.encode() not in raw, secret
