"""A store is killed before each of its system calls: what it has acknowledged is there, and nothing partial is."""

import asyncio
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Collection, Iterator
from datetime import timedelta
from pathlib import Path
from unittest import mock

import click
from attrs import define, field
from debusine_filestore_local.backend import LocalFileStore, LocalOptions

from debusine.plugin import DebusineError, File, StoreData
from debusine.testing import Source, Sources
from tests.faults.outcomes import Outcome, Tally

CHECKOUT = Path(__file__).parents[2]
#: More than one block of a copy (debusine_filestore_local.objects.COPY_BLOCK).
SIZE = (8 << 20) + 100_000
#: How strace begins its lines.
_CALL = re.compile(r"^(?:\d+ +)?(\w+)\(")


@define
class Counts:
    """What was seen after the kills."""

    kills: Counter[str] = field(factory=Counter)
    acknowledged: int = 0
    lost: int = 0
    listed: int = 0
    partial: int = 0
    left: int = 0
    stuck: int = 0
    harmed: int = 0
    failed: int = 0

    def outcome(self, name: str, *, planted: bool) -> Outcome:
        """The figures."""
        kills = self.kills.total()
        return Outcome(
            name,
            (
                Tally("lost", self.lost, self.acknowledged, "acknowledged"),
                Tally("partial", self.partial, self.listed, "listed"),
                Tally("kept", self.stuck, self.left, "left-overs"),
                Tally("harmed", self.harmed, kills, "sources"),
                Tally("failed", self.failed, kills, "next stores"),
            ),
            planted,
        )


class Killer:
    """One directory with a store, whose writers are killed."""

    def __init__(self, base: Path, sources: Sources, way: str, *, bug: str = "", refused: bool = False) -> None:
        self.backend = LocalFileStore(LocalOptions(base_directory=base))
        self.source = sources.of_size(SIZE)
        self.before = sources.of(b"stored before")
        self.way = way
        self.bug = bug
        #: The disk is full when the object gets its name, so that the store cleans up.
        self.always = ["--inject=rename:error=ENOSPC"] if refused else []
        self.counts = Counts()
        self.kept: list[StoreData] = []

    def kill_at(self, calls: Collection[str] = ()) -> Counts:
        """Kill at every call that a store makes; of some, only at those of these names."""
        asyncio.run(self._begin())
        for call in sorted(calls or self._census()):
            number = 1
            while self._killed(call, number):
                self.counts.kills[call] += 1
                number += 1
        return self.counts

    async def _begin(self) -> None:
        await self.backend.prepare()
        for _ in range(3):
            self.kept.append(await self.backend.store(self.before.file, self.before.path))

    def _census(self) -> set[str]:
        """The names of all system calls of a store that nobody kills."""
        log = self.source.path.with_suffix(".strace")
        status, key = self._run(*self.always, f"--output={log}")
        assert status == 0
        asyncio.run(self._look(key))
        return {match[1] for line in log.read_text().splitlines() if (match := _CALL.match(line))}

    def _killed(self, call: str, number: int) -> bool:
        inject = f"--inject={call}:signal=KILL:when={number}"
        status, key = self._run(f"--trace={call},rename", *self.always, inject, "--output=/dev/null")
        assert status in {0, -signal.SIGKILL}, f"a store ended with {status} at {call} number {number}"
        asyncio.run(self._look(key))
        return status != 0

    def _run(self, *arguments: str) -> tuple[int, str]:
        """How a store ends below strace, and the key when it was said."""
        arguments_of_store = [str(self.backend.options.base_directory), self.way, str(self.source.path), self.bug]
        with subprocess.Popen(
            [sys.executable, "-m", "tests.faults.storing", *arguments_of_store],
            cwd=CHECKOUT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as storing:
            assert storing.stdin is not None
            assert storing.stdout is not None
            assert storing.stdout.readline() == b"ready\n"
            tracing = ["strace", "--follow-forks", f"--attach={storing.pid}", *arguments]
            with subprocess.Popen(tracing, stderr=subprocess.PIPE, text=True) as strace:
                assert strace.stderr is not None
                said = strace.stderr.readline()
                assert "attached" in said, said
                key = storing.communicate(b"!")[0].decode()
                strace.communicate()
        return storing.returncode, key

    async def _look(self, key: str) -> None:
        counts = self.counts
        counts.harmed += File.calculate_hash(self.source.path) != self.source.file.hash_digest
        for source, data in [(self.before, data) for data in self.kept] + (
            [(self.source, {"key": key})] if key else []
        ):
            counts.acknowledged += 1
            counts.lost += not await self._is_whole(source, data)
        for data in [dict(entry.data) async for entry in self.backend.entries()]:
            if data not in self.kept:
                counts.listed += 1
                counts.partial += not await self._is_whole(self.source, data)
                await self.backend.remove(self.source.file, data)
        await self._tidy()
        counts.failed += not await self._stores_again()
        (self.backend.options.base_directory / self.source.file.hash_digest.hex()[:2]).rmdir()  # as before the first

    async def _is_whole(self, source: Source, data: StoreData) -> bool:
        try:
            return await self.backend.verify(source.file, data) == source.file.digest
        except DebusineError:
            return False

    async def _tidy(self) -> None:
        self.counts.left += len(self._left_overs())
        with mock.patch("debusine_filestore_local.backend.ABANDONED", timedelta(seconds=-1)):
            await self.backend.tidy([])
        self.counts.stuck += len(self._left_overs())

    def _left_overs(self) -> list[Path]:
        keys = {data["key"] for data in self.kept}
        found = self.backend.options.base_directory.rglob("*")
        return [path for path in found if path.is_file() and path.name not in keys]

    async def _stores_again(self) -> bool:
        try:
            data = await self.backend.store(self.source.file, self.source.path)
            whole = await self._is_whole(self.source, data)
            await self.backend.remove(self.source.file, data)
        except DebusineError:
            return False
        return whole


def kill_stores(place: Path, elsewhere: Path) -> Iterator[Outcome]:
    """Kill every way to store; ``elsewhere`` is on another file system than ``place``."""
    (place / "uploads").mkdir()
    near, far = Sources(place / "uploads"), Sources(elsewhere)
    for name, killer in {
        "link": Killer(place / "link", near, "link"),
        "copy": Killer(place / "copy", far, "copy"),
        "content": Killer(place / "content", near, "content"),
        "refused": Killer(place / "refused", far, "copy", refused=True),
    }.items():
        counts = killer.kill_at()
        yield counts.outcome(f"{name}, {counts.kills.total()} kills", planted=False)
        click.echo(f"    before {', '.join(f'{call} {number}' for call, number in sorted(counts.kills.items()))}")
    hasty = Killer(place / "planted", far, "copy", bug="hasty")
    yield hasty.kill_at({"sendfile", "fsync"}).outcome("planted: an object has its name at once", planted=True)
