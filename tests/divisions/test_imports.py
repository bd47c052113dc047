"""Tables as bureaus have them: any encoding, any heading, every fault by its row; the same file again changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

import emergency.people.posts  # noqa: F401  (gives units their contacts, as the product does)
from emergency.divisions import exports, service
from emergency.divisions.columns import DIVISIONS, UNITS
from emergency.divisions.imports import import_divisions, import_units
from emergency.divisions.models import Datum, Division, PointSource, Unit, UnitKind
from emergency.divisions.rules import wgs84_to_gcj02
from emergency.divisions.seed import FILE
from emergency.http.actor import Actor
from emergency.http.sheets import SheetError, write_csv
from emergency.privacy.journal import JournalEntry
from kernel.db import Database
from kernel.errors import DomainError, Forbidden
from tests.divisions.conftest import CONSOLE, DISTRICT, TAITOU, TREE

Sheet = Callable[..., Path]
UNIT_HEADINGS = tuple(column.key for column in UNITS)
SCHOOL = ("S1", "台头镇中心小学", TAITOU, "小学", "台头镇示例路1号", "39.04", "116.81", "张某一", "15400000001")


def _all(database: Database) -> dict[str, Division]:
    with database.read() as session:
        return {division.code: division for division in session.scalars(sa.select(Division))}


def test_the_real_district_is_taken_and_again_changes_nothing(database: Database) -> None:
    first = import_divisions(database, FILE, actor=CONSOLE)
    assert (first.rows, first.created, first.errors) == (451, 451, [])
    again = import_divisions(database, FILE, actor=CONSOLE)
    assert (again.created, again.updated, again.unchanged) == (0, 0, 451)
    with database.read() as session:
        assert len(service.villages(session, DISTRICT)) == 425
        assert len(service.townships(session)) == 23
        assert service.get(session, TAITOU).point_source is PointSource.IMPORTED


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_any_encoding_and_chinese_headings_are_read(database: Database, sheet: Sheet, encoding: str) -> None:
    headings = ("区划代码", "名称", "上级代码", "类型", "纬度", "经度", "备注")
    path = sheet([(*row, "无") for row in TREE], headings, encoding)
    report = import_divisions(database, path, actor=CONSOLE)
    assert (report.created, report.errors) == (len(TREE), [])
    assert report.ignored_columns == ["备注"]
    assert _all(database)[TAITOU].name == "台头镇"


def test_wrong_headings_are_one_sentence_and_change_nothing(database: Database, sheet: Sheet) -> None:
    with pytest.raises(SheetError) as refused:
        import_divisions(database, sheet(TREE, ("代号", "名号", "a", "b", "c", "d")), actor=CONSOLE)
    assert refused.value.code == "heading_missing"
    assert _all(database) == {}


@pytest.mark.parametrize(
    ("row", "column", "code"),
    [
        (("120118104201", "又一村", TAITOU, "", "", ""), "code", "code_duplicate"),
        (("120118999201", "孤村", "120118999000", "", "", ""), "parent_code", "parent_unknown"),
        (("120118104203", "孤村", "", "", "", ""), "parent_code", "parent_missing"),
        (("120118104203", "别家的村", "120118102000", "", "", ""), "parent_code", "parent_not_nested"),
        (("120118104203", "自己的村", "120118104203", "", "", ""), "parent_code", "parent_not_nested"),
        (("12011810420", "短码村", TAITOU, "", "", ""), "code", "code_wrong_length"),
        (("12011810420X", "错码村", TAITOU, "", "", ""), "code", "code_not_digits"),
        (("120118104203", "", TAITOU, "", "", ""), "name", "name_missing"),
        (("120118104203", "反村", TAITOU, "", "116.8", "39.0"), "lat", "point_swapped"),
        (("120118104203", "半村", TAITOU, "", "39.0", ""), "lon", "point_incomplete"),
        (("120118104203", "字村", TAITOU, "", "北纬", "116.8"), "lat", "point_not_a_number"),
        (("120118104203", "=1+1", TAITOU, "", "", ""), "name", "formula_refused"),
    ],
)
def test_one_bad_row_is_named_and_the_tree_stays_as_it_was(
    tree: Database, sheet: Sheet, row: tuple[str, ...], column: str, code: str
) -> None:
    before = set(_all(tree))
    changed = [(*TREE[0][:1], "改名市", *TREE[0][2:]), *TREE[1:], row]
    report = import_divisions(tree, sheet(changed), actor=CONSOLE)
    found = {(error.row, error.column, error.code) for error in report.errors}
    assert (len(TREE) + 2, column, code) in found
    assert all(error.text() for error in report.errors)
    assert (report.created, report.updated) == (0, 0)
    assert set(_all(tree)) == before
    assert _all(tree)["120000000000"].name == "天津市"


def test_a_dry_run_says_the_same_and_writes_nothing(database: Database, sheet: Sheet) -> None:
    report = import_divisions(database, sheet(TREE), actor=CONSOLE, dry_run=True)
    assert report.to_json() == {
        "rows": 9, "created": 9, "updated": 0, "unchanged": 0, "errors": [], "ignored_columns": [],
    }  # fmt: skip
    assert _all(database) == {}


def test_gcj02_points_are_converted_and_known_again(database: Database, sheet: Sheet) -> None:
    lon, lat = wgs84_to_gcj02(116.811, 39.038)
    rows = [(*row[:4], f"{lat:.6f}", f"{lon:.6f}") if row[0] == TAITOU else row for row in TREE]
    import_divisions(database, sheet(rows), actor=CONSOLE, datum="gcj02")
    stored = _all(database)[TAITOU]
    assert (stored.lon, stored.lat) == pytest.approx((116.811, 39.038), abs=3e-6)
    assert stored.source_datum is Datum.GCJ02
    assert import_divisions(database, sheet(rows), actor=CONSOLE, datum=Datum.GCJ02).unchanged == len(TREE)
    with pytest.raises(DomainError):
        import_divisions(database, sheet(rows), actor=CONSOLE, datum="bd09")


def test_an_empty_point_leaves_the_one_that_is_known(tree: Database, sheet: Sheet) -> None:
    bare = [(*row[:4], "", "") for row in TREE]
    assert import_divisions(tree, sheet(bare), actor=CONSOLE).unchanged == len(TREE)
    assert _all(tree)[TAITOU].lat == 39.038


def test_export_then_import_changes_nothing_and_hides_synthetic_points(tree: Database, tmp_path: Path) -> None:
    with tree.write() as session:
        village = service.get(session, "120118104202")
        village.lat, village.lon, village.point_source = 39.05, 116.8, PointSource.SYNTHETIC
    rows = list(exports.export_divisions(tree, actor=CONSOLE))
    assert list(rows[0]) == ["code", "name", "parent_code", "kind", "lat", "lon"]
    assert next(row for row in rows if row["code"] == "120118104202")["lat"] == ""
    path = tmp_path / "out.csv"
    write_csv(rows, DIVISIONS, path)
    assert import_divisions(tree, path, actor=CONSOLE).unchanged == len(TREE)


def test_only_who_may_edit_divisions_imports_them(tree: Database, sheet: Sheet, officer: Actor) -> None:
    with pytest.raises(Forbidden):
        import_divisions(tree, sheet(TREE), actor=officer)


def test_units_are_taken_with_their_tags_and_again_change_nothing(tree: Database, sheet: Sheet, tmp_path: Path) -> None:
    rows = [SCHOOL, ("S2", "独流镇卫生院", "120118102000", "卫生院;储存使用危险物品", "", "", "", "", "")]
    report = import_units(tree, sheet(rows, UNIT_HEADINGS), actor=CONSOLE)
    assert (report.created, report.errors) == (2, [])
    with tree.read() as session:
        school = session.scalars(sa.select(Unit).where(Unit.code == "S1")).one()
        assert (school.kind, school.sectors) == (UnitKind.SCHOOL, ["primary_school"])
        assert service.address_of(session, school) == "台头镇示例路1号"
        assert service.count_units(session, CONSOLE, sector="school") == 1
        assert service.count_units(session, CONSOLE, sector="crowded_place") == 2
    again = import_units(tree, sheet(rows, UNIT_HEADINGS, "gb18030"), actor=CONSOLE)
    assert (again.created, again.updated, again.unchanged) == (0, 0, 2)
    exported = list(exports.export_units(tree, actor=CONSOLE, purpose="maintenance"))
    path = tmp_path / "units.csv"
    write_csv(exported, UNITS, path)
    assert import_units(tree, path, actor=CONSOLE).unchanged == 2
    assert exported[1]["contact_phone"] == "15400000001" or exported[0]["contact_phone"] == "15400000001"


def test_a_corrected_number_is_an_update(tree: Database, sheet: Sheet) -> None:
    import_units(tree, sheet([SCHOOL], UNIT_HEADINGS), actor=CONSOLE)
    changed = (*SCHOOL[:-1], "16300000002")
    report = import_units(tree, sheet([changed], UNIT_HEADINGS), actor=CONSOLE)
    assert (report.updated, report.unchanged) == (1, 0)
    assert import_units(tree, sheet([changed], UNIT_HEADINGS), actor=CONSOLE).unchanged == 1


def test_bad_units_are_reported_and_the_good_ones_kept(tree: Database, sheet: Sheet, taitou_liaison: Actor) -> None:
    rows = [
        SCHOOL,
        ("S1", "重复小学", TAITOU, "小学", "", "", "", "", ""),
        ("S3", "无此村小学", "120118104999", "小学", "", "", "", "", ""),
        ("S4", "邻镇小学", "120118102000", "小学", "", "", "", "", ""),
        ("S5", "怪学校", TAITOU, "魔法学校", "", "", "", "", ""),
        ("", "没编号小学", TAITOU, "小学", "", "", "", "", ""),
    ]
    report = import_units(tree, sheet(rows, UNIT_HEADINGS), actor=taitou_liaison)
    assert report.created == 1
    assert [(e.row, e.code) for e in sorted(report.errors, key=lambda e: e.row)] == [
        (3, "code_duplicate"), (4, "division_unknown"), (5, "out_of_scope"), (6, "sector_unknown"), (7, "code_missing"),
    ]  # fmt: skip


def test_an_export_of_contacts_needs_a_purpose_and_is_journalled(tree: Database, sheet: Sheet) -> None:
    import_units(tree, sheet([SCHOOL], UNIT_HEADINGS), actor=CONSOLE)
    with pytest.raises(DomainError):
        exports.export_units(tree, actor=CONSOLE)
    list(exports.export_units(tree, actor=CONSOLE, purpose="evacuation"))
    with tree.read() as session:
        entry = session.scalars(sa.select(JournalEntry).where(JournalEntry.kind == "personal.exported")).one()
    assert entry.purpose == "evacuation"
    plain = list(exports.export_units(tree, actor=CONSOLE, personal=False))
    assert (plain[0]["address"], plain[0]["contact_phone"]) == ("", "")
