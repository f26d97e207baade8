"""Chunks that go to a store part by part: any server takes the next one, and none that was acknowledged is lost."""

import asyncio
import hashlib
import itertools
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from debusine.db.engine import DatabaseUnreachable
from debusine.domain.errors import Conflict, Unavailable
from debusine.plugin import File
from debusine.services import abandoned_uploads, parted_uploads
from debusine.services.file_stores import FileStores
from debusine.services.parted_uploads import cut
from debusine.services.receptions import PartLost, Progress, WrongContent
from debusine.services.spans import WrongLength
from debusine.services.spool import Spool
from debusine.services.uploads import Uploads
from debusine.testing import MemoryFileStore
from debusine.testing.memory_store import Memory, MemoryOptions
from tests.depot import LIMITS, BreakableDatabase, Depot, sent
from tests.services.test_abandoned_uploads import DAY, SECOND, turn_back
from tests.work import Workshop

CONTENT = b"".join(hashlib.sha256(bytes([a, b])).digest() for a, b in itertools.product(range(16), range(50)))
SIZE = len(CONTENT)
CHUNK = 8000


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parted_uploads, "PART", 2000)


class Cluster:
    """Servers that share a database and a store, and nothing else."""

    def __init__(self, workshop: Workshop, root: Path) -> None:
        self.workshop = workshop
        self.root = root
        self.memory = Memory()
        self._numbers = itertools.count(1)

    async def start(self) -> Depot:
        root = self.root / f"server-{next(self._numbers)}"
        database = BreakableDatabase(self.workshop.database)
        backend: Any = MemoryFileStore(MemoryOptions(takes_parts=True), self.memory)
        row = await database.read(lambda uow: uow.file_stores.get(self.workshop.workspace.default_file_store))
        stores = FileStores({row.name: row}, {row.name: backend})
        uploads = Uploads(database, stores, Spool.at(root / "uploads", LIMITS), LIMITS)
        return Depot(root, self.workshop, database, backend, uploads)

    @property
    def nothing_is_left_over(self) -> bool:
        """Whether the store has one object, the file, and has begun nothing."""
        return [len(content) for content, _ in self.memory.objects.values()] == [SIZE] and not self.memory.begun


@pytest.fixture
def cluster(workshop: Workshop, tmp_path: Path) -> Cluster:
    return Cluster(workshop, tmp_path)


async def upload(depots: list[Depot], artifact: int, *, chunk: int, start: int = 0) -> Progress:
    """Send a file from a place on, each chunk to the next server."""
    progress = Progress(start, complete=False)
    for depot in itertools.cycle(depots):
        if progress.complete:
            return progress
        stop = min(progress.received + chunk, SIZE)
        progress = await depot.put_part(artifact, "a", CONTENT, progress.received, stop)
        assert progress.received == stop
    raise AssertionError


@pytest.mark.parametrize("servers", [1, 2, 3])
@pytest.mark.parametrize("chunk", [300, 999, 1000, 2500, CHUNK, SIZE - 1])
async def test_a_file_comes_whole_whatever_its_chunks_and_wherever_they_go(
    cluster: Cluster, servers: int, chunk: int
) -> None:
    depots = [await cluster.start() for _ in range(servers)]
    artifact = await depots[0].declare({"a": CONTENT})

    await upload(depots, artifact, chunk=chunk)

    assert await depots[-1].fetch(artifact, "a") == CONTENT
    assert cluster.nothing_is_left_over
    assert [depot.spooled() for depot in depots] == [{}] * servers


async def test_a_server_that_has_seen_it_all_reads_nothing_again(cluster: Cluster) -> None:
    depot = await cluster.start()
    artifact = await depot.declare({"a": CONTENT})
    depot.backend.failures["open"] = AssertionError("read again")  # type: ignore[attr-defined]

    assert (await upload([depot], artifact, chunk=CHUNK)).complete


async def test_another_server_goes_on_at_the_acknowledged_offset_when_one_dies(cluster: Cluster) -> None:
    first = await cluster.start()
    artifact = await first.declare({"a": CONTENT})
    await first.put_part(artifact, "a", CONTENT, 0, CHUNK)
    first.database.before.update(advance_parted=first.stand_still)
    dying = asyncio.create_task(first.put_part(artifact, "a", CONTENT, CHUNK, 2 * CHUNK))
    await first.still.wait()

    second = await cluster.start()
    assert await second.probe(artifact, "a") == Progress(CHUNK, complete=False)
    await upload([second], artifact, chunk=5000, start=CHUNK)

    assert await second.fetch(artifact, "a") == CONTENT
    assert cluster.nothing_is_left_over
    first.over.set()
    await asyncio.gather(dying, return_exceptions=True)


def stop_before_finishing(depot: Depot) -> None:
    depot.backend.gates["finish_parts"] = depot.over  # type: ignore[attr-defined]
    depot.still.set()


#: Where a server dies during the last chunk, and whether the file is known to be complete then.
DEATHS: dict[str, tuple[Callable[[Depot], Any], bool]] = {
    "before the parts are put together": (stop_before_finishing, False),
    "before it is recorded": (lambda depot: depot.database.before.update(complete=depot.stand_still), False),
    "after it is recorded": (lambda depot: depot.database.after.update(complete=depot.stand_still), True),
}


@pytest.mark.parametrize("moment", DEATHS)
async def test_a_file_is_complete_or_goes_on_elsewhere_after_a_death_in_its_last_chunk(
    cluster: Cluster, moment: str
) -> None:
    death, complete = DEATHS[moment]
    first, second = await cluster.start(), await cluster.start()
    artifact = await first.declare({"a": CONTENT})
    await upload_up_to(first, artifact, 3 * CHUNK)
    death(first)
    dying = asyncio.create_task(first.put_part(artifact, "a", CONTENT, 3 * CHUNK, SIZE))
    await first.still.wait()
    for _ in range(20):
        await asyncio.sleep(0.002)

    assert (await second.probe(artifact, "a")).complete is complete
    assert (await second.put_part(artifact, "a", CONTENT, 3 * CHUNK, SIZE)).complete

    assert await second.fetch(artifact, "a") == CONTENT
    first.over.set()
    await asyncio.gather(dying, return_exceptions=True)
    assert cluster.nothing_is_left_over


async def upload_up_to(depot: Depot, artifact: int, stop: int, content: bytes = CONTENT) -> None:
    for start in range(0, stop, CHUNK):
        await depot.put_part(artifact, "a", content, start, start + CHUNK)


async def test_of_two_servers_that_take_the_same_chunk_one_wins(cluster: Cluster) -> None:
    first, second = await cluster.start(), await cluster.start()
    artifact = await first.declare({"a": CONTENT})
    await first.put_part(artifact, "a", CONTENT, 0, CHUNK)
    results = await asyncio.gather(
        first.put_part(artifact, "a", CONTENT, CHUNK, 2 * CHUNK),
        second.put_part(artifact, "a", CONTENT, CHUNK, 2 * CHUNK),
        return_exceptions=True,
    )

    assert Progress(2 * CHUNK, complete=False) in results
    assert all(isinstance(result, Progress | Conflict) for result in results)
    await upload([second], artifact, chunk=CHUNK, start=2 * CHUNK)
    assert await first.fetch(artifact, "a") == CONTENT


async def test_two_first_chunks_leave_one_beginning(cluster: Cluster) -> None:
    first, second = await cluster.start(), await cluster.start()
    artifact = await first.declare({"a": CONTENT})
    await asyncio.gather(
        first.put_part(artifact, "a", CONTENT, 0, CHUNK),
        second.put_part(artifact, "a", CONTENT, 0, CHUNK),
        return_exceptions=True,
    )

    assert len(cluster.memory.begun) == 1
    await upload([first], artifact, chunk=CHUNK, start=CHUNK)
    assert cluster.nothing_is_left_over


@pytest.mark.parametrize("servers", [1, 2])
async def test_wrong_content_is_refused_and_nothing_of_it_stays(cluster: Cluster, servers: int) -> None:
    depots = [await cluster.start() for _ in range(servers)]
    artifact = await depots[0].declare({"a": CONTENT})
    wrong = CONTENT[:100] + b"X" + CONTENT[101:]
    await upload_up_to(depots[0], artifact, 2 * CHUNK, wrong)

    with pytest.raises(WrongContent):
        await depots[-1].put_part(artifact, "a", wrong, 2 * CHUNK, SIZE)

    assert not cluster.memory.objects
    assert not cluster.memory.begun
    assert await depots[0].probe(artifact, "a") == Progress(0, complete=False)
    await upload(depots, artifact, chunk=CHUNK)
    assert await depots[0].fetch(artifact, "a") == CONTENT


async def test_parts_that_the_store_has_lost_are_sent_again_from_the_beginning(cluster: Cluster) -> None:
    depot = await cluster.start()
    artifact = await depot.declare({"a": CONTENT})
    await upload_up_to(depot, artifact, 2 * CHUNK)
    cluster.memory.begun.clear()

    with pytest.raises(PartLost):
        await depot.put_part(artifact, "a", CONTENT, 2 * CHUNK, 3 * CHUNK)

    assert await depot.probe(artifact, "a") == Progress(0, complete=False)
    await upload([depot], artifact, chunk=CHUNK)
    assert cluster.nothing_is_left_over


@pytest.mark.parametrize("how", ["lost", "damaged"])
async def test_a_tail_that_the_store_has_not_kept_is_sent_again_from_the_beginning(cluster: Cluster, how: str) -> None:
    depot = await cluster.start()
    artifact = await depot.declare({"a": CONTENT})
    await depot.put_part(artifact, "a", CONTENT, 0, 500)
    ((key, (content, found)),) = cluster.memory.objects.items()
    if how == "lost":
        del cluster.memory.objects[key]
    else:
        cluster.memory.objects[key] = (b"X" + content[1:], found)

    with pytest.raises(PartLost):
        await depot.put_part(artifact, "a", CONTENT, 500, CHUNK)

    assert await depot.probe(artifact, "a") == Progress(0, complete=False)
    await upload([depot], artifact, chunk=CHUNK)
    assert cluster.nothing_is_left_over


@pytest.mark.parametrize("method", ["begin_parts", "store_part", "store"])
async def test_a_store_that_fails_in_the_first_chunk_keeps_nothing(cluster: Cluster, method: str) -> None:
    depot = await cluster.start()
    artifact = await depot.declare({"a": CONTENT})
    depot.backend.failures[method] = Unavailable("away")  # type: ignore[attr-defined]

    with pytest.raises(Unavailable):
        await depot.put_part(artifact, "a", CONTENT, 0, 500 if method == "store" else CHUNK)

    assert not cluster.memory.begun
    assert depot.spooled() == {}
    del depot.backend.failures[method]  # type: ignore[attr-defined]
    await upload([depot], artifact, chunk=CHUNK)
    assert cluster.nothing_is_left_over


@pytest.mark.parametrize("method", ["store_part", "finish_parts"])
async def test_a_store_that_fails_later_loses_no_acknowledged_chunk(cluster: Cluster, method: str) -> None:
    depot = await cluster.start()
    artifact = await depot.declare({"a": CONTENT})
    await upload_up_to(depot, artifact, 3 * CHUNK)
    depot.backend.failures[method] = Unavailable("away")  # type: ignore[attr-defined]
    with pytest.raises(Unavailable):
        await depot.put_part(artifact, "a", CONTENT, 3 * CHUNK, SIZE)
    del depot.backend.failures[method]  # type: ignore[attr-defined]

    assert await depot.probe(artifact, "a") == Progress(3 * CHUNK, complete=False)
    await depot.put_part(artifact, "a", CONTENT, 3 * CHUNK, SIZE)
    assert await depot.fetch(artifact, "a") == CONTENT
    assert cluster.nothing_is_left_over


@pytest.mark.parametrize("committed", [True, False])
async def test_a_commit_without_an_answer_does_not_cost_the_parts(cluster: Cluster, committed: bool) -> None:
    def lose() -> None:
        raise DatabaseUnreachable("the line was cut")

    depot = await cluster.start()
    artifact = await depot.declare({"a": CONTENT})
    (depot.database.after if committed else depot.database.before)["advance_parted"] = lose
    with pytest.raises(DatabaseUnreachable):
        await depot.put_part(artifact, "a", CONTENT, 0, CHUNK)
    depot.database.after.clear()
    depot.database.before.clear()

    progress = await depot.probe(artifact, "a")
    assert progress.received == (CHUNK if committed else 0)
    await upload([depot], artifact, chunk=CHUNK, start=progress.received)
    assert await depot.fetch(artifact, "a") == CONTENT


async def test_a_client_that_goes_away_in_the_middle_of_a_chunk_costs_that_chunk(cluster: Cluster) -> None:
    depot = await cluster.start()
    artifact = await depot.declare({"a": CONTENT})
    await depot.put_part(artifact, "a", CONTENT, 0, CHUNK)
    with pytest.raises(WrongLength):
        await depot.put(artifact, "a", sent(CONTENT[CHUNK : CHUNK + 5000]), (CHUNK, 2 * CHUNK, SIZE))

    assert await depot.probe(artifact, "a") == Progress(CHUNK, complete=False)
    await upload([depot], artifact, chunk=CHUNK, start=CHUNK)
    assert cluster.nothing_is_left_over


async def test_an_abandoned_upload_is_let_go_of_in_the_store_too(cluster: Cluster) -> None:
    depot = await cluster.start()
    artifact = await depot.declare({"a": CONTENT})
    await depot.put_part(artifact, "a", CONTENT, 0, 2500)
    await depot.put_part(artifact, "a", CONTENT, 2500, 3000)  # a tail
    assert cluster.memory.objects
    await turn_back(depot, DAY + SECOND)

    assert await abandoned_uploads.collect(depot.uploads) == 1

    assert not cluster.memory.begun
    assert not cluster.memory.objects


async def test_a_store_knows_which_beginnings_still_go_on(cluster: Cluster) -> None:
    depot = await cluster.start()
    artifact = await depot.declare({"a": CONTENT})
    await depot.put_part(artifact, "a", CONTENT, 0, CHUNK)
    cluster.memory.begun["stray"] = next(iter(cluster.memory.begun.values()))
    for key, begun in list(cluster.memory.begun.items()):
        cluster.memory.begun[key] = evolve(begun, at=begun.at - timedelta(days=2))

    store = cluster.workshop.workspace.default_file_store
    unfinished = await depot.database.read(lambda uow: uow.parted_uploads.unfinished([store]))
    assert await depot.backend.tidy([dict(data) for data in unfinished]) == 1

    await upload([depot], artifact, chunk=CHUNK, start=CHUNK)
    assert await depot.fetch(artifact, "a") == CONTENT


async def test_content_that_the_store_has_already_is_not_kept_twice(cluster: Cluster) -> None:
    first, second = await cluster.start(), await cluster.start()
    artifacts = [await first.declare({"a": CONTENT}) for _ in range(2)]
    await first.put_part(artifacts[1], "a", CONTENT, 0, CHUNK)
    await upload([first], artifacts[0], chunk=CHUNK)

    await upload([second], artifacts[1], chunk=CHUNK, start=CHUNK)

    assert cluster.nothing_is_left_over
    assert await second.fetch(artifacts[1], "a") == CONTENT


@given(size=st.integers(1, 100_000), part=st.integers(1000, 5000), least=st.integers(1, 1000), last=st.booleans())
def test_parts_are_large_enough_and_nothing_is_left_but_a_tail(size: int, part: int, least: int, last: bool) -> None:
    sizes = cut(size, part=part, least=least, last=last)

    assert sum(sizes) == (size if last or size >= least else 0)
    assert all(each >= min(size, part) or len(sizes) == 1 for each in sizes)
    assert all(each < 2 * part for each in sizes)
    assert all(each >= least for each in sizes[:-1])


def test_the_largest_files_have_few_enough_parts() -> None:
    backend = MemoryFileStore(MemoryOptions(takes_parts=True))
    size = 50 << 30
    least = -(-size // (backend.most_parts - 1))

    assert size // least + 1 <= backend.most_parts
    assert File(sha256=bytes(32), size=size).size == size
