"""Where farms keep their rows: the embedded database, or those of one PostgreSQL."""

from pathlib import Path
from typing import Protocol

from attrs import define

from debusine.db.engine import sqlite_url
from debusine.db.schema import migrate
from tests.postgresql import PostgreSQLServer


class Databases(Protocol):
    """Makes databases of one kind."""

    def for_server(self) -> str | None:
        """What a fresh server is configured with; None: it makes its own."""

    def bare(self, place: Path) -> str:
        """The URL of an empty one that no server uses; the place may become its file."""


@define
class Embedded:
    """SQLite, one file for each farm."""

    def for_server(self) -> str | None:
        """Nothing: the server makes the file in its data directory."""
        return None

    def bare(self, place: Path) -> str:
        """A file."""
        url = sqlite_url(place)
        migrate(url)
        return url


@define
class Templates:
    """A PostgreSQL whose databases are copies of one that is migrated: a migration for each would take a second."""

    server: PostgreSQLServer
    _template: str | None = None

    def for_server(self) -> str:
        """A copy."""
        if self._template is None:
            url = self.server.create_database()
            migrate(url)
            self._template = url.partition("?")[0].rpartition("/")[2]
        return self.server.create_database(template=self._template)

    def bare(self, _place: Path) -> str:
        """A copy; it has no file of its own."""
        return self.for_server()
