"""The index of the texts in force: one row a section, its words as overlapping pairs of characters.

SQLite searches it with FTS5, PostgreSQL with a GIN index; both hold the same words (docs/decisions/0013).
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.orm import Mapped, mapped_column

from emergency.plans.models import Plan, PlanVersion
from kernel.db import Base, Pk

__all__ = ["SEARCH_DDL", "PlanSearch"]


class PlanSearch(Base):
    """One piece of a text in force. Rows are written and removed, never changed."""

    __tablename__ = "plan_search"
    __table_args__ = (
        sa.UniqueConstraint("version_id", "position", "piece", name="one_row_a_piece"),
        sa.Index(None, "plan_id"),
    )

    id: Mapped[Pk]
    plan_id: Mapped[int] = mapped_column(sa.ForeignKey(Plan.id))
    version_id: Mapped[int] = mapped_column(sa.ForeignKey(PlanVersion.id))
    position: Mapped[int]
    """The section's position; 0 holds the plan's title, issuer and document number."""
    piece: Mapped[int]
    """A very long section stands in several rows."""
    title: Mapped[str] = mapped_column(sa.String(240))
    """The section's number and heading as printed."""
    words: Mapped[str]
    """The text as printed: what a passage is cut from and a phrase is checked against."""
    tags: Mapped[str]
    """Whose plan it is, its kind and its hazards, as words of the index."""
    heading: Mapped[str]
    body: Mapped[str]


_ALL = "array_to_tsvector(string_to_array(tags || ' ' || heading || ' ' || body, ' '))"
_HEADING = "array_to_tsvector(string_to_array(tags || ' ' || heading, ' '))"
SEARCH_DDL: dict[str, list[str]] = {
    "sqlite": [
        "CREATE VIRTUAL TABLE plan_search_fts USING fts5(tags, heading, body, content='plan_search', "
        "content_rowid='id', tokenize='unicode61 remove_diacritics 0')",
        "CREATE TRIGGER plan_search_fts_insert AFTER INSERT ON plan_search BEGIN "
        "INSERT INTO plan_search_fts (rowid, tags, heading, body) VALUES (NEW.id, NEW.tags, NEW.heading, NEW.body); "
        "END",
        "CREATE TRIGGER plan_search_fts_delete AFTER DELETE ON plan_search BEGIN "
        "INSERT INTO plan_search_fts (plan_search_fts, rowid, tags, heading, body) "
        "VALUES ('delete', OLD.id, OLD.tags, OLD.heading, OLD.body); END",
        "CREATE TRIGGER plan_search_fts_update BEFORE UPDATE ON plan_search "
        "BEGIN SELECT RAISE(ABORT, 'a row of the index is written anew, never changed'); END",
    ],
    "postgresql": [
        f"CREATE INDEX plan_search_fts_all ON plan_search USING gin (({_ALL}))",
        f"CREATE INDEX plan_search_fts_heading ON plan_search USING gin (({_HEADING}))",
    ],
}


def _create(_table: Any, connection: sa.Connection, **_kw: Any) -> None:
    for statement in SEARCH_DDL[connection.dialect.name]:
        connection.exec_driver_sql(statement)


def _drop(_table: Any, connection: sa.Connection, **_kw: Any) -> None:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("DROP TABLE IF EXISTS plan_search_fts")


event.listen(PlanSearch.__table__, "after_create", _create)
event.listen(PlanSearch.__table__, "before_drop", _drop)
