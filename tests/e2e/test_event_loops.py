"""The event loop of the extra ``speed`` where it is installed, Python's own elsewhere: both serve alike."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.processes import SOON
from tests.e2e.farm import Farm, running_farm

pytestmark = pytest.mark.e2e


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[Farm]:
    with running_farm(tmp_path) as farm:
        yield farm


def restart_without_uvloop(farm: Farm) -> None:
    (farm.public / "plugins/uvloop.py").write_text('raise ImportError("not installed")\n')
    assert farm.server is not None
    farm.server.stop()
    farm.start_server()


def event_loop(farm: Farm) -> str:
    metrics = farm.request("GET", "/metrics").body.decode()
    return next(loop for loop in ("uvloop", "asyncio") if f'loop="{loop}"' in metrics)


def send_and_fetch(farm: Farm, directory: Path) -> bool:
    """Whether a file of some MiB comes back as it was sent."""
    sent, fetched = directory / "sent", directory / "fetched"
    sent.mkdir()
    fetched.mkdir()
    (sent / "large.bin").write_bytes(bytes(range(256)) * 40_000)
    made = farm.client(
        "create-artifact", "debusine:test", "--upload-base-directory", str(sent), "--upload", "large.bin"
    )
    farm.client("download-artifact", str(made["artifact_id"]), "--target-directory", str(fetched))
    return (fetched / "large.bin").read_bytes() == (sent / "large.bin").read_bytes()


def abort_while_it_runs(farm: Farm) -> str:
    """The status of a work request that is aborted at the worker; it would run for ever."""
    number = farm.create_work_request("hold", {"gate": str(farm.public / "never")})
    farm.wait_for(number, "running")
    assert farm.request("POST", f"/api/1.0/work-request/{number}/abort/", {}).status == 200
    return str(farm.work_request(number)["status"])


def test_the_server_uses_uvloop_where_it_is_installed(farm: Farm) -> None:
    pytest.importorskip("uvloop")

    assert event_loop(farm) == "uvloop"


def test_a_server_without_uvloop_serves_as_well(worker_sources: None, farm: Farm, tmp_path: Path) -> None:
    restart_without_uvloop(farm)
    farm.start_worker(farm.make_worker("builder"))

    assert event_loop(farm) == "asyncio"
    assert send_and_fetch(farm, tmp_path)
    assert abort_while_it_runs(farm) == "aborted"
    # The worker has heard of the abort over its websocket, or it could not take this.
    assert farm.wait_for(farm.create_work_request("noop", {}), "completed")["result"] == "success"
    assert farm.server is not None
    assert farm.server.stop() < SOON
    assert "Traceback" not in farm.server.said()
