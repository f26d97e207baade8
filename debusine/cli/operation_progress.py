"""Progress of what takes its time at the farm: a bar on standard error when somebody watches."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn, TransferSpeedColumn

#: Takes what there is to tell: what, done and total, in bytes; total 0: nobody knows.
Report: TypeAlias = Callable[[Mapping[str, Any]], None]


def nothing(_: Mapping[str, Any]) -> None:
    """Tell nobody."""


@contextmanager
def shown(title: str) -> Iterator[Report]:
    """Show how far something is; on anything but a terminal, nothing."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield nothing
        return
    text, bar = TextColumn("{task.description}", markup=False), BarColumn()
    columns = (text, bar, DownloadColumn(), TransferSpeedColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(title, total=None)

        def report(told: Mapping[str, Any]) -> None:
            total = told["total"] or None
            progress.update(task, description=told["what"], completed=told["done"], total=total)

        yield report
