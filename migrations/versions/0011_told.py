"""On which day the owner of plans was told what is wrong with them."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "readiness_told",
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("post_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("day", "post_id", name=op.f("pk_readiness_told")),
    )


def downgrade() -> None:
    op.drop_table("readiness_told")
