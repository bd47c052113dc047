"""A .docx as a package: opened with every limit checked before a byte is believed."""

from __future__ import annotations

import io
import posixpath
import zipfile
import zlib
from typing import Any

from lxml import etree

from kernel.errors import N_, Invalid

MEMBERS = 4_000
TOTAL = 256 * 1024 * 1024
"""Bytes of all parts together when unpacked."""
PART = 64 * 1024 * 1024
RATIO = 200
"""A part that unpacks to more than this many times its size is no document."""
_RATIO_FROM = 1024 * 1024
REL = "{http://schemas.openxmlformats.org/package/2006/relationships}"
CONTENT = "{http://schemas.openxmlformats.org/package/2006/content-types}"
MAIN = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
_STRICT = (
    (b"http://purl.oclc.org/ooxml/officeDocument/", b"http://schemas.openxmlformats.org/officeDocument/2006/"),
    (b"http://purl.oclc.org/ooxml/wordprocessingml/main",
     b"http://schemas.openxmlformats.org/wordprocessingml/2006/main"),
    (b"http://purl.oclc.org/ooxml/drawingml/", b"http://schemas.openxmlformats.org/drawingml/2006/"),
)  # fmt: skip
"""Namespaces of ISO/IEC 29500 Strict, and those that everybody writes."""
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


class FileRefused(Invalid):
    """The file as a whole cannot be read; nothing was kept."""


def refuse(code: str, message: str, **params: Any) -> FileRefused:
    """An error that ends the reading."""
    return FileRefused(message, code=code, **params)


def too_large(limit: int) -> FileRefused:
    """Larger than this installation takes (`server.max_upload_mb`)."""
    return refuse(
        "file_too_large",
        N_("The file is larger than %(mb)s MB. Nothing was imported; leave large pictures out or split the file."),
        mb=limit // (1024 * 1024),
    )


def _bomb() -> FileRefused:
    return refuse(
        "zip_bomb",
        N_("The file unpacks to far more than a document holds. It was not read and nothing was imported."),
    )


def _broken() -> FileRefused:
    return refuse(
        "file_broken",
        N_("The file is damaged or no Word document (.docx). Save it again in Word as .docx; nothing was imported."),
    )


def is_encrypted_ole(data: bytes) -> bool:
    """A Word document with a password is an OLE container with one stream of that name."""
    return data.startswith(OLE) and "EncryptedPackage".encode("utf-16-le") in data


def parse_xml(data: bytes) -> Any:
    """XML without entities, without the network, without a document type."""
    parser = etree.XMLParser(
        resolve_entities=False, load_dtd=False, no_network=True, dtd_validation=False, huge_tree=False,
        remove_comments=True, remove_pis=True,
    )  # fmt: skip
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise _broken() from error
    info: Any = root.getroottree().docinfo
    if info.doctype or info.internalDTD is not None:
        raise refuse(
            "external_entities",
            N_("The file declares entities of its own, as no Word document does. It was not read; nothing imported."),
        )
    return root


class Package:
    """The parts of a document, each read once within the limits."""

    def __init__(self, data: bytes):
        if is_encrypted_ole(data):
            raise refuse(
                "password_protected",
                N_("The file is protected by a password. Take the password off in Word, then import it again."),
            )
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
            members = self._zip.infolist()
        except (zipfile.BadZipFile, zipfile.LargeZipFile, ValueError, OSError, NotImplementedError) as error:
            raise _broken() from error
        if len(members) > MEMBERS or sum(member.file_size for member in members) > TOTAL:
            raise _bomb()
        self._members: dict[str, zipfile.ZipInfo] = {}
        for member in members:
            name = member.filename.lstrip("/").lower()
            if member.file_size > max(member.compress_size, 1) * RATIO and member.file_size > _RATIO_FROM:
                raise _bomb()
            if member.flag_bits & 1:
                raise refuse(
                    "password_protected",
                    N_("The file is protected by a password. Take the password off in Word, then import it again."),
                )
            if name in self._members:
                raise _broken()
            self._members[name] = member
        self._spent = 0
        self._check_types()

    def _check_types(self) -> None:
        types = self.xml("[Content_Types].xml")
        declared = {node.get("ContentType", "") for node in types.iter(CONTENT + "Override", CONTENT + "Default")}
        macros = any("macroEnabled" in kind or "vbaProject" in kind for kind in declared)
        if macros or any(name.endswith(("vbaproject.bin", "vbadata.xml")) for name in self._members):
            raise refuse(
                "has_macros",
                N_(
                    "The file carries macros. It was not read. Save it in Word as .docx without macros, then import it."
                ),
            )
        if MAIN not in declared:
            raise _broken()
        main = next(
            node.get("PartName") for node in types.iter(CONTENT + "Override") if node.get("ContentType") == MAIN
        )
        self.main = str(main).lstrip("/")

    def has(self, name: str) -> bool:
        """Whether the part exists."""
        return name.lstrip("/").lower() in self._members

    def read(self, name: str) -> bytes:
        """One part; what its header says about its size is not believed."""
        member = self._members.get(name.lstrip("/").lower())
        if member is None:
            raise _broken()
        try:
            with self._zip.open(member) as stream:
                data = stream.read(PART + 1)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError) as error:
            raise _broken() from error
        self._spent += len(data)
        if len(data) > PART or self._spent > TOTAL * 2:
            raise _bomb()
        return data

    def xml(self, name: str) -> Any:
        """One part as a tree; what was saved as ISO Strict in the namespaces of the usual kind."""
        data = self.read(name)
        for strict, usual in _STRICT if b"purl.oclc.org/ooxml" in data else ():
            data = data.replace(strict, usual)
        return parse_xml(data)

    def relations(self, part: str) -> dict[str, tuple[str, str, bool]]:
        """Of a part: id → kind, target, whether it lies outside the file."""
        folder, base = posixpath.split(part)
        name = posixpath.join(folder, "_rels", base + ".rels")
        if not self.has(name):
            return {}
        found = {}
        for node in self.xml(name).iter(REL + "Relationship"):
            outside = node.get("TargetMode") == "External"
            target = node.get("Target", "")
            if not outside:
                target = (
                    target.lstrip("/") if target.startswith("/") else posixpath.normpath(posixpath.join(folder, target))
                )
            found[node.get("Id", "")] = (node.get("Type", "").rsplit("/", 1)[-1], target, outside)
        return found
