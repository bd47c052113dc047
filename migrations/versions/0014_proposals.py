"""The year's calendar that was proposed, and what became of each date."""

import sqlalchemy as sa
from alembic import op

from kernel.types import JSONText, UTCDateTime

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None
TABLES = (
    "drill_year_programme", "drill_proposal_gap", "drill_proposal_item_rule", "drill_proposal_item",
    "drill_proposal_owner", "drill_year_proposal",
)  # fmt: skip


def _enum(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=32)


def upgrade() -> None:
    op.create_table(
        "drill_year_proposal",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("division_code", sa.String(length=12), nullable=False),
        sa.Column("state", _enum("proposalstate", "computing", "ready", "closed"), nullable=False),
        sa.Column("settings", JSONText(), nullable=False),
        sa.Column("made_by", sa.String(length=60), nullable=False),
        sa.Column("made_at", UTCDateTime(), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("cursor", sa.String(length=24), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("provisional", sa.Boolean(), nullable=False),
        sa.Column("announced", sa.Boolean(), nullable=False),
        sa.Column("computed_from", sa.Date(), nullable=True),
        sa.Column("ready_at", UTCDateTime(), nullable=True),
        sa.Column("closed_at", UTCDateTime(), nullable=True),
        sa.Column("closed_by", sa.String(length=60), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "(state = 'closed') = (closed_at IS NOT NULL)", name=op.f("ck_drill_year_proposal_closed_has_a_time")
        ),
        sa.CheckConstraint("done >= 0 AND done <= total", name=op.f("ck_drill_year_proposal_progress_within_total")),
        sa.CheckConstraint("year BETWEEN 2000 AND 2200", name=op.f("ck_drill_year_proposal_year_is_plausible")),
        sa.ForeignKeyConstraint(
            ["division_code"], ["division.code"], name=op.f("fk_drill_year_proposal_division_code_division")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drill_year_proposal")),
    )
    op.create_index(op.f("ix_drill_year_proposal_state_id"), "drill_year_proposal", ["state", "id"], unique=False)
    op.create_index(
        "uq_drill_year_proposal_open",
        "drill_year_proposal",
        ["year", "division_code"],
        unique=True,
        sqlite_where=sa.text("state <> 'closed'"),
        postgresql_where=sa.text("state <> 'closed'"),
    )
    op.create_table(
        "drill_proposal_owner",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("proposal_id", sa.BigInteger(), nullable=False),
        sa.Column("owner_key", sa.String(length=24), nullable=False),
        sa.Column("unit_id", sa.BigInteger(), nullable=True),
        sa.Column("division_code", sa.String(length=12), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("windows", sa.Integer(), nullable=False),
        sa.Column("met", sa.Integer(), nullable=False),
        sa.Column("served", sa.Integer(), nullable=False),
        sa.Column("open_windows", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["division_code"], ["division.code"], name=op.f("fk_drill_proposal_owner_division_code_division")
        ),
        sa.ForeignKeyConstraint(
            ["proposal_id"],
            ["drill_year_proposal.id"],
            name=op.f("fk_drill_proposal_owner_proposal_id_drill_year_proposal"),
        ),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_drill_proposal_owner_unit_id_unit")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drill_proposal_owner")),
        sa.UniqueConstraint("proposal_id", "owner_key", name="one_row_an_owner"),
    )
    op.create_index(
        op.f("ix_drill_proposal_owner_proposal_id_division_code_owner_key"),
        "drill_proposal_owner",
        ["proposal_id", "division_code", "owner_key"],
        unique=False,
    )
    op.create_table(
        "drill_proposal_item",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("proposal_id", sa.BigInteger(), nullable=False),
        sa.Column("owner_key", sa.String(length=24), nullable=False),
        sa.Column("unit_id", sa.BigInteger(), nullable=True),
        sa.Column("division_code", sa.String(length=12), nullable=False),
        sa.Column(
            "kind",
            _enum(
                "drillkind",
                "evacuation",
                "fire",
                "flood",
                "quake",
                "weather",
                "geology",
                "forest",
                "rescue",
                "unit_plan",
                "onsite",
                "gov_plan",
                "full",
                "school_bus",
                "equipment",
                "elevator",
                "gas",
                "pipeline",
                "transport",
                "water",
                "environment",
                "health",
                "animal",
                "supply",
                "terror",
                "cyber",
                "mass_event",
                "public",
            ),
            nullable=False,
        ),
        sa.Column("window_from", sa.Date(), nullable=False),
        sa.Column("window_to", sa.Date(), nullable=False),
        sa.Column("on_date", sa.Date(), nullable=False),
        sa.Column("at_time", sa.Time(), nullable=False),
        sa.Column("moved_to", sa.Date(), nullable=True),
        sa.Column(
            "state", _enum("itemstate", "proposed", "accepted", "moved", "refused", "superseded"), nullable=False
        ),
        sa.Column("provisional", sa.Boolean(), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("why", JSONText(), nullable=False),
        sa.Column("decided_by", sa.String(length=60), nullable=True),
        sa.Column("decided_at", UTCDateTime(), nullable=True),
        sa.Column("occurrence_id", sa.BigInteger(), nullable=True),
        sa.Column("outside_window", sa.Boolean(), nullable=False),
        sa.Column("asked_by", sa.String(length=60), nullable=True),
        sa.Column("asked_at", UTCDateTime(), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "(state = 'moved') = (moved_to IS NOT NULL)", name=op.f("ck_drill_proposal_item_moved_names_its_day")
        ),
        sa.CheckConstraint(
            "(state IN ('accepted', 'moved')) = (occurrence_id IS NOT NULL)",
            name=op.f("ck_drill_proposal_item_accepted_is_planned"),
        ),
        sa.CheckConstraint(
            "state NOT IN ('accepted', 'moved', 'refused') OR (decided_by IS NOT NULL AND decided_at IS NOT NULL)",
            name=op.f("ck_drill_proposal_item_decision_has_somebody"),
        ),
        sa.CheckConstraint(
            "(asked_by IS NULL) = (asked_at IS NULL)", name=op.f("ck_drill_proposal_item_asking_is_whole")
        ),
        sa.CheckConstraint("window_from <= window_to", name=op.f("ck_drill_proposal_item_window_is_a_span")),
        sa.ForeignKeyConstraint(
            ["division_code"], ["division.code"], name=op.f("fk_drill_proposal_item_division_code_division")
        ),
        sa.ForeignKeyConstraint(
            ["occurrence_id"],
            ["drill_occurrence.id"],
            name=op.f("fk_drill_proposal_item_occurrence_id_drill_occurrence"),
        ),
        sa.ForeignKeyConstraint(
            ["proposal_id"],
            ["drill_year_proposal.id"],
            name=op.f("fk_drill_proposal_item_proposal_id_drill_year_proposal"),
        ),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_drill_proposal_item_unit_id_unit")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drill_proposal_item")),
        sa.UniqueConstraint("occurrence_id", name=op.f("uq_drill_proposal_item_occurrence_id")),
    )
    op.create_index(
        op.f("ix_drill_proposal_item_proposal_id_division_code_owner_key_id"),
        "drill_proposal_item",
        ["proposal_id", "division_code", "owner_key", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_drill_proposal_item_proposal_id_state_asked_at"),
        "drill_proposal_item",
        ["proposal_id", "state", "asked_at"],
        unique=False,
    )
    op.create_index(
        "uq_drill_proposal_item_day",
        "drill_proposal_item",
        ["proposal_id", "owner_key", "kind", "on_date"],
        unique=True,
        sqlite_where=sa.text("state <> 'superseded'"),
        postgresql_where=sa.text("state <> 'superseded'"),
    )
    op.create_table(
        "drill_proposal_item_rule",
        sa.Column("item_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("rule_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("window_from", sa.Date(), nullable=False),
        sa.Column("window_to", sa.Date(), nullable=False),
        sa.CheckConstraint("window_from <= window_to", name=op.f("ck_drill_proposal_item_rule_window_is_a_span")),
        sa.ForeignKeyConstraint(
            ["item_id"],
            ["drill_proposal_item.id"],
            name=op.f("fk_drill_proposal_item_rule_item_id_drill_proposal_item"),
        ),
        sa.ForeignKeyConstraint(
            ["rule_id"], ["drill_rule.id"], name=op.f("fk_drill_proposal_item_rule_rule_id_drill_rule")
        ),
        sa.PrimaryKeyConstraint("item_id", "rule_id", "window_from", name=op.f("pk_drill_proposal_item_rule")),
    )
    op.create_table(
        "drill_proposal_gap",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("proposal_id", sa.BigInteger(), nullable=False),
        sa.Column("owner_key", sa.String(length=24), nullable=False),
        sa.Column("unit_id", sa.BigInteger(), nullable=True),
        sa.Column("division_code", sa.String(length=12), nullable=False),
        sa.Column("rule_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "code",
            _enum(
                "gapcode",
                "no_school_day",
                "no_workday",
                "window_past",
                "season",
                "days_full",
                "too_close",
                "closes",
                "refused",
                "no_kind",
                "no_number",
            ),
            nullable=False,
        ),
        sa.Column("window_from", sa.Date(), nullable=True),
        sa.Column("window_to", sa.Date(), nullable=True),
        sa.Column("windows", sa.Integer(), nullable=False),
        sa.CheckConstraint("windows > 0", name=op.f("ck_drill_proposal_gap_windows_counted")),
        sa.ForeignKeyConstraint(
            ["division_code"], ["division.code"], name=op.f("fk_drill_proposal_gap_division_code_division")
        ),
        sa.ForeignKeyConstraint(
            ["proposal_id"],
            ["drill_year_proposal.id"],
            name=op.f("fk_drill_proposal_gap_proposal_id_drill_year_proposal"),
        ),
        sa.ForeignKeyConstraint(["rule_id"], ["drill_rule.id"], name=op.f("fk_drill_proposal_gap_rule_id_drill_rule")),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_drill_proposal_gap_unit_id_unit")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drill_proposal_gap")),
        sa.UniqueConstraint("proposal_id", "owner_key", "rule_id", "code", name="one_row_a_reason"),
    )
    op.create_index(
        op.f("ix_drill_proposal_gap_proposal_id_division_code_id"),
        "drill_proposal_gap",
        ["proposal_id", "division_code", "id"],
        unique=False,
    )
    op.create_table(
        "drill_year_programme",
        sa.Column("year", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("owner_key", sa.String(length=24), nullable=False),
        sa.Column(
            "kind",
            _enum(
                "drillkind",
                "evacuation",
                "fire",
                "flood",
                "quake",
                "weather",
                "geology",
                "forest",
                "rescue",
                "unit_plan",
                "onsite",
                "gov_plan",
                "full",
                "school_bus",
                "equipment",
                "elevator",
                "gas",
                "pipeline",
                "transport",
                "water",
                "environment",
                "health",
                "animal",
                "supply",
                "terror",
                "cyber",
                "mass_event",
                "public",
            ),
            nullable=False,
        ),
        sa.Column("programme_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["programme_id"], ["drill_programme.id"], name=op.f("fk_drill_year_programme_programme_id_drill_programme")
        ),
        sa.PrimaryKeyConstraint("year", "owner_key", "kind", name=op.f("pk_drill_year_programme")),
        sa.UniqueConstraint("programme_id", name=op.f("uq_drill_year_programme_programme_id")),
    )


def downgrade() -> None:
    for table in TABLES:
        op.drop_table(table)
