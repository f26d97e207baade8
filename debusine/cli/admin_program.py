"""What all commands of ``debusine-admin`` share: its options, how it reaches the farm, how it shows what it got."""

import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from attrs import frozen

from debusine import logs
from debusine.cli.operation_progress import shown
from debusine.cli.operator import PROGRAM, perform
from debusine.cli.output import print_result, sentence, tell
from debusine.cli.tables import print_table
from debusine.config import Settings, read_settings
from debusine.domain.errors import ConfigurationError, DebusineError


@frozen
class Operator:
    """What the options before the command say."""

    config: Path | None
    data_dir: Path | None
    as_json: bool

    def settings(self) -> Settings:
        """The server's settings."""
        return read_settings(config=self.config, data_dir=self.data_dir)

    def perform(self, command: str, arguments: Mapping[str, Any] | None = None) -> Any:
        """Carry out a command of the table."""
        return perform(self.settings(), command, arguments or {})

    def operate(self, command: str, title: str, arguments: Mapping[str, Any] | None = None) -> Any:
        """Carry out something that takes its time, with a bar on a terminal that shows how far it is."""
        with shown(title) as report:
            return perform(self.settings(), command, arguments or {}, report)

    def show(self, result: Any, sentence: str) -> None:
        """Print what was done: as a sentence, or as JSON."""
        if self.as_json:
            print_result(result, as_json=True)
        else:
            click.echo(sentence)

    def show_rows(self, rows: list[dict[str, Any]], columns: Mapping[str, str], empty: str) -> None:
        """Print a list: as a table, or as JSON."""
        if self.as_json:
            print_result(rows, as_json=True)
        elif rows:
            print_table(rows, columns)
        else:
            tell(empty)


class Program(click.Group):
    """A group of commands whose errors are one sentence each."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; status 2 when the configuration is wrong, 1 when the farm refuses."""
        logs.set_up(level=logging.WARNING)
        try:
            return super().invoke(ctx)
        except DebusineError as error:
            tell(f"{PROGRAM}: {sentence(error)}")
            sys.exit(2 if isinstance(error, ConfigurationError) else 1)
