"""What the engine shows of itself: counters, since when a block waits, the first message, what a road carries."""

import sqlalchemy as sa
from alembic import op

from kernel.types import UTCDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "delivery_counter",
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("labels", sa.String(length=200), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("updated_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", "labels", name=op.f("pk_delivery_counter")),
    )
    op.add_column("broadcast", sa.Column("first_handed_over_at", UTCDateTime(), nullable=True))
    op.add_column("delivery_block", sa.Column("waiting_since", UTCDateTime(), nullable=True))
    op.add_column("channel_state", sa.Column("channel", sa.String(length=20), server_default="", nullable=False))
    op.add_column("channel_state", sa.Column("kinds", sa.String(length=80), server_default="", nullable=False))


def downgrade() -> None:
    op.drop_column("channel_state", "kinds")
    op.drop_column("channel_state", "channel")
    op.drop_column("delivery_block", "waiting_since")
    op.drop_column("broadcast", "first_handed_over_at")
    op.drop_table("delivery_counter")
