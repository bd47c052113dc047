"""What the pages about the faults of plans read: the counts come from one index."""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

COLUMNS = (
    "room", "closed_at", "subject_kind", "rule", "severity", "owner_post_id", "division_code", "muted_until",
    "subject_id",
)  # fmt: skip


def upgrade() -> None:
    op.create_index("ix_defect_counting", "defect", list(COLUMNS))


def downgrade() -> None:
    op.drop_index("ix_defect_counting", table_name="defect")
