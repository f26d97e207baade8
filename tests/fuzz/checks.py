"""Checks of what a fuzzed server has left: rows that belong together, and files that somebody speaks of."""

from collections.abc import Iterator

import sqlalchemy as sa

from debusine.config import Settings
from debusine.db import tables
from debusine.db.engine import is_sqlite, make_engine, normal_url, sqlite_url
from tests.fuzz.target import Target

_PLACES, _COPIES, _UPLOADS, _ARTIFACTS = (
    tables.files_in_artifacts,
    tables.files_in_stores,
    tables.file_uploads,
    tables.artifacts,
)

#: What must not be there → how it is found.
RULES: dict[str, sa.Select[tuple[int]]] = {
    "complete files without a copy": sa.select(_PLACES.c.id).where(
        _PLACES.c.complete, ~sa.exists().where(_COPIES.c.file == _PLACES.c.file)
    ),
    "uploads of complete files": sa.select(_UPLOADS.c.id)
    .join(_PLACES, _PLACES.c.id == _UPLOADS.c.file_in_artifact)
    .where(_PLACES.c.complete),
    "attempts beyond the one that counts": sa.select(tables.attempts.c.id)
    .join(tables.work_requests, tables.work_requests.c.id == tables.attempts.c.work_request)
    .where(tables.attempts.c.number > tables.work_requests.c.attempt),
}


async def checked(target: Target, url: str | None) -> list[str]:
    """What is wrong with the database and the directories of a server that nobody talks to just now."""
    settings = Settings(data_dir=target.data_dir)
    engine = make_engine(normal_url(url or sqlite_url(settings.sqlite)), connections=1, read_only=True)
    try:
        with engine.connect() as connection:
            return [*_broken_rows(connection), *_broken_files(connection, settings)]
    finally:
        engine.dispose()


def _broken_rows(connection: sa.Connection) -> Iterator[str]:
    for rule, statement in RULES.items():
        if wrong := connection.execute(statement).scalars().all():
            yield f"database: {len(wrong)} {rule}: {wrong[:10]}"
    if is_sqlite(connection.engine.url):
        for pragma, good in (("integrity_check", "[('ok',)]"), ("foreign_key_check", "[]")):
            rows = connection.exec_driver_sql(f"PRAGMA {pragma}").all()
            found = str(rows)
            if found != good:
                yield f"database: {pragma}: {found[:500]}"


def _broken_files(connection: sa.Connection, settings: Settings) -> Iterator[str]:
    known = set(connection.execute(sa.select(_UPLOADS.c.path)).scalars())
    there = {path.name for path in settings.uploads.iterdir()}
    if there != known:
        yield f"uploads/: without a row: {sorted(there - known)[:10]}; missing: {sorted(known - there)[:10]}"
