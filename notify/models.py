"""The ledger and what stands around it.

A `Broadcast` owns a range of delivery ids (`serial << POSITION_BITS | position`): one integer is the row's place in the
queue, its key, and what travels in the callback URL, so that the ledger needs no second index. Positions follow the
rank that the caller gave. The queue itself is `DeliveryBlock`: a few hundred neighbouring deliveries that one engine
holds at a time, under a lease and a fencing token.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from kernel.db import Base, Pk
from kernel.types import LabelledEnum, enum_type

POSITION_BITS = 24
"""16.7 million numbers a broadcast; with 29 bits of serial an id stays exact in every JSON reader."""
POSITION_MASK = (1 << POSITION_BITS) - 1


class Kind(LabelledEnum):
    """What a message is; it is stamped at creation and checked again at send."""

    ACTUAL = "actual", "实警", "Actual", "red"
    EXERCISE = "exercise", "演练", "Exercise", "drill"
    TEST = "test", "测试", "Test", "drill"
    NOTICE = "notice", "日常", "Notice", ""


class DeliveryState(LabelledEnum):
    """Where a message is. `submitted` is the provider's word, `delivered` the handset's."""

    QUEUED = "queued", "待发送", "Waiting", "wait"
    CLAIMED = "claimed", "发送中", "Being sent", "wait"
    SUBMITTED = "submitted", "已提交", "Handed over", ""
    DELIVERED = "delivered", "已送达", "Delivered", "done"
    FAILED = "failed", "发送失败", "Failed", "late"
    UNKNOWN = "unknown", "结果未知", "Outcome unknown", "late"
    EXPIRED = "expired", "已过期未发", "Expired unsent", "late"
    CANCELLED = "cancelled", "已取消", "Cancelled", ""


class BroadcastState(LabelledEnum):
    """Whether a broadcast may still send."""

    OPEN = "open", "进行中", "Open", "wait"
    CANCELLED = "cancelled", "已取消", "Cancelled", "late"


class BlockState(LabelledEnum):
    """Where a block of deliveries is in the queue."""

    READY = "ready", "待领取", "Ready", "wait"
    HELD = "held", "处理中", "Held", "wait"
    CLOSING = "closing", "收尾中", "Closing", ""
    DONE = "done", "已完成", "Done", "done"


class BreakerState(LabelledEnum):
    """Whether an account is used."""

    CLOSED = "closed", "正常", "In use", "done"
    HALF_OPEN = "half_open", "试探中", "Being tried", "wait"
    OPEN = "open", "已断开", "Cut off", "late"


class ReceiptKind(LabelledEnum):
    """What came in from a provider."""

    STATUS = "status", "回执", "Receipt", ""
    INBOUND = "inbound", "上行回复", "Reply", ""
    ERROR = "error", "异常应答", "Odd answer", ""


class Broadcast(Base):
    """One text to many numbers. Text, kind and validity never change after creation."""

    __tablename__ = "broadcast"
    __table_args__ = (
        sa.UniqueConstraint("serial", name="uq_broadcast_serial"),
        sa.CheckConstraint("priority BETWEEN 0 AND 9", name="priority_is_0_to_9"),
        sa.CheckConstraint("messages >= 0 AND people >= messages", name="people_stand_behind_messages"),
        sa.Index("ix_broadcast_subject", "subject_kind", "subject_id"),
        sa.Index("ix_broadcast_digest", "text_digest"),
        sa.Index("ix_broadcast_created", "created_at"),
    )

    id: Mapped[Pk]
    serial: Mapped[int] = mapped_column(sa.BigInteger, sa.Identity())
    kind: Mapped[Kind] = mapped_column(enum_type(Kind, name="kind"))
    priority: Mapped[int] = mapped_column(sa.SmallInteger)
    state: Mapped[BroadcastState] = mapped_column(enum_type(BroadcastState, name="state"), default=BroadcastState.OPEN)
    text: Mapped[str]
    text_digest: Mapped[bytes] = mapped_column(sa.LargeBinary(32))
    signature: Mapped[str] = mapped_column(sa.Text, default="")
    channels: Mapped[list[str]]
    environment: Mapped[str] = mapped_column(sa.String(40), default="")
    subject_kind: Mapped[str] = mapped_column(sa.String(40))
    subject_id: Mapped[int]
    valid_until: Mapped[datetime]
    created_at: Mapped[datetime]
    cancelled_at: Mapped[datetime | None]
    messages: Mapped[int] = mapped_column(default=0)
    people: Mapped[int] = mapped_column(default=0)
    held_back: Mapped[int] = mapped_column(default=0, server_default="0")
    """Numbers that got nothing of it: the day's quota was used up, or they had the same words minutes ago."""
    held_back_people: Mapped[int] = mapped_column(default=0, server_default="0")
    first_handed_over_at: Mapped[datetime | None]
    """When a provider had taken the first message of it, by the engine's record."""

    @property
    def first_id(self) -> int:
        """The id below every delivery of this broadcast."""
        return self.serial << POSITION_BITS

    @property
    def last_id(self) -> int:
        """The highest id that a delivery of this broadcast can have."""
        return (self.serial << POSITION_BITS) | POSITION_MASK


class Delivery(Base):
    """One message to one number: the ledger's row. `recipient` and `division` are opaque to the engine."""

    __tablename__ = "delivery"
    __table_args__ = (
        sa.CheckConstraint("people >= 1", name="somebody_stands_behind_a_number"),
        sa.Index(
            "ix_delivery_unknown",
            "changed_at",
            sqlite_where=sa.text("state = 'unknown'"),
            postgresql_where=sa.text("state = 'unknown'"),
        ),
    )

    id: Mapped[int] = mapped_column(
        sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=False
    )
    broadcast_id: Mapped[int]
    kind: Mapped[Kind] = mapped_column(enum_type(Kind, name="kind"))
    recipient: Mapped[str]
    division: Mapped[str] = mapped_column(sa.String(12))
    address_key: Mapped[int]
    number_key: Mapped[bytes] = mapped_column(sa.LargeBinary(16))
    people: Mapped[int] = mapped_column(sa.Integer)
    params: Mapped[dict[str, Any] | None]
    channel: Mapped[str] = mapped_column(sa.String(20))
    state: Mapped[DeliveryState] = mapped_column(enum_type(DeliveryState, name="state"))
    attempt: Mapped[int] = mapped_column(sa.SmallInteger)
    changed_at: Mapped[datetime]
    provider_ref: Mapped[str | None] = mapped_column(sa.String(64))
    reason: Mapped[str | None] = mapped_column(sa.String(80))
    account: Mapped[str | None] = mapped_column(sa.String(40))
    """Which account the latest attempt left over, recorded with its intent: only that one's list can tell."""
    sent_again: Mapped[int] = mapped_column(sa.SmallInteger, default=0, server_default="0")
    """How often it was sent again though nobody could say what became of the time before; attempts also count 429s."""


class DeliveryLeg(Base):
    """What became of a delivery on a channel that it has left for the next one: its history, one row a channel."""

    __tablename__ = "delivery_leg"

    delivery_id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)
    channel: Mapped[str] = mapped_column(sa.String(20), primary_key=True)
    account: Mapped[str | None] = mapped_column(sa.String(40))
    state: Mapped[DeliveryState] = mapped_column(enum_type(DeliveryState, name="state"))
    reason: Mapped[str | None] = mapped_column(sa.String(80))
    provider_ref: Mapped[str | None] = mapped_column(sa.String(64))
    changed_at: Mapped[datetime]
    left_at: Mapped[datetime]


class DeliveryPassed(Base):
    """Messages that left a channel for the next one, by the state in which they left; beside the tallies, in which a
    number counts once, where it is now."""

    __tablename__ = "delivery_passed"

    broadcast_id: Mapped[int] = mapped_column(sa.ForeignKey("broadcast.id"), primary_key=True)
    division: Mapped[str] = mapped_column(sa.String(12), primary_key=True)
    channel: Mapped[str] = mapped_column(sa.String(20), primary_key=True)
    state: Mapped[DeliveryState] = mapped_column(enum_type(DeliveryState, name="state"), primary_key=True)
    messages: Mapped[int] = mapped_column(default=0)
    people: Mapped[int] = mapped_column(default=0)


class DeliveryBlock(Base):
    """Neighbouring deliveries that one engine sends at a time: the entry in the queue."""

    __tablename__ = "delivery_block"
    __table_args__ = (
        sa.CheckConstraint("last_id >= first_id", name="range_is_not_empty"),
        sa.CheckConstraint("state <> 'held' OR lease_until IS NOT NULL", name="held_under_a_lease"),
        sa.Index(
            "ix_delivery_block_queue",
            "priority",
            "first_id",
            sqlite_where=sa.text("state = 'ready'"),
            postgresql_where=sa.text("state = 'ready'"),
        ),
        sa.Index(
            "ix_delivery_block_lease",
            "lease_until",
            sqlite_where=sa.text("state IN ('held', 'closing')"),
            postgresql_where=sa.text("state IN ('held', 'closing')"),
        ),
        sa.Index("ix_delivery_block_broadcast", "broadcast_id", "state"),
    )

    first_id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)
    last_id: Mapped[int]
    broadcast_id: Mapped[int] = mapped_column(sa.ForeignKey("broadcast.id"))
    priority: Mapped[int] = mapped_column(sa.SmallInteger)
    state: Mapped[BlockState] = mapped_column(enum_type(BlockState, name="state"), default=BlockState.READY)
    due_at: Mapped[datetime]
    holder: Mapped[str | None] = mapped_column(sa.String(80))
    fence: Mapped[int] = mapped_column(default=0)
    lease_until: Mapped[datetime | None]
    waiting_since: Mapped[datetime | None]
    """Since when something in it waits, however often it was tried since; `due_at` moves with every attempt."""


class DeliveryTally(Base):
    """Messages, and the people behind them, by division, channel and state; kept by settlement so that no board
    counts the ledger."""

    __tablename__ = "delivery_tally"

    broadcast_id: Mapped[int] = mapped_column(sa.ForeignKey("broadcast.id"), primary_key=True)
    division: Mapped[str] = mapped_column(sa.String(12), primary_key=True)
    channel: Mapped[str] = mapped_column(sa.String(20), primary_key=True)
    state: Mapped[DeliveryState] = mapped_column(enum_type(DeliveryState, name="state"), primary_key=True)
    messages: Mapped[int] = mapped_column(default=0)
    people: Mapped[int] = mapped_column(default=0)


class RawReceipt(Base):
    """What a provider sent us, sealed exactly as it came, before anything is concluded from it."""

    __tablename__ = "raw_receipt"
    __table_args__ = (
        sa.Index(
            "ix_raw_receipt_unfolded",
            "id",
            sqlite_where=sa.text("folded_at IS NULL"),
            postgresql_where=sa.text("folded_at IS NULL"),
        ),
        sa.Index("ix_raw_receipt_delivery", "delivery_id"),
        sa.Index(
            "uq_raw_receipt_once",
            "once",
            unique=True,
            sqlite_where=sa.text("once IS NOT NULL"),
            postgresql_where=sa.text("once IS NOT NULL"),
        ),
        # AUTOINCREMENT: a reply is remembered by this number, so that one that was destroyed is never given again.
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(
        sa.BigInteger().with_variant(sa.Integer, "sqlite"), sa.Identity(), primary_key=True, autoincrement=True
    )
    """The database's own number: several web processes and engines fill this table at once."""
    kind: Mapped[ReceiptKind] = mapped_column(enum_type(ReceiptKind, name="kind"))
    channel: Mapped[str] = mapped_column(sa.String(20))
    delivery_id: Mapped[int | None]
    received_at: Mapped[datetime]
    sealed: Mapped[bytes]
    once: Mapped[bytes | None] = mapped_column(sa.LargeBinary(16))
    """Of a reply: a digest of the provider's number for it. The same reply, sent again, answers no later question."""
    folded_at: Mapped[datetime | None]
    outcome: Mapped[str | None] = mapped_column(sa.String(40))


class EngineBeat(Base):
    """An engine's sign of life and what it is doing; readiness of the whole system hangs on it."""

    __tablename__ = "engine_beat"

    holder: Mapped[str] = mapped_column(sa.String(80), primary_key=True)
    host: Mapped[str] = mapped_column(sa.String(120))
    pid: Mapped[int]
    started_at: Mapped[datetime]
    beat_at: Mapped[datetime]
    handed_over: Mapped[int] = mapped_column(default=0)
    last_handed_over_at: Mapped[datetime | None]
    in_flight: Mapped[int] = mapped_column(default=0)
    per_second: Mapped[float] = mapped_column(default=0.0)


class ChannelState(Base):
    """What an engine has learnt about a road: its rate, its pause, its last error in a word."""

    __tablename__ = "channel_state"

    holder: Mapped[str] = mapped_column(sa.String(80), primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    channel: Mapped[str] = mapped_column(sa.String(20), default="", server_default="")
    kinds: Mapped[str] = mapped_column(sa.String(80), default="", server_default="")
    """What its credentials may carry, by commas."""
    configured_rate: Mapped[float]
    rate: Mapped[float]
    paused_until: Mapped[datetime | None]
    last_error: Mapped[str | None] = mapped_column(sa.String(80))
    last_error_at: Mapped[datetime | None]
    breaker: Mapped[BreakerState] = mapped_column(
        enum_type(BreakerState, name="breaker"), default=BreakerState.CLOSED, server_default="closed"
    )
    breaker_since: Mapped[datetime | None]
    weight: Mapped[float] = mapped_column(default=1.0, server_default="1")
    share: Mapped[float] = mapped_column(default=1.0, server_default="1")
    """The part of the channel's messages that goes here now, 0 to 1."""
    taken: Mapped[int] = mapped_column(default=0, server_default="0")
    """Messages that the provider looked at and answered, since the engine started; below, those it did not."""
    troubles: Mapped[int] = mapped_column(default=0, server_default="0")
    breaks: Mapped[int] = mapped_column(default=0, server_default="0")
    updated_at: Mapped[datetime]


class EngineSwitch(Base):
    """One row: until when the engines are asked to take nothing new (`emergency notify drain`)."""

    __tablename__ = "engine_switch"

    id: Mapped[int] = mapped_column(sa.Integer, primary_key=True, autoincrement=False)
    drain_until: Mapped[datetime | None]


class DeliveryCounter(Base):
    """What was counted since the installation began, by every process together: a counter that no restart resets."""

    __tablename__ = "delivery_counter"

    name: Mapped[str] = mapped_column(sa.String(80), primary_key=True)
    labels: Mapped[str] = mapped_column(sa.String(200), primary_key=True)
    """`name=value` pairs in the order of their names, by commas."""
    value: Mapped[float]
    updated_at: Mapped[datetime]
