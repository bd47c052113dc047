"""A drill that was held has the time at which its record came, and no other has one."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

TABLE = "drill_occurrence"
NAME = "ck_drill_occurrence_held_has_its_time"
RULE = "(state = 'held') = (done_at IS NOT NULL)"
CLAUSE = f",\n\tCONSTRAINT {NAME} CHECK ({RULE})"


def _rebuild(clause: str, instead: str) -> None:
    """SQLite changes no rule of a table that stands: made anew, with its own rows and indexes."""
    connection = op.get_bind()
    made = connection.scalar(
        sa.text("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = :name"), {"name": TABLE}
    )
    indexes = connection.scalars(
        sa.text("SELECT sql FROM sqlite_master WHERE type = 'index' AND tbl_name = :name AND sql IS NOT NULL"),
        {"name": TABLE},
    ).all()
    columns = ", ".join(f'"{column["name"]}"' for column in sa.inspect(connection).get_columns(TABLE))
    body = made.rstrip().removesuffix(")").rstrip()
    wanted = body.removesuffix(clause) + instead + "\n)"
    connection.exec_driver_sql(f"CREATE TEMPORARY TABLE kept AS SELECT {columns} FROM {TABLE}")  # noqa: S608
    connection.exec_driver_sql(f"DROP TABLE {TABLE}")
    connection.exec_driver_sql(wanted)
    connection.exec_driver_sql(f"INSERT INTO {TABLE} ({columns}) SELECT {columns} FROM kept")  # noqa: S608
    connection.exec_driver_sql("DROP TABLE kept")
    for index in indexes:
        connection.exec_driver_sql(index)


def upgrade() -> None:
    op.execute(
        "UPDATE drill_occurrence SET done_at = coalesce((SELECT recorded_at FROM drill_record"
        " WHERE drill_record.occurrence_id = drill_occurrence.id), ends_at)"
        " WHERE state = 'held' AND done_at IS NULL"
    )
    op.execute("UPDATE drill_occurrence SET done_at = NULL WHERE state <> 'held' AND done_at IS NOT NULL")
    if op.get_bind().dialect.name == "sqlite":
        _rebuild("", CLAUSE)
    else:
        op.create_check_constraint(op.f(NAME), TABLE, RULE)


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        _rebuild(CLAUSE, "")
    else:
        op.drop_constraint(op.f(NAME), TABLE)
