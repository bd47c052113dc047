"""The stock as rows with the columns that import reads: export then import changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency.divisions.rules import in_scope
from emergency.http.actor import Actor
from emergency.http.permissions import Permission
from emergency.http.sheets import Column
from emergency.supplies.models import Balance, Depot, DepotKind, Item, Lot, Ownership, Place
from kernel.db import Database

COLUMNS = (
    Column("item_code", ("物资编码", "编码"), kind="code"),
    Column("item_name", ("物资名称", "名称"), required=True),
    Column("unit", ("单位", "计量单位"), required=True),
    Column("depot", ("库点", "仓库"), required=True),
    Column("ownership", ("权属", "储备形式"), required=True),
    Column("lot", ("批次", "批号"), kind="code"),
    Column("quantity", ("数量",), required=True, kind="number"),
    Column("made_on", ("生产日期",)),
    Column("expires_on", ("有效期至", "失效日期")),
)
PAGE = 500


def export_rows(
    session: Session,
    *,
    actor: Actor,
    q: str = "",
    ownership: Ownership | None = None,
    kind: DepotKind | None = None,
    family: str = "",
    after: tuple[int, int] = (0, 0),
    limit: int = 20_000,
) -> list[dict[str, Any]]:
    """The lots in stock that a list shows, as rows."""
    actor.require(Permission.SUPPLIES_VIEW)
    statement = (
        sa.select(Item, Lot, Depot, Balance.quantity)
        .join(Lot, Lot.item_id == Item.id)
        .join(Balance, Balance.lot_id == Lot.id)
        .join(Place, Place.id == Balance.place_id)
        .join(Depot, Depot.id == Place.depot_id)
        .where(
            Balance.quantity > 0,
            in_scope(Depot.division_code, actor),
            sa.tuple_(Lot.id, Depot.id) > sa.tuple_(sa.literal(after[0]), sa.literal(after[1])),
        )
        .order_by(Lot.id, Depot.id)
        .limit(limit)
    )
    if q.strip():
        statement = statement.where(Item.name.contains(q.strip(), autoescape=True))
    if ownership is not None:
        statement = statement.where(Lot.ownership == ownership)
    if kind is not None:
        statement = statement.where(Depot.kind == kind)
    if family:
        statement = statement.where(Item.code.startswith(family))
    return [
        {
            "item_code": item.code or "",
            "item_name": item.name,
            "unit": item.unit,
            "depot": depot.name,
            "ownership": lot.ownership.value,
            "lot": lot.number,
            "quantity": quantity,
            "made_on": lot.made_on.isoformat() if lot.made_on else "",
            "expires_on": lot.expires_on.isoformat() if lot.expires_on else "",
            "_key": (lot.id, depot.id),
        }
        for item, lot, depot, quantity in session.execute(statement)
    ]


def export_supplies(database: Database, *, actor: Actor, purpose: str | None = None) -> Iterator[dict[str, Any]]:
    """Everything in stock in scope, in pieces."""
    after = (0, 0)
    while True:
        with database.read() as session:
            rows = export_rows(session, actor=actor, after=after, limit=PAGE)
        for row in rows:
            after = row.pop("_key")
            yield row
        if len(rows) < PAGE:
            return
