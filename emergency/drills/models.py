"""Rules of law as rows, programmes, their occurrences, who said yes, and what happened."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, object_session

import emergency.divisions.models
import emergency.plans.models  # noqa: F401 - the tables that foreign keys below name
from emergency.drills.vocabulary import (
    Answered,
    Basis,
    Binding,
    Content,
    DrillKind,
    Evidence,
    Form,
    OccurrenceState,
    ProgrammeState,
    Purpose,
)
from kernel.db import Base, DivisionCode, Pk, now
from kernel.types import enum_type

__all__ = [ "Answered", "Basis", "Binding", "Content", "DrillKind", "Evidence", "Form",
    "OccurrenceState", "ProgrammeState", "Purpose",
]  # fmt: skip


class DrillRule(Base):
    """What some text asks to be rehearsed how often; only adopted rules make anything overdue."""

    __tablename__ = "drill_rule"
    __table_args__ = (
        sa.CheckConstraint("months IS NULL OR months > 0", name="interval_positive"),
        sa.CheckConstraint(
            "NOT adopted OR adopted_by IS NOT NULL"
            " OR (binding NOT IN ('local_other', 'suggestion') AND evidence <> 'mem')",
            name="weak_rules_need_a_decision",
        ),
    )

    id: Mapped[Pk]
    key: Mapped[str] = mapped_column(sa.String(60), unique=True)
    title: Mapped[str] = mapped_column(sa.String(100))
    words: Mapped[list[str]]
    """Whom it is for, in the words of the source file."""
    kind_word: Mapped[str] = mapped_column(sa.String(60))
    months: Mapped[int | None]
    """The interval; None where the text names no number, and then nothing is ever overdue by it."""
    basis: Mapped[Basis] = mapped_column(enum_type(Basis))
    skip_school_holidays: Mapped[bool] = mapped_column(default=False)
    report_to: Mapped[str | None] = mapped_column(sa.String(60))
    source: Mapped[str]
    binding: Mapped[Binding] = mapped_column(enum_type(Binding))
    evidence: Mapped[Evidence] = mapped_column(enum_type(Evidence))
    confidence: Mapped[str] = mapped_column(sa.String(10))
    note: Mapped[str] = mapped_column(default="")
    adopted: Mapped[bool]
    adopted_by: Mapped[str | None] = mapped_column(sa.String(60))
    adopted_at: Mapped[datetime | None]
    own: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    """Made by the bureau itself, not taken from the law's register."""
    version: Mapped[int] = mapped_column(default=1, server_default="1")


class DrillRuleSector(Base):
    """Sector tags that a rule applies to: a unit that carries every tag of one group. `*` every unit, `~` the rest."""

    __tablename__ = "drill_rule_sector"

    rule_id: Mapped[int] = mapped_column(sa.ForeignKey("drill_rule.id"), primary_key=True, autoincrement=False)
    group_number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sector: Mapped[str] = mapped_column(sa.String(48), primary_key=True)


class DrillRuleKind(Base):
    """A kind of drill that satisfies a rule."""

    __tablename__ = "drill_rule_kind"

    rule_id: Mapped[int] = mapped_column(sa.ForeignKey("drill_rule.id"), primary_key=True, autoincrement=False)
    kind: Mapped[DrillKind] = mapped_column(enum_type(DrillKind), primary_key=True)


class Programme(Base):
    """A drill that comes again: of a unit or of a division, by a plan, by its recurrence."""

    __tablename__ = "drill_programme"
    __table_args__ = (
        sa.CheckConstraint("duration_minutes > 0", name="duration_positive"),
        sa.CheckConstraint("target_seconds IS NULL OR target_seconds > 0", name="target_positive"),
        sa.CheckConstraint("ends_on IS NULL OR ends_on >= starts_on", name="ends_after_it_begins"),
        sa.Index(None, "division_code", "id"),
        sa.Index(None, "unit_id"),
    )

    id: Mapped[Pk]
    title: Mapped[str] = mapped_column(sa.String(150))
    kind: Mapped[DrillKind] = mapped_column(enum_type(DrillKind))
    form: Mapped[Form] = mapped_column(enum_type(Form))
    content: Mapped[Content] = mapped_column(enum_type(Content))
    division_code: Mapped[DivisionCode] = mapped_column(sa.ForeignKey("division.code"))
    unit_id: Mapped[int | None] = mapped_column(sa.ForeignKey("unit.id"))
    plan_id: Mapped[int | None] = mapped_column(sa.ForeignKey("plan.id"))
    recurrence: Mapped[dict[str, Any]]
    starts_on: Mapped[date]
    ends_on: Mapped[date | None]
    start_time: Mapped[time]  # of the day in Beijing
    duration_minutes: Mapped[int] = mapped_column(default=60)
    target_seconds: Mapped[int | None]  # how long the evacuation may take
    purpose: Mapped[Purpose] = mapped_column(enum_type(Purpose), default=Purpose.TEST, server_default="test")
    place: Mapped[str] = mapped_column(sa.String(100), default="")
    state: Mapped[ProgrammeState] = mapped_column(enum_type(ProgrammeState), default=ProgrammeState.ACTIVE)
    materialised_until: Mapped[date | None]
    calendar_seen: Mapped[str] = mapped_column(sa.String(16), default="", server_default="")
    """Digest of the holidays and terms that its dates were last computed with."""
    created_by: Mapped[str] = mapped_column(sa.String(60))
    created_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(default=1)


class ProgrammeRule(Base):
    """A rule that a programme is meant to serve."""

    __tablename__ = "drill_programme_rule"

    programme_id: Mapped[int] = mapped_column(
        sa.ForeignKey("drill_programme.id"), primary_key=True, autoincrement=False
    )
    rule_id: Mapped[int] = mapped_column(sa.ForeignKey("drill_rule.id"), primary_key=True, autoincrement=False)


class ProgrammePost(Base):
    """A post that must say whether it takes part; opaque."""

    __tablename__ = "drill_programme_post"

    programme_id: Mapped[int] = mapped_column(
        sa.ForeignKey("drill_programme.id"), primary_key=True, autoincrement=False
    )
    post_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)


class Occurrence(Base):
    """One date of a programme. `slot_on` is the date that the recurrence gave and never moves; `starts_at` may."""

    __tablename__ = "drill_occurrence"
    __table_args__ = (
        sa.UniqueConstraint("programme_id", "slot_on", name="one_row_a_slot"),
        sa.CheckConstraint("ends_at > starts_at", name="ends_after_it_begins"),
        sa.CheckConstraint("(state = 'held') = (done_at IS NOT NULL)", name="held_has_its_time"),
        sa.Index(None, "starts_at"),
        sa.Index(None, "division_code", "starts_at"),
        sa.Index(None, "unit_id", "starts_at"),
        sa.Index("ix_drill_occurrence_heat", "starts_at", "state", "kind", "division_code"),  # the year's calendar
    )

    id: Mapped[Pk]
    programme_id: Mapped[int] = mapped_column(sa.ForeignKey("drill_programme.id"))
    slot_on: Mapped[date]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    title: Mapped[str] = mapped_column(sa.String(150))
    kind: Mapped[DrillKind] = mapped_column(enum_type(DrillKind))
    division_code: Mapped[DivisionCode] = mapped_column(sa.ForeignKey("division.code"))
    unit_id: Mapped[int | None] = mapped_column(sa.ForeignKey("unit.id"))
    state: Mapped[OccurrenceState] = mapped_column(enum_type(OccurrenceState), default=OccurrenceState.PLANNED)
    provisional: Mapped[bool] = mapped_column(default=False)
    """The year's holidays were not announced when the date was set."""
    pinned: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    """Somebody chose this date: no computing moves it."""
    withdrawn: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    """Called off because the programme changed or rests; may come back with it. What people called off never does."""
    due_at: Mapped[datetime]
    """By when a record must exist; past it without one the occurrence counts as missed."""
    done_at: Mapped[datetime | None]
    """When its record came."""
    sequence: Mapped[int] = mapped_column(default=0)
    """For calendar feeds: raised whenever the date or the state changes."""
    changed_at: Mapped[datetime | None]
    """When the row was last changed; None while it is as it was made. Its states' times stand in the timeline."""
    version: Mapped[int] = mapped_column(default=1)


@sa.event.listens_for(Occurrence, "before_update")
def _remember_the_change(_mapper: object, _connection: sa.Connection, occurrence: Occurrence) -> None:
    """A calendar programme asks what changed since it looked; only what it can see counts."""
    session = object_session(occurrence)
    if session is not None and session.is_modified(occurrence):
        occurrence.changed_at = now(session)


class Invitation(Base):
    """An invited post and the answer that stands. All answers are kept by `asking`."""

    __tablename__ = "drill_invitation"
    __table_args__ = (
        sa.UniqueConstraint("occurrence_id", "post_id", name="asked_once"),
        sa.CheckConstraint("(answer IS NULL) = (answered_at IS NULL)", name="answer_has_a_time"),
        sa.Index(None, "post_id"),
    )

    id: Mapped[Pk]
    occurrence_id: Mapped[int] = mapped_column(sa.ForeignKey("drill_occurrence.id"))
    post_id: Mapped[int]
    question_id: Mapped[int | None] = mapped_column(unique=True)
    invited_at: Mapped[datetime]
    invited_by: Mapped[str] = mapped_column(sa.String(60))
    answer: Mapped[Answered | None] = mapped_column(enum_type(Answered))
    answered_at: Mapped[datetime | None]
    means: Mapped[str | None] = mapped_column(sa.String(20))
    earlier: Mapped[Answered | None] = mapped_column(enum_type(Answered, name="earlier"))
    """What it had said about the date before the drill was moved."""


class Record(Base):
    """What happened: the fire rules ask for time, place, content, departments and people."""

    __tablename__ = "drill_record"
    __table_args__ = (
        sa.CheckConstraint("ended_at > started_at", name="ends_after_it_begins"),
        sa.CheckConstraint("attendance >= 0 AND (expected IS NULL OR expected >= 0)", name="heads_not_negative"),
        sa.CheckConstraint("evacuation_seconds IS NULL OR evacuation_seconds > 0", name="seconds_positive"),
    )

    id: Mapped[Pk]
    occurrence_id: Mapped[int] = mapped_column(sa.ForeignKey("drill_occurrence.id"), unique=True)
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime]
    attendance: Mapped[int]
    expected: Mapped[int | None]
    evacuation_seconds: Mapped[int | None]
    place: Mapped[str] = mapped_column(sa.String(100), default="", server_default="")
    content: Mapped[str] = mapped_column(default="", server_default="")
    departments: Mapped[str] = mapped_column(default="", server_default="")
    people_sealed: Mapped[bytes | None]  # who took part, in words
    notes_sealed: Mapped[bytes | None]  # free text may name people
    recorded_by: Mapped[str] = mapped_column(sa.String(60))
    recorded_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(default=1)
