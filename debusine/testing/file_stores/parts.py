"""What must hold when an object comes in parts."""

import asyncio
import contextlib
import json
from typing import Any

from debusine.plugin import DebusineError, PartsGone, StoreData
from debusine.testing.file_stores.suite import (
    Backend,
    FileStoreSuite,
    entered,
    listed_data,
    require_content,
    require_missing,
    require_success,
    stored,
)
from debusine.testing.requirements import require
from debusine.testing.sources import Source, Sources

#: Bytes of the last part, which may be as small as it likes.
REST = 10


class Parts(FileStoreSuite):
    """A client sends parts to several servers, loses answers, and sends again: the object is whole or not there.

    The parts of these tests are as small as the backend allows.
    """

    async def test_the_sizes_of_parts_are_told(self, backend: Backend) -> None:
        """The farm cuts what comes to these sizes."""
        self.needs_parts(backend)
        told = f"smallest_part {backend.smallest_part}, largest_part {backend.largest_part}"
        require(0 < backend.smallest_part <= backend.largest_part, f"parts must have a size: {told}")
        require(backend.most_parts >= 2, f"most_parts must be more than one, not {backend.most_parts}")

    async def test_parts_become_an_object(self, backend: Backend, sources: Sources) -> None:
        """It is like any other: read, listed, removed."""
        source, data = await self._begun(backend, sources)
        parts = await all_sent(backend, source, data)
        finished = await backend.finish_parts(source.file, data, parts)
        await require_whole(backend, source, finished, "of the parts in the order of the list")
        listed = await listed_data(backend)
        require(listed == [finished], f"entries() must list {finished}, as finish_parts() returned it, not {listed}")
        await backend.remove(source.file, finished)
        await require_missing(backend.stat(source.file, finished), "stat()", when="the object was removed")
        again = backend.finish_parts(source.file, data, parts)
        await require_missing(again, "finish_parts()", when="the object was removed")

    async def test_what_parts_return_is_json(self, backend: Backend, sources: Sources) -> None:
        """It is kept in the database, and another server gets it from there."""
        source, data = await self._begun(backend, sources)
        parts = await all_sent(backend, source, data)
        for method, value in (("begin_parts", data), ("store_part", parts[0])):
            returned = through_json(value)
            require(returned == value, f"{method}() must return what JSON gives back unchanged, not {value!r}")
        finished = await backend.finish_parts(source.file, through_json(data), through_json(parts))
        require(through_json(finished) == finished, f"finish_parts() must return JSON, not {finished!r}")
        await require_whole(backend, source, finished, "by data that has been through JSON")

    async def test_parts_come_in_any_order_and_at_the_same_time(self, backend: Backend, sources: Sources) -> None:
        """The last one first, and several that overtake each other."""
        source, data = await self._begun(backend, sources)
        last = await sent(backend, source, data, 3)
        others = await asyncio.gather(sent(backend, source, data, 2), sent(backend, source, data, 1))
        finished = await backend.finish_parts(source.file, data, [others[1], others[0], last])
        await require_whole(backend, source, finished, "of the parts in the order of the list, however they came")

    async def test_one_part_alone_may_be_small(self, backend: Backend, sources: Sources) -> None:
        """It is the last one."""
        self.needs_parts(backend)
        source = sources.of_size(REST)
        data = await backend.begin_parts(source.file)
        part = await backend.store_part(source.file, data, 1, source.path, 0, REST)
        await require_whole(backend, source, await backend.finish_parts(source.file, data, [part]), "of its one part")

    async def test_a_part_that_comes_again_takes_the_place_of_the_one_before(
        self, backend: Backend, sources: Sources
    ) -> None:
        """The first was of other bytes; whoever remembers it alone learns that it is gone."""
        source, data = await self._begun(backend, sources)
        first, third = await sent(backend, source, data, 1), await sent(backend, source, data, 3)
        wrong = await backend.store_part(source.file, data, 2, source.path, 0, backend.smallest_part)
        right = await sent(backend, source, data, 2)
        stale = backend.finish_parts(source.file, data, [first, wrong, third])
        await require_missing(stale, "finish_parts()", error=PartsGone, when="a part was sent again with other bytes")
        finished = await backend.finish_parts(source.file, data, [first, right, third])
        await require_whole(backend, source, finished, "of the part that came last under its number")

    async def test_a_part_that_comes_again_with_the_same_bytes_changes_nothing(
        self, backend: Backend, sources: Sources
    ) -> None:
        """Its answer was lost on the way; the client does not know that it came."""
        source, data = await self._begun(backend, sources)
        await asyncio.gather(*(sent(backend, source, data, 1) for _ in range(3)))
        parts = await all_sent(backend, source, data)
        finished = await backend.finish_parts(source.file, data, parts)
        await require_whole(backend, source, finished, "of parts of which one came four times")

    async def test_parts_survive_their_sources(self, backend: Backend, sources: Sources) -> None:
        """The server lets go of a chunk as soon as it is stored."""
        source, data = await self._begun(backend, sources)
        parts = await all_sent(backend, source, data)
        before = source.path.read_bytes()
        require(before == source.content, "store_part() must not change its source")
        source.path.unlink()
        finished = await backend.finish_parts(source.file, data, parts)
        await require_whole(backend, source, finished, "of parts whose source is gone")

    async def test_what_is_unfinished_is_seen_by_nobody(self, backend: Backend, sources: Sources) -> None:
        """Whatever has come of it."""
        source, data = await self._begun(backend, sources)
        for number in (1, 2, 3):
            await sent(backend, source, data, number)
            require(await listed_data(backend) == [], "entries() must not list what finish_parts() has not finished")
            unfinished = "finish_parts() was not called"
            await require_missing(backend.stat(source.file, data), "stat()", when=unfinished)
            await require_missing(entered(backend, source, data), "entering open()", when=unfinished)

    async def test_finishing_twice_gives_the_same(self, backend: Backend, sources: Sources) -> None:
        """The answer to the first was lost."""
        source, data = await self._begun(backend, sources)
        parts = await all_sent(backend, source, data)
        first = await backend.finish_parts(source.file, data, parts)
        try:
            second = await backend.finish_parts(source.file, data, parts)
        except DebusineError as error:
            second = {"raised": repr(error)}
        require(second == first, f"finish_parts() must return the same again, {first}, not {second}")
        third = await backend.finish_parts(source.file, data, [])
        require(third == first, f"finish_parts() must not need the parts of what is finished, but returns {third}")
        require(await listed_data(backend) == [first], "finish_parts() twice must make one object")

    async def test_two_that_finish_at_the_same_time_make_one_whole_object(
        self, backend: Backend, sources: Sources
    ) -> None:
        """Two servers were told of the last part."""
        source, data = await self._begun(backend, sources)
        parts = await all_sent(backend, source, data)
        calls = (backend.finish_parts(source.file, data, parts) for _ in range(3))
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        foreign = [one for one in outcomes if isinstance(one, BaseException) and not isinstance(one, DebusineError)]
        require(foreign == [], f"finish_parts() that another one overtakes must not raise {foreign}")
        finished = await backend.finish_parts(source.file, data, parts)
        await require_whole(backend, source, finished, "however many finish it at the same time")
        require(await listed_data(backend) == [finished], "finish_parts() at the same time must make one object")

    async def test_a_finished_object_is_found_by_what_began_it(self, backend: Backend, sources: Sources) -> None:
        """Whoever does not know whether it was finished asks."""
        source, data = await self._begun(backend, sources)
        parts = await all_sent(backend, source, data)
        await backend.finish_parts(source.file, data, parts)
        await require_success(backend.stat(source.file, data), "stat() must find what was finished by its first data")
        await require_whole(backend, source, data, "by what begin_parts() returned")

    async def test_what_was_abandoned_is_gone(self, backend: Backend, sources: Sources) -> None:
        """It takes no part, becomes no object, and may be abandoned again."""
        source, data = await self._begun(backend, sources)
        parts = await all_sent(backend, source, data)
        await backend.abandon_parts(source.file, data)
        await require_success(
            backend.abandon_parts(source.file, data), "abandon_parts() must do nothing when all is gone"
        )
        gone = "all was abandoned"
        await require_missing(sent(backend, source, data, 1), "store_part()", error=PartsGone, when=gone)
        finishing = backend.finish_parts(source.file, data, parts)
        await require_missing(finishing, "finish_parts()", error=PartsGone, when=gone)
        require(await listed_data(backend) == [], "entries() must not list what was abandoned")

    async def test_abandoning_what_is_finished_leaves_the_object(self, backend: Backend, sources: Sources) -> None:
        """Whoever cleans up need not know that somebody finished it."""
        source, data = await self._begun(backend, sources)
        parts = await all_sent(backend, source, data)
        finished = await backend.finish_parts(source.file, data, parts)
        await require_success(backend.abandon_parts(source.file, data), "abandon_parts() must do nothing when finished")
        await require_whole(
            backend, source, finished, "also after abandon_parts(), because its parts are no parts any more"
        )
        # Some servers take such a part and forget it, others fail: what counts is that the object stays as it is.
        with contextlib.suppress(DebusineError):
            await sent(backend, source, data, 1)
        await require_whole(backend, source, finished, "also after a part that came too late")

    async def test_two_of_the_same_content_do_not_know_each_other(self, backend: Backend, sources: Sources) -> None:
        """Two users upload the same file in the same moment, and one gives up."""
        source, data = await self._begun(backend, sources)
        other = await backend.begin_parts(source.file)
        require(other != data, "begin_parts() must return other data each time, also for the same content")
        await sent(backend, source, other, 1)
        parts = await all_sent(backend, source, data)
        await backend.abandon_parts(source.file, other)
        finished = await backend.finish_parts(source.file, data, parts)
        await require_whole(backend, source, finished, "whatever becomes of another one with the same content")

    async def test_another_object_of_the_class_goes_on_with_what_one_began(
        self, backend: Backend, sources: Sources
    ) -> None:
        """Each chunk may come to another server."""
        source, data = await self._begun(backend, sources)
        self.needs_persistence()
        first, third = await sent(backend, source, data, 1), await sent(backend, source, data, 3)
        try:
            async with self.second(backend) as other:
                second = await sent(other, source, data, 2)
            async with self.second(backend) as other:
                finished = await other.finish_parts(source.file, data, [first, second, third])
        except PartsGone:
            require(False, "a second backend with the same options must find what begin_parts() of the first one began")
        await require_whole(backend, source, finished, "of parts that came through several backend objects")

    async def test_a_part_that_was_cancelled_can_be_sent_again(self, backend: Backend, sources: Sources) -> None:
        """A client went away in the middle of it."""
        source, data = await self._begun(backend, sources)
        for moment in (0, 0.001, 0.01):
            task = asyncio.create_task(sent(backend, source, data, 2))
            await asyncio.sleep(moment)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        parts = await all_sent(backend, source, data)
        finished = await backend.finish_parts(source.file, data, parts)
        await require_whole(backend, source, finished, "of parts of which one was cancelled before")

    async def test_a_part_without_a_source_changes_nothing(self, backend: Backend, sources: Sources) -> None:
        """It is the caller's mistake; what has come is still there."""
        source, data = await self._begun(backend, sources)
        parts = await all_sent(backend, source, data)
        nowhere = source.path.with_name("nowhere")
        try:
            await backend.store_part(source.file, data, 1, nowhere, 0, backend.smallest_part)
        except PartsGone:
            require(False, "store_part() must not raise PartsGone when it is the source that is not there")
        except Exception:  # noqa: BLE001 - any other error will do
            finished = await backend.finish_parts(source.file, data, parts)
            await require_whole(backend, source, finished, "of the parts that had come before one failed")
        else:
            require(False, "store_part() must raise when the source is not there")

    async def test_tidying_leaves_what_is_going_on(self, backend: Backend, sources: Sources) -> None:
        """What is younger than a day, whether it is named or not, and every object."""
        source, data = await self._begun(backend, sources)
        unknown = await backend.begin_parts(source.file)
        parts = await all_sent(backend, source, data)
        others = await all_sent(backend, source, unknown)
        whole = await stored(backend, source)
        await backend.tidy([data])
        for begun, its_parts in ((data, parts), (unknown, others)):
            call = backend.finish_parts(source.file, begun, its_parts)
            await require_success(
                call, "tidy() must leave what was begun today, so finish_parts() must return its object"
            )
        await require_whole(backend, source, whole, "whatever tidy() lets go of")

    async def _begun(self, backend: Backend, sources: Sources) -> tuple[Source, StoreData]:
        """A source of three parts, and what began its object."""
        self.needs_parts(backend)
        source = sources.of_size(2 * backend.smallest_part + REST)
        return source, await backend.begin_parts(source.file)


async def sent(backend: Backend, source: Source, data: StoreData, number: int) -> StoreData:
    """Store one of the three parts of a source."""
    start = (number - 1) * backend.smallest_part
    length = REST if number == 3 else backend.smallest_part
    return await backend.store_part(source.file, data, number, source.path, start, length)


async def all_sent(backend: Backend, source: Source, data: StoreData) -> list[StoreData]:
    """Store the three parts of a source, one after another."""
    return [await sent(backend, source, data, number) for number in (1, 2, 3)]


async def require_whole(backend: Backend, source: Source, data: StoreData, of_what: str) -> None:
    """Fail unless an object has the content of its source."""
    __tracebackhide__ = True
    await require_content(backend, source, data, f"open() must give the whole object, {of_what}")
    size = (await backend.stat(source.file, data)).size
    require(size == source.file.size, f"stat() must tell the size, {source.file.size}, not {size}")


def through_json(value: Any) -> Any:
    """What becomes of data in the database."""
    return json.loads(json.dumps(value, allow_nan=False))
