"""For what a drill stood still: red warnings and real responses, and who let it go on."""

import sqlalchemy as sa
from alembic import op

from kernel.types import UTCDateTime

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "drill_hold",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("occurrence_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "source",
            sa.Enum("warning", "response", name="heldby", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("source_id", sa.BigInteger(), nullable=False),
        sa.Column("words", sa.String(length=200), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("released_at", UTCDateTime(), nullable=True),
        sa.Column("released_by", sa.String(length=60), nullable=True),
        sa.CheckConstraint(
            "(released_at IS NULL) = (released_by IS NULL)", name=op.f("ck_drill_hold_released_by_somebody")
        ),
        sa.ForeignKeyConstraint(
            ["occurrence_id"], ["drill_occurrence.id"], name=op.f("fk_drill_hold_occurrence_id_drill_occurrence")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drill_hold")),
        sa.UniqueConstraint("occurrence_id", "source", "source_id", name="one_row_a_drill_hold"),
    )


def downgrade() -> None:
    op.drop_table("drill_hold")
