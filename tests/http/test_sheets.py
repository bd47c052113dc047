"""Spreadsheets as people send them: what is read, what is repaired, what is refused and in which words."""

from __future__ import annotations

import io
import zipfile
from datetime import date
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook

from emergency.http.i18n import catalogue
from emergency.http.sheets import (
    Column,
    Report,
    Row,
    RowError,
    SheetError,
    cells,
    csv_text,
    open_sheet,
    safe_cell,
    write_csv,
    write_xlsx,
    xlsx_source,
)

COLUMNS = (
    Column("code", ("编码", "代码"), required=True, kind="code"),
    Column("name", ("姓名",), required=True),
    Column("phone", ("电话", "手机号"), kind="phone"),
)
TEXT = "编码,姓名,手机号\nA1,张某一,15400000001\nA2,李某二,\n"


def read(data: bytes | str, columns: Any = COLUMNS) -> list[Row]:
    raw = data.encode() if isinstance(data, str) else data
    with open_sheet(io.BytesIO(raw), columns) as sheet:
        return list(sheet)


def refusal(data: bytes | str) -> SheetError:
    with pytest.raises(SheetError) as found:
        read(data)
    assert found.value.text().strip().endswith(".")
    assert found.value.text(catalogue("zh").gettext) != found.value.text(), "the sentence has no Chinese"
    return found.value


def workbook(rows: list[list[Any]]) -> bytes:
    book = Workbook()
    for row in rows:
        book.active.append(row)
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


def members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(parts: dict[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return target.getvalue()


# --- CSV -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_encoding_separator_and_line_ends_are_found_out(encoding: str, delimiter: str, newline: str) -> None:
    rows = read(TEXT.replace(",", delimiter).replace("\n", newline).encode(encoding))
    assert [row.values for row in rows] == [
        {"code": "A1", "name": "张某一", "phone": "15400000001"},
        {"code": "A2", "name": "李某二", "phone": ""},
    ]
    assert [row.number for row in rows] == [2, 3]


def test_gb18030_is_found_out_even_when_the_first_chinese_stands_far_below() -> None:
    start = "code,name,phone\n" + "A,B,\n" * 100_000
    rows = read((start + "Z,张某一,\n").encode("gb18030"))
    assert rows[-1]["name"] == "张某一"


@pytest.mark.parametrize(
    "heading",
    ["code,name,phone", "Code , NAME,Phone", "编码,姓名,电话", "编码*,姓名（必填）,手机号", "代码：,姓 名,phone"],
)
def test_headings_are_taken_in_both_languages_and_with_remarks(heading: str) -> None:
    (row,) = read(f"{heading}\nA1,张某一,15400000001\n")
    assert row.values == {"code": "A1", "name": "张某一", "phone": "15400000001"}


def test_a_title_above_the_headings_is_passed_over_and_rows_keep_their_numbers() -> None:
    (row,) = read("静海区某村人员名单,,\n填表日期：2026-11-23,,\n编码,姓名,电话\n,,\nA1,张某一,\n")
    assert (row.number, row["code"]) == (5, "A1")


def test_unknown_columns_are_named_and_ignored() -> None:
    with open_sheet(io.BytesIO("编码,姓名,血型,备注\nA1,张某一,A,x\n".encode()), COLUMNS) as sheet:
        assert sheet.ignored_columns == ["血型", "备注"]
        assert sheet.present == {"code", "name"}
        (row,) = sheet
    assert row.values == {"code": "A1", "name": "张某一", "phone": ""}


def test_a_missing_heading_is_one_sentence_that_names_it() -> None:
    error = refusal("编码,电话\nA1,15400000001\n")
    assert error.code == "heading_missing"
    assert "姓名" in error.text()
    assert "编码" not in error.text()


def test_the_same_heading_twice_is_refused() -> None:
    assert refusal("编码,姓名,手机号,电话\nA1,张某一,1,2\n").code == "heading_repeated"


@pytest.mark.parametrize("data", [b"", b"\n\n", b"\xef\xbb\xbf"])
def test_an_empty_file_says_so(data: bytes) -> None:
    assert refusal(data).code == "sheet_empty"


@pytest.mark.parametrize("data", [b"\x00\x01\x02" * 50, b"\x89PNG\r\n\x1a\n" + b"\xff\xfe\x00" * 20])
def test_what_is_no_text_is_refused(data: bytes) -> None:
    assert refusal(data).code == "sheet_encoding"


def test_an_old_workbook_is_refused_with_what_to_do() -> None:
    assert refusal(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600).code == "sheet_legacy"


def test_an_open_quotation_mark_never_swallows_rows() -> None:
    error = refusal('编码,姓名,电话\nA1,"张某一,\nA2,李某二,\n')
    assert error.code == "sheet_unreadable"
    assert "2" in error.text()


def test_a_file_that_is_not_there_says_so() -> None:
    with pytest.raises(SheetError, match=r"missing\.csv"):
        open_sheet(Path("/nonexistent/missing.csv"), COLUMNS)


@pytest.mark.parametrize(
    ("cell", "text", "fault"),
    [
        ("15432100001.0", "15432100001", None),
        ("1.5432100001E10", "15432100001", None),
        ("1.5432100001e+10", "15432100001", None),
        ("1.5432100000E+10", "15432100000", None),
        ("1.54321E+10", "1.54321E+10", "number_rounded"),
        ("1.5E+10", "1.5E+10", "number_rounded"),
        ('="15400000001"', '"', None),
        ("=1+1", "", "formula_refused"),
        ("=HYPERLINK(1)", "", "formula_refused"),
        ("+8615400000001", "+8615400000001", None),
        ("022-00001234", "022-00001234", None),
        ("1540000000a", "1540000000a", None),
    ],
)
def test_what_spreadsheets_do_to_numbers_is_undone_where_it_is_exact(cell: str, text: str, fault: str | None) -> None:
    quoted = '"' + cell.replace('"', '""') + '"'
    (row,) = read(f"code,name,phone\nA1,张某一,{quoted}\n")
    assert [error.code for error in row.faults] == ([fault] if fault else [])
    assert row["phone"] == (text if text != '"' else "15400000001")


@given(st.integers(10**10, 10**11 - 1))
def test_a_number_is_repaired_exactly_or_not_at_all(number: int) -> None:
    assert cells.unfloat(f"{number}.0") == str(number)
    assert cells.unfloat(f"{number / 10**10:.10f}E+10") == str(number)
    short = f"{number:.4E}"
    assert cells.unfloat(short) is None


def test_a_row_with_a_cell_too_many_is_a_fault() -> None:
    first, second = read("code,name\nA1,张某一,x\nA2,李某二,,\n")
    assert [error.code for error in first.faults] == ["too_many_cells"]
    assert second.faults == []


# --- XLSX ----------------------------------------------------------------------------------------------------------


def test_a_workbook_gives_the_same_rows_as_the_text() -> None:
    rows = read(workbook([["编码", "姓名", "电话"], ["A1", "张某一", 15400000001], [], ["A2", "李某二", None]]))
    assert [row.values for row in rows] == [row.values for row in read(TEXT)]
    assert [row.number for row in rows] == [2, 4]


def test_floats_of_a_workbook_become_the_numbers_that_they_were() -> None:
    data = workbook([["code", "name", "phone"], [12.0, "张某一", 15432100001.0], [13, "李某二", 15432100001.5]])
    first, second = read(data)
    assert (first["code"], first["phone"], first.faults) == ("12", "15432100001", [])
    assert [error.code for error in second.faults] == ["number_rounded"]


def test_a_formula_is_refused_by_row_and_never_read() -> None:
    data = workbook([["code", "name", "phone"], ["A1", "=1+1", ""], ["A2", "李某二", "=SUM(1)"], ["A3", "王某三", 5]])
    rows = read(data)
    assert [[(e.row, e.column, e.code) for e in row.faults] for row in rows] == [
        [(2, "name", "formula_refused")], [(3, "phone", "formula_refused")], []
    ]  # fmt: skip


def test_dates_and_truths_are_text() -> None:
    (row,) = read(workbook([["code", "name", "phone"], ["A1", date(2026, 11, 23), True]]))
    assert (row["name"], row["phone"]) == ("2026-11-23", "TRUE")


def test_a_workbook_that_unpacks_to_half_a_gigabyte_is_refused_before_it_is_unpacked() -> None:
    parts = members(workbook([["code", "name"], ["A1", "张某一"]]))
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
        with archive.open("xl/media/filler.bin", "w", force_zip64=True) as bomb:
            block = b"\0" * (1 << 20)
            for _ in range(420):
                bomb.write(block)
    assert len(target.getvalue()) < 3_000_000
    error = refusal(target.getvalue())
    assert error.code == "sheet_too_large"
    assert "440" in error.text()


def test_a_small_file_that_unpacks_a_hundredfold_is_refused() -> None:
    parts = members(workbook([["code", "name"], ["A1", "张某一"]]))
    parts["xl/comments.xml"] = b" " * 20_000_000
    assert refusal(packed(parts)).code == "sheet_too_large"


def test_a_member_that_lies_about_its_size_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = members(workbook([["code", "name"], ["A1", "张某一"]]))
    real = parts["xl/worksheets/sheet1.xml"]
    parts["xl/worksheets/sheet1.xml"] = real.replace(b"</sheetData>", b"<!--" + b"x" * 100_000 + b"--></sheetData>")
    data = bytearray(packed(parts))
    size = len(parts["xl/worksheets/sheet1.xml"]).to_bytes(4, "little")
    assert data.count(size) >= 1
    lying = bytes(data.replace(size, (500).to_bytes(4, "little")))
    assert refusal(lying).code == "sheet_unreadable"


def as_excel_writes(strings: list[str], cells_xml: str) -> dict[str, bytes]:
    """A workbook whose texts stand in the shared table, as Excel and WPS write them."""
    parts = members(workbook([["code"]]))
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
    relation = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/sharedStrings"
    table = "".join(f"<si><t>{text}</t></si>" for text in strings)
    head = '<?xml version="1.0" encoding="UTF-8"?>'
    parts["xl/sharedStrings.xml"] = f'{head}<sst xmlns="{main}">{table}</sst>'.encode()
    sheet = f'{head}<worksheet xmlns="{main}"><dimension ref="A1"/><sheetData>{cells_xml}</sheetData></worksheet>'
    parts["xl/worksheets/sheet1.xml"] = sheet.encode()
    override = f'<Override PartName="/xl/sharedStrings.xml" ContentType="{kind}"/></Types>'
    types = parts["[Content_Types].xml"]
    if b"sharedStrings" not in types:
        parts["[Content_Types].xml"] = types.replace(b"</Types>", override.encode())
    rels = parts["xl/_rels/workbook.xml.rels"]
    if b"sharedStrings" not in rels:
        entry = f'<Relationship Id="rId99" Type="{relation}" Target="sharedStrings.xml"/></Relationships>'
        parts["xl/_rels/workbook.xml.rels"] = rels.replace(b"</Relationships>", entry.encode())
    return parts


EXCEL = as_excel_writes(
    ["编码", "姓名", "电话", "A1", "张某一"],
    '<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c><c r="C1" t="s"><v>2</v></c></row>'
    '<row r="3"><c r="A3" t="s"><v>3</v></c><c r="B3" t="s"><v>4</v></c><c r="C3"><v>1.5432100001E10</v></c></row>'
    '<row r="4"><c r="A4" t="s"><v>3</v></c><c r="B4" t="s"><v>4</v></c><c r="C4" t="str"><f>C3+1</f><v>2</v></c></row>',
)


def test_a_workbook_as_excel_writes_it_is_read_with_its_gaps_floats_and_formulas() -> None:
    first, second = read(packed(EXCEL))
    assert (first.number, first.values) == (3, {"code": "A1", "name": "张某一", "phone": "15432100001"})
    assert [(e.row, e.column, e.code) for e in second.faults] == [(4, "phone", "formula_refused")]


def test_a_row_far_below_does_not_take_for_ever() -> None:
    parts = dict(EXCEL)
    sheet = parts["xl/worksheets/sheet1.xml"].replace(b'r="4"', b'r="99999999"').replace(b'4" t=', b'99999999" t=')
    parts["xl/worksheets/sheet1.xml"] = sheet
    assert refusal(packed(parts)).code == "sheet_unreadable"


@pytest.mark.parametrize("part", ["xl/worksheets/sheet1.xml", "xl/workbook.xml", "xl/sharedStrings.xml"])
def test_entities_are_refused(part: str) -> None:
    parts = dict(EXCEL)
    entity = b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
    head, _, tail = parts[part].rpartition(b"?>") if b"?>" in parts[part] else (b"", b"", parts[part])
    parts[part] = (head + b"?>" if head else b"") + entity + tail.replace("张某一".encode(), b"&e;")
    assert refusal(packed(parts)).code in ("sheet_unsafe", "sheet_unreadable")


@pytest.mark.parametrize("data", [b"PK\x03\x04 nothing more", packed({"a.txt": b"hello"})])
def test_a_damaged_workbook_is_refused(data: bytes) -> None:
    assert refusal(data).code == "sheet_unreadable"


def test_the_limit_is_that_of_the_module(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlsx_source, "MAX_SHARED_STRINGS", 10)
    parts = members(workbook([["code", "name"], ["A1", "张某一"]])) | {"xl/sharedStrings.xml": b"<sst>" * 10}
    assert refusal(packed(parts)).code == "sheet_too_large"


# --- writing -------------------------------------------------------------------------------------------------------

NASTY = ["=1+1", "+1+1", "-2+3", "@SUM(1)", "\t=1", "'=1", "''+x", "＝1", "= 1", "-3.5", "plain", "a,b", 'q"q', ""]


@pytest.mark.parametrize("value", NASTY)
def test_no_cell_of_an_export_is_a_formula(value: str) -> None:
    assert not safe_cell(value).lstrip().startswith(("=", "+", "@", "＝"))
    if value.startswith("-"):
        assert safe_cell(value) in ("-3.5", "'-2+3")


@given(st.text(st.characters(blacklist_categories=("Cs", "Cc", "Zl", "Zp")), max_size=30))
def test_what_is_exported_is_imported_as_it_was(value: str) -> None:
    kept = value.strip()
    columns = (Column("name", required=True), Column("other"))
    text = "".join(csv_text([{"name": kept, "other": "x"}], columns))
    (row,) = read(text, columns)
    assert row["name"] == kept
    assert row.faults == []


def test_a_workbook_of_ours_holds_text_and_no_formula(tmp_path: Path) -> None:
    path = tmp_path / "out.xlsx"
    rows = [{"code": "A1", "name": value, "phone": "15400000001"} for value in NASTY]
    write_xlsx(rows, COLUMNS, path)
    sheet = openpyxl.load_workbook(path).worksheets[0]
    assert {cell.data_type for line in sheet.iter_rows() for cell in line} <= {"s", "n"}
    assert all((cell.data_type == "n" and cell.value is None) or cell.data_type == "s" for (cell,) in sheet["C2:C9"])
    back = read(path.read_bytes())
    assert [row["name"] for row in back] == [value.strip() for value in NASTY]
    assert {row["phone"] for row in back} == {"15400000001"}


def test_a_text_of_ours_opens_in_excel(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    write_csv([{"code": "A1", "name": "张某一"}], COLUMNS, path, keys_as_headings=False)
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    assert path.read_text("utf-8-sig").splitlines() == ["编码,姓名,电话", "A1,张某一,"]


# --- reports -------------------------------------------------------------------------------------------------------


def test_a_report_has_the_shape_that_stands_outside() -> None:
    error = RowError(3, "phone", "phone_invalid", "Row %(n)s", {"n": 3})
    report = Report(rows=3, created=1, errors=[error], ignored_columns=["血型"])
    assert report.to_json(lambda text: text) == {
        "rows": 3, "created": 1, "updated": 0, "unchanged": 0,
        "errors": [{"row": 3, "column": "phone", "code": "phone_invalid", "message": "Row 3"}],
        "ignored_columns": ["血型"],
    }  # fmt: skip


def test_a_report_counts_more_faults_than_it_keeps(monkeypatch: pytest.MonkeyPatch) -> None:
    from emergency.http.sheets import shapes

    monkeypatch.setattr(shapes, "MAX_ERRORS", 2)
    report = Report()
    report.extend(RowError(n, "x", "y", "z") for n in range(5))
    assert (len(report.errors), report.error_count) == (2, 5)
    assert report.to_json()["error_count"] == 5
