"""How each subject stands with each rule, as the pages read it; from when a subject is watched; who changed a rule.

`drill_standing` is a copy: the job of `standings` keeps it equal to what the pure rules say, so that a page of 2,000
units counts by an index instead of computing. Nothing but that job writes it.
"""

from __future__ import annotations

from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

import emergency.drills.models  # noqa: F401 - the tables that foreign keys below name
from emergency.drills.rules import Standing
from kernel.db import Base, DivisionCode, Pk
from kernel.types import LabelledEnum, enum_type


class SubjectKind(LabelledEnum):
    """Whom a rule can mean."""

    UNIT = "unit", "单位", "Unit"
    DIVISION = "division", "镇街村居", "Division"
    PLAN = "plan", "预案", "Plan"


class Watched(Base):
    """A unit, division or plan that rules are looked at for, since when, and its tally of duties."""

    __tablename__ = "drill_watched"
    __table_args__ = (
        sa.CheckConstraint("overdue >= 0 AND due >= 0 AND satisfied >= 0", name="tallies_not_negative"),
        sa.Index(None, "computed_for"),
        sa.Index("ix_drill_watched_tally", "town", "subject_group", "division_code", "overdue", "due", "satisfied"),
    )

    subject_kind: Mapped[SubjectKind] = mapped_column(enum_type(SubjectKind), primary_key=True)
    subject_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """A unit's or plan's id; a division's code as a number."""
    division_code: Mapped[DivisionCode] = mapped_column(sa.ForeignKey("division.code"))
    town: Mapped[DivisionCode]
    """The township that the division lies in; the district itself for what belongs to it."""
    subject_group: Mapped[str] = mapped_column(sa.String(20))
    """The kind of unit (`school`), `district`, `township`, `village`, or `plan`."""
    since: Mapped[date]
    """From when its duties count: windows that began earlier are not asked for."""
    computed_for: Mapped[str | None] = mapped_column(sa.String(24))
    """The stamp of day, rules and terms that its standings were computed with; None where something changed since."""
    overdue: Mapped[int] = mapped_column(default=0)
    due: Mapped[int] = mapped_column(default=0)
    satisfied: Mapped[int] = mapped_column(default=0)


class StandingRow(Base):
    """One subject and one adopted rule: how it stands, by which drill, until when, and what is planned next."""

    __tablename__ = "drill_standing"
    __table_args__ = (
        sa.UniqueConstraint("subject_kind", "subject_id", "rule_id", name="one_row_a_subject_and_rule"),
        sa.CheckConstraint("(last_on IS NULL) = (last_occurrence_id IS NULL)", name="evidence_is_a_drill"),
        sa.CheckConstraint("(next_on IS NULL) = (next_occurrence_id IS NULL)", name="plan_is_a_drill"),
        sa.Index("ix_drill_standing_counts", "town", "subject_group", "standing", "division_code"),
        sa.Index("ix_drill_standing_rule_counts", "rule_id", "town", "subject_group", "standing", "division_code"),
        sa.Index(None, "rank", "due_order", "id"),
        sa.Index(None, "town", "rank", "due_order", "id"),
        sa.Index(None, "subject_group", "rank", "due_order", "id"),
    )

    id: Mapped[Pk]
    subject_kind: Mapped[SubjectKind] = mapped_column(enum_type(SubjectKind))
    subject_id: Mapped[int]
    rule_id: Mapped[int] = mapped_column(sa.ForeignKey("drill_rule.id"))
    division_code: Mapped[DivisionCode] = mapped_column(sa.ForeignKey("division.code"))
    town: Mapped[DivisionCode]
    subject_group: Mapped[str] = mapped_column(sa.String(20))
    standing: Mapped[Standing] = mapped_column(enum_type(Standing))
    rank: Mapped[int] = mapped_column(sa.SmallInteger)
    """The order of a list: overdue first."""
    due_order: Mapped[int]
    """The day it is due as a number (20261231), 99991231 where nothing is: lists go on from it."""
    last_occurrence_id: Mapped[int | None]
    """The latest drill held that satisfies. A plain number, as the next one: what it names may be withdrawn."""
    last_on: Mapped[date | None]
    next_due: Mapped[date | None]
    next_occurrence_id: Mapped[int | None]
    next_on: Mapped[date | None]
    provisional: Mapped[bool]
    """The answer rests on school terms that nobody announced yet."""
    computed_on: Mapped[date]


class RuleChange(Base):
    """One field of one rule that somebody changed: what it was, what it is, who decided and why."""

    __tablename__ = "drill_rule_change"
    __table_args__ = (sa.Index(None, "rule_id", "id"),)

    id: Mapped[Pk]
    rule_id: Mapped[int] = mapped_column(sa.ForeignKey("drill_rule.id"))
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(sa.String(60))
    field: Mapped[str] = mapped_column(sa.String(20))
    before: Mapped[str]
    after: Mapped[str]
    reason_sealed: Mapped[bytes | None]  # free text may speak of a person
