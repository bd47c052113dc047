"""How often a message was sent again though nobody could say what became of the time before."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("delivery", sa.Column("sent_again", sa.SmallInteger(), server_default="0", nullable=False))


def downgrade() -> None:
    op.drop_column("delivery", "sent_again")
