"""Checks of plans with their sources, exposures of places, statutes that plans name, shelters and what they take."""

import sqlalchemy as sa
from alembic import op

from kernel.types import UTCDateTime

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

HAZARDS = (
    "all", "flood", "hazchem", "fire", "quake", "weather", "gas", "health", "environment", "traffic", "relief",
    "security", "other",
)  # fmt: skip
DEFECTS = "ix_defect_room_closed_at_severity_rank_id"


def _enum(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=32)


def upgrade() -> None:
    op.create_table(
        "plan_check",
        sa.Column("key", sa.String(length=40), nullable=False),
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("article", sa.String(length=100), nullable=False),
        sa.Column("binding", sa.String(length=20), nullable=False),
        sa.Column("evidence", sa.String(length=8), nullable=False),
        sa.Column("days", sa.BigInteger(), nullable=True),
        sa.Column("adopted", sa.Boolean(), nullable=False),
        sa.Column("decided_by", sa.String(length=60), nullable=True),
        sa.CheckConstraint("days IS NULL OR days > 0", name=op.f("ck_plan_check_days_positive")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_plan_check")),
    )
    op.create_table(
        "plan_exposure",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("division_code", sa.String(length=12), nullable=False),
        sa.Column("hazard", _enum("exposurehazard", *HAZARDS), nullable=False),
        sa.Column("reach", _enum("exposurereach", "place", "townships", "villages"), nullable=False),
        sa.Column("exposed", sa.Boolean(), nullable=False),
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("noted_by", sa.String(length=60), nullable=False),
        sa.Column("noted_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["division_code"], ["division.code"], name=op.f("fk_plan_exposure_division_code_division")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan_exposure")),
        sa.UniqueConstraint("division_code", "hazard", "reach", name="one_exposure_a_place"),
    )
    op.create_table(
        "plan_legal_text",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("number", sa.String(length=100), nullable=False),
        sa.Column("change", _enum("legalchange", "none", "amended", "replaced", "repealed"), nullable=False),
        sa.Column("changed_on", sa.Date(), nullable=True),
        sa.Column("replaced_by", sa.String(length=200), nullable=False),
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("noted_by", sa.String(length=60), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan_legal_text")),
        sa.UniqueConstraint("title", name=op.f("uq_plan_legal_text_title")),
    )
    op.create_table(
        "plan_citation",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("version_id", sa.BigInteger(), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(
            ["version_id"], ["plan_version.id"], name=op.f("fk_plan_citation_version_id_plan_version")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan_citation")),
        sa.UniqueConstraint("version_id", "title", name="one_citation_a_title"),
    )
    op.create_index("ix_plan_citation_title_version_id", "plan_citation", ["title", "version_id"])
    op.create_table(
        "plan_citation_scan",
        sa.Column("version_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(
            ["version_id"], ["plan_version.id"], name=op.f("fk_plan_citation_scan_version_id_plan_version")
        ),
        sa.PrimaryKeyConstraint("version_id", name=op.f("pk_plan_citation_scan")),
    )
    op.create_table(
        "plan_shelter",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("division_code", sa.String(length=12), nullable=False),
        sa.Column("capacity", sa.BigInteger(), nullable=True),
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("noted_by", sa.String(length=60), nullable=False),
        sa.CheckConstraint("capacity IS NULL OR capacity > 0", name=op.f("ck_plan_shelter_capacity_positive")),
        sa.ForeignKeyConstraint(
            ["division_code"], ["division.code"], name=op.f("fk_plan_shelter_division_code_division")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan_shelter")),
        sa.UniqueConstraint("name", name=op.f("uq_plan_shelter_name")),
    )
    op.create_index(DEFECTS, "defect", ["room", "closed_at", "severity_rank", "id"])


def downgrade() -> None:
    op.drop_index(DEFECTS, table_name="defect")
    for table in (
        "plan_shelter", "plan_citation_scan", "plan_citation", "plan_legal_text", "plan_exposure", "plan_check",
    ):  # fmt: skip
        op.drop_table(table)
