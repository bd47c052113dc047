"""Word files as Word, WPS and old converters really write them: packages of raw XML, made by none of our writers.

And a second reading, written for the tests only: every character that a person would see, wherever it stands.
"""

from __future__ import annotations

import io
import zipfile
from xml.sax.saxutils import escape

from lxml import etree

W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
R = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
MC = "http://schemas.openxmlformats.org/markup-compatibility/2006"
A = "http://schemas.openxmlformats.org/drawingml/2006/main"
M = "http://schemas.openxmlformats.org/officeDocument/2006/math"
V = "urn:schemas-microsoft-com:vml"
DGM = "http://schemas.openxmlformats.org/drawingml/2006/diagram"
C = "http://schemas.openxmlformats.org/drawingml/2006/chart"
NAMESPACES = (
    f'xmlns:w="{W}" xmlns:r="{R}" xmlns:mc="{MC}" xmlns:a="{A}" xmlns:m="{M}" xmlns:v="{V}" xmlns:dgm="{DGM}" '
    f'xmlns:c="{C}" xmlns:o="urn:schemas-microsoft-com:office:office" '
    'xmlns:wps="http://schemas.microsoft.com/office/word/2010/wordprocessingShape" '
    'xmlns:wpg="http://schemas.microsoft.com/office/word/2010/wordprocessingGroup" '
    'xmlns:wp="http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing" '
    'xmlns:pic="http://schemas.openxmlformats.org/drawingml/2006/picture" '
    'xmlns:w16se="http://schemas.microsoft.com/office/word/2015/wordml/symex"'
)
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/"
MAIN = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"


def run(words: str, more: str = "") -> str:
    """One run."""
    return f'<w:r>{more}<w:t xml:space="preserve">{escape(words)}</w:t></w:r>'


def p(*inner: str, style: str = "", number: tuple[int, int] | None = None) -> str:
    """A paragraph of runs, or of words."""
    runs = "".join(piece if piece.startswith("<") else run(piece) for piece in inner)
    listed = f'<w:numPr><w:ilvl w:val="{number[1]}"/><w:numId w:val="{number[0]}"/></w:numPr>' if number else ""
    styled = f'<w:pStyle w:val="{style}"/>' if style else ""
    return f"<w:p><w:pPr>{styled}{listed}</w:pPr>{runs}</w:p>"


def field(kind: str) -> str:
    """A complex field's mark."""
    return f'<w:r><w:fldChar w:fldCharType="{kind}"/></w:r>'


def asks(words: str) -> str:
    """What a field asks for."""
    return f'<w:r><w:instrText xml:space="preserve"> {words} </w:instrText></w:r>'


def vml_box(words: str) -> str:
    """A text box as Word 2003 and WPS write it."""
    return f"<w:r><w:pict><v:shape><v:textbox><w:txbxContent>{p(words)}</w:txbxContent></v:textbox></v:shape></w:pict></w:r>"


def box(words: str) -> str:
    """A text box as Word writes it now, with its fallback."""
    inner = f"<w:txbxContent>{p(words)}</w:txbxContent>"
    return (
        '<w:r><mc:AlternateContent><mc:Choice Requires="wps"><w:drawing><wp:anchor><a:graphic><a:graphicData><wps:wsp>'
        f"<wps:txbx>{inner}</wps:txbx></wps:wsp></a:graphicData></a:graphic></wp:anchor></w:drawing></mc:Choice>"
        f"<mc:Fallback><w:pict><v:shape><v:textbox>{inner}</v:textbox></v:shape></w:pict></mc:Fallback>"
        "</mc:AlternateContent></w:r>"
    )


STYLES = f"""<w:styles {NAMESPACES}>
<w:style w:type="paragraph" w:default="1" w:styleId="a"><w:name w:val="Normal"/></w:style>
<w:style w:type="paragraph" w:styleId="1"><w:name w:val="标题 1"/><w:basedOn w:val="a"/></w:style>
<w:style w:type="paragraph" w:styleId="2"><w:name w:val="heading 2"/><w:pPr><w:numPr><w:ilvl w:val="1"/><w:numId w:val="1"/></w:numPr></w:pPr></w:style>
<w:style w:type="paragraph" w:styleId="mine"><w:name w:val="公文标题"/><w:basedOn w:val="1"/></w:style>
<w:style w:type="paragraph" w:styleId="11"><w:name w:val="toc 1"/></w:style></w:styles>"""
NUMBERING = f"""<w:numbering {NAMESPACES}><w:abstractNum w:abstractNumId="0">
<w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="chineseCountingThousand"/><w:lvlText w:val="第%1章"/></w:lvl>
<w:lvl w:ilvl="1"><w:start w:val="1"/><w:numFmt w:val="decimal"/><w:isLgl/><w:lvlText w:val="%1.%2"/></w:lvl>
<w:lvl w:ilvl="2"><w:start w:val="1"/><w:numFmt w:val="decimalEnclosedCircle"/><w:lvlText w:val="%3"/></w:lvl></w:abstractNum>
<w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num></w:numbering>"""


def package(body: str, parts: dict[str, tuple[str, str]] | None = None, *, strict: bool = False) -> bytes:
    """A .docx around `body`. `parts`: file under word/ → kind of relation, content; the relation's id is its name."""
    held = {"styles.xml": ("styles", STYLES), "numbering.xml": ("numbering", NUMBERING)} | (parts or {})
    relations = "".join(
        f'<Relationship Id="{name.replace("/", "_")}" Type="{OFFICE}{kind}" Target="{name}"/>'
        for name, (kind, _content) in held.items()
    )
    rels = "http://schemas.openxmlformats.org/package/2006/relationships"
    files = {
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/>'
        f'<Override PartName="/word/document.xml" ContentType="{MAIN}"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{rels}"><Relationship Id="r" Type="{OFFICE}officeDocument" '
        'Target="word/document.xml"/></Relationships>',
        "word/_rels/document.xml.rels": f'<Relationships xmlns="{rels}">{relations}</Relationships>',
        "word/document.xml": f"<w:document {NAMESPACES}><w:body>{body}</w:body></w:document>",
    } | {f"word/{name}": content for name, (_kind, content) in held.items()}
    if strict:
        files = {name: _strict(text) for name, text in files.items()}
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, text in files.items():
            packed.writestr(name, '<?xml version="1.0" encoding="UTF-8"?>' + text)
    return made.getvalue()


def _strict(text: str) -> str:
    """The same in the namespaces of ISO/IEC 29500 Strict, as Word saves on request."""
    for old, new in (
        (W, "http://purl.oclc.org/ooxml/wordprocessingml/main"),
        (R, "http://purl.oclc.org/ooxml/officeDocument/relationships"),
        (A, "http://purl.oclc.org/ooxml/drawingml/main"), (M, "http://purl.oclc.org/ooxml/officeDocument/math"),
    ):  # fmt: skip
        text = text.replace(old, new)
    return text


_UNSEEN = {f"{{{W}}}del", f"{{{W}}}moveFrom", f"{{{MC}}}Fallback", f"{{{W}}}instrText"}
_SEEN = {f"{{{W}}}t", f"{{{M}}}t", f"{{{A}}}t"}


def visible(xml: str) -> str:
    """Every character that a person sees in a part; of alternatives the first, of WordArt its words."""
    found = ""
    for node in etree.fromstring(xml.encode()).iter():
        if any(above.tag in _UNSEEN for above in node.iterancestors()):
            continue
        if node.tag in _SEEN:
            found += node.text or ""
        elif node.tag == f"{{{V}}}textpath":
            found += node.get("string") or ""
    return found
