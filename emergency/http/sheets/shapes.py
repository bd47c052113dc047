"""What a sheet is made of: columns, rows, faults by row, and the report of an import."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from emergency.http.i18n import gettext
from kernel.errors import Invalid

MAX_ERRORS = 20_000
"""So many faults are kept one by one; beyond them only counted. Nobody mends more by hand."""


class SheetError(Invalid):
    """The file cannot be read as a whole. Nothing was changed."""

    code = "sheet_unreadable"


@dataclass(frozen=True, slots=True)
class Column:
    """One column that an import knows.

    `headings` are the Chinese names and other spellings; the key itself is always accepted. `kind` is `text`,
    `phone` or `code` (whose numbers must not have lost digits), or `number`.
    """

    key: str
    headings: tuple[str, ...] = ()
    required: bool = False
    kind: str = "text"

    @property
    def title(self) -> str:
        """The Chinese heading for exports and sentences."""
        return self.headings[0] if self.headings else self.key


@dataclass(frozen=True, slots=True)
class RowError:
    """One fault: the row as the spreadsheet numbers it (the heading is row 1), the column's key, a stable code."""

    row: int
    column: str
    code: str
    message: str
    params: Mapping[str, Any] = field(default_factory=dict)

    def text(self, translate: Callable[[str], str] = gettext) -> str:
        """The sentence for people."""
        template = translate(self.message)
        return template % self.params if self.params else template

    def to_json(self, translate: Callable[[str], str] = gettext) -> dict[str, Any]:
        """`{"row", "column", "code", "message"}`."""
        return {"row": self.row, "column": self.column, "code": self.code, "message": self.text(translate)}


@dataclass(slots=True)
class Row:
    """One row of data: every known column by key (missing ones are empty), and what was wrong with its cells."""

    number: int
    values: dict[str, str]
    faults: list[RowError] = field(default_factory=list)

    def __getitem__(self, key: str) -> str:
        return self.values.get(key, "")


@dataclass(slots=True)
class Report:
    """What an import did, or with a dry run would do."""

    rows: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    errors: list[RowError] = field(default_factory=list)
    ignored_columns: list[str] = field(default_factory=list)
    error_count: int = 0

    def __post_init__(self) -> None:
        self.error_count = max(self.error_count, len(self.errors))

    def add(self, *errors: RowError) -> None:
        """Count faults, and keep them while there are not too many."""
        self.error_count += len(errors)
        self.errors.extend(errors[: max(0, MAX_ERRORS - len(self.errors))])

    def extend(self, errors: Iterable[RowError]) -> None:
        """As `add`, for many."""
        self.add(*errors)

    def to_json(self, translate: Callable[[str], str] = gettext) -> dict[str, Any]:
        """The shape that commands and the JSON surface print."""
        found: dict[str, Any] = {
            "rows": self.rows,
            "created": self.created,
            "updated": self.updated,
            "unchanged": self.unchanged,
            "errors": [error.to_json(translate) for error in self.errors],
            "ignored_columns": list(self.ignored_columns),
        }
        if self.error_count > len(self.errors):
            found["error_count"] = self.error_count
        return found
