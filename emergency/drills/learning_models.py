"""What a drill should show, how evaluators judged it, what must get better, who mends it, and who was told."""

from __future__ import annotations

from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

import emergency.drills.models  # noqa: F401 - the tables that foreign keys below name
from kernel.db import Base, Pk
from kernel.types import LabelledEnum, enum_type

_DRILL = "drill_occurrence.id"


class Rating(LabelledEnum):
    """The evaluator's scale (HSEEP), in its own definitions."""

    P = "P", "P 顺利完成", "P Performed without challenges", "done"
    S = "S", "S 完成，尚有不足", "S Performed with some challenges", "wait"
    M = "M", "M 完成，明显困难", "M Performed with major challenges", "late"
    U = "U", "U 未能完成", "U Unable to be performed", "late"
    NA = "NA", "不适用", "Not applicable", "absent"


class SheetState(LabelledEnum):
    """How far one evaluator's sheet has come."""

    DRAFT = "draft", "草稿", "Draft", "wait"
    HANDED_IN = "handed_in", "已提交", "Handed in", "done"
    REPLACED = "replaced", "已被更正", "Replaced by a correction", "absent"


class Mark(LabelledEnum):
    """What an evaluator says to one line of the checklist."""

    YES = "yes", "符合", "Yes", "done"
    PARTLY = "partly", "基本符合", "Partly", "wait"
    NO = "no", "不符合", "No", "late"
    NA = "na", "不适用", "Not applicable", "absent"


class Cause(LabelledEnum):
    """Where the root of a finding lies: plan, organisation, equipment, training, or the exercise itself (POETE)."""

    PLAN = "plan", "预案（计划）", "Plan"
    ORGANISATION = "organisation", "组织（机制、人员）", "Organisation"
    EQUIPMENT = "equipment", "装备（物资、通信）", "Equipment"
    TRAINING = "training", "培训（熟练程度）", "Training"
    EXERCISE = "exercise", "演练本身（设计、实施）", "The exercise itself"


class Severity(LabelledEnum):
    """How much a finding weighs."""

    MAJOR = "major", "重大", "Major", "late"
    SERIOUS = "serious", "较大", "Serious", "wait"
    MINOR = "minor", "一般", "Minor"


class FindingState(LabelledEnum):
    """Whether a finding still stands."""

    OPEN = "open", "待整改", "Open", "late"
    CLOSED = "closed", "已闭环", "Closed", "done"


class ActionState(LabelledEnum):
    """How a corrective action stands."""

    OPEN = "open", "整改中", "Under way", "wait"
    DONE = "done", "已完成，待复核", "Done, not verified", "wait"
    VERIFIED = "verified", "已复核", "Verified", "done"
    DROPPED = "dropped", "不再需要", "Dropped", "absent"


class NudgeKind(LabelledEnum):
    """Who hears of an action that is due: its post before, the deputy at the date, the superior after it."""

    REMINDER = "reminder", "到期前提醒责任岗位", "Reminder to the post"
    DEPUTY = "deputy", "到期未完成告知副手", "Deputy told"
    SUPERIOR = "superior", "逾期报告上级岗位", "Superior told"


class NudgeOutcome(LabelledEnum):
    """What became of one step."""

    SENT = "sent", "已发出", "Sent", "done"
    OVERTAKEN = (
        "overtaken",
        "停机期间错过，已由后一步代替",
        "Missed while stopped; a later step stands for it",
        "absent",
    )
    NOT_NEEDED = "not_needed", "不再需要", "No longer needed", "absent"


class Said(LabelledEnum):
    """What a post answers about its action."""

    DONE = "done", "已完成", "Done", "done"
    LONGER = "longer", "需延期", "Needs longer", "wait"
    CANNOT = "cannot", "不能完成", "Cannot", "late"


class Again(LabelledEnum):
    """What a later drill says of an earlier finding."""

    GONE = "gone", "未再出现", "Gone", "done"
    RECURRED = "recurred", "再次出现", "Recurred", "late"
    NOT_TESTED = "not_tested", "本次未检验", "Not tested", "absent"


class Objective(Base):
    """One objective, of a programme or of one date of it; never of both."""

    __tablename__ = "drill_objective"
    __table_args__ = (
        sa.CheckConstraint("(programme_id IS NULL) <> (occurrence_id IS NULL)", name="of_programme_or_occurrence"),
        sa.CheckConstraint("position > 0", name="position_positive"),
        sa.UniqueConstraint("programme_id", "position", name="one_row_a_programme_position"),
        sa.UniqueConstraint("occurrence_id", "position", name="one_row_an_occurrence_position"),
    )

    id: Mapped[Pk]
    programme_id: Mapped[int | None] = mapped_column(sa.ForeignKey("drill_programme.id"))
    occurrence_id: Mapped[int | None] = mapped_column(sa.ForeignKey(_DRILL))
    position: Mapped[int]
    words: Mapped[str] = mapped_column(sa.String(200))
    capability: Mapped[str] = mapped_column(sa.String(60), default="")
    """The capability that it proves, in plain words (预警发布, 群众转移)."""
    target: Mapped[str] = mapped_column(sa.String(200), default="")
    """The standard by which it is met (十五分钟内全部叫应)."""


class CriticalTask(Base):
    """A task without which the objective is not met."""

    __tablename__ = "drill_critical_task"
    __table_args__ = (sa.UniqueConstraint("objective_id", "position", name="one_row_a_task_position"),)

    id: Mapped[Pk]
    objective_id: Mapped[int] = mapped_column(sa.ForeignKey("drill_objective.id"))
    position: Mapped[int]
    words: Mapped[str] = mapped_column(sa.String(200))


class Evaluation(Base):
    """One evaluator's sheet. Handed in it never changes; a correction is a new sheet that replaces it, both kept."""

    __tablename__ = "drill_evaluation"
    __table_args__ = (
        sa.Index(None, "occurrence_id"),
        sa.CheckConstraint("(state = 'draft') = (handed_in_at IS NULL)", name="handed_in_has_a_time"),
        sa.CheckConstraint("replaces_id IS NULL OR replaces_id <> id", name="never_replaces_itself"),
    )

    id: Mapped[Pk]
    occurrence_id: Mapped[int] = mapped_column(sa.ForeignKey(_DRILL))
    evaluator: Mapped[str] = mapped_column(sa.String(60))
    at: Mapped[datetime]
    state: Mapped[SheetState] = mapped_column(enum_type(SheetState), default=SheetState.DRAFT)
    handed_in_at: Mapped[datetime | None]
    replaces_id: Mapped[int | None] = mapped_column(sa.ForeignKey("drill_evaluation.id"), unique=True)
    strengths_sealed: Mapped[bytes | None]
    version: Mapped[int] = mapped_column(default=1)


class ObjectiveRating(Base):
    """One objective of a sheet and how it was met; the observation may name people and is sealed."""

    __tablename__ = "drill_objective_rating"
    __table_args__ = (sa.UniqueConstraint("evaluation_id", "position", name="one_row_an_objective"),)

    id: Mapped[Pk]
    evaluation_id: Mapped[int] = mapped_column(sa.ForeignKey("drill_evaluation.id"))
    objective_id: Mapped[int | None] = mapped_column(sa.ForeignKey("drill_objective.id"))
    position: Mapped[int]
    objective: Mapped[str] = mapped_column(sa.String(200))
    rating: Mapped[Rating | None] = mapped_column(enum_type(Rating))
    observation_sealed: Mapped[bytes | None]


class TaskTick(Base):
    """A critical task that an evaluator saw done."""

    __tablename__ = "drill_task_tick"

    evaluation_id: Mapped[int] = mapped_column(
        sa.ForeignKey("drill_evaluation.id"), primary_key=True, autoincrement=False
    )
    task_id: Mapped[int] = mapped_column(sa.ForeignKey("drill_critical_task.id"), primary_key=True, autoincrement=False)


class CheckMark(Base):
    """What an evaluator says to one line of the checklist."""

    __tablename__ = "drill_check_mark"

    evaluation_id: Mapped[int] = mapped_column(
        sa.ForeignKey("drill_evaluation.id"), primary_key=True, autoincrement=False
    )
    line: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    mark: Mapped[Mark] = mapped_column(enum_type(Mark, name="checkmark"))


class Finding(Base):
    """Something that must get better, until proof or a plan version closes it."""

    __tablename__ = "drill_finding"
    __table_args__ = (
        sa.CheckConstraint(
            "state = 'open' OR closed_by_version_id IS NOT NULL OR proof IS NOT NULL OR proof_sealed IS NOT NULL",
            name="closed_by_proof_only",
        ),
        sa.CheckConstraint("recurs_id IS NULL OR recurs_id <> id", name="never_recurs_itself"),
        sa.Index(None, "occurrence_id"),
        sa.Index(None, "plan_id"),
        sa.Index(None, "state", "id"),
    )

    id: Mapped[Pk]
    occurrence_id: Mapped[int] = mapped_column(sa.ForeignKey(_DRILL))
    text: Mapped[str]
    root_cause: Mapped[str] = mapped_column(default="")
    cause: Mapped[Cause | None] = mapped_column(enum_type(Cause))
    severity: Mapped[Severity] = mapped_column(enum_type(Severity), default=Severity.MINOR)
    objective_id: Mapped[int | None] = mapped_column(sa.ForeignKey("drill_objective.id"))
    plan_id: Mapped[int | None] = mapped_column(sa.ForeignKey("plan.id"))  # that must be revised
    recurs_id: Mapped[int | None] = mapped_column(sa.ForeignKey("drill_finding.id"))  # an earlier one, seen again
    state: Mapped[FindingState] = mapped_column(enum_type(FindingState), default=FindingState.OPEN)
    closed_by_version_id: Mapped[int | None] = mapped_column(sa.ForeignKey("plan_version.id"))
    proof: Mapped[str | None]  # of findings closed before proofs were sealed
    proof_sealed: Mapped[bytes | None]
    found_at: Mapped[datetime]
    found_by: Mapped[str] = mapped_column(sa.String(60))
    closed_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1)


class CorrectiveAction(Base):
    """Who mends a finding by when, the proof that it was done, and who looked at it."""

    __tablename__ = "drill_corrective_action"
    __table_args__ = (
        sa.CheckConstraint(
            "state NOT IN ('done', 'verified')"
            " OR proof IS NOT NULL OR proof_sealed IS NOT NULL OR proof_file_id IS NOT NULL",
            name="done_has_proof",
        ),
        sa.CheckConstraint("(state = 'verified') = (verified_by IS NOT NULL)", name="verified_by_somebody"),
        sa.CheckConstraint(
            "verified_by IS NULL OR done_by IS NULL OR verified_by <> done_by", name="verified_by_another"
        ),
        sa.CheckConstraint("starts_on IS NULL OR due_on >= starts_on", name="due_after_it_starts"),
        sa.Index(None, "finding_id"),
        sa.Index(None, "state", "due_on"),
    )

    id: Mapped[Pk]
    finding_id: Mapped[int] = mapped_column(sa.ForeignKey("drill_finding.id"))
    text: Mapped[str]
    owner_post_id: Mapped[int | None]
    owner_words: Mapped[str] = mapped_column(sa.String(100), default="")
    starts_on: Mapped[date | None]
    due_on: Mapped[date]
    state: Mapped[ActionState] = mapped_column(enum_type(ActionState), default=ActionState.OPEN)
    proof: Mapped[str | None]  # of actions finished before proofs were sealed
    proof_sealed: Mapped[bytes | None]
    proof_file_id: Mapped[int | None] = mapped_column(sa.ForeignKey("drill_proof_file.id"))
    done_at: Mapped[datetime | None]
    done_on: Mapped[date | None]
    """The day of `done_at` in Beijing, so that days are compared with days on both databases."""
    done_by: Mapped[str | None] = mapped_column(sa.String(60))
    verified_at: Mapped[datetime | None]
    verified_by: Mapped[str | None] = mapped_column(sa.String(60))
    said: Mapped[Said | None] = mapped_column(enum_type(Said))
    """What its post last answered; an answer alone finishes nothing."""
    said_at: Mapped[datetime | None]
    said_until: Mapped[date | None]  # the date that was asked for
    said_question_id: Mapped[int | None]
    created_by: Mapped[str] = mapped_column(sa.String(60), default="")
    version: Mapped[int] = mapped_column(default=1)


class ProofFile(Base):
    """A file that proves that something was mended; name and content are sealed."""

    __tablename__ = "drill_proof_file"
    __table_args__ = (sa.CheckConstraint("size > 0", name="size_positive"),)

    id: Mapped[Pk]
    media_type: Mapped[str] = mapped_column(sa.String(80))
    size: Mapped[int]
    name_sealed: Mapped[bytes]
    data_sealed: Mapped[bytes]
    added_at: Mapped[datetime]
    added_by: Mapped[str] = mapped_column(sa.String(60))


class ActionNudge(Base):
    """One thing that is due while an action is not done; each once for a due date."""

    __tablename__ = "drill_action_nudge"
    __table_args__ = (
        sa.UniqueConstraint("action_id", "due_on", "kind", name="one_row_a_step_and_date"),
        sa.CheckConstraint("(done_at IS NULL) = (outcome IS NULL)", name="done_has_an_outcome"),
        sa.Index(None, "done_at", "due_at"),
    )

    id: Mapped[Pk]
    action_id: Mapped[int] = mapped_column(sa.ForeignKey("drill_corrective_action.id"))
    due_on: Mapped[date]
    """The action's date that the step belongs to; a new date brings new steps."""
    kind: Mapped[NudgeKind] = mapped_column(enum_type(NudgeKind))
    due_at: Mapped[datetime]
    done_at: Mapped[datetime | None]
    outcome: Mapped[NudgeOutcome | None] = mapped_column(enum_type(NudgeOutcome))
    question_id: Mapped[int | None]


class FindingCheck(Base):
    """What a later drill of the same kind says of an earlier finding."""

    __tablename__ = "drill_finding_check"
    __table_args__ = (
        sa.UniqueConstraint("occurrence_id", "finding_id", name="one_row_a_drill_and_finding"),
        sa.CheckConstraint("(outcome = 'recurred') = (again_id IS NOT NULL)", name="recurred_names_the_new_finding"),
        sa.Index(None, "finding_id"),
    )

    id: Mapped[Pk]
    occurrence_id: Mapped[int] = mapped_column(sa.ForeignKey(_DRILL))
    finding_id: Mapped[int] = mapped_column(sa.ForeignKey("drill_finding.id"))
    outcome: Mapped[Again] = mapped_column(enum_type(Again))
    again_id: Mapped[int | None] = mapped_column(sa.ForeignKey("drill_finding.id"))
    checked_at: Mapped[datetime]
    checked_by: Mapped[str] = mapped_column(sa.String(60))


class DrillReport(Base):
    """The report of a drill that a rule asks for (生产安全事故应急条例 art. 8): to whom, by when, and that it was filed."""

    __tablename__ = "drill_report"
    __table_args__ = (
        sa.UniqueConstraint("occurrence_id", "rule_id", name="one_report_a_drill_and_rule"),
        sa.CheckConstraint("(filed_at IS NULL) = (filed_by IS NULL)", name="filed_by_somebody"),
        sa.CheckConstraint("(filed_at IS NULL) = (filed_on IS NULL)", name="filed_has_a_day"),
        sa.Index(None, "due_on"),
    )

    id: Mapped[Pk]
    occurrence_id: Mapped[int] = mapped_column(sa.ForeignKey(_DRILL))
    rule_id: Mapped[int] = mapped_column(sa.ForeignKey("drill_rule.id"))
    to_whom: Mapped[str] = mapped_column(sa.String(60))
    due_on: Mapped[date]
    provisional: Mapped[bool] = mapped_column(default=False)
    """The year's holidays were not announced when the date was counted."""
    made_at: Mapped[datetime]
    filed_on: Mapped[date | None]
    filed_at: Mapped[datetime | None]
    filed_by: Mapped[str | None] = mapped_column(sa.String(60))
    reference: Mapped[str] = mapped_column(sa.String(60), default="")
    receipt: Mapped[str] = mapped_column(sa.String(200), default="")
    version: Mapped[int] = mapped_column(default=1)
