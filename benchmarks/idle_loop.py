"""A loop that does nothing, in a process of its own: how late it is, is the machine's doing."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks.loops import run_fast
from debusine.server.stalls import Stalls


@asynccontextmanager
async def idle_loop() -> AsyncIterator[list[float]]:
    """Beside the block; then the list has the longest stall, in milliseconds."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.idle_loop", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    await process.stdout.readline()
    found: list[float] = []
    yield found
    said, _ = await process.communicate(b"")
    found.append(float(said) * 1000)


async def be_idle() -> None:
    """Watch the clock until standard input ends, then print the longest stall in seconds."""
    stalls = Stalls(asyncio.get_running_loop().call_later)
    await asyncio.sleep(0.1)
    stalls.take_longest()
    print("ready", flush=True)
    await asyncio.get_running_loop().connect_read_pipe(Closing, sys.stdin)
    await ENDED.wait()
    print(stalls.take_longest())


class Closing(asyncio.Protocol):
    """Hears that standard input has ended."""

    def connection_lost(self, _error: Exception | None) -> None:
        """Let the program end."""
        ENDED.set()


ENDED = asyncio.Event()

if __name__ == "__main__":
    run_fast(be_idle())
