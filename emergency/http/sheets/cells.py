"""Single cells: what spreadsheet programs do to numbers, formulas and headings, undone or refused."""

from __future__ import annotations

import re
import unicodedata
from datetime import date, datetime, time
from typing import Any

from kernel.errors import N_

FORMULA = N_("The cell holds a formula. Copy the column and paste it as values, then import again.")
ROUNDED = N_(
    "The spreadsheet rounded this number and digits are lost. Format the column as text and enter the number again."
)
BROKEN = N_("The cell holds a spreadsheet error such as #N/A. Correct it and import again.")

_FLOAT = re.compile(r"^(\d+)\.0+$")
_SCIENTIFIC = re.compile(r"^(\d)(?:\.(\d+))?[eE]\+?(\d{1,2})$")
_LITERAL = re.compile(r'^="([^"]*)"$')
_NUMBER = re.compile(r"^-?\d+(\.\d+)?$")
_STARTS_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_EXACT = 2**53

Cell = tuple[str, tuple[str, str] | None]
"""The text of a cell and, if it cannot be used, `(code, message id)`."""


def heading_key(text: str) -> str:
    """A heading as it is compared: without blanks, case, stars, and remarks in brackets."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    plain = re.sub(r"[(\[【].*?[)\]】]", "", plain)
    return re.sub(r"[\s_*:\-]", "", plain)


def unfloat(text: str) -> str | None:
    """The whole number that a spreadsheet wrote as 15432100001.0 or 1.5432100001E+10; None where digits are lost.

    Anything else comes back as it is. 1.54321E+10 names ten thousand numbers, so it is none of them.
    """
    found = _FLOAT.match(text)
    if found:
        return found.group(1)
    found = _SCIENTIFIC.match(text)
    if not found:
        return text
    whole, fraction, exponent = found.group(1), found.group(2) or "", int(found.group(3))
    if len(fraction.rstrip("0")) > exponent:
        return text
    digits = whole + fraction[:exponent]
    return digits if len(digits) == exponent + 1 else None


def csv_cell(text: str, kind: str) -> Cell:
    """One cell of a CSV file."""
    text = text.strip()
    if not text:
        return "", None
    if text[0] == "=":
        literal = _LITERAL.match(text)  # ="15432100001" is how people keep a number from becoming a float
        if not literal:
            return "", ("formula_refused", FORMULA)
        text = literal.group(1).strip()
    elif text[0] == "'":
        text = _unguard(text)
    if kind in ("phone", "code"):
        exact = unfloat(text)
        return (text, ("number_rounded", ROUNDED)) if exact is None else (exact, None)
    return text, None


def xlsx_cell(value: Any, data_type: str, kind: str) -> Cell:
    """One cell of a workbook, by its stored type."""
    if value is None:
        return "", None
    if data_type == "f":
        return "", ("formula_refused", FORMULA)
    if data_type == "e":
        return "", ("cell_broken", BROKEN)
    if isinstance(value, str):
        text = value.strip()
        if kind in ("phone", "code"):
            exact = unfloat(text)
            return (text, ("number_rounded", ROUNDED)) if exact is None else (exact, None)
        return text, None
    if isinstance(value, bool):
        return ("TRUE" if value else "FALSE"), None
    if isinstance(value, int):
        return str(value), None
    if isinstance(value, float):
        return _from_float(value, kind)
    if isinstance(value, datetime):
        return (value.date() if value.time() == time() else value).isoformat(), None
    if isinstance(value, date):
        return value.isoformat(), None
    return str(value).strip(), None


def _from_float(value: float, kind: str) -> Cell:
    if value.is_integer() and abs(value) < _EXACT:
        return str(int(value)), None
    if kind in ("phone", "code"):
        return repr(value), ("number_rounded", ROUNDED)
    return repr(value), None


def guard(text: str) -> str:
    """The same text so that no spreadsheet program runs it; `_unguard` undoes it on import."""
    bare = text.lstrip("'")
    if bare.lstrip(" ").startswith(_STARTS_FORMULA) and not _NUMBER.match(text):
        return "'" + text
    return text


def _unguard(text: str) -> str:
    return text[1:].strip() if text.lstrip("'").lstrip(" ").startswith(_STARTS_FORMULA) else text
