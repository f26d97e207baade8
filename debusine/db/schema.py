"""The schema of a database: which version it has, and the way to the present one."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from debusine.db.engine import begin_migration, check_migrated, is_sqlite, migration_engine, normal_url, translated
from debusine.domain.errors import ConfigurationError, Unavailable

#: Where the version stands. Not Alembic's usual name: another program's database must not look like ours.
VERSION_TABLE = "debusine_schema"

#: The version that this code works with: the latest migration.
HEAD = "0008"


class ForeignDatabase(ConfigurationError):
    """The database belongs to another program."""

    def __init__(self, place: str, table: str) -> None:
        super().__init__(f"{place} holds something else (a table {table!r}); name an empty database")


class NewerDatabase(ConfigurationError):
    """The database was migrated by a newer debusine."""

    def __init__(self, place: str, version: str) -> None:
        super().__init__(
            f"{place} was made by a newer debusine (its version is {version}, this one knows {HEAD}); "
            "install that version again"
        )


class OlderDatabase(ConfigurationError):
    """The database was made by an older debusine, or is empty."""

    def __init__(self, place: str, version: str | None) -> None:
        state = f"has version {version}, not {HEAD}" if version else "is empty"
        super().__init__(f"{place} {state}; stop every server and run: debusine-admin migrate")


class CannotOpenDatabase(ConfigurationError):
    """The database does not answer, or is none."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(f"{place} cannot be opened: {reason}")


def check_version(url: str) -> None:
    """Return when the database is ready for this code; else raise an error that says in one line what to do."""
    version = read_version(url)
    if version != HEAD:
        raise OlderDatabase(place_of(url), version)


def migrate(url: str) -> bool:
    """Bring an empty or older database to the present version; returns whether anything had to be done.

    All steps are one transaction: whatever happens, the old version or the new one opens the database.
    """
    if read_version(url) == HEAD:
        return False
    _upgrade(url)
    return True


def read_version(url: str) -> str | None:
    """The version of a database, None when it is empty; ``ForeignDatabase`` and ``NewerDatabase`` for all others."""
    with migration_connection(url) as connection:
        known = sa.inspect(connection).get_table_names()
        if VERSION_TABLE not in known:
            if known:
                raise ForeignDatabase(place_of(url), min(known))
            return None
        version = connection.scalar(sa.select(sa.column("version_num")).select_from(sa.table(VERSION_TABLE)))
    if version is None or version == HEAD or version in known_versions():
        return version
    raise NewerDatabase(place_of(url), str(version))


@contextmanager
def migration_connection(url: str) -> Iterator[sa.Connection]:
    """A connection of its own on which tables can be changed; errors of the driver become ``CannotOpenDatabase``."""
    engine = migration_engine(normal_url(url))
    try:
        with engine.connect() as connection:
            yield connection
    except sa.exc.DBAPIError as error:
        known = translated(error)
        reason = str(known.detail if isinstance(known, Unavailable) else error.orig).strip().partition("\n")[0]
        raise CannotOpenDatabase(place_of(url), reason) from error
    finally:
        engine.dispose()


def known_versions() -> frozenset[str]:
    """Every version from the first to the present."""
    from alembic.script import ScriptDirectory  # not needed on most starts

    scripts = ScriptDirectory(str(Path(__file__).parent / "migrations"))
    return frozenset(revision.revision for revision in scripts.walk_revisions())


def place_of(url: str) -> str:
    """The database in a message, without its password."""
    parsed = normal_url(url)
    return f"The database {parsed.database if is_sqlite(parsed) else parsed.render_as_string(hide_password=True)}"


def _upgrade(url: str) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "debusine.db:migrations")
    with migration_connection(url) as connection, connection.begin():
        begin_migration(connection)
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        check_migrated(connection)
