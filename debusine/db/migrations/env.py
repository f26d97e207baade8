"""How Alembic runs the migrations: all of them in one transaction, on the connection that it is given."""

from typing import Any

from alembic import context

from debusine.db import tables
from debusine.db.schema import VERSION_TABLE, migration_connection


def run(connection: Any) -> None:
    """Bring the database that is behind a connection to the wanted version."""
    context.configure(
        connection=connection,
        target_metadata=tables.metadata,
        version_table=VERSION_TABLE,
        render_as_batch=True,  # SQLite changes a table by making it anew
        transactional_ddl=True,  # on SQLite, too: BEGIN is sent by an event of the engine
        compare_type=True,
    )
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:  # Alembic's own command, as developers use it: alembic -x url=… revision --autogenerate
    with migration_connection(context.get_x_argument(as_dictionary=True)["url"]) as opened:
        run(opened)
