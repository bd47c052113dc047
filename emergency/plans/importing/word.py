"""A .docx as elements: what a reader of the printed page would read, and a remark for everything else."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from emergency.plans.attachments import media_type_of
from emergency.plans.importing import drawn
from emergency.plans.importing.drawn import DIAGRAM, MC, A, C, M, R, V, choice
from emergency.plans.importing.elements import LIST_CLOSE, LIST_OPEN, Grid, Para, Picture, Source
from emergency.plans.importing.grids import cells, count_in, rows
from emergency.plans.importing.numbering import Numbering, W
from emergency.plans.importing.package import Package
from kernel.errors import N_

WP = "{http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing}"
_HEADING = re.compile(r"(?:heading|标题)\s*([1-9])$", re.IGNORECASE)
_TOC = re.compile(r"(?:toc|目录)\s*(?:\d|heading|标题)?$", re.IGNORECASE)
_GONE = frozenset({W + "del", W + "moveFrom"})
_NOTES = {W + "footnoteReference": "footnotes", W + "endnoteReference": "endnotes"}
_EXTENSIONS = {
    ".emf": "image/emf",
    ".wmf": "image/wmf",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".svg": "image/svg+xml",
}


@dataclass
class Style:
    """What a paragraph style says about headings and lists."""

    name: str = ""
    based_on: str = ""
    level: int | None = None
    number: str | None = None
    depth: int | None = None


def read_docx(data: bytes) -> Source:
    """Read a Word document. Raises `FileRefused` when the file as a whole cannot be read."""
    return Reader(Package(data)).source


class Reader:
    """Goes through a document once, in reading order."""

    def __init__(self, package: Package):
        self.source = Source()
        self._package = package
        self._part = package.main
        self._relations = package.relations(package.main)
        self._styles = self._read_styles()
        self._numbering = self._read_numbering()
        self._notes = {kind: self._read_notes(kind) for kind in ("footnotes", "endnotes")}
        self._at = 0
        self._toc = self._fields = self._toc_words = 0
        self._field_kinds: list[str] = list[str]()
        self._pending: list[Any] = []
        self._noted: list[tuple[str, str]] = []
        self._note_count = self._inserted = self._hidden = self._toc_lines = 0
        self._in_cell = 0
        self._contents = True
        self._outside()
        body = package.xml(package.main).find(W + "body")
        if body is not None:
            self._contents = drawn.closed_contents(body)
            self._blocks(body)
        self._sum_up()

    # --- the parts around the text --------------------------------------------------------------------------

    def _related(self, kind: str) -> str | None:
        return next(
            (t for k, t, outside in self._relations.values() if k == kind and not outside and self._package.has(t)),
            None,
        )

    def _read_styles(self) -> dict[str, Style]:
        part = self._related("styles")
        styles: dict[str, Style] = {}
        for node in self._package.xml(part).iter(W + "style") if part else ():
            style = Style(_val(node, "name") or "", _val(node, "basedOn") or "")
            outline = node.find(f"{W}pPr/{W}outlineLvl")
            if outline is not None and outline.get(W + "val", "9").isdigit():
                style.level = int(outline.get(W + "val")) + 1
            if found := _HEADING.match(style.name):
                style.level = int(found[1])
            listed = node.find(f"{W}pPr/{W}numPr")
            if listed is not None:
                style.number, depth = _val(listed, "numId"), _val(listed, "ilvl")
                style.depth = int(depth) if depth and depth.isdigit() else None
            styles[node.get(W + "styleId", "")] = style
        return styles

    def _read_numbering(self) -> Numbering:
        part = self._related("numbering")
        return Numbering.read(self._package.xml(part)) if part else Numbering()

    def _read_notes(self, kind: str) -> dict[str, Any]:
        part = self._related(kind)
        return {node.get(W + "id", ""): node for node in self._package.xml(part)} if part else {}

    def _outside(self) -> None:
        for kind, _target, outside in self._relations.values():
            if outside and kind not in ("hyperlink", "image"):
                self.source.note(
                    "external_link", N_("The file links to another file (%(kind)s). It was not fetched."), kind=kind
                )
        outer = [self._words_of(target) for kind, target, outside in self._relations.values()
                 if kind in ("header", "footer") and not outside and self._package.has(target)]  # fmt: skip
        if said := "；".join(dict.fromkeys(one for one in outer if one)):
            self.source.note(
                "header_left_out", N_("Page headers and footers are not part of the text and were left out."), 0, said
            )
        part = self._related("comments")
        if part:
            for node in self._package.xml(part).iter(W + "comment"):
                words = "".join(t.text or "" for t in node.iter(W + "t"))
                self.source.note(
                    "comment", N_("A comment in the margin is not part of the text and was left out."), 0, words
                )

    def _words_of(self, part: str) -> str:
        return "".join(t.text or "" for t in self._package.xml(part).iter(W + "t")).strip()

    # --- blocks ---------------------------------------------------------------------------------------------

    def _blocks(self, parent: Any) -> None:
        for node in parent:
            tag = node.tag
            if tag == W + "p":
                self._paragraph(node)
            elif tag == W + "tbl":
                self._table(node)
            elif tag == W + "sdt":
                gallery = node.find(f"{W}sdtPr/{W}docPartObj/{W}docPartGallery")
                inner = node.find(W + "sdtContent")
                if gallery is not None and gallery.get(W + "val") == "Table of Contents":
                    self._toc_lines += sum(1 for _p in node.iter(W + "p"))
                elif inner is not None:
                    self._blocks(inner)
            elif tag in _GONE:
                self._deleted(node)
            elif tag == W + "altChunk":
                self.source.note("embedded_file", N_("An embedded file was not read here."), self._at + 1)
            elif tag == MC + "AlternateContent":
                self._blocks(choice(node))
            elif tag in (W + "customXml", W + "ins", W + "moveTo", W + "smartTag"):
                self._blocks(node)

    def _deleted(self, node: Any) -> None:
        words = "".join(t.text or "" for t in node.iter(W + "delText", W + "t"))
        if words.strip():
            self.source.note(
                "deletion_taken", N_("A tracked deletion was carried out: this text is left out."), self._at, words
            )

    def _style(self, node: Any) -> tuple[int | None, str | None, int | None, bool]:
        """Of a paragraph: heading level, list, depth in the list, whether it is a line of the table of contents."""
        properties = node.find(W + "pPr")
        style_id = _val(properties, "pStyle") if properties is not None else None
        level: int | None = None
        number: str | None = None
        depth: int | None = None
        toc = False
        seen: set[str] = set()
        while style_id and style_id in self._styles and style_id not in seen:
            seen.add(style_id)
            style = self._styles[style_id]
            toc = toc or bool(_TOC.match(style.name))
            level = level if level is not None else style.level
            number = number if number is not None else style.number
            depth = depth if depth is not None else style.depth
            style_id = style.based_on
        if properties is not None:
            if (outline := _val(properties, "outlineLvl")) and outline.isdigit():
                level = int(outline) + 1 if int(outline) < 9 else None
            listed = properties.find(W + "numPr")
            if listed is not None:
                number = _val(listed, "numId") or number
                own = _val(listed, "ilvl")
                depth = int(own) if own and own.isdigit() else depth
        return (level if level and level <= 9 else None), number, depth, toc

    def _paragraph(self, node: Any) -> None:
        self._at += 1
        at = self._at
        properties = node.find(W + "pPr")
        mark = properties.find(f"{W}rPr/{W}del") if properties is not None else None
        level, number, depth, toc = self._style(node)
        before, self._toc_words = self._toc > 0, 0
        runs = list(self._runs(node))
        in_toc = before or self._toc > 0 or self._toc_words > 0
        text = "".join(words for words, _bold in runs)
        shown = ""
        if number and number != "0" and (text.strip() or mark is None):
            shown = self._numbering.next(number, depth or 0)
        if self._toc_words or (toc and text.strip()):
            self._toc_lines += 1
        if toc or (in_toc and not text.strip()):
            self._after(at)
            return
        bold = 0
        for words, is_bold in runs:
            if not is_bold and words.strip():
                break
            bold += len(words)
        for position, line in enumerate(text.split("\n")):
            if line.strip():
                first = position == 0
                lead = len(line) - len(line.lstrip())
                self.source.elements.append(
                    Para(line.strip(), at, level if first else None, shown.strip() if first else "",
                         max(min(bold, len(line)) - lead, 0) if first else 0)
                )  # fmt: skip
        if shown.strip() and not text.strip() and not self._pending:
            self.source.elements.append(Para("", at, None, shown.strip()))
        self._after(at)

    def _after(self, at: int) -> None:
        """What hung on the paragraph comes after it: notes, text boxes, pictures."""
        noted, self._noted = self._noted, []
        for mark, words in noted:
            self.source.elements.append(Para(f"{mark}{words}", at))
        pending, self._pending = self._pending, []
        for item in pending:
            if isinstance(item, Picture):
                self.source.elements.append(item)
            elif isinstance(item, list):
                self.source.elements += [Para(_clean(words).strip(), at) for words in item]
            else:
                self._blocks(item)

    # --- runs -----------------------------------------------------------------------------------------------

    def _runs(self, parent: Any) -> Iterator[tuple[str, bool]]:
        for node in parent:
            tag = node.tag
            if tag == W + "r":
                yield from self._run(node)
            elif tag in _GONE:
                self._deleted(node)
            elif tag in (W + "ins", W + "moveTo"):
                self._inserted += 1
                yield from self._runs(node)
            elif tag == W + "sdt":
                inner = node.find(W + "sdtContent")
                if inner is not None:
                    yield from self._runs(inner)
            elif tag in (M + "oMath", M + "oMathPara"):
                yield "".join(t.text or "" for t in node.iter(M + "t")), False
            elif tag == MC + "AlternateContent":
                yield from self._runs(choice(node))
            elif tag not in (W + "pPr", W + "rPr", W + "sdtPr"):
                yield from self._runs(node)

    def _run(self, node: Any) -> Iterator[tuple[str, bool]]:
        properties = node.find(W + "rPr")
        bold = _on(properties, "b")
        if _on(properties, "vanish"):
            self._hidden += sum(len(t.text or "") for t in node.iter(W + "t"))
            return
        for child in node:
            for words in self._piece(child):
                # the contents are made anew; what follows their end in the same paragraph is text
                if self._toc > 0:
                    self._toc_words += bool(words.strip())
                else:
                    yield words, bold

    def _piece(self, child: Any) -> Iterator[str]:
        """One child of a run, in words."""
        tag = child.tag
        if tag == W + "fldChar":
            self._field(child.get(W + "fldCharType", ""))
            if shown := drawn.chosen(child):
                yield shown
        elif tag == W + "instrText":
            self._instruction(child.text or "")
        elif tag == W + "t":
            yield _clean(child.text or "")
        elif tag == W + "tab":
            yield "\t"
        elif tag == W + "br" or tag == W + "cr":
            yield "\n" if child.get(W + "type") not in ("page", "column") else ""
        elif tag == W + "noBreakHyphen":
            yield "-"
        elif tag == W + "sym":
            yield self._symbol(child)
        elif tag in _NOTES:
            yield self._note(_NOTES[tag], child.get(W + "id", ""))
        elif tag == W + "ruby":
            base = child.find(W + "rubyBase")
            yield from (words for words, _bold in self._runs(base if base is not None else child))
        elif tag == MC + "AlternateContent":
            for inner in choice(child):
                yield from self._piece(inner)
        elif tag in (W + "drawing", W + "pict", W + "object"):
            self._drawing(child)

    def _symbol(self, node: Any) -> str:
        code = node.get(W + "char", "")
        value = int(code, 16) if re.fullmatch(r"[0-9A-Fa-f]{2,6}", code) else 0
        value = value - 0xF000 if 0xF020 <= value <= 0xF0FF else value
        known = {0xFE: "☑", 0xA8: "□", 0x6F: "□", 0x52: "☑", 0xFC: "✓", 0xB7: "·"}.get(value)
        if known is None:
            self.source.note("symbol", N_("A symbol of a special font became a square."), self._at)
        return known or "□"

    def _field(self, kind: str) -> None:
        if kind == "begin":
            self._field_kinds.append("")
        elif kind == "end" and self._field_kinds and str(self._field_kinds.pop()) == "TOC":
            self._toc = max(self._toc - 1, 0)

    def _instruction(self, words: str) -> None:
        if self._field_kinds and not self._field_kinds[-1] and words.strip():
            kind = words.split()[0].upper()
            self._field_kinds[-1] = kind
            self._toc += kind == "TOC" and self._contents

    def _note(self, kind: str, key: str) -> str:
        node = self._notes[kind].get(key)
        if node is None:
            return ""
        self._note_count += 1
        mark = f"〔注{self._note_count}〕"
        words = "\n".join("".join(w for w, _b in self._runs(p)) for p in node.iter(W + "p"))
        self._noted.append((mark, " ".join(words.split("\n")).strip()))
        return mark

    def _drawing(self, node: Any) -> None:
        boxes = [
            box
            for box in node.iter(W + "txbxContent")
            if not any(p.tag == W + "txbxContent" for p in box.iterancestors() if p is not box)
        ]
        self._pending += [choice(box) for box in _without_doubles(boxes)]
        for embedded in node.iter("{urn:schemas-microsoft-com:office:office}OLEObject"):
            linked = embedded.get("Type") == "Link"
            self.source.note(
                "linked_object" if linked else "embedded_file",
                N_("A linked object was not fetched; its picture is kept.") if linked
                else N_("An embedded file was not opened; its picture is kept."),
                self._at,
            )  # fmt: skip
        described = node.find(f".//{WP}docPr")
        caption = (described.get("descr") or "") if described is not None else ""
        seen: set[str] = set()
        for picture in node.iter(A + "blip", V + "imagedata"):
            if any(p.tag == W + "txbxContent" for p in picture.iterancestors()):
                continue
            key = picture.get(R + "embed") or picture.get(R + "id") or picture.get(R + "link") or ""
            if key and key not in seen:
                seen.add(key)
                self._picture(key, caption)
        self._pending += [[*drawn.word_art(node), *drawn.paragraphs(node)]]
        for shape in node.iter(C + "chart"):
            self.source.note(
                "chart",
                N_("Of a chart the words and figures were read; its picture was left out. Paste it as a picture."),
                self._at,
            )
            part = self._within(shape.get(R + "id"))
            self._pending += [drawn.chart(part)] if part is not None else []
        for diagram in node.iter(DIAGRAM + "relIds"):
            self.source.note(
                "diagram",
                N_("Of a diagram the words were read line by line; its drawing was left out. Paste it as a picture."),
                self._at,
            )
            part = self._within(diagram.get(R + "dm"))
            self._pending += [drawn.paragraphs(part)] if part is not None else []

    def _within(self, key: str | None) -> Any:
        """The part of the file that a drawing refers to."""
        _kind, target, outside = self._relations.get(key or "", ("", "", True))
        return self._package.xml(target) if not outside and self._package.has(target) else None

    def _picture(self, key: str, caption: str) -> None:
        _kind, target, outside = self._relations.get(key, ("", "", False))
        if outside:
            self.source.note(
                "external_image", N_("A picture lies outside the file. It was not fetched and is left out."), self._at
            )
            return
        if not target or not self._package.has(target):
            self.source.note("image_missing", N_("A picture is missing in the file."), self._at)
            return
        data = self._package.read(target)
        kind = media_type_of(data, _EXTENSIONS.get(posixpath.splitext(target)[1].lower(), "application/octet-stream"))
        if kind not in ("image/png", "image/jpeg", "image/gif", "image/bmp", "image/webp"):
            self.source.note(
                "image_format",
                N_("A picture is in a format that browsers do not show; it is kept as a file."),
                self._at,
            )
        self._pending.append(Picture(data, posixpath.basename(target), kind, self._at, _clean(caption)[:100]))

    # --- tables ---------------------------------------------------------------------------------------------

    def _table(self, node: Any) -> None:
        self._at += 1
        grid = Grid([], self._at)
        outer, self._pending = self._pending, []
        held, self._noted = self._noted, []
        for row in rows(node):
            if row.find(f"{W}trPr/{W}del") is not None:
                self._deleted(row)
                continue
            line: list[str] = []
            header = row.find(f"{W}trPr/{W}tblHeader")
            if header is not None and grid.headings == len(grid.rows):
                grid.headings += 1
            line += [""] * count_in(row, f"{W}trPr/{W}gridBefore")
            for cell in cells(row):
                span = max(count_in(cell, f"{W}tcPr/{W}gridSpan"), 1)
                merge = cell.find(f"{W}tcPr/{W}vMerge")
                y, x = len(grid.rows), len(line)
                words = self._cell(cell)
                if merge is not None and merge.get(W + "val", "continue") == "continue" and y:
                    grid.down.add((y, x))
                    if words.strip():
                        self.source.note(
                            "merged_text", N_("Text hidden in a merged cell was left out."), self._at, words
                        )
                    words = ""
                line.append(words)
                for extra in range(1, min(span, 64)):
                    grid.across.add((y, x + extra))
                    line.append("")
            grid.rows.append(line)
        if grid.rows:
            if not grid.headings and len(grid.rows) > 1:
                grid.headings = 1
            self.source.elements.append(grid)
        after = self._noted
        self._noted, self._pending = [*held], [*outer, *self._pending]
        if self._in_cell:
            self._noted += after
            return
        for mark, words in after:
            self.source.elements.append(Para(f"{mark}{words}", self._at))
        self._after(self._at)

    def _cell(self, cell: Any) -> str:
        """A cell's text, line by line; a table inside a cell becomes lines of it."""
        kept, self.source.elements = self.source.elements, []
        pending, self._pending = self._pending, []
        noted, self._noted = self._noted, []
        pictures: list[Any] = []
        at = self._at
        self._in_cell += 1
        lines: list[str] = []
        self._blocks(cell)
        for element in self.source.elements:
            if isinstance(element, Para):
                lines.append(f"{element.number} {element.text}".strip() if element.number else element.text)
            elif isinstance(element, Grid):
                lines += ["\t".join(text for text in row) for row in element.rows]
                self.source.note("nested_table", N_("A table inside a cell became lines of that cell."), at)
            else:
                pictures.append(element)
        self._in_cell -= 1
        self._at = at
        self.source.elements = kept
        self._pending = [*pending, *pictures, *self._pending]
        self._noted = noted + self._noted
        return "\n".join(lines)

    def _sum_up(self) -> None:
        if self._toc_lines:
            self.source.note("toc_skipped", N_("The table of contents was left out: %(n)s lines."), n=self._toc_lines)
        if self._inserted:
            self.source.note(
                "insertions_taken", N_("Tracked insertions were accepted: %(n)s places."), n=self._inserted
            )
        if self._hidden:
            self.source.note("hidden_text", N_("Hidden text was left out: %(n)s characters."), n=self._hidden)


def _clean(text: str) -> str:
    return text.replace(LIST_OPEN, "□").replace(LIST_CLOSE, "□").replace("\u200b", "").replace("\ufeff", "")


def _val(node: Any, name: str) -> str | None:
    child = node.find(W + name)
    value = child.get(W + "val") if child is not None else None
    return str(value) if value is not None else None


def _on(properties: Any, name: str) -> bool:
    child = properties.find(W + name) if properties is not None else None
    return child is not None and child.get(W + "val", "1") not in ("0", "false", "off")


def _without_doubles(boxes: list[Any]) -> list[Any]:
    """A text box stands twice where a drawing has a fallback."""
    return [box for box in boxes if not any(p.tag == MC + "Fallback" for p in box.iterancestors())] or boxes
