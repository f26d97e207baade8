"""Downloads: whole files, ranges, archives, and connections that break visibly."""

import asyncio
import gzip
import io
import os
import tarfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

import pytest
from aiohttp import ClientPayloadError
from debusine_filestore_local.backend import LocalFileStore

from debusine.db.database import Database
from debusine.plugin import Damaged, File, StoreData
from debusine.scheduler.fifo import Fifo
from debusine.testing import plugin_manager
from tests.farm import Answer, Farm, open_farm
from tests.server.filing import ARTIFACTS, connected, declare, described, file_url, filed, raw, request_head, submission

CONTENT = b"0123456789"
TAG = '"84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882"'


def url(artifact: int, path: str = "", workspace: str = "System") -> str:
    return f"/debusine/{workspace}/artifact/{artifact}/download/{path}"


async def fetch(farm: Farm, artifact: int, path: str = "a.txt", **headers: str) -> Answer:
    return await farm.get(url(artifact, path), headers={name.replace("_", "-"): text for name, text in headers.items()})


async def test_a_file_comes_with_all_that_a_client_may_compare(farm: Farm) -> None:
    artifact = await filed(farm, {"dir/a.txt": CONTENT})

    answer = await fetch(farm, artifact, "dir/a.txt")

    assert (answer.status, answer.body) == (200, CONTENT)
    assert answer.headers["Content-Length"] == "10"
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["ETag"] == TAG
    assert answer.headers["Content-Disposition"] == 'attachment; filename="a.txt"'
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Last-Modified"].endswith(" GMT")
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "Content-Encoding" not in answer.headers


@pytest.mark.parametrize(
    ("asked", "told", "body"),
    [
        ("bytes=2-4", "bytes 2-4/10", b"234"),
        ("bytes=7-", "bytes 7-9/10", b"789"),
        ("bytes=-3", "bytes 7-9/10", b"789"),
        ("bytes=-99", "bytes 0-9/10", CONTENT),
        ("bytes=8-99", "bytes 8-9/10", b"89"),
        ("bytes=0-0", "bytes 0-0/10", b"0"),
    ],
)
async def test_a_range_is_answered_with_exactly_these_bytes(farm: Farm, asked: str, told: str, body: bytes) -> None:
    artifact = await filed(farm, {"a.txt": CONTENT})

    answer = await fetch(farm, artifact, Range=asked)

    assert (answer.status, answer.headers["Content-Range"], answer.body) == (206, told, body)
    assert answer.headers["ETag"] == TAG


@pytest.mark.parametrize("asked", ["bytes=10-", "bytes=10-12", "bytes=-0"])
async def test_a_range_outside_of_the_file_is_a_416_that_says_its_size(farm: Farm, asked: str) -> None:
    artifact = await filed(farm, {"a.txt": CONTENT})

    answer = await fetch(farm, artifact, Range=asked)

    assert (answer.status, answer.headers["Content-Range"]) == (416, "bytes */10")
    assert answer.problem()["title"]


@pytest.mark.parametrize("asked", ["bytes=4-2", "bytes=a-b", "lines=1-2", "bytes=0-1,3-4", "bytes", ""])
async def test_a_range_that_nobody_understands_is_ignored(farm: Farm, asked: str) -> None:
    artifact = await filed(farm, {"a.txt": CONTENT})

    answer = await fetch(farm, artifact, Range=asked)

    assert (answer.status, answer.body) == (200, CONTENT)


@pytest.mark.parametrize(
    ("condition", "status"), [(TAG, 206), ('"other"', 200), ("Mon, 01 Jan 2001 00:00:00 GMT", 200), (f"W/{TAG}", 200)]
)
async def test_a_range_counts_only_if_it_is_of_the_same_content(farm: Farm, condition: str, status: int) -> None:
    artifact = await filed(farm, {"a.txt": CONTENT})

    assert (await fetch(farm, artifact, Range="bytes=0-1", If_Range=condition)).status == status


@pytest.mark.parametrize(
    ("tags", "status"), [(TAG, 304), (f'"x", {TAG}', 304), ("*", 304), (f"W/{TAG}", 304), ('"x"', 200)]
)
async def test_who_has_the_content_is_told_so(farm: Farm, tags: str, status: int) -> None:
    artifact = await filed(farm, {"a.txt": CONTENT})

    answer = await fetch(farm, artifact, If_None_Match=tags)

    assert (answer.status, answer.headers["ETag"]) == (status, TAG)
    assert answer.body == (b"" if status == 304 else CONTENT)


async def test_head_says_what_get_would_without_the_bytes(farm: Farm) -> None:
    artifact = await filed(farm, {"a.txt": CONTENT})
    async with connected(farm) as (reader, writer):
        writer.write(request_head(farm, "HEAD", url(artifact, "a.txt"), {}))
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(request_head(farm, "GET", url(artifact, "a.txt"), {"Connection": "close"}))
        whole = await reader.read()

    assert b"\r\nContent-Length: 10\r\n" in head
    assert whole.startswith(b"HTTP/1.1 200 OK\r\n")
    assert whole.endswith(b"\r\n\r\n" + CONTENT)


@pytest.mark.parametrize(
    ("declared", "served"),
    [
        ("text/plain; charset=utf-8", "text/plain; charset=utf-8"),
        ("text/markdown; charset=UTF-8", "text/markdown; charset=utf-8"),
        ("text/html; charset=utf-8", "text/plain; charset=utf-8"),
        ("text/html", "text/plain"),
        ("application/json", "application/json"),
        ("application/vnd.debian.binary-package", "application/vnd.debian.binary-package"),
        ("image/svg+xml", "application/octet-stream"),
        ("application/xhtml+xml; charset=utf-8", "application/octet-stream"),
        ('text/plain; charset="\\"; x=y"', "text/plain"),
        ("text/plain; charset=a b\r\nX: y", "text/plain"),
        (None, "application/octet-stream"),
    ],
)
async def test_no_type_is_served_that_a_browser_would_run(farm: Farm, declared: str | None, served: str) -> None:
    body = submission({}) | {"files": {"a.txt": described(CONTENT, content_type=declared)}}
    artifact = (await farm.post(ARTIFACTS, body)).json()["id"]
    await farm.put(file_url(artifact, "a.txt"), data=CONTENT)

    assert (await fetch(farm, artifact)).headers["Content-Type"] == served


@pytest.mark.parametrize(
    ("name", "disposition"),
    [
        ("a b+c.txt", 'attachment; filename="a b+c.txt"'),
        ('q"\\.txt', "attachment; filename=\"q__.txt\"; filename*=UTF-8''q%22%5C.txt"),
        ("é;x.txt", "attachment; filename=\"__x.txt\"; filename*=UTF-8''%C3%A9%3Bx.txt"),
    ],
)
async def test_every_name_survives_in_a_header(farm: Farm, name: str, disposition: str) -> None:
    artifact = await filed(farm, {name: CONTENT})
    found = (await farm.get(f"{ARTIFACTS}{artifact}/")).json()["files"][name]["url"]

    head = await raw(farm, "GET", found.partition(str(farm.client.port))[2])

    assert f"\r\nContent-Disposition: {disposition}\r\n".encode() in head


async def test_a_file_that_has_not_all_come_is_a_404(farm: Farm) -> None:
    artifact = await declare(farm, {"a.txt": CONTENT})

    assert (await fetch(farm, artifact)).status == 404
    assert (await fetch(farm, artifact, "")).status == 404


async def test_the_only_file_is_what_an_artifact_without_a_path_means(farm: Farm) -> None:
    artifact = await filed(farm, {"dir/a.txt": CONTENT})

    answer = await fetch(farm, artifact, "")

    assert (answer.body, answer.headers["Content-Disposition"]) == (CONTENT, 'attachment; filename="a.txt"')


async def test_an_archive_holds_the_complete_files_under_their_paths(farm: Farm) -> None:
    artifact = await declare(farm, {"a.txt": CONTENT, "dir/é": b"x" * 1000, "later": b"missing", "empty": b""})
    for path, content in {"a.txt": CONTENT, "dir/é": b"x" * 1000}.items():
        assert (await farm.put(file_url(artifact, path), data=content)).status == 201

    answer = await fetch(farm, artifact, "?archive=tar.gz")

    created = (await farm.get(f"{ARTIFACTS}{artifact}/")).json()["created_at"]
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="artifact-{artifact}.tar.gz"'
    assert "Content-Encoding" not in answer.headers
    with tarfile.open(fileobj=io.BytesIO(answer.body), mode="r:gz") as archive:
        members = archive.getmembers()
        assert [member.name for member in members] == ["a.txt", "dir/é", "empty"]
        assert {member.mode for member in members} == {0o644}
        assert {int(member.mtime) for member in members} == {int(timestamp(created))}
        read = [extracted.read() for member in members if (extracted := archive.extractfile(member))]
        assert read == [CONTENT, b"x" * 1000, b""]


async def test_an_archive_of_a_directory_holds_what_is_below_it(farm: Farm) -> None:
    artifact = await filed(farm, {"dir/a": b"1", "dir/sub/b": b"2", "dirx": b"3", "c": b"4"})

    assert names_in(await fetch(farm, artifact, "dir?archive=tar.gz")) == ["dir/a", "dir/sub/b"]
    assert names_in(await fetch(farm, artifact, "c?archive=tar.gz")) == ["c"]
    assert (await fetch(farm, artifact, "d?archive=tar.gz")).status == 404
    assert (await fetch(farm, artifact, "dir")).status == 404


async def test_an_archive_of_nothing_is_an_archive(farm: Farm) -> None:
    artifact = await filed(farm, {})

    assert names_in(await fetch(farm, artifact, "?archive=tar.gz")) == []
    assert names_in(await fetch(farm, artifact, "")) == []


async def test_other_archives_other_scopes_and_other_workspaces_are_404(farm: Farm) -> None:
    artifact = await filed(farm, {"a.txt": CONTENT})

    assert (await fetch(farm, artifact, "?archive=zip")).status == 404
    assert (await farm.get(url(artifact, "a.txt").replace("/debusine/", "/other/"))).status == 404
    assert (await farm.get(url(artifact, "a.txt", workspace="Public"))).status == 404
    assert (await fetch(farm, artifact + 1)).status == 404
    assert (await fetch(farm, artifact, "b.txt")).status == 404


@pytest.mark.parametrize("path", ["dir%2Fa", "..%2F..%2Fetc/passwd", "../a", "dir//a", "a%00"])
async def test_paths_that_could_mean_something_else_lead_nowhere(farm: Farm, path: str) -> None:
    artifact = await filed(farm, {"dir/a": CONTENT, "a": CONTENT})

    head = await raw(farm, "GET", url(artifact, path))

    assert head.split(b" ", 2)[1] in {b"400", b"404"}, head


async def test_public_workspaces_are_open_to_everybody_and_others_look_like_nothing(farm: Farm) -> None:
    private = await filed(farm, {"a.txt": CONTENT})
    public = await filed(farm, {"a.txt": CONTENT}, workspace="Public")

    assert (await farm.get(url(public, "a.txt", "Public"), key=None)).body == CONTENT
    assert names_in(await farm.get(url(public, "?archive=tar.gz", "Public"), key=None)) == ["a.txt"]
    assert (await farm.get(url(private, "a.txt"), key=None)).status == 404
    assert (await farm.get(url(private, "a.txt"), key=farm.people.worker_key)).status == 404


class BrittleStore(LocalFileStore):
    """Gives half of each file and then fails, or claims to be through."""

    name = "local"
    silent = False

    def local_path(self, file: File, data: StoreData) -> Path | None:
        return None

    @asynccontextmanager
    async def open(
        self, file: File, data: StoreData, start: int = 0, length: int | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        async with super().open(file, data, start, length) as chunks:
            yield self._half(chunks, file)

    async def _half(self, chunks: AsyncIterator[bytes], file: File) -> AsyncIterator[bytes]:
        async for chunk in chunks:
            yield chunk[: len(chunk) // 2]
            if not self.silent:
                raise Damaged(file.sha256.hex(), "bit rot")


@pytest.mark.parametrize("silent", [False, True])
@pytest.mark.parametrize("path", ["a.txt", "?archive=tar.gz"])
async def test_a_download_that_fails_in_the_middle_has_no_clean_end(
    database: Database, tmp_path: Path, path: str, silent: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BrittleStore, "silent", silent)
    plugins = plugin_manager(file_stores=[BrittleStore], scheduler_policies=[Fifo], tasks=[])
    async with open_farm(database, tmp_path, plugins=plugins) as farm:
        artifact = await filed(farm, {"a.txt": os.urandom(1 << 20), "b": b"b"})

        async with asyncio.timeout(30):
            with pytest.raises(ClientPayloadError):
                await fetch(farm, artifact, path)


async def test_a_file_that_has_vanished_from_its_store_is_a_503(farm: Farm) -> None:
    artifact = await filed(farm, {"a.txt": CONTENT})
    for path in farm.stores["Default"].options.base_directory.rglob("84d8*-*"):
        path.unlink()

    assert (await fetch(farm, artifact)).status == 503


async def test_a_file_that_was_cut_in_its_store_is_not_served(farm: Farm) -> None:
    artifact = await filed(farm, {"a.txt": CONTENT})
    for path in farm.stores["Default"].options.base_directory.rglob("84d8*-*"):
        os.truncate(path, 5)

    assert (await fetch(farm, artifact)).status == 503


async def test_a_large_file_comes_back_bit_by_bit_and_in_parts(farm: Farm) -> None:
    content = os.urandom(5 * 2**20 + 123)
    artifact = await filed(farm, {"large": content, "other": b"1"})

    assert (await fetch(farm, artifact, "large")).body == content
    assert (await fetch(farm, artifact, "large", Range="bytes=1000000-4999999")).body == content[1_000_000:5_000_000]
    archive = io.BytesIO((await fetch(farm, artifact, "?archive=tar.gz")).body)
    with tarfile.open(fileobj=archive, mode="r:gz") as opened:
        extracted = opened.extractfile("large")
        assert extracted is not None
        assert extracted.read() == content


async def test_a_client_that_leaves_in_the_middle_is_no_error(farm: Farm, caplog: pytest.LogCaptureFixture) -> None:
    artifact = await filed(farm, {"large": os.urandom(20 << 20), "other": b"1"})
    for path in ("large", "?archive=tar.gz"):
        async with connected(farm) as (reader, writer):
            writer.write(request_head(farm, "GET", url(artifact, path), {}))
            await reader.readexactly(100_000)
        await asyncio.sleep(0.05)

    assert "Traceback" not in caplog.text
    assert (await fetch(farm, artifact, "other")).status == 200


def names_in(answer: Answer) -> list[str]:
    assert answer.status == 200, answer
    assert len(gzip.decompress(answer.body)) % 512 == 0
    with tarfile.open(fileobj=io.BytesIO(answer.body), mode="r:gz") as archive:
        return archive.getnames()


def timestamp(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
