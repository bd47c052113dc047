"""Word files as people write them, made for the tests: every feature by hand, and hostile ones."""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib
from collections.abc import Callable

import docx
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls, qn
from lxml import etree


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


PNG = (
    b"\x89PNG\r\n\x1a\n"
    + _chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, 8, 0, 0, 0, 0))
    + _chunk(b"IDAT", zlib.compress(b"\0\x80\x80\x80\x80" * 4))
    + _chunk(b"IEND", b"")
)
"""A grey square."""
W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def saved(document: docx.document.Document) -> bytes:
    """A document as bytes."""
    stream = io.BytesIO()
    document.save(stream)
    return stream.getvalue()


def changed(data: bytes, change: Callable[[str, bytes], bytes | None], extra: dict[str, bytes] | None = None) -> bytes:
    """A package with its parts changed; None leaves a part out."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            content = change(name, old.read(name))
            if content is not None:
                new.writestr(name, content)
        for name, content in (extra or {}).items():
            new.writestr(name, content)
    return made.getvalue()


def in_document(data: bytes, old: str, new: str, extra: dict[str, bytes] | None = None) -> bytes:
    """A package whose main text is changed as text."""

    def change(name: str, content: bytes) -> bytes:
        if name != "word/document.xml":
            return content
        assert old in content.decode()
        return content.decode().replace(old, new, 1).encode()

    return changed(data, change, extra)


def numbering(document: docx.document.Document, *levels: tuple[str, str]) -> int:
    """A multi-level list by `(format, text)`; its number for `listed`."""
    part = document.part.numbering_part.element
    number = 900 + len(part.findall(qn("w:abstractNum")))
    xml = "".join(
        f'<w:lvl w:ilvl="{n}"><w:start w:val="1"/><w:numFmt w:val="{form}"/><w:lvlText w:val="{text}"/></w:lvl>'
        for n, (form, text) in enumerate(levels)
    )
    part.insert(0, parse_xml(f'<w:abstractNum {nsdecls("w")} w:abstractNumId="{number}">{xml}</w:abstractNum>'))
    part.append(parse_xml(f'<w:num {nsdecls("w")} w:numId="{number}"><w:abstractNumId w:val="{number}"/></w:num>'))
    return number


def listed(document: docx.document.Document, text: str, number: int, level: int) -> None:
    """A paragraph whose number exists as formatting only."""
    paragraph = document.add_paragraph(text)
    paragraph._p.get_or_add_pPr().append(
        parse_xml(f'<w:numPr {nsdecls("w")}><w:ilvl w:val="{level}"/><w:numId w:val="{number}"/></w:numPr>')
    )


def with_note(data: bytes, at: str, words: str) -> bytes:
    """A footnote behind a word of the text."""
    note = f'<w:footnotes xmlns:w="{W}"><w:footnote w:id="2"><w:p><w:r><w:t>{words}</w:t></w:r></w:p></w:footnote></w:footnotes>'
    mark = f'{at}</w:t></w:r><w:r><w:footnoteReference w:id="2"/></w:r><w:r><w:t>'

    def change(name: str, content: bytes) -> bytes:
        if name == "word/document.xml":
            return content.decode().replace(at, mark, 1).encode()
        if name == "word/_rels/document.xml.rels":
            return content.replace(
                b"</Relationships>",
                b'<Relationship Id="rIdN" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/'
                b'footnotes" Target="footnotes.xml"/></Relationships>',
            )
        return content

    return changed(data, change, {"word/footnotes.xml": note.encode()})


BOX = (
    '<w:r><mc:AlternateContent xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"><mc:Choice '
    'Requires="wps"><w:drawing><wps:txbx xmlns:wps="http://schemas.microsoft.com/office/word/2010/wordprocessingShape">'
    "<w:txbxContent><w:p><w:r><w:t>{0}</w:t></w:r></w:p></w:txbxContent></wps:txbx></w:drawing></mc:Choice><mc:Fallback>"
    '<w:pict><v:textbox xmlns:v="urn:schemas-microsoft-com:vml"><w:txbxContent><w:p><w:r><w:t>{0}</w:t></w:r></w:p>'
    "</w:txbxContent></v:textbox></w:pict></mc:Fallback></mc:AlternateContent></w:r>"
)


def with_box(data: bytes, at: str, words: str) -> bytes:
    """A text box that hangs on a word, with the fallback that Word writes beside it."""
    return in_document(data, at + "</w:t></w:r>", at + "</w:t></w:r>" + BOX.format(words))


def bare(text: str) -> str:
    """Characters that count: no blanks, no marks of tables."""
    return re.sub(r"[\s　]", "", text)


def words_of(data: bytes) -> str:
    """Every character of the main text of a .docx, taken without the reader that is tested."""
    with zipfile.ZipFile(io.BytesIO(data)) as package:
        root = etree.fromstring(package.read("word/document.xml"))
    return "".join(node.text or "" for node in root.iter(f"{{{W}}}t"))
