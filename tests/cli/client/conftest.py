"""The program against a fake server."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from debusine.cli.client import waiting
from tests.cli.client.running import Farm, serving, write_config
from tests.client.fake_server import FakeServer


@pytest.fixture
def farm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Farm]:
    """A server in a thread; the working directory is an empty one."""
    monkeypatch.setattr(waiting, "SHORTEST_PAUSE", 0.01)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    server = FakeServer()
    with serving(server) as origin:
        yield Farm(server, origin, write_config(tmp_path / "config.ini", f"{origin}/api"))
    logging.getLogger("debusine").setLevel(logging.NOTSET)
