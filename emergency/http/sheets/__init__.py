"""Spreadsheets as people have them: CSV in UTF-8 or GB18030, XLSX; Chinese or English headings; bad cells named by row.

`open_sheet` reads a file of any size in bounded memory; `Report` is what an import answers; `write_csv` and
`write_xlsx` write what a spreadsheet program may open without running anything.
"""

from __future__ import annotations

import os

# openpyxl reads through lxml where that is installed, and lxml resolves no entity but does not refuse one either: with
# the standard library's parser under defusedxml a workbook that brings entities is turned away.
os.environ["OPENPYXL_LXML"] = "False"

from emergency.http.sheets.reading import Sheet, open_sheet
from emergency.http.sheets.shapes import Column, Report, Row, RowError, SheetError
from emergency.http.sheets.writing import csv_text, safe_cell, write_csv, write_xlsx

__all__ = [
    "Column",
    "Report",
    "Row",
    "RowError",
    "Sheet",
    "SheetError",
    "csv_text",
    "open_sheet",
    "safe_cell",
    "write_csv",
    "write_xlsx",
]
