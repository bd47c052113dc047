"""Files of plans (images, originals, old formats), and the runs that import plans."""

import sqlalchemy as sa
from alembic import op

from kernel.types import JSONText, UTCDateTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

FROZEN = "'approved', 'issued', 'rejected'"
MESSAGE = "an approved plan text is immutable"
FIXED = "id, version_id, section_position, kind, media_type, digest, size, created_at, created_by"
SQLITE = [
    f"CREATE TRIGGER plan_attachment_frozen_{name} BEFORE {verb} ON plan_attachment "  # noqa: S608
    f"WHEN (SELECT state FROM plan_version WHERE id = {row}.version_id) IN ({FROZEN}) "
    f"BEGIN SELECT RAISE(ABORT, '{MESSAGE}'); END"
    for name, verb, row in (
        ("insert", "INSERT", "NEW"),
        ("update", f"UPDATE OF {FIXED}", "OLD"),
        ("delete", "DELETE", "OLD"),
    )
]
POSTGRES = [
    "CREATE OR REPLACE FUNCTION plan_attachment_is_frozen() RETURNS trigger LANGUAGE plpgsql AS $$ "  # noqa: S608
    "DECLARE held bigint; BEGIN "
    "IF TG_OP = 'INSERT' THEN held := NEW.version_id; ELSE held := OLD.version_id; END IF; "
    f"IF (SELECT state FROM plan_version WHERE id = held) IN ({FROZEN}) "
    f"THEN RAISE EXCEPTION '{MESSAGE}'; END IF; "
    "IF TG_OP = 'DELETE' THEN RETURN OLD; END IF; RETURN NEW; END $$",
    f"CREATE TRIGGER plan_attachment_frozen BEFORE INSERT OR DELETE OR UPDATE OF {FIXED} ON plan_attachment "
    "FOR EACH ROW EXECUTE FUNCTION plan_attachment_is_frozen()",
]


def _enum(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=32)


def upgrade() -> None:
    op.create_table(
        "plan_attachment",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("version_id", sa.BigInteger(), nullable=False),
        sa.Column("section_position", sa.BigInteger(), nullable=True),
        sa.Column("kind", _enum("attachmentkind", "image", "table-source", "original", "old-format"), nullable=False),
        sa.Column("name_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("media_type", sa.String(length=80), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("data_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("created_by", sa.String(length=60), nullable=False),
        sa.CheckConstraint("size >= 0", name=op.f("ck_plan_attachment_size_not_negative")),
        sa.ForeignKeyConstraint(
            ["version_id"], ["plan_version.id"], name=op.f("fk_plan_attachment_version_id_plan_version")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan_attachment")),
    )
    op.create_index(op.f("ix_plan_attachment_version_id"), "plan_attachment", ["version_id"], unique=False)
    for statement in SQLITE if op.get_bind().dialect.name == "sqlite" else POSTGRES:
        op.execute(statement)
    op.create_table(
        "plan_import",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column(
            "state",
            _enum("planimportstate", "waiting", "reading", "ready", "done", "failed", "discarded"),
            nullable=False,
        ),
        sa.Column("actor", sa.String(length=60), nullable=False),
        sa.Column("plan_id", sa.BigInteger(), nullable=True),
        sa.Column("version_id", sa.BigInteger(), nullable=True),
        sa.Column("file_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("data_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("outline_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("result_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sections", sa.BigInteger(), nullable=False),
        sa.Column("images", sa.BigInteger(), nullable=False),
        sa.Column("phones", sa.BigInteger(), nullable=False),
        sa.Column("remarks", sa.BigInteger(), nullable=False),
        sa.Column("failure", JSONText(), nullable=True),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("finished_at", UTCDateTime(), nullable=True),
        sa.Column("claimed_until", UTCDateTime(), nullable=True),
        sa.Column("claimed_by", sa.String(length=80), nullable=True),
        sa.ForeignKeyConstraint(["plan_id"], ["plan.id"], name=op.f("fk_plan_import_plan_id_plan")),
        sa.ForeignKeyConstraint(
            ["version_id"], ["plan_version.id"], name=op.f("fk_plan_import_version_id_plan_version")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan_import")),
    )
    op.create_index(op.f("ix_plan_import_actor_id"), "plan_import", ["actor", "id"], unique=False)
    op.create_index(op.f("ix_plan_import_state_id"), "plan_import", ["state", "id"], unique=False)


def downgrade() -> None:
    op.drop_table("plan_import")
    op.drop_table("plan_attachment")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION IF EXISTS plan_attachment_is_frozen()")
