"""Memory goes back to the system when a burst is over."""

import json
import subprocess
import sys
import threading
from itertools import takewhile
from pathlib import Path

import pytest

from debusine.cli.memory import GROWTH, Trimming

# What a server does in a burst: threads take large blocks and let go of them, and small objects that stay lie between.
BURST = """
import json, sys, threading
from pathlib import Path
from debusine.cli.memory import give_back_early, trim

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

def use():
    for _ in range(5):
        blocks = []
        for _ in range(40):
            blocks.append(bytes(256 << 10))
            kept.append(bytes(1000))

told = give_back_early() if json.loads(sys.argv[1]) else None
kept, before = [], resident()
for _ in range(3):
    threads = [threading.Thread(target=use) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
if told:
    trim()
print(json.dumps([told, resident() - before - 1000 * len(kept)]))
"""


def burst(*, told: bool) -> tuple[bool | None, float]:
    """What the C library said, and the megabytes that stay beside what is in use."""
    command = [sys.executable, "-c", BURST, json.dumps(told)]
    answer, left = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return answer, left / 1e6


def test_what_a_burst_took_goes_back() -> None:
    told, left = burst(told=True)
    if not told:
        pytest.skip("the C library of this machine is not glibc")
    assert left < 5
    assert burst(told=False)[1] > 10  # else there is nothing to be done


#: Seconds in which a server has begun, also on a slow machine.
PATIENCE = 60.0

# The server's program, which says when it does something for its memory.
SERVER = """
import sys
from debusine.cli import memory, server

early = server.give_back_early
server.give_back_early = lambda: print("early", early(), flush=True)
memory.PAUSE = 0.01
memory.Trimming.look = lambda trimming: print("looks", flush=True)
server.main(["--data-dir", sys.argv[1], "--listen", "127.0.0.1:0"])
"""


def test_a_server_looks_after_its_memory(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SERVER, str(tmp_path / "data")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        patience = threading.Timer(PATIENCE, process.kill)
        patience.start()
        said = list(takewhile(lambda line: line != "looks\n", process.stdout))
        again = next(process.stdout, "")
        patience.cancel()
        process.kill()
    assert said[0].startswith("early ")
    assert again == "looks\n"


def test_memory_is_trimmed_when_there_is_more_of_it() -> None:
    levels = iter([100, 100 + GROWTH, 90, 91 + GROWTH, 95, 96 + GROWTH, 96 + GROWTH, 97 + GROWTH])
    trims: list[None] = []
    trimming = Trimming(resident=lambda: next(levels), trim=lambda: trims.append(None))
    so_far = []
    for _ in range(5):
        trimming.look()
        so_far.append(len(trims))
    # Not at the limit; from a lower level on; not again for what is left after a trim.
    assert so_far == [0, 0, 1, 2, 2]
