"""What the auditor asked for, and what came of it."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from kernel.db import Base, Pk
from kernel.types import LabelledEnum, enum_type


class VerificationState(LabelledEnum):
    """Where a verification of the journal is."""

    ASKED = "asked", "等待核验", "Waiting", "wait"
    WHOLE = "whole", "完整", "Whole", "done"
    BROKEN = "broken", "有问题", "Not whole", "late"
    FAILED = "failed", "未能核验", "Could not be verified", "late"


class Verification(Base):
    """One walk along the journal's chain."""

    __tablename__ = "journal_verification"
    __table_args__ = (
        sa.CheckConstraint("(state = 'asked') = (finished_at IS NULL)", name="finished_has_a_verdict"),
        sa.CheckConstraint("state <> 'broken' OR fault IS NOT NULL", name="broken_names_its_fault"),
        sa.Index(None, "state", "id"),
    )

    id: Mapped[Pk]
    state: Mapped[VerificationState] = mapped_column(
        enum_type(VerificationState, name="state"), default=VerificationState.ASKED
    )
    asked_at: Mapped[datetime]
    asked_by: Mapped[str] = mapped_column(sa.String(60))
    finished_at: Mapped[datetime | None]
    entries: Mapped[int | None]
    fault: Mapped[str | None] = mapped_column(sa.String(40))
    at_seq: Mapped[int | None]
