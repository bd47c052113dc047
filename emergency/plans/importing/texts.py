"""Plain text and Markdown as elements, in whatever encoding they come."""

from __future__ import annotations

import re

from emergency.plans.bodies import parse
from emergency.plans.importing.elements import LIST_CLOSE, LIST_OPEN, Grid, Para, Source
from emergency.plans.importing.package import refuse
from kernel.errors import N_

_HEADING = re.compile(r"(#{1,6})\s+(.*?)\s*#*$")
_IMAGE = re.compile(r"!\[([^\]]*)\]\(([^)]*)\)")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_PAGE = re.compile(r"[—\-–－_ 　]*第?\s*\d{1,4}\s*页?[—\-–－_ 　]*(?:[/共]\s*(?:共)?\s*\d{1,4}\s*页)?")


def decode(data: bytes) -> str:
    """UTF-8, UTF-16 with or without mark, or GB18030. Raises `FileRefused` for what is no text."""
    if data.startswith(b"\xef\xbb\xbf"):
        order = ["utf-8-sig"]
    elif data.startswith((b"\xff\xfe", b"\xfe\xff")):
        order = ["utf-16"]
    elif b"\x00" in data:
        even, odd = data[0::2].count(0), data[1::2].count(0)
        order = ["utf-16-le" if odd >= even else "utf-16-be"]
    else:
        order = ["utf-8", "gb18030"]
    for encoding in order:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\x00" not in text and sum(c < " " and c not in "\r\n\t\f\v" for c in text) * 50 <= len(text):
            return text.replace("\r\n", "\n").replace("\r", "\n")
    raise refuse(
        "not_text", N_("The file is no text in UTF-8, UTF-16 or GB18030. Save it as UTF-8 text; nothing was imported.")
    )


def read_text(data: bytes, *, markdown: bool = False) -> Source:
    """Read a text; one line is one paragraph."""
    return read_lines(decode(data), markdown=markdown)


def read_lines(text: str, *, markdown: bool = False) -> Source:
    """As `read_text`, for what somebody pasted."""
    source = Source()
    text = (
        text.replace(LIST_OPEN, "□")
        .replace(LIST_CLOSE, "□")
        .replace("\ufeff", "")
        .replace("\f", "\n")
        .replace("\v", "\n")
    )
    if markdown:
        text = _COMMENT.sub(lambda m: "\n" * m[0].count("\n"), text)
    pages, rows, begun = 0, list[str](), 0
    for at, line in enumerate([*text.split("\n"), ""], start=1):
        words = line.strip().strip("\u3000").strip()
        if words.startswith("|") and words.endswith("|") and len(words) > 1:
            rows.append(words)
            begun = begun or at
            continue
        if rows:
            _table(source, rows, begun)
            rows, begun = [], 0
        if not words:
            continue
        if re.search(r"[—–\-页]", words) and _PAGE.fullmatch(words):
            pages += 1
            continue
        level = None
        if markdown:
            if found := _HEADING.match(words):
                level, words = len(found[1]), found[2]
            for outside in _IMAGE.finditer(words):
                source.note(
                    "external_image",
                    N_("A picture lies outside the file. It was not fetched and is left out."),
                    at,
                    outside[2],
                )
            words = re.sub(r"\*\*(.+?)\*\*", r"\1", _IMAGE.sub(lambda m: m[1], words)).strip()
        if words:
            source.elements.append(Para(words, at, level))
    if pages:
        source.note("pages_skipped", N_("Page numbers were left out: %(n)s lines."), n=pages)
    return source


def _table(source: Source, rows: list[str], at: int) -> None:
    if len(rows) == 1:
        source.elements.append(Para(rows[0], at))
        return
    table = parse("\n".join(rows))[0]
    cells = [[re.sub(r"\\([|\\])", r"\1", cell).replace("<br>", "\n") for cell in row] for row in table.rows]  # type: ignore[union-attr]
    source.elements.append(Grid(cells, at, headings=table.headings))  # type: ignore[union-attr]
