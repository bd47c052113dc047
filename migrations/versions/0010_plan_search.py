"""The index of the texts in force, how open a plan is, and what of it was published."""

import sqlalchemy as sa
from alembic import op

from kernel.types import JSONText, UTCDateTime

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

ALL = "array_to_tsvector(string_to_array(tags || ' ' || heading || ' ' || body, ' '))"
HEADING = "array_to_tsvector(string_to_array(tags || ' ' || heading, ' '))"
SQLITE = [
    "CREATE VIRTUAL TABLE plan_search_fts USING fts5(tags, heading, body, content='plan_search', "
    "content_rowid='id', tokenize='unicode61 remove_diacritics 0')",
    "CREATE TRIGGER plan_search_fts_insert AFTER INSERT ON plan_search BEGIN "
    "INSERT INTO plan_search_fts (rowid, tags, heading, body) VALUES (NEW.id, NEW.tags, NEW.heading, NEW.body); END",
    "CREATE TRIGGER plan_search_fts_delete AFTER DELETE ON plan_search BEGIN "
    "INSERT INTO plan_search_fts (plan_search_fts, rowid, tags, heading, body) "
    "VALUES ('delete', OLD.id, OLD.tags, OLD.heading, OLD.body); END",
    "CREATE TRIGGER plan_search_fts_update BEFORE UPDATE ON plan_search "
    "BEGIN SELECT RAISE(ABORT, 'a row of the index is written anew, never changed'); END",
]
POSTGRES = [
    f"CREATE INDEX plan_search_fts_all ON plan_search USING gin (({ALL}))",
    f"CREATE INDEX plan_search_fts_heading ON plan_search USING gin (({HEADING}))",
]


def upgrade() -> None:
    op.create_table(
        "plan_search",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("plan_id", sa.BigInteger(), nullable=False),
        sa.Column("version_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("piece", sa.BigInteger(), nullable=False),
        sa.Column("title", sa.String(length=240), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("tags", sa.Text(), nullable=False),
        sa.Column("heading", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["plan_id"], ["plan.id"], name=op.f("fk_plan_search_plan_id_plan")),
        sa.ForeignKeyConstraint(
            ["version_id"], ["plan_version.id"], name=op.f("fk_plan_search_version_id_plan_version")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan_search")),
        sa.UniqueConstraint("version_id", "position", "piece", name=op.f("one_row_a_piece")),
    )
    op.create_index(op.f("ix_plan_search_plan_id"), "plan_search", ["plan_id"], unique=False)
    for statement in SQLITE if op.get_bind().dialect.name == "sqlite" else POSTGRES:
        op.execute(statement)
    op.create_table(
        "plan_openness",
        sa.Column("plan_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column(
            "openness",
            sa.Enum(
                "open", "on-request", "closed", "secret",
                name="openness", native_enum=False, create_constraint=True, length=32,
            ),
            nullable=False,
        ),
        sa.Column("reason", sa.String(length=300), nullable=False),
        sa.Column("decided_at", UTCDateTime(), nullable=False),
        sa.Column("decided_by", sa.String(length=60), nullable=False),
        sa.ForeignKeyConstraint(["plan_id"], ["plan.id"], name=op.f("fk_plan_openness_plan_id_plan")),
        sa.PrimaryKeyConstraint("plan_id", name=op.f("pk_plan_openness")),
    )  # fmt: skip
    op.create_table(
        "plan_publication",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("plan_id", sa.BigInteger(), nullable=False),
        sa.Column("version_id", sa.BigInteger(), nullable=False),
        sa.Column("files", JSONText(), nullable=False),
        sa.Column("published_at", UTCDateTime(), nullable=False),
        sa.Column("published_by", sa.String(length=60), nullable=False),
        sa.Column("withdrawn_at", UTCDateTime(), nullable=True),
        sa.Column("withdrawn_by", sa.String(length=60), nullable=True),
        sa.Column("withdrawn_reason", sa.String(length=300), nullable=False),
        sa.CheckConstraint(
            "(withdrawn_at IS NULL) = (withdrawn_by IS NULL)", name=op.f("ck_plan_publication_withdrawn_by_somebody")
        ),
        sa.ForeignKeyConstraint(["plan_id"], ["plan.id"], name=op.f("fk_plan_publication_plan_id_plan")),
        sa.ForeignKeyConstraint(
            ["version_id"], ["plan_version.id"], name=op.f("fk_plan_publication_version_id_plan_version")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan_publication")),
    )
    op.create_index(op.f("ix_plan_publication_version_id"), "plan_publication", ["version_id"], unique=False)
    op.create_index(
        "uq_plan_publication_one_standing",
        "plan_publication",
        ["plan_id"],
        unique=True,
        sqlite_where=sa.text("withdrawn_at IS NULL"),
        postgresql_where=sa.text("withdrawn_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_table("plan_publication")
    op.drop_table("plan_openness")
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TABLE plan_search_fts")
    op.drop_table("plan_search")
