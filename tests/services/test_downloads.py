"""Bytes come back from whichever copy can be read, from memory or from the disk, and never fewer than there are."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from attrs import evolve

from debusine.domain.files import ArtifactPath, FileInStore
from debusine.plugin import Damaged, FileMissing, now
from debusine.services import local_files
from debusine.services.downloads import Download, StoredFile, Unreadable, Wish, contents, granted
from debusine.services.file_stores import FileStores
from debusine.services.tarballs import Member, tar_gz
from debusine.testing import MemoryFileStore
from tests.depot import Depot
from tests.services.test_artifacts import counted_statements

CONTENT = os.urandom(3 * local_files.CACHED + 5)


async def stored(depot: Depot, content: bytes = CONTENT) -> StoredFile:
    artifact = await depot.declare({"a": content})
    await depot.put(artifact, "a", content)
    return (await download(depot, artifact, "a")).files[0]


async def download(depot: Depot, artifact: int, path: str | None = None) -> Download:
    wish = Wish(
        subject=depot.user,
        workspace=depot.workshop.workspace.name,
        artifact=artifact,
        path=None if path is None else ArtifactPath(path),
        archive=path is None,
    )
    return await depot.database.read(granted, wish)


async def read(
    depot: Depot, file: StoredFile, start: int = 0, length: int | None = None, *, stores: FileStores | None = None
) -> bytes:
    async with contents(depot.database, stores or depot.stores, file, start, length) as chunks:
        return b"".join([bytes(chunk) async for chunk in chunks])


@pytest.mark.parametrize("nowait", [True, False])
async def test_a_part_is_exactly_that_part_from_memory_and_from_the_disk(
    depot: Depot, monkeypatch: pytest.MonkeyPatch, nowait: bool
) -> None:
    if not nowait:
        monkeypatch.setattr(local_files, "_NOWAIT", 0)
    file = await stored(depot)

    assert await read(depot, file) == CONTENT
    assert await read(depot, file, 1, local_files.CACHED) == CONTENT[1 : 1 + local_files.CACHED]
    assert await read(depot, file, len(CONTENT) - 3, 99) == CONTENT[-3:]


async def test_what_is_not_in_memory_is_waited_for_in_a_thread(depot: Depot, monkeypatch: pytest.MonkeyPatch) -> None:
    def not_in_memory(*_: object) -> int:
        raise BlockingIOError

    monkeypatch.setattr(os, "preadv", not_in_memory)

    assert await read(depot, await stored(depot)) == CONTENT


async def test_another_copy_is_read_when_the_first_cannot_be(depot: Depot) -> None:
    file = await stored(depot)
    gone = evolve(file.copies[0], data={"key": "0" * 64 + "-" + "0" * 16})
    elsewhere = evolve(file.copies[0], store=99)

    assert await read(depot, evolve(file, copies=[gone, elsewhere, *file.copies])) == CONTENT


async def test_a_file_of_which_no_copy_can_be_read_is_no_empty_file(depot: Depot) -> None:
    file = await stored(depot)
    await depot.backend.remove(file.place.file, dict(file.copies[0].data))

    with pytest.raises(Unreadable):
        await read(depot, file)


async def test_a_copy_that_has_moved_since_it_was_looked_up_is_found_where_it_is_now(depot: Depot) -> None:
    file = await stored(depot)

    assert await read(depot, evolve(file, copies=[])) == CONTENT


async def test_a_file_that_is_cut_while_it_is_read_ends_with_an_error(depot: Depot) -> None:
    file = await stored(depot)
    path = next(path for path in (depot.root / "store").rglob("*-*") if path.is_file())

    async def cut() -> None:
        async with contents(depot.database, depot.stores, file) as chunks:
            async for _ in chunks:
                os.truncate(path, 10)

    with pytest.raises(Damaged):
        await cut()


async def test_local_files_are_missing_or_damaged_as_stores_say_it(depot: Depot, tmp_path: Path) -> None:
    file = (await stored(depot)).place.file
    for path, error in ((tmp_path / "none", FileMissing), (tmp_path / "short", Damaged)):
        if error is Damaged:
            path.write_bytes(b"short")
        with pytest.raises(error):
            async with local_files.local_chunks(path, file, 0, file.size):
                pass


async def test_stores_without_local_files_are_read_through_their_backend(depot: Depot, tmp_path: Path) -> None:
    file = await stored(depot)
    backend = MemoryFileStore()
    (tmp_path / "source").write_bytes(CONTENT)
    data = await backend.store(file.place.file, tmp_path / "source")
    row = evolve(depot.stores.rows["Default"], id=7, name="memory")
    copy = FileInStore(id=1, store=7, file=file.place.file.id, data=data, verified_at=now())
    stores = FileStores({"memory": row}, {"memory": backend})

    assert await read(depot, evolve(file, copies=[copy]), 5, 9, stores=stores) == CONTENT[5:14]


@pytest.mark.parametrize("count", [1, 40])
async def test_an_archive_of_many_files_takes_as_many_statements_as_one_of_one(depot: Depot, count: int) -> None:
    artifact = await depot.declare({f"{number}": b"" for number in range(count)})

    with counted_statements() as asked:
        await download(depot, artifact)

    assert asked[0] <= 4


async def test_a_member_of_another_size_than_it_should_have_breaks_the_archive(depot: Depot) -> None:
    file = await stored(depot, b"12345")
    member = Member(path="a", size=6, content=lambda: contents(depot.database, depot.stores, file))

    async def drain(archive: AsyncIterator[bytes]) -> None:
        async for _ in archive:
            pass

    with pytest.raises(Damaged):
        await drain(tar_gz([member], depot.database.clock()))
