"""What must hold of the event loop, of file descriptors and of threads."""

import asyncio
import gc
import os
import threading
import time
import tracemalloc

from debusine.plugin import in_thread
from debusine.testing.blocking import blocking_calls
from debusine.testing.file_stores.suite import (
    MIB,
    Backend,
    FileStoreSuite,
    content,
    entered,
    listed,
    require_success,
    stored,
)
from debusine.testing.requirements import require
from debusine.testing.sources import Source, Sources

#: Calls that wait for a disk, by the names that Python's audit hooks give them.
BLOCKING = {
    "open",
    "os.link",
    "os.listdir",
    "os.mkdir",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.scandir",
    "os.symlink",
    "os.truncate",
    "os.utime",
    "sqlite3.connect",
    "subprocess.Popen",
    "tempfile.mkstemp",
    "time.sleep",
}

#: Rounds of use in which something that leaks grows.
ROUNDS = 5


class Resources(FileStoreSuite):
    """A backend serves many at once and for months: it never blocks the loop and lets go of all that it takes."""

    async def test_no_file_is_opened_on_the_event_loop(self, backend: Backend, sources: Sources) -> None:
        """While one request waits for a disk, all others go on; what blocks belongs into ``in_thread``."""
        source = sources.of_size(2 * MIB)
        for _ in range(2):  # once before, because the first use imports modules
            with blocking_calls(BLOCKING) as calls:
                await use_everything(backend, source)
                await examined(backend)
        require(calls == [], f"these calls block the event loop, run them through in_thread: {'; '.join(calls)}")

    async def test_file_descriptors_and_threads_do_not_leak(self, backend: Backend, sources: Sources) -> None:
        """Also when a reader leaves early, and when an object is not there."""
        source = sources.of_size(2 * MIB)
        # The loop's own pool grows to its full size at its leisure; that is no leak.
        await asyncio.gather(*(in_thread(time.sleep, 0.005) for _ in range(100)))
        for _ in range(3):
            await use_everything(backend, source)
        before = resources()
        for _ in range(ROUNDS):
            await use_everything(backend, source)
        descriptors, threads = (now - then for now, then in zip(resources(), before, strict=True))
        require(descriptors <= 0, f"{descriptors} file descriptors stay open after {ROUNDS} rounds of use")
        # A pool of the backend's own may still grow by one now and then.
        require(threads < ROUNDS, f"{threads} threads stay alive after {ROUNDS} rounds of use")

    async def test_memory_does_not_leak(self, backend: Backend, sources: Sources) -> None:
        """What was removed is in no list, buffer or task any more."""
        source = sources.of_size(2 * MIB)
        tracemalloc.start()
        try:
            await use_everything(backend, source)
            before = memory()
            for _ in range(ROUNDS):
                await use_everything(backend, source)
            grown = memory() - before
        finally:
            tracemalloc.stop()
        message = f"{grown / MIB:.1f} MiB of memory stay in use after {ROUNDS} rounds with an object of 2 MiB"
        require(grown < ROUNDS * source.file.size // 2, message)

    async def test_an_examination_leaves_nothing_behind(self, backend: Backend) -> None:
        """It may take seconds, and is asked for by an operator now and then."""
        await asyncio.gather(*(in_thread(time.sleep, 0.005) for _ in range(100)))
        tracemalloc.start()
        try:
            await examined(backend)
            before, in_use = resources(), memory()
            for _ in range(ROUNDS):
                await examined(backend)
            grown = memory() - in_use
            descriptors, threads = (now - then for now, then in zip(resources(), before, strict=True))
        finally:
            tracemalloc.stop()
        require(descriptors <= 0, f"{descriptors} file descriptors stay open after {ROUNDS} examinations")
        require(threads < ROUNDS, f"{threads} threads stay alive after {ROUNDS} examinations")
        message = f"{grown / MIB:.1f} MiB of memory stay in use after {ROUNDS} examinations"
        require(grown < ROUNDS * MIB // 2, message)

    async def test_it_can_be_closed_twice(self, backend: Backend, sources: Sources) -> None:
        """Whoever cleans up need not know whether somebody else did."""
        await stored(backend, sources.of_size(100))
        await require_success(backend.aclose(), "aclose() must let go of everything")
        await require_success(backend.aclose(), "aclose() must do nothing the second time")


async def use_everything(backend: Backend, source: Source) -> None:
    """One round of all that the farm does with a store, one thing after another."""
    data = await stored(backend, source)
    await content(backend, source, data)
    await entered(backend, source, data)
    async with backend.open(source.file, data) as chunks:
        await anext(chunks)
    await backend.stat(source.file, data)
    await backend.verify(source.file, data)
    await listed(backend)
    await use_the_place(backend)
    if backend.takes_parts:
        await use_parts(backend, source)
    await backend.remove(source.file, data)
    for call in (entered(backend, source, data), backend.stat(source.file, data), backend.remove(source.file, data)):
        await asyncio.gather(call, return_exceptions=True)


async def use_the_place(backend: Backend) -> None:
    """What the farm asks of the place itself, again and again."""
    await backend.probe()
    await backend.tidy([])


async def examined(backend: Backend) -> None:
    """What an operator asks of the place now and then, which may take seconds."""
    async for _ in backend.examine():
        pass


async def use_parts(backend: Backend, source: Source) -> None:
    """One object in one part that is finished and removed, and one that is abandoned."""
    for finish in (True, False):
        data = await backend.begin_parts(source.file)
        part = await backend.store_part(source.file, data, 1, source.path, 0, source.file.size)
        if finish:
            await backend.remove(source.file, await backend.finish_parts(source.file, data, [part]))
        await backend.abandon_parts(source.file, data)


def memory() -> int:
    """Bytes of Python's memory that are in use."""
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def resources() -> tuple[int, int]:
    """How many file descriptors and threads this process has."""
    gc.collect()
    return len(os.listdir("/proc/self/fd")), threading.active_count()  # noqa: PTH208 - the shortest way to count
