"""A client that knows the protocol alone sends a large file, whatever happens on the way."""

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.farm import eventually
from tests.foreign.processes import ForeignClient, breaking_wire
from tests.wire.api import Api
from tests.wire.server import Server

pytestmark = pytest.mark.e2e

MiB = 1 << 20


def test_an_upload_survives_a_connection_that_breaks_in_every_chunk(
    server: Server, client: ForeignClient, api: Api, tmp_path: Path
) -> None:
    content = os.urandom(55 * MiB)
    (tmp_path / "large").write_bytes(content)
    with breaking_wire(server, 30 * MiB, 10 * MiB, 2 * MiB) as wire:
        torn = ForeignClient.make(tmp_path, wire.url, api.key or "")
        made = torn.create(tmp_path, "large")
        assert wire.broken == 3
    target = tmp_path / "target"
    target.mkdir()
    client.run("download-artifact", made["artifact_id"], "--target-directory", target)
    assert (target / "large").read_bytes() == content


def test_an_upload_survives_the_death_of_the_server(
    server: Server, client: ForeignClient, api: Api, tmp_path: Path
) -> None:
    (tmp_path / "large").write_bytes(os.urandom(60 * MiB))
    made: list[Any] = []
    with breaking_wire(server) as wire:
        torn = ForeignClient.make(tmp_path, wire.url, api.key or "")
        uploading = threading.Thread(target=lambda: made.append(torn.create(tmp_path, "large")))
        uploading.start()
        eventually("it has begun", lambda: any((server.data / "uploads").glob("**/*")) or None)
        server.kill()
        server.start()
        uploading.join()
    assert client.run("show-artifact", made[0]["artifact_id"]).yaml()["files_to_upload"] == []
