"""What a file is read into, whatever its format: paragraphs, tables and images in order, and remarks by place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

LIST_OPEN, LIST_CLOSE = "\ue000", "\ue001"
"""Between these two stand numbers and names that were taken out of a text until somebody decides about them."""


@dataclass
class Para:
    """One paragraph. `number` is what Word's list formatting shows before the text."""

    text: str
    at: int
    level: int | None = None
    """1-9 where the file itself says that this is a heading."""
    number: str = ""
    bold_to: int = 0
    """How many characters at the beginning are bold."""


@dataclass
class Grid:
    """A table: raw cell texts, `None` left of a cell that goes on (`across`), or above (`down`)."""

    rows: list[list[str]]
    at: int
    across: set[tuple[int, int]] = field(default_factory=set)
    down: set[tuple[int, int]] = field(default_factory=set)
    headings: int = 0


@dataclass
class Picture:
    """An image with its bytes; `caption` is its description."""

    data: bytes
    name: str
    media_type: str
    at: int
    caption: str = ""


Element = Para | Grid | Picture


@dataclass(frozen=True)
class Remark:
    """Something that whoever imports should know, by place. `text` may quote the file and is kept sealed."""

    code: str
    message: str
    at: int = 0
    """The paragraph (a table counts as one), from 1; 0: the file as a whole."""
    params: dict[str, Any] = field(default_factory=dict)
    quote: str = ""

    def words(self, translate: Callable[[str], str]) -> str:
        """The sentence for people."""
        return translate(self.message) % self.params if self.params else translate(self.message)


@dataclass
class Source:
    """Everything that was read."""

    elements: list[Element] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)

    def note(self, code: str, message: str, at: int = 0, quote: str = "", **params: Any) -> None:
        """One more remark."""
        self.remarks.append(Remark(code, message, at, params, quote[:300]))
