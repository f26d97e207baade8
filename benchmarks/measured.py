"""What a benchmark found."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from attrs import define, frozen


@frozen
class Measured:
    """One figure and its unit."""

    what: str
    figure: float
    unit: str


@define
class Stopwatch:
    """Seconds that a block took."""

    seconds: float = 0.0


@contextmanager
def timed() -> Iterator[Stopwatch]:
    """Measure a block."""
    watch, began = Stopwatch(), time.perf_counter()
    yield watch
    watch.seconds = time.perf_counter() - began


async def each(call: Callable[[int], Awaitable[None]], *, count: int, concurrency: int) -> None:
    """Call with 0, 1, 2 … up to a count, so many at a time."""
    numbers = iter(range(count))

    async def go_on() -> None:
        for number in numbers:
            await call(number)

    async with asyncio.TaskGroup() as group:
        for _ in range(concurrency):
            group.create_task(go_on())
