"""Column types: aware UTC times, labelled enums, JSON."""

from __future__ import annotations

import enum
from datetime import UTC, datetime
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.types import TypeDecorator


class UTCDateTime(TypeDecorator[datetime]):
    """An aware moment. Naive values are refused: they are the bug, not the data."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("naive datetime refused: times are aware UTC")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class LabelledEnum(enum.Enum):
    """An enum whose members carry their Chinese and English label and their colour token.

    Members are written `NAME = "stored-value", "中文", "English", "tone"`; the tone is one of the tokens of the
    style sheet (`done`, `late`, `wait`, `drill`, `red`, `orange`, `yellow`, `blue`, or empty).
    """

    zh: str
    en: str
    tone: str

    def __new__(cls, value: str, zh: str = "", en: str = "", tone: str = "") -> Self:
        member = object.__new__(cls)
        member._value_ = value
        member.zh = zh
        member.en = en
        member.tone = tone
        return member

    __hash__ = object.__hash__
    """Members are one of a kind; the standard hash goes through Python, and tallies hash states by the million."""

    def label(self, language: str = "zh") -> str:
        """The word for people, in `zh` or `en`."""
        return self.en if language.startswith("en") else self.zh

    def __str__(self) -> str:
        return str(self.value)


def enum_type(members: type[enum.Enum], *, name: str | None = None) -> sa.Enum:
    """A text column with a CHECK that admits the enum's stored values only."""
    return sa.Enum(
        members,
        native_enum=False,
        create_constraint=True,
        length=32,
        name=name or members.__name__.lower(),
        values_callable=lambda e: [str(m.value) for m in e],
    )


class JSONText(TypeDecorator[Any]):
    """JSON that keeps its keys' order and its Chinese readable; TEXT on SQLite, JSONB on PostgreSQL."""

    impl = sa.JSON
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        if dialect.name == "postgresql":
            from sqlalchemy.dialects.postgresql import JSONB

            return dialect.type_descriptor(JSONB(none_as_null=True))
        return dialect.type_descriptor(sa.JSON(none_as_null=True))
