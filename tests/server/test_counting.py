"""Numbers that take long to count: fresh as long as that is quick, told at once when it is not."""

import asyncio

import pytest
from attrs import define, field

from debusine.domain.errors import Unavailable
from debusine.server.counting import OLD, PATIENCE, Counted


@define
class Counter:
    """Counts how often it was counted, by a clock of its own."""

    #: Seconds that it takes.
    takes: float = 0.0
    now: float = 1000.0
    times: int = 0
    error: Exception | None = None
    #: Clear it to have the counting last.
    going_on: asyncio.Event = field(factory=asyncio.Event)

    def __attrs_post_init__(self) -> None:
        self.going_on.set()

    def counted(self) -> Counted[int]:
        return Counted(self.count, fresh=5, rest=10, clock=lambda: self.now)

    async def count(self) -> int:
        self.times += 1
        times = self.times
        await self.going_on.wait()
        self.now += self.takes
        if self.error is not None:
            raise self.error
        return times


async def test_fresh_numbers_are_told_again() -> None:
    counted = (counter := Counter()).counted()

    assert [await counted.get() for _ in range(3)] == [1, 1, 1]
    counter.now += 4.9
    assert await counted.get() == 1
    counter.now += 0.2
    assert await counted.get() == 2


async def test_many_who_ask_at_once_have_it_counted_once() -> None:
    counted = (counter := Counter()).counted()

    assert await asyncio.gather(*(counted.get() for _ in range(20))) == [1] * 20
    assert counter.times == 1


async def test_who_asks_where_counting_takes_long_hears_at_once_what_is_known() -> None:
    counted = (counter := Counter(takes=2 * PATIENCE)).counted()
    assert await counted.get() == 1

    counter.going_on.clear()
    counter.now += 20
    assert [await counted.get(), await counted.get()] == [1, 1]
    await asyncio.sleep(0)
    assert counter.times == 2
    counter.going_on.set()
    while await counted.get() == 1:
        await asyncio.sleep(0)
    assert await counted.get() == 2


async def test_counting_rests_for_longer_when_it_takes_longer() -> None:
    counted = (counter := Counter(takes=3)).counted()
    await counted.get()
    counter.now += 29
    await counted.get()
    await asyncio.sleep(0)
    assert counter.times == 1
    counter.now += 2
    await counted.get()
    await asyncio.sleep(0)
    assert counter.times == 2


async def test_what_is_old_is_told_to_nobody() -> None:
    counted = (counter := Counter(takes=1)).counted()
    await counted.get()
    counter.now += OLD

    assert await counted.get() == 2


async def test_an_error_is_told_to_those_who_wait_and_not_remembered() -> None:
    counted = (counter := Counter(error=Unavailable("away"))).counted()
    for times in (1, 2):
        with pytest.raises(Unavailable):
            await counted.get()
        assert counter.times == times
    counter.error = None

    assert await counted.get() == 3


async def test_an_error_that_nobody_waited_for_makes_the_next_one_wait() -> None:
    counted = (counter := Counter(takes=2 * PATIENCE)).counted()
    await counted.get()
    counter.now += 20
    counter.error = Unavailable("away")
    assert await counted.get() == 1
    await asyncio.sleep(0.01)
    counter.error = None

    assert await counted.get() == 3


async def test_who_leaves_takes_the_numbers_from_nobody() -> None:
    counted = (counter := Counter()).counted()
    counter.going_on.clear()
    leaving, staying = asyncio.create_task(counted.get()), asyncio.create_task(counted.get())
    await asyncio.sleep(0)
    leaving.cancel()
    counter.going_on.set()

    assert await staying == 1
