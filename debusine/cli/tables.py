"""Tables for people: as wide as the terminal, and never cut when they go elsewhere."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

#: Wide enough for anything, where there is no terminal to be too narrow.
UNLIMITED = 10_000


def print_table(rows: Iterable[Mapping[str, Any]], columns: Mapping[str, str]) -> None:
    """Write rows under headings: key → heading."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=UNLIMITED)
    table = Table(*columns.values(), box=None, header_style="bold", pad_edge=False)
    for row in rows:
        table.add_row(*(Text(_text(row.get(key))) for key in columns))
    console.print(table)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(value)
    if isinstance(value, dict):
        return "; ".join(f"{key}: {_text(inner)}" for key, inner in value.items())
    return "" if value is None else _MOMENT.sub(r"\1 \2", str(value))


#: A moment in JSON; people need no parts of seconds, and the heading says that it is UTC.
_MOMENT = re.compile(r"^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.\d+)?Z$")
