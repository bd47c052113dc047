"""The page of an official document (GB/T 9704-2012) as Word: margins, fonts by name, 22 lines of 28 characters.

Plans print on it and drills report on it, which is why it lies below both.

Fonts are named, never embedded: 小标宋 and 仿宋_GB2312 belong to the machine that prints. Each is set for East Asian
text too (`w:eastAsia`); Word ignores the plain font attribute for Chinese characters.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from docx import Document
from docx.enum.section import WD_ORIENT, WD_SECTION
from docx.enum.style import WD_STYLE_TYPE
from docx.enum.text import WD_ALIGN_PARAGRAPH, WD_LINE_SPACING
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Mm, Pt

TITLE_FONT, BODY_FONT, HEAD_FONT, SECOND_FONT, PAGE_FONT = (
    "方正小标宋简体",
    "仿宋_GB2312",
    "黑体",
    "楷体_GB2312",
    "宋体",
)
TWO, THREE, FOUR, SMALL_FOUR = Pt(22), Pt(16), Pt(14), Pt(12)
"""二号, 三号, 四号, 小四."""
TOP, LEFT, WIDTH, HEIGHT = 37, 28, 156, 225
"""天头, 订口 and 版心 in millimetres; the other two margins follow from A4."""
RIGHT, BOTTOM = 210 - LEFT - WIDTH, 297 - TOP - HEIGHT
LINE_TWIPS = 579
"""225 mm over 22 lines, in twentieths of a point."""
TIGHTER = -5
"""28 characters of 16 points want 158 mm and have 156: each gives a quarter of a point (in twentieths). A grid of
characters would say the same to Word alone; other programs then give each character two cells."""
_UNPRINTABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_AFTER_SPACING = ("w:w", "w:kern", "w:position", "w:sz", "w:szCs", "w:highlight", "w:u", "w:lang")
_BUILT_IN = (("Heading 1", HEAD_FONT, False), ("Heading 2", SECOND_FONT, False), ("Heading 3", BODY_FONT, True))


def clean(text: str) -> str:
    """What XML can carry; a stray control character would make the whole document unreadable."""
    return _UNPRINTABLE.sub("", text)


def chinese_day(day: date) -> str:
    """成文日期: Arabic figures, no leading zeros."""
    return f"{day.year}年{day.month}月{day.day}日"


def width_of(text: str) -> float:
    """Width in characters of 三号: figures and Latin count half."""
    return sum(0.5 if ord(character) < 0x2000 else 1.0 for character in text)


TITLE_WIDTH = 19
"""Characters of 二号 that a line of the title holds."""


def title_lines(title: str) -> list[str]:
    """A long title in lines of about the same length that do not tear a word, as the standard asks of titles."""
    wide = width_of(title)
    if wide <= TITLE_WIDTH:
        return [title]
    wanted = wide / (int(wide // TITLE_WIDTH) + 1)
    best, least = 0, float("inf")
    for at in range(1, len(title)):
        before, after = title[:at], title[at:]
        if width_of(before) > TITLE_WIDTH or after[0] in "》」）、，。的":
            continue
        good = before.endswith(("》", "的")) or after.startswith(
            ("《", "应急预案", "专项", "综合", "突发", "备案", "等")
        )
        away = abs(width_of(before) - wanted) + (0 if good else 6) + (20 if before[-1] in "《（「" else 0)
        if away < least:
            best, least = at, away
    return [title[:best], *title_lines(title[best:])] if best else [title]


def set_font(target: Any, name: str, size: Any = None, *, bold: bool | None = None) -> None:
    """Font of a style or run in every script slot; theme fonts, which would win, are taken off."""
    properties = target.element.get_or_add_rPr()
    fonts = properties.find(qn("w:rFonts"))
    if fonts is None:
        fonts = OxmlElement("w:rFonts")
        properties.insert(0, fonts)
    for slot in list(fonts.attrib):
        if slot.endswith("Theme") or slot == qn("w:hint"):
            del fonts.attrib[slot]
    for slot in ("w:ascii", "w:hAnsi", "w:eastAsia", "w:cs"):
        fonts.set(qn(slot), name)
    if size is not None:
        target.font.size = size
    if bold is not None:
        target.font.bold = bold


def _indent(paragraph: Any, characters: float, *, right: float = 0, size: Any = THREE) -> None:
    """First-line and right indent in characters, with the same in points for programs that do not count characters."""
    indent = paragraph._p.get_or_add_pPr().get_or_add_ind()
    indent.set(qn("w:firstLineChars"), str(int(characters * 100)))
    indent.set(qn("w:firstLine"), str(int(characters * size.pt * 20)))
    if right:
        indent.set(qn("w:rightChars"), str(int(right * 100)))
        indent.set(qn("w:right"), str(int(right * size.pt * 20)))


@dataclass(frozen=True)
class Column:
    """One column of a table: its heading and its share of the width."""

    heading: str
    share: float
    centred: bool = False


class Form:
    """An official document under construction."""

    def __init__(self, title: str, *, marks: Sequence[str] = (), at: datetime | None = None) -> None:
        self.document: Any = Document()
        self.title = clean(title)
        self.marks = [clean(mark) for mark in marks if mark]
        """Said at the top of every page: 草稿, 【演练】."""
        self._fresh = True
        self._metadata(at)
        self._styles()
        self._page(self.document.sections[0])
        self.document.settings.odd_and_even_pages_header_footer = True
        self._margins_of_pages(self.document.sections[0])
        if self.marks:
            self._put("　".join(self.marks), HEAD_FONT, indent=0)

    def _metadata(self, at: datetime | None) -> None:
        """Nobody's name: who wrote and who printed it stands in the journal, not in a file that travels."""
        core = self.document.core_properties
        core.author = core.last_modified_by = core.comments = core.keywords = core.category = ""
        core.title, core.subject, core.language, core.revision = self.title[:250], "", "zh-CN", 1
        stamp = (at or datetime(2000, 1, 1, tzinfo=UTC)).replace(tzinfo=None, microsecond=0)
        core.created = core.modified = stamp
        package = self.document.part.package
        for key, relation in list(package.rels.items()):
            if relation.reltype.endswith("/thumbnail"):
                del package.rels[key]

    def _styles(self) -> None:
        styles = self.document.styles
        normal = styles["Normal"]
        set_font(normal, BODY_FONT, THREE)
        self._spacing(normal.paragraph_format)
        tighter = OxmlElement("w:spacing")
        tighter.set(qn("w:val"), str(TIGHTER))
        normal.element.rPr.insert_element_before(tighter, *_AFTER_SPACING)
        language = normal.element.get_or_add_rPr().find(qn("w:lang"))
        if language is None:
            language = OxmlElement("w:lang")
            normal.element.get_or_add_rPr().append(language)
        language.set(qn("w:val"), "zh-CN")
        language.set(qn("w:eastAsia"), "zh-CN")
        for depth in range(1, 7):
            name, font, bold = _BUILT_IN[depth - 1] if depth < 4 else (f"Heading {depth}", BODY_FONT, False)
            style = styles[name]
            set_font(style, font, THREE, bold=bold)
            style.font.italic = False
            colour = style.element.rPr.find(qn("w:color"))
            if colour is not None:
                style.element.rPr.remove(colour)
            self._spacing(style.paragraph_format)
            style.paragraph_format.keep_with_next = True
        title = styles["Title"]
        set_font(title, TITLE_FONT, TWO, bold=False)
        for tag in ("w:color", "w:spacing", "w:kern"):
            found = title.element.rPr.find(qn(tag))
            if found is not None:
                title.element.rPr.remove(found)
        borders = title.element.pPr.find(qn("w:pBdr"))
        if borders is not None:
            title.element.pPr.remove(borders)
        self._spacing(title.paragraph_format)
        title.paragraph_format.line_spacing = Pt(35)
        title.paragraph_format.alignment = WD_ALIGN_PARAGRAPH.CENTER
        cell = styles.add_style("表格文字", WD_STYLE_TYPE.PARAGRAPH)
        self._cell_style = cell.style_id
        cell.base_style = normal
        set_font(cell, BODY_FONT, SMALL_FOUR)
        cell.paragraph_format.line_spacing_rule = WD_LINE_SPACING.SINGLE
        off_grid = OxmlElement("w:snapToGrid")
        off_grid.set(qn("w:val"), "0")
        cell.element.get_or_add_pPr().insert_element_before(off_grid, "w:spacing", "w:ind", "w:jc", "w:rPr")

    @staticmethod
    def _spacing(style: Any) -> None:
        style.space_before = style.space_after = Pt(0)
        style.line_spacing_rule = WD_LINE_SPACING.EXACTLY
        style.line_spacing = Pt(LINE_TWIPS / 20)
        style.widow_control = False

    def _page(self, section: Any, *, landscape: bool = False) -> None:
        if landscape:
            # The portrait sheet turned: the head of the table lies at the binding edge of an odd page.
            section.orientation = WD_ORIENT.LANDSCAPE
            section.page_width, section.page_height = Mm(297), Mm(210)
            section.top_margin, section.right_margin = Mm(LEFT), Mm(TOP)
            section.bottom_margin, section.left_margin = Mm(RIGHT), Mm(BOTTOM)
            section.footer_distance, section.header_distance = Mm(14), Mm(14)
        else:
            section.orientation = WD_ORIENT.PORTRAIT
            section.page_width, section.page_height = Mm(210), Mm(297)
            section.top_margin, section.left_margin = Mm(TOP), Mm(LEFT)
            section.right_margin, section.bottom_margin = Mm(RIGHT), Mm(BOTTOM)
            section.footer_distance, section.header_distance = Mm(23), Mm(20)
        grid = section._sectPr.find(qn("w:docGrid"))
        if grid is None:
            grid = OxmlElement("w:docGrid")
            section._sectPr.append(grid)
        grid.set(qn("w:type"), "lines")
        grid.set(qn("w:linePitch"), str(LINE_TWIPS))

    def _margins_of_pages(self, section: Any) -> None:
        """— 1 — in 四号宋体, outside: right on odd pages, left on even ones, one character in; the marks above."""
        for footer, side in ((section.footer, "right"), (section.even_page_footer, "left")):
            footer.is_linked_to_previous = False
            paragraph = footer.paragraphs[0]
            paragraph.alignment = WD_ALIGN_PARAGRAPH.RIGHT if side == "right" else WD_ALIGN_PARAGRAPH.LEFT
            indent = paragraph._p.get_or_add_pPr().get_or_add_ind()
            indent.set(qn(f"w:{side}Chars"), "100")
            indent.set(qn(f"w:{side}"), "280")
            self._run(paragraph, "— ", PAGE_FONT, FOUR)
            self._field(paragraph, "PAGE")
            self._run(paragraph, " —", PAGE_FONT, FOUR)
        for header in (section.header, section.even_page_header):
            header.is_linked_to_previous = False
            if self.marks:
                header.paragraphs[0].alignment = WD_ALIGN_PARAGRAPH.CENTER
                self._run(header.paragraphs[0], "　".join(self.marks), HEAD_FONT, FOUR)

    def _field(self, paragraph: Any, instruction: str) -> None:
        for kind, text in (("begin", ""), ("", instruction), ("separate", ""), ("shown", "1"), ("end", "")):
            run = self._run(paragraph, "1" if kind == "shown" else "", PAGE_FONT, FOUR)
            if kind == "shown":
                continue
            if kind:
                mark = OxmlElement("w:fldChar")
                mark.set(qn("w:fldCharType"), kind)
            else:
                mark = OxmlElement("w:instrText")
                mark.set(qn("xml:space"), "preserve")
                mark.text = f" {text} "
            run._r.append(mark)

    @staticmethod
    def _run(paragraph: Any, text: str, font: str | None = None, size: Any = None, *, bold: bool | None = None) -> Any:
        run = paragraph.add_run(clean(text))
        if font is not None:
            set_font(run, font, size, bold=bold)
        return run

    def _put(self, text: str, font: str | None = None, *, indent: float = 2, align: Any = None) -> Any:
        paragraph = self.document.add_paragraph()
        self._run(paragraph, text, font)
        if indent:
            _indent(paragraph, indent)
        if align is not None:
            paragraph.alignment = align
        self._fresh = False
        return paragraph

    def number(self, document_number: str) -> None:
        """发文字号, centred above the title."""
        self._put(document_number, indent=0, align=WD_ALIGN_PARAGRAPH.CENTER)

    def heading_of_document(self) -> None:
        """The title in 二号小标宋, centred, with the space that the standard leaves."""
        if not self._fresh:
            self.blank()
        self._title(self.title)
        self.blank()

    def _title(self, text: str) -> None:
        paragraph = self.document.add_paragraph(style="Title")
        for number, line in enumerate(title_lines(clean(text))):
            run = paragraph.add_run()
            if number:
                run.add_break()
            run.add_text(line)

    def blank(self) -> None:
        """An empty line of the grid."""
        self.document.add_paragraph()
        self._fresh = False

    def heading(self, text: str, depth: int) -> None:
        """A heading with its outline level; the number is part of its words."""
        paragraph = self.document.add_paragraph(clean(text), style=f"Heading {min(max(depth, 1), 6)}")
        _indent(paragraph, 2)
        self._fresh = False

    def paragraph(self, text: str, *, indent: float = 2) -> None:
        """A paragraph of the text, two characters in."""
        self._put(text, indent=indent)

    def addressee(self, body: str) -> None:
        """主送机关, without indent, with a full-width colon."""
        self._put(f"{body}：", indent=0)

    def picture(self, data: bytes, caption: str = "", *, most_high: int = 190) -> bool:
        """A picture within the type area; False where Word cannot carry its format."""
        paragraph = self.document.add_paragraph()
        paragraph.alignment = WD_ALIGN_PARAGRAPH.CENTER
        paragraph.paragraph_format.line_spacing_rule = WD_LINE_SPACING.SINGLE
        try:
            shape = paragraph.add_run().add_picture(io.BytesIO(data))
        except Exception:  # python-docx names no common error for pictures that it does not read
            paragraph._p.getparent().remove(paragraph._p)
            return False
        scale = min(Mm(WIDTH) / max(shape.width, 1), Mm(most_high) / max(shape.height, 1), 1.0)
        shape.width, shape.height = int(shape.width * scale), int(shape.height * scale)
        shape._inline.docPr.set("descr", clean(caption) or "图")
        if caption:
            self._put(caption, indent=0, align=WD_ALIGN_PARAGRAPH.CENTER)
        return True

    def table(
        self, columns: Sequence[Column], rows: Iterable[Sequence[str]], *, width: int = WIDTH, caption: str = ""
    ) -> None:
        """A ruled table whose heading repeats on every page."""
        if caption:
            self._put(
                caption, HEAD_FONT, indent=0, align=WD_ALIGN_PARAGRAPH.CENTER
            ).paragraph_format.keep_with_next = True
        total = sum(column.share for column in columns)
        widths = [int(Mm(width) * column.share / total) for column in columns]
        table = self._ruled(len(columns), widths)
        self._fill(table.rows[0], [column.heading for column in columns], widths, font=HEAD_FONT)
        repeat_head(table.rows[0])
        for row in rows:
            made = table.add_row()
            self._fill(made, row, widths, centred=[column.centred for column in columns])
            keep_row_whole(made)
        self._after_table()

    def _ruled(self, columns: int, widths: Sequence[int]) -> Any:
        table = self.document.add_table(rows=1, cols=columns)
        table.style = "Table Grid"
        table.autofit = False
        for column, wide in zip(table.columns, widths, strict=True):
            column.width = wide
        return table

    def _fill(
        self, row: Any, texts: Sequence[str], widths: Sequence[int], *, font: str = "", centred: Sequence[bool] = ()
    ) -> None:
        for position, (cell, text, wide) in enumerate(zip(row.cells, texts, widths, strict=True)):
            cell.width = wide
            self.cell_text(cell, text, font=font, centred=bool(font) or bool(centred and centred[position]))

    def cell_text(self, cell: Any, text: str, *, font: str = "", centred: bool = False) -> None:
        """A cell's lines."""
        for number, line in enumerate(clean(text).split("\n")):
            paragraph = cell.paragraphs[0] if number == 0 else cell.add_paragraph()
            paragraph._p.style = self._cell_style  # by name, each cell would search the whole list of styles
            self._run(paragraph, line, font or None, SMALL_FOUR if font else None)
            if centred:
                paragraph.alignment = WD_ALIGN_PARAGRAPH.CENTER

    def grid(self, rows: Sequence[Sequence[Any]], columns: int, headings: int, text_of: Callable[[str], str]) -> None:
        """A table of the text with its merged cells (`bodies.Table.merged`)."""
        widths = [int(Mm(WIDTH) / max(columns, 1))] * columns
        table = self._ruled(columns, widths)
        for _more in rows[1:]:
            table.add_row()
        cells = table._cells  # the flat list once: asking the table for each cell reads all of it each time
        taken: set[tuple[int, int]] = set()
        for y, row in enumerate(rows):
            x = 0
            for cell in row:
                while (y, x) in taken:
                    x += 1
                if x >= columns:
                    break
                last_y, last_x = min(y + cell.down, len(rows)) - 1, min(x + cell.across, columns) - 1
                taken.update((a, b) for a in range(y, last_y + 1) for b in range(x, last_x + 1))
                target = cells[y * columns + x]
                if (last_y, last_x) != (y, x):
                    target = target.merge(cells[last_y * columns + last_x])
                self.cell_text(target, text_of(cell.text), font=HEAD_FONT if y < headings else "")
                x = last_x + 1
            if y < headings:
                repeat_head(table.rows[y])
            keep_row_whole(table.rows[y])
        self._after_table()

    def _after_table(self) -> None:
        # Word joins two tables with nothing between them.
        paragraph = self.document.add_paragraph(style="表格文字")
        paragraph.paragraph_format.line_spacing_rule = WD_LINE_SPACING.EXACTLY
        paragraph.paragraph_format.line_spacing = Pt(6)
        self._fresh = False

    def list_of_annexes(self, names: Sequence[str]) -> None:
        """附件说明: one blank line after the text, two characters in."""
        if not names:
            return
        self.blank()
        if len(names) == 1:
            self.paragraph(f"附件：{names[0]}")
            return
        for number, name in enumerate(names, start=1):
            self._put(f"{'附件：' if number == 1 else ''}{number}.{name}", indent=2 if number == 1 else 5)

    def signature(self, issuer: str, day: date | None) -> None:
        """署名 and 成文日期 of a document without seal: the date begins two characters right of the issuer's name."""
        self.blank()
        words = chinese_day(day) if day else "　　　　年　　月　　日"
        issuer_width, day_width = width_of(issuer), width_of(words)
        day_right = max(issuer_width - day_width, 2.0)
        issuer_right = max(day_right + day_width + 2 - issuer_width, 2.0)
        for text, right in ((issuer, issuer_right), (words, day_right)):
            paragraph = self._put(text, indent=0, align=WD_ALIGN_PARAGRAPH.RIGHT)
            _indent(paragraph, 0, right=right)
            paragraph.paragraph_format.keep_together = True

    def copies(self, bodies: Sequence[str]) -> None:
        """版记: to whom a copy goes, in 四号, one character in, between two lines."""
        if not bodies:
            return
        self.blank()
        paragraph = self._put(f"抄送：{'，'.join(bodies)}。", indent=0)
        for run in paragraph.runs:
            set_font(run, BODY_FONT, FOUR)
        borders = OxmlElement("w:pBdr")
        for side in ("top", "bottom"):
            rule = OxmlElement(f"w:{side}")
            for key, value in (("val", "single"), ("sz", "8"), ("space", "1"), ("color", "000000")):
                rule.set(qn(f"w:{key}"), value)
            borders.append(rule)
        properties = paragraph._p.get_or_add_pPr()
        properties.insert_element_before(borders, "w:shd", "w:tabs", "w:spacing", "w:ind", "w:jc", "w:rPr")

    def annex(self, label: str, title: str, *, landscape: bool = False) -> None:
        """An annex on a page of its own: 附件1 in 三号黑体 at the edge, its title centred below."""
        section = self.document.add_section(WD_SECTION.NEW_PAGE)
        self._page(section, landscape=landscape)
        if label:
            self._put(label, HEAD_FONT, indent=0)
            self.blank()
        self._title(title)
        self.blank()

    def to_bytes(self) -> bytes:
        """The file."""
        target = io.BytesIO()
        self.document.save(target)
        return target.getvalue()


def repeat_head(row: Any) -> None:
    """Print this row again on every page that the table reaches."""
    properties = row._tr.get_or_add_trPr()
    properties.append(OxmlElement("w:tblHeader"))


def keep_row_whole(row: Any) -> None:
    """A row is not torn between two pages."""
    properties = row._tr.get_or_add_trPr()
    properties.insert(0, OxmlElement("w:cantSplit"))
