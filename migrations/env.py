"""Alembic's entry: the product hands over an open connection; nothing is read from an ini file."""

from alembic import context

from emergency.schema import metadata, ours


def run(connection) -> None:  # type: ignore[no-untyped-def]
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        compare_type=True,
        include_object=ours,
        transaction_per_migration=False,
    )
    context.run_migrations()


run(context.config.attributes["connection"])
