"""What was learnt from drills: sheets, findings, actions with their steps, and the reports about it.

The four tables of the first version get stricter rules, and SQLite cannot change a rule of a table that stands: they
are read, made anew and written back, which takes no time at their size and is the same on both databases.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import sqlalchemy as sa
from alembic import op

from kernel.types import UTCDateTime

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

OLD = ("drill_evaluation", "drill_finding", "drill_corrective_action", "drill_objective_rating")
"""Parents first; they are dropped in the other order."""
NEW = (
    "drill_report", "drill_finding_check", "drill_action_nudge", "drill_check_mark", "drill_task_tick",
    "drill_objective_rating", "drill_corrective_action", "drill_finding", "drill_evaluation", "drill_proof_file",
)  # fmt: skip


def _id() -> sa.Column:
    return sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False)


def _enum(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=32)


def _take(names: tuple[str, ...]) -> dict[str, list[dict[str, Any]]]:
    """The rows of the tables, as the driver gives them."""
    connection = op.get_bind()
    return {
        name: [dict(row) for row in connection.execute(sa.text(f"SELECT * FROM {name} ORDER BY id")).mappings()]  # noqa: S608 - our own names
        for name in names
    }


def _write(name: str, rows: list[dict[str, Any]], more: Mapping[str, Any]) -> None:
    if not rows:
        return
    filled = [{**more, **row} for row in rows]
    table = sa.table(name, *(sa.column(column) for column in filled[0]))
    op.get_bind().execute(sa.insert(table), filled)


def _day(at: datetime | str | None) -> str | None:
    """The day in Beijing of a moment as the driver gives it: aware, or SQLite's text in UTC."""
    if at is None:
        return None
    moment = datetime.fromisoformat(at) if isinstance(at, str) else at
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return moment.astimezone(timezone(timedelta(hours=8))).date().isoformat()


def upgrade() -> None:
    kept = _take(OLD)
    for name in reversed(OLD):
        op.drop_table(name)
    _sheets()
    _findings()
    _actions()
    _reports()
    sheets = [{**row, "handed_in_at": row["at"]} for row in kept["drill_evaluation"]]
    _write("drill_evaluation", sheets, {"state": "handed_in", "version": 1})
    _write("drill_objective_rating", kept["drill_objective_rating"], {})
    _write("drill_finding", kept["drill_finding"], {"severity": "minor"})
    actions = [{**row, "done_on": _day(row["done_at"])} for row in kept["drill_corrective_action"]]
    _write("drill_corrective_action", actions, {"created_by": "system:migration"})


def _sheets() -> None:
    op.create_table(
        "drill_evaluation",
        _id(),
        sa.Column("occurrence_id", sa.BigInteger(), nullable=False),
        sa.Column("evaluator", sa.String(length=60), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("state", _enum("sheetstate", "draft", "handed_in", "replaced"), nullable=False),
        sa.Column("handed_in_at", UTCDateTime(), nullable=True),
        sa.Column("replaces_id", sa.BigInteger(), nullable=True),
        sa.Column("strengths_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "(state = 'draft') = (handed_in_at IS NULL)", name=op.f("ck_drill_evaluation_handed_in_has_a_time")
        ),
        sa.CheckConstraint(
            "replaces_id IS NULL OR replaces_id <> id", name=op.f("ck_drill_evaluation_never_replaces_itself")
        ),
        sa.ForeignKeyConstraint(
            ["occurrence_id"], ["drill_occurrence.id"], name=op.f("fk_drill_evaluation_occurrence_id_drill_occurrence")
        ),
        sa.ForeignKeyConstraint(
            ["replaces_id"], ["drill_evaluation.id"], name=op.f("fk_drill_evaluation_replaces_id_drill_evaluation")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drill_evaluation")),
        sa.UniqueConstraint("replaces_id", name=op.f("uq_drill_evaluation_replaces_id")),
    )
    op.create_index(op.f("ix_drill_evaluation_occurrence_id"), "drill_evaluation", ["occurrence_id"], unique=False)
    op.create_table(
        "drill_objective_rating",
        _id(),
        sa.Column("evaluation_id", sa.BigInteger(), nullable=False),
        sa.Column("objective_id", sa.BigInteger(), nullable=True),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("objective", sa.String(length=200), nullable=False),
        sa.Column("rating", _enum("rating", "P", "S", "M", "U", "NA"), nullable=True),
        sa.Column("observation_sealed", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["evaluation_id"],
            ["drill_evaluation.id"],
            name=op.f("fk_drill_objective_rating_evaluation_id_drill_evaluation"),
        ),
        sa.ForeignKeyConstraint(
            ["objective_id"],
            ["drill_objective.id"],
            name=op.f("fk_drill_objective_rating_objective_id_drill_objective"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drill_objective_rating")),
        sa.UniqueConstraint("evaluation_id", "position", name="one_row_an_objective"),
    )
    op.create_table(
        "drill_task_tick",
        sa.Column("evaluation_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("task_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(
            ["evaluation_id"], ["drill_evaluation.id"], name=op.f("fk_drill_task_tick_evaluation_id_drill_evaluation")
        ),
        sa.ForeignKeyConstraint(
            ["task_id"], ["drill_critical_task.id"], name=op.f("fk_drill_task_tick_task_id_drill_critical_task")
        ),
        sa.PrimaryKeyConstraint("evaluation_id", "task_id", name=op.f("pk_drill_task_tick")),
    )
    op.create_table(
        "drill_check_mark",
        sa.Column("evaluation_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("line", sa.String(length=40), nullable=False),
        sa.Column("mark", _enum("checkmark", "yes", "partly", "no", "na"), nullable=False),
        sa.ForeignKeyConstraint(
            ["evaluation_id"], ["drill_evaluation.id"], name=op.f("fk_drill_check_mark_evaluation_id_drill_evaluation")
        ),
        sa.PrimaryKeyConstraint("evaluation_id", "line", name=op.f("pk_drill_check_mark")),
    )


def _findings() -> None:
    op.create_table(
        "drill_finding",
        _id(),
        sa.Column("occurrence_id", sa.BigInteger(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("root_cause", sa.Text(), nullable=False),
        sa.Column("cause", _enum("cause", "plan", "organisation", "equipment", "training", "exercise"), nullable=True),
        sa.Column("severity", _enum("severity", "major", "serious", "minor"), nullable=False),
        sa.Column("objective_id", sa.BigInteger(), nullable=True),
        sa.Column("plan_id", sa.BigInteger(), nullable=True),
        sa.Column("recurs_id", sa.BigInteger(), nullable=True),
        sa.Column("state", _enum("findingstate", "open", "closed"), nullable=False),
        sa.Column("closed_by_version_id", sa.BigInteger(), nullable=True),
        sa.Column("proof", sa.Text(), nullable=True),
        sa.Column("proof_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("found_at", UTCDateTime(), nullable=False),
        sa.Column("found_by", sa.String(length=60), nullable=False),
        sa.Column("closed_at", UTCDateTime(), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "state = 'open' OR closed_by_version_id IS NOT NULL OR proof IS NOT NULL OR proof_sealed IS NOT NULL",
            name=op.f("ck_drill_finding_closed_by_proof_only"),
        ),
        sa.CheckConstraint("recurs_id IS NULL OR recurs_id <> id", name=op.f("ck_drill_finding_never_recurs_itself")),
        sa.ForeignKeyConstraint(
            ["closed_by_version_id"],
            ["plan_version.id"],
            name=op.f("fk_drill_finding_closed_by_version_id_plan_version"),
        ),
        sa.ForeignKeyConstraint(
            ["objective_id"], ["drill_objective.id"], name=op.f("fk_drill_finding_objective_id_drill_objective")
        ),
        sa.ForeignKeyConstraint(
            ["occurrence_id"], ["drill_occurrence.id"], name=op.f("fk_drill_finding_occurrence_id_drill_occurrence")
        ),
        sa.ForeignKeyConstraint(["plan_id"], ["plan.id"], name=op.f("fk_drill_finding_plan_id_plan")),
        sa.ForeignKeyConstraint(
            ["recurs_id"], ["drill_finding.id"], name=op.f("fk_drill_finding_recurs_id_drill_finding")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drill_finding")),
    )
    op.create_index(op.f("ix_drill_finding_occurrence_id"), "drill_finding", ["occurrence_id"], unique=False)
    op.create_index(op.f("ix_drill_finding_plan_id"), "drill_finding", ["plan_id"], unique=False)
    op.create_index(op.f("ix_drill_finding_state_id"), "drill_finding", ["state", "id"], unique=False)
    op.create_table(
        "drill_finding_check",
        _id(),
        sa.Column("occurrence_id", sa.BigInteger(), nullable=False),
        sa.Column("finding_id", sa.BigInteger(), nullable=False),
        sa.Column("outcome", _enum("again", "gone", "recurred", "not_tested"), nullable=False),
        sa.Column("again_id", sa.BigInteger(), nullable=True),
        sa.Column("checked_at", UTCDateTime(), nullable=False),
        sa.Column("checked_by", sa.String(length=60), nullable=False),
        sa.CheckConstraint(
            "(outcome = 'recurred') = (again_id IS NOT NULL)",
            name=op.f("ck_drill_finding_check_recurred_names_the_new_finding"),
        ),
        sa.ForeignKeyConstraint(
            ["again_id"], ["drill_finding.id"], name=op.f("fk_drill_finding_check_again_id_drill_finding")
        ),
        sa.ForeignKeyConstraint(
            ["finding_id"], ["drill_finding.id"], name=op.f("fk_drill_finding_check_finding_id_drill_finding")
        ),
        sa.ForeignKeyConstraint(
            ["occurrence_id"],
            ["drill_occurrence.id"],
            name=op.f("fk_drill_finding_check_occurrence_id_drill_occurrence"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drill_finding_check")),
        sa.UniqueConstraint("occurrence_id", "finding_id", name="one_row_a_drill_and_finding"),
    )
    op.create_index(op.f("ix_drill_finding_check_finding_id"), "drill_finding_check", ["finding_id"], unique=False)


def _actions() -> None:
    op.create_table(
        "drill_proof_file",
        _id(),
        sa.Column("media_type", sa.String(length=80), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("name_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("data_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("added_at", UTCDateTime(), nullable=False),
        sa.Column("added_by", sa.String(length=60), nullable=False),
        sa.CheckConstraint("size > 0", name=op.f("ck_drill_proof_file_size_positive")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drill_proof_file")),
    )
    op.create_table(
        "drill_corrective_action",
        _id(),
        sa.Column("finding_id", sa.BigInteger(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("owner_post_id", sa.BigInteger(), nullable=True),
        sa.Column("owner_words", sa.String(length=100), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=True),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("state", _enum("actionstate", "open", "done", "verified", "dropped"), nullable=False),
        sa.Column("proof", sa.Text(), nullable=True),
        sa.Column("proof_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("proof_file_id", sa.BigInteger(), nullable=True),
        sa.Column("done_at", UTCDateTime(), nullable=True),
        sa.Column("done_on", sa.Date(), nullable=True),
        sa.Column("done_by", sa.String(length=60), nullable=True),
        sa.Column("verified_at", UTCDateTime(), nullable=True),
        sa.Column("verified_by", sa.String(length=60), nullable=True),
        sa.Column("said", _enum("said", "done", "longer", "cannot"), nullable=True),
        sa.Column("said_at", UTCDateTime(), nullable=True),
        sa.Column("said_until", sa.Date(), nullable=True),
        sa.Column("said_question_id", sa.BigInteger(), nullable=True),
        sa.Column("created_by", sa.String(length=60), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "(state = 'verified') = (verified_by IS NOT NULL)",
            name=op.f("ck_drill_corrective_action_verified_by_somebody"),
        ),
        sa.CheckConstraint(
            "state NOT IN ('done', 'verified') OR proof IS NOT NULL OR proof_sealed IS NOT NULL OR proof_file_id IS NOT NULL",
            name=op.f("ck_drill_corrective_action_done_has_proof"),
        ),
        sa.CheckConstraint(
            "starts_on IS NULL OR due_on >= starts_on", name=op.f("ck_drill_corrective_action_due_after_it_starts")
        ),
        sa.CheckConstraint(
            "verified_by IS NULL OR done_by IS NULL OR verified_by <> done_by",
            name=op.f("ck_drill_corrective_action_verified_by_another"),
        ),
        sa.ForeignKeyConstraint(
            ["finding_id"], ["drill_finding.id"], name=op.f("fk_drill_corrective_action_finding_id_drill_finding")
        ),
        sa.ForeignKeyConstraint(
            ["proof_file_id"],
            ["drill_proof_file.id"],
            name=op.f("fk_drill_corrective_action_proof_file_id_drill_proof_file"),
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
        "drill_action_nudge",
        _id(),
        sa.Column("action_id", sa.BigInteger(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("kind", _enum("nudgekind", "reminder", "deputy", "superior"), nullable=False),
        sa.Column("due_at", UTCDateTime(), nullable=False),
        sa.Column("done_at", UTCDateTime(), nullable=True),
        sa.Column("outcome", _enum("nudgeoutcome", "sent", "overtaken", "not_needed"), nullable=True),
        sa.Column("question_id", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "(done_at IS NULL) = (outcome IS NULL)", name=op.f("ck_drill_action_nudge_done_has_an_outcome")
        ),
        sa.ForeignKeyConstraint(
            ["action_id"],
            ["drill_corrective_action.id"],
            name=op.f("fk_drill_action_nudge_action_id_drill_corrective_action"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drill_action_nudge")),
        sa.UniqueConstraint("action_id", "due_on", "kind", name="one_row_a_step_and_date"),
    )
    op.create_index(
        op.f("ix_drill_action_nudge_done_at_due_at"), "drill_action_nudge", ["done_at", "due_at"], unique=False
    )


def _reports() -> None:
    op.create_table(
        "drill_report",
        _id(),
        sa.Column("occurrence_id", sa.BigInteger(), nullable=False),
        sa.Column("rule_id", sa.BigInteger(), nullable=False),
        sa.Column("to_whom", sa.String(length=60), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("provisional", sa.Boolean(), nullable=False),
        sa.Column("made_at", UTCDateTime(), nullable=False),
        sa.Column("filed_on", sa.Date(), nullable=True),
        sa.Column("filed_at", UTCDateTime(), nullable=True),
        sa.Column("filed_by", sa.String(length=60), nullable=True),
        sa.Column("reference", sa.String(length=60), nullable=False),
        sa.Column("receipt", sa.String(length=200), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("(filed_at IS NULL) = (filed_by IS NULL)", name=op.f("ck_drill_report_filed_by_somebody")),
        sa.CheckConstraint("(filed_at IS NULL) = (filed_on IS NULL)", name=op.f("ck_drill_report_filed_has_a_day")),
        sa.ForeignKeyConstraint(
            ["occurrence_id"], ["drill_occurrence.id"], name=op.f("fk_drill_report_occurrence_id_drill_occurrence")
        ),
        sa.ForeignKeyConstraint(["rule_id"], ["drill_rule.id"], name=op.f("fk_drill_report_rule_id_drill_rule")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drill_report")),
        sa.UniqueConstraint("occurrence_id", "rule_id", name="one_report_a_drill_and_rule"),
    )
    op.create_index(op.f("ix_drill_report_due_on"), "drill_report", ["due_on"], unique=False)


def downgrade() -> None:
    kept = _take(("drill_evaluation", "drill_finding", "drill_corrective_action", "drill_objective_rating"))
    for name in NEW:
        op.drop_table(name)
    _first_version()
    sheets = [row for row in kept["drill_evaluation"] if row["state"] != "draft"]
    known = {row["id"] for row in sheets}
    _write("drill_evaluation", _only(sheets, "id", "occurrence_id", "evaluator", "at", "strengths_sealed"), {})
    ratings = [r for r in kept["drill_objective_rating"] if r["evaluation_id"] in known and r["rating"] is not None]
    _write("drill_objective_rating", _only(ratings, "id", "evaluation_id", "position", "objective", "rating"), {})
    # A sealed proof cannot be opened here: that there was one is what remains.
    for row in (*kept["drill_finding"], *kept["drill_corrective_action"]):
        if row["proof"] is None and (row["proof_sealed"] is not None or row.get("proof_file_id") is not None):
            row["proof"] = "已提交证明材料（封存）"
        row["state"] = "done" if row["state"] == "verified" else row["state"]
    _write(
        "drill_finding",
        _only(
            kept["drill_finding"], "id", "occurrence_id", "text", "root_cause", "plan_id", "state",
            "closed_by_version_id", "proof", "found_at", "found_by", "version",
        ),
        {},
    )  # fmt: skip
    _write(
        "drill_corrective_action",
        _only(
            kept["drill_corrective_action"], "id", "finding_id", "text", "owner_post_id", "owner_words", "due_on",
            "state", "proof", "done_at", "version",
        ),
        {},
    )  # fmt: skip


def _only(rows: list[dict[str, Any]], *names: str) -> list[dict[str, Any]]:
    return [{name: row[name] for name in names} for row in rows]


def _first_version() -> None:
    op.create_table(
        "drill_evaluation",
        _id(),
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
        _id(),
        sa.Column("occurrence_id", sa.BigInteger(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("root_cause", sa.Text(), nullable=False),
        sa.Column("plan_id", sa.BigInteger(), nullable=True),
        sa.Column(
            "state",
            _enum("findingstate", "open", "closed"),
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
        "drill_corrective_action",
        _id(),
        sa.Column("finding_id", sa.BigInteger(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("owner_post_id", sa.BigInteger(), nullable=True),
        sa.Column("owner_words", sa.String(length=100), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column(
            "state",
            _enum("actionstate", "open", "done", "dropped"),
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
        _id(),
        sa.Column("evaluation_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("objective", sa.String(length=200), nullable=False),
        sa.Column(
            "rating",
            _enum("rating", "P", "S", "M", "U", "NA"),
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
