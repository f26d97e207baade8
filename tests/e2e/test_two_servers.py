"""Two servers with one database and one bucket are one farm: uploads go on at the other one when one dies."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from attrs import evolve, frozen

from tests.e2e.balancer import balancing
from tests.e2e.farm import Farm
from tests.e2e.small_chunks import CHUNK
from tests.e2e.store_farms import (
    Place,
    assert_nothing_else,
    debusine,
    declare,
    fetch,
    probe,
    put,
    s3_place,
    store_farm,
)
from tests.ports import reserved_port
from tests.postgresql import PostgreSQLServer
from tests.s3.servers import Swift

pytestmark = pytest.mark.e2e


@frozen
class Pair:
    """Two servers of one farm."""

    first: Farm
    second: Farm
    place: Place
    database: str


@pytest.fixture(scope="module")
def shared(
    postgresql_server: PostgreSQLServer,
    postgresql_template: str,
    swift: Swift,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Pair]:
    """Both, for all tests."""
    directory = tmp_path_factory.mktemp("pair")
    place = s3_place(swift.http, directory)
    database = postgresql_server.create_database(template=postgresql_template)
    with ExitStack() as stack:
        stack.callback(postgresql_server.drop_database, database)
        for name in ("first", "second"):
            (directory / name).mkdir()
        first = stack.enter_context(store_farm(directory / "first", place.toml, database))
        port = stack.enter_context(reserved_port())
        second = evolve(first, directory=directory / "second", listen=f"127.0.0.1:{port}", server=None, workers=[])
        stack.callback(second.close)
        second.start_server()
        yield Pair(first, second, place, database)


@pytest.fixture
def pair(shared: Pair) -> Iterator[Pair]:
    """Both alive; the bucket is tidy afterwards."""
    yield shared
    for farm in (shared.first, shared.second):
        if farm.server is None or farm.server.process.poll() is not None:
            farm.start_server()
        assert_nothing_else(farm, {"Default": shared.place}, shared.database)


def test_a_foreign_client_sends_each_chunk_to_the_other_server(pair: Pair) -> None:
    content = os.urandom(3 * CHUNK + 1000)
    artifact = declare(pair.first, {"a": content})
    farms = [pair.second, pair.first, pair.second, pair.first]
    statuses = []
    for number, farm in enumerate(farms):
        start = number * CHUNK
        assert start == 0 or probe(farm, artifact, "a", len(content)) == start
        statuses.append(put(farm, artifact, "a", content, start, min(start + CHUNK, len(content))).status)

    assert statuses == [200, 200, 200, 201]
    assert [fetch(farm, artifact, "a").body == content for farm in farms[:2]] == [True, True]


def test_small_chunks_of_any_size_go_to_both(pair: Pair) -> None:
    content = os.urandom(200_000)
    artifact = declare(pair.first, {"a": content})
    offset, farms = 0, [pair.first, pair.second]
    for size in (1, 999, 50_000, 7, 200_000):
        stop = min(offset + size, len(content))
        assert put(farms[0], artifact, "a", content, offset, stop).status == (201 if stop == len(content) else 200)
        offset, farms = stop, farms[::-1]

    assert fetch(pair.second, artifact, "a").body == content


def test_an_upload_goes_on_at_the_other_server_when_one_was_killed(pair: Pair) -> None:
    content = os.urandom(2 * CHUNK + 1000)
    artifact = declare(pair.first, {"a": content})
    assert put(pair.first, artifact, "a", content, 0, CHUNK).status == 200
    pair.first.kill_server()

    assert probe(pair.second, artifact, "a", len(content)) == CHUNK
    assert put(pair.second, artifact, "a", content, CHUNK, 2 * CHUNK).status == 200
    assert put(pair.second, artifact, "a", content, 2 * CHUNK, len(content)).status == 201
    assert fetch(pair.second, artifact, "a").body == content


def test_the_clients_chunks_go_to_both_in_turn(pair: Pair, tmp_path: Path) -> None:
    content = os.urandom(20_000_000)
    (tmp_path / "large.bin").write_bytes(content)
    upload = ["create-artifact", "debusine:test", "--upload-base-directory", str(tmp_path), "--upload", "large.bin"]
    with balancing(pair.first.listen, pair.second.listen) as balancer:
        made = debusine(pair.first, *upload, address=balancer.address)
        assert set(balancer.uploads) == {pair.first.listen, pair.second.listen}
        pair.second.kill_server()
        number, target = str(made["artifact_id"]), tmp_path / "target"
        debusine(pair.first, "download-artifact", number, "--target-directory", str(target), address=balancer.address)

        assert balancer.away
    assert hashlib.sha256((target / "large.bin").read_bytes()).digest() == hashlib.sha256(content).digest()
