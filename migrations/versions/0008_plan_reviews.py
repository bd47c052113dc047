"""Review rounds and comments of plans, who approves which kind, the act of approval, who has a draft open."""

import sqlalchemy as sa
from alembic import op

from kernel.types import UTCDateTime

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

KINDS = (
    "gov.general", "gov.special", "gov.dept", "gov.town", "org.village", "org.unit", "joint", "event",
    "support.workbook", "support.action",
)  # fmt: skip
LEVELS = ("city", "district", "township", "village", "unit")
WAYS = ("government_meeting", "department_meeting", "signed", "agreed")


def _enum(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=32)


def _id() -> sa.Column:
    return sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False)


def upgrade() -> None:
    op.create_table(
        "plan_review_round",
        _id(),
        sa.Column("version_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("opened_at", UTCDateTime(), nullable=False),
        sa.Column("opened_by", sa.String(length=60), nullable=False),
        sa.Column("closed_at", UTCDateTime(), nullable=True),
        sa.Column("closed_by", sa.String(length=60), nullable=True),
        sa.Column("outcome", _enum("roundoutcome", "returned", "approved", "rejected"), nullable=True),
        sa.CheckConstraint("number > 0", name=op.f("ck_plan_review_round_number_positive")),
        sa.CheckConstraint(
            "(closed_at IS NULL) = (closed_by IS NULL)", name=op.f("ck_plan_review_round_closed_by_somebody")
        ),
        sa.ForeignKeyConstraint(
            ["version_id"], ["plan_version.id"], name=op.f("fk_plan_review_round_version_id_plan_version")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan_review_round")),
        sa.UniqueConstraint("version_id", "number", name="one_row_a_round"),
    )
    op.create_table(
        "plan_comment",
        _id(),
        sa.Column("version_id", sa.BigInteger(), nullable=False),
        sa.Column("round_id", sa.BigInteger(), nullable=False),
        sa.Column("section_id", sa.BigInteger(), nullable=True),
        sa.Column("place", sa.String(length=230), nullable=False),
        sa.Column("text_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("author", sa.String(length=60), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("answer", _enum("commentanswer", "accepted", "not_accepted"), nullable=True),
        sa.Column("answer_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("answered_by", sa.String(length=60), nullable=True),
        sa.Column("answered_at", UTCDateTime(), nullable=True),
        sa.Column("resolved_by", sa.String(length=60), nullable=True),
        sa.Column("resolved_at", UTCDateTime(), nullable=True),
        sa.CheckConstraint(
            "(answer IS NULL) = (answered_by IS NULL)", name=op.f("ck_plan_comment_answered_by_somebody")
        ),
        sa.CheckConstraint(
            "(resolved_at IS NULL) = (resolved_by IS NULL)", name=op.f("ck_plan_comment_resolved_by_somebody")
        ),
        sa.CheckConstraint(
            "resolved_at IS NULL OR answer IS NOT NULL", name=op.f("ck_plan_comment_answered_before_resolved")
        ),
        sa.ForeignKeyConstraint(
            ["version_id"], ["plan_version.id"], name=op.f("fk_plan_comment_version_id_plan_version")
        ),
        sa.ForeignKeyConstraint(
            ["round_id"], ["plan_review_round.id"], name=op.f("fk_plan_comment_round_id_plan_review_round")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan_comment")),
    )
    op.create_index(op.f("ix_plan_comment_version_id_id"), "plan_comment", ["version_id", "id"])
    op.create_index(op.f("ix_plan_comment_round_id"), "plan_comment", ["round_id"])
    op.create_table(
        "plan_approval_rule",
        _id(),
        sa.Column("kind", _enum("approvalplankind", *KINDS), nullable=False),
        sa.Column("level", _enum("approvalplanlevel", *LEVELS), nullable=False),
        sa.Column("body", sa.String(length=100), nullable=False),
        sa.Column("body_en", sa.String(length=100), nullable=False),
        sa.Column("way", _enum("approvalway", *WAYS), nullable=False),
        sa.Column("issued_by", sa.String(length=100), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("evidence", sa.String(length=8), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan_approval_rule")),
        sa.UniqueConstraint("kind", "level", name="one_rule_a_kind_and_level"),
    )
    op.create_table(
        "plan_approval",
        _id(),
        sa.Column("version_id", sa.BigInteger(), nullable=False),
        sa.Column("rule_id", sa.BigInteger(), nullable=True),
        sa.Column("body", sa.String(length=100), nullable=False),
        sa.Column("way", _enum("actapprovalway", *WAYS), nullable=True),
        sa.Column("meeting", sa.String(length=200), nullable=False),
        sa.Column("decided_on", sa.Date(), nullable=False),
        sa.Column("document_number", sa.String(length=60), nullable=False),
        sa.Column("entered_by", sa.String(length=60), nullable=False),
        sa.Column("entered_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["version_id"], ["plan_version.id"], name=op.f("fk_plan_approval_version_id_plan_version")
        ),
        sa.ForeignKeyConstraint(
            ["rule_id"], ["plan_approval_rule.id"], name=op.f("fk_plan_approval_rule_id_plan_approval_rule")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan_approval")),
        sa.UniqueConstraint("version_id", name=op.f("uq_plan_approval_version_id")),
    )
    op.create_table(
        "plan_presence",
        sa.Column("version_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("actor", sa.String(length=60), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("place", sa.String(length=230), nullable=False),
        sa.ForeignKeyConstraint(
            ["version_id"], ["plan_version.id"], name=op.f("fk_plan_presence_version_id_plan_version")
        ),
        sa.PrimaryKeyConstraint("version_id", "actor", name=op.f("pk_plan_presence")),
    )


def downgrade() -> None:
    for table in ("plan_presence", "plan_approval", "plan_approval_rule", "plan_comment", "plan_review_round"):
        op.drop_table(table)
