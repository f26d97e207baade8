"""What a run costs: time, memory and disk, for the statistics in its report."""

import os
import time
from pathlib import Path

import psutil

from debusine.protocol.resources import RuntimeStatistics


class Meter:
    """Measures one run from its making on."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._started = time.monotonic()
        self._free_at_start = self._lowest_free = _free(directory)
        self._memory_at_start = psutil.virtual_memory().available
        self._cpu = 0.0
        self._memory = 0

    def look(self) -> None:
        """Take note of the free disk space; called now and then while a command runs."""
        self._lowest_free = min(self._lowest_free, _free(self._directory))

    def add(self, cpu: float, memory: int) -> None:
        """Count what a command used: seconds of processor time, and bytes of memory at its peak."""
        self._cpu += cpu
        self._memory = max(self._memory, memory)

    def statistics(self) -> RuntimeStatistics:
        """The figures so far; the disk space is the most by which the free space fell, whoever used it."""
        self.look()
        return RuntimeStatistics(
            duration=int(time.monotonic() - self._started),
            cpu_time=int(self._cpu),
            disk_space=self._free_at_start - self._lowest_free,
            memory=self._memory,
            available_disk_space=self._free_at_start,
            available_memory=self._memory_at_start,
            cpu_count=os.cpu_count(),
        )


def _free(directory: Path) -> int:
    facts = os.statvfs(directory)
    return facts.f_bavail * facts.f_frsize
