"""One look at the database finds out whose keys are, for all who wait, and none is older than its request."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from debusine.db.database import Database
from debusine.domain.accounts import ANONYMOUS
from debusine.domain.errors import Unavailable
from debusine.domain.secrets import new_key
from debusine.server.recognitions import Recognitions
from debusine.services import accounts
from tests.farm import make_user, make_worker


class Held:
    """A database whose answers are held back until they may pass."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.looks: list[set[str]] = []
        self.fails = False
        self.may_pass = asyncio.Event()

    async def read(self, function: Callable[..., Any], keys: Any) -> Any:
        """Read at once, and keep what was found."""
        found = await self.database.read(function, keys)
        self.looks.append(set(keys))
        await self.may_pass.wait()
        if self.fails:
            raise Unavailable("The database is gone")
        return found


@pytest.fixture
def held(database: Database) -> Held:
    return Held(database)


@pytest.fixture
def recognitions(held: Held) -> Recognitions:
    return Recognitions(held)  # type: ignore[arg-type]


async def looked(held: Held, times: int) -> None:
    async with asyncio.timeout(30):
        while len(held.looks) < times:
            await asyncio.sleep(0)


async def test_each_hears_whose_its_own_key_is(database: Database) -> None:
    user, user_key = await database.write(make_user, "alice")
    worker, worker_key = await database.write(make_worker, "w1")
    recognitions = Recognitions(database)

    found = await asyncio.gather(*map(recognitions.whose, [user_key, worker_key, new_key(), user_key]))

    assert [subject.user for subject, _ in found] == [user, None, None, user]
    assert [subject.worker for subject, _ in found] == [None, worker, None, None]
    assert found[2][0] == ANONYMOUS


async def test_all_who_come_during_one_look_are_served_by_the_next(held: Held, recognitions: Recognitions) -> None:
    first = asyncio.create_task(recognitions.whose("a"))
    await looked(held, 1)
    others = [asyncio.create_task(recognitions.whose(key)) for key in "bcbcb"]
    await asyncio.sleep(0)
    held.may_pass.set()

    assert [(await each)[0] for each in (first, *others)] == [ANONYMOUS] * 6
    assert held.looks == [{"a"}, {"b", "c"}]


async def test_no_look_serves_a_request_that_came_after_it_began(
    database: Database, held: Held, recognitions: Recognitions
) -> None:
    worker, key = await database.write(make_worker, "w1")
    before = asyncio.create_task(recognitions.whose(key))
    await looked(held, 1)

    await database.write(accounts.set_worker_enabled, "w1", enabled=False)
    after = asyncio.create_task(recognitions.whose(key))
    await asyncio.sleep(0)
    held.may_pass.set()

    assert (await before)[0].worker == worker
    assert (await after)[0].anonymous
    assert held.looks == [{key}, {key}]


async def test_nothing_is_remembered_when_a_look_is_over(database: Database) -> None:
    _, key = await database.write(make_worker, "w1")
    recognitions = Recognitions(database)
    assert not (await recognitions.whose(key))[0].anonymous

    await database.write(accounts.set_worker_enabled, "w1", enabled=False)

    assert (await recognitions.whose(key))[0].anonymous


async def test_an_error_is_that_of_all_who_wait_and_of_nobody_else(held: Held, recognitions: Recognitions) -> None:
    waiting = [asyncio.create_task(recognitions.whose("a")) for _ in range(2)]
    held.fails = True
    held.may_pass.set()
    found = await asyncio.gather(*waiting, return_exceptions=True)
    held.fails = False

    assert [type(each) for each in found] == [Unavailable, Unavailable]
    assert (await recognitions.whose("a"))[0] == ANONYMOUS


async def test_one_who_goes_leaves_the_others_their_answer(held: Held, recognitions: Recognitions) -> None:
    gone, stays = (asyncio.create_task(recognitions.whose("a")) for _ in range(2))
    await looked(held, 1)
    gone.cancel()
    held.may_pass.set()

    assert (await stays)[0] == ANONYMOUS
    assert gone.cancelled()
