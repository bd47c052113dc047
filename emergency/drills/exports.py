"""`emergency export terms`: the school terms that were entered, with the columns that the import reads."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa

from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.http.sheets import Column
from kernel.db import Database
from scheduler.models import SchoolTerm

TERM_COLUMNS = (
    Column("school_year", ("学年",), required=True),
    Column("term", ("学期",), required=True, kind="number"),
    Column("begins_on", ("开学日期", "开始日期"), required=True),
    Column("ends_on", ("放假日期", "结束日期"), required=True),
    Column("announced", ("已公布",)),
)


def export_terms(database: Database, *, actor: Actor, purpose: str | None = None) -> Iterator[dict[str, str]]:
    """School terms, the earliest first. Nothing personal: `purpose` needs no entry."""
    actor.require(Permission.DRILLS_VIEW)
    with database.read() as session:
        rows = session.scalars(sa.select(SchoolTerm).order_by(SchoolTerm.begins_on)).all()
    for row in rows:
        yield {
            "school_year": row.school_year, "term": str(row.term), "begins_on": row.begins_on.isoformat(),
            "ends_on": row.ends_on.isoformat(), "announced": "1" if row.announced else "0",
        }  # fmt: skip
