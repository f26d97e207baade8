import asyncio
import contextvars
import gc
import threading
from collections.abc import Callable

import pytest

from debusine.plugin import check_cancelled, in_thread


class Blocker:
    """A blocking function that a test holds and lets go."""

    def __init__(self, then: Callable[[], str] = lambda: "done") -> None:
        self.entered = threading.Event()
        self.go_on = threading.Event()
        self.ended = False
        self.then = then

    def __call__(self) -> str:
        self.entered.set()
        assert self.go_on.wait(30)
        self.ended = True
        return self.then()

    async def running(self) -> "asyncio.Task[str]":
        task = asyncio.create_task(in_thread(self))
        while not self.entered.is_set():
            await asyncio.sleep(0.001)
        return task


async def test_a_function_runs_in_another_thread_with_its_arguments() -> None:
    def function(first: int, *, second: int) -> tuple[int, bool]:
        return first + second, threading.current_thread() is threading.main_thread()

    assert await in_thread(function, 1, second=2) == (3, False)


async def test_an_error_reaches_the_caller() -> None:
    with pytest.raises(ZeroDivisionError):
        await in_thread(lambda: 1 / 0)


async def test_context_variables_are_seen_in_the_thread() -> None:
    variable = contextvars.ContextVar("variable", default="unset")
    variable.set("set")

    assert await in_thread(variable.get) == "set"


async def test_cancelled_it_ends_after_the_function_does() -> None:
    blocker = Blocker()
    task = await blocker.running()

    task.cancel()
    await asyncio.sleep(0.01)
    assert not task.done()
    blocker.go_on.set()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert blocker.ended


async def test_cancelled_twice_it_still_waits_for_the_function() -> None:
    blocker = Blocker()
    task = await blocker.running()

    for _ in range(2):
        task.cancel()
        await asyncio.sleep(0.01)
    assert not task.done()
    blocker.go_on.set()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_cancelled_it_does_not_care_how_the_function_ends() -> None:
    blocker = Blocker(then=lambda: str(1 / 0))
    task = await blocker.running()

    task.cancel()
    blocker.go_on.set()

    with pytest.raises(asyncio.CancelledError):
        await task


def test_cancelled_nothing_is_said_of_how_the_function_ended() -> None:
    said: list[object] = []

    def fail() -> None:
        while True:
            check_cancelled()

    async def cancel() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context))
        task = asyncio.create_task(in_thread(fail))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    gc.collect()  # asyncio says it when the result is forgotten

    assert said == []


async def test_a_function_can_ask_whether_it_is_still_wanted() -> None:
    asked: list[str] = []

    def then() -> str:
        try:
            check_cancelled()
        except asyncio.CancelledError:
            asked.append("not wanted")
            raise
        return "wanted"

    blocker = Blocker(then)
    task = await blocker.running()
    task.cancel()
    await asyncio.sleep(0)
    blocker.go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert asked == ["not wanted"]


async def test_a_function_that_is_wanted_goes_on() -> None:
    def wanted() -> str:
        check_cancelled()
        return "wanted"

    assert await in_thread(wanted) == "wanted"
    assert wanted() == "wanted"


async def test_a_task_that_was_cancelled_can_still_clean_up_in_a_thread() -> None:
    blocker, cleaned = Blocker(), threading.Event()

    async def work() -> None:
        try:
            await in_thread(blocker)
        finally:
            await in_thread(cleaned.set)

    task = asyncio.create_task(work())
    while not blocker.entered.is_set():
        await asyncio.sleep(0.001)
    task.cancel()
    blocker.go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert cleaned.is_set()
