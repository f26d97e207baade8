"""The sockets of workers: by them the server knows who is there, and workers hear that there is work."""

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Mapping, Sequence

from aiohttp import web
from attrs import frozen

from debusine.config import Limits
from debusine.db.database import Database
from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.accounts import Subject
from debusine.domain.errors import Conflict, DebusineError, StorageFull, Unavailable
from debusine.domain.events import AttemptEnded, ChangedElsewhere, Event, TokenDisabled, WorkRequestAssigned
from debusine.domain.work_requests import Attempt, Outcome
from debusine.protocol.messages import TOKEN_DISABLED, Text, closing, rejection
from debusine.scheduler.alarm import Alarm
from debusine.server.keys import BACKGROUND, DATABASE, SERVER, SETTINGS
from debusine.server.requests import running_header, subject
from debusine.server.sockets.speaker import Speaker, new_socket, say_and_close
from debusine.services import workers
from debusine.services.attempts import Running

logger = logging.getLogger(__name__)

#: Ends of attempts that their worker itself has brought about.
KNOWN_TO_WORKER = {Outcome.COMPLETED, Outcome.GIVEN_BACK}


@frozen(eq=False)
class WorkerSocket:
    """A worker's socket that this server holds."""

    worker: int
    token: int
    #: The number of the connection, by which the rows know it.
    connection: int
    speaker: Speaker
    #: Whether the worker counts attempts, so that it can be told that one is wanted no more; foreign ones do not.
    counts_attempts: bool

    def tell_to_end(self, work_request: int, attempt: int) -> None:
        """Tell a worker that nobody wants what it runs, if it would understand."""
        if self.counts_attempts:
            self.speaker.say(Text.WORK_REQUEST_ABORTED, work_request_id=work_request, attempt=attempt)


async def connect_worker(request: web.Request) -> web.StreamResponse:
    """Hold a worker's websocket; who is no enabled worker is told so by its first message."""
    running = running_header(request)
    limits = request.app[SETTINGS].limits
    socket = new_socket(limits)
    await socket.prepare(request)
    who = subject(request)
    if who.worker is None or who.token is None:
        await say_and_close(socket, rejection("The token is not that of an enabled worker", TOKEN_DISABLED))
    else:
        await request.app[WORKER_SOCKETS].serve(socket, who, running)
    return socket


class WorkerSockets:
    """The sockets of all workers that are connected to this process, one for each worker."""

    def __init__(self, database: Database, server: int, limits: Limits) -> None:
        self.database = database
        self.server = server
        self.limits = limits
        self._sockets: dict[int, WorkerSocket] = {}
        #: Workers whose rows may say already that they are connected; one may come twice at the same time.
        self._arriving: list[int] = []
        self._alarm = Alarm()
        database.subscribe(self._listen)

    async def serve(self, socket: web.WebSocketResponse, who: Subject, running: Running | None) -> None:
        """Hold a worker's socket until it closes; a newer one of the same worker closes it."""
        assert who.worker is not None
        assert who.token is not None
        speaker = Speaker(socket, self.limits)
        try:
            held, connected = await self._admit(who.worker.id, who.token.id, running, speaker)
        except DebusineError as error:  # a socket cannot be answered by a problem any more
            logger.warning("Worker %s cannot be connected just now: %s", who.worker.id, error)
            return await say_and_close(socket, rejection("Service unavailable"))
        try:
            speaker.say(Text.CONNECTED)
            speaker.say(Text.REQUEST_DYNAMIC_METADATA)
            for work_request, attempt in connected.stale:
                held.tell_to_end(work_request, attempt)
            if connected.work_available:
                speaker.say(Text.WORK_REQUEST_AVAILABLE)
            await speaker.run()
        finally:
            await asyncio.shield(self._let_go(held))
        return None

    async def run(self) -> None:
        """Repeat what workers should have heard, and close what should be closed, again and again."""
        while True:
            await self._alarm.wait(self.limits.sweep / 2)  # a token that was closed elsewhere has five seconds
            await self.sweep()

    async def sweep(self) -> None:
        """Look once whether the rows say something that the sockets do not."""
        held = list(self._sockets.values())
        try:
            facts = await self.database.read(_facts, self.server, [each.worker for each in held])
            await self._disconnect_those_without_socket(facts.connections)
        except (Conflict, StorageFull, Unavailable) as error:
            logger.warning("The workers' sockets could not be checked: %s", error)
            return
        for each in held:
            _bring_up_to_date(each, facts)

    def close(self) -> None:
        """Ask all workers to connect again; the server stops."""
        for held in self._sockets.values():
            held.speaker.end(closing("The server is stopping"))

    async def _disconnect_those_without_socket(self, connections: Mapping[int, int]) -> None:
        """Write down what could not be when it happened."""
        known = {(held.worker, held.connection) for held in self._sockets.values()}
        gone = [(worker, number) for worker, number in connections.items() - known if worker not in self._arriving]
        for worker, connection in gone:
            await self.database.write(workers.disconnect, worker, connection)

    async def _admit(
        self, worker: int, token: int, running: Running | None, speaker: Speaker
    ) -> tuple[WorkerSocket, workers.Connection]:
        """Write down that a worker is connected, and hold its socket."""
        self._arriving.append(worker)
        try:
            connected = await self.database.write(workers.connect, worker, self.server, running)
            held = WorkerSocket(worker, token, connected.worker.connection, speaker, running is not None)
            self._hold(held)
        finally:
            self._arriving.remove(worker)
        return held, connected

    def _hold(self, held: WorkerSocket) -> None:
        older = self._sockets.get(held.worker)
        self._sockets[held.worker] = held
        logger.info("Worker %s is connected", held.worker)
        if older is not None:
            older.speaker.end(closing("The worker has connected again"))

    async def _let_go(self, held: WorkerSocket) -> None:
        if self._sockets.get(held.worker) is held:
            del self._sockets[held.worker]
        logger.info("Worker %s is disconnected", held.worker)
        try:
            await self.database.write(workers.disconnect, held.worker, held.connection)
        except (StorageFull, Unavailable) as error:  # the sweep repeats it
            logger.warning("Worker %s could not be marked as disconnected: %s", held.worker, error)

    def _listen(self, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, WorkRequestAssigned) and (held := self._sockets.get(event.worker)):
                held.speaker.say(Text.WORK_REQUEST_AVAILABLE)
            elif isinstance(event, AttemptEnded) and (held := self._sockets.get(event.worker)):
                if event.outcome not in KNOWN_TO_WORKER:
                    held.tell_to_end(event.work_request, event.attempt)
            elif isinstance(event, TokenDisabled):
                self._close_those_of(event.token)
            elif isinstance(event, ChangedElsewhere):
                self._alarm.ring_soon()

    def _close_those_of(self, token: int) -> None:
        for held in self._sockets.values():
            if held.token == token:
                held.speaker.end(_disabled())


async def holding_worker_sockets(app: web.Application) -> AsyncIterator[None]:
    """Have an application hold workers' sockets (a ``cleanup_ctx``)."""
    sockets = WorkerSockets(app[DATABASE], app[SERVER], app[SETTINGS].limits)
    app[WORKER_SOCKETS] = sockets
    app[BACKGROUND].start("worker sockets", sockets.run())
    yield


async def close_worker_sockets(app: web.Application) -> None:
    """Let go of every worker before the server waits for its handlers (an ``on_shutdown``)."""
    app[WORKER_SOCKETS].close()


@frozen
class Facts:
    """What the rows say of workers' sockets."""

    #: Worker → its newest connection, of the workers with a good token.
    admitted: Mapping[int, int]
    #: Workers that have an assignment which they have not fetched.
    unfetched: frozenset[int]
    #: Worker → connection, of those whose socket this server holds.
    connections: Mapping[int, int]
    #: Attempts that have ended while their workers may still be busy with them.
    over: Sequence[Attempt]


def _facts(uow: UnitOfWork, server: int, held: Collection[int]) -> Facts:
    return Facts(
        uow.workers.admitted(held, at=uow.now) if held else {},
        uow.work_requests.unfetched(held) if held else frozenset(),
        uow.workers.connections_of(server),
        uow.attempts.over_and_unreleased_of(held) if held else (),
    )


def _bring_up_to_date(held: WorkerSocket, facts: Facts) -> None:
    if held.worker not in facts.admitted:
        return held.speaker.end(_disabled())
    if facts.admitted[held.worker] > held.connection:
        return held.speaker.end(closing("The worker has connected to another server"))
    if held.worker in facts.unfetched:
        held.speaker.say(Text.WORK_REQUEST_AVAILABLE)
    for attempt in facts.over:
        if attempt.worker == held.worker:
            held.tell_to_end(attempt.work_request, attempt.number)
    return None


def _disabled() -> dict[str, object]:
    return closing("The token has been disabled", TOKEN_DISABLED)


WORKER_SOCKETS = web.AppKey("worker sockets", WorkerSockets)
