"""Questions, their links, their steps, their answers, and replies that a person has to sort."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from kernel.db import Base, Pk
from kernel.types import LabelledEnum, enum_type
from notify.models import Kind


class QuestionState(LabelledEnum):
    """Where a question is."""

    OPEN = "open", "等待回答", "Waiting for an answer", "wait"
    ANSWERED = "answered", "已回答", "Answered", "done"
    EXPIRED = "expired", "无人回答", "Nobody answered", "late"
    CLOSED = "closed", "已结束", "Closed", "absent"


class Means(LabelledEnum):
    """How an answer reached us."""

    LINK = "link", "网页链接", "Link to a page"
    SMS = "sms", "短信回复", "Text reply"
    KEY = "key", "电话按键", "Key pressed in a call"
    PHONE = "phone", "电话", "Telephone"
    RADIO = "radio", "电台", "Radio"
    VISIT = "visit", "上门", "Visit"
    PAGE = "page", "登录后回答", "Signed in"


class StepKind(LabelledEnum):
    """What happens while nobody answers."""

    ASK = "ask", "首次询问", "First message"
    REMIND = "remind", "再次提醒", "Reminder"
    DEPUTY = "deputy", "询问副手", "Deputy asked"
    SUPERIOR = "superior", "报告上级", "Superior told"
    DOOR = "door", "派人上门", "A person goes to the door"


class StepOutcome(LabelledEnum):
    """What became of a step."""

    SENT = "sent", "已发出", "Sent", ""
    NOBODY = "nobody", "无人可发", "Nobody to send to", "late"
    AT_DOOR = "at_door", "等待上门", "Waiting for a visit", "late"
    NOT_NEEDED = "not_needed", "不再需要", "No longer needed", "absent"
    FAILED = "failed", "未能发出", "Could not be sent", "late"


class ReplyState(LabelledEnum):
    """Whether somebody has sorted a reply that we could not."""

    WAITING = "waiting", "等待处理", "Waiting", "wait"
    USED = "used", "已计入回答", "Counted as an answer", "done"
    DISMISSED = "dismissed", "不是回答", "Not an answer", "absent"


class Question(Base):
    """One thing asked of one post or one account, about an opaque subject."""

    __tablename__ = "question"
    __table_args__ = (
        sa.CheckConstraint("(post_id IS NULL) <> (account_id IS NULL)", name="asked_of_a_post_or_an_account"),
        sa.CheckConstraint("closes_at >= due_at", name="closes_after_it_is_due"),
        sa.CheckConstraint(
            "(state = 'answered' AND answer_key IS NOT NULL) OR state <> 'answered'", name="answered_has_its_answer"
        ),
        sa.Index(None, "subject_kind", "subject_id"),
        sa.Index(None, "state", "division_code", "due_at"),
        sa.Index(None, "state", "closes_at"),
        sa.Index(None, "post_id"),
        sa.Index(None, "account_id"),
    )

    id: Mapped[Pk]
    kind: Mapped[str] = mapped_column(sa.String(40))
    subject_kind: Mapped[str] = mapped_column(sa.String(40))
    subject_id: Mapped[int]
    post_id: Mapped[int | None] = mapped_column(sa.ForeignKey("post.id"))
    account_id: Mapped[int | None] = mapped_column(sa.ForeignKey("account.id"))
    division_code: Mapped[str] = mapped_column(sa.String(12))
    text: Mapped[str]
    details: Mapped[list[Any]]
    """Pairs of label and value that the link's page shows (time, place, what to bring)."""
    answers: Mapped[list[Any]]
    """The choices, as `rules.AnswerOption.to_json` writes them."""
    notice_kind: Mapped[Kind] = mapped_column(enum_type(Kind, name="notice_kind"))
    drill: Mapped[bool] = mapped_column(default=False)
    """Whether the subject is an exercise: its page wears the violet frame, though the notice itself is real."""
    priority: Mapped[int] = mapped_column(sa.SmallInteger, default=4)
    state: Mapped[QuestionState] = mapped_column(enum_type(QuestionState, name="state"), default=QuestionState.OPEN)
    asked_at: Mapped[datetime]
    asked_by: Mapped[str] = mapped_column(sa.String(60))
    due_at: Mapped[datetime]
    closes_at: Mapped[datetime]
    """After this the link takes no answer any more."""
    answer_key: Mapped[str | None] = mapped_column(sa.String(40))
    answer_id: Mapped[int | None]
    answered_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1)


class Answer(Base):
    """One answer. All are kept; the one given last (by its original time) stands."""

    __tablename__ = "answer"
    __table_args__ = (
        sa.Index(None, "question_id", "at"),
        sa.CheckConstraint("recorded_at >= at", name="recorded_after_it_was_given"),
    )

    id: Mapped[Pk]
    question_id: Mapped[int] = mapped_column(sa.ForeignKey("question.id", ondelete="CASCADE"))
    key: Mapped[str] = mapped_column(sa.String(40))
    means: Mapped[Means] = mapped_column(enum_type(Means, name="means"))
    at: Mapped[datetime]
    """When it was given, which for a radio report typed in later is not when it was recorded."""
    recorded_at: Mapped[datetime]
    recorded_by: Mapped[str] = mapped_column(sa.String(60))
    link_id: Mapped[int | None]
    proposed_at: Mapped[datetime | None]
    """The other time that was proposed with it."""
    note_sealed: Mapped[bytes | None]
    """Reason, deputy's name and number, remark: JSON, sealed."""


class Link(Base):
    """One link that left in one message. Only the digest of its token is here; the token left once."""

    __tablename__ = "question_link"
    __table_args__ = (
        sa.UniqueConstraint("token_digest", name="uq_question_link_token"),
        sa.Index(None, "question_id"),
        sa.Index(None, "contact_id"),
    )

    id: Mapped[Pk]
    question_id: Mapped[int] = mapped_column(sa.ForeignKey("question.id", ondelete="CASCADE"))
    token_digest: Mapped[bytes] = mapped_column(sa.LargeBinary(32))
    recipient: Mapped[str] = mapped_column(sa.String(60))
    """`post:9` or `account:3`: as whom the one who opens it answers."""
    contact_id: Mapped[int]
    step_id: Mapped[int | None]
    created_at: Mapped[datetime]
    shown_by: Mapped[str | None] = mapped_column(sa.String(60))
    """Who showed it as a QR code or read out its short code; empty where it left in a message."""


class ShortCode(Base):
    """The one living code of a question that can be read out on the telephone. Only its digest is here."""

    __tablename__ = "question_code"
    __table_args__ = (sa.UniqueConstraint("code_digest", name="uq_question_code_digest"),)

    question_id: Mapped[int] = mapped_column(
        sa.ForeignKey("question.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    code_digest: Mapped[bytes] = mapped_column(sa.LargeBinary(32))
    recipient: Mapped[str] = mapped_column(sa.String(60))
    contact_id: Mapped[int]
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(sa.String(60))


class QuestionStep(Base):
    """One thing that is due while nobody answers."""

    __tablename__ = "question_step"
    __table_args__ = (
        sa.UniqueConstraint("question_id", "position", name="uq_question_step_position"),
        sa.CheckConstraint("(done_at IS NULL) = (outcome IS NULL)", name="done_has_an_outcome"),
        sa.Index(
            "ix_question_step_due",
            "due_at",
            sqlite_where=sa.text("done_at IS NULL"),
            postgresql_where=sa.text("done_at IS NULL"),
        ),
    )

    id: Mapped[Pk]
    question_id: Mapped[int] = mapped_column(sa.ForeignKey("question.id", ondelete="CASCADE"))
    position: Mapped[int] = mapped_column(sa.SmallInteger)
    kind: Mapped[StepKind] = mapped_column(enum_type(StepKind, name="kind"))
    channels: Mapped[list[str] | None]
    due_at: Mapped[datetime]
    good_until: Mapped[datetime | None]
    """Later than this it is left out rather than made up for; empty: it is done however late."""
    claimed_at: Mapped[datetime | None]
    done_at: Mapped[datetime | None]
    missed: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    """Its time passed while nobody could do it."""
    outcome: Mapped[StepOutcome | None] = mapped_column(enum_type(StepOutcome, name="outcome"))
    recipient: Mapped[str | None] = mapped_column(sa.String(60))
    contact_id: Mapped[int | None]
    broadcast_id: Mapped[int | None]


class ReplyWhy(LabelledEnum):
    """Why a reply could not be counted without a person."""

    AMBIGUOUS = "ambiguous", "同时有多个询问待答", "More than one question was open", "wait"
    UNCLEAR = "unclear", "不是明确的回答", "No plain answer", "wait"
    NEEDS_NAME = "needs_name", "派人代替，需问明是谁", "Somebody comes instead: ask who", "wait"
    LATE = "late", "询问结束后才回复", "Came after the question had closed", "late"
    NO_QUESTION = "no_question", "没有待答的询问", "No question was open", ""
    COURTESY = "courtesy", "仅回复收到或致谢", "Only a thank-you", "absent"
    UNKNOWN_NUMBER = "unknown_number", "号码不在册", "Nobody's number here", "late"


class Reply(Base):
    """A reply that needs a person: two questions were open, words that are no choice, too late, a number unknown."""

    __tablename__ = "question_reply"
    __table_args__ = (
        sa.Index(None, "state", "at"),
        sa.Index(None, "number_key", "at"),
        sa.UniqueConstraint("raw_id", name="uq_question_reply_raw"),
    )

    id: Mapped[Pk]
    contact_id: Mapped[int | None]
    """Whose number it is, where somebody here has it."""
    number_key: Mapped[bytes | None] = mapped_column(sa.LargeBinary(16))
    division_code: Mapped[str] = mapped_column(sa.String(12))
    text_sealed: Mapped[bytes]
    question_ids: Mapped[list[Any]]
    """The questions that it may answer; after asking back, in the order of their letters."""
    at: Mapped[datetime]
    channel: Mapped[str] = mapped_column(sa.String(20))
    raw_id: Mapped[int]
    state: Mapped[ReplyState] = mapped_column(enum_type(ReplyState, name="state"), default=ReplyState.WAITING)
    why: Mapped[ReplyWhy] = mapped_column(enum_type(ReplyWhy, name="why"))
    asked_back_at: Mapped[datetime | None]
    """When the number was sent the list of its open questions."""
    answer_id: Mapped[int | None]
    """The answer that it became."""
    settled_by: Mapped[str | None] = mapped_column(sa.String(60))
    settled_at: Mapped[datetime | None]
