"""Statements are made when the program starts: to make one, or to compile one anew, costs more than to run it."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from attrs import Factory, define
from sqlalchemy.engine.interfaces import CacheStats

from debusine.db.database import Database
from tests.server.recording import Recording, recording
from tests.server.tour import make_tour, open_tour_farm

#: What is asked all the time on a busy farm.
HOT = {
    "GET /api/1.0/artifact/{id}/",
    "GET /api/1.0/work-request/",
    "GET /api/1.0/work-request/{id}/",
    "POST /api/1.0/work-request/",
    "GET /api/1.0/work-request/get-next-for-worker/",
    "PUT /api/1.0/work-request/{id}/completed/",
    "PUT /api/1.0/artifact/{id}/files/{path}/",
    "GET /{scope}/{workspace}/artifact/{id}/download/{path}",
}


@define
class Seen:
    """What a farm had its databases do."""

    recorded: Recording
    #: Text → the statements that became it, kept so that no two have the same identity.
    made: defaultdict[str, list[Any]] = Factory(lambda: defaultdict(list))
    #: Texts that are compiled each time that they are sent.
    uncached: set[str] = Factory(set)

    def note(self, _connection: Any, _cursor: Any, text: str, _values: Any, context: Any, _many: bool) -> None:
        if context.compiled is None:  # it was text from the beginning
            return
        if context.cache_hit not in {CacheStats.CACHE_HIT, CacheStats.CACHE_MISS}:
            self.uncached.add(text)
        if self.recorded.label in HOT:
            self.made[text].append(context.invoked_statement)

    def made_anew(self) -> set[str]:
        # One that locks what it finds has the same text on SQLite as the one that does not.
        return {text for text, statements in self.made.items() if len(set(map(id, statements))) > 2}


@pytest.fixture
async def seen(database: Database, tmp_path: Path) -> Seen:
    """All that two tours saw."""
    async with open_tour_farm(database, tmp_path) as farm:
        with recording(farm) as recorded:
            seen = Seen(recorded)
            sa.event.listen(sa.Engine, "before_cursor_execute", seen.note)
            try:
                await make_tour(recorded, 3)
            finally:
                sa.event.remove(sa.Engine, "before_cursor_execute", seen.note)
    return seen


async def test_what_a_busy_farm_is_asked_all_the_time_makes_no_statement(seen: Seen) -> None:
    assert seen.made
    assert seen.made_anew() == set()


async def test_every_statement_is_compiled_once(seen: Seen) -> None:
    assert seen.uncached == set()
