"""Resealing under a new key, in pieces, while the system runs.

Every sealed cell is found by its name: a column `x_sealed` of a table holds what was sealed for `(table, x, id)`.
Columns that are sealed otherwise say so in their `info["sealed_as"]`. Old keys stay in the ring, so that a piece that
was not reached yet, and a backup from yesterday, still open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from emergency.privacy.vault import Vault
from kernel.db import Database, metadata

_PIECE = 1000
SUFFIX = "_sealed"


@dataclass(frozen=True)
class SealedColumn:
    """Where sealed values are and what they are bound to."""

    table: sa.Table
    column: sa.Column[Any]
    bound_table: str
    bound_column: str
    bound_row: int | None
    """A fixed row, or None: the row's own id."""


def sealed_columns() -> Iterator[SealedColumn]:
    """Every sealed column of every table."""
    for table in metadata.sorted_tables:
        for column in table.columns:
            said = column.info.get("sealed_as")
            if said:
                yield SealedColumn(table, column, *said)
            elif column.name.endswith(SUFFIX):
                yield SealedColumn(table, column, table.name, column.name.removesuffix(SUFFIX), None)


def _old(place: SealedColumn, active: int) -> sa.ColumnElement[bool]:
    return sa.and_(place.column.is_not(None), sa.func.substr(place.column, 1, 2) != active.to_bytes(2, "big"))


def behind(database: Database, active: int) -> bool:
    """Whether anything is still sealed under another key than `active`: a rotation that was interrupted."""
    with database.read() as session:
        return any(
            session.scalar(sa.select(sa.literal(1)).select_from(place.table).where(_old(place, active)).limit(1))
            for place in sealed_columns()
        )


def reseal(database: Database, vault: Vault, report: Callable[[int, int | None], None] | None = None) -> int:
    """Bring every sealed value under the vault's active key; safe to stop and to run again. Returns how many."""
    done = 0
    for place in sealed_columns():
        key = place.table.c.id
        last: Any = None
        piece = place.column.info.get("reseal_rows", _PIECE)  # whole files do not fit into memory by the thousand
        while True:
            query = sa.select(key, place.column).where(_old(place, vault.ring.active)).order_by(key).limit(piece)
            if last is not None:
                query = query.where(key > last)
            with database.read() as session:
                rows = session.execute(query).all()
            if not rows:
                break
            last = rows[-1][0]
            fresh = [_again(vault, place, row_id, sealed) for row_id, sealed in rows]
            with database.write() as session:
                # bound to the old value: somebody may have changed the cell since it was read
                session.connection().execute(
                    sa.update(place.table)
                    .where(key == sa.bindparam("b_id"), place.column == sa.bindparam("b_old"))
                    .values({place.column.name: sa.bindparam("b_new")}),
                    fresh,
                )
            done += len(fresh)
            if report:
                report(done, None)
    return done


def _again(vault: Vault, place: SealedColumn, row_id: Any, sealed: bytes) -> dict[str, Any]:
    bound = (place.bound_table, place.bound_column, row_id if place.bound_row is None else place.bound_row)
    return {"b_id": row_id, "b_old": sealed, "b_new": vault.seal_bytes(*bound, vault.open_bytes(*bound, sealed))}
