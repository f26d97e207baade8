"""Engines, and everything in which SQLite and PostgreSQL differ."""

import sqlite3
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from debusine.db.types import JSON, Instant
from debusine.domain.errors import ConfigurationError, StorageFull, Unavailable

#: SQL states after which PostgreSQL invites to try again: serialization failure and deadlock; and a unique violation,
#: because whoever looked first and inserted then finds the row of the other one the next time.
RETRIABLE_STATES = frozenset({"40001", "40P01", "23505"})

#: PostgreSQL's disk is full.
FULL_STATES = frozenset({"53100"})

#: The connection is lost, whether the driver has noticed yet or not: everything of class 08, and what PostgreSQL says
#: when it ends a session that was idle or took too long, when it shuts down and when it starts.
LOST_CLASSES = frozenset({"08"})
LOST_STATES = frozenset({"25P03", "25P04", "57P01", "57P02", "57P03", "57P04", "57P05"})
#: What passes by itself or by the operator's hand, and is no fault of a statement: by class a transaction that was
#: rolled back, a want of connections or memory, an operator's intervention, a fault of PostgreSQL's system; and a
#: database that is only read, a lock that could not be had.
PASSING_CLASSES = frozenset({"40", "53", "57", "58"})
PASSING_STATES = frozenset({"25006", "55P03"})

#: Seconds that PostgreSQL lets a server do nothing in the middle of a transaction. One that is frozen there (a machine
#: that was suspended, a process that was stopped) holds its locks; its announcement of a completion holds back what
#: all servers tell their watchers. When it goes on, it finds the connection closed and runs the transaction again.
#: Transactions pause for milliseconds; a minute spares those that compute on a machine that is much too busy.
IDLE_IN_TRANSACTION = 60.0

#: How a URL names this machine.
LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})

#: The advisory lock of PostgreSQL that a migration holds; any number that nobody else uses.
MIGRATION_LOCK = 6_382_147

#: The uppermost 12 of the 64 bits of the advisory locks by which transactions announce completions; any number of 11.
COMPLETION_LOCK = 0x2D8

#: What drivers raise inside transactions: who catches everything there lets this one pass.
DriverError = sa.exc.SQLAlchemyError

#: KiB of pages that a connection keeps; the writer's holds the heads of the queues when very many wait.
READER_CACHE = 2_000
WRITER_CACHE = 16_000

#: Milliseconds that a reader waits for SQLite's lock, for instance while another process makes a backup.
BUSY_TIMEOUT = 30_000


class UnknownDatabase(ConfigurationError):
    """The setting ``database`` names a kind of database that the farm does not speak."""

    def __init__(self, url: str) -> None:
        scheme = url.partition(":")[0]
        super().__init__(f'database = "{scheme}:…" is not known; write "postgresql:///NAME" or leave it out for SQLite')


class DriverMissing(ConfigurationError):
    """The Python package that speaks to PostgreSQL is not installed."""

    def __init__(self) -> None:
        super().__init__("PostgreSQL needs the package psycopg; install it with: pip install 'debusine[postgresql]'")


def sqlite_url(path: Path) -> str:
    """The URL of an SQLite database file."""
    return sa.URL.create("sqlite", database=str(path)).render_as_string()


def normal_url(url: str) -> sa.URL:
    """A deployer's URL with the driver that the farm uses."""
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError as error:
        raise UnknownDatabase(url) from error
    drivers = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg", "sqlite": "sqlite"}
    backend = parsed.drivername.partition("+")[0]
    if backend not in drivers:
        raise UnknownDatabase(url)
    return parsed.set(drivername=drivers[backend])


def is_sqlite(url: sa.URL) -> bool:
    """Whether the database is embedded."""
    return url.get_backend_name() == "sqlite"


def on_this_machine(url: sa.URL) -> bool:
    """Whether the database answers without a network; a socket's directory stands in the place of a host."""
    host = str(url.host or url.query.get("host") or "/")
    return host.startswith("/") or host in LOCAL_HOSTS


class DatabaseFull(StorageFull):
    """The database has no room for the change; what was there stays readable."""

    def __init__(self) -> None:
        super().__init__("The database is full", detail="Nothing was changed; free some space and try again")


class DatabaseUnreachable(Unavailable):
    """The database does not answer."""

    def __init__(self, reason: str) -> None:
        super().__init__("The database cannot be reached", detail=reason)


class DatabaseUnwilling(Unavailable):
    """The database is there and does not do what it was asked just now."""

    def __init__(self, reason: str) -> None:
        super().__init__("The database cannot do this just now", detail=reason)


def make_engine(url: sa.URL, *, connections: int, read_only: bool = False) -> sa.Engine:
    """An engine whose connections are durable, strict and ready for threads."""
    return (
        _sqlite_engine(url, connections, read_only=read_only)
        if is_sqlite(url)
        else _postgresql_engine(url, connections, read_only=read_only)
    )


def migration_engine(url: sa.URL) -> sa.Engine:
    """An engine for changing tables: on SQLite a parent that is made anew must not take its children with it."""
    engine = make_engine(url, connections=1)
    if is_sqlite(url):
        # In a listener, since inside a transaction SQLite ignores it. The default is the one of ``make_engine``.
        sa.event.listen(engine, "connect", lambda raw, _record: raw.execute("PRAGMA foreign_keys = OFF"))
    return engine


def begin_migration(connection: sa.Connection) -> None:
    """Let only one program at a time change tables; on SQLite the transaction does so by itself."""
    if connection.dialect.name != "sqlite":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(MIGRATION_LOCK)))


def check_migrated(connection: sa.Connection) -> None:
    """Look before the commit whether every reference points at something: SQLite was told not to."""
    if connection.dialect.name == "sqlite":
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
        assert broken is None, f"the migration breaks a reference of the table {broken[0]}"


def insert_or_ignore(connection: sa.Connection, table: sa.Table) -> Any:
    """An INSERT that does nothing where a unique row is there already."""
    return _insert_or_ignore(connection.dialect.name, table)


@cache
def _insert_or_ignore(dialect: str, table: sa.Table) -> Any:
    construct = sqlite.insert if dialect == "sqlite" else postgresql.insert
    return construct(table).on_conflict_do_nothing()


class json_rows(FunctionElement[Any]):  # noqa: N801 - reads as a function in a statement
    """All rows of a statement as one value: a list of lists, in any order; bytes go through ``hexadecimal``.

    SQLite's driver lets go of the interpreter at each row that it fetches, and gets it back when no other thread
    computes: on a busy server a hundred rows could wait a hundred times.
    """

    type = JSON
    #: Its compiled form may be kept: the class adds nothing to what tells two of them apart.
    inherit_cache = True


class hexadecimal(FunctionElement[str]):  # noqa: N801 - reads as a function in a statement
    """Bytes as text, in lower case."""

    type = sa.Text()
    #: Its compiled form may be kept: the class adds nothing to what tells two of them apart.
    inherit_cache = True


@compiles(json_rows, "sqlite")
def _json_rows_on_sqlite(element: Any, compiler: Any, **options: Any) -> str:
    return f"json_group_array(json_array({compiler.process(element.clauses, **options)}))"


@compiles(json_rows, "postgresql")
def _json_rows_on_postgresql(element: Any, compiler: Any, **options: Any) -> str:
    return f"coalesce(json_agg(json_build_array({compiler.process(element.clauses, **options)})), '[]')"


@compiles(hexadecimal, "sqlite")
def _hexadecimal_on_sqlite(element: Any, compiler: Any, **options: Any) -> str:
    return f"lower(hex({compiler.process(element.clauses, **options)}))"


@compiles(hexadecimal, "postgresql")
def _hexadecimal_on_postgresql(element: Any, compiler: Any, **options: Any) -> str:
    return f"encode({compiler.process(element.clauses, **options)}, 'hex')"


def writers_meet(connection: sa.Connection) -> bool:
    """Whether others may write at the same time, so that rows must be locked (SQLite has one writer)."""
    return connection.dialect.name != "sqlite"


def announce_completion(connection: sa.Connection, latest: sa.ScalarSelect[datetime]) -> None:
    """Let others see, until this transaction ends, that it completes something later than the latest until now.

    The 52 bits below the uppermost ones of a shared lock's key hold the moment, in microseconds since 1970.
    """
    if writers_meet(connection):
        connection.execute(_announcement(latest))


@cache
def _announcement(latest: sa.ScalarSelect[datetime]) -> sa.Select[Any]:
    microseconds = sa.func.coalesce(sa.func.extract("epoch", latest) * 1_000_000, 0)
    key = sa.cast(microseconds, sa.BigInteger) + (COMPLETION_LOCK << 52)
    return sa.select(sa.func.pg_advisory_xact_lock_shared(key))


def first_announced(connection: sa.Connection) -> sa.ColumnElement[Any]:
    """The moment after which the first of the announced completions will be; NULL: none is announced."""
    return _FIRST_ANNOUNCED if writers_meet(connection) else sa.null()


_FIRST_ANNOUNCED = (
    sa.text("""
    SELECT timestamptz 'epoch' + interval '1 microsecond' * min(
        (CAST(classid AS bigint) & 1048575) << 32 | CAST(objid AS bigint)
    )
    FROM pg_locks
    WHERE locktype = 'advisory' AND objsubid = 1 AND CAST(classid AS bigint) >> 20 = :announcements
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    """)
    .bindparams(announcements=COMPLETION_LOCK)
    .columns(sa.column("announced", Instant))
    .scalar_subquery()
)


def worth_retrying(error: BaseException) -> bool:
    """Whether a transaction failed for a reason that is not its own, before its COMMIT was sent."""
    if not isinstance(error, sa.exc.DBAPIError):
        return False
    return error.connection_invalidated or _state(error) in RETRIABLE_STATES


def sqlite_connection(connection: sa.Connection) -> sqlite3.Connection:
    """The driver's own connection, for the few words that are said around every change."""
    raw = connection.connection.dbapi_connection
    assert isinstance(raw, sqlite3.Connection)
    return raw


def rolled_back(connection: sa.Connection) -> bool:
    """Whether SQLite has rolled the whole transaction back by itself (disk full, I/O error, out of memory)."""
    raw = connection.connection.dbapi_connection
    return isinstance(raw, sqlite3.Connection) and not raw.in_transaction


def aborted(connection: sa.Connection) -> bool:
    """Whether PostgreSQL refuses every further statement of the transaction, because one of them has failed."""
    raw: Any = connection.connection.driver_connection
    return bool(raw.info.transaction_status.name == "INERROR")


def force_rollback(connection: sa.Connection) -> None:
    """Leave no transaction open: after a COMMIT that failed SQLite still has one, SQLAlchemy thinks not."""
    connection.rollback()
    raw = connection.connection.dbapi_connection
    if isinstance(raw, sqlite3.Connection) and raw.in_transaction:
        raw.rollback()


def translated(error: BaseException) -> BaseException:
    """The farm's own error for what a driver says; other errors as they are."""
    if not isinstance(error, sa.exc.DBAPIError):
        return error
    if getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL or _state(error) in FULL_STATES:
        return DatabaseFull()
    reason = str(error.orig).strip().partition("\n")[0]
    if _lost(error):
        return DatabaseUnreachable(reason)
    return DatabaseUnwilling(reason) if _passing(error) else error


def _lost(error: sa.exc.DBAPIError) -> bool:
    state = _state(error)
    if error.connection_invalidated or state is None:
        return error.connection_invalidated or isinstance(error, sa.exc.OperationalError)
    return state[:2] in LOST_CLASSES or state in LOST_STATES


def _passing(error: sa.exc.DBAPIError) -> bool:
    state = _state(error) or ""
    return state[:2] in PASSING_CLASSES or state in PASSING_STATES


def _state(error: sa.exc.DBAPIError) -> str | None:
    return getattr(error.orig, "sqlstate", None)


def _json(value: object) -> str:
    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()


def _sqlite_engine(url: sa.URL, connections: int, *, read_only: bool) -> sa.Engine:
    engine = sa.create_engine(
        url,
        json_serializer=_json,
        json_deserializer=orjson.loads,
        poolclass=sa.pool.QueuePool,
        pool_size=connections,
        max_overflow=0,
        connect_args={"isolation_level": None, "check_same_thread": False, "cached_statements": 512},
    )

    @sa.event.listens_for(engine, "connect")
    def _configure(raw: sqlite3.Connection, _record: object) -> None:
        # FULL: in WAL mode NORMAL loses acknowledged commits at a power cut.
        for pragma in (
            f"busy_timeout = {BUSY_TIMEOUT}",
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
            f"query_only = {'ON' if read_only else 'OFF'}",
            f"cache_size = -{READER_CACHE if read_only else WRITER_CACHE}",
        ):
            raw.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        # A deferred transaction that reads first cannot wait for the lock when it comes to write.
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    return engine


def _postgresql_engine(url: sa.URL, connections: int, *, read_only: bool) -> sa.Engine:
    # Whatever the server's own setting: an answer means that the commit is on disk.
    settings = {
        "synchronous_commit": "on",
        "timezone": "UTC",
        # Of large tables that were never analysed PostgreSQL thinks that statements are worth compiling, for 60 ms.
        "jit": "off",
        "idle_in_transaction_session_timeout": f"{IDLE_IN_TRANSACTION * 1000:.0f}",
    }
    if read_only:
        settings["default_transaction_read_only"] = "on"
    try:
        from debusine.db.postgresql_cursor import Cursor

        return sa.create_engine(
            url,
            json_serializer=_json,
            json_deserializer=orjson.loads,
            pool_size=connections,
            max_overflow=0,
            # Who only reads sees each statement's own moment anyway (READ COMMITTED): BEGIN and ROLLBACK add nothing
            # but two round trips.
            isolation_level="AUTOCOMMIT" if read_only else "READ COMMITTED",
            connect_args={
                "options": " ".join(f"-c {name}={value}" for name, value in settings.items()),
                "connect_timeout": 10,
                "cursor_factory": Cursor,
            },
        )
    except ModuleNotFoundError as error:
        raise DriverMissing from error
