"""Which account carried a message, what it left behind on an earlier channel, breakers, numbers refused for good."""

import sqlalchemy as sa
from alembic import op

from kernel.types import UTCDateTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

STATES = ("queued", "claimed", "submitted", "delivered", "failed", "unknown", "expired", "cancelled")


def _state() -> sa.Enum:
    return sa.Enum(*STATES, name="state", native_enum=False, create_constraint=True, length=32)


def upgrade() -> None:
    op.add_column("delivery", sa.Column("account", sa.String(length=40), nullable=True))
    op.add_column("broadcast", sa.Column("held_back", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("broadcast", sa.Column("held_back_people", sa.BigInteger(), server_default="0", nullable=False))
    op.create_index("ix_broadcast_created", "broadcast", ["created_at"], unique=False)
    op.create_table(
        "delivery_leg",
        sa.Column("delivery_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("account", sa.String(length=40), nullable=True),
        sa.Column("state", _state(), nullable=False),
        sa.Column("reason", sa.String(length=80), nullable=True),
        sa.Column("provider_ref", sa.String(length=64), nullable=True),
        sa.Column("changed_at", UTCDateTime(), nullable=False),
        sa.Column("left_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("delivery_id", "channel", name=op.f("pk_delivery_leg")),
    )
    op.create_table(
        "delivery_passed",
        sa.Column("broadcast_id", sa.BigInteger(), nullable=False),
        sa.Column("division", sa.String(length=12), nullable=False),
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("state", _state(), nullable=False),
        sa.Column("messages", sa.BigInteger(), nullable=False),
        sa.Column("people", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["broadcast_id"], ["broadcast.id"], name=op.f("fk_delivery_passed_broadcast_id_broadcast")
        ),
        sa.PrimaryKeyConstraint("broadcast_id", "division", "channel", "state", name=op.f("pk_delivery_passed")),
    )
    # What an engine has learnt is learnt again within seconds: the table is made anew, so that both databases spell
    # its check the same way.
    op.drop_table("channel_state")
    op.create_table("channel_state", *_channel_state(new=True))
    op.create_table(
        "number_refusal",
        sa.Column("number_key", sa.LargeBinary(length=16), nullable=False),
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("since", UTCDateTime(), nullable=False),
        sa.Column("latest_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("number_key", "channel", name=op.f("pk_number_refusal")),
    )


def _channel_state(new: bool) -> list[sa.schema.SchemaItem]:
    breaker = sa.Enum(
        "closed", "half_open", "open", name="breaker", native_enum=False, create_constraint=True, length=32
    )
    return [
        sa.Column("holder", sa.String(length=80), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("channel", sa.String(length=20), server_default="", nullable=False),
        sa.Column("kinds", sa.String(length=80), server_default="", nullable=False),
        sa.Column("configured_rate", sa.Double(), nullable=False),
        sa.Column("rate", sa.Double(), nullable=False),
        sa.Column("paused_until", UTCDateTime(), nullable=True),
        sa.Column("last_error", sa.String(length=80), nullable=True),
        sa.Column("last_error_at", UTCDateTime(), nullable=True),
        *(
            [
                sa.Column("breaker", breaker, server_default="closed", nullable=False),
                sa.Column("breaker_since", UTCDateTime(), nullable=True),
                sa.Column("weight", sa.Double(), server_default="1", nullable=False),
                sa.Column("share", sa.Double(), server_default="1", nullable=False),
                sa.Column("taken", sa.BigInteger(), server_default="0", nullable=False),
                sa.Column("troubles", sa.BigInteger(), server_default="0", nullable=False),
                sa.Column("breaks", sa.BigInteger(), server_default="0", nullable=False),
            ]
            if new
            else []
        ),
        sa.Column("updated_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("holder", "name", name=op.f("pk_channel_state")),
    ]


def downgrade() -> None:
    op.drop_table("number_refusal")
    op.drop_table("channel_state")
    op.create_table("channel_state", *_channel_state(new=False))
    op.drop_table("delivery_passed")
    op.drop_table("delivery_leg")
    op.drop_index("ix_broadcast_created", table_name="broadcast")
    op.drop_column("broadcast", "held_back_people")
    op.drop_column("broadcast", "held_back")
    op.drop_column("delivery", "account")
