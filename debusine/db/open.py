"""Which database a URL means."""

from collections.abc import Callable
from datetime import datetime

from debusine.db.database import Database
from debusine.db.engine import is_sqlite, normal_url
from debusine.db.postgresql import PostgreSQLDatabase
from debusine.db.sqlite import SQLiteDatabase
from debusine.domain.times import now


def open_database(url: str, clock: Callable[[], datetime] = now) -> Database:
    """Open a database for the running event loop; the tables must be there already."""
    parsed = normal_url(url)
    return SQLiteDatabase(parsed, clock) if is_sqlite(parsed) else PostgreSQLDatabase(parsed, clock)
