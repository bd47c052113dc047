"""Acting on plans: activations, decisions, checklists, evacuation progress, the situation log, suggestions."""

import sqlalchemy as sa
from alembic import op

from kernel.types import JSONText, UTCDateTime

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

TRIGGERS = {
    "plan_activation": {
        "sqlite": [
            "CREATE TRIGGER plan_activation_kept BEFORE UPDATE OF kind, plan_id, "
            "version_id ON plan_activation WHEN NEW.kind <> OLD.kind OR NEW.plan_id <> "
            "OLD.plan_id OR NEW.version_id <> OLD.version_id BEGIN SELECT RAISE(ABORT, "
            "'the kind, plan and version of an activation never change'); END"
        ],
        "postgresql": [
            "CREATE OR REPLACE FUNCTION plan_activation_is_kept() RETURNS trigger "
            "LANGUAGE plpgsql AS $$ BEGIN IF NEW.kind <> OLD.kind OR NEW.plan_id <> "
            "OLD.plan_id OR NEW.version_id <> OLD.version_id THEN RAISE EXCEPTION "
            "'the kind, plan and version of an activation never change'; END IF; "
            "RETURN NEW; END $$",
            "CREATE TRIGGER plan_activation_kept BEFORE UPDATE ON plan_activation "
            "FOR EACH ROW EXECUTE FUNCTION plan_activation_is_kept()",
        ],
    },
    "plan_activation_entry": {
        "sqlite": [
            "CREATE TRIGGER plan_activation_entry_kept BEFORE UPDATE OF "
            "activation_id, kind, what, subject_id, at, recorded_at, actor, data "
            "ON plan_activation_entry BEGIN SELECT RAISE(ABORT, 'the situation log "
            "is only added to'); END",
            "CREATE TRIGGER plan_activation_entry_stays BEFORE DELETE ON "
            "plan_activation_entry BEGIN SELECT RAISE(ABORT, 'the situation log is "
            "only added to'); END",
        ],
        "postgresql": [
            "CREATE OR REPLACE FUNCTION plan_activation_entry_is_kept() "
            "RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'the "
            "situation log is only added to'; END $$",
            "CREATE TRIGGER plan_activation_entry_kept BEFORE DELETE OR UPDATE "
            "OF activation_id, kind, what, subject_id, at, recorded_at, actor, "
            "data ON plan_activation_entry FOR EACH ROW EXECUTE FUNCTION "
            "plan_activation_entry_is_kept()",
        ],
    },
}
TABLES = (
    "plan_activation_suggestion", "plan_activation_entry", "plan_activation_evacuation", "plan_activation_line",
    "plan_activation_step", "plan_activation",
)  # fmt: skip


def _enum(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=32)


def upgrade() -> None:
    op.create_table(
        "plan_activation",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("plan_id", sa.BigInteger(), nullable=False),
        sa.Column("version_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", _enum("activationkind", "Actual", "Exercise"), nullable=False),
        sa.Column("state", _enum("activationstate", "proposed", "running", "ended", "not_started"), nullable=False),
        sa.Column("grade", _enum("activationgrade", "I", "II", "III", "IV"), nullable=False),
        sa.Column("matter", sa.String(length=200), nullable=False),
        sa.Column("measures", sa.Text(), nullable=False),
        sa.Column("division_code", sa.String(length=12), nullable=False),
        sa.Column("expected_until", UTCDateTime(), nullable=True),
        sa.Column("occurrence_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("created_by", sa.String(length=60), nullable=False),
        sa.Column("started_at", UTCDateTime(), nullable=True),
        sa.Column("ended_at", UTCDateTime(), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "(state = 'ended') = (ended_at IS NOT NULL)", name=op.f("ck_plan_activation_ended_has_a_time")
        ),
        sa.CheckConstraint(
            "occurrence_id IS NULL OR kind = 'Exercise'", name=op.f("ck_plan_activation_only_exercises_have_a_drill")
        ),
        sa.CheckConstraint(
            "state <> 'running' OR started_at IS NOT NULL", name=op.f("ck_plan_activation_running_has_begun")
        ),
        sa.CheckConstraint(
            "ended_at IS NULL OR ended_at >= started_at", name=op.f("ck_plan_activation_ends_after_it_began")
        ),
        sa.CheckConstraint("length(matter) > 0", name=op.f("ck_plan_activation_says_what_for")),
        sa.ForeignKeyConstraint(["plan_id"], ["plan.id"], name=op.f("fk_plan_activation_plan_id_plan")),
        sa.ForeignKeyConstraint(
            ["version_id"], ["plan_version.id"], name=op.f("fk_plan_activation_version_id_plan_version")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan_activation")),
        sa.UniqueConstraint("id", "kind", name="uq_plan_activation_kind"),
    )
    op.create_index(
        op.f("ix_plan_activation_state_division_code"), "plan_activation", ["state", "division_code"], unique=False
    )
    op.create_index(
        "uq_plan_activation_open",
        "plan_activation",
        ["plan_id", "kind"],
        unique=True,
        sqlite_where=sa.text("state IN ('proposed', 'running')"),
        postgresql_where=sa.text("state IN ('proposed', 'running')"),
    )
    op.create_table(
        "plan_activation_suggestion",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("plan_id", sa.BigInteger(), nullable=False),
        sa.Column("version_id", sa.BigInteger(), nullable=False),
        sa.Column("grade", _enum("suggestiongrade", "I", "II", "III", "IV"), nullable=False),
        sa.Column("kind", _enum("suggestionkind", "Actual", "Exercise"), nullable=False),
        sa.Column("warning_id", sa.BigInteger(), nullable=False),
        sa.Column("headline", sa.Text(), nullable=False),
        sa.Column("state", _enum("suggestionstate", "open", "used", "dismissed", "passed"), nullable=False),
        sa.Column("made_at", UTCDateTime(), nullable=False),
        sa.Column("settled_by", sa.String(length=60), nullable=True),
        sa.Column("settled_at", UTCDateTime(), nullable=True),
        sa.Column("reason_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "(state = 'open') = (settled_at IS NULL)", name=op.f("ck_plan_activation_suggestion_settled_has_a_time")
        ),
        sa.ForeignKeyConstraint(["plan_id"], ["plan.id"], name=op.f("fk_plan_activation_suggestion_plan_id_plan")),
        sa.ForeignKeyConstraint(
            ["version_id"], ["plan_version.id"], name=op.f("fk_plan_activation_suggestion_version_id_plan_version")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan_activation_suggestion")),
        sa.UniqueConstraint("version_id", "grade", "warning_id", name="uq_plan_activation_suggestion_once"),
    )
    op.create_index(
        op.f("ix_plan_activation_suggestion_state_plan_id"),
        "plan_activation_suggestion",
        ["state", "plan_id"],
        unique=False,
    )
    op.create_table(
        "plan_activation_entry",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("activation_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", _enum("activationentrykind", "Actual", "Exercise"), nullable=False),
        sa.Column("what", _enum("entrykind", "step", "line", "evacuation", "told", "note"), nullable=False),
        sa.Column("subject_id", sa.BigInteger(), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("recorded_at", UTCDateTime(), nullable=False),
        sa.Column("actor", sa.String(length=60), nullable=False),
        sa.Column("data", JSONText(), nullable=False),
        sa.Column("text_sealed", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["activation_id", "kind"],
            ["plan_activation.id", "plan_activation.kind"],
            name=op.f("fk_plan_activation_entry_activation_id_kind_plan_activation"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan_activation_entry")),
    )
    op.create_index(
        op.f("ix_plan_activation_entry_activation_id_at"),
        "plan_activation_entry",
        ["activation_id", "at"],
        unique=False,
    )
    op.create_table(
        "plan_activation_evacuation",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("activation_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", _enum("activationevacuationkind", "Actual", "Exercise"), nullable=False),
        sa.Column("row_id", sa.BigInteger(), nullable=False),
        sa.Column("division_code", sa.String(length=12), nullable=False),
        sa.Column("post_id", sa.BigInteger(), nullable=True),
        sa.Column("people", sa.BigInteger(), nullable=False),
        sa.Column("informed", sa.BigInteger(), nullable=False),
        sa.Column("gone", sa.BigInteger(), nullable=False),
        sa.Column("refused", sa.BigInteger(), nullable=False),
        sa.Column("helped", sa.BigInteger(), nullable=False),
        sa.Column("due_at", UTCDateTime(), nullable=True),
        sa.Column("reported_at", UTCDateTime(), nullable=True),
        sa.Column("reported_by", sa.String(length=60), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "(reported_at IS NULL) = (reported_by IS NULL)",
            name=op.f("ck_plan_activation_evacuation_reported_by_somebody"),
        ),
        sa.CheckConstraint("helped <= gone", name=op.f("ck_plan_activation_evacuation_who_was_helped_has_left")),
        sa.CheckConstraint(
            "people >= 0 AND informed >= 0 AND gone >= 0 AND refused >= 0 AND helped >= 0",
            name=op.f("ck_plan_activation_evacuation_heads_not_negative"),
        ),
        sa.ForeignKeyConstraint(
            ["activation_id", "kind"],
            ["plan_activation.id", "plan_activation.kind"],
            name=op.f("fk_plan_activation_evacuation_activation_id_kind_plan_activation"),
        ),
        sa.ForeignKeyConstraint(
            ["row_id"],
            ["plan_evacuation_row.id"],
            name=op.f("fk_plan_activation_evacuation_row_id_plan_evacuation_row"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan_activation_evacuation")),
        sa.UniqueConstraint("activation_id", "row_id", name="uq_plan_activation_evacuation_once"),
    )
    op.create_table(
        "plan_activation_step",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("activation_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", _enum("activationstepkind", "Actual", "Exercise"), nullable=False),
        sa.Column("what", _enum("activationstep", "start", "raise", "lower", "end"), nullable=False),
        sa.Column("state", _enum("stepstate", "waiting", "done", "refused", "withdrawn"), nullable=False),
        sa.Column("from_grade", _enum("activationfromgrade", "I", "II", "III", "IV"), nullable=True),
        sa.Column("to_grade", _enum("activationtograde", "I", "II", "III", "IV"), nullable=True),
        sa.Column("with_lower", sa.Boolean(), nullable=False),
        sa.Column("decided_by", sa.String(length=100), nullable=False),
        sa.Column("reason_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("answer_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("two_people", sa.Boolean(), nullable=False),
        sa.Column("break_glass", sa.Boolean(), nullable=False),
        sa.Column("proposed_by", sa.String(length=60), nullable=False),
        sa.Column("proposed_at", UTCDateTime(), nullable=False),
        sa.Column("settled_by", sa.String(length=60), nullable=True),
        sa.Column("settled_at", UTCDateTime(), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "(state = 'waiting') = (settled_at IS NULL)", name=op.f("ck_plan_activation_step_settled_has_a_time")
        ),
        sa.CheckConstraint(
            "NOT break_glass OR kind = 'Actual'", name=op.f("ck_plan_activation_step_glass_breaks_for_real_only")
        ),
        sa.CheckConstraint(
            "state <> 'done' OR NOT two_people OR break_glass OR settled_by <> proposed_by",
            name=op.f("ck_plan_activation_step_two_people_decide"),
        ),
        sa.CheckConstraint(
            "(settled_at IS NULL) = (settled_by IS NULL)", name=op.f("ck_plan_activation_step_settled_by_somebody")
        ),
        sa.ForeignKeyConstraint(
            ["activation_id", "kind"],
            ["plan_activation.id", "plan_activation.kind"],
            name=op.f("fk_plan_activation_step_activation_id_kind_plan_activation"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan_activation_step")),
    )
    op.create_index(
        op.f("ix_plan_activation_step_activation_id_id"), "plan_activation_step", ["activation_id", "id"], unique=False
    )
    op.create_index(
        "uq_plan_activation_step_waiting",
        "plan_activation_step",
        ["activation_id"],
        unique=True,
        sqlite_where=sa.text("state = 'waiting'"),
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_table(
        "plan_activation_line",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("activation_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", _enum("activationlinekind", "Actual", "Exercise"), nullable=False),
        sa.Column("action_id", sa.BigInteger(), nullable=False),
        sa.Column("grade", _enum("activationlinegrade", "I", "II", "III", "IV"), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("post_id", sa.BigInteger(), nullable=True),
        sa.Column("actor_words", sa.String(length=100), nullable=False),
        sa.Column("division_code", sa.String(length=12), nullable=False),
        sa.Column("within_minutes", sa.BigInteger(), nullable=True),
        sa.Column("added_at", UTCDateTime(), nullable=False),
        sa.Column("due_at", UTCDateTime(), nullable=True),
        sa.Column("state", _enum("linestate", "open", "taken", "done", "not_applicable", "closed"), nullable=False),
        sa.Column("taken_by", sa.String(length=60), nullable=True),
        sa.Column("taken_at", UTCDateTime(), nullable=True),
        sa.Column("settled_by", sa.String(length=60), nullable=True),
        sa.Column("settled_at", UTCDateTime(), nullable=True),
        sa.Column("happened_at", UTCDateTime(), nullable=True),
        sa.Column("heard", _enum("lineheard", "page", "link", "sms", "key", "phone", "radio", "visit"), nullable=True),
        sa.Column("note_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("reminded", sa.SmallInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "(state IN ('done', 'not_applicable', 'closed')) = (settled_at IS NOT NULL)",
            name=op.f("ck_plan_activation_line_settled_has_a_time"),
        ),
        sa.CheckConstraint(
            "state <> 'not_applicable' OR note_sealed IS NOT NULL",
            name=op.f("ck_plan_activation_line_not_applicable_says_why"),
        ),
        sa.CheckConstraint(
            "state <> 'taken' OR taken_by IS NOT NULL", name=op.f("ck_plan_activation_line_taken_by_somebody")
        ),
        sa.CheckConstraint(
            "(settled_at IS NULL) = (settled_by IS NULL)", name=op.f("ck_plan_activation_line_settled_by_somebody")
        ),
        sa.ForeignKeyConstraint(
            ["action_id"],
            ["plan_response_action.id"],
            name=op.f("fk_plan_activation_line_action_id_plan_response_action"),
        ),
        sa.ForeignKeyConstraint(
            ["activation_id", "kind"],
            ["plan_activation.id", "plan_activation.kind"],
            name=op.f("fk_plan_activation_line_activation_id_kind_plan_activation"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan_activation_line")),
        sa.UniqueConstraint("activation_id", "action_id", name="uq_plan_activation_line_once"),
    )
    op.create_index(
        op.f("ix_plan_activation_line_division_code_state"),
        "plan_activation_line",
        ["division_code", "state"],
        unique=False,
    )
    op.create_index(
        "ix_plan_activation_line_due",
        "plan_activation_line",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("state IN ('open', 'taken')"),
        postgresql_where=sa.text("state IN ('open', 'taken')"),
    )
    op.create_index(
        op.f("ix_plan_activation_line_post_id_state"), "plan_activation_line", ["post_id", "state"], unique=False
    )
    for statements in TRIGGERS.values():
        for statement in statements[op.get_bind().dialect.name]:
            op.get_bind().exec_driver_sql(statement)


def downgrade() -> None:
    for table in TABLES:
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION plan_activation_is_kept()")
        op.execute("DROP FUNCTION plan_activation_entry_is_kept()")
