"""XLSX without its traps: refused before unpacking when it would not fit, without entities, formulas seen as such."""

from __future__ import annotations

import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, BinaryIO
from xml.etree.ElementTree import ParseError

import openpyxl
from defusedxml.common import DefusedXmlException
from openpyxl.utils.exceptions import InvalidFileException

from emergency.http.sheets import cells
from emergency.http.sheets.shapes import SheetError
from kernel.errors import N_

MAX_UNPACKED = 400_000_000
"""The whole workbook; 800,000 residents are about 350 MB."""
MAX_SHARED_STRINGS = 80_000_000
"""The table of texts is the one part that has to stand in memory."""
MAX_RATIO = 100
"""Tables pack to a tenth or a twentieth; a bomb to a thousandth."""
_PIECE = 200
_SMALL = 10_000_000
_MAX_COLUMNS = 100
_MAX_ROW = 1_048_576
_FAULTS = (
    zipfile.BadZipFile, InvalidFileException, ParseError, zlib.error, KeyError, ValueError, IndexError, TypeError,
    AttributeError, EOFError, OSError, RuntimeError, NotImplementedError,
)  # fmt: skip

_TOO_LARGE = N_(
    "The workbook would be too large when unpacked (%(size)s MB; the limit is %(limit)s MB). "
    "Save the table as CSV and import that; nothing was changed."
)
_UNSAFE = N_("The workbook contains references to other files, which a table never needs. Nothing was changed.")
_DAMAGED = N_("The workbook is damaged or is not an .xlsx table. Open it, save it again as .xlsx; nothing was changed.")


class XlsxSource:
    """The first worksheet of a workbook, read as a stream."""

    def __init__(self, stream: BinaryIO):
        self._stream = stream
        self._rows = 0
        self._at = 0
        _guard(stream)
        stream.seek(0)
        try:
            # Styles and dates of foreign programs make openpyxl warn; the reader of the table cannot act on that.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._book: Any = openpyxl.load_workbook(stream, read_only=True, data_only=False, keep_links=False)
            self._sheet: Any = self._book.worksheets[0]
            self._rows = int(self._sheet.max_row or 0)
            self._sheet.reset_dimensions()  # some programs write A1:A1 whatever the table holds
        except DefusedXmlException as error:
            raise SheetError(_UNSAFE, code="sheet_unsafe") from error
        except _FAULTS as error:
            raise SheetError(_DAMAGED) from error

    def lines(self) -> Iterator[tuple[int, Sequence[object]]]:
        """Rows of cells by their number."""
        try:
            rows = self._sheet.iter_rows(max_col=_MAX_COLUMNS)
            while piece := self._piece(rows):
                for row in piece:
                    self._at += 1
                    if self._at > _MAX_ROW:
                        raise SheetError(_DAMAGED)
                    yield self._at, row
        except DefusedXmlException as error:
            raise SheetError(_UNSAFE, code="sheet_unsafe") from error
        except _FAULTS as error:
            raise SheetError(_DAMAGED) from error

    def _piece(self, rows: Iterator[Any]) -> list[Any]:
        # A phone in a cell formatted as a date makes openpyxl warn with the number in the text: not into a log.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return list(islice(rows, _PIECE))

    def cell(self, raw: Any, kind: str) -> cells.Cell:
        """One cell as text."""
        return cells.xlsx_cell(raw.value, raw.data_type, kind)

    def fraction(self) -> float | None:
        """The share of rows read, where the workbook says how many it has."""
        return min(1.0, self._at / self._rows) if self._rows else None

    def close(self) -> None:
        """Let go of the file."""
        self._book.close()
        self._stream.close()


def _guard(stream: BinaryIO) -> None:
    """Refuse by the archive's own table of contents. A member that lies about its size is cut off at what it said."""
    try:
        with zipfile.ZipFile(stream) as archive:
            members = archive.infolist()
    except _FAULTS as error:
        raise SheetError(_DAMAGED) from error
    unpacked = sum(member.file_size for member in members)
    packed = sum(member.compress_size for member in members)
    strings = max((m.file_size for m in members if m.filename.casefold().endswith("sharedstrings.xml")), default=0)
    if unpacked > MAX_UNPACKED or (unpacked > _SMALL and unpacked > packed * MAX_RATIO):
        raise SheetError(_TOO_LARGE, code="sheet_too_large", size=unpacked // 10**6, limit=MAX_UNPACKED // 10**6)
    if strings > MAX_SHARED_STRINGS:
        raise SheetError(_TOO_LARGE, code="sheet_too_large", size=strings // 10**6, limit=MAX_SHARED_STRINGS // 10**6)
    if any(member.flag_bits & 0x1 for member in members):
        raise SheetError(_DAMAGED)
