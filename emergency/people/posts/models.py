"""Posts, holders, what was done to them, and the duty roster."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from kernel.db import Base, Pk
from kernel.types import LabelledEnum, enum_type


class Duty(LabelledEnum):
    """A duty that somebody must hold. The words are the field's."""

    FLOOD_CHIEF = "flood_chief", "防汛责任人", "Flood chief"
    LIAISON = "liaison", "联络员", "Liaison"
    WARNING_RECEIVER = "warning_receiver", "信息员", "Warning receiver"
    GONG_KEEPER = "gong_keeper", "锣长", "Gong-keeper"
    EVACUATION_LEADER = "evacuation_leader", "转移责任人", "Evacuation leader"
    TEAM_LEADER = "team_leader", "抢险队长", "Rescue team leader"
    KEEPER = "keeper", "保管员", "Storekeeper"
    DUTY_ROOM = "duty_room", "值班室", "Duty room"
    SAFETY_OFFICER = "safety_officer", "安全负责人", "Safety officer"
    FIRE_OFFICER = "fire_officer", "消防安全管理人", "Fire safety officer"


class PostState(LabelledEnum):
    """Whether the post is held. Vacant is a defect; abolished is an end that can be undone."""

    VACANT = "vacant", "空缺", "Vacant", "late"
    HELD = "held", "在岗", "Held", "done"
    ABOLISHED = "abolished", "已撤销", "Abolished", "absent"


class Means(LabelledEnum):
    """How a number was verified, or how a confirmation was heard."""

    CALL = "call", "电话接通", "Call answered"
    SMS = "sms", "短信回复", "SMS answered"
    LINK = "link", "网页确认", "Confirmed by link"
    RADIO = "radio", "电台", "Radio"
    VISIT = "visit", "上门", "Visit"
    MEETING = "meeting", "当面", "In person"


class ActKind(LabelledEnum):
    """What was done to a post: its history, beside the states."""

    VERIFIED = "verified", "号码已核实", "Number verified", "done"
    NO_ANSWER = "no_answer", "无人接听", "No answer", "wait"
    WRONG_NUMBER = "wrong_number", "号码有误", "Wrong number", "late"
    HOLDER_CHANGED = "holder_changed", "更换责任人", "Holder changed"
    DEPUTY_ADDED = "deputy_added", "增加副手", "Deputy added"
    DEPUTY_REMOVED = "deputy_removed", "减少副手", "Deputy removed"
    NUMBER_CHANGED = "number_changed", "更正号码", "Number corrected"
    EDITED = "edited", "修改岗位", "Post edited"


class ShiftRole(LabelledEnum):
    """Who stands on the roster."""

    LEADER = "leader", "带班领导", "Leader on duty"
    OFFICER = "officer", "值班员", "Duty officer"
    DEPUTY = "deputy", "副班", "Deputy"


class ShiftState(LabelledEnum):
    """The life of one shift."""

    PLANNED = "planned", "未确认", "Not confirmed", "wait"
    CONFIRMED = "confirmed", "已确认", "Confirmed", "done"
    HANDED_OVER = "handed_over", "已交班", "Handed over"
    CANCELLED = "cancelled", "已取消", "Cancelled", "absent"


class Post(Base):
    """A duty at a place: who has to be reached, whoever holds it."""

    __tablename__ = "post"
    __table_args__ = (
        sa.Index(
            "uq_post_one_duty_a_division", "division_code", "duty", unique=True,
            sqlite_where=sa.text("unit_id IS NULL"), postgresql_where=sa.text("unit_id IS NULL"),
        ),
        sa.Index(
            "uq_post_one_duty_a_unit", "unit_id", "duty", unique=True,
            sqlite_where=sa.text("unit_id IS NOT NULL"), postgresql_where=sa.text("unit_id IS NOT NULL"),
        ),
        sa.Index(None, "division_code", "id"),
        sa.Index(None, "state", "division_code"),
        sa.Index(None, "verified_at"),
    )  # fmt: skip

    id: Mapped[Pk]
    division_code: Mapped[str] = mapped_column(sa.String(12), sa.ForeignKey("division.code"))
    duty: Mapped[Duty] = mapped_column(enum_type(Duty))
    title: Mapped[str] = mapped_column(sa.String(60), default="")
    """The office that holds the duty (党支部书记), never a person's name."""
    unit_id: Mapped[int | None] = mapped_column(sa.ForeignKey("unit.id"))
    responsible: Mapped[bool] = mapped_column(default=False)
    """Whether this post is called out by a warning first."""
    state: Mapped[PostState] = mapped_column(enum_type(PostState), default=PostState.VACANT)
    verified_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1)


class PostHolder(Base):
    """Who holds a post: order 0 is the holder, 1 and on are deputies in the order in which they are called."""

    __tablename__ = "post_holder"
    __table_args__ = (
        sa.UniqueConstraint("post_id", "deputy_order", name="uq_post_holder_one_person_a_place"),
        sa.UniqueConstraint("post_id", "contact_id", name="uq_post_holder_one_place_a_person"),
        sa.CheckConstraint("deputy_order >= 0", name="order_from_0"),
        sa.Index(None, "contact_id"),
    )

    id: Mapped[Pk]
    post_id: Mapped[int] = mapped_column(sa.ForeignKey("post.id", ondelete="CASCADE"))
    contact_id: Mapped[int] = mapped_column(sa.ForeignKey("contact.id"))
    order: Mapped[int] = mapped_column("deputy_order", sa.SmallInteger)
    account_id: Mapped[int | None] = mapped_column(sa.ForeignKey("account.id"))
    since: Mapped[datetime]
    verified_at: Mapped[datetime | None]


class PostAct(Base):
    """One thing that was done to a post: who, when, by which means. The note is sealed: it is about a person."""

    __tablename__ = "post_act"
    __table_args__ = (
        sa.CheckConstraint(
            "kind NOT IN ('verified', 'no_answer', 'wrong_number') OR means IS NOT NULL",
            name="verification_names_its_means",
        ),
        sa.Index(None, "post_id", "id"),
    )

    id: Mapped[Pk]
    post_id: Mapped[int] = mapped_column(sa.ForeignKey("post.id", ondelete="CASCADE"))
    contact_id: Mapped[int | None]
    kind: Mapped[ActKind] = mapped_column(enum_type(ActKind))
    means: Mapped[Means | None] = mapped_column(enum_type(Means))
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(sa.String(60))
    note_sealed: Mapped[bytes | None]


class DutyShift(Base):
    """One shift of one account on the duty roster (值班表) of a division."""

    __tablename__ = "duty_shift"
    __table_args__ = (
        sa.CheckConstraint("ends > starts", name="ends_after_it_starts"),
        sa.CheckConstraint("state <> 'handed_over' OR handed_over_at IS NOT NULL", name="handover_has_its_time"),
        sa.UniqueConstraint("account_id", "starts", name="uq_duty_shift_one_place_at_a_time"),
        sa.Index(None, "division_code", "starts"),
        sa.Index(None, "ends"),
    )

    id: Mapped[Pk]
    division_code: Mapped[str] = mapped_column(sa.String(12), sa.ForeignKey("division.code"))
    starts: Mapped[datetime]
    ends: Mapped[datetime]
    account_id: Mapped[int] = mapped_column(sa.ForeignKey("account.id"))
    role: Mapped[ShiftRole] = mapped_column(enum_type(ShiftRole))
    state: Mapped[ShiftState] = mapped_column(enum_type(ShiftState), default=ShiftState.PLANNED)
    confirmed_at: Mapped[datetime | None]
    handed_over_at: Mapped[datetime | None]
    handed_over_to: Mapped[int | None] = mapped_column(sa.ForeignKey("duty_shift.id"))
    note_sealed: Mapped[bytes | None]
    version: Mapped[int] = mapped_column(default=1)
