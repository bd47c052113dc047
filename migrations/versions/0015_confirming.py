"""What was asked and told about a drill beyond the invitation."""

import sqlalchemy as sa
from alembic import op

from kernel.types import UTCDateTime

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def _enum(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, native_enum=False, create_constraint=True, length=32, name=name)


def upgrade() -> None:
    op.add_column("answer", sa.Column("proposed_at", UTCDateTime(), nullable=True))
    op.add_column("question_link", sa.Column("shown_by", sa.String(length=60), nullable=True))
    op.add_column("question_step", sa.Column("good_until", UTCDateTime(), nullable=True))
    op.add_column("question_step", sa.Column("missed", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.execute(  # its CHECK comes with the column: SQLite adds no constraint to a table that stands
        "ALTER TABLE drill_invitation ADD COLUMN earlier VARCHAR(32)"
        " CONSTRAINT ck_drill_invitation_earlier CHECK (earlier IN ('yes', 'no', 'other'))"
    )
    op.create_table(
        "question_code",
        sa.Column("question_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("code_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("recipient", sa.String(length=60), nullable=False),
        sa.Column("contact_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("created_by", sa.String(length=60), nullable=False),
        sa.ForeignKeyConstraint(
            ["question_id"], ["question.id"], name=op.f("fk_question_code_question_id_question"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("question_id", name=op.f("pk_question_code")),
        sa.UniqueConstraint("code_digest", name="uq_question_code_digest"),
    )
    _asking()
    _notices()
    _proposals()


def _asking() -> None:
    op.create_table(
        "drill_asking",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("occurrence_id", sa.BigInteger(), nullable=False),
        sa.Column("due_at", UTCDateTime(), nullable=False),
        sa.Column("claimed_at", UTCDateTime(), nullable=True),
        sa.Column("done_at", UTCDateTime(), nullable=True),
        sa.Column(
            "outcome", _enum("askingoutcome", "asked", "not_needed", "nobody", "too_late", "failed"), nullable=True
        ),
        sa.Column("asked", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("(done_at IS NULL) = (outcome IS NULL)", name=op.f("ck_drill_asking_done_has_an_outcome")),
        sa.CheckConstraint("asked >= 0", name=op.f("ck_drill_asking_asked_not_negative")),
        sa.ForeignKeyConstraint(
            ["occurrence_id"], ["drill_occurrence.id"], name=op.f("fk_drill_asking_occurrence_id_drill_occurrence")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drill_asking")),
        sa.UniqueConstraint("occurrence_id", name=op.f("uq_drill_asking_occurrence_id")),
    )
    open_only = sa.text("done_at IS NULL")
    op.create_index(
        "ix_drill_asking_due", "drill_asking", ["due_at"], sqlite_where=open_only, postgresql_where=open_only
    )


def _notices() -> None:
    op.create_table(
        "drill_notice",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("occurrence_id", sa.BigInteger(), nullable=False),
        sa.Column("post_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", _enum("noticekind", "remind", "moved", "cancelled", "refused"), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("due_at", UTCDateTime(), nullable=False),
        sa.Column("good_until", UTCDateTime(), nullable=False),
        sa.Column("claimed_at", UTCDateTime(), nullable=True),
        sa.Column("done_at", UTCDateTime(), nullable=True),
        sa.Column("outcome", _enum("noticeoutcome", "sent", "nobody", "missed", "not_needed", "failed"), nullable=True),
        sa.Column("broadcast_id", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("(done_at IS NULL) = (outcome IS NULL)", name=op.f("ck_drill_notice_done_has_an_outcome")),
        sa.CheckConstraint("good_until >= due_at", name=op.f("ck_drill_notice_good_until_after_it_is_due")),
        sa.ForeignKeyConstraint(
            ["occurrence_id"], ["drill_occurrence.id"], name=op.f("fk_drill_notice_occurrence_id_drill_occurrence")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drill_notice")),
        sa.UniqueConstraint("occurrence_id", "post_id", "kind", "due_at", name="told_once"),
    )
    open_only = sa.text("done_at IS NULL")
    op.create_index(
        "ix_drill_notice_due", "drill_notice", ["due_at"], sqlite_where=open_only, postgresql_where=open_only
    )


def _proposals() -> None:
    op.create_table(
        "drill_date_proposal",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("occurrence_id", sa.BigInteger(), nullable=False),
        sa.Column("post_id", sa.BigInteger(), nullable=False),
        sa.Column("question_id", sa.BigInteger(), nullable=False),
        sa.Column("answer_id", sa.BigInteger(), nullable=False),
        sa.Column("wanted_at", UTCDateTime(), nullable=True),
        sa.Column("made_at", UTCDateTime(), nullable=False),
        sa.Column("state", _enum("proposalstate", "open", "accepted", "refused", "overtaken"), nullable=False),
        sa.Column("decided_at", UTCDateTime(), nullable=True),
        sa.Column("decided_by", sa.String(length=60), nullable=True),
        sa.Column("reason", sa.String(length=100), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "(state = 'open') = (decided_at IS NULL)", name=op.f("ck_drill_date_proposal_decided_has_a_time")
        ),
        sa.CheckConstraint(
            "state <> 'refused' OR reason IS NOT NULL", name=op.f("ck_drill_date_proposal_refused_has_a_reason")
        ),
        sa.CheckConstraint(
            "state <> 'accepted' OR wanted_at IS NOT NULL", name=op.f("ck_drill_date_proposal_accepted_has_a_date")
        ),
        sa.ForeignKeyConstraint(
            ["occurrence_id"], ["drill_occurrence.id"],
            name=op.f("fk_drill_date_proposal_occurrence_id_drill_occurrence"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drill_date_proposal")),
        sa.UniqueConstraint("answer_id", name="one_row_an_answer"),
    )  # fmt: skip
    op.create_index(
        op.f("ix_drill_date_proposal_occurrence_id_state"), "drill_date_proposal", ["occurrence_id", "state"]
    )
    op.create_index(op.f("ix_drill_date_proposal_question_id"), "drill_date_proposal", ["question_id"])


def downgrade() -> None:
    op.drop_table("drill_date_proposal")
    op.drop_table("drill_notice")
    op.drop_table("drill_asking")
    op.drop_table("question_code")
    op.drop_column("drill_invitation", "earlier")
    op.drop_column("question_step", "missed")
    op.drop_column("question_step", "good_until")
    op.drop_column("question_link", "shown_by")
    op.drop_column("answer", "proposed_at")
