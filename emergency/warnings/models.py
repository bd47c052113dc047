"""Tables of the warnings.

The eight statements that 突发事件应对法 art. 64 demands are columns that cannot be null, and cannot be empty once a
warning has left its author. What was issued is a row that the database itself refuses to change.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.orm import Mapped, mapped_column

from kernel.db import Base, DivisionCode, Pk
from kernel.types import LabelledEnum, enum_type
from notify.models import Broadcast


class WarningStatus(LabelledEnum):
    """Whether it is real (CAP `status`)."""

    ACTUAL = "Actual", "实警", "Actual", ""
    EXERCISE = "Exercise", "演练", "Exercise", "drill"
    TEST = "Test", "链路测试", "Link test", "drill"


class MessageType(LabelledEnum):
    """What the message does to the ones before it (CAP `msgType`)."""

    ALERT = "Alert", "首次发布", "Alert"
    UPDATE = "Update", "更新", "Update"
    CANCEL = "Cancel", "解除", "Cancel"


class WarningState(LabelledEnum):
    """Where a warning is on its way."""

    DRAFT = "draft", "草稿", "Draft", ""
    SUBMITTED = "submitted", "待批准", "Waiting for approval", "wait"
    RETURNED = "returned", "退回修改", "Returned", "late"
    REJECTED = "rejected", "不予批准", "Rejected", "absent"
    WITHDRAWN = "withdrawn", "已放弃", "Abandoned", "absent"
    ISSUED = "issued", "生效中", "In force", "done"
    SUPERSEDED = "superseded", "已被更新", "Superseded", ""
    CANCELLED = "cancelled", "已撤销", "Cancelled", "late"
    ENDED = "ended", "已结束", "Ended", ""


class WarningLevel(LabelledEnum):
    """The four levels of art. 63."""

    RED = "red", "红色", "Red", "red"
    ORANGE = "orange", "橙色", "Orange", "orange"
    YELLOW = "yellow", "黄色", "Yellow", "yellow"
    BLUE = "blue", "蓝色", "Blue", "blue"


class Source(LabelledEnum):
    """Whose warning it is. Weather signals may only be relayed (气象法 art. 22)."""

    OWN = "own", "本级发布", "Our own"
    RELAYED = "relayed", "转发", "Relayed"


class Audience(LabelledEnum):
    """Who gets it."""

    RESIDENTS = "residents", "居民", "Residents"
    POSTS = "posts", "岗位", "Posts"
    ALL = "all", "居民和岗位", "Residents and posts"


class Category(LabelledEnum):
    """The four categories of art. 2, and what fits none."""

    NATURAL = "natural", "自然灾害", "Natural disaster"
    ACCIDENT = "accident", "事故灾难", "Accident"
    HEALTH = "health", "公共卫生事件", "Public health"
    SECURITY = "security", "社会安全事件", "Public security"
    OTHER = "other", "其他", "Other"


class AckMethod(LabelledEnum):
    """How somebody said that the warning arrived."""

    PHONE = "phone", "电话", "Phone"
    RADIO = "radio", "电台对讲", "Radio"
    VISIT = "visit", "上门", "Visit"
    SMS = "sms", "短信回复", "Text reply"
    LINK = "link", "链接确认", "Link"
    LOUDSPEAKER = "loudspeaker", "广播喇叭", "Loudspeaker"
    GONG = "gong", "鸣锣", "Gong"
    VIDEO = "video", "视频", "Video"
    OTHER = "other", "其他", "Other"


class DoorReason(LabelledEnum):
    """Why somebody has to go to the door."""

    NO_PHONE = "no-phone", "没有手机号", "No phone"
    FAILED = "failed", "短信没送到", "Text failed"


class DoorOutcome(LabelledEnum):
    """What was found at the door."""

    OPEN = "open", "待上门", "To visit", "wait"
    TOLD = "told", "已当面告知", "Told in person", "done"
    AWAY = "away", "家中无人", "Nobody there", "late"
    REFUSED = "refused", "已告知但不配合", "Told, refuses", "late"


class EventType(Base):
    """One row of GB/T 35561: what a warning can be about, and in which colours."""

    __tablename__ = "event_type"
    __table_args__ = (
        sa.CheckConstraint("length(code) = 5", name="code_has_five_characters"),
        sa.CheckConstraint("confidence IN ('seen', 'secondary', 'inferred', 'unverified')", name="confidence_is_known"),
    )

    code: Mapped[str] = mapped_column(sa.String(5), primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(60))
    category: Mapped[Category] = mapped_column(enum_type(Category, name="category"))
    levels: Mapped[list[str]]
    aliases: Mapped[list[str]] = mapped_column(default=list)
    confidence: Mapped[str] = mapped_column(sa.String(12))
    common: Mapped[bool] = mapped_column(default=False)


_LEFT_AUTHOR = "state NOT IN ('draft', 'returned', 'withdrawn')"


class Warning(Base):
    """A warning from its first line to its end. `version` rises with every change: approval compares it."""

    __tablename__ = "warning"
    __table_args__ = (
        sa.CheckConstraint(
            f"NOT ({_LEFT_AUTHOR}) OR (length(headline) > 0 AND length(description) > 0 AND length(instruction) > 0"
            " AND length(issuer) > 0 AND length(category) > 0 AND length(area_words) > 0)",
            name="eight_statements_complete",
        ),
        sa.CheckConstraint("expires > effective", name="expires_after_effective"),
        sa.CheckConstraint("msg_type = 'Alert' OR previous_id IS NOT NULL", name="refers_to_what_it_changes"),
        sa.CheckConstraint("source <> 'relayed' OR length(relayed_from) > 0", name="relayed_names_its_issuer"),
        sa.CheckConstraint("state <> 'submitted' OR submitted_by IS NOT NULL", name="submitted_by_somebody"),
        sa.CheckConstraint(
            "state NOT IN ('returned', 'rejected') OR length(decision_reason) > 0", name="refused_with_a_reason"
        ),
        sa.CheckConstraint(
            "break_glass_reason IS NOT NULL OR approved_by IS NULL OR msg_type = 'Cancel'"
            " OR (approved_by <> created_by AND approved_by <> submitted_by)",
            name="author_never_approves",
        ),
        sa.CheckConstraint("version >= 1", name="version_starts_at_one"),
        sa.Index(None, "state", "expires"),
        sa.Index(None, "division_code", "id"),
        sa.Index(None, "previous_id"),
    )

    id: Mapped[Pk]
    version: Mapped[int] = mapped_column(default=1)
    state: Mapped[WarningState] = mapped_column(enum_type(WarningState, name="state"), default=WarningState.DRAFT)
    status: Mapped[WarningStatus] = mapped_column(enum_type(WarningStatus, name="status"))
    msg_type: Mapped[MessageType] = mapped_column(enum_type(MessageType, name="msg_type"), default=MessageType.ALERT)
    previous_id: Mapped[int | None] = mapped_column(sa.ForeignKey("warning.id"))
    references: Mapped[list[str]] = mapped_column(default=list)

    event_code: Mapped[str] = mapped_column(sa.ForeignKey("event_type.code"))
    event_name: Mapped[str] = mapped_column(sa.String(60))
    category: Mapped[Category] = mapped_column(enum_type(Category, name="category"))
    level: Mapped[WarningLevel] = mapped_column(enum_type(WarningLevel, name="level"))
    headline: Mapped[str] = mapped_column(default="")
    description: Mapped[str] = mapped_column(default="")
    instruction: Mapped[str] = mapped_column(default="")
    issuer: Mapped[str] = mapped_column(default="")
    source: Mapped[Source] = mapped_column(enum_type(Source, name="source"), default=Source.OWN)
    relayed_from: Mapped[str | None]
    effective: Mapped[datetime]
    expires: Mapped[datetime]
    area: Mapped[dict[str, Any]] = mapped_column(default=dict)
    area_words: Mapped[str] = mapped_column(default="")
    division_code: Mapped[DivisionCode]
    """The smallest division that holds the whole area: what a scope is compared with."""

    channels: Mapped[list[str]]
    audience: Mapped[Audience] = mapped_column(enum_type(Audience, name="audience"), default=Audience.RESIDENTS)
    template: Mapped[str] = mapped_column(sa.String(40), default="alert")
    text: Mapped[str] = mapped_column(default="")
    """The officer's own wording of the text message; empty: composed by the template."""
    cancel_text: Mapped[str] = mapped_column(default="")
    """Prepared before the send, so that lifting is one press (Hawaii, 2018)."""
    estimate: Mapped[dict[str, Any] | None]

    created_by: Mapped[str] = mapped_column(sa.String(60))
    created_at: Mapped[datetime]
    edited_by: Mapped[str] = mapped_column(sa.String(60))
    edited_at: Mapped[datetime]
    submitted_by: Mapped[str | None] = mapped_column(sa.String(60))
    submitted_at: Mapped[datetime | None]
    approved_by: Mapped[str | None] = mapped_column(sa.String(60))
    approved_version: Mapped[int | None]
    decided_by: Mapped[str | None] = mapped_column(sa.String(60))
    decided_at: Mapped[datetime | None]
    decision_reason: Mapped[str | None]
    break_glass_reason: Mapped[str | None]
    issued_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    reminded: Mapped[int] = mapped_column(default=0)
    """How many reminders went to the approvers since it was submitted."""
    doors_through: Mapped[int | None]
    """How far the door list has been made: 0 not begun, -1 complete; null where none is wanted."""


class Issue(Base):
    """What was issued, exactly as it was read and sent. Never updated, never deleted: triggers refuse both."""

    __tablename__ = "warning_issue"
    __table_args__ = (
        sa.UniqueConstraint("warning_id", name="uq_warning_issue_issued_once"),
        sa.UniqueConstraint("identifier", name="uq_warning_issue_identifier"),
        sa.CheckConstraint("length(digest) = 32", name="digest_is_whole"),
    )

    id: Mapped[Pk]
    warning_id: Mapped[int] = mapped_column(sa.ForeignKey("warning.id"))
    version: Mapped[int]
    identifier: Mapped[str] = mapped_column(sa.String(40))
    sent: Mapped[datetime]
    text: Mapped[str]
    snapshot: Mapped[dict[str, Any]]
    digest: Mapped[bytes] = mapped_column(sa.LargeBinary(32))
    issued_by: Mapped[str] = mapped_column(sa.String(60))


class IssueBroadcast(Base):
    """Which entries of the ledger an issue went out by."""

    __tablename__ = "warning_issue_broadcast"

    issue_id: Mapped[int] = mapped_column(sa.ForeignKey("warning_issue.id"), primary_key=True)
    broadcast_id: Mapped[int] = mapped_column(sa.ForeignKey(Broadcast.__table__.c.id), primary_key=True)
    position: Mapped[int] = mapped_column(sa.SmallInteger, default=0)


class Acknowledgement(Base):
    """Somebody said that the warning arrived: typed in, answered by link, found at the door."""

    __tablename__ = "warning_acknowledgement"
    __table_args__ = (
        sa.CheckConstraint("people >= 1", name="somebody_acknowledged"),
        sa.Index(None, "warning_id", "recipient"),
    )

    id: Mapped[Pk]
    warning_id: Mapped[int] = mapped_column(sa.ForeignKey("warning.id"))
    recipient: Mapped[str] = mapped_column(sa.String(60))
    delivery_id: Mapped[int | None]
    division_code: Mapped[DivisionCode]
    people: Mapped[int] = mapped_column(default=1)
    method: Mapped[AckMethod] = mapped_column(enum_type(AckMethod, name="method"))
    at: Mapped[datetime]
    recorded_at: Mapped[datetime]
    recorded_by: Mapped[str] = mapped_column(sa.String(60))
    note_sealed: Mapped[bytes | None]


class DoorVisit(Base):
    """One household door that no message reaches, and what came of going there."""

    __tablename__ = "warning_door_visit"
    __table_args__ = (
        sa.UniqueConstraint("warning_id", "recipient", name="uq_warning_door_visit_one_door_a_person"),
        sa.Index(None, "warning_id", "outcome", "division_code"),
    )

    id: Mapped[Pk]
    warning_id: Mapped[int] = mapped_column(sa.ForeignKey("warning.id"))
    recipient: Mapped[str] = mapped_column(sa.String(60))
    contact_id: Mapped[int]
    division_code: Mapped[DivisionCode]
    reason: Mapped[DoorReason] = mapped_column(enum_type(DoorReason, name="reason"))
    people: Mapped[int] = mapped_column(default=1)
    outcome: Mapped[DoorOutcome] = mapped_column(enum_type(DoorOutcome, name="outcome"), default=DoorOutcome.OPEN)
    visited_at: Mapped[datetime | None]
    visited_by: Mapped[str | None] = mapped_column(sa.String(60))
    note_sealed: Mapped[bytes | None]


_SQLITE_TRIGGERS = [
    f"CREATE TRIGGER warning_issue_no_{verb} BEFORE {verb} ON warning_issue "
    "BEGIN SELECT RAISE(ABORT, 'an issued warning is never changed'); END"
    for verb in ("update", "delete")
]
_POSTGRES_TRIGGERS = [
    "CREATE OR REPLACE FUNCTION warning_issue_is_immutable() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RAISE EXCEPTION 'an issued warning is never changed'; END $$",
    "CREATE TRIGGER warning_issue_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON warning_issue "
    "FOR EACH STATEMENT EXECUTE FUNCTION warning_issue_is_immutable()",
]
TRIGGERS = {"sqlite": _SQLITE_TRIGGERS, "postgresql": _POSTGRES_TRIGGERS}


@event.listens_for(Issue.__table__, "after_create")
def _create_triggers(_table: Any, connection: sa.Connection, **_kw: Any) -> None:
    for statement in TRIGGERS[connection.dialect.name]:
        connection.exec_driver_sql(statement)
