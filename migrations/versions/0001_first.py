"""The first version: every table of the product."""

import sqlalchemy as sa
from alembic import op

from kernel.types import JSONText, UTCDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SQLITE_TRIGGERS = [
    "CREATE TRIGGER journal_entry_no_UPDATE BEFORE UPDATE ON journal_entry BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END",
    "CREATE TRIGGER journal_entry_no_DELETE BEFORE DELETE ON journal_entry BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END",
    "CREATE TRIGGER warning_issue_no_update BEFORE update ON warning_issue BEGIN SELECT RAISE(ABORT, 'an issued warning is never changed'); END",
    "CREATE TRIGGER warning_issue_no_delete BEFORE delete ON warning_issue BEGIN SELECT RAISE(ABORT, 'an issued warning is never changed'); END",
    "CREATE TRIGGER movement_append_only_update BEFORE UPDATE ON movement BEGIN SELECT RAISE(ABORT, 'the stock ledger is append-only'); END",
    "CREATE TRIGGER movement_append_only_delete BEFORE DELETE ON movement BEGIN SELECT RAISE(ABORT, 'the stock ledger is append-only'); END",
    "CREATE TRIGGER plan_evacuation_row_frozen_insert BEFORE INSERT ON plan_evacuation_row WHEN (SELECT state FROM plan_version WHERE id = NEW.version_id) IN ('approved', 'issued', 'rejected') BEGIN SELECT RAISE(ABORT, 'an approved plan text is immutable'); END",
    "CREATE TRIGGER plan_evacuation_row_frozen_update BEFORE UPDATE ON plan_evacuation_row WHEN (SELECT state FROM plan_version WHERE id = OLD.version_id) IN ('approved', 'issued', 'rejected') BEGIN SELECT RAISE(ABORT, 'an approved plan text is immutable'); END",
    "CREATE TRIGGER plan_evacuation_row_frozen_delete BEFORE DELETE ON plan_evacuation_row WHEN (SELECT state FROM plan_version WHERE id = OLD.version_id) IN ('approved', 'issued', 'rejected') BEGIN SELECT RAISE(ABORT, 'an approved plan text is immutable'); END",
    "CREATE TRIGGER plan_reliance_frozen_insert BEFORE INSERT ON plan_reliance WHEN (SELECT state FROM plan_version WHERE id = NEW.version_id) IN ('approved', 'issued', 'rejected') BEGIN SELECT RAISE(ABORT, 'an approved plan text is immutable'); END",
    "CREATE TRIGGER plan_reliance_frozen_update BEFORE UPDATE ON plan_reliance WHEN (SELECT state FROM plan_version WHERE id = OLD.version_id) IN ('approved', 'issued', 'rejected') BEGIN SELECT RAISE(ABORT, 'an approved plan text is immutable'); END",
    "CREATE TRIGGER plan_reliance_frozen_delete BEFORE DELETE ON plan_reliance WHEN (SELECT state FROM plan_version WHERE id = OLD.version_id) IN ('approved', 'issued', 'rejected') BEGIN SELECT RAISE(ABORT, 'an approved plan text is immutable'); END",
    "CREATE TRIGGER plan_response_level_frozen_insert BEFORE INSERT ON plan_response_level WHEN (SELECT state FROM plan_version WHERE id = NEW.version_id) IN ('approved', 'issued', 'rejected') BEGIN SELECT RAISE(ABORT, 'an approved plan text is immutable'); END",
    "CREATE TRIGGER plan_response_level_frozen_update BEFORE UPDATE ON plan_response_level WHEN (SELECT state FROM plan_version WHERE id = OLD.version_id) IN ('approved', 'issued', 'rejected') BEGIN SELECT RAISE(ABORT, 'an approved plan text is immutable'); END",
    "CREATE TRIGGER plan_response_level_frozen_delete BEFORE DELETE ON plan_response_level WHEN (SELECT state FROM plan_version WHERE id = OLD.version_id) IN ('approved', 'issued', 'rejected') BEGIN SELECT RAISE(ABORT, 'an approved plan text is immutable'); END",
    "CREATE TRIGGER plan_section_frozen_insert BEFORE INSERT ON plan_section WHEN (SELECT state FROM plan_version WHERE id = NEW.version_id) IN ('approved', 'issued', 'rejected') BEGIN SELECT RAISE(ABORT, 'an approved plan text is immutable'); END",
    "CREATE TRIGGER plan_section_frozen_update BEFORE UPDATE ON plan_section WHEN (SELECT state FROM plan_version WHERE id = OLD.version_id) IN ('approved', 'issued', 'rejected') BEGIN SELECT RAISE(ABORT, 'an approved plan text is immutable'); END",
    "CREATE TRIGGER plan_section_frozen_delete BEFORE DELETE ON plan_section WHEN (SELECT state FROM plan_version WHERE id = OLD.version_id) IN ('approved', 'issued', 'rejected') BEGIN SELECT RAISE(ABORT, 'an approved plan text is immutable'); END",
    "CREATE TRIGGER plan_response_action_frozen_insert BEFORE INSERT ON plan_response_action WHEN (SELECT state FROM plan_version WHERE id = (SELECT version_id FROM plan_response_level WHERE id = NEW.level_id)) IN ('approved', 'issued', 'rejected') BEGIN SELECT RAISE(ABORT, 'an approved plan text is immutable'); END",
    "CREATE TRIGGER plan_response_action_frozen_update BEFORE UPDATE ON plan_response_action WHEN (SELECT state FROM plan_version WHERE id = (SELECT version_id FROM plan_response_level WHERE id = OLD.level_id)) IN ('approved', 'issued', 'rejected') BEGIN SELECT RAISE(ABORT, 'an approved plan text is immutable'); END",
    "CREATE TRIGGER plan_response_action_frozen_delete BEFORE DELETE ON plan_response_action WHEN (SELECT state FROM plan_version WHERE id = (SELECT version_id FROM plan_response_level WHERE id = OLD.level_id)) IN ('approved', 'issued', 'rejected') BEGIN SELECT RAISE(ABORT, 'an approved plan text is immutable'); END",
]

POSTGRES_TRIGGERS = [
    "CREATE OR REPLACE FUNCTION journal_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'the journal is append-only'; END $$",
    "CREATE TRIGGER journal_entry_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON journal_entry FOR EACH STATEMENT EXECUTE FUNCTION journal_is_append_only()",
    "CREATE OR REPLACE FUNCTION warning_issue_is_immutable() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'an issued warning is never changed'; END $$",
    "CREATE TRIGGER warning_issue_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON warning_issue FOR EACH STATEMENT EXECUTE FUNCTION warning_issue_is_immutable()",
    "CREATE OR REPLACE FUNCTION movement_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'the stock ledger is append-only'; END $$",
    "CREATE TRIGGER movement_append_only BEFORE UPDATE OR DELETE ON movement FOR EACH STATEMENT EXECUTE FUNCTION movement_is_append_only()",
    "CREATE OR REPLACE FUNCTION plan_evacuation_row_is_frozen() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE held bigint; BEGIN IF TG_OP = 'INSERT' THEN held := NEW.version_id; ELSE held := OLD.version_id; END IF; IF (SELECT state FROM plan_version WHERE id = held) IN ('approved', 'issued', 'rejected') THEN RAISE EXCEPTION 'an approved plan text is immutable'; END IF; IF TG_OP = 'DELETE' THEN RETURN OLD; END IF; RETURN NEW; END $$",
    "CREATE TRIGGER plan_evacuation_row_frozen BEFORE INSERT OR UPDATE OR DELETE ON plan_evacuation_row FOR EACH ROW EXECUTE FUNCTION plan_evacuation_row_is_frozen()",
    "CREATE OR REPLACE FUNCTION plan_reliance_is_frozen() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE held bigint; BEGIN IF TG_OP = 'INSERT' THEN held := NEW.version_id; ELSE held := OLD.version_id; END IF; IF (SELECT state FROM plan_version WHERE id = held) IN ('approved', 'issued', 'rejected') THEN RAISE EXCEPTION 'an approved plan text is immutable'; END IF; IF TG_OP = 'DELETE' THEN RETURN OLD; END IF; RETURN NEW; END $$",
    "CREATE TRIGGER plan_reliance_frozen BEFORE INSERT OR UPDATE OR DELETE ON plan_reliance FOR EACH ROW EXECUTE FUNCTION plan_reliance_is_frozen()",
    "CREATE OR REPLACE FUNCTION plan_response_level_is_frozen() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE held bigint; BEGIN IF TG_OP = 'INSERT' THEN held := NEW.version_id; ELSE held := OLD.version_id; END IF; IF (SELECT state FROM plan_version WHERE id = held) IN ('approved', 'issued', 'rejected') THEN RAISE EXCEPTION 'an approved plan text is immutable'; END IF; IF TG_OP = 'DELETE' THEN RETURN OLD; END IF; RETURN NEW; END $$",
    "CREATE TRIGGER plan_response_level_frozen BEFORE INSERT OR UPDATE OR DELETE ON plan_response_level FOR EACH ROW EXECUTE FUNCTION plan_response_level_is_frozen()",
    "CREATE OR REPLACE FUNCTION plan_section_is_frozen() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE held bigint; BEGIN IF TG_OP = 'INSERT' THEN held := NEW.version_id; ELSE held := OLD.version_id; END IF; IF (SELECT state FROM plan_version WHERE id = held) IN ('approved', 'issued', 'rejected') THEN RAISE EXCEPTION 'an approved plan text is immutable'; END IF; IF TG_OP = 'DELETE' THEN RETURN OLD; END IF; RETURN NEW; END $$",
    "CREATE TRIGGER plan_section_frozen BEFORE INSERT OR UPDATE OR DELETE ON plan_section FOR EACH ROW EXECUTE FUNCTION plan_section_is_frozen()",
    "CREATE OR REPLACE FUNCTION plan_response_action_is_frozen() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE held bigint; BEGIN IF TG_OP = 'INSERT' THEN held := (SELECT version_id FROM plan_response_level WHERE id = NEW.level_id); ELSE held := (SELECT version_id FROM plan_response_level WHERE id = OLD.level_id); END IF; IF (SELECT state FROM plan_version WHERE id = held) IN ('approved', 'issued', 'rejected') THEN RAISE EXCEPTION 'an approved plan text is immutable'; END IF; IF TG_OP = 'DELETE' THEN RETURN OLD; END IF; RETURN NEW; END $$",
    "CREATE TRIGGER plan_response_action_frozen BEFORE INSERT OR UPDATE OR DELETE ON plan_response_action FOR EACH ROW EXECUTE FUNCTION plan_response_action_is_frozen()",
]

POSTGRES_FUNCTIONS = [
    "journal_is_append_only",
    "warning_issue_is_immutable",
    "movement_is_append_only",
    "plan_evacuation_row_is_frozen",
    "plan_reliance_is_frozen",
    "plan_response_level_is_frozen",
    "plan_section_is_frozen",
    "plan_response_action_is_frozen",
]


def upgrade() -> None:
    op.create_table(
        "audience_stamp",
        sa.Column("township", sa.String(length=9), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("township", name=op.f("pk_audience_stamp")),
    )
    op.create_table(
        "broadcast",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("serial", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "actual",
                "exercise",
                "test",
                "notice",
                name="kind",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column(
            "state",
            sa.Enum("open", "cancelled", name="state", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("text_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.Column("channels", JSONText(), nullable=False),
        sa.Column("environment", sa.String(length=40), nullable=False),
        sa.Column("subject_kind", sa.String(length=40), nullable=False),
        sa.Column("subject_id", sa.BigInteger(), nullable=False),
        sa.Column("valid_until", UTCDateTime(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("cancelled_at", UTCDateTime(), nullable=True),
        sa.Column("messages", sa.BigInteger(), nullable=False),
        sa.Column("people", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "messages >= 0 AND people >= messages", name=op.f("ck_broadcast_people_stand_behind_messages")
        ),
        sa.CheckConstraint("priority BETWEEN 0 AND 9", name=op.f("ck_broadcast_priority_is_0_to_9")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_broadcast")),
        sa.UniqueConstraint("serial", name="uq_broadcast_serial"),
    )
    op.create_index("ix_broadcast_digest", "broadcast", ["text_digest"], unique=False)
    op.create_index("ix_broadcast_subject", "broadcast", ["subject_kind", "subject_id"], unique=False)
    op.create_table(
        "calendar_year",
        sa.Column("year", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("announced", sa.Boolean(), nullable=False),
        sa.Column("source", sa.Text(), nullable=True),
        sa.CheckConstraint("year BETWEEN 2000 AND 2200", name=op.f("ck_calendar_year_year_is_plausible")),
        sa.PrimaryKeyConstraint("year", name=op.f("pk_calendar_year")),
    )
    op.create_table(
        "channel_state",
        sa.Column("holder", sa.String(length=80), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("configured_rate", sa.Double(), nullable=False),
        sa.Column("rate", sa.Double(), nullable=False),
        sa.Column("paused_until", UTCDateTime(), nullable=True),
        sa.Column("last_error", sa.String(length=80), nullable=True),
        sa.Column("last_error_at", UTCDateTime(), nullable=True),
        sa.Column("updated_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("holder", "name", name=op.f("pk_channel_state")),
    )
    op.create_table(
        "clock_step",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("holder", sa.String(length=120), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_clock_step")),
    )
    op.create_table(
        "contact",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("name_index", sa.LargeBinary(length=16), nullable=True),
        sa.Column("phone_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("phone_index", sa.LargeBinary(length=16), nullable=True),
        sa.Column(
            "phone_state",
            sa.Enum(
                "unverified",
                "verified",
                "invalid",
                "none",
                "opted_out",
                name="phone_state",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("verified_at", UTCDateTime(), nullable=True),
        sa.Column("verified_by", sa.String(length=60), nullable=True),
        sa.CheckConstraint(
            "(phone_index IS NOT NULL) = (phone_state IN ('unverified', 'verified', 'opted_out'))",
            name=op.f("ck_contact_only_a_usable_number_is_indexed"),
        ),
        sa.CheckConstraint(
            "(phone_sealed IS NULL) = (phone_state = 'none')",
            name=op.f("ck_contact_a_number_is_kept_as_it_was_written"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contact")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_contact_name_index"), "contact", ["name_index"], unique=False)
    op.create_index(op.f("ix_contact_phone_index"), "contact", ["phone_index"], unique=False)
    op.create_index(
        "ix_contact_without_number",
        "contact",
        ["phone_state"],
        unique=False,
        sqlite_where=sa.text("phone_index IS NULL"),
        postgresql_where=sa.text("phone_index IS NULL"),
    )
    op.create_table(
        "defect",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("room", sa.String(length=40), nullable=False),
        sa.Column("rule", sa.String(length=60), nullable=False),
        sa.Column("subject_kind", sa.String(length=40), nullable=False),
        sa.Column("subject_id", sa.BigInteger(), nullable=False),
        sa.Column("division_code", sa.String(length=12), nullable=False),
        sa.Column(
            "severity",
            sa.Enum(
                "red", "orange", "yellow", "blue", name="severity", native_enum=False, create_constraint=True, length=32
            ),
            nullable=False,
        ),
        sa.Column("severity_rank", sa.SmallInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("params", JSONText(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("owner_post_id", sa.BigInteger(), nullable=True),
        sa.Column("since", UTCDateTime(), nullable=False),
        sa.Column("due_at", UTCDateTime(), nullable=True),
        sa.Column("closed_at", UTCDateTime(), nullable=True),
        sa.Column("muted_until", UTCDateTime(), nullable=True),
        sa.Column("muted_reason", sa.Text(), nullable=True),
        sa.Column("muted_by", sa.String(length=60), nullable=True),
        sa.CheckConstraint("closed_at IS NULL OR closed_at >= since", name=op.f("ck_defect_closed_after_it_began")),
        sa.CheckConstraint(
            "muted_until IS NULL OR muted_reason IS NOT NULL", name=op.f("ck_defect_muted_with_a_reason")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_defect")),
    )
    op.create_index(
        op.f("ix_defect_closed_at_severity_rank_id"), "defect", ["closed_at", "severity_rank", "id"], unique=False
    )
    op.create_index(op.f("ix_defect_subject_kind_subject_id"), "defect", ["subject_kind", "subject_id"], unique=False)
    op.create_index(
        "uq_defect_one_while_it_lasts",
        "defect",
        ["room", "rule", "subject_kind", "subject_id"],
        unique=True,
        sqlite_where=sa.text("closed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_table(
        "delivery",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("broadcast_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "actual",
                "exercise",
                "test",
                "notice",
                name="kind",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("division", sa.String(length=12), nullable=False),
        sa.Column("address_key", sa.BigInteger(), nullable=False),
        sa.Column("number_key", sa.LargeBinary(length=16), nullable=False),
        sa.Column("people", sa.Integer(), nullable=False),
        sa.Column("params", JSONText(), nullable=True),
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "queued",
                "claimed",
                "submitted",
                "delivered",
                "failed",
                "unknown",
                "expired",
                "cancelled",
                name="state",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("attempt", sa.SmallInteger(), nullable=False),
        sa.Column("changed_at", UTCDateTime(), nullable=False),
        sa.Column("provider_ref", sa.String(length=64), nullable=True),
        sa.Column("reason", sa.String(length=80), nullable=True),
        sa.CheckConstraint("people >= 1", name=op.f("ck_delivery_somebody_stands_behind_a_number")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery")),
    )
    op.create_index(
        "ix_delivery_unknown",
        "delivery",
        ["changed_at"],
        unique=False,
        sqlite_where=sa.text("state = 'unknown'"),
        postgresql_where=sa.text("state = 'unknown'"),
    )
    op.create_table(
        "division",
        sa.Column("code", sa.String(length=12), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("level", sa.SmallInteger(), nullable=False),
        sa.Column("parent_code", sa.String(length=12), nullable=True),
        sa.Column("prefix", sa.String(length=12), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("lat", sa.Double(), nullable=True),
        sa.Column("lon", sa.Double(), nullable=True),
        sa.Column(
            "point_source",
            sa.Enum(
                "imported",
                "entered",
                "synthetic",
                name="pointsource",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=True,
        ),
        sa.Column("boundary", JSONText(), nullable=True),
        sa.Column(
            "source_datum",
            sa.Enum("wgs84", "gcj02", name="datum", native_enum=False, create_constraint=True, length=32),
            nullable=True,
        ),
        sa.Column("population", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("(lat IS NULL) = (lon IS NULL)", name=op.f("ck_division_point_is_whole")),
        sa.CheckConstraint("(lat IS NULL) = (point_source IS NULL)", name=op.f("ck_division_point_names_its_source")),
        sa.CheckConstraint(
            "lat BETWEEN -90 AND 90 AND lon BETWEEN -180 AND 180", name=op.f("ck_division_point_is_on_earth")
        ),
        sa.CheckConstraint("length(code) = 12", name=op.f("ck_division_code_has_12_digits")),
        sa.CheckConstraint("level BETWEEN 1 AND 5", name=op.f("ck_division_level_is_1_to_5")),
        sa.CheckConstraint("parent_code <> code", name=op.f("ck_division_not_its_own_parent")),
        sa.CheckConstraint("population >= 0", name=op.f("ck_division_population_is_not_negative")),
        sa.ForeignKeyConstraint(["parent_code"], ["division.code"], name=op.f("fk_division_parent_code_division")),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_division")),
    )
    op.create_index(op.f("ix_division_level_code"), "division", ["level", "code"], unique=False)
    op.create_index(op.f("ix_division_parent_code_code"), "division", ["parent_code", "code"], unique=False)
    op.create_table(
        "drill_rule",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("key", sa.String(length=60), nullable=False),
        sa.Column("title", sa.String(length=100), nullable=False),
        sa.Column("words", JSONText(), nullable=False),
        sa.Column("kind_word", sa.String(length=60), nullable=False),
        sa.Column("months", sa.BigInteger(), nullable=True),
        sa.Column(
            "basis",
            sa.Enum(
                "rolling",
                "calendar_month",
                "calendar_quarter",
                "calendar_half",
                "academic_year",
                "event",
                name="basis",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("skip_school_holidays", sa.Boolean(), nullable=False),
        sa.Column("report_to", sa.String(length=60), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column(
            "binding",
            sa.Enum(
                "national",
                "standard",
                "guidance",
                "local_other",
                "suggestion",
                name="binding",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column(
            "evidence",
            sa.Enum("seen", "seen2", "mem", name="evidence", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("confidence", sa.String(length=10), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("adopted", sa.Boolean(), nullable=False),
        sa.Column("adopted_by", sa.String(length=60), nullable=True),
        sa.Column("adopted_at", UTCDateTime(), nullable=True),
        sa.CheckConstraint(
            "NOT adopted OR adopted_by IS NOT NULL OR (binding NOT IN ('local_other', 'suggestion') AND evidence <> 'mem')",
            name=op.f("ck_drill_rule_weak_rules_need_a_decision"),
        ),
        sa.CheckConstraint("months IS NULL OR months > 0", name=op.f("ck_drill_rule_interval_positive")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drill_rule")),
        sa.UniqueConstraint("key", name=op.f("uq_drill_rule_key")),
    )
    op.create_table(
        "engine_beat",
        sa.Column("holder", sa.String(length=80), nullable=False),
        sa.Column("host", sa.String(length=120), nullable=False),
        sa.Column("pid", sa.BigInteger(), nullable=False),
        sa.Column("started_at", UTCDateTime(), nullable=False),
        sa.Column("beat_at", UTCDateTime(), nullable=False),
        sa.Column("handed_over", sa.BigInteger(), nullable=False),
        sa.Column("last_handed_over_at", UTCDateTime(), nullable=True),
        sa.Column("in_flight", sa.BigInteger(), nullable=False),
        sa.Column("per_second", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("holder", name=op.f("pk_engine_beat")),
    )
    op.create_table(
        "engine_switch",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("drain_until", UTCDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_engine_switch")),
    )
    op.create_table(
        "event_type",
        sa.Column("code", sa.String(length=5), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column(
            "category",
            sa.Enum(
                "natural",
                "accident",
                "health",
                "security",
                "other",
                name="category",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("levels", JSONText(), nullable=False),
        sa.Column("aliases", JSONText(), nullable=False),
        sa.Column("confidence", sa.String(length=12), nullable=False),
        sa.Column("common", sa.Boolean(), nullable=False),
        sa.CheckConstraint(
            "confidence IN ('seen', 'secondary', 'inferred', 'unverified')",
            name=op.f("ck_event_type_confidence_is_known"),
        ),
        sa.CheckConstraint("length(code) = 5", name=op.f("ck_event_type_code_has_five_characters")),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_event_type")),
    )
    op.create_table(
        "failed_attempts",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("bucket", sa.LargeBinary(length=32), nullable=False),
        sa.Column("failures", sa.BigInteger(), nullable=False),
        sa.Column("first_at", UTCDateTime(), nullable=False),
        sa.Column("last_at", UTCDateTime(), nullable=False),
        sa.Column("blocked_until", UTCDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_failed_attempts")),
        sa.UniqueConstraint("bucket", name="uq_failed_attempts_bucket"),
    )
    op.create_index(op.f("ix_failed_attempts_last_at"), "failed_attempts", ["last_at"], unique=False)
    op.create_table(
        "idempotency_key",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("key_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("request_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("answer_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_idempotency_key")),
        sa.UniqueConstraint("key_digest", name="uq_idempotency_key_one_answer_a_key"),
    )
    op.create_index(op.f("ix_idempotency_key_at"), "idempotency_key", ["at"], unique=False)
    op.create_table(
        "import_run",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("noun", sa.String(length=20), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "waiting",
                "reading",
                "applying",
                "done",
                "failed",
                name="run_state",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("actor", sa.String(length=60), nullable=False),
        sa.Column("division_prefix", sa.String(length=12), nullable=False),
        sa.Column("purpose", sa.String(length=20), nullable=False),
        sa.Column("datum", sa.String(length=8), nullable=False),
        sa.Column("dry_run", sa.Boolean(), nullable=False),
        sa.Column("uploaded", sa.Boolean(), nullable=False),
        sa.Column("file_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("finished_at", UTCDateTime(), nullable=True),
        sa.Column("claimed_until", UTCDateTime(), nullable=True),
        sa.Column("claimed_by", sa.String(length=80), nullable=True),
        sa.Column("fraction", sa.Double(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("to_apply", sa.BigInteger(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.Column("unchanged", sa.BigInteger(), nullable=False),
        sa.Column("error_count", sa.BigInteger(), nullable=False),
        sa.Column("ignored_columns", JSONText(), nullable=False),
        sa.Column("failure", JSONText(), nullable=True),
        sa.CheckConstraint("fraction BETWEEN 0 AND 1", name=op.f("ck_import_run_fraction_is_a_share")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_run")),
    )
    op.create_index(op.f("ix_import_run_actor_id"), "import_run", ["actor", "id"], unique=False)
    op.create_index(op.f("ix_import_run_state_id"), "import_run", ["state", "id"], unique=False)
    op.create_table(
        "job_run",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("holder", sa.String(length=120), nullable=False),
        sa.Column("started_at", UTCDateTime(), nullable=False),
        sa.Column("finished_at", UTCDateTime(), nullable=False),
        sa.Column(
            "result",
            sa.Enum("done", "failed", name="result", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("handled", sa.BigInteger(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job_run")),
    )
    op.create_index("ix_job_run_name_started", "job_run", ["name", "started_at"], unique=False)
    op.create_index(op.f("ix_job_run_started_at"), "job_run", ["started_at"], unique=False)
    op.create_table(
        "job_state",
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("next_at", UTCDateTime(), nullable=False),
        sa.Column("last_run_at", UTCDateTime(), nullable=True),
        sa.Column("last_done_at", UTCDateTime(), nullable=True),
        sa.Column("runs", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.BigInteger(), nullable=False),
        sa.Column("failing_since", UTCDateTime(), nullable=True),
        sa.CheckConstraint("failures >= 0", name=op.f("ck_job_state_failures_are_counted")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_job_state")),
    )
    op.create_table(
        "journal_entry",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("actor", sa.String(length=60), nullable=False),
        sa.Column("subject_kind", sa.String(length=40), nullable=True),
        sa.Column("subject_id", sa.BigInteger(), nullable=True),
        sa.Column("purpose", sa.String(length=20), nullable=True),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("mac", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_journal_entry")),
    )
    op.create_index(op.f("ix_journal_entry_actor_seq"), "journal_entry", ["actor", "seq"], unique=False)
    op.create_index(op.f("ix_journal_entry_kind_seq"), "journal_entry", ["kind", "seq"], unique=False)
    op.create_index(
        op.f("ix_journal_entry_subject_kind_subject_id_seq"),
        "journal_entry",
        ["subject_kind", "subject_id", "seq"],
        unique=False,
    )
    op.create_table(
        "journal_head",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("mac", sa.LargeBinary(length=32), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_journal_head_only_one")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_journal_head")),
    )
    op.create_table(
        "journal_verification",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "asked", "whole", "broken", "failed", name="state", native_enum=False, create_constraint=True, length=32
            ),
            nullable=False,
        ),
        sa.Column("asked_at", UTCDateTime(), nullable=False),
        sa.Column("asked_by", sa.String(length=60), nullable=False),
        sa.Column("finished_at", UTCDateTime(), nullable=True),
        sa.Column("entries", sa.BigInteger(), nullable=True),
        sa.Column("fault", sa.String(length=40), nullable=True),
        sa.Column("at_seq", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "(state = 'asked') = (finished_at IS NULL)", name=op.f("ck_journal_verification_finished_has_a_verdict")
        ),
        sa.CheckConstraint(
            "state <> 'broken' OR fault IS NOT NULL", name=op.f("ck_journal_verification_broken_names_its_fault")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_journal_verification")),
    )
    op.create_index(op.f("ix_journal_verification_state_id"), "journal_verification", ["state", "id"], unique=False)
    op.create_table(
        "lease",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("holder", sa.String(length=120), nullable=False),
        sa.Column("until", UTCDateTime(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_lease")),
    )
    op.create_table(
        "plan_filing_destination",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "gov.general",
                "gov.special",
                "gov.dept",
                "gov.town",
                "org.village",
                "org.unit",
                "joint",
                "event",
                "support.workbook",
                "support.action",
                name="destinationplankind",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column(
            "way",
            sa.Enum(
                "file", "deliver", "copy", name="destination", native_enum=False, create_constraint=True, length=32
            ),
            nullable=False,
        ),
        sa.Column("body", sa.String(length=100), nullable=False),
        sa.Column("body_en", sa.String(length=100), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("evidence", sa.String(length=8), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan_filing_destination")),
        sa.UniqueConstraint("kind", "way", name="one_body_a_way"),
    )
    op.create_table(
        "plan_rule",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("key", sa.String(length=40), nullable=False),
        sa.Column(
            "subject",
            sa.Enum(
                "evaluation",
                "filing",
                "receipt",
                name="rulesubject",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("kinds", JSONText(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column(
            "unit",
            sa.Enum("month", "working_day", name="timeunit", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("binding", sa.String(length=20), nullable=False),
        sa.Column("evidence", sa.String(length=8), nullable=False),
        sa.Column("adopted", sa.Boolean(), nullable=False),
        sa.Column("adopted_by", sa.String(length=60), nullable=True),
        sa.CheckConstraint(
            "NOT (adopted AND evidence = 'mem' AND adopted_by IS NULL)",
            name=op.f("ck_plan_rule_memory_needs_a_decision"),
        ),
        sa.CheckConstraint("amount > 0", name=op.f("ck_plan_rule_amount_positive")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan_rule")),
        sa.UniqueConstraint("key", name=op.f("uq_plan_rule_key")),
    )
    op.create_table(
        "question_reply",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("contact_id", sa.BigInteger(), nullable=False),
        sa.Column("division_code", sa.String(length=12), nullable=False),
        sa.Column("text_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("question_ids", JSONText(), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("raw_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "state",
            sa.Enum("waiting", "used", "dismissed", name="state", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("why", sa.String(length=20), nullable=False),
        sa.Column("settled_by", sa.String(length=60), nullable=True),
        sa.Column("settled_at", UTCDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_question_reply")),
        sa.UniqueConstraint("raw_id", name="uq_question_reply_raw"),
    )
    op.create_index(op.f("ix_question_reply_state_at"), "question_reply", ["state", "at"], unique=False)
    op.create_table(
        "raw_receipt",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            sa.Identity(always=False),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column(
            "kind",
            sa.Enum("status", "inbound", "error", name="kind", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("delivery_id", sa.BigInteger(), nullable=True),
        sa.Column("received_at", UTCDateTime(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("once", sa.LargeBinary(length=16), nullable=True),
        sa.Column("folded_at", UTCDateTime(), nullable=True),
        sa.Column("outcome", sa.String(length=40), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_raw_receipt")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_raw_receipt_delivery", "raw_receipt", ["delivery_id"], unique=False)
    op.create_index(
        "ix_raw_receipt_unfolded",
        "raw_receipt",
        ["id"],
        unique=False,
        sqlite_where=sa.text("folded_at IS NULL"),
        postgresql_where=sa.text("folded_at IS NULL"),
    )
    op.create_index(
        "uq_raw_receipt_once",
        "raw_receipt",
        ["once"],
        unique=True,
        sqlite_where=sa.text("once IS NOT NULL"),
        postgresql_where=sa.text("once IS NOT NULL"),
    )
    op.create_table(
        "readiness_score",
        sa.Column("division_code", sa.String(length=12), nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("score", sa.SmallInteger(), nullable=False),
        sa.Column("open_defects", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("score BETWEEN 0 AND 100", name=op.f("ck_readiness_score_score_is_0_to_100")),
        sa.PrimaryKeyConstraint("division_code", "day", name=op.f("pk_readiness_score")),
    )
    op.create_table(
        "state_change",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("subject_id", sa.BigInteger(), nullable=False),
        sa.Column("field", sa.String(length=40), nullable=False),
        sa.Column("from_state", sa.String(length=32), nullable=False),
        sa.Column("to_state", sa.String(length=32), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("actor", sa.String(length=60), nullable=False),
        sa.Column("reason_sealed", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_state_change")),
    )
    op.create_index(
        op.f("ix_state_change_kind_subject_id_id"), "state_change", ["kind", "subject_id", "id"], unique=False
    )
    op.create_table(
        "supply_item",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("code", sa.String(length=7), nullable=True),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("unit", sa.String(length=20), nullable=False),
        sa.Column("specification", sa.String(length=200), nullable=False),
        sa.Column("shelf_life_months", sa.BigInteger(), nullable=True),
        sa.Column("rotate_before_days", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("code IS NULL OR length(code) = 7", name=op.f("ck_supply_item_code_has_seven_digits")),
        sa.CheckConstraint("rotate_before_days >= 0", name=op.f("ck_supply_item_rotation_not_negative")),
        sa.CheckConstraint(
            "shelf_life_months IS NULL OR shelf_life_months > 0", name=op.f("ck_supply_item_shelf_life_positive")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_supply_item")),
        sa.UniqueConstraint("name", name=op.f("uq_supply_item_name")),
    )
    op.create_index(op.f("ix_supply_item_code"), "supply_item", ["code"], unique=False)
    op.create_table(
        "touched",
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("subject_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "subject_id", name=op.f("pk_touched")),
    )
    op.create_table(
        "account",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("username", sa.String(length=32), nullable=False),
        sa.Column("contact_id", sa.BigInteger(), nullable=True),
        sa.Column("roles", JSONText(), nullable=False),
        sa.Column("division_code", sa.String(length=12), nullable=False),
        sa.Column("locale", sa.String(length=5), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "invited", "active", "closed", name="accountstate", native_enum=False, create_constraint=True, length=32
            ),
            nullable=False,
        ),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("password_set_at", UTCDateTime(), nullable=True),
        sa.Column("totp_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("totp_confirmed_at", UTCDateTime(), nullable=True),
        sa.Column("totp_last_step", sa.BigInteger(), nullable=True),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("last_signed_in_at", UTCDateTime(), nullable=True),
        sa.Column("closed_at", UTCDateTime(), nullable=True),
        sa.CheckConstraint("state <> 'closed' OR closed_at IS NOT NULL", name=op.f("ck_account_closed_says_when")),
        sa.CheckConstraint(
            "state <> 'closed' OR password_hash IS NULL", name=op.f("ck_account_closed_has_no_password")
        ),
        sa.CheckConstraint(
            "totp_confirmed_at IS NULL OR totp_sealed IS NOT NULL", name=op.f("ck_account_factor_has_its_secret")
        ),
        sa.CheckConstraint("username = lower(username)", name=op.f("ck_account_username_in_lower_case")),
        sa.ForeignKeyConstraint(["contact_id"], ["contact.id"], name=op.f("fk_account_contact_id_contact")),
        sa.ForeignKeyConstraint(["division_code"], ["division.code"], name=op.f("fk_account_division_code_division")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account")),
        sa.UniqueConstraint("username", name="uq_account_one_account_a_username"),
    )
    op.create_index(op.f("ix_account_contact_id"), "account", ["contact_id"], unique=False)
    op.create_index(op.f("ix_account_division_code_state"), "account", ["division_code", "state"], unique=False)
    op.create_table(
        "delivery_block",
        sa.Column("first_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("last_id", sa.BigInteger(), nullable=False),
        sa.Column("broadcast_id", sa.BigInteger(), nullable=False),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "ready", "held", "closing", "done", name="state", native_enum=False, create_constraint=True, length=32
            ),
            nullable=False,
        ),
        sa.Column("due_at", UTCDateTime(), nullable=False),
        sa.Column("holder", sa.String(length=80), nullable=True),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("lease_until", UTCDateTime(), nullable=True),
        sa.CheckConstraint(
            "state <> 'held' OR lease_until IS NOT NULL", name=op.f("ck_delivery_block_held_under_a_lease")
        ),
        sa.CheckConstraint("last_id >= first_id", name=op.f("ck_delivery_block_range_is_not_empty")),
        sa.ForeignKeyConstraint(
            ["broadcast_id"], ["broadcast.id"], name=op.f("fk_delivery_block_broadcast_id_broadcast")
        ),
        sa.PrimaryKeyConstraint("first_id", name=op.f("pk_delivery_block")),
    )
    op.create_index("ix_delivery_block_broadcast", "delivery_block", ["broadcast_id", "state"], unique=False)
    op.create_index(
        "ix_delivery_block_lease",
        "delivery_block",
        ["lease_until"],
        unique=False,
        sqlite_where=sa.text("state IN ('held', 'closing')"),
        postgresql_where=sa.text("state IN ('held', 'closing')"),
    )
    op.create_index(
        "ix_delivery_block_queue",
        "delivery_block",
        ["priority", "first_id"],
        unique=False,
        sqlite_where=sa.text("state = 'ready'"),
        postgresql_where=sa.text("state = 'ready'"),
    )
    op.create_table(
        "delivery_tally",
        sa.Column("broadcast_id", sa.BigInteger(), nullable=False),
        sa.Column("division", sa.String(length=12), nullable=False),
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "queued",
                "claimed",
                "submitted",
                "delivered",
                "failed",
                "unknown",
                "expired",
                "cancelled",
                name="state",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("messages", sa.BigInteger(), nullable=False),
        sa.Column("people", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["broadcast_id"], ["broadcast.id"], name=op.f("fk_delivery_tally_broadcast_id_broadcast")
        ),
        sa.PrimaryKeyConstraint("broadcast_id", "division", "channel", "state", name=op.f("pk_delivery_tally")),
    )
    op.create_table(
        "drill_rule_kind",
        sa.Column("rule_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
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
                name="drillkind",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(["rule_id"], ["drill_rule.id"], name=op.f("fk_drill_rule_kind_rule_id_drill_rule")),
        sa.PrimaryKeyConstraint("rule_id", "kind", name=op.f("pk_drill_rule_kind")),
    )
    op.create_table(
        "drill_rule_sector",
        sa.Column("rule_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("group_number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("sector", sa.String(length=48), nullable=False),
        sa.ForeignKeyConstraint(["rule_id"], ["drill_rule.id"], name=op.f("fk_drill_rule_sector_rule_id_drill_rule")),
        sa.PrimaryKeyConstraint("rule_id", "group_number", "sector", name=op.f("pk_drill_rule_sector")),
    )
    op.create_table(
        "holiday_day",
        sa.Column("date", sa.Date(), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum("off", "work", name="kind", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("name", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["year"], ["calendar_year.year"], name=op.f("fk_holiday_day_year_calendar_year")),
        sa.PrimaryKeyConstraint("date", name=op.f("pk_holiday_day")),
    )
    op.create_index(op.f("ix_holiday_day_year"), "holiday_day", ["year"], unique=False)
    op.create_table(
        "household",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("division_code", sa.String(length=12), nullable=False),
        sa.Column("key_index", sa.LargeBinary(length=16), nullable=False),
        sa.Column("key_sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["division_code"], ["division.code"], name=op.f("fk_household_division_code_division")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_household")),
        sa.UniqueConstraint("division_code", "key_index", name="uq_household_one_key_a_village"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "import_error",
        sa.Column("run_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("row", sa.BigInteger(), nullable=False),
        sa.Column("column", sa.String(length=40), nullable=False),
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("params", JSONText(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["import_run.id"], name=op.f("fk_import_error_run_id_import_run")),
        sa.PrimaryKeyConstraint("run_id", "position", name=op.f("pk_import_error")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "import_piece",
        sa.Column("run_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["import_run.id"], name=op.f("fk_import_piece_run_id_import_run")),
        sa.PrimaryKeyConstraint("run_id", "number", name=op.f("pk_import_piece")),
    )
    op.create_table(
        "lot",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("item_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.String(length=40), nullable=False),
        sa.Column(
            "ownership",
            sa.Enum(
                "government",
                "agreement",
                "capacity",
                "unit",
                "family",
                "donation",
                name="ownership",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("maker", sa.String(length=100), nullable=False),
        sa.Column("made_on", sa.Date(), nullable=True),
        sa.Column("expires_on", sa.Date(), nullable=True),
        sa.Column("rotate_by", sa.Date(), nullable=True),
        sa.Column(
            "state",
            sa.Enum(
                "usable",
                "quarantined",
                "withdrawn",
                name="lotstate",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.CheckConstraint(
            "expires_on IS NULL OR made_on IS NULL OR expires_on >= made_on", name=op.f("ck_lot_made_before_expiry")
        ),
        sa.ForeignKeyConstraint(["item_id"], ["supply_item.id"], name=op.f("fk_lot_item_id_supply_item")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lot")),
        sa.UniqueConstraint("item_id", "ownership", "number", name="one_row_a_lot"),
    )
    op.create_index(op.f("ix_lot_expires_on"), "lot", ["expires_on"], unique=False)
    op.create_table(
        "safety_level",
        sa.Column("item_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("division_code", sa.String(length=12), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("set_on", sa.Date(), nullable=False),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_safety_level_quantity_positive")),
        sa.ForeignKeyConstraint(
            ["division_code"], ["division.code"], name=op.f("fk_safety_level_division_code_division")
        ),
        sa.ForeignKeyConstraint(["item_id"], ["supply_item.id"], name=op.f("fk_safety_level_item_id_supply_item")),
        sa.PrimaryKeyConstraint("item_id", "division_code", name=op.f("pk_safety_level")),
    )
    op.create_table(
        "staged_resident",
        sa.Column("run_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["import_run.id"], name=op.f("fk_staged_resident_run_id_import_run")),
        sa.PrimaryKeyConstraint("run_id", "number", name=op.f("pk_staged_resident")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "supply_request",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("division_code", sa.String(length=12), nullable=False),
        sa.Column("item_id", sa.BigInteger(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("needed_at", UTCDateTime(), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("subject_kind", sa.String(length=40), nullable=True),
        sa.Column("subject_id", sa.BigInteger(), nullable=True),
        sa.Column(
            "state",
            sa.Enum(
                "open",
                "allocated",
                "dispatched",
                "received",
                "returned",
                "refused",
                "cancelled",
                name="requeststate",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("requested_by", sa.String(length=60), nullable=False),
        sa.Column("requested_at", UTCDateTime(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_supply_request_quantity_positive")),
        sa.ForeignKeyConstraint(
            ["division_code"], ["division.code"], name=op.f("fk_supply_request_division_code_division")
        ),
        sa.ForeignKeyConstraint(["item_id"], ["supply_item.id"], name=op.f("fk_supply_request_item_id_supply_item")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_supply_request")),
    )
    op.create_index(op.f("ix_supply_request_state_needed_at"), "supply_request", ["state", "needed_at"], unique=False)
    op.create_table(
        "unit",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("division_code", sa.String(length=12), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "school",
                "kindergarten",
                "hospital",
                "care_home",
                "hazchem",
                "mine",
                "enterprise",
                "mall",
                "construction",
                "reservoir",
                "utility",
                "residential",
                "office",
                "other",
                name="unitkind",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("sectors", JSONText(), nullable=False),
        sa.Column(
            "risk_grade",
            sa.Enum(
                "red",
                "orange",
                "yellow",
                "blue",
                name="riskgrade",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=True,
        ),
        sa.Column("crowded", sa.Boolean(), nullable=False),
        sa.Column("key_fire", sa.Boolean(), nullable=False),
        sa.Column("low_lying", sa.Boolean(), nullable=False),
        sa.Column("people", sa.BigInteger(), nullable=True),
        sa.Column("lat", sa.Double(), nullable=True),
        sa.Column("lon", sa.Double(), nullable=True),
        sa.Column(
            "point_source",
            sa.Enum(
                "imported",
                "entered",
                "synthetic",
                name="pointsource",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=True,
        ),
        sa.Column("contact_id", sa.BigInteger(), nullable=True),
        sa.Column("address_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("closed_at", UTCDateTime(), nullable=True),
        sa.CheckConstraint("(lat IS NULL) = (lon IS NULL)", name=op.f("ck_unit_point_is_whole")),
        sa.CheckConstraint("(lat IS NULL) = (point_source IS NULL)", name=op.f("ck_unit_point_names_its_source")),
        sa.CheckConstraint(
            "lat BETWEEN -90 AND 90 AND lon BETWEEN -180 AND 180", name=op.f("ck_unit_point_is_on_earth")
        ),
        sa.CheckConstraint("people >= 0", name=op.f("ck_unit_people_is_not_negative")),
        sa.ForeignKeyConstraint(["division_code"], ["division.code"], name=op.f("fk_unit_division_code_division")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_unit")),
        sa.UniqueConstraint("code", name=op.f("uq_unit_code")),
    )
    op.create_index(op.f("ix_unit_division_code_id"), "unit", ["division_code", "id"], unique=False)
    op.create_index(op.f("ix_unit_kind_division_code"), "unit", ["kind", "division_code"], unique=False)
    op.create_table(
        "warning",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "draft",
                "submitted",
                "returned",
                "rejected",
                "withdrawn",
                "issued",
                "superseded",
                "cancelled",
                "ended",
                name="state",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column(
            "status",
            sa.Enum("Actual", "Exercise", "Test", name="status", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column(
            "msg_type",
            sa.Enum("Alert", "Update", "Cancel", name="msg_type", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("previous_id", sa.BigInteger(), nullable=True),
        sa.Column("references", JSONText(), nullable=False),
        sa.Column("event_code", sa.String(length=5), nullable=False),
        sa.Column("event_name", sa.String(length=60), nullable=False),
        sa.Column(
            "category",
            sa.Enum(
                "natural",
                "accident",
                "health",
                "security",
                "other",
                name="category",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column(
            "level",
            sa.Enum(
                "red", "orange", "yellow", "blue", name="level", native_enum=False, create_constraint=True, length=32
            ),
            nullable=False,
        ),
        sa.Column("headline", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("instruction", sa.Text(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column(
            "source",
            sa.Enum("own", "relayed", name="source", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("relayed_from", sa.Text(), nullable=True),
        sa.Column("effective", UTCDateTime(), nullable=False),
        sa.Column("expires", UTCDateTime(), nullable=False),
        sa.Column("area", JSONText(), nullable=False),
        sa.Column("area_words", sa.Text(), nullable=False),
        sa.Column("division_code", sa.String(length=12), nullable=False),
        sa.Column("channels", JSONText(), nullable=False),
        sa.Column(
            "audience",
            sa.Enum("residents", "posts", "all", name="audience", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("template", sa.String(length=40), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("cancel_text", sa.Text(), nullable=False),
        sa.Column("estimate", JSONText(), nullable=True),
        sa.Column("created_by", sa.String(length=60), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("edited_by", sa.String(length=60), nullable=False),
        sa.Column("edited_at", UTCDateTime(), nullable=False),
        sa.Column("submitted_by", sa.String(length=60), nullable=True),
        sa.Column("submitted_at", UTCDateTime(), nullable=True),
        sa.Column("approved_by", sa.String(length=60), nullable=True),
        sa.Column("approved_version", sa.BigInteger(), nullable=True),
        sa.Column("decided_by", sa.String(length=60), nullable=True),
        sa.Column("decided_at", UTCDateTime(), nullable=True),
        sa.Column("decision_reason", sa.Text(), nullable=True),
        sa.Column("break_glass_reason", sa.Text(), nullable=True),
        sa.Column("issued_at", UTCDateTime(), nullable=True),
        sa.Column("ended_at", UTCDateTime(), nullable=True),
        sa.Column("reminded", sa.BigInteger(), nullable=False),
        sa.Column("doors_through", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "NOT (state NOT IN ('draft', 'returned', 'withdrawn')) OR (length(headline) > 0 AND length(description) > 0 AND length(instruction) > 0 AND length(issuer) > 0 AND length(category) > 0 AND length(area_words) > 0)",
            name=op.f("ck_warning_eight_statements_complete"),
        ),
        sa.CheckConstraint(
            "break_glass_reason IS NOT NULL OR approved_by IS NULL OR msg_type = 'Cancel' OR (approved_by <> created_by AND approved_by <> submitted_by)",
            name=op.f("ck_warning_author_never_approves"),
        ),
        sa.CheckConstraint(
            "msg_type = 'Alert' OR previous_id IS NOT NULL", name=op.f("ck_warning_refers_to_what_it_changes")
        ),
        sa.CheckConstraint(
            "source <> 'relayed' OR length(relayed_from) > 0", name=op.f("ck_warning_relayed_names_its_issuer")
        ),
        sa.CheckConstraint(
            "state <> 'submitted' OR submitted_by IS NOT NULL", name=op.f("ck_warning_submitted_by_somebody")
        ),
        sa.CheckConstraint(
            "state NOT IN ('returned', 'rejected') OR length(decision_reason) > 0",
            name=op.f("ck_warning_refused_with_a_reason"),
        ),
        sa.CheckConstraint("expires > effective", name=op.f("ck_warning_expires_after_effective")),
        sa.CheckConstraint("version >= 1", name=op.f("ck_warning_version_starts_at_one")),
        sa.ForeignKeyConstraint(["event_code"], ["event_type.code"], name=op.f("fk_warning_event_code_event_type")),
        sa.ForeignKeyConstraint(["previous_id"], ["warning.id"], name=op.f("fk_warning_previous_id_warning")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_warning")),
    )
    op.create_index(op.f("ix_warning_division_code_id"), "warning", ["division_code", "id"], unique=False)
    op.create_index(op.f("ix_warning_previous_id"), "warning", ["previous_id"], unique=False)
    op.create_index(op.f("ix_warning_state_expires"), "warning", ["state", "expires"], unique=False)
    op.create_table(
        "api_token",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("token_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("made_at", UTCDateTime(), nullable=False),
        sa.Column("last_used_at", UTCDateTime(), nullable=True),
        sa.Column("revoked_at", UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_api_token_account_id_account"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_token")),
        sa.UniqueConstraint("token_digest", name="uq_api_token_token"),
    )
    op.create_index(op.f("ix_api_token_account_id_revoked_at"), "api_token", ["account_id", "revoked_at"], unique=False)
    op.create_table(
        "depot",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "government",
                "agreement",
                "capacity",
                "township",
                "unit",
                "family",
                name="depotkind",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("division_code", sa.String(length=12), nullable=False),
        sa.Column("unit_id", sa.BigInteger(), nullable=True),
        sa.Column("address", sa.String(length=200), nullable=False),
        sa.Column("lat", sa.Float(), nullable=True),
        sa.Column("lon", sa.Float(), nullable=True),
        sa.Column("keeper_post_id", sa.BigInteger(), nullable=True),
        sa.Column(
            "state",
            sa.Enum("open", "closed", name="depotstate", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.CheckConstraint("(lat IS NULL) = (lon IS NULL)", name=op.f("ck_depot_point_is_whole")),
        sa.ForeignKeyConstraint(["division_code"], ["division.code"], name=op.f("fk_depot_division_code_division")),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_depot_unit_id_unit")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_depot")),
        sa.UniqueConstraint("name", name=op.f("uq_depot_name")),
    )
    op.create_index(op.f("ix_depot_division_code_id"), "depot", ["division_code", "id"], unique=False)
    op.create_table(
        "duty_shift",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("division_code", sa.String(length=12), nullable=False),
        sa.Column("starts", UTCDateTime(), nullable=False),
        sa.Column("ends", UTCDateTime(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "role",
            sa.Enum(
                "leader", "officer", "deputy", name="shiftrole", native_enum=False, create_constraint=True, length=32
            ),
            nullable=False,
        ),
        sa.Column(
            "state",
            sa.Enum(
                "planned",
                "confirmed",
                "handed_over",
                "cancelled",
                name="shiftstate",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("confirmed_at", UTCDateTime(), nullable=True),
        sa.Column("handed_over_at", UTCDateTime(), nullable=True),
        sa.Column("handed_over_to", sa.BigInteger(), nullable=True),
        sa.Column("note_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "state <> 'handed_over' OR handed_over_at IS NOT NULL", name=op.f("ck_duty_shift_handover_has_its_time")
        ),
        sa.CheckConstraint("ends > starts", name=op.f("ck_duty_shift_ends_after_it_starts")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_duty_shift_account_id_account")),
        sa.ForeignKeyConstraint(
            ["division_code"], ["division.code"], name=op.f("fk_duty_shift_division_code_division")
        ),
        sa.ForeignKeyConstraint(
            ["handed_over_to"], ["duty_shift.id"], name=op.f("fk_duty_shift_handed_over_to_duty_shift")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_duty_shift")),
        sa.UniqueConstraint("account_id", "starts", name="uq_duty_shift_one_place_at_a_time"),
    )
    op.create_index(op.f("ix_duty_shift_division_code_starts"), "duty_shift", ["division_code", "starts"], unique=False)
    op.create_index(op.f("ix_duty_shift_ends"), "duty_shift", ["ends"], unique=False)
    op.create_table(
        "one_time_link",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("token_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column(
            "purpose",
            sa.Enum(
                "first",
                "reset",
                "entry",
                "demo",
                name="linkpurpose",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("made_at", UTCDateTime(), nullable=False),
        sa.Column("made_by", sa.String(length=60), nullable=False),
        sa.Column("expires_at", UTCDateTime(), nullable=False),
        sa.Column("used_at", UTCDateTime(), nullable=True),
        sa.Column("revoked_at", UTCDateTime(), nullable=True),
        sa.CheckConstraint("used_at IS NULL OR revoked_at IS NULL", name=op.f("ck_one_time_link_used_or_revoked")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_one_time_link_account_id_account"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_one_time_link")),
        sa.UniqueConstraint("token_digest", name="uq_one_time_link_token"),
    )
    op.create_index(
        op.f("ix_one_time_link_account_id_made_at"), "one_time_link", ["account_id", "made_at"], unique=False
    )
    op.create_table(
        "plan",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "gov.general",
                "gov.special",
                "gov.dept",
                "gov.town",
                "org.village",
                "org.unit",
                "joint",
                "event",
                "support.workbook",
                "support.action",
                name="plankind",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column(
            "level",
            sa.Enum(
                "city",
                "district",
                "township",
                "village",
                "unit",
                name="planlevel",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("division_code", sa.String(length=12), nullable=False),
        sa.Column("unit_id", sa.BigInteger(), nullable=True),
        sa.Column("issuer", sa.String(length=100), nullable=False),
        sa.Column("parent_id", sa.BigInteger(), nullable=True),
        sa.Column("owner_post_id", sa.BigInteger(), nullable=True),
        sa.Column(
            "state",
            sa.Enum(
                "drafting",
                "in_force",
                "under_revision",
                "superseded",
                "repealed",
                name="planstate",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("public", sa.Boolean(), nullable=False),
        sa.Column("evaluate_months", sa.BigInteger(), nullable=True),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("created_by", sa.String(length=60), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "evaluate_months IS NULL OR evaluate_months > 0", name=op.f("ck_plan_evaluation_interval_positive")
        ),
        sa.CheckConstraint("parent_id IS NULL OR parent_id <> id", name=op.f("ck_plan_not_its_own_parent")),
        sa.ForeignKeyConstraint(["division_code"], ["division.code"], name=op.f("fk_plan_division_code_division")),
        sa.ForeignKeyConstraint(["parent_id"], ["plan.id"], name=op.f("fk_plan_parent_id_plan")),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_plan_unit_id_unit")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan")),
    )
    op.create_index(op.f("ix_plan_division_code_id"), "plan", ["division_code", "id"], unique=False)
    op.create_index(op.f("ix_plan_parent_id"), "plan", ["parent_id"], unique=False)
    op.create_table(
        "post",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("division_code", sa.String(length=12), nullable=False),
        sa.Column(
            "duty",
            sa.Enum(
                "flood_chief",
                "liaison",
                "warning_receiver",
                "gong_keeper",
                "evacuation_leader",
                "team_leader",
                "keeper",
                "duty_room",
                "safety_officer",
                "fire_officer",
                name="duty",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("title", sa.String(length=60), nullable=False),
        sa.Column("unit_id", sa.BigInteger(), nullable=True),
        sa.Column("responsible", sa.Boolean(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "vacant", "held", "abolished", name="poststate", native_enum=False, create_constraint=True, length=32
            ),
            nullable=False,
        ),
        sa.Column("verified_at", UTCDateTime(), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["division_code"], ["division.code"], name=op.f("fk_post_division_code_division")),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_post_unit_id_unit")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_post")),
    )
    op.create_index(op.f("ix_post_division_code_id"), "post", ["division_code", "id"], unique=False)
    op.create_index(op.f("ix_post_state_division_code"), "post", ["state", "division_code"], unique=False)
    op.create_index(op.f("ix_post_verified_at"), "post", ["verified_at"], unique=False)
    op.create_index(
        "uq_post_one_duty_a_division",
        "post",
        ["division_code", "duty"],
        unique=True,
        sqlite_where=sa.text("unit_id IS NULL"),
        postgresql_where=sa.text("unit_id IS NULL"),
    )
    op.create_index(
        "uq_post_one_duty_a_unit",
        "post",
        ["unit_id", "duty"],
        unique=True,
        sqlite_where=sa.text("unit_id IS NOT NULL"),
        postgresql_where=sa.text("unit_id IS NOT NULL"),
    )
    op.create_table(
        "recovery_code",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("code_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("used_at", UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_recovery_code_account_id_account"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recovery_code")),
        sa.UniqueConstraint("account_id", "code_digest", name="uq_recovery_code_differs"),
    )
    op.create_table(
        "resident",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("division_code", sa.String(length=12), nullable=False),
        sa.Column("contact_id", sa.BigInteger(), nullable=False),
        sa.Column("household_id", sa.BigInteger(), nullable=True),
        sa.Column("external_index", sa.LargeBinary(length=16), nullable=False),
        sa.Column("external_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("address_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("lat", sa.Double(), nullable=True),
        sa.Column("lon", sa.Double(), nullable=True),
        sa.Column("priority_class", sa.SmallInteger(), nullable=False),
        sa.Column("needs_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("row_digest", sa.LargeBinary(length=16), nullable=False),
        sa.Column("content_digest", sa.LargeBinary(length=16), nullable=False),
        sa.Column("left_at", UTCDateTime(), nullable=True),
        sa.Column("changed_at", UTCDateTime(), nullable=False),
        sa.CheckConstraint("(lat IS NULL) = (lon IS NULL)", name=op.f("ck_resident_a_point_is_whole")),
        sa.CheckConstraint("priority_class BETWEEN 0 AND 3", name=op.f("ck_resident_priority_class_is_0_to_3")),
        sa.ForeignKeyConstraint(["contact_id"], ["contact.id"], name=op.f("fk_resident_contact_id_contact")),
        sa.ForeignKeyConstraint(["division_code"], ["division.code"], name=op.f("fk_resident_division_code_division")),
        sa.ForeignKeyConstraint(["household_id"], ["household.id"], name=op.f("fk_resident_household_id_household")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_resident")),
        sa.UniqueConstraint("contact_id", name="uq_resident_contact_id"),
        sa.UniqueConstraint("external_index", name="uq_resident_external_index"),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_resident_division_code_id"), "resident", ["division_code", "id"], unique=False)
    op.create_index(op.f("ix_resident_household_id"), "resident", ["household_id"], unique=False)
    op.create_index(
        "ix_resident_priority",
        "resident",
        ["priority_class", "division_code", "id"],
        unique=False,
        sqlite_where=sa.text("priority_class < 3"),
        postgresql_where=sa.text("priority_class < 3"),
    )
    op.create_table(
        "unit_sector",
        sa.Column("unit_id", sa.BigInteger(), nullable=False),
        sa.Column("sector", sa.String(length=48), nullable=False),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_unit_sector_unit_id_unit"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("unit_id", "sector", name=op.f("pk_unit_sector")),
    )
    op.create_index(op.f("ix_unit_sector_sector_unit_id"), "unit_sector", ["sector", "unit_id"], unique=False)
    op.create_table(
        "warning_acknowledgement",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("warning_id", sa.BigInteger(), nullable=False),
        sa.Column("recipient", sa.String(length=60), nullable=False),
        sa.Column("delivery_id", sa.BigInteger(), nullable=True),
        sa.Column("division_code", sa.String(length=12), nullable=False),
        sa.Column("people", sa.BigInteger(), nullable=False),
        sa.Column(
            "method",
            sa.Enum(
                "phone",
                "radio",
                "visit",
                "sms",
                "link",
                "loudspeaker",
                "gong",
                "video",
                "other",
                name="method",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("recorded_at", UTCDateTime(), nullable=False),
        sa.Column("recorded_by", sa.String(length=60), nullable=False),
        sa.Column("note_sealed", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint("people >= 1", name=op.f("ck_warning_acknowledgement_somebody_acknowledged")),
        sa.ForeignKeyConstraint(
            ["warning_id"], ["warning.id"], name=op.f("fk_warning_acknowledgement_warning_id_warning")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_warning_acknowledgement")),
    )
    op.create_index(
        op.f("ix_warning_acknowledgement_warning_id_recipient"),
        "warning_acknowledgement",
        ["warning_id", "recipient"],
        unique=False,
    )
    op.create_table(
        "warning_door_visit",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("warning_id", sa.BigInteger(), nullable=False),
        sa.Column("recipient", sa.String(length=60), nullable=False),
        sa.Column("contact_id", sa.BigInteger(), nullable=False),
        sa.Column("division_code", sa.String(length=12), nullable=False),
        sa.Column(
            "reason",
            sa.Enum("no-phone", "failed", name="reason", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("people", sa.BigInteger(), nullable=False),
        sa.Column(
            "outcome",
            sa.Enum(
                "open", "told", "away", "refused", name="outcome", native_enum=False, create_constraint=True, length=32
            ),
            nullable=False,
        ),
        sa.Column("visited_at", UTCDateTime(), nullable=True),
        sa.Column("visited_by", sa.String(length=60), nullable=True),
        sa.Column("note_sealed", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["warning_id"], ["warning.id"], name=op.f("fk_warning_door_visit_warning_id_warning")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_warning_door_visit")),
        sa.UniqueConstraint("warning_id", "recipient", name="uq_warning_door_visit_one_door_a_person"),
    )
    op.create_index(
        op.f("ix_warning_door_visit_warning_id_outcome_division_code"),
        "warning_door_visit",
        ["warning_id", "outcome", "division_code"],
        unique=False,
    )
    op.create_table(
        "warning_issue",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("warning_id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("identifier", sa.String(length=40), nullable=False),
        sa.Column("sent", UTCDateTime(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("snapshot", JSONText(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("issued_by", sa.String(length=60), nullable=False),
        sa.CheckConstraint("length(digest) = 32", name=op.f("ck_warning_issue_digest_is_whole")),
        sa.ForeignKeyConstraint(["warning_id"], ["warning.id"], name=op.f("fk_warning_issue_warning_id_warning")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_warning_issue")),
        sa.UniqueConstraint("identifier", name="uq_warning_issue_identifier"),
        sa.UniqueConstraint("warning_id", name="uq_warning_issue_issued_once"),
    )
    op.create_table(
        "agreement",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("number", sa.String(length=60), nullable=False),
        sa.Column("enterprise", sa.String(length=100), nullable=False),
        sa.Column("depot_id", sa.BigInteger(), nullable=False),
        sa.Column("division_code", sa.String(length=12), nullable=False),
        sa.Column("item_id", sa.BigInteger(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("deliver_hours", sa.BigInteger(), nullable=False),
        sa.Column("price_rule", sa.String(length=200), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=False),
        sa.Column("last_verified_on", sa.Date(), nullable=True),
        sa.Column("contact_post_id", sa.BigInteger(), nullable=True),
        sa.Column(
            "state",
            sa.Enum("in_force", "ended", name="agreementstate", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.CheckConstraint("deliver_hours > 0", name=op.f("ck_agreement_hours_positive")),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_agreement_quantity_positive")),
        sa.CheckConstraint("valid_to >= valid_from", name=op.f("ck_agreement_ends_after_it_begins")),
        sa.ForeignKeyConstraint(["depot_id"], ["depot.id"], name=op.f("fk_agreement_depot_id_depot")),
        sa.ForeignKeyConstraint(["division_code"], ["division.code"], name=op.f("fk_agreement_division_code_division")),
        sa.ForeignKeyConstraint(["item_id"], ["supply_item.id"], name=op.f("fk_agreement_item_id_supply_item")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agreement")),
        sa.UniqueConstraint("number", "item_id", name="one_row_an_item"),
    )
    op.create_index(op.f("ix_agreement_valid_to"), "agreement", ["valid_to"], unique=False)
    op.create_table(
        "drill_programme",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("title", sa.String(length=150), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
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
                name="drillkind",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column(
            "form",
            sa.Enum("tabletop", "field", name="form", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column(
            "content",
            sa.Enum("single", "full", name="content", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("division_code", sa.String(length=12), nullable=False),
        sa.Column("unit_id", sa.BigInteger(), nullable=True),
        sa.Column("plan_id", sa.BigInteger(), nullable=True),
        sa.Column("recurrence", JSONText(), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=True),
        sa.Column("start_time", sa.Time(), nullable=False),
        sa.Column("duration_minutes", sa.BigInteger(), nullable=False),
        sa.Column("target_seconds", sa.BigInteger(), nullable=True),
        sa.Column("place", sa.String(length=100), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "active", "paused", "ended", name="programmestate", native_enum=False, create_constraint=True, length=32
            ),
            nullable=False,
        ),
        sa.Column("materialised_until", sa.Date(), nullable=True),
        sa.Column("created_by", sa.String(length=60), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("duration_minutes > 0", name=op.f("ck_drill_programme_duration_positive")),
        sa.CheckConstraint(
            "ends_on IS NULL OR ends_on >= starts_on", name=op.f("ck_drill_programme_ends_after_it_begins")
        ),
        sa.CheckConstraint(
            "target_seconds IS NULL OR target_seconds > 0", name=op.f("ck_drill_programme_target_positive")
        ),
        sa.ForeignKeyConstraint(
            ["division_code"], ["division.code"], name=op.f("fk_drill_programme_division_code_division")
        ),
        sa.ForeignKeyConstraint(["plan_id"], ["plan.id"], name=op.f("fk_drill_programme_plan_id_plan")),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_drill_programme_unit_id_unit")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drill_programme")),
    )
    op.create_index(
        op.f("ix_drill_programme_division_code_id"), "drill_programme", ["division_code", "id"], unique=False
    )
    op.create_index(op.f("ix_drill_programme_unit_id"), "drill_programme", ["unit_id"], unique=False)
    op.create_table(
        "place",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "depot",
                "supply",
                "gift",
                "use",
                "loss",
                "count",
                name="placekind",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("depot_id", sa.BigInteger(), nullable=True),
        sa.Column("bounded", sa.Boolean(), nullable=False),
        sa.CheckConstraint("(kind = 'depot') = (depot_id IS NOT NULL)", name=op.f("ck_place_depots_have_a_depot")),
        sa.CheckConstraint("(kind = 'depot') = bounded", name=op.f("ck_place_depots_are_bounded")),
        sa.ForeignKeyConstraint(["depot_id"], ["depot.id"], name=op.f("fk_place_depot_id_depot")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_place")),
        sa.UniqueConstraint("depot_id", name=op.f("uq_place_depot_id")),
        sa.UniqueConstraint("id", "bounded", name="id_with_bound"),
    )
    op.create_index(
        "uq_place_one_outside_a_kind",
        "place",
        ["kind"],
        unique=True,
        sqlite_where=sa.text("kind <> 'depot'"),
        postgresql_where=sa.text("kind <> 'depot'"),
    )
    op.create_table(
        "plan_hazard",
        sa.Column("plan_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column(
            "hazard",
            sa.Enum(
                "all",
                "flood",
                "hazchem",
                "fire",
                "quake",
                "weather",
                "gas",
                "health",
                "environment",
                "traffic",
                "relief",
                "security",
                "other",
                name="hazard",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(["plan_id"], ["plan.id"], name=op.f("fk_plan_hazard_plan_id_plan")),
        sa.PrimaryKeyConstraint("plan_id", "hazard", name=op.f("pk_plan_hazard")),
    )
    op.create_index(op.f("ix_plan_hazard_hazard_plan_id"), "plan_hazard", ["hazard", "plan_id"], unique=False)
    op.create_table(
        "plan_version",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("plan_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "draft",
                "linkage_review",
                "approval",
                "approved",
                "issued",
                "rejected",
                name="versionstate",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("parent_version_id", sa.BigInteger(), nullable=True),
        sa.Column("based_on_id", sa.BigInteger(), nullable=True),
        sa.Column("document_number", sa.String(length=60), nullable=True),
        sa.Column("explanation", sa.Text(), nullable=False),
        sa.Column("author", sa.String(length=60), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("edited_at", UTCDateTime(), nullable=False),
        sa.Column("submitted_at", UTCDateTime(), nullable=True),
        sa.Column("reviewed_by", sa.String(length=60), nullable=True),
        sa.Column("reviewed_at", UTCDateTime(), nullable=True),
        sa.Column("approved_by", sa.String(length=60), nullable=True),
        sa.Column("approved_at", UTCDateTime(), nullable=True),
        sa.Column("issued_at", UTCDateTime(), nullable=True),
        sa.Column("issued_on", sa.Date(), nullable=True),
        sa.Column("evaluated_on", sa.Date(), nullable=True),
        sa.Column("replaced_at", UTCDateTime(), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "state <> 'issued' OR (approved_by IS NOT NULL AND issued_at IS NOT NULL AND issued_on IS NOT NULL)",
            name=op.f("ck_plan_version_issued_means_approved"),
        ),
        sa.CheckConstraint(
            "approved_by IS NULL OR approved_by <> author", name=op.f("ck_plan_version_author_never_approves")
        ),
        sa.CheckConstraint("number > 0", name=op.f("ck_plan_version_number_positive")),
        sa.CheckConstraint(
            "reviewed_by IS NULL OR reviewed_by <> author", name=op.f("ck_plan_version_author_never_reviews")
        ),
        sa.ForeignKeyConstraint(
            ["based_on_id"], ["plan_version.id"], name=op.f("fk_plan_version_based_on_id_plan_version")
        ),
        sa.ForeignKeyConstraint(
            ["parent_version_id"], ["plan_version.id"], name=op.f("fk_plan_version_parent_version_id_plan_version")
        ),
        sa.ForeignKeyConstraint(["plan_id"], ["plan.id"], name=op.f("fk_plan_version_plan_id_plan")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan_version")),
        sa.UniqueConstraint("plan_id", "number", name="one_row_a_number"),
    )
    op.create_index(op.f("ix_plan_version_parent_version_id"), "plan_version", ["parent_version_id"], unique=False)
    op.create_index(
        "uq_plan_version_one_in_force",
        "plan_version",
        ["plan_id"],
        unique=True,
        sqlite_where=sa.text("state = 'issued' AND replaced_at IS NULL"),
        postgresql_where=sa.text("state = 'issued' AND replaced_at IS NULL"),
    )
    op.create_index(
        "uq_plan_version_one_in_work",
        "plan_version",
        ["plan_id"],
        unique=True,
        sqlite_where=sa.text("state IN ('draft', 'linkage_review', 'approval', 'approved')"),
        postgresql_where=sa.text("state IN ('draft', 'linkage_review', 'approval', 'approved')"),
    )
    op.create_table(
        "post_act",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("post_id", sa.BigInteger(), nullable=False),
        sa.Column("contact_id", sa.BigInteger(), nullable=True),
        sa.Column(
            "kind",
            sa.Enum(
                "verified",
                "no_answer",
                "wrong_number",
                "holder_changed",
                "deputy_added",
                "deputy_removed",
                "number_changed",
                "edited",
                name="actkind",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column(
            "means",
            sa.Enum(
                "call",
                "sms",
                "link",
                "radio",
                "visit",
                "meeting",
                name="means",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=True,
        ),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("actor", sa.String(length=60), nullable=False),
        sa.Column("note_sealed", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint(
            "kind NOT IN ('verified', 'no_answer', 'wrong_number') OR means IS NOT NULL",
            name=op.f("ck_post_act_verification_names_its_means"),
        ),
        sa.ForeignKeyConstraint(["post_id"], ["post.id"], name=op.f("fk_post_act_post_id_post"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_post_act")),
    )
    op.create_index(op.f("ix_post_act_post_id_id"), "post_act", ["post_id", "id"], unique=False)
    op.create_table(
        "post_holder",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("post_id", sa.BigInteger(), nullable=False),
        sa.Column("contact_id", sa.BigInteger(), nullable=False),
        sa.Column("deputy_order", sa.SmallInteger(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=True),
        sa.Column("since", UTCDateTime(), nullable=False),
        sa.Column("verified_at", UTCDateTime(), nullable=True),
        sa.CheckConstraint("deputy_order >= 0", name=op.f("ck_post_holder_order_from_0")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_post_holder_account_id_account")),
        sa.ForeignKeyConstraint(["contact_id"], ["contact.id"], name=op.f("fk_post_holder_contact_id_contact")),
        sa.ForeignKeyConstraint(["post_id"], ["post.id"], name=op.f("fk_post_holder_post_id_post"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_post_holder")),
        sa.UniqueConstraint("post_id", "contact_id", name="uq_post_holder_one_place_a_person"),
        sa.UniqueConstraint("post_id", "deputy_order", name="uq_post_holder_one_person_a_place"),
    )
    op.create_index(op.f("ix_post_holder_contact_id"), "post_holder", ["contact_id"], unique=False)
    op.create_table(
        "question",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("subject_kind", sa.String(length=40), nullable=False),
        sa.Column("subject_id", sa.BigInteger(), nullable=False),
        sa.Column("post_id", sa.BigInteger(), nullable=True),
        sa.Column("account_id", sa.BigInteger(), nullable=True),
        sa.Column("division_code", sa.String(length=12), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("details", JSONText(), nullable=False),
        sa.Column("answers", JSONText(), nullable=False),
        sa.Column(
            "notice_kind",
            sa.Enum(
                "actual",
                "exercise",
                "test",
                "notice",
                name="notice_kind",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("drill", sa.Boolean(), nullable=False),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "open",
                "answered",
                "expired",
                "closed",
                name="state",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("asked_at", UTCDateTime(), nullable=False),
        sa.Column("asked_by", sa.String(length=60), nullable=False),
        sa.Column("due_at", UTCDateTime(), nullable=False),
        sa.Column("closes_at", UTCDateTime(), nullable=False),
        sa.Column("answer_key", sa.String(length=40), nullable=True),
        sa.Column("answer_id", sa.BigInteger(), nullable=True),
        sa.Column("answered_at", UTCDateTime(), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "(state = 'answered' AND answer_key IS NOT NULL) OR state <> 'answered'",
            name=op.f("ck_question_answered_has_its_answer"),
        ),
        sa.CheckConstraint(
            "(post_id IS NULL) <> (account_id IS NULL)", name=op.f("ck_question_asked_of_a_post_or_an_account")
        ),
        sa.CheckConstraint("closes_at >= due_at", name=op.f("ck_question_closes_after_it_is_due")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_question_account_id_account")),
        sa.ForeignKeyConstraint(["post_id"], ["post.id"], name=op.f("fk_question_post_id_post")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_question")),
    )
    op.create_index(op.f("ix_question_account_id"), "question", ["account_id"], unique=False)
    op.create_index(op.f("ix_question_post_id"), "question", ["post_id"], unique=False)
    op.create_index(op.f("ix_question_state_closes_at"), "question", ["state", "closes_at"], unique=False)
    op.create_index(
        op.f("ix_question_state_division_code_due_at"), "question", ["state", "division_code", "due_at"], unique=False
    )
    op.create_index(
        op.f("ix_question_subject_kind_subject_id"), "question", ["subject_kind", "subject_id"], unique=False
    )
    op.create_table(
        "sign_in",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("token_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column(
            "method",
            sa.Enum("password", "link", name="signinmethod", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("link_id", sa.BigInteger(), nullable=True),
        sa.Column("with_second_factor", sa.Boolean(), nullable=False),
        sa.Column("origin_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("started_at", UTCDateTime(), nullable=False),
        sa.Column("last_seen_at", UTCDateTime(), nullable=False),
        sa.Column("expires_at", UTCDateTime(), nullable=False),
        sa.Column("ended_at", UTCDateTime(), nullable=True),
        sa.Column(
            "end_reason",
            sa.Enum(
                "signed-out",
                "ended",
                "idle",
                "expired",
                "password",
                "closed",
                name="endreason",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=True,
        ),
        sa.CheckConstraint("(ended_at IS NULL) = (end_reason IS NULL)", name=op.f("ck_sign_in_end_has_a_reason")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_sign_in_account_id_account"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["link_id"], ["one_time_link.id"], name=op.f("fk_sign_in_link_id_one_time_link"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_in")),
        sa.UniqueConstraint("token_digest", name="uq_sign_in_token"),
    )
    op.create_index(op.f("ix_sign_in_account_id_ended_at"), "sign_in", ["account_id", "ended_at"], unique=False)
    op.create_table(
        "stock_count",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("depot_id", sa.BigInteger(), nullable=False),
        sa.Column("counted_by", sa.String(length=60), nullable=False),
        sa.Column("counted_at", UTCDateTime(), nullable=False),
        sa.Column("note", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(["depot_id"], ["depot.id"], name=op.f("fk_stock_count_depot_id_depot")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stock_count")),
    )
    op.create_table(
        "warning_issue_broadcast",
        sa.Column("issue_id", sa.BigInteger(), nullable=False),
        sa.Column("broadcast_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["broadcast_id"], ["broadcast.id"], name=op.f("fk_warning_issue_broadcast_broadcast_id_broadcast")
        ),
        sa.ForeignKeyConstraint(
            ["issue_id"], ["warning_issue.id"], name=op.f("fk_warning_issue_broadcast_issue_id_warning_issue")
        ),
        sa.PrimaryKeyConstraint("issue_id", "broadcast_id", name=op.f("pk_warning_issue_broadcast")),
    )
    op.create_table(
        "answer",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("question_id", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.String(length=40), nullable=False),
        sa.Column(
            "means",
            sa.Enum(
                "link",
                "sms",
                "key",
                "phone",
                "radio",
                "visit",
                "page",
                name="means",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("recorded_at", UTCDateTime(), nullable=False),
        sa.Column("recorded_by", sa.String(length=60), nullable=False),
        sa.Column("link_id", sa.BigInteger(), nullable=True),
        sa.Column("note_sealed", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint("recorded_at >= at", name=op.f("ck_answer_recorded_after_it_was_given")),
        sa.ForeignKeyConstraint(
            ["question_id"], ["question.id"], name=op.f("fk_answer_question_id_question"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_answer")),
    )
    op.create_index(op.f("ix_answer_question_id_at"), "answer", ["question_id", "at"], unique=False)
    op.create_table(
        "drill_occurrence",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("programme_id", sa.BigInteger(), nullable=False),
        sa.Column("slot_on", sa.Date(), nullable=False),
        sa.Column("starts_at", UTCDateTime(), nullable=False),
        sa.Column("ends_at", UTCDateTime(), nullable=False),
        sa.Column("title", sa.String(length=150), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
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
                name="drillkind",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("division_code", sa.String(length=12), nullable=False),
        sa.Column("unit_id", sa.BigInteger(), nullable=True),
        sa.Column(
            "state",
            sa.Enum(
                "planned",
                "invited",
                "confirmed",
                "held",
                "missed",
                "cancelled",
                name="occurrencestate",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("provisional", sa.Boolean(), nullable=False),
        sa.Column("due_at", UTCDateTime(), nullable=False),
        sa.Column("done_at", UTCDateTime(), nullable=True),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("ends_at > starts_at", name=op.f("ck_drill_occurrence_ends_after_it_begins")),
        sa.ForeignKeyConstraint(
            ["division_code"], ["division.code"], name=op.f("fk_drill_occurrence_division_code_division")
        ),
        sa.ForeignKeyConstraint(
            ["programme_id"], ["drill_programme.id"], name=op.f("fk_drill_occurrence_programme_id_drill_programme")
        ),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_drill_occurrence_unit_id_unit")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drill_occurrence")),
        sa.UniqueConstraint("programme_id", "slot_on", name="one_row_a_slot"),
    )
    op.create_index(
        op.f("ix_drill_occurrence_division_code_starts_at"),
        "drill_occurrence",
        ["division_code", "starts_at"],
        unique=False,
    )
    op.create_index(op.f("ix_drill_occurrence_starts_at"), "drill_occurrence", ["starts_at"], unique=False)
    op.create_index(
        op.f("ix_drill_occurrence_unit_id_starts_at"), "drill_occurrence", ["unit_id", "starts_at"], unique=False
    )
    op.create_table(
        "drill_programme_post",
        sa.Column("programme_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("post_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(
            ["programme_id"], ["drill_programme.id"], name=op.f("fk_drill_programme_post_programme_id_drill_programme")
        ),
        sa.PrimaryKeyConstraint("programme_id", "post_id", name=op.f("pk_drill_programme_post")),
    )
    op.create_table(
        "drill_programme_rule",
        sa.Column("programme_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("rule_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(
            ["programme_id"], ["drill_programme.id"], name=op.f("fk_drill_programme_rule_programme_id_drill_programme")
        ),
        sa.ForeignKeyConstraint(
            ["rule_id"], ["drill_rule.id"], name=op.f("fk_drill_programme_rule_rule_id_drill_rule")
        ),
        sa.PrimaryKeyConstraint("programme_id", "rule_id", name=op.f("pk_drill_programme_rule")),
    )
    op.create_table(
        "movement",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("lot_id", sa.BigInteger(), nullable=False),
        sa.Column("from_place_id", sa.BigInteger(), nullable=False),
        sa.Column("to_place_id", sa.BigInteger(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "receive",
                "move",
                "issue",
                "return",
                "write_off",
                "count",
                "import",
                name="movementkind",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("actor", sa.String(length=60), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("subject_kind", sa.String(length=40), nullable=True),
        sa.Column("subject_id", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("from_place_id <> to_place_id", name=op.f("ck_movement_between_two_places")),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_movement_quantity_positive")),
        sa.ForeignKeyConstraint(["from_place_id"], ["place.id"], name=op.f("fk_movement_from_place_id_place")),
        sa.ForeignKeyConstraint(["lot_id"], ["lot.id"], name=op.f("fk_movement_lot_id_lot")),
        sa.ForeignKeyConstraint(["to_place_id"], ["place.id"], name=op.f("fk_movement_to_place_id_place")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_movement")),
    )
    op.create_index(op.f("ix_movement_from_place_id_id"), "movement", ["from_place_id", "id"], unique=False)
    op.create_index(op.f("ix_movement_lot_id_id"), "movement", ["lot_id", "id"], unique=False)
    op.create_index(op.f("ix_movement_to_place_id_id"), "movement", ["to_place_id", "id"], unique=False)
    op.create_table(
        "plan_evacuation_row",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("version_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("subject_code", sa.String(length=12), nullable=True),
        sa.Column("unit_id", sa.BigInteger(), nullable=True),
        sa.Column("household_id", sa.BigInteger(), nullable=True),
        sa.Column("people", sa.BigInteger(), nullable=False),
        sa.Column("destination", sa.String(length=200), nullable=False),
        sa.Column("route", sa.Text(), nullable=False),
        sa.Column("means", sa.String(length=100), nullable=False),
        sa.Column("post_id", sa.BigInteger(), nullable=True),
        sa.Column(
            "grade",
            sa.Enum(
                "I", "II", "III", "IV", name="evacuationgrade", native_enum=False, create_constraint=True, length=32
            ),
            nullable=True,
        ),
        sa.Column("within_hours", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "(CASE WHEN subject_code IS NULL THEN 0 ELSE 1 END) + (CASE WHEN unit_id IS NULL THEN 0 ELSE 1 END) + (CASE WHEN household_id IS NULL THEN 0 ELSE 1 END) = 1",
            name=op.f("ck_plan_evacuation_row_one_subject_a_row"),
        ),
        sa.CheckConstraint("people >= 0", name=op.f("ck_plan_evacuation_row_people_not_negative")),
        sa.ForeignKeyConstraint(
            ["subject_code"], ["division.code"], name=op.f("fk_plan_evacuation_row_subject_code_division")
        ),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_plan_evacuation_row_unit_id_unit")),
        sa.ForeignKeyConstraint(
            ["version_id"], ["plan_version.id"], name=op.f("fk_plan_evacuation_row_version_id_plan_version")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan_evacuation_row")),
        sa.UniqueConstraint("version_id", "position", name="one_row_a_position"),
    )
    op.create_index(op.f("ix_plan_evacuation_row_subject_code"), "plan_evacuation_row", ["subject_code"], unique=False)
    op.create_index(op.f("ix_plan_evacuation_row_unit_id"), "plan_evacuation_row", ["unit_id"], unique=False)
    op.create_table(
        "plan_filing",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("version_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "due",
                "filed",
                "returned",
                "receipted",
                name="filingstate",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("due_on", sa.Date(), nullable=True),
        sa.Column("rule_key", sa.String(length=40), nullable=False),
        sa.Column("filed_on", sa.Date(), nullable=True),
        sa.Column("receipt_on", sa.Date(), nullable=True),
        sa.Column("receipt_number", sa.String(length=60), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "state <> 'receipted' OR receipt_on IS NOT NULL", name=op.f("ck_plan_filing_receipt_has_a_date")
        ),
        sa.CheckConstraint(
            "state IN ('due', 'returned') OR filed_on IS NOT NULL", name=op.f("ck_plan_filing_filed_has_a_date")
        ),
        sa.ForeignKeyConstraint(
            ["version_id"], ["plan_version.id"], name=op.f("fk_plan_filing_version_id_plan_version")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan_filing")),
        sa.UniqueConstraint("version_id", name=op.f("uq_plan_filing_version_id")),
    )
    op.create_index(op.f("ix_plan_filing_state_due_on"), "plan_filing", ["state", "due_on"], unique=False)
    op.create_table(
        "plan_reliance",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("version_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("ref_id", sa.BigInteger(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=True),
        sa.Column("note", sa.String(length=200), nullable=False),
        sa.CheckConstraint(
            "kind IN ('post', 'item', 'depot', 'unit', 'agreement')", name=op.f("ck_plan_reliance_known_kind")
        ),
        sa.CheckConstraint("quantity IS NULL OR quantity > 0", name=op.f("ck_plan_reliance_quantity_positive")),
        sa.ForeignKeyConstraint(
            ["version_id"], ["plan_version.id"], name=op.f("fk_plan_reliance_version_id_plan_version")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan_reliance")),
        sa.UniqueConstraint("version_id", "kind", "ref_id", name="one_row_a_reliance"),
    )
    op.create_index(op.f("ix_plan_reliance_kind_ref_id"), "plan_reliance", ["kind", "ref_id"], unique=False)
    op.create_table(
        "plan_response_level",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("version_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "grade",
            sa.Enum("I", "II", "III", "IV", name="responsegrade", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("trigger", sa.Text(), nullable=False),
        sa.Column("decided_by", sa.String(length=100), nullable=False),
        sa.ForeignKeyConstraint(
            ["version_id"], ["plan_version.id"], name=op.f("fk_plan_response_level_version_id_plan_version")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan_response_level")),
        sa.UniqueConstraint("version_id", "grade", name="one_row_a_grade"),
    )
    op.create_table(
        "plan_section",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("version_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("depth", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.String(length=20), nullable=False),
        sa.Column("heading", sa.String(length=200), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column(
            "part",
            sa.Enum(
                "general",
                "command",
                "prevention",
                "handling",
                "support",
                "recovery",
                "annex",
                name="part",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=True,
        ),
        sa.CheckConstraint("depth BETWEEN 1 AND 6", name=op.f("ck_plan_section_depth_1_to_6")),
        sa.ForeignKeyConstraint(
            ["version_id"], ["plan_version.id"], name=op.f("fk_plan_section_version_id_plan_version")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan_section")),
        sa.UniqueConstraint("version_id", "position", name="one_section_a_position"),
    )
    op.create_table(
        "question_link",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("question_id", sa.BigInteger(), nullable=False),
        sa.Column("token_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("recipient", sa.String(length=60), nullable=False),
        sa.Column("contact_id", sa.BigInteger(), nullable=False),
        sa.Column("step_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["question_id"], ["question.id"], name=op.f("fk_question_link_question_id_question"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_question_link")),
        sa.UniqueConstraint("token_digest", name="uq_question_link_token"),
    )
    op.create_index(op.f("ix_question_link_contact_id"), "question_link", ["contact_id"], unique=False)
    op.create_index(op.f("ix_question_link_question_id"), "question_link", ["question_id"], unique=False)
    op.create_table(
        "question_step",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("question_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "ask",
                "remind",
                "deputy",
                "superior",
                "door",
                name="kind",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("channels", JSONText(), nullable=True),
        sa.Column("due_at", UTCDateTime(), nullable=False),
        sa.Column("claimed_at", UTCDateTime(), nullable=True),
        sa.Column("done_at", UTCDateTime(), nullable=True),
        sa.Column(
            "outcome",
            sa.Enum(
                "sent",
                "nobody",
                "at_door",
                "not_needed",
                "failed",
                name="outcome",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=True,
        ),
        sa.Column("recipient", sa.String(length=60), nullable=True),
        sa.Column("contact_id", sa.BigInteger(), nullable=True),
        sa.Column("broadcast_id", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("(done_at IS NULL) = (outcome IS NULL)", name=op.f("ck_question_step_done_has_an_outcome")),
        sa.ForeignKeyConstraint(
            ["question_id"], ["question.id"], name=op.f("fk_question_step_question_id_question"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_question_step")),
        sa.UniqueConstraint("question_id", "position", name="uq_question_step_position"),
    )
    op.create_index(
        "ix_question_step_due",
        "question_step",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("done_at IS NULL"),
        postgresql_where=sa.text("done_at IS NULL"),
    )
    op.create_table(
        "reservation",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("lot_id", sa.BigInteger(), nullable=False),
        sa.Column("place_id", sa.BigInteger(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("holder_kind", sa.String(length=40), nullable=False),
        sa.Column("holder_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "held",
                "used",
                "released",
                name="reservationstate",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("made_at", UTCDateTime(), nullable=False),
        sa.Column("made_by", sa.String(length=60), nullable=False),
        sa.Column("due_at", UTCDateTime(), nullable=True),
        sa.Column("done_at", UTCDateTime(), nullable=True),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_reservation_quantity_positive")),
        sa.ForeignKeyConstraint(["lot_id"], ["lot.id"], name=op.f("fk_reservation_lot_id_lot")),
        sa.ForeignKeyConstraint(["place_id"], ["place.id"], name=op.f("fk_reservation_place_id_place")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reservation")),
    )
    op.create_index(
        op.f("ix_reservation_holder_kind_holder_id"), "reservation", ["holder_kind", "holder_id"], unique=False
    )
    op.create_index(op.f("ix_reservation_lot_id_place_id"), "reservation", ["lot_id", "place_id"], unique=False)
    op.create_table(
        "stock_balance",
        sa.Column("lot_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("place_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("bounded", sa.Boolean(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("reserved", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("NOT bounded OR quantity >= 0", name=op.f("ck_stock_balance_never_negative")),
        sa.CheckConstraint("NOT bounded OR reserved <= quantity", name=op.f("ck_stock_balance_never_promised_twice")),
        sa.CheckConstraint("reserved >= 0", name=op.f("ck_stock_balance_reserved_not_negative")),
        sa.ForeignKeyConstraint(["lot_id"], ["lot.id"], name=op.f("fk_stock_balance_lot_id_lot")),
        sa.ForeignKeyConstraint(["place_id", "bounded"], ["place.id", "place.bounded"], name="fk_stock_balance_place"),
        sa.PrimaryKeyConstraint("lot_id", "place_id", name=op.f("pk_stock_balance")),
    )
    op.create_index(op.f("ix_stock_balance_place_id_lot_id"), "stock_balance", ["place_id", "lot_id"], unique=False)
    op.create_table(
        "stock_count_line",
        sa.Column("count_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("lot_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("expected", sa.BigInteger(), nullable=False),
        sa.Column("counted", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("counted >= 0", name=op.f("ck_stock_count_line_counted_not_negative")),
        sa.ForeignKeyConstraint(
            ["count_id"], ["stock_count.id"], name=op.f("fk_stock_count_line_count_id_stock_count")
        ),
        sa.ForeignKeyConstraint(["lot_id"], ["lot.id"], name=op.f("fk_stock_count_line_lot_id_lot")),
        sa.PrimaryKeyConstraint("count_id", "lot_id", name=op.f("pk_stock_count_line")),
    )
    op.create_table(
        "drill_evaluation",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("occurrence_id", sa.BigInteger(), nullable=False),
        sa.Column("evaluator", sa.String(length=60), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("strengths_sealed", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["occurrence_id"], ["drill_occurrence.id"], name=op.f("fk_drill_evaluation_occurrence_id_drill_occurrence")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drill_evaluation")),
    )
    op.create_index(op.f("ix_drill_evaluation_occurrence_id"), "drill_evaluation", ["occurrence_id"], unique=False)
    op.create_table(
        "drill_finding",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("occurrence_id", sa.BigInteger(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("root_cause", sa.Text(), nullable=False),
        sa.Column("plan_id", sa.BigInteger(), nullable=True),
        sa.Column(
            "state",
            sa.Enum("open", "closed", name="findingstate", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("closed_by_version_id", sa.BigInteger(), nullable=True),
        sa.Column("proof", sa.Text(), nullable=True),
        sa.Column("found_at", UTCDateTime(), nullable=False),
        sa.Column("found_by", sa.String(length=60), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "state = 'open' OR closed_by_version_id IS NOT NULL OR proof IS NOT NULL",
            name=op.f("ck_drill_finding_closed_by_proof_only"),
        ),
        sa.ForeignKeyConstraint(
            ["closed_by_version_id"],
            ["plan_version.id"],
            name=op.f("fk_drill_finding_closed_by_version_id_plan_version"),
        ),
        sa.ForeignKeyConstraint(
            ["occurrence_id"], ["drill_occurrence.id"], name=op.f("fk_drill_finding_occurrence_id_drill_occurrence")
        ),
        sa.ForeignKeyConstraint(["plan_id"], ["plan.id"], name=op.f("fk_drill_finding_plan_id_plan")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drill_finding")),
    )
    op.create_index(op.f("ix_drill_finding_occurrence_id"), "drill_finding", ["occurrence_id"], unique=False)
    op.create_index(op.f("ix_drill_finding_plan_id"), "drill_finding", ["plan_id"], unique=False)
    op.create_table(
        "drill_invitation",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("occurrence_id", sa.BigInteger(), nullable=False),
        sa.Column("post_id", sa.BigInteger(), nullable=False),
        sa.Column("question_id", sa.BigInteger(), nullable=True),
        sa.Column("invited_at", UTCDateTime(), nullable=False),
        sa.Column("invited_by", sa.String(length=60), nullable=False),
        sa.Column(
            "answer",
            sa.Enum("yes", "no", "other", name="answered", native_enum=False, create_constraint=True, length=32),
            nullable=True,
        ),
        sa.Column("answered_at", UTCDateTime(), nullable=True),
        sa.Column("means", sa.String(length=20), nullable=True),
        sa.CheckConstraint(
            "(answer IS NULL) = (answered_at IS NULL)", name=op.f("ck_drill_invitation_answer_has_a_time")
        ),
        sa.ForeignKeyConstraint(
            ["occurrence_id"], ["drill_occurrence.id"], name=op.f("fk_drill_invitation_occurrence_id_drill_occurrence")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drill_invitation")),
        sa.UniqueConstraint("occurrence_id", "post_id", name="asked_once"),
        sa.UniqueConstraint("question_id", name=op.f("uq_drill_invitation_question_id")),
    )
    op.create_index(op.f("ix_drill_invitation_post_id"), "drill_invitation", ["post_id"], unique=False)
    op.create_table(
        "drill_record",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("occurrence_id", sa.BigInteger(), nullable=False),
        sa.Column("started_at", UTCDateTime(), nullable=False),
        sa.Column("ended_at", UTCDateTime(), nullable=False),
        sa.Column("attendance", sa.BigInteger(), nullable=False),
        sa.Column("expected", sa.BigInteger(), nullable=True),
        sa.Column("evacuation_seconds", sa.BigInteger(), nullable=True),
        sa.Column("notes_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("recorded_by", sa.String(length=60), nullable=False),
        sa.Column("recorded_at", UTCDateTime(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "attendance >= 0 AND (expected IS NULL OR expected >= 0)", name=op.f("ck_drill_record_heads_not_negative")
        ),
        sa.CheckConstraint("ended_at > started_at", name=op.f("ck_drill_record_ends_after_it_begins")),
        sa.CheckConstraint(
            "evacuation_seconds IS NULL OR evacuation_seconds > 0", name=op.f("ck_drill_record_seconds_positive")
        ),
        sa.ForeignKeyConstraint(
            ["occurrence_id"], ["drill_occurrence.id"], name=op.f("fk_drill_record_occurrence_id_drill_occurrence")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drill_record")),
        sa.UniqueConstraint("occurrence_id", name=op.f("uq_drill_record_occurrence_id")),
    )
    op.create_table(
        "plan_response_action",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("level_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("post_id", sa.BigInteger(), nullable=True),
        sa.Column("actor_words", sa.String(length=100), nullable=False),
        sa.Column("within_minutes", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "within_minutes IS NULL OR within_minutes >= 0", name=op.f("ck_plan_response_action_minutes_not_negative")
        ),
        sa.ForeignKeyConstraint(
            ["level_id"], ["plan_response_level.id"], name=op.f("fk_plan_response_action_level_id_plan_response_level")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan_response_action")),
        sa.UniqueConstraint("level_id", "position", name="one_action_a_position"),
    )
    op.create_table(
        "write_off",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("reservation_id", sa.BigInteger(), nullable=False),
        sa.Column("lot_id", sa.BigInteger(), nullable=False),
        sa.Column("place_id", sa.BigInteger(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "requested",
                "approved",
                "rejected",
                name="writeoffstate",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("requested_by", sa.String(length=60), nullable=False),
        sa.Column("requested_at", UTCDateTime(), nullable=False),
        sa.Column("decided_by", sa.String(length=60), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "state = 'requested' OR decided_by IS NOT NULL", name=op.f("ck_write_off_decision_has_a_person")
        ),
        sa.CheckConstraint(
            "decided_by IS NULL OR decided_by <> requested_by", name=op.f("ck_write_off_requester_never_decides")
        ),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_write_off_quantity_positive")),
        sa.ForeignKeyConstraint(["lot_id"], ["lot.id"], name=op.f("fk_write_off_lot_id_lot")),
        sa.ForeignKeyConstraint(["place_id"], ["place.id"], name=op.f("fk_write_off_place_id_place")),
        sa.ForeignKeyConstraint(
            ["reservation_id"], ["reservation.id"], name=op.f("fk_write_off_reservation_id_reservation")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_write_off")),
    )
    op.create_index(op.f("ix_write_off_state_id"), "write_off", ["state", "id"], unique=False)
    op.create_table(
        "drill_corrective_action",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("finding_id", sa.BigInteger(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("owner_post_id", sa.BigInteger(), nullable=True),
        sa.Column("owner_words", sa.String(length=100), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "open", "done", "dropped", name="actionstate", native_enum=False, create_constraint=True, length=32
            ),
            nullable=False,
        ),
        sa.Column("proof", sa.Text(), nullable=True),
        sa.Column("done_at", UTCDateTime(), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "state <> 'done' OR proof IS NOT NULL", name=op.f("ck_drill_corrective_action_done_has_proof")
        ),
        sa.ForeignKeyConstraint(
            ["finding_id"], ["drill_finding.id"], name=op.f("fk_drill_corrective_action_finding_id_drill_finding")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drill_corrective_action")),
    )
    op.create_index(
        op.f("ix_drill_corrective_action_finding_id"), "drill_corrective_action", ["finding_id"], unique=False
    )
    op.create_index(
        op.f("ix_drill_corrective_action_state_due_on"), "drill_corrective_action", ["state", "due_on"], unique=False
    )
    op.create_table(
        "drill_objective_rating",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("evaluation_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("objective", sa.String(length=200), nullable=False),
        sa.Column(
            "rating",
            sa.Enum("P", "S", "M", "U", "NA", name="rating", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["evaluation_id"],
            ["drill_evaluation.id"],
            name=op.f("fk_drill_objective_rating_evaluation_id_drill_evaluation"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drill_objective_rating")),
        sa.UniqueConstraint("evaluation_id", "position", name="one_row_an_objective"),
    )
    for statement in SQLITE_TRIGGERS if op.get_bind().dialect.name == "sqlite" else POSTGRES_TRIGGERS:
        op.get_bind().exec_driver_sql(statement)


def downgrade() -> None:
    op.drop_table("drill_objective_rating")
    op.drop_index(op.f("ix_drill_corrective_action_state_due_on"), table_name="drill_corrective_action")
    op.drop_index(op.f("ix_drill_corrective_action_finding_id"), table_name="drill_corrective_action")
    op.drop_table("drill_corrective_action")
    op.drop_index(op.f("ix_write_off_state_id"), table_name="write_off")
    op.drop_table("write_off")
    op.drop_table("plan_response_action")
    op.drop_table("drill_record")
    op.drop_index(op.f("ix_drill_invitation_post_id"), table_name="drill_invitation")
    op.drop_table("drill_invitation")
    op.drop_index(op.f("ix_drill_finding_plan_id"), table_name="drill_finding")
    op.drop_index(op.f("ix_drill_finding_occurrence_id"), table_name="drill_finding")
    op.drop_table("drill_finding")
    op.drop_index(op.f("ix_drill_evaluation_occurrence_id"), table_name="drill_evaluation")
    op.drop_table("drill_evaluation")
    op.drop_table("stock_count_line")
    op.drop_index(op.f("ix_stock_balance_place_id_lot_id"), table_name="stock_balance")
    op.drop_table("stock_balance")
    op.drop_index(op.f("ix_reservation_lot_id_place_id"), table_name="reservation")
    op.drop_index(op.f("ix_reservation_holder_kind_holder_id"), table_name="reservation")
    op.drop_table("reservation")
    op.drop_index(
        "ix_question_step_due",
        table_name="question_step",
        sqlite_where=sa.text("done_at IS NULL"),
        postgresql_where=sa.text("done_at IS NULL"),
    )
    op.drop_table("question_step")
    op.drop_index(op.f("ix_question_link_question_id"), table_name="question_link")
    op.drop_index(op.f("ix_question_link_contact_id"), table_name="question_link")
    op.drop_table("question_link")
    op.drop_table("plan_section")
    op.drop_table("plan_response_level")
    op.drop_index(op.f("ix_plan_reliance_kind_ref_id"), table_name="plan_reliance")
    op.drop_table("plan_reliance")
    op.drop_index(op.f("ix_plan_filing_state_due_on"), table_name="plan_filing")
    op.drop_table("plan_filing")
    op.drop_index(op.f("ix_plan_evacuation_row_unit_id"), table_name="plan_evacuation_row")
    op.drop_index(op.f("ix_plan_evacuation_row_subject_code"), table_name="plan_evacuation_row")
    op.drop_table("plan_evacuation_row")
    op.drop_index(op.f("ix_movement_to_place_id_id"), table_name="movement")
    op.drop_index(op.f("ix_movement_lot_id_id"), table_name="movement")
    op.drop_index(op.f("ix_movement_from_place_id_id"), table_name="movement")
    op.drop_table("movement")
    op.drop_table("drill_programme_rule")
    op.drop_table("drill_programme_post")
    op.drop_index(op.f("ix_drill_occurrence_unit_id_starts_at"), table_name="drill_occurrence")
    op.drop_index(op.f("ix_drill_occurrence_starts_at"), table_name="drill_occurrence")
    op.drop_index(op.f("ix_drill_occurrence_division_code_starts_at"), table_name="drill_occurrence")
    op.drop_table("drill_occurrence")
    op.drop_index(op.f("ix_answer_question_id_at"), table_name="answer")
    op.drop_table("answer")
    op.drop_table("warning_issue_broadcast")
    op.drop_table("stock_count")
    op.drop_index(op.f("ix_sign_in_account_id_ended_at"), table_name="sign_in")
    op.drop_table("sign_in")
    op.drop_index(op.f("ix_question_subject_kind_subject_id"), table_name="question")
    op.drop_index(op.f("ix_question_state_division_code_due_at"), table_name="question")
    op.drop_index(op.f("ix_question_state_closes_at"), table_name="question")
    op.drop_index(op.f("ix_question_post_id"), table_name="question")
    op.drop_index(op.f("ix_question_account_id"), table_name="question")
    op.drop_table("question")
    op.drop_index(op.f("ix_post_holder_contact_id"), table_name="post_holder")
    op.drop_table("post_holder")
    op.drop_index(op.f("ix_post_act_post_id_id"), table_name="post_act")
    op.drop_table("post_act")
    op.drop_index(
        "uq_plan_version_one_in_work",
        table_name="plan_version",
        sqlite_where=sa.text("state IN ('draft', 'linkage_review', 'approval', 'approved')"),
        postgresql_where=sa.text("state IN ('draft', 'linkage_review', 'approval', 'approved')"),
    )
    op.drop_index(
        "uq_plan_version_one_in_force",
        table_name="plan_version",
        sqlite_where=sa.text("state = 'issued' AND replaced_at IS NULL"),
        postgresql_where=sa.text("state = 'issued' AND replaced_at IS NULL"),
    )
    op.drop_index(op.f("ix_plan_version_parent_version_id"), table_name="plan_version")
    op.drop_table("plan_version")
    op.drop_index(op.f("ix_plan_hazard_hazard_plan_id"), table_name="plan_hazard")
    op.drop_table("plan_hazard")
    op.drop_index(
        "uq_place_one_outside_a_kind",
        table_name="place",
        sqlite_where=sa.text("kind <> 'depot'"),
        postgresql_where=sa.text("kind <> 'depot'"),
    )
    op.drop_table("place")
    op.drop_index(op.f("ix_drill_programme_unit_id"), table_name="drill_programme")
    op.drop_index(op.f("ix_drill_programme_division_code_id"), table_name="drill_programme")
    op.drop_table("drill_programme")
    op.drop_index(op.f("ix_agreement_valid_to"), table_name="agreement")
    op.drop_table("agreement")
    op.drop_table("warning_issue")
    op.drop_index(op.f("ix_warning_door_visit_warning_id_outcome_division_code"), table_name="warning_door_visit")
    op.drop_table("warning_door_visit")
    op.drop_index(op.f("ix_warning_acknowledgement_warning_id_recipient"), table_name="warning_acknowledgement")
    op.drop_table("warning_acknowledgement")
    op.drop_index(op.f("ix_unit_sector_sector_unit_id"), table_name="unit_sector")
    op.drop_table("unit_sector")
    op.drop_index(
        "ix_resident_priority",
        table_name="resident",
        sqlite_where=sa.text("priority_class < 3"),
        postgresql_where=sa.text("priority_class < 3"),
    )
    op.drop_index(op.f("ix_resident_household_id"), table_name="resident")
    op.drop_index(op.f("ix_resident_division_code_id"), table_name="resident")
    op.drop_table("resident")
    op.drop_table("recovery_code")
    op.drop_index(
        "uq_post_one_duty_a_unit",
        table_name="post",
        sqlite_where=sa.text("unit_id IS NOT NULL"),
        postgresql_where=sa.text("unit_id IS NOT NULL"),
    )
    op.drop_index(
        "uq_post_one_duty_a_division",
        table_name="post",
        sqlite_where=sa.text("unit_id IS NULL"),
        postgresql_where=sa.text("unit_id IS NULL"),
    )
    op.drop_index(op.f("ix_post_verified_at"), table_name="post")
    op.drop_index(op.f("ix_post_state_division_code"), table_name="post")
    op.drop_index(op.f("ix_post_division_code_id"), table_name="post")
    op.drop_table("post")
    op.drop_index(op.f("ix_plan_parent_id"), table_name="plan")
    op.drop_index(op.f("ix_plan_division_code_id"), table_name="plan")
    op.drop_table("plan")
    op.drop_index(op.f("ix_one_time_link_account_id_made_at"), table_name="one_time_link")
    op.drop_table("one_time_link")
    op.drop_index(op.f("ix_duty_shift_ends"), table_name="duty_shift")
    op.drop_index(op.f("ix_duty_shift_division_code_starts"), table_name="duty_shift")
    op.drop_table("duty_shift")
    op.drop_index(op.f("ix_depot_division_code_id"), table_name="depot")
    op.drop_table("depot")
    op.drop_index(op.f("ix_api_token_account_id_revoked_at"), table_name="api_token")
    op.drop_table("api_token")
    op.drop_index(op.f("ix_warning_state_expires"), table_name="warning")
    op.drop_index(op.f("ix_warning_previous_id"), table_name="warning")
    op.drop_index(op.f("ix_warning_division_code_id"), table_name="warning")
    op.drop_table("warning")
    op.drop_index(op.f("ix_unit_kind_division_code"), table_name="unit")
    op.drop_index(op.f("ix_unit_division_code_id"), table_name="unit")
    op.drop_table("unit")
    op.drop_index(op.f("ix_supply_request_state_needed_at"), table_name="supply_request")
    op.drop_table("supply_request")
    op.drop_table("staged_resident")
    op.drop_table("safety_level")
    op.drop_index(op.f("ix_lot_expires_on"), table_name="lot")
    op.drop_table("lot")
    op.drop_table("import_piece")
    op.drop_table("import_error")
    op.drop_table("household")
    op.drop_index(op.f("ix_holiday_day_year"), table_name="holiday_day")
    op.drop_table("holiday_day")
    op.drop_table("drill_rule_sector")
    op.drop_table("drill_rule_kind")
    op.drop_table("delivery_tally")
    op.drop_index(
        "ix_delivery_block_queue",
        table_name="delivery_block",
        sqlite_where=sa.text("state = 'ready'"),
        postgresql_where=sa.text("state = 'ready'"),
    )
    op.drop_index(
        "ix_delivery_block_lease",
        table_name="delivery_block",
        sqlite_where=sa.text("state IN ('held', 'closing')"),
        postgresql_where=sa.text("state IN ('held', 'closing')"),
    )
    op.drop_index("ix_delivery_block_broadcast", table_name="delivery_block")
    op.drop_table("delivery_block")
    op.drop_index(op.f("ix_account_division_code_state"), table_name="account")
    op.drop_index(op.f("ix_account_contact_id"), table_name="account")
    op.drop_table("account")
    op.drop_table("touched")
    op.drop_index(op.f("ix_supply_item_code"), table_name="supply_item")
    op.drop_table("supply_item")
    op.drop_index(op.f("ix_state_change_kind_subject_id_id"), table_name="state_change")
    op.drop_table("state_change")
    op.drop_table("readiness_score")
    op.drop_index(
        "uq_raw_receipt_once",
        table_name="raw_receipt",
        sqlite_where=sa.text("once IS NOT NULL"),
        postgresql_where=sa.text("once IS NOT NULL"),
    )
    op.drop_index(
        "ix_raw_receipt_unfolded",
        table_name="raw_receipt",
        sqlite_where=sa.text("folded_at IS NULL"),
        postgresql_where=sa.text("folded_at IS NULL"),
    )
    op.drop_index("ix_raw_receipt_delivery", table_name="raw_receipt")
    op.drop_table("raw_receipt")
    op.drop_index(op.f("ix_question_reply_state_at"), table_name="question_reply")
    op.drop_table("question_reply")
    op.drop_table("plan_rule")
    op.drop_table("plan_filing_destination")
    op.drop_table("lease")
    op.drop_index(op.f("ix_journal_verification_state_id"), table_name="journal_verification")
    op.drop_table("journal_verification")
    op.drop_table("journal_head")
    op.drop_index(op.f("ix_journal_entry_subject_kind_subject_id_seq"), table_name="journal_entry")
    op.drop_index(op.f("ix_journal_entry_kind_seq"), table_name="journal_entry")
    op.drop_index(op.f("ix_journal_entry_actor_seq"), table_name="journal_entry")
    op.drop_table("journal_entry")
    op.drop_table("job_state")
    op.drop_index(op.f("ix_job_run_started_at"), table_name="job_run")
    op.drop_index("ix_job_run_name_started", table_name="job_run")
    op.drop_table("job_run")
    op.drop_index(op.f("ix_import_run_state_id"), table_name="import_run")
    op.drop_index(op.f("ix_import_run_actor_id"), table_name="import_run")
    op.drop_table("import_run")
    op.drop_index(op.f("ix_idempotency_key_at"), table_name="idempotency_key")
    op.drop_table("idempotency_key")
    op.drop_index(op.f("ix_failed_attempts_last_at"), table_name="failed_attempts")
    op.drop_table("failed_attempts")
    op.drop_table("event_type")
    op.drop_table("engine_switch")
    op.drop_table("engine_beat")
    op.drop_table("drill_rule")
    op.drop_index(op.f("ix_division_parent_code_code"), table_name="division")
    op.drop_index(op.f("ix_division_level_code"), table_name="division")
    op.drop_table("division")
    op.drop_index(
        "ix_delivery_unknown",
        table_name="delivery",
        sqlite_where=sa.text("state = 'unknown'"),
        postgresql_where=sa.text("state = 'unknown'"),
    )
    op.drop_table("delivery")
    op.drop_index(
        "uq_defect_one_while_it_lasts",
        table_name="defect",
        sqlite_where=sa.text("closed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.drop_index(op.f("ix_defect_subject_kind_subject_id"), table_name="defect")
    op.drop_index(op.f("ix_defect_closed_at_severity_rank_id"), table_name="defect")
    op.drop_table("defect")
    op.drop_index(
        "ix_contact_without_number",
        table_name="contact",
        sqlite_where=sa.text("phone_index IS NULL"),
        postgresql_where=sa.text("phone_index IS NULL"),
    )
    op.drop_index(op.f("ix_contact_phone_index"), table_name="contact")
    op.drop_index(op.f("ix_contact_name_index"), table_name="contact")
    op.drop_table("contact")
    op.drop_table("clock_step")
    op.drop_table("channel_state")
    op.drop_table("calendar_year")
    op.drop_index("ix_broadcast_subject", table_name="broadcast")
    op.drop_index("ix_broadcast_digest", table_name="broadcast")
    op.drop_table("broadcast")
    op.drop_table("audience_stamp")
    if op.get_bind().dialect.name == "postgresql":
        for name in POSTGRES_FUNCTIONS:
            op.get_bind().exec_driver_sql(f"DROP FUNCTION IF EXISTS {name}() CASCADE")
