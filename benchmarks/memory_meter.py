"""How much memory a process holds: now, at most, and over time."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from attrs import frozen

MB = 1_000_000
#: Seconds between two points of a curve.
INTERVAL = 0.1


@frozen
class MemoryMeter:
    """Reads what the kernel knows of one process; megabytes of 1,000,000 bytes."""

    pid: int

    def resident(self) -> float:
        """What it holds now."""
        return self._read("VmRSS")

    def peak(self) -> float:
        """The most that it ever held since `forget`, or since its start."""
        return self._read("VmHWM")

    def forget(self) -> None:
        """Begin anew to watch the peak."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    @asynccontextmanager
    async def drawing(self) -> AsyncIterator[list[tuple[float, float]]]:
        """A curve that grows while the block runs: (seconds, MB)."""
        points: list[tuple[float, float]] = []
        task = asyncio.create_task(self._draw(points))
        try:
            yield points
        finally:
            task.cancel()

    async def _draw(self, points: list[tuple[float, float]]) -> None:
        began = time.perf_counter()
        while True:
            points.append((round(time.perf_counter() - began, 3), self.resident()))
            await asyncio.sleep(INTERVAL)

    def _read(self, name: str) -> float:
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024 / MB
        raise LookupError(name)
