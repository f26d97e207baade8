"""A session: what a command needs of the outside, from the configuration to the open connection."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import attrs
from attrs import frozen
from yarl import URL

from debusine import logs
from debusine.cli.client.options import Options, options
from debusine.cli.output import print_result, tell
from debusine.client import Client, Connection
from debusine.client.configuration import Configuration, Server, load_configuration

#: The asynchronous part of a command; returns its exit status, None: 0.
Command = Callable[["Session"], Awaitable[int | None]]


@frozen(kw_only=True)
class Session:
    """The chosen server, and how to talk to the user."""

    options: Options
    configuration: Configuration
    server: Server
    client: Client

    @property
    def shows_progress(self) -> bool:
        """Whether somebody watches standard error."""
        return sys.stderr.isatty() and not self.options.silent

    def tell(self, message: str) -> None:
        """Write a message for people, unless they want silence."""
        if not self.options.silent:
            tell(message)

    def print(self, value: object, *, begin: bool = False) -> None:
        """Write the command's result."""
        print_result(value, as_json=self.options.json, begin=begin)

    def absolute(self, url: str) -> str:
        """An address that a terminal can open, of a path that the server named."""
        return str(URL(self.server.access.api_url).join(URL(url)))


def run(command: Command) -> None:
    """Run a command against the chosen server, and end the program unless all is well."""
    logs.set_up(level=logging.WARNING)
    if options().debug:
        logging.getLogger("debusine").setLevel(logging.DEBUG)
    if status := asyncio.run(_run(command)):
        sys.exit(status)


async def _run(command: Command) -> int | None:
    async with _session() as session:
        return await command(session)


@asynccontextmanager
async def _session() -> AsyncIterator[Session]:
    chosen = options()
    configuration = load_configuration(chosen.config_file)
    server = configuration.server(chosen.server)
    if chosen.scope:
        server = attrs.evolve(server, access=attrs.evolve(server.access, scope=chosen.scope))
    if server.access.token is not None:
        logs.hide(server.access.token)
    async with Connection(server.access) as connection:
        yield Session(options=chosen, configuration=configuration, server=server, client=Client(connection))
