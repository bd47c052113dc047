"""Defects: one row as long as the fault lasts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from kernel.db import Base, Pk
from kernel.types import LabelledEnum, enum_type


class Severity(LabelledEnum):
    """How soon it hurts."""

    RED = "red", "今晚就会误事", "Would fail tonight", "red"
    ORANGE = "orange", "本周内要补", "This week", "orange"
    YELLOW = "yellow", "本月内要补", "This month", "yellow"
    BLUE = "blue", "有空时整理", "Tidy up", "blue"


class Defect(Base):
    """One thing that is wrong, from when it was first seen until it is no longer so."""

    __tablename__ = "defect"
    __table_args__ = (
        sa.Index(
            "uq_defect_one_while_it_lasts", "room", "rule", "subject_kind", "subject_id", unique=True,
            sqlite_where=sa.text("closed_at IS NULL"), postgresql_where=sa.text("closed_at IS NULL"),
        ),
        sa.CheckConstraint("closed_at IS NULL OR closed_at >= since", name="closed_after_it_began"),
        sa.CheckConstraint("muted_until IS NULL OR muted_reason IS NOT NULL", name="muted_with_a_reason"),
        sa.Index(None, "closed_at", "severity_rank", "id"),
        sa.Index(None, "room", "closed_at", "severity_rank", "id"),
        sa.Index(None, "subject_kind", "subject_id"),
        # All that the counts of a room ask for, so that they are read from the index alone.
        sa.Index(
            "ix_defect_counting", "room", "closed_at", "subject_kind", "rule", "severity", "owner_post_id",
            "division_code", "muted_until", "subject_id",
        ),
    )  # fmt: skip

    id: Mapped[Pk]
    room: Mapped[str] = mapped_column(sa.String(40))
    rule: Mapped[str] = mapped_column(sa.String(60))
    subject_kind: Mapped[str] = mapped_column(sa.String(40))
    subject_id: Mapped[int]
    division_code: Mapped[str] = mapped_column(sa.String(12))
    severity: Mapped[Severity] = mapped_column(enum_type(Severity, name="severity"))
    severity_rank: Mapped[int] = mapped_column(sa.SmallInteger)
    """0 red … 3 blue: what lists are ordered by."""
    reason: Mapped[str]
    """An English message id; `params` are its values. Nothing personal."""
    params: Mapped[dict[str, Any]]
    url: Mapped[str]
    """The page that mends it."""
    owner_post_id: Mapped[int | None]
    since: Mapped[datetime]
    due_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    muted_until: Mapped[datetime | None]
    muted_reason: Mapped[str | None]
    muted_by: Mapped[str | None] = mapped_column(sa.String(60))


class ScoreDay(Base):
    """The score of a division on one day, so that the trend can be seen."""

    __tablename__ = "readiness_score"
    __table_args__ = (sa.CheckConstraint("score BETWEEN 0 AND 100", name="score_is_0_to_100"),)

    division_code: Mapped[str] = mapped_column(sa.String(12), primary_key=True)
    day: Mapped[str] = mapped_column(sa.String(10), primary_key=True)
    """By the calendar of Beijing, `2026-11-23`."""
    score: Mapped[int] = mapped_column(sa.SmallInteger)
    open_defects: Mapped[int]


class Told(Base):
    """The post was told on this day what is wrong; once a day, whatever restarts in between."""

    __tablename__ = "readiness_told"

    day: Mapped[str] = mapped_column(sa.String(10), primary_key=True)
    post_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
