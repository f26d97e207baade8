"""A bucket behind a farm goes away and comes back, or sends users to itself; the other stores go on."""

import http.client
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from attrs import evolve, frozen

from tests.e2e.farm import Answer, Farm, eventually
from tests.e2e.gate import Gate, gate_to
from tests.e2e.store_farms import (
    debusine,
    declare,
    fetch,
    local_place,
    put,
    s3_place,
    store_farm,
)
from tests.s3.servers import Swift

pytestmark = pytest.mark.e2e

ODD = "ä ö+%41&'\";#.txt"
#: Seconds within which a store that answers again is used again.
SOON = 15


@frozen
class Far:
    """A farm with a local store, and a bucket behind a gate that sends users to itself."""

    farm: Farm
    gate: Gate


@pytest.fixture(scope="module")
def shared(swift: Swift, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Far]:
    directory = tmp_path_factory.mktemp("far")
    server = urlsplit(swift.http.endpoint_url)
    assert server.hostname is not None
    assert server.port is not None
    with gate_to(server.hostname, server.port) as gate:
        gated = evolve(swift.http, endpoint_url=f"http://{gate.address}")
        timeouts = {"connect_timeout": 1.0, "read_timeout": 5.0}
        bucket = s3_place(gated, directory, "Bucket", presigned_downloads=True, **timeouts)
        with store_farm(directory, local_place(directory / "store").toml + bucket.toml) as farm:
            farm.admin("workspace", "create", "far", "--store", "Bucket")
            yield Far(farm, gate)


@pytest.fixture
def far(shared: Far) -> Far:
    return shared


def follow(url: str, part: str | None = None) -> Answer:
    """What somebody gets there who tells nothing of himself."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    try:
        connection.request("GET", f"{parts.path}?{parts.query}", headers={"Range": part} if part else {})
        answer = connection.getresponse()
        return Answer(answer.status, dict(answer.headers), answer.read())
    finally:
        connection.close()


def test_a_download_is_sent_to_the_bucket_and_comes_as_it_would_from_the_server(far: Far) -> None:
    content = os.urandom(100_000)
    here, there = declare(far.farm, {ODD: content}), declare(far.farm, {ODD: content}, "far")
    # Each workspace has a store of its own, and so the bytes have to come twice.
    path = "%C3%A4%20%C3%B6%2B%2541%26%27%22%3B%23.txt"
    assert [put(far.farm, artifact, path, content).status for artifact in (here, there)] == [201, 201]

    streamed, sent_on = fetch(far.farm, here, ODD), fetch(far.farm, there, ODD)
    assert (streamed.status, streamed.body) == (200, content)
    assert (sent_on.status, sent_on.body) == (302, b"")
    assert sent_on.headers["Cache-Control"] == "no-store"
    assert sent_on.headers["Location"].startswith(f"http://{far.gate.address}/")
    came = follow(sent_on.headers["Location"])
    assert (came.status, came.body) == (200, content)
    for name in ("Content-Type", "Content-Disposition"):
        assert came.headers[name] == streamed.headers[name]
    part = follow(sent_on.headers["Location"], "bytes=5-9")
    assert (part.status, part.body) == (206, content[5:10])


def test_the_client_follows_to_the_bucket(far: Far, tmp_path: Path) -> None:
    (tmp_path / ODD).write_bytes(content := os.urandom(3_000_000))
    words = ["--workspace", "far", "--upload-base-directory", str(tmp_path), "--upload", ODD]
    made = debusine(far.farm, "create-artifact", "debusine:test", *words)

    target = tmp_path / "target"
    debusine(far.farm, "download-artifact", str(made["artifact_id"]), "--target-directory", str(target))
    assert (target / ODD).read_bytes() == content


def health(farm: Farm) -> dict[str, str]:
    answer = farm.request("GET", "/health")
    assert answer.status == 200
    stores: dict[str, str] = answer.json()["stores"]
    return stores


def test_while_a_bucket_is_away_the_other_stores_go_on_and_it_is_used_again_when_it_is_back(far: Far) -> None:
    content = os.urandom(1000)
    farm, gate = far.farm, far.gate
    gate.shut()
    try:
        artifact = declare(farm, {"a": content}, "far")
        refused = put(farm, artifact, "a", content)
        assert refused.status == 503
        assert int(refused.headers["Retry-After"]) > 0
        assert health(farm)["Default"] == "ok"
        assert "cannot be used just now" in health(farm)["Bucket"]
        near = declare(farm, {"a": content})
        assert put(farm, near, "a", content).status == 201
        assert fetch(farm, near, "a").body == content
    finally:
        gate.open()

    eventually("it is well again", lambda: health(farm)["Bucket"] == "ok", SOON)
    assert put(farm, artifact, "a", content).status == 201
    assert follow(fetch(farm, artifact, "a").headers["Location"]).body == content
