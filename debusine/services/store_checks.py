"""Store checks: is a store what the farm relies on? Asked of the real place, with objects that are removed again."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from attrs import field, frozen

from debusine.db.database import Database
from debusine.domain.errors import DebusineError, Unavailable
from debusine.domain.files import File
from debusine.domain.times import now
from debusine.plugin import FileMissing, FileStoreBackend, Finding, Grade, StoreData, in_thread
from debusine.services.file_stores import Opened
from debusine.services.receptions import Depot

#: Bytes of the object that is stored to see whether it comes back.
SIZE = (1 << 20) + 17
#: How far a store's clock may be from ours.
CLOCKS_DIFFER = timedelta(minutes=5)
#: Of what the store should hold already, as many are looked for; and at its start.
SAMPLE, LOOK = 100, 5


class Mismatch(Exception):
    """A store did something else than the farm relies on."""


class PlaceAway(Unavailable):
    """The place of a store that holds files cannot be used."""

    def __init__(self, error: Unavailable) -> None:
        reason = f"{error.detail}; " if error.detail else ""
        super().__init__(
            error.title, detail=f"{reason}it holds files: is the right disk mounted, the right place named?"
        )
        self.retry_after = error.retry_after


class PlaceLost(Unavailable):
    """A store has none of the files that it should have."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"stores.{name}: of the files that were put there last, none is there",
            detail="mount the right disk or name the right place; until then the store is not used",
        )


async def make_ready(backend: FileStoreBackend[Any], *, holds_files: bool) -> None:
    """Have a place ready; one that should hold files must be there, or a mount point without its disk would be used."""
    if holds_files:
        try:
            await backend.probe()
        except Unavailable as error:
            raise PlaceAway(error) from error
    await backend.prepare()


async def check_holdings(database: Database, store: Opened) -> None:
    """``PlaceLost`` when none of the files is there that a store got last: another disk is mounted there, or none."""
    latest = await database.read(lambda uow: uow.stored_files.latest(store.row.id, limit=LOOK))
    for copy, file in latest:
        try:
            await store.backend.stat(file, StoreData(copy.data))
        except FileMissing:
            continue
        return
    if latest:
        raise PlaceLost(store.row.name)


async def findings(depot: Depot, store: Opened) -> AsyncIterator[Finding]:
    """Everything that is found of one store, one after another."""
    yield await _asked("the place can be used", store.backend.probe)
    if not (store.policies.read_only or store.policies.drain):
        content = secrets.token_bytes(SIZE)
        async with depot.spool.small_file(content) as path:
            check = Check(store.backend, await in_thread(File.from_local_path, path), path, content)
            async for finding in check.findings():
                yield finding
    yield await _what_should_be_there(depot, store)
    async for finding in store.backend.examine():
        yield finding


@frozen
class Check:
    """One object that goes in, is looked at from all sides, and goes again."""

    backend: FileStoreBackend[Any]
    file: File
    path: Path
    content: bytes
    _kept: list[StoreData] = field(factory=list)

    async def findings(self) -> AsyncIterator[Finding]:
        """What is found, until something fails without which nothing else can be asked."""
        stored = await _asked("a file is taken", self._store)
        yield stored
        if stored.grade is not Grade.GOOD:
            return
        questions = {
            "it comes back as it was": self._read_all,
            "a part of it comes back": self._read_part,
            "its size and age are told": self._stat,
            "it is read again in the store": self._verify,
            "it is listed": self._list,
            "a second one of the same content is one of its own": self._twin,
        }
        if self.backend.takes_parts:
            questions["it can come in parts, which nobody sees before the end"] = self._parts
        for what, question in questions.items():
            yield await _asked(what, question)
        yield await _asked("what is removed is gone", self._remove)

    async def _store(self) -> None:
        self._kept.append(await self.backend.store(self.file, self.path))

    async def _read_all(self) -> None:
        _require(await self._read(0, None) == self.content, "other bytes came back")

    async def _read_part(self) -> None:
        for start, length in ((0, 1), (1000, 5000), (SIZE - 10, None), (SIZE - 1, 1)):
            stop = SIZE if length is None else start + length
            got = await self._read(start, length)
            _require(got == self.content[start:stop], f"other bytes came back for {length} from {start} on")

    async def _read(self, start: int, length: int | None) -> bytes:
        async with self.backend.open(self.file, self._kept[0], start, length) as chunks:
            return b"".join([bytes(chunk) async for chunk in chunks])

    async def _stat(self) -> None:
        found = await self.backend.stat(self.file, self._kept[0])
        _require(found.size == SIZE, f"{found.size} bytes are told, not {SIZE}")
        _require(
            abs(found.modified - now()) < CLOCKS_DIFFER, f"its age is wrong: {found.modified}; set the clocks right"
        )

    async def _verify(self) -> None:
        found = await self.backend.verify(self.file, self._kept[0])
        _require(found == self.file.digest, f"it was read again as {found.hex}")

    async def _list(self) -> None:
        async for entry in self.backend.entries():
            if entry.data == self._kept[0]:
                return
        raise Mismatch("the listing does not have it")

    async def _twin(self) -> None:
        twin = await self.backend.store(self.file, self.path)
        _require(twin != self._kept[0], "both are found by the same data")
        await self.backend.remove(self.file, twin)
        await self._read_all()

    async def _parts(self) -> None:
        size = self.backend.smallest_part
        content = secrets.token_bytes(size) + b"end"
        path = self.path.with_suffix(".parts")
        await in_thread(path.write_bytes, content)
        try:
            await self._in_parts(await in_thread(File.from_local_path, path), path, size)
        finally:
            await in_thread(path.unlink)

    async def _in_parts(self, file: File, path: Path, size: int) -> None:
        begun = await self.backend.begin_parts(file)
        try:
            sizes = [(0, size), (size, file.size - size)]
            parts = [
                await self.backend.store_part(file, begun, number, path, start, length)
                for number, (start, length) in enumerate(sizes, start=1)
            ]
            await _missing(lambda: self.backend.stat(file, begun), "it is seen before it is whole")
            kept = await self.backend.finish_parts(file, begun, parts)
        except BaseException:
            await self.backend.abandon_parts(file, begun)
            raise
        found = await self.backend.verify(file, kept)
        await self.backend.remove(file, kept)
        _require(found == file.digest, "put together, it has other bytes")

    async def _remove(self) -> None:
        data = self._kept[0]
        await self.backend.remove(self.file, data)
        await _missing(lambda: self.backend.stat(self.file, data), "it can still be seen")
        await _missing(lambda: self.backend.remove(self.file, data), "it can be removed twice")


async def _what_should_be_there(depot: Depot, store: Opened) -> Finding:
    what = "the files that are in it are there"
    sample = await depot.database.read(lambda uow: uow.stored_files.latest(store.row.id, limit=SAMPLE))
    missing, wrong = 0, 0
    for copy, file in sample:
        try:
            found = await store.backend.stat(file, StoreData(copy.data))
        except FileMissing:
            missing += 1
        except (DebusineError, OSError) as error:
            return Finding(what=what, grade=Grade.WRONG, detail=str(error))
        else:
            wrong += found.size != file.size
    if missing or wrong:
        detail = (
            f"of the last {len(sample)}, {missing} are missing and {wrong} have another size; is it the right place?"
        )
        return Finding(what=what, grade=Grade.WRONG, detail=detail)
    return Finding(
        what=what, grade=Grade.GOOD, detail=f"looked for the last {len(sample)}" if sample else "it is empty"
    )


async def _asked(what: str, question: Callable[[], Awaitable[None]]) -> Finding:
    try:
        await question()
    except (DebusineError, OSError, Mismatch) as error:
        return Finding(what=what, grade=Grade.WRONG, detail=str(error))
    except Exception as error:  # noqa: BLE001 - a plugin's mistake is what somebody who verifies wants to know
        return Finding(what=what, grade=Grade.WRONG, detail=f"the backend fails with {error!r}")
    return Finding(what=what, grade=Grade.GOOD)


async def _missing(call: Callable[[], Awaitable[object]], otherwise: str) -> None:
    try:
        await call()
    except FileMissing:
        return
    raise Mismatch(otherwise)


def _require(condition: bool, otherwise: str) -> None:
    if not condition:
        raise Mismatch(otherwise)
