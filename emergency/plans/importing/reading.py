"""A file of whatever kind to what a page can show: its kind is told by its first bytes, never by its name alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from emergency.plans.importing import outline, people, recognise
from emergency.plans.importing.elements import Picture, Remark, Source
from emergency.plans.importing.outline import Section
from emergency.plans.importing.package import OLE, is_encrypted_ole, refuse, too_large
from emergency.plans.importing.people import Person
from emergency.plans.importing.texts import read_lines, read_text
from emergency.plans.importing.word import read_docx
from kernel.errors import N_

DOCX_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_OLD = {OLE: "application/msword", b"%PDF": "application/pdf", b"{\\rtf": "application/rtf"}
_EXPECTED = {
    "docx": {".docx"},
    "text": {".txt", ".md", ".markdown", ".text", ""},
    "old": {".doc", ".wps", ".pdf", ".rtf"},
}
TEXT_LIMIT = 8 * 1024 * 1024
"""Bytes of plain text: fifty times the longest plan known."""


@dataclass
class Reading:
    """What was read. `pictures` are bytes beside the result."""

    kind: str
    media_type: str
    title: str
    sections: list[Section]
    people: list[Person]
    remarks: list[Remark]
    pictures: list[Picture] = field(default_factory=list)
    levels: list[dict[str, Any]] = field(default_factory=list)
    evacuation: list[dict[str, Any]] = field(default_factory=list)


def kind_of(data: bytes) -> tuple[str, str]:
    """`docx`, `old` or `text`, and the media type."""
    for start, media_type in _OLD.items():
        if data.startswith(start):
            return "old", media_type
    if data[:1024].lstrip()[:4] == b"%PDF":
        return "old", "application/pdf"
    return ("docx", DOCX_TYPE) if data[:4] in (b"PK\x03\x04", b"PK\x05\x06") else ("text", "text/plain")


def read(data: bytes, name: str, *, typed: str = "", limit: int) -> Reading:
    """Read a plan. `typed` is the outline typed beside a file in an old format; without a file it is the text.

    Raises `FileRefused` with a code: `file_empty`, `file_too_large`, `has_macros`, `password_protected`, `zip_bomb`,
    `external_entities`, `file_broken`, `not_text`, `outline_required`.
    """
    if len(data) > limit:
        raise too_large(limit)
    extension = PurePath(name).suffix.lower()
    if not data.strip() and not typed.strip():
        raise refuse("file_empty", N_("The file is empty. Nothing was imported."))
    kind, media_type = kind_of(data) if data else ("text", "text/plain")
    if is_encrypted_ole(data):
        raise refuse(
            "password_protected",
            N_("The file is protected by a password. Take the password off in Word, then import it again."),
        )
    if kind == "old" and not typed.strip():
        raise refuse(
            "outline_required",
            N_("This is an old format (.doc, .wps, .pdf): it is kept as it is. Type or paste the outline of its text beside it, "
               "or save it as .docx."),
        )  # fmt: skip
    source = _source(data, kind, extension, typed)
    if data and kind in _EXPECTED and extension not in _EXPECTED[kind]:
        source.note("wrong_extension", N_("The file is called %(extension)s but is %(kind)s; it was read as what it is."),
                    extension=extension or "—", kind={"docx": ".docx", "text": ".txt", "old": media_type}[kind])  # fmt: skip
    if kind == "old":
        source.note(
            "old_format", N_("The original is kept sealed beside the typed outline; its own text was not read.")
        )
    found = people.take_out(source)
    made = outline.build(source)
    if not made.sections:
        raise refuse("file_empty", N_("The file is empty. Nothing was imported."))
    return Reading(
        kind, media_type, made.title, made.sections, found, source.remarks, made.pictures,
        recognise.levels(made.sections), recognise.evacuation(made.sections),
    )  # fmt: skip


def _source(data: bytes, kind: str, extension: str, typed: str) -> Source:
    if kind == "docx":
        return read_docx(data)
    if kind == "old" or not data:
        return read_lines(typed)
    if extension in (".docx", ".doc", ".wps", ".pdf"):
        raise refuse(
            "file_broken",
            N_(
                "The file is damaged or no Word document (.docx). Save it again in Word as .docx; nothing was imported."
            ),
        )
    if len(data) > TEXT_LIMIT:
        raise too_large(TEXT_LIMIT)
    return read_text(data, markdown=extension in (".md", ".markdown"))
