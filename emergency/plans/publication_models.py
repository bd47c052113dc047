"""What the public may read: how open a plan is, and which version of it was published by whom."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from emergency.plans.models import Plan, PlanVersion
from kernel.db import Base, Pk
from kernel.types import LabelledEnum, enum_type

__all__ = ["Openness", "PlanOpenness", "PlanPublication"]


class Openness(LabelledEnum):
    """The attribute of openness that an official document carries (政府信息公开条例)."""

    OPEN = "open", "主动公开", "Open to the public"
    ON_REQUEST = "on-request", "依申请公开", "On request"
    CLOSED = "closed", "不予公开", "Not public"
    SECRET = "secret", "涉密", "Secret"


class PlanOpenness(Base):
    """How open one plan is, who decided it and why. Without a row the plan's own mark counts."""

    __tablename__ = "plan_openness"

    plan_id: Mapped[int] = mapped_column(sa.ForeignKey(Plan.id), primary_key=True, autoincrement=False)
    openness: Mapped[Openness] = mapped_column(enum_type(Openness))
    reason: Mapped[str] = mapped_column(sa.String(300), default="")
    decided_at: Mapped[datetime]
    decided_by: Mapped[str] = mapped_column(sa.String(60))


class PlanPublication(Base):
    """One act of publishing: exactly this version, with exactly these files, until it is withdrawn."""

    __tablename__ = "plan_publication"
    __table_args__ = (
        sa.CheckConstraint("(withdrawn_at IS NULL) = (withdrawn_by IS NULL)", name="withdrawn_by_somebody"),
        sa.Index(
            "uq_plan_publication_one_standing",
            "plan_id",
            unique=True,
            sqlite_where=sa.text("withdrawn_at IS NULL"),
            postgresql_where=sa.text("withdrawn_at IS NULL"),
        ),
        sa.Index(None, "version_id"),
    )

    id: Mapped[Pk]
    plan_id: Mapped[int] = mapped_column(sa.ForeignKey(Plan.id))
    version_id: Mapped[int] = mapped_column(sa.ForeignKey(PlanVersion.id))
    files: Mapped[list[Any]]
    """The attachments that were marked public; all others stay closed."""
    published_at: Mapped[datetime]
    published_by: Mapped[str] = mapped_column(sa.String(60))
    withdrawn_at: Mapped[datetime | None]
    withdrawn_by: Mapped[str | None] = mapped_column(sa.String(60))
    withdrawn_reason: Mapped[str] = mapped_column(sa.String(300), default="")
