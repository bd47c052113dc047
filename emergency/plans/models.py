"""Plans, their immutable versions, and what a version is made of.

Three states that never mix (突发事件应急预案管理办法, 国办发〔2024〕5号): of the version (written, reviewed, approved,
issued), of its filing (art. 26), of the plan itself (in force, under revision …). What is issued cannot change:
triggers refuse it.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.orm import Mapped, mapped_column

import emergency.divisions.models  # noqa: F401 - the tables that foreign keys below name
from emergency.plans.vocabulary import (
    Destination,
    FilingState,
    Hazard,
    Part,
    PlanKind,
    PlanLevel,
    PlanState,
    ResponseGrade,
    RuleSubject,
    TimeUnit,
    VersionState,
)
from kernel.db import Base, DivisionCode, Pk
from kernel.types import enum_type

__all__ = [
    "Destination",
    "EvacuationRow",
    "Filing",
    "FilingDestination",
    "FilingState",
    "Hazard",
    "Part",
    "Plan",
    "PlanHazard",
    "PlanKind",
    "PlanLevel",
    "PlanRule",
    "PlanSection",
    "PlanState",
    "PlanVersion",
    "Reliance",
    "ResponseAction",
    "ResponseGrade",
    "ResponseLevel",
    "RuleSubject",
    "TimeUnit",
    "VersionState",
]


class Plan(Base):
    """A plan through all its versions."""

    __tablename__ = "plan"
    __table_args__ = (
        sa.CheckConstraint("parent_id IS NULL OR parent_id <> id", name="not_its_own_parent"),
        sa.CheckConstraint("evaluate_months IS NULL OR evaluate_months > 0", name="evaluation_interval_positive"),
        sa.Index(None, "division_code", "id"),
        sa.Index(None, "parent_id"),
    )

    id: Mapped[Pk]
    kind: Mapped[PlanKind] = mapped_column(enum_type(PlanKind))
    level: Mapped[PlanLevel] = mapped_column(enum_type(PlanLevel))
    title: Mapped[str] = mapped_column(sa.String(200))
    division_code: Mapped[DivisionCode] = mapped_column(sa.ForeignKey("division.code"))
    unit_id: Mapped[int | None] = mapped_column(sa.ForeignKey("unit.id"))
    issuer: Mapped[str] = mapped_column(sa.String(100))
    """The body in whose name it is issued (a public body or a unit, never a person)."""
    parent_id: Mapped[int | None] = mapped_column(sa.ForeignKey("plan.id"))
    owner_post_id: Mapped[int | None]
    """The post that keeps it; opaque."""
    state: Mapped[PlanState] = mapped_column(enum_type(PlanState), default=PlanState.DRAFTING)
    public: Mapped[bool] = mapped_column(default=False)
    evaluate_months: Mapped[int | None]
    """The interval that the plan itself promises, where no adopted rule gives one."""
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(sa.String(60))
    version: Mapped[int] = mapped_column(default=1)


class PlanHazard(Base):
    """One hazard that a plan is for."""

    __tablename__ = "plan_hazard"
    __table_args__ = (sa.Index(None, "hazard", "plan_id"),)

    plan_id: Mapped[int] = mapped_column(sa.ForeignKey("plan.id"), primary_key=True, autoincrement=False)
    hazard: Mapped[Hazard] = mapped_column(enum_type(Hazard), primary_key=True)


class PlanVersion(Base):
    """One text of a plan. Immutable from approval on; a plan has one version in work and one in force at most."""

    __tablename__ = "plan_version"
    __table_args__ = (
        sa.UniqueConstraint("plan_id", "number", name="one_row_a_number"),
        sa.CheckConstraint("number > 0", name="number_positive"),
        sa.CheckConstraint("approved_by IS NULL OR approved_by <> author", name="author_never_approves"),
        sa.CheckConstraint("reviewed_by IS NULL OR reviewed_by <> author", name="author_never_reviews"),
        sa.CheckConstraint(
            "state <> 'issued' OR (approved_by IS NOT NULL AND issued_at IS NOT NULL AND issued_on IS NOT NULL)",
            name="issued_means_approved",
        ),
        sa.Index(
            "uq_plan_version_one_in_work",
            "plan_id",
            unique=True,
            sqlite_where=sa.text("state IN ('draft', 'linkage_review', 'approval', 'approved')"),
            postgresql_where=sa.text("state IN ('draft', 'linkage_review', 'approval', 'approved')"),
        ),
        sa.Index(
            "uq_plan_version_one_in_force",
            "plan_id",
            unique=True,
            sqlite_where=sa.text("state = 'issued' AND replaced_at IS NULL"),
            postgresql_where=sa.text("state = 'issued' AND replaced_at IS NULL"),
        ),
        sa.Index(None, "parent_version_id"),
    )

    id: Mapped[Pk]
    plan_id: Mapped[int] = mapped_column(sa.ForeignKey("plan.id"))
    number: Mapped[int]
    state: Mapped[VersionState] = mapped_column(enum_type(VersionState), default=VersionState.DRAFT)
    parent_version_id: Mapped[int | None] = mapped_column(sa.ForeignKey("plan_version.id"))
    """The version of the parent plan that this text was written under."""
    based_on_id: Mapped[int | None] = mapped_column(sa.ForeignKey("plan_version.id"))
    """The earlier version that this one started from."""
    document_number: Mapped[str | None] = mapped_column(sa.String(60))
    explanation: Mapped[str] = mapped_column(default="")
    """编制说明: filed together with the text."""
    author: Mapped[str] = mapped_column(sa.String(60))
    created_at: Mapped[datetime]
    edited_at: Mapped[datetime]
    submitted_at: Mapped[datetime | None]
    reviewed_by: Mapped[str | None] = mapped_column(sa.String(60))
    reviewed_at: Mapped[datetime | None]
    approved_by: Mapped[str | None] = mapped_column(sa.String(60))
    approved_at: Mapped[datetime | None]
    issued_at: Mapped[datetime | None]
    issued_on: Mapped[date | None]
    """The date on the document; the day that the working days of art. 26 count from."""
    evaluated_on: Mapped[date | None]
    replaced_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1)
    """Raised by every save and step: whoever saves says which one was read."""


class PlanSection(Base):
    """A heading and its text, in order."""

    __tablename__ = "plan_section"
    __table_args__ = (
        sa.UniqueConstraint("version_id", "position", name="one_section_a_position"),
        sa.CheckConstraint("depth BETWEEN 1 AND 6", name="depth_1_to_6"),
    )

    id: Mapped[Pk]
    version_id: Mapped[int] = mapped_column(sa.ForeignKey("plan_version.id"))
    position: Mapped[int]
    depth: Mapped[int] = mapped_column(default=1)
    number: Mapped[str] = mapped_column(sa.String(20), default="")
    heading: Mapped[str] = mapped_column(sa.String(200))
    body: Mapped[str] = mapped_column(default="")
    part: Mapped[Part | None] = mapped_column(enum_type(Part))


class ResponseLevel(Base):
    """One response level of a version: what starts it and who decides."""

    __tablename__ = "plan_response_level"
    __table_args__ = (sa.UniqueConstraint("version_id", "grade", name="one_row_a_grade"),)

    id: Mapped[Pk]
    version_id: Mapped[int] = mapped_column(sa.ForeignKey("plan_version.id"))
    grade: Mapped[ResponseGrade] = mapped_column(enum_type(ResponseGrade))
    trigger: Mapped[str]
    decided_by: Mapped[str] = mapped_column(sa.String(100), default="")


class ResponseAction(Base):
    """One act of a response level; a line of the checklist when the plan is activated."""

    __tablename__ = "plan_response_action"
    __table_args__ = (
        sa.UniqueConstraint("level_id", "position", name="one_action_a_position"),
        sa.CheckConstraint("within_minutes IS NULL OR within_minutes >= 0", name="minutes_not_negative"),
    )

    id: Mapped[Pk]
    level_id: Mapped[int] = mapped_column(sa.ForeignKey("plan_response_level.id"))
    position: Mapped[int]
    action: Mapped[str]
    post_id: Mapped[int | None]
    actor_words: Mapped[str] = mapped_column(sa.String(100), default="")
    """Who acts, in the plan's own words, where no post is named."""
    within_minutes: Mapped[int | None]


class EvacuationRow(Base):
    """Who goes where, by whom: exactly one division, unit or household a row."""

    __tablename__ = "plan_evacuation_row"
    __table_args__ = (
        sa.CheckConstraint(
            "(CASE WHEN subject_code IS NULL THEN 0 ELSE 1 END) + (CASE WHEN unit_id IS NULL THEN 0 ELSE 1 END)"
            " + (CASE WHEN household_id IS NULL THEN 0 ELSE 1 END) = 1",
            name="one_subject_a_row",
        ),
        sa.CheckConstraint("people >= 0", name="people_not_negative"),
        sa.UniqueConstraint("version_id", "position", name="one_row_a_position"),
        sa.Index(None, "subject_code"),
        sa.Index(None, "unit_id"),
    )

    id: Mapped[Pk]
    version_id: Mapped[int] = mapped_column(sa.ForeignKey("plan_version.id"))
    position: Mapped[int]
    subject_code: Mapped[str | None] = mapped_column(sa.String(12), sa.ForeignKey("division.code"))
    unit_id: Mapped[int | None] = mapped_column(sa.ForeignKey("unit.id"))
    household_id: Mapped[int | None]
    people: Mapped[int] = mapped_column(default=0)
    destination: Mapped[str] = mapped_column(sa.String(200))
    route: Mapped[str] = mapped_column(default="")
    means: Mapped[str] = mapped_column(sa.String(100), default="")
    post_id: Mapped[int | None]
    grade: Mapped[ResponseGrade | None] = mapped_column(enum_type(ResponseGrade, name="evacuationgrade"))
    within_hours: Mapped[int | None]


class Reliance(Base):
    """A post, item, depot, unit or division that a version counts on. `ref_id` is opaque."""

    __tablename__ = "plan_reliance"
    __table_args__ = (
        sa.UniqueConstraint("version_id", "kind", "ref_id", name="one_row_a_reliance"),
        sa.CheckConstraint("quantity IS NULL OR quantity > 0", name="quantity_positive"),
        sa.CheckConstraint("kind IN ('post', 'item', 'depot', 'unit', 'agreement')", name="known_kind"),
        sa.Index(None, "kind", "ref_id"),
    )

    id: Mapped[Pk]
    version_id: Mapped[int] = mapped_column(sa.ForeignKey("plan_version.id"))
    kind: Mapped[str] = mapped_column(sa.String(16))
    ref_id: Mapped[int]
    quantity: Mapped[int | None]
    note: Mapped[str] = mapped_column(sa.String(200), default="")


class Filing(Base):
    """The filing of one issued version: by when, to whom, when done, when confirmed."""

    __tablename__ = "plan_filing"
    __table_args__ = (
        sa.CheckConstraint("state IN ('due', 'returned') OR filed_on IS NOT NULL", name="filed_has_a_date"),
        sa.CheckConstraint("state <> 'receipted' OR receipt_on IS NOT NULL", name="receipt_has_a_date"),
        sa.Index(None, "state", "due_on"),
    )

    id: Mapped[Pk]
    version_id: Mapped[int] = mapped_column(sa.ForeignKey("plan_version.id"), unique=True)
    state: Mapped[FilingState] = mapped_column(enum_type(FilingState), default=FilingState.DUE)
    due_on: Mapped[date | None]
    """None while the working-day calendar of the year is not announced: no deadline is guessed."""
    rule_key: Mapped[str] = mapped_column(sa.String(40))
    filed_on: Mapped[date | None]
    receipt_on: Mapped[date | None]
    receipt_number: Mapped[str | None] = mapped_column(sa.String(60))
    version: Mapped[int] = mapped_column(default=1)


class PlanRule(Base):
    """A time limit of the law as a row; only adopted ones bind."""

    __tablename__ = "plan_rule"
    __table_args__ = (
        sa.CheckConstraint("amount > 0", name="amount_positive"),
        sa.CheckConstraint("NOT (adopted AND evidence = 'mem' AND adopted_by IS NULL)", name="memory_needs_a_decision"),
    )

    id: Mapped[Pk]
    key: Mapped[str] = mapped_column(sa.String(40), unique=True)
    subject: Mapped[RuleSubject] = mapped_column(enum_type(RuleSubject))
    kinds: Mapped[list[str]]
    amount: Mapped[int]
    unit: Mapped[TimeUnit] = mapped_column(enum_type(TimeUnit))
    source: Mapped[str]
    binding: Mapped[str] = mapped_column(sa.String(20))
    evidence: Mapped[str] = mapped_column(sa.String(8))
    adopted: Mapped[bool]
    adopted_by: Mapped[str | None] = mapped_column(sa.String(60))


class FilingDestination(Base):
    """Which body gets which kind of plan in which way (art. 26), as a row."""

    __tablename__ = "plan_filing_destination"
    __table_args__ = (sa.UniqueConstraint("kind", "way", name="one_body_a_way"),)

    id: Mapped[Pk]
    kind: Mapped[PlanKind] = mapped_column(enum_type(PlanKind, name="destinationplankind"))
    way: Mapped[Destination] = mapped_column(enum_type(Destination))
    body: Mapped[str] = mapped_column(sa.String(100))
    body_en: Mapped[str] = mapped_column(sa.String(100))
    source: Mapped[str]
    evidence: Mapped[str] = mapped_column(sa.String(8))


# What is approved never changes: not by a forgotten code path, not by a hand in the database.
_OWN = "{row}.version_id"
_PARTS = {
    "plan_section": _OWN,
    "plan_response_level": _OWN,
    "plan_response_action": "(SELECT version_id FROM plan_response_level WHERE id = {row}.level_id)",
    "plan_evacuation_row": _OWN,
    "plan_reliance": _OWN,
}
_FROZEN = "'approved', 'issued', 'rejected'"
_MESSAGE = "an approved plan text is immutable"


def _sqlite_triggers(table: str, held: str) -> list[str]:
    return [
        f"CREATE TRIGGER {table}_frozen_{verb.lower()} BEFORE {verb} ON {table} "  # noqa: S608
        f"WHEN (SELECT state FROM plan_version WHERE id = {held.format(row=row)}) IN ({_FROZEN}) "
        f"BEGIN SELECT RAISE(ABORT, '{_MESSAGE}'); END"
        for verb, row in (("INSERT", "NEW"), ("UPDATE", "OLD"), ("DELETE", "OLD"))
    ]


def _postgres_triggers(table: str, held: str) -> list[str]:
    return [
        f"CREATE OR REPLACE FUNCTION {table}_is_frozen() RETURNS trigger LANGUAGE plpgsql AS $$ "  # noqa: S608
        f"DECLARE held bigint; BEGIN "
        f"IF TG_OP = 'INSERT' THEN held := {held.format(row='NEW')}; ELSE held := {held.format(row='OLD')}; END IF; "
        f"IF (SELECT state FROM plan_version WHERE id = held) IN ({_FROZEN}) "
        f"THEN RAISE EXCEPTION '{_MESSAGE}'; END IF; "
        f"IF TG_OP = 'DELETE' THEN RETURN OLD; END IF; RETURN NEW; END $$",
        f"CREATE TRIGGER {table}_frozen BEFORE INSERT OR UPDATE OR DELETE ON {table} "
        f"FOR EACH ROW EXECUTE FUNCTION {table}_is_frozen()",
    ]


TRIGGERS: dict[str, dict[str, list[str]]] = {
    table: {"sqlite": _sqlite_triggers(table, held), "postgresql": _postgres_triggers(table, held)}
    for table, held in _PARTS.items()
}


def _create_triggers(table: Any, connection: sa.Connection, **_kw: Any) -> None:
    for statement in TRIGGERS[table.name][connection.dialect.name]:
        connection.exec_driver_sql(statement)


for _mapped in (PlanSection, ResponseLevel, ResponseAction, EvacuationRow, Reliance):
    event.listen(_mapped.__table__, "after_create", _create_triggers)
