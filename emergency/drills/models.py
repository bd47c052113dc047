"""Rules of law as rows, programmes, their occurrences, who said yes, what happened and what was learnt."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

import emergency.divisions.models
import emergency.plans.models  # noqa: F401 - the tables that foreign keys below name
from kernel.db import Base, DivisionCode, Pk
from kernel.types import LabelledEnum, enum_type


class DrillKind(LabelledEnum):
    """What a drill rehearses: one vocabulary, to which the words of the rules are mapped."""

    EVACUATION = "evacuation", "应急疏散", "Evacuation"
    FIRE = "fire", "消防疏散", "Fire evacuation"
    FLOOD = "flood", "防汛转移", "Flood evacuation"
    QUAKE = "quake", "地震避险", "Earthquake"
    WEATHER = "weather", "气象灾害", "Severe weather"
    GEOLOGY = "geology", "地质灾害", "Geological hazard"
    FOREST = "forest", "森林火灾", "Forest fire"
    RESCUE = "rescue", "生产安全事故救援", "Work-safety rescue"
    UNIT_PLAN = "unit_plan", "单位综合或专项预案", "Unit's general or special plan"
    ONSITE = "onsite", "现场处置方案", "On-site scheme"
    GOV_PLAN = "gov_plan", "政府专项或部门预案", "Government special or departmental plan"
    FULL = "full", "综合演练", "Full exercise"
    SCHOOL_BUS = "school_bus", "校车安全", "School bus"
    EQUIPMENT = "equipment", "特种设备", "Special equipment"
    ELEVATOR = "elevator", "电梯救援", "Elevator rescue"
    GAS = "gas", "燃气事故", "Gas"
    PIPELINE = "pipeline", "油气管道", "Pipeline"
    TRANSPORT = "transport", "公共交通", "Public transport"
    WATER = "water", "供排水", "Water and drainage"
    ENVIRONMENT = "environment", "突发环境事件", "Environment"
    HEALTH = "health", "突发公共卫生事件", "Public health"
    ANIMAL = "animal", "重大动物疫情", "Animal epidemic"
    SUPPLY = "supply", "粮食与能源保供", "Grain and energy"
    TERROR = "terror", "反恐防暴", "Counter-terror"
    CYBER = "cyber", "网络安全", "Cyber security"
    MASS_EVENT = "mass_event", "大型活动", "Mass event"
    PUBLIC = "public", "群众自救互救", "Public self-rescue"


class Form(LabelledEnum):
    """How a drill is held."""

    TABLETOP = "tabletop", "桌面演练", "Tabletop"
    FIELD = "field", "实战演练", "Field drill"


class Content(LabelledEnum):
    """How much a drill takes in."""

    SINGLE = "single", "单项", "Single function"
    FULL = "full", "综合", "Full"


class Basis(LabelledEnum):
    """What a rule's interval means. A half-year is a window: two drills in one do not cover the other."""

    ROLLING = "rolling", "滚动计算", "Rolling"
    MONTH = "calendar_month", "每个自然月", "Each calendar month"
    QUARTER = "calendar_quarter", "每个季度", "Each calendar quarter"
    HALF = "calendar_half", "每个半年", "Each calendar half-year"
    ACADEMIC = "academic_year", "每个学年", "Each academic year"
    EVENT = "event", "每次活动前", "Before each event"


class Binding(LabelledEnum):
    """The force of a rule. What binds elsewhere, or is only advised, binds here once the bureau adopts it."""

    NATIONAL = "national", "国家规定", "National"
    STANDARD = "standard", "标准", "Standard"
    GUIDANCE = "guidance", "指导性文件", "Guidance"
    LOCAL_OTHER = "local_other", "外地规定", "Other province"
    SUGGESTION = "suggestion", "建议", "Suggestion"


class Evidence(LabelledEnum):
    """How sure we are of the text."""

    SEEN = "seen", "已核原文", "Text read"
    SECONDARY = "seen2", "据转引", "Secondary copy"
    MEMORY = "mem", "未核实", "Unverified"


class ProgrammeState(LabelledEnum):
    """Whether a programme makes occurrences."""

    ACTIVE = "active", "执行中", "Active", "done"
    PAUSED = "paused", "暂停", "Paused", "wait"
    ENDED = "ended", "已结束", "Ended", "absent"


class OccurrenceState(LabelledEnum):
    """How far one date has come."""

    PLANNED = "planned", "已排定", "Planned"
    INVITED = "invited", "征询中", "Invited", "wait"
    CONFIRMED = "confirmed", "已确认", "Confirmed", "done"
    HELD = "held", "已开展", "Held", "done"
    MISSED = "missed", "未开展", "Missed", "late"
    CANCELLED = "cancelled", "已取消", "Cancelled", "absent"


class Answered(LabelledEnum):
    """What an invited post says."""

    YES = "yes", "参加", "Taking part", "done"
    NO = "no", "不能参加", "Cannot", "late"
    OTHER = "other", "建议改期", "Asks for another date", "wait"


class Rating(LabelledEnum):
    """The evaluator's scale (HSEEP), in its own definitions."""

    P = "P", "P 顺利完成", "P Performed without challenges", "done"
    S = "S", "S 完成，尚有不足", "S Performed with some challenges", "wait"
    M = "M", "M 完成，明显困难", "M Performed with major challenges", "late"
    U = "U", "U 未能完成", "U Unable to be performed", "late"
    NA = "NA", "不适用", "Not applicable", "absent"


class FindingState(LabelledEnum):
    """Whether a finding still stands."""

    OPEN = "open", "待整改", "Open", "late"
    CLOSED = "closed", "已闭环", "Closed", "done"


class ActionState(LabelledEnum):
    """How a corrective action stands."""

    OPEN = "open", "整改中", "Under way", "wait"
    DONE = "done", "已完成", "Done", "done"
    DROPPED = "dropped", "不再需要", "Dropped", "absent"


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
    place: Mapped[str] = mapped_column(sa.String(100), default="")
    state: Mapped[ProgrammeState] = mapped_column(enum_type(ProgrammeState), default=ProgrammeState.ACTIVE)
    materialised_until: Mapped[date | None]
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
        sa.Index(None, "starts_at"),
        sa.Index(None, "division_code", "starts_at"),
        sa.Index(None, "unit_id", "starts_at"),
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
    due_at: Mapped[datetime]
    """By when a record must exist; past it without one the occurrence counts as missed."""
    done_at: Mapped[datetime | None]
    sequence: Mapped[int] = mapped_column(default=0)
    """For calendar feeds: raised whenever the date or the state changes."""
    version: Mapped[int] = mapped_column(default=1)


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
    notes_sealed: Mapped[bytes | None]  # free text may name people
    recorded_by: Mapped[str] = mapped_column(sa.String(60))
    recorded_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(default=1)


class Evaluation(Base):
    """One evaluator's sheet."""

    __tablename__ = "drill_evaluation"
    __table_args__ = (sa.Index(None, "occurrence_id"),)

    id: Mapped[Pk]
    occurrence_id: Mapped[int] = mapped_column(sa.ForeignKey("drill_occurrence.id"))
    evaluator: Mapped[str] = mapped_column(sa.String(60))
    at: Mapped[datetime]
    strengths_sealed: Mapped[bytes | None]


class ObjectiveRating(Base):
    """One objective of a sheet and how it was met."""

    __tablename__ = "drill_objective_rating"
    __table_args__ = (sa.UniqueConstraint("evaluation_id", "position", name="one_row_an_objective"),)

    id: Mapped[Pk]
    evaluation_id: Mapped[int] = mapped_column(sa.ForeignKey("drill_evaluation.id"))
    position: Mapped[int]
    objective: Mapped[str] = mapped_column(sa.String(200))
    rating: Mapped[Rating] = mapped_column(enum_type(Rating))


class Finding(Base):
    """Something that must get better, until proof or a plan version closes it."""

    __tablename__ = "drill_finding"
    __table_args__ = (
        sa.CheckConstraint(
            "state = 'open' OR closed_by_version_id IS NOT NULL OR proof IS NOT NULL", name="closed_by_proof_only"
        ),
        sa.Index(None, "occurrence_id"),
        sa.Index(None, "plan_id"),
    )

    id: Mapped[Pk]
    occurrence_id: Mapped[int] = mapped_column(sa.ForeignKey("drill_occurrence.id"))
    text: Mapped[str]
    root_cause: Mapped[str] = mapped_column(default="")
    plan_id: Mapped[int | None] = mapped_column(sa.ForeignKey("plan.id"))  # that must be revised
    state: Mapped[FindingState] = mapped_column(enum_type(FindingState), default=FindingState.OPEN)
    closed_by_version_id: Mapped[int | None] = mapped_column(sa.ForeignKey("plan_version.id"))
    proof: Mapped[str | None]
    found_at: Mapped[datetime]
    found_by: Mapped[str] = mapped_column(sa.String(60))
    version: Mapped[int] = mapped_column(default=1)


class CorrectiveAction(Base):
    """Who mends a finding by when, and the proof that it was done."""

    __tablename__ = "drill_corrective_action"
    __table_args__ = (
        sa.CheckConstraint("state <> 'done' OR proof IS NOT NULL", name="done_has_proof"),
        sa.Index(None, "finding_id"),
        sa.Index(None, "state", "due_on"),
    )

    id: Mapped[Pk]
    finding_id: Mapped[int] = mapped_column(sa.ForeignKey("drill_finding.id"))
    text: Mapped[str]
    owner_post_id: Mapped[int | None]
    owner_words: Mapped[str] = mapped_column(sa.String(100), default="")
    due_on: Mapped[date]
    state: Mapped[ActionState] = mapped_column(enum_type(ActionState), default=ActionState.OPEN)
    proof: Mapped[str | None]
    done_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1)
