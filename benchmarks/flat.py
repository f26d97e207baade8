"""A million rows: what lists, artifacts, reports and dispatches cost with them, against an empty farm."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
from attrs import frozen

from benchmarks.backlog import repeat_artifact, repeat_work_request, settle
from benchmarks.databases import Databases
from benchmarks.dispatch import dispatch, opened
from benchmarks.figures import BACKLOGS, BESIDE_ROWS
from benchmarks.files import read, send_artifact
from benchmarks.measured import Measured, timed
from benchmarks.medians import median
from benchmarks.noop_workers import NoopWorkers, noop_workers
from benchmarks.server import Server, running_server, started
from benchmarks.work import through
from debusine.db.database import Database
from debusine.protocol.cursors import Cursor
from tests.work import open_workshop

LIST = "/api/1.0/work-request/?page_size=50"
ARTIFACTS, FILES = 100_000, 10
DONE = 1_000_000
#: The work requests of an empty farm, and the first of them.
USED, FIRST = 200, 1
#: What is asked of each server in turn; the first ones do not count.
ROUNDS, WARM = 60, 10


async def flat(directory: Path, databases: Databases) -> list[Measured]:
    """Dispatches before ever more that waits; then two servers side by side, one with most of that and much more."""
    for name in ("empty", "full"):
        (directory / name).mkdir()
    async with running_server(directory / "full", databases.for_server()) as server:
        artifact = await use(server)
        url, key = server.database, server.key
    async with AsyncExitStack() as stack:
        small = [await stack.enter_async_context(prepared(databases, directory / f"{n}.sqlite")) for n in BACKLOGS[:-1]]
        database = await stack.enter_async_context(opened(url))
        dispatched = await dispatch(dict(zip(BACKLOGS, [*small, database], strict=True)))
        await fill(database, artifact)
    with started(directory / "full/server") as full:
        full.key = key
        async with running_server(directory / "empty", databases.for_server()) as empty:
            await use(empty)
            found = await compared(empty, full, artifact, USED + BACKLOGS[-1] + DONE)
    return [*dispatched, Measured("start-full", full.started), *found]


@asynccontextmanager
async def prepared(databases: Databases, place: Path) -> AsyncIterator[Database]:
    """A database without a server, with what work needs."""
    async with opened(databases.bare(place)) as database:
        await open_workshop(database)
        yield database


async def use(server: Server) -> int:
    """An artifact and some work that is done, as every farm has; returns the artifact."""
    async with server.session() as session, noop_workers(server, 1, "first") as workers:
        artifact = await send_artifact(session, [bytes([number]) * 100 for number in range(FILES)])
        await through(session, workers, USED)
    return int(artifact["id"])


async def fill(database: Database, artifact: int) -> None:
    """Let there have been much."""
    await database.write(repeat_artifact, artifact, ARTIFACTS)
    await database.write(repeat_work_request, FIRST, DONE)
    await database.write(settle)


async def compared(empty: Server, full: Server, artifact: int, rows: int) -> list[Measured]:
    """The medians of both, in milliseconds."""
    async with beside(empty, artifact, USED) as one, beside(full, artifact, rows) as other:
        found = []
        for name in BESIDE_ROWS:
            small, large = await in_turn(one.asks()[name], other.asks()[name])
            found += [Measured(f"{name}-empty", small * 1000), Measured(f"{name}-full", large * 1000)]
    return found


async def in_turn(*asks: Callable[[], Awaitable[float]]) -> list[float]:
    """The median seconds of each question, asked in turn again and again: what disturbs one disturbs all."""
    took = [[await ask() for ask in asks] for _ in range(ROUNDS)]
    return [median(each) for each in zip(*took[WARM:], strict=True)]


@frozen
class Asker:
    """Who asks a server, and what; all answers in seconds."""

    session: aiohttp.ClientSession
    workers: NoopWorkers
    artifact: int
    #: How many work requests there are.
    rows: int

    def asks(self) -> dict[str, Callable[[], Awaitable[float]]]:
        """Each question by its name among the figures."""
        middle = Cursor(last=self.rows // 2, back=False)
        return {
            "list": lambda: self.read(LIST),
            "deep": lambda: self.read(f"{LIST}&cursor={middle}"),
            "get": lambda: self.read(f"/api/1.0/artifact/{self.artifact}/"),
            "report": self.report,
        }

    async def read(self, url: str) -> float:
        """Read something."""
        with timed() as watch:
            await read(self.session, url)
        return watch.seconds

    async def report(self) -> float:
        """Have something done, and look only at how long its worker's report took."""
        await through(self.session, self.workers, 1)
        return self.workers.report_took


@asynccontextmanager
async def beside(server: Server, artifact: int, rows: int) -> AsyncIterator[Asker]:
    """A client and a worker of a server."""
    async with server.session() as session, noop_workers(server, 1, "second") as workers:
        yield Asker(session, workers, artifact, rows)
