"""The way for a plugin to block without stopping everybody else."""

import asyncio
import contextlib
import contextvars
import functools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

#: Set, for the function that runs in a thread, once nobody waits for its result any more.
_cancelled: contextvars.ContextVar[threading.Event] = contextvars.ContextVar("debusine_cancelled")


async def in_thread(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a blocking function in a thread of the loop's own pool and wait for its end.

    The function always runs to its end before this returns or raises. Cancelled meanwhile, this raises
    ``CancelledError`` after that end, whatever the function returned or raised, so that the caller can clean up what
    it may have made. A long function calls ``check_cancelled()`` now and then to end sooner.
    """
    return await _run(None, functools.partial(function, *args, **kwargs))


class Threads:
    """Threads of one's own: for what may wait so long that it must not use up the loop's pool, which all share."""

    def __init__(self, most: int, name: str) -> None:
        self._pool = ThreadPoolExecutor(most, thread_name_prefix=name)

    async def run(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """As ``in_thread`` does, in one of these threads, as soon as one is free."""
        return await _run(self._pool, functools.partial(function, *args, **kwargs))

    def close(self) -> None:
        """Take nothing new, and let go of each thread when it comes to its end."""
        self._pool.shutdown(wait=False)


def check_cancelled() -> None:
    """Raise ``CancelledError`` in a function that ``in_thread`` runs when its result is not wanted any more."""
    event = _cancelled.get(None)
    if event is not None and event.is_set():
        raise asyncio.CancelledError


async def _run(pool: ThreadPoolExecutor | None, function: Callable[[], T]) -> T:
    cancelled = threading.Event()
    context = contextvars.copy_context()
    context.run(_cancelled.set, cancelled)
    work: asyncio.Future[T] = asyncio.get_running_loop().run_in_executor(pool, context.run, function)
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        cancelled.set()
        await _end_of(work)
        raise


async def _end_of(work: asyncio.Future[T]) -> None:
    while not work.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait([work])
    if not work.cancelled():
        work.exception()  # nobody wants to know, and asyncio would log that nobody asked
