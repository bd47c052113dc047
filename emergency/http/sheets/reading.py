"""Opening a sheet of any kind: find out what it is, find the headings, hand out rows in bounded memory."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol, Self

from emergency.http.sheets import cells
from emergency.http.sheets.csv_source import CsvSource
from emergency.http.sheets.shapes import Column, Row, RowError, SheetError
from emergency.http.sheets.xlsx_source import XlsxSource
from kernel.errors import N_

HEADING_WITHIN = 8
"""Official tables carry a title and a note above their headings; further down nobody looks for them."""
TOO_MANY_CELLS = N_("The row has more cells than there are headings. Check whether a value contains a comma.")


class Source(Protocol):
    """What both kinds of files offer."""

    def lines(self) -> Iterator[tuple[int, Sequence[object]]]:
        """The spreadsheet's row number and its raw cells."""
        ...

    def cell(self, raw: object, kind: str) -> cells.Cell:
        """One raw cell as text."""
        ...

    def fraction(self) -> float | None:
        """How much has been read, 0 to 1, where it can be told."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


class Sheet:
    """A table with known columns, iterated once. Use it in a `with`."""

    def __init__(self, source: Source, columns: Sequence[Column]):
        self._source = source
        self._columns = columns
        self._lines = source.lines()
        self.ignored_columns: list[str] = []
        self.present: set[str] = set()
        """Keys of the columns that the file has."""
        self._places: list[tuple[int, Column]] = []
        self._width = 0
        self._find_headings()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._source.close()

    @property
    def fraction(self) -> float | None:
        """How much has been read, 0 to 1."""
        return self._source.fraction()

    def _find_headings(self) -> None:
        known = {cells.heading_key(name): c for c in self._columns for name in (c.key, *c.headings)}
        best: tuple[int, list[str]] = (-1, [])
        for number, raw in self._lines:
            texts = [self._source.cell(value, "text")[0] for value in raw]
            hits = [c for c in (known.get(cells.heading_key(t)) for t in texts if t) if c is not None]
            keys = {column.key for column in hits}
            missing = [c.title for c in self._columns if c.required and c.key not in keys]
            if hits and not missing:
                self._place(texts, known)
                return
            if any(texts) and len(keys) > best[0]:
                best = (len(keys), missing)
            if number >= HEADING_WITHIN:
                break
        if best[0] < 0:
            raise SheetError(N_("The file is empty. Nothing was changed."), code="sheet_empty")
        raise SheetError(
            N_("The file has no column %(names)s. Correct the headings and import again; nothing was changed."),
            code="heading_missing",
            names="、".join(best[1]) or "—",
        )

    def _place(self, texts: list[str], known: dict[str, Column]) -> None:
        for place, text in enumerate(texts):
            column = known.get(cells.heading_key(text)) if text else None
            if column is None:
                if text:
                    self.ignored_columns.append(text[:60])
                continue
            if column.key in self.present:
                raise SheetError(
                    N_("The file has the column “%(name)s” twice. Remove one of them; nothing was changed."),
                    code="heading_repeated",
                    name=text[:60],
                )
            self.present.add(column.key)
            self._places.append((place, column))
        self._width = len(texts)

    def __iter__(self) -> Iterator[Row]:
        """Rows with anything in them. Row numbers are those that the spreadsheet program shows."""
        read = self._source.cell
        places, width = self._places, self._width
        keys = [column.key for column in self._columns]
        for number, raw in self._lines:
            values = dict.fromkeys(keys, "")
            faults: list[RowError] = []
            length = len(raw)
            for place, column in places:
                if place < length:
                    text, fault = read(raw[place], column.kind)
                    values[column.key] = text
                    if fault:
                        faults.append(RowError(number, column.key, *fault))
            if length > width and any(read(extra, "text")[0] for extra in raw[width:]):
                faults.append(RowError(number, "", "too_many_cells", TOO_MANY_CELLS))
            if faults or any(values.values()):
                yield Row(number, values, faults)


def open_sheet(file: Path | str | BinaryIO, columns: Sequence[Column]) -> Sheet:
    """Open a CSV or XLSX file (by its content, whatever its name says) and find its headings.

    Raises `SheetError` with one sentence: `sheet_unreadable`, `sheet_legacy`, `sheet_encoding`, `sheet_empty`,
    `heading_missing`, `heading_repeated`, `sheet_too_large`, `sheet_unsafe`. Memory does not grow with the file.
    """
    if isinstance(file, (str, Path)):
        try:
            stream: BinaryIO = Path(file).open("rb")  # noqa: SIM115  (closed by the sheet)
        except OSError as error:
            raise SheetError(
                N_("The file %(name)s cannot be opened: %(why)s. Nothing was changed."),
                name=Path(file).name,
                why=error.strerror or "?",
            ) from error
    else:
        stream = file
    try:
        source = _source(stream)
        return Sheet(source, columns)
    except BaseException:
        with contextlib.suppress(OSError):
            stream.close()
        raise


def _source(stream: BinaryIO) -> Source:
    start = stream.read(8)
    stream.seek(0)
    if start.startswith(b"PK\x03\x04"):
        return XlsxSource(stream)
    if start.startswith(b"\xd0\xcf\x11\xe0"):
        raise SheetError(
            N_("This is an old .xls file, or it has a password. Save it as a plain .xlsx; nothing was changed."),
            code="sheet_legacy",
        )
    return CsvSource(stream)
