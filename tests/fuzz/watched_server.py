"""The real server with a watch inside: ``python -m tests.fuzz.watched_server DATA_DIR [DATABASE]``.

It answers each line of its standard input with one line of JSON: ``report``, or ``forget`` to begin anew.
"""

import asyncio
import gc
import json
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

from debusine.cli.server import run, serve
from debusine.config import Limits, Settings
from debusine.server.listening import bind
from tests.fuzz.watch import Watch, quiet

#: Shorter than usual, so that what waits for a client's next byte ends while the fuzzer watches; and whoever guesses
#: keys is not sent away at once, since what lies behind that door is to be tried, too.
IMPATIENT = Limits(slow_body=1.0, keep_alive=2.0, bad_credentials=10**9)


def main() -> None:
    """Serve until the standard input ends."""
    quiet()
    directory, database = Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None
    settings = Settings(data_dir=directory, database=database, listen="127.0.0.1:0", limits=IMPATIENT)
    with closing(bind(settings.listen)) as bound:
        run(_watched(settings, bound))


async def _watched(settings: Settings, bound: Any) -> None:
    watch = Watch()
    watching = asyncio.create_task(watch.run())
    serving = asyncio.create_task(serve(settings, bound))
    loop = asyncio.get_running_loop()
    threading.Thread(target=_listen, args=(loop, watch, serving), daemon=True).start()
    try:
        await serving
    except asyncio.CancelledError:
        pass
    finally:
        watching.cancel()


def _listen(loop: asyncio.AbstractEventLoop, watch: Watch, serving: "asyncio.Task[None]") -> None:
    for line in sys.stdin:
        loop.call_soon_threadsafe(_answer, line.strip(), watch)
    loop.call_soon_threadsafe(serving.cancel)


def _answer(command: str, watch: Watch) -> None:
    watch.paused = True  # the collection is a stall that no request has caused
    gc.collect()
    asyncio.get_running_loop().call_later(0.5, _report, watch, command == "forget")


def _report(watch: Watch, forget: bool) -> None:
    print(json.dumps(watch.report()), flush=True)
    watch.paused = False
    if forget:
        watch.forget()


if __name__ == "__main__":
    main()
