"""What lies below the farm, alone: the database's commits, and the hash."""

import asyncio
import re
import sqlite3
import subprocess
from concurrent.futures import ThreadPoolExecutor

import psycopg
import sqlalchemy as sa

from benchmarks.measured import CannotMeasure, Measured, timed
from benchmarks.results import SQLITE
from benchmarks.server import MiB, Server

COUNT, THREADS = 2000, 16
TABLE = "CREATE TABLE bare_rows (id INTEGER PRIMARY KEY, body TEXT)"
BODY = '{"task_name": "noop", "task_data": {"result": true}, "event_reactions": {}}' * 3


async def bare_inserts(server: Server) -> list[Measured]:
    """Rows that are committed one by one: by one connection, and on PostgreSQL by sixteen at the same time."""
    return await asyncio.to_thread(sqlite_inserts if server.on == SQLITE else postgresql_inserts, server)


def sqlite_inserts(server: Server) -> list[Measured]:
    """SQLite has one writer, so sixteen are no faster than one."""
    connection = sqlite3.connect(server.data.parent / "alone.sqlite", isolation_level=None)
    for statement in ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", TABLE):
        connection.execute(statement)
    with timed() as inserted:
        for _ in range(COUNT):
            connection.execute("INSERT INTO bare_rows (body) VALUES (?)", [BODY])
    connection.close()
    return [Measured(name, COUNT / inserted.seconds) for name in ("inserts", "inserts-alone")]


def postgresql_inserts(server: Server) -> list[Measured]:
    """With the driver and the durability that the farm has."""
    url = sa.make_url(server.database).set(drivername="postgresql").render_as_string(hide_password=False)
    connections = [psycopg.connect(url, autocommit=True) for _ in range(THREADS)]
    connections[0].execute(TABLE.replace("INTEGER", "BIGINT GENERATED ALWAYS AS IDENTITY"))
    with timed() as alone:
        insert(connections[0], COUNT // 4)
    with timed() as together, ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(insert, connections, [COUNT // THREADS * 2] * THREADS))
    for connection in connections:
        connection.close()
    return [
        Measured("inserts", COUNT * 2 / together.seconds),
        Measured("inserts-alone", COUNT // 4 / alone.seconds),
    ]


def insert(connection: "psycopg.Connection[tuple[object, ...]]", count: int) -> None:
    """Commit so many rows."""
    for _ in range(count):
        connection.execute("INSERT INTO bare_rows (body) VALUES (%s)", [BODY])


async def hashing(_: Server) -> list[Measured]:
    """What the processor can do with SHA-256, and nothing else."""
    command = ("openssl", "speed", "-seconds", "1", "-bytes", str(MiB), "-mr", "sha256")
    try:
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise CannotMeasure("openssl", "it is not installed") from error
    found = re.search(r"^\+F:\d+:sha256:([0-9.]+)", done.stdout, re.MULTILINE)
    if found is None:
        raise CannotMeasure("openssl", f"it said {done.stdout.strip()[:80]!r} {done.stderr.strip()[-80:]!r}")
    return [Measured("sha256", float(found[1]) / MiB)]
