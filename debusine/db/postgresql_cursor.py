"""The driver's cursor, a little quicker: a module of its own, because only who uses PostgreSQL has the driver."""

from typing import Any

import psycopg

#: What the DB-API wants to be told of a column besides its name and its type, and SQLAlchemy does not ask for.
_REST = (None,) * 5


class Cursor(psycopg.Cursor[Any]):
    """Describes columns by names and types alone: the driver's own description takes as long as a small statement.

    SQLAlchemy asks for it after each statement, and looks into it after the first of a kind.
    """

    @property
    def description(self) -> Any:
        """The columns of the rows, as tuples; None: the statement gave none."""
        result = self.pgresult
        if result is None or result.status != psycopg.pq.ExecStatus.TUPLES_OK:
            return None
        return [((result.fname(n) or b"").decode(), result.ftype(n), *_REST) for n in range(result.nfields)]
