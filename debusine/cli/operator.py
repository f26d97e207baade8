"""How the operator's commands reach the farm: by the running server, or by its database when none runs."""

import asyncio
import http.client
import socket
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from debusine.cli.data_directory import InUse, locked
from debusine.config import Settings
from debusine.converter.json import dumps, loads
from debusine.domain.errors import ConfigurationError, DebusineError
from debusine.services.operator_socket import connected

if TYPE_CHECKING:
    from debusine.db.database import Database
    from debusine.services.notification_methods import Methods

PROGRAM = "debusine-admin"

#: Seconds that a server may take to answer, and to begin to.
ANSWER, BEGIN = 60.0, 10.0


class CommandRefused(DebusineError):
    """The server would not do what the operator asked."""


class NoAnswer(ConfigurationError):
    """A server works in the data directory and does not answer."""

    def __init__(self, in_use: InUse) -> None:
        super().__init__(f"{in_use}; it does not answer just now, so try again")


def perform(settings: Settings, command: str, arguments: Mapping[str, Any]) -> Any:
    """Carry out a command, the same whether the server runs or not; raises a ``DebusineError`` when it is refused."""
    if settings.database is not None:
        return _on_postgresql(settings, settings.database, command, arguments)
    deadline = time.monotonic() + BEGIN
    while True:
        try:
            with locked(settings.data_dir, PROGRAM, patience=0):
                return _on_sqlite(settings, command, arguments)
        except InUse as in_use:
            try:
                return _by_server(settings, command, arguments)
            except (ConnectionError, FileNotFoundError) as error:
                if time.monotonic() > deadline:
                    raise NoAnswer(in_use) from error
        time.sleep(0.05)  # it has just begun, or has just ended


def _on_postgresql(settings: Settings, url: str, command: str, arguments: Mapping[str, Any]) -> Any:
    from debusine.db.schema import check_version

    check_version(url)
    return asyncio.run(_on_database(settings, url, command, arguments))


def _on_sqlite(settings: Settings, command: str, arguments: Mapping[str, Any]) -> Any:
    from debusine.db.engine import sqlite_url
    from debusine.db.schema import migrate

    url = sqlite_url(settings.sqlite)
    migrate(url)
    return asyncio.run(_on_database(settings, url, command, arguments))


async def _on_database(settings: Settings, url: str, command: str, arguments: Mapping[str, Any]) -> Any:
    from debusine.db.open import open_database
    from debusine.services import administration, workspaces
    from debusine.services.notification_methods import NO_METHODS

    database = open_database(url)
    try:
        if not await database.read(workspaces.furnished):
            await _furnish(settings, database)
        methods = _methods(settings) if administration.wants_methods(command) else NO_METHODS
        who = administration.OPERATOR
        result = await database.write(administration.perform, who, command, arguments, methods)
        return loads(dumps(result))  # as a server would have sent it
    finally:
        await database.aclose()


def _methods(settings: Settings) -> "Methods":
    from debusine.plugin.manager import PluginManager
    from debusine.services.notification_methods import configure

    return configure(settings.notifications, PluginManager.load().notification_methods())


async def _furnish(settings: Settings, database: "Database") -> None:
    """Do what the server's first start does, so that the command finds what it would find then."""
    from debusine.plugin.manager import PluginManager
    from debusine.services.configured_stores import close_all, configure, open_stores
    from debusine.services.workspaces import default_workspace

    configured = configure(settings.all_stores, PluginManager.load().file_stores())
    try:
        await open_stores(configured, database)
        await database.write(default_workspace)
    finally:
        await close_all(configured)


def _by_server(settings: Settings, command: str, arguments: Mapping[str, Any]) -> Any:
    connection = _Connection(connected(settings.admin_socket, timeout=ANSWER))
    try:
        body = dumps({"command": command, "arguments": arguments})
        connection.request("POST", "/", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        result = loads(answer.read())
    finally:
        connection.close()
    if answer.status != http.client.OK:
        raise CommandRefused(
            result["title"], detail=result.get("detail"), validation_errors=result.get("validation_errors")
        )
    return result


class _Connection(http.client.HTTPConnection):
    """HTTP over a socket that is connected already."""

    def __init__(self, opened: socket.socket) -> None:
        super().__init__("operator")
        self.sock = opened
