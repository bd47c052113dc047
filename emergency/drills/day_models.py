"""The day of a drill: its clock, its injects, who came, when everybody was out, photographs, notes, old records."""

from __future__ import annotations

from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

import emergency.drills.models  # noqa: F401 - the tables that foreign keys below name
from kernel.db import Base, Pk
from kernel.types import LabelledEnum, enum_type

__all__ = [
    "DayState", "DrillCheckin", "DrillDay", "DrillGroup", "DrillHold", "DrillInject", "DrillInjectPost", "DrillNote", "DrillPhoto",
    "DrillRecordBefore", "HeldBy", "InjectState", "InjectVia", "Observed",
]  # fmt: skip


class DayState(LabelledEnum):
    """How far the drill's own clock has come."""

    READY = "ready", "未开始", "Not begun"
    RUNNING = "running", "进行中", "Running", "drill"
    PAUSED = "paused", "暂停", "Paused", "wait"
    ENDED = "ended", "已结束", "Ended", "done"


class InjectVia(LabelledEnum):
    """By what an inject reaches whom it is for. Only the first two leave through the engine."""

    SMS = "sms", "短信", "Text message"
    VOICE = "voice", "语音电话", "Voice call"
    RADIO = "radio", "对讲机口述", "By hand: radio"
    RUNNER = "runner", "专人递送", "By hand: runner"
    PHONE = "phone", "电话口述", "By hand: telephone"

    @property
    def by_engine(self) -> bool:
        """Whether the engine carries it."""
        return self in (InjectVia.SMS, InjectVia.VOICE)


class InjectState(LabelledEnum):
    """How far one inject has come."""

    PLANNED = "planned", "待发", "Planned"
    WAITING = "waiting", "待递送", "To be delivered by hand", "wait"
    SENT = "sent", "已发出", "Sent", "done"
    DELIVERED = "delivered", "已递送", "Delivered by hand", "done"
    MISSED = "missed", "错过", "Missed", "late"
    FAILED = "failed", "未能发出", "Could not be sent", "late"
    SKIPPED = "skipped", "不发", "Left out", "absent"


class Observed(LabelledEnum):
    """Whether what an inject was to bring about was seen."""

    DONE = "done", "已做到", "Done", "done"
    PARTLY = "partly", "部分做到", "Partly done", "wait"
    NOT_DONE = "not_done", "没有做到", "Not done", "late"


class HeldBy(LabelledEnum):
    """For what a drill gives way."""

    WARNING = "warning", "红色预警", "Red warning", "red"
    RESPONSE = "response", "实战响应", "Real response", "red"


class DrillDay(Base):
    """The clock of one drill, and its door: made with the copy of the programme's injects."""

    __tablename__ = "drill_day"
    __table_args__ = (
        sa.CheckConstraint("factor BETWEEN 1 AND 120", name="factor_1_to_120"),
        sa.CheckConstraint("scenario_seconds >= 0", name="scenario_not_negative"),
        sa.CheckConstraint("(state = 'running') = (anchor_at IS NOT NULL)", name="running_has_an_anchor"),
        sa.CheckConstraint("(state = 'ready') = (began_at IS NULL)", name="begun_has_a_time"),
        sa.CheckConstraint("(state = 'ended') = (ended_at IS NOT NULL)", name="ended_has_a_time"),
    )

    id: Mapped[Pk]
    occurrence_id: Mapped[int] = mapped_column(sa.ForeignKey("drill_occurrence.id"), unique=True)
    state: Mapped[DayState] = mapped_column(enum_type(DayState), default=DayState.READY)
    factor: Mapped[int] = mapped_column(default=1)
    """So many minutes of the scenario pass in one minute of the clock on the wall."""
    scenario_seconds: Mapped[int] = mapped_column(default=0)
    """How far the scenario had come at the anchor, or where it stands still."""
    anchor_at: Mapped[datetime | None]
    """Since when the scenario runs from `scenario_seconds`."""
    began_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    director: Mapped[str] = mapped_column(sa.String(60), default="")
    signal_at: Mapped[datetime | None]
    """When the signal to leave was given."""
    signal_typed: Mapped[bool] = mapped_column(default=False)
    """The times of the evacuation were typed in later, not stopped on the page."""
    door_serial: Mapped[int] = mapped_column(default=0)
    door_digest: Mapped[bytes | None] = mapped_column(sa.LargeBinary(32), unique=True)
    """Of the address that takes check-ins; none: it is shut."""
    made_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(default=1)


class DrillHold(Base):
    """One real thing for which a drill stood still, or went on because somebody decided so. Each is asked about once."""

    __tablename__ = "drill_hold"
    __table_args__ = (
        sa.UniqueConstraint("occurrence_id", "source", "source_id", name="one_row_a_drill_hold"),
        sa.CheckConstraint("(released_at IS NULL) = (released_by IS NULL)", name="released_by_somebody"),
    )

    id: Mapped[Pk]
    occurrence_id: Mapped[int] = mapped_column(sa.ForeignKey("drill_occurrence.id"))
    source: Mapped[HeldBy] = mapped_column(enum_type(HeldBy))
    source_id: Mapped[int]
    words: Mapped[str] = mapped_column(sa.String(200))
    at: Mapped[datetime]
    released_at: Mapped[datetime | None]
    released_by: Mapped[str | None] = mapped_column(sa.String(60))


class DrillInject(Base):
    """One line of the master scenario events list: of a programme (the pattern) or of one date, never of both."""

    __tablename__ = "drill_inject"
    __table_args__ = (
        sa.CheckConstraint("(programme_id IS NULL) <> (occurrence_id IS NULL)", name="of_programme_or_occurrence"),
        sa.CheckConstraint("number > 0", name="number_positive"),
        sa.CheckConstraint("offset_seconds >= 0 AND postponed_seconds >= 0", name="not_before_the_start"),
        sa.CheckConstraint("tolerance_minutes >= 0", name="tolerance_not_negative"),
        sa.CheckConstraint("programme_id IS NULL OR state = 'planned'", name="a_pattern_is_never_sent"),
        sa.CheckConstraint(
            "(state = 'planned') = (done_at IS NULL)", name="whatever_left_the_plan_has_a_time"
        ),
        sa.CheckConstraint("(observed IS NULL) = (observed_at IS NULL)", name="observed_has_a_time"),
        sa.UniqueConstraint("programme_id", "number", name="one_row_a_pattern_inject"),
        sa.UniqueConstraint("occurrence_id", "number", name="one_row_a_drill_inject"),
        sa.Index(None, "done_at", "due_at"),
    )  # fmt: skip

    id: Mapped[Pk]
    programme_id: Mapped[int | None] = mapped_column(sa.ForeignKey("drill_programme.id"))
    occurrence_id: Mapped[int | None] = mapped_column(sa.ForeignKey("drill_occurrence.id"))
    number: Mapped[int]
    offset_seconds: Mapped[int]
    """Of the scenario, from its start."""
    postponed_seconds: Mapped[int] = mapped_column(default=0)
    sender: Mapped[str] = mapped_column(sa.String(100))
    """Who is played: 区防汛抗旱指挥部."""
    via: Mapped[InjectVia] = mapped_column(enum_type(InjectVia))
    message: Mapped[str]
    expected: Mapped[str] = mapped_column(default="")
    objective_id: Mapped[int | None] = mapped_column(sa.ForeignKey("drill_objective.id"))
    """What it is there to try; the objective stays as long as an inject speaks of it."""
    controller: Mapped[str] = mapped_column(sa.String(100), default="")
    tolerance_minutes: Mapped[int] = mapped_column(default=10)
    """Of the scenario: what is later than this is missed, and the director decides."""
    state: Mapped[InjectState] = mapped_column(enum_type(InjectState), default=InjectState.PLANNED)
    due_at: Mapped[datetime | None]
    """By the clock on the wall; none while the drill does not run."""
    claimed_at: Mapped[datetime | None]
    done_at: Mapped[datetime | None]
    broadcast_id: Mapped[int | None]
    trouble: Mapped[str] = mapped_column(sa.String(40), default="")
    """Why it could not be sent, as a stable code."""
    observed: Mapped[Observed | None] = mapped_column(enum_type(Observed))
    observed_at: Mapped[datetime | None]
    """The original time, as the evaluator noted it."""
    observed_by: Mapped[str | None] = mapped_column(sa.String(60))
    observation_sealed: Mapped[bytes | None]
    version: Mapped[int] = mapped_column(default=1)


class DrillInjectPost(Base):
    """A post that an inject goes to; none: the controllers on the spot."""

    __tablename__ = "drill_inject_post"

    inject_id: Mapped[int] = mapped_column(
        sa.ForeignKey("drill_inject.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    post_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)


class DrillGroup(Base):
    """A group, unit or village that is expected: how many, how many were counted, when the last of them was out."""

    __tablename__ = "drill_group"
    __table_args__ = (
        sa.UniqueConstraint("occurrence_id", "name", name="one_row_a_drill_group"),
        sa.CheckConstraint("expected >= 0 AND (counted IS NULL OR counted >= 0)", name="heads_not_negative"),
        sa.CheckConstraint("(counted IS NULL) = (counted_at IS NULL)", name="count_has_a_time"),
    )

    id: Mapped[Pk]
    occurrence_id: Mapped[int] = mapped_column(sa.ForeignKey("drill_occurrence.id"))
    position: Mapped[int]
    name: Mapped[str] = mapped_column(sa.String(100))
    expected: Mapped[int]
    counted: Mapped[int | None]
    counted_at: Mapped[datetime | None]
    counted_by: Mapped[str | None] = mapped_column(sa.String(60))
    out_at: Mapped[datetime | None]
    out_by: Mapped[str | None] = mapped_column(sa.String(60))
    version: Mapped[int] = mapped_column(default=1)


class DrillCheckin(Base):
    """What one device said at the door: from which group, how many people. Saying it again changes it."""

    __tablename__ = "drill_checkin"
    __table_args__ = (
        sa.UniqueConstraint("occurrence_id", "device_digest", name="one_row_a_drill_device"),
        sa.CheckConstraint("people BETWEEN 1 AND 500", name="people_1_to_500"),
        sa.Index(None, "group_id"),
    )

    id: Mapped[Pk]
    occurrence_id: Mapped[int] = mapped_column(sa.ForeignKey("drill_occurrence.id"))
    group_id: Mapped[int | None] = mapped_column(sa.ForeignKey("drill_group.id"))
    people: Mapped[int]
    name_sealed: Mapped[bytes | None]
    device_digest: Mapped[bytes] = mapped_column(sa.LargeBinary(32))
    at: Mapped[datetime]
    changed_at: Mapped[datetime | None]


class DrillPhoto(Base):
    """One photograph, sealed: faces are personal. Only what was made anew from its pixels is kept."""

    __tablename__ = "drill_photo"
    __table_args__ = (
        sa.CheckConstraint("(deleted_at IS NULL) = (data_sealed IS NOT NULL)", name="deleted_has_no_picture"),
        sa.CheckConstraint(
            "deleted_at IS NULL OR (thumb_sealed IS NULL AND caption_sealed IS NULL AND reason_sealed IS NOT NULL)",
            name="deleted_has_only_its_reason",
        ),
        sa.UniqueConstraint("occurrence_id", "digest", name="one_row_a_drill_picture"),
        sa.Index(None, "keep_until"),
    )

    id: Mapped[Pk]
    occurrence_id: Mapped[int] = mapped_column(sa.ForeignKey("drill_occurrence.id"))
    digest: Mapped[bytes] = mapped_column(sa.LargeBinary(32))
    data_sealed: Mapped[bytes | None] = mapped_column(sa.LargeBinary, info={"reseal_rows": 4})
    thumb_sealed: Mapped[bytes | None] = mapped_column(sa.LargeBinary, info={"reseal_rows": 50})
    caption_sealed: Mapped[bytes | None]
    width: Mapped[int]
    height: Mapped[int]
    size: Mapped[int]
    taken_at: Mapped[datetime | None]
    """By the camera's own clock, which nobody has set."""
    added_at: Mapped[datetime]
    added_by: Mapped[str] = mapped_column(sa.String(60))
    keep_until: Mapped[date]
    deleted_at: Mapped[datetime | None]
    deleted_by: Mapped[str | None] = mapped_column(sa.String(60))
    reason_sealed: Mapped[bytes | None]


class DrillNote(Base):
    """What somebody saw, at the time when it was seen; it may be written down much later."""

    __tablename__ = "drill_note"
    __table_args__ = (
        sa.CheckConstraint("at <= recorded_at", name="seen_before_it_was_written"),
        sa.Index(None, "occurrence_id", "at"),
    )

    id: Mapped[Pk]
    occurrence_id: Mapped[int] = mapped_column(sa.ForeignKey("drill_occurrence.id"))
    at: Mapped[datetime]
    recorded_at: Mapped[datetime]
    recorded_by: Mapped[str] = mapped_column(sa.String(60))
    who_sealed: Mapped[bytes | None]
    text_sealed: Mapped[bytes]
    digest: Mapped[bytes] = mapped_column(sa.LargeBinary(32))
    """Of drill, time and text: the same sheet pasted twice stays one note."""


class DrillRecordBefore(Base):
    """A record as it stood before it was corrected, and why it was."""

    __tablename__ = "drill_record_before"
    __table_args__ = (sa.UniqueConstraint("record_id", "version", name="one_row_a_record_version"),)

    id: Mapped[Pk]
    record_id: Mapped[int] = mapped_column(sa.ForeignKey("drill_record.id"))
    version: Mapped[int]
    facts_sealed: Mapped[bytes]
    replaced_at: Mapped[datetime]
    replaced_by: Mapped[str] = mapped_column(sa.String(60))
    reason_sealed: Mapped[bytes]
