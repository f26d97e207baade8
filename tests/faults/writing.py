"""``python -m tests.faults.writing SUBJECT BUG NUMBER DIRECTORY ELSEWHERE``: writes, and goes on when it is heard."""

import asyncio
import sys
from pathlib import Path

from tests.faults.subjects import SUBJECTS


async def main(subject: str, bug: str, number: str, directory: str, elsewhere: str) -> None:
    """Acknowledge each thing by one line, and wait until it was noted."""
    writing = SUBJECTS[subject].write(Path(directory), Path(elsewhere), int(number), bug)
    async for line in writing:
        print(line, flush=True)
        if not sys.stdin.readline():
            return  # nobody listens any more


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
