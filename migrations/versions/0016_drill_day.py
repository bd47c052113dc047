"""Objectives; the day of a drill: its clock, injects, attendance, photographs, notes; what a record must say and said."""

import sqlalchemy as sa
from alembic import op

from kernel.types import UTCDateTime

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

TABLES = (
    "drill_record_before", "drill_note", "drill_photo", "drill_checkin", "drill_group", "drill_inject_post",
    "drill_inject", "drill_day", "drill_critical_task", "drill_objective",
)  # fmt: skip


def _enum(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=32)


def upgrade() -> None:
    op.add_column("drill_record", sa.Column("place", sa.String(length=100), server_default="", nullable=False))
    op.add_column("drill_record", sa.Column("content", sa.Text(), server_default="", nullable=False))
    op.add_column("drill_record", sa.Column("departments", sa.Text(), server_default="", nullable=False))
    op.add_column("drill_record", sa.Column("people_sealed", sa.LargeBinary(), nullable=True))
    _objectives()
    op.create_table(
        "drill_day",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("occurrence_id", sa.BigInteger(), nullable=False),
        sa.Column("state", _enum("daystate", "ready", "running", "paused", "ended"), nullable=False),
        sa.Column("factor", sa.BigInteger(), nullable=False),
        sa.Column("scenario_seconds", sa.BigInteger(), nullable=False),
        sa.Column("anchor_at", UTCDateTime(), nullable=True),
        sa.Column("began_at", UTCDateTime(), nullable=True),
        sa.Column("ended_at", UTCDateTime(), nullable=True),
        sa.Column("director", sa.String(length=60), nullable=False),
        sa.Column("signal_at", UTCDateTime(), nullable=True),
        sa.Column("signal_typed", sa.Boolean(), nullable=False),
        sa.Column("door_serial", sa.BigInteger(), nullable=False),
        sa.Column("door_digest", sa.LargeBinary(length=32), nullable=True),
        sa.Column("made_at", UTCDateTime(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("(state = 'ended') = (ended_at IS NOT NULL)", name=op.f("ck_drill_day_ended_has_a_time")),
        sa.CheckConstraint("(state = 'ready') = (began_at IS NULL)", name=op.f("ck_drill_day_begun_has_a_time")),
        sa.CheckConstraint(
            "(state = 'running') = (anchor_at IS NOT NULL)", name=op.f("ck_drill_day_running_has_an_anchor")
        ),
        sa.CheckConstraint("factor BETWEEN 1 AND 120", name=op.f("ck_drill_day_factor_1_to_120")),
        sa.CheckConstraint("scenario_seconds >= 0", name=op.f("ck_drill_day_scenario_not_negative")),
        sa.ForeignKeyConstraint(
            ["occurrence_id"], ["drill_occurrence.id"], name=op.f("fk_drill_day_occurrence_id_drill_occurrence")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drill_day")),
        sa.UniqueConstraint("door_digest", name=op.f("uq_drill_day_door_digest")),
        sa.UniqueConstraint("occurrence_id", name=op.f("uq_drill_day_occurrence_id")),
    )
    op.create_table(
        "drill_inject",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("programme_id", sa.BigInteger(), nullable=True),
        sa.Column("occurrence_id", sa.BigInteger(), nullable=True),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("offset_seconds", sa.BigInteger(), nullable=False),
        sa.Column("postponed_seconds", sa.BigInteger(), nullable=False),
        sa.Column("sender", sa.String(length=100), nullable=False),
        sa.Column("via", _enum("injectvia", "sms", "voice", "radio", "runner", "phone"), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("expected", sa.Text(), nullable=False),
        sa.Column("objective_id", sa.BigInteger(), nullable=True),
        sa.Column("controller", sa.String(length=100), nullable=False),
        sa.Column("tolerance_minutes", sa.BigInteger(), nullable=False),
        sa.Column(
            "state",
            _enum("injectstate", "planned", "waiting", "sent", "delivered", "missed", "failed", "skipped"),
            nullable=False,
        ),
        sa.Column("due_at", UTCDateTime(), nullable=True),
        sa.Column("claimed_at", UTCDateTime(), nullable=True),
        sa.Column("done_at", UTCDateTime(), nullable=True),
        sa.Column("broadcast_id", sa.BigInteger(), nullable=True),
        sa.Column("trouble", sa.String(length=40), nullable=False),
        sa.Column("observed", _enum("observed", "done", "partly", "not_done"), nullable=True),
        sa.Column("observed_at", UTCDateTime(), nullable=True),
        sa.Column("observed_by", sa.String(length=60), nullable=True),
        sa.Column("observation_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "(state = 'planned') = (done_at IS NULL)", name=op.f("ck_drill_inject_whatever_left_the_plan_has_a_time")
        ),
        sa.CheckConstraint(
            "programme_id IS NULL OR state = 'planned'", name=op.f("ck_drill_inject_a_pattern_is_never_sent")
        ),
        sa.CheckConstraint(
            "(observed IS NULL) = (observed_at IS NULL)", name=op.f("ck_drill_inject_observed_has_a_time")
        ),
        sa.CheckConstraint(
            "(programme_id IS NULL) <> (occurrence_id IS NULL)", name=op.f("ck_drill_inject_of_programme_or_occurrence")
        ),
        sa.CheckConstraint("number > 0", name=op.f("ck_drill_inject_number_positive")),
        sa.CheckConstraint(
            "offset_seconds >= 0 AND postponed_seconds >= 0", name=op.f("ck_drill_inject_not_before_the_start")
        ),
        sa.CheckConstraint("tolerance_minutes >= 0", name=op.f("ck_drill_inject_tolerance_not_negative")),
        sa.ForeignKeyConstraint(
            ["objective_id"], ["drill_objective.id"], name=op.f("fk_drill_inject_objective_id_drill_objective")
        ),
        sa.ForeignKeyConstraint(
            ["occurrence_id"], ["drill_occurrence.id"], name=op.f("fk_drill_inject_occurrence_id_drill_occurrence")
        ),
        sa.ForeignKeyConstraint(
            ["programme_id"], ["drill_programme.id"], name=op.f("fk_drill_inject_programme_id_drill_programme")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drill_inject")),
        sa.UniqueConstraint("occurrence_id", "number", name="one_row_a_drill_inject"),
        sa.UniqueConstraint("programme_id", "number", name="one_row_a_pattern_inject"),
    )
    op.create_index(op.f("ix_drill_inject_done_at_due_at"), "drill_inject", ["done_at", "due_at"], unique=False)
    op.create_table(
        "drill_inject_post",
        sa.Column("inject_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("post_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(
            ["inject_id"],
            ["drill_inject.id"],
            name=op.f("fk_drill_inject_post_inject_id_drill_inject"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("inject_id", "post_id", name=op.f("pk_drill_inject_post")),
    )
    op.create_table(
        "drill_group",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("occurrence_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("expected", sa.BigInteger(), nullable=False),
        sa.Column("counted", sa.BigInteger(), nullable=True),
        sa.Column("counted_at", UTCDateTime(), nullable=True),
        sa.Column("counted_by", sa.String(length=60), nullable=True),
        sa.Column("out_at", UTCDateTime(), nullable=True),
        sa.Column("out_by", sa.String(length=60), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("(counted IS NULL) = (counted_at IS NULL)", name=op.f("ck_drill_group_count_has_a_time")),
        sa.CheckConstraint(
            "expected >= 0 AND (counted IS NULL OR counted >= 0)", name=op.f("ck_drill_group_heads_not_negative")
        ),
        sa.ForeignKeyConstraint(
            ["occurrence_id"], ["drill_occurrence.id"], name=op.f("fk_drill_group_occurrence_id_drill_occurrence")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drill_group")),
        sa.UniqueConstraint("occurrence_id", "name", name="one_row_a_drill_group"),
    )
    op.create_table(
        "drill_checkin",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("occurrence_id", sa.BigInteger(), nullable=False),
        sa.Column("group_id", sa.BigInteger(), nullable=True),
        sa.Column("people", sa.BigInteger(), nullable=False),
        sa.Column("name_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("device_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("changed_at", UTCDateTime(), nullable=True),
        sa.CheckConstraint("people BETWEEN 1 AND 500", name=op.f("ck_drill_checkin_people_1_to_500")),
        sa.ForeignKeyConstraint(["group_id"], ["drill_group.id"], name=op.f("fk_drill_checkin_group_id_drill_group")),
        sa.ForeignKeyConstraint(
            ["occurrence_id"], ["drill_occurrence.id"], name=op.f("fk_drill_checkin_occurrence_id_drill_occurrence")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drill_checkin")),
        sa.UniqueConstraint("occurrence_id", "device_digest", name="one_row_a_drill_device"),
    )
    op.create_index(op.f("ix_drill_checkin_group_id"), "drill_checkin", ["group_id"], unique=False)
    op.create_table(
        "drill_photo",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("occurrence_id", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("data_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("thumb_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("caption_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("width", sa.BigInteger(), nullable=False),
        sa.Column("height", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("taken_at", UTCDateTime(), nullable=True),
        sa.Column("added_at", UTCDateTime(), nullable=False),
        sa.Column("added_by", sa.String(length=60), nullable=False),
        sa.Column("keep_until", sa.Date(), nullable=False),
        sa.Column("deleted_at", UTCDateTime(), nullable=True),
        sa.Column("deleted_by", sa.String(length=60), nullable=True),
        sa.Column("reason_sealed", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint(
            "(deleted_at IS NULL) = (data_sealed IS NOT NULL)", name=op.f("ck_drill_photo_deleted_has_no_picture")
        ),
        sa.CheckConstraint(
            "deleted_at IS NULL OR (thumb_sealed IS NULL AND caption_sealed IS NULL AND reason_sealed IS NOT NULL)",
            name=op.f("ck_drill_photo_deleted_has_only_its_reason"),
        ),
        sa.ForeignKeyConstraint(
            ["occurrence_id"], ["drill_occurrence.id"], name=op.f("fk_drill_photo_occurrence_id_drill_occurrence")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drill_photo")),
        sa.UniqueConstraint("occurrence_id", "digest", name="one_row_a_drill_picture"),
    )
    op.create_index(op.f("ix_drill_photo_keep_until"), "drill_photo", ["keep_until"], unique=False)
    op.create_table(
        "drill_note",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("occurrence_id", sa.BigInteger(), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("recorded_at", UTCDateTime(), nullable=False),
        sa.Column("recorded_by", sa.String(length=60), nullable=False),
        sa.Column("who_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("text_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.CheckConstraint("at <= recorded_at", name=op.f("ck_drill_note_seen_before_it_was_written")),
        sa.ForeignKeyConstraint(
            ["occurrence_id"], ["drill_occurrence.id"], name=op.f("fk_drill_note_occurrence_id_drill_occurrence")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drill_note")),
    )
    op.create_index(op.f("ix_drill_note_occurrence_id_at"), "drill_note", ["occurrence_id", "at"], unique=False)
    op.create_table(
        "drill_record_before",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("record_id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("facts_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("replaced_at", UTCDateTime(), nullable=False),
        sa.Column("replaced_by", sa.String(length=60), nullable=False),
        sa.Column("reason_sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["record_id"], ["drill_record.id"], name=op.f("fk_drill_record_before_record_id_drill_record")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drill_record_before")),
        sa.UniqueConstraint("record_id", "version", name="one_row_a_record_version"),
    )


def _objectives() -> None:
    op.create_table(
        "drill_objective",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("programme_id", sa.BigInteger(), nullable=True),
        sa.Column("occurrence_id", sa.BigInteger(), nullable=True),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("words", sa.String(length=200), nullable=False),
        sa.Column("capability", sa.String(length=60), nullable=False),
        sa.Column("target", sa.String(length=200), nullable=False),
        sa.CheckConstraint(
            "(programme_id IS NULL) <> (occurrence_id IS NULL)",
            name=op.f("ck_drill_objective_of_programme_or_occurrence"),
        ),
        sa.CheckConstraint("position > 0", name=op.f("ck_drill_objective_position_positive")),
        sa.ForeignKeyConstraint(
            ["occurrence_id"], ["drill_occurrence.id"], name=op.f("fk_drill_objective_occurrence_id_drill_occurrence")
        ),
        sa.ForeignKeyConstraint(
            ["programme_id"], ["drill_programme.id"], name=op.f("fk_drill_objective_programme_id_drill_programme")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drill_objective")),
        sa.UniqueConstraint("occurrence_id", "position", name="one_row_an_occurrence_position"),
        sa.UniqueConstraint("programme_id", "position", name="one_row_a_programme_position"),
    )
    op.create_table(
        "drill_critical_task",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("objective_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("words", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(
            ["objective_id"], ["drill_objective.id"], name=op.f("fk_drill_critical_task_objective_id_drill_objective")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drill_critical_task")),
        sa.UniqueConstraint("objective_id", "position", name="one_row_a_task_position"),
    )


def downgrade() -> None:
    for table in TABLES:
        op.drop_table(table)
    for column in ("people_sealed", "departments", "content", "place"):
        op.drop_column("drill_record", column)
