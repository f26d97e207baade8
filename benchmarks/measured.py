"""What a benchmark found, and how it takes the time."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from attrs import define, frozen


@frozen
class Measured:
    """One figure, by its name in the table of figures, in the unit that stands there."""

    name: str
    value: float


class CannotMeasure(Exception):
    """The machine lacks what a measurement needs."""

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(f"{what} was not measured: {reason}")


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
