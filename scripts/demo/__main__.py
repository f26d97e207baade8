"""Run by `make demo`: starts the farm, walks through the main job, shows what came out, and keeps serving."""

import signal
import subprocess
import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rich.console import Console

from scripts.demo.journey import Journey, Step
from scripts.demo.machine import CHECKOUT, architecture, free_port, mirror, worker_account
from scripts.demo.programs import Farm, ProgramFailed
from scripts.demo.report import show_report
from scripts.demo.source import fetch_source


def main() -> int:
    """The exit status is 0 only if every step did what it should."""
    parser = ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="end by itself when the job is done")
    parser.add_argument("--data", type=Path, default=CHECKOUT / "demo-data", help="where everything is kept")
    parser.add_argument("--port", type=int, default=8000, help="the port to serve on, another when it is taken")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Console(width=None if sys.stdout.isatty() else 120)
    try:
        return demonstrate(console, options.data.absolute(), options.port, once=options.once)
    except (ProgramFailed, subprocess.CalledProcessError, OSError) as error:
        console.print(f"The demo stops here: {error}", style="red", markup=False, soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        console.print("Stopped before the job was done.")
        return 130


def demonstrate(console: Console, data: Path, port: int, *, once: bool) -> int:
    """Start the farm, do the job, and serve until told to stop unless it is for once."""
    data.mkdir(parents=True, exist_ok=True)
    with running_farm(data, free_port(port)) as farm:
        console.print(f"debusine-server serves on {farm.url}, its data in {data}", highlight=False, soft_wrap=True)
        steps = main_job(Journey(farm, console), data)
        show_report(console, steps, farm.url)
        done = len(steps) == 4 and all(step.succeeded for step in steps)
        if not once:
            console.print("The server and the worker go on until Ctrl-C. Another client command:", highlight=False)
            console.print(f"  .venv/bin/debusine --config-file {data}/client.ini list-work-requests", soft_wrap=True)
            serve(farm)
    return 0 if done else 1


def serve(farm: Farm) -> None:
    """Wait for Ctrl-C, or for the end of a program that should have gone on."""
    with suppress(KeyboardInterrupt):
        while True:
            farm.check()
            time.sleep(1)


@contextmanager
def running_farm(data: Path, port: int) -> Iterator[Farm]:
    """A server and a worker that end with the block."""
    farm = Farm(data=data, account=worker_account(data), port=port)
    try:
        farm.start_server()
        farm.configure_client()
        farm.start_worker()
        yield farm
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C shall not leave a process behind
        farm.stop()


def main_job(journey: Journey, data: Path) -> list[Step]:
    """The steps that were taken: a failed one is the last."""
    found = mirror()
    if found is None:
        raise ProgramFailed("apt-get indextargets", "this machine names no Debian mirror to bootstrap from")
    here = architecture()
    dsc = fetch_source(data / "source", found, journey.say)
    steps = [journey.import_source(dsc)]
    source = steps[0].artifacts[0]
    steps.append(journey.environment(found, here))
    for environment in steps[-1].of("debian:system-tarball"):
        steps.append(journey.build(source, environment, here))
    for upload in steps[-1].of("debian:upload"):
        steps.append(journey.check(source, upload, found.suite))
    return steps


if __name__ == "__main__":
    sys.exit(main())
