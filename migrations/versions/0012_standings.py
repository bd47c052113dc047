"""How each unit stands with each rule, as the pages read it; who changed a rule."""

import sqlalchemy as sa
from alembic import op

from kernel.types import UTCDateTime

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

KINDS = ("unit", "division", "plan")
STANDINGS = ("satisfied", "due", "overdue", "no_number", "not_adopted")


def _enum(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=32)


def upgrade() -> None:
    op.add_column("drill_rule", sa.Column("own", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("drill_rule", sa.Column("version", sa.BigInteger(), server_default="1", nullable=False))
    op.create_table(
        "drill_rule_change",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("rule_id", sa.BigInteger(), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("actor", sa.String(length=60), nullable=False),
        sa.Column("field", sa.String(length=20), nullable=False),
        sa.Column("before", sa.Text(), nullable=False),
        sa.Column("after", sa.Text(), nullable=False),
        sa.Column("reason_sealed", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["rule_id"], ["drill_rule.id"], name=op.f("fk_drill_rule_change_rule_id_drill_rule")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drill_rule_change")),
    )
    op.create_index(op.f("ix_drill_rule_change_rule_id_id"), "drill_rule_change", ["rule_id", "id"])
    op.create_table(
        "drill_watched",
        sa.Column("subject_kind", _enum("subjectkind", *KINDS), nullable=False),
        sa.Column("subject_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("division_code", sa.String(length=12), nullable=False),
        sa.Column("town", sa.String(length=12), nullable=False),
        sa.Column("subject_group", sa.String(length=20), nullable=False),
        sa.Column("since", sa.Date(), nullable=False),
        sa.Column("computed_for", sa.String(length=24), nullable=True),
        sa.Column("overdue", sa.BigInteger(), nullable=False),
        sa.Column("due", sa.BigInteger(), nullable=False),
        sa.Column("satisfied", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "overdue >= 0 AND due >= 0 AND satisfied >= 0", name=op.f("ck_drill_watched_tallies_not_negative")
        ),
        sa.ForeignKeyConstraint(
            ["division_code"], ["division.code"], name=op.f("fk_drill_watched_division_code_division")
        ),
        sa.PrimaryKeyConstraint("subject_kind", "subject_id", name=op.f("pk_drill_watched")),
    )
    op.create_index(op.f("ix_drill_watched_computed_for"), "drill_watched", ["computed_for"])
    op.create_index(
        "ix_drill_watched_tally", "drill_watched",
        ["town", "subject_group", "division_code", "overdue", "due", "satisfied"],
    )  # fmt: skip
    op.create_table(
        "drill_standing",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("subject_kind", _enum("subjectkind", *KINDS), nullable=False),
        sa.Column("subject_id", sa.BigInteger(), nullable=False),
        sa.Column("rule_id", sa.BigInteger(), nullable=False),
        sa.Column("division_code", sa.String(length=12), nullable=False),
        sa.Column("town", sa.String(length=12), nullable=False),
        sa.Column("subject_group", sa.String(length=20), nullable=False),
        sa.Column("standing", _enum("standing", *STANDINGS), nullable=False),
        sa.Column("rank", sa.SmallInteger(), nullable=False),
        sa.Column("due_order", sa.BigInteger(), nullable=False),
        sa.Column("last_occurrence_id", sa.BigInteger(), nullable=True),
        sa.Column("last_on", sa.Date(), nullable=True),
        sa.Column("next_due", sa.Date(), nullable=True),
        sa.Column("next_occurrence_id", sa.BigInteger(), nullable=True),
        sa.Column("next_on", sa.Date(), nullable=True),
        sa.Column("provisional", sa.Boolean(), nullable=False),
        sa.Column("computed_on", sa.Date(), nullable=False),
        sa.CheckConstraint(
            "(last_on IS NULL) = (last_occurrence_id IS NULL)", name=op.f("ck_drill_standing_evidence_is_a_drill")
        ),
        sa.CheckConstraint(
            "(next_on IS NULL) = (next_occurrence_id IS NULL)", name=op.f("ck_drill_standing_plan_is_a_drill")
        ),
        sa.ForeignKeyConstraint(
            ["division_code"], ["division.code"], name=op.f("fk_drill_standing_division_code_division")
        ),
        sa.ForeignKeyConstraint(["rule_id"], ["drill_rule.id"], name=op.f("fk_drill_standing_rule_id_drill_rule")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drill_standing")),
        sa.UniqueConstraint("subject_kind", "subject_id", "rule_id", name="one_row_a_subject_and_rule"),
    )
    counts = ["town", "subject_group", "standing", "division_code"]
    op.create_index("ix_drill_standing_counts", "drill_standing", counts)
    op.create_index("ix_drill_standing_rule_counts", "drill_standing", ["rule_id", *counts])
    for first in ([], ["town"], ["subject_group"]):
        columns = [*first, "rank", "due_order", "id"]
        op.create_index(op.f(f"ix_drill_standing_{'_'.join(columns)}"), "drill_standing", columns)
    op.create_table(
        "drill_inspection",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("occurrence_id", sa.BigInteger(), nullable=False),
        sa.Column("division_code", sa.String(length=12), nullable=False),
        sa.Column("inspected_on", sa.Date(), nullable=False),
        sa.Column("result", _enum("inspected", "passed", "correction"), nullable=False),
        sa.Column("ordered_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("due_on", sa.Date(), nullable=True),
        sa.Column("corrected_on", sa.Date(), nullable=True),
        sa.Column("proof_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("inspected_by", sa.String(length=60), nullable=False),
        sa.Column("noted_at", UTCDateTime(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "(result = 'correction') = (due_on IS NOT NULL AND ordered_sealed IS NOT NULL)",
            name=op.f("ck_drill_inspection_an_order_has_its_day"),
        ),
        sa.CheckConstraint(
            "(corrected_on IS NULL) = (proof_sealed IS NULL)", name=op.f("ck_drill_inspection_corrected_has_proof")
        ),
        sa.CheckConstraint(
            "corrected_on IS NULL OR result = 'correction'",
            name=op.f("ck_drill_inspection_only_an_order_is_corrected"),
        ),
        sa.ForeignKeyConstraint(
            ["occurrence_id"], ["drill_occurrence.id"], name=op.f("fk_drill_inspection_occurrence_id_drill_occurrence")
        ),
        sa.ForeignKeyConstraint(
            ["division_code"], ["division.code"], name=op.f("fk_drill_inspection_division_code_division")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drill_inspection")),
    )
    op.create_index(op.f("ix_drill_inspection_occurrence_id"), "drill_inspection", ["occurrence_id"])
    columns = ["corrected_on", "due_on", "id"]
    op.create_index(op.f("ix_drill_inspection_corrected_on_due_on_id"), "drill_inspection", columns)
    columns = ["starts_at", "state", "kind", "division_code"]
    op.create_index("ix_drill_occurrence_heat", "drill_occurrence", columns)


def downgrade() -> None:
    op.drop_index("ix_drill_occurrence_heat", "drill_occurrence")
    for table in ("drill_inspection", "drill_standing", "drill_watched", "drill_rule_change"):
        op.drop_table(table)
    for name in ("version", "own"):
        op.drop_column("drill_rule", name)
