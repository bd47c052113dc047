"""Calendar feeds: who reads which drills through an address of its own.

The address is the right to read and is kept as a keyed digest only; it can be shown once, replaced and withdrawn.
"""

from __future__ import annotations

from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

import emergency.people.accounts.models  # noqa: F401 - the table that a foreign key below names
from kernel.db import Base, DivisionCode, Pk
from kernel.types import LabelledEnum, enum_type

KEEP_CANCELLED_DAYS = 90
"""So long at least a drill that was called off stays in a feed: a client that looks once a quarter still removes it."""


class FeedOf(LabelledEnum):
    """Whose drills a feed carries."""

    DIVISION = "division", "辖区演练", "Drills of an area"
    POSTS = "posts", "我的岗位", "Drills of my posts"


class DrillFeed(Base):
    """One address under which a calendar programme reads drills. What it may show is asked anew at every reading."""

    __tablename__ = "drill_feed"
    __table_args__ = (
        sa.UniqueConstraint("token_digest", name="uq_drill_feed_token"),
        sa.CheckConstraint("source <> 'posts' OR account_id IS NOT NULL", name="posts_are_somebodys"),
        sa.CheckConstraint(f"cancelled_days >= {KEEP_CANCELLED_DAYS}", name="cancelled_stay_a_quarter"),
        sa.CheckConstraint(
            "(content_digest IS NULL) = (content_changed_at IS NULL)", name="content_knows_when_it_changed"
        ),
        sa.Index(None, "account_id", "revoked_at"),
        sa.Index(None, "division_code", "id"),
    )

    id: Mapped[Pk]
    account_id: Mapped[int | None] = mapped_column(sa.ForeignKey("account.id", ondelete="CASCADE"))
    """Whose area and right to see drills hold; None for a feed that was made at the console for the installation."""
    source: Mapped[FeedOf] = mapped_column(enum_type(FeedOf))
    name: Mapped[str] = mapped_column(sa.String(60))
    division_code: Mapped[DivisionCode] = mapped_column(sa.ForeignKey("division.code"))
    kinds: Mapped[list[str]]
    """Values of `DrillKind`; none means all of them."""
    cancelled_days: Mapped[int] = mapped_column(default=KEEP_CANCELLED_DAYS)
    token_digest: Mapped[bytes] = mapped_column(sa.LargeBinary(32))
    made_by: Mapped[str] = mapped_column(sa.String(60))
    made_at: Mapped[datetime]
    renewed_at: Mapped[datetime | None]
    last_used_on: Mapped[date | None]
    """The day, not the minute: whether a feed is used is worth knowing, when somebody looks at a calendar is not."""
    revoked_at: Mapped[datetime | None]
    content_digest: Mapped[bytes | None] = mapped_column(sa.LargeBinary(32))
    content_changed_at: Mapped[datetime | None]
    """When what this feed carries was first seen to differ; `Last-Modified` of its answers."""
