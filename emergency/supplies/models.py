"""Stock as a ledger: places, lots, movements between places, and the balances that the database itself guards.

A movement takes from one place and gives to another; the outside world (supplier, donor, use, loss) is places too.
Balances carry the CHECKs: a depot never holds less than nothing and never promises more than it holds.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.orm import Mapped, mapped_column

import emergency.divisions.models  # noqa: F401 - the tables that foreign keys below name
from kernel.db import Base, DivisionCode, Pk
from kernel.types import LabelledEnum, enum_type


class DepotKind(LabelledEnum):
    """In what form the reserve is held (突发事件应对法 art. 45-46)."""

    GOVERNMENT = "government", "政府实物储备库", "Government depot"
    AGREEMENT = "agreement", "协议储备点", "Agreement holder"
    CAPACITY = "capacity", "产能储备企业", "Capacity holder"
    TOWNSHIP = "township", "乡镇储备点", "Township depot"
    UNIT = "unit", "单位储备点", "Unit store"
    FAMILY = "family", "家庭储备建议清单", "Family list"


class Ownership(LabelledEnum):
    """Whose the goods are. Never added together: a promise is not stock, and a gift has its own purpose."""

    GOVERNMENT = "government", "政府储备", "Government stock"
    AGREEMENT = "agreement", "协议储备", "Agreement commitment"
    CAPACITY = "capacity", "产能储备", "Capacity commitment"
    UNIT = "unit", "单位自备", "Unit's own"
    FAMILY = "family", "家庭自备", "Family's own"
    DONATION = "donation", "捐赠物资", "Donation"


class DepotState(LabelledEnum):
    """Whether a depot serves."""

    OPEN = "open", "在用", "In use", "done"
    CLOSED = "closed", "停用", "Closed", "absent"


class LotState(LabelledEnum):
    """Whether a lot may be used."""

    USABLE = "usable", "可用", "Usable", "done"
    QUARANTINED = "quarantined", "待检", "Held for inspection", "wait"
    WITHDRAWN = "withdrawn", "停用", "Withdrawn", "late"


class PlaceKind(LabelledEnum):
    """Where goods are, or where they come from and go to."""

    DEPOT = "depot", "库点", "Depot"
    SUPPLY = "supply", "采购与入储", "Purchase"
    GIFT = "gift", "捐赠", "Donors"
    USE = "use", "领用", "Use"
    LOSS = "loss", "报废", "Written off"
    COUNT = "count", "盘点差异", "Count differences"


class MovementKind(LabelledEnum):
    """Why goods moved."""

    RECEIVE = "receive", "入库", "Received", "done"
    MOVE = "move", "调拨", "Moved"
    ISSUE = "issue", "出库", "Issued", "wait"
    RETURN = "return", "退库", "Returned"
    WRITE_OFF = "write_off", "报废", "Written off", "late"
    COUNT = "count", "盘点调整", "Count correction"
    IMPORT = "import", "导入核定", "Set by import"


class WriteOffState(LabelledEnum):
    """How far a write-off has come."""

    REQUESTED = "requested", "待批准", "Awaiting approval", "wait"
    APPROVED = "approved", "已报废", "Written off", "done"
    REJECTED = "rejected", "未批准", "Refused", "absent"


class ReservationState(LabelledEnum):
    """How a reservation stands."""

    HELD = "held", "预留中", "Held", "wait"
    USED = "used", "已使用", "Used", "done"
    RELEASED = "released", "已释放", "Released", "absent"


class AgreementState(LabelledEnum):
    """How an agreement stands; whether it has run out is computed from its date."""

    IN_FORCE = "in_force", "有效", "In force", "done"
    ENDED = "ended", "已终止", "Ended", "absent"


class RequestState(LabelledEnum):
    """The way of a request: asked, allocated, sent, arrived, brought back."""

    OPEN = "open", "待调配", "Open", "wait"
    ALLOCATED = "allocated", "已分配", "Allocated", "wait"
    DISPATCHED = "dispatched", "已发出", "Dispatched", "wait"
    RECEIVED = "received", "已签收", "Received", "done"
    RETURNED = "returned", "已归还", "Returned", "done"
    REFUSED = "refused", "不予调配", "Refused", "absent"
    CANCELLED = "cancelled", "已撤回", "Withdrawn", "absent"


class Item(Base):
    """A kind of thing. The GB/T 38565-2020 code is entered by the bureau or left blank; the name is the key."""

    __tablename__ = "supply_item"
    __table_args__ = (
        sa.CheckConstraint("code IS NULL OR length(code) = 7", name="code_has_seven_digits"),
        sa.CheckConstraint("shelf_life_months IS NULL OR shelf_life_months > 0", name="shelf_life_positive"),
        sa.CheckConstraint("rotate_before_days >= 0", name="rotation_not_negative"),
        sa.Index(None, "code"),
    )

    id: Mapped[Pk]
    code: Mapped[str | None] = mapped_column(sa.String(7))
    name: Mapped[str] = mapped_column(sa.String(100), unique=True)
    unit: Mapped[str] = mapped_column(sa.String(20))
    specification: Mapped[str] = mapped_column(sa.String(200), default="")
    shelf_life_months: Mapped[int | None]
    rotate_before_days: Mapped[int] = mapped_column(default=90)
    """How long before it expires a lot should be rotated out."""


class Depot(Base):
    """A store, or an enterprise that holds or can make goods for us."""

    __tablename__ = "depot"
    __table_args__ = (
        sa.CheckConstraint("(lat IS NULL) = (lon IS NULL)", name="point_is_whole"),
        sa.Index(None, "division_code", "id"),
    )

    id: Mapped[Pk]
    name: Mapped[str] = mapped_column(sa.String(100), unique=True)
    kind: Mapped[DepotKind] = mapped_column(enum_type(DepotKind))
    division_code: Mapped[DivisionCode] = mapped_column(sa.ForeignKey("division.code"))
    unit_id: Mapped[int | None] = mapped_column(sa.ForeignKey("unit.id"))
    address: Mapped[str] = mapped_column(sa.String(200), default="")
    """Of a public store or an enterprise; never a home."""
    lat: Mapped[float | None] = mapped_column(sa.Float)
    lon: Mapped[float | None] = mapped_column(sa.Float)
    keeper_post_id: Mapped[int | None]
    state: Mapped[DepotState] = mapped_column(enum_type(DepotState), default=DepotState.OPEN)


class Place(Base):
    """A side of a movement: a depot, or a part of the outside world. Only depots are bounded by zero."""

    __tablename__ = "place"
    __table_args__ = (
        sa.UniqueConstraint("id", "bounded", name="id_with_bound"),
        sa.CheckConstraint("(kind = 'depot') = bounded", name="depots_are_bounded"),
        sa.CheckConstraint("(kind = 'depot') = (depot_id IS NOT NULL)", name="depots_have_a_depot"),
        sa.Index(
            "uq_place_one_outside_a_kind",
            "kind",
            unique=True,
            sqlite_where=sa.text("kind <> 'depot'"),
            postgresql_where=sa.text("kind <> 'depot'"),
        ),
    )

    id: Mapped[Pk]
    kind: Mapped[PlaceKind] = mapped_column(enum_type(PlaceKind))
    depot_id: Mapped[int | None] = mapped_column(sa.ForeignKey("depot.id"), unique=True)
    bounded: Mapped[bool]


class Lot(Base):
    """Goods of one item, one make and one owner."""

    __tablename__ = "lot"
    __table_args__ = (
        sa.UniqueConstraint("item_id", "ownership", "number", name="one_row_a_lot"),
        sa.CheckConstraint("expires_on IS NULL OR made_on IS NULL OR expires_on >= made_on", name="made_before_expiry"),
        sa.Index(None, "expires_on"),
    )

    id: Mapped[Pk]
    item_id: Mapped[int] = mapped_column(sa.ForeignKey("supply_item.id"))
    number: Mapped[str] = mapped_column(sa.String(40), default="")
    ownership: Mapped[Ownership] = mapped_column(enum_type(Ownership))
    maker: Mapped[str] = mapped_column(sa.String(100), default="")
    made_on: Mapped[date | None]
    expires_on: Mapped[date | None]
    rotate_by: Mapped[date | None]
    state: Mapped[LotState] = mapped_column(enum_type(LotState), default=LotState.USABLE)


class Movement(Base):
    """One line of the ledger. Append-only: a mistake is corrected by a movement back."""

    __tablename__ = "movement"
    __table_args__ = (
        sa.CheckConstraint("quantity > 0", name="quantity_positive"),
        sa.CheckConstraint("from_place_id <> to_place_id", name="between_two_places"),
        sa.Index(None, "lot_id", "id"),
        sa.Index(None, "from_place_id", "id"),
        sa.Index(None, "to_place_id", "id"),
    )

    id: Mapped[Pk]
    lot_id: Mapped[int] = mapped_column(sa.ForeignKey("lot.id"))
    from_place_id: Mapped[int] = mapped_column(sa.ForeignKey("place.id"))
    to_place_id: Mapped[int] = mapped_column(sa.ForeignKey("place.id"))
    quantity: Mapped[int]
    kind: Mapped[MovementKind] = mapped_column(enum_type(MovementKind))
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(sa.String(60))
    reason: Mapped[str] = mapped_column(sa.String(200), default="")
    subject_kind: Mapped[str | None] = mapped_column(sa.String(40))
    subject_id: Mapped[int | None]


class Balance(Base):
    """What the ledger adds up to, by lot and place, kept in the movement's own transaction."""

    __tablename__ = "stock_balance"
    __table_args__ = (
        sa.ForeignKeyConstraint(["place_id", "bounded"], ["place.id", "place.bounded"], name="fk_stock_balance_place"),
        sa.CheckConstraint("NOT bounded OR quantity >= 0", name="never_negative"),
        sa.CheckConstraint("reserved >= 0", name="reserved_not_negative"),
        sa.CheckConstraint("NOT bounded OR reserved <= quantity", name="never_promised_twice"),
        sa.Index(None, "place_id", "lot_id"),
    )

    lot_id: Mapped[int] = mapped_column(sa.ForeignKey("lot.id"), primary_key=True, autoincrement=False)
    place_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    bounded: Mapped[bool]
    quantity: Mapped[int] = mapped_column(default=0)
    reserved: Mapped[int] = mapped_column(default=0)


class Reservation(Base):
    """Goods that are promised to somebody: an opaque holder (a request, a drill, a plan in action)."""

    __tablename__ = "reservation"
    __table_args__ = (
        sa.CheckConstraint("quantity > 0", name="quantity_positive"),
        sa.Index(None, "holder_kind", "holder_id"),
        sa.Index(None, "lot_id", "place_id"),
    )

    id: Mapped[Pk]
    lot_id: Mapped[int] = mapped_column(sa.ForeignKey("lot.id"))
    place_id: Mapped[int] = mapped_column(sa.ForeignKey("place.id"))
    quantity: Mapped[int]
    holder_kind: Mapped[str] = mapped_column(sa.String(40))
    holder_id: Mapped[int]
    state: Mapped[ReservationState] = mapped_column(enum_type(ReservationState), default=ReservationState.HELD)
    made_at: Mapped[datetime]
    made_by: Mapped[str] = mapped_column(sa.String(60))
    due_at: Mapped[datetime | None]
    done_at: Mapped[datetime | None]


class WriteOff(Base):
    """Goods that somebody wants written off, and the other person who decided."""

    __tablename__ = "write_off"
    __table_args__ = (
        sa.CheckConstraint("quantity > 0", name="quantity_positive"),
        sa.CheckConstraint("decided_by IS NULL OR decided_by <> requested_by", name="requester_never_decides"),
        sa.CheckConstraint("state = 'requested' OR decided_by IS NOT NULL", name="decision_has_a_person"),
        sa.Index(None, "state", "id"),
    )

    id: Mapped[Pk]
    reservation_id: Mapped[int] = mapped_column(sa.ForeignKey("reservation.id"))
    lot_id: Mapped[int] = mapped_column(sa.ForeignKey("lot.id"))
    place_id: Mapped[int] = mapped_column(sa.ForeignKey("place.id"))
    quantity: Mapped[int]
    reason: Mapped[str] = mapped_column(sa.String(200))
    state: Mapped[WriteOffState] = mapped_column(enum_type(WriteOffState), default=WriteOffState.REQUESTED)
    requested_by: Mapped[str] = mapped_column(sa.String(60))
    requested_at: Mapped[datetime]
    decided_by: Mapped[str | None] = mapped_column(sa.String(60))
    version: Mapped[int] = mapped_column(default=1)


class StockCount(Base):
    """A count of one depot by hand."""

    __tablename__ = "stock_count"

    id: Mapped[Pk]
    depot_id: Mapped[int] = mapped_column(sa.ForeignKey("depot.id"))
    counted_by: Mapped[str] = mapped_column(sa.String(60))
    counted_at: Mapped[datetime]
    note: Mapped[str] = mapped_column(sa.String(200), default="")


class StockCountLine(Base):
    """What the books said and what lay there."""

    __tablename__ = "stock_count_line"
    __table_args__ = (sa.CheckConstraint("counted >= 0", name="counted_not_negative"),)

    count_id: Mapped[int] = mapped_column(sa.ForeignKey("stock_count.id"), primary_key=True, autoincrement=False)
    lot_id: Mapped[int] = mapped_column(sa.ForeignKey("lot.id"), primary_key=True, autoincrement=False)
    expected: Mapped[int]
    counted: Mapped[int]


class SafetyLevel(Base):
    """How much government stock of an item a division wants to have at least."""

    __tablename__ = "safety_level"
    __table_args__ = (sa.CheckConstraint("quantity > 0", name="quantity_positive"),)

    item_id: Mapped[int] = mapped_column(sa.ForeignKey("supply_item.id"), primary_key=True, autoincrement=False)
    division_code: Mapped[DivisionCode] = mapped_column(sa.ForeignKey("division.code"), primary_key=True)
    quantity: Mapped[int]
    set_on: Mapped[date]


class Agreement(Base):
    """What an enterprise has promised to hold or deliver (突发事件应对法 art. 46)."""

    __tablename__ = "agreement"
    __table_args__ = (
        sa.CheckConstraint("quantity > 0", name="quantity_positive"),
        sa.CheckConstraint("deliver_hours > 0", name="hours_positive"),
        sa.CheckConstraint("valid_to >= valid_from", name="ends_after_it_begins"),
        sa.UniqueConstraint("number", "item_id", name="one_row_an_item"),
        sa.Index(None, "valid_to"),
    )

    id: Mapped[Pk]
    number: Mapped[str] = mapped_column(sa.String(60))
    enterprise: Mapped[str] = mapped_column(sa.String(100))
    depot_id: Mapped[int] = mapped_column(sa.ForeignKey("depot.id"))
    division_code: Mapped[DivisionCode] = mapped_column(sa.ForeignKey("division.code"))
    item_id: Mapped[int] = mapped_column(sa.ForeignKey("supply_item.id"))
    quantity: Mapped[int]
    deliver_hours: Mapped[int]
    price_rule: Mapped[str] = mapped_column(sa.String(200), default="")
    valid_from: Mapped[date]
    valid_to: Mapped[date]
    last_verified_on: Mapped[date | None]
    contact_post_id: Mapped[int | None]
    state: Mapped[AgreementState] = mapped_column(enum_type(AgreementState), default=AgreementState.IN_FORCE)


class SupplyRequest(Base):
    """Somebody needs goods: asked, allocated, dispatched, received, returned."""

    __tablename__ = "supply_request"
    __table_args__ = (
        sa.CheckConstraint("quantity > 0", name="quantity_positive"),
        sa.Index(None, "state", "needed_at"),
    )

    id: Mapped[Pk]
    division_code: Mapped[DivisionCode] = mapped_column(sa.ForeignKey("division.code"))
    item_id: Mapped[int] = mapped_column(sa.ForeignKey("supply_item.id"))
    quantity: Mapped[int]
    needed_at: Mapped[datetime]
    reason: Mapped[str] = mapped_column(sa.String(200), default="")
    subject_kind: Mapped[str | None] = mapped_column(sa.String(40))
    subject_id: Mapped[int | None]
    state: Mapped[RequestState] = mapped_column(enum_type(RequestState), default=RequestState.OPEN)
    requested_by: Mapped[str] = mapped_column(sa.String(60))
    requested_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(default=1)


_MESSAGE = "the stock ledger is append-only"
TRIGGERS: dict[str, list[str]] = {
    "sqlite": [
        f"CREATE TRIGGER movement_append_only_{verb.lower()} BEFORE {verb} ON movement "
        f"BEGIN SELECT RAISE(ABORT, '{_MESSAGE}'); END"
        for verb in ("UPDATE", "DELETE")
    ],
    "postgresql": [
        "CREATE OR REPLACE FUNCTION movement_is_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{_MESSAGE}'; END $$",
        "CREATE TRIGGER movement_append_only BEFORE UPDATE OR DELETE ON movement "
        "FOR EACH STATEMENT EXECUTE FUNCTION movement_is_append_only()",
    ],
}


@event.listens_for(Movement.__table__, "after_create")
def _create_triggers(_table: Any, connection: sa.Connection, **_kw: Any) -> None:
    for statement in TRIGGERS[connection.dialect.name]:
        connection.exec_driver_sql(statement)
