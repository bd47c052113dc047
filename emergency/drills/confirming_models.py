"""What was told and asked about a drill beyond the invitation: notices, proposals of other dates, asking by itself."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from kernel.db import Base, Pk
from kernel.types import LabelledEnum, enum_type


class NoticeKind(LabelledEnum):
    """What a post is told about a drill that it was asked about."""

    REMIND = "remind", "参演提醒", "Reminder to who takes part"
    MOVED = "moved", "改期通知", "The date was moved"
    CANCELLED = "cancelled", "取消通知", "Called off"
    REFUSED = "refused", "未采纳改期", "Another date refused"


class NoticeOutcome(LabelledEnum):
    """What became of a notice."""

    SENT = "sent", "已发出", "Sent", "done"
    NOBODY = "nobody", "无人可发", "Nobody to send to", "late"
    MISSED = "missed", "已错过", "Missed", "late"
    NOT_NEEDED = "not_needed", "不再需要", "No longer needed", "absent"
    FAILED = "failed", "未能发出", "Could not be sent", "late"


class ProposalState(LabelledEnum):
    """What the planner made of another date."""

    OPEN = "open", "待定", "To be decided", "wait"
    ACCEPTED = "accepted", "已采纳", "Accepted", "done"
    REFUSED = "refused", "未采纳", "Refused", "late"
    OVERTAKEN = "overtaken", "已不适用", "Overtaken", "absent"


class AskingOutcome(LabelledEnum):
    """Whether the posts of a date were asked when its day came."""

    ASKED = "asked", "已征询", "Asked", "done"
    NOT_NEEDED = "not_needed", "无需征询", "Not needed", "absent"
    NOBODY = "nobody", "未指定岗位", "Names no posts", "late"
    TOO_LATE = "too_late", "已错过征询", "Too late to ask", "late"
    FAILED = "failed", "未能征询", "Could not be asked", "late"


class DrillAsking(Base):
    """When the posts of one date are asked by themselves, and what came of it. Each date once."""

    __tablename__ = "drill_asking"
    __table_args__ = (
        sa.CheckConstraint("(done_at IS NULL) = (outcome IS NULL)", name="done_has_an_outcome"),
        sa.CheckConstraint("asked >= 0", name="asked_not_negative"),
        sa.Index(
            "ix_drill_asking_due",
            "due_at",
            sqlite_where=sa.text("done_at IS NULL"),
            postgresql_where=sa.text("done_at IS NULL"),
        ),
    )

    id: Mapped[Pk]
    occurrence_id: Mapped[int] = mapped_column(sa.ForeignKey("drill_occurrence.id"), unique=True)
    due_at: Mapped[datetime]
    claimed_at: Mapped[datetime | None]
    done_at: Mapped[datetime | None]
    outcome: Mapped[AskingOutcome | None] = mapped_column(enum_type(AskingOutcome))
    asked: Mapped[int] = mapped_column(default=0)


class DrillNotice(Base):
    """One thing that one post is told about one date: when it is due, and what became of it."""

    __tablename__ = "drill_notice"
    __table_args__ = (
        sa.UniqueConstraint("occurrence_id", "post_id", "kind", "due_at", name="told_once"),
        sa.CheckConstraint("(done_at IS NULL) = (outcome IS NULL)", name="done_has_an_outcome"),
        sa.CheckConstraint("good_until >= due_at", name="good_until_after_it_is_due"),
        sa.Index(
            "ix_drill_notice_due",
            "due_at",
            sqlite_where=sa.text("done_at IS NULL"),
            postgresql_where=sa.text("done_at IS NULL"),
        ),
    )

    id: Mapped[Pk]
    occurrence_id: Mapped[int] = mapped_column(sa.ForeignKey("drill_occurrence.id"))
    post_id: Mapped[int]
    kind: Mapped[NoticeKind] = mapped_column(enum_type(NoticeKind))
    text: Mapped[str] = mapped_column(default="")
    """The words where they are known beforehand; a reminder's are made when it leaves."""
    due_at: Mapped[datetime]
    good_until: Mapped[datetime]
    """Later than this it is left out and recorded as missed."""
    claimed_at: Mapped[datetime | None]
    done_at: Mapped[datetime | None]
    outcome: Mapped[NoticeOutcome | None] = mapped_column(enum_type(NoticeOutcome))
    broadcast_id: Mapped[int | None]


class DateProposal(Base):
    """Another date that an asked post proposed. Its words stay sealed with the answer."""

    __tablename__ = "drill_date_proposal"
    __table_args__ = (
        sa.UniqueConstraint("answer_id", name="one_row_an_answer"),
        sa.CheckConstraint("(state = 'open') = (decided_at IS NULL)", name="decided_has_a_time"),
        sa.CheckConstraint("state <> 'refused' OR reason IS NOT NULL", name="refused_has_a_reason"),
        sa.CheckConstraint("state <> 'accepted' OR wanted_at IS NOT NULL", name="accepted_has_a_date"),
        sa.Index(None, "occurrence_id", "state"),
        sa.Index(None, "question_id"),
    )

    id: Mapped[Pk]
    occurrence_id: Mapped[int] = mapped_column(sa.ForeignKey("drill_occurrence.id"))
    post_id: Mapped[int]
    question_id: Mapped[int]
    answer_id: Mapped[int]
    wanted_at: Mapped[datetime | None]
    """Empty where the words did not name a plain time."""
    made_at: Mapped[datetime]
    state: Mapped[ProposalState] = mapped_column(enum_type(ProposalState), default=ProposalState.OPEN)
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[str | None] = mapped_column(sa.String(60))
    reason: Mapped[str | None] = mapped_column(sa.String(100))
    version: Mapped[int] = mapped_column(default=1)
