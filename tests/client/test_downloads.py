"""Files come down whole, checked, and never over one that is there."""

import asyncio
import hashlib
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from debusine.client import (
    AlreadyThere,
    Busy,
    Client,
    Incomplete,
    InvalidAnswer,
    NotInArtifact,
    Refused,
    Unreachable,
    WrongContent,
)
from debusine.client import downloads as downloads_module
from debusine.protocol.resources import ArtifactResource
from tests.client.conftest import IMPATIENT
from tests.client.fake_server import FakeServer, Handler, Upload, answering, hang_up, problem

CONTENT = os.urandom(300_000)


async def stored(client: Client, server: FakeServer, **files: bytes) -> ArtifactResource:
    """An artifact of which the server has all bytes."""
    artifact = await client.create_artifact("debusine:test", data={})
    server.uploads[artifact.id] = {
        path.replace("__", "/"): Upload(len(content), hashlib.sha256(content).hexdigest(), None, content, complete=True)
        for path, content in files.items()
    }
    return await client.get_artifact(artifact.id)


class Kept:
    """Tells how much of one file the client has kept so far."""

    def __init__(self) -> None:
        self._size = 0
        self._grew = asyncio.Event()

    def __call__(self, _path: str, size: int, _of: int) -> None:
        """Be told, as the progress of a download."""
        self._size = size
        self._grew.set()

    async def reached(self, size: int) -> None:
        """Wait until the client has kept as much."""
        while self._size < size:
            self._grew.clear()
            await self._grew.wait()


def cut_after(length: int, kept: Kept | None = None) -> Handler:
    """Promise everything, send a part, and hang up; where asked for, not before the client has kept all of the part.

    HTTP libraries drop what has arrived but was not yet read when the line breaks, so without it a slow reader keeps
    less.
    """

    async def answer(request: web.Request) -> web.StreamResponse:
        start = int(request.headers.get("Range", "bytes=0-")[6:-1])
        response = web.StreamResponse(status=206 if start else 200)
        response.content_length = len(CONTENT) - start
        if start:
            response.headers["Content-Range"] = f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"
        await response.prepare(request)
        await response.write(CONTENT[start : start + length])
        if kept:
            await kept.reached(start + length)
        await hang_up(request)
        return response

    return answer


async def test_all_files_come_below_the_directory(client: Client, server: FakeServer, tmp_path: Path) -> None:
    artifact = await stored(client, server, a=b"one", sub__b=b"two", empty=b"")
    paths = await client.download_artifact(artifact, tmp_path / "new")
    assert [path.relative_to(tmp_path / "new").as_posix() for path in paths] == ["a", "empty", "sub/b"]
    assert [path.read_bytes() for path in paths] == [b"one", b"", b"two"]
    assert sorted(path.name for path in (tmp_path / "new").rglob("*")) == ["a", "b", "empty", "sub"]


async def test_a_download_goes_on_where_it_broke(client: Client, server: FakeServer, tmp_path: Path) -> None:
    artifact = await stored(client, server, a=CONTENT)
    kept = Kept()
    server.misbehave("GET", "download", cut_after(100_000, kept))
    server.misbehave("GET", "download", cut_after(50_000, kept))
    await client.download_file(artifact, "a", tmp_path / "a", progress=kept)
    assert (tmp_path / "a").read_bytes() == CONTENT
    ranges = [get.headers.get("Range") for get in server.requests("GET", "download")]
    assert ranges == [None, "bytes=100000-", "bytes=150000-"]


async def test_a_server_without_ranges_sends_it_all_again(client: Client, server: FakeServer, tmp_path: Path) -> None:
    artifact = await stored(client, server, a=CONTENT)
    server.misbehave("GET", "download", cut_after(100_000))
    server.misbehave("GET", "download", answering(lambda: web.Response(body=CONTENT)))
    await client.download_file(artifact, "a", tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT


@pytest.mark.parametrize("backoff", [IMPATIENT])
async def test_a_server_that_stays_away_leaves_nothing_behind(
    client: Client, server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads_module, "PATIENCE", 0.1)
    artifact = await stored(client, server, a=CONTENT)
    server.misbehave("GET", "download", hang_up, times=10_000)
    with pytest.raises(Unreachable):
        await client.download_file(artifact, "a", tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


async def test_a_file_that_no_store_gives_is_given_up_sooner_than_a_server_that_is_away(
    client: Client,
    server: FakeServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(downloads_module, "BUSY_PATIENCE", 0.1)
    monkeypatch.setattr("debusine.client.backoff.QUIET", 0.0)
    artifact = await stored(client, server, a=CONTENT)
    server.misbehave("GET", "download", hang_up)
    server.misbehave("GET", "download", answering(lambda: problem(503, "'a' cannot be read")), times=10_000)
    with pytest.raises(Busy, match="'a' cannot be read"):
        await client.download_file(artifact, "a", tmp_path / "a")
    assert list(tmp_path.iterdir()) == []
    assert "For 0 seconds now: 'a' cannot be read; trying on" in caplog.text


async def test_a_store_that_fails_for_a_moment_costs_no_download(
    client: Client, server: FakeServer, tmp_path: Path
) -> None:
    artifact = await stored(client, server, a=CONTENT)
    server.misbehave("GET", "download", answering(lambda: problem(503, "'a' cannot be read")), times=3)
    await client.download_file(artifact, "a", tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT


@pytest.mark.parametrize("content", [b"x" * len(CONTENT), CONTENT[:-1], CONTENT + b"x", b""])
async def test_wrong_bytes_are_not_kept(client: Client, server: FakeServer, tmp_path: Path, content: bytes) -> None:
    artifact = await stored(client, server, a=CONTENT)
    server.uploads[artifact.id]["a"].received = content
    with pytest.raises(WrongContent, match="a arrived damaged"):
        await client.download_file(artifact, "a", tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


async def test_nothing_is_overwritten(client: Client, server: FakeServer, tmp_path: Path) -> None:
    artifact = await stored(client, server, a=b"new", b=b"new")
    (tmp_path / "b").write_bytes(b"old")
    with pytest.raises(AlreadyThere, match="b exists already"):
        await client.download_artifact(artifact, tmp_path)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


async def test_a_file_that_appears_meanwhile_is_not_overwritten(
    client: Client, server: FakeServer, tmp_path: Path
) -> None:
    async def be_faster(_request: web.Request) -> web.StreamResponse:
        (tmp_path / "a").write_bytes(b"old")
        return web.Response(body=b"new")

    artifact = await stored(client, server, a=b"new")
    server.misbehave("GET", "download", be_faster)
    with pytest.raises(AlreadyThere):
        await client.download_file(artifact, "a", tmp_path / "a")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


async def test_an_incomplete_artifact_is_not_downloaded(client: Client, server: FakeServer, tmp_path: Path) -> None:
    artifact = await stored(client, server, a=b"one", b=b"two")
    server.uploads[artifact.id]["b"].complete = False
    with pytest.raises(Incomplete, match="still to be uploaded: b"):
        await client.download_artifact(await client.get_artifact(artifact.id), tmp_path)
    assert list(tmp_path.iterdir()) == []


async def test_a_path_that_leaves_the_directory_is_refused(client: Client, server: FakeServer, tmp_path: Path) -> None:
    artifact = await stored(client, server, a=b"one")
    server.uploads[artifact.id]["../evil"] = server.uploads[artifact.id]["a"]
    with pytest.raises(InvalidAnswer, match="evil"):
        await client.download_artifact(await client.get_artifact(artifact.id), tmp_path / "here")
    assert list(tmp_path.iterdir()) == []


async def test_a_file_that_is_not_in_the_artifact_is_told(client: Client, server: FakeServer, tmp_path: Path) -> None:
    artifact = await stored(client, server, a=b"one")
    with pytest.raises(NotInArtifact, match="Artifact 1 has no file b"):
        await client.download_file(artifact, "b", tmp_path / "b")


async def test_a_refused_download_says_why(client: Client, server: FakeServer, tmp_path: Path) -> None:
    artifact = await stored(client, server, a=b"one")
    server.misbehave("GET", "download", answering(lambda: problem(404, "Gone by now")))
    with pytest.raises(Refused, match="Gone by now"):
        await client.download_file(artifact, "a", tmp_path / "a")


async def test_another_host_is_followed_but_does_not_get_the_token(
    client: Client, server: FakeServer, tmp_path: Path
) -> None:
    elsewhere = FakeServer()
    async with TestServer(elsewhere.application(), host="127.0.0.1") as other:
        artifact = await stored(client, server, a=b"one")
        elsewhere.uploads[1] = server.uploads[1]
        target = str(other.make_url("/debusine/System/artifact/1/download/a"))
        server.misbehave("GET", "download", answering(lambda: web.Response(status=302, headers={"Location": target})))
        await client.download_file(artifact, "a", tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"one"
    assert "Token" in server.requests("GET", "download")[0].headers
    assert "Token" not in elsewhere.requests("GET")[0].headers


async def test_a_download_that_breaks_off_at_another_host_goes_on_by_a_new_address_without_the_token(
    client: Client, server: FakeServer, tmp_path: Path
) -> None:
    elsewhere = FakeServer()
    kept = Kept()
    async with TestServer(elsewhere.application(), host="127.0.0.1") as other:
        artifact = await stored(client, server, a=CONTENT)
        for number in (1, 2):
            target = str(other.make_url(f"/signed/{number}"))
            server.misbehave("GET", "download", answering(moved_to(target)))
            elsewhere.misbehave("GET", f"/signed/{number}", cut_after(len(CONTENT) // 2, kept))
        await client.download_file(artifact, "a", tmp_path / "a", progress=kept)

    assert (tmp_path / "a").read_bytes() == CONTENT
    came = elsewhere.requests("GET")
    assert [request.headers.get("Range") for request in came] == [None, f"bytes={len(CONTENT) // 2}-"]
    assert [{"Token", "X-Debusine-Scope"} & set(request.headers) for request in came] == [set(), set()]
    assert ["Token" in request.headers for request in server.requests("GET", "download")] == [True, True]


async def test_a_signed_address_is_followed_as_it_stands(client: Client, server: FakeServer, tmp_path: Path) -> None:
    signed = "/k%65y?disposition=a%3B%20b%3D%22%2A%2B%27%2525%22&at=x%2Fy%40z&signature=0aF%3d"
    elsewhere = FakeServer()
    seen: list[str] = []

    async def look(request: web.Request) -> web.StreamResponse:
        seen.append(request.raw_path)
        return await cut_after(len(CONTENT))(request)

    elsewhere.misbehave("GET", "", look)
    async with TestServer(elsewhere.application(), host="127.0.0.1") as other:
        artifact = await stored(client, server, a=CONTENT)
        server.misbehave("GET", "download", answering(moved_to(str(other.make_url("/")).rstrip("/") + signed)))
        await client.download_file(artifact, "a", tmp_path / "a")

    assert seen == [signed]


def moved_to(target: str) -> Callable[[], web.Response]:
    return lambda: web.Response(status=302, headers={"Location": target})


async def test_endless_redirections_end(client: Client, server: FakeServer, tmp_path: Path) -> None:
    artifact = await stored(client, server, a=b"one")
    again = answering(lambda: web.Response(status=302, headers={"Location": artifact.files["a"].url}))
    server.misbehave("GET", "download", again, times=100)
    with pytest.raises(InvalidAnswer, match="redirected more than 5 times"):
        await client.download_file(artifact, "a", tmp_path / "a")


async def test_a_tarball_comes_as_one_file(client: Client, server: FakeServer, tmp_path: Path) -> None:
    artifact = await stored(client, server, a=b"one", sub__b=b"two")
    await client.download_tarball(artifact, tmp_path / "artifact-1.tar.gz")
    with tarfile.open(tmp_path / "artifact-1.tar.gz") as archive:
        assert archive.getnames() == ["a", "sub/b"]


async def test_a_tarball_that_breaks_off_is_fetched_again(client: Client, server: FakeServer, tmp_path: Path) -> None:
    artifact = await stored(client, server, a=b"one")
    server.misbehave("GET", "archive", cut_after(1000))
    await client.download_tarball(artifact, tmp_path / "t.tar.gz")
    with tarfile.open(tmp_path / "t.tar.gz") as archive:
        assert archive.getnames() == ["a"]


async def test_a_downloaded_file_has_the_usual_mode(client: Client, server: FakeServer, tmp_path: Path) -> None:
    artifact = await stored(client, server, a=b"one")
    (tmp_path / "usual").touch()
    await client.download_file(artifact, "a", tmp_path / "a")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "usual").stat().st_mode


async def test_progress_of_a_download_ends_at_its_size(client: Client, server: FakeServer, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    artifact = await stored(client, server, a=CONTENT)
    await client.download_file(artifact, "a", tmp_path / "a", progress=lambda *facts: told.append(facts))
    assert told[-1] == ("a", len(CONTENT), len(CONTENT))
