"""Acting on a plan: activations, their decisions, checklist lines, the evacuation's progress, log and suggestions.

An activation is an exercise or it is real, from its first row to its last: the kind stands in every row that hangs on
it, bound by a foreign key of two columns, and a trigger refuses to change it. It is bound to one issued version; a
later issue of the plan changes nothing that runs.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.orm import Mapped, mapped_column

from emergency.plans.models import ResponseGrade
from kernel.db import Base, DivisionCode, Pk
from kernel.types import LabelledEnum, enum_type


class ActivationKind(LabelledEnum):
    """Whether it is real; by the same words as a warning's `status`."""

    ACTUAL = "Actual", "实战响应", "Real response", "red"
    EXERCISE = "Exercise", "演练", "Exercise", "drill"


class ActivationState(LabelledEnum):
    """Where an activation is."""

    PROPOSED = "proposed", "待决定", "Waiting for the decision", "wait"
    RUNNING = "running", "响应中", "Running", "late"
    ENDED = "ended", "已结束", "Ended", "done"
    NOT_STARTED = "not_started", "未启动", "Not started", "absent"


class StepKind(LabelledEnum):
    """What is decided."""

    START = "start", "启动响应", "Start"
    RAISE = "raise", "提级响应", "Raise"
    LOWER = "lower", "降级响应", "Lower"
    END = "end", "终止响应", "End"


class StepState(LabelledEnum):
    """How far a decision has come."""

    WAITING = "waiting", "待决定", "Waiting for the decision", "wait"
    DONE = "done", "已决定", "Decided", "done"
    REFUSED = "refused", "不同意", "Refused", "absent"
    WITHDRAWN = "withdrawn", "已撤回", "Withdrawn", "absent"


class LineState(LabelledEnum):
    """How a line of the checklist stands."""

    OPEN = "open", "待办", "Open", "wait"
    TAKEN = "taken", "已领受", "Taken", "wait"
    DONE = "done", "已完成", "Done", "done"
    NOT_APPLICABLE = "not_applicable", "不适用", "Not applicable", "absent"
    CLOSED = "closed", "已终止", "Closed", "absent"


class Heard(LabelledEnum):
    """How it became known."""

    PAGE = "page", "本人登记", "By the person"
    LINK = "link", "短信链接", "Link in the message"
    SMS = "sms", "短信回复", "Text reply"
    KEY = "key", "电话按键", "Key pressed in a call"
    PHONE = "phone", "电话报告", "Heard by telephone"
    RADIO = "radio", "电台报告", "Heard by radio"
    VISIT = "visit", "现场核实", "Seen on the spot"


class EntryKind(LabelledEnum):
    """What an entry of the situation log is about."""

    STEP = "step", "响应决定", "Decision"
    LINE = "line", "任务", "Action"
    EVACUATION = "evacuation", "转移", "Evacuation"
    TOLD = "told", "催办", "Reminder"
    NOTE = "note", "情况", "Situation"


class SuggestionState(LabelledEnum):
    """What became of a suggestion. Nothing is ever started by one."""

    OPEN = "open", "待研判", "To be judged", "wait"
    USED = "used", "已启动", "Acted on", "done"
    DISMISSED = "dismissed", "暂不启动", "Not now", "absent"
    PASSED = "passed", "条件已消失", "No longer holds", "absent"


_KIND = "activationkind"


def _same_kind() -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["activation_id", "kind"], ["plan_activation.id", "plan_activation.kind"])


class Activation(Base):
    """One response by one plan, from the proposal to its end."""

    __tablename__ = "plan_activation"
    __table_args__ = (
        sa.UniqueConstraint("id", "kind", name="uq_plan_activation_kind"),
        sa.CheckConstraint("state <> 'running' OR started_at IS NOT NULL", name="running_has_begun"),
        sa.CheckConstraint("(state = 'ended') = (ended_at IS NOT NULL)", name="ended_has_a_time"),
        sa.CheckConstraint("ended_at IS NULL OR ended_at >= started_at", name="ends_after_it_began"),
        sa.CheckConstraint("occurrence_id IS NULL OR kind = 'Exercise'", name="only_exercises_have_a_drill"),
        sa.CheckConstraint("length(matter) > 0", name="says_what_for"),
        sa.Index(
            "uq_plan_activation_open",
            "plan_id",
            "kind",
            unique=True,
            sqlite_where=sa.text("state IN ('proposed', 'running')"),
            postgresql_where=sa.text("state IN ('proposed', 'running')"),
        ),
        sa.Index(None, "state", "division_code"),
    )

    id: Mapped[Pk]
    plan_id: Mapped[int] = mapped_column(sa.ForeignKey("plan.id"))
    version_id: Mapped[int] = mapped_column(sa.ForeignKey("plan_version.id"))
    kind: Mapped[ActivationKind] = mapped_column(enum_type(ActivationKind, name=_KIND))
    state: Mapped[ActivationState] = mapped_column(
        enum_type(ActivationState), default=ActivationState.PROPOSED
    )  # fmt: skip
    grade: Mapped[ResponseGrade] = mapped_column(enum_type(ResponseGrade, name="activationgrade"))
    matter: Mapped[str] = mapped_column(sa.String(200))
    """响应事项, the first of the four statements of 突发事件应对法 art. 72."""
    measures: Mapped[str] = mapped_column(default="")
    division_code: Mapped[DivisionCode]
    expected_until: Mapped[datetime | None]
    occurrence_id: Mapped[int | None]
    """The drill that an exercise belongs to; opaque."""
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(sa.String(60))
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1)


class ActivationStep(Base):
    """One decision: start, raise, lower, end. One waits at a time; where two pairs of eyes are asked, two decide."""

    __tablename__ = "plan_activation_step"
    __table_args__ = (
        _same_kind(),
        sa.CheckConstraint("(state = 'waiting') = (settled_at IS NULL)", name="settled_has_a_time"),
        sa.CheckConstraint("(settled_at IS NULL) = (settled_by IS NULL)", name="settled_by_somebody"),
        sa.CheckConstraint(
            "state <> 'done' OR NOT two_people OR break_glass OR settled_by <> proposed_by", name="two_people_decide"
        ),
        sa.CheckConstraint("NOT break_glass OR kind = 'Actual'", name="glass_breaks_for_real_only"),
        sa.Index(
            "uq_plan_activation_step_waiting",
            "activation_id",
            unique=True,
            sqlite_where=sa.text("state = 'waiting'"),
            postgresql_where=sa.text("state = 'waiting'"),
        ),
        sa.Index(None, "activation_id", "id"),
    )

    id: Mapped[Pk]
    activation_id: Mapped[int]
    kind: Mapped[ActivationKind] = mapped_column(enum_type(ActivationKind, name="activationstepkind"))
    what: Mapped[StepKind] = mapped_column(enum_type(StepKind, name="activationstep"))
    state: Mapped[StepState] = mapped_column(enum_type(StepState), default=StepState.WAITING)
    from_grade: Mapped[ResponseGrade | None] = mapped_column(enum_type(ResponseGrade, name="activationfromgrade"))
    to_grade: Mapped[ResponseGrade | None] = mapped_column(enum_type(ResponseGrade, name="activationtograde"))
    with_lower: Mapped[bool] = mapped_column(default=True)
    """Whether the actions of the levels below belong to it, as plans say by “on the basis of level III”."""
    decided_by: Mapped[str] = mapped_column(sa.String(100))
    """Who decides by the plan's own words (an office, never a person's name)."""
    reason_sealed: Mapped[bytes]
    answer_sealed: Mapped[bytes | None]
    two_people: Mapped[bool]
    break_glass: Mapped[bool] = mapped_column(default=False)
    proposed_by: Mapped[str] = mapped_column(sa.String(60))
    proposed_at: Mapped[datetime]
    settled_by: Mapped[str | None] = mapped_column(sa.String(60))
    settled_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1)


class ActivationLine(Base):
    """One action of the version as a line of the checklist, copied when its level begins."""

    __tablename__ = "plan_activation_line"
    __table_args__ = (
        _same_kind(),
        sa.UniqueConstraint("activation_id", "action_id", name="uq_plan_activation_line_once"),
        sa.CheckConstraint(
            "(state IN ('done', 'not_applicable', 'closed')) = (settled_at IS NOT NULL)", name="settled_has_a_time"
        ),
        sa.CheckConstraint("(settled_at IS NULL) = (settled_by IS NULL)", name="settled_by_somebody"),
        sa.CheckConstraint("state <> 'taken' OR taken_by IS NOT NULL", name="taken_by_somebody"),
        sa.CheckConstraint("state <> 'not_applicable' OR note_sealed IS NOT NULL", name="not_applicable_says_why"),
        sa.Index(
            "ix_plan_activation_line_due",
            "due_at",
            sqlite_where=sa.text("state IN ('open', 'taken')"),
            postgresql_where=sa.text("state IN ('open', 'taken')"),
        ),
        sa.Index(None, "post_id", "state"),
        sa.Index(None, "division_code", "state"),
    )

    id: Mapped[Pk]
    activation_id: Mapped[int]
    kind: Mapped[ActivationKind] = mapped_column(enum_type(ActivationKind, name="activationlinekind"))
    action_id: Mapped[int] = mapped_column(sa.ForeignKey("plan_response_action.id"))
    grade: Mapped[ResponseGrade] = mapped_column(enum_type(ResponseGrade, name="activationlinegrade"))
    position: Mapped[int]
    action: Mapped[str]
    post_id: Mapped[int | None]
    actor_words: Mapped[str] = mapped_column(sa.String(100), default="")
    division_code: Mapped[DivisionCode]
    within_minutes: Mapped[int | None]
    added_at: Mapped[datetime]
    due_at: Mapped[datetime | None]
    state: Mapped[LineState] = mapped_column(enum_type(LineState), default=LineState.OPEN)
    taken_by: Mapped[str | None] = mapped_column(sa.String(60))
    taken_at: Mapped[datetime | None]
    settled_by: Mapped[str | None] = mapped_column(sa.String(60))
    """Who typed it."""
    settled_at: Mapped[datetime | None]
    happened_at: Mapped[datetime | None]
    """When it was done, which for a telephone report is not when it was typed."""
    heard: Mapped[Heard | None] = mapped_column(enum_type(Heard, name="lineheard"))
    note_sealed: Mapped[bytes | None]
    reminded: Mapped[int] = mapped_column(sa.SmallInteger, default=0)
    """How many of the configured reminders about lateness have left."""
    version: Mapped[int] = mapped_column(default=1)


class ActivationEvacuation(Base):
    """How far one row of the evacuation list has come: heads only, nobody by name."""

    __tablename__ = "plan_activation_evacuation"
    __table_args__ = (
        _same_kind(),
        sa.UniqueConstraint("activation_id", "row_id", name="uq_plan_activation_evacuation_once"),
        sa.CheckConstraint(
            "people >= 0 AND informed >= 0 AND gone >= 0 AND refused >= 0 AND helped >= 0", name="heads_not_negative"
        ),
        sa.CheckConstraint("helped <= gone", name="who_was_helped_has_left"),
        sa.CheckConstraint("(reported_at IS NULL) = (reported_by IS NULL)", name="reported_by_somebody"),
    )

    id: Mapped[Pk]
    activation_id: Mapped[int]
    kind: Mapped[ActivationKind] = mapped_column(enum_type(ActivationKind, name="activationevacuationkind"))
    row_id: Mapped[int] = mapped_column(sa.ForeignKey("plan_evacuation_row.id"))
    division_code: Mapped[DivisionCode]
    post_id: Mapped[int | None]
    people: Mapped[int]
    informed: Mapped[int] = mapped_column(default=0)
    gone: Mapped[int] = mapped_column(default=0)
    refused: Mapped[int] = mapped_column(default=0)
    helped: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime | None]
    reported_at: Mapped[datetime | None]
    reported_by: Mapped[str | None] = mapped_column(sa.String(60))
    version: Mapped[int] = mapped_column(default=1)


class ActivationEntry(Base):
    """One line of the situation log. Only added, never changed."""

    __tablename__ = "plan_activation_entry"
    __table_args__ = (_same_kind(), sa.Index(None, "activation_id", "at"))

    id: Mapped[Pk]
    activation_id: Mapped[int]
    kind: Mapped[ActivationKind] = mapped_column(enum_type(ActivationKind, name="activationentrykind"))
    what: Mapped[EntryKind] = mapped_column(enum_type(EntryKind))
    subject_id: Mapped[int]
    at: Mapped[datetime]
    recorded_at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(sa.String(60))
    data: Mapped[dict[str, Any]]
    text_sealed: Mapped[bytes | None]


class ActivationSuggestion(Base):
    """A warning in the plan's area meets a trigger of one of its levels: somebody has to judge. Never more than that."""

    __tablename__ = "plan_activation_suggestion"
    __table_args__ = (
        sa.UniqueConstraint("version_id", "grade", "warning_id", name="uq_plan_activation_suggestion_once"),
        sa.CheckConstraint("(state = 'open') = (settled_at IS NULL)", name="settled_has_a_time"),
        sa.Index(None, "state", "plan_id"),
    )

    id: Mapped[Pk]
    plan_id: Mapped[int] = mapped_column(sa.ForeignKey("plan.id"))
    version_id: Mapped[int] = mapped_column(sa.ForeignKey("plan_version.id"))
    grade: Mapped[ResponseGrade] = mapped_column(enum_type(ResponseGrade, name="suggestiongrade"))
    kind: Mapped[ActivationKind] = mapped_column(enum_type(ActivationKind, name="suggestionkind"))
    warning_id: Mapped[int]
    """Opaque: the warning that meets it."""
    headline: Mapped[str]
    state: Mapped[SuggestionState] = mapped_column(enum_type(SuggestionState), default=SuggestionState.OPEN)
    made_at: Mapped[datetime]
    settled_by: Mapped[str | None] = mapped_column(sa.String(60))
    settled_at: Mapped[datetime | None]
    reason_sealed: Mapped[bytes | None]
    version: Mapped[int] = mapped_column(default=1)


_KEPT = "the kind, plan and version of an activation never change"
_LOGGED = "the situation log is only added to"
_FIXED = ("activation_id", "kind", "what", "subject_id", "at", "recorded_at", "actor")
TRIGGERS: dict[str, dict[str, list[str]]] = {
    "plan_activation": {
        "sqlite": [
            "CREATE TRIGGER plan_activation_kept BEFORE UPDATE OF kind, plan_id, version_id ON plan_activation "
            "WHEN NEW.kind <> OLD.kind OR NEW.plan_id <> OLD.plan_id OR NEW.version_id <> OLD.version_id "
            f"BEGIN SELECT RAISE(ABORT, '{_KEPT}'); END"
        ],
        "postgresql": [
            "CREATE OR REPLACE FUNCTION plan_activation_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "IF NEW.kind <> OLD.kind OR NEW.plan_id <> OLD.plan_id OR NEW.version_id <> OLD.version_id "
            f"THEN RAISE EXCEPTION '{_KEPT}'; END IF; RETURN NEW; END $$",
            "CREATE TRIGGER plan_activation_kept BEFORE UPDATE ON plan_activation "
            "FOR EACH ROW EXECUTE FUNCTION plan_activation_is_kept()",
        ],
    },
    "plan_activation_entry": {
        "sqlite": [
            # The sealed text may be sealed anew when keys rotate; what was said and when may not.
            f"CREATE TRIGGER plan_activation_entry_kept BEFORE UPDATE OF {', '.join(_FIXED)}, data "
            f"ON plan_activation_entry BEGIN SELECT RAISE(ABORT, '{_LOGGED}'); END",
            "CREATE TRIGGER plan_activation_entry_stays BEFORE DELETE ON plan_activation_entry "
            f"BEGIN SELECT RAISE(ABORT, '{_LOGGED}'); END",
        ],
        "postgresql": [
            "CREATE OR REPLACE FUNCTION plan_activation_entry_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            f"RAISE EXCEPTION '{_LOGGED}'; END $$",
            f"CREATE TRIGGER plan_activation_entry_kept BEFORE DELETE OR UPDATE OF {', '.join(_FIXED)}, data "
            "ON plan_activation_entry FOR EACH ROW EXECUTE FUNCTION plan_activation_entry_is_kept()",
        ],
    },
}


def _create_triggers(table: Any, connection: sa.Connection, **_kw: Any) -> None:
    for statement in TRIGGERS[table.name][connection.dialect.name]:
        connection.exec_driver_sql(statement)


for _mapped in (Activation, ActivationEntry):
    event.listen(_mapped.__table__, "after_create", _create_triggers)
