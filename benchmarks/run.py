"""Run by `make bench`: starts a server of this checkout, measures it from outside, and prints a table."""

import asyncio
import tempfile
from argparse import ArgumentParser
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.bare import bare_upload
from benchmarks.dispatch import dispatch
from benchmarks.files import describe_artifacts, send_small_files, transfer_large_file
from benchmarks.measured import Measured
from benchmarks.server import Server, running_server, start_and_rest
from benchmarks.work import create_work_requests, do_work_requests

Benchmark = Callable[[Server], Coroutine[Any, Any, list[Measured]]]
BENCHMARKS: dict[str, Benchmark] = {
    "start": start_and_rest,
    "large": transfer_large_file,
    "bare": bare_upload,
    "small": send_small_files,
    "artifacts": describe_artifacts,
    "create": create_work_requests,
    "done": do_work_requests,
    "dispatch": dispatch,
}


def main() -> None:
    """Run the named benchmarks, or all, each against a fresh server."""
    parser = ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"which of {', '.join(BENCHMARKS)}; all when none is named")
    options = parser.parse_args()
    if unknown := set(options.names) - set(BENCHMARKS):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}")
    table = Table(title="One server and its clients on one machine", title_justify="left")
    for heading in ("What", "Figure", "Unit"):
        table.add_column(heading, justify="right" if heading == "Figure" else "left")
    for name in options.names or BENCHMARKS:
        for measured in measure(BENCHMARKS[name]):
            table.add_row(measured.what, f"{measured.figure:,.1f}", measured.unit)
    Console().print(table)


def measure(benchmark: Benchmark) -> list[Measured]:
    """The figures of one benchmark."""
    with tempfile.TemporaryDirectory(prefix="debusine-bench-") as directory, running_server(Path(directory)) as server:
        return asyncio.run(benchmark(server))


if __name__ == "__main__":
    main()
