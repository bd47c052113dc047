"""Replies of unknown numbers, asking back, and objections to messages that outlive a person's record."""

import sqlalchemy as sa
from alembic import op

from kernel.types import JSONText, UTCDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

WHY = ("ambiguous", "unclear", "needs_name", "late", "no_question", "courtesy", "unknown_number")


def _state() -> sa.Enum:
    return sa.Enum("waiting", "used", "dismissed", name="state", native_enum=False, create_constraint=True, length=32)


def _columns(new: bool) -> list[sa.schema.SchemaItem]:
    why = sa.Enum(*WHY, name="why", native_enum=False, create_constraint=True, length=32)
    return [
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("contact_id", sa.BigInteger(), nullable=new),
        *([sa.Column("number_key", sa.LargeBinary(length=16), nullable=True)] if new else []),
        sa.Column("division_code", sa.String(length=12), nullable=False),
        sa.Column("text_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("question_ids", JSONText(), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("raw_id", sa.BigInteger(), nullable=False),
        sa.Column("state", _state(), nullable=False),
        sa.Column("why", why if new else sa.String(length=20), nullable=False),
        *(
            [
                sa.Column("asked_back_at", UTCDateTime(), nullable=True),
                sa.Column("answer_id", sa.BigInteger(), nullable=True),
            ]
            if new
            else []
        ),
        sa.Column("settled_by", sa.String(length=60), nullable=True),
        sa.Column("settled_at", UTCDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_question_reply")),
        sa.UniqueConstraint("raw_id", name="uq_question_reply_raw"),
    ]


KEPT = (
    "id, contact_id, division_code, text_sealed, question_ids, at, channel, raw_id, state, why, settled_by, settled_at"
)


def _rebuild(new: bool) -> None:
    """Few rows, and a table that both databases then spell the same way."""
    op.execute("CREATE TEMPORARY TABLE question_reply_kept AS SELECT * FROM question_reply")
    op.drop_table("question_reply")
    op.create_table("question_reply", *_columns(new))
    # What an older program cannot know has no row there: a reply without a contact, a reason without a word.
    known = "" if new else " WHERE contact_id IS NOT NULL"
    op.execute(f"INSERT INTO question_reply ({KEPT}) SELECT {KEPT} FROM question_reply_kept{known}")  # noqa: S608
    op.execute("DROP TABLE question_reply_kept")
    op.create_index(op.f("ix_question_reply_state_at"), "question_reply", ["state", "at"], unique=False)


def upgrade() -> None:
    op.drop_index(op.f("ix_question_reply_state_at"), table_name="question_reply")
    _rebuild(new=True)
    op.create_index(op.f("ix_question_reply_number_key_at"), "question_reply", ["number_key", "at"], unique=False)
    op.create_table(
        "opt_out",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("number_key", sa.LargeBinary(length=16), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column(
            "means",
            sa.Enum("reply", "carrier", "clerk", name="means", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("raw_id", sa.BigInteger(), nullable=True),
        sa.Column("by", sa.String(length=60), nullable=False),
        sa.Column("ended_at", UTCDateTime(), nullable=True),
        sa.Column("ended_by", sa.String(length=60), nullable=True),
        sa.Column("ended_raw_id", sa.BigInteger(), nullable=True),
        sa.Column("proof_sealed", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint("(ended_at IS NULL) = (ended_by IS NULL)", name=op.f("ck_opt_out_ended_by_somebody")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_opt_out")),
    )
    op.create_index(
        "uq_opt_out_standing",
        "opt_out",
        ["number_key"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_index(
        "uq_opt_out_standing",
        table_name="opt_out",
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.drop_table("opt_out")
    op.drop_index(op.f("ix_question_reply_number_key_at"), table_name="question_reply")
    op.drop_index(op.f("ix_question_reply_state_at"), table_name="question_reply")
    _rebuild(new=False)
