"""Migrations, for the operator."""

from typing import Any

from debusine.cli.data_directory import locked
from debusine.cli.operator import PROGRAM
from debusine.config import Settings


def migrate_database(settings: Settings) -> dict[str, Any]:
    """Bring the database to the present version; says which that is, and whether anything had to be done."""
    from debusine.db.engine import sqlite_url
    from debusine.db.schema import HEAD, migrate

    if settings.database is not None:
        return {"version": HEAD, "changed": migrate(settings.database)}
    with locked(settings.data_dir, PROGRAM):
        return {"version": HEAD, "changed": migrate(sqlite_url(settings.sqlite))}
