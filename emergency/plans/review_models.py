"""Review rounds with their comments, who approves which kind of plan, and the act of approval."""

from __future__ import annotations

from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from emergency.plans.models import PlanKind, PlanLevel
from kernel.db import Base, Pk
from kernel.types import LabelledEnum, enum_type

__all__ = [
    "ApprovalWay",
    "CommentAnswer",
    "Evidence",
    "PlanApproval",
    "PlanApprovalRule",
    "PlanComment",
    "PlanPresence",
    "PlanReviewRound",
    "RoundOutcome",
]


class RoundOutcome(LabelledEnum):
    """How a round of review ended."""

    RETURNED = "returned", "退回修改", "Returned", "wait"
    APPROVED = "approved", "已批准", "Approved", "done"
    REJECTED = "rejected", "未予批准", "Rejected", "absent"


class CommentAnswer(LabelledEnum):
    """What the author says to one comment."""

    ACCEPTED = "accepted", "已采纳并修改", "Accepted, changed", "done"
    NOT_ACCEPTED = "not_accepted", "未采纳", "Not accepted", "wait"


class ApprovalWay(LabelledEnum):
    """In what way a body approves a plan (国办发〔2024〕5号)."""

    GOVERNMENT_MEETING = "government_meeting", "政府常务会议审议", "Executive meeting of the government"
    DEPARTMENT_MEETING = "department_meeting", "部门有关会议审议", "Meeting of the department"
    SIGNED = "signed", "主要负责人签发", "Signed by the head"
    AGREED = "agreed", "参与各方共同商定", "Agreed by the parties"


class Evidence(LabelledEnum):
    """How sure a row of rule is."""

    SEEN = "seen", "已核对条文", "article read"
    SEEN2 = "seen2", "据转述", "second-hand"
    MEM = "mem", "未核实", "not verified"


class PlanReviewRound(Base):
    """One round: from submission until the text is returned, passed and approved, or rejected."""

    __tablename__ = "plan_review_round"
    __table_args__ = (
        sa.UniqueConstraint("version_id", "number", name="one_row_a_round"),
        sa.CheckConstraint("number > 0", name="number_positive"),
        sa.CheckConstraint("(closed_at IS NULL) = (closed_by IS NULL)", name="closed_by_somebody"),
    )

    id: Mapped[Pk]
    version_id: Mapped[int] = mapped_column(sa.ForeignKey("plan_version.id"))
    number: Mapped[int]
    opened_at: Mapped[datetime]
    opened_by: Mapped[str] = mapped_column(sa.String(60))
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[str | None] = mapped_column(sa.String(60))
    outcome: Mapped[RoundOutcome | None] = mapped_column(enum_type(RoundOutcome))


class PlanComment(Base):
    """One comment on a section or the whole; its words and the answer's are sealed, they may speak of people."""

    __tablename__ = "plan_comment"
    __table_args__ = (
        sa.CheckConstraint("(answer IS NULL) = (answered_by IS NULL)", name="answered_by_somebody"),
        sa.CheckConstraint("(resolved_at IS NULL) = (resolved_by IS NULL)", name="resolved_by_somebody"),
        sa.CheckConstraint("resolved_at IS NULL OR answer IS NOT NULL", name="answered_before_resolved"),
        sa.Index(None, "version_id", "id"),
        sa.Index(None, "round_id"),
    )

    id: Mapped[Pk]
    version_id: Mapped[int] = mapped_column(sa.ForeignKey("plan_version.id"))
    round_id: Mapped[int] = mapped_column(sa.ForeignKey("plan_review_round.id"))
    section_id: Mapped[int | None]
    """The section as it stood; None speaks of the whole text. A section may be removed while its comment stays."""
    place: Mapped[str] = mapped_column(sa.String(230), default="")
    """Number and heading of the section when the comment was written."""
    text_sealed: Mapped[bytes]
    author: Mapped[str] = mapped_column(sa.String(60))
    at: Mapped[datetime]
    answer: Mapped[CommentAnswer | None] = mapped_column(enum_type(CommentAnswer))
    answer_sealed: Mapped[bytes | None]
    answered_by: Mapped[str | None] = mapped_column(sa.String(60))
    answered_at: Mapped[datetime | None]
    resolved_by: Mapped[str | None] = mapped_column(sa.String(60))
    resolved_at: Mapped[datetime | None]


class PlanApprovalRule(Base):
    """Which body approves which kind of plan at which level, and in what way; a row that the bureau can change."""

    __tablename__ = "plan_approval_rule"
    __table_args__ = (sa.UniqueConstraint("kind", "level", name="one_rule_a_kind_and_level"),)

    id: Mapped[Pk]
    kind: Mapped[PlanKind] = mapped_column(enum_type(PlanKind, name="approvalplankind"))
    level: Mapped[PlanLevel] = mapped_column(enum_type(PlanLevel, name="approvalplanlevel"))
    body: Mapped[str] = mapped_column(sa.String(100))
    body_en: Mapped[str] = mapped_column(sa.String(100))
    way: Mapped[ApprovalWay] = mapped_column(enum_type(ApprovalWay))
    issued_by: Mapped[str] = mapped_column(sa.String(100), default="")
    """The body that publishes the approved text."""
    source: Mapped[str]
    evidence: Mapped[str] = mapped_column(sa.String(8))
    version: Mapped[int] = mapped_column(default=1)


class PlanApproval(Base):
    """The act itself: which body decided, at which meeting, on which day, by which document."""

    __tablename__ = "plan_approval"

    id: Mapped[Pk]
    version_id: Mapped[int] = mapped_column(sa.ForeignKey("plan_version.id"), unique=True)
    rule_id: Mapped[int | None] = mapped_column(sa.ForeignKey("plan_approval_rule.id"))
    body: Mapped[str] = mapped_column(sa.String(100))
    way: Mapped[ApprovalWay | None] = mapped_column(enum_type(ApprovalWay, name="actapprovalway"))
    meeting: Mapped[str] = mapped_column(sa.String(200), default="")
    decided_on: Mapped[date]
    document_number: Mapped[str] = mapped_column(sa.String(60), default="")
    entered_by: Mapped[str] = mapped_column(sa.String(60))
    entered_at: Mapped[datetime]


class PlanPresence(Base):
    """Who has a draft open to write; a hint of minutes, never a lock."""

    __tablename__ = "plan_presence"

    version_id: Mapped[int] = mapped_column(sa.ForeignKey("plan_version.id"), primary_key=True, autoincrement=False)
    actor: Mapped[str] = mapped_column(sa.String(60), primary_key=True)
    at: Mapped[datetime]
    place: Mapped[str] = mapped_column(sa.String(230), default="")
