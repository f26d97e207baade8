"""Sees which calls of a thread wait for something else, by Python's audit hooks."""

import sys
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager


@contextmanager
def blocking_calls(events: Collection[str]) -> Iterator[list[str]]:
    """Collect this thread's calls of the given kinds, by the names that the audit hooks give them."""
    _watch.install()
    calls: list[str] = []
    _watch.calls, _watch.events, _watch.thread = calls, events, threading.get_ident()
    try:
        yield calls
    finally:
        _watch.thread = None


class _Watch:
    """An audit hook; it can never be removed, so there is one, which is mostly idle."""

    def __init__(self) -> None:
        self.installed = False
        self.thread: int | None = None
        self.calls: list[str] = []
        self.events: Collection[str] = ()

    def install(self) -> None:
        if not self.installed:
            sys.addaudithook(self)
            self.installed = True

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.thread is not None and event in self.events and self.thread == threading.get_ident():
            self.calls.append(f"{event} {', '.join(str(argument) for argument in arguments[:1])}")


_watch = _Watch()
