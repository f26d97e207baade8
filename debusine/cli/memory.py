"""Memory that was let go of: the C library keeps it for later unless it is told not to."""

import asyncio
import ctypes
import os
from collections.abc import Callable
from pathlib import Path

from attrs import define, field

#: Numbers of glibc's ``mallopt``, from its ``malloc.h``.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8

#: Bytes; what is larger is taken from the system and given back at once. Left alone, glibc raises this limit to the
#: size of the largest block that it ever got back. Not less: the blocks in which files come would be new memory each
#: time, which the system has to clear, and the event loop waits for it.
LARGE = 2 << 20
#: Bytes at the end of what is in use that are kept.
SPARE = 4 << 20
#: Of these, each keeps what was let go of for itself; else every thread would have one.
ARENAS = 2

#: Seconds between two looks at the memory.
PAUSE = 0.5
#: Bytes more than after the last look or trim from which on it is worth a trim, which takes some milliseconds.
GROWTH = 8 << 20


def give_back_early() -> bool:
    """Have the C library keep little; to be called before threads begin. False: this is another one than glibc."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:
        return False
    settings = {_ARENA_MAX: ARENAS, _MMAP_THRESHOLD: LARGE, _TRIM_THRESHOLD: SPARE}
    return {name for name, value in settings.items() if mallopt(name, value)} == settings.keys()


def trim() -> None:
    """Give back whole pages that lie between what is in use; nothing with another C library than glibc."""
    if give_back := getattr(ctypes.CDLL(None), "malloc_trim", None):
        give_back(0)


def resident() -> int:
    """Bytes of this process that are in memory (``statm`` of proc(5))."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@define
class Trimming:
    """Gives memory back when there is more of it; blocking."""

    resident: Callable[[], int] = resident
    trim: Callable[[], None] = trim
    _least: int = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._least = self.resident()

    def look(self) -> None:
        """Trim if the memory has grown since the last look or trim; what is in use then is no reason for the next."""
        found = self.resident()
        if found > self._least + GROWTH:
            self.trim()
            self._least = self.resident()
        else:
            self._least = min(self._least, found)


async def keep_trimming() -> None:
    """Look again and again, so that a burst is over when it is over."""
    trimming = await asyncio.to_thread(Trimming)
    while True:
        await asyncio.sleep(PAUSE)
        await asyncio.to_thread(trimming.look)
