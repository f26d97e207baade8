"""A Sphinx extension that writes the command reference from the commands themselves."""

from collections.abc import Iterator
from pathlib import Path

import click
from sphinx.application import Sphinx

from debusine.cli import admin, main, server, worker

PROGRAMS: dict[str, click.Command] = {
    "debusine": main.debusine,
    "debusine-admin": admin.main,
    "debusine-server": server.main,
    "debusine-worker": worker.main,
}

HEAD = "# Commands\n\nWhat each program says when it is asked with `--help`.\n"


def setup(app: Sphinx) -> dict[str, bool]:
    """Write the page before Sphinx looks for pages."""
    app.connect("builder-inited", write_commands, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def write_commands(app: Sphinx) -> None:
    """Write `reference/api/commands.md`, which is not kept in the repository."""
    page = Path(app.srcdir) / "reference/api/commands.md"
    page.parent.mkdir(parents=True, exist_ok=True)
    text = HEAD + "".join(section for name, command in PROGRAMS.items() for section in sections(command, name, None))
    if not page.exists() or page.read_text() != text:
        page.write_text(text)


def sections(command: click.Command, name: str, parent: click.Context | None) -> Iterator[str]:
    """One section for a command and one for each below it."""
    context = click.Context(command, info_name=name, parent=parent, max_content_width=100)
    heading = "##" if parent is None else "###"
    yield f"\n{heading} {context.command_path}\n\n```text\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            found = command.get_command(context, below)
            if found is not None and not found.hidden:
                yield from sections(found, below, context)
