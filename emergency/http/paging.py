"""Lists in pages of 50, by cursor: a list that grows while somebody reads it neither skips nor repeats."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.http.intake import fits
from kernel.errors import N_, Invalid

PAGE_SIZE = 50
MAX_PAGE_SIZE = 200
T = TypeVar("T")


@dataclass(frozen=True)
class Page(Generic[T]):
    """One page: its items and the cursor of the next, None at the end."""

    items: list[T]
    next_cursor: str | None

    def map(self, function: Callable[[T], Any]) -> Page[Any]:
        """The same page of something else."""
        return Page([function(item) for item in self.items], self.next_cursor)


def encode_cursor(values: Sequence[Any]) -> str:
    """An opaque cursor from the key values of the last row."""
    raw = json.dumps([v.isoformat() if hasattr(v, "isoformat") else v for v in values], separators=(",", ":"))
    return base64.urlsafe_b64encode(raw.encode()).decode().rstrip("=")


def decode_cursor(cursor: str, length: int, kinds: Sequence[type] | None = None) -> list[Any]:
    """The key values, of these kinds, or 422 `invalid_cursor`."""
    try:
        values = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError, RecursionError) as error:
        raise _bad_cursor() from error
    if not isinstance(values, list) or len(values) != length:
        raise _bad_cursor()
    for value, kind in zip(values, kinds or [object] * length, strict=True):
        if type(value) not in (int, str) or not isinstance(value, kind) or not fits(value):
            raise _bad_cursor()
    return values


def _kind(key: Any) -> type:
    """What a key column's value is in a cursor: PostgreSQL compares no number with a text."""
    return int if isinstance(getattr(key, "type", None), sa.Integer) else str


def _bad_cursor() -> Invalid:
    return Invalid(N_("This page address is not valid. Start again from the first page."), code="invalid_cursor")


def paginate(
    session: Session,
    statement: sa.Select[Any],
    *,
    key: Sequence[Any],
    cursor: str | None = None,
    limit: int = PAGE_SIZE,
    descending: bool = False,
    scalars: bool = True,
) -> Page[Any]:
    """One page of `statement` ordered by the `key` columns (unique together; ints or strings).

    With `scalars` the items are the first entity of each row and the key attributes are read from it; otherwise the
    rows themselves, which must carry the key columns by name.
    """
    limit = max(1, min(limit, MAX_PAGE_SIZE))
    if cursor:
        position = sa.tuple_(*key)
        values = sa.tuple_(*(sa.literal(v) for v in decode_cursor(cursor, len(key), [_kind(k) for k in key])))
        statement = statement.where(position < values if descending else position > values)
    statement = statement.order_by(*(k.desc() if descending else k.asc() for k in key)).limit(limit + 1)
    result = session.execute(statement)
    rows = list(result.scalars() if scalars else result)
    items = rows[:limit]
    if len(rows) <= limit:
        return Page(items, None)
    return Page(items, encode_cursor([getattr(items[-1], k.key) for k in key]))
