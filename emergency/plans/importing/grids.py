"""Rows and cells of a Word table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from emergency.plans.importing.numbering import W

_AROUND = frozenset(W + name for name in ("sdt", "sdtContent", "customXml", "ins", "moveTo", "smartTag"))


def rows(table: Any) -> Iterator[Any]:
    """The rows of a table, whatever Word wrapped around them."""
    for node in table:
        if node.tag == W + "tr":
            yield node
        elif node.tag in _AROUND:
            yield from rows(node)


def cells(row: Any) -> Iterator[Any]:
    """The cells of a row."""
    for node in row:
        if node.tag == W + "tc":
            yield node
        elif node.tag in _AROUND:
            yield from cells(node)


def count_in(node: Any, path: str) -> int:
    """A number among the properties of a row or cell; 64 at most, whatever the file says."""
    found = node.find(path)
    text = found.get(W + "val", "0") if found is not None else "0"
    return min(int(text), 64) if text.isdigit() else 0
