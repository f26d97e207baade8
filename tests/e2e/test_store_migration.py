"""Everything moves to another store and back while users go on, whatever is interrupted on the way."""

import http.client
import itertools
import os
import random
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field

from scripts.demo.programs import BIN
from tests.e2e.farm import Farm, eventually
from tests.e2e.small_chunks import CHUNK
from tests.e2e.store_farms import (
    assert_nothing_else,
    declare,
    download_path,
    local_place,
    put,
    put_chunks,
    recorded,
    s3_place,
    store_farm,
)
from tests.s3.servers import Swift

pytestmark = pytest.mark.e2e

#: Seconds that an object stays for those who read it.
GRACE = 0.5
SIZES = (0, 10, 5000, 300_000, 1 << 20)
#: What comes meanwhile.
NEW = (*SIZES, CHUNK + 1)
BROKEN = (OSError, http.client.HTTPException)


@define(eq=False)
class Users:
    """Upload and download all the time, and remember what was wrong."""

    farm: Farm
    #: What was acknowledged, by its path on the server.
    contents: dict[str, bytes] = field(factory=dict)
    wrong: list[str] = field(factory=list)
    read: int = 0
    #: Whether the server is there: while it is not, a broken line is no fault.
    served: bool = True
    over: threading.Event = field(factory=threading.Event)

    def upload(self, size: int) -> None:
        """Make an artifact of one file."""
        content = os.urandom(size)
        artifact = declare(self.farm, {"a": content})
        if size > CHUNK:
            statuses = put_chunks(self.farm, artifact, "a", content)
        else:
            statuses = [put(self.farm, artifact, "a", content).status] if size else [201]
        if statuses[-1] == 201:
            self.contents[download_path(self.farm, artifact, "a")] = content
        else:
            self.wrong.append(f"upload of {size} bytes: {statuses}")

    def download(self, path: str) -> None:
        """Fetch a file and compare it."""
        answer = self.farm.request("GET", path)
        self.read += 1
        if answer.status != 200 or answer.body != self.contents[path]:
            self.wrong.append(f"{path}: {answer.status}, {len(answer.body)} bytes, {answer.body[:200]!r}")

    def upload_on(self) -> None:
        """Upload until it is over."""
        for size in itertools.cycle(NEW):
            if self.over.wait(0.1):
                return
            self._try(partial(self.upload, size))

    def download_on(self) -> None:
        """Download until it is over."""
        while not self.over.wait(0.01):
            self._try(lambda: self.download(random.choice(list(self.contents))))

    def _try(self, act: Any) -> None:
        try:
            act()
        except BROKEN as error:
            if self.served:
                self.wrong.append(f"{type(error).__name__}: {error}")

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Be busy as long as the block lasts."""
        threads = [threading.Thread(target=act) for act in (self.upload_on, self.download_on, self.download_on)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.over.set()
            for thread in threads:
                thread.join()


def migrating(farm: Farm, source: str, target: str) -> "subprocess.Popen[str]":
    """The operator's command on its way."""
    return subprocess.Popen(
        [BIN / "debusine-admin", "--data-dir", farm.data, "stores", "migrate", source, target],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=farm.environment,
    )  # fmt: skip


def until_some_moved(farm: Farm, target: str, more: int) -> None:
    def moved() -> bool:
        return len(recorded(farm).get(target, ())) >= before + more

    before = len(recorded(farm).get(target, ()))
    eventually("some files have moved", moved)


def migrate_to_the_end(farm: Farm, source: str, target: str) -> None:
    """What came meanwhile has to move, too: the command says that it is to be run again."""
    for _ in range(5):
        command = migrating(farm, source, target)
        out, err = command.communicate(timeout=120)
        if command.returncode == 0:
            assert f"{source} is empty and can leave the configuration" in out
            return
        assert "Run it again" in out, out + err
    pytest.fail("it is never empty")


def test_everything_moves_to_s3_and_back_while_users_go_on(swift: Swift, tmp_path: Path) -> None:
    places = {"Default": local_place(tmp_path / "store"), "Bucket": s3_place(swift.http, tmp_path, "Bucket")}
    configuration = f"[limits]\ncopy_removal = {GRACE}\n" + "".join(place.toml for place in places.values())
    with store_farm(tmp_path, configuration) as farm:
        users = Users(farm)
        for number in range(20):
            users.upload(SIZES[number % len(SIZES)])
        users.upload(2 * CHUNK)
        with users.at_work():
            interrupted = migrating(farm, "Default", "Bucket")
            until_some_moved(farm, "Bucket", 5)
            interrupted.send_signal(signal.SIGINT)
            interrupted.communicate(timeout=30)
            assert interrupted.returncode != 0
            assert recorded(farm)["Default"]

            interrupted = migrating(farm, "Default", "Bucket")
            until_some_moved(farm, "Bucket", 5)
            users.served = False
            farm.kill_server()
            assert "Run the command again" in interrupted.communicate(timeout=30)[1]
            farm.start_server()
            users.served = True
            assert recorded(farm)["Default"]

            migrate_to_the_end(farm, "Default", "Bucket")
            assert "Default" not in recorded(farm)
            migrate_to_the_end(farm, "Bucket", "Default")
            assert "Bucket" not in recorded(farm)

        assert users.wrong == []
        assert users.read > 50
        # A server that begins lets go of what is due at once.
        farm.kill_server()
        farm.start_server()
        assert_nothing_else(farm, places, lost=3)
        for path in users.contents:
            users.download(path)
        assert users.wrong == []
