"""School terms; what a programme says besides its dates; which dates people chose and which may come back."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "school_term",
        sa.Column("school_year", sa.String(length=9), nullable=False),
        sa.Column("term", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("begins_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=False),
        sa.Column("announced", sa.Boolean(), nullable=False),
        sa.CheckConstraint("term IN (1, 2)", name=op.f("ck_school_term_two_terms_a_year")),
        sa.CheckConstraint("ends_on > begins_on", name=op.f("ck_school_term_ends_after_it_begins")),
        sa.PrimaryKeyConstraint("school_year", "term", name=op.f("pk_school_term")),
    )
    op.create_index(op.f("ix_school_term_begins_on"), "school_term", ["begins_on"])
    op.execute(  # its CHECK comes with the column: SQLite adds no constraint to a table that stands
        "ALTER TABLE drill_programme ADD COLUMN purpose VARCHAR(32) DEFAULT 'test' NOT NULL"
        " CONSTRAINT ck_drill_programme_purpose CHECK (purpose IN ('test', 'show', 'study'))"
    )
    op.add_column(
        "drill_programme", sa.Column("calendar_seen", sa.String(length=16), server_default="", nullable=False)
    )
    for name in ("pinned", "withdrawn"):
        op.add_column("drill_occurrence", sa.Column(name, sa.Boolean(), server_default=sa.false(), nullable=False))


def downgrade() -> None:
    for name in ("withdrawn", "pinned"):
        op.drop_column("drill_occurrence", name)
    for name in ("calendar_seen", "purpose"):
        op.drop_column("drill_programme", name)
    op.drop_index(op.f("ix_school_term_begins_on"), "school_term")
    op.drop_table("school_term")
