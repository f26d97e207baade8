"""What must hold when storing is cancelled, or its process is killed."""

import asyncio
import pickle
import sys
from pathlib import Path

from debusine.testing.file_stores.suite import (
    MIB,
    Backend,
    FileStoreSuite,
    content,
    listed,
    listed_data,
    require_soon,
    stored,
)
from debusine.testing.requirements import require
from debusine.testing.sources import Source, Sources

SIZE = 8 * MIB

#: When a storing is cancelled, as shares of the time that it takes.
MOMENTS = (0.0, 0.05, 0.2, 0.4, 0.6, 0.8, 0.9, 1.0)

#: How often a process is killed while it stores.
KILLS = 3


class Interrupting(FileStoreSuite):
    """An object is there as a whole or not at all."""

    async def test_what_is_listed_during_a_storing_is_whole(self, backend: Backend, sources: Sources) -> None:
        """A name in a store never shows a part of an object."""
        source = sources.of_size(SIZE)
        task = asyncio.create_task(stored(backend, source))
        while not task.done():
            await asyncio.sleep(0)  # a listing that never waits would never let the task run
            for entry in await listed(backend):
                digest = await backend.verify(source.file, dict(entry.data))
                require(digest == source.file.digest, f"during store() entries() lists a part of an object: {digest}")
        await task

    async def test_a_storing_that_is_cancelled_leaves_nothing(self, backend: Backend, sources: Sources) -> None:
        """Whenever it happens: a client went away, or the server stops."""
        source = sources.of_size(SIZE)
        seconds = await seconds_of_storing(backend, source)
        for moment in MOMENTS:
            await store_and_cancel(backend, source, after=seconds * moment)

            async def nothing() -> bool:
                return await listed_data(backend) == []

            message = f"a store() that is cancelled after {moment:.0%} of its time must leave nothing in entries()"
            await require_soon(nothing, message, seconds=self.patience)

    async def test_a_storing_whose_process_is_killed_leaves_nothing_partial(
        self, backend: Backend, sources: Sources, tmp_path: Path
    ) -> None:
        """All that is listed afterwards is whole."""
        self.needs_persistence()
        source = sources.of_size(SIZE)
        pickled = self._pickled(backend, source, tmp_path)
        for kill in range(KILLS):
            await store_until_killed(pickled, after=0.01 * kill)
        for entry in await listed(backend):
            digest = await backend.verify(source.file, dict(entry.data))
            require(digest == source.file.digest, f"after a kill entries() lists a part of an object: {digest}")

    async def test_a_reading_that_is_cancelled_disturbs_nobody(self, backend: Backend, sources: Sources) -> None:
        """A client went away in the middle; the next one gets all."""
        source = sources.of_size(SIZE)
        data = await stored(backend, source)
        for moment in (0, 0.001, 0.01):
            task = asyncio.create_task(content(backend, source, data))
            await asyncio.sleep(moment)
            task.cancel()
            (outcome,) = await asyncio.gather(task, return_exceptions=True)
            ended = isinstance(outcome, asyncio.CancelledError) or outcome == source.content
            require(ended, f"a reading that is cancelled must raise CancelledError, not {outcome!r:.100}")
        got = await content(backend, source, data)
        require(got == source.content, "after a reading that was cancelled an object must be read as before")

    def _pickled(self, backend: Backend, source: Source, directory: Path) -> Path:
        """A file from which another process can build the same backend."""
        path = directory / "backend.pickle"
        reason = ""
        try:
            path.write_bytes(pickle.dumps((self.another(backend), source.file, source.path)))
        except Exception as error:  # noqa: BLE001 - pickling runs the author's code
            reason = f"what `another` returns cannot be pickled, so no other process builds this backend: {error}"
        self.needs("another process", not reason, reason)
        return path


async def seconds_of_storing(backend: Backend, source: Source) -> float:
    """How long storing takes when nothing disturbs it."""
    clock = asyncio.get_running_loop().time
    start = clock()
    data = await stored(backend, source)
    seconds = clock() - start
    await backend.remove(source.file, data)
    return seconds


async def store_and_cancel(backend: Backend, source: Source, *, after: float) -> None:
    """Cancel a storing after some seconds; one that was quicker is taken back."""
    task = asyncio.create_task(stored(backend, source))
    await asyncio.sleep(after)
    task.cancel()
    try:
        data = await task
    except asyncio.CancelledError:
        return
    await backend.remove(source.file, data)


#: Stores one file again and again, and says so after each time.
WRITER = """
import asyncio, pickle, sys

async def main(path):
    with open(path, "rb") as stream:
        another, file, source = pickle.load(stream)
    backend = another()
    await backend.prepare()
    while True:
        await backend.store(file, source)
        print("stored", flush=True)

asyncio.run(main(sys.argv[1]))
"""


async def store_until_killed(pickled: Path, *, after: float) -> None:
    """Run a process that stores, and kill it a moment after its first object."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WRITER, str(pickled), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    said = await process.stdout.readline()
    if said:
        await asyncio.sleep(after)
        process.kill()
    complaint = (await process.communicate())[1].decode()
    require(said != b"", f"a second process cannot store with the same class and options:\n{complaint}")
