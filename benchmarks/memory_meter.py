"""How much memory a process holds: now, at most, and over time."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from attrs import define, field, frozen

MB = 1_000_000
#: Seconds between two points of a curve.
INTERVAL = 0.1


@define
class Curve:
    """Something over time."""

    #: Seconds, MB.
    points: list[tuple[float, float]] = field(factory=list)
    #: Seconds, and what began then.
    marks: list[tuple[float, str]] = field(factory=list)
    _began: float = field(factory=time.perf_counter)

    def mark(self, what: str) -> None:
        """Something begins."""
        self.marks.append((self.now(), what))

    def now(self) -> float:
        """Seconds since the beginning."""
        return round(time.perf_counter() - self._began, 3)


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
    async def drawing(self) -> AsyncIterator[Curve]:
        """A curve that grows while the block runs."""
        curve = Curve()
        task = asyncio.create_task(self._draw(curve))
        try:
            yield curve
        finally:
            task.cancel()

    async def _draw(self, curve: Curve) -> None:
        while True:
            curve.points.append((curve.now(), self.resident()))
            await asyncio.sleep(INTERVAL)

    def _read(self, name: str) -> float:
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024 / MB
        raise LookupError(name)
