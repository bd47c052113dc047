"""CSV as it comes: UTF-8 with or without BOM, UTF-16 with BOM, GB18030; comma, tab or semicolon."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from emergency.http.sheets import cells
from emergency.http.sheets.shapes import SheetError
from kernel.errors import N_

_PIECE = 1 << 18


class CsvSource:
    """One CSV file, decoded as it is read."""

    def __init__(self, stream: BinaryIO):
        self._stream = stream
        self._size = stream.seek(0, io.SEEK_END)
        stream.seek(0)
        self.encoding = detect(stream)
        stream.seek(0)
        self._text = io.TextIOWrapper(stream, encoding=self.encoding, newline="")

    def lines(self) -> Iterator[tuple[int, Sequence[object]]]:
        """Records, numbered as a spreadsheet program numbers its rows."""
        start = self._text.read(4096)
        self._text.seek(0)
        # strict: a quotation mark that is never closed must not swallow the rest of the file in silence
        reader = csv.reader(self._text, delimiter=_delimiter(start), strict=True)
        number = 0
        try:
            for number, record in enumerate(reader, start=1):
                yield number, record
        except csv.Error as error:
            raise SheetError(
                N_("Row %(row)s cannot be read: a quotation mark is not closed or misplaced. Nothing was changed."),
                code="sheet_unreadable",
                row=number + 1,
            ) from error

    def cell(self, raw: object, kind: str) -> cells.Cell:
        """One cell as text."""
        return cells.csv_cell(str(raw), kind)

    def fraction(self) -> float | None:
        """The share of bytes read."""
        return min(1.0, self._stream.tell() / self._size) if self._size else 1.0

    def close(self) -> None:
        """Let go of the file."""
        self._text.close()


def _delimiter(start: str) -> str:
    line = next((line for line in start.splitlines() if line.strip()), "")
    return max(",\t;", key=line.count)


def detect(stream: BinaryIO) -> str:
    """The encoding that decodes the whole file: by its mark, else UTF-8, else GB18030. Reads in pieces."""
    start = stream.read(4)
    if start.startswith(codecs.BOM_UTF8):
        candidates = ["utf-8-sig"]
    elif start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        candidates = ["utf-16"]
    else:
        candidates = ["utf-8", "gb18030"]
    for encoding in candidates:
        if _decodes(stream, encoding):
            return encoding
    raise SheetError(
        N_("The file is neither a CSV text (UTF-8 or GB18030) nor an .xlsx workbook. Nothing was changed."),
        code="sheet_encoding",
    )


def _decodes(stream: BinaryIO, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    stream.seek(0)
    try:
        while piece := stream.read(_PIECE):
            if "\0" in decoder.decode(piece):
                return False
        decoder.decode(b"", True)
    except UnicodeDecodeError:
        return False
    return True
