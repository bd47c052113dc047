"""Words that stand in drawings: diagrams, charts, WordArt, shapes; and which of two alternatives carries anything."""

from __future__ import annotations

from typing import Any

from emergency.plans.importing.numbering import W

MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
M = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
V = "{urn:schemas-microsoft-com:vml}"
C = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
DIAGRAM = "{http://schemas.openxmlformats.org/drawingml/2006/diagram}"
_CARRYING = (W + "t", M + "t", A + "t", V + "textpath", A + "blip", V + "imagedata", DIAGRAM + "relIds", C + "chart")


def choice(node: Any) -> Any:
    """Of alternative content one branch: the first that carries words or a picture, else the first at all.

    Word writes a symbol as a choice without words beside a fallback with it; to take the first blindly loses it.
    """
    if node.tag != MC + "AlternateContent":
        return node
    branches = [*node.findall(MC + "Choice"), *node.findall(MC + "Fallback")]
    return next((branch for branch in branches if _carries(branch)), branches[0] if branches else node)


def _carries(branch: Any) -> bool:
    return any(node.text or node.attrib for node in branch.iter(*_CARRYING))


def paragraphs(node: Any) -> list[str]:
    """The paragraphs of drawing text in a part or a drawing, those of text boxes left to the reader of the text."""
    found = []
    for paragraph in node.iter(A + "p"):
        if not any(above.tag == W + "txbxContent" for above in paragraph.iterancestors()):
            found.append("".join(words.text or "" for words in paragraph.iter(A + "t")))
    return [words for words in found if words.strip()]


def word_art(node: Any) -> list[str]:
    """The words of WordArt of the old kind."""
    return [str(words) for path in node.iter(V + "textpath") if (words := path.get("string", "").strip())]


def chart(root: Any) -> list[str]:
    """Title and labels of a chart, then one line a series: its name, its categories, its figures."""
    lines = paragraphs(root)
    for series in root.iter(C + "ser"):
        pieces = ["、".join(v.text or "" for v in part.iter(C + "v")) for part in series if len(part)]
        lines.append("：".join(piece for piece in pieces if piece))
    return [line for line in lines if line.strip()]


def chosen(field: Any) -> str:
    """What a drop-down of a form shows: it stands in no text of the file."""
    held = field.find(f"{W}ffData/{W}ddList")
    if held is None:
        return ""
    entries = [entry.get(W + "val", "") for entry in held.findall(W + "listEntry")]
    result = held.find(W + "result")
    at = result.get(W + "val", "0") if result is not None else "0"
    return entries[int(at)] if at.isdigit() and int(at) < len(entries) else ""


def closed_contents(body: Any) -> bool:
    """Whether every field that begins also ends; contents that never end would swallow the whole plan."""
    kinds = [mark.get(W + "fldCharType") for mark in body.iter(W + "fldChar")]
    return kinds.count("begin") == kinds.count("end")
