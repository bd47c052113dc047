"""What was issued, as CAP 1.2 and as an Atom feed. Pure: the immutable snapshot in, bytes out.

The order of elements is that of the schema. Longitude and latitude change places here, and only here: CAP writes
latitude first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final
from xml.etree import ElementTree as ET  # built here, never read

from emergency.warnings import rules
from emergency.warnings.models import WarningLevel, WarningStatus

CAP: Final = "urn:oasis:names:tc:emergency:cap:1.2"
ATOM: Final = "http://www.w3.org/2005/Atom"
CAP_TYPE: Final = "application/cap+xml"
ATOM_TYPE: Final = "application/atom+xml"
EXERCISE_MARK: Final = "【演练】"
_CATEGORY: Final = (
    ("11A", "Met"), ("11B", "Met"), ("11C", "Geo"), ("11D", "Geo"), ("11E", "Met"), ("11F", "Env"), ("11G", "Fire"),
    ("11", "Other"), ("12", "Safety"), ("13", "Health"), ("14", "Security"),
)  # fmt: skip
"""CAP's categories by the beginning of the code in GB/T 35561."""
_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def category(event_code: str) -> str:
    """CAP's category of an event."""
    return next((name for prefix, name in _CATEGORY if event_code.startswith(prefix)), "Other")


def urgency(snapshot: Mapping[str, Any]) -> str:
    """Past for what is over; else by when the hazard begins."""
    if snapshot["msg_type"] == "Cancel":
        return "Past"
    begins, sent = (datetime.fromisoformat(snapshot[name]) for name in ("effective", "sent"))
    if begins <= sent:
        return "Immediate"
    return "Expected" if (begins - sent).total_seconds() <= 3600 else "Future"


def document(snapshot: Mapping[str, Any]) -> bytes:
    """One message as CAP 1.2."""
    alert = ET.Element("alert", xmlns=CAP)
    exercise = snapshot["status"] != WarningStatus.ACTUAL.value
    _add(alert, "identifier", snapshot["identifier"])
    _add(alert, "sender", snapshot["sender"])
    _add(alert, "sent", snapshot["sent"])
    _add(alert, "status", snapshot["status"])
    _add(alert, "msgType", snapshot["msg_type"])
    _add(alert, "source", snapshot["relayed_from"])
    _add(alert, "scope", snapshot["scope"])
    _add(alert, "note", snapshot["note"])
    _add(alert, "references", " ".join(snapshot["references"]))
    info = _group(alert, "info")
    _add(info, "language", "zh-CN")
    _add(info, "category", category(snapshot["event_code"]))
    _add(info, "event", snapshot["event"])
    _add(info, "urgency", urgency(snapshot))
    _add(info, "severity", rules.SEVERITY[snapshot["level"]])
    _add(info, "certainty", "Unknown")
    _pair(info, "eventCode", "GB/T 35561", snapshot["event_code"])
    _add(info, "effective", snapshot["effective"])
    _add(info, "onset", snapshot["effective"])
    _add(info, "expires", snapshot["expires"])
    _add(info, "senderName", snapshot["issuer"])
    _add(info, "headline", title(snapshot))
    _add(info, "description", (EXERCISE_MARK if exercise else "") + snapshot["description"])
    _add(info, "instruction", (EXERCISE_MARK if exercise else "") + snapshot["instruction"])
    _pair(info, "parameter", "预警级别", WarningLevel(snapshot["level"]).zh)
    _area(info, snapshot)
    return _written(alert)


def title(snapshot: Mapping[str, Any]) -> str:
    """The headline; an exercise is named as one before its first word."""
    mark = EXERCISE_MARK if snapshot["status"] != WarningStatus.ACTUAL.value else ""
    return mark + (snapshot["headline"] or f"{snapshot['event']}{WarningLevel(snapshot['level']).zh}预警")


def _area(info: ET.Element, snapshot: Mapping[str, Any]) -> None:
    shape = snapshot["area"] or {}
    area = _group(info, "area")
    _add(area, "areaDesc", snapshot["area_words"])
    for ring in shape.get("polygons", []):
        _add(area, "polygon", " ".join(f"{_degrees(lat)},{_degrees(lon)}" for lon, lat in ring))
    for circle in shape.get("circles", []):
        centre = f"{_degrees(circle['lat'])},{_degrees(circle['lon'])}"
        _add(area, "circle", f"{centre} {_trimmed(circle['radius_m'] / 1000, 3)}")
    # Places that the officer counted in by name have codes too; single units (`unit:12`) have none.
    codes = [*shape.get("divisions", []), *(code for code in shape.get("included", []) if code.isdigit())]
    for code in dict.fromkeys(codes):
        _pair(area, "geocode", "行政区划代码", code)


def _degrees(value: float) -> str:
    return _trimmed(value, 6)


def _trimmed(value: float, digits: int) -> str:
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _pair(parent: ET.Element, tag: str, name: str, value: str) -> None:
    pair = _group(parent, tag)
    _add(pair, "valueName", name)
    _add(pair, "value", value)


def _group(parent: ET.Element, tag: str, **attributes: str) -> ET.Element:
    return ET.SubElement(parent, tag, attributes)


def _add(parent: ET.Element, tag: str, text: str | None) -> None:
    """A child with its text; without text there is none."""
    if text:
        ET.SubElement(parent, tag).text = _NOT_XML.sub("", text)


def _written(root: ET.Element) -> bytes:
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True))


def feed(
    snapshots: Iterable[Mapping[str, Any]], *, address: str, base: str, name: str, updated: str, exercise: bool = False
) -> bytes:
    """An Atom feed of messages, the newest first; `address` is its own, `base` that of the documents' folder."""
    root = ET.Element("feed", xmlns=ATOM)
    _add(root, "id", address)
    _add(root, "title", f"{EXERCISE_MARK if exercise else ''}{name}预警信息")
    _add(root, "updated", updated)
    _group(root, "link", rel="self", type=ATOM_TYPE, href=address)
    _add(_group(root, "author"), "name", name)
    for snapshot in snapshots:
        where = f"{base}/{snapshot['identifier']}.xml"
        entry = _group(root, "entry")
        _add(entry, "id", where)
        _add(entry, "title", title(snapshot))
        _add(entry, "updated", snapshot["sent"])
        _add(entry, "published", snapshot["sent"])
        _add(_group(entry, "author"), "name", snapshot["issuer"])
        _group(entry, "link", rel="alternate", type=CAP_TYPE, href=where)
        for scheme, term in (("status", snapshot["status"]), ("msgType", snapshot["msg_type"]),
                             ("severity", rules.SEVERITY[snapshot["level"]])):  # fmt: skip
            _group(entry, "category", scheme=f"{CAP}:{scheme}", term=term)
        _add(entry, "summary", f"{snapshot['area_words']}：{snapshot['description']}")
    return _written(root)
