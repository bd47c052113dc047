"""Spot checks of drills by the department, and the corrections that it ordered (生产安全事故应急条例 art. 8(3))."""

from __future__ import annotations

from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

import emergency.drills.models  # noqa: F401 - the tables that foreign keys below name
from kernel.db import Base, DivisionCode, Pk
from kernel.types import LabelledEnum, enum_type


class Inspected(LabelledEnum):
    """What a spot check found."""

    PASSED = "passed", "符合要求", "In order", "done"
    CORRECTION = "correction", "责令改正", "Correction ordered", "late"


class Inspection(Base):
    """One spot check of one drill. A correction that was ordered has its words and its day, and ends with its proof."""

    __tablename__ = "drill_inspection"
    __table_args__ = (
        sa.CheckConstraint(
            "(result = 'correction') = (due_on IS NOT NULL AND ordered_sealed IS NOT NULL)", name="an_order_has_its_day"
        ),
        sa.CheckConstraint("(corrected_on IS NULL) = (proof_sealed IS NULL)", name="corrected_has_proof"),
        sa.CheckConstraint("corrected_on IS NULL OR result = 'correction'", name="only_an_order_is_corrected"),
        sa.Index(None, "occurrence_id"),
        sa.Index(None, "corrected_on", "due_on", "id"),
    )

    id: Mapped[Pk]
    occurrence_id: Mapped[int] = mapped_column(sa.ForeignKey("drill_occurrence.id"))
    division_code: Mapped[DivisionCode] = mapped_column(sa.ForeignKey("division.code"))
    inspected_on: Mapped[date]
    result: Mapped[Inspected] = mapped_column(enum_type(Inspected))
    ordered_sealed: Mapped[bytes | None]  # free text may name people
    due_on: Mapped[date | None]
    corrected_on: Mapped[date | None]
    proof_sealed: Mapped[bytes | None]
    inspected_by: Mapped[str] = mapped_column(sa.String(60))
    noted_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(default=1)
