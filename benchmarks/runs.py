"""Runs: each one goes once through all scenarios, so that what changes on the machine is spread over all of them."""

import asyncio
import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path

from attrs import define, field

from benchmarks.databases import Databases, Embedded, Templates
from benchmarks.loops import run_fast
from benchmarks.measured import CannotMeasure, timed
from benchmarks.results import POSTGRESQL, SQLITE, Results
from benchmarks.scenarios import FARMS, POSTGRESQL_SUFFIX, SCENARIOS, Measure, Scenario
from benchmarks.server import Server, running_server
from tests.postgresql import CannotStartPostgreSQL, running_postgresql

Say = Callable[[str], None]


def measure(names: Sequence[str], runs: int, results: Results, say: Say) -> None:
    """Measure everything that is named, so many times."""
    with ExitStack() as stack:
        postgresql = _postgresql(names, stack, results)
        for number in range(runs):
            run = Run(results, postgresql)
            for name in names:
                with timed() as took:
                    run.measure(name)
                say(f"{name}, run {number + 1} of {runs}: {took.seconds:.0f} s")


def _postgresql(names: Iterable[str], stack: ExitStack, results: Results) -> Templates | None:
    """One PostgreSQL for all runs, if any is needed and can be had; with its durability."""
    if not any(name.endswith(POSTGRESQL_SUFFIX) for name in names):
        return None
    try:
        return Templates(stack.enter_context(running_postgresql(fsync=True)))
    except CannotStartPostgreSQL as error:
        results.miss(f"PostgreSQL: {error}")
        return None


async def settle() -> None:
    """Have the disk take what was written before: who syncs would wait for the bytes of those who did not."""
    await asyncio.to_thread(os.sync)


@define
class Run:
    """One run, which measures each baseline once."""

    results: Results
    postgresql: Templates | None
    _measured: set[tuple[Measure, str]] = field(factory=set)

    def measure(self, name: str) -> None:
        """Measure one scenario."""
        on = POSTGRESQL if name.endswith(POSTGRESQL_SUFFIX) else SQLITE
        databases = self.postgresql if on == POSTGRESQL else Embedded()
        plain = name.removesuffix(POSTGRESQL_SUFFIX)
        if databases is None:
            return
        with tempfile.TemporaryDirectory(prefix="debusine-bench-") as directory:
            Path(directory).chmod(0o755)  # nginx, started as root, works as another user
            work = self._farms if plain in FARMS else self._scenario
            run_fast(work(plain, on, Path(directory), databases))

    async def _farms(self, name: str, on: str, directory: Path, databases: Databases) -> None:
        await settle()
        self.results.add(on, await FARMS[name](directory, databases))

    async def _scenario(self, name: str, on: str, directory: Path, databases: Databases) -> None:
        scenario = SCENARIOS[name]
        try:
            with scenario.surroundings(directory) as configuration:
                async with running_server(directory, databases.for_server(), configuration) as server:
                    await self._on_server(scenario, on, server)
        except CannotMeasure as error:
            self.results.miss(str(error))
        else:
            self.results.draw(name, on, server.curve)

    async def _on_server(self, scenario: Scenario, on: str, server: Server) -> None:
        for baseline in scenario.of_database:
            await self._baseline(baseline, on, server)
        for baseline in scenario.baselines:
            await self._baseline(baseline, "", server)
        await settle()
        async with server.memory.drawing() as server.curve:
            self.results.add(on, await scenario.measure(server))

    async def _baseline(self, baseline: Measure, on: str, server: Server) -> None:
        if (baseline, on) in self._measured:
            return
        self._measured.add((baseline, on))
        await settle()
        try:
            self.results.add(on, await baseline(server))
        except CannotMeasure as error:
            self.results.miss(str(error))
