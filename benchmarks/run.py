"""Run by `make bench`: starts a server of this checkout, measures it from outside, and prints a table."""

import asyncio
import tempfile
from argparse import ArgumentParser
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from attrs import evolve
from rich.console import Console
from rich.table import Table

from benchmarks.bare import bare_transfers
from benchmarks.bare_work import bare_creation
from benchmarks.dispatch import dispatch
from benchmarks.files import describe_artifacts, send_small_files, transfer_large_file
from benchmarks.measured import Measured
from benchmarks.nginx import nginx_transfers
from benchmarks.server import Server, running_server, start_and_rest
from benchmarks.watching import watch_completions
from benchmarks.work import create_work_requests, do_work_requests
from tests.postgresql import CannotStartPostgreSQL, running_postgresql

Benchmark = Callable[[Server], Coroutine[Any, Any, list[Measured]]]
BENCHMARKS: dict[str, Benchmark] = {
    "start": start_and_rest,
    "large": transfer_large_file,
    "small": send_small_files,
    "artifacts": describe_artifacts,
    "bare": bare_transfers,
    "nginx": nginx_transfers,
    "create": create_work_requests,
    "bare-create": bare_creation,
    "done": do_work_requests,
    "dispatch": dispatch,
    "watching": watch_completions,
    "create-postgresql": create_work_requests,
    "done-postgresql": do_work_requests,
    "watching-postgresql": watch_completions,
}
ON_POSTGRESQL = "-postgresql"


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
        for measured in measure(name):
            table.add_row(measured.what, f"{measured.figure:,.1f}", measured.unit)
    Console().print(table)


def measure(name: str) -> list[Measured]:
    """The figures of one benchmark."""
    with tempfile.TemporaryDirectory(prefix="debusine-bench-") as directory:
        if not name.endswith(ON_POSTGRESQL):
            return figures(name, Path(directory), None)
        try:
            with running_postgresql(fsync=True) as postgresql:
                found = figures(name, Path(directory), postgresql.create_database())
        except CannotStartPostgreSQL as error:
            return [Measured(f"{name}: {error}", 0, "")]
    return [evolve(each, what=f"{each.what}, on PostgreSQL") for each in found]


def figures(name: str, directory: Path, database: str | None) -> list[Measured]:
    """Start a server, and run one benchmark against it."""
    with running_server(directory, database) as server:
        return asyncio.run(BENCHMARKS[name](server))


if __name__ == "__main__":
    main()
