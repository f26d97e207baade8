"""Sees what a thread does that may take long: files, hashes and the database have no place on the event loop's."""

import hashlib
import os
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from types import FrameType
from typing import Any

import pytest
import sqlalchemy as sa
from attrs import Factory, define, field

#: Events that Python itself tells of.
FILE_EVENTS = ("open", "os.", "shutil.", "glob.", "tempfile.", "sqlite3.connect", "fcntl.")
#: Those among them that touch no disk.
HARMLESS_EVENTS = {"os.putenv", "os.unsetenv", "os.kill", "os.fork", "os.system", "os.posix_spawn"}
#: What Python does not tell of; a first argument that is a file descriptor of a socket or a pipe is no file.
SILENT_FUNCTIONS = (
    *("read", "readv", "pread", "preadv", "write", "writev", "pwrite", "pwritev", "sendfile", "splice"),
    *("copy_file_range", "fsync", "fdatasync", "sync", "stat", "lstat", "statvfs", "posix_fallocate"),
)
#: A read with this flag gives what is in memory, or nothing.
RWF_NOWAIT = getattr(os, "RWF_NOWAIT", None)
#: Bytes that may be hashed anywhere: keys and texts.
LITTLE = 4096


@define
class LoopWatch:
    """What was seen so far."""

    thread: int = field(factory=threading.get_ident)
    #: What is done below functions of these files is the tests' own.
    own: str = f"{os.sep}tests{os.sep}"
    seen: list[str] = Factory(list)

    def note(self, what: str) -> None:
        """Keep it if it was done on the watched thread, by the program rather than by a test."""
        if threading.get_ident() != self.thread:
            return
        frames = list(_callers(sys._getframe(1)))
        if not any(self.own in place for place in frames):
            self.seen.append(
                f"{what} by {next((place for place in frames if f'debusine{os.sep}' in place), frames[0])}"
            )


def _callers(frame: FrameType | None) -> Iterator[str]:
    """The places from which something is called, the innermost first; not those that are here."""
    while frame is not None:
        if frame.f_code.co_filename != __file__:
            yield f"{frame.f_code.co_filename}:{frame.f_lineno}"
        frame = frame.f_back


@contextmanager
def watching_this_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopWatch]:
    """Watch the present thread until the block ends."""
    watch = LoopWatch()
    sa.event.listen(sa.Engine, "before_cursor_execute", statement := _noting_statements(watch))
    with monkeypatch.context() as patched:
        for name in SILENT_FUNCTIONS:
            patched.setattr(os, name, _watched(watch, name, getattr(os, name)))
        patched.setattr(hashlib, "new", _watched_hash(watch, hashlib.new))
        patched.setattr(hashlib, "sha256", _watched_hash(watch, hashlib.sha256))
        _watches.append(watch)
        try:
            yield watch
        finally:
            _watches.remove(watch)
            sa.event.remove(sa.Engine, "before_cursor_execute", statement)


def _watched(watch: LoopWatch, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def noting(*args: Any, **kwargs: Any) -> Any:
        never_waits = name == "preadv" and args[3:] == (RWF_NOWAIT,)
        if not never_waits and (not args or not isinstance(args[0], int) or _is_file(args[0])):
            watch.note(f"os.{name}")
        return function(*args, **kwargs)

    return noting


def _is_file(descriptor: int) -> bool:
    return stat.S_ISREG(os.fstat(descriptor).st_mode) or stat.S_ISDIR(os.fstat(descriptor).st_mode)


class _Hash:
    """A hash that is told of when it takes much at a time."""

    def __init__(self, watch: LoopWatch, real: Any) -> None:
        self._watch = watch
        self._real = real

    def update(self, data: Any) -> None:
        if len(memoryview(data)) > LITTLE:
            self._watch.note("a hash")
        self._real.update(data)

    def copy(self) -> "_Hash":
        return _Hash(self._watch, self._real.copy())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def _watched_hash(watch: LoopWatch, make: Callable[..., Any]) -> Callable[..., Any]:
    def making(*args: Any, **kwargs: Any) -> _Hash:
        if any(len(memoryview(each)) > LITTLE for each in args if not isinstance(each, str)):
            watch.note("a hash")
        return _Hash(watch, make(*args, **kwargs))

    return making


def _noting_statements(watch: LoopWatch) -> Callable[..., None]:
    def note(_connection: object, _cursor: object, text: str, *_: object) -> None:
        watch.note(f"the statement {' '.join(text.split())[:80]}")

    return note


#: Python forgets no hook for events: there is one, and usually nothing for it to do.
_watches: list[LoopWatch] = []
_SUFFIXES_OF_IMPORTS = (".py", ".pyc", ".so")


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if not _watches or not event.startswith(FILE_EVENTS) or event in HARMLESS_EVENTS:
        return
    # Modules are imported wherever they are first needed, once.
    imported = bool(args) and isinstance(args[0], str) and args[0].endswith(_SUFFIXES_OF_IMPORTS)
    for watch in [] if imported else _watches:
        watch.note(f"{event}{args[:1]}")


sys.addaudithook(_hook)
