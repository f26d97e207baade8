"""What the loops of this package wait for."""

import asyncio
from contextlib import suppress

#: Seconds in which many distant rings count as one.
PAUSE = 0.02


class Alarm:
    """Wakes a loop: when somebody rings, or when the time is over; rings while the loop works are not lost."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()
        self._later: asyncio.TimerHandle | None = None

    def ring(self) -> None:
        """Wake the loop now."""
        self._rung.set()

    def ring_soon(self) -> None:
        """Wake the loop in a moment, once for all who ask until then."""
        if self._later is None:
            self._later = asyncio.get_running_loop().call_later(PAUSE, self._ring_late)

    async def wait(self, seconds: float) -> None:
        """Return after a ring, or after this many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        self._rung.clear()

    def _ring_late(self) -> None:
        self._later = None
        self.ring()
