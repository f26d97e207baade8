"""The suite's part about parts: each broken backend fails the test that names its fault."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import pytest

from debusine.plugin import File, PartsGone, StoreData, StoredEntry
from debusine.testing import MemoryFileStore, Sources
from debusine.testing.memory_store import Begun
from tests.testing.memory_conformance import Suite, require_failure


class PartsStore(MemoryFileStore):
    takes_parts = True


class NoSizes(PartsStore):
    smallest_part = 0


class OnePartOnly(PartsStore):
    most_parts = 1


class AsTheyCame(PartsStore):
    """Joins parts in the order in which they came."""

    async def finish_parts(self, file: File, data: StoreData, parts: Sequence[StoreData]) -> StoreData:
        if data["key"] in self.memory.begun:
            order = list(self.memory.begun[data["key"]].parts)
            parts = sorted(parts, key=lambda part: order.index(part["number"]))
            self.smallest_part = 0
        finished = await super().finish_parts(file, data, parts)
        self.smallest_part = type(self).smallest_part
        return finished


class EveryPartIsLarge(PartsStore):
    async def finish_parts(self, file: File, data: StoreData, parts: Sequence[StoreData]) -> StoreData:
        if file.size < self.smallest_part:
            return self._keep(data["key"], bytes(file.size))
        return await super().finish_parts(file, data, parts)


class KeepsTheFirst(PartsStore):
    async def store_part(
        self, file: File, data: StoreData, number: int, source: Path, start: int, length: int
    ) -> StoreData:
        before = self._begun(data).parts.get(number)
        part = await super().store_part(file, data, number, source, start, length)
        if before is not None:
            self._begun(data).parts[number] = before
            part["sha256"] = before[0]
        return part


class TrustsOldParts(PartsStore):
    def _part(self, data: StoreData, part: StoreData) -> bytes:
        return self._begun(data).parts[part["number"]][1]


class AppendsWhatComesAgain(PartsStore):
    async def store_part(
        self, file: File, data: StoreData, number: int, source: Path, start: int, length: int
    ) -> StoreData:
        before = self._begun(data).parts.get(number)
        part = await super().store_part(file, data, number, source, start, length)
        digest, content = self._begun(data).parts[number]
        if before is not None and before[0] == digest:
            self._begun(data).parts[number] = (digest, before[1] + content)
        return part


class NeedsTheSource(PartsStore):
    def __init__(self) -> None:
        super().__init__()
        self.sources: set[Path] = set()

    async def store_part(
        self, file: File, data: StoreData, number: int, source: Path, start: int, length: int
    ) -> StoreData:
        self.sources.add(source)
        return await super().store_part(file, data, number, source, start, length)

    def _part(self, data: StoreData, part: StoreData) -> bytes:
        content = super()._part(data, part)
        return content if all(source.exists() for source in self.sources) else bytes(len(content))


class ShowsUnfinished(PartsStore):
    async def entries(self) -> AsyncIterator[StoredEntry]:
        async for entry in super().entries():
            yield entry
        for key, begun in self.memory.begun.items():
            yield StoredEntry(data={"key": key}, size=0, modified=begun.at)


class OpensUnfinished(PartsStore):
    @contextlib.asynccontextmanager
    async def open(
        self, file: File, data: StoreData, start: int = 0, length: int | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        if data["key"] in self.memory.begun:
            yield self._chunks(b"")
        else:
            async with super().open(file, data, start, length) as chunks:
                yield chunks


class FinishesOnce(PartsStore):
    async def finish_parts(self, file: File, data: StoreData, parts: Sequence[StoreData]) -> StoreData:
        if data["key"] in self.objects:
            raise PartsGone(data["key"])
        return await super().finish_parts(file, data, parts)


class FinishesInTwoSteps(PartsStore):
    """Two that finish at the same time disturb each other."""

    async def finish_parts(self, file: File, data: StoreData, parts: Sequence[StoreData]) -> StoreData:
        if data["key"] in self.objects:
            return {"key": data["key"]}
        content = b"".join(self._part(data, part) for part in parts)
        await asyncio.sleep(0)
        del self.memory.begun[data["key"]]
        return self._keep(data["key"], content)


class ForgetsTheRemoved(PartsStore):
    """Finishes again what was finished and removed."""

    async def finish_parts(self, file: File, data: StoreData, parts: Sequence[StoreData]) -> StoreData:
        begun = self.memory.begun[data["key"]]
        finished = await super().finish_parts(file, data, parts)
        self.memory.begun[data["key"]] = begun
        return finished

    async def entries(self) -> AsyncIterator[StoredEntry]:
        async for entry in super().entries():
            yield entry


class OtherKeyWhenFinished(PartsStore):
    async def finish_parts(self, file: File, data: StoreData, parts: Sequence[StoreData]) -> StoreData:
        key = f"finished-{data['key']}"
        if key not in self.objects:
            await super().finish_parts(file, data, parts)
            self.objects[key] = self.objects.pop(data["key"])
        return {"key": key}


class AbandonsOnce(PartsStore):
    async def abandon_parts(self, file: File, data: StoreData) -> None:
        self._begun(data)
        await super().abandon_parts(file, data)


class BeginsByItself(PartsStore):
    """Takes a part of what was abandoned."""

    def _begun(self, data: StoreData) -> Begun:
        return self.memory.begun.setdefault(data["key"], Begun())


class AbandonsTheFinished(PartsStore):
    async def abandon_parts(self, file: File, data: StoreData) -> None:
        await super().abandon_parts(file, data)
        self.objects.pop(data["key"], None)


class OneForOneContent(PartsStore):
    async def begin_parts(self, file: File) -> StoreData:
        key = file.hash_digest.hex()
        self.memory.begun.setdefault(key, Begun())
        return {"key": key}


class LeavesTornParts(PartsStore):
    """After a part was cancelled, the next one under its number is torn."""

    def __init__(self) -> None:
        super().__init__()
        self.torn: set[int] = set()

    async def store_part(
        self, file: File, data: StoreData, number: int, source: Path, start: int, length: int
    ) -> StoreData:
        try:
            part = await super().store_part(file, data, number, source, start, length)
        except asyncio.CancelledError:
            self.torn.add(number)
            raise
        if number in self.torn:
            digest, content = self._begun(data).parts[number]
            self._begun(data).parts[number] = (digest, bytes(len(content)))
        return part


class BlamesTheParts(PartsStore):
    async def store_part(
        self, file: File, data: StoreData, number: int, source: Path, start: int, length: int
    ) -> StoreData:
        try:
            return await super().store_part(file, data, number, source, start, length)
        except OSError as error:
            raise PartsGone(data["key"]) from error


class LosesAllByOneMistake(PartsStore):
    async def store_part(
        self, file: File, data: StoreData, number: int, source: Path, start: int, length: int
    ) -> StoreData:
        try:
            return await super().store_part(file, data, number, source, start, length)
        except OSError:
            self._begun(data).parts[1] = (self._begun(data).parts[1][0], b"\0" * length)
            raise


class TidiesTheYoung(PartsStore):
    async def tidy(self, unfinished: Collection[StoreData]) -> int:
        self.memory.begun.clear()
        return 0


class NumberedByTuples(PartsStore):
    async def begin_parts(self, file: File) -> StoreData:
        return {**await super().begin_parts(file), "numbers": (1, 2)}


FAULTS: list[tuple[Callable[[], MemoryFileStore], str, str]] = [
    (OnePartOnly, "the_sizes_of_parts_are_told", "must be more than one"),
    (NoSizes, "the_sizes_of_parts_are_told", "parts must have a size"),
    (ShowsUnfinished, "what_is_unfinished_is_seen_by_nobody", "must not list what"),
    (OpensUnfinished, "what_is_unfinished_is_seen_by_nobody", "entering open() must raise FileMissing"),
    (ForgetsTheRemoved, "parts_become_an_object", "finish_parts() must raise FileMissing"),
    (OtherKeyWhenFinished, "a_finished_object_is_found_by_what_began_it", "by its first data"),
    (AsTheyCame, "parts_come_in_any_order_and_at_the_same_time", "in the order of the list"),
    (EveryPartIsLarge, "one_part_alone_may_be_small", "of its one part"),
    (TrustsOldParts, "a_part_that_comes_again_takes_the_place_of_the_one_before", "must raise PartsGone when a part"),
    (KeepsTheFirst, "a_part_that_comes_again_takes_the_place_of_the_one_before", "must raise PartsGone when a part"),
    (AppendsWhatComesAgain, "a_part_that_comes_again_with_the_same_bytes_changes_nothing", "one came four times"),
    (NeedsTheSource, "parts_survive_their_sources", "whose source is gone"),
    (NumberedByTuples, "what_parts_return_is_json", "what JSON gives back unchanged"),
    (FinishesOnce, "finishing_twice_gives_the_same", "must return the same again"),
    (FinishesInTwoSteps, "two_that_finish_at_the_same_time_make_one_whole_object", "must not raise"),
    (AbandonsOnce, "what_was_abandoned_is_gone", "must do nothing when all is gone"),
    (BeginsByItself, "what_was_abandoned_is_gone", "store_part() must raise PartsGone"),
    (
        AbandonsTheFinished,
        "abandoning_what_is_finished_leaves_the_object",
        "after abandon_parts(), .* not FileMissing",
    ),
    (OneForOneContent, "two_of_the_same_content_do_not_know_each_other", "must return other data each time"),
    (LeavesTornParts, "a_part_that_was_cancelled_can_be_sent_again", "one was cancelled before"),
    (BlamesTheParts, "a_part_without_a_source_changes_nothing", "must not raise PartsGone"),
    (LosesAllByOneMistake, "a_part_without_a_source_changes_nothing", "had come before one failed"),
    (TidiesTheYoung, "tidying_leaves_what_is_going_on", "must leave what was begun today"),
]


@pytest.mark.parametrize(("broken", "test", "sentence"), FAULTS, ids=lambda value: getattr(value, "__name__", None))
async def test_a_broken_backend_fails_with_a_sentence(
    sources: Sources, broken: Callable[[], MemoryFileStore], test: str, sentence: str
) -> None:
    arguments: dict[str, Any] = {} if test == "the_sizes_of_parts_are_told" else {"sources": sources}
    await require_failure(broken(), test, sentence, **arguments)


async def test_a_backend_that_keeps_parts_to_itself_fails(sources: Sources) -> None:
    class Persistent(Suite):
        persistent = True

    test = "another_object_of_the_class_goes_on_with_what_one_began"
    sentence = "must find what begin_parts() of the first one began"
    await require_failure(PartsStore(), test, sentence, Persistent(), sources=sources)
