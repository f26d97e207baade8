"""Background tasks: named, watched, and the end of the process when one of them fails."""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

logger = logging.getLogger(__name__)


@asynccontextmanager
async def running_background() -> AsyncIterator["Background"]:
    """A place for tasks that run at most until the block ends."""
    background = Background()
    try:
        yield background
    finally:
        await background.stop()


class Background:
    """The tasks that run beside the requests; none of them may end before it is told to."""

    def __init__(self) -> None:
        #: Set once a task has failed: there is no half-dead server.
        self.failed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a coroutine until it ends or ``stop`` is called."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def stop(self) -> None:
        """Cancel whatever still runs, and wait for it."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.critical("The background task %s failed; the server stops", task.get_name(), exc_info=error)
            self.failed.set()
