"""Addresses under which calendar programmes read drills, and when a drill was last changed."""

import sqlalchemy as sa
from alembic import op

from kernel.types import JSONText, UTCDateTime

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "drill_feed",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=True),
        sa.Column(
            "source",
            sa.Enum("division", "posts", name="feedof", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("division_code", sa.String(length=12), nullable=False),
        sa.Column("kinds", JSONText(), nullable=False),
        sa.Column("cancelled_days", sa.BigInteger(), nullable=False),
        sa.Column("token_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("made_by", sa.String(length=60), nullable=False),
        sa.Column("made_at", UTCDateTime(), nullable=False),
        sa.Column("renewed_at", UTCDateTime(), nullable=True),
        sa.Column("last_used_on", sa.Date(), nullable=True),
        sa.Column("revoked_at", UTCDateTime(), nullable=True),
        sa.Column("content_digest", sa.LargeBinary(length=32), nullable=True),
        sa.Column("content_changed_at", UTCDateTime(), nullable=True),
        sa.CheckConstraint(
            "source <> 'posts' OR account_id IS NOT NULL", name=op.f("ck_drill_feed_posts_are_somebodys")
        ),
        sa.CheckConstraint("cancelled_days >= 90", name=op.f("ck_drill_feed_cancelled_stay_a_quarter")),
        sa.CheckConstraint(
            "(content_digest IS NULL) = (content_changed_at IS NULL)",
            name=op.f("ck_drill_feed_content_knows_when_it_changed"),
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_drill_feed_account_id_account"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["division_code"], ["division.code"], name=op.f("fk_drill_feed_division_code_division")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drill_feed")),
        sa.UniqueConstraint("token_digest", name="uq_drill_feed_token"),
    )
    op.create_index(op.f("ix_drill_feed_account_id_revoked_at"), "drill_feed", ["account_id", "revoked_at"])
    op.create_index(op.f("ix_drill_feed_division_code_id"), "drill_feed", ["division_code", "id"])
    op.add_column("drill_occurrence", sa.Column("changed_at", UTCDateTime(), nullable=True))


def downgrade() -> None:
    op.drop_column("drill_occurrence", "changed_at")
    op.drop_table("drill_feed")
