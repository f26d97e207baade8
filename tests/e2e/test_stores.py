"""A user's files on their way through each kind of store, also when the server dies under them."""

import os
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from tests.e2e.farm import Farm, eventually
from tests.e2e.gate import gate_to
from tests.e2e.small_chunks import CHUNK
from tests.e2e.store_farms import (
    Place,
    assert_nothing_else,
    cached_place,
    debusine,
    declare,
    fetch,
    file_path,
    local_place,
    probe,
    put,
    put_chunks,
    s3_place,
    store_farm,
)

pytestmark = pytest.mark.e2e

SIZE = 20_000_000
ODD = "sub dir/-ä ö+%41&'\"?#;.txt"


@frozen
class Stored:
    """A farm, and where its files are."""

    farm: Farm
    place: Place
    #: The name of the store that knows where.
    name: str


@pytest.fixture(scope="module", params=["local", "s3", "s3 over https", "cache"])
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stored]:
    """One farm for all tests of a kind of store."""
    directory = tmp_path_factory.mktemp("stores")
    if request.param == "local":
        place = local_place(directory / "store")
    else:
        swift = request.getfixturevalue("swift")
        server = swift.https if "https" in request.param else swift.http
        place = (cached_place if request.param == "cache" else s3_place)(server, directory)
    with store_farm(directory, place.toml) as farm:
        yield Stored(farm, place, "Default")


@pytest.fixture
def stored(shared: Stored) -> Iterator[Stored]:
    """The farm, which has to be tidy after each test."""
    yield shared
    assert_nothing_else(shared.farm, {shared.name: shared.place})


@pytest.fixture
def farm(stored: Stored) -> Farm:
    return stored.farm


def write(directory: Path, files: dict[str, bytes]) -> list[str]:
    """Have files on the disk; returns the words that upload them."""
    for path, content in files.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_bytes(content)
    return ["create-artifact", "debusine:test", "--upload-base-directory", str(directory), "--upload", *files]


def read(directory: Path) -> dict[str, bytes]:
    """All files below a directory."""
    found = (path for path in directory.rglob("*") if path.is_file())
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in found}


def test_files_come_back_as_they_went_up(stored: Stored, tmp_path: Path) -> None:
    farm = stored.farm
    files = {"small": b"hello\n", "empty": b"", ODD: os.urandom(1000), "large.bin": os.urandom(SIZE)}
    upload = write(tmp_path / "source", files)
    made = debusine(farm, *upload)
    number = str(made["artifact_id"])
    assert made["files_to_upload"] == 3

    shown = debusine(farm, "show-artifact", number)
    assert shown["files_to_upload"] == []
    assert {path: file["size"] for path, file in shown["files"].items()} == {
        path: len(content) for path, content in files.items()
    }
    debusine(farm, "download-artifact", number, "--target-directory", str(tmp_path / "target"))
    assert read(tmp_path / "target") == files
    debusine(farm, "download-artifact", number, "--tarball", "--target-directory", str(tmp_path))
    with tarfile.open(tmp_path / f"artifact-{number}.tar.gz") as archive:
        archive.extractall(tmp_path / "archive", filter="data")
    assert read(tmp_path / "archive") == files

    before = stored.place.keys()
    again = debusine(farm, *upload)
    assert (again["files_to_upload"], stored.place.keys()) == (0, before)


@pytest.mark.parametrize("times", ["first", "second"])
def test_any_part_of_a_file_comes_alone(farm: Farm, times: str) -> None:
    content = os.urandom(3 << 20)
    artifact = declare(farm, {"a": content})
    assert put(farm, artifact, "a", content).status == 201
    if times == "second":
        assert fetch(farm, artifact, "a").body == content

    size = len(content)
    for asked, start, stop in [
        ("0-0", 0, 1),
        ("1048570-1048590", 1048570, 1048591),
        (f"{size - 7}-", size - 7, size),
        ("-5", size - 5, size),
    ]:
        answer = fetch(farm, artifact, "a", f"bytes={asked}")
        assert (answer.status, answer.body) == (206, content[start:stop])
        assert answer.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{size}"
    assert fetch(farm, artifact, "a", f"bytes={size}-").status == 416


def test_other_bytes_than_were_declared_are_refused(farm: Farm) -> None:
    content, wrong = os.urandom(2 * CHUNK + 1), os.urandom(2 * CHUNK + 1)
    artifact = declare(farm, {"a": content})

    assert put(farm, artifact, "a", wrong).status == 409
    assert put_chunks(farm, artifact, "a", wrong) == [200, 200, 409]
    assert fetch(farm, artifact, "a").status == 404
    assert probe(farm, artifact, "a", len(content)) == 0

    assert put_chunks(farm, artifact, "a", content) == [200, 200, 201]
    assert fetch(farm, artifact, "a").body == content


def test_an_upload_goes_on_when_the_server_was_killed_and_all_else_is_still_there(farm: Farm, tmp_path: Path) -> None:
    before = os.urandom(100_000)
    kept = declare(farm, {"a": before})
    assert put(farm, kept, "a", before).status == 201
    content = os.urandom(SIZE)
    upload = write(tmp_path, {"large.bin": content})
    made: list[dict[str, Any]] = []
    host, _, port = farm.listen.rpartition(":")
    with gate_to(host, int(port)) as gate:
        gate.hold_after(CHUNK + CHUNK // 2)
        client = threading.Thread(target=lambda: made.append(debusine(farm, *upload, address=gate.address)))
        client.start()
        assert gate.holding.wait(30)
        eventually("a chunk was acknowledged", lambda: received(farm, kept + 1) >= CHUNK)
        farm.kill_server()
        farm.start_server()
        at_restart = received(farm, kept + 1)
        gate.release()
        client.join()

    assert CHUNK <= at_restart < 2 * CHUNK
    assert fetch(farm, made[0]["artifact_id"], "large.bin").body == content
    assert fetch(farm, kept, "a").body == before


def received(farm: Farm, artifact: int) -> int:
    """How much there is of an upload, if it has begun."""
    headers = {"Content-Range": f"bytes */{SIZE}", "Content-Length": "0"}
    answer = farm.request("PUT", file_path(artifact, "large.bin"), headers=headers)
    return int(answer.headers["Range"].rpartition("-")[2]) if answer.status == 206 else 0
