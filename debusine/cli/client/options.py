"""The options that every command of ``debusine`` takes, before or after the command's name."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from attrs import define

F = TypeVar("F", bound=Callable[..., Any])


@define
class Options:
    """What was chosen for the whole run."""

    config_file: Path | None = None
    server: str | None = None
    scope: str | None = None
    silent: bool = False
    debug: bool = False
    json: bool = False
    strict: bool = False


def global_options(command: F) -> F:
    """Give a command the options of every command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def options() -> Options:
    """What was chosen; asked for inside a running command."""
    return click.get_current_context().find_root().ensure_object(Options)


def _keep(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    if value and parameter.name is not None:
        setattr(context.find_root().ensure_object(Options), parameter.name, value)


def _option(*names: str, **settings: Any) -> Callable[[F], F]:
    return click.option(*names, expose_value=False, callback=_keep, **settings)


_OPTIONS = (
    _option("--server", metavar="NAME|FQDN/SCOPE", help="The server to talk to, instead of default-server."),
    _option("--scope", metavar="SCOPE", help="The scope, instead of the server's in the configuration file."),
    _option(
        "--config-file",
        metavar="FILE",
        type=click.Path(path_type=Path),
        help="The configuration file, instead of ~/.config/debusine/client/config.ini.",
    ),
    _option("--json", is_flag=True, help="Write the result as JSON instead of YAML."),
    _option("--strict", is_flag=True, help="End with a status other than 0 for everything that was refused."),
    _option("-s", "--silent", is_flag=True, help="No progress and no messages besides errors."),
    _option("-d", "--debug", is_flag=True, help="Tell each request on standard error."),
)
