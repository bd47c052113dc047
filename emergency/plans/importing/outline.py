"""Elements become a tree of sections: by the file's own heading styles, and by Chinese outline numbering.

GB/T 9704-2012 numbers 一、（一）1.（1）; plans also use 第一章, 1.1 and ①, statutes 第一条. A number opens a section only
where what follows reads like a heading; everything else stays a line of the text above it. No character is dropped
but the table of contents, which is made anew.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from emergency.plans import rules
from emergency.plans.bodies import literal, table_lines
from emergency.plans.importing.elements import LIST_CLOSE, LIST_OPEN, Element, Grid, Para, Picture, Remark, Source
from emergency.plans.models import Part
from kernel.errors import N_

_CN = "一二三四五六七八九十百零〇"
_FORMS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("编", re.compile(rf"第[{_CN}\d]{{1,5}}(?:编|部分)(?![{_CN}分])")),
    ("章", re.compile(rf"第[{_CN}\d]{{1,5}}章")),
    ("节", re.compile(rf"第[{_CN}\d]{{1,5}}节")),
    ("条", re.compile(rf"第[{_CN}\d]{{1,6}}条(?:之[{_CN}])?(?=[\s　【（(:：]|[^之的款项规至、，,和或]|$)")),
    ("附", re.compile(rf"附(?:件|录|表|图)\s*(?:[\d]{{1,2}}(?:-\d{{1,2}})?|[{_CN}]{{1,2}}|[A-Z](?![A-Za-z]))?\s*[.．、]?(?=[:：\s　]|$)")),
    ("一", re.compile(rf"[{_CN}]{{1,4}}\s*、")),
    ("（一）", re.compile(rf"[（(]\s*[{_CN}]{{1,4}}\s*[)）]")),
    ("1.1", re.compile(r"\d{1,2}(?:[.．]\d{1,2}){1,5}(?:[.．、]?(?=[\s　]|[^\d.．%‰．\-~～]))")),
    ("1", re.compile(r"\d{1,2}\s*[.．、](?!\d)|\d{1,2}(?=[\s　]+[\u4e00-\u9fff])")),
    ("（1）", re.compile(r"[（(]\s*\d{1,2}\s*[)）]")),
    ("①", re.compile("[\u2460-\u2473\u2474-\u2487]")),
)  # fmt: skip
_END = "。；;：:，,、"
_SPACE = " \t\u3000\xa0"
_RUN_IN = re.compile(r"([^。：:；;，,]{1,24}[。：:])(?=.)")
HEADING = 40
LONGEST = 200
_ALWAYS = frozenset({"编", "章", "节"})
_LISTS = frozenset({"1", "（1）", "①"})


@dataclass
class Section:
    """A section that was read. Its body carries placeholders where numbers, names and images stood."""

    heading: str
    number: str = ""
    depth: int = 1
    at: int = 0
    lines: list[str] = field(default_factory=list)
    part: Part | None = None
    is_title: bool = False

    @property
    def body(self) -> str:
        """The text under the heading."""
        return "\n".join(self.lines)


@dataclass
class Outline:
    """What a file came to."""

    title: str
    sections: list[Section]
    pictures: list[Picture]


@dataclass
class _Mark:
    """What a paragraph begins with."""

    key: tuple[str, int]
    number: str
    rest: str


def picture_place(position: int) -> str:
    """Where an image stands until it has an id."""
    return f"{LIST_OPEN}i{position}{LIST_CLOSE}"


def build(source: Source) -> Outline:
    """The sections of a source, with remarks added to it."""
    elements = _without_contents(source)
    _mark_title(elements)
    builder = _Builder(source.remarks)
    for position, element in enumerate(elements):
        builder.take(element, elements[position + 1] if position + 1 < len(elements) else None)
    return builder.done()


def _mark_title(elements: Sequence[Element]) -> None:
    """A single heading of the first level before everything else is the document's title."""
    levels = [e.level for e in elements if isinstance(e, Para) and e.level]
    first = next((e for e in elements if isinstance(e, Para)), None)
    if first is None or not first.level or _mark(first) is not None:
        return
    if levels.count(first.level) == 1 and first.level == min(levels) and len(levels) > 1:
        first.level = None
        for element in elements:
            if isinstance(element, Para) and element.level:
                element.level -= 1


def _mark(para: Para) -> _Mark | None:
    text = f"{para.number} {para.text}" if para.number else para.text
    for form, pattern in _FORMS:
        found = pattern.match(text)
        if found:
            number = found[0].strip(_SPACE)
            depth = len(re.findall(r"\d+", number)) if form == "1.1" else (1 if form == "1" else 0)
            return _Mark(("1" if form == "1.1" else form, depth), number, text[found.end() :].strip(_SPACE))
    return None


class _Builder:
    def __init__(self, remarks: list[Remark]):
        self.remarks = remarks
        self.sections: list[Section] = []
        self.pictures: list[Picture] = []
        self._before: list[tuple[str, int]] = []
        self._stack: list[tuple[tuple[str, int], int | None]] = []
        self._numbered: dict[int, list[int]] = {}
        self._top: set[tuple[str, int]] = set()
        self._headed = False

    def take(self, element: Element, following: Element | None) -> None:
        if isinstance(element, Picture):
            self.pictures.append(element)
            self._line(picture_place(len(self.pictures) - 1), element.at)
        elif isinstance(element, Grid):
            self._line(grid_lines(element), element.at)
        elif not self._opens(element, following):
            text = f"{element.number} {element.text}".strip() if element.number else element.text
            self._line(literal(text), element.at)

    def _line(self, text: str, at: int) -> None:
        if self.sections:
            self.sections[-1].lines.append(text)
        else:
            self._before.append((text, at))

    def _opens(self, para: Para, following: Element | None) -> bool:
        mark = _mark(para)
        if LIST_OPEN in para.text:
            return False
        if mark is None:
            if (
                not para.level
                or not para.text
                or len(para.text) > LONGEST
                or (len(para.text) > 80 and para.text[-1] in "。；")
            ):
                return False
            self._open(("h", para.level), para.number, para.text, para, "")
            return True
        form = mark.key[0]
        if form == "条":
            return self._article(mark, para)
        if form == "1" and not self._in_sequence(mark, para):
            return False
        heading, body = self._split(mark, para)
        if not heading:
            return False
        if form in _LISTS and not para.level and mark.key[1] < 2 and not body and not _has_content(mark, following):
            return False
        self._open(mark.key, mark.number, heading, para, body)
        return True

    def _article(self, mark: _Mark, para: Para) -> bool:
        short = mark.rest and len(mark.rest) <= HEADING and not any(c in "。；：，" for c in mark.rest)
        if short:
            self._open(mark.key, mark.number, mark.rest, para, "")
        else:
            self._open(mark.key, "", mark.number, para, mark.rest)
        return True

    def _split(self, mark: _Mark, para: Para) -> tuple[str, str]:
        """Heading and what goes on behind it on the same line; no heading: a line of text."""
        form, rest = mark.key[0], mark.rest
        if not rest:
            return (mark.number, "") if form == "附" else ("", "")
        if form == "附":
            clean = rest.lstrip(":：" + _SPACE)
            if not clean:
                return mark.number + rest, ""
            return (rest, "") if len(clean) <= HEADING and clean and clean[-1] not in "。；" else ("", "")
        fits = len(rest) <= (60 if form in _ALWAYS else HEADING)
        if fits and (rest[-1] not in _END and not re.search("[。；]", rest)):
            if form in _ALWAYS or form in ("一", "（一）") or para.level or not re.search("[，,]", rest):
                return rest, ""
            return "", ""
        found = _RUN_IN.match(rest)
        if found:
            lead = len(f"{para.number} {para.text}" if para.number else para.text) - len(rest)
            bold = para.bold_to + (len(para.number) + 1 if para.number else 0) - lead
            is_bold = para.bold_to and found.end() - 1 <= bold < len(rest)
            if form in ("一", "（一）") or form in _ALWAYS or para.level or is_bold:
                return found[1], rest[found.end() :].strip(_SPACE)
        if (form in ("一", "章") or para.level) and len(rest) <= HEADING and not re.search("[，,；;]", rest[:-1]):
            return rest, ""
        return "", ""

    def _in_sequence(self, mark: _Mark, para: Para) -> bool:
        """Whether 2.1 can stand here: 2.5米 at the beginning of a line is a measure, not a number."""
        numbers = [int(n) for n in re.findall(r"\d+", mark.number)]
        depth = len(numbers)
        known = self._numbered.get(depth)
        above = self._numbered.get(depth - 1)
        next_one = known is not None and known[:-1] == numbers[:-1] and numbers[-1] == known[-1] + 1
        first = numbers[-1] <= 1 and (depth == 1 or above is None or above == numbers[:-1])
        opens = next_one or first or (above == numbers[:-1] and numbers[-1] <= 2)
        if not (opens or para.number or para.level):
            return depth == 1 and para.text[len(mark.number) :][:1] not in _SPACE and len(numbers) == 1
        self._numbered = {d: held for d, held in self._numbered.items() if d < depth} | {depth: numbers}
        return True

    def _open(self, key: tuple[str, int], number: str, heading: str, para: Para, body: str) -> None:
        if not self._headed:
            self._front()
        level = para.level
        if key[0] == "附":
            self._stack = [(key, 1)]
            number, heading = ("", heading) if heading.rstrip("：: ") == number else (number, heading)
            if level is None and re.match("[:：]", heading):
                number, heading = number + heading[0], heading[1:].strip(_SPACE)
        elif level is not None:
            while self._stack and (self._stack[-1][1] is None or (self._stack[-1][1] or 0) >= level):
                self._stack.pop()
            self._stack.append((key, level))
        else:
            held = next((i for i, (other, _l) in enumerate(self._stack) if other == key), None)
            if held is None and key[0] == "1" and key[1] > 1:
                deeper = [i for i, (other, _l) in enumerate(self._stack) if other[0] == "1" and other[1] >= key[1]]
                held = deeper[0] if deeper else None
            if held is not None:
                level = self._stack[held][1]
                del self._stack[held:]
            elif key in self._top:
                self._stack = []
            elif key[0] in ("编", "章"):
                self._stack = [entry for entry in self._stack if entry[0][0] in ("编",) and key[0] == "章"]
            self._stack.append((key, level))
        if len(self._stack) == 1:
            self._top.add(key)
        if len(number) > 20:
            number, heading = "", f"{number} {heading}"
        depth = min(len(self._stack), 6)
        part = rules.part_of(heading) if depth == 1 else None
        self.sections.append(Section(literal(heading), number, depth, para.at, [literal(body)] if body else [], part))

    def _front(self) -> None:
        """What stands before the first heading: the title, and under it whatever else stands there."""
        self._headed = True
        lines = self._before
        self._before = []
        if not lines:
            return
        title, at = lines[0]
        fits = (
            len(title) <= 100
            and title[-1] not in "。；，："
            and not title.startswith(("|", LIST_OPEN))
            and LIST_OPEN not in title
        )
        if fits:
            self.sections.append(Section(title, at=at, lines=[t for t, _a in lines[1:]], is_title=True))
        else:
            self.sections.append(Section(FRONT, at=at, lines=[t for t, _a in lines]))
            self.remarks.append(
                Remark("heading_added", N_("The text before the first heading was put under a heading of its own."), at)
            )

    def done(self) -> Outline:
        """Everything read; a text without headings is one section."""
        if not self._headed:
            self._front()
            if self.sections:
                self.remarks.append(
                    Remark("no_headings", N_("No headings were recognised: the whole text became one section."))
                )
                self.sections[0].is_title = False
        title = next((s.heading for s in self.sections if s.is_title), "")
        return Outline(title, self.sections, self.pictures)


FRONT = "正文"


def _has_content(mark: _Mark, following: Element | None) -> bool:
    if following is None:
        return False
    if not isinstance(following, Para):
        return True
    after = _mark(following)
    if after is None:
        return not following.level
    rank = [form for form, _pattern in _FORMS]
    return rank.index(after.key[0]) > rank.index(mark.key[0]) or (
        after.key[0] == "1" == mark.key[0] and after.key[1] > mark.key[1]
    )


def grid_lines(grid: Grid) -> str:
    """A table as lines of a body."""
    rows = []
    for y, row in enumerate(grid.rows):
        cells = []
        for x, text in enumerate(row):
            if (y, x) in grid.across:
                cells.append("<<")
            elif (y, x) in grid.down:
                cells.append("^^")
            else:
                cells.append(literal(text.strip(), cell=True))
        rows.append(cells)
    return table_lines(rows, headings=grid.headings)


def _without_contents(source: Source) -> list[Element]:
    """The elements without a typed table of contents: the lines after 目录 that come again later as headings."""
    elements = source.elements
    start = next(
        (
            i
            for i, e in enumerate(elements[:80])
            if isinstance(e, Para) and re.sub(r"\s", "", e.text) in ("目录", "目次")
        ),
        None,
    )
    if start is None:
        return elements
    later: dict[str, int] = {}
    for position, element in enumerate(elements):
        if isinstance(element, Para):
            later[_bare(element)] = position
    end = start + 1
    while end < len(elements):
        element = elements[end]
        if not isinstance(element, Para) or LIST_OPEN in element.text:
            break
        leader = re.search(r"(?:[.…·．]{2,}|\t)[\s.…·]*\d{1,3}$", element.text)
        if not leader and later.get(_bare(element), 0) <= end:
            break
        if later.get(_bare(element), 0) <= end and not leader:
            break
        end += 1
    # the first heading itself can look like a line of the contents; what is repeated later is contents only once
    if end == start + 1:
        return elements
    source.note(
        "toc_skipped", N_("The table of contents was left out: %(n)s lines."), elements[start].at, n=end - start
    )
    return [*elements[:start], *elements[end:]]


def _bare(para: Para) -> str:
    text = re.sub(r"(?:[.…·．]{2,}|\t)[\s.…·]*\d{1,3}$", "", f"{para.number}{para.text}")
    return re.sub(r"[\s　]", "", text)
