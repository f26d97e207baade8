"""Files go up whole or in chunks, and go on where they broke."""

import asyncio
from pathlib import Path

import pytest
from aiohttp import web

from debusine.client import (
    Access,
    Backoff,
    Client,
    Connection,
    ContentRefused,
    NotAmongFiles,
    Refused,
    SourceChanged,
    Unreachable,
)
from debusine.client import uploads as uploads_module
from debusine.client.uploads import CHUNK, Upload
from debusine.protocol.resources import ArtifactResource
from tests.client.conftest import IMPATIENT
from tests.client.fake_server import FakeServer, answering, hang_up, problem

MIB = 1 << 20
CONTENT = bytes(range(256)) * 4096 * 3  # 3 MiB


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "file.bin"
    path.write_bytes(CONTENT)
    return path


async def declared(client: Client, **files: Path) -> ArtifactResource:
    return await client.create_artifact("debusine:test", data={}, files=files)


def upload_of(connection: Connection, artifact: ArtifactResource, source: Path, size: int = len(CONTENT)) -> Upload:
    """An upload in chunks of one MiB."""
    url = connection.access.url(f"artifact/{artifact.id}/files/f/")
    return Upload(connection=connection, url=url, path="f", source=source, size=size, chunk=MIB)


async def test_a_small_file_goes_whole_in_one_put(client: Client, server: FakeServer, source: Path) -> None:
    artifact = await declared(client, f=source)
    await client.upload_files(artifact, {"f": source})
    (put,) = server.requests("PUT")
    assert put.body == CONTENT
    assert put.content_range is None
    assert put.headers["Content-Length"] == str(len(CONTENT))
    assert put.headers["Token"] == "k" * 64
    assert not {"Content-Type", "X-Debusine-Scope", "Transfer-Encoding"} & put.headers.keys()


async def test_a_file_of_more_than_50_mib_travels_in_chunks_of_50_mib(
    client: Client, server: FakeServer, tmp_path: Path
) -> None:
    source = tmp_path / "large"
    with source.open("wb") as stream:
        stream.truncate(CHUNK + 5)
    artifact = await declared(client, f=source)
    await client.upload_files(artifact, {"f": source})
    assert [put.content_range for put in server.requests("PUT")] == [
        "bytes */52428805",
        "bytes 0-52428799/52428805",
        "bytes 52428800-52428804/52428805",
    ]
    assert server.uploads[1]["f"].complete


async def test_a_probe_has_no_body(client: Client, server: FakeServer, connection: Connection, source: Path) -> None:
    artifact = await declared(client, f=source)
    await upload_of(connection, artifact, source).run()
    probe = server.requests("PUT")[0]
    assert (probe.body, probe.headers["Content-Length"]) == (b"", "0")


async def test_an_upload_goes_on_at_the_servers_offset(
    client: Client, server: FakeServer, connection: Connection, source: Path
) -> None:
    artifact = await declared(client, f=source)
    server.uploads[1]["f"].received = CONTENT[: 2 * MIB]
    await upload_of(connection, artifact, source).run()
    assert [put.content_range for put in server.requests("PUT")][1:] == [f"bytes {2 * MIB}-{3 * MIB - 1}/{3 * MIB}"]
    assert server.uploads[1]["f"].complete


async def test_a_file_that_the_server_has_is_not_sent(
    client: Client, server: FakeServer, connection: Connection, source: Path
) -> None:
    artifact = await declared(client, f=source)
    server.uploads[1]["f"].complete = True
    await upload_of(connection, artifact, source).run()
    assert len(server.requests("PUT")) == 1


async def test_a_line_that_breaks_inside_a_chunk_costs_at_most_that_chunk(
    client: Client, server: FakeServer, connection: Connection, source: Path
) -> None:
    async def take_half_and_hang_up(request: web.Request) -> web.StreamResponse:
        kept = await request.content.readexactly(MIB // 2)
        server.uploads[1]["f"].received += kept
        return await hang_up(request)

    artifact = await declared(client, f=source)
    server.misbehave("PUT", "", answering(lambda: web.Response(status=206, headers={"Range": "bytes=0-0"})))
    server.misbehave("PUT", "", take_half_and_hang_up)
    await upload_of(connection, artifact, source).run()
    ranges = [put.content_range for put in server.requests("PUT")]
    assert ranges[2] == f"bytes */{3 * MIB}"
    assert ranges[3] == f"bytes {MIB // 2}-{MIB // 2 + MIB - 1}/{3 * MIB}"
    assert server.uploads[1]["f"].complete


async def test_a_small_file_is_sent_again_when_the_line_breaks(
    client: Client, server: FakeServer, source: Path
) -> None:
    artifact = await declared(client, f=source)
    server.misbehave("PUT", "", hang_up, times=2)
    await client.upload_files(artifact, {"f": source})
    assert server.uploads[1]["f"].complete


async def test_a_server_that_is_busy_is_asked_again(client: Client, server: FakeServer, source: Path) -> None:
    artifact = await declared(client, f=source)
    server.misbehave("PUT", "", answering(lambda: problem(503, "Full for now")))
    await client.upload_files(artifact, {"f": source})
    assert server.uploads[1]["f"].complete


@pytest.mark.parametrize("backoff", [IMPATIENT])
async def test_a_server_that_stays_away_is_given_up(
    client: Client, server: FakeServer, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads_module, "PATIENCE", 0.1)
    artifact = await declared(client, f=source)
    server.misbehave("PUT", "", hang_up, times=10_000)
    with pytest.raises(Unreachable, match="Cannot reach the server at http"):
        await client.upload_files(artifact, {"f": source})


async def test_an_upload_waits_longer_for_the_server_than_a_question(
    client: Client, server: FakeServer, access: Access, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact = await declared(client, f=source)
    server.misbehave("PUT", "", hang_up, times=10)
    monkeypatch.setattr(uploads_module, "PATIENCE", 30.0)
    async with Connection(access, backoff=Backoff(first=0.001, most=0.01, patience=0.0)) as connection:
        await upload_of(connection, artifact, source).run()
    assert server.uploads[1]["f"].complete


async def test_wrong_bytes_are_begun_again(
    client: Client, server: FakeServer, connection: Connection, source: Path
) -> None:
    artifact = await declared(client, f=source)
    server.uploads[1]["f"].received = b"x" * MIB
    await upload_of(connection, artifact, source).run()
    assert server.uploads[1]["f"].received == CONTENT


async def test_wrong_bytes_are_begun_again_three_times_at_most(
    client: Client, server: FakeServer, source: Path
) -> None:
    artifact = await declared(client, f=source)
    source.write_bytes(bytes(len(CONTENT)))
    with pytest.raises(ContentRefused, match="f was sent 3 times"):
        await client.upload_files(artifact, {"f": source})
    assert len(server.requests("PUT")) == 3


async def test_a_file_that_changed_its_size_is_not_sent(client: Client, server: FakeServer, source: Path) -> None:
    artifact = await declared(client, f=source)
    source.write_bytes(b"short")
    with pytest.raises(SourceChanged):
        await client.upload_files(artifact, {"f": source})
    assert server.requests("PUT") == []


async def test_a_file_that_shrinks_on_the_way_is_told_so(
    client: Client, server: FakeServer, connection: Connection, source: Path
) -> None:
    async def shrink(request: web.Request) -> web.StreamResponse:
        source.write_bytes(b"short")
        return await hang_up(request)

    artifact = await declared(client, f=source)
    server.misbehave("PUT", "", shrink)
    with pytest.raises(SourceChanged):
        await upload_of(connection, artifact, source).run()


async def test_a_refusal_ends_the_upload(client: Client, server: FakeServer, source: Path) -> None:
    artifact = await declared(client, f=source)
    server.misbehave("PUT", "", answering(lambda: problem(507, "No space is left")))
    with pytest.raises(Refused, match="No space is left") as caught:
        await client.upload_files(artifact, {"f": source})
    assert caught.value.status == 507


async def test_a_refusal_before_the_body_was_read_is_heard(
    client: Client, server: FakeServer, connection: Connection, tmp_path: Path
) -> None:
    async def refuse_at_once(_request: web.Request) -> web.StreamResponse:
        return problem(413, "Too large")

    source = tmp_path / "large"
    with source.open("wb") as stream:
        stream.truncate(40 * MIB)
    artifact = await declared(client, f=source)
    server.misbehave("PUT", "", refuse_at_once, times=1000)
    with pytest.raises(Refused, match="Too large"):
        await client.upload_files(artifact, {"f": source})


async def test_only_what_the_server_lacks_is_sent(client: Client, server: FakeServer, source: Path) -> None:
    artifact = await declared(client, f=source, g=source)
    server.uploads[1]["f"].complete = True
    artifact = await client.get_artifact(artifact.id)
    await client.upload_files(artifact, {"f": source, "g": source})
    assert [put.path for put in server.requests("PUT")] == ["/api/1.0/artifact/1/files/g/"]


async def test_an_unknown_file_that_the_server_wants_is_told(client: Client, source: Path) -> None:
    artifact = await declared(client, f=source)
    with pytest.raises(NotAmongFiles, match="asks for files that are not here: f"):
        await client.upload_files(artifact, {})


async def test_paths_are_percent_encoded_and_keep_their_slashes(
    client: Client, server: FakeServer, source: Path
) -> None:
    await client.upload_artifact("debusine:test", data={}, files={"sub/a b+é%.txt": source})
    assert server.requests("PUT")[0].path == "/api/1.0/artifact/1/files/sub/a%20b%2B%C3%A9%25.txt/"
    assert server.uploads[1]["sub/a b+é%.txt"].complete


async def test_several_files_travel_at_the_same_time_but_not_all(
    client: Client, server: FakeServer, tmp_path: Path
) -> None:
    async def take_time(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.005)
        await request.read()
        return web.Response(status=201)

    files = {f"{number}.txt": tmp_path / f"{number}.txt" for number in range(40)}
    for path, source in files.items():
        source.write_text(path)
    server.misbehave("PUT", "", take_time, times=40)
    await client.upload_artifact("debusine:test", data={}, files=files)
    assert 1 < server.most_at_once <= 8
    assert len(server.requests("PUT")) == 40


async def test_progress_is_told_up_to_the_end(client: Client, source: Path) -> None:
    told: list[tuple[str, int, int]] = []
    await client.upload_artifact(
        "debusine:test", data={}, files={"f": source}, progress=lambda *facts: told.append(facts)
    )
    assert told[0] == ("f", 0, len(CONTENT))
    assert told[-1] == ("f", len(CONTENT), len(CONTENT))
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)


async def test_an_empty_file_needs_no_upload(client: Client, server: FakeServer, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    artifact = await client.upload_artifact("debusine:test", data={}, files={"empty": tmp_path / "empty"})
    assert server.requests("PUT") == []
    assert artifact.files["empty"].size == 0
