"""Runs one command and leaves no process of it behind, whatever becomes of the worker that asked for it.

The runner starts this file as a program of its own, with the standard library alone::

    keeper.py GRACE STDIN STDOUT STDERR PROGRAM [ARGUMENT...]

GRACE: seconds between TERM and KILL. STDIN, STDOUT, STDERR: inherited descriptors for the command. The keeper's own
standard input is held open by the worker: when it closes, on purpose or because the worker is dead, the command is
ended. Its standard output gets one JSON object at the end. All descendants, also those that left their session, become
its children when their parents die, so none can get away.
"""

import contextlib
import ctypes
import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36

#: Seconds after which processes that survive SIGKILL (they wait for a disk, say) are left to the next start.
PATIENCE = 10.0

#: Under memory pressure the kernel ends the command rather than the worker.
OUT_OF_MEMORY_SCORE = "500"


def main(arguments: list[str]) -> None:
    """Run the command, wait for its end or for the word to end it, and report."""
    grace, streams, command = float(arguments[0]), [int(number) for number in arguments[1:4]], arguments[4:]
    _set_process_option(PR_SET_CHILD_SUBREAPER, 1)
    keeper = Keeper()
    try:
        keeper.start(command, streams)
    except OSError as error:
        _report(missing=isinstance(error, FileNotFoundError), error=str(error))
        return
    try:
        stopped = not keeper.wait_for_end()
        if stopped:
            keeper.ask_to_end(grace)
    finally:
        survivors = keeper.end_all()
    _report(status=keeper.status, stopped=stopped, survivors=survivors, **_usage())


class Keeper:
    """Watches over one command and everything that it starts."""

    def __init__(self) -> None:
        self.child = 0
        #: The command's exit status, negative for a signal; None while it runs.
        self.status: int | None = None
        self._wakeup = _wake_up_on(signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

    def start(self, command: list[str], streams: list[int]) -> None:
        """Start the command as the leader of a session of its own."""
        # preexec_fn is safe here: this program has one thread.
        process = subprocess.Popen(
            command,
            stdin=streams[0],
            stdout=streams[1],
            stderr=streams[2],
            start_new_session=True,
            preexec_fn=_prepare_child,
        )
        process.returncode = 0  # this class reaps all children itself; Popen shall not wait for them
        self.child = process.pid

    def wait_for_end(self) -> bool:
        """Wait until the command has ended (True), or until standard input closes or a signal says stop (False)."""
        while self._reap() and self.status is None:
            readable = select.select([0, self._wakeup], [], [])[0]
            if 0 in readable or self._signals() - {signal.SIGCHLD}:
                return False
        return True

    def ask_to_end(self, grace: float) -> None:
        """Send TERM to the command's process group and give it some seconds."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.child, signal.SIGTERM)
        deadline = time.monotonic() + grace
        while self._reap() and self.status is None and (left := deadline - time.monotonic()) > 0:
            select.select([self._wakeup], [], [], left)
            self._signals()

    def end_all(self) -> int:
        """Kill until no descendant is left; the number of those that would not die."""
        deadline = time.monotonic() + PATIENCE
        while self._reap() and time.monotonic() < deadline:
            for process in list(descendants(os.getpid())):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(process, signal.SIGKILL)
            time.sleep(0.01)
        return len(list(descendants(os.getpid())))

    def _reap(self) -> bool:
        """Take leave of every child that has ended; whether there are others."""
        while True:
            try:
                process, code = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if not process:
                return True
            if process == self.child:
                self.status = os.waitstatus_to_exitcode(code)

    def _signals(self) -> set[int]:
        try:
            return set(os.read(self._wakeup, 4096))
        except BlockingIOError:
            return set()


def descendants(ancestor: int) -> Iterator[int]:
    """All processes below one, parents first."""
    children: dict[int, list[int]] = {}
    for process, parent in _parents():
        children.setdefault(parent, []).append(process)
    waiting = children.get(ancestor, [])
    while waiting:
        process = waiting.pop(0)
        yield process
        waiting += children.get(process, [])


def _prepare_child() -> None:
    _set_process_option(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.umask(0o022)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(OUT_OF_MEMORY_SCORE)


def _wake_up_on(*numbers: signal.Signals) -> int:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    for number in numbers:
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    return reader


def _parents() -> Iterator[tuple[int, int]]:
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with contextlib.suppress(OSError):  # it has ended meanwhile
                yield int(entry.name), _parent(Path(entry.path, "stat").read_bytes())


def _parent(stat: bytes) -> int:
    # The name of the program, in brackets, may contain anything.
    return int(stat.rpartition(b")")[2].split()[1])


def _usage() -> dict[str, float]:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {"cpu": usage.ru_utime + usage.ru_stime, "memory": usage.ru_maxrss * 1024}


def _set_process_option(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), f"prctl({option}) failed")


def _report(**facts: object) -> None:
    with contextlib.suppress(BrokenPipeError):  # the worker is gone
        os.write(1, json.dumps(facts).encode())


if __name__ == "__main__":
    main(sys.argv[1:])
