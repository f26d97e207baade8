"""What must hold when a place fails, is full, or is slow."""

import asyncio
from collections.abc import Awaitable

import pytest

from debusine.plugin import DebusineError, FileMissing, StorageFull, StoreData, Unavailable, in_thread
from debusine.testing.file_stores.parts import require_whole, sent
from debusine.testing.file_stores.suite import (
    MIB,
    Backend,
    FileStoreSuite,
    content,
    listed_data,
    require_content,
    require_soon,
    require_success,
    stored,
)
from debusine.testing.requirements import require
from debusine.testing.sources import Source, Sources

SIZE = MIB

#: Turns that the event loop makes, at least, while a slow place keeps or gives an object.
TURNS = 5

#: Seconds that each of them may take.
TURN = 0.02


class Failing(FileStoreSuite):
    """A store that fails says so and never lies, and is used again as soon as it can be."""

    async def test_a_place_that_fails_is_told_of_in_the_farms_words(self, backend: Backend, sources: Sources) -> None:
        """Never that an object were missing, for then the farm would take it for lost."""
        self.needs_override("failing", "a place that is away is told of, and used again when it is back")
        source = sources.of_size(SIZE)
        data = await stored(backend, source)
        async with self.failing(backend):
            await self._require_refused("store()", stored(backend, source))
            await self._require_refused("remove()", backend.remove(source.file, data))
            await self._require_refused("entries()", listed_data(backend))
            await self._require_right_or_refused("open()", content(backend, source, data), source.content)
            await self._require_right_or_refused("verify()", backend.verify(source.file, data), source.file.digest)
            await self._require_right_or_refused("stat()", size_of(backend, source, data), SIZE)
            error = await self._error_of("probe()", backend.probe())
            require(
                isinstance(error, Unavailable), f"probe() must raise Unavailable when the place fails, not {error!r}"
            )

    async def test_content_is_refused_by_a_place_that_fails(self, backend: Backend, sources: Sources) -> None:
        """As files are."""
        self.needs_override("failing", "a place that is away is told of, and used again when it is back")
        self.needs_content(backend)
        source = sources.of_size(10_000)
        async with self.failing(backend):
            call = in_thread(backend.store_content, source.file, source.content)
            await self._require_refused("store_content()", call)
        await self._require_used_again(backend)
        require(await listed_data(backend) == [], "store_content() must leave nothing when it fails")

    async def test_a_place_that_failed_is_used_again_by_itself(self, backend: Backend, sources: Sources) -> None:
        """With what was kept before, and nothing of what failed."""
        self.needs_override("failing", "a place that is away is told of, and used again when it is back")
        source = sources.of_size(SIZE)
        before = await stored(backend, source)
        async with self.failing(backend):
            await self._error_of("store()", stored(backend, source))
        await self._require_used_again(backend)
        after = await stored(backend, source)
        listed = await listed_data(backend)
        for data in (before, after):
            await require_content(backend, source, data, "open() must work again when the place is back")
            require(data in listed, f"entries() must list {data} again when the place is back")
        require(len(listed) == 2, f"store() must leave nothing when it fails; entries() lists {listed}")

    async def test_parts_go_on_when_the_place_is_back(self, backend: Backend, sources: Sources) -> None:
        """A client waits and sends its chunk again, not all of the file."""
        self.needs_override("failing", "a place that is away is told of, and used again when it is back")
        self.needs_parts(backend)
        source = sources.of_size(2 * backend.smallest_part + 10)
        data = await backend.begin_parts(source.file)
        first = await sent(backend, source, data, 1)
        async with self.failing(backend):
            await self._require_refused("begin_parts()", backend.begin_parts(source.file))
            await self._require_refused("store_part()", sent(backend, source, data, 2))
            await self._require_refused("finish_parts()", backend.finish_parts(source.file, data, [first]))
        await self._require_used_again(backend)
        parts = [first, await sent(backend, source, data, 2), await sent(backend, source, data, 3)]
        finished = await backend.finish_parts(source.file, data, parts)
        await require_whole(backend, source, finished, "of parts between which the place was away")

    async def test_a_full_place_says_so_and_goes_on_giving(self, backend: Backend, sources: Sources) -> None:
        """The server answers 507; space is made by removing, and nobody needs to start anything again."""
        self.needs_override("full", "a place without room is told of, and goes on giving what it keeps")
        source = sources.of_size(SIZE)
        kept, removed = await stored(backend, source), await stored(backend, source)
        async with self.full(backend):
            error = await self._error_of("store()", stored(backend, source))
            require(
                isinstance(error, StorageFull), f"store() must raise StorageFull when there is no room, not {error!r}"
            )
            await require_content(backend, source, kept, "open() must go on when there is no room")
            await require_success(backend.remove(source.file, removed), "remove() must go on when there is no room")
            require(await listed_data(backend) == [kept], "store() must leave nothing when there is no room")
        await require_success(stored(backend, source), "store() must keep objects again when there is room")

    @pytest.mark.parametrize("doing", ["store", "read"])
    async def test_a_slow_place_makes_nobody_else_wait(self, backend: Backend, sources: Sources, doing: str) -> None:
        """The event loop goes on, for all other requests."""
        self.needs_override("slow", "nobody else waits for a slow place")
        source = sources.of_size(SIZE)
        data = await stored(backend, source)
        async with self.slow(backend):
            call = stored(backend, source) if doing == "store" else content(backend, source, data)
            turns, seconds = await turns_during(call)
        message = f"to {doing} must not block the event loop while the place is slow: run what blocks through in_thread"
        require(turns >= min(TURNS, int(seconds / TURN)), message)  # what comes out of a cache is not slow

    async def test_storing_in_a_slow_place_is_cancelled_soon(self, backend: Backend, sources: Sources) -> None:
        """The server stops, and leaves nothing behind."""
        self.needs_override("slow", "nobody else waits for a slow place")
        source = sources.of_size(SIZE)
        async with self.slow(backend):
            task = asyncio.create_task(stored(backend, source))
            await asyncio.sleep(0.01)
            task.cancel()
            _, still_going = await asyncio.wait([task], timeout=self.patience)
            require(not still_going, f"store() must end within {self.patience} seconds when it is cancelled")
            if not task.cancelled():
                outcome = repr(task.exception() or task.result())
                require(False, f"store() must raise CancelledError when it is cancelled, not {outcome}")

            async def nothing() -> bool:
                return await listed_data(backend) == []

            await require_soon(nothing, "a store() that is cancelled must leave nothing", seconds=self.patience)

    async def _error_of(self, call: str, awaitable: Awaitable[object]) -> Exception | None:
        """What a call raises; it must do so within some seconds."""
        try:
            async with asyncio.timeout(self.patience):
                await awaitable
        except TimeoutError:
            require(False, f"{call} must raise an error within {self.patience} seconds when the place fails")
        except Exception as error:  # noqa: BLE001 - whatever the author's code raises is told to the author
            return error
        return None

    async def _require_refused(self, call: str, awaitable: Awaitable[object]) -> None:
        __tracebackhide__ = True
        error = await self._error_of(call, awaitable)
        require(error is not None, f"{call} must raise an error when the place fails, but succeeds")
        wanted = isinstance(error, DebusineError) and not isinstance(error, FileMissing)
        require(wanted, f"{call} must raise Unavailable or the like when the place fails, not {error!r}")

    async def _require_right_or_refused(self, call: str, awaitable: Awaitable[object], right: object) -> None:
        """What is in a cache or open already may be given."""
        __tracebackhide__ = True

        async def compared() -> None:
            got = await awaitable
            require(got == right, f"{call} must give what is right or raise an error when the place fails")

        error = await self._error_of(call, compared())
        wanted = error is None or (isinstance(error, DebusineError) and not isinstance(error, FileMissing))
        require(wanted, f"{call} must raise Unavailable or the like when the place fails, not {error!r}")

    async def _require_used_again(self, backend: Backend) -> None:
        __tracebackhide__ = True

        async def there() -> bool:
            try:
                await backend.probe()
            except Unavailable:
                return False
            return True

        await require_soon(there, "probe() must succeed again when the place is back", seconds=self.patience)


async def size_of(backend: Backend, source: Source, data: StoreData) -> int:
    """What ``stat`` says of an object's size."""
    return (await backend.stat(source.file, data)).size


async def turns_during(call: Awaitable[object]) -> tuple[int, float]:
    """How often somebody else has a turn while a call is going on, and how many seconds it takes."""
    clock = asyncio.get_running_loop().time
    turns, start = 0, clock()
    task = asyncio.ensure_future(call)
    while not task.done():
        await asyncio.sleep(0.005)
        turns += 1
    await task
    return turns, clock() - start
