"""Writing sheets that a spreadsheet program can open without running anything that was typed into a name."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import IO, Any

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell

from emergency.http.i18n import language
from emergency.http.sheets.cells import guard
from emergency.http.sheets.shapes import Column

BOM = "\ufeff"
"""Excel opens UTF-8 only with it."""
_LINES = 500


def safe_cell(value: Any) -> str:
    """A value as text that is data and never a formula."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.10g}"
    return guard(str(value))


def headings(columns: Sequence[Column]) -> list[str]:
    """The headings in the reader's language; imports accept both."""
    return [column.title if language() == "zh" else column.key for column in columns]


def csv_text(
    rows: Iterable[Mapping[str, Any]], columns: Sequence[Column], *, keys_as_headings: bool = True
) -> Iterator[str]:
    """A CSV file in pieces, for a streamed answer. UTF-8 with BOM, CRLF.

    The first piece is made at once: what is wrong with the request is refused, not found in the middle of a file that
    is under way with 200.
    """
    pieces = _pieces(rows, columns, keys_as_headings)
    return chain([next(pieces)], pieces)


def _pieces(rows: Iterable[Mapping[str, Any]], columns: Sequence[Column], keys_as_headings: bool) -> Iterator[str]:
    target = io.StringIO()
    writer = csv.writer(target)
    writer.writerow([c.key for c in columns] if keys_as_headings else headings(columns))
    target_text = BOM
    for number, row in enumerate(rows, start=1):
        writer.writerow([safe_cell(row.get(column.key)) for column in columns])
        if number % _LINES == 0:
            yield target_text + target.getvalue()
            target_text = ""
            target.seek(0)
            target.truncate()
    yield target_text + target.getvalue()


def write_csv(
    rows: Iterable[Mapping[str, Any]],
    columns: Sequence[Column],
    target: Path | IO[str],
    *,
    keys_as_headings: bool = True,
) -> None:
    """Write a CSV file that Excel, WPS and our own import read."""
    pieces = csv_text(rows, columns, keys_as_headings=keys_as_headings)
    if isinstance(target, Path):
        with target.open("w", encoding="utf-8", newline="") as opened:
            opened.writelines(pieces)
    else:
        target.writelines(pieces)


def write_xlsx(
    rows: Iterable[Mapping[str, Any]],
    columns: Sequence[Column],
    target: Path | IO[bytes],
    *,
    keys_as_headings: bool = True,
) -> None:
    """Write a workbook with every cell as text, so that numbers keep their digits and nothing is a formula."""
    book = Workbook(write_only=True)
    sheet = book.create_sheet("Sheet1")

    def text_cell(value: Any) -> Any:
        if value is None or value == "":
            return None
        if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e9:
            return value
        cell = WriteOnlyCell(sheet, value=None)
        cell.value = str(value)
        cell.data_type = "s"  # openpyxl would call a text that begins with = a formula
        cell.number_format = "@"
        return cell

    sheet.append([c.key for c in columns] if keys_as_headings else headings(columns))
    for row in rows:
        sheet.append([text_cell(row.get(column.key)) for column in columns])
    book.save(target)
