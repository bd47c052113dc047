"""The text of a section: paragraphs, pipe tables, images and posts, read once and rendered everywhere the same.

A line is a paragraph. Lines that begin with a bar are a table; a row of dashes makes the rows above it headings; in a
cell `<br>` breaks the line, `<<` goes on from the left and `^^` from above. `[图 attachment:7]` is an image and
`{{post:7}}` a post. A backslash before any of these takes its meaning away.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup, escape
from sqlalchemy.orm import Session

from emergency.plans.phones import PhoneFound, PhoneInText, find_phones, is_phone_heading, refuse_phones

__all__ = [
    "Block", "Cell", "Image", "Paragraph", "PhoneFound", "PhoneInText", "Post", "Table", "attachment_ids", "find_phones",
    "image_line", "inline", "literal", "parse", "parse_phones", "post_ids", "post_titles", "post_token", "refuse_phones",
    "table_lines", "to_html", "to_text",
]  # fmt: skip

FROM_LEFT, FROM_ABOVE = "<<", "^^"
_POST = re.compile(r"(\\?)\{\{post:(\d{1,20})\}\}")
_IMAGE = re.compile(r"\[图 attachment:(\d{1,20})\](.*)")
_MARKS = re.compile(r"(\\+)?(\{\{post:|\[图 attachment:)")
_RULE = re.compile(r"\|(?:\s*:?-{3,}:?\s*\|)+\s*")


@dataclass(frozen=True)
class Post:
    """A post that the text names."""

    id: int


@dataclass(frozen=True)
class Paragraph:
    """One line of text."""

    text: str


@dataclass(frozen=True)
class Image:
    """A picture that stands between two lines."""

    attachment_id: int
    caption: str = ""


@dataclass
class Cell:
    """One cell; a merged one covers `across` columns and `down` rows."""

    text: str
    across: int = 1
    down: int = 1


@dataclass
class Table:
    """Rows of raw cell texts; `<<` and `^^` are still among them, so that every row has all columns."""

    rows: list[list[str]] = field(default_factory=list)
    headings: int = 0
    """How many rows at the top are headings."""

    @property
    def merged(self) -> list[list[Cell]]:
        """The rows as they are drawn: continued cells gone, their span added to the cell that they continue."""
        made: list[list[Cell]] = []
        owner: dict[tuple[int, int], tuple[Cell, int]] = {}
        for y, row in enumerate(self.rows):
            line: list[Cell] = []
            for x, text in enumerate(row):
                left, above = owner.get((y, x - 1)), owner.get((y - 1, x))
                if text == FROM_LEFT and left is not None:
                    cell, first = left
                    if first == y:
                        cell.across = max(cell.across, x - _first_column(owner, cell, y) + 1)
                    owner[y, x] = left
                elif text == FROM_ABOVE and above is not None:
                    cell, first = above
                    cell.down = max(cell.down, y - first + 1)
                    owner[y, x] = above
                else:
                    cell = Cell(text if text not in (FROM_LEFT, FROM_ABOVE) else "")
                    line.append(cell)
                    owner[y, x] = cell, y
            made.append(line)
        return made


def _first_column(owner: Mapping[tuple[int, int], tuple[Cell, int]], cell: Cell, y: int) -> int:
    return min(x for (row, x), (held, _first) in owner.items() if row == y and held is cell)


Block = Paragraph | Table | Image


def parse(body: str) -> list[Block]:
    """A body as blocks, in order. Empty lines separate and are not kept."""
    blocks: list[Block] = []
    table: Table | None = None
    for line in body.splitlines():
        stripped = line.strip()
        if stripped.startswith("|"):
            if table is None:
                table = Table()
                blocks.append(table)
            if _RULE.fullmatch(stripped) and table.rows and not table.headings:
                table.headings = len(table.rows)
            else:
                table.rows.append(_cells(stripped))
            continue
        table = None
        found = _IMAGE.fullmatch(stripped)
        if found:
            blocks.append(Image(int(found[1]), found[2].strip()))
        elif stripped:
            blocks.append(Paragraph(line.rstrip()))
    for block in blocks:
        if isinstance(block, Table):
            width = max(len(row) for row in block.rows)
            for row in block.rows:
                row.extend([""] * (width - len(row)))
    return blocks


def _cells(line: str) -> list[str]:
    cells, current, at = [], "", 1
    while at < len(line):
        if line[at] == "\\" and at + 1 < len(line):
            current += line[at : at + 2]
            at += 2
            continue
        if line[at] == "|":
            cells.append(current.strip())
            current = ""
        else:
            current += line[at]
        at += 1
    if current.strip():
        cells.append(current.strip())
    return cells


def table_lines(rows: Sequence[Sequence[str]], *, headings: int = 0) -> str:
    """A table as lines of a body. Cells are texts of a body already (`literal` makes one from foreign text)."""
    width = max((len(row) for row in rows), default=0)
    lines = []
    for number, row in enumerate(rows):
        if number == headings and headings:
            lines.append("|" + " --- |" * width)
        cells = [*row, *([""] * (width - len(row)))]
        lines.append("|" + "|".join(f" {_in_cell(cell)} " for cell in cells) + "|")
    if headings and headings >= len(rows):
        lines.append("|" + " --- |" * width)
    return "\n".join(lines)


def _in_cell(text: str) -> str:
    return re.sub(r"(?<!\\)\|", r"\\|", text).replace("\r", "").replace("\n", "<br>")


def literal(text: str, *, cell: bool = False) -> str:
    """Foreign text as text: whatever looks like a token, a table or an image stays what was written."""
    text = text.replace("\\", "\\\\") if cell else _MARKS.sub(lambda m: "\\" + m[0], text)
    if not cell:
        return re.sub(r"(?m)^(\s*)(\\*\|)", r"\1\\\2", text)
    text = text.replace("{{post:", "\\{{post:").replace("<br>", "\\<br>").replace("|", "\\|")
    return "\\" + text if text in (FROM_LEFT, FROM_ABOVE) or re.fullmatch(r"-{3,}", text) else text


def inline(text: str, *, cell: bool = False) -> Iterator[str | Post]:
    """The pieces of a paragraph or cell: words, and the posts that it names."""
    last = 0
    for found in _POST.finditer(text):
        if found[1]:
            continue
        if found.start() > last:
            yield _plain(text[last : found.start()], cell)
        yield Post(int(found[2]))
        last = found.end()
    if last < len(text):
        yield _plain(text[last:], cell)


_ESCAPED_NUMBER = re.compile(r"\\(?=[(+\d])")


def _plain(text: str, cell: bool) -> str:
    if cell:
        return re.sub(r"\\(.)", lambda m: m[1], re.sub(r"(?<!\\)<br>", "\n", text))
    text = re.sub(r"\\(\\*(?:\{\{post:|\[图 attachment:))", r"\1", text)
    text = re.sub(r"^(\s*)\\(\\*\|)", r"\1\2", text)
    return _ESCAPED_NUMBER.sub("", text)


def _pieces(body: str) -> Iterator[tuple[str, bool]]:
    for block in parse(body):
        if isinstance(block, Paragraph):
            yield block.text, False
        elif isinstance(block, Table):
            for row in block.rows:
                yield from ((cell, True) for cell in row)


def post_ids(body: str) -> set[int]:
    """The posts that a body names."""
    return {piece.id for text, cell in _pieces(body) for piece in inline(text, cell=cell) if isinstance(piece, Post)}


def attachment_ids(body: str) -> list[int]:
    """The images of a body, in order."""
    return [block.attachment_id for block in parse(body) if isinstance(block, Image)]


def post_token(post_id: int) -> str:
    """How a body names a post."""
    return f"{{{{post:{post_id}}}}}"


def image_line(attachment_id: int, caption: str = "") -> str:
    """How a body shows an image."""
    return f"[图 attachment:{attachment_id}]" + (f" {' '.join(caption.split())}" if caption.strip() else "")


def post_titles(session: Session, bodies: Iterable[str], *, language: str = "zh") -> dict[int, str]:
    """What the posts that some bodies name are called (义和村 防汛责任人), never who holds them."""
    from emergency.people.posts import service as posts

    wanted = set().union(*(post_ids(body) for body in bodies))
    return posts.titles(session, wanted, language=language) if wanted else {}


GONE = "〔岗位已不存在〕"


def to_text(body: str, posts: Mapping[int, str], *, image: Callable[[Image], str] | None = None) -> str:
    """A body as plain text: posts by title, a table's cells apart by tabs. `image` gives an image's words."""
    lines = []
    for block in parse(body):
        if isinstance(block, Image):
            lines.append(image(block) if image else block.caption)
        elif isinstance(block, Paragraph):
            lines.append(_text(block.text, posts, False))
        else:
            lines += ["\t".join(_text(cell.text, posts, True) for cell in row) for row in block.merged]
    return "\n".join(line for line in lines if line)


def _text(text: str, posts: Mapping[int, str], cell: bool) -> str:
    return "".join(posts.get(piece.id, GONE) if isinstance(piece, Post) else piece for piece in inline(text, cell=cell))


def to_html(
    body: str,
    posts: Mapping[int, str],
    *,
    image_url: Callable[[int], str] | None = None,
    post_url: Callable[[int], str] | None = None,
) -> Markup:
    """A body as HTML, everything from outside escaped. Without `image_url` an image is named, not shown."""
    made = [_html_block(block, posts, image_url, post_url) for block in parse(body)]
    return Markup("\n").join(made)


_HEAD = Markup('<th scope="col" colspan="{}" rowspan="{}">{}</th>')
_CELL = Markup('<td colspan="{}" rowspan="{}">{}</td>')


def _html_block(
    block: Block,
    posts: Mapping[int, str],
    image_url: Callable[[int], str] | None,
    post_url: Callable[[int], str] | None,
) -> Markup:
    if isinstance(block, Paragraph):
        return Markup("<p>{}</p>").format(_html(block.text, posts, False, post_url))
    if isinstance(block, Image):
        caption = Markup("<figcaption>{}</figcaption>").format(block.caption) if block.caption else Markup("")
        if image_url is None:
            return Markup("<p>〔图〕{}</p>").format(block.caption)
        return Markup('<figure><img src="{}" alt="{}" loading="lazy">{}</figure>').format(
            image_url(block.attachment_id), block.caption or "图", caption
        )
    rows = []
    for number, row in enumerate(block.merged):
        form = _HEAD if number < block.headings else _CELL
        cells = Markup("").join(
            form.format(cell.across, cell.down, _html(cell.text, posts, True, post_url)) for cell in row
        )
        rows.append(Markup("<tr>{}</tr>").format(cells))
    return Markup(
        '<div class="table-responsive" tabindex="0" role="region" aria-label="表"><table class="table">{}</table></div>'
    ).format(Markup("").join(rows))


def _html(text: str, posts: Mapping[int, str], cell: bool, post_url: Callable[[int], str] | None) -> Markup:
    pieces = []
    for piece in inline(text, cell=cell):
        if isinstance(piece, Post):
            title = posts.get(piece.id, GONE)
            if post_url is not None and piece.id in posts:
                pieces.append(Markup('<a class="post" href="{}">{}</a>').format(post_url(piece.id), title))
            else:
                pieces.append(Markup('<span class="post">{}</span>').format(title))
        else:
            pieces.append(Markup("<br>").join(escape(line) for line in piece.split("\n")))
    return Markup("").join(pieces)


def parse_phones(body: str) -> list[PhoneFound]:
    """Every number that stands in clear in a body; a table's column of numbers makes local numbers count."""
    found: list[PhoneFound] = []
    for block in parse(body):
        if isinstance(block, Paragraph):
            found += find_phones(block.text)
        elif isinstance(block, Image):
            found += find_phones(block.caption)
        else:
            heads = [any(is_phone_heading(row[x]) for row in block.rows[:3]) for x in range(len(block.rows[0]))]
            for row in block.rows:
                for x, cell in enumerate(row):
                    found += find_phones(cell, in_phone_column=heads[x])
    return found
