"""A watch inside a server's process: how long its event loop stalls and why, what it logs, what it keeps."""

import asyncio
import ctypes
import gc
import logging
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

from attrs import Factory, define

#: Seconds between two looks at the clock.
BEAT = 0.01

#: Seconds of silence after which the stacks of all threads are written down.
SUSPICIOUS = 0.08


@define
class Watch:
    """What one process did while it was watched."""

    #: Seconds: the longest time by which the loop was late, whatever the reason.
    longest: float = 0.0
    #: The same, as far as the loop's own thread was computing.
    longest_own: float = 0.0
    #: The same, as far as other threads of the process were computing (they held the interpreter).
    longest_others: float = 0.0
    #: How often the process itself made the loop late by more than 0.1 seconds.
    stalls: int = 0
    #: The stacks of the worst stall of the loop's own.
    stacks: str = ""
    longest_collection: float = 0.0
    #: Whether what happens now does not count.
    paused: bool = False
    errors: list[str] = Factory(list)
    _collecting: float = 0.0
    _beat: float = Factory(time.perf_counter)
    _seen: str = ""

    async def run(self) -> None:
        """Watch until cancelled."""
        logging.getLogger().addHandler(_Errors(self))
        gc.callbacks.append(self._collected)
        threading.Thread(target=self._look, args=(threading.get_ident(),), daemon=True).start()
        clocks = time.perf_counter(), time.thread_time(), time.process_time()
        while True:
            self._beat = time.perf_counter()
            await asyncio.sleep(BEAT)
            now = time.perf_counter(), time.thread_time(), time.process_time()
            wall, own, process = (after - before for after, before in zip(now, clocks, strict=True))
            self._note(wall - BEAT, own, process - own)
            clocks = now

    def forget(self) -> None:
        """Begin anew: what came until now was the start of the program."""
        self.longest = self.longest_own = self.longest_others = self.longest_collection = 0.0
        self.stalls = 0
        self.stacks = ""
        self.errors.clear()

    def report(self) -> dict[str, Any]:
        """Everything that is known, as JSON."""
        resident = _resident()
        ctypes.CDLL(None).malloc_trim(0)
        return {
            "longest": round(self.longest, 4),
            "longest_own": round(self.longest_own, 4),
            "longest_others": round(self.longest_others, 4),
            "longest_collection": round(self.longest_collection, 4),
            "stalls": self.stalls,
            "stacks": self.stacks,
            "errors": self.errors[:20],
            "resident": resident,
            # Without what is free and only not given back.
            "used": _resident(),
            "objects": len(gc.get_objects()),
            "descriptors": sum(1 for _ in Path("/proc/self/fd").iterdir()),
            "tasks": len(asyncio.all_tasks()),
            "names": sorted(str(task.get_coro()).split()[2] for task in asyncio.all_tasks()),
            "threads": threading.active_count(),
        }

    def _note(self, late: float, own: float, others: float) -> None:
        self.longest = max(self.longest, late)
        if late < SUSPICIOUS or self.paused:
            return
        stacks, self._seen = self._seen, ""
        # A loop that is late while nobody here computes waits for the machine, which others use, too.
        own, others = min(late, own), min(late, others)
        if own > self.longest_own:
            self.longest_own, self.stacks = own, stacks
        if others > self.longest_others:
            self.longest_others = others
            self.stacks = self.stacks if self.longest_own > others else stacks
        self.stalls += max(own, others) > 0.1

    def _look(self, thread: int) -> None:
        """Write down what the loop's thread does whenever it is late; not by faulthandler, which can crash."""
        while True:
            time.sleep(SUSPICIOUS / 4)
            if time.perf_counter() - self._beat > SUSPICIOUS:
                self._seen = "".join(traceback.format_stack(sys._current_frames().get(thread)))[-4000:]

    def _collected(self, phase: str, _facts: object) -> None:
        if phase == "start":
            self._collecting = time.perf_counter()
        else:
            self.longest_collection = max(self.longest_collection, time.perf_counter() - self._collecting)


def _resident() -> int:
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmRSS"].split()[0]) // 1024


class _Errors(logging.Handler):
    """Keeps what nobody foresaw."""

    def __init__(self, watch: Watch) -> None:
        super().__init__(logging.ERROR)
        self._watch = watch

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the text and the traceback."""
        self._watch.errors.append(logging.Formatter("%(name)s: %(message)s").format(record)[-4000:])


def quiet() -> None:
    """Keep the lines of a fuzzed server off the terminal."""
    logging.basicConfig(level=logging.INFO, handlers=[logging.NullHandler()])
    sys.stderr.flush()
